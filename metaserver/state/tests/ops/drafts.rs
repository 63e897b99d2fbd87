//! What one command cannot do: prepared in steps on an inode that nobody sees, then taken over.

use bytes::Bytes;
use holdfast_proto::inode::FileKind;
use holdfast_proto::op::*;
use holdfast_proto::query::{GetInode, Query};
use holdfast_proto::status::Code;
use holdfast_state::work;

use crate::common::{BUCKET, SESSION, World, create, delete_objects, piece, whole};

const EXTENTS: usize = 2300;

/// Bytes from one extent to the next where parts have to be as long as S3 wants them.
const STRIDE: u64 = 10_000;

/// A file of so many one-byte extents, with a hole behind each.
fn long_file(world: &mut World, name: &str) -> u64 {
    sparse_file(world, name, 2)
}

/// A file of so many one-byte extents, this far apart.
fn sparse_file(world: &mut World, name: &str, stride: u64) -> u64 {
    let root = world.bucket();
    let ino = world.ok(create(root, name, FileKind::File)).inode.unwrap().ino;
    world.checked = false;
    for first in (0..EXTENTS).step_by(500) {
        let pieces: Vec<Vec<u8>> = (first..EXTENTS.min(first + 500)).map(|n| vec![n as u8 | 1]).collect();
        let content = world.content(&pieces.iter().map(Vec::as_slice).collect::<Vec<_>>());
        let at = |n: usize| stride * (first + n) as u64;
        let pieces = content.chunks.iter().enumerate();
        let pieces = pieces.map(|(n, commit)| piece(at(n), 1, Some(whole(commit, 0)))).collect();
        world.ok(Op::Write(Write { ino, chunks: content.chunks, pieces, ..Write::default() }));
    }
    world.checked = true;
    world.check();
    ino
}

/// Refused with a draft to prepare; prepares it. Each step is followed by the checker.
fn prepare(world: &mut World, op: Op) -> u64 {
    let reply = world.refused(op, Code::NeedsSteps);
    let draft = world.ok(Op::BeginDraft(reply.steps.expect("the refusal names the draft"))).id;
    while world.ok(Op::FillDraft(FillDraft { draft })).progress > 0 {}
    draft
}

fn with(mut op: Op, draft: u64) -> Op {
    *op.draft_mut().unwrap() = draft;
    op
}

fn free_all(world: &mut World) {
    while let [ino, ..] = work::inodes_to_free(&world.table, 10).unwrap()[..] {
        while world.lead(Op::FreeStep(FreeStep { ino, most: 500 })).progress > 0 {}
    }
}

/// A part with too many extents for a record ends exactly where a step does, others follow, and one is put anew while it
/// is half joined.
#[test]
fn parts_of_all_kinds_are_joined_in_steps() {
    let mut world = World::new();
    let ino = sparse_file(&mut world, "long", STRIDE);
    let source = world.object("long").unwrap();
    world.checked = false;
    let upload = world
        .ok(Op::CreateUpload(CreateUpload {
            bucket: BUCKET.into(),
            key: Bytes::from_static(b"k"),
            ..CreateUpload::default()
        }))
        .id;
    let part = |world: &mut World, part: u32, extents: u64| {
        let op = Op::CopyPart(CopyPart {
            upload,
            part,
            source: ino,
            source_version: source.version,
            offset: 0,
            length: STRIDE * extents,
            etag: format!("e{extents}"),
            ..CopyPart::default()
        });
        let reply = world.run(op.clone());
        if reply.status.as_ref().is_some_and(|status| status.kind() == Code::NeedsSteps) {
            let draft = prepare(world, op.clone());
            world.ok(with(op, draft));
        }
    };
    let digest = |n: u8| Bytes::from(vec![n; 32]);
    let named = |part: u32, extents: u64| NamedPart { part, etag: format!("e{extents}") };
    let step = |parts: &[NamedPart], n: u8, restart: bool| {
        Op::AssembleUpload(AssembleUpload {
            upload,
            parts: parts.to_vec(),
            restart,
            list_digest: digest(n),
            last: true,
        })
    };
    // 1,000 ordinary extents fill a step; the next part is on an inode and must wait.
    for (round, lengths) in (1..).zip([
        [1000, 2000, 3],
        [600, 1400, 2000],
        [2000, 1000, 2000],
        [999, 1999, 1001],
        [1000, 1000, 2000],
    ]) {
        for (number, extents) in (1..).zip(lengths) {
            part(&mut world, number, extents);
        }
        let list: Vec<NamedPart> =
            (1..).zip(lengths).map(|(number, extents)| named(number, extents)).collect();
        let mut joined = 0;
        for _ in 0..20 {
            joined = world.ok(step(&list, round, true)).progress;
            if joined == 3 {
                break;
            }
        }
        assert_eq!(joined, 3, "{lengths:?}");
        world.check();
    }

    // Half of part 1 is joined when it is put anew with the same name: the joining begins anew, from its first step.
    part(&mut world, 1, 2000);
    let list = [named(1, 2000), named(2, 1000), named(3, 2000)];
    part(&mut world, 2, 1000);
    part(&mut world, 3, 2000);
    assert_eq!(world.ok(step(&list, 99, true)).progress, 0);
    part(&mut world, 1, 2000);
    world.refused(step(&list, 99, false), Code::PreconditionFailed);
    while world.ok(step(&list, 99, true)).progress < 3 {}
    let finish =
        FinishUpload { upload, list_digest: digest(99), etag: "e".into(), ..FinishUpload::default() };
    world.ok(Op::FinishUpload(finish));
    let object = world.object("k").unwrap();
    assert_eq!((object.size, object.extent_count), (5000 * STRIDE, 5000));
    world.check();
}

fn cut(ino: u64, size: u64) -> Op {
    Op::SetAttr(SetAttr { ino, size: Some(size), ..SetAttr::default() })
}

fn copy(from: &str, to: &str) -> Op {
    Op::CopyObject(CopyObject {
        source_bucket: BUCKET.into(),
        source_key: Bytes::copy_from_slice(from.as_bytes()),
        bucket: BUCKET.into(),
        key: Bytes::copy_from_slice(to.as_bytes()),
        ..CopyObject::default()
    })
}

/// Everything can be deleted and nothing stays behind.
fn leaves_nothing(world: &mut World, keys: &[&str]) {
    world.ok(delete_objects(keys));
    free_all(world);
    assert_eq!((world.totals().chunks, world.totals().inodes), (0, 2));
}

#[test]
fn a_long_file_is_cut_in_one_visible_step() {
    let mut world = World::new();
    let ino = long_file(&mut world, "f");
    let before = world.read_inode(ino);
    let draft = prepare(&mut world, cut(ino, 701));
    assert_eq!(world.read_inode(ino), before, "nothing is visible before the last command");
    world.ok(with(cut(ino, 701), draft));
    assert_eq!(world.read_inode(ino), before[..701]);
    free_all(&mut world);
    assert_eq!(world.totals().chunks, 351);
    // Grown again, what was cut stays cut; and cut again, from content that lies under another number.
    world.ok(cut(ino, 3000));
    assert!(world.read_inode(ino)[701..].iter().all(|byte| *byte == 0));
    world.ok(cut(ino, 7));
    assert_eq!(world.read_inode(ino), before[..7]);
    leaves_nothing(&mut world, &["f"]);
}

#[test]
fn a_write_over_many_extents_keeps_what_lies_around() {
    let mut world = World::new();
    let ino = long_file(&mut world, "f");
    let mut expected = world.read_inode(ino);
    let commit = world.chunk(&[7; 4001]);
    let pieces = vec![piece(100, 4001, Some(whole(&commit, 0))), piece(4200, 300, None)];
    let op = Op::Write(Write { ino, chunks: vec![commit], pieces, ..Write::default() });
    let draft = prepare(&mut world, op.clone());
    world.ok(with(op, draft));
    expected[100..4101].fill(7);
    expected[4200..4500].fill(0);
    assert_eq!(world.read_inode(ino), expected);
    leaves_nothing(&mut world, &["f"]);
}

#[test]
fn a_long_object_is_copied_by_reference() {
    let mut world = World::new();
    let ino = long_file(&mut world, "f");
    let chunks = world.totals().chunks;
    let draft = prepare(&mut world, copy("f", "dir/g"));
    assert!(world.object("dir/g").is_none());
    world.ok(with(copy("f", "dir/g"), draft));
    assert_eq!(world.read("dir/g"), world.read_inode(ino));
    assert_eq!(world.totals().chunks, chunks, "no chunk is new");
    world.refused(with(copy("f", "dir/h"), draft), Code::StaleInode);
    leaves_nothing(&mut world, &["f", "dir/g"]);
}

#[test]
fn a_long_range_becomes_a_part() {
    let mut world = World::new();
    let ino = long_file(&mut world, "f");
    let expected = world.read_inode(ino)[3..4500].to_vec();
    let key = Bytes::from_static(b"big");
    let upload = CreateUpload { bucket: BUCKET.into(), key, ..CreateUpload::default() };
    let upload = world.ok(Op::CreateUpload(upload)).id;
    let source_version = world.object("f").unwrap().version;
    let op = Op::CopyPart(CopyPart {
        upload,
        part: 1,
        source: ino,
        source_version,
        offset: 3,
        length: 4497,
        etag: "a".into(),
        ..CopyPart::default()
    });
    let first = prepare(&mut world, op.clone());
    world.ok(with(op.clone(), first));
    // Put again: the first one's extents go.
    let second = prepare(&mut world, op.clone());
    world.ok(with(op, second));
    let step = Op::AssembleUpload(AssembleUpload {
        upload,
        parts: vec![NamedPart { part: 1, etag: "a".into() }],
        restart: true,
        list_digest: vec![1; 32].into(),
        last: true,
    });
    let mut steps = 1;
    while world.ok(step.clone()).progress == 0 {
        steps += 1;
    }
    assert_eq!(steps, 3);
    let finish = FinishUpload { upload, list_digest: vec![1; 32].into(), ..FinishUpload::default() };
    world.ok(Op::FinishUpload(finish));
    assert_eq!(world.read("big"), expected);
    while world.lead(Op::FreeUploadStep(FreeUploadStep { upload, most: 500 })).progress > 0 {}
    leaves_nothing(&mut world, &["f", "big"]);
}

#[test]
fn a_file_changed_meanwhile_keeps_the_change() {
    let mut world = World::new();
    let ino = long_file(&mut world, "f");
    let draft = prepare(&mut world, cut(ino, 10));
    world.refused(with(cut(ino, 11), draft), Code::PreconditionFailed);
    let steps = world.refused(cut(ino, 12), Code::NeedsSteps).steps.unwrap();
    let half = world.ok(Op::BeginDraft(steps.clone())).id;
    let commit = world.chunk(b"new");
    let pieces = vec![piece(0, 3, Some(whole(&commit, 0)))];
    world.ok(Op::Write(Write { ino, chunks: vec![commit], pieces, ..Write::default() }));
    world.refused(with(cut(ino, 10), draft), Code::PreconditionFailed);
    world.refused(Op::FillDraft(FillDraft { draft: half }), Code::PreconditionFailed);
    world.refused(Op::BeginDraft(steps), Code::PreconditionFailed);
    assert_eq!(world.read_inode(ino)[..3], *b"new");
    for ino in [draft, half] {
        world.ok(Op::ReleaseInode(ReleaseInode { ino }));
    }
    leaves_nothing(&mut world, &["f"]);
}

#[test]
fn a_file_deleted_meanwhile_is_not_copied_half_freed() {
    let mut world = World::new();
    let ino = long_file(&mut world, "f");
    let steps = world.refused(copy("f", "g"), Code::NeedsSteps).steps.unwrap();
    let draft = world.ok(Op::BeginDraft(steps)).id;
    world.ok(Op::FillDraft(FillDraft { draft }));
    world.ok(delete_objects(&["f"]));
    world.lead(Op::FreeStep(FreeStep { ino, most: 500 }));
    world.refused(Op::FillDraft(FillDraft { draft }), Code::StaleInode);
    assert_eq!(world.ask_code(Query::GetInode(GetInode { ino, content: true, open: 0 })), Code::StaleInode);
    world.ok(Op::ReleaseInode(ReleaseInode { ino: draft }));
    free_all(&mut world);
    assert_eq!((world.totals().chunks, world.totals().inodes), (0, 2));
}

#[test]
fn a_draft_left_at_any_step_is_collected() {
    for steps_done in 0..6 {
        for by_session in [true, false] {
            let mut world = World::new();
            let ino = long_file(&mut world, "f");
            let before = world.read_inode(ino);
            let steps = world.refused(copy("f", "g"), Code::NeedsSteps).steps.unwrap();
            let draft = world.ok(Op::BeginDraft(steps)).id;
            for _ in 0..steps_done {
                world.ok(Op::FillDraft(FillDraft { draft }));
            }
            if by_session {
                world.lead(Op::ExpireSession(ExpireSession { session: SESSION }));
            } else {
                world.lead(Op::DropDraft(DropDraft { draft, at: u64::MAX }));
                world.refused(with(copy("f", "g"), draft), Code::StaleInode);
            }
            free_all(&mut world);
            assert!(world.object("g").is_none());
            assert_eq!(world.read_inode(ino), before);
            assert_eq!((world.totals().chunks, world.totals().inodes), (EXTENTS as u64, 3));
        }
    }
}

#[test]
fn a_draft_belongs_to_its_session_and_is_no_file() {
    let mut world = World::new();
    long_file(&mut world, "f");
    let draft = prepare(&mut world, copy("f", "g"));
    world.open(88);
    let theirs = world.run_as(88, with(copy("f", "g"), draft));
    assert_eq!(theirs.status.unwrap().kind(), Code::StaleInode);
    assert_eq!(
        world.ask_code(Query::GetInode(GetInode { ino: draft, content: true, open: 0 })),
        Code::StaleInode
    );
    let (root, name) = (world.bucket(), Bytes::from_static(b"link"));
    world.refused(Op::Link(Link { ino: draft, parent: root, name }), Code::StaleInode);
    // Gone on with since it was looked at: not given up.
    world.lead(Op::DropDraft(DropDraft { draft, at: 0 }));
    world.ok(with(copy("f", "g"), draft));
}
