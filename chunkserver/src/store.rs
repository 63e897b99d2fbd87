//! The store of one disk: an append-only log of segments, an index over it, and what keeps both in order.
//!
//! - [`writer`] appends: one thread per disk, group commit.
//! - [`read`] serves ranges; [`gate`] pins what readers look at.
//! - [`changes`] says what a record does to the index, for the writer and for [`recovery`] alike.
//! - [`compact`], [`punch`] and [`scrub`] are steps that a maintenance thread takes one at a time.
//!
//! What always holds:
//! - What was acknowledged is durable in the log; the index is a copy of knowledge that can be lost.
//! - Deletes are durable tombstones before anything is punched or unlinked, and nothing is punched or unlinked before
//!   the index on the disk has stopped pointing into it and readers have left.
//! - After a failed write or sync nothing is acknowledged any more.

mod changes;
mod check;
pub mod compact;
pub mod entry;
pub mod full;
mod gate;
mod health;
mod index;
mod list;
mod op;
mod punch;
mod read;
mod recovery;
mod scan;
pub mod scrub;
mod segments;
mod threads;
mod writer;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use holdfast_proto::ids::{ChunkId, PgId};
use parking_lot::{Mutex, RwLock};
use tokio::sync::{Semaphore, mpsc, oneshot, watch};

use crate::config::StoreConfig;
use crate::disk::Disk;
use crate::error::{OpenError, StoreError};
use crate::metrics::DiskMetrics;

pub use full::Usage;
pub use index::IndexMemory;
pub use list::{Listing, Record};
pub use op::{Put, Stored};
pub use read::{ReadOut, ReadWhat};
pub use recovery::{Recovered, Skipped};

use entry::{Entry, Place, key};
use op::{Answer, Op};

/// Reads of at most this many bytes are tried at once on the caller's thread.
const ON_THE_SPOT: u64 = 256 << 10;

/// What a store needs to open.
pub struct StoreOptions {
    /// Settings.
    pub config: StoreConfig,
    /// Bytes it may use; 0: what the file system has.
    pub capacity: u64,
    /// Bytes of the file system left to others.
    pub leave: u64,
    /// From the superblock.
    pub fingerprint: [u8; 16],
    /// Memory shared by all indexes.
    pub memory: IndexMemory,
    /// Foreground reads that may block at once.
    pub reads: usize,
    /// Background reads that may block at once.
    pub background_reads: usize,
    /// Where this disk's figures go.
    pub metrics: DiskMetrics,
}

/// Handle of an open store. Clones share it; the writer ends when the last one goes.
#[derive(Clone)]
pub struct Store {
    // In this order: the last handle closes the queue, waits for the writer, then closes the index.
    queue: mpsc::Sender<Op>,
    thread: Arc<WriterThread>,
    shared: Arc<Shared>,
}

/// The writer's thread, waited for when nobody can ask it for anything any more: a process must not end while it
/// is still closing a database.
struct WriterThread(Mutex<Option<std::thread::JoinHandle<()>>>);

impl WriterThread {
    fn join(&self) {
        if let Some(thread) = self.0.lock().take() {
            // A panicking writer has failed the disk already.
            let _ = thread.join();
        }
    }
}

impl Drop for WriterThread {
    fn drop(&mut self) {
        self.join();
    }
}

struct Shared {
    disk: Arc<dyn Disk>,
    index: index::Index,
    segments: segments::Segments,
    gate: gate::Gate,
    health: health::Health,
    config: StoreConfig,
    capacity: u64,
    leave: u64,
    segment_bytes: u64,
    fingerprint: [u8; 16],
    reserve: full::Reserve,
    /// Bytes per second of compaction, if other than configured; 0: as configured.
    compact_cap: AtomicU64,
    /// The writer was told to end.
    closing: AtomicBool,
    /// Groups deleted whole whose records are not buried yet: group -> epoch.
    group_tombs: RwLock<BTreeMap<u32, u64>>,
    /// Dead records worth punching, oldest first.
    to_punch: Mutex<Vec<(ChunkId, Place, u64)>>,
    /// Chunks found damaged: whoever reports them to the leader takes them.
    damaged: Mutex<Vec<ChunkId>>,
    reads: Semaphore,
    background_reads: Semaphore,
    metrics: DiskMetrics,
}

/// Why a disk is out of service whose writer panicked.
const PANICKED: &str = "the disk's writer panicked; the log has the details";
/// Most dead records remembered for punching; the others are found again after a restart.
const MOST_TO_PUNCH: usize = 100_000;
/// Most findings kept for the reporter.
const MOST_DAMAGED: usize = 10_000;

impl Shared {
    /// An index that cannot be read or written takes the disk out of service; the next start rebuilds it.
    fn index_failed(&self, error: &rocksdb::Error) -> StoreError {
        self.health.fail(&format!("index: {error}"))
    }

    fn entry(&self, chunk: ChunkId) -> Result<Option<Entry>, StoreError> {
        let value = self.index.get(&key::record(chunk)).map_err(|error| self.index_failed(&error))?;
        Ok(value.and_then(|value| Entry::decode(&value)))
    }

    fn is_group_dead(&self, pg: u32, epoch: u64) -> bool {
        let tombs = self.group_tombs.read();
        !tombs.is_empty() && tombs.get(&pg).is_some_and(|tomb| *tomb >= epoch)
    }

    fn group_died(&self, tombs: &[(u32, u64)]) {
        if !tombs.is_empty() {
            let mut all = self.group_tombs.write();
            for (pg, epoch) in tombs {
                let known = all.entry(*pg).or_default();
                *known = (*known).max(*epoch);
            }
        }
    }

    fn records_died(&self, died: Vec<(ChunkId, Place, u64)>) {
        let worth = died.into_iter().filter(|(_, _, bytes)| *bytes >= self.config.punch_bytes);
        let mut queue = self.to_punch.lock();
        let room = MOST_TO_PUNCH.saturating_sub(queue.len());
        queue.extend(worth.take(room));
    }

    /// Notes a damaged chunk for the reporter.
    fn found_damaged(&self, chunk: ChunkId) {
        self.metrics.damaged();
        self.tell_damaged(chunk);
    }

    /// Bounded: what is too much is found, and told, again.
    fn tell_damaged(&self, chunk: ChunkId) {
        let mut damaged = self.damaged.lock();
        if damaged.len() < MOST_DAMAGED && !damaged.contains(&chunk) {
            damaged.push(chunk);
        }
    }
}

impl Store {
    /// Opens a disk's log (in `disk`) and index (at `index_path`), recovering what a crash left. May take a while.
    pub fn open(
        disk: Arc<dyn Disk>,
        index_path: &Path,
        options: StoreOptions,
    ) -> Result<(Self, Recovered), OpenError> {
        let StoreOptions { config, capacity, leave, fingerprint, memory, reads, background_reads, metrics } =
            options;
        let opened = recovery::recover(disk.clone(), index_path, &memory, fingerprint, config.open_segments)?;
        let space = disk.space().map_err(OpenError::io("ask the file system for its size"))?;
        let size = if capacity == 0 { space.total } else { capacity };
        let spare = disk.list().map_err(OpenError::io("list segments"))?;
        let spare = spare.iter().find(|file| file.name == full::SPARE).map_or(0, |file| file.length);
        let queue_length = config.queue.max(1);
        let shared = Arc::new(Shared {
            segment_bytes: config.segment_bytes(size),
            disk,
            index: opened.index,
            segments: opened.segments,
            gate: gate::Gate::default(),
            health: health::Health::default(),
            config,
            capacity,
            leave,
            fingerprint,
            reserve: full::Reserve::found(spare),
            compact_cap: AtomicU64::new(0),
            closing: AtomicBool::new(false),
            group_tombs: RwLock::new(opened.group_tombs),
            to_punch: Mutex::default(),
            damaged: Mutex::default(),
            reads: Semaphore::new(reads.max(1)),
            background_reads: Semaphore::new(background_reads.max(1)),
            metrics,
        });
        // Without its spare a disk was full when it went down, and the rest of its last segment is for upkeep.
        if shared.segments.last().is_some()
            && !shared.make_spare().map_err(OpenError::io("make the spare segment"))?
        {
            shared.reserve.ran_full(shared.segment_bytes);
        }
        let active = last_active(&shared).map_err(OpenError::io("open the last segment"))?;
        let writer = writer::Writer::new(shared.clone(), active, opened.next_append);
        let (queue, requests) = mpsc::channel(queue_length);
        let thread = std::thread::Builder::new()
            .name("disk-writer".into())
            .spawn(move || writer.run(requests))
            .map_err(OpenError::io("start the disk's writer"))?;
        let store = Self { shared, queue, thread: Arc::new(WriterThread(Mutex::new(Some(thread)))) };
        Ok((store, opened.report))
    }

    /// Stores a replica or shard. Returns when it is durable.
    pub async fn put(&self, put: Put) -> Result<Stored, StoreError> {
        let (answer, wait) = oneshot::channel();
        self.submit(Op::Put(Box::new(put), answer))?;
        self.answered(wait.await)
    }

    /// As [`Store::put`], for threads.
    pub fn put_blocking(&self, put: Put) -> Result<Stored, StoreError> {
        self.ask(|answer| Op::Put(Box::new(put), answer))
    }

    /// Deletes chunks of a group whose records came under `epoch` or earlier. Returns how many were there, when the
    /// tombstones are durable.
    pub async fn delete(&self, pg: PgId, epoch: u64, numbers: Vec<u64>) -> Result<u64, StoreError> {
        let (answer, wait) = oneshot::channel();
        self.submit(Op::Tombstones { pg, epoch, numbers, answer })?;
        self.answered(wait.await)
    }

    /// As [`Store::delete`], for threads.
    pub fn delete_blocking(&self, pg: PgId, epoch: u64, numbers: Vec<u64>) -> Result<u64, StoreError> {
        self.ask(|answer| Op::Tombstones { pg, epoch, numbers, answer })
    }

    /// Deletes every record of a group that came under `epoch` or earlier. Durable when it returns.
    pub async fn delete_group(&self, pg: PgId, epoch: u64) -> Result<(), StoreError> {
        let (answer, wait) = oneshot::channel();
        self.submit(Op::GroupTombstone { pg, epoch, answer })?;
        self.answered(wait.await)
    }

    /// As [`Store::delete_group`], for threads.
    pub fn delete_group_blocking(&self, pg: PgId, epoch: u64) -> Result<(), StoreError> {
        self.ask(|answer| Op::GroupTombstone { pg, epoch, answer })
    }

    /// Reads a range. `background` reads wait behind a smaller door.
    pub async fn read(&self, what: ReadWhat, background: bool) -> Result<ReadOut, StoreError> {
        self.shared.health.check()?;
        if !background
            && what.length <= ON_THE_SPOT
            && let read::Try::Done(out) = self.noticed(read::try_read(&self.shared, &what))?
        {
            return Ok(out);
        }
        let door = if background { &self.shared.background_reads } else { &self.shared.reads };
        let _permit = door.acquire().await.map_err(|_| StoreError::Closed)?;
        let shared = self.shared.clone();
        let read = tokio::task::spawn_blocking(move || read::read(&shared, &what)).await;
        self.noticed(read.map_err(|error| StoreError::Failed(format!("read: {error}")))?)
    }

    /// As [`Store::read`], for threads.
    pub fn read_blocking(&self, what: &ReadWhat) -> Result<ReadOut, StoreError> {
        self.shared.health.check()?;
        self.noticed(read::read(&self.shared, what))
    }

    /// Makes the index durable up to now.
    pub fn checkpoint(&self) -> Result<(), StoreError> {
        self.shared.index.flush().map_err(|error| self.shared.index_failed(&error))
    }

    /// What it holds and can hold.
    pub fn usage(&self) -> Usage {
        self.shared.usage()
    }

    /// Why the disk failed, if it did.
    pub fn failure(&self) -> Option<String> {
        self.shared.health.reason()
    }

    /// Marks the disk failed.
    pub fn fail(&self, why: &str) {
        self.shared.health.fail(why);
    }

    /// Turns true when the disk fails.
    pub fn failed(&self) -> watch::Receiver<bool> {
        self.shared.health.watch()
    }

    /// No room for new chunks.
    pub fn is_full(&self) -> bool {
        self.shared.reserve.is_full()
    }

    /// Reads that the system could not serve since the disk was opened.
    pub fn read_errors(&self) -> u64 {
        self.shared.health.read_errors()
    }

    /// Chunks found damaged since the last call, for the report to the leader.
    pub fn take_damaged(&self) -> Vec<ChunkId> {
        std::mem::take(&mut self.shared.damaged.lock())
    }

    /// Figures of this disk.
    pub fn metrics(&self) -> &DiskMetrics {
        &self.shared.metrics
    }

    /// Ends the writer when it has done what waits, and makes the index durable.
    pub fn close(&self) {
        self.shared.closing.store(true, Ordering::SeqCst);
        // A full queue: the writer is busy with what came before, and takes this one in turn.
        self.shared.metrics.queued(0);
        if self.queue.blocking_send(Op::Stop).is_ok() {
            self.thread.join();
        }
        if self.shared.health.check().is_ok() {
            // Without this the next start replays a little more.
            let _ = self.checkpoint();
        }
    }

    fn submit(&self, op: Op) -> Result<(), StoreError> {
        self.shared.health.check()?;
        let bytes = op.bytes();
        self.shared.metrics.queued(bytes);
        self.queue.try_send(op).map_err(|error| {
            self.shared.metrics.taken(bytes);
            match error {
                mpsc::error::TrySendError::Full(_) => StoreError::Busy,
                mpsc::error::TrySendError::Closed(_) => self.gone(),
            }
        })
    }

    /// Asks from a thread and waits; these callers are few and bounded, so they wait for a place in the queue.
    fn ask<T>(&self, op: impl FnOnce(Answer<T>) -> Op) -> Result<T, StoreError> {
        let (answer, wait) = oneshot::channel();
        self.shared.health.check()?;
        let op = op(answer);
        let bytes = op.bytes();
        self.shared.metrics.queued(bytes);
        if self.queue.blocking_send(op).is_err() {
            self.shared.metrics.taken(bytes);
            return Err(self.gone());
        }
        self.answered(wait.blocking_recv())
    }

    fn answered<T>(
        &self,
        answer: Result<Result<T, StoreError>, oneshot::error::RecvError>,
    ) -> Result<T, StoreError> {
        answer.unwrap_or_else(|_| Err(self.gone()))
    }

    /// Why there is no answer. A writer that is gone without having been told to has panicked; whoever waited for it
    /// may notice that before the thread is through with unwinding.
    fn gone(&self) -> StoreError {
        let shared = &self.shared;
        match shared.health.check() {
            Err(failed) => failed,
            Ok(()) if shared.closing.load(Ordering::SeqCst) => StoreError::Closed,
            Ok(()) => shared.health.fail(PANICKED),
        }
    }

    /// Remembers damage for the reporter.
    fn noticed<T>(&self, result: Result<T, StoreError>) -> Result<T, StoreError> {
        if let Err(StoreError::Damaged { chunk, .. }) = &result {
            self.shared.found_damaged(*chunk);
        }
        result
    }
}

/// The last segment, if there is room for another record behind its last one.
fn last_active(shared: &Shared) -> std::io::Result<Option<writer::Active>> {
    let Some(segment) = shared.segments.last() else { return Ok(None) };
    let (length, end) = (segment.length.load(Ordering::Relaxed), segment.end.load(Ordering::Relaxed));
    let Some(salt) = segment.salt.filter(|_| end + crate::format::ALIGN <= length) else { return Ok(None) };
    let file = shared.segments.file(&segment)?;
    Ok(Some(writer::Active { segment, file, salt, end, length, zeroed: 0 }))
}
