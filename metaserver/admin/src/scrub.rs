//! Scrub: reading back and checking what lies on disks; where it stands, what it found, a round now.

use std::collections::BTreeSet;

use axum::Json;
use holdfast_proto::admin::{ScrubDisk, ScrubReply, ScrubRequest};
use holdfast_proto::cluster::{ScrubReport, ScrubRound, ScrubState};
use holdfast_proto::map::{Liveness, Standing};
use holdfast_proto::method::Scrubs;
use holdfast_proto::op::{DiskRef, Op, OrderScrub};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::cluster::Cluster;
use crate::error::{Failures, Problem};
use crate::http::{App, Body};
use crate::who::{Operator, Viewer};
use crate::{moment, names, settings};

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(get_scrub, start_scrub))
}

/// Disks ordered by one command.
const AT_ONCE: usize = 1000;

/// The scrub of all disks.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Scrub {
    /// Each disk.
    pub disks: Vec<ScrubView>,
    /// What it may read of each disk per second, or `node`: as each node is configured.
    pub bytes_per_second: String,
    /// Seconds between two rounds, or `node`.
    pub period_seconds: String,
}

/// The scrub of a disk.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct ScrubView {
    /// The disk.
    pub disk: u32,
    /// Its node.
    pub node: u64,
    /// `alive`, `suspect`, `down`, `failed` or `full`.
    pub liveness: String,
    /// `waiting`, `running`, `off`, or `unknown` when it was not heard of.
    pub state: String,
    /// A round was ordered that it has not begun yet.
    pub order_waits: bool,
    /// When the next round is due.
    pub due: Option<String>,
    /// Milliseconds until then.
    pub due_in_ms: u64,
    /// Seconds between two rounds.
    pub period_seconds: u64,
    /// How much of the round under way is done, in percent.
    pub done_percent: Option<f64>,
    /// Seconds left of the round under way.
    pub eta_seconds: Option<u64>,
    /// Bytes per second that it reads.
    pub rate: u64,
    /// Bytes per second that it may read.
    pub cap: u64,
    /// Damaged records that are not mended yet.
    pub open: u64,
    /// The round under way.
    pub round: Option<Round>,
    /// The round that ended last.
    pub last: Option<Round>,
    /// The last rounds, newest first.
    pub history: Vec<Round>,
}

/// A round: every record on the disk is read back and checked.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Round {
    /// Which one it is, from 1.
    pub number: u64,
    /// Somebody ordered it; otherwise it was due.
    pub ordered: bool,
    /// When it began.
    pub began: String,
    /// When it ended.
    pub ended: Option<String>,
    /// Seconds that it took, or has taken so far.
    pub took_seconds: u64,
    /// Bytes to read.
    pub to_do_bytes: u64,
    /// Bytes read.
    pub bytes: u64,
    /// Records read.
    pub chunks: u64,
    /// Of these, damaged.
    pub damaged: u64,
    /// Of these, copied anew since.
    pub mended: u64,
    /// Of these, deleted since.
    pub gone: u64,
    /// Another round was ordered before it was through.
    pub cut_short: bool,
}

fn round(round: &ScrubRound, now_s: u64) -> Round {
    let until = if round.ended == 0 { now_s } else { round.ended };
    Round {
        number: round.number,
        ordered: round.order != 0,
        began: moment::known_s(round.began).unwrap_or_default(),
        ended: moment::known_s(round.ended),
        took_seconds: until.saturating_sub(round.began),
        to_do_bytes: round.to_do,
        bytes: round.bytes,
        chunks: round.chunks,
        damaged: round.damaged,
        mended: round.mended,
        gone: round.gone,
        cut_short: round.cut_short,
    }
}

/// Seconds left of the round under way, by what was read lately, or may be read when that is not known yet.
fn eta(report: &ScrubReport) -> Option<u64> {
    let round = report.round.filter(|_| report.state() == ScrubState::Running)?;
    let rate = if report.rate > 0 { report.rate } else { report.cap };
    round.to_do.saturating_sub(round.bytes).checked_div(rate)
}

fn view(disk: &ScrubDisk, now_s: u64) -> ScrubView {
    let report = disk.report.clone().unwrap_or_default();
    let said = disk.report.is_some();
    let state = if said { names::scrub(report.state()) } else { "unknown" };
    let done = report.round.map(|round| match round.to_do {
        0 => 1.0,
        all => (round.bytes as f64 / all as f64).min(1.0),
    });
    ScrubView {
        disk: disk.disk,
        node: disk.node,
        liveness: names::liveness(disk.liveness).to_owned(),
        state: state.to_owned(),
        order_waits: said && disk.ordered != 0 && report.order != disk.ordered,
        due: moment::known_s(report.due).filter(|_| report.cap > 0),
        due_in_ms: report.due.saturating_sub(now_s).saturating_mul(1000),
        period_seconds: report.period_s,
        done_percent: done.map(|done| (done * 1000.0).round() / 10.0),
        eta_seconds: eta(&report),
        rate: report.rate,
        cap: report.cap,
        open: report.open,
        round: report.round.as_ref().map(|one| round(one, now_s)),
        last: report.history.last().map(|one| round(one, now_s)),
        history: report.history.iter().rev().map(|one| round(one, now_s)).collect(),
    }
}

fn now_s() -> u64 {
    u64::try_from(moment::now_ns() / 1_000_000_000).unwrap_or(0)
}

/// Where it stands.
pub async fn status(cluster: &Cluster) -> Result<Scrub, Problem> {
    let request = ScrubRequest { history: true };
    let (reply, settings) = tokio::try_join!(cluster.leader::<Scrubs>(&request), settings::values(cluster))?;
    let value = |name: &str| settings.get(name).cloned().unwrap_or_default();
    Ok(Scrub {
        disks: reply.disks.iter().map(|disk| view(disk, now_s())).collect(),
        bytes_per_second: value("scrub_bytes_per_second"),
        period_seconds: value("scrub_period_seconds"),
    })
}

/// What came of an order.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Started {
    /// Disks on which a round begins.
    pub disks: u64,
    /// Which ones.
    pub ordered: Vec<u32>,
    /// Disks that were passed over, since nobody named them and they cannot be scrubbed now.
    pub passed_over: Vec<PassedOver>,
}

/// A disk that cannot be scrubbed now.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct PassedOver {
    /// The disk.
    pub disk: u32,
    /// Why, in English.
    pub reason: String,
}

/// Begins a round on some disks and all disks of some nodes, or if none is named on all that can be scrubbed now. What is
/// named and cannot be scrubbed refuses the whole.
pub async fn start(cluster: &Cluster, disks: &[u32], nodes: &[u64]) -> Result<Started, Problem> {
    let reply = cluster.leader::<Scrubs>(&ScrubRequest { history: false }).await?;
    let named = named(&reply, disks, nodes)?;
    let mut started = Started { disks: 0, ordered: Vec::new(), passed_over: Vec::new() };
    let mut chosen = Vec::new();
    let wanted = |disk: &&ScrubDisk| named.as_ref().is_none_or(|named| named.contains(&disk.disk));
    for disk in reply.disks.iter().filter(wanted) {
        match (hindrance(disk), &named) {
            (None, _) => chosen.push(DiskRef { disk: disk.disk, incarnation: disk.incarnation }),
            (Some(why), Some(_)) => {
                let what = format!("scrub disk d{}: {why}", disk.disk);
                return Err(Problem::new(StatusCode::PRECONDITION_FAILED, "precondition_failed", what));
            }
            (Some(reason), None) => started.passed_over.push(PassedOver { disk: disk.disk, reason }),
        }
    }
    for part in chosen.chunks(AT_ONCE) {
        cluster.change(Op::OrderScrub(OrderScrub { disks: part.to_vec() })).await?;
    }
    started.disks = chosen.len() as u64;
    started.ordered = chosen.iter().map(|chosen| chosen.disk).collect();
    Ok(started)
}

/// The disks that were named, by themselves or with their nodes; `None`: all.
fn named(reply: &ScrubReply, disks: &[u32], nodes: &[u64]) -> Result<Option<BTreeSet<u32>>, Problem> {
    if disks.is_empty() && nodes.is_empty() {
        return Ok(None);
    }
    let mut named: BTreeSet<u32> = disks.iter().copied().collect();
    if let Some(none) = named.iter().find(|disk| reply.disks.iter().all(|known| known.disk != **disk)) {
        return Err(Problem::not_found(format!("there is no disk d{none}")));
    }
    for node in nodes {
        let of_node: Vec<u32> = reply.disks.iter().filter(|d| d.node == *node).map(|d| d.disk).collect();
        if of_node.is_empty() {
            return Err(Problem::not_found(format!("there is no disk on a node n{node}")));
        }
        named.extend(of_node);
    }
    Ok(Some(named))
}

/// Why a disk cannot be scrubbed now.
fn hindrance(disk: &ScrubDisk) -> Option<String> {
    match (disk.liveness(), disk.standing()) {
        (_, Standing::Out | Standing::Removed) => {
            Some("it is given up, and its data is rebuilt elsewhere".to_owned())
        }
        (Liveness::Failed, _) => Some("it has failed; replace it".to_owned()),
        (Liveness::Down, _) => {
            Some(format!("it is lost for now: node n{} or the disk does not answer", disk.node))
        }
        (Liveness::Alive | Liveness::Suspect | Liveness::Full, _) => {
            let off = disk.report.as_ref().is_some_and(|report| report.state() == ScrubState::Off);
            let why = "it may read nothing: scrub_bytes_per_second, or chunk.scrub_rate of its node, is 0";
            off.then(|| why.to_owned())
        }
    }
}

/// Where the scrub of every disk stands.
#[utoipa::path(get, path = "/scrub", tag = "scrub", responses((status = 200, body = Scrub), Failures))]
async fn get_scrub(viewer: Viewer) -> Result<Json<Scrub>, Problem> {
    status(&viewer.cluster).await.map(Json)
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Which {
    /// Disks.
    #[serde(default)]
    #[schema(max_items = 1000)]
    disks: Vec<u32>,
    /// All disks of these nodes. Neither disks nor nodes: all that answer and take part.
    #[serde(default)]
    #[schema(max_items = 1000)]
    nodes: Vec<u64>,
}

/// Begin a round of scrub now.
#[utoipa::path(post, path = "/scrub", tag = "scrub", request_body = Which,
    responses((status = 200, body = Started), Failures))]
async fn start_scrub(operator: Operator, Body(which): Body<Which>) -> Result<Json<Started>, Problem> {
    if which.disks.len() > AT_ONCE || which.nodes.len() > AT_ONCE {
        return Err(Problem::invalid("at most 1000 disks or nodes are named at once; name none for all"));
    }
    start(&operator.cluster, &which.disks, &which.nodes).await.map(Json)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn disk(state: ScrubState) -> ScrubDisk {
        let round =
            ScrubRound { number: 3, order: 9, began: 100, to_do: 4000, bytes: 1000, ..ScrubRound::default() };
        let report = ScrubReport {
            state: state as i32,
            round: Some(round),
            cap: 500,
            order: 9,
            due: 5000,
            open: 2,
            history: vec![ScrubRound { number: 2, ended: 90, damaged: 2, ..ScrubRound::default() }],
            ..ScrubReport::default()
        };
        ScrubDisk { disk: 4, node: 2, ordered: 9, report: Some(report), ..ScrubDisk::default() }
    }

    #[test]
    fn a_round_under_way_shows_how_far_it_is() {
        let seen = view(&disk(ScrubState::Running), 160);
        assert_eq!((seen.done_percent, seen.eta_seconds), (Some(25.0), Some(6)), "by the cap at first");
        assert_eq!(seen.round.as_ref().map(|round| round.took_seconds), Some(60));
        assert!(!seen.order_waits);
        assert!(view(&ScrubDisk { ordered: 12, ..disk(ScrubState::Running) }, 160).order_waits);
        assert_eq!(eta(&disk(ScrubState::Off).report.unwrap()), None, "it rests");
    }

    #[test]
    fn disks_that_cannot_be_scrubbed_are_named_with_the_reason() {
        assert_eq!(hindrance(&disk(ScrubState::Waiting)), None);
        assert!(hindrance(&disk(ScrubState::Off)).unwrap().contains("scrub_bytes_per_second"));
        let seen = |liveness: Liveness| {
            hindrance(&ScrubDisk { liveness: liveness as i32, ..disk(ScrubState::Waiting) })
        };
        assert!(seen(Liveness::Failed).unwrap().contains("failed"));
        assert!(seen(Liveness::Down).unwrap().contains("lost"));
        assert_eq!(seen(Liveness::Full), None);
        let out = ScrubDisk { standing: Standing::Out as i32, ..disk(ScrubState::Waiting) };
        assert!(hindrance(&out).unwrap().contains("given up"));
        let silent = ScrubDisk { report: None, ..disk(ScrubState::Waiting) };
        assert_eq!(view(&silent, 1).state, "unknown", "what it has taken up is not known");
    }

    #[test]
    fn disks_are_named_by_themselves_or_with_their_node() {
        let reply = ScrubReply { disks: vec![disk(ScrubState::Waiting)] };
        assert_eq!(named(&reply, &[], &[]).unwrap(), None);
        assert_eq!(named(&reply, &[4], &[2]).unwrap(), Some(BTreeSet::from([4])));
        assert_eq!(named(&reply, &[5], &[]).unwrap_err().status(), StatusCode::NOT_FOUND);
        assert_eq!(named(&reply, &[], &[7]).unwrap_err().status(), StatusCode::NOT_FOUND);
    }
}
