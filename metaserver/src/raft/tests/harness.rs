//! A group in one process: members, a fabric between them that can be cut, a state machine that remembers what it
//! was told.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use holdfast_proto::cluster::{RaftEnvelope, SnapshotPiece, SnapshotPieceReply};
use holdfast_proto::ids::{LogIndex, NodeId};
use holdfast_proto::op::{Command, Noop, Op, Reply};
use holdfast_proto::status::{Code, Status};
use holdfast_rpc::Endpoint;
use parking_lot::Mutex;
use tokio::time::Instant;

use crate::raft::{Effects, Group, GroupConfig, Inbox, Kind, MetaError, Pending, StateMachine, Wire};
use crate::store::StateView;

/// Keys of inline content in these tests.
pub(super) const INLINE: &[u8] = b"y";

/// Remembers every command under its session and number, with the index at which it was applied. Applying one a
/// second time answers what it answered before.
pub(super) struct Ledger;

pub(super) fn key(session: u64, seq: u64) -> Bytes {
    let mut key = b"k".to_vec();
    key.extend_from_slice(&session.to_be_bytes());
    key.extend_from_slice(&seq.to_be_bytes());
    key.into()
}

impl StateMachine for Ledger {
    fn apply(
        &mut self,
        view: &StateView,
        first: LogIndex,
        commands: &[Command],
        _: bool,
    ) -> Result<Effects, MetaError> {
        let mut changes = BTreeMap::new();
        let mut replies = Vec::new();
        for (at, command) in (first.0..).zip(commands) {
            let key = key(command.session, command.seq);
            let there = match changes.get(&key) {
                Some(Some(value)) => Some(Bytes::clone(value)),
                _ => view.lookup(&key)?,
            };
            let index = match there {
                Some(bytes) => u64::from_be_bytes(bytes[..8].try_into().unwrap()),
                None => at,
            };
            let mut value = index.to_be_bytes().to_vec();
            value.resize(8 + command.lowest_unanswered as usize, 7);
            changes.insert(key, Some(Bytes::from(value)));
            // Some inline content too, so that both column families are in play.
            changes.insert([INLINE, &at.to_be_bytes()].concat().into(), Some(Bytes::from(vec![1; 300])));
            replies.push(Reply { index, ..Default::default() });
        }
        Ok(Effects { replies, changes: changes.into_iter().collect(), touches: Vec::new(), leftovers: 0 })
    }
}

/// A command whose value in the table is `padding` bytes longer than it need be.
pub(super) fn command(session: u64, seq: u64, padding: u64) -> Command {
    Command { session, seq, lowest_unanswered: padding, op: Some(Op::Noop(Noop {})), ..Default::default() }
}

/// What carries messages between members.
#[derive(Clone, Default)]
pub(super) struct Fabric {
    inboxes: Arc<Mutex<HashMap<String, Arc<Inbox>>>>,
    cut: Arc<Mutex<HashSet<(u64, u64)>>>,
    /// Cut links let the questions through that are asked before reads.
    pub(super) confirms_pass: Arc<AtomicBool>,
    /// Snapshot pieces after which the next ones are refused; `u64::MAX`: never.
    pub(super) pieces_left: Arc<AtomicU64>,
    pub(super) pieces_sent: Arc<AtomicU64>,
}

impl Fabric {
    pub(super) fn new() -> Self {
        let fabric = Self::default();
        fabric.pieces_left.store(u64::MAX, Ordering::SeqCst);
        fabric
    }

    pub(super) fn connect(&self, node: u64, inbox: Arc<Inbox>) {
        self.inboxes.lock().insert(address(node), inbox);
    }

    pub(super) fn disconnect(&self, node: u64) {
        self.inboxes.lock().remove(&address(node));
    }

    /// A member is reached elsewhere from now on, and not where it was.
    pub(super) fn relocate(&self, node: u64, place: &str) {
        let mut inboxes = self.inboxes.lock();
        let inbox = inboxes.remove(&address(node)).unwrap();
        inboxes.insert(place.to_owned(), inbox);
    }

    /// Cuts a member off in both directions.
    pub(super) fn isolate(&self, node: u64, from: impl IntoIterator<Item = u64>) {
        let mut cut = self.cut.lock();
        for other in from {
            cut.insert((node, other));
            cut.insert((other, node));
        }
    }

    pub(super) fn heal(&self) {
        self.cut.lock().clear();
    }

    pub(super) fn wire(&self, node: u64) -> Arc<dyn Wire> {
        Arc::new(Port { node, fabric: self.clone() })
    }
}

struct Port {
    node: u64,
    fabric: Fabric,
}

impl Port {
    /// The inbox of `to`; a cut link swallows the message, as a dead host does.
    async fn reach(&self, to: &Endpoint, within: Duration) -> Result<Arc<Inbox>, Status> {
        let is_cut = self.fabric.cut.lock().contains(&(self.node, to.node.0));
        if is_cut {
            tokio::time::sleep(within).await;
            return Err(Status::new(Code::Timeout, "cut"));
        }
        let inbox = self.fabric.inboxes.lock().get(&to.address).cloned();
        inbox.ok_or_else(|| Status::new(Code::Unavailable, "nobody there"))
    }

    fn back(&self, to: u64) -> Result<(), Status> {
        match self.fabric.cut.lock().contains(&(to, self.node)) {
            true => Err(Status::new(Code::Timeout, "cut")),
            false => Ok(()),
        }
    }
}

async fn bounded<T>(within: Duration, work: impl Future<Output = Result<T, Status>>) -> Result<T, Status> {
    match tokio::time::timeout(within, work).await {
        Ok(result) => result,
        Err(_) => Err(Status::new(Code::Timeout, "timeout")),
    }
}

impl Wire for Port {
    fn send<'a>(
        &'a self,
        kind: Kind,
        to: &'a Endpoint,
        message: RaftEnvelope,
        within: Duration,
    ) -> Pending<'a, RaftEnvelope> {
        Box::pin(bounded(within, async move {
            if kind == Kind::Confirm && self.fabric.confirms_pass.load(Ordering::SeqCst) {
                let inbox = self.fabric.inboxes.lock().get(&to.address).cloned();
                let inbox = inbox.ok_or_else(|| Status::new(Code::Unavailable, "nobody there"))?;
                return inbox.message(kind, message).await;
            }
            let inbox = self.reach(to, within).await?;
            let reply = inbox.message(kind, message).await?;
            self.back(to.node.0)?;
            Ok(reply)
        }))
    }

    fn send_piece<'a>(
        &'a self,
        to: &'a Endpoint,
        piece: SnapshotPiece,
        payload: Bytes,
        within: Duration,
    ) -> Pending<'a, SnapshotPieceReply> {
        Box::pin(bounded(within, async move {
            let left = &self.fabric.pieces_left;
            if left.load(Ordering::SeqCst) == 0 {
                return Err(Status::new(Code::Unavailable, "the link broke"));
            }
            if left.load(Ordering::SeqCst) != u64::MAX {
                left.fetch_sub(1, Ordering::SeqCst);
            }
            if !payload.is_empty() {
                self.fabric.pieces_sent.fetch_add(1, Ordering::SeqCst);
            }
            let inbox = self.reach(to, within).await?;
            let reply = inbox.piece(piece, payload).await?;
            self.back(to.node.0)?;
            Ok(reply)
        }))
    }
}

pub(super) fn address(node: u64) -> String {
    format!("member-{node}:1")
}

/// A group under test.
pub(super) struct Cluster {
    pub(super) fabric: Fabric,
    pub(super) groups: BTreeMap<u64, Group>,
    dir: tempfile::TempDir,
    /// How often each member was killed. Every life has a directory of its own: threads of an ended life, which a
    /// real crash would have ended too, may still write and remove files by their paths.
    lives: BTreeMap<u64, u64>,
    tune: fn(&mut GroupConfig),
    /// What the cores said when they died.
    pub(super) aborted: Arc<Mutex<Vec<String>>>,
}

/// Copies a member's files as they lie there while it works on them. Tables that come or go meanwhile make it begin
/// anew: their list would not fit them, or the log would have been purged behind them.
fn copy_as_it_lies(from: &Path, to: &Path) {
    for _ in 0..200 {
        let before = tables(from).unwrap_or_default();
        // The table first: a log that reaches further than the table is what a crash leaves.
        let parts = ["state", "snapshots", "incoming", "log", ""];
        let copied = parts.iter().try_for_each(|part| copy(&from.join(part), &to.join(part)));
        if copied.is_ok() && tables(from).is_ok_and(|after| after == before) {
            return;
        }
        let _perhaps_not_even_begun = std::fs::remove_dir_all(to);
    }
    panic!("{} does not hold still", from.display());
}

/// What is there already stays; what is not there need not be.
fn copy(from: &Path, to: &Path) -> std::io::Result<()> {
    if !from.exists() {
        return Ok(());
    }
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        match entry.file_type()?.is_dir() {
            _ if target.exists() => {}
            true => copy(&entry.path(), &target)?,
            false => drop(std::fs::copy(entry.path(), target)?),
        }
    }
    Ok(())
}

/// Names and lengths of a RocksDB's tables and their list, wherever they lie below a directory.
fn tables(dir: &Path) -> std::io::Result<Vec<(PathBuf, u64)>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir)? {
        let (entry, path) = entry.map(|entry| (entry.metadata(), entry.path()))?;
        let entry = entry?;
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if entry.is_dir() {
            found.extend(tables(&path)?);
        } else if name.starts_with("MANIFEST") || name == "CURRENT" || name.ends_with(".sst") {
            found.push((path, entry.len()));
        }
    }
    found.sort();
    Ok(found)
}

impl Cluster {
    pub(super) fn new(tune: fn(&mut GroupConfig)) -> Self {
        let dir = tempfile::tempdir().unwrap();
        Self {
            fabric: Fabric::new(),
            groups: BTreeMap::new(),
            dir,
            lives: BTreeMap::new(),
            tune,
            aborted: Arc::default(),
        }
    }

    /// One voter with a genesis, then two more members.
    pub(super) async fn of_three(tune: fn(&mut GroupConfig)) -> Self {
        let mut cluster = Self::new(tune);
        cluster.start(1).await;
        cluster.groups[&1].initialize_single(command(0, 0, 0)).await.unwrap();
        for node in [2, 3] {
            cluster.start(node).await;
            cluster.groups[&1].add(NodeId(node), &address(node)).await.unwrap();
        }
        assert_eq!(cluster.groups[&1].status().voters.len(), 3);
        cluster
    }

    pub(super) fn dir(&self, node: u64) -> PathBuf {
        let life = self.lives.get(&node).copied().unwrap_or(0);
        self.dir.path().join(format!("{node}.{life}"))
    }

    pub(super) fn config(&self, node: u64) -> GroupConfig {
        let mut config = GroupConfig::new(NodeId(node), address(node), self.dir(node));
        // Tests share few cores with each other; figures are taken with the defaults.
        if std::env::var_os("HOLDFAST_DEFAULT_TIMERS").is_none() {
            config.timers.election_min_ms = 300;
            config.timers.election_max_ms = 450;
        }
        config.store.block_cache_bytes = 16 << 20;
        config.store.write_buffer_bytes = 16 << 20;
        let aborted = self.aborted.clone();
        config.abort = Arc::new(move |reason| aborted.lock().push(reason.to_owned()));
        (self.tune)(&mut config);
        config
    }

    pub(super) async fn start(&mut self, node: u64) {
        self.try_start(node).await.unwrap();
    }

    pub(super) async fn try_start(&mut self, node: u64) -> Result<(), MetaError> {
        let wire = self.fabric.wire(node);
        let (group, inbox) = Group::start_with(self.config(node), wire, Box::new(Ledger), INLINE).await?;
        self.fabric.connect(node, inbox);
        self.groups.insert(node, group);
        Ok(())
    }

    /// As a crash of the process: nothing is flushed or handed over. The files are taken as they lie there in that
    /// moment, because a RocksDB that is closed flushes what it has.
    pub(super) async fn kill(&mut self, node: u64) {
        self.fabric.disconnect(node);
        let group = self.groups.remove(&node).unwrap();
        let live = self.dir(node);
        *self.lives.entry(node).or_default() += 1;
        copy_as_it_lies(&live, &self.dir(node));
        group.kill().await;
    }

    pub(super) fn leader(&self) -> Option<u64> {
        let leads = |g: &&Group| g.leadership().borrow().is_leader;
        self.groups.values().filter(leads).max_by_key(|g| g.leadership().borrow().term).map(|g| g.node().0)
    }

    /// Waits until a leader serves reads.
    pub(super) async fn ready(&self) -> u64 {
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            if let Some(leader) = self.leader()
                && self.groups[&leader].read_index().await.is_ok()
            {
                return leader;
            }
            assert!(Instant::now() < deadline, "no leader");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Proposes until somebody answers; returns the index at which the command was applied.
    pub(super) async fn put(&self, session: u64, seq: u64) -> u64 {
        put(self.groups.values().cloned().collect(), session, seq).await
    }

    /// Waits until the state of all members is the same and returns how many commands it holds.
    pub(super) async fn converged(&self) -> u64 {
        let leader = self.ready().await;
        let index = self.groups[&leader].read_index().await.unwrap().index();
        eventually("all members have applied everything", || {
            self.groups.values().all(|g| g.local_view().index() >= index)
        })
        .await;
        let digests: Vec<_> = self.groups.values().map(|g| digest(&g.local_view())).collect();
        assert!(digests.windows(2).all(|pair| pair[0] == pair[1]), "members differ");
        assert!(self.aborted.lock().is_empty(), "a core died: {:?}", self.aborted.lock());
        index.0
    }
}

/// The directory goes only when nobody works in it: RocksDB tries a flush that failed again and again, on the one
/// thread that all tables of a process share.
impl Drop for Cluster {
    fn drop(&mut self) {
        let groups = std::mem::take(&mut self.groups);
        self.fabric.inboxes.lock().clear();
        tokio::task::block_in_place(|| {
            let stop = async || {
                for group in groups.values() {
                    group.kill().await;
                }
            };
            tokio::runtime::Handle::current().block_on(stop());
            drop(groups);
            let deadline = std::time::Instant::now() + Duration::from_secs(20);
            while is_in_use(self.dir.path()) && std::time::Instant::now() < deadline {
                std::thread::sleep(Duration::from_millis(1));
            }
        });
    }
}

/// Whether this process has a file open below a directory.
fn is_in_use(dir: &Path) -> bool {
    let open = std::fs::read_dir("/proc/self/fd").unwrap();
    open.flatten().any(|entry| std::fs::read_link(entry.path()).is_ok_and(|target| target.starts_with(dir)))
}

pub(super) async fn put(groups: Vec<Group>, session: u64, seq: u64) -> u64 {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        for group in &groups {
            let wait = Instant::now() + Duration::from_secs(2);
            if let Ok(reply) = group.propose_by(command(session, seq, 0), wait).await {
                return reply.index;
            }
        }
        assert!(Instant::now() < deadline, "nobody takes the command");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

pub(super) fn digest(view: &StateView) -> blake3::Hash {
    let mut hasher = blake3::Hasher::new();
    view.visit(&[], &[], |key, value| {
        hasher.update(&(key.len() as u64).to_be_bytes()).update(key);
        hasher.update(&(value.len() as u64).to_be_bytes()).update(value);
        true
    })
    .unwrap();
    hasher.finalize()
}

pub(super) async fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !holds() {
        assert!(Instant::now() < deadline, "never: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
