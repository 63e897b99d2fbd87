//! Changing names and what directories hand down: buckets, directories, moving, deleting, class, quota, trash time.

use axum::Json;
use bytes::Bytes;
use holdfast_client::Client;
use holdfast_proto::inode::{FileKind, Inode};
use holdfast_proto::op::{
    CreateBucket, DeleteBucket, MakeDirs, Op, RemoveDir, Rename, RenameMode, SetAttr, SetQuota, SetTrashTime,
    Unlink,
};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::browse::{self, EntryDetail};
use super::path::{self, FilePath, PathQuery, parameter};
use crate::cluster::Cluster;
use crate::error::{Failures, Problem};
use crate::http::{App, Body, Path};
use crate::who::Operator;

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(create_bucket))
        .routes(routes!(delete_bucket))
        .routes(routes!(create_directory))
        .routes(routes!(move_file))
        .routes(routes!(delete_file))
        .routes(routes!(set_class))
        .routes(routes!(set_quota))
        .routes(routes!(set_trash_time))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct BucketSpec {
    /// 3 to 63 lower-case letters, digits, dots and hyphens.
    #[schema(format = "bucket")]
    name: String,
}

/// Make a bucket.
#[utoipa::path(post, path = "/buckets", tag = "files", request_body = BucketSpec,
    responses((status = 200, body = EntryDetail), Failures))]
async fn create_bucket(
    operator: Operator,
    Body(spec): Body<BucketSpec>,
) -> Result<Json<EntryDetail>, Problem> {
    let path = FilePath::of(format!("/{}", spec.name).as_bytes())?;
    let op = CreateBucket { name: spec.name, owner: String::new(), class: 0 };
    operator.cluster.change(Op::CreateBucket(op)).await?;
    told(&operator.cluster.client().await?, &path).await
}

async fn told(client: &Client, path: &FilePath) -> Result<Json<EntryDetail>, Problem> {
    browse::stat(client, path).await.map(Json)
}

/// Delete an empty bucket.
#[utoipa::path(delete, path = "/buckets/{name}", tag = "files", params(("name" = String, Path, format = "bucket")),
    responses((status = 204), Failures))]
async fn delete_bucket(operator: Operator, Path(name): Path<String>) -> Result<StatusCode, Problem> {
    operator.cluster.change(Op::DeleteBucket(DeleteBucket { name })).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct At {
    /// The path.
    #[schema(value_type = String, format = "path-in-bucket")]
    path: FilePath,
}

/// Make a directory.
#[utoipa::path(post, path = "/files/directory", tag = "files", request_body = At,
    responses((status = 200, body = EntryDetail), Failures))]
async fn create_directory(operator: Operator, Body(at): Body<At>) -> Result<Json<EntryDetail>, Problem> {
    let client = operator.cluster.client().await?;
    if at.path.is_root() || at.path.is_bucket() {
        return Err(Problem::invalid("a directory lies in a bucket; buckets are made with POST /buckets"));
    }
    let op = MakeDirs { path: at.path.bytes(), mode: 0o755, uid: 0, gid: 0, exclusive: true };
    client.mutate(Op::MakeDirs(op)).await?;
    told(&client, &at.path).await
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = FileMove)]
struct Move {
    /// From where.
    #[schema(value_type = String, format = "path-in-bucket")]
    from: FilePath,
    /// To where. Nothing there gives way.
    #[schema(value_type = String, format = "path-in-bucket")]
    to: FilePath,
}

/// The directory of a path, and the name in it. Buckets are not moved.
async fn place(client: &Client, path: &FilePath) -> Result<(u64, Bytes), Problem> {
    if path.is_root() || path.is_bucket() {
        return Err(Problem::invalid("buckets cannot be moved"));
    }
    let (dir, name) = path.split()?;
    let (dir, _) = path::resolve(client, &dir).await?;
    Ok((dir.ino, name))
}

/// Move or rename a file or directory.
#[utoipa::path(post, path = "/files/move", tag = "files", request_body = Move,
    responses((status = 200, body = EntryDetail), Failures))]
async fn move_file(operator: Operator, Body(ask): Body<Move>) -> Result<Json<EntryDetail>, Problem> {
    let client = operator.cluster.client().await?;
    let (parent, name) = place(&client, &ask.from).await?;
    let (new_parent, new_name) = place(&client, &ask.to).await?;
    let mode = RenameMode::NoReplace as i32;
    let op = Rename { parent, name, new_parent, new_name, mode, unheld: None };
    client.mutate(Op::Rename(op)).await?;
    told(&client, &ask.to).await
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[allow(dead_code, reason = "described here, read as bytes")]
struct Deletion {
    /// The file or directory.
    #[param(format = "path-below-root")]
    path: String,
    /// A directory with everything in it.
    recursive: Option<bool>,
}

#[derive(Serialize, ToSchema)]
struct Deleted {
    /// Names that went.
    deleted: u64,
}

/// Delete a file (it goes to the trash), an empty directory, or a directory with everything in it.
#[utoipa::path(delete, path = "/files", tag = "files", params(Deletion),
    responses((status = 200, body = Deleted), Failures))]
async fn delete_file(
    operator: Operator,
    PathQuery(path): PathQuery,
    parts: http::request::Parts,
) -> Result<Json<Deleted>, Problem> {
    let recursive = parameter(&parts, "recursive").is_some_and(|value| value == b"true");
    let client = operator.cluster.client().await?;
    let (inode, parent) = path::resolve(&client, &path).await?;
    if path.is_root() || (path.is_bucket() && !recursive) {
        let what = "an empty bucket is deleted with DELETE /buckets/{name}";
        return Err(Problem::new(StatusCode::CONFLICT, "is_a_bucket", what));
    }
    let is_directory = inode.kind() == FileKind::Directory;
    if is_directory && recursive {
        let deleted = Box::pin(client.remove_all(path.text()?)).await?;
        return Ok(Json(Deleted { deleted }));
    }
    let (_, name) = path.split()?;
    let op = match is_directory {
        true => Op::RemoveDir(RemoveDir { parent, name }),
        false => Op::Unlink(Unlink { parent, name, unheld: None }),
    };
    client.mutate(op).await?;
    Ok(Json(Deleted { deleted: 1 }))
}

async fn directory(client: &Client, path: &FilePath) -> Result<Inode, Problem> {
    let (inode, _) = path::resolve(client, path).await?;
    if inode.kind() != FileKind::Directory || path.is_root() {
        return Err(Problem::new(
            StatusCode::CONFLICT,
            "not_a_directory",
            "this is set on buckets and directories",
        ));
    }
    Ok(inode)
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ClassChange {
    /// Bucket, directory or file.
    #[schema(value_type = String, format = "path-below-root")]
    path: FilePath,
    /// The class.
    #[schema(minimum = 1)]
    class: u32,
}

/// Give a bucket, directory or file another class. New files in a directory follow; a file's content is converted.
#[utoipa::path(put, path = "/files/class", tag = "files", request_body = ClassChange,
    responses((status = 200, body = EntryDetail), Failures))]
async fn set_class(operator: Operator, Body(ask): Body<ClassChange>) -> Result<Json<EntryDetail>, Problem> {
    let client = operator.cluster.client().await?;
    if ask.path.is_root() || ask.class == 0 {
        return Err(Problem::invalid("name a bucket, directory or file, and a class"));
    }
    let (inode, _) = path::resolve(&client, &ask.path).await?;
    let op = SetAttr { ino: inode.ino, class: Some(ask.class), ..SetAttr::default() };
    client.mutate(Op::SetAttr(op)).await?;
    told(&client, &ask.path).await
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct QuotaChange {
    /// Bucket or directory.
    #[schema(value_type = String, format = "path-below-root")]
    path: FilePath,
    /// Most bytes; 0: no limit.
    bytes: u64,
    /// Most files and directories; 0: no limit. Both 0: the quota goes.
    files: u64,
}

/// Limit what a bucket or directory may hold.
#[utoipa::path(put, path = "/files/quota", tag = "files", request_body = QuotaChange,
    responses((status = 200, body = EntryDetail), Failures))]
async fn set_quota(operator: Operator, Body(ask): Body<QuotaChange>) -> Result<Json<EntryDetail>, Problem> {
    put_quota(&operator.cluster, &ask.path, Some(ask.bytes), Some(ask.files)).await.map(Json)
}

/// Limits what a bucket or directory may hold; `None` stays as it is, 0 is no limit.
pub async fn limit(
    cluster: &Cluster,
    path: &[u8],
    bytes: Option<u64>,
    files: Option<u64>,
) -> Result<EntryDetail, Problem> {
    put_quota(cluster, &FilePath::of(path)?, bytes, files).await
}

async fn put_quota(
    cluster: &Cluster,
    path: &FilePath,
    bytes: Option<u64>,
    files: Option<u64>,
) -> Result<EntryDetail, Problem> {
    let client = cluster.client().await?;
    let inode = directory(&client, path).await?;
    let old = super::browse::stat(&client, path).await?.quota.filter(|quota| quota.path_is_root);
    let (old_bytes, old_files) = old.map_or((0, 0), |quota| (quota.bytes, quota.files));
    let (bytes, files) = (bytes.unwrap_or(old_bytes), files.unwrap_or(old_files));
    client.mutate(Op::SetQuota(SetQuota { ino: inode.ino, bytes, files })).await?;
    super::browse::stat(&client, path).await
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct TrashTime {
    /// Bucket or directory.
    #[schema(value_type = String, format = "path-below-root")]
    path: FilePath,
    /// Seconds for which what is deleted below it is kept; 0: not at all; `null`: as above it.
    #[schema(maximum = 315_360_000)]
    seconds: Option<u64>,
}

/// Say for how long what is deleted below a bucket or directory is kept.
#[utoipa::path(put, path = "/files/trash-time", tag = "files", request_body = TrashTime,
    responses((status = 200, body = EntryDetail), Failures))]
async fn set_trash_time(
    operator: Operator,
    Body(ask): Body<TrashTime>,
) -> Result<Json<EntryDetail>, Problem> {
    let client = operator.cluster.client().await?;
    let inode = directory(&client, &ask.path).await?;
    client.mutate(Op::SetTrashTime(SetTrashTime { ino: inode.ino, seconds: ask.seconds })).await?;
    told(&client, &ask.path).await
}
