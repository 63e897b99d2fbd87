//! Repair: what waits, by risk, how fast it goes, what was lost and regained before.

use std::collections::BTreeMap;

use axum::Json;
use holdfast_proto::admin::HealthRequest;
use holdfast_proto::method::Health;
use holdfast_proto::query::{ListAudit, Query};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::cluster::Cluster;
use crate::error::{Failures, Problem};
use crate::groups::{self, GroupView};
use crate::http::App;
use crate::page::Page;
use crate::who::Viewer;
use crate::{audit, settings};

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(get_repair)).routes(routes!(get_repair_history))
}

/// Groups that are named, riskiest first.
const NAMED: usize = 50;
/// Groups looked at for that.
const LOOKED_AT: u32 = 1000;

/// What repair is at.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Repair {
    /// Tasks running.
    pub running: u64,
    /// Chunks repaired since this leader was elected.
    pub chunks: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Bytes still to be copied.
    pub bytes_left: u64,
    /// Bytes per second.
    pub rate: u64,
    /// Seconds until it is done.
    pub eta_seconds: Option<u64>,
    /// What waits, riskiest first.
    pub queue: Vec<Waiting>,
    /// The groups closest to loss, at most 50.
    pub at_risk: Vec<GroupView>,
    /// So much vanished at once that nothing is given up without an administrator.
    pub held: bool,
    /// Cap per disk in bytes per second; 0: none.
    pub bytes_per_second: u64,
    /// Tasks at once per disk.
    pub parallel_per_disk: u64,
    /// Tasks at once in all.
    pub parallel_total: u64,
}

/// Groups that are equally close to loss.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Waiting {
    /// `unavailable`, `at_risk` or `degraded`.
    pub level: String,
    /// Groups.
    pub groups: u64,
    /// Bytes of chunks in them, before redundancy.
    pub bytes: u64,
    /// Bytes that repair has to copy for those of them that were looked at, up to 1000 of all.
    pub bytes_left: u64,
}

/// What repair is at.
pub async fn status(cluster: &Cluster) -> Result<Repair, Problem> {
    let request = HealthRequest { most: LOOKED_AT, ..HealthRequest::default() };
    let (health, condition, settings) =
        tokio::try_join!(cluster.leader::<Health>(&request), cluster.condition(), settings::values(cluster))?;
    let number = |name: &str| settings.get(name).and_then(|value| value.parse().ok()).unwrap_or(0);
    let redundancy = condition.redundancy.unwrap_or_default();
    let levels = groups::levels(&health);
    let mut ailing: Vec<GroupView> = health.groups.iter().map(groups::view).collect();
    let left =
        |level: &str| ailing.iter().filter(|group| group.level == level).map(|group| group.bytes_left).sum();
    let queue = ["unavailable", "at_risk", "degraded"]
        .into_iter()
        .map(|level| {
            let sum = levels.get(level).copied().unwrap_or_default();
            let bytes_left = left(level);
            Waiting { level: level.to_owned(), groups: sum.groups, bytes: sum.bytes, bytes_left }
        })
        .collect();
    ailing.sort_by_key(|group| (group.spare, std::cmp::Reverse(group.bytes)));
    ailing.truncate(NAMED);
    Ok(Repair {
        running: redundancy.repairs_running,
        chunks: redundancy.repaired_chunks,
        bytes: redundancy.repaired_bytes,
        bytes_left: health.bytes_left,
        rate: health.rate,
        eta_seconds: health.eta_s,
        queue,
        at_risk: ailing,
        held: condition.issues.iter().any(|issue| issue.code == "mass_failure"),
        bytes_per_second: number("repair_bytes_per_second"),
        parallel_per_disk: number("repair_parallel_per_disk"),
        parallel_total: number("repair_parallel_total"),
    })
}

/// Something that was lost or regained.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct RepairEvent {
    /// When.
    pub at: String,
    /// Stable name: `data.degraded`, `data.at_risk`, `data.unavailable`, `data.whole`.
    pub kind: String,
    /// Groups, bytes and chunks, by name.
    pub params: BTreeMap<String, String>,
}

/// What was lost and regained, the last first.
pub async fn history(cluster: &Cluster) -> Result<Vec<RepairEvent>, Problem> {
    let ask = ListAudit { action: "data".into(), most: 200, ..ListAudit::default() };
    let reply = cluster.ask(Query::ListAudit(ask)).await?;
    let entries = reply.audit.iter().map(audit::view);
    Ok(entries.map(|entry| RepairEvent { at: entry.at, kind: entry.action, params: entry.details }).collect())
}

/// What repair is at.
#[utoipa::path(get, path = "/repair", tag = "repair", responses((status = 200, body = Repair), Failures))]
async fn get_repair(viewer: Viewer) -> Result<Json<Repair>, Problem> {
    status(&viewer.cluster).await.map(Json)
}

/// What was lost and regained.
#[utoipa::path(get, path = "/repair/history", tag = "repair",
    responses((status = 200, body = Page<RepairEvent>), Failures))]
async fn get_repair_history(viewer: Viewer) -> Result<Json<Page<RepairEvent>>, Problem> {
    history(&viewer.cluster).await.map(|items| Json(Page::whole(items)))
}
