//! One seed from the founding of a cluster to its rest.

use std::sync::Arc;
use std::time::Duration;

use holdfast_proto::cluster::{DiskCondition, DiskReport, Heartbeat};
use holdfast_proto::map::{FailureDomain, Redundancy};
use holdfast_proto::op::{
    BalanceAction, CreateBucket, Genesis, Noop, Op, PutClass, PutSetting, SteerBalance,
};
use holdfast_state::settings;
use parking_lot::Mutex;
use tokio::time::Instant;

use crate::clients::{self, Client, Promises};
use crate::oracle::{self, BUCKET};
use crate::world::World;
use crate::{council, faults, fsck};

/// Bytes of a disk: far more than is written, or far less than would do, is not what this is about.
pub(crate) const CAPACITY: u64 = 4 << 30;
/// Virtual time with load and faults.
const ACTIVE: Duration = Duration::from_secs(240);
/// Virtual time in which everything must come to rest after that.
const REST: Duration = Duration::from_secs(3600);

/// A mistake that a chunkserver or a leader makes, to see that it is noticed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mistake {
    /// It says to have deleted what it has not.
    LazyDeletes,
    /// It says to have copied what it has not.
    EmptyPulls,
    /// It acknowledges some writes that it forgets.
    ForgetfulAcks,
    /// A leader gives up a disk whose node is in maintenance.
    Impatience,
    /// A leader rebuilds what is whole.
    Zeal,
}

/// What may happen.
#[derive(Clone, Debug, Default)]
pub(crate) struct Scenario {
    /// Nodes die and come back, leaders change.
    pub(crate) kills: bool,
    /// Disks are lost for good, and replaced.
    pub(crate) losses: bool,
    /// Single records rot.
    pub(crate) damage: bool,
    /// Disks are drained, nodes join, balance is steered.
    pub(crate) moves: bool,
    /// Nodes go into maintenance, disks are emptied, removed, and replaced in place.
    pub(crate) procedures: bool,
    /// The network is cut one way or both, and loses messages.
    pub(crate) cuts: bool,
    /// Somebody runs fsck with repair all the time.
    pub(crate) fsck: bool,
    pub(crate) mistake: Option<Mistake>,
}

/// What came of it.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) violation: Option<String>,
    pub(crate) history: u64,
    commands: u64,
    writes: u64,
    reads: u64,
    converted: u64,
    pub(crate) restored: u64,
    elections: u64,
    settled_after: Duration,
}

impl Outcome {
    pub(crate) fn add(&mut self, other: &Self) {
        self.commands += other.commands;
        self.writes += other.writes;
        self.reads += other.reads;
        self.converted += other.converted;
        self.restored += other.restored;
        self.elections += other.elections;
        self.settled_after = self.settled_after.max(other.settled_after);
    }
}

/// Runs one seed.
pub(crate) fn run(seed: u64, scenario: &Scenario) -> Outcome {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    let outcome = runtime.block_on(live(seed, scenario.clone()));
    // Tasks of the simulation are dropped with the runtime.
    outcome
}

async fn live(seed: u64, scenario: Scenario) -> Outcome {
    let world = World::new(seed, scenario.mistake);
    let coded = found(&world);
    tokio::spawn(elections(world.clone()));
    let until = Instant::now() + ACTIVE;
    let promises = Arc::new(Mutex::new(Promises::default()));
    let mut tasks = Vec::new();
    for id in 1..=3 {
        tasks.push(tokio::spawn(Client::new(id, &world, &promises, coded).live(until)));
    }
    if scenario.fsck {
        tasks.push(tokio::spawn(fsck::keep_asking(world.clone(), until)));
    }
    tasks.push(tokio::spawn(faults::strike(world.clone(), scenario, until)));
    tokio::time::sleep_until(until).await;
    faults::heal(&world);
    world.order(Op::SteerBalance(SteerBalance {
        action: BalanceAction::Cancel as i32,
        ..SteerBalance::default()
    }));
    for task in tasks {
        if let Err(error) = task.await {
            world.lock().violate(format!("a client or the faults: {error}"));
        }
    }
    let settled_after = settle(&world).await;
    clients::verify(&world, &promises.lock());
    let mut state = world.lock();
    if !state.replicas_agree() {
        state.violate("replicas of the state machine differ".into());
    }
    let promises = promises.lock();
    Outcome {
        violation: state.violation.clone(),
        history: state.history,
        commands: state.commands,
        writes: promises.writes,
        reads: promises.reads,
        converted: promises.converted,
        restored: promises.restored,
        elections: state.term,
        settled_after,
    }
}

/// Waits until nothing is left to do.
async fn settle(world: &World) -> Duration {
    let began = Instant::now();
    loop {
        let unrest = {
            let state = world.lock();
            if state.violation.is_some() {
                return began.elapsed();
            }
            oracle::unrest(&state)
        };
        let Some(unrest) = unrest else { return began.elapsed() };
        if began.elapsed() > REST {
            world.lock().violate(format!("no rest after {REST:?}: {unrest}"));
        }
        tokio::time::sleep(Duration::from_secs(5)).await;
    }
}

/// A cluster of five nodes with a disk each, three of them metaservers; the class of shards that it has.
fn found(world: &World) -> u32 {
    let class = |name: &str, redundancy: Redundancy, companion: u32| PutClass {
        name: name.into(),
        redundancy: Some(redundancy),
        domain: FailureDomain::Host as i32,
        inline_limit: 4096,
        chunk_bytes: 8 << 20,
        companion,
        ..PutClass::default()
    };
    world.order(Op::Genesis(Genesis {
        cluster: vec![1; 16].into(),
        node: Some(faults::register(1)),
        class: Some(class("default", Redundancy::replicated(3, 2), 0)),
        state_version: holdfast_state::limits::STATE_VERSION,
        ..Genesis::default()
    }));
    let nodes: Vec<u64> = (1..=5).map(|number| faults::join(world, number, 1)).collect();
    let coded = world.order(Op::PutClass(class("coded", clients::coded(2, 1), 1))).id as u32;
    let set = |name: &str, value: &str| {
        world.order(Op::PutSetting(PutSetting { name: name.into(), value: value.into() }));
    };
    set(settings::PGS_PER_DISK, "3");
    set(settings::GRACE_SECONDS, "20");
    set(settings::TEMPORARY_MEMBER_SECONDS, "5");
    // Faults come thicker here than a mass failure would.
    set(settings::MASS_FAILURE_PERCENT, "100");
    set(settings::BALANCE_THRESHOLD_PERCENT, "1");
    set(settings::TRASH_SECONDS, &clients::KEPT_S.to_string());
    set(settings::TRASH_MIN_AGE_SECONDS, "1");
    let bucket = CreateBucket { name: BUCKET.into(), owner: "me".into(), class: 0 };
    let command = holdfast_proto::op::Command {
        session: 1,
        seq: 1,
        lowest_unanswered: 1,
        now_ns: 1,
        open: Some(holdfast_proto::session::OpenSession { ttl_ms: 1000, ..Default::default() }),
        op: Some(Op::CreateBucket(bucket)),
        ..Default::default()
    };
    world.lock().apply(&command);
    world.order(Op::Noop(Noop {}));
    for node in nodes.iter().take(3) {
        council::sit(world, *node);
    }
    for node in nodes {
        keep_beating(world, node);
    }
    coded
}

/// Whenever nobody leads, somebody is elected.
async fn elections(world: World) {
    loop {
        world.rest(100, 900).await;
        if world.lock().leader.is_none() {
            council::elect(&world, false);
        }
    }
}

/// The heartbeats of a node.
pub(crate) fn keep_beating(world: &World, node: u64) {
    let world = world.clone();
    tokio::spawn(async move {
        loop {
            world.rest(900, 1100).await;
            beat(&world, node).await;
        }
    });
}

async fn beat(world: &World, node: u64) {
    let Some((to, boss)) = world.believed(world.chance(100)) else { return };
    if !world.lock().hears(node, to) {
        return;
    }
    if !boss.cluster.lock().nodes.contains_key(&node) {
        // As the service does for a node that joined a moment ago.
        let _ = holdfast_metaserver::leader::refresh(&boss).await;
        return;
    }
    let beat = report(world, node);
    boss.hearing.lock().beat(Instant::now(), &beat);
    let told = boss.cluster.lock().epoch;
    let term = boss.term;
    let behind = {
        let mut state = world.lock();
        if !state.hears(to, node) {
            return;
        }
        let Some(here) = state.nodes.get_mut(&node) else { return };
        let life = boss.meta_incarnation.load(std::sync::atomic::Ordering::Acquire);
        here.authority = here.authority.max((life, term));
        here.map.epoch < told
    };
    if behind {
        // Tried again with the next heartbeat.
        let _ = world.fetch_map(node).await;
    }
}

fn report(world: &World, node: u64) -> Heartbeat {
    let state = world.lock();
    let of = |id: &holdfast_proto::op::DiskRef| {
        let disk = &state.disks[id];
        let condition = match disk {
            disk if disk.destroyed => DiskCondition::Failed,
            disk if disk.is_full() => DiskCondition::Full,
            _ => DiskCondition::Good,
        };
        DiskReport {
            disk: Some(*id),
            capacity: disk.capacity,
            used: disk.used(),
            free: disk.capacity - disk.used(),
            condition: condition as i32,
            ..DiskReport::default()
        }
    };
    let here = &state.nodes[&node];
    Heartbeat {
        node,
        disks: here.disks.iter().map(of).collect(),
        map_epoch: here.map.epoch,
        ..Heartbeat::default()
    }
}
