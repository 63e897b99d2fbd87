//! Placement groups: how close to loss each is, why, what is being done, who its members are.

use std::collections::BTreeMap;

use axum::Json;
use holdfast_client::Client;
use holdfast_proto::admin::{GroupHealth, HealthReply, HealthRequest};
use holdfast_proto::ids::{Ino, ROOT_INO};
use holdfast_proto::inode::FileKind;
use holdfast_proto::method::Health;
use holdfast_proto::op::Ailment;
use holdfast_proto::query::{FilesIn, Query as Ask};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::cluster::Cluster;
use crate::error::{Failures, Problem};
use crate::http::{App, Path, Query};
use crate::page::{self, Page, Where};
use crate::who::Viewer;
use crate::{moment, names};

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list_groups))
        .routes(routes!(get_summary))
        .routes(routes!(get_map))
        .routes(routes!(get_group))
        .routes(routes!(list_files))
}

/// A placement group.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct GroupView {
    /// Its number.
    pub id: u32,
    /// Its class.
    pub class: u32,
    /// Its class's name.
    pub class_name: String,
    /// `writable`, `sealed` or `retired`.
    pub writable: String,
    /// `whole`, `degraded`, `at_risk` or `unavailable`.
    pub level: String,
    /// What is being done or waited for: `lost`, `unavailable`, `rebuilding`, `no_room`, `held`, `maintenance`, `waiting`,
    /// `mending`, `moving` or `whole`.
    pub state: String,
    /// The same in English, with who is missing.
    pub why: String,
    /// Since when it lacks something.
    pub since: Option<String>,
    /// Since when it is as close to loss as now.
    pub level_since: Option<String>,
    /// Until when is waited before something else is done.
    pub until: Option<String>,
    /// Bytes of its chunks, before redundancy.
    pub bytes: u64,
    /// Its chunks.
    pub chunks: u64,
    /// Further failures that it bears; below 0: it cannot be read whole.
    pub spare: i32,
    /// Bytes that repair has to copy for it.
    pub bytes_left: u64,
    /// Epoch of its last change.
    pub epoch: u64,
    /// Its members.
    pub members: Vec<MemberView>,
}

/// A member of a group.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct MemberView {
    /// Its disk.
    pub disk: u32,
    /// The disk's node.
    pub node: u64,
    /// `whole`, `filling`, `lacks`, `silent`, `failed`, `gone`, `leaving` or `away`.
    pub condition: String,
    /// Single chunks that it lacks, counted up to 1000.
    pub lacks: u64,
    /// It stands in for another one.
    pub temporary: bool,
    /// Which shard it holds.
    pub shard: u32,
    /// While it is filled: bytes still to come.
    pub bytes_left: u64,
}

pub(crate) fn view(group: &GroupHealth) -> GroupView {
    GroupView {
        id: group.pg,
        class: group.class,
        class_name: group.class_name.clone(),
        writable: names::pg_state(group.pg_state).to_owned(),
        level: names::ailment(group.ailment).to_owned(),
        state: group.state.clone(),
        why: group.why.clone(),
        since: moment::known_ns(group.since_ns),
        level_since: moment::known_ns(group.level_since_ns),
        until: moment::known_ns(group.until_ns),
        bytes: group.bytes,
        chunks: group.chunks,
        spare: group.spare,
        bytes_left: group.bytes_left,
        epoch: group.epoch,
        members: group
            .members
            .iter()
            .map(|member| MemberView {
                disk: member.disk,
                node: member.node,
                condition: member.condition.clone(),
                lacks: member.lacks,
                temporary: member.temporary,
                shard: member.shard,
                bytes_left: member.bytes_left,
            })
            .collect(),
    }
}

/// Which groups.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct Filter {
    /// `whole`, `degraded`, `at_risk` or `unavailable`.
    #[param(pattern = "^(whole|degraded|at_risk|unavailable)$")]
    pub level: Option<String>,
    /// See the field of this name.
    #[param(
        pattern = "^(lost|unavailable|rebuilding|no_room|held|maintenance|waiting|mending|moving|whole)$"
    )]
    pub state: Option<String>,
    /// Of this class; without it, of any.
    #[param(minimum = 1)]
    pub class: Option<u32>,
    /// With a member on this disk; without it, on any.
    #[param(minimum = 1)]
    pub disk: Option<u32>,
    /// With a member on this node; without it, on any.
    #[param(minimum = 1)]
    pub node: Option<u64>,
    /// Only groups with which something is the matter.
    #[serde(default)]
    pub ailing: bool,
    /// `id` (by default), `risk`: closest to loss first, or `bytes`: largest first.
    #[param(pattern = "^(id|risk|bytes)$")]
    pub sort: Option<String>,
    /// `next` of the page before, in the same order.
    #[param(format = "group-cursor")]
    pub after: Option<String>,
    /// Most groups on the page, 1 to 1000; 100 by default.
    #[param(minimum = 1, maximum = 1000)]
    pub limit: Option<u32>,
}

const STATES: &[&str] = &[
    "lost",
    "unavailable",
    "rebuilding",
    "no_room",
    "held",
    "maintenance",
    "waiting",
    "mending",
    "moving",
    "whole",
];

fn level_number(name: &str) -> Option<i32> {
    [Ailment::Whole, Ailment::Degraded, Ailment::AtRisk, Ailment::Unavailable]
        .into_iter()
        .map(|level| level as i32)
        .find(|number| names::ailment(*number) == name)
}

/// Orders, as the leader counts them.
const BY_RISK: u32 = 1;
const BY_BYTES: u32 = 2;

/// A page of groups.
pub async fn list(cluster: &Cluster, filter: &Filter) -> Result<Page<GroupView>, Problem> {
    let level = filter.level.as_deref().map(|name| {
        level_number(name)
            .ok_or_else(|| Problem::invalid("level is one of whole, degraded, at_risk, unavailable"))
    });
    let state = filter.state.clone().unwrap_or_default();
    if !state.is_empty() && !STATES.contains(&state.as_str()) {
        return Err(Problem::invalid(format!("state is one of {}", STATES.join(", "))));
    }
    let sort = match filter.sort.as_deref() {
        None | Some("id") => 0,
        Some("risk") => BY_RISK,
        Some("bytes") => BY_BYTES,
        Some(_) => return Err(Problem::invalid("sort is one of id, risk, bytes")),
    };
    // Of an order the cursor names the place as well, which the group may have left by now.
    let after = filter.after.as_deref().unwrap_or_default();
    let (rank, after) = after.split_once('.').map_or((None, after), |(rank, after)| (Some(rank), after));
    let after_rank = rank.map(|rank| page::number(Some(rank))).transpose()?;
    if !after.is_empty() && (sort == 0) == after_rank.is_some() {
        return Err(page::no_page());
    }
    let request = HealthRequest {
        after: page::number(Some(after))?,
        after_rank,
        sort,
        most: page::limit(filter.limit)?,
        whole: !filter.ailing,
        class: filter.class.unwrap_or(0),
        disk: filter.disk.unwrap_or(0),
        node: filter.node.unwrap_or(0),
        level: level.transpose()?,
        state,
        ..HealthRequest::default()
    };
    let reply = cluster.leader::<Health>(&request).await?;
    let next = reply.groups.last().filter(|_| reply.more).map(|group| match sort {
        BY_RISK => format!("{}.{}", group.ailment, group.pg),
        BY_BYTES => format!("{}.{}", group.bytes, group.pg),
        _ => group.pg.to_string(),
    });
    Ok(Page { items: reply.groups.iter().map(view).collect(), next })
}

/// One group.
pub async fn group(cluster: &Cluster, id: u32) -> Result<GroupView, Problem> {
    let none = || Problem::not_found(format!("there is no group pg{id}, or it was retired"));
    if id == 0 {
        return Err(none());
    }
    let request = HealthRequest { pg: id, most: 1, ..HealthRequest::default() };
    let reply = cluster.leader::<Health>(&request).await?;
    reply.groups.first().map(view).ok_or_else(none)
}

/// So many groups with so many bytes.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct Sum {
    /// Groups.
    pub groups: u64,
    /// Bytes of chunks in them, before redundancy.
    pub bytes: u64,
}

/// Groups that bear the same number of further failures.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, ToSchema)]
pub struct BySpare {
    /// How many; below 0: they cannot be read whole.
    pub spare: i32,
    /// Groups.
    pub groups: u64,
    /// Bytes of chunks in them, before redundancy.
    pub bytes: u64,
}

/// Groups of a class.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct ByClass {
    /// The class.
    pub class: u32,
    /// Its name.
    pub name: String,
    /// Groups.
    pub groups: u64,
    /// Bytes of chunks in them, before redundancy.
    pub bytes: u64,
}

/// All groups in figures.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Summary {
    /// How many there are.
    pub total: u64,
    /// By how close to loss they are.
    pub by_level: BTreeMap<String, Sum>,
    /// Those with which something is the matter, by what is being done.
    pub by_state: BTreeMap<String, Sum>,
    /// By further failures that they bear.
    pub by_spare: Vec<BySpare>,
    /// By class.
    pub by_class: Vec<ByClass>,
}

pub(crate) fn levels(reply: &HealthReply) -> BTreeMap<String, Sum> {
    let levels = reply.levels.iter();
    levels
        .map(|one| (names::ailment(one.level).to_owned(), Sum { groups: one.groups, bytes: one.bytes }))
        .collect()
}

/// All groups in figures.
pub async fn summary(cluster: &Cluster) -> Result<Summary, Problem> {
    let request = HealthRequest::default();
    let (reply, map) = tokio::try_join!(cluster.leader::<Health>(&request), cluster.small_map())?;
    let states = reply.states.iter();
    let name = |id: u32| map.classes.iter().find(|class| class.id == id).map(|class| class.name.clone());
    Ok(Summary {
        total: reply.levels.iter().map(|one| one.groups).sum(),
        by_level: levels(&reply),
        by_state: states
            .map(|one| (one.state.clone(), Sum { groups: one.groups, bytes: one.bytes }))
            .collect(),
        by_spare: (reply.spare.iter())
            .map(|one| BySpare { spare: one.spare, groups: one.groups, bytes: one.bytes })
            .collect(),
        by_class: (reply.classes.iter())
            .map(|one| ByClass {
                class: one.class,
                name: name(one.class).unwrap_or_default(),
                groups: one.groups,
                bytes: one.bytes,
            })
            .collect(),
    })
}

/// Every group in short, position by position, to draw many of them.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct GroupMapView {
    /// Numbers, in order.
    pub ids: Vec<u32>,
    /// A letter each: `w`hole, `d`egraded, `a`t risk, `u`navailable.
    pub level: String,
    /// Classes.
    pub class: Vec<u32>,
}

/// Every group in short.
pub async fn map(cluster: &Cluster) -> Result<GroupMapView, Problem> {
    let request = HealthRequest { map: true, ..HealthRequest::default() };
    let map = cluster.leader::<Health>(&request).await?.map.unwrap_or_default();
    let letter = |level: &u8| names::ailment(i32::from(*level)).chars().next().unwrap_or('?');
    Ok(GroupMapView { level: map.levels.iter().map(letter).collect(), ids: map.ids, class: map.classes })
}

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

/// Files looked at for one answer at most: chunks do not know their files, so names are walked.
const MOST_WALKED: usize = 20_000;

/// Files asked about at once.
const AT_ONCE: usize = 1000;

/// Where a walk over all names stands: the directories still to be gone into, and how far the first of them is.
#[derive(Default, Serialize, Deserialize)]
struct Walk {
    todo: Vec<(String, u64)>,
    after: String,
}

/// Files with content in a group, page by page. A page may be empty although there are more: then the walk over names goes
/// on with the next one.
pub async fn files(
    cluster: &Cluster,
    id: u32,
    after: Option<&str>,
    most: u32,
) -> Result<Page<FileIn>, Problem> {
    group(cluster, id).await?;
    let client = cluster.client().await?;
    let mut walk = match after {
        None | Some("") => Walk { todo: vec![(String::new(), ROOT_INO.0)], after: String::new() },
        Some(_) => serde_json::from_slice(&page::unmarked(after)?).map_err(|_| page::no_page())?,
    };
    let (mut items, mut walked) = (Vec::new(), 0);
    while items.len() < most as usize && walked < MOST_WALKED {
        let Some((path, ino)) = walk.todo.last().cloned() else { return Ok(Page { items, next: None }) };
        let from = page::unmarked(Some(&walk.after))?;
        let listed = client.list_dir(Ino(ino), (!from.is_empty()).then_some(from), true).await?;
        walked += listed.entries.len();
        let mut candidates = Vec::new();
        let mut inner = Vec::new();
        for entry in &listed.entries {
            let here = format!("{path}/{}", String::from_utf8_lossy(&entry.name));
            let Some(inode) = &entry.inode else { continue };
            match FileKind::try_from(entry.kind) {
                Ok(FileKind::Directory) => inner.push((here, entry.ino)),
                Ok(FileKind::File) if inode.extent_count > 0 => {
                    candidates.push((here, entry.ino, inode.size))
                }
                _ => {}
            }
        }
        let held = held(&client, id, candidates.iter().map(|(_, ino, _)| *ino).collect()).await?;
        let found = candidates.into_iter().filter(|(_, ino, _)| held.contains(ino));
        items.extend(found.map(|(path, ino, size)| FileIn { path, ino, size }));
        match listed.next {
            Some(next) => {
                // Directories found on the way come after the rest of this one.
                let at = walk.todo.len() - 1;
                walk.todo.splice(at..at, inner);
                walk.after = page::marker(&next);
            }
            None => {
                walk.todo.pop();
                walk.todo.extend(inner);
                walk.after = String::new();
            }
        }
    }
    let next = serde_json::to_vec(&walk).map_err(|error| Problem::internal(error.to_string()))?;
    Ok(Page { items, next: (!walk.todo.is_empty()).then(|| page::marker(&next)) })
}

/// Which of some files have content in the group.
async fn held(
    client: &Client,
    pg: u32,
    mut inos: Vec<u64>,
) -> Result<std::collections::BTreeSet<u64>, Problem> {
    let (mut held, mut offset) = (std::collections::BTreeSet::new(), 0);
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

/// Placement groups.
#[utoipa::path(get, path = "/groups", tag = "groups", params(Filter),
    responses((status = 200, body = Page<GroupView>), Failures))]
async fn list_groups(viewer: Viewer, Query(filter): Query<Filter>) -> Result<Json<Page<GroupView>>, Problem> {
    list(&viewer.cluster, &filter).await.map(Json)
}

/// All placement groups in figures.
#[utoipa::path(get, path = "/groups/summary", tag = "groups", operation_id = "get_groups_summary",
    responses((status = 200, body = Summary), Failures))]
async fn get_summary(viewer: Viewer) -> Result<Json<Summary>, Problem> {
    summary(&viewer.cluster).await.map(Json)
}

/// Every placement group in short, to draw many of them.
#[utoipa::path(get, path = "/groups/map", tag = "groups", operation_id = "get_groups_map",
    responses((status = 200, body = GroupMapView), Failures))]
async fn get_map(viewer: Viewer) -> Result<Json<GroupMapView>, Problem> {
    map(&viewer.cluster).await.map(Json)
}

/// One placement group.
#[utoipa::path(get, path = "/groups/{group}", tag = "groups", params(("group" = u32, Path)),
    responses((status = 200, body = GroupView), Failures))]
async fn get_group(viewer: Viewer, Path(id): Path<u32>) -> Result<Json<GroupView>, Problem> {
    group(&viewer.cluster, id).await.map(Json)
}

/// Files with content in a placement group. A page may be short, or empty, although there are more.
#[utoipa::path(get, path = "/groups/{group}/files", tag = "groups", operation_id = "list_files_of_group",
    params(("group" = u32, Path), Where), responses((status = 200, body = Page<FileIn>), Failures))]
async fn list_files(
    viewer: Viewer,
    Path(id): Path<u32>,
    Query(at): Query<Where>,
) -> Result<Json<Page<FileIn>>, Problem> {
    let most = page::limit(at.limit)?;
    files(&viewer.cluster, id, at.after.as_deref(), most).await.map(Json)
}
