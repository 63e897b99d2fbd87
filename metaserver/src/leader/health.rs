//! The loop that keeps account of how safe data is: since when groups lack redundancy (written down, so that the next
//! leader knows), how fast repair goes, and what ends by itself: maintenance at its time, replacements when they are
//! through.
//!
//! What always holds:
//! - Nothing is noted before this leader has listened for long enough to know who is silent: a new leader neither forgets
//!   what ails nor calls well what it has not looked at.
//! - Cost follows what changed: a group is written down when its level changes, and once more when it is whole.
//!
//! [`report`] answers those who ask.

mod report;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use holdfast_proto::map::{ProcedureKind, Standing};
use holdfast_proto::op::{Ailment, GroupNote, NoteGroups, Op, SetDisk, SetNode};
use holdfast_proto::status::Status;
use holdfast_state::plan::explain;
use tokio::time::Instant;

use super::board::Doing;
use super::context::{Leader, is_overtaken};
use super::facts;
use super::ports::{Chunkservers, Metadata};
use super::watch;
use crate::metrics;

pub use report::{Counted, notices, procedures, report};

const NAME: &str = "health";
const ROUND: Duration = Duration::from_secs(1);
/// Rounds between two times at which the figures are shown: they look at every group.
const SHOWN_EVERY: u64 = 5;

/// Groups in one command, and commands in one round.
const NOTES: usize = 1000;
const COMMANDS: usize = 8;

/// Beyond the silence after which a node counts as down: time for repair to have looked.
const MARGIN: Duration = Duration::from_secs(5);

/// Runs until leadership ends.
pub(crate) async fn run<M: Metadata, C: Chunkservers>(leader: Arc<Leader<M, C>>) {
    let mut noted = None;
    for number in 0u64.. {
        if !leader.pause(ROUND).await {
            return;
        }
        if number.is_multiple_of(SHOWN_EVERY)
            && let Err(status) = show(&leader).await
        {
            tracing::debug!(%status, "the figures of health are not shown anew");
        }
        match round(&leader, &mut noted).await {
            Ok(0) => leader.board.set(NAME, Doing::Idle, ""),
            Ok(count) => leader.board.set(NAME, Doing::Busy, format!("{count} changes noted")),
            Err(status) => leader.board.set(NAME, Doing::Waiting, status.to_string()),
        }
    }
}

/// One round; how much it wrote down. `noted`: what stands in the state, once it was read.
pub(crate) async fn round<M: Metadata, C: Chunkservers>(
    leader: &Leader<M, C>,
    noted: &mut Option<BTreeMap<u32, Ailment>>,
) -> Result<usize, Status> {
    sample(leader);
    let mut written = end_maintenance(leader).await?;
    written += end_replacements(leader).await?;
    if written > 0 {
        watch::refresh_map(leader).await?;
    }
    if listening_ms(leader) == 0 {
        let mut known = match noted.take() {
            Some(known) => known,
            None => read_notes(leader).await?,
        };
        written += note(leader, &mut known).await?;
        *noted = Some(known);
    }
    Ok(written)
}

/// Milliseconds until this leader knows who is silent; 0: it does.
pub(super) fn listening_ms<M, C>(leader: &Leader<M, C>) -> u64 {
    let (since, down) = (leader.hearing.lock().since(), leader.knobs.load().patience.down);
    (down + MARGIN).saturating_sub(since.elapsed()).as_millis() as u64
}

fn sample<M, C>(leader: &Leader<M, C>) {
    let now = Instant::now();
    let (repaired, ailing) = {
        let outlook = leader.outlook.lock();
        (outlook.repaired_bytes, outlook.ailing.keys().copied().collect::<std::collections::BTreeSet<_>>())
    };
    let left: BTreeMap<_, _> =
        report::under_way(leader).into_iter().map(|one| (one.target, one.bytes_left)).collect();
    let mut progress = leader.progress.lock();
    progress.keep_only(|pg| ailing.contains(&pg));
    progress.repaired.sample(now, repaired);
    progress.procedures.retain(|target, _| left.contains_key(target));
    for (target, bytes) in left {
        progress.procedures.entry(target).or_default().sample(now, bytes);
    }
}

/// Maintenance that is to end at a time of the cluster's uptime that has come.
async fn end_maintenance<M: Metadata, C: Chunkservers>(leader: &Leader<M, C>) -> Result<usize, Status> {
    let windows: Vec<(u64, u64)> = {
        let cluster = leader.cluster.lock();
        let ends = |id: &u64| explain::maintenance_of(&cluster, *id).filter(|until| *until != 0);
        cluster.nodes.keys().filter_map(|id| Some((*id, ends(id)?))).collect()
    };
    if windows.is_empty() {
        return Ok(0);
    }
    let uptime = leader.look(|_, view| facts::state(view)).await?.uptime_s;
    leader.uptime_s.store(uptime, Ordering::Release);
    let mut ended = 0;
    for (id, until) in windows.into_iter().filter(|(_, until)| *until <= uptime) {
        let standing = Some(Standing::In as i32);
        match leader
            .propose(Op::SetNode(SetNode { id, standing, if_until_s: until, ..SetNode::default() }))
            .await
        {
            Ok(_) => {
                tracing::info!(node = id, "maintenance of a node ended at its time");
                ended += 1;
            }
            Err(status) if is_overtaken(&status) => {}
            Err(status) => return Err(status),
        }
    }
    Ok(ended)
}

/// Replacements that are through: nothing counts on an earlier life of the disk, and what counts on it is filled.
async fn end_replacements<M: Metadata, C: Chunkservers>(leader: &Leader<M, C>) -> Result<usize, Status> {
    let through: Vec<_> = {
        let cluster = leader.cluster.lock();
        let replaced = |record: &&holdfast_proto::map::Disk| {
            record.procedure.is_some_and(|p| p.kind() == ProcedureKind::Replacement) && !record.lost
        };
        let pending = |record: &holdfast_proto::map::Disk| {
            cluster.groups_of(record.id).filter_map(|pg| cluster.pgs.get(&pg)).any(|pg| {
                let here = |m: &&holdfast_proto::map::Member| m.disk == record.id;
                pg.members.iter().filter(here).any(|m| m.incarnation != record.incarnation || !m.clean)
            })
        };
        let records = cluster.records().filter(replaced).filter(|record| !pending(record));
        records.map(|record| (record.id, record.incarnation)).collect()
    };
    let mut ended = 0;
    for (id, incarnation) in through {
        match leader
            .propose(Op::SetDisk(SetDisk { id, incarnation, replaced: true, ..SetDisk::default() }))
            .await
        {
            Ok(_) => {
                tracing::info!(disk = id, "a disk's replacement is through");
                ended += 1;
            }
            Err(status) if is_overtaken(&status) => {}
            Err(status) => return Err(status),
        }
    }
    Ok(ended)
}

async fn read_notes<M: Metadata, C: Chunkservers>(
    leader: &Leader<M, C>,
) -> Result<BTreeMap<u32, Ailment>, Status> {
    leader
        .look(|_, view| {
            let (mut known, mut after) = (BTreeMap::new(), None);
            loop {
                let page = facts::ailing(view, after, NOTES)?;
                after = page.last().map(|(pg, _)| *pg);
                let whole = page.len() < NOTES;
                known.extend(page.into_iter().map(|(pg, ailing)| (pg, ailing.ailment())));
                if whole {
                    return Ok(known);
                }
            }
        })
        .await
}

/// Writes down what differs from what is known to stand in the state.
async fn note<M: Metadata, C: Chunkservers>(
    leader: &Leader<M, C>,
    known: &mut BTreeMap<u32, Ailment>,
) -> Result<usize, Status> {
    let changes: Vec<GroupNote> = {
        let outlook = leader.outlook.lock();
        let dirty = leader.dirty.lock();
        let cluster = leader.cluster.lock();
        let level = |pg: &u32| outlook.ailing.get(pg).map_or(Ailment::Whole, |a| explain::ailment(a.risk));
        let worse = outlook.ailing.keys().filter(|pg| level(pg) != Ailment::Whole);
        // Whether a group is well is not known before it was looked at since it changed.
        let looked = |pg: &u32| !dirty.contains(pg) && !outlook.looking.contains(pg);
        let sure = |pg: &&u32| level(pg) != Ailment::Whole || looked(pg);
        let differs = |pg: &&u32| known.get(pg).copied().unwrap_or(Ailment::Whole) != level(pg);
        let all: std::collections::BTreeSet<u32> =
            worse.chain(known.keys()).filter(sure).filter(differs).copied().collect();
        let age = |pg: u32| cluster.pgs.get(&pg).map_or(0, |group| explain::age_ms(&cluster, group));
        let note = |pg: u32| GroupNote { pg, ailment: level(&pg) as i32, age_ms: age(pg) };
        all.into_iter().take(NOTES * COMMANDS).map(note).collect()
    };
    for some in changes.chunks(NOTES) {
        leader.propose(Op::NoteGroups(NoteGroups { notes: some.to_vec() })).await?;
        for note in some {
            match note.ailment() {
                Ailment::Whole => known.remove(&note.pg),
                ailment => known.insert(note.pg, ailment),
            };
        }
    }
    Ok(changes.len())
}

/// Shows the figures to whoever scrapes this node.
async fn show<M: Metadata, C: Chunkservers>(leader: &Leader<M, C>) -> Result<(), Status> {
    let summary = report::summary(leader).await?;
    metrics::repair::set_health(&summary);
    leader.outlook.lock().oldest_since_ns = summary.oldest_since_ns;
    Ok(())
}
