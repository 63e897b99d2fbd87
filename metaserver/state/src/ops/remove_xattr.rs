//! Remove an extended attribute. Without its access list an inode keeps the mode.

use holdfast_proto::op::RemoveXattr;
use holdfast_proto::status::Code;

use crate::access::{self, List};
use crate::change::{Change, Outcome, require};
use crate::keys;

pub(crate) fn apply(cx: &mut Change<'_>, op: &RemoveXattr) -> Outcome {
    let mut inode = cx.inode(op.ino)?;
    let key = keys::xattr(op.ino, &op.name);
    let there = cx.view().get(&key)?.is_some();
    require(there, Code::NoAttribute, "there is no such attribute")?;
    match List::of(&op.name) {
        Some(list) => access::remove(cx, &mut inode, list),
        None => {
            cx.remove(key);
            inode.xattr_count = inode.xattr_count.saturating_sub(1);
        }
    }
    inode.ctime_ns = cx.now;
    cx.store_inode(&inode);
    Ok(cx.reply_inode(inode))
}
