//! `GetMap`: the cluster map or what changed of it, with loads and who is silent beside it.

use holdfast_proto::map::{DiskLoad, Liveness, MapReply, MapRequest};
use holdfast_proto::status::{Code, Status};
use holdfast_rpc::Context;
use holdfast_state::map_view;
use tokio::time::Instant;

use super::Services;

/// Groups that one request may name.
const MOST_GROUPS: usize = 10_000;

pub(super) async fn answer(
    services: &Services,
    context: Context,
    request: MapRequest,
) -> Result<MapReply, Status> {
    let leader = services.leader()?;
    if request.pgs.len() > MOST_GROUPS {
        return Err(Status::new(Code::TooLarge, format!("a request names at most {MOST_GROUPS} groups")));
    }
    let _place = services.admission.enter(request.pgs.len() * 4)?;
    let view = services.group.read_index_by(context.deadline).await?;
    let load = move || map_view::load_map(&view, request.have, &request.pgs, request.all_pgs);
    let mut map = tokio::task::spawn_blocking(load)
        .await
        .map_err(|_| Status::internal("the map was not read"))?
        .map_err(|broken| Status::internal(broken.to_string()))?;
    map.leader = leader.node.0;
    map.term = leader.term;
    let now = Instant::now();
    let hearing = leader.hearing.lock();
    let cluster = leader.cluster.lock();
    map.loads = cluster
        .disks
        .values()
        .map(|disk| DiskLoad {
            disk: disk.id,
            used: disk.used,
            free: disk.free,
            liveness: disk.liveness as i32,
        })
        .collect();
    map.silent = cluster
        .nodes
        .keys()
        .map(|node| hearing.node(now, *node))
        .filter(|seen| seen.liveness() != Liveness::Alive && holds_disks(&cluster, seen.node))
        .collect();
    Ok(map)
}

/// Only chunkservers send heartbeats; silence of others means nothing.
fn holds_disks(cluster: &holdfast_state::plan::cluster::Cluster, node: u64) -> bool {
    cluster.disks.values().any(|disk| disk.node == node)
}
