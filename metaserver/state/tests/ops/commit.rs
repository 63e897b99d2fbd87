//! Commit validation: which acknowledgements count, and what is recorded as missing.

use holdfast_proto::map::{PgState, Redundancy};
use holdfast_proto::op::*;
use holdfast_proto::query::{ListPgChunks, Query};
use holdfast_proto::status::Code;

use crate::common::{World, delete_objects, put_object, whole};

#[test]
fn all_members_acknowledge() {
    let mut world = World::new();
    let content = world.content(&[b"hello", b"world"]);
    assert!(world.put("a", content).is_ok());
    assert_eq!(world.read("a"), b"helloworld");
    let chunks = world.ask(Query::ListChunks(ListPgChunks { pg: world.pg, after: 0, most: 10 })).chunks;
    assert_eq!(
        chunks.iter().map(|chunk| (chunk.references, chunk.live)).collect::<Vec<_>>(),
        [(1, 5), (1, 5)]
    );
    assert!((1..=3).all(|disk| world.missing(disk).is_empty()));
}

#[test]
fn enough_members_acknowledge_and_the_rest_is_missing() {
    let mut world = World::new();
    let commit = world.chunk_on(b"data", &[1, 3]);
    let number = commit.number;
    let content = content_of(commit);
    assert!(world.put("a", content).is_ok());
    assert_eq!(world.missing(2), [number]);
    world.lead(Op::ClearMissing(ClearMissing {
        pg: world.pg,
        member: Some(world.disk_ref(2)),
        numbers: vec![number],
    }));
    assert!(world.missing(2).is_empty());
    world.lead(Op::AddMissing(AddMissing {
        pg: world.pg,
        member: Some(world.disk_ref(1)),
        numbers: vec![number, 12345],
    }));
    assert_eq!(world.missing(1), [number]);
    world.ok(delete_objects(&["a"]));
    assert!(world.missing(1).is_empty());
    assert_eq!(world.garbage(), [number]);
}

fn content_of(commit: holdfast_proto::inode::ChunkCommit) -> holdfast_proto::inode::Content {
    holdfast_proto::inode::Content {
        size: commit.length,
        extents: vec![whole(&commit, 0)],
        chunks: vec![commit],
        inline: None,
    }
}

#[test]
fn too_few_acknowledgements_are_rejected_by_position() {
    let mut world = World::new();
    let mut content = world.content(&[b"good"]);
    let bad = world.chunk_on(b"bad", &[2]);
    content.extents.push(whole(&bad, 4));
    content.size = 7;
    content.chunks.push(bad);
    let reply = world.refused(put_object("a", content), Code::ChunksRejected);
    assert_eq!(reply.rejected, [1]);
    assert!(world.object("a").is_none());
}

#[test]
fn doubled_foreign_old_and_future_acknowledgements_do_not_count_twice() {
    let mut world = World::new();
    let mut twice = world.chunk_on(b"x", &[1]);
    twice.acks.push(twice.acks[0].clone());
    world.refused(put_object("a", content_of(twice)), Code::ChunksRejected);
    let mut other_life = world.chunk_on(b"x", &[1, 2]);
    other_life.acks[0].incarnation += 1;
    world.refused(put_object("a", content_of(other_life)), Code::ChunksRejected);
    let mut too_early = world.chunk_on(b"x", &[1, 2]);
    too_early.acks[1].epoch = world.member(2).joined - 1;
    world.refused(put_object("a", content_of(too_early)), Code::ChunksRejected);
    // A replaced disk's word counts no more, although the group still lists it.
    let replaced = world.chunk_on(b"x", &[1, 2]);
    let node = world.nodes()[1];
    let new = RegisterDisk {
        node,
        fingerprint: vec![99; 16].into(),
        capacity: 1,
        replaces: 2,
        lost: true,
        ..RegisterDisk::default()
    };
    world.lead(Op::RegisterDisk(new));
    world.refused(put_object("a", content_of(replaced)), Code::ChunksRejected);
}

#[test]
fn a_member_that_left_between_acknowledgement_and_commit_does_not_count() {
    let mut world = World::new();
    world.add_disk(4);
    let commit = world.chunk_on(b"x", &[1, 2]);
    let (pg, remove, add) = (world.pg(), world.disk_ref(2), world.disk_ref(4));
    world.lead(Op::ChangePg(ChangePg {
        pg: pg.id,
        if_epoch: pg.epoch,
        remove: Some(remove),
        add: Some(add),
        ..ChangePg::default()
    }));
    let reply = world.refused(put_object("a", content_of(commit)), Code::ChunksRejected);
    assert_eq!(reply.rejected, [0]);
    // Acknowledged by the new member under the new epoch: fine, and the third is missing.
    let commit = world.chunk_on(b"x", &[1, 4]);
    let number = commit.number;
    assert!(world.put("a", content_of(commit)).is_ok());
    assert_eq!(world.missing(3), [number]);
}

#[test]
fn a_known_number_and_a_retired_group_are_rejected() {
    let mut world = World::new();
    let content = world.content(&[b"data"]);
    assert!(world.put("a", content.clone()).is_ok());
    world.refused(put_object("b", content.clone()), Code::ChunksRejected);
    let mut doubled = world.content(&[b"data"]);
    doubled.chunks.push(doubled.chunks[0].clone());
    world.refused(put_object("b", doubled), Code::ChunksRejected);

    let other = world.create_pg(&[1, 2]);
    let epoch = world.group(other).epoch;
    world.lead(Op::SetPgState(SetPgState { pg: other, if_epoch: epoch, state: PgState::Retired as i32 }));
    let mut content = world.content(&[b"data"]);
    content.chunks[0].pg = other;
    content.extents[0].pg = other;
    world.refused(put_object("b", content), Code::ChunksRejected);
}

#[test]
fn a_group_smaller_than_its_class_wants_all_its_members() {
    let mut world = World::new();
    world.pg = world.create_pg(&[2]);
    let none = world.chunk_on(b"x", &[]);
    world.refused(put_object("a", content_of(none)), Code::ChunksRejected);
    let one = world.chunk_on(b"x", &[2]);
    assert!(world.put("a", content_of(one)).is_ok());
}

#[test]
fn erasure_groups_need_one_more_than_the_data_shards() {
    let mut world = World::new();
    for disk in 4..=6 {
        world.add_disk(disk);
    }
    let kind = holdfast_proto::map::redundancy::Kind::Erasure(holdfast_proto::map::Erasure {
        data: 2,
        parity: 2,
        cell_bytes: 4096,
    });
    let class = PutClass {
        name: "ec".into(),
        redundancy: Some(Redundancy { kind: Some(kind) }),
        chunk_bytes: 8192 * 16,
        companion: 1,
        ..PutClass::default()
    };
    let class = world.lead(Op::PutClass(class)).id as u32;
    let disks: Vec<_> = (1..=4).map(|disk| world.disk_ref(disk)).collect();
    world.lead_refused(
        Op::CreatePgs(CreatePgs { pgs: vec![NewPg { class, disks: disks[..3].to_vec() }] }),
        Code::InvalidArgument,
    );
    world.pg = world.lead(Op::CreatePgs(CreatePgs { pgs: vec![NewPg { class, disks }] })).id as u32;
    let short = world.chunk_on(&[1; 4096], &[1, 2, 3, 4]);
    world.refused(put_object("a", content_of(short)), Code::InvalidArgument);
    let two = world.chunk_on(&[1; 5000], &[1, 2]);
    world.refused(put_object("a", content_of(two)), Code::ChunksRejected);
    let three = world.chunk_on(&[1; 5000], &[1, 2, 4]);
    assert!(world.put("a", content_of(three)).is_ok());
}

#[test]
fn extents_must_lie_in_chunks_of_the_command() {
    let mut world = World::new();
    let first = world.content(&[b"data"]);
    assert!(world.put("a", first.clone()).is_ok());
    let mut stolen = world.content(&[b"mine"]);
    stolen.extents[0].number = first.chunks[0].number;
    world.refused(put_object("b", stolen), Code::InvalidArgument);
    let mut beyond = world.content(&[b"mine"]);
    beyond.extents[0].length = 5;
    beyond.size = 5;
    world.refused(put_object("b", beyond), Code::InvalidArgument);
    let mut short = world.content(&[b"mine"]);
    short.size = 3;
    world.refused(put_object("b", short), Code::InvalidArgument);
}

#[test]
fn a_chunk_that_nothing_refers_to_is_garbage_at_once() {
    let mut world = World::new();
    let mut content = world.content(&[b"used", b"unused"]);
    content.extents.pop();
    content.size = 4;
    let number = content.chunks[1].number;
    assert!(world.put("a", content).is_ok());
    assert_eq!(world.garbage(), [number]);
}
