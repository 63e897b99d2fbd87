//! The Raft log on disk: openraft's storage interface over the `raft-log` crate.
//!
//! What always holds:
//! - An append is acknowledged only after its bytes are fsynced; a vote is durable when `save_vote` returns.
//! - The committed index is only staged: it rides on the next fsync, because losing it costs nothing but replay.
//! - The purged log id is a log record itself, so it is known after a restart.
//! - Every record carries a checksum; a damaged one that is not the torn tail keeps the log from opening.
//!
//! Called by openraft only, plus the start-up reconciliation in `start.rs`. `raft-log` has its own writer thread,
//! so nothing here waits for the disk on the Raft runtime, except reading entries that fell out of the cache,
//! which goes to a blocking thread.

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::num::NonZeroU64;
use std::ops::{Bound, RangeBounds};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use holdfast_support::crc::crc32c;
use openraft::storage::{IOFlushed, LogState, RaftLogReader, RaftLogStorage};
use parking_lot::RwLock;
use raft_log::api::raft_log_writer::RaftLogWriter;
use raft_log::codeq::{Decode, Encode};
use tokio::sync::oneshot;
use tracing::warn;

use super::codec::{self, Reader};
use super::config::StoreLimits;
use super::error::MetaError;
use super::torn;
use super::types::{Entry, LogId, Payload, TypeConfig, Vote, log_id};
use crate::metrics;

/// Bytes of entries handed out for one append request, so that one message stays small.
const MOST_BYTES_PER_READ: usize = 4 << 20;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct WalTypes;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct WalId {
    term: u64,
    index: u64,
}

impl WalId {
    fn new(id: &LogId) -> Self {
        Self { term: id.committed_leader_id().term, index: id.index() }
    }

    fn log_id(self) -> LogId {
        log_id(self.term, self.index)
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct WalVote(Vote);

impl PartialOrd for WalVote {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        self.0.partial_cmp(&other.0)
    }
}

#[derive(Clone, Debug)]
pub(crate) struct WalPayload(Payload);

/// Who wants to know when bytes are durable, and since when.
pub(crate) enum Flushed {
    Append(IOFlushed<TypeConfig>, Instant),
    Signal(oneshot::Sender<io::Result<()>>, Instant),
}

impl Flushed {
    fn append(callback: IOFlushed<TypeConfig>) -> Self {
        Self::Append(callback, Instant::now())
    }

    fn signal(waiter: oneshot::Sender<io::Result<()>>) -> Self {
        Self::Signal(waiter, Instant::now())
    }
}

impl raft_log::Callback for Flushed {
    fn send(self, result: io::Result<()>) {
        let (Self::Append(_, asked) | Self::Signal(_, asked)) = &self;
        metrics::raft::log_synced(asked.elapsed());
        match self {
            Self::Append(callback, _) => callback.io_completed(result),
            // A receiver that is gone no longer cares.
            Self::Signal(waiter, _) => drop(waiter.send(result)),
        }
    }
}

impl raft_log::Types for WalTypes {
    type LogId = WalId;
    type LogPayload = WalPayload;
    type Vote = WalVote;
    type Callback = Flushed;
    type UserData = u64;

    fn log_index(id: &WalId) -> u64 {
        id.index
    }

    fn payload_size(payload: &WalPayload) -> u64 {
        codec::payload_bytes(&payload.0) as u64
    }
}

fn bad(error: codec::Malformed) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}

fn read_array<const N: usize>(mut from: impl io::Read) -> io::Result<Bytes> {
    let mut bytes = [0; N];
    from.read_exact(&mut bytes)?;
    Ok(Bytes::copy_from_slice(&bytes))
}

impl Encode for WalId {
    fn encode<W: io::Write>(&self, mut to: W) -> io::Result<usize> {
        to.write_all(&self.term.to_be_bytes())?;
        to.write_all(&self.index.to_be_bytes())?;
        Ok(16)
    }
}

impl Decode for WalId {
    fn decode<R: io::Read>(from: R) -> io::Result<Self> {
        let mut reader = Reader(read_array::<16>(from)?);
        Ok(Self { term: reader.u64().map_err(bad)?, index: reader.u64().map_err(bad)? })
    }
}

impl Encode for WalVote {
    fn encode<W: io::Write>(&self, mut to: W) -> io::Result<usize> {
        let mut bytes = BytesMut::with_capacity(17);
        codec::put_vote(&mut bytes, &self.0);
        to.write_all(&bytes)?;
        Ok(bytes.len())
    }
}

impl Decode for WalVote {
    fn decode<R: io::Read>(from: R) -> io::Result<Self> {
        Reader(read_array::<17>(from)?).vote().map(Self).map_err(bad)
    }
}

/// Head of a payload: its length and a checksum of that. `raft-log` takes a record that ends too early for a torn
/// tail and cuts it off with all that follows; with a damaged length, that would drop acknowledged entries.
pub(super) fn payload_head(length: u32) -> [u8; 8] {
    let mut head = [0; 8];
    head[..4].copy_from_slice(&length.to_be_bytes());
    head[4..].copy_from_slice(&crc32c(&length.to_be_bytes()).to_be_bytes());
    head
}

impl Encode for WalPayload {
    /// Head, then the payload as in [`codec`]. Commands are written straight from where they lie.
    fn encode<W: io::Write>(&self, mut to: W) -> io::Result<usize> {
        if let Payload::Normal(proposal) = &self.0 {
            let length = proposal.bytes.len() as u32;
            to.write_all(&payload_head(length + 5))?;
            to.write_all(&[1])?;
            to.write_all(&length.to_be_bytes())?;
            to.write_all(&proposal.bytes)?;
            return Ok(13 + proposal.bytes.len());
        }
        let mut bytes = BytesMut::new();
        codec::put_payload(&mut bytes, &self.0);
        to.write_all(&payload_head(bytes.len() as u32))?;
        to.write_all(&bytes)?;
        Ok(8 + bytes.len())
    }
}

impl Decode for WalPayload {
    fn decode<R: io::Read>(mut from: R) -> io::Result<Self> {
        let head = read_array::<8>(&mut from)?;
        let length = Reader(head.clone()).u32().map_err(bad)?;
        if head[..] != payload_head(length) {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "the length of a log record is damaged"));
        }
        let mut bytes = vec![0; length as usize];
        from.read_exact(&mut bytes)?;
        let mut reader = Reader(Bytes::from(bytes));
        let payload = reader.payload().map_err(bad)?;
        reader.end().map_err(bad)?;
        Ok(Self(payload))
    }
}

type Wal = raft_log::RaftLog<WalTypes>;

/// Which entries are surely in memory: the newest ones up to the cache's size.
#[derive(Default)]
struct Hot {
    batches: VecDeque<(u64, usize)>,
    bytes: usize,
}

impl Hot {
    fn add(&mut self, first: u64, bytes: usize, capacity: usize) {
        self.batches.push_back((first, bytes));
        self.bytes += bytes;
        while self.bytes > capacity {
            let Some((_, gone)) = self.batches.pop_front() else { break };
            self.bytes -= gone;
        }
    }

    fn from(&self) -> u64 {
        self.batches.front().map_or(u64::MAX, |(first, _)| *first)
    }
}

struct Inner {
    wal: Wal,
    hot: Hot,
    cache_bytes: usize,
}

/// The log. Clones share it; openraft's readers are clones.
#[derive(Clone)]
pub(crate) struct LogStore {
    inner: Arc<RwLock<Inner>>,
}

impl fmt::Debug for LogStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LogStore")
    }
}

/// What the log holds, for status and snapshot policy.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct LogExtent {
    pub(crate) purged: Option<LogId>,
    pub(crate) last: Option<LogId>,
}

impl LogStore {
    /// Opens or creates the log in `dir`. A torn tail is cut off; any other damage is an error.
    pub(crate) fn open(dir: &Path, limits: &StoreLimits) -> Result<Self, MetaError> {
        std::fs::create_dir_all(dir).map_err(|e| MetaError::io(format!("create {}", dir.display()), e))?;
        let cut = torn::cut_off(dir)
            .map_err(|e| MetaError::io(format!("read the Raft log in {}", dir.display()), e))?;
        if let Some(torn::Cut { file, at, lost }) = cut {
            warn!(file = %file.display(), at, lost, "records that were being written at the last power loss are cut off");
        }
        let mut config = raft_log::Config::new(dir.display());
        config.wal.chunk_max_size = Some(limits.log_file_bytes);
        config.wal.read_buffer_size = Some(4 << 20);
        // Enough to take what is queued already: openraft and the batcher gather.
        config.wal.flush_batch_wait = Some(Duration::from_micros(1));
        config.log_cache_capacity = Some(limits.log_cache_bytes);
        config.log_cache_max_items = Some(1 << 20);
        let wal = exact_timers(|| Wal::open(Arc::new(config))).map_err(|e| match e.kind() {
            io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof | io::ErrorKind::Other => {
                MetaError::damaged(format!("the Raft log in {}", dir.display()), e)
            }
            _ => MetaError::io(format!("open the Raft log in {}", dir.display()), e),
        })?;
        let inner = Inner { wal, hot: Hot::default(), cache_bytes: limits.log_cache_bytes };
        Ok(Self { inner: Arc::new(RwLock::new(inner)) })
    }

    pub(crate) fn extent(&self) -> LogExtent {
        let inner = self.inner.read();
        let state = inner.wal.log_state();
        LogExtent { purged: state.purged().map(|id| id.log_id()), last: state.last().map(|id| id.log_id()) }
    }

    /// Whether anything was ever written here.
    pub(crate) fn is_pristine(&self) -> bool {
        let inner = self.inner.read();
        let state = inner.wal.log_state();
        state.vote().is_none() && state.last().is_none() && state.purged().is_none()
    }

    /// The vote this member stands by. It is here before it is durable, and durable before it is given: a candidate
    /// that got it got it after this showed it.
    pub(crate) fn vote(&self) -> Option<Vote> {
        self.inner.read().wal.log_state().vote().map(|vote| vote.0)
    }

    pub(crate) fn disk_bytes(&self) -> u64 {
        self.inner.read().wal.on_disk_size()
    }

    /// The log id at `index`, if the entry is there.
    pub(crate) fn id_at(&self, index: u64) -> io::Result<Option<LogId>> {
        let inner = self.inner.read();
        let found = inner.wal.read(index, index + 1).next().transpose()?;
        Ok(found.map(|(id, _)| id.log_id()))
    }

    /// Removes the entries from `index` on, before Raft runs: a snapshot has replaced them. They were never
    /// committed, whatever the staged committed index of an earlier life says.
    pub(crate) fn drop_from(&self, index: u64) -> io::Result<()> {
        let mut inner = self.inner.write();
        inner.wal.truncate(index)?;
        Ok(())
    }

    fn read(&self, from: u64, to: u64, most_bytes: usize) -> io::Result<Vec<Entry>> {
        let inner = self.inner.read();
        let mut entries = Vec::new();
        let mut bytes = 0;
        for item in inner.wal.read(from, to) {
            let (id, payload) = item?;
            bytes += codec::payload_bytes(&payload.0);
            if bytes > most_bytes && !entries.is_empty() {
                break;
            }
            entries.push(Entry { log_id: id.log_id(), payload: payload.0 });
        }
        Ok(entries)
    }

    async fn read_async(&self, from: u64, to: u64, most_bytes: usize) -> io::Result<Vec<Entry>> {
        if from >= to {
            return Ok(Vec::new());
        }
        if from >= self.inner.read().hot.from() {
            return self.read(from, to, most_bytes);
        }
        let log = self.clone();
        tokio::task::spawn_blocking(move || log.read(from, to, most_bytes)).await.map_err(io::Error::other)?
    }

    /// Waits until everything staged is on disk.
    pub(crate) async fn sync(&self) -> io::Result<()> {
        let (done, wait) = oneshot::channel();
        metrics::raft::log_sync();
        self.inner.write().wal.flush(true, Some(Flushed::signal(done)))?;
        wait.await.map_err(|_| io::Error::other("the log's writer has died"))?
    }
}

/// Threads that are started by `work` wake up when they asked to, not up to 50 µs later, as is usual: before every sync
/// the log's writer looks for a moment whether more comes.
fn exact_timers<T>(work: impl FnOnce() -> T) -> T {
    let usual = rustix::thread::current_timer_slack().ok().and_then(NonZeroU64::new);
    // A refusal costs time only.
    let _ = rustix::thread::set_current_timer_slack(Some(NonZeroU64::MIN));
    let outcome = work();
    let _ = rustix::thread::set_current_timer_slack(usual);
    outcome
}

fn bounds(range: &impl RangeBounds<u64>) -> (u64, u64) {
    let from = match range.start_bound() {
        Bound::Included(index) => *index,
        Bound::Excluded(index) => index + 1,
        Bound::Unbounded => 0,
    };
    let to = match range.end_bound() {
        Bound::Included(index) => index + 1,
        Bound::Excluded(index) => *index,
        Bound::Unbounded => u64::MAX,
    };
    (from, to)
}

impl RaftLogReader<TypeConfig> for LogStore {
    async fn try_get_log_entries<RB: RangeBounds<u64> + Clone + fmt::Debug + Send>(
        &mut self,
        range: RB,
    ) -> Result<Vec<Entry>, io::Error> {
        let (from, to) = bounds(&range);
        self.read_async(from, to, usize::MAX).await
    }

    async fn limited_get_log_entries(&mut self, start: u64, end: u64) -> Result<Vec<Entry>, io::Error> {
        self.read_async(start, end, MOST_BYTES_PER_READ).await
    }

    async fn read_vote(&mut self) -> Result<Option<Vote>, io::Error> {
        Ok(self.vote())
    }
}

impl RaftLogStorage<TypeConfig> for LogStore {
    type LogReader = Self;

    async fn get_log_state(&mut self) -> Result<LogState<TypeConfig>, io::Error> {
        let extent = self.extent();
        Ok(LogState { last_purged_log_id: extent.purged, last_log_id: extent.last.max(extent.purged) })
    }

    async fn get_log_reader(&mut self) -> Self {
        self.clone()
    }

    async fn save_vote(&mut self, vote: &Vote) -> Result<(), io::Error> {
        self.inner.write().wal.save_vote(WalVote(*vote))?;
        self.sync().await
    }

    async fn save_committed(&mut self, committed: Option<LogId>) -> Result<(), io::Error> {
        let Some(committed) = committed else { return Ok(()) };
        let id = WalId::new(&committed);
        let mut inner = self.inner.write();
        let state = inner.wal.log_state();
        // Behind a snapshot the log may be shorter than what is committed, or know more already: nothing to note.
        if Some(&id) > state.last() || Some(&id) <= state.committed() {
            return Ok(());
        }
        inner.wal.commit(id)?;
        Ok(())
    }

    async fn read_committed(&mut self) -> Result<Option<LogId>, io::Error> {
        Ok(self.inner.read().wal.log_state().committed().map(|id| id.log_id()))
    }

    async fn append<I>(&mut self, entries: I, callback: IOFlushed<TypeConfig>) -> Result<(), io::Error>
    where
        I: IntoIterator<Item = Entry> + Send,
        I::IntoIter: Send,
    {
        let mut inner = self.inner.write();
        let inner = &mut *inner;
        let mut first = None;
        let mut bytes = 0;
        for entry in entries {
            first.get_or_insert(entry.log_id.index());
            bytes += codec::payload_bytes(&entry.payload);
            inner.wal.append([(WalId::new(&entry.log_id), WalPayload(entry.payload))])?;
        }
        if let Some(first) = first {
            inner.hot.add(first, bytes, inner.cache_bytes);
        }
        metrics::raft::log_sync();
        inner.wal.flush(true, Some(Flushed::append(callback)))
    }

    async fn truncate_after(&mut self, last: Option<LogId>) -> Result<(), io::Error> {
        let next = last.map_or(0, |id| id.index() + 1);
        let mut inner = self.inner.write();
        if inner.wal.log_state().last().is_none_or(|id| id.index < next) {
            return Ok(());
        }
        // Staged: it lies in front of the entries that replace what it removes, and reaches the disk with them.
        inner.wal.truncate(next)?;
        Ok(())
    }

    async fn purge(&mut self, upto: LogId) -> Result<(), io::Error> {
        let mut inner = self.inner.write();
        inner.wal.purge(WalId::new(&upto))?;
        // The sync lets the writer unlink files that hold only purged entries.
        metrics::raft::log_sync();
        inner.wal.flush(true, None)
    }
}
