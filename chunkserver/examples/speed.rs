//! What appends and reads cost on this machine: MB/s, latency, CPU per operation, fdatasyncs. Not a test.
//!
//! `cargo run --release -p holdfast-chunkserver --example speed -- DIRECTORY [UNCACHE_BYTES]`
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a tool for developers")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use holdfast_chunkserver::StoreConfig;
use holdfast_chunkserver::disk::real::RealDisk;
use holdfast_chunkserver::metrics::Metrics;
use holdfast_chunkserver::store::{IndexMemory, Put, ReadWhat, Store, StoreOptions};
use holdfast_proto::ids::ChunkId;
use holdfast_support::crc::block_crcs;

fn cpu() -> Duration {
    let used = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::new(used.tv_sec as u64, used.tv_nsec as u32)
}

fn put(number: u64, payload: &Bytes, table: &Bytes) -> Put {
    Put {
        chunk: ChunkId::new(1, number),
        shard: 0,
        chunk_bytes: payload.len() as u64,
        payload: payload.clone(),
        table: table.clone(),
        blake3: Some([7; 32]),
        epoch: 1,
        joined: 1,
        force: false,
    }
}

async fn appends(store: &Store, first: u64, bytes: usize, parallel: usize, total: u64) {
    let payload = Bytes::from((0..bytes).map(|i| (i * 31) as u8).collect::<Vec<u8>>());
    let table = Bytes::from(block_crcs(&payload));
    let (begun, cpu_begun, commits) = (Instant::now(), cpu(), store.metrics().commits());
    let next = Arc::new(std::sync::atomic::AtomicU64::new(0));
    let workers = (0..parallel).map(|_| {
        let (store, next, payload, table) = (store.clone(), next.clone(), payload.clone(), table.clone());
        tokio::spawn(async move {
            loop {
                let number = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                if number >= total {
                    return;
                }
                store.put(put(first + number, &payload, &table)).await.unwrap();
            }
        })
    });
    futures::future::join_all(workers).await;
    let (took, used) = (begun.elapsed(), cpu() - cpu_begun);
    println!(
        "append {:>8} B x{parallel:<3} {:>8.0} ops/s {:>8.1} MB/s  {:>7.1} us CPU/op  {:.2} fdatasync/op",
        bytes,
        total as f64 / took.as_secs_f64(),
        total as f64 * bytes as f64 / took.as_secs_f64() / 1e6,
        used.as_secs_f64() * 1e6 / total as f64,
        (store.metrics().commits() - commits) as f64 / total as f64,
    );
}

async fn reads(store: &Store, what: &str, numbers: std::ops::Range<u64>, length: u64, span: u64, total: u64) {
    let (begun, cpu_begun) = (Instant::now(), cpu());
    let count = numbers.end - numbers.start;
    for i in 0..total {
        let chunk = ChunkId::new(1, numbers.start + i.wrapping_mul(0x9e37_79b9) % count);
        let offset = (i.wrapping_mul(0x85eb_ca6b) * 4096) % span;
        store.read(ReadWhat { chunk, shard: 0, offset, length }, false).await.unwrap();
    }
    let (took, used) = (begun.elapsed(), cpu() - cpu_begun);
    println!(
        "read   {length:>8} B {what:<22} {:>8.0} ops/s {:>8.1} MB/s  {:>7.2} us CPU/op",
        total as f64 / took.as_secs_f64(),
        total as f64 * length as f64 / took.as_secs_f64() / 1e6,
        used.as_secs_f64() * 1e6 / total as f64
    );
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    let directory = std::path::PathBuf::from(std::env::args().nth(1).expect("a directory"));
    let disk = RealDisk::open(&directory.join("segments"), true).unwrap();
    let uncache = std::env::args().nth(2).map_or(1 << 20, |bytes| bytes.parse().expect("bytes"));
    let options = StoreOptions {
        config: StoreConfig { uncache_bytes: uncache, ..StoreConfig::default() },
        capacity: 0,
        leave: 0,
        fingerprint: [1; 16],
        memory: IndexMemory::new(32 << 20, 16 << 20),
        reads: 16,
        background_reads: 2,
        metrics: Metrics::global().disk("speed"),
    };
    let (store, _) = Store::open(Arc::new(disk), &directory.join("index"), options).unwrap();
    appends(&store, 0, 8 << 20, 1, 64).await;
    appends(&store, 1_000, 8 << 20, 4, 128).await;
    for (first, parallel, total) in [(10_000, 1, 2_000), (20_000, 16, 20_000), (100_000, 64, 50_000)] {
        appends(&store, first, 4096, parallel, total).await;
    }
    appends(&store, 200_000, 64 << 10, 16, 5_000).await;
    reads(&store, "of 4 KiB chunks", 20_000..40_000, 4096, 1, 100_000).await;
    reads(&store, "of 64 KiB chunks", 200_000..205_000, 4096, 64 << 10, 100_000).await;
    reads(&store, "of 8 MiB chunks", 0..16, 4096, 8 << 20, 100_000).await;
    reads(&store, "whole 8 MiB chunks", 0..16, 8 << 20, 1, 100).await;
    tokio::task::spawn_blocking(move || store.close()).await.unwrap();
}
