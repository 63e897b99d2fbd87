//! Erasure classes: what goes to which member, and what comes back when some are gone, late or wrong.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may")]

mod fakes;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use fakes::{BUCKET, CODED, Cluster, Shape, bytes, eventually, get, put, put_streamed};
use holdfast_client::Client;
use holdfast_proto::cluster::Finding;
use holdfast_proto::map::Erasure;
use holdfast_proto::op::{CreateBucket, Op};
use holdfast_proto::status::{Code, Status};
use tokio::time::Instant;

const CELL: usize = 16 << 10;
const STRIPE: usize = 4 * CELL;
const CHUNK: usize = 4 * STRIPE;

/// 4+2 over as many nodes as given.
async fn coded(nodes: usize) -> (Cluster, Client) {
    let erasure = Some(Erasure { data: 4, parity: 2, cell_bytes: CELL as u64 });
    of_shape(Shape { nodes, erasure, ..Shape::default() }).await
}

async fn of_shape(shape: Shape) -> (Cluster, Client) {
    let cluster = Cluster::start(shape).await;
    let client = cluster.client_with(|_| {}).await;
    let bucket = CreateBucket { name: BUCKET.into(), class: CODED, ..CreateBucket::default() };
    client.mutate(Op::CreateBucket(bucket)).await.unwrap();
    (cluster, client)
}

async fn range(client: &Client, key: &str, from: usize, length: usize) -> Bytes {
    let file = client.open_object(BUCKET, key.as_bytes(), None).await.unwrap();
    file.read_at(from as u64, length as u64).await.unwrap()
}

fn reads(cluster: &Cluster) -> usize {
    cluster.chunks.iter().map(|node| node.reads.load(Ordering::SeqCst)).sum()
}

/// Bytes stored of each chunk, over all members.
fn stored(cluster: &Cluster) -> BTreeMap<(u32, u64), usize> {
    let mut sums = BTreeMap::new();
    for node in &cluster.chunks {
        for ((_, pg, number), record) in node.store.lock().iter() {
            *sums.entry((*pg, *number)).or_default() += record.data.len();
        }
    }
    sums
}

#[tokio::test(start_paused = true)]
async fn every_length_comes_back_and_takes_half_as_much_again() {
    let (cluster, client) = coded(7).await;
    let lengths =
        [1, 4096, 5000, 3 * CELL, 3 * CELL + 1, STRIPE, STRIPE + 1, CHUNK - 1, CHUNK, 3 * CHUNK + 12_345];
    for length in lengths {
        let data = bytes(length, length as u64);
        put(&client, "whole", &data).await;
        assert_eq!(get(&client, "whole").await, data, "{length} bytes in one piece");
        put_streamed(&client, "streamed", &data, 7000).await;
        assert_eq!(get(&client, "streamed").await, data, "{length} bytes in pieces");
    }
    assert_eq!(cluster.meta.missing(), 0);
    for ((pg, _), bytes) in stored(&cluster) {
        let members = cluster.meta.redundancy(pg).members();
        if members == 6 {
            assert!(bytes > 3 * CELL, "a short chunk lies in shards");
        } else {
            assert!(bytes <= 3 * 3 * CELL, "a long chunk lies in copies");
        }
    }
    put(&client, "large", &bytes(CHUNK, 9)).await;
    assert!(stored(&cluster).values().any(|sum| *sum == CHUNK * 6 / 4));
}

#[tokio::test(start_paused = true)]
async fn a_range_asks_only_the_shards_that_it_covers() {
    let (cluster, client) = coded(6).await;
    let data = bytes(CHUNK, 3);
    put(&client, "file", &data).await;
    let cases =
        [(0, 100, 1), (CELL - 50, 100, 2), (CELL, CELL, 1), (10, STRIPE, 4), (STRIPE + 5, 2 * CELL, 3)];
    for (from, length, shards) in cases {
        let before = reads(&cluster);
        assert_eq!(range(&client, "file", from, length).await, data.slice(from..from + length));
        assert_eq!(reads(&cluster) - before, shards, "{length} bytes from {from}");
    }
}

#[tokio::test(start_paused = true)]
async fn any_two_members_may_be_gone() {
    let (cluster, client) = coded(6).await;
    let data = bytes(2 * CHUNK + 3 * CELL + 100, 3);
    put(&client, "file", &data).await;
    for a in 0..6 {
        for b in a + 1..6 {
            cluster.network.stop(&format!("chunk{a}"));
            cluster.network.stop(&format!("chunk{b}"));
            assert_eq!(get(&client, "file").await, data, "without {a} and {b}");
            for (from, length) in
                [(0, 100), (CELL - 50, 100), (CHUNK + 10, STRIPE), (2 * CHUNK + STRIPE / 2, 50)]
            {
                let expected = data.slice(from..from + length);
                assert_eq!(
                    range(&client, "file", from, length).await,
                    expected,
                    "{from}, without {a} and {b}"
                );
            }
            cluster.revive(a);
            cluster.revive(b);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_damaged_shard_is_decoded_from_others_and_reported() {
    let (cluster, client) = coded(6).await;
    let data = bytes(5 * CHUNK, 5);
    put(&client, "file", &data).await;
    cluster.chunks[2].damage();
    for _ in 0..3 {
        assert_eq!(get(&client, "file").await, data);
    }
    let disk = cluster.chunks[2].disks.lock()[0].disk;
    // Only where it holds a data shard does a reader of the whole see it.
    let data_shards = cluster.chunks[2].store.lock().values().any(|record| record.shard < 4);
    if data_shards {
        eventually(|| !cluster.meta.state.lock().reports.is_empty()).await;
    }
    let state = cluster.meta.state.lock();
    assert!(state.reports.iter().all(|report| {
        report.finding() == Finding::Damaged && report.disk.is_some_and(|found| found.disk == disk)
    }));
}

#[tokio::test(start_paused = true)]
async fn a_slow_shard_is_not_waited_for() {
    let (cluster, client) = coded(6).await;
    let data = bytes(CHUNK, 5);
    put(&client, "file", &data).await;
    let of_data = |node: &fakes::ChunkNode| node.store.lock().values().any(|record| record.shard == 1);
    let slow = cluster.chunks.iter().find(|node| of_data(node)).unwrap();
    slow.set(|mode| mode.read_delay = Duration::from_secs(20));
    let started = Instant::now();
    assert_eq!(get(&client, "file").await, data);
    assert!(started.elapsed() < Duration::from_secs(2), "{:?}", started.elapsed());
}

#[tokio::test(start_paused = true)]
async fn with_one_member_gone_shards_are_written_short_and_noted() {
    let (cluster, client) = coded(6).await;
    put(&client, "before", &bytes(CHUNK, 1)).await;
    cluster.network.stop("chunk3");
    let data = bytes(2 * CHUNK, 2);
    let started = Instant::now();
    put(&client, "file", &data).await;
    assert!(started.elapsed() < Duration::from_secs(3), "{:?}", started.elapsed());
    assert_eq!(cluster.meta.missing(), 2, "five of six took each chunk");
    assert_eq!(get(&client, "file").await, data);
}

#[tokio::test(start_paused = true)]
async fn without_enough_shards_the_companion_takes_it() {
    // 2+1 bears no member less.
    let erasure = Some(Erasure { data: 2, parity: 1, cell_bytes: CELL as u64 });
    let (cluster, client) = of_shape(Shape { nodes: 3, erasure, ..Shape::default() }).await;
    let data = bytes(300_000, 2);
    put(&client, "before", &data).await;
    assert!(cluster.replicas().keys().all(|(pg, _)| cluster.meta.redundancy(*pg).is_erasure()));
    for trouble in ["stopped", "frozen", "refusing"] {
        match trouble {
            "stopped" => cluster.network.stop("chunk1"),
            "frozen" => {
                cluster.revive(1);
                cluster.chunks[1].set(|mode| mode.frozen = true);
            }
            _ => cluster.chunks[1].set(|mode| {
                mode.frozen = false;
                mode.refuse_writes = Some(Status::new(Code::DiskFailed, "broken"));
            }),
        }
        let started = Instant::now();
        put(&client, trouble, &data).await;
        assert!(started.elapsed() < Duration::from_secs(4), "{trouble}: {:?}", started.elapsed());
        assert_eq!(get(&client, trouble).await, data);
    }
    let copied: BTreeSet<u32> = cluster.replicas().keys().map(|(pg, _)| *pg).collect();
    assert!(copied.iter().any(|pg| !cluster.meta.redundancy(*pg).is_erasure()));
    assert_eq!(get(&client, "before").await, data);
}

#[tokio::test(start_paused = true)]
async fn no_more_than_parity_may_be_lost() {
    let (cluster, client) = coded(6).await;
    put(&client, "file", &bytes(CHUNK, 3)).await;
    for node in ["chunk0", "chunk1", "chunk2"] {
        cluster.network.stop(node);
    }
    let file = client.open_object(BUCKET, b"file", None).await.unwrap();
    file.read_at(0, CHUNK as u64).await.unwrap_err();
}
