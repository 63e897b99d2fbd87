//! The loop that lets the metadata group grow with the cluster: nodes with the meta role become learners, and voters
//! when that makes their number odd. A member that registered under another address is looked for there. A leader whose
//! node is on its way out, or is about to be away, or has no room for metadata, lets another one lead.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use holdfast_proto::admin::MetaStatus;
use holdfast_proto::ids::NodeId;
use holdfast_proto::map::{Node, Standing, roles};
use holdfast_proto::reason::Reason;
use holdfast_proto::status::Status;
use holdfast_state::plan::cluster::Cluster;
use tokio::time::Instant;

use super::board::Doing;
use super::context::Leader;
use super::ports::{Chunkservers, Metadata};

const NAME: &str = "voters";
const ROUND: Duration = Duration::from_secs(1);

/// Wait after a change that failed.
const AFTER_FAILURE: Duration = Duration::from_secs(5);

/// Most members: five voters survive two failures; more only make every commit slower.
const MOST_MEMBERS: usize = 5;

/// A member that has not answered for so long is taken for away. Members answer many times per second.
const SILENT_MS: u64 = 3000;

/// Members without room say so every two seconds: after so long a new leader knows which they are.
const TOLD: Duration = Duration::from_secs(5);

/// The metadata group's own membership.
pub trait Council: Send + Sync + 'static {
    /// Voters, learners and progress.
    fn status(&self) -> MetaStatus;
    /// Makes a node a learner, which becomes a voter by itself when that is possible.
    fn invite(&self, node: NodeId, address: &str) -> impl Future<Output = Result<(), Status>> + Send;
    /// Tells the group that a member is reached elsewhere now.
    fn move_to(&self, node: NodeId, address: &str) -> impl Future<Output = Result<(), Status>> + Send;
    /// Takes a node out.
    fn remove(&self, node: NodeId) -> impl Future<Output = Result<(), Status>> + Send;
    /// Lets this voter lead.
    fn hand_over(&self, node: NodeId) -> impl Future<Output = Result<(), Status>> + Send;
}

/// A change to make.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// This node joins.
    Add(NodeId, String),
    /// This member has another address.
    Move(NodeId, String),
    /// This node leaves.
    Remove(NodeId),
    /// This voter leads from now on.
    HandOver(NodeId),
}

impl std::fmt::Display for Change {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Add(node, address) => write!(f, "{node} at {address} joins the metadata group"),
            Self::Move(node, address) => write!(f, "{node} is looked for at {address}"),
            Self::Remove(node) => write!(f, "{node} leaves the metadata group"),
            Self::HandOver(node) => {
                write!(f, "{node} leads, for this node is about to go, or has no room for metadata")
            }
        }
    }
}

/// The next change, if any: a leader that is to go hands over, removed nodes leave, then the longest-standing node joins.
/// `without_room`: nodes whose metadata has no room.
pub(crate) fn plan(
    me: NodeId,
    status: &MetaStatus,
    cluster: &Cluster,
    without_room: &BTreeSet<u64>,
) -> Option<Change> {
    if let Some(heir) = heir(me, status, cluster, without_room) {
        return Some(Change::HandOver(heir));
    }
    let members: Vec<u64> = status.voters.iter().chain(&status.learners).map(|peer| peer.node).collect();
    let removed = |id: &&u64| cluster.nodes.get(id).is_some_and(|n| n.standing() == Standing::Removed);
    // A silent one first: without it, the others have a majority to let go of one that answers.
    if let Some(gone) = members.iter().filter(removed).max_by_key(|id| !answers(status, **id))
        && members.len() > 1
    {
        return Some(Change::Remove(NodeId(*gone)));
    }
    // It registered itself there with its own identity, and connections check whom they reach.
    let moved = status.voters.iter().chain(&status.learners).find_map(|peer| {
        let node = cluster.nodes.get(&peer.node)?;
        let elsewhere = !node.address.is_empty() && node.address != peer.address;
        elsewhere.then(|| Change::Move(NodeId(node.id), node.address.clone()))
    });
    if moved.is_some() {
        return moved;
    }
    if members.len() >= MOST_MEMBERS {
        return None;
    }
    let fits = |node: &&Node| {
        node.roles & roles::META != 0 && node.standing() == Standing::In && !members.contains(&node.id)
    };
    cluster.nodes.values().find(fits).map(|node| Change::Add(NodeId(node.id), node.address.clone()))
}

/// Whether a member answered this leader lately.
pub(super) fn answers(status: &MetaStatus, node: u64) -> bool {
    let heard = status.progress.iter().find(|p| p.node == node).and_then(|p| p.silent_ms);
    node == status.node || heard.is_some_and(|ms| ms < SILENT_MS)
}

/// Why a member cannot be let go of: a change of members needs a majority of those before it and of those after it.
pub(super) fn holds_up_removal(status: &MetaStatus, node: u64) -> Option<Reason> {
    let voters: Vec<u64> = status.voters.iter().map(|peer| peer.node).collect();
    if !voters.contains(&node) {
        return None;
    }
    let there = |of: &[u64]| of.iter().filter(|id| answers(status, **id)).count();
    let rest: Vec<u64> = voters.iter().copied().filter(|id| *id != node).collect();
    let majority = |of: &[u64]| there(of) * 2 > of.len();
    if rest.is_empty() {
        let what = "it is the only metaserver: nothing could be changed without it";
        return Some(Reason::new("only_metaserver", what));
    }
    (!majority(&rest) || !majority(&voters)).then(|| {
        let (left, voters) = (there(&rest), rest.len());
        let what = format!(
            "only {left} of the {voters} metaservers that would be left answer, and without a majority nothing could be \
             changed any more: bring back those that are silent, or remove them first"
        );
        Reason::new("removal_majority", what).with("left", left).with("voters", voters)
    })
}

/// Who should lead instead: of the voters that stay and answer, one with room, and of those the one that is furthest.
fn heir(me: NodeId, status: &MetaStatus, cluster: &Cluster, without_room: &BTreeSet<u64>) -> Option<NodeId> {
    let standing = |id: u64| cluster.nodes.get(&id).map(Node::standing);
    let goes = matches!(standing(me.0)?, Standing::Draining | Standing::Maintenance);
    let full = without_room.contains(&me.0);
    if !goes && !full {
        return None;
    }
    let stays = |id: &u64| *id != me.0 && standing(*id) == Some(Standing::In) && answers(status, *id);
    let has_room = |id: &u64| !without_room.contains(id);
    let reached = |id: &u64| status.progress.iter().find(|p| p.node == *id).map(|p| p.matched);
    let others = || status.voters.iter().map(|peer| peer.node).filter(stays);
    let best = others().filter(has_room).max_by_key(reached);
    // One that has no room either is no worse.
    best.or_else(|| others().filter(|_| goes).max_by_key(reached)).map(NodeId)
}

/// Nodes whose metadata has no room; empty while a new leader has not been told by all of them.
fn without_room<M, C>(leader: &Leader<M, C>) -> BTreeSet<u64> {
    let now = Instant::now();
    let hearing = leader.hearing.lock();
    if now.duration_since(hearing.since()) < TOLD {
        return BTreeSet::new();
    }
    let itself = leader.short_of_room.load(Ordering::Relaxed).then_some(leader.node.0);
    hearing.without_room(now).chain(itself).collect()
}

/// Runs until leadership ends.
pub(crate) async fn run<M: Metadata + Council, C: Chunkservers>(leader: Arc<Leader<M, C>>) {
    while leader.pause(ROUND).await {
        let without_room = without_room(&leader);
        let status = leader.meta.status();
        let change = plan(leader.node, &status, &leader.cluster.lock(), &without_room);
        // Unless it is sure that nobody else could, clients of a leader that runs out of room wait for another one to lead.
        let sure = status.voters.len() < 2 || leader.hearing.lock().since().elapsed() >= TOLD;
        let without = without_room.into_iter().chain([leader.node.0]).collect();
        let other = heir(leader.node, &status, &leader.cluster.lock(), &without);
        leader.alone.store(sure && other.is_none(), Ordering::Relaxed);
        let Some(change) = change else {
            leader.board.set(NAME, Doing::Idle, "");
            continue;
        };
        leader.board.set(NAME, Doing::Busy, change.to_string());
        let making = async {
            match &change {
                Change::Add(node, address) => leader.meta.invite(*node, address).await,
                Change::Move(node, address) => leader.meta.move_to(*node, address).await,
                Change::Remove(node) => leader.meta.remove(*node).await,
                Change::HandOver(node) => leader.meta.hand_over(*node).await,
            }
        };
        let outcome = tokio::select! {
            biased;
            () = leader.stop.cancelled() => return,
            outcome = making => outcome,
        };
        match outcome {
            Ok(()) => tracing::info!(?change, "the metadata group changed"),
            Err(status) => {
                leader.board.set(NAME, Doing::Waiting, status.to_string());
                tracing::warn!(?change, %status, "the metadata group did not change");
                if !leader.pause(AFTER_FAILURE).await {
                    return;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use holdfast_proto::admin::MemberProgress;
    use holdfast_proto::cluster::Peer;

    use super::super::testing::cluster;
    use super::*;

    #[test]
    fn meta_nodes_join_up_to_five_and_removed_ones_leave() {
        let mut c = cluster(&[1; 7], 3);
        for (id, node) in &mut c.nodes {
            node.roles = if *id == 2 { roles::CHUNK } else { roles::META };
        }
        let peer = |node| Peer { node, address: String::new() };
        let status = |voters: &[u64], learners: &[u64]| MetaStatus {
            voters: voters.iter().map(|n| peer(*n)).collect(),
            learners: learners.iter().map(|n| peer(*n)).collect(),
            ..MetaStatus::default()
        };
        let plan = |status: &MetaStatus, c: &Cluster| plan(NodeId(1), status, c, &BTreeSet::new());
        assert!(
            matches!(plan(&status(&[1], &[]), &c), Some(Change::Add(NodeId(3), _))),
            "node 2 has no meta role"
        );
        assert!(matches!(plan(&status(&[1], &[3]), &c), Some(Change::Add(NodeId(4), _))));
        assert_eq!(plan(&status(&[1, 3, 4, 5, 6], &[]), &c), None);
        c.nodes.get_mut(&4).unwrap().standing = Standing::Removed as i32;
        assert_eq!(plan(&status(&[1, 3, 4, 5, 6], &[]), &c), Some(Change::Remove(NodeId(4))));
    }

    fn three(silent: &[u64]) -> MetaStatus {
        let peer = |node| Peer { node, address: String::new() };
        let progress = |node| MemberProgress {
            node,
            matched: 1,
            silent_ms: Some(if silent.contains(&node) { 60_000 } else { 10 }),
        };
        MetaStatus {
            node: 1,
            voters: [1, 2, 3].map(peer).to_vec(),
            progress: [1, 2, 3].map(progress).to_vec(),
            ..MetaStatus::default()
        }
    }

    #[test]
    fn nobody_goes_whom_the_others_need_for_a_majority() {
        assert_eq!(holds_up_removal(&three(&[]), 2), None);
        assert_eq!(holds_up_removal(&three(&[3]), 3), None, "the silent one may go");
        assert!(holds_up_removal(&three(&[3]), 2).is_some(), "one of 1 and 3 is no majority");
        assert_eq!(holds_up_removal(&three(&[3]), 4), None, "it does not vote");
        let alone = MetaStatus { voters: vec![Peer { node: 1, address: String::new() }], ..three(&[]) };
        assert!(holds_up_removal(&alone, 1).is_some());
    }

    #[test]
    fn of_two_that_were_removed_the_silent_one_leaves_first() {
        let mut c = cluster(&[1; 3], 3);
        for id in [2, 3] {
            c.nodes.get_mut(&id).unwrap().standing = Standing::Removed as i32;
        }
        assert_eq!(plan(NodeId(1), &three(&[3]), &c, &BTreeSet::new()), Some(Change::Remove(NodeId(3))));
        assert_eq!(plan(NodeId(1), &three(&[2]), &c, &BTreeSet::new()), Some(Change::Remove(NodeId(2))));
    }

    #[test]
    fn a_leader_that_is_to_go_hands_over_to_the_furthest_that_stays() {
        let mut c = cluster(&[1; 4], 3);
        let peer = |node| Peer { node, address: String::new() };
        let progress = [(1, 90), (2, 70), (3, 80), (4, 99)];
        let progress = progress.map(|(node, matched)| MemberProgress { node, matched, silent_ms: Some(0) });
        let status = MetaStatus {
            voters: [1, 2, 3].map(peer).to_vec(),
            progress: progress.to_vec(),
            ..MetaStatus::default()
        };
        for node in c.nodes.values_mut() {
            node.roles = roles::CHUNK;
        }
        let plan = |me, status: &MetaStatus, c: &Cluster| plan(NodeId(me), status, c, &BTreeSet::new());
        let with_full =
            |c: &Cluster, full: &[u64]| super::plan(NodeId(1), &status, c, &full.iter().copied().collect());
        assert_eq!(plan(1, &status, &c), None);
        assert_eq!(with_full(&c, &[1]), Some(Change::HandOver(NodeId(3))));
        assert_eq!(with_full(&c, &[1, 3]), Some(Change::HandOver(NodeId(2))), "2 has room");
        assert_eq!(with_full(&c, &[1, 2, 3]), None, "nobody has more room");
        assert_eq!(with_full(&c, &[3]), None, "3 does not lead");
        for standing in [Standing::Draining, Standing::Maintenance] {
            c.nodes.get_mut(&1).unwrap().standing = standing as i32;
            assert_eq!(plan(1, &status, &c), Some(Change::HandOver(NodeId(3))), "4 does not vote");
        }
        assert_eq!(with_full(&c, &[3]), Some(Change::HandOver(NodeId(2))));
        assert_eq!(with_full(&c, &[1, 2, 3]), Some(Change::HandOver(NodeId(3))), "it has to go all the same");
        assert_eq!(plan(2, &status, &c), None, "only the leader's own standing counts");
        let mut alone = status.clone();
        alone.progress[2].silent_ms = Some(60_000);
        assert_eq!(plan(1, &alone, &c), Some(Change::HandOver(NodeId(2))), "3 does not answer");
        c.nodes.get_mut(&3).unwrap().standing = Standing::Maintenance as i32;
        assert_eq!(plan(1, &status, &c), Some(Change::HandOver(NodeId(2))));
        c.nodes.get_mut(&2).unwrap().standing = Standing::Draining as i32;
        assert_eq!(plan(1, &status, &c), None, "nobody is better");
    }
}
