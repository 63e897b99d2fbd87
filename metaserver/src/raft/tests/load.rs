//! Sustained load: with frequent snapshots and purges nothing dies (openraft 2116), and what it costs.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

use super::harness::{Cluster, command};
use crate::raft::{Group, GroupConfig};

/// Runs `concurrency` callers against `leader` for a while; returns how many commands were answered.
async fn drive(leader: &Group, concurrency: u64, lasting: Duration, session: u64) -> u64 {
    let done = Arc::new(AtomicU64::new(0));
    let until = Instant::now() + lasting;
    let caller = |number: u64| {
        let (leader, done) = (leader.clone(), done.clone());
        tokio::spawn(async move {
            for seq in 1.. {
                if Instant::now() >= until {
                    break;
                }
                if leader.propose(command(session + number, seq, 100)).await.is_ok() {
                    done.fetch_add(1, Ordering::Relaxed);
                }
            }
        })
    };
    for caller in (0..concurrency).map(caller).collect::<Vec<_>>() {
        caller.await.unwrap();
    }
    done.load(Ordering::Relaxed)
}

fn eager(config: &mut GroupConfig) {
    config.snapshots.log_entries = 500;
    config.snapshots.keep_entries = 1000;
    config.snapshots.purge_batch = 100;
    config.snapshots.flush_commands = 1000;
    config.store.log_file_bytes = 1 << 20;
    // Small entries make many of them.
    config.batch.commands = 4;
    config.batch.in_flight = 32;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn frequent_snapshots_under_load_kill_nobody() {
    let seconds = std::env::var("HOLDFAST_LOAD_SECONDS").ok().and_then(|s| s.parse().ok()).unwrap_or(6);
    let mut cluster = Cluster::of_three(eager).await;
    let until = Instant::now() + Duration::from_secs(seconds);
    let (mut round, mut answered) = (0, 0);
    while Instant::now() < until {
        let leader = cluster.ready().await;
        let group = cluster.groups[&leader].clone();
        // A follower drops out and comes back far behind, so that snapshots are installed under load as well.
        let away = if leader == 3 { 2 } else { 3 };
        cluster.kill(away).await;
        answered += drive(&group, 64, Duration::from_secs(1), 1000 * round).await;
        cluster.start(away).await;
        answered += drive(&group, 64, Duration::from_secs(1), 1000 * round + 500).await;
        round += 1;
        assert!(cluster.aborted.lock().is_empty(), "a core died: {:?}", cluster.aborted.lock());
    }
    let commands = cluster.converged().await;
    assert!(answered > 1000, "only {answered} commands were answered");
    let leader = cluster.ready().await;
    let status = cluster.groups[&leader].status();
    assert!(status.snapshot > 500, "snapshots were made: {status:?}");
    println!("{answered} answered, {commands} applied, {round} rounds, {status:?}");
}

/// CPU time of this process, in microseconds.
fn cpu_us() -> u64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    let ticks: u64 = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
    ticks * 10_000
}

/// Not a test: prints figures. `cargo test --release -p holdfast-metaserver -- --ignored --nocapture cost_of`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "prints figures"]
async fn cost_of_a_command_over_three_voters() {
    let cluster = Cluster::of_three(|_| {}).await;
    let leader = cluster.ready().await;
    let group = cluster.groups[&leader].clone();
    let term = group.leadership().borrow().term;
    for concurrency in [1, 16, 64, 256] {
        let (cpu, began) = (cpu_us(), Instant::now());
        let commands = drive(&group, concurrency, Duration::from_secs(4), 100_000 * concurrency).await;
        let (cpu, took) = (cpu_us() - cpu, began.elapsed());
        let entries = group.status().last_log;
        println!(
            "concurrency {concurrency}: {:.0} commands/s, {:.1} us CPU per command, {:.2} ms each, last entry {entries}",
            commands as f64 / took.as_secs_f64(),
            cpu as f64 / commands as f64,
            took.as_secs_f64() * 1000.0 * concurrency as f64 / commands as f64,
        );
    }
    let (cpu, began) = (cpu_us(), Instant::now());
    let reads = Arc::new(AtomicU64::new(0));
    let readers: Vec<_> = (0..64)
        .map(|_| {
            let (group, reads) = (group.clone(), reads.clone());
            tokio::spawn(async move {
                let until = Instant::now() + Duration::from_secs(3);
                while Instant::now() < until {
                    group.read_index().await.unwrap();
                    reads.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    for reader in readers {
        reader.await.unwrap();
    }
    let reads = reads.load(Ordering::Relaxed);
    println!(
        "64 readers: {:.0} reads/s, {:.1} us CPU each",
        reads as f64 / began.elapsed().as_secs_f64(),
        (cpu_us() - cpu) as f64 / reads as f64
    );
    println!("elections since the start: {}", group.leadership().borrow().term - term);
}
