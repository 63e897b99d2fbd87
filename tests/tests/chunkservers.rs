//! Three metaservers with gateways, and chunkservers on nodes of their own: one freezes, one after another dies, two are
//! down at once. Writers go on or wait, readers always read, nothing acknowledged is lost.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use holdfast_tests::cluster::{Builder, Cluster};
use holdfast_tests::load::{self, Load, Plan};
use holdfast_tests::oracle::{Content, Oracle};
use holdfast_tests::wait;

const META: u8 = 3;

async fn start(name: &str, chunk_nodes: u8) -> Result<(Cluster, Arc<Oracle>, Load)> {
    let cluster = Builder::new(name).alone().nodes(META).chunk_nodes(chunk_nodes).disks(2).start().await?;
    let oracle = Arc::new(Oracle::new(&cluster.scratch()?.join("journal"))?);
    let load = Load::start(cluster.s3(), Arc::clone(&oracle), Plan::default()).await?;
    load.progress(200, Duration::from_secs(20)).await?;
    Ok((cluster, oracle, load))
}

async fn end(cluster: Cluster, oracle: &Arc<Oracle>, load: Load) -> Result<Duration> {
    let summary = load.stop().await?;
    ensure!(summary.failures.is_empty(), "operations failed for good: {:?}", summary.failures);
    let checked = load::verify(&cluster.s3(), &Plan::default().bucket, oracle).await?;
    println!(
        "{} operations, {} tries repeated, longest {:?}, longest gap {:?}, {checked} keys checked",
        summary.acknowledged, summary.retries, summary.longest_change, summary.longest_gap
    );
    cluster.wait_redundant(Duration::from_secs(60)).await?;
    cluster.finish().await?;
    Ok(summary.longest_change)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_chunkserver_holds_nobody_up() -> Result<()> {
    let (mut cluster, oracle, load) = start("frozen-chunks", 4).await?;
    cluster.node(META + 1).process()?.stop()?;
    let frozen = Instant::now();
    load.progress(500, Duration::from_secs(20)).await?;
    let gap = load.first_ack_after(frozen, Duration::from_secs(10)).await?;
    println!("a chunkserver froze: {gap:?} to the next acknowledged operation");
    cluster.node(META + 1).process()?.resume()?;
    load.progress(200, Duration::from_secs(20)).await?;
    cluster.wait_status("all to live", Duration::from_secs(30), |s| s.nodes_alive == 4).await?;
    // Others stall for more than thirty seconds here. Generous: this runs beside other work.
    let longest = end(cluster, &oracle, load).await?;
    ensure!(longest < Duration::from_secs(9), "a writer was held up for {longest:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn two_of_three_chunkservers_down_stop_writes_and_not_reads() -> Result<()> {
    let mut cluster = Builder::new("two-down").nodes(META).chunk_nodes(3).start().await?;
    let s3 = cluster.s3();
    s3.create_bucket("bkt").await?;
    let content = |seed| Content { seed, size: 50_000 + seed };
    for seed in 0..20 {
        s3.put("bkt", &seed.to_string(), content(seed).bytes()).await?;
    }
    for number in [META + 1, META + 2] {
        cluster.node(number).kill()?;
    }
    let s3 = s3.with_deadline(Duration::from_secs(5));
    let refused = s3.put("bkt", "no", content(99).bytes()).await;
    ensure!(refused.is_err(), "one copy is not enough to be acknowledged");
    for seed in 0..20 {
        let bytes = s3.get("bkt", &seed.to_string()).await?;
        ensure!(bytes == content(seed).bytes(), "object {seed} with two of three down");
    }
    cluster.restart(META + 1).await?;
    wait::until("writes to be taken again", Duration::from_secs(20), || {
        s3.put("bkt", "yes", content(100).bytes())
    })
    .await?;
    cluster.restart(META + 2).await?;
    ensure!(s3.get("bkt", "yes").await? == content(100).bytes());
    cluster.wait_redundant(Duration::from_secs(60)).await?;
    cluster.finish().await
}

#[tokio::test(flavor = "multi_thread")]
async fn chunkservers_die_one_after_another() -> Result<()> {
    let (mut cluster, oracle, load) = start("chunks-in-turn", 3).await?;
    for number in META + 1..=META + 3 {
        cluster.node(number).kill()?;
        load.progress(100, Duration::from_secs(20)).await?;
        cluster.restart(number).await?;
        cluster.wait_redundant(Duration::from_secs(40)).await?;
    }
    end(cluster, &oracle, load).await.map(drop)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chunkserver_that_dies_for_good_is_made_up_for() -> Result<()> {
    let mut cluster = Builder::new("for-good").nodes(META).chunk_nodes(4).disks(2).start().await?;
    for (name, value) in [("grace_seconds", "10"), ("down_ms", "2000")] {
        cluster.expect(&["admin", "set", name, value]).await?;
    }
    let s3 = cluster.s3();
    s3.create_bucket("bkt").await?;
    let content = |seed| Content { seed, size: 300_000 + seed };
    for seed in 0..100 {
        s3.put("bkt", &seed.to_string(), content(seed).bytes()).await?;
    }
    cluster.wait_redundant(Duration::from_secs(60)).await?;
    let before = cluster.status().await?.redundancy.repaired_bytes;
    cluster.node(META + 1).kill()?;
    for disk in cluster.node(META + 1).spec().disks.clone() {
        std::fs::remove_dir_all(disk)?;
    }
    let died = Instant::now();
    cluster
        .wait_status("the loss to be noticed", Duration::from_secs(30), |status| {
            status.redundancy.pgs_degraded + status.redundancy.pgs_at_risk > 0
        })
        .await?;
    cluster.wait_redundant(Duration::from_secs(120)).await?;
    let moved = cluster.status().await?.redundancy.repaired_bytes - before;
    println!("full redundancy {:?} after the death of a chunkserver, {moved} bytes moved", died.elapsed());
    for seed in 0..100 {
        ensure!(s3.get("bkt", &seed.to_string()).await? == content(seed).bytes(), "object {seed}");
    }
    cluster.finish().await
}
