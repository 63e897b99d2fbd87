//! Looking around: pages of a directory, everything about one name.

use std::collections::BTreeMap;

use axum::Json;
use bytes::Bytes;
use holdfast_client::Client;
use holdfast_proto::inode::{FileKind, Inode};
use holdfast_proto::query::{GetQuota, Query as Ask, ReadDir};
use http::request::Parts;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::path::{self, FilePath, PathQuery, parameter};
use crate::cluster::Cluster;
use crate::error::{Failures, Problem};
use crate::http::App;
use crate::page;
use crate::who::Viewer;
use crate::{files, moment};

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list_files)).routes(routes!(stat_file))
}

/// Entries that a search by prefix looks at for one page.
const MOST_LOOKED: usize = 20_000;

/// A name in a directory, and what it stands for.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Entry {
    /// Its name; what is not UTF-8 is replaced.
    pub name: String,
    /// Its path: `%` and what is not UTF-8 are written `%XX`.
    pub path: String,
    /// `file`, `directory`, `symlink` or `other`.
    pub kind: String,
    /// Length in bytes.
    pub size: u64,
    /// When its content last changed.
    pub modified: String,
    /// Its inode.
    pub ino: u64,
    /// Version of its content.
    pub version: u64,
    /// As S3 was told, or as its name says.
    pub content_type: String,
    /// Its ETag.
    pub etag: String,
    /// Its class; 0: the default.
    pub class: u32,
    /// POSIX mode, without the kind.
    pub mode: u32,
    /// Its owner.
    pub uid: u32,
    /// Its group.
    pub gid: u32,
    /// It is a bucket.
    pub bucket: bool,
    /// How it can be shown: `image`, `video`, `audio`, `text` or `pdf`.
    pub preview: Option<String>,
    /// What S3 keeps with it, by name.
    pub metadata: BTreeMap<String, String>,
}

/// A page of a directory.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Listing {
    /// In order of name, bytewise.
    pub items: Vec<Entry>,
    /// Give this as `after` to get the next page; `null`: there is none.
    pub next: Option<String>,
    /// The directory itself.
    pub directory: Entry,
}

/// A limit on what a directory holds.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Quota {
    /// Inode of the directory that has it.
    pub root: u64,
    /// It is this directory's own; otherwise one's above.
    pub path_is_root: bool,
    /// Most bytes; 0: no limit.
    pub bytes: u64,
    /// Most files and directories; 0: no limit.
    pub files: u64,
    /// Bytes used.
    pub used_bytes: u64,
    /// Files and directories.
    pub used_files: u64,
    /// What was there before is still being counted.
    pub counting: bool,
}

/// Everything about one name.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct EntryDetail {
    /// The name.
    #[serde(flatten)]
    pub entry: Entry,
    /// Its class's name.
    pub class_name: String,
    /// The quota that it counts against.
    pub quota: Option<Quota>,
    /// How long what is deleted below it is kept, if it says so itself.
    pub trash_seconds: Option<u64>,
    /// Its content is being converted to its class.
    pub converting: bool,
}

/// What kind of thing an inode is.
fn kind(inode: &Inode) -> &'static str {
    match inode.kind() {
        FileKind::File => "file",
        FileKind::Directory => "directory",
        FileKind::Symlink => "symlink",
        _ => "other",
    }
}

/// What a file's content is: as S3 was told, unless that says nothing, or as its name says.
pub(crate) fn content_type(inode: &Inode, name: &[u8]) -> String {
    let told = inode.object.as_ref().and_then(|object| object.content_type.clone());
    let guess = || {
        let name = String::from_utf8_lossy(name).into_owned();
        mime_guess::from_path(name).first_or_octet_stream().to_string()
    };
    match told {
        Some(told)
            if told != "application/octet-stream" && told != "binary/octet-stream" && !told.is_empty() =>
        {
            told
        }
        _ => guess(),
    }
}

/// A type without its parameters.
pub(crate) fn essence(content_type: &str) -> String {
    content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

/// How content of a type can be shown without harm.
pub(crate) fn preview(content_type: &str) -> Option<&'static str> {
    match essence(content_type).as_str() {
        "image/png" | "image/jpeg" | "image/gif" | "image/webp" | "image/avif" | "image/bmp"
        | "image/x-icon" => Some("image"),
        "video/mp4" | "video/webm" | "video/ogg" | "video/quicktime" => Some("video"),
        "audio/mpeg" | "audio/ogg" | "audio/wav" | "audio/x-wav" | "audio/webm" | "audio/flac"
        | "audio/aac" | "audio/mp4" => Some("audio"),
        "application/json"
        | "application/xml"
        | "application/yaml"
        | "application/x-yaml"
        | "application/toml"
        | "application/javascript"
        | "application/x-sh"
        | "application/sql"
        | "image/svg+xml" => Some("text"),
        "application/pdf" => Some("pdf"),
        text if text.starts_with("text/") => Some("text"),
        _ => None,
    }
}

pub(crate) fn entry(inode: &Inode, path: &FilePath, name: &[u8]) -> Entry {
    let is_file = inode.kind() == FileKind::File;
    let content_type = if is_file { content_type(inode, name) } else { String::new() };
    let user = inode.object.iter().flat_map(|object| &object.user);
    Entry {
        name: String::from_utf8_lossy(name).into_owned(),
        path: path.written(),
        kind: kind(inode).to_owned(),
        size: inode.size,
        modified: moment::of_ns(inode.mtime_ns),
        ino: inode.ino,
        version: inode.version,
        etag: if is_file { inode.etag() } else { String::new() },
        class: inode.class,
        mode: inode.mode & 0o7777,
        uid: inode.uid,
        gid: inode.gid,
        bucket: path.is_bucket(),
        preview: preview(&content_type).filter(|_| is_file).map(str::to_owned),
        content_type,
        metadata: user.map(|pair| (pair.key.clone(), pair.value.clone())).collect(),
    }
}

fn name_of(path: &FilePath) -> Bytes {
    path.split().map(|(_, name)| name).unwrap_or_default()
}

async fn list(
    client: &Client,
    dir: &FilePath,
    prefix: &[u8],
    after: Bytes,
    most: usize,
) -> Result<Listing, Problem> {
    let (inode, _) = path::resolve(client, dir).await?;
    if inode.kind() != FileKind::Directory {
        let what = format!("{} is no directory", dir.written());
        return Err(Problem::new(http::StatusCode::CONFLICT, "not_a_directory", what));
    }
    let directory = entry(&inode, dir, &name_of(dir));
    // Names are in order: what begins with the prefix lies together, from the prefix itself on.
    let mut after = if after.is_empty() { before(prefix) } else { after };
    let (mut items, mut looked) = (Vec::new(), 0);
    loop {
        let asked = u32::try_from(most.max(1)).unwrap_or(u32::MAX).min(1000);
        let ask = ReadDir { ino: inode.ino, after: after.clone(), most: asked, inodes: true };
        let reply = client.ask(Ask::ReadDir(ask)).await?.reply;
        looked += reply.entries.len();
        let mut passed = false;
        for found in &reply.entries {
            after = found.key.clone();
            // A name that lies beyond the prefix ends the search, but for what is shown in another form.
            if !found.name.starts_with(prefix) {
                passed |= found.key.as_ref() > prefix && !found.key.starts_with(prefix);
                continue;
            }
            let inode = found.inode.clone().unwrap_or_default();
            items.push(entry(&inode, &dir.join(&found.name), &found.name));
            if items.len() >= most {
                break;
            }
        }
        let over = !reply.more && reply.entries.last().is_none_or(|last| last.key == after);
        if over || passed {
            return Ok(Listing { items, next: None, directory });
        }
        if items.len() >= most || looked >= MOST_LOOKED {
            return Ok(Listing { items, next: Some(page::marker(&after)), directory });
        }
    }
}

/// Where to begin so that the first name with the prefix comes next.
fn before(prefix: &[u8]) -> Bytes {
    let mut bytes = prefix.to_vec();
    match bytes.pop() {
        None => {}
        Some(0) => {}
        Some(last) => bytes.extend([last - 1, 0xff, 0xff]),
    }
    bytes.into()
}

/// A page of a directory in order of name; `/` lists buckets.
#[utoipa::path(get, path = "/files", tag = "files", operation_id = "list_files",
    params(("path" = String, Query, description = "The directory", format = "path"),
           ("prefix" = Option<String>, Query, description = "Only names that begin so"),
           ("after" = Option<String>, Query, description = "`next` of the page before", format = "cursor"),
           ("limit" = Option<u32>, Query, description = "Most names on the page, 1 to 1000", minimum = 1, maximum = 1000)),
    responses((status = 200, body = Listing), Failures))]
async fn list_files(
    viewer: Viewer,
    PathQuery(dir): PathQuery,
    parts: Parts,
) -> Result<Json<Listing>, Problem> {
    let text = |name| parameter(&parts, name).map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    let limit = text("limit").map(|text| text.parse().map_err(|_| Problem::invalid("limit is a number")));
    let most = page::limit(limit.transpose()?)?;
    let after = page::unmarked(text("after").as_deref())?;
    let prefix = parameter(&parts, "prefix").unwrap_or_default();
    let client = viewer.cluster.client().await?;
    list(&client, &dir, &prefix, after, most as usize).await.map(Json)
}

/// Everything about one name.
pub(crate) async fn stat(client: &Client, path: &FilePath) -> Result<EntryDetail, Problem> {
    let (inode, _) = files::path::resolve(client, path).await?;
    let quota = client.ask(Ask::GetQuota(GetQuota { ino: inode.ino })).await?.reply.quota;
    let class = holdfast_proto::ids::ClassId(inode.class.max(1));
    let class_name = client.class(class).await.map(|class| class.name.clone()).unwrap_or_default();
    Ok(EntryDetail {
        entry: entry(&inode, path, &name_of(path)),
        class_name,
        quota: quota.map(|quota| Quota {
            root: quota.root,
            path_is_root: quota.root == inode.ino,
            bytes: quota.bytes,
            files: quota.files,
            used_bytes: quota.used_bytes,
            used_files: quota.used_files,
            counting: quota.counting,
        }),
        trash_seconds: inode.trash_seconds,
        converting: inode.converting,
    })
}

/// Everything about the name at a path.
pub async fn detail(cluster: &Cluster, path: &[u8]) -> Result<EntryDetail, Problem> {
    stat(&cluster.client().await?, &FilePath::of(path)?).await
}

/// Everything about one name; with `maybe`, `null` instead of a failure when there is nothing: whoever only wants to know
/// whether a name is free need not fail for it.
#[utoipa::path(get, path = "/files/stat", tag = "files", operation_id = "stat_file",
    params(("path" = String, Query, format = "path"),
           ("maybe" = Option<bool>, Query, description = "Answer `null` when there is nothing")),
    responses((status = 200, body = Option<EntryDetail>), Failures))]
async fn stat_file(
    viewer: Viewer,
    PathQuery(path): PathQuery,
    parts: Parts,
) -> Result<Json<Option<EntryDetail>>, Problem> {
    let maybe = parameter(&parts, "maybe").is_some_and(|value| value == b"true");
    let client = viewer.cluster.client().await?;
    match stat(&client, &path).await {
        Err(problem) if maybe && problem.status() == http::StatusCode::NOT_FOUND => Ok(Json(None)),
        found => found.map(|found| Json(Some(found))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_search_begins_before_the_first_name_with_the_prefix() {
        for prefix in [&b"a"[..], b"ab", b"a\x01", "文".as_bytes()] {
            let start = before(prefix);
            assert!(start.as_ref() < prefix, "{prefix:?}");
        }
        assert!(before(b"").is_empty());
        assert!(before(b"b").as_ref() > &b"a"[..]);
    }

    #[test]
    fn what_could_act_on_a_page_is_text_or_nothing() {
        assert_eq!(preview("image/svg+xml"), Some("text"));
        assert_eq!(preview("text/html; charset=utf-8"), Some("text"));
        assert_eq!(preview("IMAGE/PNG"), Some("image"));
        assert_eq!(preview("application/x-msdownload"), None);
    }
}
