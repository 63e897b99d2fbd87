//! A session gives up a draft. Giving up what it does not have is fine.

use holdfast_proto::op::ReleaseInode;

use crate::change::{Change, Outcome};
use crate::nameless;

pub(crate) fn apply(cx: &mut Change<'_>, op: &ReleaseInode) -> Outcome {
    nameless::release(cx, cx.session, op.ino)?;
    Ok(cx.reply())
}
