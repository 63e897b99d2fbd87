//! Every metric of the admin API, in one place: requests by route, logins, refusals.
//!
//! What always holds: a route is the pattern that matched, never a path, so there are as many as the API has.

use std::sync::LazyLock;

use axum::extract::{MatchedPath, Request};
use axum::middleware::Next;
use axum::response::Response;
use holdfast_proto::access::Role;
use holdfast_support::telemetry::{counters, histograms, times};
use http::{Method, StatusCode};
use prometheus::{HistogramVec, IntCounterVec};
use tokio::time::Instant;

use crate::who::role_name;

struct Metrics {
    requests: IntCounterVec,
    seconds: HistogramVec,
    logins: IntCounterVec,
    denied: IntCounterVec,
}

static METRICS: LazyLock<Metrics> = LazyLock::new(|| {
    let made = Metrics {
        requests: counters(
            "holdfast_admin_requests_total",
            "Requests of the admin API answered",
            &["method", "route", "status"],
        ),
        seconds: histograms(
            "holdfast_admin_request_seconds",
            "Time of requests of the admin API until the headers of their answer",
            &["route"],
            times(),
        ),
        logins: counters(
            "holdfast_admin_logins_total",
            "Logins at the dashboard, by how they ended",
            &["outcome", "reason"],
        ),
        denied: counters(
            "holdfast_admin_denied_total",
            "Requests refused because the role of who asked does not allow them",
            &["role"],
        ),
    };
    for (_, reason) in FAILURES {
        made.logins.with_label_values(&["failed", reason]);
    }
    made.logins.with_label_values(&["ok", ""]);
    made.logins.with_label_values(&["failed", OTHER]);
    for role in [Role::None, Role::Viewer, Role::Operator] {
        made.denied.with_label_values(&[role_name(role)]);
    }
    made
});

/// Where one logs in.
const LOGIN: &str = "/api/v1/auth/login";
/// Why logins fail, by the status of the answer.
const FAILURES: [(StatusCode, &str); 3] = [
    (StatusCode::UNAUTHORIZED, "wrong_password"),
    (StatusCode::TOO_MANY_REQUESTS, "throttled"),
    (StatusCode::FORBIDDEN, "other_site"),
];
const OTHER: &str = "other";

/// Makes all families, so that they are there before the first request.
pub(crate) fn begin() {
    LazyLock::force(&METRICS);
}

/// A layer that counts requests.
pub(crate) async fn count(request: Request, next: Next) -> Response {
    let route = request.extensions().get::<MatchedPath>().map(|path| path.as_str().to_owned());
    let method = request.method().clone();
    let began = Instant::now();
    let answer = next.run(request).await;
    answered(&method, route.as_deref().unwrap_or("-"), answer.status(), began);
    answer
}

fn answered(method: &Method, route: &str, status: StatusCode, began: Instant) {
    // Anybody may send a method of any name.
    let known = [Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::PATCH, Method::DELETE];
    let method = if known.contains(method) { method.as_str() } else { OTHER };
    METRICS.requests.with_label_values(&[method, route, status.as_str()]).inc();
    METRICS.seconds.with_label_values(&[route]).observe(began.elapsed().as_secs_f64());
    if route == LOGIN && method == Method::POST.as_str() {
        let failure = FAILURES.iter().find(|(code, _)| *code == status).map_or(OTHER, |(_, reason)| *reason);
        let (outcome, reason) = if status.is_success() { ("ok", "") } else { ("failed", failure) };
        METRICS.logins.with_label_values(&[outcome, reason]).inc();
    }
}

/// Somebody may not do what they tried.
pub(crate) fn denied(role: Role) {
    METRICS.denied.with_label_values(&[role_name(role)]).inc();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logins_are_told_apart_and_methods_are_bounded() {
        let login = |outcome: &str, reason: &str| METRICS.logins.with_label_values(&[outcome, reason]).get();
        answered(&Method::POST, LOGIN, StatusCode::OK, Instant::now());
        answered(&Method::POST, LOGIN, StatusCode::UNAUTHORIZED, Instant::now());
        answered(&Method::POST, LOGIN, StatusCode::BAD_GATEWAY, Instant::now());
        answered(&Method::GET, LOGIN, StatusCode::UNAUTHORIZED, Instant::now());
        assert_eq!((login("ok", ""), login("failed", "wrong_password"), login("failed", OTHER)), (1, 1, 1));
        answered(&Method::from_bytes(b"ODD").unwrap(), "-", StatusCode::OK, Instant::now());
        assert_eq!(METRICS.requests.with_label_values(&[OTHER, "-", "200"]).get(), 1);
    }
}
