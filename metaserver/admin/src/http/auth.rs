//! Logging in and out, who one is, choosing another password.

use axum::Json;
use axum::extract::{ConnectInfo, State};
use axum::response::{AppendHeaders, IntoResponse};
use holdfast_proto::access::{Credential, CredentialKind, Role};
use holdfast_proto::audit::{Actor, ActorKind, AuditKind, AuditNote};
use holdfast_proto::op::{DeleteCredential, Op, PutAccount, PutCredential};
use holdfast_proto::query::{ListAccounts, Query};
use http::{HeaderMap, StatusCode, header};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{App, Body};
use crate::error::{Failures, Problem};
use crate::who::{Anyone, COOKIE, IDLE_S, Who, csrf_of, role_name};
use crate::{moment, password};

/// Longest description of a browser that is kept.
const MOST_AGENT: usize = 200;
/// Every so many failed tries in a row one is noted, beside the first ones.
const NOTE_EVERY: u32 = 10;

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(login))
        .routes(routes!(logout))
        .routes(routes!(me))
        .routes(routes!(choose_password))
}

/// Who one is.
#[derive(Serialize, ToSchema)]
struct Me {
    account: String,
    role: &'static str,
    /// `session` or `token`.
    via: &'static str,
    /// What changes need in the header `X-Holdfast-Csrf`; empty with a token.
    csrf: String,
    must_change_password: bool,
    expires_at: Option<String>,
    /// The cluster's id.
    cluster: String,
    version: &'static str,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Login {
    #[schema(max_length = 64)]
    account: String,
    #[schema(max_length = 256)]
    password: String,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewPassword {
    #[schema(max_length = 256)]
    old_password: String,
    #[schema(min_length = 12, max_length = 256)]
    new_password: String,
}

async fn told(app: &App, who: &Who) -> Me {
    // Without a leader the rest is still true.
    let cluster = app.cluster.small_map().await.map(|map| hex::encode(&map.cluster)).unwrap_or_default();
    Me {
        account: who.account.clone(),
        role: role_name(who.role),
        via: if who.kind == CredentialKind::Login { "session" } else { "token" },
        csrf: who.csrf.clone(),
        must_change_password: who.must_change,
        expires_at: moment::known_ns(who.expires_ns),
        cluster,
        version: env!("CARGO_PKG_VERSION"),
    }
}

fn cookie(app: &App, value: &str, seconds: u64) -> (http::HeaderName, String) {
    let secure = if app.config.secure_cookies { "; Secure" } else { "" };
    (
        header::SET_COOKIE,
        format!("{COOKIE}={value}; Path=/; HttpOnly; SameSite=Strict; Max-Age={seconds}{secure}"),
    )
}

/// Log in: sets a cookie.
#[utoipa::path(post, path = "/auth/login", tag = "auth", request_body = Login, security(()),
    responses((status = 200, body = Me), Failures))]
async fn login(
    State(app): State<App>,
    from: Option<axum::Extension<ConnectInfo<std::net::SocketAddr>>>,
    headers: HeaderMap,
    Body(ask): Body<Login>,
) -> Result<impl IntoResponse, Problem> {
    // A form of another site's page cannot send JSON; browsers that say where a request comes from are believed.
    let site = headers.get("sec-fetch-site").map(|value| value.as_bytes());
    if site.is_some_and(|site| !matches!(site, b"same-origin" | b"none")) {
        return Err(Problem::new(StatusCode::FORBIDDEN, "csrf", "log in from the dashboard's own page"));
    }
    let from = from.map(|info| info.0.0.ip().to_string()).unwrap_or_default();
    if let Some(wait) = app.throttle.wait(&ask.account, &from, Instant::now()) {
        let what = format!("too many wrong passwords: wait {} s", wait.as_secs() + 1);
        let problem = Problem::new(StatusCode::TOO_MANY_REQUESTS, "throttled", what);
        return Err(problem.with("seconds", wait.as_secs() + 1).later(wait));
    }
    let agent = headers.get(header::USER_AGENT).and_then(|agent| agent.to_str().ok()).unwrap_or_default();
    let agent = agent.chars().take(MOST_AGENT).collect::<String>();
    let known = Query::ListAccounts(ListAccounts { name: ask.account.clone() });
    // An empty name would mean all of them.
    let account = match ask.account.is_empty() {
        true => None,
        false => app.cluster.ask(known).await?.accounts.into_iter().next(),
    };
    let hash = account.as_ref().filter(|account| !account.disabled).map(|account| account.password.clone());
    let fits = password::fits(ask.password, hash).await?;
    let Some(account) = account.filter(|_| fits) else {
        failed(&app, &ask.account, &from);
        return Err(Problem::new(
            StatusCode::UNAUTHORIZED,
            "wrong_password",
            "the account or the password is wrong",
        ));
    };
    app.throttle.passed(&account.name, &from);
    let secret = password::secret();
    let credential = Credential {
        account: account.name.clone(),
        digest: password::digest(&secret),
        kind: CredentialKind::Login as i32,
        role: Role::Admin as i32,
        description: agent,
        from: from.clone(),
        ..Credential::default()
    };
    let digest = credential.digest.clone();
    let who = Who {
        role: account.role(),
        kind: CredentialKind::Login,
        digest,
        csrf: csrf_of(&secret),
        must_change: account.must_change,
        expires_ns: moment::now_ns().saturating_add((IDLE_S * 1_000_000_000) as i64),
        account: account.name,
        from,
    };
    let op = Op::PutCredential(PutCredential { credential: Some(credential), lasts_s: IDLE_S });
    app.cluster.acting_for(who.actor()).change(op).await?;
    let value = format!("{}.{secret}", who.account);
    let cookie = cookie(&app, &value, IDLE_S);
    Ok((AppendHeaders([cookie]), Json(told(&app, &who).await)))
}

/// Somebody gave a wrong password.
fn failed(app: &App, account: &str, from: &str) {
    let count = app.throttle.failed(account, from, Instant::now());
    if count > 5 && !count.is_multiple_of(NOTE_EVERY) {
        return;
    }
    let name: String = account.chars().take(64).collect();
    app.note(AuditNote {
        kind: AuditKind::Access as i32,
        actor: Some(Actor { kind: ActorKind::Anonymous as i32, name: name.clone(), from: from.to_owned() }),
        action: "login.failed".into(),
        target: name,
        details: vec![holdfast_proto::inode::KeyValue { key: "tries".into(), value: count.to_string() }],
        refused: true,
        message: String::new(),
    });
}

/// End this login.
#[utoipa::path(post, path = "/auth/logout", tag = "auth", responses((status = 204), Failures))]
async fn logout(State(app): State<App>, anyone: Anyone) -> Result<impl IntoResponse, Problem> {
    let Anyone { who, cluster } = anyone;
    let op = DeleteCredential { account: who.account, digest: who.digest, expired: false };
    cluster.change(Op::DeleteCredential(op)).await?;
    Ok((AppendHeaders([cookie(&app, "", 0)]), StatusCode::NO_CONTENT))
}

/// Who one is.
#[utoipa::path(get, path = "/auth/me", tag = "auth", responses((status = 200, body = Me), Failures))]
async fn me(State(app): State<App>, anyone: Anyone) -> Result<Json<Me>, Problem> {
    Ok(Json(told(&app, &anyone.who).await))
}

/// Choose another password; the account's other logins end.
#[utoipa::path(post, path = "/auth/password", tag = "auth", request_body = NewPassword,
    responses((status = 204), Failures))]
async fn choose_password(
    State(app): State<App>,
    anyone: Anyone,
    Body(ask): Body<NewPassword>,
) -> Result<StatusCode, Problem> {
    let Anyone { who, cluster } = anyone;
    if who.kind != CredentialKind::Login {
        let what = "a token cannot change its account's password: log in for that";
        return Err(Problem::new(StatusCode::FORBIDDEN, "forbidden", what));
    }
    if let Some(wait) = app.throttle.wait(&who.account, &who.from, Instant::now()) {
        let problem = Problem::new(StatusCode::TOO_MANY_REQUESTS, "throttled", "too many wrong passwords");
        return Err(problem.with("seconds", wait.as_secs() + 1).later(wait));
    }
    let known = Query::ListAccounts(ListAccounts { name: who.account.clone() });
    let account = cluster.ask(known).await?.accounts.into_iter().next();
    if !password::fits(ask.old_password.clone(), account.map(|account| account.password)).await? {
        failed(&app, &who.account, &who.from);
        return Err(Problem::new(StatusCode::FORBIDDEN, "wrong_password", "the old password is wrong"));
    }
    password::check(&who.account, &ask.new_password)?;
    if ask.new_password == ask.old_password {
        return Err(Problem::unfit("the new password is the old one").with("field", "new_password"));
    }
    let op = PutAccount {
        name: who.account.clone(),
        password: Some(password::hash_in_turn(ask.new_password).await?),
        must_change: Some(false),
        keep: who.digest.clone(),
        ..PutAccount::default()
    };
    cluster.change(Op::PutAccount(op)).await?;
    Ok(StatusCode::NO_CONTENT)
}
