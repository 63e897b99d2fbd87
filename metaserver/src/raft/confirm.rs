//! A short proof that this node still leads: enough voters say that the vote they stand by is still for it.
//!
//! It is the round of the voters of a linearizable read (Raft §6.4, ReadIndex), asked past Raft's core, whose thread
//! has better things to do. Why it proves as much:
//!
//! - A voter makes its vote durable before it gives it, and answers with the vote it stands by. A leader of a later
//!   term needs the votes of a majority; one of them is of a voter that answered here. It gave that vote after its
//!   answer, so the later leader was elected, and acknowledged its first command, after this round began.
//! - What was acknowledged before the round is in this node's table: by this node after it was applied here; by
//!   earlier leaders in front of this term's first entry, which must have been applied; and it leads in this life, so
//!   nothing of its own term was forgotten in a crash.
//!
//! What always holds: `false` says nothing; only `true` does. Whenever the case is not plain (a membership change under
//! way, nothing of this term applied yet, silence), `read.rs` asks openraft instead, which says why.
//!
//! As few voters as make a majority are asked, first the one that answered last; the others when it is late.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures::stream::{FuturesUnordered, StreamExt as _};
use holdfast_proto::cluster::RaftEnvelope;
use holdfast_proto::ids::NodeId;
use holdfast_rpc::Endpoint;
use openraft::ServerState;
use openraft::async_runtime::watch::WatchReceiver;
use tokio::time::Instant;

use super::apply::Applier;
use super::codec;
use super::log::LogStore;
use super::types::{Raft, Vote};
use super::wire::{Kind, Wire};

/// A voter that takes longer is late: the others are asked, too.
const LATE: Duration = Duration::from_millis(2);

/// Longest round; afterwards openraft has to find out.
const LONGEST: Duration = Duration::from_millis(20);

/// Asks voters whether this node leads.
pub(crate) struct Confirmer {
    pub(crate) me: NodeId,
    pub(crate) raft: Raft,
    pub(crate) log: LogStore,
    pub(crate) applier: Applier,
    pub(crate) wire: Arc<dyn Wire>,
    /// The voter that answered last.
    pub(crate) ready: AtomicU64,
}

impl Confirmer {
    /// Whether this node was the leader at some moment after the call began.
    pub(crate) async fn leads(&self) -> bool {
        let Some(vote) = self.log.vote().filter(|vote| self.leads_by(vote)) else { return false };
        let applied = self.applier.published.marker.borrow().applied;
        if applied.is_none_or(|id| id.committed_leader_id().term != vote.leader_id().term) {
            return false;
        }
        let Some(mut others) = self.other_voters() else { return false };
        // With this node, a majority of `others` and this node.
        let needed = others.len().div_ceil(2);
        let ready = self.ready.load(Ordering::Relaxed);
        others.sort_by_key(|voter| voter.node.0 != ready);
        let round = self.gather(vote, &others, needed);
        let agreed = tokio::time::timeout(LONGEST, round).await.unwrap_or(false);
        // A change that began meanwhile may have asked for other voters than these.
        let ids = |voters: &[Endpoint]| voters.iter().map(|voter| voter.node).collect::<BTreeSet<_>>();
        let same = |now: Vec<Endpoint>| ids(&now) == ids(&others);
        agreed && self.leads_by(&vote) && self.other_voters().is_some_and(same)
    }

    /// Whether this vote made this node the leader in this life of its process. The vote of an earlier life proves
    /// nothing: what that leader acknowledged may still have to be replayed here.
    fn leads_by(&self, vote: &Vote) -> bool {
        let metrics = self.raft.metrics();
        let metrics = metrics.borrow_watched();
        vote.leader_id().voted_for == self.me.0
            && metrics.state == ServerState::Leader
            && metrics.vote.leader_id() == vote.leader_id()
    }

    /// The voters without this node, if it is one of them and the membership is not just changing.
    fn other_voters(&self) -> Option<Vec<Endpoint>> {
        let metrics = self.raft.metrics();
        let metrics = metrics.borrow_watched();
        let membership = metrics.membership_config.membership();
        let [voters]: &[BTreeSet<u64>] = membership.get_joint_config().as_slice() else { return None };
        if !voters.contains(&self.me.0) {
            return None;
        }
        let address = |node: &u64| membership.get_node(node).map(|known| known.addr.clone());
        let endpoint = |node: &u64| Some(Endpoint { node: NodeId(*node), address: address(node)? });
        voters.iter().filter(|node| **node != self.me.0).map(endpoint).collect()
    }

    /// Asks as many as are needed, and the rest when one of them refuses, fails or is late.
    async fn gather(&self, vote: Vote, voters: &[Endpoint], needed: usize) -> bool {
        let mut waiting = voters.iter();
        let mut asked: FuturesUnordered<_> =
            waiting.by_ref().take(needed).map(|voter| self.ask(voter, vote)).collect();
        let late = Instant::now() + LATE;
        let mut agreed = 0;
        while agreed < needed {
            let answer = match waiting.len() {
                0 => asked.next().await,
                _ => tokio::select! {
                    answer = asked.next() => answer,
                    () = tokio::time::sleep_until(late) => Some(None),
                },
            };
            match answer {
                Some(Some(voter)) => {
                    agreed += 1;
                    self.ready.store(voter.0, Ordering::Relaxed);
                }
                Some(None) => asked.extend(waiting.by_ref().map(|voter| self.ask(voter, vote))),
                None => return false,
            }
        }
        true
    }

    /// The voter, if it stands by this vote.
    async fn ask(&self, voter: &Endpoint, vote: Vote) -> Option<NodeId> {
        let body = codec::encode_one_vote(&vote);
        let question = RaftEnvelope { from: self.me.0, to: voter.node.0, version: codec::VERSION, body };
        let answer = self.wire.send(Kind::Confirm, voter, question, LONGEST).await.ok()?;
        if answer.from != voter.node.0 || answer.version != codec::VERSION {
            return None;
        }
        let theirs = codec::decode_one_vote(answer.body).ok()?;
        (theirs.leader_id() == vote.leader_id()).then_some(voter.node)
    }
}
