//! Begin to prepare what one command cannot do. The reply carries the draft's number.

use holdfast_proto::op::{BeginDraft, Reply};
use holdfast_proto::status::Code;

use crate::change::{Change, Outcome, require};
use crate::content::MAX_EXTENTS_PER_COMMAND;
use crate::drafts;
use crate::session;

pub(crate) fn apply(cx: &mut Change<'_>, op: &BeginDraft) -> Outcome {
    session::own(cx)?;
    let source = drafts::source(cx, op)?;
    require(!source.inline, Code::InvalidArgument, "inline content needs no steps")?;
    require(
        op.from <= op.to && op.to <= source.size,
        Code::InvalidArgument,
        "the range reaches beyond the file",
    )?;
    let mut end = 0;
    require(
        op.skip.len() <= MAX_EXTENTS_PER_COMMAND
            && op.skip.iter().all(|span| {
                let fits = span.from >= end && span.from < span.to;
                end = span.to;
                fits
            }),
        Code::InvalidArgument,
        "ranges to leave out are at most 1000, in order and not empty",
    )?;
    let id = drafts::begin(cx, &source, op)?;
    Ok(Reply { id, ..cx.reply() })
}
