//! What a mount does: create, link, unlink, rmdir, attributes, names that POSIX cannot carry.

use holdfast_proto::inode::{FileKind, Inode};
use holdfast_proto::op::*;
use holdfast_proto::query::{GetXattr, ListXattr, Query};
use holdfast_proto::status::Code;

use crate::common::{World, create, delete_objects};

#[test]
fn create_and_remove() {
    let mut world = World::new();
    let root = world.bucket();
    let dir = world.ok(create(root, "d", FileKind::Directory)).inode.unwrap();
    assert_eq!(dir.nlink, 2);
    let file = world.ok(create(dir.ino, "f", FileKind::File)).inode.unwrap();
    world.refused(create(dir.ino, "f", FileKind::File), Code::Exists);
    world.refused(create(dir.ino, "f", FileKind::Directory), Code::Exists);
    world.refused(create(file.ino, "f", FileKind::File), Code::NotADirectory);
    world.refused(create(4711, "f", FileKind::File), Code::StaleInode);
    let Op::Create(mut open) = create(dir.ino, "f", FileKind::File) else { unreachable!() };
    open.or_open = true;
    let reply = world.ok(Op::Create(open));
    assert!(reply.existed);
    assert_eq!(reply.inode.unwrap().ino, file.ino);
    let rmdir = |parent, name: &str| Op::RemoveDir(RemoveDir { parent, name: name.to_owned().into() });
    let unlink =
        |parent, name: &str| Op::Unlink(Unlink { parent, name: name.to_owned().into(), unheld: None });
    world.refused(rmdir(root, "d"), Code::NotEmpty);
    world.refused(unlink(root, "d"), Code::IsADirectory);
    world.refused(rmdir(dir.ino, "f"), Code::NotADirectory);
    world.ok(unlink(dir.ino, "f"));
    world.refused(unlink(dir.ino, "f"), Code::NotFound);
    world.ok(rmdir(root, "d"));
    assert_eq!(world.totals().inodes, 2);
}

#[test]
fn bad_names_are_refused() {
    let mut world = World::new();
    let root = world.bucket();
    for bad in ["", ".", "..", "a/b", "a\0b", ".hf~fx", ".hf~"] {
        world.refused(create(root, bad, FileKind::File), Code::InvalidArgument);
    }
    world.refused(create(root, &"x".repeat(256), FileKind::File), Code::NameTooLong);
    world.ok(create(root, &"x".repeat(255), FileKind::File));
}

#[test]
fn a_set_group_id_directory_hands_down_its_group() {
    let mut world = World::new();
    let root = world.bucket();
    let dir = world.ok(create(root, "d", FileKind::Directory)).inode.unwrap();
    world.ok(Op::SetAttr(SetAttr { ino: dir.ino, mode: Some(0o2755), gid: Some(42), ..SetAttr::default() }));
    let sub = world.ok(create(dir.ino, "s", FileKind::Directory)).inode.unwrap();
    assert_eq!((sub.gid, sub.mode & 0o2000), (42, 0o2000));
    let file = world.ok(create(dir.ino, "f", FileKind::File)).inode.unwrap();
    assert_eq!((file.gid, file.mode & 0o2000), (42, 0));
}

#[test]
fn hard_links_count() {
    let mut world = World::new();
    let root = world.bucket();
    let file = world.put_text("a", "text");
    let linked = world.ok(Op::Link(Link { ino: file.ino, parent: root, name: "b".into() })).inode.unwrap();
    assert_eq!(linked.nlink, 2);
    world.refused(Op::Link(Link { ino: file.ino, parent: root, name: "b".into() }), Code::Exists);
    world.refused(Op::Link(Link { ino: root, parent: root, name: "c".into() }), Code::IsADirectory);
    world.ok(delete_objects(&["a"]));
    assert_eq!(world.read("b"), b"text");
    assert_eq!(world.object("b").unwrap().nlink, 1);
}

#[test]
fn a_file_beside_a_directory_is_shown_escaped() {
    let mut world = World::new();
    let root = world.bucket();
    world.put_text("a", "file");
    assert_eq!(world.read_dir(root), ["a"]);
    world.put_text("a/b", "inside");
    world.put_text("a/", "empty name");
    assert_eq!(world.read_dir(root), [".hf~fa", "a"]);
    let dir = world.lookup(root, "a").unwrap();
    assert_eq!(dir.kind, FileKind::Directory as i32);
    assert_eq!(world.read_dir(dir.ino), [".hf~f", "b"]);
    let file = world.lookup(root, ".hf~fa").unwrap();
    assert_eq!(world.read_inode(file.ino), b"file");
    world.refused(create(root, "a", FileKind::File), Code::Exists);
    world.ok(Op::Unlink(Unlink { parent: root, name: ".hf~fa".into(), unheld: None }));
    assert!(world.object("a").is_none());
    assert_eq!(world.read_dir(root), ["a"]);
}

#[test]
fn very_long_keys_are_reachable_through_their_digest() {
    let mut world = World::new();
    let (file, dir) = ("f".repeat(600), "d".repeat(300));
    world.put_text(&file, "long");
    world.put_text(&format!("{dir}/x"), "in long");
    let root = world.bucket();
    let names = world.read_dir(root);
    assert!(names.iter().all(|name| name.len() <= 255 && name.starts_with(".hf~")));
    let kinds: Vec<i32> = names.iter().map(|name| world.lookup(root, name).unwrap().kind).collect();
    assert_eq!(kinds, [FileKind::Directory as i32, FileKind::File as i32]);
    world.ok(delete_objects(&[&file, &format!("{dir}/x")]));
    assert_eq!(world.totals().inodes, 2);
}

#[test]
fn attributes() {
    let mut world = World::new();
    let file = world.put_text("a", "text");
    let set = SetAttr {
        ino: file.ino,
        mode: Some(0o106777),
        uid: Some(3),
        mtime_ns: Some(5),
        ..SetAttr::default()
    };
    let inode = world.ok(Op::SetAttr(set)).inode.unwrap();
    assert_eq!((inode.mode, inode.uid, inode.mtime_ns, inode.version), (0o6777, 3, 5, file.version));
    let cleared = SetAttr { ino: file.ino, clear_suid: true, ..SetAttr::default() };
    assert_eq!(world.ok(Op::SetAttr(cleared)).inode.unwrap().mode, 0o777);
    let root = world.bucket();
    world
        .refused(Op::SetAttr(SetAttr { ino: root, size: Some(1), ..SetAttr::default() }), Code::IsADirectory);
    world.refused(Op::SetAttr(SetAttr { ino: 4711, ..SetAttr::default() }), Code::StaleInode);
}

#[test]
fn reading_moves_the_access_time_and_nothing_else() {
    let mut world = World::new();
    world.put_text("a", "text");
    let file = world.object("a").unwrap();
    let read = |world: &mut World, atime_ns| {
        let times = [4711, file.ino].map(|ino| AccessTime { ino, atime_ns }).to_vec();
        world.ok(Op::SetAccessTimes(SetAccessTimes { times }));
        world.object("a").unwrap()
    };
    let later = file.atime_ns + 1;
    assert_eq!(read(&mut world, later), Inode { atime_ns: later, ..file.clone() });
    assert_eq!(read(&mut world, later - 1).atime_ns, later, "it does not go back");
    let now = world.ok(Op::SetAttr(SetAttr { ino: file.ino, ..SetAttr::default() })).inode.unwrap().ctime_ns;
    assert!(read(&mut world, i64::MAX).atime_ns >= now && world.object("a").unwrap().atime_ns < i64::MAX);
    let times = vec![AccessTime { ino: file.ino, atime_ns: 1 }; 1001];
    world.refused(Op::SetAccessTimes(SetAccessTimes { times }), Code::TooLarge);
}

#[test]
fn extended_attributes() {
    let mut world = World::new();
    let ino = world.put_text("a", "text").ino;
    let set = |name: &str, value: &str, mode: XattrMode| {
        Op::SetXattr(SetXattr {
            ino,
            name: name.to_owned().into(),
            value: value.to_owned().into(),
            mode: mode as i32,
            ..SetXattr::default()
        })
    };
    world.ok(set("user.a", "1", XattrMode::Create));
    world.refused(set("user.a", "2", XattrMode::Create), Code::Exists);
    world.refused(set("user.b", "2", XattrMode::Replace), Code::NoAttribute);
    world.ok(set("user.a", "3", XattrMode::Replace));
    world.ok(set("user.b", "4", XattrMode::Set));
    let value = world.ask(Query::GetXattr(GetXattr { ino, name: "user.a".into() })).value.unwrap();
    assert_eq!(value, "3");
    assert_eq!(world.ask(Query::ListXattr(ListXattr { ino })).names, ["user.a", "user.b"]);
    world.ok(Op::RemoveXattr(RemoveXattr { ino, name: "user.a".into() }));
    world.refused(Op::RemoveXattr(RemoveXattr { ino, name: "user.a".into() }), Code::NoAttribute);
    world.refused(set("user.c", &"x".repeat(70_000), XattrMode::Set), Code::TooLarge);
    world.ok(delete_objects(&["a"]));
}
