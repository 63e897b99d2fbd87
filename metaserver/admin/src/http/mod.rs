//! The API over HTTP: routes, limits, headers, the dashboard's files.
//!
//! What always holds: every answer carries headers that keep other sites' pages out; bodies are bounded; a failure has the
//! one form of [`Problem`]. The description of the API is made from the routes themselves ([`openapi()`]).

mod assets;
mod auth;
mod described;
mod docs;
mod extract;
mod forms;
mod headers;
mod patience;
mod port;

use std::sync::Arc;
use std::time::Duration;

use axum::extract::DefaultBodyLimit;
use axum::response::IntoResponse;
use axum::routing::get;
use axum::{Json, Router, middleware};
use holdfast_proto::audit::{AuditKind, AuditNote};
use holdfast_proto::inode::KeyValue;
use holdfast_proto::op::{NoteAudit, Op};
use http::StatusCode;
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;

pub(crate) use described::check_query;
pub use described::openapi;
pub(crate) use extract::{Body, Path, Query};
pub use port::{Limits, serve};

use self::docs::Security;
use crate::cluster::Cluster;
use crate::error::Problem;
use crate::live::Live;
use crate::metrics;
use crate::throttle::Throttle;
use crate::who::{Known, Who};

/// Where the API lies.
pub(crate) const BASE: &str = "/api/v1";
/// Largest body of a request that carries no file.
const MOST_BODY: usize = 256 << 10;

/// How the API is served.
#[derive(Clone, Debug)]
pub struct Config {
    /// Cookies are for encrypted connections only: a proxy before this port speaks HTTPS.
    pub secure_cookies: bool,
    /// How long it may take to find out who asks.
    pub auth_limit: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self { secure_cookies: false, auth_limit: Duration::from_secs(3) }
    }
}

/// What all routes share.
#[derive(Clone)]
pub(crate) struct App(Arc<Shared>);

pub(crate) struct Shared {
    pub(crate) cluster: Cluster,
    pub(crate) config: Config,
    pub(crate) throttle: Throttle,
    pub(crate) known: Known,
    pub(crate) live: Live,
}

impl std::ops::Deref for App {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.0
    }
}

impl App {
    /// Somebody tried what they may not do: that is worth a note. Nobody waits for it.
    pub(crate) fn denied(&self, who: &Who, method: &http::Method, path: &str) {
        metrics::denied(who.role);
        if matches!(*method, http::Method::GET | http::Method::HEAD) {
            return;
        }
        let details = vec![KeyValue { key: "method".into(), value: method.to_string() }];
        self.note(AuditNote {
            kind: AuditKind::Access as i32,
            actor: Some(who.actor()),
            action: "access.denied".into(),
            target: path.to_owned(),
            details,
            refused: true,
            message: String::new(),
        });
    }

    /// Notes something in the audit log.
    pub(crate) fn note(&self, note: AuditNote) {
        let cluster = self.cluster.clone();
        tokio::spawn(async move {
            let action = note.action.clone();
            if let Err(problem) = cluster.change(Op::NoteAudit(NoteAudit { notes: vec![note] })).await {
                tracing::warn!(%problem, action, "note in the audit log");
            }
        });
    }
}

/// The description of the API: OpenAPI 3.1.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "Holdfast admin API",
        description = "Look at and steer a Holdfast cluster. Any metaserver serves it. Failures have one form; lists that \
                       can be long come in pages. Log in for a cookie, or send a token as `Authorization: Bearer hft_…`; \
                       changes with a cookie need the header `X-Holdfast-Csrf` that the login answered with.",
    ),
    modifiers(&Security),
    components(schemas(crate::error::Details, crate::error::Failure)),
    security(("token" = []), ("session" = []))
)]
struct Description;

fn api() -> OpenApiRouter<App> {
    OpenApiRouter::with_openapi(Description::openapi())
        .merge(auth::routes())
        .merge(crate::overview::routes())
        .merge(crate::history::routes())
        .merge(crate::topology::routes())
        .merge(crate::procedures::routes())
        .merge(crate::groups::routes())
        .merge(crate::map::routes())
        .merge(crate::balance::routes())
        .merge(crate::repair::routes())
        .merge(crate::scrub::routes())
        .merge(crate::classes::routes())
        .merge(crate::settings::routes())
        .merge(crate::meta::routes())
        .merge(crate::keys::routes())
        .merge(crate::accounts::routes())
        .merge(crate::tokens::routes())
        .merge(crate::audit::routes())
        .merge(crate::live::routes())
}

/// The description as the code has it.
fn described() -> utoipa::openapi::OpenApi {
    let mut described = OpenApiRouter::<App>::new().nest(BASE, whole_api()).into_openapi();
    described.info = Description::openapi().info;
    described.info.version = env!("CARGO_PKG_VERSION").to_owned();
    described
}

fn whole_api() -> OpenApiRouter<App> {
    // Bodies of files are let through further inside.
    api().merge(crate::files::routes()).layer(DefaultBodyLimit::max(MOST_BODY))
}

/// Everything that the admin port serves for people and programs: the API, its description, the dashboard. Health and
/// metrics are the server's.
pub fn router(cluster: Cluster, config: Config) -> Router {
    metrics::begin();
    let live = Live::new(cluster.clone());
    let shared = Shared { cluster, config, throttle: Throttle::default(), known: Known::default(), live };
    let app = App(Arc::new(shared));
    let (api, _) = whole_api().split_for_parts();
    let api = api
        .route("/openapi.json", get(async || Json(openapi())))
        .fallback(nothing_here)
        .method_not_allowed_fallback(not_so);
    Router::new()
        .nest(BASE, api)
        .route("/docs", get(docs::page))
        .route("/s/{token}", get(crate::files::shared))
        .fallback(assets::serve)
        .layer(middleware::from_fn(headers::guard))
        .layer(middleware::from_fn(metrics::count))
        .with_state(app)
}

async fn nothing_here() -> impl IntoResponse {
    Problem::not_found("there is nothing here; /api/v1/openapi.json describes what there is")
}

async fn not_so() -> impl IntoResponse {
    let what = "this does not take that method; /api/v1/openapi.json describes what it takes";
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", what)
}
