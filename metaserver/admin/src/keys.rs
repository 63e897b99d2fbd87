//! S3 access keys and what they may do in which buckets.

use axum::Json;
use holdfast_proto::op::{DeleteKey, KeyRule, Op, PutKey};
use holdfast_proto::query::{ListKeys, Query};
use http::StatusCode;
use rand::seq::IndexedRandom;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::cluster::Cluster;
use crate::error::{Failures, Problem};
use crate::http::{App, Body, Path};
use crate::page::Page;
use crate::password;
use crate::who::Admin;

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list_keys, create_key)).routes(routes!(change_key, delete_key))
}

/// Longest description.
const MOST_TEXT: usize = 200;
/// Rules of a key.
const MOST_RULES: usize = 100;

/// An S3 access key. Its secret is told once, when it is made.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Key {
    /// Its id.
    pub access_key: String,
    /// For people.
    pub description: String,
    /// It cannot be used.
    pub disabled: bool,
    /// What it may do.
    pub rules: Vec<Rule>,
}

/// What a key may do in buckets that match.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// A bucket's name, or a prefix and `*`.
    #[schema(format = "bucket-pattern")]
    pub bucket: String,
    /// Read and list.
    #[serde(default)]
    pub read: bool,
    /// Write and delete objects.
    #[serde(default)]
    pub write: bool,
    /// Create and delete the bucket, change its settings.
    #[serde(default)]
    pub manage: bool,
}

/// A key with its secret.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct NewKey {
    /// The key.
    #[serde(flatten)]
    pub key: Key,
    /// Shown this once.
    pub secret_key: String,
}

/// What a key is to be; of a change, what is left out stays.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct KeySpec {
    /// For people.
    #[schema(max_length = 200)]
    pub description: Option<String>,
    /// What it may do.
    #[schema(max_items = 100)]
    pub rules: Option<Vec<Rule>>,
    /// It cannot be used.
    pub disabled: Option<bool>,
}

fn view(key: PutKey) -> Key {
    let rules = key.rules.into_iter();
    Key {
        access_key: key.access_key,
        description: key.description,
        disabled: key.disabled,
        rules: rules
            .map(|r| Rule { bucket: r.bucket, read: r.read, write: r.write, manage: r.manage })
            .collect(),
    }
}

fn record(rule: Rule) -> KeyRule {
    KeyRule { bucket: rule.bucket, read: rule.read, write: rule.write, manage: rule.manage }
}

fn check(spec: &KeySpec) -> Result<(), Problem> {
    if spec.description.as_ref().is_some_and(|text| text.chars().count() > MOST_TEXT) {
        return Err(Problem::invalid("a description has at most 200 characters"));
    }
    let rules = spec.rules.as_deref().unwrap_or_default();
    if rules.len() > MOST_RULES {
        return Err(Problem::invalid("a key has at most 100 rules"));
    }
    let fine = |bucket: &str| {
        let name = bucket.strip_suffix('*').unwrap_or(bucket);
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '.' | '-');
        !bucket.is_empty() && bucket.len() <= 64 && name.chars().all(plain)
    };
    match rules.iter().find(|rule| !fine(&rule.bucket)) {
        Some(rule) => {
            let what =
                format!("{:?} is no bucket's name, nor the beginning of one with * behind it", rule.bucket);
            Err(Problem::invalid(what).with("field", "rules"))
        }
        None => Ok(()),
    }
}

async fn find(cluster: &Cluster, access_key: &str) -> Result<PutKey, Problem> {
    let keys = cluster.ask(Query::ListKeys(ListKeys {})).await?.keys;
    let found = keys.into_iter().find(|key| key.access_key == access_key);
    found.ok_or_else(|| Problem::not_found(format!("there is no access key {access_key:?}")))
}

/// 20 letters and digits, as S3 clients expect.
fn access_key() -> String {
    const UPPER: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let mut rng = rand::rng();
    let drawn = (0..18).filter_map(|_| UPPER.choose(&mut rng).copied().map(char::from));
    "HF".chars().chain(drawn).collect()
}

/// All keys.
pub async fn list(cluster: &Cluster) -> Result<Vec<Key>, Problem> {
    let keys = cluster.ask(Query::ListKeys(ListKeys {})).await?.keys;
    Ok(keys.into_iter().map(view).collect())
}

/// Makes a key.
pub async fn create(cluster: &Cluster, spec: KeySpec) -> Result<NewKey, Problem> {
    let key = draw(spec)?;
    store(cluster, &key).await?;
    Ok(key)
}

/// Thinks a key up, for who has to keep its secret before it is valid.
pub fn draw(spec: KeySpec) -> Result<NewKey, Problem> {
    check(&spec)?;
    let key = PutKey {
        access_key: access_key(),
        secret_key: password::secret(),
        description: spec.description.unwrap_or_default(),
        rules: spec.rules.unwrap_or_default().into_iter().map(record).collect(),
        disabled: spec.disabled.unwrap_or(false),
    };
    let secret_key = key.secret_key.clone();
    Ok(NewKey { key: view(key), secret_key })
}

/// Makes a key that was thought up valid.
pub async fn store(cluster: &Cluster, new: &NewKey) -> Result<(), Problem> {
    let NewKey { key, secret_key } = new.clone();
    let op = PutKey {
        access_key: key.access_key,
        secret_key,
        description: key.description,
        rules: key.rules.into_iter().map(record).collect(),
        disabled: key.disabled,
    };
    cluster.change(Op::PutKey(op)).await.map(drop)
}

/// Changes a key.
pub async fn change(cluster: &Cluster, access_key: &str, spec: KeySpec) -> Result<Key, Problem> {
    check(&spec)?;
    let old = find(cluster, access_key).await?;
    let new = PutKey {
        // It keeps the one it has.
        secret_key: String::new(),
        description: spec.description.unwrap_or(old.description),
        rules: spec.rules.map_or(old.rules, |rules| rules.into_iter().map(record).collect()),
        disabled: spec.disabled.unwrap_or(old.disabled),
        access_key: old.access_key,
    };
    cluster.change(Op::PutKey(new.clone())).await?;
    Ok(view(new))
}

/// Deletes a key.
pub async fn delete(cluster: &Cluster, access_key: &str) -> Result<(), Problem> {
    cluster.change(Op::DeleteKey(DeleteKey { access_key: access_key.to_owned() })).await.map(drop)
}

/// S3 access keys, without their secrets.
#[utoipa::path(get, path = "/keys", tag = "access", responses((status = 200, body = Page<Key>), Failures))]
async fn list_keys(admin: Admin) -> Result<Json<Page<Key>>, Problem> {
    list(&admin.cluster).await.map(|items| Json(Page::whole(items)))
}

/// Make an S3 access key. Its secret is in this answer and nowhere else.
#[utoipa::path(post, path = "/keys", tag = "access", request_body = KeySpec,
    responses((status = 200, body = NewKey), Failures))]
async fn create_key(admin: Admin, Body(spec): Body<KeySpec>) -> Result<Json<NewKey>, Problem> {
    create(&admin.cluster, spec).await.map(Json)
}

/// Change what an S3 access key may do.
#[utoipa::path(patch, path = "/keys/{access_key}", tag = "access", params(("access_key" = String, Path, format = "access-key")),
    request_body = KeySpec, responses((status = 200, body = Key), Failures))]
async fn change_key(
    admin: Admin,
    Path(access_key): Path<String>,
    Body(spec): Body<KeySpec>,
) -> Result<Json<Key>, Problem> {
    change(&admin.cluster, &access_key, spec).await.map(Json)
}

/// Delete an S3 access key.
#[utoipa::path(delete, path = "/keys/{access_key}", tag = "access", params(("access_key" = String, Path, format = "access-key")),
    responses((status = 204), Failures))]
async fn delete_key(admin: Admin, Path(access_key): Path<String>) -> Result<StatusCode, Problem> {
    delete(&admin.cluster, &access_key).await?;
    Ok(StatusCode::NO_CONTENT)
}
