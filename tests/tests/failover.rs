//! Three nodes under load, and one of them dies, freezes, or all restart: nothing acknowledged is lost, writers see
//! no error within their patience, and service resumes within a second.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use holdfast_tests::cluster::{Builder, Cluster};
use holdfast_tests::load::{self, Load, Plan, Summary};
use holdfast_tests::oracle::Oracle;

/// How often the leader is killed: few times by default; `HOLDFAST_KILLS=20` measures.
fn kills() -> u32 {
    std::env::var("HOLDFAST_KILLS").ok().and_then(|n| n.parse().ok()).unwrap_or(5)
}

struct Trial {
    cluster: Cluster,
    oracle: Arc<Oracle>,
    load: Load,
}

async fn trial(name: &str, plan: Plan) -> Result<Trial> {
    let cluster = Builder::new(name).alone().nodes(3).disks(2).start().await?;
    let oracle = Arc::new(Oracle::new(&cluster.scratch()?.join("journal"))?);
    let load = Load::start(cluster.s3(), Arc::clone(&oracle), plan).await?;
    load.progress(200, Duration::from_secs(20)).await?;
    Ok(Trial { cluster, oracle, load })
}

impl Trial {
    /// Ends the load and checks everything that must hold whatever happened.
    async fn end(self) -> Result<Summary> {
        let Self { cluster, oracle, load } = self;
        let summary = load.stop().await?;
        ensure!(summary.failures.is_empty(), "operations failed for good: {:?}", summary.failures);
        let checked = load::verify(&cluster.s3(), &Plan::default().bucket, &oracle).await?;
        println!(
            "{} operations, {} tries repeated, longest {:?}, longest gap {:?}, {checked} keys checked",
            summary.acknowledged, summary.retries, summary.longest_change, summary.longest_gap
        );
        cluster.wait_redundant(Duration::from_secs(40)).await?;
        cluster.finish().await?;
        Ok(summary)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_leader_is_killed_again_and_again() -> Result<()> {
    let mut trial = trial("leader", Plan::default()).await?;
    let mut gaps = Vec::new();
    for _ in 0..kills() {
        let leader = trial.cluster.leader().await?;
        trial.cluster.node(leader).kill()?;
        let killed = Instant::now();
        let gap = trial.load.first_ack_after(killed, Duration::from_secs(10)).await?;
        println!("node {leader} led and was killed: {gap:?} to the next acknowledged operation");
        gaps.push(gap);
        trial.cluster.restart(leader).await?;
        trial
            .cluster
            .wait_status("all to vote and live", Duration::from_secs(20), |s| {
                s.voters.len() == 3 && s.nodes_alive == 3
            })
            .await?;
        trial.load.progress(100, Duration::from_secs(20)).await?;
    }
    gaps.sort();
    println!(
        "kill to next acknowledged operation: median {:?}, worst {:?}",
        gaps[gaps.len() / 2],
        gaps[gaps.len() - 1]
    );
    // Generous: this runs beside other work. The figures above are what counts.
    ensure!(gaps[gaps.len() - 1] < Duration::from_secs(3), "fail-over took {gaps:?}");
    trial.end().await.map(drop)
}

#[tokio::test(flavor = "multi_thread")]
async fn one_node_grows_to_three_under_load() -> Result<()> {
    let mut cluster = Builder::new("grow").alone().nodes(3).later(2).start().await?;
    let oracle = Arc::new(Oracle::new(&cluster.scratch()?.join("journal"))?);
    // Only the first door is open all the time.
    let load = Load::start(cluster.s3_of(1), Arc::clone(&oracle), Plan::default()).await?;
    load.progress(200, Duration::from_secs(20)).await?;
    for number in [2, 3] {
        cluster.restart(number).await?;
        load.progress(100, Duration::from_secs(20)).await?;
    }
    cluster
        .wait_status("three voters", Duration::from_secs(30), |s| s.voters.len() == 3 && s.nodes_alive == 3)
        .await?;
    load.progress(100, Duration::from_secs(20)).await?;
    let trial = Trial { cluster, oracle, load };
    let summary = trial.end().await?;
    ensure!(summary.longest_gap < Duration::from_secs(9), "it stood still for {:?}", summary.longest_gap);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn each_node_is_killed_in_turn() -> Result<()> {
    let mut trial = trial("each", Plan::default()).await?;
    for number in 1..=3 {
        trial.cluster.node(number).kill()?;
        trial.load.progress(100, Duration::from_secs(20)).await?;
        trial.cluster.restart(number).await?;
        trial.cluster.wait_redundant(Duration::from_secs(40)).await?;
        trial.load.progress(50, Duration::from_secs(20)).await?;
    }
    trial.end().await.map(drop)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_leader_wakes_up_into_a_new_term() -> Result<()> {
    let mut trial = trial("frozen", Plan { attempt: Duration::from_secs(2), ..Plan::default() }).await?;
    let leader = trial.cluster.leader().await?;
    trial.cluster.node(leader).process()?.stop()?;
    let frozen = Instant::now();
    let gap = trial.load.first_ack_after(frozen, Duration::from_secs(10)).await?;
    println!("the leader froze: {gap:?} to the next acknowledged operation");
    trial.load.progress(200, Duration::from_secs(20)).await?;
    trial.cluster.node(leader).process()?.resume()?;
    trial.load.progress(200, Duration::from_secs(20)).await?;
    trial.cluster.wait_status("all to live", Duration::from_secs(20), |s| s.nodes_alive == 3).await?;
    trial.end().await.map(drop)
}

#[tokio::test(flavor = "multi_thread")]
async fn all_processes_are_killed_at_once() -> Result<()> {
    let mut trial = trial("all", Plan { patience: Duration::from_secs(30), ..Plan::default() }).await?;
    for _ in 0..2 {
        trial.cluster.kill_all()?;
        let started = Instant::now();
        trial.cluster.start_all().await?;
        println!("all killed; serving again after {:?}", started.elapsed());
        trial.load.progress(200, Duration::from_secs(30)).await?;
    }
    trial.end().await.map(drop)
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_restart_in_order_without_an_error() -> Result<()> {
    let mut trial = trial("rolling", Plan::default()).await?;
    for number in 1..=3 {
        let status = trial.cluster.node(number).process()?.terminate(Duration::from_secs(20)).await?;
        ensure!(status.success(), "SIGTERM ended with {status}");
        trial.cluster.restart(number).await?;
        trial.cluster.wait_status("all to live", Duration::from_secs(20), |s| s.nodes_alive == 3).await?;
        trial.load.progress(50, Duration::from_secs(20)).await?;
    }
    trial.end().await.map(drop)
}
