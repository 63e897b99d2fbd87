//! Placement groups: how close to loss each is, why, what is being done, who its members are.

use std::collections::BTreeMap;

use axum::Json;
use holdfast_proto::admin::{GroupHealth, HealthReply, HealthRequest};
use holdfast_proto::method::Health;
use holdfast_proto::op::Ailment;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::cluster::Cluster;
use crate::error::{Failures, Problem};
use crate::http::{App, Path, Query};
use crate::page::{self, Page};
use crate::reason::Reason;
use crate::who::Viewer;
use crate::{moment, names};

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list_groups))
        .routes(routes!(get_summary))
        .routes(routes!(get_map))
        .routes(routes!(get_group))
        .routes(routes!(crate::group_files::list_files))
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
    /// The same piece by piece: how close to loss, what is being done.
    pub reasons: Vec<Reason>,
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
        reasons: Reason::all(&group.reasons, std::slice::from_ref(&group.why)),
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
    /// Nothing lacks redundancy. `false` while a leader that is new still listens who is there.
    pub whole: bool,
    /// Since when some group has lacked something.
    pub since: Option<String>,
    /// For how long, in seconds.
    pub lacking_seconds: u64,
    /// Bytes that repair has to copy.
    pub bytes_left: u64,
    /// Bytes per second that it copies.
    pub rate: u64,
    /// Seconds until that is done.
    pub eta_seconds: Option<u64>,
    /// How much lies in each group is known; until then bytes are too low.
    pub measured: bool,
    /// For how long the leader, which is new, still listens who is there; 0: it knows.
    pub listening_ms: u64,
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
    let whole = |one: &holdfast_proto::admin::LevelCount| one.level == Ailment::Whole as i32;
    let lacking_ns = if reply.oldest_since_ns == 0 { 0 } else { reply.now_ns - reply.oldest_since_ns };
    Ok(Summary {
        whole: reply.listening_ms == 0
            && reply.oldest_since_ns == 0
            && reply.levels.iter().all(|one| whole(one) || one.groups == 0),
        since: moment::known_ns(reply.oldest_since_ns),
        lacking_seconds: u64::try_from(lacking_ns / 1_000_000_000).unwrap_or(0),
        bytes_left: reply.bytes_left,
        rate: reply.rate,
        eta_seconds: reply.eta_s,
        measured: reply.measured,
        listening_ms: reply.listening_ms,
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
