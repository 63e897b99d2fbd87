//! Evening out how full disks are: what it is at, what it would do, steering it, former runs.

use axum::Json;
use holdfast_proto::admin::{BalanceReply, BalanceRequest};
use holdfast_proto::audit::AuditEntry;
use holdfast_proto::method::Balancing;
use holdfast_proto::op::{BalanceAction, BalanceState, Op, PutSetting, SteerBalance};
use holdfast_proto::query::{ListAudit, Query};
use holdfast_proto::reason::balance_outcome;
use http::StatusCode;
use prost::Message;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::cluster::Cluster;
use crate::error::{Failures, Problem};
use crate::http::{App, Body, Path};
use crate::page::Page;
use crate::reason::Reason;
use crate::who::{Operator, Viewer};
use crate::{audit, moment, names, settings};

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(get_balance))
        .routes(routes!(get_plan))
        .routes(routes!(get_history))
        .routes(routes!(steer_balance))
        .routes(routes!(throttle_balance))
}

/// What balancing is at.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Balance {
    /// `idle`, `running`, `paused` or `cancelling`.
    pub state: String,
    /// The run there is, or the last one; 0: there never was one.
    pub number: u64,
    /// It began by itself.
    pub automatic: bool,
    /// When it began.
    pub began: Option<String>,
    /// When its state last changed.
    pub changed: Option<String>,
    /// Members that reached their new disks.
    pub moves_done: u64,
    /// Their bytes.
    pub bytes_done: u64,
    /// Bytes that were to be moved when it began.
    pub planned_bytes: u64,
    /// Moves under way.
    pub moves_under_way: u64,
    /// Bytes still to be moved, as of the last plan.
    pub bytes_left: u64,
    /// Bytes per second.
    pub rate: u64,
    /// Seconds until it is done.
    pub eta_seconds: Option<u64>,
    /// How it ended.
    pub outcome: Reason,
    /// How much lies in each group is known; until then plans leave groups out.
    pub measured: bool,
    /// Cap per disk in bytes per second; 0: none of its own.
    pub bytes_per_second: u64,
    /// It begins by itself when disks differ by more than the threshold.
    pub automatic_on: bool,
    /// That threshold.
    pub threshold_percent: u64,
    /// Members that may be moved at once.
    pub parallel: u64,
}

/// A run of balancing that ended.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct BalanceRun {
    /// Its number.
    pub number: u64,
    /// It began by itself.
    pub automatic: bool,
    /// When it began.
    pub began: String,
    /// When it ended.
    pub ended: Option<String>,
    /// Members that reached their new disks.
    pub moves: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Bytes that were to be moved when it began.
    pub planned_bytes: u64,
    /// How it ended.
    pub outcome: Reason,
    /// Who began it.
    pub by: String,
}

/// What would be moved, and what would come of it.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct BalancePlan {
    /// How much lies in each group is known; until then the plan leaves groups out.
    pub measured: bool,
    /// The first moves, in order.
    pub moves: Vec<Move>,
    /// How many there are.
    pub moves_total: u64,
    /// Bytes of all of them.
    pub bytes: u64,
    /// Bytes that would have to be moved at least if any byte could go anywhere.
    pub least_bytes: u64,
    /// There is more to do than one plan holds.
    pub cut_short: bool,
    /// Seconds that it takes at the cap, or at the rate of the run under way; `null`: not known.
    pub eta_seconds: Option<u64>,
    /// Every disk that takes part, before and after.
    pub disks: Vec<Level>,
    /// Difference between the fullest and the emptiest disk now, as a part of their share.
    pub spread_before: f64,
    /// The same afterwards.
    pub spread_after: f64,
}

/// A member of a group goes to another disk.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, ToSchema)]
pub struct Move {
    /// The group.
    pub group: u32,
    /// From this disk.
    pub from: u32,
    /// To this one.
    pub to: u32,
    /// Bytes that are copied.
    pub bytes: u64,
    /// It was begun already.
    pub under_way: bool,
}

/// A disk before and after.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, ToSchema)]
pub struct Level {
    /// The disk.
    pub disk: u32,
    /// Its node.
    pub node: u64,
    /// Its capacity times its weight.
    pub share_bytes: u64,
    /// How full of chunks it is now, as a part of its share.
    pub full_before: f64,
    /// The same afterwards.
    pub full_after: f64,
    /// Bytes of chunks on it now.
    pub before_bytes: u64,
    /// The same afterwards.
    pub after_bytes: u64,
    /// Most bytes of any kind on it on the way.
    pub peak_bytes: u64,
    /// What it may hold at most.
    pub cap_bytes: u64,
}

/// What it is at.
pub async fn status(cluster: &Cluster) -> Result<Balance, Problem> {
    let request = BalanceRequest { plan: false };
    let (reply, settings) =
        tokio::try_join!(cluster.leader::<Balancing>(&request), settings::values(cluster))?;
    let number = |name: &str| settings.get(name).and_then(|value| value.parse().ok()).unwrap_or(0);
    let run = reply.run.clone().unwrap_or_default();
    let runs = run.state() == BalanceState::Running;
    let time = |ns: i64| moment::known_ns(ns).filter(|_| run.number != 0);
    Ok(Balance {
        state: names::balance(run.state()).to_owned(),
        number: run.number,
        automatic: run.automatic,
        began: time(run.began_ns),
        changed: time(run.changed_ns),
        moves_done: run.moves,
        bytes_done: run.bytes,
        planned_bytes: run.planned_bytes,
        moves_under_way: reply.under_way,
        bytes_left: reply.left,
        rate: reply.rate,
        eta_seconds: reply.left.checked_div(reply.rate).filter(|_| runs),
        outcome: Reason::of(&balance_outcome(&run.outcome)),
        measured: reply.measured,
        bytes_per_second: number("balance_bytes_per_second"),
        automatic_on: settings.get("balance_auto").is_some_and(|value| value == "true"),
        threshold_percent: number("balance_threshold_percent"),
        parallel: number("balance_parallel"),
    })
}

/// What would be moved now.
pub async fn plan(cluster: &Cluster) -> Result<BalancePlan, Problem> {
    let request = BalanceRequest { plan: true };
    let (reply, map) = tokio::try_join!(cluster.leader::<Balancing>(&request), cluster.small_map())?;
    let plan = reply.plan.clone().unwrap_or_default();
    let node = |disk: u32| map.disks.iter().find(|known| known.id == disk).map_or(0, |disk| disk.node);
    let part = |bytes: u64, share: u64| bytes as f64 / share.max(1) as f64;
    let spread = |parts: Vec<f64>| {
        let (least, most) =
            parts.iter().fold((f64::MAX, 0.0f64), |(a, b), part| (a.min(*part), b.max(*part)));
        if parts.is_empty() { 0.0 } else { most - least }
    };
    Ok(BalancePlan {
        measured: reply.measured,
        moves_total: plan.moves_total,
        bytes: plan.bytes,
        least_bytes: plan.least_bytes,
        cut_short: plan.cut_short,
        eta_seconds: plan.bytes.checked_div(reply.rate),
        spread_before: spread(plan.disks.iter().map(|disk| part(disk.before, disk.share)).collect()),
        spread_after: spread(plan.disks.iter().map(|disk| part(disk.after, disk.share)).collect()),
        moves: (plan.moves.iter())
            .map(|m| Move { group: m.pg, from: m.from, to: m.to, bytes: m.bytes, under_way: m.under_way })
            .collect(),
        disks: (plan.disks.iter())
            .map(|level| Level {
                disk: level.disk,
                node: node(level.disk),
                share_bytes: level.share,
                full_before: part(level.before, level.share),
                full_after: part(level.after, level.share),
                before_bytes: level.before,
                after_bytes: level.after,
                peak_bytes: level.peak,
                cap_bytes: level.cap,
            })
            .collect(),
    })
}

/// Begins, pauses, resumes or cancels it.
pub async fn steer(cluster: &Cluster, action: BalanceAction) -> Result<(), Problem> {
    let mut op = SteerBalance { action: action as i32, ..SteerBalance::default() };
    if action == BalanceAction::Start {
        let reply: BalanceReply = cluster.leader::<Balancing>(&BalanceRequest { plan: true }).await?;
        if !reply.measured {
            let what = "how much lies in each group is still being counted; try again in a minute";
            let problem = Problem::new(StatusCode::PRECONDITION_FAILED, "not_measured", what);
            return Err(problem.later(std::time::Duration::from_secs(60)));
        }
        op.planned_bytes = reply.plan.as_ref().map_or(0, |plan| plan.bytes);
    }
    cluster.change(Op::SteerBalance(op)).await.map(drop)
}

/// Caps what it writes to a disk, in bytes per second; 0: not by itself.
pub async fn throttle(cluster: &Cluster, bytes_per_second: u64) -> Result<(), Problem> {
    let op = PutSetting { name: "balance_bytes_per_second".into(), value: bytes_per_second.to_string() };
    cluster.change(Op::PutSetting(op)).await.map(drop)
}

/// Runs that ended, the last one first.
pub async fn history(cluster: &Cluster) -> Result<Vec<BalanceRun>, Problem> {
    let ask = |action: &str| {
        Query::ListAudit(ListAudit { action: action.to_owned(), most: 200, ..ListAudit::default() })
    };
    let (ended, began) =
        tokio::try_join!(cluster.ask(ask("balance.finish")), cluster.ask(ask("balance.start")))?;
    let began: Vec<AuditEntry> =
        began.audit.into_iter().filter_map(|sealed| AuditEntry::decode(sealed.body).ok()).collect();
    let runs = ended.audit.into_iter().filter_map(|sealed| {
        let entry = AuditEntry::decode(sealed.body).ok()?;
        let note = entry.note?;
        let text = |name: &str| audit::detail(&note, name).unwrap_or_default();
        let number = |name: &str| text(name).parse().unwrap_or(0);
        let run: u64 = number("number");
        let started = began.iter().find(|start| start.index == run).and_then(|start| start.note.clone());
        let by = started.and_then(|note| note.actor).map(|actor| actor.name).unwrap_or_default();
        Some(BalanceRun {
            number: run,
            automatic: text("automatic") == "true",
            began: moment::of_ns(text("began_ns").parse().unwrap_or(0)),
            ended: moment::known_ns(entry.at_ns),
            moves: number("moves"),
            bytes: number("bytes"),
            planned_bytes: number("planned_bytes"),
            outcome: Reason::of(&balance_outcome(&text("outcome"))),
            by,
        })
    });
    Ok(runs.collect())
}

/// What balancing is at.
#[utoipa::path(get, path = "/balance", tag = "balance", operation_id = "get_balance",
    responses((status = 200, body = Balance), Failures))]
async fn get_balance(viewer: Viewer) -> Result<Json<Balance>, Problem> {
    status(&viewer.cluster).await.map(Json)
}

/// What would be moved now, and what would come of it. Moves nothing.
#[utoipa::path(get, path = "/balance/plan", tag = "balance", operation_id = "get_balance_plan",
    responses((status = 200, body = BalancePlan), Failures))]
async fn get_plan(viewer: Viewer) -> Result<Json<BalancePlan>, Problem> {
    plan(&viewer.cluster).await.map(Json)
}

/// Runs that ended.
#[utoipa::path(get, path = "/balance/history", tag = "balance", operation_id = "get_balance_history",
    responses((status = 200, body = Page<BalanceRun>), Failures))]
async fn get_history(viewer: Viewer) -> Result<Json<Page<BalanceRun>>, Problem> {
    history(&viewer.cluster).await.map(|items| Json(Page::whole(items)))
}

/// Begin (`start`), let rest (`pause`), go on (`resume`) or end (`cancel`).
#[utoipa::path(post, path = "/balance/{action}", tag = "balance",
    params(("action" = String, Path, pattern = "^(start|pause|resume|cancel)$")),
    responses((status = 200, body = Balance), Failures))]
async fn steer_balance(operator: Operator, Path(action): Path<String>) -> Result<Json<Balance>, Problem> {
    let action = match action.as_str() {
        "start" => BalanceAction::Start,
        "pause" => BalanceAction::Pause,
        "resume" => BalanceAction::Resume,
        "cancel" => BalanceAction::Cancel,
        _ => return Err(Problem::not_found("balancing is started, paused, resumed or cancelled")),
    };
    steer(&operator.cluster, action).await?;
    status(&operator.cluster).await.map(Json)
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Rate {
    /// Per disk; 0: no cap of its own.
    #[schema(maximum = 1_099_511_627_776u64)]
    bytes_per_second: u64,
}

/// Cap what balancing writes to each disk.
#[utoipa::path(put, path = "/balance/throttle", tag = "balance", request_body = Rate,
    responses((status = 200, body = Balance), Failures))]
async fn throttle_balance(operator: Operator, Body(rate): Body<Rate>) -> Result<Json<Balance>, Problem> {
    throttle(&operator.cluster, rate.bytes_per_second).await?;
    status(&operator.cluster).await.map(Json)
}
