//! Packets are dropped: to and from the leader, towards it, to and from another node, between the leader and another
//! that a third node still sees both. No socket is closed, nobody is told.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use holdfast_tests::cluster::Builder;
use holdfast_tests::load::{self, Load, Plan};
use holdfast_tests::netns::{Direction, Network};
use holdfast_tests::oracle::Oracle;
use holdfast_tests::skip_unless_root_with;

/// Who does not hear whom.
#[derive(Clone, Copy, Debug)]
enum Fault {
    /// The leader loses packets.
    Leader(Direction),
    /// A node that does not lead is cut off.
    Follower,
    /// The leader and another do not hear each other.
    Pair,
}

async fn black_hole(network: Arc<Network>, fault: Fault) -> Result<()> {
    let cluster = Builder::new("blackhole").alone().nodes(3).network(&network).start().await?;
    let oracle = Arc::new(Oracle::new(&cluster.scratch()?.join("journal"))?);
    let plan =
        Plan { attempt: Duration::from_millis(1500), patience: Duration::from_secs(15), ..Plan::default() };
    let bucket = plan.bucket.clone();
    let load = Load::start(cluster.s3(), Arc::clone(&oracle), plan).await?;
    load.progress(200, Duration::from_secs(20)).await?;

    let leader = cluster.leader().await?;
    let other = leader % 3 + 1;
    match fault {
        Fault::Leader(direction) => network.drop_packets(leader, direction)?,
        Fault::Follower => network.drop_packets(other, Direction::Both)?,
        Fault::Pair => network.cut(leader, other)?,
    }
    let cut = Instant::now();
    let gap = load.first_ack_after(cut, Duration::from_secs(15)).await?;
    println!("{fault:?}: {gap:?} to the next acknowledged operation");
    ensure!(gap < Duration::from_secs(5), "fail-over took {gap:?}");
    load.progress(200, Duration::from_secs(20)).await?;

    network.heal(leader)?;
    network.heal(other)?;
    load.progress(200, Duration::from_secs(20)).await?;
    cluster.wait_status("all to live", Duration::from_secs(20), |s| s.nodes_alive == 3).await?;
    let summary = load.stop().await?;
    ensure!(summary.failures.is_empty(), "operations failed for good: {:?}", summary.failures);
    let checked = load::verify(&cluster.s3(), &bucket, &oracle).await?;
    println!("{} operations, {} repeated, {checked} keys checked", summary.acknowledged, summary.retries);
    cluster.wait_redundant(Duration::from_secs(40)).await?;
    cluster.finish().await
}

#[test]
fn the_leader_vanishes_from_the_network() -> Result<()> {
    skip_unless_root_with!("ip", "iptables");
    let network = Network::make(3)?;
    network.block_on(black_hole(Arc::clone(&network), Fault::Leader(Direction::Both)))?
}

#[test]
fn the_leader_is_heard_but_hears_nothing() -> Result<()> {
    skip_unless_root_with!("ip", "iptables");
    let network = Network::make(3)?;
    network.block_on(black_hole(Arc::clone(&network), Fault::Leader(Direction::In)))?
}

#[test]
fn another_node_vanishes_from_the_network() -> Result<()> {
    skip_unless_root_with!("ip", "iptables");
    let network = Network::make(3)?;
    network.block_on(black_hole(Arc::clone(&network), Fault::Follower))?
}

#[test]
fn the_leader_and_another_do_not_hear_each_other() -> Result<()> {
    skip_unless_root_with!("ip", "iptables");
    let network = Network::make(3)?;
    network.block_on(black_hole(Arc::clone(&network), Fault::Pair))?
}
