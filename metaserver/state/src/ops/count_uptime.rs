//! The cluster was up for so long. Clocks that jump count for nothing here.

use holdfast_proto::op::CountUptime;

use crate::change::{Change, Outcome};

/// Most seconds one command counts: a leader that claims more had lost count.
pub(crate) const MOST_SECONDS: u32 = 3600;

pub(crate) fn apply(cx: &mut Change<'_>, op: &CountUptime) -> Outcome {
    cx.state.uptime_s = cx.state.uptime_s.saturating_add(u64::from(op.seconds.min(MOST_SECONDS)));
    Ok(cx.reply())
}
