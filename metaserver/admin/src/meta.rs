//! The metadata group: who votes, how far each is, adding, removing, replacing, handing over; the token with which nodes
//! join.

use axum::Json;
use holdfast_proto::admin::{ChangeMembership, MembershipChange, MetaStatus};
use holdfast_proto::cluster::Peer;
use holdfast_proto::method::Membership;
use holdfast_proto::op::{Op, PutJoinToken};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::cluster::Cluster;
use crate::error::{Failures, Problem};
use crate::http::{App, Body, Path};
use crate::overview::{self, Quorum};
use crate::password;
use crate::who::{Admin, Viewer};

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(get_meta))
        .routes(routes!(change_meta))
        .routes(routes!(new_join_token, delete_join_token))
}

/// The metadata group.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Meta {
    /// Who votes and leads.
    #[serde(flatten)]
    pub quorum: Quorum,
    /// Last entry of the leader's log.
    pub last_log: u64,
    /// Last entry that is applied there.
    pub applied: u64,
    /// Entry of the last snapshot.
    pub snapshot: u64,
    /// Entry up to which the log is purged.
    pub purged: u64,
    /// The node that answered.
    pub answered_by: u64,
    /// Everybody in it.
    pub members: Vec<MetaMember>,
}

/// A metaserver.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct MetaMember {
    /// The node.
    pub node: u64,
    /// Its address.
    pub address: String,
    /// It votes; otherwise it follows.
    pub voter: bool,
    /// It leads.
    pub leader: bool,
    /// Last log entry that it is known to have.
    pub matched: Option<u64>,
    /// Since it last answered the leader; known to that one only.
    pub silent_ms: Option<u64>,
}

fn view(status: &MetaStatus) -> Meta {
    let member = |peer: &Peer, voter| {
        let progress = status.progress.iter().find(|progress| progress.node == peer.node);
        MetaMember {
            node: peer.node,
            address: peer.address.clone(),
            voter,
            leader: peer.node == status.leader,
            matched: progress.map(|progress| progress.matched),
            silent_ms: progress.and_then(|progress| progress.silent_ms),
        }
    };
    let voters = status.voters.iter().map(|peer| member(peer, true));
    let learners = status.learners.iter().map(|peer| member(peer, false));
    Meta {
        answered_by: status.node,
        members: voters.chain(learners).collect(),
        quorum: overview::quorum(status),
        last_log: status.last_log,
        applied: status.applied,
        snapshot: status.snapshot,
        purged: status.purged,
    }
}

/// Who votes, and how far each is.
pub async fn status(cluster: &Cluster) -> Result<Meta, Problem> {
    Ok(view(&cluster.condition().await?.meta.unwrap_or_default()))
}

/// Changes the group, or hands leadership over (to node 0: to the best).
pub async fn change(
    cluster: &Cluster,
    change: MembershipChange,
    node: u64,
    replaces: u64,
) -> Result<Meta, Problem> {
    let request = ChangeMembership { change: change as i32, node, replaces, actor: cluster.actor() };
    Ok(view(&cluster.leader::<Membership>(&request).await?))
}

/// Makes a token with which nodes join; one that was there before ends.
pub async fn new_token(cluster: &Cluster) -> Result<String, Problem> {
    let token = draw_token();
    store_token(cluster, &token).await?;
    Ok(token)
}

/// Thinks a token up, for who has to keep it before it is valid.
pub fn draw_token() -> String {
    password::secret()
}

/// Makes a token that was thought up valid; one that was there before ends.
pub async fn store_token(cluster: &Cluster, token: &str) -> Result<(), Problem> {
    cluster.change(Op::PutJoinToken(PutJoinToken { digest: password::digest(token) })).await.map(drop)
}

/// Takes the token back: no node joins.
pub async fn delete_token(cluster: &Cluster) -> Result<(), Problem> {
    cluster.change(Op::PutJoinToken(PutJoinToken::default())).await.map(drop)
}

/// The metadata group.
#[utoipa::path(get, path = "/meta", tag = "meta", responses((status = 200, body = Meta), Failures))]
async fn get_meta(viewer: Viewer) -> Result<Json<Meta>, Problem> {
    status(&viewer.cluster).await.map(Json)
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Change {
    /// The node; of `transfer`, 0: the best.
    node: u64,
    /// Of `replace`: the node that leaves.
    #[serde(default)]
    replaces: u64,
}

/// Add a node to the metadata group (`add`), take one out (`remove`), put one in another's place (`replace`), hand
/// leadership over (`transfer`).
#[utoipa::path(post, path = "/meta/{action}", tag = "meta",
    params(("action" = String, Path, pattern = "^(add|remove|replace|transfer)$")), request_body = Change,
    responses((status = 200, body = Meta), Failures))]
async fn change_meta(
    admin: Admin,
    Path(action): Path<String>,
    Body(ask): Body<Change>,
) -> Result<Json<Meta>, Problem> {
    let what = match action.as_str() {
        "add" => MembershipChange::Add,
        "remove" => MembershipChange::Remove,
        "replace" => MembershipChange::Replace,
        "transfer" => MembershipChange::Transfer,
        _ => {
            return Err(Problem::not_found(
                "members are added, removed or replaced, leadership is transferred",
            ));
        }
    };
    if ask.node == 0 && what != MembershipChange::Transfer {
        return Err(Problem::unfit("name a node"));
    }
    change(&admin.cluster, what, ask.node, ask.replaces).await.map(Json)
}

#[derive(Serialize, ToSchema)]
struct JoinToken {
    /// Shown this once.
    token: String,
}

/// Make a token with which nodes join; the one before ends.
#[utoipa::path(post, path = "/join-token", tag = "meta", responses((status = 200, body = JoinToken), Failures))]
async fn new_join_token(admin: Admin) -> Result<Json<JoinToken>, Problem> {
    new_token(&admin.cluster).await.map(|token| Json(JoinToken { token }))
}

/// Take the token back: no node joins.
#[utoipa::path(delete, path = "/join-token", tag = "meta", responses((status = 204), Failures))]
async fn delete_join_token(admin: Admin) -> Result<StatusCode, Problem> {
    delete_token(&admin.cluster).await?;
    Ok(StatusCode::NO_CONTENT)
}
