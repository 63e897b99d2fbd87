//! Buckets and directories by path.

use holdfast_proto::inode::FileKind;
use holdfast_proto::map::Redundancy;
use holdfast_proto::op::*;
use holdfast_proto::query::{GetBucket, ListBuckets, Query, ResolvePath};
use holdfast_proto::status::Code;

use crate::common::{BUCKET, World, delete_objects};

fn bucket(name: &str) -> Op {
    Op::CreateBucket(CreateBucket { name: name.into(), owner: "me".into(), class: 0 })
}

#[test]
fn names_follow_s3() {
    let mut world = World::new();
    for good in ["abc", "a-b.c", "123", "a".repeat(63).as_str()] {
        world.ok(bucket(good));
    }
    for bad in ["ab", "Abc", "-ab", "ab-", "a_b", "a..b", "192.168.0.1", "a/b", "a".repeat(64).as_str()] {
        world.refused(bucket(bad), Code::InvalidArgument);
    }
    world.refused(bucket("abc"), Code::Exists);
    let names: Vec<_> =
        world.ask(Query::ListBuckets(ListBuckets {})).buckets.into_iter().map(|b| b.name).collect();
    assert_eq!(names, ["123", "a-b.c", &"a".repeat(63), "abc", BUCKET]);
}

#[test]
fn only_an_empty_bucket_is_deleted() {
    let mut world = World::new();
    world.put_text("a/b", "x");
    let delete = || Op::DeleteBucket(DeleteBucket { name: BUCKET.into() });
    world.refused(delete(), Code::NotEmpty);
    world.ok(delete_objects(&["a/b"]));
    let upload = world.ok(Op::CreateUpload(CreateUpload {
        bucket: BUCKET.into(),
        key: "u".into(),
        ..CreateUpload::default()
    }));
    world.refused(delete(), Code::NotEmpty);
    world.ok(Op::AbortUpload(AbortUpload { upload: upload.id, ..AbortUpload::default() }));
    world.ok(delete());
    world.refused(delete(), Code::NoSuchBucket);
    assert_eq!(
        world.ask_code(Query::GetBucket(GetBucket { name: BUCKET.into(), ..GetBucket::default() })),
        Code::NoSuchBucket
    );
}

#[test]
fn a_key_gets_the_class_of_the_nearest_directory_that_exists() {
    let mut world = World::new();
    let class = |name: &str| PutClass {
        name: name.into(),
        redundancy: Some(Redundancy::replicated(2, 1)),
        inline_limit: 4096,
        chunk_bytes: 8 << 20,
        ..PutClass::default()
    };
    world.lead(Op::PutClass(class("other")));
    let made = world.ok(dirs("/bucket/a/b", false)).inode.unwrap();
    let ask = |world: &World, key: &'static [u8]| {
        let ask = GetBucket { name: BUCKET.into(), key: key.into() };
        let reply = world.ask(Query::GetBucket(ask));
        (reply.buckets[0].class, reply.class.unwrap().name)
    };
    assert_eq!(ask(&world, b"a/b/c/d").1, "standard");
    world.ok(Op::SetAttr(SetAttr { ino: made.ino, class: Some(2), ..SetAttr::default() }));
    for (key, class) in
        [(&b"a/b/c/d"[..], "other"), (b"a/b/c", "other"), (b"a/b", "standard"), (b"", "standard")]
    {
        assert_eq!(ask(&world, key).1, class, "{}", key.escape_ascii());
    }
    assert_eq!(ask(&world, b"a/b/c").0, 0, "the bucket's own is told as well");
}

#[test]
fn a_directory_at_the_top_is_a_bucket_without_owner() {
    let mut world = World::new();
    world.create(1, "mounted", FileKind::Directory);
    let found = world
        .ask(Query::GetBucket(GetBucket { name: "mounted".into(), ..GetBucket::default() }))
        .buckets
        .remove(0);
    assert_eq!(found.owner, "");
    world.refused(bucket("mounted"), Code::Exists);
}

fn dirs(path: &str, exclusive: bool) -> Op {
    Op::MakeDirs(MakeDirs { path: path.to_owned().into(), mode: 0o750, uid: 1, gid: 2, exclusive })
}

fn resolve(world: &World, path: &str) -> Result<u64, Code> {
    let ask = ResolvePath { path: path.to_owned().into(), content: false, follow: true };
    let reply = world.ask(Query::ResolvePath(ask));
    reply.inode.map(|inode| inode.ino).ok_or_else(|| reply.status.unwrap().kind())
}

#[test]
fn directories_are_made_by_path() {
    let mut world = World::new();
    let made = world.ok(dirs("/bucket/x//y/./z", false)).inode.unwrap();
    assert_eq!((made.mode, made.uid, made.implicit), (0o750, 1, false));
    assert_eq!(resolve(&world, "/bucket/x/y/z"), Ok(made.ino));
    assert!(world.ok(dirs("/bucket/x/y/z", false)).existed);
    world.refused(dirs("/bucket/x/y/z", true), Code::Exists);
    world.refused(dirs("/bucket/n/m", true), Code::NotFound);
    world.refused(dirs("/bucket/../m", false), Code::InvalidArgument);
    world.put_text("x/file", "1");
    world.refused(dirs("/bucket/x/file/sub", false), Code::Exists);
    // What S3 implied becomes explicit when somebody asks for it.
    world.put_text("implied/file", "1");
    world.ok(dirs("/bucket/implied", false));
    world.ok(delete_objects(&["implied/file"]));
    assert!(resolve(&world, "/bucket/implied").is_ok());
}

#[test]
fn paths_resolve_through_links_and_dots() {
    let mut world = World::new();
    let dir = world.ok(dirs("/bucket/x/y", false)).inode.unwrap();
    world.put_text("x/y/file", "1");
    let root = world.bucket();
    let link = |name: &str, target: &str| {
        Op::Create(Create {
            parent: root,
            name: name.to_owned().into(),
            kind: FileKind::Symlink as i32,
            target: target.to_owned().into(),
            ..Create::default()
        })
    };
    world.ok(link("rel", "x/y"));
    world.ok(link("abs", "/bucket/rel/../y"));
    world.ok(link("loop", "loop"));
    assert_eq!(resolve(&world, "/bucket/rel"), Ok(dir.ino));
    assert_eq!(resolve(&world, "/bucket/abs/file"), resolve(&world, "/bucket/x/y/file"));
    assert_eq!(resolve(&world, "/bucket/loop"), Err(Code::Loop));
    assert_eq!(resolve(&world, "/bucket/none"), Err(Code::NotFound));
    assert_eq!(resolve(&world, "/bucket/x/y/file/more"), Err(Code::NotADirectory));
    assert_eq!(resolve(&world, "/bucket/x/y/file/"), Err(Code::NotADirectory));
    assert_eq!(resolve(&world, "/.."), Ok(1));
    let ask = ResolvePath { path: "/bucket/rel".into(), content: false, follow: false };
    assert_eq!(world.ask(Query::ResolvePath(ask)).inode.unwrap().kind, FileKind::Symlink as i32);
}
