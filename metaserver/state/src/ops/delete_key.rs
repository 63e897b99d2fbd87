//! Delete an S3 access key.

use holdfast_proto::op::DeleteKey;
use holdfast_proto::status::Code;

use crate::change::{Change, Outcome, require};
use crate::keys;

pub(crate) fn apply(cx: &mut Change<'_>, op: &DeleteKey) -> Outcome {
    let key = keys::access_key(&op.access_key);
    let known = cx.view().get(&key)?.is_some();
    require(known, Code::NoSuchKey, "there is no such access key")?;
    cx.remove(key);
    Ok(cx.reply())
}
