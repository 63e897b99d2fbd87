//! Quotas: what counts where, what is refused, and how a tree that was there before is counted.

use holdfast_proto::inode::{FileKind, Inode};
use holdfast_proto::op::*;
use holdfast_proto::query::{GetQuota, Query, Quota};
use holdfast_proto::status::Code;
use holdfast_state::work::quotas_under_way;

use crate::common::{BUCKET, World, create, delete_objects, inline, inline_piece, put_object, whole};

fn limit(ino: u64, bytes: u64, files: u64) -> Op {
    Op::SetQuota(SetQuota { ino, bytes, files })
}

fn quota(world: &World, ino: u64) -> Option<Quota> {
    world.ask(Query::GetQuota(GetQuota { ino })).quota
}

/// Bytes and inodes in use.
fn used(world: &World, ino: u64) -> (u64, u64) {
    quota(world, ino).map(|quota| (quota.used_bytes, quota.used_files)).unwrap()
}

fn dir(world: &mut World, parent: u64, name: &str) -> u64 {
    world.ok(create(parent, name, FileKind::Directory)).inode.unwrap().ino
}

/// An empty directory `name` with limits.
fn limited(world: &mut World, name: &str, bytes: u64, files: u64) -> u64 {
    let root = world.bucket();
    let ino = dir(world, root, name);
    world.ok(limit(ino, bytes, files));
    ino
}

fn step(world: &mut World, most: u32) -> u64 {
    let number = quotas_under_way(&world.table, 1).unwrap()[0];
    world.lead(Op::QuotaStep(QuotaStep { quota: number, most })).progress
}

fn count(world: &mut World) {
    while !quotas_under_way(&world.table, 1).unwrap().is_empty() {
        step(world, 500);
    }
}

fn rename(from: u64, name: &str, to: u64, new_name: &str) -> Op {
    Op::Rename(Rename {
        parent: from,
        name: name.to_owned().into(),
        new_parent: to,
        new_name: new_name.to_owned().into(),
        ..Rename::default()
    })
}

fn unlink(parent: u64, name: &str) -> Op {
    Op::Unlink(Unlink { parent, name: name.to_owned().into(), unheld: None })
}

fn write(ino: u64, offset: u64, bytes: &[u8]) -> Op {
    Op::Write(Write { ino, pieces: vec![inline_piece(offset, bytes)], ..Write::default() })
}

#[test]
fn inodes_are_limited() {
    let mut world = World::new();
    let top = limited(&mut world, "d", 0, 4);
    assert_eq!(used(&world, top), (0, 1));
    let sub = dir(&mut world, top, "s");
    world.ok(create(sub, "f", FileKind::File));
    let Op::Create(link) = create(sub, "l", FileKind::Symlink) else { unreachable!() };
    world.ok(Op::Create(Create { target: "f".into(), ..link }));
    assert_eq!(used(&world, sub), (0, 4));
    world.refused(create(sub, "g", FileKind::File), Code::QuotaExceeded);
    world.refused(create(top, "g", FileKind::Directory), Code::QuotaExceeded);
    world.refused(put_object("d/x", inline(b"x")), Code::QuotaExceeded);
    let op = MakeDirs { path: "/bucket/d/x".into(), mode: 0o755, ..MakeDirs::default() };
    world.refused(Op::MakeDirs(op), Code::QuotaExceeded);
    // Another name is no other inode, and elsewhere there is room.
    let file = world.lookup(sub, "f").unwrap().ino;
    world.ok(Op::Link(Link { ino: file, parent: top, name: "f2".into() }));
    let root = world.bucket();
    world.ok(create(root, "g", FileKind::File));
    world.ok(unlink(sub, "f"));
    assert_eq!(used(&world, top), (0, 4));
    world.ok(unlink(top, "f2"));
    assert_eq!(used(&world, top), (0, 3));
    world.ok(create(sub, "g", FileKind::File));
}

#[test]
fn bytes_are_limited() {
    let mut world = World::new();
    let top = limited(&mut world, "d", 10_000, 0);
    let file = world.ok(create(top, "f", FileKind::File)).inode.unwrap().ino;
    world.ok(write(file, 0, &[1; 3000]));
    let chunk = world.chunk(&[2; 6000]);
    let pieces = vec![common_piece(3000, &chunk)];
    world.ok(Op::Write(Write { ino: file, pieces, chunks: vec![chunk], ..Write::default() }));
    assert_eq!(used(&world, top), (9000, 2));
    // What was there keeps its room when it is written over; only growth is refused.
    world.ok(write(file, 100, &[3; 2000]));
    world.refused(write(file, 9000, &[4; 1001]), Code::QuotaExceeded);
    world.ok(write(file, 9000, &[4; 1000]));
    world.refused(put_object("d/g", inline(b"x")), Code::QuotaExceeded);
    world.ok(put_object("d/empty", inline(b"")));
    let copy = CopyRange { source: file, target: file, target_offset: 20_000, length: 10, source_offset: 0 };
    world.refused(Op::CopyRange(copy), Code::QuotaExceeded);
    let copy = CopyObject {
        source_bucket: BUCKET.into(),
        source_key: "d/f".into(),
        bucket: BUCKET.into(),
        key: "d/g".into(),
        ..CopyObject::default()
    };
    world.refused(Op::CopyObject(copy.clone()), Code::QuotaExceeded);
    // Holes are free, and what becomes one is given back.
    let resize = |size| Op::SetAttr(SetAttr { ino: file, size: Some(size), ..SetAttr::default() });
    world.ok(resize(1 << 40));
    world.ok(resize(4000));
    assert_eq!(used(&world, top), (4000, 3));
    world.ok(Op::CopyObject(copy));
    assert_eq!(used(&world, top), (8000, 4));
}

fn common_piece(offset: u64, chunk: &holdfast_proto::inode::ChunkCommit) -> Piece {
    crate::common::piece(offset, chunk.length, Some(whole(chunk, 0)))
}

#[test]
fn replacing_counts_the_difference() {
    let mut world = World::new();
    let top = limited(&mut world, "d", 100, 3);
    world.ok(put_object("d/a", inline(&[1; 60])));
    world.ok(put_object("d/b", inline(&[1; 40])));
    world.ok(put_object("d/a", inline(&[1; 55])));
    assert_eq!(used(&world, top), (95, 3));
    world.refused(put_object("d/a", inline(&[1; 61])), Code::QuotaExceeded);
    world.ok(rename(top, "a", top, "b"));
    assert_eq!(used(&world, top), (55, 2));
    // Who is over the limit may shrink, and even swap for less.
    world.ok(limit(top, 10, 3));
    world.ok(put_object("d/b", inline(&[1; 50])));
    world.refused(put_object("d/b", inline(&[1; 51])), Code::QuotaExceeded);
    world.ok(delete_objects(&["d/b"]));
    assert_eq!(used(&world, top), (0, 1));
}

#[test]
fn an_open_file_counts_until_its_name_goes() {
    let mut world = World::new();
    let top = limited(&mut world, "d", 100, 0);
    let file = world.put_text("d/f", "0123456789").ino;
    world.open_with(88, true);
    world.ok(unlink(top, "f"));
    assert_eq!(used(&world, top), (0, 1));
    world.ok(write(file, 0, &[1; 1000]));
    let unheld = Some(Unheld { inos: vec![file], as_of: world.index, term: 0 });
    assert_eq!(world.lead(Op::FreeNameless(FreeNameless { unheld })).progress, 1);
    assert_eq!(used(&world, top), (0, 1));
}

#[test]
fn what_is_freed_in_steps_is_given_back_at_once() {
    let mut world = World::new();
    let top = limited(&mut world, "d", 0, 0x1000);
    let pieces: Vec<Vec<u8>> = (0..100).map(|n| vec![n; 10]).collect();
    let pieces: Vec<&[u8]> = pieces.iter().map(Vec::as_slice).collect();
    let content = world.content(&pieces);
    let ino = world.put("d/f", content).inode.unwrap().ino;
    assert_eq!(used(&world, top), (1000, 2));
    world.ok(delete_objects(&["d/f"]));
    assert_eq!(used(&world, top), (0, 1));
    while world.lead(Op::FreeStep(FreeStep { ino, most: 10 })).progress > 0 {}
    assert_eq!(used(&world, top), (0, 1));
}

#[test]
fn an_upload_counts_when_it_becomes_visible() {
    let mut world = World::new();
    let top = limited(&mut world, "d", 10, 0);
    let upload = |world: &mut World, bytes: &[u8]| {
        let begin = CreateUpload { bucket: BUCKET.into(), key: "d/up".into(), ..CreateUpload::default() };
        let upload = world.ok(Op::CreateUpload(begin)).id;
        let put = PutPart { upload, part: 1, content: Some(inline(bytes)), ..PutPart::default() };
        world.ok(Op::PutPart(PutPart { etag: "e".into(), ..put }));
        world.ok(Op::AssembleUpload(AssembleUpload {
            upload,
            parts: vec![NamedPart { part: 1, etag: "e".into() }],
            restart: true,
            list_digest: bytes::Bytes::from_static(&[1; 32]),
            last: true,
        }));
        let list_digest = bytes::Bytes::from_static(&[1; 32]);
        Op::FinishUpload(FinishUpload { upload, list_digest, ..FinishUpload::default() })
    };
    let finish = upload(&mut world, &[1; 11]);
    assert_eq!(used(&world, top), (0, 1));
    world.refused(finish, Code::QuotaExceeded);
    let finish = upload(&mut world, &[1; 10]);
    world.ok(finish);
    assert_eq!(used(&world, top), (10, 2));
}

#[test]
fn files_take_their_usage_along() {
    let mut world = World::new();
    let one = limited(&mut world, "one", 100, 10);
    let two = limited(&mut world, "two", 20, 10);
    let root = world.bucket();
    world.ok(put_object("one/f", inline(&[1; 15])));
    world.ok(put_object("one/g", inline(&[1; 21])));
    world.ok(rename(one, "f", two, "f"));
    assert_eq!((used(&world, one), used(&world, two)), ((21, 2), (15, 2)));
    world.refused(rename(one, "g", two, "g"), Code::QuotaExceeded);
    // In the place of what was there, it only needs the difference.
    world.ok(write(world.lookup(one, "g").unwrap().ino, 0, &[2; 20]));
    let cut = SetAttr { ino: world.lookup(one, "g").unwrap().ino, size: Some(20), ..SetAttr::default() };
    world.ok(Op::SetAttr(cut));
    world.ok(rename(one, "g", two, "f"));
    assert_eq!((used(&world, one), used(&world, two)), ((0, 1), (20, 2)));
    world.ok(rename(two, "f", root, "f"));
    assert_eq!((used(&world, one), used(&world, two)), ((0, 1), (0, 1)));
    // Exchanged, each counts where it came to.
    world.ok(put_object("one/x", inline(&[1; 10])));
    let Op::Rename(op) = rename(one, "x", root, "f") else { unreachable!() };
    world.ok(Op::Rename(Rename { mode: RenameMode::Exchange as i32, ..op }));
    assert_eq!(used(&world, one), (20, 2));
}

#[test]
fn directories_with_content_stay_in_their_tree() {
    let mut world = World::new();
    let one = limited(&mut world, "one", 100, 10);
    let two = limited(&mut world, "two", 100, 10);
    let root = world.bucket();
    let inner = dir(&mut world, one, "inner");
    let empty = dir(&mut world, one, "empty");
    world.ok(put_object("one/inner/f", inline(b"text")));
    world.refused(rename(one, "inner", two, "inner"), Code::CrossDevice);
    world.refused(rename(one, "inner", root, "inner"), Code::CrossDevice);
    world.ok(rename(one, "inner", empty, "inner"));
    assert_eq!(used(&world, one), (4, 4));
    world.refused(rename(one, "empty", two, "empty"), Code::CrossDevice);
    world.ok(rename(empty, "inner", one, "inner"));
    world.ok(rename(one, "empty", two, "empty"));
    assert_eq!((used(&world, one), used(&world, two)), ((4, 3), (0, 2)));
    // What is made in it counts where it is now.
    world.ok(put_object("two/empty/f", inline(b"text")));
    assert_eq!(used(&world, two), (4, 3));
    let outside = dir(&mut world, root, "outside");
    dir(&mut world, outside, "x");
    world.refused(rename(root, "outside", one, "outside"), Code::CrossDevice);
    // A directory with a quota moves about, but not into another's tree.
    world.refused(rename(root, "two", one, "two"), Code::CrossDevice);
    world.refused(rename(root, "two", inner, "two"), Code::CrossDevice);
    world.ok(rename(root, "two", outside, "two"));
    assert_eq!(used(&world, two), (4, 3));
}

#[test]
fn a_name_elsewhere_does_not_move_a_file() {
    let mut world = World::new();
    let one = limited(&mut world, "one", 100, 10);
    let two = limited(&mut world, "two", 100, 2);
    let root = world.bucket();
    let file = world.put_text("one/f", "text").ino;
    world.ok(Op::Link(Link { ino: file, parent: two, name: "f".into() }));
    assert_eq!((used(&world, one), used(&world, two)), ((4, 2), (0, 1)));
    world.ok(unlink(one, "f"));
    assert_eq!((used(&world, one), used(&world, two)), ((4, 2), (0, 1)));
    // What counted nowhere cannot slip in.
    let free = world.put_text("free", "texts").ino;
    world.ok(Op::Link(Link { ino: free, parent: two, name: "g".into() }));
    assert_eq!(used(&world, two), (5, 2));
    let more = world.put_text("more", "texts").ino;
    world.refused(Op::Link(Link { ino: more, parent: two, name: "h".into() }), Code::QuotaExceeded);
    world.ok(unlink(root, "free"));
    assert_eq!(used(&world, two), (5, 2));
}

#[test]
fn trees_with_a_quota_do_not_lie_in_one_another() {
    let mut world = World::new();
    let root = world.bucket();
    let mid = dir(&mut world, root, "mid");
    let top = dir(&mut world, mid, "top");
    let inner = dir(&mut world, top, "inner");
    let file = world.put_text("mid/top/f", "1").ino;
    world.ok(limit(top, 100, 0));
    // Before and after it was counted.
    for _ in 0..2 {
        world.refused(limit(inner, 100, 0), Code::PreconditionFailed);
        for above in [mid, root, 1] {
            world.refused(limit(above, 100, 0), Code::PreconditionFailed);
        }
        count(&mut world);
    }
    world.refused(limit(file, 100, 0), Code::NotADirectory);
    world.refused(limit(4711, 100, 0), Code::StaleInode);
    // Beside it is fine, and above it once it is gone.
    let beside = dir(&mut world, mid, "beside");
    world.ok(limit(beside, 100, 0));
    world.ok(limit(beside, 0, 0));
    world.ok(limit(top, 0, 0));
    world.ok(limit(mid, 100, 0));
    count(&mut world);
    assert_eq!(used(&world, mid), (1, 5));
}

#[test]
fn limits_change_and_go() {
    let mut world = World::new();
    let top = limited(&mut world, "d", 10, 0);
    let first = quota(&world, top).unwrap();
    assert_eq!((first.root, first.bytes, first.files, first.counting), (top, 10, 0, false));
    world.refused(put_object("d/f", inline(&[1; 11])), Code::QuotaExceeded);
    world.ok(limit(top, 20, 2));
    assert_eq!(quota(&world, top).map(|quota| (quota.id, quota.bytes)), Some((first.id, 20)));
    world.ok(put_object("d/f", inline(&[1; 11])));
    world.ok(limit(top, 0, 0));
    assert_eq!(quota(&world, top), None);
    world.ok(put_object("d/g", inline(&[1; 1000])));
    world.ok(limit(top, 0, 0));
    // Set again, it is another quota: what still carries the old number is counted anew.
    let reply = world.ok(limit(top, 5000, 0));
    assert!(reply.id > first.id && quota(&world, top).unwrap().counting);
    count(&mut world);
    assert_eq!(used(&world, top), (1011, 3));
    // It goes with its directory.
    let root = world.bucket();
    world.ok(delete_objects(&["d/f", "d/g"]));
    world.ok(Op::RemoveDir(RemoveDir { parent: root, name: "d".into() }));
    assert_eq!(world.totals().inodes, 2);
}

#[test]
fn a_quota_keeps_what_a_key_implied() {
    let mut world = World::new();
    let root = world.bucket();
    world.put_text("d/e/f", "1");
    let top = world.lookup(root, "d").unwrap().ino;
    world.ok(limit(top, 1, 0));
    count(&mut world);
    world.ok(delete_objects(&["d/e/f"]));
    assert_eq!(world.read_dir(root), ["d"]);
    assert_eq!(used(&world, top), (0, 1));
    world.refused(put_object("d/e/f", inline(b"12")), Code::QuotaExceeded);
}

#[test]
fn a_tree_that_is_there_is_counted_in_steps() {
    let mut world = World::new();
    let root = world.bucket();
    for n in 0..5 {
        for m in 0..5 {
            world.put_text(&format!("d/{n}/{m}"), "text");
        }
        // The empty name comes first of all.
        world.put_text(&format!("d/{n}/"), "x");
    }
    let top = world.lookup(root, "d").unwrap().ino;
    world.ok(limit(top, 10, 10));
    let mut steps = 0;
    // Nothing is refused until all is counted.
    while quota(&world, top).unwrap().counting {
        world.put_text(&format!("d/{}/new{steps}", steps % 5), "new");
        assert_eq!(step(&mut world, 1) == 0, !quota(&world, top).unwrap().counting);
        steps += 1;
        assert!(steps < 500);
    }
    assert!(quotas_under_way(&world.table, 1).unwrap().is_empty());
    assert_eq!(used(&world, top), (5 * 21 + 3 * steps, 1 + 5 * 7 + steps));
    world.refused(put_object("d/0/more", inline(b"")), Code::QuotaExceeded);
    world.ok(delete_objects(&["d/0/0"]));
    let number = quota(&world, top).unwrap().id;
    assert_eq!(world.lead(Op::QuotaStep(QuotaStep { quota: number, most: 9 })).progress, 0);
}

/// A directory with `a`, `b`, `c` in it, each with a file, of which the first few are counted.
fn half_counted(world: &mut World, looked: u32) -> (u64, [Inode; 3]) {
    let root = world.bucket();
    for name in ["a", "b", "c"] {
        world.put_text(&format!("d/{name}/f"), "text");
    }
    let top = world.lookup(root, "d").unwrap().ino;
    world.ok(limit(top, 1000, 1000));
    step(world, looked);
    let dirs = ["a", "b", "c"].map(|name| world.lookup(top, name).unwrap());
    (top, dirs)
}

#[test]
fn what_moves_while_it_is_counted_is_counted_once() {
    for looked in 1..=4 {
        let mut world = World::new();
        let (top, [a, b, c]) = half_counted(&mut world, looked);
        let root = world.bucket();
        world.put_text("d/free", "1");
        // Behind the walk, ahead of it, and within one directory to where it has been.
        world.ok(rename(top, "c", a.ino, "c"));
        world.ok(rename(top, "a", b.ino, "a"));
        world.ok(rename(top, "b", top, "0"));
        world.ok(rename(c.ino, "f", top, "00"));
        world.ok(rename(a.ino, "f", c.ino, "g"));
        assert_eq!(quota(&world, c.ino).map(|quota| quota.root), Some(top));
        let outside = dir(&mut world, root, "outside");
        dir(&mut world, outside, "x");
        world.refused(rename(top, "0", outside, "b"), Code::CrossDevice);
        world.refused(rename(root, "outside", b.ino, "o"), Code::CrossDevice);
        world.ok(rename(outside, "x", c.ino, "x"));
        world.ok(rename(top, "free", outside, "free"));
        count(&mut world);
        assert_eq!(used(&world, top), (12, 8));
    }
}

#[test]
fn what_goes_while_it_is_counted_is_not_missed() {
    for looked in 1..=6 {
        let mut world = World::new();
        let (top, [a, ..]) = half_counted(&mut world, looked);
        let root = world.bucket();
        world.ok(delete_objects(&["d/b/f"]));
        world.ok(unlink(a.ino, "f"));
        // Moved out while it is empty, and filled there.
        world.ok(rename(top, "a", root, "a"));
        world.put_text("a/f", "text");
        count(&mut world);
        assert_eq!(used(&world, top), (4, 3));
        assert_eq!(quota(&world, a.ino), None);
    }
}

#[test]
fn a_walk_that_nobody_needs_is_cleared_away() {
    let mut world = World::new();
    let (top, _) = half_counted(&mut world, 3);
    let number = quota(&world, top).unwrap().id;
    world.ok(limit(top, 0, 0));
    assert_eq!(quotas_under_way(&world.table, 10).unwrap(), [number]);
    let mut steps = 0;
    while step(&mut world, 2) > 0 && !quotas_under_way(&world.table, 1).unwrap().is_empty() {
        steps += 1;
    }
    assert!(steps > 0);
    world.ok(limit(top, 1000, 1000));
    count(&mut world);
    assert_eq!(used(&world, top), (12, 7));
}

#[test]
fn a_step_of_large_inodes_stays_small() {
    let mut world = World::new();
    world.checked = false;
    let text = "x".repeat(60_000);
    for n in 0..20 {
        let Op::PutObject(op) = put_object(&format!("d/{n}"), inline(b"1")) else { unreachable!() };
        let object = holdfast_proto::inode::ObjectMeta {
            content_type: Some(text.clone()),
            ..holdfast_proto::inode::ObjectMeta::default()
        };
        world.ok(Op::PutObject(PutObject { object: Some(object), ..op }));
    }
    let root = world.bucket();
    let top = world.lookup(root, "d").unwrap().ino;
    world.ok(limit(top, 1000, 1000));
    world.checked = true;
    assert!(step(&mut world, 500) < 20);
    count(&mut world);
    assert_eq!(used(&world, top), (20, 21));
}
