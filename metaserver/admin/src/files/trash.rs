//! Deleted files that are still kept: looking through them, restoring, letting go.

use axum::Json;
use bytes::Bytes;
use holdfast_proto::op::{EmptyTrash, Op, RestoreFile, TrashRef};
use holdfast_proto::query::{ListTrash, Query as Ask};
use http::request::Parts;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::path::{self, FilePath, parameter};
use crate::error::{Failures, Problem};
use crate::http::{App, Body, check_query};
use crate::page::{self, Page};
use crate::who::{Operator, Viewer};
use crate::{moment, names};

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list_trash))
        .routes(routes!(restore_files))
        .routes(routes!(delete_for_good))
}

/// Files let go of by one command.
const AT_ONCE: usize = 100;

/// A deleted file that is kept.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub(super) struct TrashItem {
    /// Its inode.
    pub ino: u64,
    /// Which deletion of it.
    pub index: u64,
    /// Where it was.
    pub path: String,
    /// When it was deleted.
    pub deleted: String,
    /// By which way.
    pub way: String,
    /// Its length.
    pub size: u64,
    /// Seconds for which it is still kept.
    pub keeps_seconds: u64,
    /// Somebody still has it open.
    pub open: bool,
}

/// Deleted files that are still kept, in order of where they were.
#[utoipa::path(get, path = "/trash", tag = "files",
    params(("path" = Option<String>, Query, description = "Only what was there or below", format = "path"),
           ("after" = Option<String>, Query, description = "`next` of the page before", format = "cursor"),
           ("limit" = Option<u32>, Query, description = "Most files on the page, 1 to 1000", minimum = 1, maximum = 1000)),
    responses((status = 200, body = Page<TrashItem>), Failures))]
async fn list_trash(viewer: Viewer, parts: Parts) -> Result<Json<Page<TrashItem>>, Problem> {
    check_query(&parts)?;
    let text = |name| parameter(&parts, name).map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    let limit = text("limit").map(|text| text.parse().map_err(|_| Problem::invalid("limit is a number")));
    let most = page::limit(limit.transpose()?)?;
    let path = FilePath::of(&parameter(&parts, "path").unwrap_or_else(|| b"/".to_vec()))?;
    let after = page::unmarked(text("after").as_deref())?;
    let ask = ListTrash { path: path.bytes(), after, most, ..ListTrash::default() };
    let reply = viewer.cluster.ask(Ask::ListTrash(ask)).await?;
    let items = reply.trash.iter().map(|item| TrashItem {
        ino: item.ino,
        index: item.index,
        path: path::written(&item.path),
        deleted: moment::of_ns(item.deleted_ns),
        way: names::trash_way(item.way),
        size: item.size,
        keeps_seconds: item.left_s,
        open: item.open,
    });
    let next = reply.more.then(|| page::marker(&reply.next));
    Ok(Json(Page { items: items.collect(), next }))
}

#[derive(Clone, Copy, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Item {
    /// See the list.
    ino: u64,
    /// See the list.
    index: u64,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Restore {
    /// Which files, at most 1000.
    #[schema(min_items = 1, max_items = 1000)]
    items: Vec<Item>,
    /// Instead of where they were: of one file its new path, of several the directory they go to.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = "path-in-bucket")]
    to: Option<FilePath>,
    /// What is there gives way, and goes to the trash itself.
    #[serde(default)]
    overwrite: bool,
}

/// What came of it.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
struct Outcome {
    /// Files that went.
    done: u64,
    /// The same, of a restore.
    restored: u64,
    /// Files that did not.
    failed: Vec<Refusal>,
}

/// A file that did not.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
struct Refusal {
    /// Which.
    ino: u64,
    /// Stable name of the failure.
    code: String,
    /// In English.
    message: String,
}

/// Restore deleted files.
#[utoipa::path(post, path = "/trash/restore", tag = "files", request_body = Restore,
    responses((status = 200, body = Outcome), Failures))]
async fn restore_files(operator: Operator, Body(ask): Body<Restore>) -> Result<Json<Outcome>, Problem> {
    let client = operator.cluster.client().await?;
    let mut outcome = Outcome::default();
    for item in &ask.items {
        let path = match (&ask.to, ask.items.len()) {
            (None, _) => Bytes::new(),
            (Some(to), 1) => to.bytes(),
            (Some(to), _) => {
                let known = ListTrash { ino: item.ino, most: 1, ..ListTrash::default() };
                let known = client.ask(Ask::ListTrash(known)).await.ok();
                let was = known.and_then(|known| known.reply.trash.first().map(|item| item.path.clone()));
                let was = was.unwrap_or_default();
                to.join(was.rsplit(|byte| *byte == b'/').next().unwrap_or_default()).bytes()
            }
        };
        let item = TrashRef { ino: item.ino, index: item.index };
        let op = RestoreFile { item: Some(item), path, replace: ask.overwrite, unheld: None };
        match client.mutate(Op::RestoreFile(op)).await {
            Ok(_) => outcome.restored += 1,
            Err(error) => {
                let problem = Problem::from(error);
                outcome.failed.push(Refusal {
                    ino: item.ino,
                    code: problem.code.clone(),
                    message: problem.message.clone(),
                });
            }
        }
    }
    outcome.done = outcome.restored;
    Ok(Json(outcome))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct LetGo {
    /// Which files, at most 1000.
    #[schema(min_items = 1, max_items = 1000)]
    items: Vec<Item>,
}

/// Let go of deleted files for good.
#[utoipa::path(post, path = "/trash/delete", tag = "files", request_body = LetGo,
    responses((status = 200, body = Outcome), Failures))]
async fn delete_for_good(operator: Operator, Body(ask): Body<LetGo>) -> Result<Json<Outcome>, Problem> {
    let mut outcome = Outcome::default();
    for items in ask.items.chunks(AT_ONCE) {
        let items = items.iter().map(|item| TrashRef { ino: item.ino, index: item.index }).collect();
        let op = EmptyTrash { items, due: false };
        outcome.done += operator.cluster.change(Op::EmptyTrash(op)).await?.progress;
    }
    Ok(Json(outcome))
}
