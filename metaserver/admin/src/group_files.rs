//! Files that have content in a placement group.
//!
//! Chunks do not know their files, so names are walked, depth first and in the order in which they are stored, and the
//! metadata is asked about many at a time. Where a walk stands is a path, so that a page needs nothing but the last one's
//! end, and what changed meanwhile does no harm.

use std::collections::{BTreeSet, VecDeque};

use axum::Json;
use bytes::Bytes;
use holdfast_client::Client;
use holdfast_proto::ids::Ino;
use holdfast_proto::inode::FileKind;
use holdfast_proto::query::{Entry, FilesIn, Query as Ask};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::cluster::Cluster;
use crate::error::{Failures, Problem};
use crate::files::path::{self, FilePath, read, written};
use crate::groups::group;
use crate::http::{Path, Query};
use crate::page::{self, Page};
use crate::who::Viewer;

/// Names looked at for one answer at most.
const MOST_WALKED: usize = 20_000;
/// Files asked about at once.
const AT_ONCE: usize = 1000;
/// Deepest level that is followed.
const DEEPEST: usize = 512;

/// A file that has content in a group.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct FileIn {
    /// Its path.
    pub path: String,
    /// Its inode.
    pub ino: u64,
    /// Its length.
    pub size: u64,
}

/// A directory that the walk is in.
struct Level {
    ino: u64,
    /// Its path; empty: the root.
    path: Vec<u8>,
    /// Stored name of the last entry that was taken.
    at: Bytes,
    page: VecDeque<Entry>,
    ended: bool,
}

/// A walk over all names below a directory.
struct Walk {
    levels: Vec<Level>,
}

impl Walk {
    /// From the beginning of a directory, or behind a place below it that an earlier walk has come to.
    async fn begin(client: &Client, below: &FilePath, after: Option<&[u8]>) -> Result<Self, Problem> {
        let (root, _) = path::resolve(client, below).await?;
        if root.kind() != FileKind::Directory {
            let what = format!("{}: not a directory", below.written());
            return Err(Problem::new(StatusCode::CONFLICT, "not_a_directory", what));
        }
        let start = if below.is_root() { Vec::new() } else { below.bytes().to_vec() };
        let mut walk = Self { levels: Vec::new() };
        walk.enter(root.ino, start.clone());
        let inside = after.and_then(|after| after.strip_prefix(&start[..])?.strip_prefix(b"/"));
        let mut rest = inside.unwrap_or_default();
        while let Some(cut) = rest.iter().position(|byte| *byte == b'/') {
            let (name, behind) = (rest.get(..=cut).unwrap_or_default(), rest.get(cut + 1..));
            rest = behind.unwrap_or_default();
            let Some(level) = walk.levels.last_mut() else { break };
            level.at = Bytes::copy_from_slice(name);
            let here = [&level.path[..], b"/", name.strip_suffix(b"/").unwrap_or_default()].concat();
            match path::resolve(client, &FilePath::of(&here)?).await {
                Ok((inode, _)) if inode.kind() == FileKind::Directory => walk.enter(inode.ino, here),
                // It is gone: on with what comes behind it.
                Ok(_) => return Ok(walk),
                Err(problem) if problem.status() == StatusCode::NOT_FOUND => return Ok(walk),
                Err(problem) => return Err(problem),
            }
        }
        if let Some(level) = walk.levels.last_mut() {
            level.at = Bytes::copy_from_slice(rest);
        }
        Ok(walk)
    }

    fn enter(&mut self, ino: u64, path: Vec<u8>) {
        self.levels.push(Level { ino, path, at: Bytes::new(), page: VecDeque::new(), ended: false });
    }

    /// The next name, with its path; directories are gone into by themselves.
    async fn next(&mut self, client: &Client) -> Result<Option<(Vec<u8>, Entry)>, Problem> {
        loop {
            let depth = self.levels.len();
            let Some(level) = self.levels.last_mut() else { return Ok(None) };
            let Some(entry) = level.page.pop_front() else {
                if level.ended {
                    self.levels.pop();
                    continue;
                }
                let from = (!level.at.is_empty()).then(|| level.at.clone());
                let listed = client.list_dir(Ino(level.ino), from, true).await;
                let listed = match listed.map_err(Problem::from) {
                    Ok(listed) => listed,
                    // Deleted meanwhile.
                    Err(problem) if problem.status() == StatusCode::NOT_FOUND => {
                        self.levels.pop();
                        continue;
                    }
                    Err(problem) => return Err(problem),
                };
                level.ended = listed.next.is_none();
                level.page = listed.entries.into();
                continue;
            };
            level.at = entry.key.clone();
            let here = [&level.path[..], b"/", &entry.name[..]].concat();
            if FileKind::try_from(entry.kind) == Ok(FileKind::Directory) {
                if depth >= DEEPEST {
                    let what = format!("{}: deeper than {DEEPEST} directories", written(&here));
                    return Err(Problem::invalid(what));
                }
                self.enter(entry.ino, here.clone());
            }
            return Ok(Some((here, entry)));
        }
    }

    /// Where it stands.
    fn place(&self) -> Option<Vec<u8>> {
        self.levels.last().map(|level| [&level.path[..], b"/", &level.at[..]].concat())
    }
}

/// Files below a directory with content in a group, behind a path, page by page. A page may be empty although there are
/// more: then the walk over names goes on with the next one, which begins at its `next`.
pub async fn files(
    cluster: &Cluster,
    id: u32,
    below: &[u8],
    after: Option<&[u8]>,
    most: usize,
) -> Result<Page<FileIn>, Problem> {
    // A group that is not there would only look empty.
    group(cluster, id).await?;
    let client = cluster.client().await?;
    let mut walk = Walk::begin(&client, &FilePath::of(below)?, after).await?;
    let (mut items, mut candidates, mut walked) = (Vec::new(), Vec::new(), 0);
    loop {
        let found = walk.next(&client).await?;
        walked += 1;
        let over = found.is_none() || walked >= MOST_WALKED;
        if let Some((path, entry)) = found
            && FileKind::try_from(entry.kind) == Ok(FileKind::File)
            && let Some(inode) = entry.inode.filter(|inode| inode.extent_count > 0)
        {
            candidates.push((path, entry.ino, inode.size));
        }
        if candidates.len() < AT_ONCE && !over {
            continue;
        }
        let inos = candidates.iter().map(|(_, ino, _)| *ino).collect();
        let held = held_by(&client, id, inos).await?;
        for (path, ino, size) in candidates.drain(..).filter(|(_, ino, _)| held.contains(ino)) {
            if items.len() == most {
                let next = items.last().map(|last: &FileIn| page::marker(&read(last.path.as_bytes())));
                return Ok(Page { items, next });
            }
            items.push(FileIn { path: written(&path), ino, size });
        }
        if over {
            return Ok(Page { items, next: walk.place().map(|place| page::marker(&place)) });
        }
    }
}

/// The place that a page's `next` stands for.
pub fn place(next: Option<&str>) -> Result<Option<Vec<u8>>, Problem> {
    let place = page::unmarked(next)?;
    Ok((!place.is_empty()).then(|| place.to_vec()))
}

/// Which of some files have content in a group. Files that are gone are passed over.
pub async fn held(cluster: &Cluster, pg: u32, inos: Vec<u64>) -> Result<BTreeSet<u64>, Problem> {
    held_by(&cluster.client().await?, pg, inos).await
}

async fn held_by(client: &Client, pg: u32, mut inos: Vec<u64>) -> Result<BTreeSet<u64>, Problem> {
    let (mut held, mut offset) = (BTreeSet::new(), 0);
    while !inos.is_empty() {
        let asked: Vec<u64> = inos.iter().copied().take(AT_ONCE).collect();
        let count = asked.len();
        let reply = client.ask(Ask::FilesIn(FilesIn { pg, inos: asked, offset })).await?.reply;
        held.extend(reply.inos);
        if !reply.more {
            inos.drain(..count);
            offset = 0;
            continue;
        }
        let next = String::from_utf8_lossy(&reply.next).into_owned();
        let parsed =
            next.split_once('/').and_then(|(a, b)| Some((a.parse::<usize>().ok()?, b.parse().ok()?)));
        let (done, at) = parsed.ok_or_else(|| Problem::internal("the answer has no place to go on from"))?;
        inos.drain(..done.min(inos.len()));
        offset = at;
    }
    Ok(held)
}

/// Which files.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct Below {
    /// Only below this directory; everything if it is left out.
    #[param(format = "path")]
    path: Option<String>,
    /// `next` of the page before.
    #[param(format = "cursor")]
    after: Option<String>,
    /// Most files on the page, 1 to 1000; 100 by default.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<u32>,
}

/// Files with content in a placement group. A page may be short, or empty, although there are more.
#[utoipa::path(get, path = "/groups/{group}/files", tag = "groups", operation_id = "list_files_of_group",
    params(("group" = u32, Path), Below), responses((status = 200, body = Page<FileIn>), Failures))]
pub(crate) async fn list_files(
    viewer: Viewer,
    Path(id): Path<u32>,
    Query(ask): Query<Below>,
) -> Result<Json<Page<FileIn>>, Problem> {
    let (most, after) = (page::limit(ask.limit)?, place(ask.after.as_deref())?);
    let below = ask.path.map_or_else(|| b"/".to_vec(), |path| read(path.as_bytes()));
    files(&viewer.cluster, id, &below, after.as_deref(), most as usize).await.map(Json)
}
