//! Procedures with disks and nodes: what is written down of them, and what ends them; what is noted of groups.

use holdfast_proto::map::{Disk, Node, Pg, Procedure, ProcedureKind, Standing};
use holdfast_proto::op::*;
use holdfast_proto::query::{FilesIn, Query};
use holdfast_proto::status::Code;
use holdfast_state::records::{self, Ailing};
use holdfast_state::{keys, map_view, work};

use crate::common::World;

fn disk(world: &World, id: u32) -> Disk {
    records::load(&world.table, &keys::disk(id)).unwrap().unwrap()
}

fn node(world: &World, at: usize) -> Node {
    map_view::nodes(&world.table).unwrap().swap_remove(at)
}

fn stand(id: u32, standing: Standing) -> SetDisk {
    SetDisk { id, standing: Some(standing as i32), ..SetDisk::default() }
}

fn kind(procedure: Option<Procedure>) -> Option<ProcedureKind> {
    procedure.map(|procedure| procedure.kind())
}

#[test]
fn a_drain_remembers_how_it_began() {
    let mut world = World::new();
    world.lead(Op::SetDisk(SetDisk { bytes: 700, ..stand(1, Standing::Draining) }));
    let begun = disk(&world, 1).procedure.unwrap();
    assert_eq!((begun.kind(), begun.groups, begun.bytes), (ProcedureKind::Drain, 1, 700));
    assert!(begun.began_ns > 0);
    world.now += 1_000_000;
    world.lead(Op::SetDisk(SetDisk { bytes: 9, ..stand(1, Standing::Draining) }));
    assert_eq!(disk(&world, 1).procedure, Some(begun), "it goes on");
    world.lead(Op::SetDisk(stand(1, Standing::In)));
    assert_eq!(disk(&world, 1).procedure, None);
}

#[test]
fn maintenance_ends_by_uptime_and_only_as_it_was_meant() {
    let mut world = World::new();
    let id = world.nodes()[1];
    world.lead(Op::CountUptime(CountUptime { seconds: 100 }));
    let maintain = |window_s| {
        let standing = Some(Standing::Maintenance as i32);
        Op::SetNode(SetNode { id, standing, window_s, bytes: 5, ..SetNode::default() })
    };
    let end = |if_until_s| {
        let standing = Some(Standing::In as i32);
        Op::SetNode(SetNode { id, standing, if_until_s, ..SetNode::default() })
    };
    world.lead_refused(maintain(31 * 86_400), Code::InvalidArgument);
    world.lead(maintain(60));
    let begun = node(&world, 1).procedure.unwrap();
    assert_eq!((begun.kind(), begun.groups, begun.until_s), (ProcedureKind::Maintenance, 1, 160));
    world.lead(Op::CountUptime(CountUptime { seconds: 30 }));
    world.lead(maintain(60));
    let longer = node(&world, 1).procedure.unwrap();
    assert_eq!((longer.began_ns, longer.until_s), (begun.began_ns, 190));
    // Whoever saw the first end only must not end the second.
    world.lead_refused(end(160), Code::StaleOrder);
    world.lead(end(190));
    assert_eq!((node(&world, 1).standing(), node(&world, 1).procedure), (Standing::In, None));
    world.lead_refused(end(190), Code::StaleOrder);
    world.lead(end(0));
}

#[test]
fn an_empty_disk_takes_the_place_of_a_lost_one_and_says_so_until_it_is_through() {
    let mut world = World::new();
    let register = |world: &World, print: u8| {
        Op::RegisterDisk(RegisterDisk {
            node: world.nodes()[0],
            fingerprint: vec![print; 16].into(),
            capacity: 1 << 40,
            path: "/disk1".into(),
            replaces: 1,
            ..RegisterDisk::default()
        })
    };
    let op = register(&world, 91);
    world.lead_refused(op.clone(), Code::PreconditionFailed);
    let lost = |lost| Op::SetDisk(SetDisk { id: 1, lost: Some(lost), bytes: 3, ..SetDisk::default() });
    world.lead(lost(true));
    assert_eq!((disk(&world, 1).standing(), disk(&world, 1).lost), (Standing::Out, true));
    world.lead(lost(false));
    assert_eq!((kind(disk(&world, 1).procedure), disk(&world, 1).lost), (None, false));
    world.lead_refused(op.clone(), Code::PreconditionFailed);
    world.lead(lost(true));
    // It was there all the time: taken back, it is not lost any more.
    world.lead(Op::SetDisk(stand(1, Standing::In)));
    assert_eq!((kind(disk(&world, 1).procedure), disk(&world, 1).lost), (None, false));
    world.lead(lost(true));
    let begun = disk(&world, 1).procedure;
    let life = world.lead(op.clone()).incarnation;
    let new = disk(&world, 1);
    assert_eq!((new.incarnation, new.standing(), new.lost), (life, Standing::In, false));
    assert_eq!(new.procedure, begun, "with the figures of the beginning");
    // The same directory again is the same disk; another empty one is not believed.
    world.lead(op);
    let op = register(&world, 92);
    world.lead_refused(op, Code::PreconditionFailed);
    world.lead(Op::SetDisk(SetDisk { id: 1, incarnation: life, replaced: true, ..SetDisk::default() }));
    assert_eq!(disk(&world, 1).procedure, None);
}

#[test]
fn a_removed_disk_has_nothing_under_way() {
    let mut world = World::new();
    world.add_disk(4);
    world.lead(Op::SetDisk(stand(4, Standing::Draining)));
    world.lead(Op::SetDisk(stand(4, Standing::Removed)));
    assert_eq!(disk(&world, 4).procedure, None);
    let lost = SetDisk { id: 4, lost: Some(true), ..SetDisk::default() };
    world.lead_refused(Op::SetDisk(lost), Code::PreconditionFailed);
}

fn ailing(world: &World, pg: u32) -> Option<Ailing> {
    records::load(&world.table, &keys::ailing(pg)).unwrap()
}

#[test]
fn since_when_a_group_ails_is_noted_by_level_and_forgotten_when_it_is_whole() {
    let mut world = World::new();
    let pg = world.pg;
    let note = |ailment: Ailment, age_ms| GroupNote { pg, ailment: ailment as i32, age_ms };
    let notes = |notes: Vec<GroupNote>| Op::NoteGroups(NoteGroups { notes });
    world.lead(notes(vec![note(Ailment::Degraded, 10)]));
    let first = ailing(&world, pg).unwrap();
    let now = work::state(&world.table).unwrap().time_ns;
    assert_eq!((first.since_ns, first.level_since_ns), (now - 10_000_000, now - 10_000_000));
    world.now += 5_000_000_000;
    world.lead(notes(vec![note(Ailment::Degraded, 0)]));
    assert_eq!(ailing(&world, pg), Some(first), "another leader saw the same");
    world.lead(notes(vec![note(Ailment::AtRisk, 1)]));
    let worse = ailing(&world, pg).unwrap();
    assert_eq!(worse.since_ns, first.since_ns);
    assert!(worse.level_since_ns > first.level_since_ns && worse.ailment() == Ailment::AtRisk);
    world.lead(notes(vec![note(Ailment::Degraded, u64::MAX)]));
    assert_eq!(ailing(&world, pg).unwrap().level_since_ns, first.since_ns, "never before it began");
    world.lead(notes(vec![note(Ailment::Whole, 0), GroupNote { pg: 99, ailment: 1, age_ms: 0 }]));
    assert_eq!((ailing(&world, pg), ailing(&world, 99)), (None, None));
    world.lead_refused(notes(vec![GroupNote { pg, ailment: 77, age_ms: 0 }]), Code::InvalidArgument);
    world.lead_refused(notes(vec![note(Ailment::Whole, 0); 1001]), Code::TooLarge);
}

#[test]
fn a_group_that_goes_takes_its_note_and_its_garbage_along() {
    let mut world = World::new();
    let content = world.content(&[&[7; 9000]]);
    world.put("a", content);
    let pg = world.pg;
    let retire = |pg: &Pg| {
        let state = holdfast_proto::map::PgState::Retired as i32;
        Op::SetPgState(SetPgState { pg: pg.id, if_epoch: pg.epoch, state })
    };
    let op = retire(&world.pg());
    world.lead_refused(op, Code::NotEmpty);
    world.ok(crate::common::delete_objects(&["a"]));
    while let Some(ino) = work::inodes_to_free(&world.table, 1).unwrap().pop() {
        world.lead(Op::FreeStep(FreeStep { ino, most: 100 }));
    }
    assert!(work::state(&world.table).unwrap().garbage > 0);
    let note = GroupNote { pg, ailment: Ailment::AtRisk as i32, age_ms: 0 };
    world.lead(Op::NoteGroups(NoteGroups { notes: vec![note] }));
    let op = retire(&world.pg());
    world.lead(op);
    assert_eq!((ailing(&world, pg), work::state(&world.table).unwrap().garbage), (None, 0));
    // Its members are told to drop all of it.
    assert_eq!(work::leaving(&world.table, (0, 0), 9).unwrap().len(), 3);
    world.lead(Op::NoteGroups(NoteGroups { notes: vec![note] }));
    assert_eq!(ailing(&world, pg), None, "whoever noted it had an older look");
}

#[test]
fn files_of_a_group_are_found_among_those_asked_about() {
    let mut world = World::new();
    world.put_text("small", "in metadata");
    let content = world.content(&[&[1; 5000], &[2; 5000], &[3; 5000], &[4; 5000], &[5; 5000], &[6; 5000]]);
    world.put("big", content);
    let ino = |name: &str| world.object(name).unwrap().ino;
    let (small, big) = (ino("small"), ino("big"));
    let ask = |pg, offset| Query::FilesIn(FilesIn { pg, inos: vec![small, big, 999_999], offset });
    let found = world.ask(ask(world.pg, 0));
    assert_eq!((found.inos, found.more), (vec![big], false));
    assert!(world.ask(ask(world.pg + 1, 0)).inos.is_empty());
    let many = Query::FilesIn(FilesIn { pg: 1, inos: vec![1; 1001], offset: 0 });
    assert_eq!(world.ask(many).status.unwrap().kind(), Code::TooLarge);
}
