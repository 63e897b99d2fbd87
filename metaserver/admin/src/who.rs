//! Who asks: a browser with the cookie of a login, or a program with a token. Asked of the replicated state for every
//! request, so that what was taken back ends at once, everywhere.
//!
//! What always holds:
//! - A role is the lesser of the account's and the credential's. Whoever must choose another password can do nothing else.
//! - A cookie alone changes nothing: changes need a header that no other site's page can set (CSRF).
//! - While no leader answers, whoever was known to this node a short while ago may look, and nothing more.

use std::collections::HashMap;
use std::time::Duration;

use axum::extract::{ConnectInfo, FromRequestParts};
use bytes::Bytes;
use holdfast_proto::access::{Account, Credential, CredentialKind, Role};
use holdfast_proto::audit::{Actor, ActorKind};
use holdfast_proto::op::{Op, TouchCredential};
use holdfast_proto::query::{ListCredentials, Query};
use http::request::Parts;
use http::{HeaderMap, StatusCode, header};
use parking_lot::Mutex;
use subtle::ConstantTimeEq;
use tokio::time::Instant;

use crate::cluster::Cluster;
use crate::error::Problem;
use crate::http::App;
use crate::{moment, password};

/// The cookie of a login.
pub(crate) const COOKIE: &str = "holdfast_session";
/// The header that changes need beside it.
pub(crate) const CSRF: &str = "x-holdfast-csrf";
/// What tokens begin with, so that they are recognized where they do not belong.
pub(crate) const TOKEN_PREFIX: &str = "hft_";

/// A login ends when it was not used for so long,
pub(crate) const IDLE_S: u64 = 12 * 3600;
/// and in any case after so long.
const LONGEST_S: i64 = 7 * 86_400;
/// How exactly its last use is noted.
const TOUCH: i64 = 600;
/// For so long whoever was known may look while nobody can be asked.
const TRUSTED: Duration = Duration::from_secs(900);
/// Remembered for that.
const MOST_KNOWN: usize = 1000;
const NANOS: i64 = 1_000_000_000;

/// Somebody who proved who they are.
#[derive(Clone, Debug)]
pub(crate) struct Who {
    pub(crate) account: String,
    pub(crate) role: Role,
    pub(crate) kind: CredentialKind,
    pub(crate) digest: Bytes,
    /// What the header must say; of a token nothing.
    pub(crate) csrf: String,
    pub(crate) must_change: bool,
    pub(crate) expires_ns: i64,
    pub(crate) from: String,
}

impl Who {
    /// For the audit log.
    pub(crate) fn actor(&self) -> Actor {
        let kind = match self.kind {
            CredentialKind::Login => ActorKind::Account,
            CredentialKind::Token => ActorKind::Token,
        };
        Actor { kind: kind as i32, name: self.account.clone(), from: self.from.clone() }
    }
}

/// Who was known lately.
#[derive(Default)]
pub(crate) struct Known(Mutex<HashMap<Bytes, (Who, Instant)>>);

impl Known {
    fn remember(&self, who: &Who) {
        let mut known = self.0.lock();
        if known.len() >= MOST_KNOWN {
            known.retain(|_, (_, at)| at.elapsed() < TRUSTED);
        }
        if known.len() < MOST_KNOWN {
            known.insert(who.digest.clone(), (who.clone(), Instant::now()));
        }
    }

    fn forget(&self, digest: &Bytes) {
        self.0.lock().remove(digest);
    }

    /// May look.
    fn recall(&self, digest: &Bytes) -> Option<Who> {
        let known = self.0.lock();
        let (who, at) = known.get(digest)?;
        (at.elapsed() < TRUSTED).then(|| Who { role: who.role.min(Role::Viewer), ..who.clone() })
    }
}

fn unauthenticated(message: &str) -> Problem {
    Problem::new(StatusCode::UNAUTHORIZED, "unauthenticated", message)
}

/// What the header has to say beside a cookie with this secret.
pub(crate) fn csrf_of(secret: &str) -> String {
    let mut derived = blake3::Hasher::new_derive_key("holdfast admin csrf v1");
    derived.update(secret.as_bytes());
    hex::encode(derived.finalize().as_bytes().get(..16).unwrap_or_default())
}

struct Proof {
    account: String,
    secret: String,
    kind: CredentialKind,
}

fn split(text: &str, kind: CredentialKind) -> Option<Proof> {
    let (account, secret) = text.rsplit_once('.')?;
    let fine = !account.is_empty() && account.len() <= 64 && (16..=128).contains(&secret.len());
    fine.then(|| Proof { account: account.to_owned(), secret: secret.to_owned(), kind })
}

fn proof(headers: &HeaderMap) -> Result<Proof, Problem> {
    if let Some(value) = headers.get(header::AUTHORIZATION) {
        let text = value.to_str().unwrap_or_default();
        let token = text.strip_prefix("Bearer ").and_then(|token| token.trim().strip_prefix(TOKEN_PREFIX));
        let found = token.and_then(|token| split(token, CredentialKind::Token));
        return found.ok_or_else(|| unauthenticated("the Authorization header has no token of this cluster"));
    }
    let cookies = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs = cookies.flat_map(|value| value.split(';')).filter_map(|pair| pair.trim().split_once('='));
    let found = pairs.find(|(name, _)| *name == COOKIE).map(|(_, value)| value);
    found
        .and_then(|value| split(value, CredentialKind::Login))
        .ok_or_else(|| unauthenticated("log in first, or send a token as `Authorization: Bearer …`"))
}

/// Whether a method changes nothing.
fn is_safe(method: &http::Method) -> bool {
    matches!(*method, http::Method::GET | http::Method::HEAD | http::Method::OPTIONS)
}

/// Finds out who asks.
pub(crate) async fn authenticate(parts: &Parts, app: &App) -> Result<Who, Problem> {
    let proof = proof(&parts.headers)?;
    if proof.kind == CredentialKind::Login && !is_safe(&parts.method) {
        check_csrf(&parts.headers, &csrf_of(&proof.secret))?;
    }
    let from = parts.extensions.get::<ConnectInfo<std::net::SocketAddr>>();
    let from = from.map(|info| info.0.ip().to_string()).unwrap_or_default();
    let digest = password::digest(&proof.secret);
    match look_up(app, &proof, &digest, from).await {
        Ok(who) => {
            app.known.remember(&who);
            Ok(who)
        }
        Err(problem) if problem.status() == StatusCode::SERVICE_UNAVAILABLE => {
            let recalled = app.known.recall(&digest).filter(|who| who.account == proof.account);
            recalled.filter(|_| is_safe(&parts.method)).ok_or(problem)
        }
        Err(problem) => {
            app.known.forget(&digest);
            Err(problem)
        }
    }
}

fn check_csrf(headers: &HeaderMap, wanted: &str) -> Result<(), Problem> {
    let given = headers.get(CSRF).map(|value| value.as_bytes()).unwrap_or_default();
    if bool::from(given.ct_eq(wanted.as_bytes())) {
        return Ok(());
    }
    let what = "a change that is made with a login's cookie needs the header X-Holdfast-Csrf";
    Err(Problem::new(StatusCode::FORBIDDEN, "csrf", what))
}

async fn look_up(app: &App, proof: &Proof, digest: &Bytes, from: String) -> Result<Who, Problem> {
    let ended = || unauthenticated("this login or token has ended or was taken back: log in again");
    let (account, digest) = (proof.account.clone(), digest.clone());
    let ask = ListCredentials { account, digest: digest.clone(), ..ListCredentials::default() };
    let reply = app.cluster.within(app.config.auth_limit).ask(Query::ListCredentials(ask)).await?;
    let (credential, account): (Credential, Account) =
        match (reply.credentials.into_iter().next(), reply.accounts.into_iter().next()) {
            (Some(credential), Some(account)) if credential.kind() == proof.kind => (credential, account),
            _ => return Err(ended()),
        };
    let now = moment::now_ns();
    if account.disabled || (credential.expires_ns != 0 && credential.expires_ns <= now) {
        return Err(ended());
    }
    touch(app, &credential, now);
    Ok(Who {
        role: account.role().min(credential.role()),
        kind: proof.kind,
        digest,
        csrf: if proof.kind == CredentialKind::Login { csrf_of(&proof.secret) } else { String::new() },
        must_change: account.must_change && proof.kind == CredentialKind::Login,
        expires_ns: credential.expires_ns,
        account: account.name,
        from,
    })
}

/// Notes now and then that it was used. Nobody waits for that.
fn touch(app: &App, credential: &Credential, now: i64) {
    if now.saturating_sub(credential.used_ns) < TOUCH * NANOS {
        return;
    }
    let lasts_s = match credential.kind() {
        CredentialKind::Token => 0,
        CredentialKind::Login => {
            let longest = credential.created_ns.saturating_add(LONGEST_S * NANOS).saturating_sub(now) / NANOS;
            IDLE_S.min(u64::try_from(longest).unwrap_or(0))
        }
    };
    let op =
        TouchCredential { account: credential.account.clone(), digest: credential.digest.clone(), lasts_s };
    let cluster = app.cluster.clone();
    tokio::spawn(async move {
        if let Err(problem) = cluster.change(Op::TouchCredential(op)).await {
            tracing::debug!(%problem, "note the use of a login");
        }
    });
}

/// The name of a role.
pub(crate) fn role_name(role: Role) -> &'static str {
    match role {
        Role::None => "none",
        Role::Viewer => "viewer",
        Role::Operator => "operator",
        Role::Admin => "admin",
    }
}

/// The role of a name.
pub(crate) fn role_of(name: &str) -> Option<Role> {
    [Role::Viewer, Role::Operator, Role::Admin].into_iter().find(|role| role_name(*role) == name)
}

fn check_role(who: &Who, least: Role) -> Result<(), Problem> {
    if who.must_change {
        let what = "choose another password first";
        return Err(Problem::new(StatusCode::FORBIDDEN, "must_change_password", what));
    }
    if who.role < least {
        let (has, needs) = (role_name(who.role), role_name(least));
        let what = format!("this needs the role {needs}; you have the role {has}");
        return Err(Problem::new(StatusCode::FORBIDDEN, "forbidden", what)
            .with("needs", needs)
            .with("has", has));
    }
    Ok(())
}

macro_rules! guards {
    ($($(#[$doc:meta])* $name:ident = $role:ident;)*) => {$(
        $(#[$doc])*
        pub(crate) struct $name {
            /// Who it is.
            #[allow(dead_code, reason = "not every route looks")]
            pub(crate) who: Who,
            /// The cluster, acting for them.
            pub(crate) cluster: Cluster,
        }

        impl FromRequestParts<App> for $name {
            type Rejection = Problem;

            async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
                let who = authenticate(parts, app).await?;
                if let Err(problem) = check_role(&who, Role::$role) {
                    app.denied(&who, &parts.method, parts.uri.path());
                    return Err(problem);
                }
                let cluster = app.cluster.acting_for(who.actor());
                Ok(Self { who, cluster })
            }
        }
    )*};
}

guards! {
    /// May see.
    Viewer = Viewer;
    /// May steer the cluster and change files.
    Operator = Operator;
    /// May do everything.
    Admin = Admin;
}

/// Anybody who is known, also who has to choose another password first.
pub(crate) struct Anyone {
    pub(crate) who: Who,
    pub(crate) cluster: Cluster,
}

impl FromRequestParts<App> for Anyone {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let who = authenticate(parts, app).await?;
        let cluster = app.cluster.acting_for(who.actor());
        Ok(Self { who, cluster })
    }
}

/// Whether somebody may still look. Nobody to ask means yes: an open page is what shows that nobody can be asked.
pub(crate) async fn may_still_look(app: &App, who: &Who) -> bool {
    let ask = ListCredentials {
        account: who.account.clone(),
        digest: who.digest.clone(),
        ..ListCredentials::default()
    };
    match app.cluster.within(app.config.auth_limit).ask(Query::ListCredentials(ask)).await {
        Err(_) => true,
        Ok(reply) => {
            let now = moment::now_ns();
            let lives = |c: &Credential| c.expires_ns == 0 || c.expires_ns > now;
            reply.credentials.first().is_some_and(lives)
                && reply.accounts.first().is_some_and(|account| !account.disabled)
        }
    }
}
