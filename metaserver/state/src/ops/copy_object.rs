//! Copy a file by reference: chunks gain references, inline content is copied.

use bytes::Bytes;
use holdfast_proto::inode::{FileKind, Inode, ObjectMeta};
use holdfast_proto::op::CopyObject;
use holdfast_proto::status::Code;

use crate::change::{Change, Outcome, Stop, refuse, require};
use crate::conditions;
use crate::content::{self, File, MAX_EXTENTS_PER_COMMAND};
use crate::dirs::{self, Owner};
use crate::keys;
use crate::ops::put_object::Place;

pub(crate) fn apply(cx: &mut Change<'_>, op: &CopyObject) -> Outcome {
    let source = find_source(cx, op)?;
    let bucket = dirs::bucket(cx.view(), &op.bucket)?;
    let place = Place {
        bucket,
        key: &op.key,
        conditions: op.conditions.as_ref(),
        owner: Owner { uid: source.uid, gid: source.gid },
        mode: Some(source.mode),
        holders: &op.holders,
    };
    let mut slot = place.open(cx)?;
    let inode = slot.new_inode(cx, &place);
    let mut file = File::open(inode);
    copy_content(cx, &source, &mut file)?;
    let mut inode = file.finish(cx)?;
    inode.object = Some(metadata(op, &source, inode.version));
    slot.put(cx, &place, inode)
}

fn find_source(cx: &Change<'_>, op: &CopyObject) -> Result<Inode, Stop> {
    let bucket = dirs::bucket(cx.view(), &op.source_bucket)?;
    dirs::check_key(&op.source_key)?;
    let source = dirs::object(cx.view(), bucket, &op.source_key)?;
    let source = source.filter(|inode| inode.kind == FileKind::File as i32);
    conditions::check(op.source_conditions.as_ref(), source.as_ref())?;
    source.ok_or_else(|| refuse(Code::NotFound, "there is no such object to copy"))
}

fn copy_content(cx: &mut Change<'_>, source: &Inode, file: &mut File) -> Result<(), Stop> {
    require(
        source.extent_count <= MAX_EXTENTS_PER_COMMAND as u64,
        Code::TooLarge,
        "the object has more than 1000 extents: copy it in parts",
    )?;
    file.inode.size = source.size;
    if source.inline {
        let bytes: Bytes = cx.view().get(&keys::inline(source.ino))?.unwrap_or_default();
        file.put_inline(cx, bytes);
        return Ok(());
    }
    for extent in content::overlapping(cx.view(), source, 0, u64::MAX, MAX_EXTENTS_PER_COMMAND)? {
        file.insert(cx, extent)?;
    }
    Ok(())
}

/// What S3 keeps with the copy. The content is the same, so ETag and checksums that still count stay.
fn metadata(op: &CopyObject, source: &Inode, version: u64) -> ObjectMeta {
    let kept = source.object.clone().unwrap_or_default();
    let valid = kept.version == source.version;
    let mut copy = op.object.clone().unwrap_or_else(|| kept.clone());
    copy.tags = if op.replace_tags { op.tags.clone() } else { kept.tags };
    if valid {
        (copy.etag, copy.checksums) = (kept.etag, kept.checksums);
        (copy.parts, copy.part_bytes) = (kept.parts, kept.part_bytes);
    } else {
        (copy.etag, copy.checksums) = (String::new(), Vec::new());
        (copy.parts, copy.part_bytes) = (0, Vec::new());
    }
    ObjectMeta { version, ..copy }
}
