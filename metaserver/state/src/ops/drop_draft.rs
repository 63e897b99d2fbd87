//! The leader gives up a draft that nobody went on with. One that was gone on with, or is gone, stays as it is.

use holdfast_proto::op::DropDraft;

use crate::change::{Change, Outcome};
use crate::keys;
use crate::nameless;
use crate::records::Nameless;

pub(crate) fn apply(cx: &mut Change<'_>, op: &DropDraft) -> Outcome {
    let found: Option<Nameless> = cx.load(&keys::nameless(op.draft))?;
    let Some(nameless) = found else { return Ok(cx.reply()) };
    if nameless.draft.as_ref().is_some_and(|draft| draft.at <= op.at) {
        for holder in nameless.holders {
            nameless::release(cx, holder, op.draft)?;
        }
    }
    Ok(cx.reply())
}
