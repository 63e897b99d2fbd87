//! Set an extended attribute.

use holdfast_proto::op::{SetXattr, XattrMode};
use holdfast_proto::status::Code;

use crate::change::{Change, Outcome, refuse, require};
use crate::keys;

/// Longest value, in bytes.
pub const MAX_VALUE: usize = 64 << 10;
/// Most attributes of one inode: they are removed with it in one command.
pub const MAX_XATTRS: u32 = 128;
/// Longest name, in bytes.
const MAX_NAME: usize = 255;

pub(crate) fn apply(cx: &mut Change<'_>, op: &SetXattr) -> Outcome {
    let mode = XattrMode::try_from(op.mode)
        .map_err(|_| refuse(Code::InvalidArgument, "this way of setting an attribute is not known"))?;
    let mut inode = cx.inode(op.ino)?;
    require((1..=MAX_NAME).contains(&op.name.len()), Code::NameTooLong, "the name has 1 to 255 bytes")?;
    require(op.value.len() <= MAX_VALUE, Code::TooLarge, "the value of an attribute is at most 64 KiB")?;
    let key = keys::xattr(op.ino, &op.name);
    let there = cx.view().get(&key)?.is_some();
    require(!there || mode != XattrMode::Create, Code::Exists, "the attribute exists")?;
    require(there || mode != XattrMode::Replace, Code::NoAttribute, "there is no such attribute")?;
    if !there {
        require(inode.xattr_count < MAX_XATTRS, Code::NoSpace, "an inode has at most 128 attributes")?;
        inode.xattr_count += 1;
    }
    cx.store_raw(key, op.value.clone());
    inode.ctime_ns = cx.now;
    inode.implicit = false;
    cx.store_inode(&inode);
    Ok(cx.reply_inode(inode))
}
