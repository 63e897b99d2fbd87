//! Drains, maintenance, replacements and removals as the leader judges them, and what it notes of groups.

use std::collections::BTreeMap;

use holdfast_proto::admin::{HealthRequest, ProcedureAction, ProcedureReply, ProcedureRequest};
use holdfast_proto::map::{Disk, ProcedureKind};
use holdfast_proto::op::{AddMissing, Ailment, CountUptime};
use holdfast_proto::status::Status;

use super::super::measure::Sizes;
use super::super::repair::can_spare;
use super::super::{health, procedures};
use super::*;

impl World {
    /// One more disk on a node.
    fn add_disk(&mut self, node: u64, print: u8) {
        let disk = RegisterDisk {
            node,
            fingerprint: Bytes::from(vec![print; 16]),
            capacity: 1 << 40,
            path: format!("/d{print}"),
            ..RegisterDisk::default()
        };
        let reply = self.meta.run(Op::RegisterDisk(disk));
        self.disks.push(DiskRef { disk: reply.id as u32, incarnation: reply.incarnation });
    }

    fn disk(&self, at: usize) -> Disk {
        records::load(&self.meta.table(), &keys::disk(self.disks[at].disk)).unwrap().unwrap()
    }

    fn node_of(&self, at: usize) -> u64 {
        self.disk(at).node
    }

    /// A leader that has heard nothing of these nodes for a while, and knows how much lies in each group.
    async fn boss_without(&self, term: u64, silent: &[u64]) -> Boss {
        self.servers.dead.lock().extend(silent);
        let boss = self.seasoned_boss(term);
        beat_all(&boss).await;
        let pgs: Vec<u32> = boss.cluster.lock().pgs.keys().copied().collect();
        let mut sizes = Sizes { whole: true, ..Sizes::default() };
        for pg in &pgs {
            let (chunks, bytes) = facts::chunks(&self.meta.table(), *pg, None, 10_000)
                .unwrap()
                .iter()
                .fold((0, 0), |(chunks, bytes), (_, chunk)| (chunks + 1, bytes + chunk.length));
            sizes.chunks.insert(*pg, chunks);
            sizes.bytes.insert(*pg, bytes);
        }
        boss.sizes.store(Arc::new(sizes));
        look(&boss).await;
        boss
    }
}

async fn look(boss: &Boss) {
    let pgs: Vec<u32> = boss.cluster.lock().pgs.keys().copied().collect();
    for seen in survey(boss, &pgs).await.unwrap() {
        boss.outlook.lock().note(seen.pg.id, Some(&seen));
        boss.dirty.lock().remove(&seen.pg.id);
    }
}

async fn act(boss: &Boss, ask: ProcedureRequest) -> Result<ProcedureReply, Status> {
    procedures::act(boss, &ask, Instant::now() + Duration::from_secs(60)).await
}

fn ask(action: ProcedureAction, disk: u32, node: u64) -> ProcedureRequest {
    ProcedureRequest { action: action as i32, disk, node, window_s: 3600, ..ProcedureRequest::default() }
}

fn refusal(outcome: Result<ProcedureReply, Status>) -> String {
    let status = outcome.unwrap_err();
    assert_eq!(status.kind(), Code::PreconditionFailed, "{status}");
    status.message
}

#[tokio::test]
async fn a_copy_outside_of_its_group_goes_only_if_its_disk_could_be_a_member_again() {
    let mut world = World::new(3, 2);
    let pg = world.group(&[0, 2]);
    let number = world.store("f", pg, &[0, 2]);
    let boss = world.boss_without(1, &[]).await;
    stand(&world, 2, Standing::Draining);
    settle(&world, &boss).await;
    assert!(world.pg(pg).members.iter().any(|m| m.disk == world.disks[1].disk));
    // The disk that took its place is lost, and there is no other one.
    stand(&world, 1, Standing::Out);
    let boss = world.boss_without(2, &[world.node_of(1)]).await;
    let found = survey(&boss, &[pg]).await.unwrap().remove(0).found;
    assert_eq!((found.risk, found.no_room), (Risk::AtRisk, true));
    let held = [(world.disks[2].disk, pg)];
    assert!(can_spare(&boss, &held).await.unwrap().is_empty(), "it is being emptied: it could not take part");
    gc::round(&boss, &mut gc::Place::default()).await.unwrap();
    assert!(world.has(2, pg, number));
    stand(&world, 2, Standing::In);
    beat_all(&boss).await;
    assert_eq!(can_spare(&boss, &held).await.unwrap(), held.into());
}

#[tokio::test]
async fn a_copy_on_the_host_of_another_member_is_not_let_go_of_at_risk() {
    let mut world = World::new(2, 2);
    world.add_disk(1, 77);
    let pg = world.group(&[1, 2]);
    world.store("f", pg, &[1, 2]);
    let boss = world.boss_without(1, &[]).await;
    stand(&world, 2, Standing::Draining);
    settle(&world, &boss).await;
    stand(&world, 2, Standing::In);
    stand(&world, 1, Standing::Out);
    let boss = world.boss_without(2, &[world.node_of(1)]).await;
    let found = survey(&boss, &[pg]).await.unwrap().remove(0).found;
    assert_eq!((found.risk, found.no_room), (Risk::AtRisk, true));
    assert!(can_spare(&boss, &[(world.disks[2].disk, pg)]).await.unwrap().is_empty());
}

#[tokio::test]
async fn what_ails_is_noted_once_and_kept_over_a_change_of_leader() {
    let mut world = World::new(3, 3);
    let pg = world.group(&[0, 1, 2]);
    world.store("f", pg, &[0, 1, 2]);
    let (boss, mut noted) = (world.boss_without(1, &[world.node_of(2)]).await, None);
    assert_eq!(health::round(&boss, &mut noted).await.unwrap(), 1);
    let first = work::ailing(&world.meta.table(), 9).unwrap();
    assert_eq!((first.len(), first[0].0, first[0].1.ailment()), (1, pg, Ailment::Degraded));
    assert_eq!(health::round(&boss, &mut noted).await.unwrap(), 0);
    let told = health::report(&boss, &HealthRequest { most: 10, ..HealthRequest::default() }).await.unwrap();
    assert_eq!((told.groups.len(), told.oldest_since_ns), (1, first[0].1.since_ns));
    let group = &told.groups[0];
    assert_eq!((group.state.as_str(), group.since_ns, group.bytes), ("waiting", first[0].1.since_ns, 10_000));
    assert_eq!(group.members[2].condition, "silent");
    // A leader of a moment ago knows nothing yet, and changes nothing.
    let young = world.boss(2);
    beat_all(&young).await;
    look(&young).await;
    assert_eq!(health::round(&young, &mut None).await.unwrap(), 0);
    let told = health::report(&young, &HealthRequest::default()).await.unwrap();
    assert!(told.listening_ms > 0 && told.oldest_since_ns == first[0].1.since_ns);
    // One that has listened sees the same, and does not write it again; then the node is back.
    let boss = world.boss_without(3, &[]).await;
    assert_eq!(health::round(&boss, &mut None).await.unwrap(), 0);
    world.servers.dead.lock().clear();
    let boss = world.boss_without(4, &[]).await;
    boss.touch([pg]);
    assert_eq!(health::round(&boss, &mut None).await.unwrap(), 0, "it is to be looked at again first");
    look(&boss).await;
    assert_eq!(health::round(&boss, &mut None).await.unwrap(), 1);
    assert!(work::ailing(&world.meta.table(), 9).unwrap().is_empty());
    world.check();
}

#[tokio::test]
async fn a_drain_is_refused_when_there_is_no_other_place_unless_it_is_forced() {
    let mut world = World::new(3, 3);
    let pg = world.group(&[0, 1, 2]);
    world.store("f", pg, &[0, 1, 2]);
    let boss = world.boss_without(1, &[]).await;
    let drain = ask(ProcedureAction::Drain, world.disks[0].disk, 0);
    let why = refusal(act(&boss, drain.clone()).await);
    assert!(why.contains("1 of its 1 groups would find no other disk") && why.contains("--force"), "{why}");
    let judged = act(&boss, ProcedureRequest { only_judge: true, ..drain.clone() }).await.unwrap();
    assert_eq!((judged.groups, judged.bytes, judged.against.len()), (1, 10_000, 1));
    assert_eq!(world.disk(0).procedure, None, "nothing was begun");
    act(&boss, ProcedureRequest { force: true, ..drain.clone() }).await.unwrap();
    let begun = world.disk(0).procedure.unwrap();
    assert_eq!((begun.kind(), begun.groups, begun.bytes), (ProcedureKind::Drain, 1, 10_000));
    look(&boss).await;
    let shown = health::procedures(&boss).await.unwrap().remove(0);
    assert_eq!((shown.groups_left, shown.bytes_left, shown.done), (1, 10_000, false));
    assert!(shown.blocked[0].contains("no other disk"), "{shown:?}");
    assert!(act(&boss, drain.clone()).await.unwrap().already);
    act(&boss, ask(ProcedureAction::Resume, world.disks[0].disk, 0)).await.unwrap();
    assert_eq!((world.disk(0).standing(), world.disk(0).procedure), (Standing::In, None));
    // With a fourth node there is room.
    world.join(4);
    let boss = world.boss_without(2, &[]).await;
    let node = ask(ProcedureAction::Drain, 0, world.node_of(0));
    assert!(act(&boss, node.clone()).await.unwrap().against.is_empty());
    settle(&world, &boss).await;
    assert!(world.pg(pg).members.iter().all(|m| m.disk != world.disks[0].disk));
    let left = health::procedures(&boss).await.unwrap().remove(0);
    assert_eq!((left.groups_left, left.leaves, left.done), (0, 1, false), "it still holds its copy");
    boss.sessions.lock().beat(Instant::now(), WRITER, u64::MAX);
    gc::round(&boss, &mut gc::Place::default()).await.unwrap();
    assert!(health::procedures(&boss).await.unwrap().remove(0).done);
}

#[tokio::test]
async fn maintenance_is_refused_where_data_would_be_unavailable_and_ends_by_itself() {
    let mut world = World::new(3, 3);
    let pg = world.group(&[0, 1, 2]);
    world.store("f", pg, &[0, 1, 2]);
    let boss = world.boss_without(1, &[]).await;
    let maintain = |at: usize| ask(ProcedureAction::Maintain, 0, world.node_of(at));
    let outcome = act(&boss, ProcedureRequest { window_s: 1, ..maintain(0) }).await;
    assert_eq!(outcome.unwrap_err().kind(), Code::InvalidArgument);
    assert!(act(&boss, maintain(0)).await.unwrap().against.is_empty());
    // Two copies would be there to read, but writes need two members.
    let why = refusal(act(&boss, maintain(1)).await);
    assert!(why.contains("nothing could be written") && why.contains("together with n"), "{why}");
    act(&boss, ProcedureRequest { force: true, ..maintain(1) }).await.unwrap();
    let why = refusal(act(&boss, maintain(2)).await);
    assert!(why.contains("1 groups could not be read"), "{why}");
    let shown = health::procedures(&boss).await.unwrap();
    assert_eq!(shown.len(), 2);
    assert!(
        shown.iter().all(|one| one.left_s.is_some_and(|left| (3590..=3600).contains(&left))),
        "{shown:?}"
    );
    // Not one second before its time.
    world.meta.run(Op::CountUptime(CountUptime { seconds: 3599 }));
    assert_eq!(health::round(&boss, &mut Some(BTreeMap::new())).await.unwrap(), 0);
    world.meta.run(Op::CountUptime(CountUptime { seconds: 1 }));
    assert_eq!(health::round(&boss, &mut Some(BTreeMap::new())).await.unwrap(), 2);
    assert!(health::procedures(&boss).await.unwrap().is_empty());
    world.check();
}

#[tokio::test]
async fn a_leader_that_does_not_know_who_is_there_judges_nothing() {
    let mut world = World::new(3, 3);
    let pg = world.group(&[0, 1, 2]);
    world.store("f", pg, &[0, 1, 2]);
    let young = world.boss(1);
    beat_all(&young).await;
    let maintain = ask(ProcedureAction::Maintain, 0, world.node_of(0));
    let soon = Instant::now() + Duration::from_millis(50);
    let status = procedures::act(&young, &maintain, soon).await.unwrap_err();
    assert_eq!(status.kind(), Code::Unavailable, "{status}");
    assert!(status.message.contains("try again in"), "{status}");
    act(&world.boss_without(2, &[]).await, maintain).await.unwrap();
}

#[tokio::test]
async fn what_ends_one_procedure_does_not_end_another() {
    let world = World::new(3, 3);
    let boss = world.boss_without(1, &[]).await;
    let node = world.node_of(1);
    let end = |kind: ProcedureKind| ProcedureRequest {
        ends: Some(kind as i32),
        ..ask(ProcedureAction::Resume, 0, node)
    };
    act(&boss, ask(ProcedureAction::Maintain, 0, node)).await.unwrap();
    let why = refusal(act(&boss, end(ProcedureKind::Drain)).await);
    assert!(why.contains("maintenance --end"), "{why}");
    act(&boss, end(ProcedureKind::Maintenance)).await.unwrap();
    act(&boss, ask(ProcedureAction::Drain, 0, node)).await.unwrap();
    let why = refusal(act(&boss, end(ProcedureKind::Maintenance)).await);
    assert!(why.contains("undrain"), "{why}");
    act(&boss, end(ProcedureKind::Drain)).await.unwrap();
    assert!(act(&boss, end(ProcedureKind::Maintenance)).await.unwrap().already);
}

#[tokio::test]
async fn a_disk_is_given_up_as_lost_only_if_it_is_away_and_others_have_its_data() {
    let mut world = World::new(3, 2);
    let (one, two) = (world.group(&[0, 1]), world.group(&[1, 2]));
    world.store("f", one, &[0, 1]);
    world.store("g", two, &[1, 2]);
    let replace = ask(ProcedureAction::Replace, world.disks[1].disk, 0);
    let boss = world.boss_without(1, &[]).await;
    let why = refusal(act(&boss, replace.clone()).await);
    assert!(why.contains("answers and 2 groups count on it"), "{why}");
    let boss = world.boss_without(2, &[world.node_of(1), world.node_of(2)]).await;
    let why = refusal(act(&boss, replace.clone()).await);
    let away = format!("(d{})", world.disks[2].disk);
    assert!(why.contains("1 groups with 10000 bytes may be lost") && why.contains(&away), "{why}");
    world.servers.dead.lock().remove(&world.node_of(2));
    let boss = world.boss_without(3, &[]).await;
    act(&boss, replace.clone()).await.unwrap();
    assert!(world.disk(1).lost && world.disk(1).standing() == Standing::Out);
    // The empty disk comes, and is filled.
    world.servers.dead.lock().clear();
    let register = RegisterDisk {
        node: world.node_of(1),
        fingerprint: Bytes::from(vec![201; 16]),
        capacity: 1 << 40,
        path: "/d".into(),
        replaces: world.disks[1].disk,
        ..RegisterDisk::default()
    };
    let life = world.meta.run(Op::RegisterDisk(register)).incarnation;
    world.disks[1].incarnation = life;
    let boss = world.boss_without(4, &[]).await;
    let shown = health::procedures(&boss).await.unwrap().remove(0);
    assert_eq!((shown.kind(), shown.groups_begun, shown.groups_left), (ProcedureKind::Replacement, 2, 2));
    assert_eq!(health::round(&boss, &mut None).await.unwrap(), 2, "two groups ail; it is not through yet");
    assert!(world.disk(1).procedure.is_some());
    settle(&world, &boss).await;
    health::round(&boss, &mut None).await.unwrap();
    assert_eq!(world.disk(1).procedure, None);
    assert!([one, two].iter().all(|pg| world.pg(*pg).members.iter().all(|m| m.clean)));
    world.check();
}

#[tokio::test]
async fn a_disk_is_removed_only_with_a_proof_that_nothing_is_left_on_it() {
    let mut world = World::new(4, 3);
    let pg = world.group(&[0, 1, 2]);
    let number = world.store("f", pg, &[0, 1, 2]);
    let boss = world.boss_without(1, &[]).await;
    let remove = ask(ProcedureAction::Remove, world.disks[2].disk, 0);
    let why = refusal(act(&boss, ProcedureRequest { force: true, ..remove.clone() }).await);
    assert!(why.contains("it takes part"), "{why}");
    act(&boss, ask(ProcedureAction::Drain, world.disks[2].disk, 0)).await.unwrap();
    let why = refusal(act(&boss, remove.clone()).await);
    assert!(why.contains("1 groups count on"), "{why}");
    settle(&world, &boss).await;
    let why = refusal(act(&boss, remove.clone()).await);
    assert!(why.contains("let go of"), "{why}");
    boss.sessions.lock().beat(Instant::now(), WRITER, u64::MAX);
    gc::round(&boss, &mut gc::Place::default()).await.unwrap();
    // A record that came back, of a chunk that another member lacks, is worth keeping.
    world.servers.put(world.disks[2], pg, number);
    world.servers.put(world.disks[2], pg, 12_345);
    let missing = |world: &World| {
        Op::AddMissing(AddMissing { pg, member: Some(world.disks[0]), numbers: vec![number] })
    };
    world.meta.run(missing(&world));
    let why = refusal(act(&boss, remove.clone()).await);
    assert!(why.contains("is not whole elsewhere"), "{why}");
    assert_eq!(world.disk(2).standing(), Standing::Draining);
    settle(&world, &boss).await;
    let judged = act(&boss, ProcedureRequest { only_judge: true, ..remove.clone() }).await.unwrap();
    assert_eq!(world.disk(2).standing(), Standing::Draining);
    let done = act(&boss, remove.clone()).await.unwrap();
    assert_eq!(done.proofs, judged.proofs);
    let proof = done.proofs[0];
    assert_eq!((proof.groups, proof.leaves, proof.answered), (0, 0, true));
    assert_eq!((proof.records, proof.elsewhere, proof.unknown), (2, 1, 1));
    assert_eq!((world.disk(2).standing(), world.disk(2).procedure), (Standing::Removed, None));
    let why = refusal(act(&boss, remove.clone()).await);
    assert!(why.contains("was removed"), "{why}");
    let own = ask(ProcedureAction::Remove, 0, 1);
    assert!(refusal(act(&boss, own.clone()).await).contains("leads the metadata group"));
}
