//! Drain, maintenance, replacement and removal of disks and nodes: what is under way, what would come of one, beginning
//! and ending them.

use axum::Json;
use holdfast_proto::admin::{
    HealthRequest, ProcedureAction, ProcedureReply, ProcedureRequest, ProcedureStatus,
};
use holdfast_proto::map::ProcedureKind;
use holdfast_proto::method::{Health, Procedures};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::cluster::Cluster;
use crate::error::{Failures, Problem};
use crate::http::{App, Body, Path, Query};
use crate::page::Page;
use crate::reason::Reason;
use crate::who::{Operator, Viewer};
use crate::{moment, names};

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(get_procedures))
        .routes(routes!(act_on_node))
        .routes(routes!(act_on_disk))
        .routes(routes!(remove_node))
        .routes(routes!(remove_disk))
}

/// A procedure under way.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Procedure {
    /// `drain`, `maintenance` or `replacement`.
    pub kind: String,
    /// The disk; `null`: the whole node.
    pub disk: Option<u32>,
    /// The node.
    pub node: u64,
    /// When it began.
    pub began: String,
    /// Groups that counted on it then.
    pub groups_begun: u64,
    /// Their bytes on it then.
    pub bytes_begun: u64,
    /// Groups that count on it still.
    pub groups_left: u64,
    /// Their bytes that are not yet elsewhere.
    pub bytes_left: u64,
    /// Bytes per second.
    pub rate: u64,
    /// Seconds until it is done.
    pub eta_seconds: Option<u64>,
    /// Of maintenance: seconds until it ends by itself.
    pub ends_in_seconds: Option<u64>,
    /// Groups that it has left and still has to let go of.
    pub leaves: u64,
    /// What it waits for.
    pub blocked: Vec<Reason>,
    /// How far it is.
    pub detail: Reason,
    /// Nothing is left to do.
    pub done: bool,
}

impl Procedure {
    pub(crate) fn of(status: &ProcedureStatus) -> Self {
        Self {
            kind: names::procedure(status.kind).to_owned(),
            disk: (status.disk != 0).then_some(status.disk),
            node: status.node,
            began: moment::of_ns(status.began_ns),
            groups_begun: status.groups_begun,
            bytes_begun: status.bytes_begun,
            groups_left: status.groups_left,
            bytes_left: status.bytes_left,
            rate: status.rate,
            eta_seconds: status.eta_s,
            ends_in_seconds: status.left_s,
            leaves: status.leaves,
            blocked: Reason::all(&status.blocked_reasons, &status.blocked),
            detail: status
                .detail_reason
                .as_ref()
                .map_or_else(|| Reason { message: status.detail.clone(), ..Reason::default() }, Reason::of),
            done: status.done,
        }
    }
}

/// What came, or would come, of a procedure.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct ProcedureResult {
    /// Groups that count on the disk or node.
    pub groups: u64,
    /// Their bytes on it.
    pub bytes: u64,
    /// What speaks against it; begun all the same only if forced.
    pub against: Vec<Reason>,
    /// It was so already.
    pub already: bool,
    /// Nothing was done: it was only judged.
    pub preview: bool,
    /// Nothing speaks against it.
    pub allowed: bool,
    /// Of a removal: that nothing is left, disk by disk.
    pub proofs: Vec<Proof>,
    /// Seconds that it takes at the rate of the last repairs, if that is known.
    pub eta_seconds: Option<u64>,
}

/// That nothing is left on a disk.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Proof {
    /// The disk.
    pub disk: u32,
    /// The life of it that was looked at.
    pub incarnation: u64,
    /// Log index of the state that was looked at.
    pub index: u64,
    /// Groups that count on it: 0.
    pub groups: u64,
    /// Groups that it still has to let go of.
    pub leaves: u64,
    /// It answered, and its records were looked at one by one.
    pub answered: bool,
    /// Records that it has.
    pub records: u64,
    /// Of these, those whole on enough other disks.
    pub elsewhere: u64,
    /// Of these, what metadata does not know any more.
    pub unknown: u64,
}

/// How a procedure is to be begun.
#[derive(Clone, Copy, Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Terms {
    /// Although something speaks against it.
    pub force: bool,
    /// Only say what would come of it.
    pub preview: bool,
    /// Of maintenance: for how long, 10 seconds to 30 days.
    #[schema(maximum = 2_592_000)]
    pub window_seconds: u64,
    /// Of `resume`: end only a drain or replacement (`drain`), or only a maintenance (`maintenance`); whatever it is if this
    /// is left out.
    #[schema(value_type = Option<String>, pattern = "^(drain|maintenance)$")]
    pub ends: Option<Ends>,
}

/// What is to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Ends {
    /// A drain or replacement.
    Drain,
    /// A maintenance.
    Maintenance,
}

/// Does it, or says what would come of it.
pub async fn act(cluster: &Cluster, request: ProcedureRequest) -> Result<ProcedureResult, Problem> {
    let preview = request.only_judge;
    let request = ProcedureRequest { actor: cluster.actor(), ..request };
    let reply: ProcedureReply = cluster.leader::<Procedures>(&request).await?;
    Ok(ProcedureResult {
        groups: reply.groups,
        bytes: reply.bytes,
        allowed: reply.against.is_empty(),
        against: Reason::all(&reply.against_reasons, &reply.against),
        already: reply.already,
        preview,
        proofs: reply
            .proofs
            .iter()
            .map(|proof| Proof {
                disk: proof.disk,
                incarnation: proof.incarnation,
                index: proof.index,
                groups: proof.groups,
                leaves: proof.leaves,
                answered: proof.answered,
                records: proof.records,
                elsewhere: proof.elsewhere,
                unknown: proof.unknown,
            })
            .collect(),
        eta_seconds: None,
    })
}

/// What is under way.
pub async fn list(cluster: &Cluster) -> Result<Vec<Procedure>, Problem> {
    let health = cluster.leader::<Health>(&HealthRequest::default()).await?;
    Ok(health.procedures.iter().map(Procedure::of).collect())
}

/// The order for an action on these terms; whose disk or node it is about is added.
pub fn request(action: ProcedureAction, terms: Terms) -> ProcedureRequest {
    let ends = terms.ends.map(|ends| match ends {
        Ends::Drain => ProcedureKind::Drain,
        Ends::Maintenance => ProcedureKind::Maintenance,
    });
    ProcedureRequest {
        action: action as i32,
        ends: ends.map(|kind| kind as i32),
        force: terms.force,
        window_s: terms.window_seconds,
        only_judge: terms.preview,
        ..ProcedureRequest::default()
    }
}

/// Procedures under way.
#[utoipa::path(get, path = "/procedures", tag = "topology", responses((status = 200, body = Page<Procedure>), Failures))]
async fn get_procedures(viewer: Viewer) -> Result<Json<Page<Procedure>>, Problem> {
    list(&viewer.cluster).await.map(|items| Json(Page::whole(items)))
}

/// Drain a node (`drain`), begin its maintenance (`maintenance`), or end either (`resume`).
#[utoipa::path(post, path = "/nodes/{node}/{action}", tag = "topology", request_body = Terms,
    params(("node" = u64, Path), ("action" = String, Path, pattern = "^(drain|maintenance|resume)$")),
    responses((status = 200, body = ProcedureResult), Failures))]
async fn act_on_node(
    operator: Operator,
    Path((node, action)): Path<(u64, String)>,
    Body(terms): Body<Terms>,
) -> Result<Json<ProcedureResult>, Problem> {
    let action = match action.as_str() {
        "drain" => ProcedureAction::Drain,
        "maintenance" => ProcedureAction::Maintain,
        "resume" => ProcedureAction::Resume,
        _ => return Err(Problem::not_found("a node is drained, maintained or resumed")),
    };
    act(&operator.cluster, ProcedureRequest { node: named(node)?, ..request(action, terms) }).await.map(Json)
}

/// Drain a disk (`drain`), declare it lost so that an empty one takes its place (`replace`), or end either (`resume`).
#[utoipa::path(post, path = "/disks/{disk}/{action}", tag = "topology", request_body = Terms,
    params(("disk" = u32, Path), ("action" = String, Path, pattern = "^(drain|replace|resume)$")),
    responses((status = 200, body = ProcedureResult), Failures))]
async fn act_on_disk(
    operator: Operator,
    Path((disk, action)): Path<(u32, String)>,
    Body(terms): Body<Terms>,
) -> Result<Json<ProcedureResult>, Problem> {
    let action = match action.as_str() {
        "drain" => ProcedureAction::Drain,
        "replace" => ProcedureAction::Replace,
        "resume" => ProcedureAction::Resume,
        _ => return Err(Problem::not_found("a disk is drained, replaced or resumed")),
    };
    act(&operator.cluster, ProcedureRequest { disk: named(disk)?, ..request(action, terms) }).await.map(Json)
}

/// 0 would mean "the other kind of thing".
fn named<T: Default + PartialEq>(id: T) -> Result<T, Problem> {
    if id == T::default() { Err(Problem::not_found("there is none with the number 0")) } else { Ok(id) }
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct Removal {
    /// Only look whether it could be removed.
    #[serde(default)]
    preview: bool,
}

/// Forget a node and its disks for good, after a proof that nothing is left on them.
#[utoipa::path(delete, path = "/nodes/{node}", tag = "topology", params(("node" = u64, Path), Removal),
    responses((status = 200, body = ProcedureResult), Failures))]
async fn remove_node(
    operator: Operator,
    Path(node): Path<u64>,
    Query(ask): Query<Removal>,
) -> Result<Json<ProcedureResult>, Problem> {
    let terms = Terms { preview: ask.preview, ..Terms::default() };
    let request = ProcedureRequest { node: named(node)?, ..request(ProcedureAction::Remove, terms) };
    act(&operator.cluster, request).await.map(Json)
}

/// Forget a disk for good, after a proof that nothing is left on it.
#[utoipa::path(delete, path = "/disks/{disk}", tag = "topology", params(("disk" = u32, Path), Removal),
    responses((status = 200, body = ProcedureResult), Failures))]
async fn remove_disk(
    operator: Operator,
    Path(disk): Path<u32>,
    Query(ask): Query<Removal>,
) -> Result<Json<ProcedureResult>, Problem> {
    let terms = Terms { preview: ask.preview, ..Terms::default() };
    let request = ProcedureRequest { disk: named(disk)?, ..request(ProcedureAction::Remove, terms) };
    act(&operator.cluster, request).await.map(Json)
}
