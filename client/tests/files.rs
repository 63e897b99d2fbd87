//! Paths, directories and uploads, through the library's conveniences.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may")]

mod fakes;

use bytes::Bytes;
use fakes::{BUCKET, Cluster, Shape, bytes, create_bucket, get, put};
use futures::StreamExt as _;
use holdfast_client::{Client, Completion, PartInfo, PutOptions, WriteOptions};
use holdfast_proto::ids::Ino;
use holdfast_proto::inode::FileKind;
use holdfast_proto::op::{Conditions, CopyObject, CreateUpload, NamedPart, Op, RenameMode, SetAttr};
use holdfast_proto::status::Code;

const CHUNK: usize = 64 << 10;

async fn names(client: &Client, path: &str) -> Vec<String> {
    let dir = Ino(client.stat(path).await.unwrap().ino);
    let walk: Vec<_> = client.walk(dir).collect().await;
    walk.into_iter().map(|item| String::from_utf8(item.unwrap().0).unwrap()).collect()
}

#[tokio::test(start_paused = true)]
async fn a_tree_is_made_walked_moved_and_removed() {
    let cluster = Cluster::start(Shape::default()).await;
    let client = cluster.client().await;
    for at in 0..600 {
        put(&client, &format!("tree/many/file{at:04}"), &bytes(10, at)).await;
    }
    put(&client, "tree/a/b", &bytes(CHUNK, 1)).await;
    put(&client, "tree/a", &bytes(10, 1)).await;
    client.mkdir("/bucket/tree/empty/deep", 0o755, true).await.unwrap();
    assert_eq!(client.mkdir("/bucket/tree/empty", 0o755, false).await.unwrap_err().code(), Code::Exists);

    let all = names(&client, "/bucket/tree").await;
    assert_eq!(all.len(), 606);
    assert_eq!(all[..5], ["a", "a/", "a/b", "empty/", "empty/deep/"]);

    client.rename("/bucket/tree/empty/deep", "/bucket/tree/moved", RenameMode::NoReplace).await.unwrap();
    assert_eq!(client.stat("/bucket/tree/moved").await.unwrap().kind(), FileKind::Directory);
    assert_eq!(client.stat("/bucket/tree/empty/deep").await.unwrap_err().code(), Code::NotFound);
    assert_eq!(client.remove("/bucket/tree").await.unwrap_err().code(), Code::NotEmpty);

    let removed = client.remove_all("/bucket/tree").await.unwrap();
    assert!(removed >= 602, "{removed}");
    assert_eq!(client.stat("/bucket/tree").await.unwrap_err().code(), Code::NotFound);
    assert_eq!(client.remove_all("/bucket/tree").await.unwrap_err().code(), Code::NotFound);
    assert!(names(&client, "/bucket").await.is_empty());

    put(&client, "x/y", &bytes(10, 1)).await;
    put(&client, "x", &bytes(10, 2)).await;
    assert_eq!(client.remove_all("/bucket/x").await.unwrap(), 1);
    assert_eq!(names(&client, "/bucket").await, ["x"], "the file beside the directory stays");
}

#[tokio::test(start_paused = true)]
async fn a_file_is_put_and_opened_by_path_with_its_attributes() {
    let cluster = Cluster::start(Shape::default()).await;
    let client = cluster.client().await;
    let options = PutOptions {
        mode: Some(0o640),
        uid: 12,
        gid: 34,
        mtime_ns: Some(5_000_000_000),
        ..PutOptions::default()
    };
    let data = bytes(3 * CHUNK, 2);
    let mut writer = client.put_path("/bucket/dir/file", options).await.unwrap();
    writer.write(data.clone()).await.unwrap();
    writer.finish().await.unwrap();
    let file = client.open_path("/bucket/dir/file").await.unwrap();
    let inode = file.inode();
    assert_eq!((inode.mode, inode.uid, inode.gid, inode.mtime_ns), (0o640, 12, 34, 5_000_000_000));
    assert_eq!(file.read_at(0, u64::MAX).await.unwrap(), data);
    assert_eq!(client.open_path("/bucket/dir").await.unwrap_err().code(), Code::IsADirectory);
    assert!(client.put_path("/bucket/dir/", PutOptions::default()).await.is_err());
    assert!(client.statfs().await.unwrap().inodes > 0);
}

#[tokio::test(start_paused = true)]
async fn parts_are_joined_without_being_copied() {
    let cluster = Cluster::start(Shape { chunk_bytes: 1 << 20, ..Shape::default() }).await;
    let client = cluster.client().await;
    let class = client.class_for(BUCKET, b"").await.unwrap();
    let create = CreateUpload {
        bucket: BUCKET.into(),
        key: Bytes::from_static(b"big"),
        nonce: "0123456789abcdef0123456789abcdef".into(),
        ..CreateUpload::default()
    };
    let upload = client.create_upload(create.clone()).await.unwrap();
    let mut all = Vec::new();
    let mut parts = Vec::new();
    for part in 1..=3u32 {
        let data = bytes(5 << 20 | part as usize, part.into());
        let mut writer = client.writer(&class, WriteOptions::default());
        writer.write(data.clone()).await.unwrap();
        let etag = format!("{part:032x}");
        let info = PartInfo { part, etag: etag.clone(), checksums: Vec::new() };
        client.put_part(upload, info, writer.finish().await.unwrap()).await.unwrap();
        all.extend_from_slice(&data);
        parts.push(NamedPart { part, etag });
    }
    let replicas = cluster.replicas();
    let done = Completion { parts, etag: "joined-3".into(), ..Completion::default() };
    client.complete_upload(upload, done.clone()).await.unwrap();
    assert_eq!(get(&client, "big").await, all);
    assert_eq!(cluster.replicas(), replicas);
    client.complete_upload(upload, done).await.unwrap();

    let upload = client.create_upload(create).await.unwrap();
    client.abort_upload(upload).await.unwrap();
    let lost = Completion { parts: vec![NamedPart { part: 1, etag: "x".into() }], ..Completion::default() };
    assert!(client.complete_upload(upload, lost).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_file_of_more_chunks_than_a_command_carries_is_put_all_the_same() {
    let cluster = Cluster::start(Shape { nodes: 1, copies: 1, min_copies: 1, ..Shape::default() }).await;
    let client = cluster.client_with(|_| {}).await;
    client.mutate(create_bucket()).await.unwrap();
    let data = bytes(2100 * CHUNK + 77, 4);
    let options =
        PutOptions { mode: Some(0o600), uid: 9, mtime_ns: Some(7_000_000_000), ..PutOptions::default() };
    let mut writer = client.put(BUCKET, b"huge", options).await.unwrap();
    for piece in data.chunks(1_000_000) {
        writer.write(data.slice_ref(piece)).await.unwrap();
    }
    assert_eq!(writer.size(), data.len() as u64);
    assert!(client.open_object(BUCKET, b"huge", None).await.is_err(), "nothing to be seen yet");
    writer.finish().await.unwrap();
    assert_eq!(get(&client, "huge").await, data);
    let inode = client.stat("/bucket/huge").await.unwrap();
    assert_eq!((inode.mode & 0o777, inode.uid, inode.mtime_ns), (0o600, 9, 7_000_000_000));

    // One that must not replace leaves the old one alone, and no upload behind.
    let conditions = Some(Conditions { if_none_match: vec!["*".into()], ..Conditions::default() });
    let options = PutOptions { conditions, ..PutOptions::default() };
    let mut writer = client.put(BUCKET, b"huge", options).await.unwrap();
    writer.write(data.slice(..1001 * CHUNK)).await.unwrap();
    assert_eq!(writer.finish().await.unwrap_err().code(), Code::PreconditionFailed);
    assert_eq!(get(&client, "huge").await, data);
}

#[tokio::test(start_paused = true)]
async fn what_is_too_much_for_one_command_is_done_in_steps() {
    let cluster = Cluster::start(Shape { nodes: 1, copies: 1, min_copies: 1, ..Shape::default() }).await;
    let client = cluster.client_with(|_| {}).await;
    client.mutate(create_bucket()).await.unwrap();
    let data = bytes(2100 * CHUNK + 77, 5);
    put(&client, "long", &data).await;

    let copy = CopyObject {
        source_bucket: BUCKET.into(),
        source_key: Bytes::from_static(b"long"),
        bucket: BUCKET.into(),
        key: Bytes::from_static(b"copy"),
        ..CopyObject::default()
    };
    client.mutate(Op::CopyObject(copy.clone())).await.unwrap();
    assert!(get(&client, "copy").await == data);

    // The first drafts find the file changed: the steps begin anew, as long as the command's time allows.
    let ino = client.stat("/bucket/long").await.unwrap().ino;
    let mut disturb = (0..12u64).map(move |number| {
        let size = Some((2090 - number) * CHUNK as u64);
        SetAttr { ino, size, ..SetAttr::default() }
    });
    cluster.meta.intercept(move |command, table, index| {
        if matches!(command.op, Some(Op::FillDraft(_)))
            && let Some(op) = disturb.next()
        {
            let reply = fakes::apply(table, index, &fakes::by_leader(Op::SetAttr(op)));
            assert!(reply.is_ok(), "{reply:?}");
        }
        fakes::Fate::Go
    });
    let size = 10 * CHUNK as u64 + 5;
    let cut = SetAttr { ino, size: Some(size), ..SetAttr::default() };
    client.mutate(Op::SetAttr(cut)).await.unwrap();
    assert!(get(&client, "long").await == data.slice(..size as usize));
    assert!(get(&client, "copy").await == data, "the copy keeps what it refers to");

    // A refusal of the command itself is passed on, and its draft does not stay.
    let conditions = Some(Conditions { if_none_match: vec!["*".into()], ..Conditions::default() });
    let twice =
        CopyObject { source_key: Bytes::from_static(b"copy"), key: Bytes::from_static(b"long"), ..copy };
    let refused = client.mutate(Op::CopyObject(CopyObject { conditions, ..twice })).await;
    assert_eq!(refused.unwrap_err().code(), Code::PreconditionFailed);
    assert_eq!(cluster.meta.drafts(), 0);
}
