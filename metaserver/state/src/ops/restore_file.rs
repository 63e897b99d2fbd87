//! Give a file in the trash a name again: where it was, or elsewhere. It is the same inode as before, so it has its bytes,
//! attributes, access list, class and what S3 keeps with it, and who has it open sees it get a name.
//!
//! It counts against the quota of the directory it comes to. Nothing gives way to it unless that is said, and what does is
//! deleted as anything else is.

use bytes::Bytes;
use holdfast_proto::ids::ROOT_INO;
use holdfast_proto::inode::{FileKind, Inode};
use holdfast_proto::op::{RestoreFile, TrashWay};
use holdfast_proto::status::Code;

use crate::access::Mode;
use crate::change::{Change, Outcome, Stop, refuse, require};
use crate::dirs::{self, MAX_KEY, Owner};
use crate::keys;
use crate::nameless;
use crate::quotas;
use crate::trash::{self, Lost};

pub(crate) fn apply(cx: &mut Change<'_>, op: &RestoreFile) -> Outcome {
    let found = trash::find(cx.view(), op.item.unwrap_or_default())?;
    let Some((mut inode, kept)) = found else {
        return Err(refuse(Code::NotFound, "this file is not in the trash, or not any more"));
    };
    let path = if op.path.is_empty() { kept.path.clone() } else { op.path.clone() };
    let key = check_path(&path)?;
    let (parents, name) = dirs::split_key(key);
    // What S3 deleted goes back by S3's rules, where an object and a prefix may have one name.
    let by_key = op.path.is_empty() && [TrashWay::Deleted, TrashWay::Overwritten].contains(&kept.way());
    if !by_key {
        check_way(cx, &parents, name)?;
    }
    make_top(cx, parents.first().copied())?;
    let mut dir = dirs::make_parents(cx, ROOT_INO.0, &parents, Owner::default())?;
    trash::take(cx, &mut inode, &kept);
    if nameless::is_open(cx.view(), inode.ino)? {
        nameless::let_go(cx, inode.ino);
    }
    inode.nlink = 1;
    inode.ctime_ns = cx.now;
    inode.quota_root = 0;
    quotas::linked(cx, &mut inode, &dir)?;
    match dirs::entry(cx.view(), dir.ino, name)? {
        None => dirs::add_entry(cx, &mut dir, name, &mut inode),
        Some(taken) => {
            let what = "a file is there; restore to another path, or replace it: it is kept in its turn";
            require(op.replace, Code::Exists, what)?;
            let old = dirs::inode_of(cx.view(), &taken)?;
            dirs::swap_entry(cx, &mut dir, name, &inode);
            let lost = Lost { dir: dir.ino, stored: name, way: TrashWay::RestoredOver };
            // What is put together of its path is read from the directory.
            cx.store_inode(&dir);
            nameless::drop_link(cx, old, &lost, op.unheld.as_ref())?;
        }
    }
    cx.store_inode(&dir);
    cx.store_inode(&inode);
    Ok(cx.reply_inode(inode))
}

fn check_path(path: &Bytes) -> Result<&[u8], Stop> {
    let key = path.strip_prefix(b"/").unwrap_or_default();
    require(!key.is_empty(), Code::InvalidArgument, "a path begins with `/` and names a file")?;
    require(path.len() <= MAX_KEY + 1, Code::NameTooLong, "a path is limited to 4096 bytes")?;
    Ok(key)
}

/// Refuses a path that leads through a file, to the name of a directory, or through names that no mount could show.
fn check_way(cx: &Change<'_>, parents: &[&[u8]], name: &[u8]) -> Result<(), Stop> {
    require(!name.is_empty(), Code::IsADirectory, "the path ends with `/`: it names a directory")?;
    dirs::check_new_name(name)?;
    let mut at = ROOT_INO.0;
    for (depth, stored) in parents.iter().enumerate() {
        let Some(found) = dirs::entry(cx.view(), at, stored)? else {
            let to_make = parents.get(depth..).unwrap_or_default();
            to_make.iter().try_for_each(|stored| dirs::check_new_name(plain_of(stored)))?;
            let plain = plain_of(stored);
            let what = format!("{:?} on the way there is a file", String::from_utf8_lossy(plain));
            return require(dirs::entry(cx.view(), at, plain)?.is_none(), Code::NotADirectory, &what);
        };
        at = found.ino;
    }
    let directory = cx.view().get(&keys::dir_dentry(at, name))?.is_some();
    require(!directory, Code::Exists, "a directory of that name is there; restore to another path")
}

fn plain_of(stored: &[u8]) -> &[u8] {
    stored.strip_suffix(b"/").unwrap_or(stored)
}

/// Makes the top-level directory of a path if it is gone. Unlike those below it, it stays when it becomes empty.
fn make_top(cx: &mut Change<'_>, stored: Option<&[u8]>) -> Result<(), Stop> {
    let Some(stored) = stored else { return Ok(()) };
    if dirs::entry(cx.view(), ROOT_INO.0, stored)?.is_some() {
        return Ok(());
    }
    let mut root = cx.inode_there(ROOT_INO.0)?;
    let mut top: Inode = dirs::new_inode(cx, &root, FileKind::Directory, Mode::DIRECTORY, Owner::default())?;
    dirs::add_entry(cx, &mut root, stored, &mut top);
    cx.store_inode(&root);
    cx.store_inode(&top);
    Ok(())
}
