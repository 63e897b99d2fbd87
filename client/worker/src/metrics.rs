//! Every metric of the worker, one set per process. A server registers them with its own registry ([`register`]).

use std::sync::LazyLock;

use prometheus::{IntCounter, IntGaugeVec, Opts, Registry};

/// The metrics of the process.
pub static METRICS: LazyLock<Metrics> = LazyLock::new(Metrics::new);

/// See the help texts in [`Metrics::new`].
pub struct Metrics {
    /// Extents that went because their bytes were joined.
    pub extents: IntCounter,
    /// Bytes written again for that.
    pub bytes: IntCounter,
    /// Bytes that went into chunks of another class.
    pub converted: IntCounter,
    /// Files that were given up for the time being.
    pub failures: IntCounter,
    /// Files that are worked at, and that are not looked at for a while, by kind of job.
    pub jobs: IntGaugeVec,
}

impl Metrics {
    fn new() -> Self {
        Self {
            extents: counter(
                "joined_extents_total",
                "Small extents of files that were joined into larger ones",
            ),
            bytes: counter("joined_bytes_total", "Bytes written again to join small extents"),
            converted: counter("converted_bytes_total", "Bytes converted to the class of their file"),
            failures: counter("join_failures_total", "Files that could not be joined or converted for now"),
            jobs: jobs(),
        }
    }
}

// Names are constants; the test below builds every metric, so none of these can fail in production.
#[allow(clippy::expect_used)]
fn counter(name: &str, help: &str) -> IntCounter {
    IntCounter::with_opts(Opts::new(format!("holdfast_worker_{name}"), help))
        .expect("constant metric options")
}

#[allow(clippy::expect_used)]
fn jobs() -> IntGaugeVec {
    let help = "Files that are worked at now, and that are left alone for a while after a look";
    let jobs = IntGaugeVec::new(Opts::new("holdfast_worker_jobs", help), &["kind", "state"])
        .expect("constant metric options");
    for (kind, state) in
        [("join", "running"), ("join", "resting"), ("convert", "running"), ("convert", "resting")]
    {
        jobs.with_label_values(&[kind, state]);
    }
    jobs
}

/// Adds them to a registry.
pub fn register(registry: &Registry) -> Result<(), prometheus::Error> {
    let Metrics { extents, bytes, converted, failures, jobs } = &*METRICS;
    for metric in [extents, bytes, converted, failures] {
        registry.register(Box::new(metric.clone()))?;
    }
    registry.register(Box::new(jobs.clone()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_metric_can_be_built_and_registered() {
        let registry = Registry::new();
        register(&registry).unwrap();
        assert_eq!(registry.gather().len(), 5);
    }
}
