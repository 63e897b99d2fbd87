//! The metrics of this crate: every name in one place.

use std::sync::{Arc, LazyLock};

use holdfast_proto::status::Code;
use holdfast_support::telemetry;
use prometheus::{Histogram, HistogramVec, IntCounter, IntCounterVec, IntGauge};

/// Handles of one served method, looked up once.
pub(crate) struct MethodMetrics {
    pub(crate) seconds: Histogram,
    pub(crate) ok: IntCounter,
    name: &'static str,
}

impl MethodMetrics {
    /// Counts one finished request.
    pub(crate) fn finished(&self, seconds: f64, refused: Option<Code>) {
        self.seconds.observe(seconds);
        match refused {
            None => self.ok.inc(),
            Some(code) => METRICS.served.with_label_values(&[self.name, &format!("{code:?}")]).inc(),
        }
    }
}

/// Handles for a served method.
pub(crate) fn served(name: &'static str) -> Arc<MethodMetrics> {
    Arc::new(MethodMetrics {
        seconds: METRICS.seconds.with_label_values(&[name]),
        ok: METRICS.served.with_label_values(&[name, "Ok"]),
        name,
    })
}

/// Everything this crate counts.
pub(crate) struct Metrics {
    served: IntCounterVec,
    seconds: HistogramVec,
    /// Open connections to others.
    pub(crate) client_connections: IntGauge,
    /// Open connections from others.
    pub(crate) server_connections: IntGauge,
    /// Requests being handled.
    pub(crate) in_flight: IntGauge,
    /// Requests refused before a handler saw them.
    pub(crate) shed: IntCounterVec,
    /// Connections ended for a reason worth counting.
    pub(crate) closed: IntCounterVec,
    /// Bytes read from sockets.
    pub(crate) received: IntCounter,
    /// Bytes written to sockets.
    pub(crate) sent: IntCounter,
}

pub(crate) static METRICS: LazyLock<Metrics> = LazyLock::new(|| {
    let times = vec![
        0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0,
    ];
    let connections = telemetry::gauges("holdfast_rpc_connections", "Open connections, by side", &["side"]);
    let shed = telemetry::counters(
        "holdfast_rpc_shed_total",
        "Requests refused before a handler saw them, by reason",
        &["reason"],
    );
    for reason in ["stopping", "payload", "connection", "replies", "class"] {
        shed.with_label_values(&[reason]);
    }
    let closed =
        telemetry::counters("holdfast_rpc_closed_total", "Connections ended, by reason", &["reason"]);
    for reason in ["malformed", "hello", "silent"] {
        closed.with_label_values(&[reason]);
    }
    let bytes = telemetry::counters("holdfast_rpc_bytes_total", "Bytes moved over sockets", &["direction"]);
    Metrics {
        served: telemetry::counters(
            "holdfast_rpc_requests_total",
            "Requests handled, by method and outcome",
            &["method", "outcome"],
        ),
        seconds: telemetry::histograms(
            "holdfast_rpc_request_seconds",
            "Time from a request's arrival to its reply",
            &["method"],
            times,
        ),
        client_connections: connections.with_label_values(&["client"]),
        server_connections: connections.with_label_values(&["server"]),
        in_flight: telemetry::gauge("holdfast_rpc_in_flight", "Requests being handled"),
        shed,
        closed,
        received: bytes.with_label_values(&["received"]),
        sent: bytes.with_label_values(&["sent"]),
    }
});
