//! Every figure of the chunk role, by name, in one place; those of one disk are handled in [`disk`].

mod disk;

use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};

use holdfast_support::clock::monotonic_ms;
use holdfast_support::shown::Shown;
use holdfast_support::telemetry;
use prometheus::{CounterVec, GaugeVec, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec};

pub use disk::DiskMetrics;

/// Figures of the whole role, registered once per process.
#[derive(Clone)]
pub struct Metrics {
    commit_seconds: HistogramVec,
    commits: IntCounterVec,
    committed_records: IntCounterVec,
    committed_bytes: IntCounterVec,
    scrubbed_bytes: IntCounterVec,
    damaged: IntCounterVec,
    scrub_damaged: IntCounterVec,
    scrub_rounds: IntGaugeVec,
    scrub_ended: IntGaugeVec,
    scrub_open: IntGaugeVec,
    scrub_to_do: IntGaugeVec,
    scrub_done: IntGaugeVec,
    capacity: IntGaugeVec,
    used: IntGaugeVec,
    free: IntGaugeVec,
    records: IntGaugeVec,
    garbage: IntGaugeVec,
    failed: IntGaugeVec,
    compacted_bytes: IntCounterVec,
    waiting: GaugeVec,
    info: Shown,
    condition: IntGaugeVec,
    read_errors: IntCounterVec,
    read_seconds: HistogramVec,
    disk_read_bytes: IntCounterVec,
    reads: IntCounterVec,
    busy_seconds: CounterVec,
    queue_bytes: IntGaugeVec,
    queue_records: IntGaugeVec,
    recovery_seconds: GaugeVec,
    recovery_skipped: IntGaugeVec,
    scrub_rate: IntGaugeVec,
    scrub_cap: IntGaugeVec,
    scrub_due: IntGaugeVec,
    scrub_state: IntGaugeVec,
    scrub_found: IntGaugeVec,
    scrub_mended: IntGaugeVec,
    scrub_gone: IntGaugeVec,
    heartbeat_age: IntGauge,
    /// Payload bytes being handled.
    pub in_flight: IntGauge,
    /// Requests refused because of the byte budget.
    pub refused_busy: IntCounter,
    /// Payload bytes served to readers.
    pub read_bytes: IntCounter,
    /// Bytes pulled from other members by repair.
    pub pulled_bytes: IntCounter,
    /// Orders refused because of their term or epoch.
    pub stale_orders: IntCounter,
}

impl Metrics {
    /// The process's figures, registered with its telemetry at first use.
    pub fn global() -> &'static Self {
        static GLOBAL: LazyLock<Metrics> = LazyLock::new(Metrics::register);
        &GLOBAL
    }

    fn register() -> Self {
        let counters = |name: &str, help: &str| telemetry::counters(name, help, &["disk"]);
        let gauges = |name: &str, help: &str| telemetry::gauges(name, help, &["disk"]);
        let counter = telemetry::counter;
        // 100 us to 3 s, doubling.
        let buckets: Vec<f64> = (0..16).map(|step| 0.0001 * f64::from(1u32 << step)).collect();
        Self {
            commit_seconds: telemetry::histograms(
                "holdfast_chunk_commit_seconds",
                "Time of a group commit",
                &["disk"],
                buckets.clone(),
            ),
            commits: counters("holdfast_chunk_commits_total", "Group commits: one write, one fdatasync each"),
            committed_records: counters("holdfast_chunk_committed_records_total", "Records written"),
            committed_bytes: counters("holdfast_chunk_committed_bytes_total", "Bytes of records written"),
            scrubbed_bytes: counters("holdfast_chunk_scrubbed_bytes_total", "Bytes read back and checked"),
            damaged: counters("holdfast_chunk_damaged_total", "Damaged records found"),
            scrub_damaged: counters("holdfast_chunk_scrub_damaged_total", "Damaged records found by scrub"),
            scrub_rounds: gauges("holdfast_disk_scrub_rounds", "Rounds of scrub begun on this disk so far"),
            scrub_ended: gauges(
                "holdfast_disk_scrub_last_end_seconds",
                "When the last whole round of scrub ended, unix time; 0: none is known",
            ),
            scrub_open: gauges("holdfast_disk_scrub_open", "Damaged records scrub found, not mended yet"),
            scrub_to_do: gauges(
                "holdfast_disk_scrub_round_bytes",
                "Bytes the round of scrub under way has to read; 0: there is none",
            ),
            scrub_done: gauges("holdfast_disk_scrub_round_done_bytes", "Bytes it has read"),
            compacted_bytes: counters("holdfast_chunk_compacted_bytes_total", "Bytes copied by compaction"),
            capacity: gauges("holdfast_disk_capacity_bytes", "Bytes the disk can keep"),
            used: gauges("holdfast_disk_used_bytes", "Bytes of records, live and dead"),
            free: gauges("holdfast_disk_free_bytes", "Bytes the disk can still take"),
            records: gauges("holdfast_disk_records", "Live records"),
            garbage: gauges("holdfast_disk_garbage_bytes", "Bytes of dead records not given back yet"),
            failed: gauges("holdfast_disk_failed", "1: the disk has failed and is out of service"),
            waiting: telemetry::real_gauges(
                "holdfast_disk_waiting_seconds",
                "For how long the commit under way has been with the disk; 0: none is. It is counted among commits only \
                 when it comes back",
                &["disk"],
            ),
            info: telemetry::shown(
                "holdfast_disk_info",
                "1, with the number of the disk in service in a directory, and which life of it that is",
                &["disk", "id", "incarnation"],
            ),
            condition: telemetry::gauges(
                "holdfast_disk_condition",
                "1 for the condition that the disk is in",
                &["disk", "condition"],
            ),
            read_errors: counters(
                "holdfast_disk_read_errors_total",
                "Reads that the disk answered with an error",
            ),
            read_seconds: telemetry::histograms(
                "holdfast_disk_read_seconds",
                "Time of a read of a record for somebody, the wait for its turn included",
                &["disk"],
                buckets.clone(),
            ),
            disk_read_bytes: counters("holdfast_disk_read_bytes_total", "Payload bytes read for somebody"),
            reads: counters("holdfast_disk_reads_total", "Reads of records for somebody"),
            busy_seconds: telemetry::real_counters(
                "holdfast_disk_busy_seconds_total",
                "Seconds of commits and reads; reads at the same time count each",
                &["disk"],
            ),
            queue_bytes: gauges("holdfast_disk_queue_bytes", "Bytes that wait to be committed"),
            queue_records: gauges("holdfast_disk_queue_records", "Requests that wait to be committed"),
            recovery_seconds: telemetry::real_gauges(
                "holdfast_disk_recovery_seconds",
                "Time from opening the disk until it could serve, the last time",
                &["disk"],
            ),
            recovery_skipped: gauges(
                "holdfast_disk_recovery_skipped_records",
                "Damaged stretches of the log that were stepped over then",
            ),
            scrub_rate: gauges(
                "holdfast_disk_scrub_bytes_per_second",
                "Bytes per second that scrub read lately",
            ),
            scrub_cap: gauges(
                "holdfast_disk_scrub_rate_bytes",
                "Bytes per second that scrub may read; 0: it is off",
            ),
            scrub_due: gauges(
                "holdfast_disk_scrub_due_seconds",
                "When the next round of scrub is due, unix time; 0: while one is under way",
            ),
            scrub_state: telemetry::gauges(
                "holdfast_disk_scrub_state",
                "1 for what scrub does: it waits until it is due, it runs, or it is off",
                &["disk", "state"],
            ),
            scrub_found: gauges(
                "holdfast_disk_scrub_found",
                "Damaged records that the last whole round of scrub found",
            ),
            scrub_mended: gauges("holdfast_disk_scrub_mended", "Of these, those that were copied anew"),
            scrub_gone: gauges("holdfast_disk_scrub_gone", "Of these, those that nobody needs any more"),
            heartbeat_age: telemetry::gauge(
                "holdfast_chunk_heartbeat_age_seconds",
                "Time since a leader last answered this node's heartbeat, or since the role began",
            ),
            in_flight: telemetry::gauge("holdfast_chunk_in_flight_bytes", "Payload bytes being handled"),
            refused_busy: counter("holdfast_chunk_busy_total", "Requests refused for lack of memory budget"),
            read_bytes: counter("holdfast_chunk_read_bytes_total", "Payload bytes served to readers"),
            pulled_bytes: counter("holdfast_chunk_pulled_bytes_total", "Bytes pulled by repair"),
            stale_orders: counter("holdfast_chunk_stale_orders_total", "Orders refused for term or epoch"),
        }
    }

    /// The leader answered.
    pub(crate) fn heard(&self) {
        HEARD_MS.store(monotonic_ms(), Ordering::Relaxed);
    }

    /// The role begins: from now on it is counted for how long no leader answered.
    pub(crate) fn begin(&self) {
        self.heard();
        let age = self.heartbeat_age.clone();
        telemetry::at_each_scrape(move || {
            let silent = monotonic_ms().saturating_sub(HEARD_MS.load(Ordering::Relaxed));
            age.set(number(silent / 1000));
            true
        });
    }

    /// Which disks are in service: directory, number, life.
    pub(crate) fn in_service(&self, disks: impl IntoIterator<Item = (String, u32, u64)>) {
        let disks: Vec<(String, String, String)> = disks
            .into_iter()
            .map(|(directory, disk, life)| (directory, format!("d{disk}"), life.to_string()))
            .collect();
        let rows = disks.iter().map(|(directory, disk, life)| (vec![directory.as_str(), disk, life], 1.0));
        self.info.show(rows);
    }
}

/// When the leader last answered, by the monotonic clock.
static HEARD_MS: AtomicU64 = AtomicU64::new(0);

fn number(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}
