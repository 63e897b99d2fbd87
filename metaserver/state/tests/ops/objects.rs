//! Put, get, delete and copy of objects; ETags and conditions.

use bytes::Bytes;
use holdfast_proto::inode::{FileKind, Inode, KeyValue, ObjectMeta};
use holdfast_proto::op::*;
use holdfast_proto::query::{GetObject, Query};
use holdfast_proto::status::Code;

use crate::common::{BUCKET, World, delete_objects, inline, put_object};

fn etag(inode: &Inode) -> String {
    inode.etag()
}

fn with(key: &str, text: &str, how: impl FnOnce(&mut PutObject)) -> Op {
    let Op::PutObject(mut op) = put_object(key, inline(text.as_bytes())) else { unreachable!() };
    how(&mut op);
    Op::PutObject(op)
}

fn conditions(how: impl FnOnce(&mut Conditions)) -> Option<Conditions> {
    let mut conditions = Conditions::default();
    how(&mut conditions);
    Some(conditions)
}

#[test]
fn put_makes_implicit_parents_and_delete_prunes_them() {
    let mut world = World::new();
    world.put_text("a/b/c", "1");
    world.put_text("a/d", "2");
    assert_eq!(world.totals().inodes, 6);
    world.ok(delete_objects(&["a/b/c"]));
    assert_eq!(world.totals().inodes, 4);
    world.ok(delete_objects(&["a/d"]));
    assert_eq!(world.totals().inodes, 2);
    assert_eq!(world.totals().bytes, 0);
}

#[test]
fn an_explicit_directory_is_not_pruned() {
    let mut world = World::new();
    world.put_text("a/b/c", "1");
    let a = world.lookup(world.bucket(), "a").unwrap();
    let b = world.lookup(a.ino, "b").unwrap();
    assert!(b.implicit);
    world.create(b.ino, "posix", FileKind::File);
    world.ok(Op::Unlink(Unlink { parent: b.ino, name: "posix".into(), unheld: None }));
    world.ok(delete_objects(&["a/b/c"]));
    assert_eq!(world.list_all(), [""; 0]);
    assert_eq!(world.list("", "/", "", 10).0, ["a/*"]);
    assert_eq!(world.read_dir(b.ino), [""; 0]);
}

#[test]
fn a_key_and_the_same_key_as_prefix_exist_side_by_side() {
    let mut world = World::new();
    for key in ["a", "a/", "a/b", "a//", "a//b", "/", "..", "./x"] {
        world.put_text(key, key);
    }
    for key in ["a", "a/", "a/b", "a//", "a//b", "/", "..", "./x"] {
        assert_eq!(world.read(key), key.as_bytes());
    }
    assert_eq!(world.list_all(), ["..", "./x", "/", "a", "a/", "a//", "a//b", "a/b"]);
    for key in ["a", "a/", "a/b", "a//", "a//b", "/", "..", "./x"] {
        world.ok(delete_objects(&[key]));
        assert!(world.object(key).is_none());
    }
    assert_eq!(world.totals().inodes, 2);
}

#[test]
fn replacing_hands_down_owner_and_mode_and_frees_the_old_content() {
    let mut world = World::new();
    let content = world.content(&[b"old bytes"]);
    let number = content.chunks[0].number;
    world.put("a", content);
    let old = world.object("a").unwrap();
    world.ok(Op::SetAttr(SetAttr {
        ino: old.ino,
        mode: Some(0o600),
        uid: Some(7),
        gid: Some(8),
        ..SetAttr::default()
    }));
    // Somebody is named, and may do nothing.
    let acl = crate::acls::value(&[(1, 6, 0), (2, 7, 1000), (4, 4, 0), (0x10, 0, 0), (0x20, 0, 0)]);
    for (name, value) in [("system.posix_acl_access", acl.clone()), ("user.x", "x".into())] {
        world.ok(Op::SetXattr(SetXattr { ino: old.ino, name: name.into(), value, ..SetXattr::default() }));
    }
    let reply = world.ok(with("a", "new", |op| op.uid = 99));
    assert_eq!(reply.replaced_version, old.version);
    let new = reply.inode.unwrap();
    assert_ne!(new.ino, old.ino);
    assert_eq!((new.mode, new.uid, new.gid, new.xattr_count, new.acl), (0o600, 7, 8, 1, true));
    assert_eq!(crate::acls::access(&world, new.ino), Some(acl));
    assert_eq!(world.garbage(), [number]);
}

#[test]
fn other_names_keep_the_old_content() {
    let mut world = World::new();
    let old = world.put_text("a", "old");
    let root = world.bucket();
    world.ok(Op::Link(Link { ino: old.ino, parent: root, name: "b".into() }));
    world.put_text("a", "new");
    assert_eq!(world.read("b"), b"old");
    world.ok(delete_objects(&["b"]));
    assert_eq!(world.read("a"), b"new");
}

#[test]
fn etags_follow_the_content() {
    let mut world = World::new();
    let object = ObjectMeta { etag: "abc".into(), ..ObjectMeta::default() };
    world.ok(with("a", "text", |op| op.object = Some(object)));
    let inode = world.object("a").unwrap();
    assert_eq!(etag(&inode), "abc");
    world.ok(Op::Write(Write { ino: inode.ino, replace_inline: Some("more".into()), ..Write::default() }));
    let inode = world.object("a").unwrap();
    assert_eq!(etag(&inode), format!("{}-{}", inode.ino, inode.version));
    world.ok(Op::SetObjectMeta(SetObjectMeta {
        bucket: BUCKET.into(),
        key: "a".into(),
        tags: vec![KeyValue { key: "k".into(), value: "v".into() }],
        set_tags: true,
    }));
    let tagged = world.object("a").unwrap();
    assert_eq!(etag(&tagged), etag(&inode));
    assert_eq!(tagged.object.unwrap().tags.len(), 1);
}

#[test]
fn conditions_of_writes() {
    let mut world = World::new();
    let none = |c: &mut Conditions| c.if_none_match = vec!["*".into()];
    world.ok(with("a", "1", |op| op.conditions = conditions(none)));
    world.refused(with("a", "2", |op| op.conditions = conditions(none)), Code::PreconditionFailed);
    let tag = etag(&world.object("a").unwrap());
    let matching = |tag: &str| conditions(|c| c.if_match = vec![format!("\"{tag}\"")]);
    world.refused(with("a", "2", |op| op.conditions = matching("other")), Code::PreconditionFailed);
    world.ok(with("a", "2", |op| op.conditions = matching(&tag)));
    world.refused(with("b/c", "2", |op| op.conditions = matching(&tag)), Code::NotFound);
    // The refused put left no parent behind.
    assert_eq!(world.list("", "/", "", 10).0, ["a"]);
    let Op::DeleteObjects(mut delete) = delete_objects(&["a", "b"]) else { unreachable!() };
    delete.conditions = matching(&tag);
    let reply = world.ok(Op::DeleteObjects(delete));
    let codes: Vec<_> = reply.outcomes.iter().map(|outcome| outcome.kind()).collect();
    assert_eq!(codes, [Code::PreconditionFailed, Code::NotFound]);
    assert_eq!(world.read("a"), b"2");
}

#[test]
fn conditions_of_reads() {
    let mut world = World::new();
    let inode = world.put_text("a", "1");
    let tag = etag(&inode);
    let ask = |conditions| {
        Query::GetObject(GetObject { bucket: BUCKET.into(), key: "a".into(), content: true, conditions })
    };
    assert_eq!(world.ask_code(ask(conditions(|c| c.if_match = vec![tag.clone()]))), Code::Ok);
    let reply = world.ask(ask(conditions(|c| c.if_none_match = vec![tag.clone()])));
    assert_eq!(reply.status.unwrap().kind(), Code::PreconditionFailed);
    assert_eq!(reply.inode.unwrap().ino, inode.ino);
    assert!(reply.inline.is_none());
    let same_second = conditions(|c| c.if_modified_since_ns = Some(inode.mtime_ns));
    assert_eq!(world.ask_code(ask(same_second)), Code::PreconditionFailed);
    let before = conditions(|c| c.if_unmodified_since_ns = Some(inode.mtime_ns - 2_000_000_000));
    assert_eq!(world.ask_code(ask(before)), Code::PreconditionFailed);
    // An ETag that matches outweighs the date.
    let both = conditions(|c| {
        c.if_match = vec![tag.clone()];
        c.if_unmodified_since_ns = Some(0);
    });
    assert_eq!(world.ask_code(ask(both)), Code::Ok);
}

#[test]
fn copies_share_chunks() {
    let mut world = World::new();
    let content = world.content(&[b"shared", b"bytes"]);
    world.put("a", content);
    let copy = |from: &str, to: &str| {
        Op::CopyObject(CopyObject {
            source_bucket: BUCKET.into(),
            source_key: Bytes::copy_from_slice(from.as_bytes()),
            bucket: BUCKET.into(),
            key: Bytes::copy_from_slice(to.as_bytes()),
            ..CopyObject::default()
        })
    };
    world.ok(copy("a", "d/b"));
    world.ok(copy("a", "a"));
    world.ok(delete_objects(&["a"]));
    assert_eq!(world.read("d/b"), b"sharedbytes");
    assert!(world.garbage().is_empty());
    world.ok(delete_objects(&["d/b"]));
    assert_eq!(world.garbage().len(), 2);
    world.put_text("tiny", "inline");
    world.ok(copy("tiny", "tiny2"));
    assert_eq!(world.read("tiny2"), b"inline");
    world.refused(copy("none", "x/y"), Code::NotFound);
}

#[test]
fn bad_arguments_are_refused() {
    let mut world = World::new();
    world.refused(put_object("", inline(b"x")), Code::InvalidArgument);
    world.refused(put_object(&"k".repeat(4097), inline(b"x")), Code::NameTooLong);
    world.put_text(&"k".repeat(1024), "long");
    assert_eq!(world.read(&"k".repeat(1024)), b"long");
    world.refused(put_object("a", inline(&[0; 70_000])), Code::TooLarge);
    world.refused(with("a", "x", |op| op.bucket = "nobody".into()), Code::NoSuchBucket);
    world.refused(with("a", "x", |op| op.bucket = "a/b".into()), Code::NoSuchBucket);
    world.refused(with("a", "x", |op| op.class = 9), Code::InvalidArgument);
    world.refused(with("a", "x", |op| op.content = None), Code::InvalidArgument);
    let keys: Vec<String> = (0..251).map(|n| n.to_string()).collect();
    let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
    world.refused(delete_objects(&keys), Code::TooLarge);
}

#[test]
fn a_batch_of_deletes_stays_within_the_bound_of_keys() {
    let mut world = World::new();
    world.checked = false;
    let keys: Vec<String> = (0..100).map(|n| format!("k{n}")).collect();
    for key in &keys {
        let pieces: Vec<Vec<u8>> = (0..60u8).map(|n| vec![n; 2]).collect();
        let pieces: Vec<&[u8]> = pieces.iter().map(Vec::as_slice).collect();
        let content = world.content(&pieces);
        assert!(world.put(key, content).is_ok());
    }
    world.checked = true;
    let names: Vec<&str> = keys.iter().map(String::as_str).collect();
    world.ok(delete_objects(&names));
    assert!(world.list_all().is_empty());
    // What was too much for one command is freed in steps.
    let waiting = holdfast_state::work::inodes_to_free(&world.table, 1000).unwrap();
    assert!(!waiting.is_empty());
    for ino in waiting {
        while world.lead(Op::FreeStep(FreeStep { ino, most: 25 })).progress > 0 {}
    }
    assert_eq!(world.totals().chunks, 0);
    assert_eq!(world.totals().inodes, 2);
}
