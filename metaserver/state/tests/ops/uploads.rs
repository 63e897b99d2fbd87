//! Multipart uploads.

use bytes::Bytes;
use holdfast_proto::inode::ObjectMeta;
use holdfast_proto::map::{Erasure, Redundancy, redundancy::Kind};
use holdfast_proto::op::*;
use holdfast_proto::query::{ListParts, ListUploads, Query};
use holdfast_proto::status::Code;

use crate::common::{BUCKET, World, delete_objects, inline};

const BIG: usize = 5 << 20;

fn begin(world: &mut World, key: &str) -> u64 {
    let object = ObjectMeta { content_type: Some("x/y".into()), ..ObjectMeta::default() };
    let op = CreateUpload {
        bucket: BUCKET.into(),
        key: Bytes::copy_from_slice(key.as_bytes()),
        object: Some(object),
        ..CreateUpload::default()
    };
    world.ok(Op::CreateUpload(op)).id
}

fn put_part(world: &mut World, upload: u64, part: u32, bytes: &[u8], etag: &str) {
    let content = if bytes.len() <= 4096 { inline(bytes) } else { world.content(&[bytes]) };
    let op = PutPart { upload, part, content: Some(content), etag: etag.into(), checksums: vec![] };
    world.ok(Op::PutPart(op));
}

fn assemble(upload: u64, parts: &[(u32, &str)], list: u8, last: bool) -> Op {
    let parts = parts.iter().map(|(part, etag)| NamedPart { part: *part, etag: (*etag).into() }).collect();
    Op::AssembleUpload(AssembleUpload {
        upload,
        parts,
        restart: true,
        list_digest: vec![list; 32].into(),
        last,
    })
}

fn finish(upload: u64, list: u8) -> Op {
    let op = FinishUpload {
        upload,
        list_digest: vec![list; 32].into(),
        etag: "tag-2".into(),
        ..FinishUpload::default()
    };
    Op::FinishUpload(op)
}

fn free(world: &mut World) {
    for upload in holdfast_state::work::uploads_to_free(&world.table, 100).unwrap() {
        while world.lead(Op::FreeUploadStep(FreeUploadStep { upload, most: 1 })).progress > 0 {}
    }
    for ino in holdfast_state::work::inodes_to_free(&world.table, 100).unwrap() {
        while world.lead(Op::FreeStep(FreeStep { ino, most: 1 })).progress > 0 {}
    }
}

#[test]
fn parts_are_joined_by_reference() {
    let mut world = World::new();
    let upload = begin(&mut world, "dir/big");
    let first = vec![1; BIG];
    put_part(&mut world, upload, 2, &first, "one");
    put_part(&mut world, upload, 7, b"tail", "two");
    assert_eq!(world.ok(assemble(upload, &[(2, "one"), (7, "\"two\"")], 1, true)).progress, 2);
    assert!(world.object("dir/big").is_none());
    let reply = world.ok(finish(upload, 1));
    let inode = reply.inode.clone().unwrap();
    assert_eq!(inode.size, BIG as u64 + 4);
    let object = inode.object.unwrap();
    assert_eq!((object.etag.as_str(), object.parts, object.part_bytes), ("tag-2", 2, vec![BIG as u64, 4]));
    assert_eq!(object.content_type.as_deref(), Some("x/y"));
    let bytes = world.read("dir/big");
    assert_eq!((&bytes[..BIG], &bytes[BIG..]), (&first[..], &b"tail"[..]));
    // Asked again, also after the parts are gone: the same object.
    let again = world.ok(finish(upload, 1));
    assert!(again.existed);
    assert_eq!(again.inode.unwrap().ino, inode.ino);
    world.refused(finish(upload, 2), Code::NoSuchUpload);
    world.refused(assemble(upload, &[(2, "one")], 1, true), Code::NoSuchUpload);
    free(&mut world);
    assert!(world.garbage().is_empty());
    assert!(world.ok(finish(upload, 1)).existed);
    world.ok(delete_objects(&["dir/big"]));
    assert_eq!(world.garbage().len(), 1);
    assert_eq!(world.totals().inodes, 2);
}

#[test]
fn bad_lists_are_refused() {
    let mut world = World::new();
    let upload = begin(&mut world, "k");
    put_part(&mut world, upload, 1, b"small", "a");
    put_part(&mut world, upload, 2, b"small", "b");
    world.refused(assemble(upload, &[(1, "a"), (2, "b")], 1, true), Code::PartTooSmall);
    world.refused(assemble(upload, &[(2, "b"), (1, "a")], 1, true), Code::InvalidPartOrder);
    world.refused(assemble(upload, &[(1, "a"), (1, "a")], 1, true), Code::InvalidPartOrder);
    world.refused(assemble(upload, &[(1, "other")], 1, true), Code::InvalidPart);
    world.refused(assemble(upload, &[(3, "c")], 1, true), Code::InvalidPart);
    world.refused(assemble(99_999, &[(1, "a")], 1, true), Code::NoSuchUpload);
    world.refused(finish(upload, 1), Code::PreconditionFailed);
    let zero = PutPart { upload, part: 0, content: Some(inline(b"")), ..PutPart::default() };
    world.refused(Op::PutPart(zero), Code::InvalidArgument);
    world.ok(assemble(upload, &[(2, "b")], 1, true));
    world.ok(finish(upload, 1));
    assert_eq!(world.read("k"), b"small");
}

#[test]
fn a_part_put_again_while_joining_changes_nothing_joined() {
    let mut world = World::new();
    let upload = begin(&mut world, "k");
    put_part(&mut world, upload, 1, &vec![1; BIG], "a");
    put_part(&mut world, upload, 2, b"tail", "b");
    world.ok(assemble(upload, &[(1, "a")], 1, false));
    world.refused(finish(upload, 1), Code::PreconditionFailed);
    put_part(&mut world, upload, 1, &vec![9; BIG], "z");
    // Resumed by another gateway, from the start: what was taken stays taken.
    assert_eq!(world.ok(assemble(upload, &[(1, "a"), (2, "b")], 1, true)).progress, 2);
    world.ok(finish(upload, 1));
    assert_eq!(world.read("k")[0], 1);
    free(&mut world);
    assert_eq!(world.garbage().len(), 1);
}

#[test]
fn another_list_begins_anew() {
    let mut world = World::new();
    let upload = begin(&mut world, "k");
    put_part(&mut world, upload, 1, &vec![1; BIG], "a");
    put_part(&mut world, upload, 2, b"tail", "b");
    world.ok(assemble(upload, &[(1, "a"), (2, "b")], 1, true));
    let Op::AssembleUpload(mut other) = assemble(upload, &[(2, "b")], 2, true) else { unreachable!() };
    other.restart = false;
    world.refused(Op::AssembleUpload(other), Code::PreconditionFailed);
    world.ok(assemble(upload, &[(2, "b")], 2, true));
    world.refused(finish(upload, 1), Code::PreconditionFailed);
    world.ok(finish(upload, 2));
    assert_eq!(world.read("k"), b"tail");
    free(&mut world);
    assert_eq!(world.garbage().len(), 1);
}

#[test]
fn many_parts_take_several_steps() {
    let mut world = World::new();
    world.checked = false;
    let upload = begin(&mut world, "k");
    let shared = vec![3; BIG];
    world.put_text("tiny", "x");
    let content = world.content(&[&shared]);
    world.put("source", content);
    let source = world.object("source").unwrap();
    let mut names = Vec::new();
    for part in 1..=1500 {
        let copy = CopyPart {
            upload,
            part,
            source: source.ino,
            source_version: source.version,
            offset: 0,
            length: BIG as u64,
            etag: "e".into(),
            ..CopyPart::default()
        };
        world.ok(Op::CopyPart(copy));
        names.push((part, "e"));
    }
    world.checked = true;
    assert_eq!(world.ok(assemble(upload, &names, 1, true)).progress, 1000);
    world.refused(finish(upload, 1), Code::PreconditionFailed);
    assert_eq!(world.ok(assemble(upload, &names, 1, true)).progress, 1500);
    world.ok(finish(upload, 1));
    assert_eq!(world.object("k").unwrap().size, 1500 * BIG as u64);
    world.checked = false;
    world.delete("k");
    free(&mut world);
    world.checked = true;
    world.delete("source");
    assert_eq!(world.totals().chunks, 0);
}

#[test]
fn copied_parts_are_ranges() {
    let mut world = World::new();
    let content = world.content(&[b"0123456789", b"abcdefghij"]);
    world.put("source", content);
    world.put_text("tiny", "inline bytes");
    let (source, tiny) = (world.object("source").unwrap(), world.object("tiny").unwrap());
    let upload = begin(&mut world, "k");
    let copy = |source: &holdfast_proto::inode::Inode, offset, length| {
        Op::CopyPart(CopyPart {
            upload,
            part: 1,
            source: source.ino,
            source_version: source.version,
            offset,
            length,
            etag: "e".into(),
            ..CopyPart::default()
        })
    };
    world.refused(copy(&source, 15, 6), Code::InvalidArgument);
    world.ok(copy(&tiny, 2, 3));
    world.ok(copy(&source, 5, 10));
    world.put_text("source", "changed");
    world.refused(copy(&source, 0, 1), Code::StaleInode);
    world.ok(assemble(upload, &[(1, "e")], 1, true));
    world.ok(finish(upload, 1));
    assert_eq!(world.read("k"), b"56789abcde");
}

#[test]
fn uploads_and_parts_are_listed() {
    let mut world = World::new();
    let first = begin(&mut world, "b/x");
    let second = begin(&mut world, "b/x");
    let third = begin(&mut world, "a");
    let ask = |prefix: &str, after_key: &str, after_upload, most| {
        Query::ListUploads(ListUploads {
            bucket: BUCKET.into(),
            prefix: prefix.to_owned().into(),
            after_key: after_key.to_owned().into(),
            after_upload,
            most,
        })
    };
    let ids = |world: &World, ask| world.ask(ask).uploads.iter().map(|upload| upload.id).collect::<Vec<_>>();
    assert_eq!(ids(&world, ask("", "", 0, 10)), [third, first, second]);
    assert_eq!(ids(&world, ask("b", "", 0, 10)), [first, second]);
    assert_eq!(ids(&world, ask("", "b/x", first, 10)), [second]);
    assert_eq!(ids(&world, ask("", "a", 0, 1)), [first]);
    put_part(&mut world, first, 3, b"3", "c");
    put_part(&mut world, first, 1, b"1", "a");
    put_part(&mut world, first, 3, b"three", "cc");
    let reply = world.ask(Query::ListParts(ListParts { upload: first, after: 0, most: 10 }));
    let parts: Vec<_> = reply.parts.iter().map(|part| (part.part, part.size, part.etag.as_str())).collect();
    assert_eq!(parts, [(1, 1, "a"), (3, 5, "cc")]);
    assert_eq!(reply.uploads[0].key, "b/x");
    world.ok(Op::AbortUpload(AbortUpload { upload: first, ..AbortUpload::default() }));
    assert_eq!(
        world.ask_code(Query::ListParts(ListParts { upload: first, after: 0, most: 10 })),
        Code::NoSuchUpload
    );
    assert_eq!(ids(&world, ask("", "", 0, 10)), [third, second]);
    free(&mut world);
}

#[test]
fn aborting_while_joining_frees_everything() {
    let mut world = World::new();
    let upload = begin(&mut world, "k");
    put_part(&mut world, upload, 1, &vec![1; BIG], "a");
    world.ok(assemble(upload, &[(1, "a")], 1, true));
    world.ok(Op::AbortUpload(AbortUpload { upload, ..AbortUpload::default() }));
    world.refused(finish(upload, 1), Code::NoSuchUpload);
    free(&mut world);
    assert_eq!(world.garbage().len(), 1);
    assert_eq!(world.totals().inodes, 2);
}

#[test]
fn finishing_honours_conditions_and_replaces() {
    let mut world = World::new();
    world.put_text("k", "old");
    let upload = begin(&mut world, "k");
    put_part(&mut world, upload, 1, b"new", "a");
    world.ok(assemble(upload, &[(1, "a")], 1, true));
    let Op::FinishUpload(mut op) = finish(upload, 1) else { unreachable!() };
    op.conditions = Some(Conditions { if_none_match: vec!["*".into()], ..Conditions::default() });
    world.refused(Op::FinishUpload(op), Code::PreconditionFailed);
    assert_eq!(world.read("k"), b"old");
    assert!(world.ok(finish(upload, 1)).replaced_version > 0);
    assert_eq!(world.read("k"), b"new");
}

/// A class in shards with a group of its own, and that group.
fn shards(world: &mut World) -> (u32, u32) {
    let kind = Kind::Erasure(Erasure { data: 2, parity: 1, cell_bytes: 4096 });
    let op = PutClass {
        name: "ec".into(),
        redundancy: Some(Redundancy { kind: Some(kind) }),
        chunk_bytes: 8192 * 16,
        companion: 1,
        ..PutClass::default()
    };
    let class = world.lead(Op::PutClass(op)).id as u32;
    let disks: Vec<_> = (1..=3).map(|disk| world.disk_ref(disk)).collect();
    let pg = world.lead(Op::CreatePgs(CreatePgs { pgs: vec![NewPg { class, disks }] })).id as u32;
    (class, pg)
}

/// An object of two parts in the class, of which the second lies in group `pg`; whether it has to be converted.
fn joined_of(world: &mut World, key: &str, class: u32, groups: [u32; 2], last: &[u8]) -> bool {
    let upload = begin(world, key);
    for (part, (pg, bytes)) in (1..).zip([(groups[0], &[7; BIG][..]), (groups[1], last)]) {
        world.pg = pg;
        let content = world.content(&[bytes]);
        let op = PutPart { upload, part, content: Some(content), etag: "e".into(), checksums: vec![] };
        world.ok(Op::PutPart(op));
    }
    world.ok(assemble(upload, &[(1, "e"), (2, "e")], 1, true));
    let inode = world.ok(finish(upload, 1)).inode.unwrap();
    assert_eq!(inode.class, class);
    inode.converting
}

#[test]
fn only_what_lies_elsewhere_than_its_class_wants_is_converted() {
    let mut world = World::new();
    world.checked = false;
    let copies = world.pg;
    let (class, own) = shards(&mut world);
    let bucket = world.bucket();
    world.ok(Op::SetAttr(SetAttr { ino: bucket, class: Some(class), ..SetAttr::default() }));
    let long = [9; 5000];
    assert!(!joined_of(&mut world, "whole", class, [own, own], &long));
    assert!(joined_of(&mut world, "fell-back", class, [own, copies], &long));
    assert!(joined_of(&mut world, "fell-back-first", class, [copies, own], &long));
    assert!(!joined_of(&mut world, "short", class, [own, copies], &[9; 4096]), "too short for shards");
    // By reference: what lay where its class wants it does so in an object of that class, and in no other's.
    let copied = |world: &mut World, from: &str, to_class: u32| {
        let source = world.object(from).unwrap();
        let key = format!("copy-of-{from}-{to_class}");
        let upload = CreateUpload { class: to_class, ..upload_of(&key) };
        let upload = world.ok(Op::CreateUpload(upload)).id;
        let op = CopyPart {
            upload,
            part: 1,
            source: source.ino,
            source_version: source.version,
            length: source.size,
            etag: "e".into(),
            ..CopyPart::default()
        };
        world.ok(Op::CopyPart(op));
        world.ok(assemble(upload, &[(1, "e")], 1, true));
        world.ok(finish(upload, 1)).inode.unwrap().converting
    };
    assert!(!copied(&mut world, "whole", 0));
    assert!(copied(&mut world, "whole", 1));
    assert!(copied(&mut world, "fell-back", 0), "its source is still to be converted");
    assert!(!copied(&mut world, "short", 0));
}

fn upload_of(key: &str) -> CreateUpload {
    CreateUpload {
        bucket: BUCKET.into(),
        key: Bytes::copy_from_slice(key.as_bytes()),
        ..CreateUpload::default()
    }
}
