//! Uploads in parts, which go on after a break: parts are durable when they are answered, and the file appears whole with
//! the last step. They are S3 multipart uploads that the dashboard began.

use axum::extract::DefaultBodyLimit;
use axum::{Json, extract};
use futures::StreamExt;
use holdfast_client::{Client, Completion, PartInfo, WriteOptions};
use holdfast_proto::ids::UploadId;
use holdfast_proto::op::{CreateUpload, NamedPart};
use holdfast_proto::query::{ListParts, Part, Query as Ask, Upload as Record};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::browse::{self, Entry};
use super::content::{exists, meta, only_new};
use super::path::{self, FilePath};
use crate::error::{Failures, Problem};
use crate::http::{App, Body, Path};
use crate::who::Operator;

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(put_part))
        // A part is content and is written as it comes; the limit holds for all that is kept in memory.
        .layer(DefaultBodyLimit::disable())
        .routes(routes!(create_upload))
        .routes(routes!(get_upload, abort_upload))
        .routes(routes!(complete_upload))
}

/// Usual length of a part, and most parts.
const PART_BYTES: u64 = 16 << 20;
const MOST_PARTS: u64 = 10_000;
/// What the nonce of an upload begins with that the dashboard began.
const OURS: &str = "admin";

/// An upload.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub(super) struct Upload {
    /// Its id.
    pub id: String,
    /// Where the file is to be.
    pub path: String,
    /// Its length.
    pub size: u64,
    /// Length of every part but the last.
    pub part_bytes: u64,
    /// Parts that are there.
    pub parts: Vec<u32>,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct UploadSpec {
    /// Where the file is to be.
    #[schema(value_type = String, format = "path-in-bucket")]
    path: FilePath,
    /// Its length.
    #[schema(maximum = 5_497_558_138_880u64)]
    size: u64,
    /// Its type; one that no header could carry is not kept.
    #[serde(default)]
    #[schema(max_length = 200)]
    content_type: Option<String>,
}

#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
struct Finish {
    /// Replace a file that is there; it goes to the trash.
    overwrite: bool,
}

/// What is kept in the nonce: enough to go on.
struct Plan {
    size: u64,
    part_bytes: u64,
    account: String,
}

impl Plan {
    fn written(&self) -> String {
        format!("{OURS}/{}/{}/{}", self.size, self.part_bytes, self.account)
    }

    fn read(text: &str) -> Option<Self> {
        let mut fields = text.splitn(4, '/');
        (fields.next() == Some(OURS)).then_some(())?;
        let (size, part_bytes) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
        Some(Self { size, part_bytes, account: fields.next()?.to_owned() })
    }

    fn parts(&self) -> u64 {
        self.size.div_ceil(self.part_bytes.max(1)).max(1)
    }

    fn length(&self, part: u32) -> Option<u64> {
        let at = u64::from(part).checked_sub(1).filter(|at| *at < self.parts())? * self.part_bytes;
        Some((self.size - at).min(self.part_bytes))
    }
}

fn number(id: &str) -> Result<u64, Problem> {
    let number = u64::from_str_radix(id, 16).ok().filter(|_| id.len() == 16);
    number.ok_or_else(|| Problem::not_found("there is no such upload, or it has ended"))
}

/// An upload that the account may go on with, and its parts.
async fn find(
    client: &Client,
    operator: &Operator,
    id: &str,
) -> Result<(u64, Record, Plan, Vec<Part>), Problem> {
    let number = number(id)?;
    let none = || Problem::not_found("there is no such upload, or it has ended");
    let (mut parts, mut after, mut found) = (Vec::new(), 0, None);
    loop {
        let ask = ListParts { upload: number, after, most: MOST_PARTS as u32 };
        let reply = client.ask(Ask::ListParts(ask)).await?.reply;
        found = found.or(reply.uploads.into_iter().next());
        parts.extend(reply.parts);
        match parts.last() {
            Some(last) if reply.more => after = last.part,
            _ => break,
        }
    }
    let record = found.ok_or_else(none)?;
    let plan =
        Plan::read(&record.nonce).filter(|plan| plan.account == operator.who.account).ok_or_else(none)?;
    Ok((number, record, plan, parts))
}

fn path_of(record: &Record) -> Result<FilePath, Problem> {
    FilePath::of(&[b"/", record.bucket.as_bytes(), b"/", &record.key].concat())
}

fn view(number: u64, path: &FilePath, plan: &Plan, parts: &[Part]) -> Upload {
    Upload {
        id: format!("{number:016x}"),
        path: path.written(),
        size: plan.size,
        part_bytes: plan.part_bytes,
        parts: parts.iter().map(|part| part.part).collect(),
    }
}

/// Begin an upload in parts.
#[utoipa::path(post, path = "/uploads", tag = "files", request_body = UploadSpec,
    responses((status = 200, body = Upload), Failures))]
async fn create_upload(operator: Operator, Body(spec): Body<UploadSpec>) -> Result<Json<Upload>, Problem> {
    let (bucket, key) = spec.path.new_object()?;
    // Whole steps of the usual length, so that there are never too many.
    let part_bytes = spec.size.div_ceil(MOST_PARTS).div_ceil(PART_BYTES).max(1) * PART_BYTES;
    let plan = Plan { size: spec.size, part_bytes, account: operator.who.account.clone() };
    let client = operator.cluster.client().await?;
    let upload = CreateUpload {
        bucket,
        key,
        object: Some(meta(spec.content_type.as_deref())),
        owner: String::new(),
        nonce: plan.written(),
        ..CreateUpload::default()
    };
    let id = client.create_upload(upload).await?;
    Ok(Json(view(id.0, &spec.path, &plan, &[])))
}

/// How far an upload is.
#[utoipa::path(get, path = "/uploads/{upload}", tag = "files", params(("upload" = String, Path, format = "upload")),
    responses((status = 200, body = Upload), Failures))]
async fn get_upload(operator: Operator, Path(id): Path<String>) -> Result<Json<Upload>, Problem> {
    let client = operator.cluster.client().await?;
    let (number, record, plan, parts) = find(&client, &operator, &id).await?;
    Ok(Json(view(number, &path_of(&record)?, &plan, &parts)))
}

/// Put a part: the body is its content. One that is put again replaces the one before.
#[utoipa::path(put, path = "/uploads/{upload}/parts/{part}", tag = "files",
    params(("upload" = String, Path, format = "upload"), ("part" = u32, Path, minimum = 1, maximum = 10000)),
    request_body(content = Vec<u8>, content_type = "application/octet-stream"),
    responses((status = 204), Failures))]
async fn put_part(
    operator: Operator,
    Path((id, part)): Path<(String, u32)>,
    body: extract::Request,
) -> Result<StatusCode, Problem> {
    let client = operator.cluster.client().await?;
    let (number, record, plan, _) = find(&client, &operator, &id).await?;
    let length =
        plan.length(part).ok_or_else(|| Problem::invalid("the upload has no part of this number"))?;
    let class = client.class_for(&record.bucket, &record.key).await?;
    let mut writer = client.writer(&class, WriteOptions { size: Some(length), ..WriteOptions::default() });
    let mut hasher = blake3::Hasher::new();
    let mut stream = body.into_body().into_data_stream();
    let wrong = || Problem::invalid(format!("part {part} has {length} bytes")).with("bytes", length);
    while let Some(piece) = stream.next().await {
        let piece =
            piece.map_err(|_| Problem::invalid("the connection broke before the whole part had come"))?;
        if writer.size() + piece.len() as u64 > length {
            return Err(wrong());
        }
        hasher.update(&piece);
        writer.write(piece).await?;
    }
    if writer.size() != length {
        return Err(wrong());
    }
    let content = writer.finish().await?;
    let etag = hasher.finalize().to_hex().get(..32).unwrap_or_default().to_owned();
    client.put_part(UploadId(number), PartInfo { part, etag, checksums: Vec::new() }, content).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Finish an upload: the file appears.
#[utoipa::path(post, path = "/uploads/{upload}/complete", tag = "files", params(("upload" = String, Path, format = "upload")),
    request_body = Finish, responses((status = 200, body = Entry), Failures))]
async fn complete_upload(
    operator: Operator,
    Path(id): Path<String>,
    Body(finish): Body<Finish>,
) -> Result<Json<Entry>, Problem> {
    let client = operator.cluster.client().await?;
    let (number, record, plan, parts) = find(&client, &operator, &id).await?;
    let path = path_of(&record)?;
    if parts.len() as u64 != plan.parts() {
        let what = format!("{} of {} parts are there", parts.len(), plan.parts());
        return Err(Problem::new(StatusCode::PRECONDITION_FAILED, "incomplete", what));
    }
    let done = Completion {
        parts: parts.into_iter().map(|part| NamedPart { part: part.part, etag: part.etag }).collect(),
        conditions: only_new(finish.overwrite),
        scope: record.nonce,
        ..Completion::default()
    };
    let done = Box::pin(client.complete_upload(UploadId(number), done)).await;
    done.map_err(|error| exists(error.into(), &path))?;
    let (inode, _) = path::resolve(&client, &path).await?;
    let (_, name) = path.split()?;
    Ok(Json(browse::entry(&inode, &path, &name)))
}

/// Give an upload up.
#[utoipa::path(delete, path = "/uploads/{upload}", tag = "files", params(("upload" = String, Path, format = "upload")),
    responses((status = 204), Failures))]
async fn abort_upload(operator: Operator, Path(id): Path<String>) -> Result<StatusCode, Problem> {
    let client = operator.cluster.client().await?;
    let (number, ..) = find(&client, &operator, &id).await?;
    client.abort_upload(UploadId(number)).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_says_how_long_each_part_is() {
        let plan = Plan { size: 40, part_bytes: 16, account: "a/b".into() };
        let read = Plan::read(&plan.written()).unwrap();
        assert_eq!((read.size, read.part_bytes, read.account.as_str()), (40, 16, "a/b"));
        assert_eq!([1, 2, 3].map(|part| plan.length(part)), [Some(16), Some(16), Some(8)]);
        assert_eq!((plan.length(0), plan.length(4)), (None, None));
        let empty = Plan { size: 0, ..plan };
        assert_eq!((empty.parts(), empty.length(1)), (1, Some(0)));
        assert!(Plan::read("0123abcd").is_none(), "an upload that S3 began");
    }
}
