//! Logs and metrics of the process: one log subscriber, one metric registry. Log lines are written by a thread of their own.
//!
//! What always holds: metric names are literals, one module per crate; a name used twice is an error in the log,
//! never a crash. Secrets never get here.

use std::fs::OpenOptions;
use std::io;
use std::path::PathBuf;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use prometheus::core::Collector;
use prometheus::{
    Counter, CounterVec, Gauge, GaugeVec, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec,
    IntGauge, IntGaugeVec, Opts, Registry, TextEncoder,
};
use tracing_appender::non_blocking::{ErrorCounter, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::EnvFilter;

use crate::process;
use crate::shown::Shown;

static REGISTRY: LazyLock<Registry> = LazyLock::new(Registry::new);

/// Lines that wait to be written at most. A log that nobody reads (a full pipe, a disk that hangs) must hold up nobody:
/// what comes beyond them is dropped and counted.
const MOST_LINES: usize = 16_384;

/// What writes the log.
static WORKER: Mutex<Option<(WorkerGuard, ErrorCounter)>> = Mutex::new(None);

/// The registry behind `/metrics`.
pub fn registry() -> &'static Registry {
    &REGISTRY
}

/// So many looks are kept before it is asked which are over.
const MOST_LOOKS: usize = 256;

/// What is looked at only when somebody scrapes.
static LOOKS: Mutex<Vec<Box<dyn Fn() -> bool + Send>>> = Mutex::new(Vec::new());

/// Has `look` bring metrics up to date each time before they are told, until it says that there is nothing to look at any
/// more. It must neither wait nor register anything of this kind.
pub fn at_each_scrape(look: impl Fn() -> bool + Send + 'static) {
    let mut looks = LOOKS.lock();
    // Where nobody scrapes, nobody else finds out which are over.
    if looks.len() >= MOST_LOOKS {
        looks.retain(|look| look());
    }
    looks.push(Box::new(look));
}

/// Everything registered, in Prometheus' text format.
pub fn metrics_text() -> String {
    static DROPPED: LazyLock<IntCounter> = LazyLock::new(|| {
        counter(
            "holdfast_log_lines_dropped_total",
            "Log lines that were dropped because nobody took them in time",
        )
    });
    {
        let mut looks = LOOKS.lock();
        looks.retain(|look| look());
        DROPPED.inc_by(dropped_lines().saturating_sub(DROPPED.get()));
    }
    process::refresh();
    TextEncoder::new().encode_to_string(&REGISTRY.gather()).unwrap_or_else(|error| {
        tracing::error!(%error, "encode metrics");
        String::new()
    })
}

/// Registers a freshly made metric.
#[allow(
    clippy::expect_used,
    reason = "names and labels are literals: a bad one fails the first test that runs"
)]
fn register<C: Collector + Clone + 'static>(name: &str, made: prometheus::Result<C>) -> C {
    let metric = made.expect("metric names and labels are valid literals");
    if let Err(error) = REGISTRY.register(Box::new(metric.clone())) {
        tracing::error!(name, %error, "register metric");
    }
    metric
}

/// Registers a counter.
pub fn counter(name: &str, help: &str) -> IntCounter {
    register(name, IntCounter::new(name, help))
}

/// Registers a family of counters, told apart by labels.
pub fn counters(name: &str, help: &str, labels: &[&str]) -> IntCounterVec {
    register(name, IntCounterVec::new(Opts::new(name, help), labels))
}

/// Registers a gauge.
pub fn gauge(name: &str, help: &str) -> IntGauge {
    register(name, IntGauge::new(name, help))
}

/// Registers a family of gauges, told apart by labels.
pub fn gauges(name: &str, help: &str, labels: &[&str]) -> IntGaugeVec {
    register(name, IntGaugeVec::new(Opts::new(name, help), labels))
}

/// Registers a counter of parts, such as seconds.
pub fn real_counter(name: &str, help: &str) -> Counter {
    register(name, Counter::new(name, help))
}

/// Registers a family of counters of parts, told apart by labels.
pub fn real_counters(name: &str, help: &str, labels: &[&str]) -> CounterVec {
    register(name, CounterVec::new(Opts::new(name, help), labels))
}

/// Registers a gauge of parts, such as seconds.
pub fn real_gauge(name: &str, help: &str) -> Gauge {
    register(name, Gauge::new(name, help))
}

/// Registers a family of gauges of parts, told apart by labels.
pub fn real_gauges(name: &str, help: &str, labels: &[&str]) -> GaugeVec {
    register(name, GaugeVec::new(Opts::new(name, help), labels))
}

/// Registers gauges that come and go.
pub fn shown(name: &str, help: &str, labels: &[&str]) -> Shown {
    Shown::new(real_gauges(name, help, labels))
}

/// Says what runs here, for as long as it runs: the version, and what it plays.
pub fn set_build(version: &str, roles: &str) {
    static BUILD: LazyLock<Shown> =
        LazyLock::new(|| shown("holdfast_build_info", "1, with what runs here", &["version", "roles"]));
    BUILD.show([(vec![version, roles], 1.0)]);
}

/// Upper bounds of times, in seconds: from 200 µs to half a minute, doubling.
pub fn times() -> Vec<f64> {
    (0..18).map(|step| 0.0002 * f64::from(1u32 << step)).collect()
}

/// Registers a histogram with these upper bounds.
pub fn histogram(name: &str, help: &str, buckets: Vec<f64>) -> Histogram {
    register(name, Histogram::with_opts(HistogramOpts::new(name, help).buckets(buckets)))
}

/// Registers a family of histograms with these upper bounds, told apart by labels.
pub fn histograms(name: &str, help: &str, labels: &[&str], buckets: Vec<f64>) -> HistogramVec {
    register(name, HistogramVec::new(HistogramOpts::new(name, help).buckets(buckets), labels))
}

/// How log lines look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object per line.
    Json,
}

/// How and where to log.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LogConfig {
    /// What to log, as in `RUST_LOG`: `info`, or `info,holdfast_rpc=debug`. The variable `HOLDFAST_LOG` wins.
    pub filter: String,
    /// Text or JSON.
    pub format: LogFormat,
    /// A file to append to; unset: standard error.
    pub file: Option<PathBuf>,
}

impl Default for LogConfig {
    fn default() -> Self {
        Self { filter: "info".into(), format: LogFormat::Text, file: None }
    }
}

/// Libraries that log at level ERROR what is a client's mistake, body included, or (openraft's handle) that a question
/// came while the node was being stopped, which the asker is told; our own lines say it once, better. A filter that
/// names the library's module wins.
const QUIET: &str = "s3s=off,openraft=error,openraft::raft::raft_inner=off,raft_log=warn,chunked_wal=warn";

/// The environment variable that overrides [`LogConfig::filter`].
pub const FILTER_VARIABLE: &str = "HOLDFAST_LOG";

/// Why logging could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The filter makes no sense.
    #[error("log filter {filter:?} is not valid: {message}")]
    Filter {
        /// As given.
        filter: String,
        /// What is wrong.
        message: String,
    },
    /// The file cannot be opened.
    #[error("cannot open log file {}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Somebody set up logging before.
    #[error("logging is set up already")]
    Twice,
}

/// Sets up logging for the process, once, at its start.
pub fn init(config: &LogConfig) -> Result<(), LogError> {
    let text = std::env::var(FILTER_VARIABLE).unwrap_or_else(|_| config.filter.clone());
    let filter = EnvFilter::try_new(format!("{QUIET},{text}"))
        .map_err(|error| LogError::Filter { filter: text.clone(), message: error.to_string() })?;
    let (to, terminal): (Box<dyn io::Write + Send>, bool) = match &config.file {
        Some(path) => {
            let file = OpenOptions::new()
                .create(true)
                .append(true)
                .open(path)
                .map_err(|source| LogError::File { path: path.clone(), source })?;
            // One `write` per line in append mode: the file may be rotated by copy and truncate.
            (Box::new(file), false)
        }
        None => (Box::new(io::stderr()), io::IsTerminal::is_terminal(&io::stderr())),
    };
    let (writer, worker) =
        NonBlockingBuilder::default().buffered_lines_limit(MOST_LINES).lossy(true).finish(to);
    let dropped = writer.error_counter();
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_target(true)
        .with_ansi(terminal)
        .with_writer(writer);
    let done = match config.format {
        LogFormat::Text => builder.try_init(),
        LogFormat::Json => builder.json().try_init(),
    };
    done.map_err(|_| LogError::Twice)?;
    *WORKER.lock() = Some((worker, dropped));
    Ok(())
}

/// Writes what waits to be written, and logs nothing more: before the process ends. A reader that does not read is waited
/// for about a second.
pub fn finish_logging() {
    drop(WORKER.lock().take());
}

/// Lines that were not written because whoever takes them did not keep up.
pub fn dropped_lines() -> u64 {
    WORKER.lock().as_ref().map_or(0, |(_, dropped)| dropped.dropped_lines() as u64)
}

/// A number for a request that entered at one of the doors, unique within the process and unlikely to be met in
/// another: log lines of all hops can be put together.
pub fn request_id() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    static START: LazyLock<u64> = LazyLock::new(|| rand::random::<u64>() << 24);
    START.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_show_up_once() {
        let requests = counters("holdfast_test_requests_total", "For this test", &["kind"]);
        requests.with_label_values(&["a"]).inc_by(3);
        gauge("holdfast_test_level", "For this test").set(7);
        histogram("holdfast_test_seconds", "For this test", vec![0.1, 1.0]).observe(0.5);
        let text = metrics_text();
        assert!(text.contains("holdfast_test_requests_total{kind=\"a\"} 3"), "{text}");
        assert!(text.contains("holdfast_test_level 7"), "{text}");
        assert!(text.contains("holdfast_test_seconds_bucket{le=\"1\"} 1"), "{text}");
    }

    #[test]
    fn log_lines_reach_the_file_as_json() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("node.log");
        let config = LogConfig { format: LogFormat::Json, file: Some(path.clone()), ..LogConfig::default() };
        let bad = LogConfig { filter: "a=b=c".into(), ..config.clone() };
        assert!(matches!(init(&bad), Err(LogError::Filter { .. })));
        let nowhere = LogConfig { file: Some(dir.path().join("no/such")), ..config.clone() };
        assert!(matches!(init(&nowhere), Err(LogError::File { .. })));
        init(&config).unwrap();
        tracing::info!(answer = 42, "hello");
        tracing::debug!("not this one");
        finish_logging();
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains("\"answer\":42") && !text.contains("not this one"), "{text}");
        assert!(matches!(init(&config), Err(LogError::Twice)));
    }

    #[test]
    fn request_ids_differ() {
        assert_ne!(request_id(), request_id());
    }
}
