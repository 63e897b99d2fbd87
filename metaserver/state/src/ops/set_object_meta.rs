//! Replace the tags of an object.

use holdfast_proto::inode::{FileKind, ObjectMeta};
use holdfast_proto::op::SetObjectMeta;
use holdfast_proto::status::Code;

use crate::change::{Change, Outcome, refuse, require};
use crate::dirs;

/// Most tags of an object, as S3 has it.
const MAX_TAGS: usize = 10;

pub(crate) fn apply(cx: &mut Change<'_>, op: &SetObjectMeta) -> Outcome {
    require(op.tags.len() <= MAX_TAGS, Code::TooLarge, "an object has at most 10 tags")?;
    let bucket = dirs::bucket(cx.view(), &op.bucket)?;
    dirs::check_key(&op.key)?;
    let found = dirs::object(cx.view(), bucket, &op.key)?;
    let mut inode = found
        .filter(|inode| inode.kind == FileKind::File as i32)
        .ok_or_else(|| refuse(Code::NotFound, "there is no such object"))?;
    if op.set_tags {
        let version = inode.version;
        // A file that never came through S3 gets no ETag by being tagged.
        let object = inode.object.get_or_insert_with(|| ObjectMeta { version, ..ObjectMeta::default() });
        object.tags = op.tags.clone();
    }
    inode.ctime_ns = cx.now;
    cx.store_inode(&inode);
    Ok(cx.reply_inode(inode))
}
