//! Remove a name of something that is not a directory. The reply carries the inode as it was left.

use holdfast_proto::op::{TrashWay, Unlink};
use holdfast_proto::status::Code;

use crate::change::{Change, Outcome, refuse, require};
use crate::dirs;
use crate::nameless;
use crate::trash::Lost;

pub(crate) fn apply(cx: &mut Change<'_>, op: &Unlink) -> Outcome {
    let mut dir = dirs::directory(cx, op.parent)?;
    let Some((stored, found)) = dirs::find_shown(cx.view(), dir.ino, &op.name)? else {
        return Err(refuse(Code::NotFound, "there is no such name"));
    };
    let inode = dirs::inode_of(cx.view(), &found)?;
    require(!dirs::is_dir(&inode), Code::IsADirectory, "this is a directory")?;
    dirs::remove_entry(cx, &mut dir, &stored);
    dir.implicit = false;
    cx.store_inode(&dir);
    let lost = Lost { dir: dir.ino, stored: &stored, way: TrashWay::Unlinked };
    let trashed_until = nameless::drop_link(cx, inode.clone(), &lost, op.unheld.as_ref())?;
    let left = holdfast_proto::inode::Inode {
        nlink: inode.nlink.saturating_sub(1),
        ctime_ns: cx.now,
        extents: Vec::new(),
        trashed_until,
        ..inode
    };
    Ok(cx.reply_inode(left))
}
