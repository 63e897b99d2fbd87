//! Move or exchange names, atomically.

use bytes::Bytes;
use holdfast_proto::ids::ROOT_INO;
use holdfast_proto::inode::Inode;
use holdfast_proto::op::{Rename, RenameMode, Reply, TrashWay};
use holdfast_proto::status::Code;

use crate::change::{Change, Outcome, Stop, refuse, require};
use crate::dirs;
use crate::keys;
use crate::nameless;
use crate::ops::remove_dir;
use crate::quotas;
use crate::trash::Lost;

/// Deepest directory tree in which a directory can be moved: how far up its ancestors are looked at.
const MAX_DEPTH: usize = 4096;

/// A name and what it points to.
struct Named {
    dir: u64,
    stored: Bytes,
    inode: Inode,
}

pub(crate) fn apply(cx: &mut Change<'_>, op: &Rename) -> Outcome {
    let mode = RenameMode::try_from(op.mode)
        .map_err(|_| refuse(Code::InvalidArgument, "this way of renaming is not known"))?;
    dirs::directory(cx, op.parent)?;
    dirs::directory(cx, op.new_parent)?;
    let Some(source) = find(cx, op.parent, &op.name)? else {
        return Err(refuse(Code::NotFound, "there is no such name"));
    };
    let target = find(cx, op.new_parent, &op.new_name)?;
    if dirs::is_dir(&source.inode) {
        check_no_loop(cx, source.inode.ino, op.new_parent)?;
    }
    match (mode, target) {
        (RenameMode::Exchange, Some(target)) => exchange(cx, source, target),
        (RenameMode::Exchange, None) => Err(refuse(Code::NotFound, "there is no name to exchange with")),
        (RenameMode::NoReplace, Some(_)) => Err(refuse(Code::Exists, "the name is taken")),
        (_, target) => {
            dirs::check_new_name(&op.new_name)?;
            replace(cx, op, source, target)
        }
    }
}

fn find(cx: &Change<'_>, dir: u64, name: &[u8]) -> Result<Option<Named>, Stop> {
    let Some((stored, found)) = dirs::find_shown(cx.view(), dir, name)? else { return Ok(None) };
    Ok(Some(Named { dir, stored, inode: dirs::inode_of(cx.view(), &found)? }))
}

/// Refuses to move a directory below itself.
fn check_no_loop(cx: &Change<'_>, moved: u64, to: u64) -> Result<(), Stop> {
    let mut at = to;
    for _ in 0..MAX_DEPTH {
        require(at != moved, Code::Loop, "a directory cannot be moved into itself")?;
        if at == ROOT_INO.0 {
            return Ok(());
        }
        at = cx.inode_there(at)?.parent;
    }
    Err(refuse(Code::TooLarge, "the directory tree is too deep to move a directory there"))
}

fn replace(cx: &mut Change<'_>, op: &Rename, source: Named, target: Option<Named>) -> Outcome {
    let directory = dirs::is_dir(&source.inode);
    let mut left = None;
    if let Some(target) = target {
        if target.inode.ino == source.inode.ino {
            // Two names of one file: rename(2) does nothing, and says so.
            return Ok(cx.reply_inode(target.inode));
        }
        match (directory, dirs::is_dir(&target.inode)) {
            (true, false) => return Err(refuse(Code::NotADirectory, "the target is not a directory")),
            (false, true) => return Err(refuse(Code::IsADirectory, "the target is a directory")),
            (true, true) => remove_dir::check_removable(cx, &target.inode)?,
            (false, false) => {}
        }
        edit(cx, target.dir, |cx, dir| dirs::remove_entry(cx, dir, &target.stored))?;
        if directory {
            remove_dir::remove(cx, target.inode)?;
        } else {
            let lost = Lost { dir: target.dir, stored: &target.stored, way: TrashWay::RenamedOver };
            let inode = target.inode.clone();
            let trashed_until = nameless::drop_link(cx, target.inode, &lost, op.unheld.as_ref())?;
            let (nlink, ctime_ns) = (inode.nlink.saturating_sub(1), cx.now);
            left = Some(Inode { nlink, ctime_ns, extents: Vec::new(), trashed_until, ..inode });
        }
    }
    let stored = dirs::stored_name(&op.new_name, directory);
    edit(cx, source.dir, |cx, dir| dirs::remove_entry(cx, dir, &source.stored))?;
    let moved = arrive(cx, source.inode, source.dir, op.new_parent, &stored)?;
    Ok(Reply { lost: left, ..cx.reply_inode(moved) })
}

fn exchange(cx: &mut Change<'_>, source: Named, target: Named) -> Outcome {
    if source.inode.ino == target.inode.ino {
        return Ok(cx.reply_inode(target.inode));
    }
    if dirs::is_dir(&target.inode) {
        check_no_loop(cx, target.inode.ino, source.dir)?;
    }
    let (source_is_dir, target_is_dir) = (dirs::is_dir(&source.inode), dirs::is_dir(&target.inode));
    // A file that takes a directory's plain name, and the other way round, is stored under the other form.
    let at_target = restyled(&target.stored, source_is_dir);
    let at_source = restyled(&source.stored, target_is_dir);
    edit(cx, source.dir, |cx, dir| dirs::remove_entry(cx, dir, &source.stored))?;
    edit(cx, target.dir, |cx, dir| dirs::remove_entry(cx, dir, &target.stored))?;
    for (dir, stored) in [(target.dir, &at_target), (source.dir, &at_source)] {
        // The object beside a directory of the same name: its place cannot be taken.
        let taken = dirs::entry(cx.view(), dir, stored)?.is_some();
        require(!taken, Code::Exists, "an object of that name lies beside the directory")?;
    }
    let one = arrive(cx, source.inode, source.dir, target.dir, &at_target)?;
    arrive(cx, target.inode, target.dir, source.dir, &at_source)?;
    Ok(cx.reply_inode(one))
}

/// The stored form of the same plain name for a directory or something else.
fn restyled(stored: &[u8], directory: bool) -> Bytes {
    dirs::stored_name(stored.strip_suffix(b"/").unwrap_or(stored), directory)
}

/// Changes a directory and makes it explicit. Read and written each time, because both names may lie in one.
fn edit(cx: &mut Change<'_>, dir: u64, how: impl FnOnce(&mut Change<'_>, &mut Inode)) -> Result<(), Stop> {
    let mut dir = cx.inode_there(dir)?;
    how(cx, &mut dir);
    dir.implicit = false;
    cx.store_inode(&dir);
    Ok(())
}

/// Writes a moved inode and its new name.
fn arrive(cx: &mut Change<'_>, moved: Inode, from: u64, parent: u64, stored: &[u8]) -> Result<Inode, Stop> {
    let mut inode = moved;
    quotas::moved(cx, &mut inode, from, parent)?;
    inode.ctime_ns = cx.now;
    if dirs::is_dir(&inode) {
        if inode.parent == ROOT_INO.0 && parent != ROOT_INO.0 {
            // No bucket any more: S3's owner of it means nothing below.
            cx.remove(keys::bucket(inode.ino));
        }
        inode.parent = parent;
        // Whoever names a directory through a mount wants it to stay.
        inode.implicit = false;
    }
    edit(cx, parent, |cx, dir| dirs::add_entry(cx, dir, stored, &mut inode))?;
    cx.store_inode(&inode);
    Ok(inode)
}
