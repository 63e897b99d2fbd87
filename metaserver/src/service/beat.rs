//! `Beat`: a chunkserver's sign of life.

use holdfast_proto::cluster::{Heartbeat, HeartbeatReply};
use holdfast_proto::status::{Code, Status};
use holdfast_rpc::Context;
use tokio::time::Instant;

use std::sync::atomic::Ordering;

use super::Services;
use crate::leader::Leader;
use crate::raft::Group;

/// Disks that one node may report.
const MOST_DISKS: usize = 1024;

pub(super) async fn answer(
    services: &Services,
    context: Context,
    beat: Heartbeat,
) -> Result<HeartbeatReply, Status> {
    let leader = services.leader()?;
    if !context.local && context.peer.0 != beat.node {
        return Err(Status::new(
            Code::WrongNode,
            format!("node {} reports for node {}", context.peer, beat.node),
        ));
    }
    if beat.disks.len() > MOST_DISKS || beat.unreachable.len() > MOST_DISKS {
        return Err(Status::new(
            Code::TooLarge,
            "the heartbeat names more disks or nodes than a node can have",
        ));
    }
    if !is_known(&leader, beat.node) {
        // It may have joined a moment ago.
        crate::leader::refresh(&leader).await?;
        if !is_known(&leader, beat.node) {
            return Err(Status::new(
                Code::NotFound,
                format!("node {} is not known to this cluster", beat.node),
            ));
        }
    }
    leader.short_of_room.store(services.room.is_short(), Ordering::Relaxed);
    let now = Instant::now();
    {
        let mut hearing = leader.hearing.lock();
        hearing.beat(now, &beat);
        for node in &beat.unreachable {
            hearing.complain(now, beat.node, *node);
        }
    }
    leader.traffic.lock().node(now, &beat);
    let map_epoch = leader.cluster.lock().epoch;
    let meta_incarnation = leader.meta_incarnation.load(Ordering::Acquire);
    let knobs = leader.knobs.load();
    Ok(HeartbeatReply {
        term: leader.term,
        map_epoch,
        meta_incarnation,
        scrub_rate: knobs.scrub_rate,
        scrub_period_s: knobs.scrub_period.map(|period| period.as_secs()),
        compact_rate: knobs.compact_rate,
    })
}

fn is_known(leader: &Leader<Group, holdfast_rpc::Net>, node: u64) -> bool {
    leader.cluster.lock().nodes.contains_key(&node)
}
