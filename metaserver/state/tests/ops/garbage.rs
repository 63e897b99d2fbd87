//! Garbage batches and the members' cursors.

use holdfast_proto::ids::LogIndex;
use holdfast_proto::op::*;
use holdfast_state::work;

use crate::common::{World, delete_objects};

fn advance(world: &mut World, disk: u32, index: u64) -> u64 {
    let cursor = GcCursor { pg: world.pg, member: Some(world.disk_ref(disk)), index };
    world.lead(Op::AdvanceGc(AdvanceGc { cursors: vec![cursor] })).progress
}

#[test]
fn a_batch_goes_when_every_member_passed_it() {
    let mut world = World::new();
    let content = world.content(&[b"x", b"y"]);
    world.put("a", content);
    world.ok(delete_objects(&["a"]));
    let dead = world.index;
    assert_eq!(work::groups_with_garbage(&world.table, 0, 9).unwrap(), [world.pg]);
    let batch = work::garbage(&world.table, world.pg, LogIndex(0), 9).unwrap();
    assert_eq!((batch[0].index, batch[0].numbers.len()), (LogIndex(dead), 2));
    assert_eq!(advance(&mut world, 1, dead), 0);
    assert_eq!(advance(&mut world, 2, dead), 0);
    assert_eq!(advance(&mut world, 3, dead - 1), 0);
    assert_eq!(advance(&mut world, 3, dead), 1);
    assert!(world.garbage().is_empty());
    assert!(work::groups_with_garbage(&world.table, 0, 9).unwrap().is_empty());
}

#[test]
fn cursors_never_go_back_nor_ahead_of_the_log() {
    let mut world = World::new();
    let content = world.content(&[b"x"]);
    world.put("a", content);
    advance(&mut world, 1, u64::MAX);
    let at = work::gc_cursors(&world.table, world.pg).unwrap()[0].1;
    assert_eq!(at.0, world.index);
    advance(&mut world, 1, 3);
    assert_eq!(work::gc_cursors(&world.table, world.pg).unwrap()[0].1, at);
    world.ok(delete_objects(&["a"]));
    let dead = world.index;
    advance(&mut world, 2, dead);
    assert_eq!(advance(&mut world, 3, dead), 0);
    assert_eq!(advance(&mut world, 1, dead), 1);
}

#[test]
fn a_new_member_starts_at_its_join() {
    let mut world = World::new();
    world.add_disk(4);
    let content = world.content(&[b"x"]);
    world.put("a", content);
    world.ok(delete_objects(&["a"]));
    let dead = world.index;
    let pg = world.pg();
    let (remove, add) = (Some(world.disk_ref(3)), Some(world.disk_ref(4)));
    world.lead(Op::ChangePg(ChangePg { pg: pg.id, if_epoch: pg.epoch, remove, add, ..ChangePg::default() }));
    let cursors = work::gc_cursors(&world.table, world.pg).unwrap();
    assert_eq!(cursors.iter().map(|(disk, _)| disk.disk).collect::<Vec<_>>(), [1, 2, 4]);
    advance(&mut world, 1, dead);
    // The departed disk holds nothing back any more.
    assert_eq!(advance(&mut world, 2, dead), 1);
}
