//! Begin a multipart upload. Its id is the log index of this command.

use holdfast_proto::op::{CreateUpload, Reply};
use holdfast_proto::query;
use holdfast_proto::status::Code;

use crate::change::{Change, Outcome, require};
use crate::dirs;
use crate::keys;
use crate::records::{Mark, Upload};
use crate::uploads;

pub(crate) fn apply(cx: &mut Change<'_>, op: &CreateUpload) -> Outcome {
    let bucket = dirs::bucket(cx.view(), &op.bucket)?;
    dirs::check_key(&op.key)?;
    super::check_class(cx, op.class)?;
    let id = cx.at;
    require(
        cx.view().get(&keys::upload(id))?.is_none(),
        Code::Internal,
        "an upload of this log index exists",
    )?;
    let about = query::Upload {
        id,
        bucket: op.bucket.clone(),
        key: op.key.clone(),
        created_ns: cx.now,
        owner: op.owner.clone(),
        object: op.object.clone(),
        checksum_algorithm: op.checksum_algorithm.clone(),
        checksum_type: op.checksum_type.clone(),
        nonce: op.nonce.clone(),
        class: op.class,
    };
    cx.store(
        keys::upload(id),
        &Upload { about: Some(about), bucket, touched_s: cx.state.uptime_s, ..Upload::default() },
    );
    cx.store(keys::upload_key(bucket, &op.key, id), &Mark {});
    uploads::forget_finished(cx)?;
    Ok(Reply { id, ..cx.reply() })
}
