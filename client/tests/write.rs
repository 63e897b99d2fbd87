//! Writes: what is acknowledged is there, on as many members as promised, whatever happens to one of them.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may")]

mod fakes;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use fakes::{BUCKET, Cluster, Fate, Shape, bytes, eventually, get, put, put_streamed};
use holdfast_client::{PutOptions, WriteOptions};
use holdfast_proto::op::{Op, PutObject, RegisterDisk};
use holdfast_proto::status::{Code, Status};
use holdfast_state::keys;
use holdfast_support::budget::ByteBudget;
use tokio::time::Instant;

const CHUNK: usize = 64 << 10;

#[tokio::test(start_paused = true)]
async fn every_length_comes_back_byte_for_byte() {
    let cluster = Cluster::start(Shape::default()).await;
    let client = cluster.client().await;
    let lengths =
        [0, 1, 4095, 4096, 4097, 5000, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK, 10 * CHUNK + 12_345, 800_000];
    for length in lengths {
        let data = bytes(length, length as u64);
        put(&client, "whole", &data).await;
        assert_eq!(get(&client, "whole").await, data, "{length} bytes in one piece");
        for piece in [1000, 70_000] {
            put_streamed(&client, "streamed", &data, piece).await;
            assert_eq!(get(&client, "streamed").await, data, "{length} bytes in pieces of {piece}");
        }
    }
    assert_eq!(cluster.meta.missing(), 0);
    assert!(cluster.replicas().values().all(|copies| *copies == 3));
}

#[tokio::test(start_paused = true)]
async fn small_content_costs_one_command_and_no_chunk() {
    let cluster = Cluster::start(Shape::default()).await;
    let client = cluster.client().await;
    put(&client, "first", &bytes(10, 1)).await;
    let (commands, questions) = {
        let state = cluster.meta.state.lock();
        (state.arrived.len(), state.questions)
    };
    put(&client, "second", &bytes(4096, 2)).await;
    let state = cluster.meta.state.lock();
    assert_eq!((state.arrived.len(), state.questions), (commands + 1, questions));
    assert!(cluster.replicas().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_chunk_costs_one_round_to_the_members_and_one_command() {
    let cluster = Cluster::start(Shape::default()).await;
    let client = cluster.client().await;
    put(&client, "first", &bytes(CHUNK, 1)).await;
    let commands = cluster.meta.state.lock().arrived.len();
    let writes = || cluster.chunks.iter().map(|node| node.writes.load(Ordering::SeqCst)).sum::<usize>();
    let before = writes();
    put(&client, "second", &bytes(CHUNK, 2)).await;
    assert_eq!(writes(), before + 3);
    assert_eq!(cluster.meta.state.lock().arrived.len(), commands + 1);
}

#[tokio::test(start_paused = true)]
async fn a_dead_member_costs_another_group_not_a_copy() {
    let cluster = Cluster::start(Shape::default()).await;
    let client = cluster.client().await;
    let data = bytes(20 * CHUNK, 7);
    let mut writer = client.put(BUCKET, b"file", PutOptions::default()).await.unwrap();
    for (at, piece) in data.chunks(CHUNK).enumerate() {
        if at == 5 {
            cluster.network.stop("chunk2");
        }
        writer.write(Bytes::copy_from_slice(piece)).await.unwrap();
    }
    writer.finish().await.unwrap();
    assert_eq!(cluster.meta.missing(), 0, "with a fourth node every chunk finds three members");
    assert_eq!(get(&client, "file").await, data);
}

#[tokio::test(start_paused = true)]
async fn without_another_group_the_minimum_counts_at_once() {
    let cluster = Cluster::start(Shape { nodes: 3, ..Shape::default() }).await;
    let client = cluster.client().await;
    put(&client, "before", &bytes(CHUNK, 1)).await;
    cluster.network.stop("chunk1");
    let started = Instant::now();
    let data = bytes(10 * CHUNK, 2);
    put(&client, "file", &data).await;
    assert!(started.elapsed() < Duration::from_millis(500), "{:?}", started.elapsed());
    assert_eq!(cluster.meta.missing(), 10, "the metadata knows what the dead member lacks");
    assert_eq!(get(&client, "file").await, data);
}

#[tokio::test(start_paused = true)]
async fn below_the_minimum_a_write_waits_for_a_member_to_return() {
    let cluster = Cluster::start(Shape { nodes: 3, ..Shape::default() }).await;
    let client = cluster.client().await;
    for node in &cluster.chunks[..2] {
        node.set(|mode| mode.refuse_writes = Some(Status::new(Code::Unavailable, "gone")));
    }
    let data = bytes(CHUNK, 1);
    let writing = tokio::spawn({
        let (client, data) = (client.clone(), data.clone());
        async move { put(&client, "file", &data).await }
    });
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert!(!writing.is_finished());
    cluster.chunks[0].set(|mode| mode.refuse_writes = None);
    writing.await.unwrap();
    assert_eq!(get(&client, "file").await, data);

    cluster.chunks[0].set(|mode| mode.refuse_writes = Some(Status::new(Code::DiskFull, "full")));
    let hurried = client.within(Duration::from_secs(2));
    let error = hurried.put_bytes(BUCKET, b"other", data, PutOptions::default()).await.unwrap_err();
    assert!(!error.outcome_unknown());
    assert!(matches!(error.code(), Code::NoSpace | Code::Unavailable), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_frozen_member_delays_one_write_and_warns_all_others() {
    let cluster = Cluster::start(Shape::default()).await;
    let client = cluster.client().await;
    for at in 0..20 {
        put(&client, "warm", &bytes(CHUNK, at)).await;
    }
    cluster.chunks[3].set(|mode| mode.frozen = true);
    let mut slow = 0;
    for at in 0..20 {
        let started = Instant::now();
        put(&client, "file", &bytes(CHUNK, at)).await;
        assert!(started.elapsed() < Duration::from_secs(1), "{:?}", started.elapsed());
        slow += usize::from(started.elapsed() > Duration::from_millis(100));
    }
    assert_eq!(slow, 1, "the verdict of the first is shared");
    assert_eq!(cluster.meta.missing(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_cluster_that_is_slow_as_a_whole_is_not_called_faulty() {
    let cluster = Cluster::start(Shape { nodes: 3, ..Shape::default() }).await;
    let client = cluster.client().await;
    for node in &cluster.chunks {
        node.set(|mode| mode.write_delay = Duration::from_millis(400));
    }
    for at in 0..10 {
        put(&client, "file", &bytes(CHUNK, at)).await;
    }
    assert_eq!(cluster.meta.missing(), 0, "three slow members are still three members");
}

#[tokio::test(start_paused = true)]
async fn an_old_map_is_refreshed_and_nobody_blamed() {
    let cluster = Cluster::start(Shape::default()).await;
    let client = cluster.client_with(|config| config.heartbeat = Duration::from_secs(3600)).await;
    client.mutate(fakes::create_bucket()).await.unwrap();
    let old = client.map().epoch();
    cluster.make_groups(1, 3);
    let epoch = cluster.meta.epoch();
    cluster.chunks.iter().for_each(|node| node.set(|mode| mode.least_epoch = epoch));
    let data = bytes(CHUNK, 1);
    let started = Instant::now();
    put(&client, "file", &data).await;
    assert!(client.map().epoch() > old);
    assert!(started.elapsed() < Duration::from_millis(400), "{:?}", started.elapsed());
    assert_eq!(cluster.meta.missing(), 0);
    assert_eq!(get(&client, "file").await, data);
}

#[tokio::test(start_paused = true)]
async fn chunks_of_a_closed_grant_are_written_anew() {
    let cluster = Cluster::start(Shape::default()).await;
    let client = cluster.client().await;
    let mut closed = false;
    cluster.meta.intercept(move |command, table, _| {
        if matches!(command.op, Some(Op::PutObject(_))) && !std::mem::replace(&mut closed, true) {
            let grants: Vec<_> = table
                .iter()
                .filter(|(key, _)| key.first() == Some(&keys::GRANT))
                .map(|(key, _)| key.clone())
                .collect();
            table.write(grants.into_iter().map(|key| (key, None)));
        }
        Fate::Go
    });
    // Five chunks: the last is kept, the others are read back.
    let data = bytes(5 * CHUNK, 3);
    put(&client, "file", &data).await;
    assert_eq!(get(&client, "file").await, data);
    assert_eq!(cluster.replicas().len(), 10, "five orphans, five chunks");
    assert_eq!(cluster.meta.missing(), 0);
}

#[tokio::test(start_paused = true)]
async fn chunks_whose_members_left_before_the_commit_are_written_anew() {
    let cluster = Cluster::start(Shape { nodes: 5, ..Shape::default() }).await;
    let client = cluster.client().await;
    let replaced: Vec<_> =
        cluster.chunks[..2].iter().map(|node| (node.id, node.disks.lock()[0].disk)).collect();
    let mut done = false;
    cluster.meta.intercept(move |command, table, index| {
        if matches!(command.op, Some(Op::PutObject(_))) && !std::mem::replace(&mut done, true) {
            // Two disks are replaced by new ones between acknowledgement and commit.
            for (node, disk) in &replaced {
                let register = RegisterDisk {
                    node: node.0,
                    fingerprint: Bytes::from(format!("another disk {disk}")),
                    capacity: 1 << 40,
                    replaces: *disk,
                    lost: true,
                    ..RegisterDisk::default()
                };
                let reply = fakes::apply(table, index, &fakes::by_leader(Op::RegisterDisk(register)));
                assert!(reply.is_ok(), "{reply:?}");
            }
        }
        Fate::Go
    });
    let data = bytes(40 * CHUNK, 3);
    put(&client, "file", &data).await;
    let rejections =
        cluster.meta.state.lock().arrived.iter().filter(|c| matches!(c.op, Some(Op::PutObject(_)))).count();
    assert_eq!(rejections, 2, "some of forty chunks lay on both disks");
    assert_eq!(get(&client, "file").await, data);
}

#[tokio::test(start_paused = true)]
async fn a_commit_that_is_refused_for_good_is_not_repeated() {
    let cluster = Cluster::start(Shape::default()).await;
    let client = cluster.client().await;
    let class = client.class_for(BUCKET, b"").await.unwrap();
    let mut writer = client.writer(&class, WriteOptions::default());
    writer.write(bytes(CHUNK, 1)).await.unwrap();
    let content = writer.finish().await.unwrap();
    let build = |content| {
        Op::PutObject(PutObject {
            bucket: "nowhere".into(),
            key: Bytes::from_static(b"key"),
            content: Some(content),
            ..PutObject::default()
        })
    };
    let error = client.commit(content, build).await.unwrap_err();
    assert_eq!(error.code(), Code::NoSuchBucket);
}

#[tokio::test(start_paused = true)]
async fn a_wrong_length_is_an_error_and_nothing_appears() {
    let cluster = Cluster::start(Shape::default()).await;
    let client = cluster.client().await;
    for (announced, sent) in [(100, 99), (CHUNK, CHUNK - 1), (2 * CHUNK, CHUNK)] {
        let options = PutOptions { size: Some(announced as u64), ..PutOptions::default() };
        let mut writer = client.put(BUCKET, b"file", options).await.unwrap();
        writer.write(bytes(sent, 1)).await.unwrap();
        assert_eq!(writer.finish().await.unwrap_err().code(), Code::InvalidArgument);
    }
    let options = PutOptions { size: Some(10), ..PutOptions::default() };
    let mut writer = client.put(BUCKET, b"file", options).await.unwrap();
    assert_eq!(writer.write(bytes(11, 1)).await.unwrap_err().code(), Code::InvalidArgument);
    assert!(client.open_object(BUCKET, b"file", None).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn two_hundred_writers_share_a_tiny_budget_without_deadlock() {
    // Streams outgrow their first buffer, and two chunks fit into the budget.
    let cluster = Cluster::start(Shape { chunk_bytes: 512 << 10, ..Shape::default() }).await;
    for node in &cluster.chunks {
        node.set(|mode| mode.write_delay = Duration::from_millis(3));
    }
    let budget = ByteBudget::new(1 << 20);
    let client = cluster
        .client_with(|config| {
            config.shared_budget = Some(budget.clone());
            config.read_budget = 2 * CHUNK as u64;
            config.default_deadline = Duration::from_secs(600);
        })
        .await;
    client.mutate(fakes::create_bucket()).await.unwrap();
    let client = Arc::new(client);
    let writers = (0..200u64).map(|at| {
        let client = client.clone();
        tokio::spawn(async move {
            let data = bytes((300 << 10) + 2000 * at as usize, at);
            let key = format!("file{at}");
            match at % 2 {
                0 => put(&client, &key, &data).await,
                _ => put_streamed(&client, &key, &data, 10_000).await,
            };
            // A copy: reads and writes at once.
            let file = client.open_object(BUCKET, key.as_bytes(), None).await.unwrap();
            let mut copy =
                client.put(BUCKET, format!("copy{at}").as_bytes(), PutOptions::default()).await.unwrap();
            let mut stream = file.read(0..u64::MAX);
            while let Some(piece) = futures::StreamExt::next(&mut stream).await {
                copy.write(piece.unwrap()).await.unwrap();
            }
            copy.finish().await.unwrap();
            assert_eq!(get(&client, &format!("copy{at}")).await, data);
        })
    });
    for writer in writers.collect::<Vec<_>>() {
        writer.await.unwrap();
    }
    eventually(|| budget.in_use() == 0).await;
}
