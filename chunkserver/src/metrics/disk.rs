//! Figures of one disk, and what the heartbeat tells of them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use holdfast_proto::cluster::{DiskCondition, DiskIo, ScrubReport, ScrubState};
use holdfast_support::telemetry;
use parking_lot::Mutex;
use prometheus::{Counter, Gauge, Histogram, IntCounter, IntGauge};

use super::{Metrics, number};
use crate::store::scrub::{Looked, Verdict};

/// Conditions of a disk, by name.
const CONDITIONS: [(DiskCondition, &str); 4] = [
    (DiskCondition::Good, "good"),
    (DiskCondition::Failed, "failed"),
    (DiskCondition::Full, "full"),
    (DiskCondition::Recovering, "recovering"),
];

/// What scrub may be at, by name.
const SCRUB: [(ScrubState, &str); 3] =
    [(ScrubState::Waiting, "waiting"), (ScrubState::Running, "running"), (ScrubState::Off, "off")];

impl Metrics {
    /// Figures of one disk; `label` is its directory.
    pub fn disk(&self, label: &str) -> DiskMetrics {
        let of = &[label];
        let inner = Arc::new(Inner {
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
            waiting: self.waiting.with_label_values(of),
            condition: CONDITIONS.map(|(_, name)| self.condition.with_label_values(&[label, name])),
            read_errors: self.read_errors.with_label_values(of),
            read_seconds: self.read_seconds.with_label_values(of),
            read_bytes: self.disk_read_bytes.with_label_values(of),
            reads: self.reads.with_label_values(of),
            busy_seconds: self.busy_seconds.with_label_values(of),
            queue_bytes: self.queue_bytes.with_label_values(of),
            queue_records: self.queue_records.with_label_values(of),
            recovery_seconds: self.recovery_seconds.with_label_values(of),
            recovery_skipped: self.recovery_skipped.with_label_values(of),
            scrub_rate: self.scrub_rate.with_label_values(of),
            scrub_cap: self.scrub_cap.with_label_values(of),
            scrub_due: self.scrub_due.with_label_values(of),
            scrub_state: SCRUB.map(|(_, name)| self.scrub_state.with_label_values(&[label, name])),
            scrub_found: self.scrub_found.with_label_values(of),
            scrub_mended: self.scrub_mended.with_label_values(of),
            scrub_gone: self.scrub_gone.with_label_values(of),
            recent: Mutex::new([None; RECENT]),
            next: AtomicU64::new(0),
            begun: Mutex::default(),
            busy_us: AtomicU64::new(0),
            told_busy_us: AtomicU64::new(0),
        });
        inner.waiting.set(0.0);
        let seen = Arc::downgrade(&inner);
        telemetry::at_each_scrape(move || seen.upgrade().inspect(|inner| inner.look()).is_some());
        DiskMetrics { inner }
    }
}

const RECENT: usize = 64;
/// What counts as the last seconds.
const FRESH: Duration = Duration::from_secs(5);

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
    waiting: Gauge,
    condition: [IntGauge; 4],
    read_errors: IntCounter,
    read_seconds: Histogram,
    read_bytes: IntCounter,
    reads: IntCounter,
    busy_seconds: Counter,
    queue_bytes: IntGauge,
    queue_records: IntGauge,
    recovery_seconds: Gauge,
    recovery_skipped: IntGauge,
    scrub_rate: IntGauge,
    scrub_cap: IntGauge,
    scrub_due: IntGauge,
    scrub_state: [IntGauge; 3],
    scrub_found: IntGauge,
    scrub_mended: IntGauge,
    scrub_gone: IntGauge,
    /// The last commits: when they ended, and their times in microseconds, for the heartbeat.
    recent: Mutex<[Option<(Instant, u64)>; RECENT]>,
    next: AtomicU64,
    /// When the commit under way began.
    begun: Mutex<Option<Instant>>,
    busy_us: AtomicU64,
    /// How much of it is in the counter.
    told_busy_us: AtomicU64,
}

impl Inner {
    fn waiting(&self) -> Duration {
        self.begun.lock().map_or(Duration::ZERO, |begun| begun.elapsed())
    }

    /// What changes without anybody saying so.
    fn look(&self) {
        self.waiting.set(self.waiting().as_secs_f64());
        let busy = self.busy_us.load(Ordering::Relaxed);
        let told = self.told_busy_us.swap(busy, Ordering::Relaxed);
        self.busy_seconds.inc_by(busy.saturating_sub(told) as f64 / 1e6);
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.waiting.set(0.0);
    }
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
        self.inner.waiting().as_micros() as u64
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
        inner.read_seconds.observe(took.as_secs_f64());
        inner.reads.inc();
        inner.read_bytes.inc_by(bytes as u64);
        inner.busy_us.fetch_add(took.as_micros() as u64, Ordering::Relaxed);
    }

    /// What the disk did since the process began. Reads at the same time count each, so the time may be more than passed.
    pub(crate) fn io(&self) -> DiskIo {
        let inner = &self.inner;
        DiskIo {
            read_bytes: inner.read_bytes.get(),
            write_bytes: inner.committed_bytes.get(),
            reads: inner.reads.get(),
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
        inner.scrub_rate.set(number(report.rate));
        inner.scrub_cap.set(number(report.cap));
        inner.scrub_due.set(if report.round.is_some() { 0 } else { number(report.due) });
        for ((state, _), gauge) in SCRUB.iter().zip(&inner.scrub_state) {
            gauge.set(i64::from(report.state() == *state));
        }
        let last = report.history.iter().rev().find(|round| !round.cut_short).copied().unwrap_or_default();
        inner.scrub_found.set(number(last.damaged));
        inner.scrub_mended.set(number(last.mended));
        inner.scrub_gone.set(number(last.gone));
    }

    /// Opening the disk took so long, and so many damaged stretches of its log were stepped over.
    pub(crate) fn recovered(&self, took: Duration, skipped: usize) {
        self.inner.recovery_seconds.set(took.as_secs_f64());
        self.inner.recovery_skipped.set(number(skipped as u64));
    }

    /// A request waits to be committed.
    pub(crate) fn queued(&self, bytes: u64) {
        self.inner.queue_records.inc();
        self.inner.queue_bytes.add(number(bytes));
    }

    /// It waits no longer.
    pub(crate) fn taken(&self, bytes: u64) {
        self.inner.queue_records.dec();
        self.inner.queue_bytes.sub(number(bytes));
    }

    /// The disk answered a read with an error.
    pub(crate) fn read_error(&self) {
        self.inner.read_errors.inc();
    }

    /// How the disk is.
    pub(crate) fn condition(&self, now: DiskCondition) {
        for ((condition, _), gauge) in CONDITIONS.iter().zip(&self.inner.condition) {
            gauge.set(i64::from(*condition == now));
        }
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
