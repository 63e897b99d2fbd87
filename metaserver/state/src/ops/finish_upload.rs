//! Make the joined object visible and end the upload. Asked again, the answer is the object it became.

use holdfast_proto::inode::ObjectMeta;
use holdfast_proto::op::{FinishUpload, Reply};
use holdfast_proto::status::Code;

use crate::change::{Change, Outcome, require};
use crate::converting;
use crate::dirs::Owner;
use crate::keys;
use crate::ops::put_object::Place;
use crate::records::{Finished, Upload};
use crate::uploads;

pub(crate) fn apply(cx: &mut Change<'_>, op: &FinishUpload) -> Outcome {
    if let Some(finished) = cx.load::<Finished>(&keys::finished(op.upload))? {
        return again(cx, op, finished);
    }
    let upload = uploads::under_way(cx, op.upload)?;
    require(
        upload.complete && upload.ino != 0 && upload.list_digest == op.list_digest,
        Code::PreconditionFailed,
        "the parts of this list are not joined yet",
    )?;
    let key = uploads::key_of(&upload);
    let place = Place {
        bucket: upload.bucket,
        key: &key,
        conditions: op.conditions.as_ref(),
        owner: Owner::default(),
        mode: upload.mode,
        unheld: op.unheld.as_ref(),
    };
    require(
        cx.view().get(&keys::inode(upload.bucket))?.is_some(),
        Code::NoSuchBucket,
        "the upload's bucket does not exist any more",
    )?;
    let mut slot = place.open(cx)?;
    let mut inode = cx.inode_there(upload.ino)?;
    slot.adopt(cx, &mut inode, &place)?;
    inode.nlink = 1;
    inode.version = cx.at;
    (inode.mtime_ns, inode.ctime_ns) = (cx.now, cx.now);
    let class = upload.about.as_ref().map_or(0, |about| about.class);
    if class != 0 {
        inode.class = class;
    }
    converting::note_joined(cx, &mut inode, upload.lies.as_ref())?;
    inode.object = Some(metadata(op, &upload, cx.at));
    let reply = slot.put(cx, &place, inode)?;
    let finished = Finished {
        inode: reply.inode.clone().map(|inode| holdfast_proto::inode::Inode { extents: Vec::new(), ..inode }),
        list_digest: op.list_digest.clone(),
        time_ns: cx.now,
        index: cx.at,
        replaced_version: reply.replaced_version,
    };
    cx.store(keys::finished(op.upload), &finished);
    uploads::end(cx, op.upload, upload);
    uploads::forget_finished(cx)?;
    Ok(reply)
}

fn again(cx: &Change<'_>, op: &FinishUpload, finished: Finished) -> Outcome {
    require(
        finished.list_digest == op.list_digest,
        Code::NoSuchUpload,
        "the upload was completed with another list of parts",
    )?;
    let Finished { inode, replaced_version, .. } = finished;
    Ok(Reply { inode, replaced_version, existed: true, ..cx.reply() })
}

fn metadata(op: &FinishUpload, upload: &Upload, version: u64) -> ObjectMeta {
    let given = upload.about.as_ref().and_then(|about| about.object.clone()).unwrap_or_default();
    ObjectMeta {
        etag: op.etag.clone(),
        version,
        checksums: op.checksums.clone(),
        parts: upload.part_bytes.len() as u32,
        part_bytes: upload.part_bytes.clone(),
        ..given
    }
}
