//! The loop that lets go of kept files: of those that are due, and, before new data finds no room, of more, those that would
//! be due next first.
//!
//! What always holds:
//! - Due goes by the cluster's uptime, which is brought into the log before anything that is due by it goes.
//! - Every command names a bounded number of files and is carried out or passed over file by file, so that a leader who
//!   goes on where another one stopped loses nothing and lets go of nothing twice.
//! - For lack of room it lets go of a slice, and of the next, twice as large, only when the room of the one before had
//!   its time to come back: deleting takes a round of `gc` and of the disks. A lack of room that is only seen for a moment,
//!   or by a leader that does not know yet who is there, is none.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use holdfast_proto::op::{EmptyTrash, Op, TrashRef};
use holdfast_proto::status::Status;
use holdfast_state::limits::MAX_EMPTIED;
use holdfast_state::plan::room::{left, short_of_room};
use tokio::time::Instant;

use super::board::Doing;
use super::context::Leader;
use super::facts::{self, Kept};
use super::health::listening_ms;
use super::ports::{Chunkservers, Metadata};
use super::uptime;
use crate::metrics;

const NAME: &str = "trash";
/// Longest wait for the next look.
const ROUND: Duration = Duration::from_secs(5);
/// Shortest: due times are whole seconds.
const LEAST: Duration = Duration::from_secs(1);
/// Commands of one round: what more there is waits for the next one.
const COMMANDS: usize = 64;
/// Rest between two commands, for foreground work.
const REST: Duration = Duration::from_millis(10);

/// First slice for lack of room: at least so many bytes, and this part of the full disks,
const SLICE_BYTES: u64 = 64 << 20;
const SLICE_DIVISOR: u64 = 256;
/// or what they lack of twice the room they should have left, of content that lies in so many copies.
const COPIES: u64 = 3;
/// What a file in the trash takes beside its content, roughly: all that counts when the metadata has no room.
const RECORDS: u64 = 4096;
/// What of its content may lie in the metadata.
const MOST_INLINE: u64 = 64 << 10;
/// A lack of room lasts for so long before anything goes early.
const LASTS: Duration = Duration::from_secs(3);
/// A slice's room has come back so long after its garbage was deleted, at the latest so long after the slice.
const SETTLED: Duration = Duration::from_secs(5);
const PATIENCE: Duration = Duration::from_secs(40);

/// How far it is with a lack of room.
#[derive(Debug, Default)]
pub(crate) struct Squeeze {
    /// Bytes of the last slice; 0: there is room.
    slice: u64,
    /// When that was.
    at: Option<Instant>,
    /// Since when its garbage is gone.
    collected: Option<Instant>,
    /// Since when room has been short.
    short: Option<Instant>,
    /// Files and bytes let go of since room ran short.
    files: u64,
    bytes: u64,
}

/// What a round did, and when the next one should be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Emptied {
    /// Files let go of because they were due.
    pub(crate) due: u64,
    /// Files let go of for lack of room.
    pub(crate) early: u64,
    /// Files that are kept.
    pub(crate) kept: u64,
    /// Bytes that they refer to.
    pub(crate) bytes: u64,
    /// Time until the next is due, if that is known.
    pub(crate) next: Option<Duration>,
}

/// Runs until leadership ends.
pub(crate) async fn run<M: Metadata, C: Chunkservers>(leader: Arc<Leader<M, C>>) {
    let mut squeeze = Squeeze::default();
    let mut wait = LEAST;
    while leader.pause(wait).await {
        wait = ROUND;
        match round(&leader, &mut squeeze).await {
            Ok(done) => {
                let doing = if done.due + done.early > 0 { Doing::Busy } else { Doing::Idle };
                let Emptied { due, early, kept, bytes, next } = done;
                metrics::doing::trash_left(due, early);
                let short = if squeeze.slice > 0 { ", short of room" } else { "" };
                let what =
                    format!("{kept} files kept ({bytes} bytes); {due} were due, {early} went early{short}");
                leader.board.set(NAME, doing, what);
                wait = next.unwrap_or(ROUND).clamp(LEAST, ROUND);
            }
            Err(status) => leader.board.set(NAME, Doing::Waiting, status.to_string()),
        }
    }
}

/// One round.
pub(crate) async fn round<M: Metadata, C: Chunkservers>(
    leader: &Leader<M, C>,
    squeeze: &mut Squeeze,
) -> Result<Emptied, Status> {
    let mut done = Emptied { due: empty_due(leader).await?, ..Emptied::default() };
    let state = leader.look(|_, view| facts::state(view)).await?;
    (done.kept, done.bytes) = (state.trashed, state.trashed_bytes);
    if state.trashed > 0 {
        done.early = make_room(leader, squeeze, state.garbage).await?;
        let first = leader.look(|_, view| facts::trash(view, u64::MAX, 1)).await?;
        let due_s = first.first().map(|kept| kept.due_s);
        let now = state.uptime_s + u64::from(leader.uptime.uncounted_s());
        done.next = due_s.map(|due_s| Duration::from_secs(due_s.saturating_sub(now)));
    } else {
        relax(squeeze);
    }
    Ok(done)
}

/// Lets go of what is due; how many files.
async fn empty_due<M: Metadata, C: Chunkservers>(leader: &Leader<M, C>) -> Result<u64, Status> {
    let mut gone = 0;
    for _ in 0..COMMANDS {
        let up = u64::from(leader.uptime.uncounted_s());
        let (now, page) = leader
            .look(move |_, view| {
                let now = facts::state(view)?.uptime_s;
                Ok((now, facts::trash(view, now + up, MAX_EMPTIED)?))
            })
            .await?;
        if page.is_empty() {
            break;
        }
        if page.iter().any(|kept| kept.due_s > now) {
            // It is the log that decides what is due.
            uptime::count(leader).await?;
        }
        let (files, _) = empty(leader, &page, true).await?;
        gone += files;
        if files == 0 || !leader.pause(REST).await {
            break;
        }
    }
    Ok(gone)
}

/// Lets go of these; how many files, and bytes.
async fn empty<M: Metadata, C: Chunkservers>(
    leader: &Leader<M, C>,
    page: &[Kept],
    due: bool,
) -> Result<(u64, u64), Status> {
    let items: Vec<TrashRef> = page.iter().map(|kept| kept.item).collect();
    let reply = leader.propose(Op::EmptyTrash(EmptyTrash { items, due })).await?;
    let gone = page.iter().take(usize::try_from(reply.progress).unwrap_or(usize::MAX));
    Ok((reply.progress.min(page.len() as u64), gone.map(|kept| kept.bytes).sum()))
}

/// Lets go of a slice if new data finds little room, and the one before had its time; how many files.
async fn make_room<M: Metadata, C: Chunkservers>(
    leader: &Leader<M, C>,
    squeeze: &mut Squeeze,
    garbage: u64,
) -> Result<u64, Status> {
    let sizes = leader.sizes.load_full();
    let (full, capacity, lack) = {
        let cluster = leader.cluster.lock();
        // What was not counted yet, or is written to for the first time, is of the first class more often than not.
        let filled =
            cluster.pgs.values().filter(|pg| sizes.chunks.get(&pg.id).is_some_and(|chunks| *chunks > 0));
        let used = filled.map(|pg| pg.class).chain([1]).collect();
        let full = short_of_room(&cluster, &used);
        let disks = || full.iter().filter_map(|disk| cluster.disks.get(disk));
        let lack: u64 = disks().map(|disk| (2 * left(disk.capacity)).saturating_sub(disk.free)).sum();
        (full.len(), disks().map(|disk| disk.capacity).sum(), lack)
    };
    let short = full > 0 || leader.short_of_room.load(Ordering::Relaxed);
    // While nothing is collected, letting go of files makes no room.
    if !short || !leader.knobs.load().collect || listening_ms(leader) > 0 {
        relax(squeeze);
        return Ok(0);
    }
    let now = Instant::now();
    let lasts = now.duration_since(*squeeze.short.get_or_insert(now)) >= LASTS;
    if !lasts || !squeeze.had_its_time(now, garbage) {
        return Ok(0);
    }
    let slice = squeeze.next_slice(capacity, lack);
    // Content in chunks gives the metadata nothing back.
    let weigh = |content: u64| if full > 0 { content + RECORDS } else { content.min(MOST_INLINE) + RECORDS };
    let (mut files, mut bytes) = (0, 0);
    while bytes < slice {
        let page = leader.look(|_, view| facts::trash(view, u64::MAX, MAX_EMPTIED)).await?;
        let mut weight = bytes;
        let upto = page.iter().take_while(|kept| {
            let fits = weight < slice;
            weight += weigh(kept.bytes);
            fits
        });
        let upto = upto.count();
        let (gone, freed) = empty(leader, page.get(..upto).unwrap_or_default(), false).await?;
        files += gone;
        squeeze.bytes += freed;
        bytes += page
            .iter()
            .take(usize::try_from(gone).unwrap_or(usize::MAX))
            .map(|kept| weigh(kept.bytes))
            .sum::<u64>();
        if gone == 0 || !leader.pause(REST).await {
            break;
        }
    }
    squeeze.begun(slice);
    squeeze.files += files;
    tracing::warn!(
        full,
        files,
        bytes,
        "there is little room for new data: files in the trash go before they are due"
    );
    Ok(files)
}

/// There is room again.
fn relax(squeeze: &mut Squeeze) {
    let Squeeze { files, bytes, .. } = *squeeze;
    if files > 0 {
        tracing::info!(files, bytes, "there is room again, or nothing left in the trash: so much went early");
    }
    *squeeze = Squeeze::default();
}

impl Squeeze {
    /// Whether the room of the last slice, if there was one, has come back as far as it will.
    fn had_its_time(&mut self, now: Instant, garbage: u64) -> bool {
        let Some(at) = self.at else { return true };
        if garbage > 0 {
            self.collected = None;
        } else {
            self.collected.get_or_insert(now);
        }
        let settled = self.collected.is_some_and(|since| now.duration_since(since) >= SETTLED);
        settled || now.duration_since(at) >= PATIENCE
    }

    fn next_slice(&self, capacity: u64, lack: u64) -> u64 {
        match self.slice {
            0 => SLICE_BYTES.max(capacity / SLICE_DIVISOR).max(lack / COPIES),
            slice => slice.saturating_mul(2),
        }
    }

    fn begun(&mut self, slice: u64) {
        (self.slice, self.at, self.collected) = (slice, Some(Instant::now()), None);
    }
}

#[cfg(test)]
#[path = "trash_tests.rs"]
mod tests;
