//! How full and busy the cluster was, hour by hour.

use holdfast_proto::op::NoteUsage;
use holdfast_proto::query::{ListUsage, QueryReply};

use crate::keys;
use crate::queries::Answer;
use crate::records;
use crate::table::View;

/// Hours of one answer: all that are kept.
const MOST: usize = 10_000;

pub(crate) fn answer(view: &dyn View, ask: &ListUsage) -> Answer {
    let end = keys::after_prefix(&[keys::USAGE]);
    let found = records::load_range::<NoteUsage>(view, &keys::usage(ask.from_hour), &end, MOST)?;
    let usage = found.into_iter().map(|(_, usage)| usage).collect();
    Ok(QueryReply { usage, ..QueryReply::default() })
}
