//! Damaged commands and questions, as a faulty or hostile client may send them. The state machine refuses them or does
//! what they say; it never panics, never takes the state for broken, and the whole state stays clean: anything else
//! would stop every voter at the same log entry, for good.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::{SESSION, World, delete_objects, inline, put_object};
use holdfast_proto::ids::LogIndex;
use holdfast_proto::inode::FileKind;
use holdfast_proto::op::*;
use holdfast_proto::query::*;
use holdfast_state::{Overlay, apply, query};
use prost::Message as _;

/// Commands between two looks at the whole state.
const CHECKED_EVERY: u64 = 64;

/// Commands after which a state is thrown away, so that it stays small.
const LIFE: u64 = 2_000;

/// A state with something of everything, and the commands that made it.
fn populated() -> World {
    let mut world = World::new();
    world.checked = false;
    let bucket = world.bucket();
    world.put_text("a/b/c", "small");
    let content = world.content(&[&[1; 5000], &[2; 5000], &[3; 100]]);
    world.put("big", content);
    world.create(bucket, "dir", FileKind::Directory);
    world.create(bucket, "file", FileKind::File);
    world.create(bucket, "link", FileKind::Symlink);
    let inode = world.object("big").unwrap();
    let chunk = world.chunk(&[9; 700]);
    let source = common::whole(&chunk, 0);
    let pieces = vec![common::piece(100, 700, Some(source)), common::piece(6000, 50, None)];
    world.run(Op::Write(Write { ino: inode.ino, pieces, chunks: vec![chunk], ..Write::default() }));
    // Without chunks, which a command can bring only once.
    let file = world.lookup(bucket, "file").unwrap().ino;
    for pieces in [vec![common::inline_piece(7, b"patch")], vec![common::piece(100, 50, None)]] {
        world.run(Op::Write(Write { ino: file, pieces, ..Write::default() }));
    }
    world.run(Op::CopyRange(CopyRange {
        source: inode.ino,
        target: file,
        source_offset: 10,
        target_offset: 300,
        length: 4000,
    }));
    world.run(Op::SetAttr(SetAttr {
        ino: inode.ino,
        size: Some(3000),
        mode: Some(0o600),
        ..SetAttr::default()
    }));
    let xattr =
        SetXattr { ino: inode.ino, name: "user.x".into(), value: vec![1; 20].into(), ..SetXattr::default() };
    world.run(Op::SetXattr(xattr));
    let mut list = vec![2, 0, 0, 0];
    for (tag, perm) in [(1, 7), (2, 6), (4, 5), (0x10, 7), (0x20, 0)] {
        list.extend([tag, 0, perm, 0, 5, 0, 0, 0]);
    }
    for (ino, name) in [(inode.ino, "system.posix_acl_access"), (bucket, "system.posix_acl_default")] {
        let value = list.clone().into();
        world.run(Op::SetXattr(SetXattr { ino, name: name.into(), value, ..SetXattr::default() }));
    }
    world.run(Op::SetAttr(SetAttr { ino: inode.ino, mode: Some(0o640), ..SetAttr::default() }));
    for (owner, start, end, kind) in [(1, 0, u64::MAX, 1), (2, 5, 9, 1), (1, 3, 7, 2), (1, 4, 5, 0)] {
        world.run(Op::SetLock(SetLock { ino: inode.ino, owner, start, end, kind, ..SetLock::default() }));
    }
    world.run(Op::Link(Link { ino: inode.ino, parent: bucket, name: "big2".into() }));
    world.run(Op::Rename(Rename {
        parent: bucket,
        name: "file".into(),
        new_parent: bucket,
        new_name: "file2".into(),
        ..Rename::default()
    }));
    let dir = world.lookup(bucket, "dir").unwrap().ino;
    for (ino, bytes, files) in [(dir, 1 << 30, 1 << 20), (bucket, 10, 10), (dir, 0, 0), (bucket, 1 << 30, 0)]
    {
        world.run(Op::SetQuota(SetQuota { ino, bytes, files }));
    }
    world.run(Op::BeginDraft(BeginDraft { source: inode.ino, to: 200, ..BeginDraft::default() }));
    let create = CreateUpload { bucket: common::BUCKET.into(), key: "up".into(), ..CreateUpload::default() };
    let upload = world.run(Op::CreateUpload(create)).id;
    let content = Some(world.content(&[&[7; 6000]]));
    world.run(Op::PutPart(PutPart { upload, part: 1, content, ..PutPart::default() }));
    world.run(Op::AssembleUpload(AssembleUpload { upload, ..AssembleUpload::default() }));
    world.run(Op::FinishUpload(FinishUpload { upload, ..FinishUpload::default() }));
    world.run(Op::AbortUpload(AbortUpload { upload, ..AbortUpload::default() }));
    world.run(put_object("gone", inline(b"x")));
    world.run(delete_objects(&["gone", "never"]));
    world.run(Op::RenewGrant(RenewGrant::default()));
    world.open_with(SESSION + 1, true);
    world.run(Op::Create(Create { parent: bucket, name: "open".into(), open: 1, ..Create::default() }));
    world.run(Op::Unlink(Unlink { parent: bucket, name: "open".into(), unheld: Some(Unheld::default()) }));
    let disks = [1, 3].map(|disk| DiskRef { disk, incarnation: 0 }).to_vec();
    world.run(Op::OrderScrub(OrderScrub { disks }));
    world.try_lead(Op::ExpireSession(ExpireSession { session: SESSION + 1 }));
    world.try_lead(Op::FreeStep(FreeStep { ino: inode.ino, most: 10 }));
    world.check();
    world
}

#[test]
fn damaged_commands_leave_a_clean_state() {
    let first = populated();
    let corpus = first.log.iter().map(|(_, command)| command.encode_to_vec()).collect();
    let (mut world, mut applied) = (first.clone(), 0);
    holdfast_fuzz::run(corpus, |bytes| {
        let Ok(mut command) = Command::decode(bytes) else { return (false, 0, 0) };
        // What clients may forge. What the leader alone may say reaches the log from the leader alone.
        if command.session == 0 {
            return (false, 1, 0);
        }
        // Most would otherwise be repetitions, answered from the window.
        if command.seq % 4 != 0 {
            command.seq = world.next_seq(command.session);
        }
        let kind = command.op.as_ref().map_or(0, kind_of);
        (applied, world.index) = (applied + 1, world.index + 1);
        let mut overlay = Overlay::new(&world.table);
        let reply = apply(&mut overlay, LogIndex(world.index), &command).expect("the state is not broken");
        let changes: Vec<_> = overlay.into_changes().collect();
        world.table.write(changes);
        if applied % CHECKED_EVERY == 0 {
            world.log.clear();
            world.check();
        }
        if applied % LIFE == 0 {
            world = first.clone();
        }
        (true, kind, reply.status.unwrap_or_default().code)
    });
    world.check();
}

/// Which of the operations it is.
fn kind_of(op: &Op) -> i32 {
    let command = Command { op: Some(op.clone()), ..Command::default() };
    // The first byte or two are the field's number, which says it.
    let bytes = command.encode_to_vec();
    i32::from(bytes[0]) << 8 | i32::from(bytes[1])
}

#[test]
fn damaged_questions_are_answered() {
    let world = populated();
    let ino = world.object("big").unwrap().ino;
    let bucket = world.bucket();
    let questions = [
        Query::GetInode(GetInode { ino, content: true, open: 0 }),
        Query::GetExtents(GetExtents { ino, offset: 10, end: 4000, if_version: 1 }),
        Query::Lookup(Lookup { parent: bucket, name: "file2".into(), content: true }),
        Query::ReadDir(ReadDir { ino: bucket, after: "a".into(), most: 10, inodes: true }),
        Query::GetBucket(GetBucket { name: common::BUCKET.into(), ..GetBucket::default() }),
        Query::GetObject(GetObject {
            bucket: common::BUCKET.into(),
            key: "a/b/c".into(),
            content: true,
            conditions: None,
        }),
        Query::ListObjects(ListObjects {
            bucket: common::BUCKET.into(),
            prefix: "a".into(),
            delimiter: "/".into(),
            after: "0".into(),
            most: 10,
        }),
        Query::GetLock(GetLock { ino, owner: 3, start: 1, end: 20, kind: 2, flock: false }),
        Query::GetQuota(GetQuota { ino }),
        Query::StatFs(StatFs {}),
    ];
    let encoded = |asked| QueryRequest { session: 5, lease: false, query: Some(asked) }.encode_to_vec();
    holdfast_fuzz::run(questions.into_iter().map(encoded).collect(), |bytes| {
        let Ok(request) = QueryRequest::decode(bytes) else { return (false, 0, 0) };
        let reply = query(&world.table, LogIndex(world.index), &request).expect("the state is not broken");
        (true, reply.status.unwrap_or_default().code, reply.entries.len())
    });
}
