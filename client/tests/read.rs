//! Reads: every byte given out was checked, and comes from one version of the file, from whichever member has it.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may")]

mod fakes;

use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use fakes::{BUCKET, Cluster, Shape, bytes, eventually, get, put, put_streamed};
use futures::StreamExt as _;
use holdfast_client::{Client, ClientError, DEFAULT_CLASS};
use holdfast_proto::cluster::Finding;
use holdfast_proto::ids::Ino;
use holdfast_proto::inode::{Content, Extent};
use holdfast_proto::op::{Compact, Conditions, Op, Piece, SetAttr, Write};
use holdfast_proto::query::{GetExtents, GetInode, Query};
use holdfast_proto::status::Code;
use holdfast_state::keys;
use tokio::time::Instant;

const CHUNK: usize = 64 << 10;

async fn collect(client: &Client, key: &str, from: u64, to: u64) -> Result<Bytes, ClientError> {
    let file = client.open_object(BUCKET, key.as_bytes(), None).await?;
    let mut stream = file.read(from..to);
    let mut all = BytesMut::new();
    while let Some(piece) = stream.next().await {
        all.extend_from_slice(&piece?);
    }
    Ok(all.freeze())
}

#[tokio::test(start_paused = true)]
async fn every_range_is_what_was_written() {
    let cluster = Cluster::start(Shape::default()).await;
    let client = cluster.client_with(|config| config.read_piece_bytes = 16 << 10).await;
    client.mutate(fakes::create_bucket()).await.unwrap();
    for length in [3000usize, 7 * CHUNK + 777] {
        let data = bytes(length, 5);
        put(&client, "file", &data).await;
        let marks = [
            0,
            1,
            4095,
            4096,
            16_384,
            CHUNK - 1,
            CHUNK,
            CHUNK + 1,
            3 * CHUNK + 5,
            length - 1,
            length,
            length + 9,
        ];
        for from in marks {
            for to in marks {
                let expected = data.slice(from.min(length)..to.min(length).max(from.min(length)));
                let got = collect(&client, "file", from as u64, to as u64).await.unwrap();
                assert_eq!(got, expected, "{from}..{to} of {length}");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_damaged_replica_is_never_returned_and_is_reported() {
    let cluster = Cluster::start(Shape { nodes: 3, ..Shape::default() }).await;
    let client = cluster.client().await;
    let data = bytes(20 * CHUNK, 5);
    put(&client, "file", &data).await;
    cluster.chunks[1].damage();
    for _ in 0..5 {
        assert_eq!(get(&client, "file").await, data);
    }
    let disk = cluster.chunks[1].disks.lock()[0].disk;
    eventually(|| !cluster.meta.state.lock().reports.is_empty()).await;
    let state = cluster.meta.state.lock();
    assert!(state.reports.iter().all(|report| {
        report.finding() == Finding::Damaged && report.disk.unwrap().disk == disk && report.number != 0
    }));
    let mut chunks: Vec<_> = state.reports.iter().map(|report| report.number).collect();
    chunks.sort_unstable();
    let count = chunks.len();
    chunks.dedup();
    assert_eq!(chunks.len(), count, "each finding is reported once");
}

#[tokio::test(start_paused = true)]
async fn with_every_copy_damaged_there_is_an_error_by_the_deadline() {
    let cluster = Cluster::start(Shape { nodes: 3, ..Shape::default() }).await;
    let client = cluster.client().await.within(Duration::from_secs(2));
    put(&client, "file", &bytes(3 * CHUNK, 5)).await;
    cluster.chunks.iter().for_each(|node| node.damage());
    let started = Instant::now();
    let error = collect(&client, "file", 0, u64::MAX).await.unwrap_err();
    assert_eq!(error.code(), Code::DataUnavailable, "{error}");
    assert!(started.elapsed() < Duration::from_secs(4));
}

#[tokio::test(start_paused = true)]
async fn a_replica_that_vanished_is_reported_as_absent() {
    let cluster = Cluster::start(Shape { nodes: 3, ..Shape::default() }).await;
    let client = cluster.client().await;
    let data = bytes(10 * CHUNK, 5);
    put(&client, "file", &data).await;
    cluster.chunks[0].store.lock().clear();
    for _ in 0..5 {
        assert_eq!(get(&client, "file").await, data);
    }
    eventually(|| !cluster.meta.state.lock().reports.is_empty()).await;
    assert!(cluster.meta.state.lock().reports.iter().all(|report| report.finding() == Finding::Absent));
}

#[tokio::test(start_paused = true)]
async fn a_dawdling_member_is_overtaken() {
    let cluster = Cluster::start(Shape { nodes: 3, ..Shape::default() }).await;
    let client = cluster.client().await;
    let data = bytes(CHUNK, 5);
    put(&client, "file", &data).await;
    for _ in 0..50 {
        get(&client, "file").await;
    }
    cluster.chunks[2].set(|mode| mode.read_delay = Duration::from_secs(5));
    for _ in 0..50 {
        let started = Instant::now();
        assert_eq!(get(&client, "file").await, data);
        assert!(started.elapsed() < Duration::from_millis(300), "{:?}", started.elapsed());
    }
}

#[tokio::test(start_paused = true)]
async fn dead_and_frozen_members_do_not_stop_reading() {
    let cluster = Cluster::start(Shape { nodes: 3, ..Shape::default() }).await;
    let client = cluster.client().await;
    let data = bytes(40 * CHUNK, 5);
    put(&client, "file", &data).await;
    cluster.network.stop("chunk0");
    cluster.chunks[1].set(|mode| mode.frozen = true);
    let started = Instant::now();
    assert_eq!(get(&client, "file").await, data);
    assert!(started.elapsed() < Duration::from_secs(2), "{:?}", started.elapsed());
}

#[tokio::test(start_paused = true)]
async fn the_local_member_is_read_first() {
    let cluster = Cluster::start(Shape { nodes: 3, ..Shape::default() }).await;
    let local = cluster.chunks[1].id;
    let client = cluster.client_with(|config| config.local_node = local).await;
    client.mutate(fakes::create_bucket()).await.unwrap();
    let data = bytes(10 * CHUNK, 5);
    put(&client, "file", &data).await;
    assert_eq!(get(&client, "file").await, data);
    let reads: Vec<_> = cluster.chunks.iter().map(|node| node.reads.load(Ordering::SeqCst)).collect();
    assert_eq!(reads, [0, 10, 0]);
}

/// Deletes every chunk that is dead in the metadata, if the last heartbeat allows it, as the leader would.
fn collect_garbage(cluster: &Cluster) -> usize {
    let state = cluster.meta.state.lock();
    let Some(oldest) = state.beats.last().map(|beat| beat.oldest_index) else { return 0 };
    let mut dead = Vec::new();
    for (key, value) in state.table.iter().filter(|(key, _)| key.first() == Some(&keys::GC)) {
        let pg = u32::from_be_bytes(key[1..5].try_into().unwrap());
        let index = u64::from_be_bytes(key[5..13].try_into().unwrap());
        let batch: holdfast_state::records::GcBatch =
            holdfast_state::records::decode(key, value.clone()).unwrap();
        if index < oldest {
            dead.extend(batch.numbers.into_iter().map(|number| (pg, number)));
        }
    }
    let mut removed = 0;
    for node in &cluster.chunks {
        node.store.lock().retain(|(_, pg, number), _| {
            let gone = dead.contains(&(*pg, *number));
            removed += usize::from(gone);
            !gone
        });
    }
    removed
}

#[tokio::test(start_paused = true)]
async fn a_long_read_goes_on_across_overwrite_and_collection() {
    let cluster = Cluster::start(Shape::default()).await;
    let client = cluster.client().await;
    let old = bytes(30 * CHUNK, 5);
    put(&client, "file", &old).await;
    let file = client.open_object(BUCKET, b"file", None).await.unwrap();
    let mut stream = file.read(0..u64::MAX);
    drop(file);
    let mut all = BytesMut::from(&stream.next().await.unwrap().unwrap()[..]);
    put(&client, "file", &bytes(5 * CHUNK, 6)).await;
    put(&client, "other", &bytes(10, 1)).await;
    for _ in 0..20 {
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_eq!(collect_garbage(&cluster), 0, "the reader's pin protects the old chunks");
        all.extend_from_slice(&stream.next().await.unwrap().unwrap());
    }
    while let Some(piece) = stream.next().await {
        all.extend_from_slice(&piece.unwrap());
    }
    assert_eq!(all.freeze(), old);
    drop(stream);
    let mut removed = 0;
    eventually(|| {
        removed += collect_garbage(&cluster);
        removed == 90
    })
    .await;
}

/// Appends pieces of 100 bytes, each a chunk of its own.
async fn append_pieces(client: &Client, ino: u64, count: usize) -> Bytes {
    let class = client.class(DEFAULT_CLASS).await.unwrap();
    let all = bytes(count * 100, 7);
    for number in 0..count {
        let stored = client.store_chunk(&class, all.slice(number * 100..(number + 1) * 100)).await.unwrap();
        let write = |content: Content| {
            let source = content.extents.first().cloned();
            let pieces = vec![Piece { offset: 100 * number as u64, length: 100, source }];
            Op::Write(Write { ino, chunks: content.chunks, pieces, ..Write::default() })
        };
        client.commit(holdfast_client::Content::of_chunks(DEFAULT_CLASS, vec![stored]), write).await.unwrap();
    }
    all
}

/// Joins the extents of a page into one chunk, as a worker would. False: it was not to be.
async fn join(client: &Client, ino: u64) -> bool {
    let page = client.extents(Ino(ino), 0).await.unwrap();
    let length = page.extents().last().unwrap().end();
    let class = client.class(DEFAULT_CLASS).await.unwrap();
    let stored = client.store_chunk(&class, page.read(0, length).await.unwrap()).await.unwrap();
    let compact = |content: Content| {
        let pieces = vec![Piece { offset: 0, length, source: content.extents.first().cloned() }];
        let expected = page.extents().to_vec();
        Op::Compact(Compact { ino, chunks: content.chunks, pieces, expected, ..Compact::default() })
    };
    let content = holdfast_client::Content::of_chunks(DEFAULT_CLASS, vec![stored]);
    client.replace(content, compact).await.unwrap().is_some()
}

#[tokio::test(start_paused = true)]
async fn what_does_not_read_back_replaces_nothing() {
    let cluster = Cluster::start(Shape { nodes: 3, ..Shape::default() }).await;
    let client = cluster.client().await;
    put(&client, "file", &Bytes::new()).await;
    let ino = client.open_object(BUCKET, b"file", None).await.unwrap().inode().ino;
    let all = append_pieces(&client, ino, 10).await;
    for node in &cluster.chunks {
        node.mode.lock().rots = true;
        assert!(!join(&client, ino).await, "one of them has it damaged");
        node.mode.lock().rots = false;
    }
    assert_eq!(client.extents(Ino(ino), 0).await.unwrap().extents().len(), 10);
    assert!(join(&client, ino).await);
    assert_eq!(client.extents(Ino(ino), 0).await.unwrap().extents().len(), 1);
    assert_eq!(client.open_inode(Ino(ino)).await.unwrap().read_at(0, 1000).await.unwrap(), all);
}

#[tokio::test(start_paused = true)]
async fn readers_go_on_when_small_extents_are_joined() {
    let cluster = Cluster::start(Shape::default()).await;
    let client = cluster.client().await;
    put(&client, "file", &Bytes::new()).await;
    let ino = client.open_object(BUCKET, b"file", None).await.unwrap().inode().ino;
    // More than come with the answer to the open.
    let all = append_pieces(&client, ino, 300).await;
    let ask = || Query::GetInode(GetInode { ino, content: true, open: 0 });
    let mut open = client.opened(client.ask(ask()).await.unwrap()).unwrap();
    assert_eq!(open.read_at(0, 100).await.unwrap(), all.slice(..100));
    assert!(join(&client, ino).await);
    // The part that was not known lies differently now, and the version is the same.
    assert_eq!(open.read_at(27_000, 3000).await.unwrap(), all.slice(27_000..));
    // The pin goes, and with it what the layout that is known names.
    put(&client, "other", &bytes(10, 1)).await;
    open = open.renewed(client.ask(ask()).await.unwrap()).unwrap();
    let mut removed = 0;
    for _ in 0..30 {
        put(&client, "other", &bytes(10, 1)).await;
        tokio::time::sleep(Duration::from_secs(1)).await;
        removed += collect_garbage(&cluster);
    }
    assert!(removed >= 300, "{removed}");
    for from in [550u64, 0, 12_345] {
        let expected = all.slice(from as usize..from as usize + 50);
        assert_eq!(open.read_at(from, 50).await.unwrap(), expected, "at {from}");
    }
    assert_eq!(open.read_at(0, 30_000).await.unwrap(), all);
}

/// Writes bytes that lie in the metadata.
async fn write_inline(client: &Client, ino: u64, offset: u64, bytes: &[u8]) {
    let source = Extent { inline: Some(Bytes::copy_from_slice(bytes)), ..Extent::default() };
    let pieces = vec![Piece { offset, length: bytes.len() as u64, source: Some(source) }];
    client.mutate(Op::Write(Write { ino, pieces, ..Write::default() })).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_hole_of_any_length_is_one_step() {
    const FAR: u64 = 1 << 50;
    let cluster = Cluster::start(Shape::default()).await;
    let client = cluster.client().await;
    put(&client, "file", &Bytes::new()).await;
    let ino = client.open_object(BUCKET, b"file", None).await.unwrap().inode().ino;
    // More than come with the answer to the open, then a long hole.
    append_pieces(&client, ino, 300).await;
    write_inline(&client, ino, FAR, b"data").await;
    let size = Op::SetAttr(SetAttr { ino, size: Some(2 * FAR), ..SetAttr::default() });
    client.mutate(size).await.unwrap();
    let file = client.open_inode(Ino(ino)).await.unwrap();
    let (mut at, mut found) = (0, Vec::new());
    while let Some((data, end)) = file.stretch(at).await.unwrap() {
        found.push((data, end));
        at = end;
    }
    let pages = [(true, 25_600), (true, 30_000), (false, FAR), (true, FAR + 4), (false, 2 * FAR)];
    assert_eq!(found, pages);
    assert_eq!(file.carried().await.unwrap(), [(FAR, Bytes::from_static(b"data"))]);
}

#[tokio::test(start_paused = true)]
async fn a_range_of_a_file_that_always_changes_is_read_from_one_answer() {
    let cluster = Cluster::start(Shape::default()).await;
    let client = cluster.client().await;
    put(&client, "file", &Bytes::new()).await;
    let ino = client.open_object(BUCKET, b"file", None).await.unwrap().inode().ino;
    let all = append_pieces(&client, ino, 300).await;
    let open = client.open_inode(Ino(ino)).await.unwrap();
    write_inline(&client, ino, 40_000, b"more").await;
    let error = open.read_at(27_000, 3000).await.unwrap_err();
    assert!(matches!(error, ClientError::Changed(_)), "{error}");
    let ask = |from, to| {
        let page = GetExtents { ino, offset: from, end: to, if_version: 0 };
        client.ask(Query::GetExtents(page))
    };
    let newer = open.renewed_range(ask(27_000, 50_000).await.unwrap(), 27_000, 50_000).unwrap().unwrap();
    // Too late for what is known by now.
    write_inline(&client, ino, 27_000, b"later").await;
    assert_eq!(newer.size(), 40_004);
    assert_eq!(newer.read_at(27_000, 3000).await.unwrap(), all.slice(27_000..));
    assert_eq!(newer.read_at(39_998, 100).await.unwrap(), &b"\0\0more"[..]);
    // The same version: what was known stays known.
    let again = open.renewed_range(ask(27_000, 27_100).await.unwrap(), 27_000, 27_100).unwrap().unwrap();
    let more = again.renewed_range(ask(27_100, 27_200).await.unwrap(), 27_100, 27_200).unwrap().unwrap();
    write_inline(&client, ino, 0, b"once more").await;
    assert_eq!(&more.read_at(27_000, 200).await.unwrap()[..5], b"later");
    put(&client, "small", &bytes(10, 1)).await;
    let small = client.open_object(BUCKET, b"small", None).await.unwrap();
    let page = GetExtents { ino: small.inode().ino, ..GetExtents::default() };
    let answer = client.ask(Query::GetExtents(page)).await.unwrap();
    assert!(small.renewed_range(answer, 0, 10).unwrap().is_none());
}

#[tokio::test(start_paused = true)]
async fn layouts_of_many_extents_come_in_pages() {
    let cluster = Cluster::start(Shape { nodes: 3, copies: 1, min_copies: 1, ..Shape::default() }).await;
    let client = cluster.client().await;
    let data = bytes(900 * CHUNK + 5, 5);
    put_streamed(&client, "file", &data, 1 << 20).await;
    assert_eq!(get(&client, "file").await, data);
    let file = client.open_object(BUCKET, b"file", None).await.unwrap();
    let from = 800 * CHUNK as u64 + 17;
    assert_eq!(
        file.read_at(from, 200_000).await.unwrap(),
        data.slice(from as usize..from as usize + 200_000)
    );
    // A started stream knows its whole layout: an overwrite cannot take it away.
    let mut stream = file.read(0..u64::MAX);
    let mut length = stream.next().await.unwrap().unwrap().len();
    put(&client, "file", &bytes(10, 1)).await;
    while let Some(piece) = stream.next().await {
        length += piece.unwrap().len();
    }
    assert_eq!(length, data.len());
}

#[tokio::test(start_paused = true)]
async fn groups_made_later_are_fetched_on_demand() {
    let cluster = Cluster::start(Shape { nodes: 3, ..Shape::default() }).await;
    let writer = cluster.client().await;
    let reader = cluster.client_with(|config| config.heartbeat = Duration::from_secs(3600)).await;
    cluster.make_groups(1, 3);
    writer.refresh_map().await.unwrap();
    for at in 0..20 {
        let data = bytes(CHUNK, at);
        put(&writer, "file", &data).await;
        assert_eq!(get(&reader, "file").await, data);
    }
}

#[tokio::test(start_paused = true)]
async fn conditions_that_do_not_hold_come_with_what_is_there() {
    let cluster = Cluster::start(Shape::default()).await;
    let client = cluster.client().await;
    put(&client, "file", &bytes(100, 1)).await;
    let conditions = Conditions { if_match: vec!["nothing".into()], ..Conditions::default() };
    match client.open_object(BUCKET, b"file", Some(conditions)).await {
        Err(error @ ClientError::ConditionFailed { .. }) => {
            assert_eq!(error.code(), Code::PreconditionFailed)
        }
        other => panic!("{:?}", other.map(|file| file.size())),
    }
    let error = client.open_object(BUCKET, b"nothing", None).await.map(|_| ()).unwrap_err();
    assert!(matches!(error.code(), Code::NotFound | Code::NoSuchKey), "{error}");
    let error = client.open_object("nowhere", b"file", None).await.map(|_| ()).unwrap_err();
    assert_eq!(error.code(), Code::NoSuchBucket);
}

#[tokio::test(start_paused = true)]
async fn many_streams_under_a_tiny_read_budget_all_finish() {
    let cluster = Cluster::start(Shape { nodes: 3, ..Shape::default() }).await;
    let client = cluster.client_with(|config| config.read_budget = CHUNK as u64).await;
    client.mutate(fakes::create_bucket()).await.unwrap();
    let data = bytes(10 * CHUNK, 5);
    put(&client, "file", &data).await;
    let readers: Vec<_> = (0..50)
        .map(|_| {
            let (client, data) = (client.clone(), data.clone());
            tokio::spawn(async move { assert_eq!(get(&client, "file").await, data) })
        })
        .collect();
    for reader in readers {
        reader.await.unwrap();
    }
}
