//! What all loops of one term share, and the few things they all do: read, propose, sign orders, find nodes.
//!
//! What always holds:
//! - One [`Leader`] lives exactly one term. All its soft state began empty at the election.
//! - No loop holds a lock over an await, and none keeps a view over one.
//! - Repeating anything that a loop does is harmless: facts are in the replicated state, not here.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use holdfast_proto::audit::Actor;
use holdfast_proto::chunk::Order;
use holdfast_proto::cluster::ReportProblem;
use holdfast_proto::ids::{LogIndex, NodeId};
use holdfast_proto::op::{Command, Op, Reply};
use holdfast_proto::status::{Code, Status};
use holdfast_rpc::Endpoint;
use holdfast_state::plan::cluster::Cluster;
use holdfast_state::table::Broken;
use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::balance::Balancing;
use super::board::Board;
use super::claims::Opens;
use super::findings::Unknown;
use super::health::Counted;
use super::knobs::Knobs;
use super::leases::Leases;
use super::liveness::{Hearing, Patience};
use super::measure::Sizes;
use super::ports::{Chunkservers, META_PATIENCE, Metadata};
use super::progress::Progress;
use super::repair::Outlook;
use super::sessions::SessionTable;
use super::traffic::Traffic;
use super::uptime::Uptime;

/// Reports of problems that wait to be looked into.
const MOST_FINDINGS: usize = 4096;

/// One term of leadership.
pub struct Leader<M, C> {
    /// The replicated metadata.
    pub meta: Arc<M>,
    /// The chunkservers.
    pub servers: C,
    /// This node.
    pub node: NodeId,
    /// The term.
    pub term: u64,
    /// When it was won.
    pub since: Instant,
    /// Which life of the metadata; 0 until the first read.
    pub meta_incarnation: AtomicU64,
    /// Map, liveness and fill.
    pub cluster: Mutex<Cluster>,
    /// Groups to look at again.
    pub dirty: Mutex<std::collections::BTreeSet<u32>>,
    /// Heartbeats.
    pub hearing: Mutex<Hearing>,
    /// Sessions.
    pub sessions: Mutex<SessionTable>,
    /// What they hold open.
    pub opens: Arc<Opens>,
    /// What they were told of, and are to hear about when it changes.
    pub leases: Arc<Leases>,
    /// Problems reported, to be looked into.
    pub findings: Mutex<VecDeque<ReportProblem>>,
    /// How safe data is.
    pub outlook: Mutex<Outlook>,
    /// How far fills and procedures are.
    pub progress: Mutex<Progress>,
    /// Seconds of uptime in the log, as last read.
    pub uptime_s: AtomicU64,
    /// Disks were lost so widely that nothing goes out by itself; since when.
    pub held: Mutex<Option<Instant>>,
    /// Settings as last read.
    pub knobs: ArcSwap<Knobs>,
    /// How much lies in each group, as far as it was measured.
    pub sizes: ArcSwap<Sizes>,
    /// Groups as they were counted last, while all were well.
    pub counted: Mutex<Option<Counted>>,
    /// What balancing is at.
    pub balancing: Mutex<Balancing>,
    /// For how long it has led without having said so in the log.
    pub uptime: Uptime,
    /// Procedures are judged and begun one at a time: what speaks against one may be another. Held over awaits, by
    /// nobody else.
    pub(super) acting: tokio::sync::Mutex<()>,
    /// The metadata's file system has too little room, as last seen.
    pub short_of_room: AtomicBool,
    /// Damaged records that nobody misses.
    pub unknown: Mutex<Unknown>,
    /// What clients and disks do.
    pub traffic: Mutex<Traffic>,
    /// No other metaserver could lead instead, as far as is known for sure.
    pub alone: AtomicBool,
    /// Notices of all loops.
    pub board: Board,
    /// Something changed that repair should look at.
    pub stir: Notify,
    /// Leadership ended.
    pub stop: CancellationToken,
}

impl<M: Metadata, C: Chunkservers> Leader<M, C> {
    /// A fresh term.
    pub fn new(meta: Arc<M>, servers: C, node: NodeId, term: u64) -> Self {
        let now = Instant::now();
        Self {
            meta,
            servers,
            node,
            term,
            since: now,
            meta_incarnation: AtomicU64::new(0),
            cluster: Mutex::default(),
            dirty: Mutex::default(),
            hearing: Mutex::new(Hearing::new(now, Patience::default())),
            sessions: Mutex::new(SessionTable::new(now)),
            opens: Opens::new(term),
            leases: Arc::new(Leases::new(term)),
            findings: Mutex::default(),
            outlook: Mutex::default(),
            progress: Mutex::default(),
            uptime_s: AtomicU64::new(0),
            held: Mutex::default(),
            knobs: ArcSwap::from_pointee(Knobs::default()),
            sizes: ArcSwap::default(),
            counted: Mutex::default(),
            balancing: Mutex::default(),
            uptime: Uptime::new(now),
            acting: tokio::sync::Mutex::default(),
            short_of_room: AtomicBool::new(false),
            unknown: Mutex::default(),
            traffic: Mutex::new(Traffic::new(now)),
            alone: AtomicBool::new(false),
            board: Board::default(),
            stir: Notify::new(),
            stop: CancellationToken::new(),
        }
    }

    /// Looks at a linearizable view, off the async threads.
    pub async fn look<T: Send + 'static>(
        &self,
        see: impl FnOnce(LogIndex, &M::View) -> Result<T, Broken> + Send + 'static,
    ) -> Result<T, Status> {
        let (index, view) = self.meta.read(Instant::now() + META_PATIENCE).await?;
        let seen = self.meta.aside(move || see(index, &view)).await;
        seen.ok_or_else(|| Status::internal("reading the state did not finish"))?
            .map_err(|broken| Status::internal(broken.to_string()))
    }

    /// Proposes a command of the leader itself. A refusal is an error here.
    pub async fn propose(&self, op: Op) -> Result<Reply, Status> {
        self.propose_for(op, None).await
    }

    /// As [`Leader::propose`], for somebody: the audit log says for whom.
    pub async fn propose_for(&self, op: Op, actor: Option<Actor>) -> Result<Reply, Status> {
        if self.stop.is_cancelled() {
            return Err(Status::not_leader(None, ""));
        }
        let (now_ns, up_s) = (self.meta.now_ns(), self.uptime.uncounted_s());
        let command = Command { now_ns, up_s, actor, op: Some(op), ..Command::default() };
        self.meta.propose(command, Instant::now() + META_PATIENCE).await?.into_result()
    }

    /// The authority for an order about a group, decided as of `index`.
    pub fn order(&self, pg_epoch: u64, index: u64) -> Order {
        Order {
            term: self.term,
            meta_incarnation: self.meta_incarnation.load(Ordering::Acquire),
            pg_epoch,
            index,
            leader: self.node.0,
        }
    }

    /// Where the node of a disk listens, if the node and the disk answer.
    pub fn reach(&self, disk: u32, incarnation: u64) -> Option<Endpoint> {
        let cluster = self.cluster.lock();
        let facts = cluster.disks.get(&disk).filter(|d| d.incarnation == incarnation && d.answers())?;
        endpoint(&cluster, facts.node)
    }

    /// Marks groups to be looked at again.
    pub fn touch(&self, pgs: impl IntoIterator<Item = u32>) {
        self.dirty.lock().extend(pgs);
        self.stir.notify_one();
    }

    /// Takes a report in; when too many wait, the oldest is dropped: the reader will come again.
    pub fn find(&self, problem: ReportProblem) {
        let mut findings = self.findings.lock();
        if findings.len() >= MOST_FINDINGS {
            findings.pop_front();
        }
        findings.push_back(problem);
    }

    /// Sleeps; false when leadership ended meanwhile.
    pub async fn pause(&self, time: Duration) -> bool {
        tokio::select! {
            biased;
            () = self.stop.cancelled() => false,
            () = tokio::time::sleep(time) => true,
        }
    }
}

/// Where a node listens.
pub fn endpoint(cluster: &Cluster, node: u64) -> Option<Endpoint> {
    let record = cluster.nodes.get(&node)?;
    Some(Endpoint { node: NodeId(node), address: record.address.clone() })
}

/// Whether trying again with a fresh look may help at once: the plan was overtaken by a change.
pub fn is_overtaken(status: &Status) -> bool {
    matches!(status.kind(), Code::StaleOrder | Code::StaleMap | Code::PreconditionFailed)
}
