//! [`Group`]: one member of the metadata group, as the services see it.
//!
//! Nothing of openraft shows through here. The group owns a small runtime on which only Raft and its messages run,
//! the apply thread, and the log's writer thread; callers come from any runtime.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use holdfast_proto::admin::{MemberProgress, MetaStatus};
use holdfast_proto::cluster::Peer;
use holdfast_proto::ids::NodeId;
use holdfast_proto::op::{Command, Reply};
use openraft::async_runtime::watch::WatchReceiver;
use openraft::impls::BasicNode;
use openraft::{Instant as _, ServerState};
use parking_lot::Mutex;
use prost::Message;
use tokio::sync::watch;
use tokio::time::Instant;

use super::apply::{Applier, Observer};
use super::config::ReadPolicy;
use super::error::MetaError;
use super::log::LogStore;
use super::membership::{self, Changes};
use super::propose::{DEFAULT_WAIT, Proposer};
use super::read::Reader;
use super::runtime::RaftRuntime;
use super::start::Places;
use super::types::Raft;
use crate::store::StateView;

/// Who leads, as this node sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leadership {
    /// The leader, if known.
    pub leader: Option<NodeId>,
    /// Its RPC address; empty when unknown.
    pub address: String,
    /// The term this node is in. Orders of a lower one are void.
    pub term: u64,
    /// Whether this node leads. Whether it *still* leads only [`Group::read_index`] can tell.
    pub is_leader: bool,
    /// Since when this has been so, by this node's clock.
    pub since: Instant,
}

pub(crate) struct Shared {
    pub(crate) me: NodeId,
    pub(crate) raft: Raft,
    pub(crate) applier: Applier,
    pub(crate) places: Arc<Places>,
    pub(crate) log: LogStore,
    pub(crate) proposer: Proposer,
    pub(crate) reader: Reader,
    pub(crate) changes: Arc<Changes>,
    pub(crate) leadership: watch::Receiver<Leadership>,
    pub(crate) stopping: Arc<AtomicBool>,
    pub(crate) runtime: Mutex<Option<RaftRuntime>>,
    pub(crate) address: String,
}

/// One member of the metadata group. Clones share it.
#[derive(Clone)]
pub struct Group {
    pub(crate) shared: Arc<Shared>,
}

impl std::fmt::Debug for Group {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Group({})", self.shared.me)
    }
}

impl Group {
    /// Makes this node the only voter of a new cluster and applies its first command. Refused when there is state
    /// of any kind; a genesis that a crash interrupted is completed.
    pub async fn initialize_single(&self, genesis: Command) -> Result<Reply, MetaError> {
        let marker = self.shared.applier.marker();
        if marker.commands > 0 {
            return Err(MetaError::Refused("this node already holds a cluster's metadata".into()));
        }
        if self.shared.log.is_pristine() {
            let me = BasicNode { addr: self.shared.address.clone() };
            let members = std::collections::BTreeMap::from([(self.shared.me.0, me)]);
            let made = self.shared.raft.initialize(members).await;
            made.map_err(|e| MetaError::Refused(format!("a new cluster cannot be made here: {e}")))?;
        }
        let wait = self.shared.raft.wait(Some(DEFAULT_WAIT));
        wait.state(ServerState::Leader, "the only voter leads")
            .await
            .map_err(|_| MetaError::Refused("this node belongs to a group of several voters".into()))?;
        // Nothing may slip in front of the genesis: with other voters or earlier commands this is not a new cluster.
        if self.shared.raft.voter_ids().ne([self.shared.me.0]) || self.read_index().await?.index().0 > 0 {
            return Err(MetaError::Refused("this node already holds a cluster's metadata".into()));
        }
        self.propose(genesis).await
    }

    /// Brings a command into the log; returns its reply once it is committed and applied here. Waits ten seconds at
    /// most. `NotLeader` and `Busy` mean that nothing was executed; `Unknown` and `NoQuorum` leave it open.
    pub async fn propose(&self, command: Command) -> Result<Reply, MetaError> {
        self.propose_by(command, Instant::now() + DEFAULT_WAIT).await
    }

    /// As [`Self::propose`], waiting until `deadline`.
    pub async fn propose_by(&self, command: Command, deadline: Instant) -> Result<Reply, MetaError> {
        self.shared.proposer.propose(command.encode_to_vec().into(), deadline).await
    }

    /// As [`Self::propose_by`], with a command that is encoded already. The bytes must decode as a [`Command`].
    pub async fn propose_encoded(&self, command: Bytes, deadline: Instant) -> Result<Reply, MetaError> {
        Command::decode(command.clone()).map_err(|e| MetaError::Refused(format!("not a command: {e}")))?;
        self.shared.proposer.propose(command, deadline).await
    }

    /// A view that shows every command answered before this call. Only the leader gives one.
    pub async fn read_index(&self) -> Result<StateView, MetaError> {
        self.read_index_by(Instant::now() + DEFAULT_WAIT).await
    }

    /// As [`Self::read_index`], waiting until `deadline`.
    pub async fn read_index_by(&self, deadline: Instant) -> Result<StateView, MetaError> {
        self.shared.reader.read(deadline).await
    }

    /// Lets somebody hear of every change that this node applies from now on; `None`: nobody.
    pub fn observe(&self, observer: Option<Arc<dyn Observer>>) {
        self.shared.applier.published.observer.store(observer.map(Arc::new));
    }

    /// What this node has applied; may lag behind the leader, or a newer leader.
    pub fn local_view(&self) -> StateView {
        self.shared.applier.view()
    }

    /// Changes how [`Self::read_index`] makes sure that this node leads.
    pub fn set_read_policy(&self, policy: ReadPolicy) {
        self.shared.reader.set_policy(policy);
    }

    /// Follows who leads.
    pub fn leadership(&self) -> watch::Receiver<Leadership> {
        self.shared.leadership.clone()
    }

    /// This node's id.
    pub fn node(&self) -> NodeId {
        self.shared.me
    }

    /// The members as this node knows them, voters first.
    pub fn members(&self) -> Vec<Peer> {
        let status = self.status();
        status.voters.into_iter().chain(status.learners).collect()
    }

    /// The group as this node sees it.
    pub fn status(&self) -> MetaStatus {
        let metrics = self.shared.raft.metrics();
        let metrics = metrics.borrow_watched();
        let membership = metrics.membership_config.membership();
        let peer = |node: u64| Peer {
            node,
            address: membership.get_node(&node).map(|n| n.addr.clone()).unwrap_or_default(),
        };
        let answered = |node: &u64| metrics.heartbeat.as_ref()?.get(node).copied().flatten();
        let progress = |(node, matched): (&u64, &Option<super::types::LogId>)| MemberProgress {
            node: *node,
            matched: matched.map_or(0, |id| id.index()),
            silent_ms: match *node == metrics.id {
                true => Some(0),
                false => answered(node).map(|at| at.elapsed().as_millis() as u64),
            },
        };
        let marker = self.shared.applier.marker();
        MetaStatus {
            node: self.shared.me.0,
            leader: metrics.current_leader.unwrap_or(0),
            term: metrics.current_term,
            last_log: metrics.last_log_index.unwrap_or(0),
            applied: marker.index(),
            snapshot: self.shared.places.snapshots.current().map_or(0, |s| s.marker.index()),
            purged: self.shared.log.extent().purged.map_or(0, |id| id.index()),
            voters: membership.voter_ids().map(peer).collect(),
            learners: membership.learner_ids().map(peer).collect(),
            progress: metrics.replication.iter().flat_map(|r| r.iter().map(progress)).collect(),
            quorum_age_ms: metrics.last_quorum_acked.map_or(0, |at| at.elapsed().as_millis() as u64),
        }
    }

    /// Bytes of this node's newest snapshot; 0: it has none.
    pub fn snapshot_bytes(&self) -> u64 {
        let current = self.shared.places.snapshots.current();
        current.map_or(0, |snapshot| snapshot.manifest.files.iter().map(|file| file.bytes).sum())
    }

    /// Bytes of log on this node's disk.
    pub fn log_bytes(&self) -> u64 {
        self.shared.log.disk_bytes()
    }

    /// Makes a node a learner. It becomes a voter by itself when it has caught up and the number of voters becomes odd.
    pub async fn invite(&self, node: NodeId, address: &str) -> Result<(), MetaError> {
        self.shared.changes.invite(node, address).await
    }

    /// Adds a node: learner at once, voter when it has caught up and the number of voters becomes odd.
    pub async fn add(&self, node: NodeId, address: &str) -> Result<(), MetaError> {
        self.shared.changes.add(node, address).await
    }

    /// Tells the group that a member is reached elsewhere now. The caller knows that it is the same node.
    pub async fn move_to(&self, node: NodeId, address: &str) -> Result<(), MetaError> {
        self.shared.changes.move_to(node, address).await
    }

    /// Takes a node out. When it is this one, leadership moves first and the answer is `NotLeader`: ask there.
    pub async fn remove(&self, node: NodeId) -> Result<(), MetaError> {
        self.shared.changes.remove(node).await
    }

    /// Puts `node` in the place of the voter `replaces`.
    pub async fn replace(&self, node: NodeId, address: &str, replaces: NodeId) -> Result<(), MetaError> {
        self.shared.changes.replace(node, address, replaces).await
    }

    /// Hands leadership to a voter, or to the one that is furthest.
    pub async fn transfer(&self, node: Option<NodeId>) -> Result<(), MetaError> {
        self.shared.changes.transfer(node).await
    }

    /// Makes a snapshot now; returns when it is asked for, not when it is done.
    pub async fn snapshot(&self) -> Result<(), MetaError> {
        self.shared.raft.trigger().snapshot().await.map_err(|_| MetaError::Stopped)
    }

    /// Stops: hands leadership over, ends Raft, makes the table durable. Safe to call twice. Says whether the
    /// others have a leader when this node goes; if not, they elect one by time-out.
    pub async fn shutdown(&self) -> bool {
        if self.shared.stopping.load(Ordering::Acquire) {
            return true;
        }
        let leads = self.shared.leadership.borrow().is_leader;
        let mut settled = true;
        if leads && self.shared.raft.voter_ids().count() > 1 {
            let moving = tokio::time::timeout(membership::TRANSFER, self.transfer(None)).await;
            settled = matches!(moving, Ok(Ok(())));
            if !settled {
                tracing::warn!("leadership could not be handed over; the others elect a leader by time-out");
            }
        }
        self.stop(true).await;
        settled
    }

    /// Stops at once, as a crash would: nothing is handed over or flushed. For tests of recovery.
    #[doc(hidden)]
    pub async fn kill(&self) {
        self.stop(false).await;
    }

    async fn stop(&self, orderly: bool) {
        if self.shared.stopping.swap(true, Ordering::AcqRel) {
            return;
        }
        if tokio::time::timeout(Duration::from_secs(10), self.shared.raft.shutdown()).await.is_err() {
            tracing::error!("the Raft core does not end");
        }
        if orderly && let Err(error) = self.shared.applier.flush().await {
            tracing::error!(%error, "the table could not be flushed; the next start replays the log");
        }
        drop(self.shared.runtime.lock().take());
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.stopping.store(true, Ordering::Release);
    }
}
