//! Access lists: what creation inherits, and how mode and list stay one.

use bytes::{BufMut, Bytes, BytesMut};
use holdfast_proto::inode::{FileKind, Inode};
use holdfast_proto::op::*;
use holdfast_proto::query::{GetXattr, ListXattr, Query};
use holdfast_proto::status::Code;

use crate::common::{BUCKET, World, create, inline, put_object};

const ACCESS: &str = "system.posix_acl_access";
const DEFAULT: &str = "system.posix_acl_default";

/// An attribute's value: kind, permissions and id of every entry.
pub(crate) fn value(entries: &[(u16, u16, u32)]) -> Bytes {
    let mut value = BytesMut::new();
    value.put_u32_le(2);
    for (tag, perm, id) in entries {
        value.put_u16_le(*tag);
        value.put_u16_le(*perm);
        value.put_u32_le(if [2, 8].contains(tag) { *id } else { u32::MAX });
    }
    value.freeze()
}

/// Owner, user 1000, group, mask, others.
fn named(owner: u16, user: u16, group: u16, mask: u16, other: u16) -> Bytes {
    value(&[(1, owner, 0), (2, user, 1000), (4, group, 0), (0x10, mask, 0), (0x20, other, 0)])
}

fn minimal(owner: u16, group: u16, other: u16) -> Bytes {
    value(&[(1, owner, 0), (4, group, 0), (0x20, other, 0)])
}

fn get(world: &World, ino: u64, name: &str) -> Option<Bytes> {
    world.ask(Query::GetXattr(GetXattr { ino, name: name.to_owned().into() })).value
}

pub(crate) fn access(world: &World, ino: u64) -> Option<Bytes> {
    get(world, ino, ACCESS)
}

fn set(ino: u64, name: &str, value: Bytes) -> Op {
    Op::SetXattr(SetXattr { ino, name: name.to_owned().into(), value, ..SetXattr::default() })
}

fn make(parent: u64, name: &str, kind: FileKind, mode: u32, umask: u32) -> Op {
    let Op::Create(op) = create(parent, name, kind) else { unreachable!() };
    Op::Create(Create { mode, umask, ..op })
}

/// A directory with a default list.
fn dir_with(world: &mut World, default: Bytes) -> Inode {
    let root = world.bucket();
    let dir = world.ok(create(root, "d", FileKind::Directory)).inode.unwrap();
    world.ok(set(dir.ino, DEFAULT, default)).inode.unwrap()
}

#[test]
fn without_a_default_list_the_umask_counts() {
    let mut world = World::new();
    let root = world.bucket();
    let file = world.ok(make(root, "f", FileKind::File, 0o6666, 0o027)).inode.unwrap();
    assert_eq!((file.mode, file.acl), (0o6640, false));
    // Who masked the mode already says nothing of a mask.
    assert_eq!(world.ok(make(root, "g", FileKind::File, 0o644, 0)).inode.unwrap().mode, 0o644);
    let Op::Create(link) = make(root, "l", FileKind::Symlink, 0o777, 0o022) else { unreachable!() };
    let link = world.ok(Op::Create(Create { target: "f".into(), ..link })).inode.unwrap();
    assert_eq!(link.mode, 0o777);
}

#[test]
fn a_default_list_is_inherited_instead_of_the_umask() {
    let mut world = World::new();
    let dir = dir_with(&mut world, named(7, 6, 7, 7, 5));
    assert!(dir.default_acl && !dir.acl);
    assert_eq!(dir.mode, 0o755);
    let file = world.ok(make(dir.ino, "f", FileKind::File, 0o2660, 0o077)).inode.unwrap();
    assert_eq!((file.mode, file.acl, file.default_acl, file.xattr_count), (0o2660, true, false, 1));
    assert_eq!(access(&world, file.ino), Some(named(6, 6, 7, 6, 0)));
    let sub = world.ok(make(dir.ino, "s", FileKind::Directory, 0o750, 0o077)).inode.unwrap();
    assert_eq!((sub.mode, sub.acl, sub.default_acl, sub.xattr_count), (0o750, true, true, 2));
    assert_eq!(get(&world, sub.ino, DEFAULT), Some(named(7, 6, 7, 7, 5)));
    assert_eq!(access(&world, sub.ino), Some(named(7, 6, 7, 5, 0)));
    // And so on, further down.
    let deep = world.ok(make(sub.ino, "s", FileKind::Directory, 0o777, 0o077)).inode.unwrap();
    assert_eq!((deep.mode, deep.default_acl), (0o775, true));
    let Op::Create(link) = make(dir.ino, "l", FileKind::Symlink, 0o777, 0) else { unreachable!() };
    let link = world.ok(Op::Create(Create { target: "f".into(), ..link })).inode.unwrap();
    assert_eq!((link.mode, link.acl), (0o777, false));
}

#[test]
fn a_default_list_that_names_nobody_only_sets_the_mode() {
    let mut world = World::new();
    let dir = dir_with(&mut world, minimal(7, 5, 0));
    let file = world.ok(make(dir.ino, "f", FileKind::File, 0o666, 0o077)).inode.unwrap();
    assert_eq!((file.mode, file.acl, file.xattr_count), (0o640, false, 0));
    let sub = world.ok(make(dir.ino, "s", FileKind::Directory, 0o777, 0)).inode.unwrap();
    assert_eq!((sub.mode, sub.acl, sub.default_acl, sub.xattr_count), (0o750, false, true, 1));
}

#[test]
fn objects_and_their_directories_inherit() {
    let mut world = World::new();
    dir_with(&mut world, named(7, 6, 7, 7, 0));
    let object = world.put_text("d/x/y/object", "1");
    assert_eq!((object.mode, object.acl), (0o660, true));
    assert_eq!(access(&world, object.ino), Some(named(6, 6, 7, 6, 0)));
    let root = world.bucket();
    let dir = world.lookup(root, "d").unwrap().ino;
    let implied = world.lookup(dir, "x").unwrap();
    assert_eq!((implied.mode, implied.implicit, implied.default_acl, implied.acl), (0o770, true, true, true));
    let op = MakeDirs { path: "/bucket/d/m/n".into(), mode: 0o755, ..MakeDirs::default() };
    let made = world.ok(Op::MakeDirs(op)).inode.unwrap();
    assert_eq!((made.mode, made.default_acl), (0o750, true));
    // A mode that somebody asked for restricts the list.
    let Op::PutObject(op) = put_object("d/asked", inline(b"1")) else { unreachable!() };
    let asked = world.ok(Op::PutObject(PutObject { mode: Some(0o600), ..op })).inode.unwrap();
    assert_eq!((asked.mode, access(&world, asked.ino)), (0o600, Some(named(6, 6, 7, 0, 0))));
    // Elsewhere it is as ever.
    assert_eq!(world.put_text("e/f", "1").mode, 0o644);
    let root = world.bucket();
    assert_eq!(world.lookup(root, "e").unwrap().mode, 0o755);
    // All of it goes without a trace: the checker looks.
    world.delete("d/x/y/object");
    assert!(world.lookup(dir, "x").is_none());
}

#[test]
fn copies_and_uploads_inherit_where_they_become_visible() {
    let mut world = World::new();
    let root = world.bucket();
    world.ok(set(root, DEFAULT, named(7, 7, 7, 7, 7)));
    let dir = dir_with(&mut world, named(7, 4, 6, 6, 0));
    let source = world.put_text("source", "text");
    world.ok(Op::SetAttr(SetAttr { ino: source.ino, mode: Some(0o640), ..SetAttr::default() }));
    let copy = |key: &str| {
        Op::CopyObject(CopyObject {
            source_bucket: BUCKET.into(),
            source_key: "source".into(),
            bucket: BUCKET.into(),
            key: key.to_owned().into(),
            ..CopyObject::default()
        })
    };
    let copied = world.ok(copy("d/copy")).inode.unwrap();
    assert_eq!((copied.mode, access(&world, copied.ino)), (0o640, Some(named(6, 4, 6, 4, 0))));
    let begin = CreateUpload { bucket: BUCKET.into(), key: "d/up".into(), ..CreateUpload::default() };
    let upload = world.ok(Op::CreateUpload(begin)).id;
    let put = PutPart { upload, part: 1, content: Some(inline(b"part")), ..PutPart::default() };
    world.ok(Op::PutPart(PutPart { etag: "e".into(), ..put }));
    let list_digest = Bytes::from_static(&[1; 32]);
    world.ok(Op::AssembleUpload(AssembleUpload {
        upload,
        parts: vec![NamedPart { part: 1, etag: "e".into() }],
        restart: true,
        list_digest: list_digest.clone(),
        last: true,
    }));
    let finish = FinishUpload { upload, list_digest, ..FinishUpload::default() };
    let joined = world.ok(Op::FinishUpload(finish)).inode.unwrap();
    assert_eq!((joined.mode, access(&world, joined.ino)), (0o660, Some(named(6, 4, 6, 6, 0))));
    assert_eq!(joined.quota_root, dir.quota_root);
}

#[test]
fn a_draft_has_no_list_of_its_own() {
    let mut world = World::new();
    let source = world.put_text("big", "");
    let content = world.content(&[&[1; 5000], &[2; 5000]]);
    world.put("big", content);
    let source = Inode { ino: world.object("big").unwrap().ino, ..source };
    world.ok(set(source.ino, ACCESS, named(6, 6, 4, 6, 0)));
    let to = world.object("big").unwrap().size;
    let version = world.object("big").unwrap().version;
    let plan = BeginDraft { source: source.ino, source_version: version, to, ..BeginDraft::default() };
    let draft = world.ok(Op::BeginDraft(plan)).id;
    world.ok(Op::FillDraft(FillDraft { draft }));
    let op = CopyObject {
        source_bucket: BUCKET.into(),
        source_key: "big".into(),
        bucket: BUCKET.into(),
        key: "copy".into(),
        draft,
        ..CopyObject::default()
    };
    let copied = world.ok(Op::CopyObject(op)).inode.unwrap();
    assert_eq!((copied.mode, copied.acl), (0o660, false));
}

#[test]
fn setting_a_list_sets_the_mode() {
    let mut world = World::new();
    let ino = world.put_text("a", "text").ino;
    world.ok(Op::SetAttr(SetAttr { ino, mode: Some(0o2755), ..SetAttr::default() }));
    let inode = world.ok(set(ino, ACCESS, named(6, 7, 0, 4, 0))).inode.unwrap();
    assert_eq!((inode.mode, inode.acl, inode.xattr_count), (0o2640, true, 1));
    assert_eq!(world.ask(Query::ListXattr(ListXattr { ino })).names, [ACCESS]);
    // What the mode says as well is not kept, and replaces what was.
    let inode = world.ok(set(ino, ACCESS, minimal(7, 5, 5))).inode.unwrap();
    assert_eq!((inode.mode, inode.acl, inode.xattr_count), (0o2755, false, 0));
    assert_eq!(access(&world, ino), None);
    let Op::SetXattr(op) = set(ino, ACCESS, minimal(7, 5, 5)) else { unreachable!() };
    let inode = world.ok(Op::SetXattr(SetXattr { clear_sgid: true, ..op })).inode.unwrap();
    assert_eq!(inode.mode, 0o755);
}

#[test]
fn chmod_rewrites_the_list() {
    let mut world = World::new();
    let ino = world.put_text("a", "text").ino;
    world.ok(set(ino, ACCESS, named(6, 7, 5, 6, 4)));
    let chmod = SetAttr { ino, mode: Some(0o4751), ..SetAttr::default() };
    assert_eq!(world.ok(Op::SetAttr(chmod)).inode.unwrap().mode, 0o4751);
    assert_eq!(access(&world, ino), Some(named(7, 7, 5, 5, 1)));
    // A directory's default list is not the mode's business.
    let dir = dir_with(&mut world, named(7, 7, 7, 7, 7)).ino;
    world.ok(Op::SetAttr(SetAttr { ino: dir, mode: Some(0o700), ..SetAttr::default() }));
    assert_eq!(get(&world, dir, DEFAULT), Some(named(7, 7, 7, 7, 7)));
}

#[test]
fn removing_a_list_leaves_the_mode() {
    let mut world = World::new();
    let ino = world.put_text("a", "text").ino;
    world.ok(set(ino, ACCESS, named(6, 7, 0, 6, 0)));
    let remove = |ino, name: &str| Op::RemoveXattr(RemoveXattr { ino, name: name.to_owned().into() });
    let inode = world.ok(remove(ino, ACCESS)).inode.unwrap();
    assert_eq!((inode.mode, inode.acl, inode.xattr_count), (0o660, false, 0));
    world.refused(remove(ino, ACCESS), Code::NoAttribute);
    let dir = dir_with(&mut world, named(7, 7, 7, 7, 7)).ino;
    assert!(!world.ok(remove(dir, DEFAULT)).inode.unwrap().default_acl);
    let file = world.ok(make(dir, "f", FileKind::File, 0o666, 0o022)).inode.unwrap();
    assert_eq!((file.mode, file.acl), (0o644, false));
    // A list without entries removes it, too.
    for empty in [Bytes::new(), value(&[])] {
        world.ok(set(ino, ACCESS, named(6, 7, 0, 6, 0)));
        assert!(!world.ok(set(ino, ACCESS, empty)).inode.unwrap().acl);
    }
}

#[test]
fn what_is_no_list_is_refused() {
    let mut world = World::new();
    let root = world.bucket();
    let file = world.put_text("a", "text").ino;
    world.refused(set(file, ACCESS, "acl".into()), Code::InvalidArgument);
    world.refused(set(file, ACCESS, value(&[(1, 7, 0)])), Code::InvalidArgument);
    world.refused(set(file, DEFAULT, named(7, 7, 7, 7, 7)), Code::PermissionDenied);
    let Op::Create(link) = create(root, "l", FileKind::Symlink) else { unreachable!() };
    let link = world.ok(Op::Create(Create { target: "a".into(), ..link })).inode.unwrap().ino;
    world.refused(set(link, ACCESS, named(7, 7, 7, 7, 7)), Code::Unsupported);
    let Op::SetXattr(op) = set(file, ACCESS, named(6, 6, 6, 6, 6)) else { unreachable!() };
    let mode = |mode: XattrMode| Op::SetXattr(SetXattr { mode: mode as i32, ..op.clone() });
    world.refused(mode(XattrMode::Replace), Code::NoAttribute);
    world.ok(mode(XattrMode::Create));
    world.refused(mode(XattrMode::Create), Code::Exists);
    world.ok(mode(XattrMode::Replace));
}

#[test]
fn a_list_counts_as_an_attribute() {
    let mut world = World::new();
    let ino = world.put_text("a", "text").ino;
    for n in 0..128 {
        world.ok(set(ino, &format!("user.{n}"), "x".into()));
    }
    world.refused(set(ino, ACCESS, named(6, 6, 6, 6, 6)), Code::NoSpace);
    world.ok(set(ino, ACCESS, minimal(6, 4, 4)));
    world.delete("a");
}
