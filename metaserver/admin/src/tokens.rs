//! API tokens: with one a program acts for an account.

use axum::Json;
use holdfast_proto::access::{Credential, CredentialKind, Role};
use holdfast_proto::op::{DeleteCredential, Op, PutCredential};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::accounts;
use crate::cluster::Cluster;
use crate::error::{Failures, Problem};
use crate::http::{App, Body, Path};
use crate::page::Page;
use crate::who::{TOKEN_PREFIX, Viewer, role_name, role_of};
use crate::{moment, password};

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list_tokens, create_token)).routes(routes!(delete_token))
}

/// Longest description.
const MOST_TEXT: usize = 200;
/// Longest life, in seconds: ten years.
const MOST_SECONDS: u64 = 315_360_000;

/// A token. What it is is told once, when it is made.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Token {
    /// Its id.
    pub id: String,
    /// The account it acts for.
    pub account: String,
    /// It may do no more than this, and no more than the account.
    pub role: String,
    /// What it is for.
    pub description: String,
    /// When it was made.
    pub created: String,
    /// When it ends; `null`: never.
    pub expires: Option<String>,
    /// When it was last used, some minutes old.
    pub last_used: Option<String>,
}

/// A token that was just made.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct NewToken {
    /// What it may do.
    #[serde(flatten)]
    pub about: Token,
    /// Shown this once.
    pub token: String,
}

/// What a token is to be.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TokenSpec {
    /// What it is for.
    #[schema(max_length = 200)]
    pub description: String,
    /// `viewer`, `operator` or `admin`: at most one's own.
    #[schema(pattern = "^(viewer|operator|admin)$")]
    pub role: String,
    /// Seconds after which it ends; `null`: never.
    #[schema(minimum = 1, maximum = 315_360_000)]
    pub expires_in_seconds: Option<u64>,
}

fn view(credential: Credential) -> Token {
    Token {
        id: hex::encode(&credential.digest),
        role: role_name(credential.role()).to_owned(),
        description: credential.description,
        created: moment::of_ns(credential.created_ns),
        expires: moment::known_ns(credential.expires_ns),
        last_used: moment::known_ns(credential.used_ns),
        account: credential.account,
    }
}

/// Tokens of an account; with an empty name, of all.
pub async fn list(cluster: &Cluster, account: &str) -> Result<Vec<Token>, Problem> {
    let all = accounts::credentials(cluster, account).await?.into_iter();
    Ok(all.filter(|credential| credential.kind() == CredentialKind::Token).map(view).collect())
}

/// Makes a token for an account, which may do at most `most`.
pub async fn create(
    cluster: &Cluster,
    account: &str,
    most: Role,
    from: &str,
    spec: TokenSpec,
) -> Result<NewToken, Problem> {
    let role =
        role_of(&spec.role).ok_or_else(|| Problem::invalid("role is one of viewer, operator, admin"))?;
    if role > most {
        let what = format!("a token may do at most what you may: {}", role_name(most));
        return Err(Problem::new(StatusCode::FORBIDDEN, "forbidden", what));
    }
    if spec.description.chars().count() > MOST_TEXT {
        return Err(Problem::invalid("a description has at most 200 characters"));
    }
    if spec.expires_in_seconds.is_some_and(|seconds| !(1..=MOST_SECONDS).contains(&seconds)) {
        return Err(Problem::invalid("a token lasts from one second to ten years, or for ever"));
    }
    let secret = password::secret();
    let lasts_s = spec.expires_in_seconds.unwrap_or(0);
    let credential = Credential {
        account: account.to_owned(),
        digest: password::digest(&secret),
        kind: CredentialKind::Token as i32,
        role: role as i32,
        description: spec.description,
        from: from.to_owned(),
        ..Credential::default()
    };
    let op = PutCredential { credential: Some(credential.clone()), lasts_s };
    cluster.change(Op::PutCredential(op)).await?;
    let now = moment::now_ns();
    let ends = i64::try_from(lasts_s).unwrap_or(0).saturating_mul(1_000_000_000);
    let expires_ns = if lasts_s == 0 { 0 } else { now.saturating_add(ends) };
    let about = view(Credential { created_ns: now, expires_ns, ..credential });
    Ok(NewToken { about, token: format!("{TOKEN_PREFIX}{account}.{secret}") })
}

/// Takes a token back, whosever it is. `id` is its id, or the beginning of it that no other one has.
pub async fn revoke(cluster: &Cluster, id: &str) -> Result<(), Problem> {
    let its = |c: &Credential| c.kind() == CredentialKind::Token && hex::encode(&c.digest).starts_with(id);
    let mut found = accounts::credentials(cluster, "").await?.into_iter().filter(its);
    let credential = match (found.next(), found.next()) {
        (Some(one), None) if !id.is_empty() => one,
        (None, _) => return Err(Problem::not_found(format!("there is no token {id:?}"))),
        _ => return Err(Problem::unfit(format!("several tokens begin with {id:?}: give more of it"))),
    };
    let op = DeleteCredential { account: credential.account, digest: credential.digest, expired: false };
    cluster.change(Op::DeleteCredential(op)).await.map(drop)
}

/// Whether something that lasts so long (`None`: for ever) ends after `expires_ns` (0: never).
fn outlives(expires_ns: i64, lasts_s: Option<u64>) -> bool {
    let ends = |seconds: u64| {
        let nanos = i64::try_from(seconds).unwrap_or(i64::MAX).saturating_mul(1_000_000_000);
        moment::now_ns().saturating_add(nanos)
    };
    expires_ns != 0 && lasts_s.is_none_or(|seconds| ends(seconds) > expires_ns)
}

/// API tokens: one's own; an admin sees all.
#[utoipa::path(get, path = "/tokens", tag = "access", responses((status = 200, body = Page<Token>), Failures))]
async fn list_tokens(viewer: Viewer) -> Result<Json<Page<Token>>, Problem> {
    let account = if viewer.who.role == Role::Admin { "" } else { viewer.who.account.as_str() };
    list(&viewer.cluster, account).await.map(|items| Json(Page::whole(items)))
}

/// Make an API token for oneself. What it is is in this answer and nowhere else.
#[utoipa::path(post, path = "/tokens", tag = "access", request_body = TokenSpec,
    responses((status = 200, body = NewToken), Failures))]
async fn create_token(viewer: Viewer, Body(spec): Body<TokenSpec>) -> Result<Json<NewToken>, Problem> {
    let Viewer { who, cluster } = viewer;
    // Otherwise whoever has one for an hour has it for ever.
    if who.kind == CredentialKind::Token && outlives(who.expires_ns, spec.expires_in_seconds) {
        let what = "a token makes none that outlives it: give expires_in_seconds within its own time";
        return Err(Problem::new(StatusCode::FORBIDDEN, "forbidden", what));
    }
    create(&cluster, &who.account, who.role, &who.from, spec).await.map(Json)
}

/// Take an API token back: one's own; an admin may take back all.
#[utoipa::path(delete, path = "/tokens/{id}", tag = "access", params(("id" = String, Path, format = "credential")),
    responses((status = 204), Failures))]
async fn delete_token(viewer: Viewer, Path(id): Path<String>) -> Result<StatusCode, Problem> {
    accounts::revoke(viewer, &id, CredentialKind::Token).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_token_makes_ends_with_it() {
        let ends = moment::now_ns() + 3600 * 1_000_000_000;
        assert!(outlives(ends, None) && outlives(ends, Some(3700)) && outlives(ends, Some(u64::MAX)));
        assert!(!outlives(ends, Some(3500)));
        assert!(!outlives(0, None), "it never ends itself");
    }
}
