//! Every metric of the S3 door, one set per process.
//!
//! Who uses it: the door counts; a server registers the set with its own registry once ([`register`]).

use std::sync::LazyLock;

use prometheus::core::Collector;
use prometheus::{HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, Opts, Registry};

/// The metrics of the process.
pub static METRICS: LazyLock<Metrics> = LazyLock::new(Metrics::new);

/// See the help texts in [`Metrics::new`].
pub struct Metrics {
    /// Requests answered, by operation and status.
    pub requests: IntCounterVec,
    /// Time from the headers of a request to the headers of its answer, by operation.
    pub seconds: HistogramVec,
    /// Payload bytes by direction (`in`, `out`).
    pub bytes: IntCounterVec,
    /// Requests under way, until the last byte of the answer.
    pub in_flight: IntGauge,
    /// Open connections.
    pub connections: IntGauge,
    /// Connections turned away because there were too many.
    pub turned_away: IntCounter,
    /// Requests refused at the signature, by S3 code.
    pub auth_failures: IntCounterVec,
    /// Answers that broke off while their body was sent.
    pub broken_answers: IntCounter,
    /// Requests that failed, by operation and S3 code.
    pub errors: IntCounterVec,
    /// Time from the headers of a request to the last byte of its answer, by operation; of whole answers.
    pub whole_seconds: HistogramVec,
}

const LATENCIES: &[f64] = &[
    0.0002, 0.0005, 0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.128, 0.256, 0.512, 1.0, 2.0, 4.0, 8.0,
    16.0, 32.0,
];

/// Codes with which requests are refused at their signature, of those that are worth an alert.
const AUTH_CODES: [&str; 5] = [
    "AccessDenied",
    "InvalidAccessKeyId",
    "RequestTimeTooSkewed",
    "SignatureDoesNotMatch",
    "ServiceUnavailable",
];

fn opts(short: &str, help: &str) -> Opts {
    Opts::new(format!("holdfast_s3_{short}"), help)
}

// Names and labels are constants; the test below builds every metric, so none of these can fail in production.
#[allow(clippy::expect_used)]
impl Metrics {
    fn new() -> Self {
        let counter = |short, help| IntCounter::with_opts(opts(short, help)).expect("constant name");
        let counters = |short, help, labels: &[&str]| {
            IntCounterVec::new(opts(short, help), labels).expect("constant name")
        };
        let gauge = |short, help| IntGauge::with_opts(opts(short, help)).expect("constant name");
        let whole = HistogramOpts::from(opts(
            "body_seconds",
            "Time to the last byte of the answer, of whole answers",
        ));
        let seconds = HistogramOpts::from(opts("request_seconds", "Time to the headers of the answer"));
        let made = Self {
            requests: counters("requests_total", "Requests answered", &["op", "status"]),
            seconds: HistogramVec::new(seconds.buckets(LATENCIES.to_vec()), &["op"]).expect("constant name"),
            bytes: counters("bytes_total", "Payload bytes", &["direction"]),
            in_flight: gauge("requests_in_flight", "Requests under way"),
            connections: gauge("connections", "Open connections"),
            turned_away: counter("connections_turned_away_total", "Connections beyond the limit"),
            auth_failures: counters("auth_failures_total", "Requests refused at their signature", &["code"]),
            broken_answers: counter("answers_broken_total", "Answers that broke off"),
            errors: counters("errors_total", "Requests that failed, by S3 code", &["op", "code"]),
            whole_seconds: HistogramVec::new(whole.buckets(LATENCIES.to_vec()), &["op"])
                .expect("constant name"),
        };
        for direction in ["in", "out"] {
            made.bytes.with_label_values(&[direction]);
        }
        for code in AUTH_CODES {
            made.auth_failures.with_label_values(&[code]);
        }
        made
    }

    fn collectors(&self) -> Vec<Box<dyn Collector>> {
        vec![
            Box::new(self.requests.clone()),
            Box::new(self.seconds.clone()),
            Box::new(self.bytes.clone()),
            Box::new(self.in_flight.clone()),
            Box::new(self.connections.clone()),
            Box::new(self.turned_away.clone()),
            Box::new(self.auth_failures.clone()),
            Box::new(self.broken_answers.clone()),
            Box::new(self.errors.clone()),
            Box::new(self.whole_seconds.clone()),
        ]
    }
}

/// Adds the set to a registry. A second call with the same registry is an error of the registry.
pub fn register(registry: &Registry) -> Result<(), prometheus::Error> {
    METRICS.collectors().into_iter().try_for_each(|metric| registry.register(metric))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_metric_registers_once() {
        let registry = Registry::new();
        register(&registry).unwrap();
        METRICS.requests.with_label_values(&["PutObject", "200"]).inc();
        assert!(registry.gather().iter().any(|f| f.name() == "holdfast_s3_requests_total"));
        assert!(register(&registry).is_err());
    }
}
