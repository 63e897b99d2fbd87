//! Logs and metrics of the process: one log subscriber, one metric registry.
//!
//! What always holds: metric names are literals, one module per crate; a name used twice is an error in the log,
//! never a crash. Secrets never get here.

use std::sync::LazyLock;

use prometheus::core::Collector;
use prometheus::{
    Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry,
    TextEncoder,
};

static REGISTRY: LazyLock<Registry> = LazyLock::new(Registry::new);

/// The registry behind `/metrics`.
pub fn registry() -> &'static Registry {
    &REGISTRY
}

/// Everything registered, in Prometheus' text format.
pub fn metrics_text() -> String {
    TextEncoder::new().encode_to_string(&REGISTRY.gather()).unwrap_or_else(|error| {
        tracing::error!(%error, "encode metrics");
        String::new()
    })
}

/// Registers a freshly made metric.
#[allow(clippy::expect_used, reason = "names and labels are literals: a bad one fails the first test that runs")]
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

/// Registers a histogram with these upper bounds.
pub fn histogram(name: &str, help: &str, buckets: Vec<f64>) -> Histogram {
    register(name, Histogram::with_opts(HistogramOpts::new(name, help).buckets(buckets)))
}

/// Registers a family of histograms with these upper bounds, told apart by labels.
pub fn histograms(name: &str, help: &str, labels: &[&str], buckets: Vec<f64>) -> HistogramVec {
    register(name, HistogramVec::new(HistogramOpts::new(name, help).buckets(buckets), labels))
}
