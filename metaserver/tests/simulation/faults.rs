//! What goes wrong, and what an administrator does meanwhile. Bytes are destroyed only as far as redundancy allows: what
//! is lost beyond that is nobody's mistake.

use std::collections::BTreeSet;
use std::time::Duration;

use holdfast_proto::admin::{ProcedureAction, ProcedureReply, ProcedureRequest};
use holdfast_proto::cluster::{Finding, ReportProblem};
use holdfast_proto::map::{Standing, roles};
use holdfast_proto::op::{
    BalanceAction, ChangePg, DiskRef, Op, RegisterDisk, RegisterNode, SetDisk, SteerBalance,
};
use tokio::time::Instant;

use crate::council;
use crate::disks::SimDisk;
use crate::oracle::{self, Groups};
use crate::run::{CAPACITY, Mistake, Scenario};
use crate::world::{NodeMap, SimNode, World, address};

/// A machine joins, with so many disks.
pub(crate) fn join(world: &World, number: u64, disks: u64) -> u64 {
    let id = match number {
        1 => 1,
        _ => world.order(Op::RegisterNode(register(number))).id,
    };
    world.lock().nodes.insert(id, SimNode { up: true, up_since: Some(Instant::now()), ..SimNode::default() });
    for disk in 0..disks {
        add_disk(world, id, number * 100 + disk);
    }
    id
}

/// How node `number` registers.
pub(crate) fn register(number: u64) -> RegisterNode {
    RegisterNode {
        nonce: vec![number as u8; 16].into(),
        address: address(number),
        roles: roles::META | roles::CHUNK,
        ..RegisterNode::default()
    }
}

fn add_disk(world: &World, node: u64, print: u64) {
    let mut fingerprint = vec![0; 8];
    fingerprint.extend_from_slice(&print.to_le_bytes());
    let register = RegisterDisk {
        node,
        fingerprint: fingerprint.into(),
        capacity: CAPACITY,
        path: format!("/d{print}"),
        ..RegisterDisk::default()
    };
    let reply = world.order(Op::RegisterDisk(register));
    let disk = DiskRef { disk: reply.id as u32, incarnation: reply.incarnation };
    let mut state = world.lock();
    state.disks.insert(disk, SimDisk::new(node, CAPACITY));
    state.nodes.get_mut(&node).unwrap().disks.push(disk);
}

/// A process dies with all that it knew.
fn kill(world: &World, node: u64) {
    world.note(|| format!("node {node} dies"));
    let mut state = world.lock();
    let here = state.nodes.get_mut(&node).unwrap();
    (here.up, here.up_since) = (false, None);
    here.map = NodeMap::default();
    let seated = state.chairs.contains_key(&node);
    drop(state);
    if seated {
        council::fall(world, node);
    }
}

fn revive(world: &World, node: u64) {
    world.note(|| format!("node {node} is back"));
    let mut state = world.lock();
    let here = state.nodes.get_mut(&node).unwrap();
    (here.up, here.up_since) = (true, Some(Instant::now()));
    let seated = state.chairs.contains_key(&node);
    drop(state);
    if seated {
        council::sit(world, node);
    }
}

/// Everything works again.
pub(crate) fn heal(world: &World) {
    let down: Vec<u64> = {
        let mut state = world.lock();
        state.cuts.clear();
        state.loss = 0;
        state.nodes.iter().filter(|(_, node)| !node.up).map(|(id, _)| *id).collect()
    };
    for node in down {
        revive(world, node);
    }
}

/// Whether every chunk could still be read if these disks, or this one record, were gone. What lies on disks that left a
/// group does not count: it may go at any moment.
fn bearable(world: &World, without: &BTreeSet<DiskRef>, record: Option<(DiskRef, u32, u64)>) -> bool {
    let state = world.lock();
    let groups = Groups::load(&state.table);
    let mut all: BTreeSet<(u32, u64)> = oracle::chunks(&state, &groups).into_iter().collect();
    all.extend(state.writing.iter().copied());
    all.into_iter().all(|(pg, number)| {
        let Some(group) = groups.pgs.get(&pg) else { return true };
        let redundancy = groups.redundancy(group);
        let member = |disk: &DiskRef| {
            group.members.iter().any(|m| (m.disk, m.incarnation) == (disk.disk, disk.incarnation))
        };
        let mut gone: BTreeSet<DiskRef> = state.disks.keys().copied().filter(|disk| !member(disk)).collect();
        let before = oracle::enough(&redundancy, &oracle::pieces(&state, pg, number, &gone));
        gone.extend(without);
        gone.extend(record.filter(|(_, of, which)| (*of, *which) == (pg, number)).map(|(disk, ..)| disk));
        let after = oracle::enough(&redundancy, &oracle::pieces(&state, pg, number, &gone));
        after || (!before && state.writing.contains(&(pg, number)))
    })
}

/// Faults until the time is over.
pub(crate) async fn strike(world: World, scenario: Scenario, until: Instant) {
    let mut drained: Vec<DiskRef> = Vec::new();
    while Instant::now() < until {
        world.rest(500, 12_000).await;
        err(&world, scenario.mistake);
        match world.below(17) {
            0..=2 if scenario.kills => kill_some(&world),
            3 if scenario.kills => depose(&world),
            4 if scenario.losses => lose_disk(&world),
            5 if scenario.losses => replace_disk(&world),
            6 | 7 if scenario.damage => hurt(&world),
            8 if scenario.cuts => cut(&world),
            9 if scenario.moves => drain(&world, &mut drained).await,
            10 if scenario.moves => steer_balance(&world),
            11 if scenario.moves => grow(&world),
            12 | 13 if scenario.procedures => maintain(&world).await,
            14 if scenario.procedures => drain(&world, &mut drained).await,
            15 if scenario.procedures => replace_in_place(&world).await,
            16 if scenario.procedures => remove(&world, &mut drained).await,
            _ => {}
        }
    }
    // What is still being emptied must be empty when everything is at rest, if there is room elsewhere.
    if !scenario.procedures || hosts_in(&world) < 4 {
        for disk in drained {
            stand(&world, disk, Standing::In);
        }
    }
}

/// What a leader never does, to see that it is noticed.
fn err(world: &World, mistake: Option<Mistake>) {
    let table = world.lock().table.clone();
    let disks = holdfast_state::map_view::disks(&*table).unwrap();
    match mistake {
        Some(Mistake::Impatience) => {
            let nodes = holdfast_state::map_view::nodes(&*table).unwrap();
            let away = nodes.iter().find(|node| node.standing() == Standing::Maintenance);
            let disk = disks.iter().find(|disk| away.is_some_and(|node| node.id == disk.node));
            if let Some(disk) = disk.filter(|disk| disk.standing() == Standing::In) {
                let standing = Some(Standing::Out as i32);
                world.order(Op::SetDisk(SetDisk { id: disk.id, standing, ..SetDisk::default() }));
            }
        }
        Some(Mistake::Zeal) => {
            let groups = holdfast_state::map_view::pgs(&*table).unwrap();
            let Some(group) = groups.iter().find(|pg| pg.members.len() == 3) else { return };
            let other = |disk: &&holdfast_proto::map::Disk| {
                disk.standing() == Standing::In && group.members.iter().all(|m| m.disk != disk.id)
            };
            let Some(disk) = disks.iter().find(other) else { return };
            let add = Some(DiskRef { disk: disk.id, incarnation: disk.incarnation });
            let change =
                ChangePg { pg: group.id, if_epoch: group.epoch, add, temporary: true, ..ChangePg::default() };
            world.order(Op::ChangePg(change));
        }
        _ => {}
    }
}

/// Nodes with a disk that works and takes part.
fn hosts_in(world: &World) -> usize {
    let state = world.lock();
    let disks = holdfast_state::map_view::disks(&*state.table).unwrap();
    let works = |disk: &&holdfast_proto::map::Disk| {
        let life = DiskRef { disk: disk.id, incarnation: disk.incarnation };
        disk.standing() == Standing::In && state.disks.get(&life).is_some_and(|there| !there.destroyed)
    };
    disks.iter().filter(works).map(|disk| disk.node).collect::<BTreeSet<_>>().len()
}

/// What an administrator asks the leader to do; `None`: nobody leads, it was refused, or nobody knows.
async fn ask(world: &World, request: ProcedureRequest) -> Option<ProcedureReply> {
    let boss = world.boss()?;
    let deadline = Instant::now() + Duration::from_secs(20);
    let outcome = holdfast_metaserver::leader::procedures::act(&boss, &request, deadline).await;
    world.note(|| format!("{request:?}: {outcome:?}"));
    outcome.ok()
}

/// A node goes away for maintenance, and comes back in time or late.
async fn maintain(world: &World) {
    let up: Vec<u64> = world.lock().nodes.iter().filter(|(_, node)| node.up).map(|(id, _)| *id).collect();
    let all = world.lock().nodes.len();
    if up.len() + 1 < all || up.is_empty() {
        return;
    }
    let node = up[world.below(up.len())];
    let window_s = 30 + world.below(60) as u64;
    let action = ProcedureAction::Maintain as i32;
    if ask(world, ProcedureRequest { action, node, window_s, ..ProcedureRequest::default() }).await.is_none()
    {
        return;
    }
    if !world.lock().is_up(node) {
        return;
    }
    kill(world, node);
    let later = world.clone();
    let most = if world.chance(300) { window_s * 2 } else { window_s };
    tokio::spawn(async move {
        later.rest(1000, most * 1000).await;
        if !later.lock().is_up(node) {
            revive(&later, node);
        }
        if later.chance(300) {
            let action = ProcedureAction::Resume as i32;
            ask(&later, ProcedureRequest { action, node, ..ProcedureRequest::default() }).await;
        }
    });
}

/// An empty disk comes into the place of one that is lost, under its number.
async fn replace_in_place(world: &World) {
    let lost = {
        let state = world.lock();
        let disks = holdfast_state::map_view::disks(&*state.table).unwrap();
        disks.into_iter().find(|disk| {
            let life = DiskRef { disk: disk.id, incarnation: disk.incarnation };
            let destroyed = state.disks.get(&life).is_some_and(|there| there.destroyed);
            destroyed && disk.standing() != Standing::Removed && state.is_up(disk.node)
        })
    };
    let Some(lost) = lost else { return };
    let action = ProcedureAction::Replace as i32;
    // A disk that failed may still be called alive for a moment: then it is tried again.
    if ask(world, ProcedureRequest { action, disk: lost.id, ..ProcedureRequest::default() }).await.is_none() {
        return;
    }
    world.rest(100, 10_000).await;
    let mut fingerprint = vec![9; 8];
    fingerprint.extend_from_slice(&world.lock().commands.to_le_bytes());
    let reply = world.order(Op::RegisterDisk(RegisterDisk {
        node: lost.node,
        fingerprint: fingerprint.into(),
        capacity: CAPACITY,
        path: lost.path.clone(),
        replaces: lost.id,
        ..RegisterDisk::default()
    }));
    if !reply.is_ok() {
        return;
    }
    let new = DiskRef { disk: lost.id, incarnation: reply.incarnation };
    world.note(|| format!("{new:?} takes the place of its earlier life"));
    let mut state = world.lock();
    state.disks.insert(new, SimDisk::new(lost.node, CAPACITY));
    let here = state.nodes.get_mut(&lost.node).unwrap();
    here.disks.retain(|disk| disk.disk != lost.id);
    here.disks.push(new);
}

/// A drained disk is removed, and taken away at once: the proof has to be worth something.
async fn remove(world: &World, drained: &mut Vec<DiskRef>) {
    let Some(disk) = drained.last().copied() else { return };
    let same = {
        let state = world.lock();
        let disks = holdfast_state::map_view::disks(&*state.table).unwrap();
        let same = |d: &holdfast_proto::map::Disk| (d.id, d.incarnation) == (disk.disk, disk.incarnation);
        disks.iter().any(|d| same(d) && d.standing() == Standing::Draining)
    };
    if hosts_in(world) < 5 || !same {
        return;
    }
    let action = ProcedureAction::Remove as i32;
    let request = ProcedureRequest { action, disk: disk.disk, ..ProcedureRequest::default() };
    let Some(reply) = ask(world, request).await else { return };
    drained.pop();
    let mut state = world.lock();
    let there = state.disks.get_mut(&disk).unwrap();
    let records = there.records.len() as u64;
    there.destroyed = true;
    there.records.clear();
    state.hurt.retain(|(of, ..)| *of != disk);
    let told: u64 = reply.proofs.iter().filter(|proof| proof.answered).map(|proof| proof.records).sum();
    if records > told && reply.proofs.iter().all(|proof| proof.answered) {
        state.violate(format!("{disk:?} was removed with {records} records, {told} were looked at"));
    }
}

fn kill_some(world: &World) {
    let up: Vec<u64> = world.lock().nodes.iter().filter(|(_, node)| node.up).map(|(id, _)| *id).collect();
    let all = world.lock().nodes.len();
    // Most of the time most are up; a majority of seats must be, or nothing happens at all.
    if up.len() + 2 <= all {
        return;
    }
    let leader = world.lock().leader;
    let node = match leader {
        Some(leader) if world.chance(300) => leader,
        _ => up[world.below(up.len())],
    };
    kill(world, node);
    let (later, long) = (world.clone(), world.chance(250));
    tokio::spawn(async move {
        match long {
            true => later.rest(30_000, 150_000).await,
            false => later.rest(200, 15_000).await,
        }
        if !later.lock().is_up(node) {
            revive(&later, node);
        }
    });
}

/// Somebody else wins an election; the old leader may not hear of it for a while.
fn depose(world: &World) {
    let Some(old) = world.lock().leader else { return };
    let unaware = world.chance(600);
    world.note(|| format!("node {old} is deposed, unaware: {unaware}"));
    council::elect(world, unaware);
    let later = world.clone();
    tokio::spawn(async move {
        later.rest(200, 9000).await;
        let state = later.lock();
        if state.is_up(old) {
            state.tell(old);
        }
    });
}

fn pick_disk(world: &World) -> Option<DiskRef> {
    let all: Vec<DiskRef> = {
        let state = world.lock();
        state.disks.iter().filter(|(_, disk)| !disk.destroyed).map(|(disk, _)| *disk).collect()
    };
    (!all.is_empty()).then(|| all[world.below(all.len())])
}

fn lose_disk(world: &World) {
    let whole = {
        let state = world.lock();
        state
            .disks
            .values()
            .filter(|disk| !disk.destroyed)
            .map(|disk| disk.node)
            .collect::<BTreeSet<_>>()
            .len()
    };
    let Some(disk) = pick_disk(world) else { return };
    if whole < 5 || !bearable(world, &BTreeSet::from([disk]), None) {
        return;
    }
    world.note(|| format!("{disk:?} is lost"));
    let mut state = world.lock();
    let there = state.disks.get_mut(&disk).unwrap();
    there.destroyed = true;
    there.records.clear();
    state.hurt.retain(|(of, ..)| *of != disk);
}

/// A fresh disk for a node that lost one.
fn replace_disk(world: &World) {
    let needy = {
        let state = world.lock();
        let lost = |node: &u64| state.disks.values().any(|disk| disk.node == *node && disk.destroyed);
        let whole = |node: &u64| state.disks.values().any(|disk| disk.node == *node && !disk.destroyed);
        state.nodes.keys().copied().find(|node| lost(node) && !whole(node) && state.is_up(*node))
    };
    let Some(node) = needy else { return };
    let print = 10_000 + world.lock().commands;
    world.note(|| format!("node {node} gets a fresh disk"));
    add_disk(world, node, print);
}

/// A record is damaged or vanishes, and sometimes a reader complains of it.
fn hurt(world: &World) {
    let Some(disk) = pick_disk(world) else { return };
    let records: Vec<(u32, u64)> = world.lock().disks[&disk].records.keys().copied().collect();
    if records.is_empty() {
        return;
    }
    let (pg, number) = records[world.below(records.len())];
    if !bearable(world, &BTreeSet::new(), Some((disk, pg, number))) {
        return;
    }
    let vanishes = world.chance(500);
    {
        let mut state = world.lock();
        state.hurt.insert((disk, pg, number));
        let there = state.disks.get_mut(&disk).unwrap();
        match there.records.get_mut(&(pg, number)) {
            Some(record) if !vanishes => record.good = false,
            _ => drop(there.records.remove(&(pg, number))),
        }
    }
    world.note(|| format!("{pg}/{number} on {disk:?} is hurt, vanishes: {vanishes}"));
    // Scrub finds what is damaged; what vanished the sweep finds.
    let later = world.clone();
    tokio::spawn(async move {
        loop {
            later.rest(1000, 30_000).await;
            if !later.lock().hurt.contains(&(disk, pg, number)) {
                return;
            }
            let Some(boss) = later.boss() else { continue };
            let finding = if vanishes { Finding::Absent } else { Finding::Damaged } as i32;
            boss.find(ReportProblem { disk: Some(disk), pg, number, finding, ..ReportProblem::default() });
        }
    });
}

/// Two nodes do not hear each other for a while, or one of them does not, or everything is lossy.
fn cut(world: &World) {
    world.lock().torn = true;
    if world.chance(400) {
        let loss = world.below(150) as u32;
        world.lock().loss = loss;
        return;
    }
    let nodes: Vec<u64> = world.lock().nodes.keys().copied().collect();
    let (one, other) = (nodes[world.below(nodes.len())], nodes[world.below(nodes.len())]);
    world.lock().cuts.insert((one, other));
    if world.chance(500) {
        world.lock().cuts.insert((other, one));
    }
    let later = world.clone();
    tokio::spawn(async move {
        later.rest(500, 40_000).await;
        let mut state = later.lock();
        state.cuts.remove(&(one, other));
        state.cuts.remove(&(other, one));
    });
}

fn stand(world: &World, disk: DiskRef, standing: Standing) {
    let id = disk.disk;
    let now = {
        let state = world.lock();
        let disks = holdfast_state::map_view::disks(&*state.table).unwrap();
        disks.into_iter().find(|d| (d.id, d.incarnation) == (disk.disk, disk.incarnation))
    };
    // Another life of it, or given up meanwhile: that is not ended by ending a drain.
    if now.is_none_or(|now| !matches!(now.standing(), Standing::In | Standing::Draining)) {
        return;
    }
    world.note(|| format!("{disk:?} is to be {standing:?}"));
    let set =
        SetDisk { id, incarnation: disk.incarnation, standing: Some(standing as i32), ..SetDisk::default() };
    world.order(Op::SetDisk(set));
}

async fn drain(world: &World, drained: &mut Vec<DiskRef>) {
    if drained.is_empty() {
        let Some(disk) = pick_disk(world) else { return };
        // Sometimes without a look beforehand.
        if world.chance(300) {
            stand(world, disk, Standing::Draining);
            drained.push(disk);
            return;
        }
        let action = ProcedureAction::Drain as i32;
        let request = ProcedureRequest { action, disk: disk.disk, ..ProcedureRequest::default() };
        ask(world, request).await;
        // Also when nobody answered: it may have been begun.
        let state = world.lock();
        let disks = holdfast_state::map_view::disks(&*state.table).unwrap();
        if disks.iter().any(|d| d.id == disk.disk && d.standing() == Standing::Draining) {
            drained.push(disk);
        }
    } else if let Some(disk) = drained.pop() {
        stand(world, disk, Standing::In);
    }
}

fn steer_balance(world: &World) {
    let actions = [BalanceAction::Start, BalanceAction::Pause, BalanceAction::Resume, BalanceAction::Cancel];
    let action = actions[world.below(actions.len())];
    world.note(|| format!("balance: {action:?}"));
    // What does not fit the state is refused.
    world.order(Op::SteerBalance(SteerBalance { action: action as i32, ..SteerBalance::default() }));
}

fn grow(world: &World) {
    let nodes = world.lock().nodes.len() as u64;
    if nodes < 8 {
        let node = join(world, nodes + 1, 1);
        world.note(|| format!("node {node} joins"));
        crate::run::keep_beating(world, node);
    }
}
