//! Every figure of the chunk role, by name, in one place.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use holdfast_proto::cluster::{DiskIo, ScrubReport};
use holdfast_support::telemetry;
use parking_lot::Mutex;
use prometheus::{Histogram, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec};

use crate::store::scrub::{Looked, Verdict};

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
                buckets,
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
            in_flight: telemetry::gauge("holdfast_chunk_in_flight_bytes", "Payload bytes being handled"),
            refused_busy: counter("holdfast_chunk_busy_total", "Requests refused for lack of memory budget"),
            read_bytes: counter("holdfast_chunk_read_bytes_total", "Payload bytes served to readers"),
            pulled_bytes: counter("holdfast_chunk_pulled_bytes_total", "Bytes pulled by repair"),
            stale_orders: counter("holdfast_chunk_stale_orders_total", "Orders refused for term or epoch"),
        }
    }

    /// Figures of one disk; `label` is its directory.
    pub fn disk(&self, label: &str) -> DiskMetrics {
        let of = &[label];
        DiskMetrics {
            inner: Arc::new(Inner {
                commit_seconds: self.commit_seconds.with_label_values(of),
                commits: self.commits.with_label_values(of),
                committed_records: self.committed_records.with_label_values(of),
                committed_bytes: self.committed_bytes.with_label_values(of),
                scrubbed_bytes: self.scrubbed_bytes.with_label_values(of),
                damaged: self.damaged.with_label_values(of),
                scrub_damaged: self.scrub_damaged.with_label_values(of),
                scrub_rounds: self.scrub_rounds.with_label_values(of),
                scrub_ended: self.scrub_ended.with_label_values(of),
                scrub_open: self.scrub_open.with_label_values(of),
                scrub_to_do: self.scrub_to_do.with_label_values(of),
                scrub_done: self.scrub_done.with_label_values(of),
                capacity: self.capacity.with_label_values(of),
                used: self.used.with_label_values(of),
                free: self.free.with_label_values(of),
                records: self.records.with_label_values(of),
                garbage: self.garbage.with_label_values(of),
                failed: self.failed.with_label_values(of),
                compacted_bytes: self.compacted_bytes.with_label_values(of),
                recent: Mutex::new([None; RECENT]),
                next: AtomicU64::new(0),
                begun: Mutex::default(),
                reads: AtomicU64::new(0),
                read_bytes: AtomicU64::new(0),
                busy_us: AtomicU64::new(0),
            }),
        }
    }
}

const RECENT: usize = 64;
/// What counts as the last seconds.
const FRESH: Duration = Duration::from_secs(5);

fn number(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

struct Inner {
    commit_seconds: Histogram,
    commits: IntCounter,
    committed_records: IntCounter,
    committed_bytes: IntCounter,
    scrubbed_bytes: IntCounter,
    damaged: IntCounter,
    scrub_damaged: IntCounter,
    scrub_rounds: IntGauge,
    scrub_ended: IntGauge,
    scrub_open: IntGauge,
    scrub_to_do: IntGauge,
    scrub_done: IntGauge,
    capacity: IntGauge,
    used: IntGauge,
    free: IntGauge,
    records: IntGauge,
    garbage: IntGauge,
    failed: IntGauge,
    compacted_bytes: IntCounter,
    /// The last commits: when they ended, and their times in microseconds, for the heartbeat.
    recent: Mutex<[Option<(Instant, u64)>; RECENT]>,
    next: AtomicU64,
    /// When the commit under way began.
    begun: Mutex<Option<Instant>>,
    /// Sums for the heartbeat.
    reads: AtomicU64,
    read_bytes: AtomicU64,
    busy_us: AtomicU64,
}

/// A commit under way; it has ended, well or not, when this goes.
pub(crate) struct Committing<'m> {
    begun: &'m Mutex<Option<Instant>>,
}

impl Drop for Committing<'_> {
    fn drop(&mut self) {
        *self.begun.lock() = None;
    }
}

/// Figures of one disk. Clones share them.
#[derive(Clone)]
pub struct DiskMetrics {
    inner: Arc<Inner>,
}

impl DiskMetrics {
    /// A commit goes to the disk now.
    pub(crate) fn commit_begins(&self) -> Committing<'_> {
        *self.inner.begun.lock() = Some(Instant::now());
        Committing { begun: &self.inner.begun }
    }

    /// For how long the commit under way has been with the disk, in microseconds; 0: none is.
    pub fn waiting_us(&self) -> u64 {
        self.inner.begun.lock().map_or(0, |begun| begun.elapsed().as_micros() as u64)
    }

    pub(crate) fn committed(&self, records: usize, bytes: u64, took: Duration) {
        let inner = &self.inner;
        inner.commit_seconds.observe(took.as_secs_f64());
        inner.commits.inc();
        inner.committed_records.inc_by(records as u64);
        inner.committed_bytes.inc_by(bytes);
        inner.busy_us.fetch_add(took.as_micros() as u64, Ordering::Relaxed);
        let slot = inner.next.fetch_add(1, Ordering::Relaxed) as usize % RECENT;
        if let Some(slot) = inner.recent.lock().get_mut(slot) {
            *slot = Some((Instant::now(), took.as_micros() as u64));
        }
    }

    /// A record was read for somebody.
    pub(crate) fn read(&self, bytes: usize, took: Duration) {
        let inner = &self.inner;
        inner.reads.fetch_add(1, Ordering::Relaxed);
        inner.read_bytes.fetch_add(bytes as u64, Ordering::Relaxed);
        inner.busy_us.fetch_add(took.as_micros() as u64, Ordering::Relaxed);
    }

    /// What the disk did since the process began. Reads at the same time count each, so the time may be more than passed.
    pub(crate) fn io(&self) -> DiskIo {
        let inner = &self.inner;
        DiskIo {
            read_bytes: inner.read_bytes.load(Ordering::Relaxed),
            write_bytes: inner.committed_bytes.get(),
            reads: inner.reads.load(Ordering::Relaxed),
            writes: inner.committed_records.get(),
            busy_us: inner.busy_us.load(Ordering::Relaxed),
        }
    }

    pub(crate) fn scrubbed(&self, looked: &Looked) {
        self.inner.scrubbed_bytes.inc_by(looked.bytes);
        if looked.verdict == Verdict::Damaged {
            self.inner.scrub_damaged.inc();
        }
    }

    /// How the scrub is: rounds begun, unix seconds of the last end, and the rest from the report.
    pub(crate) fn scrub(&self, rounds: u64, ended: u64, report: &ScrubReport) {
        let inner = &self.inner;
        let round = report.round.unwrap_or_default();
        inner.scrub_rounds.set(number(rounds));
        inner.scrub_ended.set(number(ended));
        inner.scrub_open.set(number(report.open));
        inner.scrub_to_do.set(number(round.to_do));
        inner.scrub_done.set(number(round.bytes));
    }

    pub(crate) fn damaged(&self) {
        self.inner.damaged.inc();
    }

    pub(crate) fn compacted(&self, bytes: u64) {
        self.inner.compacted_bytes.inc_by(bytes);
    }

    pub(crate) fn usage(&self, usage: &crate::store::Usage, failed: bool) {
        let inner = &self.inner;
        inner.capacity.set(number(usage.capacity));
        inner.used.set(number(usage.used));
        inner.free.set(number(usage.free));
        inner.records.set(number(usage.records));
        inner.garbage.set(number(usage.garbage));
        inner.failed.set(i64::from(failed));
    }

    /// Group commits so far: each is one fdatasync.
    pub fn commits(&self) -> u64 {
        self.inner.commits.get()
    }

    /// Median time of the group commits of the last seconds, in microseconds; when there were none, of those before; 0:
    /// none yet.
    pub fn commit_us(&self) -> u64 {
        let recent: Vec<(Instant, u64)> = self.inner.recent.lock().iter().copied().flatten().collect();
        let fresh = |(ended, _): &&(Instant, u64)| ended.elapsed() < FRESH;
        let mut times: Vec<u64> = recent.iter().filter(fresh).map(|(_, us)| *us).collect();
        if times.is_empty() {
            times.extend(recent.iter().map(|(_, us)| *us));
        }
        times.sort_unstable();
        times.get(times.len() / 2).copied().unwrap_or(0)
    }
}
