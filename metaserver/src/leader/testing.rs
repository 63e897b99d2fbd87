//! A metadata group and chunkservers in memory, for tests of the loops.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use holdfast_proto::admin::MetaStatus;
use holdfast_proto::chunk::{
    DeleteChunks, DeleteReply, ListRecords, PullChunks, PullFailure, PullReply, RecordEntry, RecordList,
    VerifyChunks, VerifyReply,
};
use holdfast_proto::cluster::{DiskReport, Heartbeat};
use holdfast_proto::ids::{LogIndex, NodeId};
use holdfast_proto::map::{Disk, FailureDomain, Liveness, MapReply, Node, Redundancy, StorageClass};
use holdfast_proto::op::{Command, DiskRef, Op, Reply};
use holdfast_proto::status::{Code, Status};
use holdfast_rpc::Endpoint;
use holdfast_state::plan::cluster::Cluster;
use holdfast_state::table::MemTable;
use parking_lot::Mutex;
use tokio::time::Instant;

use super::context::Leader;
use super::ports::{Chunkservers, Metadata};
use super::voters::Council;
use super::watch;
use crate::raft::Observer;

const TIB: u64 = 1 << 40;

/// A cluster of alive disks, class 1 with this many copies on different hosts.
pub(crate) fn cluster(layout: &[u32], copies: u32) -> Cluster {
    let mut map = MapReply { epoch: 1, full: true, ..MapReply::default() };
    let mut next = 1;
    for (index, disks) in layout.iter().enumerate() {
        let node = index as u64 + 1;
        map.nodes.push(Node { id: node, epoch: 1, ..Node::default() });
        for _ in 0..*disks {
            map.disks.push(Disk {
                id: next,
                incarnation: 7,
                node,
                capacity: TIB,
                weight: 1000,
                ..Disk::default()
            });
            next += 1;
        }
    }
    map.classes.push(StorageClass {
        id: 1,
        redundancy: Some(Redundancy::replicated(copies, copies.min(2))),
        domain: FailureDomain::Host as i32,
        ..StorageClass::default()
    });
    let mut cluster = Cluster::default();
    cluster.absorb(&map);
    for disk in cluster.disks.values_mut() {
        disk.liveness = Liveness::Alive;
        disk.free = disk.capacity;
    }
    cluster
}

/// The replicated state, applied at once.
#[derive(Default)]
pub(crate) struct Meta {
    table: Mutex<(MemTable, u64)>,
    /// Refuse everything: this node does not lead any more.
    pub(crate) deposed: std::sync::atomic::AtomicBool,
}

impl Meta {
    pub(crate) fn apply(&self, command: &Command) -> Reply {
        let mut state = self.table.lock();
        state.1 += 1;
        let at = LogIndex(state.1);
        holdfast_state::apply(&mut state.0, at, command).unwrap()
    }

    pub(crate) fn run(&self, op: Op) -> Reply {
        self.apply(&Command { now_ns: 1, op: Some(op), ..Command::default() }).into_result().unwrap()
    }

    pub(crate) fn table(&self) -> MemTable {
        self.table.lock().0.clone()
    }

    fn check(&self) -> Result<(), Status> {
        if self.deposed.load(std::sync::atomic::Ordering::Acquire) {
            return Err(Status::not_leader(None, ""));
        }
        Ok(())
    }
}

impl Metadata for Meta {
    type View = MemTable;

    async fn propose(&self, command: Command, _deadline: Instant) -> Result<Reply, Status> {
        self.check()?;
        Ok(self.apply(&command))
    }

    async fn read(&self, _deadline: Instant) -> Result<(LogIndex, MemTable), Status> {
        self.check()?;
        let state = self.table.lock();
        Ok((LogIndex(state.1), state.0.clone()))
    }

    fn observe(&self, _observer: Option<Arc<dyn Observer>>) -> u64 {
        0
    }

    fn set_lease_reads(&self, _allowed: bool) {}
}

impl Council for Meta {
    fn status(&self) -> MetaStatus {
        MetaStatus::default()
    }
    async fn invite(&self, _node: NodeId, _address: &str) -> Result<(), Status> {
        Ok(())
    }
    async fn move_to(&self, _node: NodeId, _address: &str) -> Result<(), Status> {
        Ok(())
    }
    async fn remove(&self, _node: NodeId) -> Result<(), Status> {
        Ok(())
    }
    async fn hand_over(&self, _node: NodeId) -> Result<(), Status> {
        Ok(())
    }
}

/// What each disk has, by group and number.
type Contents = BTreeMap<DiskRef, BTreeSet<(u32, u64)>>;

/// A disk's copy of a chunk: group and number.
type CopyOf = (DiskRef, u32, u64);

/// Disks in memory.
#[derive(Clone, Default)]
pub(crate) struct Servers {
    disks: Arc<Mutex<Contents>>,
    /// Nodes that do not answer.
    pub(crate) dead: Arc<Mutex<BTreeSet<u64>>>,
    /// Chunks pulled.
    pub(crate) pulled: Arc<Mutex<u64>>,
    /// Copies that do not read back right.
    pub(crate) damaged: Arc<Mutex<BTreeSet<CopyOf>>>,
    /// Copies that are whole in themselves, but of this length.
    pub(crate) lengths: Arc<Mutex<BTreeMap<CopyOf, u64>>>,
}

/// Bytes of every copy.
const CHUNK: u64 = 10_000;

impl Servers {
    pub(crate) fn put(&self, disk: DiskRef, pg: u32, number: u64) {
        self.disks.lock().entry(disk).or_default().insert((pg, number));
    }

    pub(crate) fn has(&self, disk: DiskRef, pg: u32, number: u64) -> bool {
        self.disks.lock().get(&disk).is_some_and(|there| there.contains(&(pg, number)))
    }

    pub(crate) fn lose(&self, disk: DiskRef, pg: u32, number: u64) {
        self.disks.lock().entry(disk).or_default().remove(&(pg, number));
    }

    fn check(&self, to: &Endpoint) -> Result<(), Status> {
        if self.dead.lock().contains(&to.node.0) {
            return Err(Status::new(Code::Unavailable, "no answer"));
        }
        Ok(())
    }
}

impl Chunkservers for Servers {
    async fn delete(&self, to: &Endpoint, order: DeleteChunks, _: Instant) -> Result<DeleteReply, Status> {
        self.check(to)?;
        let mut disks = self.disks.lock();
        let there = disks.entry(order.disk.unwrap()).or_default();
        let before = there.len();
        there.retain(|(pg, number)| *pg != order.pg || !(order.whole_pg || order.numbers.contains(number)));
        Ok(DeleteReply { deleted: (before - there.len()) as u64 })
    }

    async fn pull(&self, to: &Endpoint, order: PullChunks, _: Instant) -> Result<PullReply, Status> {
        self.check(to)?;
        let mut reply = PullReply::default();
        let dead = self.dead.lock().clone();
        let mut disks = self.disks.lock();
        for item in &order.items {
            let here = disks.entry(order.disk.unwrap()).or_default().contains(&(order.pg, item.number));
            let source = order.sources.iter().filter(|s| !dead.contains(&s.node)).find(|source| {
                let member = source.member.unwrap();
                let disk = DiskRef { disk: member.disk, incarnation: member.incarnation };
                disks.get(&disk).is_some_and(|there| there.contains(&(order.pg, item.number)))
            });
            let copy = (order.disk.unwrap(), order.pg, item.number);
            let right = !self.damaged.lock().contains(&copy) && !self.lengths.lock().contains_key(&copy);
            if here && right && !order.force {
                reply.done.push(item.number);
            } else if source.is_some() {
                self.damaged.lock().remove(&copy);
                self.lengths.lock().remove(&copy);
                disks.entry(order.disk.unwrap()).or_default().insert((order.pg, item.number));
                reply.done.push(item.number);
                reply.bytes += item.chunk_bytes;
                *self.pulled.lock() += 1;
            } else {
                reply.failed.push(PullFailure { number: item.number, ..PullFailure::default() });
            }
        }
        Ok(reply)
    }

    async fn records(&self, to: &Endpoint, ask: ListRecords, _: Instant) -> Result<RecordList, Status> {
        self.check(to)?;
        let disks = self.disks.lock();
        let all: BTreeSet<u64> = disks
            .get(&ask.disk.unwrap())
            .into_iter()
            .flatten()
            .filter(|(pg, _)| ask.pg == 0 || *pg == ask.pg)
            .map(|(pg, number)| if ask.pg == 0 { u64::from(*pg) } else { *number })
            .filter(|number| *number > ask.after)
            .collect();
        let lengths = self.lengths.lock();
        let entry = |number: &u64| {
            let bytes = lengths.get(&(ask.disk.unwrap(), ask.pg, *number)).copied().unwrap_or(CHUNK);
            RecordEntry { number: *number, bytes, ..RecordEntry::default() }
        };
        let entries = all.iter().take(ask.most as usize).map(entry);
        Ok(RecordList { entries: entries.collect(), more: all.len() > ask.most as usize })
    }

    async fn verify(&self, to: &Endpoint, ask: VerifyChunks, _: Instant) -> Result<VerifyReply, Status> {
        self.check(to)?;
        let mut reply = VerifyReply::default();
        for number in ask.numbers {
            let disk = ask.disk.unwrap();
            match self.has(disk, ask.pg, number) {
                true if self.damaged.lock().contains(&(disk, ask.pg, number)) => reply.damaged.push(number),
                true => reply.good.push(number),
                false => reply.absent.push(number),
            }
        }
        Ok(reply)
    }
}

/// Heartbeats of every node that is not dead, then a look at the map.
pub(crate) async fn beat_all(leader: &Leader<Meta, Servers>) {
    watch::refresh_map(leader).await.unwrap();
    let dead = leader.servers.dead.lock().clone();
    let beats: Vec<Heartbeat> = {
        let cluster = leader.cluster.lock();
        let alive = cluster.nodes.keys().filter(|node| !dead.contains(node));
        let report = |disk: &holdfast_state::plan::cluster::DiskFacts| DiskReport {
            disk: Some(disk.identity()),
            capacity: disk.capacity,
            used: 1,
            free: disk.capacity - 1,
            ..DiskReport::default()
        };
        alive
            .map(|node| Heartbeat {
                node: *node,
                disks: cluster.disks.values().filter(|d| d.node == *node).map(report).collect(),
                ..Heartbeat::default()
            })
            .collect()
    };
    let now = Instant::now();
    for beat in &beats {
        leader.hearing.lock().beat(now, beat);
    }
    watch::refresh_loads(leader, now);
}
