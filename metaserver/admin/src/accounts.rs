//! Accounts of administrators, and where they are logged in.

use axum::Json;
use bytes::Bytes;
use holdfast_proto::access::{Account as Record, Credential, CredentialKind, Role};
use holdfast_proto::op::{DeleteAccount, DeleteCredential, Op, PutAccount};
use holdfast_proto::query::{ListAccounts, ListCredentials, Query};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::cluster::Cluster;
use crate::error::{Failures, Problem};
use crate::http::{App, Body, Path};
use crate::page::Page;
use crate::who::{Admin, Viewer, role_name, role_of};
use crate::{moment, password};

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list_accounts, create_account))
        .routes(routes!(change_account, delete_account))
        .routes(routes!(list_sessions))
        .routes(routes!(end_session))
}

/// An account.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Account {
    /// Its name.
    pub name: String,
    /// `viewer`, `operator` or `admin`.
    pub role: String,
    /// It cannot be used.
    pub disabled: bool,
    /// When it was made.
    pub created: String,
    /// When somebody last logged in with it.
    pub last_login: Option<String>,
    /// It has to choose another password first.
    pub must_change_password: bool,
    /// Where it is logged in: so many browsers.
    pub sessions: u64,
    /// Its tokens.
    pub tokens: u64,
}

/// A browser that is logged in.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct LoginSession {
    /// Its id.
    pub id: String,
    /// The account.
    pub account: String,
    /// When it logged in.
    pub created: String,
    /// When it was last used, some minutes old.
    pub last_seen: Option<String>,
    /// When it ends, unless it is used.
    pub expires: Option<String>,
    /// From where.
    pub from: String,
    /// What browser it says it is.
    pub agent: String,
    /// It is the one that asks.
    pub current: bool,
}

/// What a new account is to be.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewAccount {
    /// 1 to 64 lower-case letters, digits or `-_.@`.
    #[schema(format = "account")]
    pub name: String,
    /// `viewer`, `operator` or `admin`.
    #[schema(pattern = "^(viewer|operator|admin)$")]
    pub role: String,
    /// Its first password, which its user has to change.
    #[schema(min_length = 12, max_length = 256)]
    pub password: String,
    /// Its user need not change the password.
    #[serde(default)]
    pub keep_password: bool,
}

/// A change of an account; what is left out stays.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct AccountChange {
    /// `viewer`, `operator` or `admin`.
    #[schema(pattern = "^(viewer|operator|admin)$")]
    pub role: Option<String>,
    /// It cannot be used.
    pub disabled: Option<bool>,
    /// Another password, which its user has to change.
    #[schema(min_length = 12, max_length = 256)]
    pub password: Option<String>,
    /// Its user need not change the password.
    pub keep_password: bool,
}

fn role(name: &str) -> Result<Role, Problem> {
    role_of(name)
        .ok_or_else(|| Problem::invalid("role is one of viewer, operator, admin").with("field", "role"))
}

fn view(account: &Record, credentials: &[Credential]) -> Account {
    let now = moment::now_ns();
    let count = |kind: CredentialKind| {
        let lives = |c: &&Credential| c.expires_ns == 0 || c.expires_ns > now;
        let its = credentials.iter().filter(|c| c.account == account.name && c.kind() == kind);
        its.filter(lives).count() as u64
    };
    Account {
        name: account.name.clone(),
        role: role_name(account.role()).to_owned(),
        disabled: account.disabled,
        created: moment::of_ns(account.created_ns),
        last_login: moment::known_ns(account.login_ns),
        must_change_password: account.must_change,
        sessions: count(CredentialKind::Login),
        tokens: count(CredentialKind::Token),
    }
}

/// Every login and token, of one account or of all.
pub(crate) async fn credentials(cluster: &Cluster, account: &str) -> Result<Vec<Credential>, Problem> {
    let (mut all, mut after) = (Vec::new(), Bytes::new());
    loop {
        let page = ListCredentials { account: account.to_owned(), digest: Bytes::new(), after, most: 1000 };
        let page = cluster.ask(Query::ListCredentials(page)).await?;
        all.extend(page.credentials);
        if !page.more {
            return Ok(all);
        }
        after = page.next;
    }
}

/// All accounts.
pub async fn list(cluster: &Cluster) -> Result<Vec<Account>, Problem> {
    let accounts = cluster.ask(Query::ListAccounts(ListAccounts::default())).await?.accounts;
    let credentials = credentials(cluster, "").await?;
    Ok(accounts.iter().map(|account| view(account, &credentials)).collect())
}

async fn one(cluster: &Cluster, name: &str) -> Result<Account, Problem> {
    let found = list(cluster).await?.into_iter().find(|account| account.name == name);
    found.ok_or_else(|| Problem::not_found(format!("there is no account {name:?}")))
}

/// Makes an account.
pub async fn create(cluster: &Cluster, new: NewAccount) -> Result<Account, Problem> {
    let role = role(&new.role)?;
    password::check(&new.name, &new.password)?;
    let op = PutAccount {
        name: new.name.clone(),
        create: true,
        role: Some(role as i32),
        password: Some(password::hash_in_turn(new.password).await?),
        must_change: Some(!new.keep_password),
        ..PutAccount::default()
    };
    cluster.change(Op::PutAccount(op)).await?;
    one(cluster, &new.name).await
}

/// Changes an account. Its logins end.
pub async fn change(cluster: &Cluster, name: &str, change: AccountChange) -> Result<Account, Problem> {
    let AccountChange { role: new_role, disabled, password, keep_password } = change;
    let role = new_role.as_deref().map(role).transpose()?;
    let hash = match password {
        Some(password) => {
            password::check(name, &password)?;
            Some(password::hash_in_turn(password).await?)
        }
        None => None,
    };
    if role.is_none() && disabled.is_none() && hash.is_none() {
        return Err(Problem::unfit("nothing to change: give role, disabled or password"));
    }
    let op = PutAccount {
        name: name.to_owned(),
        role: role.map(|role| role as i32),
        must_change: hash.is_some().then_some(!keep_password),
        password: hash,
        disabled,
        ..PutAccount::default()
    };
    cluster.change(Op::PutAccount(op)).await?;
    one(cluster, name).await
}

/// Deletes an account with its logins and tokens.
pub async fn delete(cluster: &Cluster, name: &str) -> Result<(), Problem> {
    cluster.change(Op::DeleteAccount(DeleteAccount { name: name.to_owned() })).await.map(drop)
}

/// The digest that an id stands for.
pub(crate) fn digest_of(id: &str) -> Result<Bytes, Problem> {
    let digest = hex::decode(id).ok().filter(|digest| digest.len() == 32);
    digest.map(Bytes::from).ok_or_else(|| Problem::not_found("there is none with this id"))
}

/// Accounts of administrators.
#[utoipa::path(get, path = "/accounts", tag = "access", responses((status = 200, body = Page<Account>), Failures))]
async fn list_accounts(admin: Admin) -> Result<Json<Page<Account>>, Problem> {
    list(&admin.cluster).await.map(|items| Json(Page::whole(items)))
}

/// Make an account.
#[utoipa::path(post, path = "/accounts", tag = "access", request_body = NewAccount,
    responses((status = 200, body = Account), Failures))]
async fn create_account(admin: Admin, Body(new): Body<NewAccount>) -> Result<Json<Account>, Problem> {
    create(&admin.cluster, new).await.map(Json)
}

/// Change an account: its role, its password, whether it can be used. Its logins end.
#[utoipa::path(patch, path = "/accounts/{name}", tag = "access", params(("name" = String, Path, format = "account")),
    request_body = AccountChange, responses((status = 200, body = Account), Failures))]
async fn change_account(
    admin: Admin,
    Path(name): Path<String>,
    Body(ask): Body<AccountChange>,
) -> Result<Json<Account>, Problem> {
    change(&admin.cluster, &name, ask).await.map(Json)
}

/// Delete an account, with its logins and tokens.
#[utoipa::path(delete, path = "/accounts/{name}", tag = "access", params(("name" = String, Path, format = "account")),
    responses((status = 204), Failures))]
async fn delete_account(admin: Admin, Path(name): Path<String>) -> Result<StatusCode, Problem> {
    delete(&admin.cluster, &name).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Browsers that are logged in: one's own; an admin sees all.
#[utoipa::path(get, path = "/sessions", tag = "access", responses((status = 200, body = Page<LoginSession>), Failures))]
async fn list_sessions(viewer: Viewer) -> Result<Json<Page<LoginSession>>, Problem> {
    let Viewer { who, cluster } = viewer;
    let account = if who.role == Role::Admin { String::new() } else { who.account.clone() };
    let now = moment::now_ns();
    let all = credentials(&cluster, &account).await?.into_iter();
    let lives =
        |c: &Credential| c.kind() == CredentialKind::Login && (c.expires_ns == 0 || c.expires_ns > now);
    let items = all.filter(lives).map(|credential| LoginSession {
        id: hex::encode(&credential.digest),
        account: credential.account,
        created: moment::of_ns(credential.created_ns),
        last_seen: moment::known_ns(credential.used_ns),
        expires: moment::known_ns(credential.expires_ns),
        from: credential.from,
        agent: credential.description,
        current: credential.digest == who.digest,
    });
    Ok(Json(Page::whole(items.collect())))
}

/// End a login: one's own; an admin may end all.
#[utoipa::path(delete, path = "/sessions/{id}", tag = "access", params(("id" = String, Path, format = "credential")),
    responses((status = 204), Failures))]
async fn end_session(viewer: Viewer, Path(id): Path<String>) -> Result<StatusCode, Problem> {
    revoke(viewer, &id, CredentialKind::Login).await
}

/// Takes back a login or token that the caller may take back.
pub(crate) async fn revoke(viewer: Viewer, id: &str, kind: CredentialKind) -> Result<StatusCode, Problem> {
    let Viewer { who, cluster } = viewer;
    let digest = digest_of(id)?;
    let account = if who.role == Role::Admin { "" } else { who.account.as_str() };
    let found = credentials(&cluster, account).await?.into_iter();
    let found = found.filter(|c| c.kind() == kind).find(|c| c.digest == digest);
    let credential = found.ok_or_else(|| Problem::not_found("there is none with this id"))?;
    // Whoever steals a token that may only look must not be able to log its owner out.
    if who.kind == CredentialKind::Token && credential.role() > who.role {
        let what = "a token takes back only what may do no more than itself";
        return Err(Problem::new(StatusCode::FORBIDDEN, "forbidden", what));
    }
    let op = DeleteCredential { account: credential.account, digest, expired: false };
    cluster.change(Op::DeleteCredential(op)).await?;
    Ok(StatusCode::NO_CONTENT)
}
