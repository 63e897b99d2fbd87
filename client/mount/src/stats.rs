//! What the mount does, counted: requests and their times by kind, errors, bytes; and on demand a log line for each.
//!
//! What always holds: a request is counted once, when it is answered. Counting costs no allocation. Shown as text by
//! [`text`] (the extended attribute [`ATTRIBUTE`] of any file of the mount), to Prometheus through the process's
//! registry.

use std::fmt::Write as _;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use holdfast_support::telemetry;
use prometheus::core::Collector as _;
use prometheus::{HistogramVec, IntCounterVec, IntGaugeVec};

use crate::errno::Errno;
use crate::fs::{Fs, Outcome};

/// Reading this extended attribute shows the counters.
pub const ATTRIBUTE: &str = "holdfast.stats";

/// Setting this one to `1` or `0` turns the log of every request on or off. For root.
pub const ACCESS_LOG: &str = "holdfast.access_log";

static METRICS: LazyLock<Metrics> = LazyLock::new(Metrics::new);
static LOGGING: AtomicBool = AtomicBool::new(false);

struct Metrics {
    seconds: HistogramVec,
    errors: IntCounterVec,
    bytes: IntCounterVec,
    open: IntGaugeVec,
}

impl Metrics {
    fn new() -> Self {
        let bounds = prometheus::exponential_buckets(0.000_025, 2.0, 22).unwrap_or_default();
        let bytes = telemetry::counters(
            "holdfast_mount_bytes_total",
            "Bytes moved through the mount, and into its disk cache",
            &["direction"],
        );
        for direction in ["read", "written", "cached"] {
            bytes.with_label_values(&[direction]);
        }
        Self {
            seconds: telemetry::histograms(
                "holdfast_mount_request_seconds",
                "Time of the kernel's requests, by kind",
                &["request"],
                bounds,
            ),
            errors: telemetry::counters(
                "holdfast_mount_errors_total",
                "Requests answered with an error, by kind and error",
                &["request", "error"],
            ),
            bytes,
            open: telemetry::gauges(
                "holdfast_mount_held",
                "Open files, open directories, bytes that wait for a commit, files in the disk cache and their bytes",
                &["what"],
            ),
        }
    }
}

/// A request that is being answered.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Timer {
    request: &'static str,
    ino: u64,
    started: Instant,
}

impl Timer {
    pub(crate) fn start(request: &'static str, ino: u64) -> Self {
        Self { request, ino, started: Instant::now() }
    }

    /// What the request is about.
    pub(crate) fn ino(&self) -> u64 {
        self.ino
    }

    /// It is about to be answered.
    pub(crate) fn done<T>(self, outcome: &Outcome<T>) {
        let time = self.started.elapsed();
        METRICS.seconds.with_label_values(&[self.request]).observe(time.as_secs_f64());
        let error = outcome.as_ref().err();
        if let Some(errno) = error {
            METRICS.errors.with_label_values(&[self.request, &format!("{errno:?}")]).inc();
        }
        if LOGGING.load(Ordering::Relaxed) {
            let Self { request, ino, .. } = self;
            let ms = time.as_secs_f64() * 1000.0;
            tracing::info!(target: "holdfast_mount::access", request, ino, ms, ?error, "request");
        }
    }
}

/// Bytes went to or came from an application.
pub(crate) fn moved(direction: &'static str, bytes: usize) {
    METRICS.bytes.with_label_values(&[direction]).inc_by(bytes as u64);
}

/// Turns the log of every request on or off.
pub(crate) fn log_requests(on: &[u8]) -> Outcome<()> {
    let on = match on {
        b"1" => true,
        b"0" => false,
        _ => return Err(Errno::INVAL),
    };
    LOGGING.store(on, Ordering::Relaxed);
    tracing::info!(on, "every request is logged, or no longer");
    Ok(())
}

/// Brings the gauges up to date.
pub fn refresh(fs: &Fs) {
    let (files, dirs, bytes) = fs.usage();
    for (what, value) in [("files", files as u64), ("directories", dirs as u64), ("dirty_bytes", bytes)] {
        METRICS.open.with_label_values(&[what]).set(i64::try_from(value).unwrap_or(i64::MAX));
    }
    if let Some((files, bytes)) = fs.cached() {
        for (what, value) in [("cached_files", files as u64), ("cached_bytes", bytes)] {
            METRICS.open.with_label_values(&[what]).set(i64::try_from(value).unwrap_or(i64::MAX));
        }
    }
}

/// The counters, for people.
pub fn text(fs: &Fs) -> String {
    let (files, dirs, bytes) = fs.usage();
    let mut text = format!("open files {files}, open directories {dirs}, bytes to commit {bytes}\n");
    if let Some((files, bytes)) = fs.cached() {
        let _ = writeln!(text, "in the disk cache: files {files}, bytes {bytes}");
    }
    for direction in ["read", "written", "cached"] {
        let _ = write!(text, "bytes {direction} {}  ", METRICS.bytes.with_label_values(&[direction]).get());
    }
    let _ = writeln!(
        text,
        "\n{:<14} {:>12} {:>10} {:>10} {:>10}",
        "request", "count", "mean ms", "p50 ms", "p99 ms"
    );
    for family in METRICS.seconds.collect() {
        for metric in family.get_metric() {
            let name = metric.get_label().first().map_or("", |label| label.value());
            let histogram = metric.get_histogram();
            let count = histogram.get_sample_count();
            let mean = if count > 0 { 1000.0 * histogram.get_sample_sum() / count as f64 } else { 0.0 };
            let bounds: Vec<(f64, u64)> = (histogram.get_bucket().iter())
                .map(|bucket| (bucket.upper_bound(), bucket.cumulative_count()))
                .collect();
            let (p50, p99) = (quantile(&bounds, count, 0.5), quantile(&bounds, count, 0.99));
            let _ = writeln!(text, "{name:<14} {count:>12} {mean:>10.3} {p50:>10.3} {p99:>10.3}");
        }
    }
    for family in METRICS.errors.collect() {
        for metric in family.get_metric() {
            let labels: Vec<&str> = metric.get_label().iter().map(|label| label.value()).collect();
            let _ = writeln!(text, "errors {} {}", labels.join(" "), metric.get_counter().get_value());
        }
    }
    text
}

/// The bound below which this share of the samples lies, in milliseconds.
fn quantile(bounds: &[(f64, u64)], count: u64, share: f64) -> f64 {
    let wanted = (count as f64 * share).ceil() as u64;
    let found = bounds.iter().find(|(_, below)| *below >= wanted);
    1000.0 * found.map_or(f64::INFINITY, |(bound, _)| *bound)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_the_bound_that_holds_them() {
        let bounds = [(0.001, 5), (0.002, 9), (0.004, 10)];
        assert_eq!(quantile(&bounds, 10, 0.5), 1.0);
        assert_eq!(quantile(&bounds, 10, 0.99), 4.0);
        assert!(quantile(&bounds, 20, 0.99).is_infinite());
    }
}
