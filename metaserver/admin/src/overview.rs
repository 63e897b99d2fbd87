//! Everything at a glance: health with its causes, capacity, redundancy, traffic, what is under way, who leads.

use std::collections::BTreeMap;

use axum::Json;
use holdfast_proto::admin::{ClusterStatus, HealthIssue, HealthReply, MetaStatus};
use holdfast_proto::map::{Liveness, Standing};
use holdfast_proto::method::{Balancing, Health, Scrubs};
use holdfast_proto::op::BalanceState;
use holdfast_proto::query::{ListBuckets, Query};
use holdfast_proto::session::ClientIo;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::cluster::Cluster;
use crate::error::{Failures, Problem};
use crate::history::{self, Forecast};
use crate::http::App;
use crate::procedures::Procedure;
use crate::reason::Reason;
use crate::who::Viewer;
use crate::{moment, names};

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(get_overview)).routes(routes!(get_loops))
}

/// A voter that is so many entries behind does not count when another one fails.
const BEHIND: u64 = 10_000;
/// One that was silent for so long does not either.
pub(crate) const SILENT_MS: u64 = 2_000;
/// The age of the last agreement is news when it is so much older.
const AGE_STEP_MS: u64 = 3_000;
/// Questions per second are news when there are so many more: dashboards ask some themselves.
const META_STEP: u64 = 50;

/// Everything at a glance.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Overview {
    /// `healthy`, `warning`, `danger`, or `unknown` while no leader answers.
    pub health: String,
    /// The leader answered; otherwise what follows is partial.
    pub complete: bool,
    /// The cluster's id.
    pub cluster: String,
    /// Version of the server that answers.
    pub version: String,
    /// Now, by the server's clock.
    pub now: String,
    /// What is wrong, worst first.
    pub issues: Vec<Issue>,
    /// The metadata group.
    pub meta: Quorum,
    /// Nodes that take part.
    pub nodes: Counted,
    /// Disks that take part.
    pub disks: DiskCounts,
    /// How full it is.
    pub capacity: Capacity,
    /// How safe data is.
    pub redundancy: Redundancy,
    /// What clients do, per second.
    pub io: Rates,
    /// What is under way.
    pub jobs: Vec<Job>,
    /// There is no bucket yet.
    pub empty: bool,
    /// Files whose content is being converted to their class.
    pub files_converting: u64,
    /// Clients connected.
    pub sessions: u64,
    /// Epoch of the cluster map.
    pub map_epoch: u64,
    /// For how long the cluster has had a leader, all in all.
    pub uptime_seconds: u64,
    /// When the cluster was made.
    pub created: Option<String>,
}

/// A cause for concern.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Issue {
    /// Stable name.
    pub code: String,
    /// `note`, `warning` or `danger`.
    pub severity: String,
    /// In English: what is, what it means, what is being done.
    pub message: String,
    /// What the message says, by name.
    pub params: BTreeMap<String, String>,
    /// Of a procedure under way: how far it is, then what it waits for.
    pub reasons: Vec<Reason>,
    /// Since when, if that is known.
    pub since: Option<String>,
    /// For how long, in milliseconds; 0: not known.
    pub since_ms: u64,
}

/// The metadata group.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct Quorum {
    /// The node that leads.
    pub leader: Option<u64>,
    /// Its term.
    pub term: u64,
    /// How long ago a majority last agreed that it leads.
    pub quorum_age_ms: u64,
    /// Who votes.
    pub voters: Vec<Voter>,
    /// Who follows without a vote.
    pub learners: Vec<u64>,
    /// How many further voters can be lost before nothing can be changed.
    pub tolerates: u64,
}

/// A metaserver that votes.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Voter {
    /// The node.
    pub node: u64,
    /// Its address.
    pub address: String,
    /// Log entries that it lacks.
    pub matched_behind: Option<u64>,
    /// How long it has not answered the leader.
    pub silent_ms: Option<u64>,
    /// It answers and keeps up.
    pub ok: bool,
}

/// How many there are, and how many of them answer.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Counted {
    /// All.
    pub total: u64,
    /// Those that answer.
    pub alive: u64,
}

/// Disks by how they are.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct DiskCounts {
    /// All.
    pub total: u64,
    /// Those that answer and work.
    pub alive: u64,
    /// Those without room.
    pub full: u64,
    /// Those that failed.
    pub failed: u64,
}

/// How full the cluster is.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Capacity {
    /// Bytes of all disks.
    pub raw_bytes: u64,
    /// Of these, used.
    pub raw_used_bytes: u64,
    /// Bytes of all files, before redundancy.
    pub stored_bytes: u64,
    /// Bytes that can still be written in the default class.
    pub available_bytes: u64,
    /// Bytes of deleted files that are still kept; part of what is stored.
    pub trash_bytes: u64,
    /// How many these are.
    pub trash_files: u64,
    /// Files and directories.
    pub files: u64,
    /// Chunks.
    pub chunks: u64,
    /// When it will be full; `null`: there is not enough history to say.
    pub forecast: Option<Forecast>,
}

/// How safe data is.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Redundancy {
    /// Groups that lack nothing.
    pub pgs_healthy: u64,
    /// Groups that lack something and could lose one more member.
    pub pgs_degraded: u64,
    /// Groups that one more failure would make unreadable.
    pub pgs_at_risk: u64,
    /// Groups that cannot be read whole now.
    pub pgs_unavailable: u64,
    /// Single chunks that a member lacks.
    pub missing_chunks: u64,
    /// Chunks that wait for deletion.
    pub garbage_chunks: u64,
    /// Repairs running.
    pub repairs_running: u64,
    /// Chunks repaired since this leader was elected.
    pub repaired_chunks: u64,
    /// Their bytes.
    pub repaired_bytes: u64,
    /// For how long something has been lacking, in milliseconds.
    pub degraded_ms: u64,
    /// How much data bears how many further failures, fewest first.
    pub survives: Vec<Survives>,
    /// Since when something has been lacking.
    pub oldest_since: Option<String>,
    /// Bytes that repair has to copy.
    pub bytes_left: u64,
    /// Bytes per second that it copies.
    pub rate: u64,
    /// Seconds until that is done.
    pub eta_seconds: Option<u64>,
    /// How much lies in each group is known; until then bytes are too low.
    pub measured: bool,
}

/// Data that bears so many further failures.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Survives {
    /// How many; below 0: it cannot be read now.
    pub failures: i32,
    /// Groups.
    pub groups: u64,
    /// Their bytes, before redundancy.
    pub bytes: u64,
}

/// What clients do, per second, and how long it takes them on average.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct Rates {
    /// Bytes read.
    pub read_bytes: u64,
    /// Bytes written.
    pub write_bytes: u64,
    /// Reads.
    pub read_ops: u64,
    /// Writes.
    pub write_ops: u64,
    /// Questions to and changes of metadata.
    pub meta_ops: u64,
    /// Milliseconds of a read.
    pub read_ms: f64,
    /// Milliseconds of a write.
    pub write_ms: f64,
    /// Milliseconds of a question to or change of metadata.
    pub meta_ms: f64,
}

impl Rates {
    pub(crate) fn of(io: &ClientIo) -> Self {
        let ms = |us: u64| us as f64 / 1000.0;
        Self {
            read_bytes: io.read_bytes,
            write_bytes: io.write_bytes,
            read_ops: io.reads,
            write_ops: io.writes,
            meta_ops: io.metas,
            read_ms: ms(io.read_us),
            write_ms: ms(io.write_us),
            meta_ms: ms(io.meta_us),
        }
    }
}

/// Something long that is under way.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Job {
    /// `repair`, `balance`, `drain`, `maintenance`, `replacement`, `scrub` or `convert`.
    pub kind: String,
    /// What it is about: `disk`, `node`, numbers.
    pub title_params: BTreeMap<String, String>,
    /// `running`, `paused`, `waiting` or `done`.
    pub state: String,
    /// Bytes done, where bytes are counted.
    pub done_bytes: Option<u64>,
    /// Bytes in all.
    pub total_bytes: Option<u64>,
    /// Bytes per second.
    pub rate: u64,
    /// Seconds until it is done.
    pub eta_seconds: Option<u64>,
    /// Since when.
    pub since: Option<String>,
    /// How far it is.
    pub detail: Reason,
    /// What it waits for.
    pub blocked: Vec<Reason>,
}

/// Looks at everything.
pub async fn overview(cluster: &Cluster) -> Result<Overview, Problem> {
    let status = cluster.condition().await?;
    if !status.leader_view {
        return Ok(partial(&status));
    }
    let (of_health, of_balance, of_scrub) = Default::default();
    let (health, balance, scrub, map, forecast, buckets) = tokio::try_join!(
        cluster.leader::<Health>(&of_health),
        cluster.leader::<Balancing>(&of_balance),
        cluster.leader::<Scrubs>(&of_scrub),
        cluster.small_map(),
        history::foretold(cluster, status.totals.unwrap_or_default().raw_capacity),
        cluster.ask(Query::ListBuckets(ListBuckets {})),
    )?;
    let mut jobs = Vec::new();
    jobs.extend(repair_job(&health, &status));
    jobs.extend(balance_job(&balance));
    jobs.extend(health.procedures.iter().map(|status| procedure_job(&Procedure::of(status))));
    jobs.extend(scrub_job(&scrub));
    jobs.extend(convert_job(&status));
    let mut view = partial(&status);
    view.cluster = hex::encode(&map.cluster);
    view.jobs = jobs;
    view.empty = buckets.buckets.is_empty();
    view.capacity.forecast = forecast;
    view.redundancy.survives = health
        .spare
        .iter()
        .map(|count| Survives { failures: count.spare, groups: count.groups, bytes: count.bytes })
        .collect();
    view.redundancy.oldest_since = moment::known_ns(health.oldest_since_ns);
    view.redundancy.bytes_left = health.bytes_left;
    view.redundancy.rate = health.rate;
    view.redundancy.eta_seconds = health.eta_s;
    view.redundancy.measured = health.measured;
    let taking: Vec<_> = map.disks.iter().filter(|disk| disk.standing != Standing::Removed as i32).collect();
    let seen = |liveness: Liveness| {
        let is = |id: u32| map.loads.iter().any(|load| load.disk == id && load.liveness == liveness as i32);
        taking.iter().filter(|disk| is(disk.id)).count() as u64
    };
    let (alive, full) = (seen(Liveness::Alive), seen(Liveness::Full));
    view.disks =
        DiskCounts { total: taking.len() as u64, alive: alive + full, full, failed: seen(Liveness::Failed) };
    Ok(view)
}

/// What one question tells: everything but what is under way, forecasts and details of redundancy, with what the leader
/// does in the background and how far its log is. It answers, too, when the rest of the cluster hardly does.
pub struct Glance {
    /// Those fields of it that the one question tells.
    pub overview: Overview,
    /// What the leader does in the background.
    pub loops: Vec<Loop>,
    /// Last entry that is applied.
    pub applied: u64,
}

/// Looks once.
pub async fn glance(cluster: &Cluster) -> Result<Glance, Problem> {
    let status = cluster.condition().await?;
    let applied = status.meta.as_ref().map_or(0, |meta| meta.applied);
    Ok(Glance { overview: partial(&status), applied, loops: loops(status) })
}

impl Overview {
    /// The same without what is different at every look although nothing happened: clocks, ages, how many entries of the
    /// log are on their way.
    pub(crate) fn lasting(&self) -> Self {
        let mut lasting = self.clone();
        lasting.now = String::new();
        lasting.uptime_seconds = 0;
        lasting.meta.quorum_age_ms /= AGE_STEP_MS;
        for voter in lasting.meta.voters.iter_mut().filter(|voter| voter.ok) {
            (voter.matched_behind, voter.silent_ms) = (None, None);
        }
        // Disks that are not Holdfast's alone: what others write there is news by the thousandth.
        lasting.capacity.available_bytes /= (lasting.capacity.raw_bytes / 1000).max(1);
        // Looking asks questions as well, and how long they take differs each time.
        lasting.io.meta_ops /= META_STEP;
        (lasting.io.read_ms, lasting.io.write_ms, lasting.io.meta_ms) = (0.0, 0.0, 0.0);
        for issue in &mut lasting.issues {
            // Reckoned from an age: the milliseconds are the clock's.
            issue.since = None;
        }
        lasting
    }
}

/// What the condition alone tells: with a leader most of it, without one what one metaserver knows.
fn partial(status: &ClusterStatus) -> Overview {
    let worst = status.issues.iter().map(|issue| issue.severity).max().unwrap_or(0);
    let totals = status.totals.unwrap_or_default();
    let redundancy = status.redundancy.unwrap_or_default();
    let alive = status.nodes.iter().filter(|node| node.liveness == Liveness::Alive as i32).count() as u64;
    Overview {
        health: if status.leader_view { names::health(worst) } else { "unknown" }.to_owned(),
        complete: status.leader_view,
        cluster: String::new(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        now: moment::of_ns(moment::now_ns()),
        issues: status.issues.iter().map(issue).collect(),
        meta: quorum(&status.meta.clone().unwrap_or_default()),
        nodes: Counted { total: status.nodes.len() as u64, alive },
        disks: DiskCounts { total: status.disks.len() as u64, alive: 0, full: 0, failed: 0 },
        capacity: Capacity {
            raw_bytes: totals.raw_capacity,
            raw_used_bytes: totals.raw_used,
            stored_bytes: totals.bytes,
            available_bytes: totals.available,
            trash_bytes: totals.trash_bytes,
            trash_files: totals.trash_items,
            files: totals.inodes,
            chunks: totals.chunks,
            forecast: None,
        },
        redundancy: Redundancy {
            pgs_healthy: redundancy.pgs_healthy,
            pgs_degraded: redundancy.pgs_degraded,
            pgs_at_risk: redundancy.pgs_at_risk,
            pgs_unavailable: redundancy.pgs_unavailable,
            missing_chunks: redundancy.missing_chunks,
            garbage_chunks: redundancy.garbage_chunks,
            repairs_running: redundancy.repairs_running,
            repaired_chunks: redundancy.repaired_chunks,
            repaired_bytes: redundancy.repaired_bytes,
            degraded_ms: redundancy.degraded_ms,
            survives: Vec::new(),
            oldest_since: None,
            bytes_left: 0,
            rate: 0,
            eta_seconds: None,
            measured: false,
        },
        io: Rates::of(&status.io.unwrap_or_default()),
        jobs: Vec::new(),
        empty: false,
        files_converting: status.converting,
        sessions: status.sessions,
        map_epoch: status.map_epoch,
        uptime_seconds: status.uptime_s,
        created: moment::known_ns(status.created_ns),
    }
}

fn issue(issue: &HealthIssue) -> Issue {
    Issue {
        code: issue.code.clone(),
        severity: names::severity(issue.severity).to_owned(),
        message: issue.message.clone(),
        params: issue.params.iter().map(|pair| (pair.key.clone(), pair.value.clone())).collect(),
        reasons: issue.reasons.iter().map(Reason::of).collect(),
        since: moment::ago_ms(issue.since_ms),
        since_ms: issue.since_ms,
    }
}

/// The metadata group as the leader, or whoever answered, sees it.
pub(crate) fn quorum(meta: &MetaStatus) -> Quorum {
    let leads = meta.leader == meta.node;
    let voters: Vec<Voter> = meta
        .voters
        .iter()
        .map(|peer| {
            let known = meta.progress.iter().find(|progress| progress.node == peer.node).filter(|_| leads);
            let behind = known.map(|progress| meta.last_log.saturating_sub(progress.matched));
            let silent = known.and_then(|progress| progress.silent_ms);
            let itself = peer.node == meta.node;
            let keeps_up = known.is_some_and(|progress| {
                progress.silent_ms.is_some_and(|ms| ms <= SILENT_MS)
                    && progress.matched.saturating_add(BEHIND) >= meta.last_log
            });
            Voter {
                node: peer.node,
                address: peer.address.clone(),
                matched_behind: if itself { Some(0) } else { behind },
                silent_ms: if itself { Some(0) } else { silent },
                ok: itself || keeps_up,
            }
        })
        .collect();
    let fine = voters.iter().filter(|voter| voter.ok).count() as u64;
    let majority = voters.len() as u64 / 2 + 1;
    Quorum {
        leader: (meta.leader != 0).then_some(meta.leader),
        term: meta.term,
        // One alone is a majority at any time.
        quorum_age_ms: if leads && voters.len() == 1 { 0 } else { meta.quorum_age_ms },
        learners: meta.learners.iter().map(|peer| peer.node).collect(),
        tolerates: if leads { fine.saturating_sub(majority) } else { 0 },
        voters,
    }
}

fn job(kind: &str) -> Job {
    Job {
        kind: kind.to_owned(),
        title_params: BTreeMap::new(),
        state: "running".to_owned(),
        done_bytes: None,
        total_bytes: None,
        rate: 0,
        eta_seconds: None,
        since: None,
        detail: Reason::default(),
        blocked: Vec::new(),
    }
}

/// How far a job is.
fn far(code: &str, message: String, params: &[(&str, u64)]) -> Reason {
    let reason = holdfast_proto::reason::Reason::new(code, message);
    Reason::of(&params.iter().fold(reason, |reason, (key, value)| reason.with(key, value)))
}

fn repair_job(health: &HealthReply, status: &ClusterStatus) -> Option<Job> {
    let redundancy = status.redundancy.unwrap_or_default();
    let groups = redundancy.pgs_degraded + redundancy.pgs_at_risk + redundancy.pgs_unavailable;
    let busy = health.bytes_left > 0 || redundancy.repairs_running > 0;
    (groups > 0 && busy).then(|| Job {
        title_params: BTreeMap::from([("groups".to_owned(), groups.to_string())]),
        state: if redundancy.repairs_running > 0 { "running" } else { "waiting" }.to_owned(),
        total_bytes: Some(health.bytes_left),
        done_bytes: Some(0),
        rate: health.rate,
        eta_seconds: health.eta_s,
        since: moment::known_ns(health.oldest_since_ns),
        detail: far("job_repair", format!("{groups} groups lack something"), &[("groups", groups)]),
        ..job("repair")
    })
}

fn balance_job(reply: &holdfast_proto::admin::BalanceReply) -> Option<Job> {
    let run = reply.run.clone().filter(|run| run.state() != BalanceState::Idle)?;
    Some(Job {
        state: if run.state() == BalanceState::Paused { "paused" } else { "running" }.to_owned(),
        done_bytes: Some(run.bytes),
        total_bytes: Some(run.bytes + reply.left),
        rate: reply.rate,
        eta_seconds: reply.left.checked_div(reply.rate).filter(|_| run.state() == BalanceState::Running),
        since: moment::known_ns(run.began_ns),
        detail: far(
            "job_balance",
            format!("{} members were moved, {} are under way", run.moves, reply.under_way),
            &[("moves", run.moves), ("under_way", reply.under_way)],
        ),
        ..job("balance")
    })
}

fn procedure_job(procedure: &Procedure) -> Job {
    let mut params = BTreeMap::from([("node".to_owned(), procedure.node.to_string())]);
    if let Some(disk) = procedure.disk {
        params.insert("disk".to_owned(), disk.to_string());
    }
    let state = match (procedure.done, procedure.blocked.is_empty()) {
        (true, _) => "done",
        (false, false) => "waiting",
        (false, true) => "running",
    };
    let total = procedure.bytes_begun.max(procedure.bytes_left);
    let moves = procedure.kind != "maintenance";
    Job {
        title_params: params,
        state: state.to_owned(),
        done_bytes: moves.then(|| total.saturating_sub(procedure.bytes_left)),
        total_bytes: moves.then_some(total),
        rate: procedure.rate,
        eta_seconds: procedure.eta_seconds.or(procedure.ends_in_seconds),
        since: Some(procedure.began.clone()),
        detail: procedure.detail.clone(),
        blocked: procedure.blocked.clone(),
        ..job(&procedure.kind)
    }
}

fn scrub_job(reply: &holdfast_proto::admin::ScrubReply) -> Option<Job> {
    let rounds = || reply.disks.iter().filter_map(|disk| disk.report.as_ref()).filter(|r| r.round.is_some());
    let disks = rounds().count();
    let total: u64 = rounds().filter_map(|report| report.round).map(|round| round.to_do).sum();
    let done: u64 =
        rounds().filter_map(|report| report.round).map(|round| round.bytes.min(round.to_do)).sum();
    let rate: u64 = rounds().map(|report| report.rate).sum();
    let began = rounds().filter_map(|report| report.round).map(|round| round.began).min();
    (disks > 0).then(|| Job {
        title_params: BTreeMap::from([("disks".to_owned(), disks.to_string())]),
        done_bytes: Some(done),
        total_bytes: Some(total),
        rate,
        eta_seconds: total.saturating_sub(done).checked_div(rate),
        since: began.and_then(moment::known_s),
        detail: far(
            "job_scrub",
            format!("{disks} disks are read back and checked"),
            &[("disks", disks as u64)],
        ),
        ..job("scrub")
    })
}

fn convert_job(status: &ClusterStatus) -> Option<Job> {
    (status.converting > 0).then(|| Job {
        title_params: BTreeMap::from([("files".to_owned(), status.converting.to_string())]),
        detail: far(
            "job_convert",
            format!("{} files are converted to their class", status.converting),
            &[("files", status.converting)],
        ),
        ..job("convert")
    })
}

/// Everything at a glance.
#[utoipa::path(get, path = "/overview", tag = "cluster", operation_id = "get_overview",
    responses((status = 200, body = Overview), Failures))]
async fn get_overview(viewer: Viewer) -> Result<Json<Overview>, Problem> {
    overview(&viewer.cluster).await.map(Json)
}

/// What the leader does in the background.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Loop {
    /// Its name.
    pub name: String,
    /// `idle`, `busy`, `throttled` or `waiting`.
    pub state: String,
    /// In English: what it does right now.
    pub detail: String,
}

/// What the leader does in the background, loop by loop.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Loops {
    /// One for each.
    pub items: Vec<Loop>,
}

fn loops(status: ClusterStatus) -> Vec<Loop> {
    let loops = status.loops.into_iter();
    loops.map(|l| Loop { name: l.name, state: l.state, detail: l.detail }).collect()
}

/// What the leader does in the background.
#[utoipa::path(get, path = "/loops", tag = "cluster", responses((status = 200, body = Loops), Failures))]
async fn get_loops(viewer: Viewer) -> Result<Json<Loops>, Problem> {
    Ok(Json(Loops { items: loops(viewer.cluster.condition().await?) }))
}

#[cfg(test)]
mod tests {
    use holdfast_proto::admin::MemberProgress;
    use holdfast_proto::cluster::Peer;

    use super::*;

    #[test]
    fn time_that_goes_by_is_no_news() {
        let status = ClusterStatus { leader_view: true, uptime_s: 5, ..ClusterStatus::default() };
        let text = |view: &Overview| serde_json::to_string(&view.lasting()).unwrap();
        let (before, mut now) = (partial(&status), partial(&ClusterStatus { uptime_s: 6, ..status }));
        now.now = "2026-11-23T16:00:00.123Z".into();
        now.meta.quorum_age_ms += 100;
        assert_eq!(text(&before), text(&now));
        now.meta.quorum_age_ms += AGE_STEP_MS;
        assert_ne!(text(&before), text(&now), "the leader has lost touch");
        now.meta.quorum_age_ms = 0;
        now.io.read_ops += 1;
        assert_ne!(text(&before), text(&now), "somebody reads");
    }

    #[test]
    fn the_quorum_says_how_many_more_it_can_lose() {
        let peer = |node| Peer { node, address: format!("h{node}:1") };
        let progress = |node, silent_ms| MemberProgress { node, matched: 100, silent_ms };
        let mut meta = MetaStatus {
            node: 1,
            leader: 1,
            last_log: 100,
            voters: vec![peer(1), peer(2), peer(3)],
            progress: vec![progress(2, Some(10)), progress(3, Some(10))],
            ..MetaStatus::default()
        };
        assert_eq!(quorum(&meta).tolerates, 1);
        meta.progress = vec![progress(2, Some(10)), progress(3, Some(9000))];
        let seen = quorum(&meta);
        assert_eq!(seen.tolerates, 0);
        assert!(seen.voters.iter().any(|voter| voter.node == 3 && !voter.ok));
        meta.progress = vec![progress(2, Some(10)), MemberProgress { matched: 0, ..progress(3, Some(1)) }];
        meta.last_log = 1_000_000;
        assert_eq!(quorum(&meta).tolerates, 0, "one that is far behind does not count");
    }
}
