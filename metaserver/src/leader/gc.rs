//! The loop that gives space back: dead chunks, what is left on disks that left a group, inodes without names, parts
//! of ended uploads.
//!
//! What always holds:
//! - A chunk is deleted only after the command that killed it is committed and every open session is past its index.
//! - A member's cursor advances only after it said that its tombstones are durable; a batch goes when all passed it.
//!   An absent member finds its batches when it returns.
//! - Everything here can be repeated: deleting what is gone succeeds.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use futures::stream;
use holdfast_proto::chunk::DeleteChunks;
use holdfast_proto::map::{Pg, Standing};
use holdfast_proto::op::{AdvanceGc, ClearLeave, DiskRef, FreeStep, FreeUploadStep, GcCursor, Op};
use holdfast_proto::status::Status;
use holdfast_rpc::Endpoint;
use holdfast_state::keys;
use holdfast_state::table::{Broken, View};
use tokio::time::Instant;

use super::board::Doing;
use super::context::Leader;
use super::expiry;
use super::facts::{self, Left};
use super::ports::{Chunkservers, Metadata};
use super::repair::can_spare;
use crate::metrics;

const NAME: &str = "gc";
const ROUND: Duration = Duration::from_secs(1);

/// Groups and other items handled at once.
const AT_ONCE: usize = 16;
/// Groups per round.
const GROUPS_PER_ROUND: usize = 4096;
/// Chunk numbers per order: whole batches until this is reached, so that the order stays below its limit.
const NUMBERS: usize = 5000;
/// Orders per member and round.
const ORDERS: usize = 8;
/// Inodes, uploads and leaves per round.
const ITEMS: usize = 256;
/// Extents per step, and steps per item and round.
const EXTENTS: u32 = 500;
const STEPS: usize = 64;
/// A disk has this long to make tombstones durable.
const PATIENCE: Duration = Duration::from_secs(30);

/// What a round did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Collected {
    /// Tombstones ordered, over all members.
    pub(crate) chunks: u64,
    /// Whole groups dropped on disks that left them.
    pub(crate) leaves: u64,
    /// Extents freed.
    pub(crate) extents: u64,
    /// Groups that wait for an absent member.
    pub(crate) waiting: u64,
}

/// Where the next round goes on.
#[derive(Debug, Default)]
pub(crate) struct Place {
    group: u32,
    leave: Option<(u32, u32)>,
    ino: Option<u64>,
    upload: Option<u64>,
}

/// Runs until leadership ends.
pub(crate) async fn run<M: Metadata, C: Chunkservers>(leader: Arc<Leader<M, C>>) {
    let mut place = Place::default();
    while leader.pause(ROUND).await {
        match round(&leader, &mut place).await {
            Ok(done) => {
                metrics::doing::collected(done.chunks, done.extents, done.waiting);
                let doing = match done {
                    Collected { chunks: 0, leaves: 0, extents: 0, waiting: 0 } => Doing::Idle,
                    Collected { chunks: 0, leaves: 0, extents: 0, .. } => Doing::Waiting,
                    _ => Doing::Busy,
                };
                let detail = format!(
                    "{} deletes, {} extents freed, {} groups wait for an absent disk",
                    done.chunks, done.extents, done.waiting
                );
                leader.board.set(NAME, doing, detail);
            }
            Err(status) => leader.board.set(NAME, Doing::Waiting, status.to_string()),
        }
    }
}

/// One round.
pub(crate) async fn round<M: Metadata, C: Chunkservers>(
    leader: &Leader<M, C>,
    place: &mut Place,
) -> Result<Collected, Status> {
    let mut done = Collected { extents: free_inodes(leader, place).await?, ..Collected::default() };
    done.extents += free_uploads(leader, place).await?;
    if !leader.knobs.load().collect {
        return Ok(done);
    }
    let barrier = expiry::barrier(leader).await?;
    done.leaves = drop_leaves(leader, place, barrier).await?;
    let groups = groups_with_garbage(leader, place).await?;
    let outcomes: Vec<_> = stream::iter(groups)
        .map(|pg| async move { (pg, collect_group(leader, pg, barrier).await) })
        .buffer_unordered(AT_ONCE)
        .collect()
        .await;
    for (pg, outcome) in outcomes {
        match outcome {
            Ok((chunks, waits)) => {
                done.chunks += chunks;
                done.waiting += u64::from(waits);
            }
            Err(status) => tracing::warn!(pg, %status, "garbage of a group stays for now"),
        }
    }
    Ok(done)
}

async fn groups_with_garbage<M: Metadata, C: Chunkservers>(
    leader: &Leader<M, C>,
    place: &mut Place,
) -> Result<Vec<u32>, Status> {
    let from = place.group;
    let found = leader
        .look(move |_, view| {
            let (mut found, mut at) = (Vec::new(), from);
            while found.len() < GROUPS_PER_ROUND {
                let Some(pg) = facts::next_with_garbage(view, at)? else { break };
                found.push(pg);
                let Some(next) = pg.checked_add(1) else { break };
                at = next;
            }
            Ok(found)
        })
        .await?;
    place.group = if found.len() < GROUPS_PER_ROUND { 0 } else { found.last().map_or(0, |pg| pg + 1) };
    Ok(found)
}

/// What one member has to delete next.
struct Due {
    member: DiskRef,
    to: Endpoint,
    numbers: Vec<u64>,
    upto: u64,
}

/// Deletes a group's garbage up to `barrier` on every member that answers. How many tombstones, and whether some
/// member is absent.
pub(crate) async fn collect_group<M: Metadata, C: Chunkservers>(
    leader: &Leader<M, C>,
    pg: u32,
    barrier: u64,
) -> Result<(u64, bool), Status> {
    let mut deleted = 0;
    for _ in 0..ORDERS {
        let Some((group, index, mut cursors, first)) = read_cursors(leader, pg).await? else {
            return Ok((deleted, false));
        };
        let away = cursors.keys().filter(|(disk, life)| leader.reach(*disk, *life).is_none()).count();
        let due = read_due(leader, &group, &cursors, barrier).await?;
        let passed: Vec<GcCursor> = stream::iter(due)
            .map(|due| order(leader, &group, index, due))
            .buffer_unordered(AT_ONCE)
            .filter_map(|done| async move { done })
            .map(|(cursor, count)| {
                deleted += count;
                cursor
            })
            .collect()
            .await;
        if !passed.is_empty() {
            leader.propose(Op::AdvanceGc(AdvanceGc { cursors: passed })).await?;
            continue;
        }
        // Nobody has anything to delete, but batches that all passed are still there (the last one to pass them
        // left the group): saying the same again lets them go.
        let slowest = cursors.values().min().copied().unwrap_or(0);
        match cursors.pop_first() {
            Some(((disk, incarnation), at)) if first.is_some_and(|first| first <= slowest) => {
                let cursor = GcCursor { pg, member: Some(DiskRef { disk, incarnation }), index: at };
                leader.propose(Op::AdvanceGc(AdvanceGc { cursors: vec![cursor] })).await?;
            }
            _ => return Ok((deleted, away > 0)),
        }
    }
    Ok((deleted, false))
}

type Cursors = BTreeMap<(u32, u64), u64>;

async fn read_cursors<M: Metadata, C: Chunkservers>(
    leader: &Leader<M, C>,
    pg: u32,
) -> Result<Option<(Pg, u64, Cursors, Option<u64>)>, Status> {
    leader
        .look(move |index, view| {
            let Some(group) = facts::pg(view, pg)? else { return Ok(None) };
            let mut cursors = BTreeMap::new();
            for member in &group.members {
                cursors.insert((member.disk, member.incarnation), facts::gc_cursor(view, pg, member)?);
            }
            let first = facts::garbage(view, pg, 0, u64::MAX, 1)?.first().map(|batch| batch.index);
            Ok(Some((group, index.0, cursors, first)))
        })
        .await
}

async fn read_due<M: Metadata, C: Chunkservers>(
    leader: &Leader<M, C>,
    group: &Pg,
    cursors: &Cursors,
    barrier: u64,
) -> Result<Vec<Due>, Status> {
    let asked: Vec<(DiskRef, Endpoint, u64)> = cursors
        .iter()
        .filter_map(|((disk, incarnation), at)| {
            let to = leader.reach(*disk, *incarnation)?;
            Some((DiskRef { disk: *disk, incarnation: *incarnation }, to, *at))
        })
        .collect();
    let pg = group.id;
    leader
        .look(move |_, view| {
            let mut due = Vec::new();
            for (member, to, at) in asked {
                let batches = facts::garbage(view, pg, at, barrier, NUMBERS)?;
                let Some(upto) = batches.last().map(|batch| batch.index) else { continue };
                let numbers = batches.into_iter().flat_map(|batch| batch.numbers).collect();
                due.push(Due { member, to, numbers, upto });
            }
            Ok(due)
        })
        .await
}

async fn order<M: Metadata, C: Chunkservers>(
    leader: &Leader<M, C>,
    group: &Pg,
    index: u64,
    due: Due,
) -> Option<(GcCursor, u64)> {
    let count = due.numbers.len() as u64;
    let order = DeleteChunks {
        order: Some(leader.order(group.epoch, index)),
        disk: Some(due.member),
        pg: group.id,
        numbers: due.numbers,
        whole_pg: false,
    };
    match leader.servers.delete(&due.to, order, Instant::now() + PATIENCE).await {
        Ok(_) => Some((GcCursor { pg: group.id, member: Some(due.member), index: due.upto }, count)),
        Err(status) => {
            tracing::debug!(pg = group.id, disk = due.member.disk, %status, "a disk did not delete garbage");
            None
        }
    }
}

/// Groups looked at together before copies of them are dropped: few, so that what was seen is fresh.
const LOOKED_AT: usize = 16;

/// Tells disks to drop what they hold of groups they left. Waits until every session is past the leaving (nobody
/// reads there by an old map any more), and until the group is not in danger without it.
async fn drop_leaves<M: Metadata, C: Chunkservers>(
    leader: &Leader<M, C>,
    place: &mut Place,
    barrier: u64,
) -> Result<u64, Status> {
    let after = place.leave;
    let page = leader.look(move |_, view| look_at_leaves(view, after)).await?;
    place.leave = match page.last() {
        Some((left, _)) if page.len() == ITEMS => Some((left.disk.disk, left.pg)),
        _ => None,
    };
    // What a disk lacks of groups that it left is not to be counted, even while it is away and cannot let go of the rest.
    for (left, _) in page.iter().filter(|(_, lacks)| *lacks) {
        if let Err(status) = clear_leave(leader, left, true).await {
            tracing::debug!(disk = left.disk.disk, pg = left.pg, %status, "what a disk that left lacks is still counted");
        }
    }
    let mut dropped = 0;
    let due: Vec<_> = page.into_iter().map(|(left, _)| left).filter(|left| left.index <= barrier).collect();
    for some in due.chunks(LOOKED_AT) {
        let held: Vec<(u32, u32)> = some.iter().map(|left| (left.disk.disk, left.pg)).collect();
        let spare = can_spare(leader, &held).await?;
        for left in some {
            match drop_leave(leader, left, &spare).await {
                Ok(true) => dropped += 1,
                Ok(false) => {}
                Err(status) => {
                    let disk = left.disk.disk;
                    tracing::debug!(disk, pg = left.pg, %status, "a disk still holds a group it left");
                }
            }
        }
    }
    Ok(dropped)
}

/// A page of leaves, each with whether the disk has `missing/` records of that group.
fn look_at_leaves(view: &dyn View, after: Option<(u32, u32)>) -> Result<Vec<(Left, bool)>, Broken> {
    let page = facts::leaves(view, after, ITEMS)?;
    let any = !page.is_empty() && facts::state(view)?.missing > 0;
    let lacks = |left: &Left| -> Result<bool, Broken> {
        Ok(any && !facts::missing(view, left.disk.disk, left.pg, None, 1)?.is_empty())
    };
    page.into_iter().map(|left| Ok((left, lacks(&left)?))).collect()
}

/// Whether the leave, or what was recorded beside it, is gone.
async fn clear_leave<M: Metadata, C: Chunkservers>(
    leader: &Leader<M, C>,
    left: &Left,
    holds: bool,
) -> Result<bool, Status> {
    for _ in 0..STEPS {
        let clear = ClearLeave { pg: left.pg, disk: Some(left.disk), holds };
        if leader.propose(Op::ClearLeave(clear)).await?.progress == 0 {
            return Ok(true);
        }
    }
    Ok(false)
}

async fn drop_leave<M: Metadata, C: Chunkservers>(
    leader: &Leader<M, C>,
    left: &Left,
    spare: &BTreeSet<(u32, u32)>,
) -> Result<bool, Status> {
    let gone = {
        let cluster = leader.cluster.lock();
        cluster
            .disks
            .get(&left.disk.disk)
            .is_none_or(|d| d.incarnation != left.disk.incarnation || d.standing == Standing::Removed)
    };
    if !gone {
        if !spare.contains(&(left.disk.disk, left.pg)) {
            return Ok(false);
        }
        let Some(to) = leader.reach(left.disk.disk, left.disk.incarnation) else { return Ok(false) };
        let pg = left.pg;
        let (index, epoch) = leader
            .look(move |index, view| Ok((index.0, facts::pg(view, pg)?.map_or(0, |group| group.epoch))))
            .await?;
        let order = DeleteChunks {
            order: Some(leader.order(epoch.max(left.epoch), index)),
            disk: Some(left.disk),
            pg,
            numbers: Vec::new(),
            whole_pg: true,
        };
        leader.servers.delete(&to, order, Instant::now() + PATIENCE).await?;
    }
    clear_leave(leader, left, false).await
}

async fn free_inodes<M: Metadata, C: Chunkservers>(
    leader: &Leader<M, C>,
    place: &mut Place,
) -> Result<u64, Status> {
    let (freed, next) =
        free(leader, keys::GC_INO, place.ino, |ino| Op::FreeStep(FreeStep { ino, most: EXTENTS })).await?;
    place.ino = next;
    Ok(freed)
}

async fn free_uploads<M: Metadata, C: Chunkservers>(
    leader: &Leader<M, C>,
    place: &mut Place,
) -> Result<u64, Status> {
    let step = |upload| Op::FreeUploadStep(FreeUploadStep { upload, most: EXTENTS });
    let (freed, next) = free(leader, keys::SPENT, place.upload, step).await?;
    place.upload = next;
    Ok(freed)
}

/// Runs steps on each id under a tag until they say that nothing is left.
async fn free<M: Metadata, C: Chunkservers>(
    leader: &Leader<M, C>,
    tag: u8,
    after: Option<u64>,
    step: impl Fn(u64) -> Op + Copy,
) -> Result<(u64, Option<u64>), Status> {
    let page = leader.look(move |_, view| facts::ids(view, tag, after, ITEMS)).await?;
    let next = if page.len() < ITEMS { None } else { page.last().copied() };
    let freed = stream::iter(page)
        .map(|id| async move {
            let mut freed = 0;
            for _ in 0..STEPS {
                match leader.propose(step(id)).await {
                    Ok(reply) if reply.progress == 0 => break,
                    Ok(reply) => freed += reply.progress,
                    Err(status) => {
                        tracing::warn!(id, %status, "freeing extents did not go on");
                        break;
                    }
                }
            }
            freed
        })
        .buffer_unordered(AT_ONCE)
        .fold(0_u64, |sum, freed| async move { sum + freed })
        .await;
    Ok((freed, next))
}
