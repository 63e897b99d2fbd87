//! The slow sweep that compares what disks have with what metadata says, both ways.
//!
//! What always holds:
//! - A record is deleted only when, at one log index read *after* the disk listed it, its chunk is absent, its grant
//!   can bring nothing into metadata any more, and it does not wait in `gc/` (readers may still rely on that). Any
//!   error or bound that is met on the way leaves it alone.
//! - A chunk that a clean member does not list is verified on the disk before it is written down as missing.
//! - One page at a time, in order, with pauses: the sweep is a safety net, not a means of deletion.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use holdfast_proto::chunk::{DeleteChunks, ListRecords, RecordList, VerifyChunks};
use holdfast_proto::crosscheck::RecordVerdict;
use holdfast_proto::ids::ChunkNumber;
use holdfast_proto::map::{Member, Pg, Standing};
use holdfast_proto::op::{AddMissing, DiskRef, Op};
use holdfast_proto::status::Status;
use holdfast_rpc::Endpoint;
use holdfast_state::table::{Broken, View};
use tokio::time::Instant;

use super::board::Doing;
use super::context::Leader;
use super::facts;
use super::ports::{Chunkservers, Metadata};
use super::repair::can_spare;
use crate::metrics;

const NAME: &str = "orphans";

/// Pause between pages.
const PAUSE: Duration = Duration::from_millis(500);
/// Pause between sweeps.
const REST: Duration = Duration::from_secs(60);
/// Records per page.
const PAGE: u32 = 1000;
/// Garbage that is looked through to exclude a candidate; beyond it the page is left for another time.
const MOST_GARBAGE: usize = 200_000;
const PATIENCE: Duration = Duration::from_secs(30);

/// What a sweep found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Swept {
    /// Records deleted because nothing refers to them.
    pub(crate) deleted: u64,
    /// Replicas found lost and written down as missing.
    pub(crate) lost: u64,
    /// Groups dropped on disks that are not members.
    pub(crate) dropped: u64,
}

impl std::fmt::Display for Swept {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { deleted, lost, dropped } = self;
        if *self == Self::default() {
            return f.write_str("the last sweep found nothing amiss");
        }
        write!(
            f,
            "last sweep: {deleted} records deleted that nothing refers to, {lost} replicas found lost, {dropped} groups \
             dropped on disks that are not members"
        )
    }
}

/// Runs until leadership ends.
pub(crate) async fn run<M: Metadata, C: Chunkservers>(leader: Arc<Leader<M, C>>) {
    let mut last = Swept::default();
    loop {
        if leader.knobs.load().collect {
            leader.board.set(NAME, Doing::Busy, last.to_string());
            last = Swept::default();
            let disks: Vec<DiskRef> = {
                let cluster = leader.cluster.lock();
                cluster
                    .disks
                    .values()
                    .filter(|d| d.standing != Standing::Removed)
                    .map(|d| d.identity())
                    .collect()
            };
            for disk in disks {
                // A disk that cannot be swept now is swept next time.
                if let Err(status) = sweep_disk(&leader, disk, PAUSE, &mut last).await {
                    tracing::debug!(disk = disk.disk, %status, "a disk was not swept to its end");
                }
                if leader.stop.is_cancelled() {
                    return;
                }
            }
        }
        leader.board.set(NAME, Doing::Idle, last.to_string());
        if !leader.pause(REST).await {
            return;
        }
    }
}

async fn list<M: Metadata, C: Chunkservers>(
    leader: &Leader<M, C>,
    to: &Endpoint,
    disk: DiskRef,
    pg: u32,
    after: u64,
) -> Result<RecordList, Status> {
    let request = ListRecords { disk: Some(disk), pg, after, most: PAGE };
    leader.servers.records(to, request, Instant::now() + PATIENCE).await
}

/// Sweeps one disk through all groups it has records of, and all groups it should have records of.
pub(crate) async fn sweep_disk<M: Metadata, C: Chunkservers>(
    leader: &Leader<M, C>,
    disk: DiskRef,
    pause: Duration,
    swept: &mut Swept,
) -> Result<(), Status> {
    let Some(to) = leader.reach(disk.disk, disk.incarnation) else { return Ok(()) };
    let mut groups: BTreeSet<u32> = leader.cluster.lock().groups_of(disk.disk).collect();
    let mut after = 0;
    loop {
        let page = list(leader, &to, disk, 0, after).await?;
        groups.extend(page.entries.iter().filter_map(|e| u32::try_from(e.number).ok()));
        match page.entries.last() {
            Some(last) if page.more => after = last.number,
            _ => break,
        }
    }
    for pg in groups {
        if leader.stop.is_cancelled() {
            return Ok(());
        }
        // One group's trouble does not hide the others.
        if let Err(status) = sweep_group(leader, &to, disk, pg, pause, swept).await {
            tracing::debug!(disk = disk.disk, pg, %status, "a group was not swept to its end");
        }
    }
    Ok(())
}

async fn sweep_group<M: Metadata, C: Chunkservers>(
    leader: &Leader<M, C>,
    to: &Endpoint,
    disk: DiskRef,
    pg: u32,
    pause: Duration,
    swept: &mut Swept,
) -> Result<(), Status> {
    let mut after = 0;
    loop {
        let page = list(leader, to, disk, pg, after).await?;
        let listed: Vec<u64> = page.entries.iter().map(|e| e.number).collect();
        let upto = if page.more { listed.last().copied() } else { None };
        let judged =
            leader.look(move |index, view| judge(view, index.0, pg, disk, &listed, after, upto)).await?;
        let Some(judged) = judged else { return Ok(()) };
        act(leader, to, disk, pg, judged, swept).await?;
        match upto {
            Some(last) => after = last,
            None => return Ok(()),
        }
        if !leader.pause(pause).await {
            return Ok(());
        }
    }
}

/// What a page came to, as of one index.
#[derive(Debug, Default, PartialEq, Eq)]
struct Judged {
    index: u64,
    epoch: u64,
    /// Records that nothing refers to and nothing ever will.
    orphans: Vec<u64>,
    /// Chunks that the disk should have listed.
    absent: Vec<u64>,
    /// The disk is no member and nobody knows that it still holds the group.
    stray: bool,
    joined: Option<Member>,
}

/// Compares a page of records (`after` exclusive up to `upto`, or to the end) with metadata. `None`: the group is not
/// this metadata's.
fn judge(
    view: &dyn View,
    index: u64,
    pg: u32,
    disk: DiskRef,
    listed: &[u64],
    after: u64,
    upto: Option<u64>,
) -> Result<Option<Judged>, Broken> {
    let state = facts::state(view)?;
    let Some(group) = facts::pg(view, pg)? else {
        if pg >= state.next_pg {
            tracing::error!(
                disk = disk.disk,
                pg,
                "a disk has records of a group that was never made; left alone"
            );
        }
        return Ok(None);
    };
    let member =
        group.members.iter().find(|m| (m.disk, m.incarnation) == (disk.disk, disk.incarnation)).copied();
    let mut judged = Judged { index, epoch: group.epoch, joined: member, ..Judged::default() };
    let Some(member) = member else {
        // With a leave record, the collection loop takes care of it.
        judged.stray = !listed.is_empty() && !facts::is_leaving(view, disk.disk, pg)?;
        return Ok(Some(judged));
    };
    judged.orphans = orphans(view, &group, &state, listed)?;
    if member.clean {
        judged.absent = absent(view, pg, &member, listed, after, upto)?;
    }
    Ok(Some(judged))
}

fn orphans(
    view: &dyn View,
    group: &Pg,
    state: &holdfast_state::records::State,
    listed: &[u64],
) -> Result<Vec<u64>, Broken> {
    let verdicts = sort_out(view, group.id, state, listed)?;
    let orphan = |(number, verdict)| (verdict == RecordVerdict::Orphan).then_some(number);
    Ok(verdicts.into_iter().filter_map(orphan).collect())
}

/// What each of some records on a member is to metadata, as of this view, in the order of their numbers. Only an
/// [`RecordVerdict::Orphan`] may be deleted.
pub(crate) fn sort_out(
    view: &dyn View,
    pg: u32,
    state: &holdfast_state::records::State,
    listed: &[u64],
) -> Result<BTreeMap<u64, RecordVerdict>, Broken> {
    let mut verdicts = BTreeMap::new();
    let mut candidates = BTreeSet::new();
    for number in listed {
        let grant = ChunkNumber(*number).grant();
        let verdict = if facts::chunk(view, pg, *number)?.is_some() {
            RecordVerdict::Known
        } else if facts::grant_may_commit(view, grant, state)? {
            RecordVerdict::MayCommit
        } else {
            candidates.insert(*number);
            RecordVerdict::Orphan
        };
        verdicts.insert(*number, verdict);
    }
    let mut after = 0;
    let mut looked = 0;
    while !candidates.is_empty() {
        let batches = facts::garbage(view, pg, after, u64::MAX, 1000)?;
        let Some(last) = batches.last() else { break };
        after = last.index;
        for number in batches.iter().flat_map(|batch| &batch.numbers) {
            if candidates.remove(number) {
                verdicts.insert(*number, RecordVerdict::Garbage);
            }
            looked += 1;
        }
        if looked > MOST_GARBAGE {
            // Not a complete set to compare with, so nothing is deleted.
            verdicts.extend(candidates.iter().map(|number| (*number, RecordVerdict::Undecided)));
            break;
        }
    }
    Ok(verdicts)
}

fn absent(
    view: &dyn View,
    pg: u32,
    member: &Member,
    listed: &[u64],
    after: u64,
    upto: Option<u64>,
) -> Result<Vec<u64>, Broken> {
    let listed: BTreeSet<u64> = listed.iter().copied().collect();
    let mut found = Vec::new();
    let mut at = (after > 0).then_some(after);
    // At most a few times the page: what is more is seen by the next sweep.
    for _ in 0..4 {
        let page = facts::chunks(view, pg, at, PAGE as usize)?;
        let Some((last, _)) = page.last() else { break };
        at = Some(*last);
        let known: BTreeSet<u64> = match page.first() {
            Some((first, _)) => {
                let from = first.checked_sub(1);
                facts::missing(view, member.disk, pg, from, 2 * PAGE as usize)?.into_iter().collect()
            }
            None => BTreeSet::new(),
        };
        let within = |number: &u64| upto.is_none_or(|upto| *number <= upto);
        let more = within(last);
        let lost = page.into_iter().map(|(number, _)| number).filter(within);
        found.extend(lost.filter(|number| !listed.contains(number) && !known.contains(number)));
        if !more || found.len() >= PAGE as usize {
            break;
        }
    }
    found.truncate(PAGE as usize);
    Ok(found)
}

async fn act<M: Metadata, C: Chunkservers>(
    leader: &Leader<M, C>,
    to: &Endpoint,
    disk: DiskRef,
    pg: u32,
    judged: Judged,
    swept: &mut Swept,
) -> Result<(), Status> {
    let order = leader.order(judged.epoch, judged.index);
    let delete = |numbers: Vec<u64>, whole_pg| DeleteChunks {
        order: Some(order),
        disk: Some(disk),
        pg,
        numbers,
        whole_pg,
    };
    if judged.stray {
        // What it holds may be all there is: only when the group does well without it.
        if can_spare(leader, &[(disk.disk, pg)]).await?.contains(&(disk.disk, pg)) {
            leader.servers.delete(to, delete(Vec::new(), true), Instant::now() + PATIENCE).await?;
            tracing::info!(disk = disk.disk, pg, "dropped a group on a disk that is not a member");
            swept.dropped += 1;
            metrics::doing::swept("dropped", 1);
        }
        return Ok(());
    }
    if !judged.orphans.is_empty() {
        let count = judged.orphans.len() as u64;
        leader.servers.delete(to, delete(judged.orphans, false), Instant::now() + PATIENCE).await?;
        tracing::info!(disk = disk.disk, pg, count, "deleted records that nothing refers to");
        swept.deleted += count;
        metrics::doing::swept("deleted", count);
    }
    if !judged.absent.is_empty() {
        let lost = note_lost(leader, to, disk, pg, judged.absent).await?;
        metrics::doing::swept("lost", lost);
        swept.lost += lost;
    }
    Ok(())
}

/// Verifies on the disk and writes down what is really not there or damaged; how many. Repair takes it from there.
pub(crate) async fn note_lost<M: Metadata, C: Chunkservers>(
    leader: &Leader<M, C>,
    to: &Endpoint,
    disk: DiskRef,
    pg: u32,
    numbers: Vec<u64>,
) -> Result<u64, Status> {
    let request = VerifyChunks { disk: Some(disk), pg, numbers };
    let verified = leader.servers.verify(to, request, Instant::now() + PATIENCE).await?;
    let mut bad = verified.absent;
    bad.extend(verified.damaged);
    write_down(leader, disk, pg, bad).await
}

/// Writes down copies that the disk itself was seen not to have whole, and has repair look at the group; how many.
pub(crate) async fn write_down<M: Metadata, C: Chunkservers>(
    leader: &Leader<M, C>,
    disk: DiskRef,
    pg: u32,
    bad: Vec<u64>,
) -> Result<u64, Status> {
    if bad.is_empty() {
        return Ok(0);
    }
    let count = bad.len() as u64;
    tracing::warn!(disk = disk.disk, pg, count, "replicas are lost or damaged; they are copied anew");
    leader.propose(Op::AddMissing(AddMissing { pg, member: Some(disk), numbers: bad })).await?;
    leader.touch([pg]);
    Ok(count)
}
