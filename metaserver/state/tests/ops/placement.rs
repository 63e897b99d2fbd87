//! Groups and their members.

use holdfast_proto::inode::Content;
use holdfast_proto::map::{PgState, Standing};
use holdfast_proto::op::*;
use holdfast_proto::status::Code;
use holdfast_state::{map_view, work};

use crate::common::{World, delete_objects, whole};

fn change(world: &World, remove: Option<u32>, add: Option<u32>, temporary: bool) -> Op {
    let pg = world.pg();
    let remove = remove.map(|disk| {
        let member = pg.members.iter().find(|member| member.disk == disk).unwrap();
        DiskRef { disk, incarnation: member.incarnation }
    });
    let add = add.map(|disk| world.disk_ref(disk));
    Op::ChangePg(ChangePg { pg: pg.id, if_epoch: pg.epoch, remove, add, temporary, shard: 0, takes: 0 })
}

fn clean(world: &World, disk: u32, walked_index: u64) -> Op {
    let member = world.member(disk);
    let joined = member.joined;
    let member = Some(DiskRef { disk, incarnation: member.incarnation });
    Op::MemberClean(MemberClean { pg: world.pg, member, joined, walked_index })
}

fn disks(world: &World) -> Vec<u32> {
    world.pg().members.iter().map(|member| member.disk).collect()
}

fn with_four() -> World {
    let mut world = World::new();
    world.add_disk(4);
    world
}

#[test]
fn each_membership_command_bumps_the_epoch_by_one() {
    let mut world = with_four();
    let before = map_view::current_epoch(&world.table).unwrap();
    let op = change(&world, Some(2), Some(4), false);
    let reply = world.lead(op.clone());
    assert_eq!(reply.epoch, before + 1);
    assert_eq!(disks(&world), [1, 4, 3]);
    assert_eq!(world.member(4).joined, before + 1);
    world.lead_refused(op, Code::StaleOrder);
    let delta = map_view::load_map(&world.table, before, &[], false).unwrap();
    assert_eq!((delta.epoch, delta.full, delta.pgs.len(), delta.disks.len()), (before + 1, false, 1, 0));
    assert!(map_view::load_map(&world.table, before + 1, &[], false).unwrap().pgs.is_empty());
    assert!(map_view::load_map(&world.table, before + 2, &[], false).unwrap().full);
}

#[test]
fn a_member_is_clean_only_after_its_walk_and_with_nothing_missing() {
    let mut world = with_four();
    let content = world.content(&[b"x"]);
    world.put("a", content);
    world.lead(change(&world, Some(2), Some(4), false));
    let joined = world.member(4).joined_index;
    world.lead_refused(clean(&world, 4, joined - 1), Code::PreconditionFailed);
    world.lead_refused(clean(&world, 4, u64::MAX), Code::InvalidArgument);
    let commit = world.chunk_on(b"y", &[1, 3]);
    let number = commit.number;
    let content = holdfast_proto::inode::Content {
        size: 1,
        extents: vec![crate::common::whole(&commit, 0)],
        chunks: vec![commit],
        inline: None,
    };
    world.put("b", content);
    world.lead_refused(clean(&world, 4, joined), Code::PreconditionFailed);
    let member = Some(world.disk_ref(4));
    world.lead(Op::ClearMissing(ClearMissing { pg: world.pg, member, numbers: vec![number] }));
    world.lead(clean(&world, 4, joined));
    assert!(world.member(4).clean);
}

#[test]
fn the_last_clean_member_cannot_leave() {
    let mut world = with_four();
    let content = world.content(&[b"x"]);
    world.put("a", content);
    world.lead(change(&world, Some(2), None, false));
    world.lead(change(&world, Some(3), Some(4), false));
    world.lead_refused(change(&world, Some(1), None, false), Code::PreconditionFailed);
    let joined = world.member(4).joined_index;
    world.lead(clean(&world, 4, joined));
    // Out members do not count as readable.
    let out = SetDisk { id: 4, standing: Some(Standing::Out as i32), ..SetDisk::default() };
    world.lead(Op::SetDisk(out));
    world.lead_refused(change(&world, Some(1), None, false), Code::PreconditionFailed);
    world.lead(Op::SetDisk(SetDisk { standing: Some(Standing::In as i32), ..out }));
    world.lead(change(&world, Some(1), None, false));
    world.lead_refused(change(&world, Some(4), None, false), Code::PreconditionFailed);
}

#[test]
fn the_only_holder_of_a_chunk_cannot_leave() {
    let mut world = with_four();
    let commit = world.chunk_on(b"x", &[1, 2]);
    let number = commit.number;
    let content = holdfast_proto::inode::Content {
        size: 1,
        extents: vec![crate::common::whole(&commit, 0)],
        chunks: vec![commit],
        inline: None,
    };
    world.put("a", content);
    let member = Some(world.disk_ref(1));
    world.lead(Op::AddMissing(AddMissing { pg: world.pg, member, numbers: vec![number] }));
    // Disks 1 and 3 lack it: disk 2 must stay, others may go.
    world.lead_refused(change(&world, Some(2), Some(4), false), Code::PreconditionFailed);
    world.lead(change(&world, Some(3), Some(4), false));
    world.lead_refused(change(&world, Some(2), None, false), Code::PreconditionFailed);
    world.lead(Op::ClearMissing(ClearMissing { pg: world.pg, member, numbers: vec![number] }));
    world.lead(change(&world, Some(2), None, false));
    assert_eq!(disks(&world), [1, 4]);
}

#[test]
fn what_a_lost_disk_lacks_is_not_counted_for_ever() {
    let mut world = with_four();
    let chunk = world.chunk_on(b"x", &[1, 3]);
    let extents = vec![whole(&chunk, 0)];
    assert!(world.put("a", Content { size: 1, chunks: vec![chunk], extents, ..Content::default() }).is_ok());
    world.lead(change(&world, Some(2), Some(4), false));
    assert_eq!(work::state(&world.table).unwrap().missing, 1);
    let disk = Some(work::leaving(&world.table, (0, 0), 9).unwrap()[0].disk);
    world.lead(Op::ClearLeave(ClearLeave { pg: world.pg, disk, holds: true }));
    assert_eq!(work::state(&world.table).unwrap().missing, 0);
    // It may still have what it was given before, so it stays where it was: out.
    assert_eq!(work::leaving(&world.table, (0, 0), 9).unwrap().len(), 1);
}

#[test]
fn a_disk_that_left_cannot_come_back_before_it_dropped_the_group() {
    let mut world = with_four();
    let content = world.content(&[b"x"]);
    world.put("a", content);
    world.lead(change(&world, Some(2), Some(4), false));
    let joined = world.member(4).joined_index;
    world.lead(clean(&world, 4, joined));
    let left = work::leaving(&world.table, (0, 0), 9).unwrap();
    assert_eq!(left.len(), 1);
    assert_eq!((left[0].disk.disk, left[0].pg), (2, world.pg));
    world.lead_refused(change(&world, Some(4), Some(2), false), Code::PreconditionFailed);
    let clear = |incarnation| ClearLeave {
        pg: left[0].pg,
        disk: Some(DiskRef { disk: 2, incarnation }),
        holds: false,
    };
    world.lead(Op::ClearLeave(clear(12345)));
    assert_eq!(work::leaving(&world.table, (0, 0), 9).unwrap().len(), 1);
    world.lead(Op::ClearLeave(clear(left[0].disk.incarnation)));
    assert!(work::leaving(&world.table, (0, 0), 9).unwrap().is_empty());
    world.lead(change(&world, Some(4), Some(2), false));
    assert!(!world.member(2).clean);
}

#[test]
fn a_temporary_member_stands_in_and_may_be_promoted() {
    let mut world = with_four();
    let content = world.content(&[b"x"]);
    world.put("a", content);
    world.lead(change(&world, None, Some(4), true));
    assert_eq!(disks(&world), [1, 2, 3, 4]);
    world.lead_refused(change(&world, None, Some(4), true), Code::Exists);
    let joined = world.member(4).joined_index;
    world.lead(clean(&world, 4, joined));
    world.lead(change(&world, Some(2), Some(4), false));
    assert_eq!(disks(&world), [1, 4, 3]);
    let member = world.member(4);
    assert!(member.clean && !member.temporary);
    world.lead_refused(change(&world, Some(1), Some(3), false), Code::Exists);
}

#[test]
fn a_group_never_grows_beyond_its_class() {
    let mut world = with_four();
    world.lead_refused(change(&world, None, Some(4), false), Code::TooLarge);
    world.lead(change(&world, Some(3), None, false));
    world.lead(change(&world, None, Some(4), false));
    assert_eq!(disks(&world), [1, 2, 4]);
    world.lead_refused(
        Op::ChangePg(ChangePg { pg: world.pg, if_epoch: world.pg().epoch, ..ChangePg::default() }),
        Code::InvalidArgument,
    );
}

#[test]
fn a_wiped_disk_takes_its_own_place() {
    let mut world = World::new();
    let content = world.content(&[b"x"]);
    world.put("a", content);
    let node = world.nodes()[1];
    let new = RegisterDisk {
        node,
        fingerprint: vec![22; 16].into(),
        capacity: 1 << 40,
        replaces: 2,
        lost: true,
        ..RegisterDisk::default()
    };
    // An empty directory may be a disk that is not mounted: what groups count on is not given up for it.
    let unasked = RegisterDisk { lost: false, ..new.clone() };
    world.lead_refused(Op::RegisterDisk(unasked), Code::PreconditionFailed);
    let elsewhere = RegisterDisk { node: world.nodes()[0], ..new.clone() };
    world.lead_refused(Op::RegisterDisk(elsewhere), Code::WrongNode);
    let reply = world.lead(Op::RegisterDisk(new.clone()));
    assert_eq!(reply.id, 2);
    assert_eq!(world.lead(Op::RegisterDisk(new)).incarnation, reply.incarnation);
    world.lead(change(&world, Some(2), Some(2), false));
    let member = world.member(2);
    assert_eq!((member.incarnation, member.clean), (reply.incarnation, false));
    // The old one does not come back as if nothing had happened.
    let old =
        RegisterDisk { node, fingerprint: vec![2; 16].into(), capacity: 1 << 40, ..RegisterDisk::default() };
    world.lead_refused(Op::RegisterDisk(old), Code::WrongDisk);
}

#[test]
fn groups_seal_reopen_and_retire() {
    let mut world = World::new();
    let content = world.content(&[b"x"]);
    world.put("a", content);
    let state = |world: &World, state: PgState| {
        Op::SetPgState(SetPgState { pg: world.pg, if_epoch: world.pg().epoch, state: state as i32 })
    };
    world.lead(state(&world, PgState::Sealed));
    assert!(map_view::load_map(&world.table, 0, &[], false).unwrap().pgs.is_empty());
    assert_eq!(map_view::load_map(&world.table, 0, &[world.pg], false).unwrap().pgs.len(), 1);
    // What was written while it was sealed still counts.
    let content = world.content(&[b"y"]);
    assert!(world.put("b", content).is_ok());
    world.lead_refused(state(&world, PgState::Retired), Code::NotEmpty);
    world.ok(delete_objects(&["a", "b"]));
    // What is still to be deleted goes with the whole group.
    world.lead(state(&world, PgState::Retired));
    assert_eq!(work::state(&world.table).unwrap().garbage, 0);
    assert_eq!(work::leaving(&world.table, (0, 0), 9).unwrap().len(), 3);
    world.lead_refused(state(&world, PgState::Writable), Code::StaleOrder);
}
