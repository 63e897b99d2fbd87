//! The loop that keeps the leader's picture of the cluster current: map deltas, liveness, fill, settings.
//!
//! What always holds: a change of a disk's liveness or of a group marks exactly the groups that it concerns.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use holdfast_proto::map::Liveness;
use holdfast_proto::status::Status;
use holdfast_state::map_view;
use holdfast_support::clock::StallWatch;
use tokio::time::Instant;

use super::board::Doing;
use super::context::Leader;
use super::facts;
use super::knobs::Knobs;
use super::ports::{Chunkservers, Metadata};

const NAME: &str = "watch";

/// How often liveness is looked at.
const ROUND: Duration = Duration::from_millis(500);

/// Rounds further apart than this mean that this process stood still.
const STALL: Duration = Duration::from_secs(2);

/// Runs until leadership ends.
pub(crate) async fn run<M: Metadata, C: Chunkservers>(leader: Arc<Leader<M, C>>) {
    let mut stall = StallWatch::new(STALL);
    loop {
        if let Some(gap) = stall.stalled() {
            tracing::warn!(?gap, "this node stood still; silence of others counts anew");
            let now = Instant::now();
            leader.hearing.lock().forgive(now);
            leader.sessions.lock().forgive(now);
        }
        match refresh_map(&leader).await {
            Ok(epoch) => leader.board.set(NAME, Doing::Idle, format!("map epoch {epoch}")),
            Err(status) => leader.board.set(NAME, Doing::Waiting, format!("cannot read the map: {status}")),
        }
        refresh_loads(&leader, Instant::now());
        if !leader.pause(ROUND).await {
            return;
        }
    }
}

/// Brings the map up to date; costs what changed.
pub async fn refresh_map<M: Metadata, C: Chunkservers>(leader: &Leader<M, C>) -> Result<u64, Status> {
    let have = leader.cluster.lock().epoch;
    let (delta, identity, knobs, state) = leader
        .look(move |_, view| {
            let now = map_view::current_epoch(view)?;
            let identity = facts::cluster(view)?;
            let knobs = Knobs::load(view)?;
            let state = facts::state(view)?;
            if now == have && have != 0 {
                return Ok((None, identity, knobs, state));
            }
            Ok((Some(map_view::load_map(view, have, &[], true)?), identity, knobs, state))
        })
        .await?;
    leader.meta_incarnation.store(identity.meta_incarnation, Ordering::Release);
    if **leader.knobs.load() != knobs {
        leader.hearing.lock().set_patience(knobs.patience);
        leader.knobs.store(Arc::new(knobs));
    }
    leader.meta.set_lease_reads(leader.knobs.load().lease_reads);
    leader.uptime_s.store(state.uptime_s, Ordering::Release);
    leader.count_state(&state);
    leader.opens.counted(state.nameless);
    let Some(delta) = delta else { return Ok(have) };
    let (touched, known): (_, BTreeSet<u64>) = {
        let mut cluster = leader.cluster.lock();
        // Somebody else has brought it further meanwhile.
        if !delta.full && delta.epoch < cluster.epoch {
            return Ok(cluster.epoch);
        }
        let touched = cluster.absorb(&delta);
        (touched, cluster.nodes.keys().copied().collect())
    };
    leader.hearing.lock().keep_only(|node| known.contains(&node));
    leader.touch(touched.pgs);
    Ok(delta.epoch)
}

/// Joins what was heard into the cluster, and marks the groups of disks that changed.
pub(crate) fn refresh_loads<M: Metadata, C: Chunkservers>(leader: &Leader<M, C>, now: Instant) {
    let temporary_after = leader.knobs.load().temporary_after.as_millis() as u64;
    let mut touched = Vec::new();
    {
        let hearing = leader.hearing.lock();
        let mut cluster = leader.cluster.lock();
        let mut changed = Vec::new();
        for disk in cluster.disks.values_mut() {
            let seen = hearing.disk(now, disk.node, disk.id, disk.incarnation);
            let was_long = disk.silent_ms >= temporary_after;
            let is_long = seen.silent_ms >= temporary_after;
            if disk.liveness != seen.liveness || was_long != is_long {
                changed.push(disk.id);
                log_change(disk.id, disk.node, disk.liveness, seen.liveness);
            }
            disk.liveness = seen.liveness;
            disk.silent_ms = seen.silent_ms;
            // A disk that just fell silent keeps its last known fill.
            if seen.used + seen.free > 0 {
                disk.used = seen.used;
                disk.free = seen.free;
            }
        }
        for disk in changed {
            touched.extend(cluster.groups_of(disk));
        }
    }
    if !touched.is_empty() {
        leader.touch(touched);
    }
}

fn log_change(disk: u32, node: u64, was: Liveness, is: Liveness) {
    match is {
        _ if was == is => {}
        Liveness::Down | Liveness::Failed => tracing::warn!(disk, node, ?was, ?is, "a disk is gone"),
        Liveness::Alive | Liveness::Suspect | Liveness::Full => {
            tracing::info!(disk, node, ?was, ?is, "a disk changed");
        }
    }
}
