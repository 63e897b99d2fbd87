//! A client ends its session.

use holdfast_proto::op::Reply;

use crate::change::{Change, Outcome};
use crate::session;

pub(crate) fn apply(cx: &mut Change<'_>) -> Outcome {
    let own = session::own(cx)?;
    let progress = session::end(cx, cx.session, own)?;
    Ok(Reply { progress, ..cx.reply() })
}
