//! A store in memory for tests: the real state machine over a map, chunks in another.

#[allow(clippy::wildcard_imports, missing_docs)]
#[path = "../../../../metaserver/state/tests/common/mod.rs"]
mod world;

use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::{self, BoxStream, StreamExt};
use holdfast_proto::inode::{Content, Inode};
use holdfast_proto::op::{AssembleUpload, FinishUpload, KeyRule, Op, PutKey, Reply};
use holdfast_proto::query::{GetExtents, GetObject, Query, QueryReply};
use holdfast_proto::status::{Code, Status};
use parking_lot::Mutex;

use self::world::World;
use crate::store::{Completion, Object, Outcome, Sink, Store, Written};

const INLINE: usize = 4096;
const CHUNK: usize = 8 << 20;

/// The store; clones share it.
#[derive(Clone)]
pub(crate) struct MemoryStore {
    world: Arc<Mutex<World>>,
    /// Refuse every command with this, if set.
    broken: Arc<Mutex<Option<Status>>>,
    /// Questions and commands so far: round trips.
    calls: Arc<Mutex<(u64, u64)>>,
    /// Reads that find the file changed.
    outrun: Arc<Mutex<u32>>,
    /// Somebody else, who has a command carried out right before each of ours.
    other: Arc<Mutex<Option<Other>>>,
}

type Other = Box<dyn FnMut(&Op) -> Option<Op> + Send>;

impl MemoryStore {
    pub(crate) fn new() -> Self {
        let mut world = World::new();
        world.checked = false;
        // Clients compare `Last-Modified` with their own clocks.
        let since_epoch = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
        world.now = since_epoch.as_nanos() as i64;
        let (broken, calls, outrun, other) = Default::default();
        Self { world: Arc::new(Mutex::new(world)), broken, calls, outrun, other }
    }

    pub(crate) fn add_key(&self, id: &str, secret: &str, rules: Vec<KeyRule>) {
        let key = PutKey { access_key: id.into(), secret_key: secret.into(), rules, ..PutKey::default() };
        self.world.lock().ok(Op::PutKey(key));
    }

    pub(crate) fn fail_with(&self, status: Option<Status>) {
        *self.broken.lock() = status;
    }

    /// The next reads find that the file changed before all was known of where it lies.
    pub(crate) fn outrun(&self, reads: u32) {
        *self.outrun.lock() = reads;
    }

    /// Somebody else has `command` carried out right before each of ours.
    pub(crate) fn beside(&self, command: impl FnMut(&Op) -> Option<Op> + Send + 'static) {
        *self.other.lock() = Some(Box::new(command));
    }

    /// Questions and commands so far.
    pub(crate) fn calls(&self) -> (u64, u64) {
        *self.calls.lock()
    }

    /// The whole-state checker finds nothing.
    pub(crate) fn check(&self) {
        self.world.lock().check();
    }

    fn run(&self, op: Op) -> Outcome<Reply> {
        if let Some(status) = self.broken.lock().clone() {
            return Err(status);
        }
        self.calls.lock().1 += 1;
        let other = self.other.lock().as_mut().and_then(|other| other(&op));
        let mut world = self.world.lock();
        if let Some(other) = other {
            world.ok(other);
        }
        world.run(op).into_result()
    }

    fn asked(&self, query: Query) -> Outcome<QueryReply> {
        self.calls.lock().0 += 1;
        let reply = self.world.lock().ask(query);
        match reply.status.clone().filter(|s| !s.is_ok()) {
            Some(status) => Err(status),
            None => Ok(reply),
        }
    }
}

#[async_trait]
impl Store for MemoryStore {
    async fn ask(&self, query: Query) -> Outcome<QueryReply> {
        self.asked(query)
    }

    async fn change(&self, op: Op) -> Outcome<Reply> {
        self.run(op)
    }

    async fn create(&self, _bucket: &str, _key: &[u8], _class: u32, _length: u64) -> Outcome<Box<dyn Sink>> {
        Ok(Box::new(MemorySink { store: self.clone(), data: Vec::new() }))
    }

    async fn open(&self, bucket: &str, key: &Bytes) -> Outcome<Arc<dyn Object>> {
        let ask = GetObject { bucket: bucket.into(), key: key.clone(), content: true, conditions: None };
        let reply = self.asked(Query::GetObject(ask))?;
        let inode = reply.inode.clone().ok_or_else(|| Status::new(Code::NotFound, "no object"))?;
        let mut data = vec![0; inode.size as usize];
        if let Some(inline) = reply.inline {
            data.copy_from_slice(&inline);
        }
        let world = self.world.lock();
        let mut extents = if inode.extents.is_empty() { reply.extents } else { inode.extents.clone() };
        let mut offset = extents.last().map_or(0, |e| e.end());
        while !inode.inline && (extents.len() as u64) < inode.extent_count {
            let ask = GetExtents { ino: inode.ino, offset, end: inode.size, if_version: inode.version };
            let page = world.ask(Query::GetExtents(ask)).extents;
            offset = page.last().map_or(inode.size, |e| e.end());
            extents.extend(page);
        }
        for extent in &extents {
            let to = &mut data[extent.offset as usize..extent.end() as usize];
            match &extent.inline {
                Some(inline) => to.copy_from_slice(inline),
                None => {
                    let from = extent.chunk_offset as usize;
                    let chunk = &world.stored[&(extent.pg, extent.number)];
                    to.copy_from_slice(&chunk[from..from + extent.length as usize]);
                }
            }
        }
        Ok(Arc::new(MemoryObject { inode, data: data.into(), outrun: self.outrun.clone() }))
    }

    async fn complete(&self, c: Completion) -> Outcome<Reply> {
        let mut hasher = blake3::Hasher::new();
        hasher.update(format!("{}/{}/{}/{:?}", c.nonce, c.bucket, c.key, c.parts).as_bytes());
        let list_digest = Bytes::copy_from_slice(hasher.finalize().as_bytes());
        let mut taken = 0;
        while taken < c.parts.len() {
            let upto = (taken + 2).min(c.parts.len());
            let step = AssembleUpload {
                upload: c.upload,
                parts: c.parts[taken..upto].to_vec(),
                restart: taken == 0,
                list_digest: list_digest.clone(),
                last: upto == c.parts.len(),
            };
            match self.run(Op::AssembleUpload(step)) {
                Ok(reply) => taken = reply.progress as usize,
                Err(status) if status.kind() == Code::NoSuchUpload => break,
                Err(status) => return Err(status),
            }
        }
        self.run(Op::FinishUpload(FinishUpload {
            upload: c.upload,
            list_digest,
            etag: c.etag,
            checksums: c.checksums,
            conditions: c.conditions,
            unheld: None,
        }))
    }

    async fn class_named(&self, name: &str) -> Outcome<Option<u32>> {
        Ok((name == "standard").then_some(1))
    }

    fn class_name(&self, id: u32) -> Option<String> {
        (id == 1).then(|| "standard".to_owned())
    }
}

struct MemorySink {
    store: MemoryStore,
    data: Vec<u8>,
}

#[async_trait]
impl Sink for MemorySink {
    async fn write(&mut self, data: Bytes) -> Outcome<()> {
        self.data.extend_from_slice(&data);
        Ok(())
    }

    async fn finish(self: Box<Self>) -> Outcome<Box<dyn Written>> {
        Ok(self)
    }
}

#[async_trait]
impl Written for MemorySink {
    async fn commit(self: Box<Self>, build: &(dyn Fn(Content) -> Op + Send + Sync)) -> Outcome<Reply> {
        let content = if self.data.len() <= INLINE {
            Content { size: self.data.len() as u64, inline: Some(self.data.into()), ..Content::default() }
        } else {
            let pieces: Vec<&[u8]> = self.data.chunks(CHUNK).collect();
            self.store.world.lock().content(&pieces)
        };
        self.store.run(build(content))
    }
}

struct MemoryObject {
    inode: Inode,
    data: Bytes,
    outrun: Arc<Mutex<u32>>,
}

impl MemoryObject {
    fn check(&self) -> Outcome<()> {
        let mut outrun = self.outrun.lock();
        if *outrun == 0 {
            return Ok(());
        }
        *outrun -= 1;
        Err(Status::new(Code::StaleInode, "it changed while it was being read"))
    }
}

#[async_trait]
impl Object for MemoryObject {
    fn inode(&self) -> &Inode {
        &self.inode
    }

    async fn read_at(&self, range: Range<u64>) -> Outcome<Bytes> {
        self.check()?;
        Ok(self.data.slice(range.start as usize..range.end as usize))
    }

    fn stream(self: Arc<Self>, range: Range<u64>) -> BoxStream<'static, Outcome<Bytes>> {
        if let Err(status) = self.check() {
            return stream::iter([Err(status)]).boxed();
        }
        let data = self.data.slice(range.start as usize..range.end as usize);
        let pieces: Vec<_> = (0..data.len())
            .step_by(1 << 20)
            .map(|at| Ok(data.slice(at..(at + (1 << 20)).min(data.len()))))
            .collect();
        stream::iter(pieces).boxed()
    }
}
