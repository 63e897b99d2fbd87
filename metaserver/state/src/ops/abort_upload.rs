//! Give an upload up; its parts are freed in steps.

use holdfast_proto::op::AbortUpload;

use crate::change::{Change, Outcome};
use crate::uploads;

pub(crate) fn apply(cx: &mut Change<'_>, op: &AbortUpload) -> Outcome {
    let mut upload = uploads::under_way(cx, op.upload)?;
    uploads::drop_joined(cx, &mut upload)?;
    uploads::end(cx, op.upload, upload);
    Ok(cx.reply())
}
