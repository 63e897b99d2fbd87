//! Set an extended attribute; an access list takes the mode along.

use holdfast_proto::inode::Inode;
use holdfast_proto::op::{Reply, SetXattr, XattrMode};
use holdfast_proto::status::Code;

use crate::access::{self, List};
use crate::change::{Change, Outcome, refuse, require};
use crate::keys;

/// Longest value, in bytes.
pub const MAX_VALUE: usize = 64 << 10;
/// Most attributes of one inode: they are removed with it in one command.
pub const MAX_XATTRS: u32 = 128;
/// Longest name, in bytes.
const MAX_NAME: usize = 255;
const SET_GROUP_ID: u32 = 0o2000;

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
    if let Some(list) = List::of(&op.name) {
        access::set(cx, &mut inode, list, &op.value)?;
        if op.clear_sgid && list == List::Access {
            inode.mode &= !SET_GROUP_ID;
        }
        return Ok(stored(cx, inode));
    }
    if !there {
        require(inode.xattr_count < MAX_XATTRS, Code::NoSpace, "an inode has at most 128 attributes")?;
        inode.xattr_count += 1;
    }
    cx.store_raw(key, op.value.clone());
    Ok(stored(cx, inode))
}

fn stored(cx: &mut Change<'_>, mut inode: Inode) -> Reply {
    inode.ctime_ns = cx.now;
    inode.implicit = false;
    cx.store_inode(&inode);
    cx.reply_inode(inode)
}
