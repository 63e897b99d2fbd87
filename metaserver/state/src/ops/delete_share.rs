//! Take a link to a file back.

use holdfast_proto::op::DeleteShare;
use holdfast_proto::status::Code;

use crate::change::{Change, Outcome, require};
use crate::keys;

pub(crate) fn apply(cx: &mut Change<'_>, op: &DeleteShare) -> Outcome {
    let key = keys::share(&op.digest);
    let known = cx.view().get(&key)?.is_some();
    require(known, Code::NotFound, "there is no such link")?;
    cx.remove(key);
    cx.state.shares = cx.state.shares.saturating_sub(1);
    Ok(cx.reply())
}
