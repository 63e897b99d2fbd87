//! Clients: each owns some keys, writes, deletes and restores them, reads everybody's, and carries content over into another class
//! as a worker does. They keep to the protocol of real ones: sessions with numbered commands, grants, acknowledgements,
//! and heartbeats that say what they still rely on.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use holdfast_proto::ids::{ChunkNumber, Grant};
use holdfast_proto::inode::{ChunkCommit, Content, Extent};
use holdfast_proto::map::{PgState, Redundancy, redundancy::Kind};
use holdfast_proto::op::{
    CloseSession, Command, Compact, DeleteObjects, DiskRef, Op, Piece, PutObject, RenewGrant, Reply,
    RestoreFile, TrashRef,
};
use holdfast_proto::session::OpenSession;
use holdfast_proto::status::Code;
use parking_lot::Mutex;
use tokio::time::Instant;

use crate::oracle::{self, BUCKET, Groups};
use crate::servers::{Wire, Write};
use crate::world::World;

/// Silence after which a session may be ended.
pub(crate) const TTL: Duration = Duration::from_secs(10);
const BYTES: u64 = 1 << 20;
const KEYS: usize = 6;
/// Seconds of uptime for which deleted objects are kept.
pub(crate) const KEPT_S: u64 = 40;
/// Attempts to store one chunk.
const TRIES: usize = 12;

/// What a key may contain: `None` stands for "is not there". More than one thing while nobody knows.
type Possible = Vec<Option<Vec<u64>>>;

/// What was promised to clients, outside of the cluster.
#[derive(Default)]
pub(crate) struct Promises {
    keys: BTreeMap<String, Possible>,
    /// Keys with a command under way.
    busy: BTreeSet<String>,
    /// What was written into each chunk.
    content: BTreeMap<(u32, u64), u64>,
    next: u64,
    /// Everything that was ever put, or may have been, under each key.
    ever: BTreeMap<String, BTreeSet<Vec<u64>>>,
    pub(crate) restored: u64,
    pub(crate) writes: u64,
    pub(crate) reads: u64,
    pub(crate) converted: u64,
}

/// One client process.
pub(crate) struct Client {
    id: u64,
    world: World,
    wire: Wire,
    promises: Arc<Mutex<Promises>>,
    /// Class of shards, if the scenario has one.
    coded: u32,
    life: Mutex<Life>,
}

/// Its session.
struct Life {
    session: u64,
    seq: u64,
    grant: u64,
    counter: u32,
    /// Newest index it heard of.
    seen: u64,
    /// Indexes that reads under way rely on.
    pins: Vec<u64>,
    /// When a heartbeat or command that was answered had been sent.
    alive: Instant,
}

impl Client {
    pub(crate) fn new(id: u64, world: &World, promises: &Arc<Mutex<Promises>>, coded: u32) -> Arc<Self> {
        let life = Life {
            session: id * 1000,
            seq: 0,
            grant: 0,
            counter: 0,
            seen: 0,
            pins: Vec::new(),
            alive: Instant::now(),
        };
        let (world, promises) = (world.clone(), promises.clone());
        let wire = Wire::new(world.clone(), 10_000 + id);
        Arc::new(Self { id, wire, world, promises, coded, life: Mutex::new(life) })
    }

    /// Works until the time is over, then ends its session.
    pub(crate) async fn live(self: Arc<Self>, until: Instant) {
        let beats = tokio::spawn(self.clone().beat());
        while Instant::now() < until {
            match self.world.below(11) {
                0..=3 => self.put().await,
                4 => self.delete().await,
                10 => self.restore().await,
                5 | 6 => self.convert().await,
                _ => self.read().await,
            }
            self.world.rest(50, 1500).await;
        }
        self.send(Op::CloseSession(CloseSession {})).await;
        beats.abort();
    }

    /// Says what it relies on, once a second.
    async fn beat(self: Arc<Self>) {
        loop {
            self.world.rest(900, 1100).await;
            let Some((node, boss)) = self.world.believed(self.world.chance(50)) else { continue };
            if !self.world.lock().hears(10_000 + self.id, node) {
                continue;
            }
            let mut life = self.life.lock();
            let oldest = life.pins.iter().copied().min().unwrap_or(life.seen);
            boss.sessions.lock().beat(Instant::now(), life.session, oldest);
            // Only the true leader's word means that the session lives on.
            if self.world.lock().leader == Some(node) {
                life.alive = Instant::now();
            }
        }
    }

    /// Whether the session may have been ended for its silence.
    fn may_be_over(&self) -> bool {
        self.life.lock().alive.elapsed() >= TTL
    }

    /// A command, again and again until it is answered. `None`: the session had ended, so nobody knows.
    async fn send(&self, op: Op) -> Option<Reply> {
        let command = {
            let mut life = self.life.lock();
            life.seq += 1;
            let open = OpenSession { ttl_ms: TTL.as_millis() as u64, grant: true, ..OpenSession::default() };
            Command {
                session: life.session,
                seq: life.seq,
                lowest_unanswered: life.seq,
                now_ns: self.world.lock().now_ns(),
                // Only the first command may open it: a later one would not know that it had been ended.
                open: (life.seq == 1).then_some(open),
                op: Some(op),
                ..Command::default()
            }
        };
        loop {
            let sent = Instant::now();
            let leader = self.world.lock().leader;
            if let Some(node) = leader
                && let Ok(reply) = self.world.serve(node, command.clone()).await
            {
                if let Some(boss) = self.world.boss() {
                    boss.sessions.lock().touch(Instant::now(), command.session);
                }
                let mut life = self.life.lock();
                if reply.status.as_ref().is_some_and(|status| status.kind() == Code::SessionExpired) {
                    let session = life.session + 1;
                    *life = Life { session, seq: 0, grant: 0, counter: 0, pins: Vec::new(), ..*life };
                    return None;
                }
                life.alive = sent;
                life.seen = life.seen.max(reply.index);
                life.grant = reply.grant.max(life.grant);
                return Some(reply);
            }
            self.world.rest(20, 400).await;
        }
    }

    /// A key of its own with nothing under way.
    fn own_key(&self) -> String {
        format!("c{}/k{}", self.id, self.world.below(KEYS))
    }

    /// A chunk number.
    async fn number(&self) -> Option<u64> {
        if self.life.lock().grant == 0 {
            self.send(Op::RenewGrant(RenewGrant { close: Vec::new(), open: true })).await?;
        }
        let mut life = self.life.lock();
        life.counter += 1;
        ChunkNumber::from_grant(Grant(life.grant), life.counter).map(|number| number.0)
    }

    /// Stores new content in some group of the class. `whole`: only if every member took it.
    async fn store(&self, class: u32, content: u64, whole: bool) -> Option<ChunkCommit> {
        for _ in 0..TRIES {
            let number = self.number().await?;
            let (groups, epoch) = {
                let state = self.world.lock();
                let epoch = holdfast_state::map_view::current_epoch(&*state.table).unwrap();
                (Groups::load(&state.table), epoch)
            };
            let usable: Vec<u32> = (groups.pgs.values())
                .filter(|pg| pg.class == class && pg.state() == PgState::Writable)
                .map(|pg| pg.id)
                .collect();
            if usable.is_empty() {
                self.world.rest(500, 1000).await;
                continue;
            }
            let pg = groups.pgs[&usable[self.world.below(usable.len())]].clone();
            let redundancy = groups.redundancy(&pg);
            let id = (pg.id, number);
            self.world.lock().writing.insert(id);
            self.promises.lock().content.insert(id, content);
            let write = Write { pg: pg.id, number, bytes: BYTES, redundancy, epoch };
            let mut sent = Vec::new();
            for member in &pg.members {
                let disk = DiskRef { disk: member.disk, incarnation: member.incarnation };
                let Some(node) = self.world.lock().disks.get(&disk).map(|disk| disk.node) else { continue };
                let (wire, member) = (self.wire.clone(), *member);
                sent.push(tokio::spawn(async move { (member.shard, wire.write(member, node, write).await) }));
            }
            let (mut acks, mut shards, mut copies) = (Vec::new(), BTreeSet::new(), 0);
            let all = sent.len() == pg.members.len();
            for task in sent {
                if let Ok((shard, Ok(ack))) = task.await {
                    acks.push(ack);
                    shards.insert(shard);
                    copies += 1;
                }
            }
            let counted = if redundancy.is_erasure() { shards.len() } else { copies };
            let complete = all && copies == pg.members.len();
            if counted >= redundancy.min_acks() as usize && (complete || !whole) {
                let blake3 = vec![content as u8; 32].into();
                return Some(ChunkCommit { pg: pg.id, number, length: BYTES, blake3, acks });
            }
            self.world.lock().writing.remove(&id);
        }
        None
    }

    /// It is named by metadata now, or never will be.
    fn done(&self, chunks: &[ChunkCommit]) {
        let mut state = self.world.lock();
        for chunk in chunks {
            state.writing.remove(&(chunk.pg, chunk.number));
        }
    }

    fn begin(&self, key: &str, then: Option<Vec<u64>>) -> bool {
        let mut promises = self.promises.lock();
        let free = promises.busy.insert(key.to_owned());
        if free {
            promises.keys.entry(key.to_owned()).or_insert_with(|| vec![None]).push(then);
        }
        free
    }

    /// What was possible before the command under way.
    fn before(&self, key: &str) -> Possible {
        let promises = self.promises.lock();
        let possible = &promises.keys[key];
        possible[..possible.len() - 1].to_vec()
    }

    fn end(&self, key: &str, outcome: Option<Possible>) {
        let mut promises = self.promises.lock();
        promises.busy.remove(key);
        if let (Some(outcome), Some(possible)) = (outcome, promises.keys.get_mut(key)) {
            *possible = outcome;
        }
    }

    fn fresh(&self) -> u64 {
        let mut promises = self.promises.lock();
        promises.next += 1;
        promises.next
    }

    async fn put(&self) {
        let key = self.own_key();
        let contents: Vec<u64> = (0..=self.world.below(2)).map(|_| self.fresh()).collect();
        let class = if self.coded != 0 && self.world.chance(400) { self.coded } else { 1 };
        let mut chunks = Vec::new();
        for content in &contents {
            match self.store(class, *content, false).await {
                Some(chunk) => chunks.push(chunk),
                None => return self.done(&chunks),
            }
        }
        // Clients dawdle, too: members change between acknowledgement and commit.
        if self.world.chance(200) {
            self.world.rest(100, 8000).await;
        }
        if !self.begin(&key, Some(contents.clone())) {
            return self.done(&chunks);
        }
        let old = self.before(&key);
        self.promises.lock().ever.entry(key.clone()).or_default().insert(contents.clone());
        let mut at = 0;
        let extents = chunks.iter().map(|chunk| {
            let extent = Extent {
                offset: at,
                length: chunk.length,
                pg: chunk.pg,
                number: chunk.number,
                chunk_bytes: chunk.length,
                ..Extent::default()
            };
            at += chunk.length;
            extent
        });
        let extents = extents.collect();
        let content = Content { size: at, inline: None, chunks: chunks.clone(), extents };
        let reply = self
            .send(Op::PutObject(PutObject {
                bucket: BUCKET.into(),
                key: key.clone().into(),
                content: Some(content),
                ..PutObject::default()
            }))
            .await;
        self.done(&chunks);
        let outcome = match reply {
            None => None,
            Some(reply) if reply.is_ok() => {
                self.promises.lock().writes += 1;
                Some(vec![Some(contents)])
            }
            Some(reply) => {
                let kind = reply.status.as_ref().map(|status| status.kind());
                if !matches!(kind, Some(Code::ChunksRejected | Code::GrantClosed)) {
                    self.world.lock().violate(format!("a put was refused: {:?}", reply.status));
                }
                Some(old)
            }
        };
        self.end(&key, outcome);
    }

    async fn delete(&self) {
        let key = self.own_key();
        if !self.begin(&key, None) {
            return;
        }
        let keys = vec![key.clone().into()];
        let delete = DeleteObjects { bucket: BUCKET.into(), keys, ..DeleteObjects::default() };
        let outcome = self.send(Op::DeleteObjects(delete)).await.map(|_| vec![None]);
        self.end(&key, outcome);
    }

    /// Gives a key back what was deleted under it, some time or other. That has the bytes that it had, and is there for as
    /// long as it is to be kept.
    async fn restore(&self) {
        let key = self.own_key();
        let Some(node) = self.world.lock().leader else { return };
        let Ok((index, table)) = self.world.read(node).await else { return };
        let items = oracle::trash(&table, index.0, &key);
        if items.is_empty() {
            return;
        }
        let item = items[self.world.below(items.len())].clone();
        let contents = self.content_of(&oracle::extents_of(&table, index.0, item.ino));
        drop(table);
        if !self.promises.lock().ever.get(&key).is_some_and(|ever| ever.contains(&contents)) {
            let what = format!("{key} is kept as {contents:?}, which it never was: {item:?}");
            self.world.lock().violate(what);
        }
        if !self.begin(&key, Some(contents.clone())) {
            return;
        }
        let old = self.before(&key);
        let replace = self.world.chance(500);
        let wanted = TrashRef { ino: item.ino, index: item.index };
        let restore = RestoreFile { item: Some(wanted), replace, ..RestoreFile::default() };
        let outcome = match self.send(Op::RestoreFile(restore)).await {
            None => None,
            Some(reply) if reply.is_ok() => {
                self.promises.lock().restored += 1;
                Some(vec![Some(contents)])
            }
            Some(reply) => {
                let kind = reply.status.as_ref().map(|status| status.kind());
                let age = self.world.lock().now_ns() - item.deleted_ns;
                let over = age >= KEPT_S as i64 * 1_000_000_000;
                if !(kind == Some(Code::Exists) && !replace || kind == Some(Code::NotFound) && over) {
                    let what = format!("{item:?} of {key} was not restored: {:?}", reply.status);
                    self.world.lock().violate(what);
                }
                Some(old)
            }
        };
        self.end(&key, outcome);
    }

    /// A read of somebody's key: what it finds was promised, and its bytes stay readable while it relies on them.
    async fn read(&self) {
        let key = format!("c{}/k{}", 1 + self.world.below(3), self.world.below(KEYS));
        let pin = {
            let mut life = self.life.lock();
            let pin = life.seen;
            life.pins.push(pin);
            pin
        };
        self.look(&key).await;
        let mut life = self.life.lock();
        if let Some(at) = life.pins.iter().position(|pinned| *pinned == pin) {
            life.pins.remove(at);
        }
    }

    async fn look(&self, key: &str) {
        let Some(node) = self.world.lock().leader else { return };
        let began = self.life.lock().session;
        let possible = self.promises.lock().keys.get(key).cloned().unwrap_or_else(|| vec![None]);
        let Ok((index, table)) = self.world.read(node).await else { return };
        let found = oracle::extents(&table, index.0, key).map(|(_, extents)| extents);
        let after = self.promises.lock().keys.get(key).cloned().unwrap_or_else(|| vec![None]);
        let content = found.as_ref().map(|extents| self.content_of(extents));
        // Whatever was possible when it began, or when it ended: the owner may have been quicker.
        if !possible.contains(&content) && !after.contains(&content) && possible.len() + after.len() == 2 {
            let what = format!("{key} reads {content:?}, promised was {possible:?}, then {after:?}");
            self.world.lock().violate(what);
        }
        drop(table);
        self.promises.lock().reads += 1;
        let Some(extents) = found else { return };
        for extent in &extents {
            self.world.rest(0, 1500).await;
            if self.may_be_over() || self.life.lock().session != began {
                return;
            }
            let mut state = self.world.lock();
            let groups = Groups::load(&state.table);
            let there = oracle::pieces(&state, extent.pg, extent.number, &BTreeSet::new());
            if !oracle::enough(&groups.redundancy(&groups.pgs[&extent.pg]), &there) {
                let what = format!("a reader as of {index:?} lost {}/{}", extent.pg, extent.number);
                state.violate(what);
            }
        }
    }

    fn content_of(&self, extents: &[Extent]) -> Vec<u64> {
        let promises = self.promises.lock();
        extents.iter().map(|extent| promises.content[&(extent.pg, extent.number)]).collect()
    }

    /// Carries an object over into the other class, like a worker: nothing is let go before every member has its part.
    async fn convert(&self) {
        if self.coded == 0 {
            return;
        }
        let key = format!("c{}/k{}", 1 + self.world.below(3), self.world.below(KEYS));
        let Some(node) = self.world.lock().leader else { return };
        let Ok((index, table)) = self.world.read(node).await else { return };
        // What is in the trash is converted like everything else.
        let kept = oracle::trash(&table, index.0, &key).first().map(|item| item.ino);
        let found = match kept.filter(|_| self.world.chance(300)) {
            Some(ino) => Some((ino, oracle::extents_of(&table, index.0, ino))),
            None => oracle::extents(&table, index.0, &key),
        };
        let Some((ino, extents)) = found else { return };
        let groups = Groups::load(&table);
        drop(table);
        let Some(first) = extents.first().cloned() else { return };
        let to = if groups.pgs[&first.pg].class == 1 { self.coded } else { 1 };
        let content = self.content_of(std::slice::from_ref(&first))[0];
        let Some(chunk) = self.store(to, content, true).await else { return };
        let source = Extent {
            pg: chunk.pg,
            number: chunk.number,
            chunk_bytes: BYTES,
            length: BYTES,
            ..Extent::default()
        };
        let piece = Piece { offset: first.offset, length: BYTES, source: Some(source) };
        let compact = Compact {
            ino,
            chunks: vec![chunk.clone()],
            pieces: vec![piece],
            expected: vec![first],
            ..Compact::default()
        };
        if self.send(Op::Compact(compact)).await.is_some_and(|reply| reply.is_ok()) {
            self.promises.lock().converted += 1;
        }
        self.done(&[chunk]);
    }
}

/// After everything: every key is what was promised.
pub(crate) fn verify(world: &World, promises: &Promises) {
    let mut state = world.lock();
    let (table, index) = (state.table.clone(), state.index);
    for (key, possible) in &promises.keys {
        let found = oracle::extents(&table, index, key).map(|(_, extents)| {
            extents.iter().map(|extent| promises.content[&(extent.pg, extent.number)]).collect::<Vec<_>>()
        });
        if !possible.contains(&found) {
            state.violate(format!("{key} is {found:?} in the end, promised was {possible:?}"));
        }
    }
}

/// A class of shards.
pub(crate) fn coded(data: u32, parity: u32) -> Redundancy {
    let shape = holdfast_proto::map::Erasure { data, parity, cell_bytes: 64 << 10 };
    Redundancy { kind: Some(Kind::Erasure(shape)) }
}
