//! What everybody in the simulation shares: the replicated log and its state, nodes, disks, the network, the dice.
//!
//! What always holds: everything runs on one thread, and nobody keeps the lock over an await; so what happens is a
//! function of the seed.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use holdfast_metaserver::leader::{Current, Leader};
use holdfast_metaserver::raft::Leadership;
use holdfast_proto::ids::LogIndex;
use holdfast_proto::map::Pg;
use holdfast_proto::op::{Command, DiskRef, Op, Reply};
use holdfast_proto::status::{Code, Status};
use holdfast_state::table::MemTable;
use holdfast_state::{Overlay, map_view, work};
use parking_lot::{Mutex, MutexGuard};
use prost::Message as _;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio::time::Instant;

use crate::council::Seat;
use crate::disks::SimDisk;
use crate::oracle;
use crate::run::Mistake;
use crate::servers::Wire;

/// A leader in the simulation.
pub(crate) type Boss = Leader<Seat, Wire>;

/// The map as one node knows it.
#[derive(Clone, Default)]
pub(crate) struct NodeMap {
    pub(crate) epoch: u64,
    pub(crate) pgs: BTreeMap<u32, Pg>,
}

/// A machine with a chunkserver, and with a metaserver if it has a seat.
#[derive(Default)]
pub(crate) struct SimNode {
    pub(crate) up: bool,
    /// Since when, if it is up.
    pub(crate) up_since: Option<Instant>,
    pub(crate) map: NodeMap,
    /// Highest (metadata life, term) whose orders it heard of; kept on its disks.
    pub(crate) authority: (u64, u64),
    pub(crate) disks: Vec<DiskRef>,
}

/// A metaserver: what it believes, and its leader loops.
pub(crate) struct Chair {
    pub(crate) told: watch::Sender<Leadership>,
    pub(crate) current: Arc<Current<Seat, Wire>>,
    pub(crate) task: Option<AbortHandle>,
}

/// A proposal on its way to a majority.
enum Pending {
    Waiting(Box<Command>),
    /// Leadership changed meanwhile; it got into the log or it did not, and nobody is told.
    Decided,
}

/// Everything, behind the lock.
pub(crate) struct State {
    pub(crate) dice: StdRng,
    pub(crate) table: Arc<MemTable>,
    /// Another replica of the state machine, which applies through an overlay as servers do.
    twin: MemTable,
    pub(crate) index: u64,
    pub(crate) term: u64,
    /// Who really leads.
    pub(crate) leader: Option<u64>,
    pending: BTreeMap<u64, Pending>,
    tickets: u64,
    pub(crate) nodes: BTreeMap<u64, SimNode>,
    pub(crate) chairs: BTreeMap<u64, Chair>,
    pub(crate) disks: BTreeMap<DiskRef, SimDisk>,
    /// One-way cuts: from, to.
    pub(crate) cuts: BTreeSet<(u64, u64)>,
    /// Share of messages lost, in thousandths.
    pub(crate) loss: u32,
    pub(crate) mistake: Option<Mistake>,
    /// Chunks whose bytes are being stored and that no command has named yet.
    pub(crate) writing: BTreeSet<(u32, u64)>,
    /// Records damaged or lost behind everybody's back.
    pub(crate) hurt: BTreeSet<(DiskRef, u32, u64)>,
    /// The network was cut or lossy at some time: who seemed to be away to whom is not known.
    pub(crate) torn: bool,
    /// When a disk or node last changed its standing, or came: leaders act for a moment on what they knew before.
    pub(crate) stirred: Instant,
    pub(crate) violation: Option<String>,
    pub(crate) history: u64,
    pub(crate) commands: u64,
    trace: bool,
    started: Instant,
}

/// A handle on the simulation. Clones share it.
#[derive(Clone)]
pub(crate) struct World(Arc<Mutex<State>>);

/// Addresses of nodes.
pub(crate) fn address(node: u64) -> String {
    format!("n{node}:1")
}

impl World {
    pub(crate) fn new(seed: u64, mistake: Option<Mistake>) -> Self {
        let state = State {
            dice: StdRng::seed_from_u64(seed),
            table: Arc::default(),
            twin: MemTable::default(),
            index: 0,
            term: 0,
            leader: None,
            pending: BTreeMap::new(),
            tickets: 0,
            nodes: BTreeMap::new(),
            chairs: BTreeMap::new(),
            disks: BTreeMap::new(),
            cuts: BTreeSet::new(),
            loss: 0,
            mistake,
            writing: BTreeSet::new(),
            hurt: BTreeSet::new(),
            torn: false,
            stirred: Instant::now(),
            violation: None,
            history: seed,
            commands: 0,
            trace: std::env::var_os("HOLDFAST_SIM_TRACE").is_some(),
            started: Instant::now(),
        };
        Self(Arc::new(Mutex::new(state)))
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock()
    }

    /// A random time between two numbers of milliseconds.
    pub(crate) fn millis(&self, least: u64, most: u64) -> Duration {
        Duration::from_micros(self.lock().dice.random_range(least * 1000..=most * 1000))
    }

    pub(crate) async fn rest(&self, least: u64, most: u64) {
        let time = self.millis(least, most);
        tokio::time::sleep(time).await;
    }

    /// A number below `most`.
    pub(crate) fn below(&self, most: usize) -> usize {
        self.lock().dice.random_range(0..most)
    }

    /// Whether something with so many chances in a thousand happens.
    pub(crate) fn chance(&self, thousandths: u32) -> bool {
        self.lock().dice.random_range(0..1000) < thousandths
    }

    pub(crate) fn note(&self, what: impl FnOnce() -> String) {
        let state = self.lock();
        if state.trace {
            eprintln!("{:9.3} {}", state.started.elapsed().as_secs_f64(), what());
        }
    }

    /// The term of whoever leads, if its loops run.
    pub(crate) fn boss(&self) -> Option<Arc<Boss>> {
        let state = self.lock();
        let chair = state.chairs.get(&state.leader?)?;
        chair.current.load_full().filter(|boss| boss.term == state.term)
    }

    /// Any metaserver that believes to lead, the right one first.
    pub(crate) fn believed(&self, stale: bool) -> Option<(u64, Arc<Boss>)> {
        let state = self.lock();
        let of = |node: &u64| {
            let boss = state.chairs.get(node)?.current.load_full()?;
            Some((*node, boss))
        };
        let wrong = state.chairs.keys().filter(|node| Some(**node) != state.leader).find_map(of);
        match stale {
            true => wrong.or_else(|| state.leader.as_ref().and_then(of)),
            false => state.leader.as_ref().and_then(of),
        }
    }

    /// A client's command, as a node's service takes it.
    pub(crate) async fn serve(&self, node: u64, mut command: Command) -> Result<Reply, Status> {
        if let Some(boss) = self.boss() {
            command.up_s = boss.uptime.uncounted_s();
        }
        self.propose(node, command).await
    }

    /// A command proposed on a node; the error says nothing about whether it was carried out.
    pub(crate) async fn propose(&self, node: u64, command: Command) -> Result<Reply, Status> {
        let (ticket, term) = {
            let mut state = self.lock();
            if state.leader != Some(node) {
                return Err(Status::not_leader(None, ""));
            }
            state.tickets += 1;
            let ticket = state.tickets;
            state.pending.insert(ticket, Pending::Waiting(Box::new(command)));
            (ticket, state.term)
        };
        let world = self.clone();
        // It reaches the others even if whoever proposed it is no longer there to hear of it.
        let commit = tokio::spawn(async move {
            world.rest(1, 6).await;
            let mut state = world.lock();
            match state.pending.remove(&ticket) {
                Some(Pending::Waiting(command)) if state.leader == Some(node) && state.term == term => {
                    Ok(state.apply(&command))
                }
                _ => Err(Status::not_leader(None, "")),
            }
        });
        let reply = commit.await.map_err(|_| Status::internal("the simulation ends"))??;
        if self.unlucky() {
            return Err(Status::new(Code::Timeout, "the answer was lost"));
        }
        Ok(reply)
    }

    fn unlucky(&self) -> bool {
        let loss = self.lock().loss;
        loss > 0 && self.chance(loss)
    }

    /// A state at least as new as everything acknowledged before.
    pub(crate) async fn read(&self, node: u64) -> Result<(LogIndex, Arc<MemTable>), Status> {
        let not_leader = || Status::not_leader(None, "");
        let term = self.lock().term;
        if self.lock().leader != Some(node) {
            return Err(not_leader());
        }
        self.rest(0, 3).await;
        let state = self.lock();
        if state.leader != Some(node) || state.term != term {
            return Err(not_leader());
        }
        Ok((LogIndex(state.index), state.table.clone()))
    }

    /// A call to another node: it may be lost on the way there, or its answer on the way back; what was begun goes on
    /// there whoever listens.
    pub(crate) async fn call<T, F>(&self, from: u64, to: u64, deadline: Instant, work: F) -> Result<T, Status>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, Status>> + Send + 'static,
    {
        let away = || Status::new(Code::Unavailable, "no answer");
        let there = self.lock().hears(from, to);
        if !there || self.unlucky() {
            let patience = self.millis(1, 3000);
            tokio::time::sleep_until(deadline.min(Instant::now() + patience)).await;
            return Err(away());
        }
        let world = self.clone();
        // Some messages take their time: they arrive after whoever sent them has given up, or has been deposed.
        let dawdles = self.chance(20);
        let task = tokio::spawn(async move {
            match dawdles {
                true => world.rest(500, 20_000).await,
                false => world.rest(0, 2).await,
            }
            if !world.lock().is_up(to) {
                return Err(Status::new(Code::Unavailable, "no answer"));
            }
            work.await
        });
        let reply = tokio::time::timeout_at(deadline, task).await;
        let reply = reply.map_err(|_| Status::new(Code::Timeout, "too late"))?.map_err(|_| away())?;
        self.rest(0, 2).await;
        if !self.lock().hears(to, from) || self.unlucky() {
            return Err(away());
        }
        reply
    }

    /// A node brings its map up to date.
    pub(crate) async fn fetch_map(&self, node: u64) -> Result<(), Status> {
        let away = || Status::new(Code::Unavailable, "no leader answers");
        let leader = self.lock().leader.ok_or_else(away)?;
        self.rest(1, 5).await;
        let mut state = self.lock();
        if state.leader != Some(leader) || !state.hears(node, leader) || !state.hears(leader, node) {
            return Err(away());
        }
        let table = state.table.clone();
        let term = state.term;
        let life = work::cluster(&*table).unwrap().map_or(0, |cluster| cluster.meta_incarnation);
        let epoch = map_view::current_epoch(&*table).unwrap();
        let Some(here) = state.nodes.get_mut(&node) else { return Err(away()) };
        here.authority = here.authority.max((life, term));
        if epoch > here.map.epoch || here.map.epoch == 0 {
            let pgs = map_view::pgs(&*table).unwrap().into_iter().map(|pg| (pg.id, pg)).collect();
            here.map = NodeMap { epoch, pgs };
        }
        Ok(())
    }

    /// As the leader, at once: for what an administrator does, and for the beginning.
    pub(crate) fn order(&self, op: Op) -> Reply {
        self.lock().apply(&Command { now_ns: 1, op: Some(op), ..Command::default() })
    }
}

impl State {
    pub(crate) fn is_up(&self, node: u64) -> bool {
        // Clients are no nodes; they are always there.
        self.nodes.get(&node).is_none_or(|node| node.up)
    }

    /// Whether what `from` sends now reaches `to`.
    pub(crate) fn hears(&self, from: u64, to: u64) -> bool {
        self.is_up(from) && self.is_up(to) && !self.cuts.contains(&(from, to))
    }

    pub(crate) fn now_ns(&self) -> i64 {
        1_000_000_000_000_000_000 + self.started.elapsed().as_nanos() as i64
    }

    /// The next entry of the log, on every replica.
    pub(crate) fn apply(&mut self, command: &Command) -> Reply {
        self.index += 1;
        self.commands += 1;
        let at = LogIndex(self.index);
        let reply =
            holdfast_state::apply(Arc::make_mut(&mut self.table), at, command).expect("the state is sound");
        let mut overlay = Overlay::new(&self.twin);
        let other = holdfast_state::apply(&mut overlay, at, command).expect("the state is sound");
        let changes: Vec<_> = overlay.into_changes().collect();
        self.twin.write(changes);
        if reply != other {
            self.violate(format!("replicas answer {command:?} differently: {reply:?} and {other:?}"));
        }
        if matches!(&command.op, Some(Op::SetDisk(_) | Op::SetNode(_) | Op::RegisterDisk(_))) {
            self.stirred = Instant::now();
        }
        self.remember(&command.encode_to_vec());
        self.remember(&reply.encode_to_vec());
        oracle::after(self, command);
        reply
    }

    /// Whether both replicas of the state machine hold the same.
    pub(crate) fn replicas_agree(&self) -> bool {
        self.table.iter().eq(self.twin.iter())
    }

    fn remember(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.history = (self.history ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    pub(crate) fn violate(&mut self, what: String) {
        if self.trace {
            eprintln!("{:9.3} VIOLATION {what}", self.started.elapsed().as_secs_f64());
        }
        self.violation.get_or_insert(what);
    }

    /// Leadership goes to another node or to none. What was on its way got into the log or did not.
    pub(crate) fn change_leader(&mut self, to: Option<u64>) {
        let pending: Vec<u64> = self.pending.keys().copied().collect();
        for ticket in pending {
            let Some(Pending::Waiting(command)) = self.pending.insert(ticket, Pending::Decided) else {
                continue;
            };
            if self.dice.random_bool(0.5) {
                self.apply(&command);
            }
        }
        self.leader = to;
        if to.is_some() {
            self.term += 1;
        }
    }

    /// Tells a metaserver how things are.
    pub(crate) fn tell(&self, node: u64) {
        let Some(chair) = self.chairs.get(&node) else { return };
        chair.told.send_replace(self.leadership(node));
    }

    pub(crate) fn leadership(&self, node: u64) -> Leadership {
        Leadership {
            leader: self.leader.map(holdfast_proto::ids::NodeId),
            address: self.leader.map(address).unwrap_or_default(),
            term: self.term,
            is_leader: self.leader == Some(node),
            since: Instant::now(),
        }
    }
}
