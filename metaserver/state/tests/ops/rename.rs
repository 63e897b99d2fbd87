//! Rename: replace, noreplace, exchange; files, directories, loops.

use holdfast_proto::inode::FileKind;
use holdfast_proto::op::*;
use holdfast_proto::status::Code;

use crate::common::{World, create};

fn rename(from: (u64, &str), to: (u64, &str), mode: RenameMode) -> Op {
    Op::Rename(Rename {
        parent: from.0,
        name: from.1.to_owned().into(),
        new_parent: to.0,
        new_name: to.1.to_owned().into(),
        mode: mode as i32,
        unheld: None,
    })
}

#[test]
fn a_file_moves_and_replaces() {
    let mut world = World::new();
    let root = world.bucket();
    world.put_text("a", "a");
    world.put_text("d/b", "b");
    let d = world.lookup(root, "d").unwrap().ino;
    let replaced = world.lookup(d, "b").unwrap().ino;
    assert_eq!(world.ok(rename((root, "a"), (d, "c"), RenameMode::NoReplace)).lost, None);
    assert_eq!(world.list_all(), ["d/b", "d/c"]);
    world.refused(rename((d, "c"), (d, "b"), RenameMode::NoReplace), Code::Exists);
    let lost = world.ok(rename((d, "c"), (d, "b"), RenameMode::Replace)).lost.unwrap();
    assert_eq!((lost.ino, lost.nlink), (replaced, 0));
    assert_eq!(world.read("d/b"), b"a");
    world.refused(rename((d, "x"), (d, "y"), RenameMode::Replace), Code::NotFound);
    world.refused(rename((d, "b"), (d, ".."), RenameMode::Replace), Code::InvalidArgument);
    world.refused(rename((d, "b"), (root, "d"), RenameMode::Replace), Code::IsADirectory);
    world.ok(rename((d, "b"), (d, "b"), RenameMode::Replace));
    assert_eq!(world.list_all(), ["d/b"]);
}

#[test]
fn two_names_of_one_file_stay() {
    let mut world = World::new();
    let root = world.bucket();
    let file = world.put_text("a", "a");
    world.ok(Op::Link(Link { ino: file.ino, parent: root, name: "b".into() }));
    world.ok(rename((root, "a"), (root, "b"), RenameMode::Replace));
    assert_eq!(world.list_all(), ["a", "b"]);
}

#[test]
fn directories_move_but_not_into_themselves() {
    let mut world = World::new();
    let root = world.bucket();
    world.put_text("a/b/c", "1");
    world.put_text("f", "2");
    let a = world.lookup(root, "a").unwrap().ino;
    let b = world.lookup(a, "b").unwrap().ino;
    world.refused(rename((root, "a"), (b, "x"), RenameMode::Replace), Code::Loop);
    world.refused(rename((root, "a"), (a, "x"), RenameMode::Replace), Code::Loop);
    world.refused(rename((root, "a"), (root, "f"), RenameMode::Replace), Code::NotADirectory);
    let e = world.ok(create(root, "e", FileKind::Directory)).inode.unwrap().ino;
    world.ok(rename((a, "b"), (root, "e"), RenameMode::Replace));
    assert_eq!(world.list_all(), ["e/c", "f"]);
    assert!(world.lookup(root, "e").unwrap().ino != e);
    world.refused(rename((root, "a"), (root, "e"), RenameMode::Replace), Code::NotEmpty);
    // The directory that lost its only entry was implicit; the rename made it explicit.
    assert!(world.lookup(root, "a").is_some());
}

#[test]
fn exchange_swaps_files_and_directories() {
    let mut world = World::new();
    let root = world.bucket();
    world.put_text("x/file", "in x");
    world.put_text("y", "y");
    world.ok(rename((root, "x"), (root, "y"), RenameMode::Exchange));
    assert_eq!(world.list_all(), ["x", "y/file"]);
    let y = world.lookup(root, "y").unwrap().ino;
    world.refused(rename((root, "y"), (y, "file"), RenameMode::Exchange), Code::Loop);
    world.refused(rename((y, "file"), (root, "y"), RenameMode::Exchange), Code::Loop);
    world.refused(rename((root, "y"), (root, "none"), RenameMode::Exchange), Code::NotFound);
    world.ok(rename((root, "x"), (y, "file"), RenameMode::Exchange));
    assert_eq!(world.read("x"), b"in x");
}

#[test]
fn exchange_does_not_take_the_place_of_an_object_beside() {
    let mut world = World::new();
    let root = world.bucket();
    world.put_text("x/file", "in x");
    world.put_text("x", "beside");
    world.put_text("y", "y");
    world.refused(rename((root, "x"), (root, "y"), RenameMode::Exchange), Code::Exists);
    assert_eq!(world.list_all(), ["x", "x/file", "y"]);
}

#[test]
fn a_bucket_can_be_renamed() {
    let mut world = World::new();
    world.put_text("a", "1");
    world.ok(rename((1, "bucket"), (1, "renamed"), RenameMode::Replace));
    assert_eq!(world.lookup(1, "bucket"), None);
    let dir = world.lookup(1, "renamed").unwrap();
    world.put_text_in("renamed", "b", "2");
    assert_eq!(world.read_dir(dir.ino), ["a", "b"]);
    let sub = world.ok(create(dir.ino, "sub", FileKind::Directory)).inode.unwrap();
    world.ok(Op::CreateBucket(CreateBucket { name: "other".into(), ..CreateBucket::default() }));
    world.ok(rename((1, "other"), (sub.ino, "other"), RenameMode::Replace));
}
