//! The metrics of the metaserver: every name in one place, by what they tell of. What happens is counted where it happens;
//! what is so is set by `service/figures.rs` once a second, or by a round of the leader.
//!
//! What always holds: what only the leader knows is gone as soon as this node does not lead. Gauges of that kind that are
//! always there stand at 0.

pub(crate) mod data;
pub(crate) mod doing;
pub(crate) mod raft;
pub(crate) mod repair;
pub(crate) mod room;

use std::sync::LazyLock;

use holdfast_support::telemetry::{counter, gauge};
use prometheus::{IntCounter, IntGauge};

struct Metrics {
    busy: IntCounter,
    leading: IntGauge,
}

static METRICS: LazyLock<Metrics> = LazyLock::new(|| Metrics {
    busy: counter("holdfast_meta_refused_busy_total", "Requests refused because too much was under way."),
    leading: gauge("holdfast_meta_leading", "1 while this node leads the metadata group."),
});

/// Makes all families, so that they are there before anything happens.
pub(crate) fn begin() {
    LazyLock::force(&METRICS);
    data::begin();
    doing::begin();
    raft::begin();
    repair::begin();
    room::begin();
}

/// A request was refused because too much is under way.
pub fn refused_busy() {
    METRICS.busy.inc();
}

/// Whether this node leads.
pub fn set_leading(leading: bool) {
    METRICS.leading.set(i64::from(leading));
}

/// A node that does not lead says nothing of what the leader knows.
pub fn forget() {
    data::forget();
    doing::forget();
    raft::forget();
    repair::forget();
}

fn number(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}
