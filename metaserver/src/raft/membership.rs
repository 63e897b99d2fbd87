//! Changing the group at run time: one change after another.
//!
//! What always holds:
//! - A node becomes a learner first and a voter when it has caught up.
//! - A learner is promoted when the number of voters becomes odd: a second voter would only add a second way to
//!   lose the quorum. So one voter stays one until two more are there, then both are promoted in one step.
//! - A change that a dead leader left half-way (a joint membership) is completed before the next begins.
//! - Node ids are never used again, also not by a node that lost its data: it joins under a new id.

use std::collections::BTreeSet;
use std::time::Duration;

use holdfast_proto::ids::NodeId;
use openraft::ChangeMembers;
use openraft::async_runtime::watch::WatchReceiver;
use openraft::impls::BasicNode;
use tokio::sync::Mutex;

use super::error::MetaError;
use super::propose::write_error;
use super::types::{Raft, TypeConfig};

/// Longest wait for a learner to catch up.
const CATCH_UP: Duration = Duration::from_secs(600);
/// Longest wait for a membership entry to commit.
const COMMIT: Duration = Duration::from_secs(30);
/// Longest wait for another node to take over.
pub(crate) const TRANSFER: Duration = Duration::from_secs(2);
/// A learner this close behind is caught up.
const NEAR: u64 = 4096;

/// Serialises changes.
pub(crate) struct Changes {
    raft: Raft,
    one_at_a_time: Mutex<()>,
}

/// What the group consists of.
struct Now {
    me: u64,
    voters: BTreeSet<u64>,
    learners: BTreeSet<u64>,
    /// Learners that are up to date, seen from the leader.
    ready: BTreeSet<u64>,
    joint: bool,
}

/// Whether the leader knows `node` to be close behind.
fn is_near(metrics: &openraft::RaftMetrics<TypeConfig>, node: u64) -> bool {
    let matched = metrics.replication.as_ref().and_then(|r| r.get(&node).copied().flatten());
    matched.is_some_and(|id| id.index() + NEAR >= metrics.last_log_index.unwrap_or(0))
}

impl Changes {
    pub(crate) fn new(raft: Raft) -> Self {
        Self { raft, one_at_a_time: Mutex::new(()) }
    }

    fn now(&self) -> Now {
        let metrics = self.raft.metrics();
        let metrics = metrics.borrow_watched();
        let membership = metrics.membership_config.membership();
        let near = |node: &u64| is_near(&metrics, *node);
        let learners: BTreeSet<u64> = membership.learner_ids().collect();
        Now {
            me: metrics.id,
            voters: membership.voter_ids().collect(),
            ready: learners.iter().copied().filter(near).collect(),
            learners,
            joint: membership.get_joint_config().len() > 1,
        }
    }

    async fn change(&self, changes: ChangeMembers<u64, BasicNode>) -> Result<(), MetaError> {
        let change = self.raft.change_membership(changes, false);
        match tokio::time::timeout(COMMIT, change).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(write_error(error)),
            Err(_) => Err(MetaError::NoQuorum { waited: COMMIT }),
        }
    }

    /// Completes what a dead leader left half-way.
    async fn settle_joint(&self) -> Result<(), MetaError> {
        if self.now().joint {
            tracing::warn!("completing a membership change that was left half-way");
            self.change(ChangeMembers::AddVoterIds(BTreeSet::new())).await?;
        }
        Ok(())
    }

    /// Promotes learners that have caught up, as long as the number of voters becomes odd.
    async fn promote(&self) -> Result<(), MetaError> {
        let now = self.now();
        let mut promoted: BTreeSet<u64> = now.ready.clone();
        if (now.voters.len() + promoted.len()).is_multiple_of(2) {
            promoted.pop_last();
        }
        if promoted.is_empty() || (now.voters.len() + promoted.len()).is_multiple_of(2) {
            return Ok(());
        }
        tracing::info!(?promoted, voters = ?now.voters, "learners become voters");
        self.change(ChangeMembers::AddVoterIds(promoted)).await
    }

    async fn learn(&self, node: NodeId, address: &str) -> Result<(), MetaError> {
        let node_info = BasicNode { addr: address.to_owned() };
        let adding = self.raft.add_learner(node.0, node_info, false);
        match tokio::time::timeout(COMMIT, adding).await {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => return Err(write_error(error)),
            Err(_) => return Err(MetaError::NoQuorum { waited: COMMIT }),
        }
        Ok(())
    }

    async fn caught_up(&self, node: NodeId) -> Result<(), MetaError> {
        let wait = self.raft.wait(Some(CATCH_UP));
        let caught_up = wait.metrics(|m| is_near(m, node.0), "the learner catches up").await;
        let late = |_| MetaError::Membership(format!("{node} has not caught up within {CATCH_UP:?}"));
        caught_up.map(|_| ()).map_err(late)
    }

    /// Completes what was left half-way and promotes learners that have caught up meanwhile. The leader does this
    /// from time to time; while a change is under way it is left alone.
    pub(crate) async fn tend(&self) -> Result<(), MetaError> {
        let Ok(_turn) = self.one_at_a_time.try_lock() else { return Ok(()) };
        self.settle_joint().await?;
        self.promote().await
    }

    /// Makes a node a learner; [`Self::tend`] makes it a voter when it has caught up and the count becomes odd.
    pub(crate) async fn invite(&self, node: NodeId, address: &str) -> Result<(), MetaError> {
        let _turn = self.one_at_a_time.lock().await;
        self.settle_joint().await?;
        if self.now().voters.contains(&node.0) {
            return Ok(());
        }
        self.learn(node, address).await
    }

    /// Adds a node: learner first, voter when it has caught up and the count becomes odd.
    pub(crate) async fn add(&self, node: NodeId, address: &str) -> Result<(), MetaError> {
        self.invite(node, address).await?;
        if self.now().voters.contains(&node.0) {
            return Ok(());
        }
        // Catching up takes long, or for ever: nobody waits for that.
        self.caught_up(node).await?;
        let _turn = self.one_at_a_time.lock().await;
        self.settle_joint().await?;
        self.promote().await
    }

    /// Tells the group that a member is reached elsewhere now. The caller knows that it is the same node.
    pub(crate) async fn move_to(&self, node: NodeId, address: &str) -> Result<(), MetaError> {
        let _turn = self.one_at_a_time.lock().await;
        self.settle_joint().await?;
        if !self.now().voters.contains(&node.0) && !self.now().learners.contains(&node.0) {
            return Err(MetaError::Membership(format!("{node} is not a member")));
        }
        let now = self.now();
        if now.learners.contains(&node.0) {
            // A running leader keeps its connection to a member by id; one that leaves and comes back gets a new one.
            self.change(ChangeMembers::RemoveNodes([node.0].into())).await?;
            return self.learn(node, address).await;
        }
        let moved = BasicNode { addr: address.to_owned() };
        self.change(ChangeMembers::SetNodes([(node.0, moved)].into())).await?;
        // So another leads: it makes all its connections anew.
        match now.voters.iter().find(|voter| **voter != now.me && **voter != node.0) {
            Some(next) if node.0 != now.me => self.transfer_now(Some(NodeId(*next))).await,
            _ => Ok(()),
        }
    }

    /// Takes a node out. The leader hands over first and lets the next leader do it.
    pub(crate) async fn remove(&self, node: NodeId) -> Result<(), MetaError> {
        let _turn = self.one_at_a_time.lock().await;
        self.settle_joint().await?;
        let now = self.now();
        let one = BTreeSet::from([node.0]);
        if now.learners.contains(&node.0) {
            return self.change(ChangeMembers::RemoveNodes(one)).await;
        }
        if !now.voters.contains(&node.0) {
            return Ok(());
        }
        if now.voters.len() == 1 {
            return Err(MetaError::Membership(format!("{node} is the only voter")));
        }
        if now.me == node.0 {
            return self.hand_over(None).await;
        }
        self.change(ChangeMembers::RemoveVoters(one)).await?;
        self.promote().await
    }

    /// Puts `node` in the place of `replaces`, in one change once it has caught up.
    pub(crate) async fn replace(
        &self,
        node: NodeId,
        address: &str,
        replaces: NodeId,
    ) -> Result<(), MetaError> {
        if !self.now().voters.contains(&node.0) && self.now().voters.contains(&replaces.0) {
            {
                let _turn = self.one_at_a_time.lock().await;
                self.settle_joint().await?;
                self.learn(node, address).await?;
            }
            // As in `add`: nobody waits for that.
            self.caught_up(node).await?;
        }
        let _turn = self.one_at_a_time.lock().await;
        self.settle_joint().await?;
        let now = self.now();
        if now.voters.contains(&node.0) && !now.voters.contains(&replaces.0) {
            return Ok(());
        }
        if !now.voters.contains(&replaces.0) {
            return Err(MetaError::Membership(format!("{replaces} is not a voter")));
        }
        if now.me == replaces.0 {
            return self.hand_over(None).await;
        }
        let mut voters = self.now().voters;
        voters.remove(&replaces.0);
        voters.insert(node.0);
        self.change(ChangeMembers::ReplaceAllVoters(voters)).await
    }

    /// Hands leadership to a node, or to the one whose log is furthest.
    pub(crate) async fn transfer(&self, node: Option<NodeId>) -> Result<(), MetaError> {
        let _turn = self.one_at_a_time.lock().await;
        self.transfer_now(node).await
    }

    /// For changes that would remove the leader itself: after it, the caller asks the new leader.
    async fn hand_over(&self, node: Option<NodeId>) -> Result<(), MetaError> {
        self.transfer_now(node).await?;
        let leader = self.raft.metrics().borrow_watched().current_leader;
        let address = self.address_of(leader);
        Err(MetaError::NotLeader { leader: leader.map(NodeId), address })
    }

    fn address_of(&self, node: Option<u64>) -> String {
        let metrics = self.raft.metrics();
        let metrics = metrics.borrow_watched();
        let found = node.and_then(|n| metrics.membership_config.membership().get_node(&n).cloned());
        found.map(|n| n.addr).unwrap_or_default()
    }

    async fn transfer_now(&self, node: Option<NodeId>) -> Result<(), MetaError> {
        let (me, target) = {
            let metrics = self.raft.metrics();
            let metrics = metrics.borrow_watched();
            let voters: BTreeSet<u64> = metrics.membership_config.membership().voter_ids().collect();
            let furthest = || {
                let progress = metrics.replication.as_ref()?;
                let others = progress.iter().filter(|(id, _)| **id != metrics.id && voters.contains(id));
                others.max_by_key(|(_, matched)| **matched).map(|(id, _)| *id)
            };
            let target = node.map(|n| n.0).or_else(furthest);
            (metrics.id, target.filter(|t| voters.contains(t)))
        };
        let target = target.ok_or_else(|| MetaError::Membership("there is no such voter to lead".into()))?;
        if target == me {
            return Ok(());
        }
        self.raft.trigger().transfer_leader(target).await.map_err(|_| MetaError::Stopped)?;
        let wait = self.raft.wait(Some(TRANSFER));
        let moved =
            wait.metrics(|m| m.current_leader.is_some_and(|leader| leader != me), "leadership moves").await;
        moved.map(|_| ()).map_err(|_| MetaError::NoQuorum { waited: TRANSFER })
    }
}
