//! Files that lost their last name and are kept for a while.

use holdfast_proto::ids::ROOT_INO;
use holdfast_proto::inode::{FileKind, KeyValue, ObjectMeta};
use holdfast_proto::op::*;
use holdfast_proto::query::{GetExtents, GetInode, GetQuota, ListTrash, Query, QueryReply, TrashItem};
use holdfast_proto::status::Code;
use holdfast_state::limits::MAX_EMPTIED;

use crate::common::{BUCKET, World, create, delete_objects, inline_piece, put_object};

const MOUNT: u64 = 88;
const DAY: u64 = 86_400;
const MINUTE_NS: i64 = 60_000_000_000;

fn list(world: &World, path: &str) -> Vec<TrashItem> {
    world
        .ask(Query::ListTrash(ListTrash { path: path.to_owned().into(), most: 1000, ..Default::default() }))
        .trash
}

fn paths(world: &World, path: &str) -> Vec<String> {
    list(world, path).into_iter().map(|item| String::from_utf8(item.path.to_vec()).unwrap()).collect()
}

fn restore(item: &TrashItem, path: &str, replace: bool) -> Op {
    let item = Some(TrashRef { ino: item.ino, index: item.index });
    Op::RestoreFile(RestoreFile { item, path: path.to_owned().into(), replace, unheld: None })
}

fn empty(items: &[TrashItem], due: bool) -> Op {
    let items = items.iter().map(|item| TrashRef { ino: item.ino, index: item.index }).collect();
    Op::EmptyTrash(EmptyTrash { items, due })
}

fn set(world: &mut World, name: &str, value: &str) {
    world.ok(Op::PutSetting(PutSetting { name: name.into(), value: value.into() }));
}

fn keep(world: &mut World, ino: u64, seconds: Option<u64>) {
    world.ok(Op::SetTrashTime(SetTrashTime { ino, seconds }));
}

/// The cluster is up for so long.
fn up(world: &mut World, mut seconds: u64) {
    while seconds > 0 {
        let step = seconds.min(3600);
        world.lead(Op::CountUptime(CountUptime { seconds: step as u32 }));
        seconds -= step;
    }
}

/// What the leader does with what is due; how many files.
fn expire(world: &mut World) -> u64 {
    let items = list(world, "/");
    let before = items.len();
    for page in items.chunks(MAX_EMPTIED) {
        world.lead(empty(page, true));
    }
    (before - list(world, "/").len()) as u64
}

/// An object of a minute ago.
fn old(world: &mut World, key: &str, text: &str) -> u64 {
    let ino = world.put_text(key, text).ino;
    world.now += MINUTE_NS;
    ino
}

fn unlink(world: &mut World, parent: u64, name: &str) {
    world.ok(Op::Unlink(Unlink { parent, name: name.to_owned().into(), unheld: None }));
}

#[test]
fn every_way_of_losing_the_last_name_keeps_the_file() {
    let mut world = World::new();
    let bucket = world.bucket();
    for name in ["unlinked", "over", "deleted", "put", "copied"] {
        old(&mut world, name, name);
    }
    world.put_text("new", "new");
    unlink(&mut world, bucket, "unlinked");
    let rename = Rename {
        parent: bucket,
        name: "new".into(),
        new_parent: bucket,
        new_name: "over".into(),
        ..Rename::default()
    };
    world.ok(Op::Rename(rename));
    assert!(world.delete("deleted").is_ok());
    world.put_text("put", "another");
    world.ok(Op::CopyObject(CopyObject {
        source_bucket: BUCKET.into(),
        source_key: "put".into(),
        bucket: BUCKET.into(),
        key: "copied".into(),
        ..CopyObject::default()
    }));
    let items = list(&world, "/bucket");
    let found: Vec<(String, TrashWay)> =
        items.iter().map(|item| (String::from_utf8_lossy(&item.path).into_owned(), item.way())).collect();
    let expected = [
        ("copied", TrashWay::Overwritten),
        ("deleted", TrashWay::Deleted),
        ("over", TrashWay::RenamedOver),
        ("put", TrashWay::Overwritten),
        ("unlinked", TrashWay::Unlinked),
    ];
    assert_eq!(found, expected.map(|(name, way)| (format!("/bucket/{name}"), way)));
    assert!(items.iter().all(|item| item.left_s == DAY && !item.open && item.deleted_ns > 0));
    for (item, (name, _)) in items.iter().zip(expected) {
        world.ok(restore(item, &format!("/bucket/back/{name}"), false));
        assert_eq!(world.read(&format!("back/{name}")), name.as_bytes());
    }
    assert_eq!((world.totals().trash_items, world.totals().trash_bytes), (0, 0));
}

#[test]
fn what_nobody_would_miss_is_not_kept() {
    let mut world = World::new();
    let bucket = world.bucket();
    world.create(bucket, "empty", FileKind::File);
    let link = Create {
        parent: bucket,
        name: "link".into(),
        kind: FileKind::Symlink as i32,
        target: "x".into(),
        ..Create::default()
    };
    world.ok(Op::Create(link));
    old(&mut world, "one", "1");
    world.put_text("young", "1");
    for name in ["empty", "link", "young"] {
        unlink(&mut world, bucket, name);
    }
    assert!(list(&world, "/").is_empty());
    // Only the last name counts.
    let ino = world.object("one").unwrap().ino;
    world.ok(Op::Link(Link { ino, parent: bucket, name: "two".into() }));
    unlink(&mut world, bucket, "one");
    assert!(list(&world, "/").is_empty());
    unlink(&mut world, bucket, "two");
    assert_eq!(paths(&world, "/"), ["/bucket/two"]);
    // Nothing is young where that is said.
    set(&mut world, "trash_min_age_seconds", "0");
    world.put_text("young", "1");
    unlink(&mut world, bucket, "young");
    assert_eq!(paths(&world, "/"), ["/bucket/two", "/bucket/young"]);
}

#[test]
fn while_a_clock_that_jumped_holds_time_nothing_counts_as_young() {
    let mut world = World::new();
    world.now += 1000 * MINUTE_NS;
    world.put_text("before", "1");
    world.now -= 1000 * MINUTE_NS;
    // State time stands still from here on.
    world.put_text("during", "2");
    world.now += 10 * MINUTE_NS;
    world.delete("during");
    assert_eq!(paths(&world, "/"), ["/bucket/during"]);
}

#[test]
fn it_is_uptime_that_ends_it_and_commands_carry_what_is_not_counted() {
    let mut world = World::new();
    old(&mut world, "a", "1");
    world.delete("a");
    assert_eq!(expire(&mut world), 0);
    world.now += 100 * 24 * 60 * MINUTE_NS;
    assert_eq!(expire(&mut world), 0, "clocks do not count");
    up(&mut world, DAY - 1);
    assert_eq!((expire(&mut world), list(&world, "/")[0].left_s), (0, 1));
    up(&mut world, 1);
    assert_eq!(expire(&mut world), 1);
    assert_eq!(world.totals().inodes, 2, "the root and the bucket");
    // The leader led for ten minutes that it has not said.
    old(&mut world, "b", "1");
    let seq = world.next_seq(crate::common::SESSION);
    let op = Some(delete_objects(&["b"]));
    world.send(Command { session: crate::common::SESSION, seq, up_s: 600, op, ..Command::default() });
    assert_eq!(list(&world, "/")[0].left_s, DAY + 600);
}

#[test]
fn a_restored_file_is_what_it_was() {
    let mut world = World::new();
    let content = world.content(&[b"some", b"content"]);
    let Op::PutObject(op) = put_object("deep/er/a", content) else { unreachable!() };
    let object = ObjectMeta {
        etag: "0123".into(),
        content_type: Some("text/x".into()),
        user: vec![KeyValue { key: "who".into(), value: "me".into() }],
        ..ObjectMeta::default()
    };
    world.ok(Op::PutObject(PutObject { object: Some(object), mode: Some(0o640), uid: 7, ..op }));
    let xattr = SetXattr {
        ino: world.object("deep/er/a").unwrap().ino,
        name: "user.x".into(),
        value: "y".into(),
        ..SetXattr::default()
    };
    world.ok(Op::SetXattr(xattr));
    world.now += MINUTE_NS;
    let before = world.object("deep/er/a").unwrap();
    world.delete("deep/er/a");
    assert!(world.lookup(world.bucket(), "deep").is_none(), "its directories went with it");
    assert!(world.garbage().is_empty());
    let item = list(&world, "/bucket/deep").remove(0);
    assert_eq!((item.ino, item.size, item.allocated), (before.ino, 11, 11));
    assert_eq!(world.totals().trash_bytes, 11);
    world.ok(restore(&item, "", false));
    let after = world.object("deep/er/a").unwrap();
    assert_eq!((after.etag(), after.object.clone()), (before.etag(), before.object.clone()));
    assert_eq!((after.mode, after.uid, after.version), (before.mode, before.uid, before.version));
    assert_eq!((after.mtime_ns, after.xattr_count, after.nlink), (before.mtime_ns, 1, 1));
    assert_eq!(world.read("deep/er/a"), b"somecontent");
    world.refused(restore(&item, "/bucket/other", false), Code::NotFound);
}

#[test]
fn versions_of_one_path_come_last_deleted_first_and_are_told_apart() {
    let mut world = World::new();
    for text in ["one", "two", "three"] {
        old(&mut world, "a", text);
    }
    old(&mut world, "a-1", "x");
    world.delete("a");
    world.delete("a-1");
    old(&mut world, "a/b", "below");
    world.delete("a/b");
    let exact = ListTrash { path: "/bucket/a".into(), exact: true, most: 10, ..ListTrash::default() };
    assert_eq!(world.ask(Query::ListTrash(exact)).trash.len(), 3);
    let items = list(&world, "/bucket/a");
    let sizes: Vec<u64> = items.iter().map(|item| item.size).collect();
    assert_eq!(sizes, [5, 3, 3, 5], "and what was below it, but not what only begins alike");
    world.ok(restore(&items[0], "", false));
    assert_eq!(world.read("a"), b"three");
    let refusal = world.refused(restore(&items[1], "", false), Code::Exists);
    assert!(refusal.status.unwrap().message.contains("replace"), "it says what to do");
    world.ok(restore(&items[1], "", true));
    assert_eq!(world.read("a"), b"two");
    let again = list(&world, "/bucket/a").remove(0);
    assert_eq!((again.size, again.way()), (5, TrashWay::RestoredOver), "what gave way is kept");
    // An item that was restored and deleted again is another one.
    world.now += MINUTE_NS;
    world.delete("a");
    world.refused(restore(&items[1], "/bucket/x", false), Code::NotFound);
    assert_eq!(world.lead(empty(&items[1..2], false)).progress, 1);
    assert_eq!(list(&world, "/bucket/a").len(), 4);
}

#[test]
fn pages_go_on_where_they_ended() {
    let mut world = World::new();
    for name in ["d", "d/a", "d/b", "d/c", "e"] {
        old(&mut world, name, "x");
        world.delete(name);
    }
    let (mut after, mut found) = (bytes::Bytes::new(), Vec::new());
    loop {
        let ask = ListTrash { path: "/bucket/d".into(), most: 1, after, ..ListTrash::default() };
        let QueryReply { trash, more, next, .. } = world.ask(Query::ListTrash(ask));
        found.extend(trash.into_iter().map(|item| item.path));
        if !more {
            break;
        }
        after = next;
    }
    assert_eq!(found, ["/bucket/d", "/bucket/d/a", "/bucket/d/b", "/bucket/d/c"]);
    assert_eq!(paths(&world, "/bucket/d/").len(), 3);
}

#[test]
fn the_nearest_directory_says_for_how_long() {
    let mut world = World::new();
    let bucket = world.bucket();
    let dir = world.create(bucket, "dir", FileKind::Directory).inode.unwrap().ino;
    let inner = world.create(dir, "inner", FileKind::Directory).inode.unwrap().ino;
    let left = |world: &mut World| {
        old(world, "dir/inner/f", "x");
        world.delete("dir/inner/f");
        let items = list(world, "/");
        items.iter().for_each(|item| assert_eq!(item.path, "/bucket/dir/inner/f"));
        let left = items.first().map(|item| item.left_s);
        world.lead(empty(&items, false));
        left
    };
    assert_eq!(left(&mut world), Some(DAY));
    keep(&mut world, bucket, Some(0));
    assert_eq!(left(&mut world), None);
    keep(&mut world, dir, Some(30));
    assert_eq!(left(&mut world), Some(30));
    set(&mut world, "trash_seconds", "0");
    assert_eq!(left(&mut world), Some(30), "off elsewhere");
    keep(&mut world, dir, None);
    keep(&mut world, bucket, None);
    assert_eq!(left(&mut world), None);
    set(&mut world, "trash_seconds", "");
    keep(&mut world, inner, Some(7));
    assert_eq!(left(&mut world), Some(7));
    world
        .refused(Op::SetTrashTime(SetTrashTime { ino: ROOT_INO.0, seconds: Some(1) }), Code::InvalidArgument);
    world
        .refused(Op::SetTrashTime(SetTrashTime { ino: dir, seconds: Some(u64::MAX) }), Code::InvalidArgument);
    // What goes takes its word along, which the checker counts.
    world.ok(Op::RemoveDir(RemoveDir { parent: dir, name: "inner".into() }));
}

#[test]
fn the_path_is_that_of_the_deletion() {
    let mut world = World::new();
    let bucket = world.bucket();
    let dir = world.create(bucket, "dir", FileKind::Directory).inode.unwrap().ino;
    old(&mut world, "dir/f", "x");
    let rename = |from: &str, to: &str| {
        Op::Rename(Rename {
            parent: bucket,
            name: from.to_owned().into(),
            new_parent: bucket,
            new_name: to.to_owned().into(),
            ..Rename::default()
        })
    };
    world.ok(rename("dir", "moved"));
    unlink(&mut world, dir, "f");
    world.ok(rename("moved", "away"));
    assert_eq!(paths(&world, "/"), ["/bucket/moved/f"]);
    let item = list(&world, "/").remove(0);
    world.ok(restore(&item, "", false));
    assert_eq!(world.list_all(), ["moved/f"]);
}

#[test]
fn a_file_that_is_open_goes_on_and_whoever_lets_go_last_frees_it() {
    let mut world = World::new();
    world.open_with(MOUNT, true);
    let bucket = world.bucket();
    let unheld = |world: &World, ino| Some(Unheld { inos: vec![ino], as_of: world.index, term: 5 });
    for closed_first in [true, false] {
        let ino = old(&mut world, "f", "before");
        unlink(&mut world, bucket, "f");
        assert!(list(&world, "/")[0].open);
        world.ok(Op::Write(Write { ino, pieces: vec![inline_piece(6, b" and after")], ..Write::default() }));
        assert_eq!((world.totals().trash_bytes, world.read_inode(ino)), (16, b"before and after".to_vec()));
        let items = list(&world, "/");
        let free = FreeNameless { unheld: unheld(&world, ino) };
        if closed_first {
            world.lead(Op::FreeNameless(free));
            assert!(!list(&world, "/")[0].open);
            assert_eq!(
                world.ask_code(Query::GetInode(GetInode { ino, ..GetInode::default() })),
                Code::StaleInode
            );
            assert_eq!(
                world.ask_code(Query::GetExtents(GetExtents { ino, ..GetExtents::default() })),
                Code::Ok
            );
            world.lead(empty(&items, false));
        } else {
            world.lead(empty(&items, false));
            assert_eq!(world.read_inode(ino), b"before and after");
            assert!(list(&world, "/").is_empty());
            world.lead(Op::FreeNameless(free));
        }
        assert_eq!(world.totals().inodes, 2);
    }
    // Restored while it is open, it is a file like any other.
    let ino = old(&mut world, "f", "x");
    unlink(&mut world, bucket, "f");
    let item = list(&world, "/").remove(0);
    world.ok(restore(&item, "", false));
    let free = FreeNameless { unheld: unheld(&world, ino) };
    assert_eq!(world.lead(Op::FreeNameless(free)).progress, 0);
    assert_eq!(world.read("f"), b"x");
}

#[test]
fn quotas_are_freed_by_deleting_and_asked_when_restoring() {
    let mut world = World::new();
    let bucket = world.bucket();
    world.ok(Op::SetQuota(SetQuota { ino: bucket, bytes: 10, files: 0 }));
    while world.lead(Op::QuotaStep(QuotaStep { quota: quota(&world, bucket).0, most: 100 })).progress > 0 {}
    old(&mut world, "a", "12345678");
    world.delete("a");
    assert_eq!(quota(&world, bucket).1, 0);
    world.put_text("b", "1234");
    let item = list(&world, "/").remove(0);
    world.refused(restore(&item, "", false), Code::QuotaExceeded);
    world.delete("b");
    world.ok(restore(&item, "", false));
    assert_eq!(quota(&world, bucket).1, 8);
    // It counts where it comes to.
    world.delete("a");
    world.ok(Op::CreateBucket(CreateBucket { name: "other".into(), ..CreateBucket::default() }));
    let item = list(&world, "/bucket/a").remove(0);
    world.ok(restore(&item, "/other/a", false));
    assert_eq!(quota(&world, bucket).1, 0);
}

fn quota(world: &World, ino: u64) -> (u64, u64) {
    let quota = world.ask(Query::GetQuota(GetQuota { ino })).quota.unwrap();
    (quota.id, quota.used_bytes)
}

#[test]
fn nothing_is_lost_to_what_is_in_the_way() {
    let mut world = World::new();
    let bucket = world.bucket();
    old(&mut world, "a", "file");
    unlink(&mut world, bucket, "a");
    world.create(bucket, "a", FileKind::Directory);
    let item = list(&world, "/").remove(0);
    world.refused(restore(&item, "", true), Code::Exists);
    world.put_text("plain", "x");
    world.refused(restore(&item, "/bucket/plain/a", true), Code::NotADirectory);
    for path in ["/bucket/", "/bucket/plain/", "/bucket/new/", "/new/"] {
        world.refused(restore(&item, path, true), Code::IsADirectory);
    }
    for path in ["bucket/x", "//x", "/new//x", "/../x", "/bucket/new/./x", "/bucket/.."] {
        world.refused(restore(&item, path, true), Code::InvalidArgument);
    }
    world.refused(restore(&item, "/", true), Code::InvalidArgument);
    assert_eq!(list(&world, "/").len(), 1);
    // By S3's rules an object and a prefix may have one name.
    old(&mut world, "o", "object");
    world.delete("o");
    world.put_text("o/below", "x");
    let item = list(&world, "/bucket/o").remove(0);
    world.ok(restore(&item, "", false));
    assert_eq!(world.read("o"), b"object");
    // A bucket that is gone comes back with what was in it, and stays when that goes again.
    world.ok(Op::CreateBucket(CreateBucket { name: "gone".into(), ..CreateBucket::default() }));
    world.put_text_in("gone", "x/", "y");
    world.now += MINUTE_NS;
    world.ok(Op::DeleteObjects(DeleteObjects {
        bucket: "gone".into(),
        keys: vec!["x/".into()],
        ..DeleteObjects::default()
    }));
    world.ok(Op::DeleteBucket(DeleteBucket { name: "gone".into() }));
    let item = list(&world, "/gone").remove(0);
    assert_eq!(item.path, "/gone/x/");
    world.ok(restore(&item, "", false));
    world.ok(Op::DeleteObjects(DeleteObjects {
        bucket: "gone".into(),
        keys: vec!["x/".into()],
        ..DeleteObjects::default()
    }));
}

#[test]
fn large_files_go_in_several_commands() {
    let mut world = World::new();
    world.checked = false;
    let mut items = Vec::new();
    for number in 0..25 {
        let bytes: Vec<Vec<u8>> = (0..60u8).map(|part| vec![part; 8]).collect();
        let pieces: Vec<&[u8]> = bytes.iter().map(Vec::as_slice).collect();
        let content = world.content(&pieces);
        assert!(world.put(&format!("{number:02}"), content).is_ok());
    }
    // And others whose records are large.
    let bucket = world.bucket();
    for number in 0..103 {
        let ino = world.ok(create(bucket, &format!("z{number}"), FileKind::File)).inode.unwrap().ino;
        let pieces = (0..4).map(|part| inline_piece(part * 5000, &[7; 4096])).collect();
        world.ok(Op::Write(Write { ino, pieces, ..Write::default() }));
        // What is locked is freed in steps, so its record is written once more.
        let kind = LockKind::Exclusive as i32;
        world.ok(Op::SetLock(SetLock { ino, owner: 1, end: 9, kind, ..SetLock::default() }));
    }
    world.now += MINUTE_NS;
    for number in 0..25 {
        world.delete(&format!("{number:02}"));
    }
    for number in 0..103 {
        unlink(&mut world, bucket, &format!("z{number}"));
    }
    items.extend(list(&world, "/"));
    world.check();
    let mut commands = 0;
    while !items.is_empty() {
        let some = items.len().min(MAX_EMPTIED);
        let done = world.lead(empty(&items[..some], false)).progress as usize;
        assert!(done > 0);
        items.drain(..done);
        commands += 1;
    }
    world.check();
    assert!(list(&world, "/").is_empty());
    println!("{commands} commands");
    let many = vec![TrashRef::default(); MAX_EMPTIED + 1];
    world.lead_refused(Op::EmptyTrash(EmptyTrash { items: many, due: false }), Code::TooLarge);
}

#[test]
fn a_worker_goes_on_with_what_is_in_the_trash() {
    let mut world = World::new();
    let content = world.content(&[b"one", b"two"]);
    let ino = world.put("a", content).inode.unwrap().ino;
    world.now += MINUTE_NS;
    world.delete("a");
    let expected = world.extents(ino);
    assert_eq!(expected.len(), 2);
    let commit = world.chunk(b"onetwo");
    let source = Some(crate::common::whole(&commit, 0));
    let pieces = vec![Piece { offset: 0, length: 6, source }];
    world.ok(Op::Compact(Compact { ino, chunks: vec![commit], pieces, expected, ..Compact::default() }));
    let item = list(&world, "/").remove(0);
    world.ok(restore(&item, "", false));
    assert_eq!(world.read("a"), b"onetwo");
}

#[test]
fn what_needs_steps_to_be_freed_is_freed_in_steps() {
    let mut world = World::new();
    let bucket = world.bucket();
    let ino = world.ok(create(bucket, "big", FileKind::File)).inode.unwrap().ino;
    for at in 0..100 {
        let commit = world.chunk(b"x");
        let source = Some(crate::common::whole(&commit, 0));
        let pieces = vec![Piece { offset: at * 2, length: 1, source }];
        world.ok(Op::Write(Write { ino, chunks: vec![commit], pieces, ..Write::default() }));
    }
    world.now += MINUTE_NS;
    unlink(&mut world, bucket, "big");
    let items = list(&world, "/");
    assert_eq!(items[0].allocated, 100);
    world.lead(empty(&items, false));
    assert_eq!(world.totals().trash_items, 0);
    while world.lead(Op::FreeStep(FreeStep { ino, most: 30 })).progress > 0 {}
    assert_eq!(world.totals().chunks, 0);
}
