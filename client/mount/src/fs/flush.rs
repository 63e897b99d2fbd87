//! Makes dirty ranges durable: their bytes on the members' disks, then one command that swaps them into the file.
//!
//! What always holds:
//! - One flush per file at a time, so commits keep the order of the writes.
//! - Ranges leave the overlay in the moment in which their commit is known ([`State::committed`]).
//! - A failure is never swallowed: it is kept for every open handle. After one that may pass (the cluster did not
//!   answer in time) ranges stay and are tried again later; after one that will not (no space, quota, the file is
//!   gone) they are given up.
//! - Appended bytes are sent once: when nobody can know whether they arrived, they are given up and the failure told.
//! - What was written under a lock is committed while the lock is held, or given up and the failure told.
//! - Of a file that nobody has open any more, nothing is tried twice: its last closer was told how it ended.

use std::sync::Arc;

use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use holdfast_client::{ClientError, Content};
use holdfast_proto::ids::{ClassId, SessionId};
use holdfast_proto::inode::{Extent, Inode};
use holdfast_proto::map::StorageClass;
use holdfast_proto::op::{self, Op, Reply};
use holdfast_proto::status::{Code, Retry};

use crate::errno::Errno;
use crate::fs::dirty::{Block, Dirty, Frozen};
use crate::fs::file::{File, Lost, State};
use crate::fs::pack::{self, Piece, Plan, Source};
use crate::fs::{Fs, Outcome};

/// Pieces of one command: the metaserver takes 1,000.
const PIECES_PER_COMMAND: usize = 900;

/// Chunks of one flush on their way at once.
const CHUNKS_AT_ONCE: usize = 4;

/// Longest commit whose bytes travel in the command although the file is longer.
const SMALL_COMMIT: usize = 4096;

/// Ranges that such a commit may have.
const SMALL_RANGES: usize = 4;

/// Extents with bytes of their own that a file may have before they are folded into a chunk; the metaserver's limit
/// is 64.
const MOST_INLINE_EXTENTS: usize = 48;

/// Sessions in which one flush is tried: a mount that was cut off or stood still for too long gets a new one.
const SESSIONS: usize = 3;

/// Times a conditional commit is tried because somebody else changed the file: each stores its bytes once more.
const ROUNDS: usize = 4;

/// Which of the file's dirty ranges.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Layer {
    Ranges,
    Tail,
}

impl Layer {
    fn of(self, state: &mut State) -> &mut Dirty {
        match self {
            Self::Ranges => &mut state.dirty,
            Self::Tail => &mut state.tail,
        }
    }

    /// What the flush took is committed or given up.
    fn done(self, state: &mut State) {
        match self {
            Self::Ranges => state.dirty.done(),
            Self::Tail => state.tail.done_in_front(),
        }
    }
}

/// What a flush carries out.
struct Batch {
    ino: u64,
    layer: Layer,
    ranges: Vec<Frozen>,
    /// The file as known when the ranges were taken.
    inode: Inode,
    class: Arc<StorageClass>,
    clear_suid: bool,
    mtime_ns: Option<i64>,
    /// The session that must be alive, see [`State::fence`].
    fence: Option<SessionId>,
}

impl Batch {
    fn bytes(&self) -> usize {
        self.ranges.iter().map(|range| range.length).sum()
    }

    fn end(&self) -> u64 {
        self.ranges.last().map_or(0, Frozen::end)
    }
}

/// Bytes that are packed and summed without letting go of the thread first.
const PACKED_AT_ONCE: u64 = 256 << 10;

impl Fs {
    /// Commits everything that was written to the file so far.
    pub(crate) async fn flush(&self, file: &Arc<File>) -> Outcome<()> {
        let _quiet = self.quiet(file).await?;
        self.flush_locked(file).await
    }

    /// As [`Fs::flush`], for who holds the file's `flushing`.
    pub(crate) async fn flush_locked(&self, file: &Arc<File>) -> Outcome<()> {
        if file.state.lock().held() > PACKED_AT_ONCE {
            // Not on the thread that took the request: it has others to take.
            tokio::task::yield_now().await;
        }
        self.drop_lost(file)?;
        self.flush_layer(file, Layer::Ranges, false).await?;
        self.flush_layer(file, Layer::Tail, false).await
    }

    /// Commits whole chunks only; what is being filled goes on being filled.
    pub(crate) async fn flush_sealed(&self, file: &Arc<File>) -> Outcome<()> {
        let Ok(_one) = file.flushing.try_lock() else { return Ok(()) };
        self.drop_lost(file)?;
        self.flush_layer(file, Layer::Ranges, true).await?;
        self.flush_layer(file, Layer::Tail, true).await
    }

    async fn flush_layer(&self, file: &Arc<File>, layer: Layer, sealed_only: bool) -> Outcome<()> {
        let Some(batch) = take(file, layer, sealed_only) else { return Ok(()) };
        let mut result = self.write_out(file, &batch).await;
        for _ in 1..SESSIONS {
            // Ranges at offsets may be written twice, unless somebody else may hold the lock by now.
            match result {
                Err(ClientError::SessionLost(_)) if layer == Layer::Ranges && batch.fence.is_none() => {}
                _ => break,
            }
            result = self.write_out(file, &batch).await;
        }
        let mut state = file.state.lock();
        let held = state.held();
        let mut void = false;
        let outcome = match result {
            Ok(reply) => {
                layer.done(&mut state);
                if let Some(inode) = reply.inode {
                    void = state.committed(inode, reply.replaced_version);
                }
                void |= layer == Layer::Tail && std::mem::take(&mut state.kernel_astray);
                Ok(())
            }
            Err(error) => {
                let errno = Errno::of(&error);
                let wanted = state.handles > 0 && state.lost.is_none();
                let again = layer == Layer::Ranges && may_pass(&error) && wanted;
                match errno {
                    // Nobody can ever read them.
                    Errno::STALE => tracing::debug!(ino = file.ino, "written bytes went with their file"),
                    _ => {
                        tracing::warn!(ino = file.ino, %error, kept = again, "written bytes could not be committed")
                    }
                }
                match again {
                    true => layer.of(&mut state).thaw(),
                    false => layer.done(&mut state),
                }
                state.reader = None;
                // What is given up must not live on in the kernel's pages.
                void = !again;
                state.fail(errno);
                Err(errno)
            }
        };
        state.settle();
        let left = state.held();
        drop(state);
        self.count_held(held, left);
        if void {
            self.invalidate(file.ino);
        }
        outcome
    }

    /// Throws away what must not be committed any more. For who holds the file's `flushing`.
    ///
    /// # Errors
    /// There was some, and nobody was told of it yet.
    pub(crate) fn drop_lost(&self, file: &File) -> Outcome<()> {
        let mut state = file.state.lock();
        state.settle();
        if !state.is_dirty() || !state.is_lost(self.client().session()) {
            return Ok(());
        }
        let (held, lost) = (state.held(), state.lost);
        state.dirty.truncate(0);
        state.tail.truncate(0);
        state.kernel_astray = false;
        state.reader = None;
        state.settle();
        if lost != Some(Lost::Closed) {
            state.fail(Errno::IO);
        }
        let left = state.held();
        drop(state);
        self.count_held(held, left);
        self.invalidate(file.ino);
        let (ino, bytes) = (file.ino, held);
        match lost {
            Some(Lost::Closed) => {
                tracing::warn!(ino, bytes, "written bytes are given up: the file was closed with an error");
                return Ok(());
            }
            Some(Lost::Unlocked) => {
                tracing::warn!(ino, bytes, "written bytes are given up: the lock they were written under is");
            }
            None => tracing::warn!(ino, bytes, "written bytes are given up: the lock on the file was lost"),
        }
        Err(Errno::IO)
    }

    async fn write_out(&self, file: &Arc<File>, batch: &Batch) -> Result<Reply, ClientError> {
        if fits_inline(batch) {
            match self.commit(batch, pack::inline(&batch.ranges), None).await {
                // Somebody else made it another file than the one we knew.
                Err(error) if error.code() == Code::TooLarge => {}
                other => return other,
            }
        }
        if batch.bytes() <= SMALL_COMMIT && batch.ranges.len() <= SMALL_RANGES {
            let count = batch.inode.inline_extents as usize + batch.ranges.len();
            match count <= MOST_INLINE_EXTENTS {
                true => match self.commit(batch, pack::inline(&batch.ranges), None).await {
                    // More of them than we knew of.
                    Err(error) if error.code() == Code::TooLarge => {}
                    other => return other,
                },
                false => match self.fold(file, batch).await {
                    // Others change the file all the time. What is new goes into a chunk without the rest.
                    Err(ClientError::Changed(_)) => {}
                    other => return other,
                },
            }
        }
        let chunk_bytes = usize::try_from(batch.class.chunk_bytes).unwrap_or(usize::MAX);
        let mut last = None;
        for group in batch.ranges.chunks(PIECES_PER_COMMAND) {
            if let Some(reply) = last.take() {
                self.note(file, reply);
            }
            last = Some(self.commit(batch, pack::chunks(group, chunk_bytes), None).await?);
        }
        last.ok_or_else(|| ClientError::Invalid("nothing to write".to_owned()))
    }

    /// One of several commits of a flush is done; its ranges stay in the overlay until the last one is.
    fn note(&self, file: &File, reply: Reply) {
        let Some(inode) = reply.inode else { return };
        let void = file.state.lock().committed(inode, reply.replaced_version);
        if void {
            self.invalidate(file.ino);
        }
    }

    /// Too many extents carry bytes of their own: all of them go into one chunk together with what is new. Only if
    /// the file is as it was read.
    async fn fold(&self, file: &Arc<File>, batch: &Batch) -> Result<Reply, ClientError> {
        for _ in 0..ROUNDS {
            let reader = self.client().open_inode(holdfast_proto::ids::Ino(file.ino)).await?;
            let inode = reader.inode();
            let carried = match reader.carried().await {
                // As if the commit had found it changed.
                Err(ClientError::Changed(_)) => continue,
                carried => carried?,
            };
            let base = if batch.layer == Layer::Tail { inode.size } else { 0 };
            let mut all = Dirty::default();
            let chunk_bytes = usize::try_from(batch.class.chunk_bytes).unwrap_or(usize::MAX);
            for (offset, bytes) in carried {
                all.write(offset, &bytes, chunk_bytes);
            }
            for range in &batch.ranges {
                all.write(base + range.offset, &range.bytes(), chunk_bytes);
            }
            let plan = pack::chunks(&all.freeze(false), chunk_bytes);
            match self.commit(batch, plan, Some(inode.version)).await {
                Err(error) if error.code() == Code::PreconditionFailed => {}
                other => return other,
            }
        }
        Err(ClientError::Changed(holdfast_proto::ids::Ino(file.ino)))
    }

    /// Stores the plan's chunks and sends the command. With `if_version`, offsets are absolute.
    async fn commit(&self, batch: &Batch, plan: Plan, if_version: Option<u64>) -> Result<Reply, ClientError> {
        let Plan { chunks, pieces } = plan;
        let stored = stream::iter(chunks)
            .map(|block| self.stored(&batch.class, block))
            .buffered(CHUNKS_AT_ONCE)
            .try_collect::<Vec<_>>()
            .await?;
        let content = Content::of_chunks(ClassId(batch.class.id), stored);
        let append = batch.layer == Layer::Tail && if_version.is_none();
        let write = op::Write {
            ino: batch.ino,
            append,
            if_version: if_version.unwrap_or(0),
            clear_suid: batch.clear_suid,
            mtime_ns: batch.mtime_ns,
            ..op::Write::default()
        };
        let build = move |content: holdfast_proto::inode::Content| {
            let pieces = pieces.iter().map(|piece| to_message(piece, &content.extents)).collect();
            Op::Write(op::Write { chunks: content.chunks, pieces, ..write.clone() })
        };
        match batch.fence {
            Some(session) => self.client().only_in(session).commit(content, build).await,
            None => self.client().commit(content, build).await,
        }
    }

    async fn stored(
        &self,
        class: &StorageClass,
        block: Arc<Block>,
    ) -> Result<holdfast_client::StoredChunk, ClientError> {
        let bytes = block.bytes.clone();
        let store = || self.client().store_chunk(class, bytes);
        block.stored.get_or_try_init(store).await.cloned()
    }
}

/// Takes what is dirty; `None`: nothing is.
fn take(file: &File, layer: Layer, sealed_only: bool) -> Option<Batch> {
    let mut state = file.state.lock();
    let ranges = layer.of(&mut state).freeze(sealed_only);
    if ranges.is_empty() {
        layer.of(&mut state).done();
        return None;
    }
    Some(Batch {
        ino: file.ino,
        layer,
        ranges,
        inode: state.inode.clone(),
        class: state.class.clone(),
        clear_suid: state.clear_suid,
        mtime_ns: state.written_ns,
        fence: state.fence,
    })
}

/// The whole file is small enough to lie in the metadata.
fn fits_inline(batch: &Batch) -> bool {
    let inode = &batch.inode;
    let small = inode.inline || (inode.size == 0 && inode.extent_count == 0);
    let end = match batch.layer {
        Layer::Ranges => inode.size.max(batch.end()),
        Layer::Tail => inode.size + batch.end(),
    };
    small && end <= batch.class.inline_limit
}

fn to_message(piece: &Piece, extents: &[Extent]) -> op::Piece {
    let source = match &piece.source {
        Source::Inline(bytes) => Extent { inline: Some(bytes.clone()), ..Extent::default() },
        Source::Chunk(at, start) => {
            let chunk = extents.get(*at).cloned().unwrap_or_default();
            Extent { chunk_offset: *start, ..chunk }
        }
    };
    op::Piece { offset: piece.offset, length: piece.length, source: Some(source) }
}

/// Whether the same commit may succeed later.
fn may_pass(error: &ClientError) -> bool {
    match error {
        ClientError::Unknown(_) | ClientError::Deadline { .. } | ClientError::Unreadable { .. } => true,
        ClientError::NoPlacement { .. } => error.code() != Code::NoSpace,
        ClientError::Refused(status) => !matches!(status.retry(), Retry::Never),
        ClientError::SessionLost(_)
        | ClientError::Changed(_)
        | ClientError::ConditionFailed { .. }
        | ClientError::Unsupported(_)
        | ClientError::Invalid(_)
        | ClientError::Closed => false,
    }
}
