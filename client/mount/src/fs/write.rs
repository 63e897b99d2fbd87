//! Writes: bytes are taken into the file's dirty ranges and answered; the flush makes them durable.
//!
//! What always holds: memory is bounded. A writer that finds the bound reached waits until a flush has made room,
//! or until the deadline, and its bytes are taken only then. A file has either ranges at offsets or appended bytes
//! waiting, never both: the other kind waits for the flush of the first.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use tokio::time::{Instant, timeout_at};

use crate::errno::Errno;
use crate::fs::dirty::Block;
use crate::fs::file::{File, State};
use crate::fs::handles::FileHandle;
use crate::fs::{Fs, Outcome};

/// Whole chunks that make a flush worth its commit.
const BLOCKS_PER_FLUSH: usize = 4;

/// Longest file, in bytes: what fits into the kernel's offsets.
pub(crate) const MAX_FILE_BYTES: u64 = 1 << 62;

/// How and where bytes are written.
#[derive(Clone, Copy, Debug, Default)]
pub struct WriteAt {
    /// First byte; what appends ignores it.
    pub offset: u64,
    /// It goes to the end of the file. The descriptor's flags as of now: fcntl(2) changes them.
    pub appends: bool,
    /// The bytes come from pages that were written to through a mapping, not from a write(2).
    pub from_cache: bool,
    /// The writer is not privileged: set-user-id and set-group-id go.
    pub clear_suid: bool,
}

/// What came of a write that was tried on the spot.
#[derive(Debug)]
pub enum Written {
    /// Taken.
    Done(u64),
    /// Taken, but the kernel has a page of the end that it must drop before it learns that the file has grown: call
    /// [`Fs::appended`] first.
    Appended(u64),
    /// It has to wait: call [`Fs::write`].
    Wait,
    /// Refused.
    Refused(Errno),
}

/// Wall clock, nanoseconds since the Unix epoch.
pub(crate) fn now_ns() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_nanos()).unwrap_or(i64::MAX)
}

impl Fs {
    /// Takes bytes without waiting, if that is possible.
    pub fn write_now(&self, handle: u64, data: &[u8], how: WriteAt) -> Written {
        let handle = match self.file_handle(handle) {
            Ok(handle) => handle,
            Err(errno) => return Written::Refused(errno),
        };
        if !self.has_room() {
            return Written::Wait;
        }
        self.take(&handle, data, how)
    }

    /// Takes bytes, when there is room. With `sync` they are durable when this returns.
    pub async fn write(&self, number: u64, data: Bytes, how: WriteAt, sync: bool) -> Outcome<u64> {
        let handle = self.file_handle(number)?;
        let deadline = self.deadline();
        let count = loop {
            self.wait_for_room(deadline).await?;
            match self.take(&handle, &data, how) {
                Written::Done(count) => break count,
                Written::Appended(count) => {
                    self.drop_end(&handle.file).await;
                    break count;
                }
                Written::Refused(errno) => return Err(errno),
                Written::Wait => self.flush(&handle.file).await?,
            }
        };
        if sync {
            self.fsync(number).await?;
        }
        Ok(count)
    }

    /// Whether the kernel's cache is not asked for this handle.
    pub fn is_direct(&self, handle: u64) -> bool {
        self.file_handle(handle).is_ok_and(|handle| handle.is_direct())
    }

    /// Brings an append to its end that was taken on the spot.
    pub async fn appended(&self, handle: u64) {
        if let Ok(handle) = self.file_handle(handle) {
            self.drop_end(&handle.file).await;
        }
    }

    fn take(&self, handle: &FileHandle, data: &[u8], how: WriteAt) -> Written {
        let WriteAt { offset, from_cache, clear_suid, .. } = how;
        if !handle.writes() {
            return Written::Refused(Errno::BADF);
        }
        let file = &handle.file;
        if let Err(errno) = self.check_locks(file) {
            return Written::Refused(errno);
        }
        let session = self.client().session();
        let mut state = file.state.lock();
        if state.is_lost(session) {
            // What waits is thrown away first: what is written now does not share its fate.
            return Written::Wait;
        }
        let chunk_bytes = usize::try_from(state.class.chunk_bytes.clamp(4096, 64 << 20)).unwrap_or(4096);
        let before = state.held();
        // Pages that the kernel writes back lie where they lie, whichever handle it picks for them.
        let appends = how.appends && !from_cache;
        let full = if appends {
            if !state.dirty.is_empty() || state.calm > 0 {
                return Written::Wait;
            }
            let end = state.tail.end();
            // Through its cache the kernel has put them where it took the end to be.
            state.kernel_astray |= !handle.is_direct() || offset != state.inode.size + end;
            state.tail.write(end, data, chunk_bytes)
        } else {
            if !state.tail.is_empty() {
                return Written::Wait;
            }
            if offset.saturating_add(data.len() as u64) > MAX_FILE_BYTES {
                return Written::Refused(Errno::FBIG);
            }
            state.pages.written_to(offset + data.len() as u64);
            state.dirty.write(offset, data, chunk_bytes)
        };
        // Not for writes through the kernel's cache: it has their pages locked until they are answered.
        let shows_zeros = appends && handle.is_direct() && state.shows_zeros();
        state.raise_fence(session);
        // Under the lock: a flush must not count as freed what is not counted as held yet.
        self.count_held(before, state.held());
        mark_written(&mut state, clear_suid);
        let flush = state.dirty.full_blocks().max(state.tail.full_blocks()) >= BLOCKS_PER_FLUSH;
        let class = state.class.clone();
        drop(state);
        for block in full {
            self.send_early(&class, block);
        }
        if flush {
            self.flush_full_blocks(file);
        }
        match shows_zeros {
            true => Written::Appended(data.len() as u64),
            false => Written::Done(data.len() as u64),
        }
    }

    /// A whole chunk is sent while the stream goes on; the flush finds it done, or does it itself.
    fn send_early(&self, class: &Arc<holdfast_proto::map::StorageClass>, block: Arc<Block>) {
        let (client, class) = (self.client().clone(), class.clone());
        self.shared.runtime.spawn(async move {
            let bytes = block.bytes.clone();
            let sent = block.stored.get_or_try_init(|| client.store_chunk(&class, bytes)).await;
            if let Err(error) = sent {
                tracing::debug!(%error, "a chunk could not be sent early");
            }
        });
    }

    fn flush_full_blocks(&self, file: &Arc<File>) {
        // One at a time; whoever comes meanwhile finds the blocks gone.
        if file.flushing.try_lock().is_ok() {
            let (fs, file) = (self.clone(), file.clone());
            self.shared.runtime.spawn(async move {
                let _ = fs.flush_sealed(&file).await;
            });
        }
    }

    fn has_room(&self) -> bool {
        self.shared.held.load(Ordering::Relaxed) < self.config().dirty_bytes
    }

    async fn wait_for_room(&self, deadline: Instant) -> Outcome<()> {
        while !self.has_room() {
            let room = self.shared.room.notified();
            tokio::pin!(room);
            room.as_mut().enable();
            if self.has_room() {
                break;
            }
            self.shared.pressure.notify_one();
            if timeout_at(deadline, room).await.is_err() {
                tracing::warn!(
                    "no room for written bytes until the deadline: the cluster does not take them"
                );
                return Err(Errno::IO);
            }
        }
        Ok(())
    }

    /// The bytes that a file holds were `before` and are `after` now.
    pub(crate) fn count_held(&self, before: u64, after: u64) {
        if after >= before {
            self.shared.held.fetch_add(after - before, Ordering::Relaxed);
        } else {
            self.shared.held.fetch_sub(before - after, Ordering::Relaxed);
            self.shared.room.notify_waiters();
        }
    }
}

fn mark_written(state: &mut State, clear_suid: bool) {
    state.dirty_since.get_or_insert_with(Instant::now);
    state.written_ns = Some(now_ns());
    state.clear_suid |= clear_suid;
}
