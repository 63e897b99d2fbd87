//! The admin port: `/healthz` (the process lives), `/readyz` (it can serve, or why not), `/metrics` (Prometheus), and on
//! metaservers the admin API with the dashboard.
//!
//! What always holds: health and metrics are there from the first moment, tell no secrets and change nothing. The port is
//! bound to loopback unless configured otherwise.

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};

use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use holdfast_admin::Limits;
use holdfast_support::shutdown::Shutdown;
use holdfast_support::telemetry;
use parking_lot::Mutex;
use serde::Serialize;
use tokio::net::TcpListener;
use tower::ServiceExt;

use crate::failure::{Failure, Outcome};

/// Says why a part cannot serve now; `Ok` when it can.
type Check = Box<dyn Fn() -> Result<(), String> + Send + Sync>;

/// What else the port serves, once it can.
#[derive(Clone, Default)]
pub(crate) struct More(Arc<OnceLock<Router>>);

impl More {
    /// From now on.
    pub(crate) fn serve(&self, router: Router) {
        // Only the first counts: a node plays its roles once.
        drop(self.0.set(router));
    }
}

/// What must hold for the node to be ready. Roles add their checks as they start.
#[derive(Clone, Default)]
pub(crate) struct Readiness {
    checks: Arc<Mutex<Vec<(&'static str, Check)>>>,
}

#[derive(Serialize)]
struct Ready {
    ready: bool,
    reasons: Vec<String>,
}

impl Readiness {
    /// Adds a condition, or replaces the one of that name.
    pub(crate) fn require(
        &self,
        name: &'static str,
        check: impl Fn() -> Result<(), String> + Send + Sync + 'static,
    ) {
        let mut checks = self.checks.lock();
        checks.retain(|(other, _)| *other != name);
        checks.push((name, Box::new(check)));
    }

    /// Every part, and whether it can serve.
    pub(super) fn parts(&self) -> Vec<(&'static str, bool)> {
        self.checks.lock().iter().map(|(name, check)| (*name, check().is_ok())).collect()
    }

    /// Why the node cannot serve; empty when it can.
    pub(crate) fn reasons(&self) -> Vec<String> {
        let checks = self.checks.lock();
        checks.iter().filter_map(|(name, check)| check().err().map(|why| format!("{name}: {why}"))).collect()
    }
}

/// Binds the admin port and serves it until shutdown.
pub(crate) async fn serve(
    address: SocketAddr,
    readiness: Readiness,
    more: More,
    shutdown: Shutdown,
) -> Outcome<SocketAddr> {
    let listener = TcpListener::bind(address)
        .await
        .map_err(|error| super::cannot_listen("admin_listen", address, &error))?;
    let local = listener.local_addr().map_err(|error| Failure::failed(error.to_string()))?;
    // Until the very end, so that whoever watches sees "shutting down" instead of nothing.
    let end = async move {
        shutdown.wait().await;
        tokio::time::sleep(shutdown.time_left()).await;
    };
    tokio::spawn(holdfast_admin::serve(listener, router(readiness, more), Limits::default(), end));
    Ok(local)
}

fn router(readiness: Readiness, more: More) -> Router {
    Router::new()
        .route("/healthz", get(async || "ok\n"))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .with_state(readiness)
        .fallback(async move |request: Request| match more.0.get() {
            Some(router) => router.clone().oneshot(request).await.into_response(),
            None => not_here().into_response(),
        })
}

fn not_here() -> impl IntoResponse {
    let what = "This node is starting, or is no metaserver: the dashboard is on the admin port of every metaserver.\n";
    (StatusCode::SERVICE_UNAVAILABLE, [(header::RETRY_AFTER, "1")], what)
}

async fn ready(State(readiness): State<Readiness>) -> Response {
    let reasons = readiness.reasons();
    let status = if reasons.is_empty() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(Ready { ready: reasons.is_empty(), reasons })).into_response()
}

async fn metrics() -> Response {
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], telemetry::metrics_text())
        .into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readiness_names_its_reasons() {
        let readiness = Readiness::default();
        assert!(readiness.reasons().is_empty());
        readiness.require("meta", || Err("no leader".into()));
        readiness.require("chunk", || Ok(()));
        assert_eq!(readiness.reasons(), ["meta: no leader"]);
        readiness.require("meta", || Ok(()));
        assert!(readiness.reasons().is_empty());
    }

    #[tokio::test]
    async fn the_port_answers() {
        let shutdown = Shutdown::new(std::time::Duration::ZERO);
        let readiness = Readiness::default();
        readiness.require("x", || Err("not yet".into()));
        let address =
            serve(([127, 0, 0, 1], 0).into(), readiness.clone(), More::default(), shutdown).await.unwrap();
        let ask = |path: &'static str| async move {
            use tokio::io::{AsyncReadExt, AsyncWriteExt};
            let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
            let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
            stream.write_all(request.as_bytes()).await.unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await.unwrap();
            answer
        };
        assert!(ask("/healthz").await.starts_with("HTTP/1.1 200"));
        let answer = ask("/readyz").await;
        assert!(answer.starts_with("HTTP/1.1 503") && answer.contains("x: not yet"), "{answer}");
        readiness.require("x", || Ok(()));
        assert!(ask("/readyz").await.starts_with("HTTP/1.1 200"));
        assert!(ask("/metrics").await.starts_with("HTTP/1.1 200"));
    }
}
