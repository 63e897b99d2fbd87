//! Delete an empty bucket.

use holdfast_proto::ids::ROOT_INO;
use holdfast_proto::op::DeleteBucket;
use holdfast_proto::status::Code;

use crate::change::{Change, Outcome, require};
use crate::dirs;
use crate::keys;
use crate::nameless;

pub(crate) fn apply(cx: &mut Change<'_>, op: &DeleteBucket) -> Outcome {
    let ino = dirs::bucket(cx.view(), &op.name)?;
    let dir = cx.inode_there(ino)?;
    require(dir.children == 0, Code::NotEmpty, "the bucket still has objects or directories")?;
    require(
        !cx.any(&keys::upload_keys(ino, b""))?,
        Code::NotEmpty,
        "the bucket still has multipart uploads under way",
    )?;
    let mut root = cx.inode_there(ROOT_INO.0)?;
    dirs::remove_entry(cx, &mut root, &dirs::stored_name(op.name.as_bytes(), true));
    cx.store_inode(&root);
    cx.remove(keys::bucket(ino));
    nameless::free(cx, dir)?;
    Ok(cx.reply())
}
