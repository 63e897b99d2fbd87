//! The loop that evens out how full disks are: begins moves that the planner names, a few at a time.
//!
//! What always holds:
//! - A move is a temporary member that is to take another one's place ([`Member::takes`]): repair fills it, and the
//!   repair planner lets it take the place when it is filled. So a move that a leader began ends under any other.
//! - What is to be done is planned anew from what is there; only whether to do it is recorded (`balance`).
//! - Repair comes first: while data lacks redundancy and something is being done about it, no move is begun.
//!
//! Steered by `holdfast admin balance`, or by itself when disks differ by more than the threshold.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use holdfast_proto::map::{Member, Pg};
use holdfast_proto::op::{Balance, BalanceAction, BalanceState, ChangePg, DiskRef, Op, SteerBalance};
use holdfast_proto::reason;
use holdfast_proto::status::Status;
use holdfast_state::plan::balance::{self, Limits, Move, Plan};
use holdfast_state::plan::cluster::Cluster;
use holdfast_state::plan::repair::Risk;
use tokio::time::Instant;

use super::board::Doing;
use super::context::{Leader, is_overtaken};
use super::facts;
use super::ports::{Chunkservers, Metadata};
use super::watch;

const NAME: &str = "balance";
const ROUND: Duration = Duration::from_secs(1);

/// Time between two looks whether disks differ too much.
const LOOK: Duration = Duration::from_secs(15);
/// A plan is made anew after this time, whatever is left of it.
const PLAN_AGE: Duration = Duration::from_secs(30);
/// Disks whose fullness differs by less than this are equally full, in thousandths.
const TOLERANCE: u32 = 20;
/// Moves planned at once.
const MOST_MOVES: usize = 10_000;
/// Moves under way that read from, or write to, one disk.
const MOVES_PER_DISK: usize = 2;
/// Disks that still have to let go of a group, looked at.
const MOST_LEAVES: usize = 10_000;
/// Time over which the rate of moving is averaged.
const RATE_OVER: Duration = Duration::from_secs(60);

/// What balancing is at, for those who ask.
#[derive(Debug, Default)]
pub struct Balancing {
    /// Members that take the place of one that is well are not filled now.
    pub rests: bool,
    /// Bytes that are still to be moved, as of the last plan.
    pub left: u64,
    /// Moves under way.
    pub under_way: u64,
    /// Bytes per second moved lately.
    pub rate: u64,
}

/// What the loop remembers.
#[derive(Default)]
struct Memory {
    queue: VecDeque<Move>,
    planned: Option<Instant>,
    looked: Option<Instant>,
    /// Moves under way: group and disk, with their bytes. Noted when they begin: one may end before the next round.
    moving: BTreeMap<(u32, DiskRef), u64>,
    samples: VecDeque<(Instant, u64)>,
}

/// Runs until leadership ends.
pub(crate) async fn run<M: Metadata, C: Chunkservers>(leader: Arc<Leader<M, C>>) {
    let mut memory = Memory::default();
    while leader.pause(ROUND).await {
        match round(&leader, &mut memory).await {
            Ok((doing, detail)) => leader.board.set(NAME, doing, detail),
            Err(status) => leader.board.set(NAME, Doing::Waiting, status.to_string()),
        }
    }
}

async fn round<M: Metadata, C: Chunkservers>(
    leader: &Leader<M, C>,
    memory: &mut Memory,
) -> Result<(Doing, String), Status> {
    let run = leader.look(|_, view| facts::balance(view)).await?;
    let moving = under_way(&leader.cluster.lock());
    note(leader, memory, &run, moving.len());
    count_arrived(leader, memory, &run, &moving).await?;
    match run.state() {
        BalanceState::Idle => idle(leader, memory).await,
        BalanceState::Paused => Ok((Doing::Waiting, "paused by an administrator".into())),
        BalanceState::Cancelling => cancel(leader, memory, &run).await,
        BalanceState::Running => go_on(leader, memory, &run).await,
    }
}

/// Every move that was begun: the temporary member and the place it is to take.
fn under_way(cluster: &Cluster) -> Vec<(Pg, Member, Member)> {
    let mut found = Vec::new();
    for pg in cluster.pgs.values() {
        for stand_in in pg.members.iter().filter(|m| m.temporary && m.takes != 0) {
            if let Some(place) = pg.members.iter().find(|m| !m.temporary && stand_in.takes_place_of(m)) {
                found.push((pg.clone(), *stand_in, *place));
            }
        }
    }
    found
}

fn identity(member: &Member) -> DiskRef {
    DiskRef { disk: member.disk, incarnation: member.incarnation }
}

/// Shows what is known to those who ask, and to the repair planner.
fn note<M: Metadata, C: Chunkservers>(
    leader: &Leader<M, C>,
    memory: &mut Memory,
    run: &Balance,
    moving: usize,
) {
    let moved = leader.outlook.lock().moved_bytes;
    let now = Instant::now();
    memory.samples.push_back((now, moved));
    while memory.samples.front().is_some_and(|(at, _)| now.duration_since(*at) > RATE_OVER) {
        memory.samples.pop_front();
    }
    let rate = memory.samples.front().map_or(0, |(at, bytes)| {
        let seconds = now.duration_since(*at).as_secs_f64();
        if seconds < 1.0 { 0 } else { ((moved - bytes) as f64 / seconds) as u64 }
    });
    let mut shown = leader.balancing.lock();
    shown.rests = run.state() == BalanceState::Paused;
    shown.under_way = moving as u64;
    shown.rate = rate;
    if run.state() == BalanceState::Idle {
        shown.left = 0;
    }
}

/// Counts the moves that ended with their disk in its place.
async fn count_arrived<M: Metadata, C: Chunkservers>(
    leader: &Leader<M, C>,
    memory: &mut Memory,
    run: &Balance,
    moving: &[(Pg, Member, Member)],
) -> Result<(), Status> {
    let sizes = leader.sizes.load_full();
    let mut now = BTreeMap::new();
    let mut ended = Vec::new();
    {
        let cluster = leader.cluster.lock();
        for (pg, stand_in, _) in moving {
            now.insert((pg.id, identity(stand_in)), bytes_of(&cluster, &sizes.bytes, pg));
        }
        for ((id, disk), bytes) in &memory.moving {
            let arrived = |pg: &Pg| pg.members.iter().any(|m| !m.temporary && identity(m) == *disk);
            if !now.contains_key(&(*id, *disk)) && cluster.pgs.get(id).is_some_and(arrived) {
                ended.push(*bytes);
            }
        }
    }
    memory.moving = now;
    if ended.is_empty() {
        return Ok(());
    }
    let count = SteerBalance {
        action: BalanceAction::Count as i32,
        number: run.number,
        moves: ended.len() as u64,
        bytes: ended.iter().sum(),
        ..SteerBalance::default()
    };
    match leader.propose(Op::SteerBalance(count)).await {
        Err(status) if is_overtaken(&status) => Ok(()),
        other => other.map(drop),
    }
}

/// Bytes that one member of the group keeps.
fn bytes_of(cluster: &Cluster, sizes: &BTreeMap<u32, u64>, pg: &Pg) -> u64 {
    let pieces = cluster.classes.get(&pg.class).and_then(|c| c.redundancy).map_or(1, |r| r.min_readable());
    sizes.get(&pg.id).copied().unwrap_or(0).div_ceil(u64::from(pieces.max(1)))
}

/// Plans by what is there now.
pub async fn plan<M: Metadata, C: Chunkservers>(leader: &Leader<M, C>) -> Result<Plan, Status> {
    let leaving: BTreeSet<(u32, u32)> = leader
        .look(|_, view| facts::leaves(view, None, MOST_LEAVES))
        .await?
        .iter()
        .map(|left| (left.disk.disk, left.pg))
        .collect();
    let cluster = leader.cluster.lock().clone();
    let sizes = leader.sizes.load_full();
    let ailing: BTreeSet<u32> = leader.outlook.lock().ailing.keys().copied().collect();
    let work = move || {
        let limits = Limits { tolerance: TOLERANCE, most: MOST_MOVES };
        balance::plan(
            &cluster,
            &sizes.bytes,
            limits,
            |pg| !ailing.contains(&pg.id),
            |disk, pg| leaving.contains(&(disk, pg)),
        )
    };
    leader.meta.aside(work).await.ok_or_else(|| Status::internal("planning did not finish"))
}

/// Whether groups lack redundancy and something is being done about it.
fn repair_is_busy<M, C>(leader: &Leader<M, C>) -> bool {
    let outlook = leader.outlook.lock();
    outlook.ailing.values().any(|a| a.risk < Risk::Misplaced && (a.step.is_some() || !a.backfill.is_empty()))
}

/// Without a run: begins one when disks differ too much.
async fn idle<M: Metadata, C: Chunkservers>(
    leader: &Leader<M, C>,
    memory: &mut Memory,
) -> Result<(Doing, String), Status> {
    memory.queue.clear();
    memory.planned = None;
    let knobs = leader.knobs.load();
    let due = memory.looked.is_none_or(|at| at.elapsed() >= LOOK);
    if !knobs.balance_auto || !due || !leader.sizes.load().whole || repair_is_busy(leader) {
        return Ok((Doing::Idle, String::new()));
    }
    memory.looked = Some(Instant::now());
    let plan = plan(leader).await?;
    let (spread, _) = plan.spread();
    if spread <= u64::from(knobs.balance_threshold) * 10_000 || plan.moves.is_empty() {
        return Ok((Doing::Idle, format!("disks differ by {:.1} %", spread as f64 / 10_000.0)));
    }
    let start = SteerBalance {
        action: BalanceAction::Start as i32,
        automatic: true,
        planned_bytes: plan.bytes(),
        ..SteerBalance::default()
    };
    leader.propose(Op::SteerBalance(start)).await?;
    tracing::info!(moves = plan.moves.len(), bytes = plan.bytes(), "disks differ; balancing starts");
    Ok((Doing::Busy, "balancing starts".into()))
}

/// Gives up every move that is not done.
async fn cancel<M: Metadata, C: Chunkservers>(
    leader: &Leader<M, C>,
    memory: &mut Memory,
    run: &Balance,
) -> Result<(Doing, String), Status> {
    memory.queue.clear();
    let moving = under_way(&leader.cluster.lock());
    for (pg, stand_in, _) in &moving {
        let drop = ChangePg {
            pg: pg.id,
            if_epoch: pg.epoch,
            remove: Some(identity(stand_in)),
            ..ChangePg::default()
        };
        match leader.propose(Op::ChangePg(drop)).await {
            Ok(_) => tracing::info!(pg = pg.id, disk = stand_in.disk, "a move is given up"),
            Err(status) => tracing::debug!(pg = pg.id, %status, "a move is not given up yet"),
        }
    }
    watch::refresh_map(leader).await?;
    if moving.is_empty() {
        finish(leader, run, &reason::balance_cancelled().message).await?;
    }
    Ok((Doing::Busy, format!("{} moves are given up", moving.len())))
}

async fn finish<M: Metadata, C: Chunkservers>(
    leader: &Leader<M, C>,
    run: &Balance,
    outcome: &str,
) -> Result<(), Status> {
    let finish = SteerBalance {
        action: BalanceAction::Finish as i32,
        number: run.number,
        outcome: outcome.to_owned(),
        ..SteerBalance::default()
    };
    leader.propose(Op::SteerBalance(finish)).await?;
    tracing::info!(run = run.number, outcome, "balancing ended");
    Ok(())
}

/// Begins what may be begun now.
async fn go_on<M: Metadata, C: Chunkservers>(
    leader: &Leader<M, C>,
    memory: &mut Memory,
    run: &Balance,
) -> Result<(Doing, String), Status> {
    if !leader.sizes.load().whole {
        return Ok((Doing::Waiting, "how much lies in each group is still being counted".into()));
    }
    if repair_is_busy(leader) {
        return Ok((Doing::Waiting, "repair comes first".into()));
    }
    let stale = memory.planned.is_none_or(|at| at.elapsed() > PLAN_AGE);
    if stale || memory.queue.is_empty() {
        let plan = plan(leader).await?;
        leader.balancing.lock().left = plan.bytes();
        memory.planned = Some(Instant::now());
        memory.queue = plan.moves.iter().filter(|m| !m.under_way).copied().collect();
        if plan.moves.is_empty() {
            let (spread, _) = plan.spread();
            finish(leader, run, &reason::balance_done(spread as f64 / 10_000.0).message).await?;
            return Ok((Doing::Idle, String::new()));
        }
    }
    let begun = begin(leader, memory).await?;
    if begun > 0 {
        watch::refresh_map(leader).await?;
    }
    let moving = memory.moving.len();
    Ok((Doing::Busy, format!("{moving} moves under way, {} planned", memory.queue.len())))
}

/// Begins moves of the queue while there are places for them; how many.
async fn begin<M: Metadata, C: Chunkservers>(
    leader: &Leader<M, C>,
    memory: &mut Memory,
) -> Result<usize, Status> {
    let mut busy: BTreeMap<u32, usize> = BTreeMap::new();
    let mut groups = BTreeSet::new();
    let moving = under_way(&leader.cluster.lock());
    for (pg, stand_in, place) in &moving {
        groups.insert(pg.id);
        *busy.entry(stand_in.disk).or_default() += 1;
        *busy.entry(place.disk).or_default() += 1;
    }
    let most = leader.knobs.load().balance_jobs;
    let mut begun = 0;
    let mut later = VecDeque::new();
    while let Some(next) = memory.queue.pop_front() {
        if moving.len() + begun >= most {
            later.push_back(next);
            break;
        }
        let crowded = [next.from.disk, next.to.disk]
            .iter()
            .any(|disk| busy.get(disk).copied().unwrap_or(0) >= MOVES_PER_DISK);
        // A later move of a group waits for the earlier one.
        if crowded || !groups.insert(next.pg) {
            later.push_back(next);
            continue;
        }
        if begin_one(leader, &next).await? {
            begun += 1;
            memory.moving.insert((next.pg, next.to), next.bytes);
            *busy.entry(next.from.disk).or_default() += 1;
            *busy.entry(next.to.disk).or_default() += 1;
        }
    }
    later.append(&mut memory.queue);
    memory.queue = later;
    Ok(begun)
}

async fn begin_one<M: Metadata, C: Chunkservers>(leader: &Leader<M, C>, next: &Move) -> Result<bool, Status> {
    let epoch = {
        let cluster = leader.cluster.lock();
        let good = balance::still_good(&cluster, next);
        cluster.pgs.get(&next.pg).filter(|_| good).map(|pg| pg.epoch)
    };
    let Some(if_epoch) = epoch else { return Ok(false) };
    let change = ChangePg {
        pg: next.pg,
        if_epoch,
        add: Some(next.to),
        temporary: true,
        shard: next.shard,
        takes: next.from.disk,
        ..ChangePg::default()
    };
    match leader.propose(Op::ChangePg(change)).await {
        Ok(_) => {
            tracing::info!(pg = next.pg, from = next.from.disk, to = next.to.disk, "a move begins");
            leader.touch([next.pg]);
            Ok(true)
        }
        Err(status) if leader.stop.is_cancelled() => Err(status),
        Err(status) => {
            tracing::debug!(pg = next.pg, %status, "a move is not begun");
            Ok(false)
        }
    }
}
