//! Places that move to other disks, the run that has them moved, and files on their way to another class.

use holdfast_proto::inode::FileKind;
use holdfast_proto::map::Redundancy;
use holdfast_proto::op::*;
use holdfast_proto::query::{ListFragmented, Query};
use holdfast_proto::status::Code;
use holdfast_state::{keys, records};

use crate::common::{BUCKET, World, create, delete_objects, put_object};

fn balance(world: &World) -> Balance {
    records::load(&world.table, &keys::balance()).unwrap().unwrap_or_default()
}

fn steer(action: BalanceAction) -> Op {
    Op::SteerBalance(SteerBalance { action: action as i32, ..SteerBalance::default() })
}

#[test]
fn a_run_is_steered_and_only_its_own_leader_counts_for_it() {
    use BalanceAction::{Cancel, Count, Finish, Pause, Resume, Start};
    let mut world = World::new();
    for action in [Pause, Resume, Cancel, Finish] {
        world.lead_refused(steer(action), Code::PreconditionFailed);
    }
    let number = world.ok(steer(Start)).id;
    world.refused(steer(Start), Code::Exists);
    world.ok(steer(Pause));
    world.ok(steer(Pause));
    world.lead_refused(steer(Finish), Code::PreconditionFailed);
    world.ok(steer(Resume));
    let count = SteerBalance { action: Count as i32, number, moves: 2, bytes: 70, ..SteerBalance::default() };
    world.lead(Op::SteerBalance(count.clone()));
    world.lead_refused(
        Op::SteerBalance(SteerBalance { number: number + 1, ..count.clone() }),
        Code::StaleOrder,
    );
    world.ok(steer(Cancel));
    world.refused(steer(Resume), Code::PreconditionFailed);
    let finish = SteerBalance {
        action: Finish as i32,
        number,
        outcome: "cancelled".into(),
        ..SteerBalance::default()
    };
    world.lead(Op::SteerBalance(finish));
    let now = balance(&world);
    assert_eq!((now.state(), now.moves, now.bytes, &*now.outcome), (BalanceState::Idle, 2, 70, "cancelled"));
    let next = world.ok(steer(Start)).id;
    assert!(next > number && balance(&world).moves == 0);
}

#[test]
fn a_place_is_taken_by_the_member_that_was_meant_for_it() {
    let mut world = World::new();
    let fourth = world.add_disk(4).id as u32;
    world.put_text("a", "x");
    let pg = world.pg();
    let begin = ChangePg {
        pg: pg.id,
        if_epoch: pg.epoch,
        add: Some(world.disk_ref(fourth)),
        temporary: true,
        takes: 2,
        ..ChangePg::default()
    };
    world.lead_refused(Op::ChangePg(ChangePg { takes: 9, ..begin.clone() }), Code::StaleOrder);
    world.lead_refused(Op::ChangePg(ChangePg { temporary: false, ..begin.clone() }), Code::InvalidArgument);
    world.lead(Op::ChangePg(begin));
    assert_eq!((world.member(fourth).takes, world.member(fourth).temporary), (2, true));
    let walked = MemberClean {
        pg: pg.id,
        member: Some(world.disk_ref(fourth)),
        joined: world.member(fourth).joined,
        walked_index: world.member(fourth).joined_index,
    };
    world.lead(Op::MemberClean(walked));
    let epoch = world.pg().epoch;
    world.lead(Op::ChangePg(ChangePg {
        pg: pg.id,
        if_epoch: epoch,
        remove: Some(world.disk_ref(2)),
        add: Some(world.disk_ref(fourth)),
        ..ChangePg::default()
    }));
    let members: Vec<_> = world.pg().members.iter().map(|m| (m.disk, m.takes, m.temporary)).collect();
    assert_eq!(members, [(1, 0, false), (fourth, 0, false), (3, 0, false)]);
}

/// Another class of copies.
fn other_class(world: &mut World) -> u32 {
    let op = PutClass {
        name: "other".into(),
        redundancy: Some(Redundancy::replicated(2, 1)),
        inline_limit: 4096,
        chunk_bytes: 1 << 20,
        ..PutClass::default()
    };
    world.lead(Op::PutClass(op)).id as u32
}

fn converting(world: &World) -> Vec<u64> {
    let ask = ListFragmented { after: 0, most: 10, share: 0, shares: 1, converting: true };
    world.ask(Query::ListFragmented(ask)).inos
}

#[test]
fn a_file_is_listed_from_its_change_of_class_until_all_of_it_is_converted() {
    let mut world = World::new();
    let class = other_class(&mut world);
    let content = world.content(&[b"some bytes"]);
    let ino = world.put("f", content).inode.unwrap().ino;
    let small = world.put_text("small", "inline").ino;
    let set = |ino, class| Op::SetAttr(SetAttr { ino, class: Some(class), ..SetAttr::default() });
    world.ok(set(small, class));
    assert!(converting(&world).is_empty(), "there is nothing in chunks to convert");
    world.ok(set(ino, class));
    assert_eq!(converting(&world), [ino]);
    let version = world.object("f").unwrap().version;
    let converted =
        |converted, if_version| Op::Compact(Compact { ino, converted, if_version, ..Compact::default() });
    world.refused(converted(1, version), Code::PreconditionFailed);
    world.refused(converted(class, version - 1), Code::PreconditionFailed);
    world.ok(converted(class, version));
    assert!(converting(&world).is_empty());
    world.ok(set(ino, 1));
    assert_eq!(converting(&world), [ino]);
    world.ok(delete_objects(&["f"]));
    assert!(converting(&world).is_empty());
}

#[test]
fn a_copy_in_another_class_is_converted_and_its_source_is_not() {
    let mut world = World::new();
    let class = other_class(&mut world);
    let content = world.content(&[b"some bytes"]);
    world.put("f", content);
    let copy = |key: &str, class| {
        Op::CopyObject(CopyObject {
            source_bucket: BUCKET.into(),
            source_key: "f".into(),
            bucket: BUCKET.into(),
            key: key.to_owned().into(),
            class,
            ..CopyObject::default()
        })
    };
    world.ok(copy("same", 0));
    assert!(converting(&world).is_empty());
    let other = world.ok(copy("other", class)).inode.unwrap();
    assert_eq!((converting(&world), other.class), (vec![other.ino], class));
    world.refused(copy("none", 99), Code::InvalidArgument);
    // Over itself: what S3 clients send to change a class.
    let itself = world.ok(copy("f", class)).inode.unwrap();
    assert_eq!(converting(&world), [other.ino, itself.ino]);
}

#[test]
fn who_replaces_a_programs_bytes_does_not_get_its_owners_rights() {
    let mut world = World::new();
    let bucket = world.bucket();
    let program = world.create(bucket, "program", FileKind::File).inode.unwrap().ino;
    world.ok(Op::SetAttr(SetAttr { ino: program, mode: Some(0o6755), uid: Some(7), ..SetAttr::default() }));
    let text = crate::common::inline(b"other bytes");
    let put = world.ok(put_object("program", text.clone())).inode.unwrap();
    assert_eq!((put.mode, put.uid), (0o755, 7));
    let Op::Create(link) = create(bucket, "link", FileKind::Symlink) else { unreachable!() };
    world.ok(Op::Create(Create { target: "program".into(), mode: 0o777, ..link }));
    let put = world.ok(put_object("link", text)).inode.unwrap();
    assert_eq!(put.mode & 0o022, 0, "{:o}", put.mode);
}

#[test]
fn a_length_that_stays_is_a_change_all_the_same() {
    let mut world = World::new();
    let ino = world.put_text("f", "text").ino;
    world.ok(Op::SetAttr(SetAttr { ino, mtime_ns: Some(5), ..SetAttr::default() }));
    let keeps = SetAttr { ino, size: Some(4), at_least: true, ..SetAttr::default() };
    world.ok(Op::SetAttr(keeps.clone()));
    assert_eq!(world.object("f").unwrap().mtime_ns, 5);
    world.ok(Op::SetAttr(SetAttr { at_least: false, ..keeps.clone() }));
    assert!(world.object("f").unwrap().mtime_ns > 5);
    world.ok(Op::SetAttr(SetAttr { at_least: false, mtime_ns: Some(9), ..keeps }));
    assert_eq!(world.object("f").unwrap().mtime_ns, 9);
}
