//! Metrics of what the metadata lies on: room, ballast, the table.

use std::sync::LazyLock;

use holdfast_support::telemetry::{gauge, gauges};
use prometheus::{IntGauge, IntGaugeVec};

use super::number;

struct Metrics {
    short: IntGauge,
    free: IntGauge,
    total: IntGauge,
    ballast: IntGauge,
    table: IntGaugeVec,
    cache: IntGauge,
    stopped: IntGauge,
    pending: IntGauge,
}

static METRICS: LazyLock<Metrics> = LazyLock::new(|| Metrics {
    short: gauge(
        "holdfast_meta_short_of_room",
        "1 while the metadata's file system is too full for commands that add anything.",
    ),
    free: gauge("holdfast_meta_room_bytes", "Bytes free on the metadata's file system."),
    total: gauge("holdfast_meta_room_total_bytes", "Size of the metadata's file system."),
    ballast: gauge(
        "holdfast_meta_ballast",
        "1 while the file is there that keeps room for deleting when the file system is full.",
    ),
    table: gauges(
        "holdfast_meta_table_bytes",
        "Size of the metadata's table, on disk and in memory.",
        &["where"],
    ),
    cache: gauge(
        "holdfast_meta_cache_bytes",
        "Bytes in the table's cache of blocks, write buffers included.",
    ),
    stopped: gauge(
        "holdfast_meta_table_stopped",
        "1 while the table takes no writes, or slows them down, to catch up.",
    ),
    pending: gauge("holdfast_meta_table_pending_bytes", "Bytes that the table still has to compact."),
});

pub(super) fn begin() {
    LazyLock::force(&METRICS);
}

/// Whether there is too little room for more metadata.
pub(crate) fn set_short(short: bool) {
    METRICS.short.set(i64::from(short));
}

/// Room on the file system, and whether the ballast is there.
pub(crate) fn set(free: u64, total: u64, ballast: bool) {
    METRICS.free.set(number(free));
    METRICS.total.set(number(total));
    METRICS.ballast.set(i64::from(ballast));
}

/// What the table says of itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct TableFigures {
    /// Bytes of its files.
    pub(crate) disk: u64,
    /// Bytes of its write buffers.
    pub(crate) memory: u64,
    /// Bytes in the cache.
    pub(crate) cache: u64,
    /// Bytes to be compacted.
    pub(crate) pending: u64,
    /// It takes no writes now, or fewer than come.
    pub(crate) stopped: bool,
}

/// How the table is.
pub(crate) fn set_table(now: &TableFigures) {
    METRICS.table.with_label_values(&["disk"]).set(number(now.disk));
    METRICS.table.with_label_values(&["memory"]).set(number(now.memory));
    METRICS.cache.set(number(now.cache));
    METRICS.pending.set(number(now.pending));
    METRICS.stopped.set(i64::from(now.stopped));
}
