//! Links to files, for whoever has them, until they end or are taken back.

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use holdfast_proto::access::Share as Record;
use holdfast_proto::inode::FileKind;
use holdfast_proto::op::{DeleteShare, Op, PutShare};
use holdfast_proto::query::{ListShares, Query as Ask};
use http::{HeaderMap, Method, StatusCode};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::content;
use super::path::{self, FilePath};
use crate::accounts::digest_of;
use crate::error::{Failures, Problem};
use crate::http::{App, Body, Path, Query};
use crate::page::{self, Page, Where};
use crate::who::{Operator, Viewer};
use crate::{moment, password};

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list_shares, create_share)).routes(routes!(delete_share))
}

/// A link to a file. What it is is told once, when it is made.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub(super) struct Share {
    /// Its id.
    pub id: String,
    /// The file: what lies there when the link is used is what it shows.
    pub path: String,
    /// Who made it.
    pub created_by: String,
    /// When it was made.
    pub created: String,
    /// When it ends.
    pub expires: String,
    /// It has ended.
    pub expired: bool,
    /// The link, behind the address of this server. Only in the answer that makes it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
}

fn path_of(share: &Record) -> Result<FilePath, Problem> {
    FilePath::of(&[b"/", share.bucket.as_bytes(), b"/", &share.key].concat())
}

fn view(share: &Record) -> Share {
    Share {
        id: hex::encode(&share.digest),
        path: path_of(share).map(|path| path.written()).unwrap_or_default(),
        created_by: share.account.clone(),
        created: moment::of_ns(share.created_ns),
        expires: moment::of_ns(share.expires_ns),
        expired: share.expires_ns <= moment::now_ns(),
        url: None,
    }
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ShareSpec {
    /// The file.
    #[schema(value_type = String, format = "path-in-bucket")]
    path: FilePath,
    /// How long the link lasts: up to ten years.
    #[schema(minimum = 1, maximum = 315_360_000)]
    expires_in_seconds: u64,
}

/// Links to files.
#[utoipa::path(get, path = "/shares", tag = "files", params(Where),
    responses((status = 200, body = Page<Share>), Failures))]
async fn list_shares(viewer: Viewer, Query(at): Query<Where>) -> Result<Json<Page<Share>>, Problem> {
    let after = page::unmarked(at.after.as_deref())?;
    let ask = ListShares { after, most: page::limit(at.limit)?, ..ListShares::default() };
    let reply = viewer.cluster.ask(Ask::ListShares(ask)).await?;
    let next = reply.more.then(|| page::marker(&reply.next));
    Ok(Json(Page { items: reply.shares.iter().map(view).collect(), next }))
}

/// Share a file by a link. The link is in this answer and nowhere else.
#[utoipa::path(post, path = "/shares", tag = "files", request_body = ShareSpec,
    responses((status = 200, body = Share), Failures))]
async fn create_share(operator: Operator, Body(spec): Body<ShareSpec>) -> Result<Json<Share>, Problem> {
    let client = operator.cluster.client().await?;
    let (bucket, key) = spec.path.object()?;
    let (inode, _) = path::resolve(&client, &spec.path).await?;
    if inode.kind() != FileKind::File {
        return Err(Problem::new(StatusCode::CONFLICT, "is_a_directory", "only files are shared"));
    }
    let secret = password::secret();
    let digest = password::digest(&secret);
    let account = operator.who.account.clone();
    let record = Record { digest, bucket, key, account, ..Record::default() };
    let op = PutShare { share: Some(record.clone()), lasts_s: spec.expires_in_seconds };
    client.mutate(Op::PutShare(op)).await?;
    let now = moment::now_ns();
    let lasts = i64::try_from(spec.expires_in_seconds).unwrap_or(0).saturating_mul(1_000_000_000);
    let made = Record { created_ns: now, expires_ns: now.saturating_add(lasts), ..record };
    Ok(Json(Share { url: Some(format!("/s/{secret}")), ..view(&made) }))
}

/// Take a link back.
#[utoipa::path(delete, path = "/shares/{id}", tag = "files", params(("id" = String, Path, format = "credential")),
    responses((status = 204), Failures))]
async fn delete_share(operator: Operator, Path(id): Path<String>) -> Result<StatusCode, Problem> {
    let digest = digest_of(&id)?;
    operator.cluster.change(Op::DeleteShare(DeleteShare { digest, expired: false })).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The file behind a link, for whoever has it. Whoever guesses learns nothing: there are 2^238 of them.
pub(crate) async fn shared(
    State(app): State<App>,
    Path(secret): Path<String>,
    method: Method,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let gone = || Problem::not_found("this link has ended, was taken back, or never was one");
    if secret.len() > 128 {
        return Err(gone());
    }
    let ask = ListShares { digest: password::digest(&secret), ..ListShares::default() };
    let share = app.cluster.ask(Ask::ListShares(ask)).await?.shares.into_iter().next();
    let share = share.filter(|share| share.expires_ns > moment::now_ns()).ok_or_else(gone)?;
    let client = app.cluster.client().await?;
    let path = path_of(&share)?;
    let (inode, _) = path::resolve(&client, &path).await.map_err(|_| gone())?;
    let (_, name) = path.split()?;
    content::send(&client, &inode, &name, true, &headers, method == Method::HEAD).await
}
