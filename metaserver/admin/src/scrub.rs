//! Scrub: reading back and checking what lies on disks; where it stands, what it found, a round now.

use axum::Json;
use holdfast_proto::admin::{ScrubDisk, ScrubRequest};
use holdfast_proto::cluster::ScrubRound;
use holdfast_proto::map::{Liveness, Standing};
use holdfast_proto::method::Scrubs;
use holdfast_proto::op::{DiskRef, Op, OrderScrub};
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
    /// `waiting`, `running`, `off`, or `unknown` when it was not heard of.
    pub state: String,
    /// When the next round is due.
    pub due: Option<String>,
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

fn round(round: &ScrubRound) -> Round {
    Round {
        number: round.number,
        ordered: round.order != 0,
        began: moment::known_s(round.began).unwrap_or_default(),
        ended: moment::known_s(round.ended),
        to_do_bytes: round.to_do,
        bytes: round.bytes,
        chunks: round.chunks,
        damaged: round.damaged,
        mended: round.mended,
        gone: round.gone,
        cut_short: round.cut_short,
    }
}

fn view(disk: &ScrubDisk) -> ScrubView {
    let report = disk.report.clone().unwrap_or_default();
    let said = disk.report.is_some();
    let state = if said { names::scrub(report.state()) } else { "unknown" };
    ScrubView {
        disk: disk.disk,
        node: disk.node,
        state: state.to_owned(),
        due: moment::known_s(report.due).filter(|_| report.cap > 0),
        rate: report.rate,
        cap: report.cap,
        open: report.open,
        round: report.round.as_ref().map(round),
        last: report.history.last().map(round),
        history: report.history.iter().rev().map(round).collect(),
    }
}

/// Where it stands.
pub async fn status(cluster: &Cluster) -> Result<Scrub, Problem> {
    let request = ScrubRequest { history: true };
    let (reply, settings) = tokio::try_join!(cluster.leader::<Scrubs>(&request), settings::values(cluster))?;
    let value = |name: &str| settings.get(name).cloned().unwrap_or_default();
    Ok(Scrub {
        disks: reply.disks.iter().map(view).collect(),
        bytes_per_second: value("scrub_bytes_per_second"),
        period_seconds: value("scrub_period_seconds"),
    })
}

/// Begins a round on some disks, or on all that answer and take part. How many.
pub async fn start(cluster: &Cluster, disks: &[u32]) -> Result<u64, Problem> {
    let reply = cluster.leader::<Scrubs>(&ScrubRequest { history: false }).await?;
    let takes_part = |disk: &&ScrubDisk| {
        !matches!(disk.standing(), Standing::Out | Standing::Removed)
            && !matches!(disk.liveness(), Liveness::Down | Liveness::Failed)
    };
    let chosen: Vec<DiskRef> = match disks {
        [] => (reply.disks.iter().filter(takes_part))
            .map(|disk| DiskRef { disk: disk.disk, incarnation: disk.incarnation })
            .collect(),
        named => named.iter().map(|disk| DiskRef { disk: *disk, incarnation: 0 }).collect(),
    };
    if chosen.is_empty() {
        return Err(Problem::not_found("there is no disk that could be scrubbed now"));
    }
    for disks in chosen.chunks(AT_ONCE) {
        cluster.change(Op::OrderScrub(OrderScrub { disks: disks.to_vec() })).await?;
    }
    Ok(chosen.len() as u64)
}

/// Where the scrub of every disk stands.
#[utoipa::path(get, path = "/scrub", tag = "scrub", responses((status = 200, body = Scrub), Failures))]
async fn get_scrub(viewer: Viewer) -> Result<Json<Scrub>, Problem> {
    status(&viewer.cluster).await.map(Json)
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Which {
    /// Empty: all that answer and take part.
    #[serde(default)]
    #[schema(max_items = 1000)]
    disks: Vec<u32>,
}

#[derive(Serialize, ToSchema)]
struct Started {
    /// Disks on which a round begins.
    disks: u64,
}

/// Begin a round of scrub now.
#[utoipa::path(post, path = "/scrub", tag = "scrub", request_body = Which,
    responses((status = 200, body = Started), Failures))]
async fn start_scrub(operator: Operator, Body(which): Body<Which>) -> Result<Json<Started>, Problem> {
    if which.disks.len() > AT_ONCE {
        return Err(Problem::invalid("at most 1000 disks are named at once; name none for all"));
    }
    start(&operator.cluster, &which.disks).await.map(|disks| Json(Started { disks }))
}
