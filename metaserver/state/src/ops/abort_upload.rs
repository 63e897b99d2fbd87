//! Give an upload up; its parts are freed in steps.

use holdfast_proto::op::AbortUpload;

use crate::change::{Change, Outcome};
use crate::uploads;

pub(crate) fn apply(cx: &mut Change<'_>, op: &AbortUpload) -> Outcome {
    let mut upload = uploads::under_way(cx, op.upload)?;
    if op.untouched_since_s.is_some_and(|since| upload.touched_s > since) {
        return Ok(cx.reply());
    }
    uploads::drop_joined(cx, &mut upload)?;
    uploads::end(cx, op.upload, upload);
    Ok(cx.reply())
}
