//! Remove an empty directory.

use holdfast_proto::ids::ROOT_INO;
use holdfast_proto::op::RemoveDir;
use holdfast_proto::status::Code;

use crate::change::{Change, Outcome, Stop, refuse, require};
use crate::dirs;
use crate::keys;
use crate::nameless;

pub(crate) fn apply(cx: &mut Change<'_>, op: &RemoveDir) -> Outcome {
    let mut parent = dirs::directory(cx, op.parent)?;
    let Some((stored, found)) = dirs::find_shown(cx.view(), parent.ino, &op.name)? else {
        return Err(refuse(Code::NotFound, "there is no such name"));
    };
    let dir = dirs::inode_of(cx.view(), &found)?;
    require(dirs::is_dir(&dir), Code::NotADirectory, "this is not a directory")?;
    check_removable(cx, &dir)?;
    dirs::remove_entry(cx, &mut parent, &stored);
    parent.implicit = false;
    cx.store_inode(&parent);
    remove(cx, dir)?;
    Ok(cx.reply())
}

/// Refuses a directory with entries, or a bucket with uploads under way.
pub(crate) fn check_removable(cx: &Change<'_>, dir: &holdfast_proto::inode::Inode) -> Result<(), Stop> {
    require(dir.children == 0, Code::NotEmpty, "the directory is not empty")?;
    let uploads = dir.parent == ROOT_INO.0 && cx.any(&keys::upload_keys(dir.ino, b""))?;
    require(!uploads, Code::NotEmpty, "the bucket still has multipart uploads under way")
}

/// Removes a directory that lost its name.
pub(crate) fn remove(cx: &mut Change<'_>, dir: holdfast_proto::inode::Inode) -> Result<(), Stop> {
    if dir.parent == ROOT_INO.0 {
        cx.remove(keys::bucket(dir.ino));
    }
    nameless::free(cx, dir)
}
