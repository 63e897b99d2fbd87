//! A cluster in memory: the real state machine behind fake metaservers, and fake chunkservers that can be slow,
//! frozen, full, forgetful or wrong. Everything goes through the RPC crate's network in memory.

#![allow(dead_code, missing_docs, unreachable_pub, reason = "each test file uses its own part")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may")]

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use holdfast_client::{Client, ClientConfig, PutOptions};
use holdfast_proto::chunk::{ReadChunk, ReadReply, VerifyChunks, VerifyReply, WriteChunk, WriteReply};
use holdfast_proto::cluster::{Empty, ReportProblem};
use holdfast_proto::geometry::member_bytes;
use holdfast_proto::ids::{LogIndex, NodeId};
use holdfast_proto::map::{
    DiskLoad, Erasure, Liveness, MapReply, MapRequest, NodeLiveness, Redundancy, roles,
};
use holdfast_proto::method;
use holdfast_proto::op::{
    Command, CreateBucket, CreatePgs, DiskRef, ExpireSession, Genesis, NewPg, Op, PutClass, RegisterDisk,
    RegisterNode, Reply,
};
use holdfast_proto::query::{Query, QueryReply, QueryRequest};
use holdfast_proto::session::{
    Changes, KeepOpens, KeepOpensReply, SessionHeartbeat, SessionHeartbeatReply, WATCH_MS, Watch,
};
use holdfast_proto::status::{Code, Status};
use holdfast_rpc::fake::FakeNetwork;
use holdfast_rpc::{Net, NetConfig, Router};
use holdfast_state::{MemTable, Overlay, keys, map_view, records};
use holdfast_support::crc;
use parking_lot::Mutex;

pub const BUCKET: &str = "bucket";

/// What a test's cluster looks like.
pub struct Shape {
    pub nodes: usize,
    pub disks_per_node: usize,
    pub copies: u32,
    pub min_copies: u32,
    pub chunk_bytes: u64,
    pub inline_limit: u64,
    /// Also a class of this shape, with the copies as its companion, and its groups.
    pub erasure: Option<Erasure>,
    pub seed: u64,
}

/// The class that [`Shape::erasure`] makes.
pub const CODED: u32 = 2;

impl Default for Shape {
    fn default() -> Self {
        Self {
            nodes: 4,
            disks_per_node: 1,
            copies: 3,
            min_copies: 2,
            chunk_bytes: 64 << 10,
            inline_limit: 4096,
            erasure: None,
            seed: 1,
        }
    }
}

pub struct Cluster {
    pub network: FakeNetwork,
    pub meta: Arc<Meta>,
    pub chunks: Vec<Arc<ChunkNode>>,
    nets: Vec<Net>,
    seed: u64,
}

/// What becomes of a command that reached the leader.
pub enum Fate {
    Go,
    /// Carried out, but the reply never leaves.
    LoseReply,
    Refuse(Status),
}

/// Called at every step of a message (it arrives; its answer leaves) with the step's number; how long the step is held up.
type Hook = Box<dyn FnMut(usize) -> Duration + Send>;

type Intercept = Box<dyn FnMut(&Command, &mut MemTable, &mut u64) -> Fate + Send>;

pub struct Meta {
    pub state: Mutex<MetaState>,
    pub leader: AtomicUsize,
    steps: Mutex<(usize, Option<Hook>)>,
}

#[derive(Default)]
pub struct MetaState {
    pub table: MemTable,
    pub index: u64,
    /// Commands as they arrived, retries included.
    pub arrived: Vec<Command>,
    pub beats: Vec<SessionHeartbeat>,
    pub reports: Vec<ReportProblem>,
    pub liveness: HashMap<u32, Liveness>,
    pub silent: Vec<u64>,
    pub intercept: Option<Intercept>,
    pub questions: usize,
    /// Changes of leader.
    pub terms: u64,
    /// The leader does not know what is open.
    pub wants_opens: bool,
    /// Opens by number as they arrived: inode and number.
    pub opened: Vec<(u64, u64)>,
    /// What was said of opens.
    pub told: Vec<KeepOpens>,
}

pub fn apply(table: &mut MemTable, index: &mut u64, command: &Command) -> Reply {
    *index += 1;
    let command = Command { now_ns: *index as i64 * 1000, ..command.clone() };
    let mut overlay = Overlay::new(&*table);
    let reply = holdfast_state::apply(&mut overlay, LogIndex(*index), &command).unwrap();
    let changes: Vec<_> = overlay.into_changes().collect();
    table.write(changes);
    reply
}

pub fn by_leader(op: Op) -> Command {
    Command { op: Some(op), ..Command::default() }
}

impl Meta {
    /// Counts steps from now on.
    pub fn watch_steps(&self, hook: impl FnMut(usize) -> Duration + Send + 'static) {
        *self.steps.lock() = (0, Some(Box::new(hook)));
    }

    /// How many there were; none are watched any more.
    pub fn steps(&self) -> usize {
        let mut steps = self.steps.lock();
        steps.1 = None;
        steps.0
    }

    async fn step(&self) {
        let held_up = match &mut *self.steps.lock() {
            (_, None) => return,
            (count, Some(hook)) => {
                *count += 1;
                hook(*count)
            }
        };
        tokio::time::sleep(held_up).await;
    }

    pub fn lead(&self, op: Op) -> Reply {
        let state = &mut *self.state.lock();
        let reply = apply(&mut state.table, &mut state.index, &by_leader(op));
        assert!(reply.is_ok(), "{reply:?}");
        reply
    }

    pub fn intercept(&self, work: impl FnMut(&Command, &mut MemTable, &mut u64) -> Fate + Send + 'static) {
        self.state.lock().intercept = Some(Box::new(work));
    }

    pub fn expire(&self, session: u64) {
        self.lead(Op::ExpireSession(ExpireSession { session }));
    }

    pub fn session_is_open(&self, session: u64) -> bool {
        session_is_open(&self.state.lock().table, session)
    }

    pub fn redundancy(&self, pg: u32) -> Redundancy {
        let map = map_view::load_map(&self.state.lock().table, 0, &[pg], true).unwrap();
        let class = map.pgs.iter().find(|found| found.id == pg).unwrap().class;
        map.classes.iter().find(|found| found.id == class).unwrap().redundancy.unwrap()
    }

    pub fn epoch(&self) -> u64 {
        map_view::current_epoch(&self.state.lock().table).unwrap()
    }

    /// Chunks known to the metadata, with how many members lack each.
    pub fn missing(&self) -> usize {
        let state = self.state.lock();
        state.table.iter().filter(|(key, _)| key.first() == Some(&keys::MISSING)).count()
    }

    /// Drafts that were begun and not taken over.
    pub fn drafts(&self) -> usize {
        let state = self.state.lock();
        state.table.iter().filter(|(key, _)| key.first() == Some(&keys::NAMELESS)).count()
    }

    fn not_leader(&self, me: usize) -> Option<Status> {
        let leader = self.leader.load(Ordering::SeqCst);
        (leader != me).then(|| Status::not_leader(None, format!("meta{leader}")))
    }

    async fn mutate(self: Arc<Self>, me: usize, command: Command) -> Result<(Reply, Bytes), Status> {
        self.step().await;
        if let Some(status) = self.not_leader(me) {
            return Err(status);
        }
        let (reply, lose) = {
            let state = &mut *self.state.lock();
            state.arrived.push(command.clone());
            let fate = match &mut state.intercept {
                Some(intercept) => intercept(&command, &mut state.table, &mut state.index),
                None => Fate::Go,
            };
            if let Fate::Refuse(status) = fate {
                return Err(status);
            }
            (apply(&mut state.table, &mut state.index, &command), matches!(fate, Fate::LoseReply))
        };
        if lose {
            std::future::pending::<()>().await;
        }
        self.step().await;
        Ok((reply, Bytes::new()))
    }

    fn ask(&self, me: usize, request: QueryRequest) -> Result<(QueryReply, Bytes), Status> {
        if let Some(status) = self.not_leader(me) {
            return Err(status);
        }
        let mut state = self.state.lock();
        state.questions += 1;
        if request.session != 0 && !session_is_open(&state.table, request.session) {
            return Err(Status::new(Code::SessionExpired, "ended"));
        }
        if let Some(Query::GetInode(ask)) = request.query.as_ref().filter(|_| request.session != 0)
            && ask.open != 0
        {
            state.opened.push((ask.ino, ask.open));
        }
        let mut reply = holdfast_state::query(&state.table, LogIndex(state.index), &request).unwrap();
        if request.lease {
            reply.lease_term = 1 + state.terms;
        }
        Ok((reply, Bytes::new()))
    }

    /// Tells of changes of leader, and never of anything else.
    async fn watch(self: Arc<Self>, me: usize, watch: Watch) -> Result<(Changes, Bytes), Status> {
        let term = 1 + self.state.lock().terms;
        if watch.term == term {
            tokio::time::sleep(Duration::from_millis(WATCH_MS)).await;
        }
        if let Some(status) = self.not_leader(me) {
            return Err(status);
        }
        let state = self.state.lock();
        if !session_is_open(&state.table, watch.session) {
            return Err(Status::new(Code::SessionExpired, "ended"));
        }
        let term = 1 + state.terms;
        let all = watch.term != term;
        Ok((Changes { term, seq: watch.seq + 1, all, changes: Vec::new() }, Bytes::new()))
    }

    fn keep(&self, me: usize, beat: SessionHeartbeat) -> Result<(SessionHeartbeatReply, Bytes), Status> {
        if let Some(status) = self.not_leader(me) {
            return Err(status);
        }
        let mut state = self.state.lock();
        if !session_is_open(&state.table, beat.session) {
            return Err(Status::new(Code::SessionExpired, "ended"));
        }
        state.beats.push(beat);
        let map_epoch = map_view::current_epoch(&state.table).unwrap();
        let (term, assert_opens) = (1 + state.terms, state.wants_opens);
        Ok((SessionHeartbeatReply { map_epoch, term, index: state.index, assert_opens }, Bytes::new()))
    }

    fn keep_opens(&self, me: usize, said: KeepOpens) -> Result<(KeepOpensReply, Bytes), Status> {
        if let Some(status) = self.not_leader(me) {
            return Err(status);
        }
        let mut state = self.state.lock();
        if !session_is_open(&state.table, said.session) {
            return Err(Status::new(Code::SessionExpired, "ended"));
        }
        let term = 1 + state.terms;
        state.wants_opens &= !(said.last && said.term == term);
        state.told.push(said);
        Ok((KeepOpensReply { term }, Bytes::new()))
    }

    fn map(&self, me: usize, request: MapRequest) -> Result<(MapReply, Bytes), Status> {
        if let Some(status) = self.not_leader(me) {
            return Err(status);
        }
        let state = self.state.lock();
        let mut map = map_view::load_map(&state.table, request.have, &request.pgs, request.all_pgs).unwrap();
        for disk in map_view::disks(&state.table).unwrap() {
            let liveness = state.liveness.get(&disk.id).copied().unwrap_or(Liveness::Alive) as i32;
            map.loads.push(DiskLoad { disk: disk.id, used: 0, free: disk.capacity, liveness });
        }
        let silent =
            |node: &u64| NodeLiveness { node: *node, liveness: Liveness::Down as i32, silent_ms: 20_000 };
        map.silent = state.silent.iter().map(silent).collect();
        Ok((map, Bytes::new()))
    }

    fn router(self: &Arc<Self>, me: usize) -> Router {
        let (a, b, c, d, e) = (self.clone(), self.clone(), self.clone(), self.clone(), self.clone());
        let (f, g) = (self.clone(), self.clone());
        Router::new()
            // As on a real network: who no longer waits for an answer does not call the message back.
            .on::<method::Mutate, _, _>(move |_, command, _| {
                let arrived = tokio::spawn(a.clone().mutate(me, command));
                async move { arrived.await.unwrap() }
            })
            .on::<method::Ask, _, _>(move |_, request, _| {
                let b = b.clone();
                async move { b.ask(me, request) }
            })
            .on::<method::KeepSession, _, _>(move |_, beat, _| {
                let c = c.clone();
                async move { c.keep(me, beat) }
            })
            .on::<method::KeepOpens, _, _>(move |_, said, _| {
                let f = f.clone();
                async move { f.keep_opens(me, said) }
            })
            .on::<method::Watch, _, _>(move |_, watch, _| g.clone().watch(me, watch))
            .on::<method::GetMap, _, _>(move |_, request, _| {
                let d = d.clone();
                async move { d.map(me, request) }
            })
            .on::<method::Report, _, _>(move |_, problem, _| {
                e.state.lock().reports.push(problem);
                async move { Ok((Empty {}, Bytes::new())) }
            })
    }
}

fn session_is_open(table: &MemTable, session: u64) -> bool {
    let known: Option<records::Session> = records::load(table, &keys::session(session)).unwrap();
    known.is_some_and(|session| session.is_open())
}

#[derive(Clone)]
pub struct Record {
    pub data: Bytes,
    pub crcs: Bytes,
    pub blake3: Bytes,
    pub shard: u32,
    pub chunk_bytes: u64,
}

/// How a chunkserver misbehaves.
#[derive(Clone, Default)]
pub struct Mode {
    pub write_delay: Duration,
    pub read_delay: Duration,
    /// Takes requests and never answers.
    pub frozen: bool,
    pub refuse_writes: Option<Status>,
    /// Writes of a map older than this are refused.
    pub least_epoch: u64,
    /// What it stored does not read back.
    pub rots: bool,
}

pub struct ChunkNode {
    pub id: NodeId,
    pub address: String,
    pub disks: Mutex<Vec<DiskRef>>,
    pub store: Mutex<HashMap<(u32, u32, u64), Record>>,
    pub mode: Mutex<Mode>,
    pub writes: AtomicUsize,
    pub reads: AtomicUsize,
    meta: Arc<Meta>,
}

impl ChunkNode {
    pub fn set(&self, change: impl FnOnce(&mut Mode)) {
        change(&mut self.mode.lock());
    }

    fn check_disk(&self, disk: Option<DiskRef>) -> Result<u32, Status> {
        let disk = disk.unwrap_or_default();
        match self.disks.lock().contains(&disk) {
            true => Ok(disk.disk),
            false => Err(Status::new(Code::WrongDisk, format!("no {disk:?} here"))),
        }
    }

    async fn write(
        self: Arc<Self>,
        request: WriteChunk,
        payload: Bytes,
    ) -> Result<(WriteReply, Bytes), Status> {
        self.writes.fetch_add(1, Ordering::SeqCst);
        let mode = self.mode.lock().clone();
        if mode.frozen {
            std::future::pending::<()>().await;
        }
        tokio::time::sleep(mode.write_delay).await;
        self.meta.step().await;
        if let Some(status) = mode.refuse_writes {
            return Err(status);
        }
        if request.epoch < mode.least_epoch {
            return Err(Status::stale_map(mode.least_epoch.into(), "old map"));
        }
        let disk = self.check_disk(request.disk)?;
        crc::verify_blocks(&payload, &request.crcs)
            .map_err(|error| Status::new(Code::Corrupt, error.to_string()))?;
        let redundancy = self.meta.redundancy(request.pg);
        let expected = member_bytes(&redundancy, request.chunk_bytes, request.shard);
        assert_eq!(payload.len() as u64, expected, "{request:?}");
        if !redundancy.is_erasure() {
            assert_eq!(request.blake3, blake3::hash(&payload).as_bytes()[..]);
        }
        // A copy, as on a disk: the client's own buffer goes back to it.
        let data = Bytes::copy_from_slice(&payload);
        let WriteChunk { crcs, blake3, shard, chunk_bytes, .. } = request;
        let record = Record { data, crcs, blake3, shard, chunk_bytes };
        let old = self.store.lock().insert((disk, request.pg, request.number), record);
        assert!(old.is_none(), "a chunk number was used twice");
        let incarnation = request.disk.unwrap_or_default().incarnation;
        self.meta.step().await;
        Ok((WriteReply { epoch: self.meta.epoch(), incarnation }, Bytes::new()))
    }

    async fn read(self: Arc<Self>, request: ReadChunk) -> Result<(ReadReply, Bytes), Status> {
        self.reads.fetch_add(1, Ordering::SeqCst);
        let mode = self.mode.lock().clone();
        if mode.frozen {
            std::future::pending::<()>().await;
        }
        tokio::time::sleep(mode.read_delay).await;
        let disk = self.check_disk(request.disk)?;
        let record = self.store.lock().get(&(disk, request.pg, request.number)).cloned();
        let record = record.ok_or_else(|| Status::new(Code::ChunkNotFound, "no such chunk"))?;
        assert_eq!(record.shard, request.shard, "another shard was asked for");
        let length = record.data.len() as u64;
        let first = request.offset / 4096 * 4096;
        let end = (request.offset + request.length).min(length).next_multiple_of(4096).min(length);
        let crcs = record.crcs.slice((first / 4096 * 4) as usize..(end.div_ceil(4096) * 4) as usize);
        let reply = ReadReply {
            offset: first,
            record_bytes: length,
            crcs,
            chunk_bytes: record.chunk_bytes,
            blake3: record.blake3,
        };
        Ok((reply, record.data.slice(first as usize..end as usize)))
    }

    fn verify(&self, request: VerifyChunks) -> Result<(VerifyReply, Bytes), Status> {
        let disk = self.check_disk(request.disk)?;
        let mut reply = VerifyReply::default();
        for number in request.numbers {
            match self.store.lock().contains_key(&(disk, request.pg, number)) {
                true if self.mode.lock().rots => reply.damaged.push(number),
                true => reply.good.push(number),
                false => reply.absent.push(number),
            }
        }
        Ok((reply, Bytes::new()))
    }

    fn router(self: &Arc<Self>) -> Router {
        let (a, b, c, d) = (self.clone(), self.clone(), self.clone(), self.clone());
        Router::new()
            .on::<method::Verify, _, _>(move |_, request, _| std::future::ready(d.verify(request)))
            .on::<method::Write, _, _>(move |_, request, payload| {
                let arrived = tokio::spawn(a.clone().write(request, payload));
                async move { arrived.await.unwrap() }
            })
            .on::<method::Read, _, _>(move |_, request, _| b.clone().read(request))
            .on::<method::Ping, _, _>(move |_, _, _| {
                let frozen = c.mode.lock().frozen;
                async move {
                    if frozen {
                        std::future::pending::<()>().await;
                    }
                    Ok((Empty {}, Bytes::new()))
                }
            })
    }

    /// Flips a bit of every record it has.
    pub fn damage(&self) {
        for record in self.store.lock().values_mut() {
            let mut bytes = record.data.to_vec();
            let middle = bytes.len() / 2;
            bytes[middle] ^= 0x10;
            record.data = bytes.into();
        }
    }
}

impl Cluster {
    pub async fn start(shape: Shape) -> Self {
        let network = FakeNetwork::new(shape.seed);
        let meta =
            Arc::new(Meta { state: Mutex::default(), leader: AtomicUsize::new(0), steps: Mutex::default() });
        let class = PutClass {
            name: "standard".into(),
            redundancy: Some(Redundancy::replicated(shape.copies, shape.min_copies)),
            inline_limit: shape.inline_limit,
            chunk_bytes: shape.chunk_bytes,
            ..PutClass::default()
        };
        let node = |name: &str, roles| RegisterNode {
            nonce: Bytes::from(format!("{name}-nonce-nonce")),
            address: name.to_owned(),
            roles,
            ..RegisterNode::default()
        };
        meta.lead(Op::Genesis(Genesis {
            cluster: Bytes::from_static(&[7; 16]),
            node: Some(node("meta0", roles::META)),
            class: Some(class),
            state_version: 1,
            ..Genesis::default()
        }));
        let second = meta.lead(Op::RegisterNode(node("meta1", roles::META))).id;
        let mut nets = Vec::new();
        for (at, id) in [1, second].into_iter().enumerate() {
            let net = Self::net(&network, NodeId(id));
            network.serve(format!("meta{at}"), &net, meta.router(at));
            nets.push(net);
        }
        let mut chunks = Vec::new();
        for at in 0..shape.nodes {
            let address = format!("chunk{at}");
            let id = NodeId(meta.lead(Op::RegisterNode(node(&address, roles::CHUNK))).id);
            let disks = (0..shape.disks_per_node).map(|disk| {
                let reply = meta.lead(Op::RegisterDisk(RegisterDisk {
                    node: id.0,
                    fingerprint: Bytes::from(format!("{address}-disk{disk}-print")),
                    capacity: 1 << 40,
                    ..RegisterDisk::default()
                }));
                DiskRef { disk: reply.id as u32, incarnation: reply.incarnation }
            });
            let chunk = Arc::new(ChunkNode {
                id,
                address: address.clone(),
                disks: Mutex::new(disks.collect()),
                store: Mutex::default(),
                mode: Mutex::default(),
                writes: AtomicUsize::new(0),
                reads: AtomicUsize::new(0),
                meta: meta.clone(),
            });
            let net = Self::net(&network, id);
            network.serve(address, &net, chunk.router());
            nets.push(net);
            chunks.push(chunk);
        }
        let cluster = Self { network, meta, chunks, nets, seed: shape.seed };
        cluster.make_groups(1, shape.copies as usize);
        if let Some(erasure) = shape.erasure {
            let kind = Some(holdfast_proto::map::redundancy::Kind::Erasure(erasure));
            let coded = PutClass {
                name: "coded".into(),
                redundancy: Some(Redundancy { kind }),
                inline_limit: shape.inline_limit,
                chunk_bytes: 4 * erasure.geometry().stripe_bytes(),
                companion: 1,
                ..PutClass::default()
            };
            assert_eq!(cluster.meta.lead(Op::PutClass(coded)).id, u64::from(CODED));
            cluster.make_groups(CODED, erasure.geometry().shards() as usize);
        }
        cluster
    }

    fn net(network: &FakeNetwork, node: NodeId) -> Net {
        let cluster = holdfast_proto::ids::ClusterId([7; 16]);
        Net::new(NetConfig {
            fake: Some(network.clone()),
            cluster: Some(cluster),
            node,
            ..NetConfig::default()
        })
    }

    /// A chunkserver that was stopped is there again.
    pub fn revive(&self, at: usize) {
        // Behind the nets of the two metaservers.
        self.network.serve(self.chunks[at].address.clone(), &self.nets[2 + at], self.chunks[at].router());
    }

    /// A group of a class for every choice of as many nodes, over rotating disks.
    pub fn make_groups(&self, class: u32, members: usize) {
        let mut pgs = Vec::new();
        for choice in 0u32..1 << self.chunks.len() {
            if choice.count_ones() as usize != members {
                continue;
            }
            let chosen = self.chunks.iter().enumerate().filter(|(at, _)| choice & 1 << at != 0);
            let disks = chosen.map(|(at, node)| {
                let disks = node.disks.lock();
                disks[(choice as usize + at) % disks.len()]
            });
            pgs.push(NewPg { class, disks: disks.collect() });
        }
        self.meta.lead(Op::CreatePgs(CreatePgs { pgs }));
    }

    pub async fn client_with(&self, change: impl FnOnce(&mut ClientConfig)) -> Client {
        let mut config = ClientConfig {
            metaservers: vec!["meta0".into(), "meta1".into()],
            net: Some(Self::net(&self.network, NodeId(0))),
            description: "test".into(),
            seed: Some(self.seed),
            ..ClientConfig::default()
        };
        change(&mut config);
        Client::connect(config).await.unwrap()
    }

    /// A client, and a bucket made with it.
    pub async fn client(&self) -> Client {
        let client = self.client_with(|_| {}).await;
        client.mutate(create_bucket()).await.unwrap();
        client
    }

    /// Every replica that lies anywhere, by (group, number).
    pub fn replicas(&self) -> HashMap<(u32, u64), usize> {
        let mut counts = HashMap::new();
        for node in &self.chunks {
            for (_, pg, number) in node.store.lock().keys() {
                *counts.entry((*pg, *number)).or_default() += 1;
            }
        }
        counts
    }
}

pub fn create_bucket() -> Op {
    Op::CreateBucket(CreateBucket { name: BUCKET.into(), ..CreateBucket::default() })
}

/// Bytes that differ from place to place and by `salt`.
pub fn bytes(length: usize, salt: u64) -> Bytes {
    let mut out = vec![0; length];
    let mut hasher = blake3::Hasher::new();
    hasher.update(&salt.to_le_bytes());
    hasher.finalize_xof().fill(&mut out);
    out.into()
}

pub async fn put(client: &Client, key: &str, data: &Bytes) -> Reply {
    client.put_bytes(BUCKET, key.as_bytes(), data.clone(), PutOptions::default()).await.unwrap()
}

/// Puts in pieces, without telling the length.
pub async fn put_streamed(client: &Client, key: &str, data: &Bytes, piece: usize) -> Reply {
    let mut writer = client.put(BUCKET, key.as_bytes(), PutOptions::default()).await.unwrap();
    for piece in data.chunks(piece) {
        writer.write(Bytes::copy_from_slice(piece)).await.unwrap();
    }
    writer.finish().await.unwrap()
}

pub async fn get(client: &Client, key: &str) -> Bytes {
    let file = client.open_object(BUCKET, key.as_bytes(), None).await.unwrap();
    file.read_at(0, u64::MAX).await.unwrap()
}

/// Waits until `what` holds, in test time.
pub async fn eventually(mut what: impl FnMut() -> bool) {
    for _ in 0..600 {
        if what() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("it did not come to that within a minute");
}
