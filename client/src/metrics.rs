//! Every metric of the client library, one set per process whatever the number of clients in it.
//!
//! Who uses it: the library counts; a server registers the set with its own registry once ([`register`]).

use std::sync::LazyLock;
use std::time::Duration;

use holdfast_proto::status::Code;
use prometheus::core::Collector;
use prometheus::{
    Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, Opts, Registry,
};

use crate::error::ClientError;

/// The metrics of the process.
pub static METRICS: LazyLock<Metrics> = LazyLock::new(Metrics::new);

/// See the help texts in [`Metrics::new`].
pub struct Metrics {
    /// Metadata requests by kind (`command`, `question`).
    pub metadata_seconds: HistogramVec,
    /// One chunk made durable on its members.
    pub chunk_write_seconds: Histogram,
    /// One piece of a chunk read and verified.
    pub chunk_read_seconds: Histogram,
    /// Payload bytes by direction (`written`, `read`).
    pub bytes: IntCounterVec,
    /// Exchanges with chunkservers by operation (`write`, `read`): round trips.
    pub member_calls: IntCounterVec,
    /// Exchanges with metaservers by kind.
    pub meta_calls: IntCounterVec,
    /// Chunks sent to another group because a member failed or was slow.
    pub replacements: IntCounter,
    /// Chunks acknowledged by fewer members than their group has.
    pub short_writes: IntCounter,
    /// Chunks of an erasure class that went to its replicated companion.
    pub companion_writes: IntCounter,
    /// Ranges decoded because a data shard did not come.
    pub decodes: IntCounter,
    /// Chunks written anew because a commit named them.
    pub rewrites: IntCounter,
    /// Reads asked of a second member, by reason (`slow`, `failed`, `damaged`, `decode`).
    pub second_reads: IntCounterVec,
    /// Problems reported to the leader, by finding.
    pub reports: IntCounterVec,
    /// Sessions opened.
    pub sessions: IntCounter,
    /// Pieces read beyond the read budget because a stream would have starved.
    pub read_overdrafts: IntCounter,
    /// Sessions that are open now.
    pub sessions_open: IntGauge,
    /// What was tried again, by kind (`command`: the file changed meanwhile; `question`: the session had ended; `read`:
    /// no member gave a piece of a chunk).
    pub retries: IntCounterVec,
    /// What was given up because its time had passed, by kind (`command`, `question`, `write`, `read`).
    pub deadlines: IntCounterVec,
    /// Looks into a cache (`map`: of the placement groups) that found what they looked for.
    pub cache_hits: IntCounterVec,
    /// Those that did not.
    pub cache_misses: IntCounterVec,
}

const LATENCIES: &[f64] = &[
    0.0002, 0.0005, 0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.128, 0.256, 0.512, 1.0, 2.0, 4.0, 8.0,
    16.0, 32.0,
];

// Names and labels are constants; the test below builds every metric, so none of these can fail in production.
#[allow(clippy::expect_used)]
impl Metrics {
    fn new() -> Self {
        let made = Self {
            metadata_seconds: histogram_vec("metadata_seconds", "Time of metadata requests", &["kind"]),
            chunk_write_seconds: histogram(
                "chunk_write_seconds",
                "Time to make one chunk durable on its members",
            ),
            chunk_read_seconds: histogram(
                "chunk_read_seconds",
                "Time to read and verify one piece of a chunk",
            ),
            bytes: counter_vec("bytes_total", "Payload bytes", &["direction"]),
            member_calls: counter_vec("member_calls_total", "Round trips to chunkservers", &["op"]),
            meta_calls: counter_vec("meta_calls_total", "Round trips to metaservers", &["kind"]),
            replacements: counter("replacements_total", "Chunks sent to another group during a write"),
            short_writes: counter(
                "short_writes_total",
                "Chunks acknowledged by fewer members than the group has",
            ),
            companion_writes: counter(
                "companion_writes_total",
                "Chunks of an erasure class written as copies",
            ),
            decodes: counter("decodes_total", "Ranges decoded from other shards"),
            rewrites: counter("rewrites_total", "Chunks written anew because a commit named them"),
            second_reads: counter_vec("second_reads_total", "Reads asked of a second member", &["reason"]),
            reports: counter_vec("reports_total", "Problems reported to the leader", &["finding"]),
            sessions: counter("sessions_opened_total", "Sessions opened"),
            read_overdrafts: counter("read_overdrafts_total", "Pieces read beyond the read budget"),
            sessions_open: IntGauge::new("holdfast_sessions_open", "Sessions that this process has open")
                .expect("constant metric name"),
            retries: counter_vec("retries_total", "Operations that were tried again, by kind", &["kind"]),
            deadlines: counter_vec(
                "deadline_exceeded_total",
                "Operations given up because their time had passed, by kind",
                &["kind"],
            ),
            cache_hits: counter_vec(
                "cache_hits_total",
                "Looks into a cache that found something",
                &["cache"],
            ),
            cache_misses: counter_vec("cache_misses_total", "Looks into a cache that did not", &["cache"]),
        };
        made.touch();
        made
    }

    /// Makes what is known by its labels, so that the first event is seen as one.
    fn touch(&self) {
        for (family, labels) in [
            (&self.bytes, &["written", "read"][..]),
            (&self.member_calls, &["write", "read"]),
            (&self.meta_calls, &["command", "question", "map"]),
            (&self.second_reads, &["slow", "failed", "damaged", "decode"]),
            (&self.reports, &["damaged", "absent", "unreachable", "no_room"]),
            (&self.retries, &["command", "question", "read"]),
            (&self.deadlines, &["command", "question", "write", "read"]),
            (&self.cache_hits, &["map"]),
            (&self.cache_misses, &["map"]),
        ] {
            for label in labels {
                family.with_label_values(&[*label]);
            }
        }
        for kind in ["command", "question"] {
            self.metadata_seconds.with_label_values(&[kind]);
        }
    }

    fn collectors(&self) -> Vec<Box<dyn Collector>> {
        vec![
            Box::new(self.metadata_seconds.clone()),
            Box::new(self.chunk_write_seconds.clone()),
            Box::new(self.chunk_read_seconds.clone()),
            Box::new(self.bytes.clone()),
            Box::new(self.member_calls.clone()),
            Box::new(self.meta_calls.clone()),
            Box::new(self.replacements.clone()),
            Box::new(self.short_writes.clone()),
            Box::new(self.companion_writes.clone()),
            Box::new(self.decodes.clone()),
            Box::new(self.rewrites.clone()),
            Box::new(self.second_reads.clone()),
            Box::new(self.reports.clone()),
            Box::new(self.sessions.clone()),
            Box::new(self.read_overdrafts.clone()),
            Box::new(self.sessions_open.clone()),
            Box::new(self.retries.clone()),
            Box::new(self.deadlines.clone()),
            Box::new(self.cache_hits.clone()),
            Box::new(self.cache_misses.clone()),
        ]
    }
}

/// Adds the set to a registry. A second call with the same registry is an error of the registry.
pub fn register(registry: &Registry) -> Result<(), prometheus::Error> {
    METRICS.collectors().into_iter().try_for_each(|metric| registry.register(metric))
}

/// Counts an operation that was given up because its time had passed.
pub(crate) fn gave_up<T>(kind: &'static str, outcome: &Result<T, ClientError>) {
    if outcome.as_ref().is_err_and(|error| error.code() == Code::Timeout) {
        METRICS.deadlines.with_label_values(&[kind]).inc();
    }
}

/// Seconds as prometheus wants them.
pub(crate) fn seconds(elapsed: Duration) -> f64 {
    elapsed.as_secs_f64()
}

fn name(short: &str) -> String {
    format!("holdfast_client_{short}")
}

#[allow(clippy::expect_used)]
fn histogram(short: &str, help: &str) -> Histogram {
    let opts = HistogramOpts::new(name(short), help).buckets(LATENCIES.to_vec());
    Histogram::with_opts(opts).expect("constant metric name")
}

#[allow(clippy::expect_used)]
fn histogram_vec(short: &str, help: &str, labels: &[&str]) -> HistogramVec {
    let opts = HistogramOpts::new(name(short), help).buckets(LATENCIES.to_vec());
    HistogramVec::new(opts, labels).expect("constant metric name")
}

#[allow(clippy::expect_used)]
fn counter(short: &str, help: &str) -> IntCounter {
    IntCounter::new(name(short), help).expect("constant metric name")
}

#[allow(clippy::expect_used)]
fn counter_vec(short: &str, help: &str, labels: &[&str]) -> IntCounterVec {
    IntCounterVec::new(Opts::new(name(short), help), labels).expect("constant metric name")
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_metric_registers_once() {
        let registry = prometheus::Registry::new();
        super::register(&registry).unwrap();
        assert!(super::register(&registry).is_err());
    }
}
