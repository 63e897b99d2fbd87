//! Directories: entries, counts, object paths, implicit parents and their pruning.
//!
//! What always holds:
//! - `children` counts the entries of a directory, `nlink` is 2 plus its child directories.
//! - The stored name of a directory ends with `/`; no other stored name contains one.
//! - A directory's inode has its stored name, so that a path can be put together from the inside out.
//! - An implicit directory is never empty once the command that emptied it is through.
//!
//! Used by the operations on names; queries use the parts that only read.

use bytes::Bytes;
use holdfast_proto::ids::ROOT_INO;
use holdfast_proto::inode::{FileKind, Inode};
use holdfast_proto::status::Code;

use crate::access::{self, Mode};
use crate::change::{Change, Stop, refuse, require};
use crate::keys;
use crate::names;
use crate::records::{self, Dentry};
use crate::table::{Broken, View};

/// Longest object key through S3; longer ones come from the command line.
pub const MAX_KEY: usize = 4096;

/// Owner of what is made on the way.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Owner {
    pub(crate) uid: u32,
    pub(crate) gid: u32,
}

/// The directory's entry with this stored name.
pub(crate) fn entry(view: &dyn View, parent: u64, stored: &[u8]) -> Result<Option<Dentry>, Broken> {
    records::load(view, &keys::dentry(parent, stored))
}

/// The directory of a bucket.
pub(crate) fn bucket(view: &dyn View, name: &str) -> Result<u64, Stop> {
    let found: Option<Dentry> = if valid_component(name.as_bytes()) {
        records::load(view, &keys::dir_dentry(ROOT_INO.0, name.as_bytes()))?
    } else {
        None
    };
    found.map(|d| d.ino).ok_or_else(|| refuse(Code::NoSuchBucket, format!("there is no bucket {name:?}")))
}

fn valid_component(name: &[u8]) -> bool {
    !name.is_empty() && !name.contains(&b'/')
}

/// Checks an object key.
pub(crate) fn check_key(key: &[u8]) -> Result<(), Stop> {
    require(!key.is_empty(), Code::InvalidArgument, "an object key must not be empty")?;
    require(key.len() <= MAX_KEY, Code::NameTooLong, "an object key is limited to 1024 bytes (paths to 4096)")
}

/// An object key as stored names: its directories, each with its `/`, and the name of the file (may be empty).
pub(crate) fn split_key(key: &[u8]) -> (Vec<&[u8]>, &[u8]) {
    let mut components: Vec<&[u8]> = key.split_inclusive(|byte| *byte == b'/').collect();
    match components.last() {
        Some(last) if !last.ends_with(b"/") => {
            let name = components.pop().unwrap_or_default();
            (components, name)
        }
        _ => (components, &[]),
    }
}

/// Follows stored directory names from `from`; `None` when one is not there.
pub(crate) fn walk(view: &dyn View, from: u64, dirs: &[&[u8]]) -> Result<Option<u64>, Broken> {
    let mut ino = from;
    for dir in dirs {
        match entry(view, ino, dir)? {
            Some(found) => ino = found.ino,
            None => return Ok(None),
        }
    }
    Ok(Some(ino))
}

/// The inode behind an object key.
pub(crate) fn object(view: &dyn View, bucket: u64, key: &[u8]) -> Result<Option<Inode>, Broken> {
    let (dirs, name) = split_key(key);
    let Some(parent) = walk(view, bucket, &dirs)? else { return Ok(None) };
    let Some(found) = entry(view, parent, name)? else { return Ok(None) };
    inode_of(view, &found).map(Some)
}

/// The inode an entry points to.
pub(crate) fn inode_of(view: &dyn View, entry: &Dentry) -> Result<Inode, Broken> {
    records::load(view, &keys::inode(entry.ino))?.ok_or_else(|| {
        Broken::Inconsistent(format!("a name points to inode {}, which does not exist", entry.ino))
    })
}

/// The directory, or `StaleInode`, or `NotADirectory`.
pub(crate) fn directory(cx: &Change<'_>, ino: u64) -> Result<Inode, Stop> {
    let inode = cx.inode(ino)?;
    require(is_dir(&inode), Code::NotADirectory, "this inode is not a directory")?;
    Ok(inode)
}

/// Whether an inode is a directory.
pub(crate) fn is_dir(inode: &Inode) -> bool {
    inode.kind == FileKind::Directory as i32
}

/// A new inode that inherits what its directory hands down. The caller stores it.
pub(crate) fn new_inode(
    cx: &mut Change<'_>,
    parent: &Inode,
    kind: FileKind,
    mode: Mode,
    owner: Owner,
) -> Result<Inode, Stop> {
    let mut inode = bare_inode(cx, parent, kind, owner);
    access::inherit(cx, parent, &mut inode, mode)?;
    Ok(inode)
}

/// A new inode without a mode, which somebody else will decide.
pub(crate) fn bare_inode(cx: &mut Change<'_>, parent: &Inode, kind: FileKind, owner: Owner) -> Inode {
    let ino = cx.new_ino();
    cx.state.inodes += 1;
    let directory = kind == FileKind::Directory;
    Inode {
        ino,
        kind: kind as i32,
        uid: owner.uid,
        gid: owner.gid,
        nlink: if directory { 2 } else { 1 },
        version: cx.at,
        atime_ns: cx.now,
        mtime_ns: cx.now,
        ctime_ns: cx.now,
        btime_ns: cx.now,
        class: parent.class,
        quota_root: parent.quota_root,
        parent: if directory { parent.ino } else { 0 },
        ..Inode::default()
    }
}

/// Adds an entry; the caller stores `dir` and, behind this, the inode: a directory knows its name.
pub(crate) fn add_entry(cx: &mut Change<'_>, dir: &mut Inode, stored: &[u8], inode: &mut Inode) {
    if is_dir(inode) {
        inode.name = stored.to_vec();
    }
    let dentry = Dentry { ino: inode.ino, kind: inode.kind };
    cx.store(keys::dentry(dir.ino, stored), &dentry);
    if let Some(digest) = names::long_digest(stored) {
        cx.store_raw(keys::long_name(dir.ino, &digest), Bytes::copy_from_slice(stored));
    }
    dir.children += 1;
    dir.nlink += u32::from(is_dir(inode));
    touch(cx, dir);
}

/// Points an existing entry to another inode of the same kind (both directories, or neither).
pub(crate) fn swap_entry(cx: &mut Change<'_>, dir: &mut Inode, stored: &[u8], inode: &Inode) {
    let dentry = Dentry { ino: inode.ino, kind: inode.kind };
    cx.store(keys::dentry(dir.ino, stored), &dentry);
    touch(cx, dir);
}

/// Removes an entry; the caller stores `dir`.
pub(crate) fn remove_entry(cx: &mut Change<'_>, dir: &mut Inode, stored: &[u8]) {
    cx.remove(keys::dentry(dir.ino, stored));
    if let Some(digest) = names::long_digest(stored) {
        cx.remove(keys::long_name(dir.ino, &digest));
    }
    dir.children = dir.children.saturating_sub(1);
    if stored.ends_with(b"/") {
        dir.nlink = dir.nlink.saturating_sub(1);
    }
    touch(cx, dir);
}

fn touch(cx: &Change<'_>, dir: &mut Inode) {
    dir.mtime_ns = cx.now;
    dir.ctime_ns = cx.now;
    dir.version = cx.at;
}

/// The directory an object key lies in, made with all its parents where missing. It is not stored yet: the
/// caller adds its entry and stores it.
pub(crate) fn make_parents(
    cx: &mut Change<'_>,
    bucket: u64,
    dirs: &[&[u8]],
    owner: Owner,
) -> Result<Inode, Stop> {
    let (mut ino, mut depth) = (bucket, 0);
    while let Some(name) = dirs.get(depth) {
        let Some(found) = entry(cx.view(), ino, name)? else { break };
        ino = found.ino;
        depth += 1;
    }
    let mut dir = cx.inode_there(ino)?;
    for name in dirs.get(depth..).unwrap_or_default() {
        let mut child = new_inode(cx, &dir, FileKind::Directory, Mode::DIRECTORY, owner)?;
        child.implicit = true;
        add_entry(cx, &mut dir, name, &mut child);
        cx.store_inode(&dir);
        dir = child;
    }
    Ok(dir)
}

/// Removes implicit directories that became empty, from the innermost outwards. `path` are the inodes from the
/// bucket (which stays) to the directory that lost an entry; `names` are the stored names between them.
pub(crate) fn prune(cx: &mut Change<'_>, path: &[u64], names: &[&[u8]]) -> Result<(), Stop> {
    for (depth, name) in names.iter().enumerate().rev() {
        let (Some(parent), Some(ino)) = (path.get(depth), path.get(depth + 1)) else { break };
        let dir = cx.inode_there(*ino)?;
        if !dir.implicit || dir.children > 0 {
            break;
        }
        let mut parent = cx.inode_there(*parent)?;
        remove_entry(cx, &mut parent, name);
        cx.store_inode(&parent);
        crate::nameless::free(cx, dir)?;
    }
    Ok(())
}

/// Finds what a mount calls `name` in a directory: the stored name and the entry.
pub(crate) fn find_shown(
    view: &dyn View,
    parent: u64,
    name: &[u8],
) -> Result<Option<(Bytes, Dentry)>, Broken> {
    if let Some(hidden) = names::unescape(name) {
        let stored = match hidden {
            names::Hidden::Stored(stored) => stored,
            names::Hidden::Digest(digest) => match view.get(&keys::long_name(parent, &digest))? {
                Some(stored) => stored,
                None => return Ok(None),
            },
        };
        return Ok(entry(view, parent, &stored)?.map(|found| (stored, found)));
    }
    if !names::is_plain(name) {
        return Ok(None);
    }
    let as_dir: Bytes = [name, b"/"].concat().into();
    if let Some(found) = entry(view, parent, &as_dir)? {
        return Ok(Some((as_dir, found)));
    }
    let stored = as_dir.slice(..name.len());
    Ok(entry(view, parent, name)?.map(|found| (stored, found)))
}

/// Checks a name that a mount wants to make.
pub(crate) fn check_new_name(name: &[u8]) -> Result<(), Stop> {
    require(name.len() <= names::MAX_NAME, Code::NameTooLong, "a name is limited to 255 bytes")?;
    require(
        names::unescape(name).is_none() && !names::is_reserved(name),
        Code::InvalidArgument,
        "names that start with `.hf~` are reserved for objects that a mount cannot show otherwise",
    )?;
    require(
        names::is_plain(name),
        Code::InvalidArgument,
        "a name must not be empty, `.` or `..`, nor contain `/` or a zero byte",
    )
}

/// The stored name of something new.
pub(crate) fn stored_name(name: &[u8], directory: bool) -> Bytes {
    if directory { [name, b"/"].concat().into() } else { Bytes::copy_from_slice(name) }
}
