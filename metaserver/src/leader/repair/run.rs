//! The repair loop itself: what is looked at when, and what runs beside what.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use holdfast_proto::op::DiskRef;
use holdfast_proto::status::Status;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::super::board::Doing;
use super::super::context::{Leader, is_overtaken};
use super::super::ports::{Chunkservers, Metadata};
use super::super::watch;
use super::fill::{fill_member, pull_missing};
use super::survey::{Survey, change_member, survey, with_missing};
use crate::metrics;

const NAME: &str = "repair";
const ROUND: Duration = Duration::from_secs(1);

/// Groups looked at per round because they changed, because they ail, and because it is their turn.
const CHANGED_PER_ROUND: usize = 2000;
const AILING_PER_ROUND: usize = 500;
const IN_TURN_PER_ROUND: usize = 4;

/// Groups per disk in which missing chunks are looked for per round.
const MISSING_PER_DISK: usize = 128;

/// Longest wait after failures.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

#[derive(Debug)]
struct Failure {
    times: u32,
    until: Instant,
    why: String,
}

/// What one repair came to.
struct Done {
    pg: u32,
    disks: Vec<u32>,
    outcome: Result<(), Status>,
}

/// The loop's memory between rounds. Losing it costs a look, nothing else.
#[derive(Default)]
struct Memory {
    running: BTreeSet<u32>,
    busy: BTreeMap<u32, usize>,
    failures: BTreeMap<u32, Failure>,
    turn: u32,
    ailing_turn: u32,
}

/// Runs until leadership ends; repairs under way are dropped then, their orders are refused by a newer term.
pub async fn run<M: Metadata, C: Chunkservers>(leader: Arc<Leader<M, C>>) {
    let mut memory = Memory::default();
    let mut jobs: JoinSet<Done> = JoinSet::new();
    loop {
        let round = match round(&leader, &mut memory, &mut jobs).await {
            Ok((doing, detail)) => (doing, detail),
            Err(status) => (Doing::Waiting, status.to_string()),
        };
        leader.board.set(NAME, round.0, round.1);
        leader.outlook.lock().running = jobs.len() as u64;
        tokio::select! {
            biased;
            () = leader.stop.cancelled() => return,
            Some(done) = jobs.join_next(), if !jobs.is_empty() => finish(&leader, &mut memory, done.ok()),
            () = leader.stir.notified() => {
                // Changes come in bursts: gather a little.
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            () = tokio::time::sleep(ROUND) => {}
        }
    }
}

fn finish<M: Metadata, C: Chunkservers>(leader: &Leader<M, C>, memory: &mut Memory, done: Option<Done>) {
    let Some(done) = done else {
        // A repair panicked or was aborted; without its name everything must be counted anew.
        tracing::error!("a repair ended without an outcome");
        return;
    };
    memory.running.remove(&done.pg);
    for disk in &done.disks {
        if let Some(count) = memory.busy.get_mut(disk) {
            *count = count.saturating_sub(1);
        }
    }
    match done.outcome {
        Ok(()) => {
            memory.failures.remove(&done.pg);
        }
        Err(status) if is_overtaken(&status) => {
            tracing::debug!(pg = done.pg, %status, "a repair was overtaken")
        }
        Err(status) => {
            let failure = memory.failures.entry(done.pg).or_insert_with(|| Failure {
                times: 0,
                until: Instant::now(),
                why: String::new(),
            });
            failure.times += 1;
            metrics::repair::failed(status.kind());
            let wait = Duration::from_secs(1 << failure.times.min(6)).min(LONGEST_WAIT);
            failure.until = Instant::now() + wait;
            failure.why = status.to_string();
            tracing::warn!(pg = done.pg, %status, ?wait, "a repair did not succeed");
        }
    }
    leader.dirty.lock().insert(done.pg);
}

async fn round<M: Metadata, C: Chunkservers>(
    leader: &Arc<Leader<M, C>>,
    memory: &mut Memory,
    jobs: &mut JoinSet<Done>,
) -> Result<(Doing, String), Status> {
    let pgs = choose_groups(leader, memory).await?;
    let surveys = match survey(leader, &pgs).await {
        Ok(surveys) => surveys,
        Err(status) => {
            // They are still to be looked at.
            leader.dirty.lock().extend(&pgs);
            leader.outlook.lock().looking.clear();
            return Err(status);
        }
    };
    note(leader, &pgs, &surveys);
    let mut work: Vec<Survey> = surveys.into_iter().filter(needs_work).collect();
    work.sort_by_key(|s| (s.found.risk, s.pg.id));
    let mut throttled = 0;
    for survey in work {
        if memory.running.contains(&survey.pg.id) || is_waiting(memory, survey.pg.id) {
            continue;
        }
        if !start(leader, memory, jobs, &survey) {
            throttled += 1;
            leader.dirty.lock().insert(survey.pg.id);
        }
    }
    memory.failures.retain(|pg, f| f.until.elapsed() < LONGEST_WAIT * 2 || pgs.contains(pg));
    Ok(describe(leader, memory, jobs.len(), throttled))
}

fn describe<M: Metadata, C: Chunkservers>(
    leader: &Leader<M, C>,
    memory: &Memory,
    running: usize,
    throttled: usize,
) -> (Doing, String) {
    let ailing = leader.outlook.lock().ailing.len();
    if throttled > 0 {
        return (
            Doing::Throttled,
            format!("{running} repairs under way, {throttled} groups wait for a place"),
        );
    }
    if running > 0 {
        return (Doing::Busy, format!("{running} repairs under way, {ailing} groups lack something"));
    }
    if ailing > 0 {
        let why = memory.failures.values().next().map(|f| format!(": {}", f.why)).unwrap_or_default();
        return (Doing::Waiting, format!("{ailing} groups lack something that cannot be repaired now{why}"));
    }
    (Doing::Idle, String::new())
}

fn needs_work(survey: &Survey) -> bool {
    survey.found.step.is_some() || !survey.found.backfill.is_empty() || !survey.lacking.is_empty()
}

fn is_waiting(memory: &Memory, pg: u32) -> bool {
    memory.failures.get(&pg).is_some_and(|failure| failure.until > Instant::now())
}

/// What to look at now: what changed, what lacks chunks, some of what ails, and a few in turn. Groups under repair, too:
/// if they lose another member meanwhile, that is known, and their repair stops resting.
async fn choose_groups<M: Metadata, C: Chunkservers>(
    leader: &Leader<M, C>,
    memory: &mut Memory,
) -> Result<Vec<u32>, Status> {
    let mut pgs = with_missing(leader, MISSING_PER_DISK).await?;
    {
        let mut outlook = leader.outlook.lock();
        let mut dirty = leader.dirty.lock();
        for _ in 0..CHANGED_PER_ROUND {
            let Some(pg) = dirty.pop_first() else { break };
            pgs.insert(pg);
            outlook.looking.insert(pg);
        }
    }
    take_turn(leader.outlook.lock().ailing.keys(), &mut memory.ailing_turn, AILING_PER_ROUND, &mut pgs);
    take_turn(leader.cluster.lock().pgs.keys(), &mut memory.turn, IN_TURN_PER_ROUND, &mut pgs);
    Ok(pgs.into_iter().collect())
}

/// Adds the next few ids behind `turn`, starting over at the end.
fn take_turn<'a>(ids: impl Iterator<Item = &'a u32>, turn: &mut u32, most: usize, into: &mut BTreeSet<u32>) {
    let mut last = None;
    for id in ids.filter(|id| **id > *turn).take(most) {
        into.insert(*id);
        last = Some(*id);
    }
    *turn = last.unwrap_or(0);
}

fn note<M: Metadata, C: Chunkservers>(leader: &Leader<M, C>, asked: &[u32], surveys: &[Survey]) {
    let mut outlook = leader.outlook.lock();
    let mut found: BTreeSet<u32> = asked.iter().copied().collect();
    for survey in surveys {
        found.remove(&survey.pg.id);
        outlook.note(survey.pg.id, Some(survey));
    }
    // Asked about and not there: retired.
    for pg in found {
        outlook.note(pg, None);
    }
    outlook.looking.clear();
}

/// Starts one group's repair if its disks and the cluster have a place for it.
fn start<M: Metadata, C: Chunkservers>(
    leader: &Arc<Leader<M, C>>,
    memory: &mut Memory,
    jobs: &mut JoinSet<Done>,
    survey: &Survey,
) -> bool {
    let knobs = leader.knobs.load();
    // A membership change alone costs no disk anything.
    let moves_data = !survey.found.backfill.is_empty() || !survey.lacking.is_empty();
    let disks: Vec<u32> = if moves_data { targets(survey) } else { Vec::new() };
    let full = |disk: &u32| memory.busy.get(disk).copied().unwrap_or(0) >= knobs.repair_jobs_per_disk;
    let crowded = disks.iter().any(full);
    if jobs.len() >= knobs.repair_jobs || (crowded && survey.found.step.is_none()) {
        return false;
    }
    let disks = if crowded { Vec::new() } else { disks };
    for disk in &disks {
        *memory.busy.entry(*disk).or_default() += 1;
    }
    memory.running.insert(survey.pg.id);
    let (leader, survey) = (leader.clone(), survey.clone());
    jobs.spawn(async move {
        let work = std::panic::AssertUnwindSafe(repair_group(&leader, &survey, !crowded)).catch_unwind();
        let outcome = work.await.unwrap_or_else(|_| Err(Status::internal("the repair panicked")));
        Done { pg: survey.pg.id, disks, outcome }
    });
    true
}

/// Disks that will be written to.
fn targets(survey: &Survey) -> Vec<u32> {
    let mut disks: Vec<u32> = survey.found.backfill.iter().map(|d| d.disk).collect();
    disks.extend(survey.lacking.iter().map(|m| m.disk));
    disks.sort_unstable();
    disks.dedup();
    disks
}

/// One group: first the membership change, which later fills depend on, then what members lack.
pub async fn repair_group<M: Metadata, C: Chunkservers>(
    leader: &Leader<M, C>,
    survey: &Survey,
    may_fill: bool,
) -> Result<(), Status> {
    let pg = &survey.pg;
    let mut outcome = Ok(());
    if let Some(step) = survey.found.step {
        match change_member(leader, pg, step).await {
            // What was seen of this group is old now; it is looked at again at once.
            Ok(()) => return watch::refresh_map(leader).await.map(|_| ()),
            Err(status) => outcome = Err(status),
        }
    }
    if !may_fill {
        return outcome;
    }
    let lacking: Vec<DiskRef> =
        survey.lacking.iter().map(|m| DiskRef { disk: m.disk, incarnation: m.incarnation }).collect();
    for member in &survey.lacking {
        // One member's trouble does not keep the others from being helped.
        match pull_missing(leader, pg, member, &lacking, false).await {
            Ok(fill) if fill.failed == 0 => {}
            Ok(fill) => {
                let what = format!("group {}: {} chunks have no readable copy now", pg.id, fill.failed);
                outcome = Err(Status::new(holdfast_proto::status::Code::DataUnavailable, what));
            }
            Err(status) => outcome = Err(status),
        }
    }
    for wanted in &survey.found.backfill {
        let Some(member) =
            pg.members.iter().find(|m| (m.disk, m.incarnation) == (wanted.disk, wanted.incarnation))
        else {
            continue;
        };
        if let Err(status) = fill_member(leader, pg, member, &lacking).await {
            outcome = Err(status);
        }
    }
    outcome
}
