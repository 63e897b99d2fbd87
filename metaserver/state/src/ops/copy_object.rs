//! Copy a file by reference: chunks gain references, inline content is copied.

use bytes::Bytes;
use holdfast_proto::inode::{FileKind, Inode, ObjectMeta};
use holdfast_proto::op::CopyObject;
use holdfast_proto::status::Code;

use crate::change::{Change, Outcome, Stop, refuse, require};
use crate::conditions;
use crate::content::{self, File, MAX_EXTENTS_PER_COMMAND};
use crate::converting;
use crate::dirs::{self, Owner};
use crate::drafts;
use crate::keys;
use crate::ops::put_object::Place;

pub(crate) fn apply(cx: &mut Change<'_>, op: &CopyObject) -> Outcome {
    let prepared = match op.draft {
        0 => None,
        draft => Some(drafts::take(cx, draft, None)?),
    };
    let source = match &prepared {
        // It has the attributes of its source as they were when it was begun.
        Some(draft) => draft.clone(),
        None => find_source(cx, op)?,
    };
    let bucket = dirs::bucket(cx.view(), &op.bucket)?;
    let place = Place {
        bucket,
        key: &op.key,
        conditions: op.conditions.as_ref(),
        owner: Owner { uid: source.uid, gid: source.gid },
        mode: Some(source.mode),
        unheld: op.unheld.as_ref(),
    };
    let mut slot = place.open(cx)?;
    let mut inode = match prepared {
        Some(mut draft) => {
            slot.adopt(cx, &mut draft, &place)?;
            draft.nlink = 1;
            draft.version = cx.at;
            (draft.mtime_ns, draft.ctime_ns, draft.btime_ns) = (cx.now, cx.now, cx.now);
            draft
        }
        None => {
            let mut file = File::open(slot.new_inode(cx, &place)?);
            copy_content(cx, &source, &mut file)?;
            file.finish(cx)?
        }
    };
    inode.object = Some(metadata(op, &source, inode.version));
    if op.class != 0 {
        super::check_class(cx, op.class)?;
        inode.class = op.class;
    }
    if inode.class.max(1) != source.class.max(1) {
        converting::note(cx, &mut inode);
    }
    slot.put(cx, &place, inode)
}

pub(crate) fn find_source(cx: &Change<'_>, op: &CopyObject) -> Result<Inode, Stop> {
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
        Code::NeedsSteps,
        "the object has more extents than one command may copy",
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
