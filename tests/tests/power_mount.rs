//! All nodes lose power while applications write through mounts: what `fsync` has returned for is there afterwards, to
//! the byte, and nothing ever holds bytes that nobody wrote there.
//!
//! One mount lives through it: its applications wait and go on, without an error. The other one dies with the nodes, as
//! on a machine that is one of them.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use holdfast_tests::cluster::Builder;
use holdfast_tests::files::Crowd;
use holdfast_tests::mount::{Mount, missing};
use holdfast_tests::skip_unless_root_with;
use holdfast_tests::volume::Kind;

/// Operations that must be durable before power goes.
const ENOUGH: u64 = 200;

#[tokio::test(flavor = "multi_thread")]
async fn what_fsync_returned_for_outlives_a_power_failure_of_all_nodes() -> Result<()> {
    skip_unless_root_with!("mkfs.ext4", "mount", "umount");
    if let Some(why) = missing() {
        eprintln!("SKIPPED {}: {why}", module_path!());
        return Ok(());
    }
    let mut cluster = Builder::new("power-mount").nodes(3).disks(1).volumes(Kind::Ext4, 1024).start().await?;
    // Calls that were in the kernel when power went end with an I/O error before the process is killed.
    for consequence in ["Input/output error", "out of service", "openraft", "metadata group", "core"] {
        cluster.announce(consequence);
    }
    cluster.expect(&["mkdir", "/bkt"]).await?;
    // Losing power and coming back takes a while here.
    let lives = Mount::new(&cluster, "lives", "/bkt", &["--io-timeout", "180"]).await?;
    for time in 0..2 {
        let lasting = Crowd::start(&lives, &format!("lasting-{time}"), 2)?;
        let mut dies = Mount::new(&cluster, &format!("dies-{time}"), "/bkt", &[]).await?;
        let dying = Crowd::start(&dies, &format!("dying-{time}"), 2)?;
        lasting.progress(ENOUGH, Duration::from_secs(60)).await?;
        dying.progress(ENOUGH, Duration::from_secs(60)).await?;
        cluster.power_loss()?;
        dies.process().kill()?;
        drop(dies);
        cluster.start_all().await.context("after power came back")?;
        let looks = Mount::new(&cluster, &format!("looks-{time}"), "/bkt", &[]).await?;
        let checked = lasting.check(&looks, true)? + dying.check(&looks, false)?;
        println!("{checked} things are as synced");
        looks.finish(&cluster).await?;
    }
    drop(lives);
    for number in 1..=cluster.len() {
        ensure!(cluster.node(number).is_running(), "node {number} has ended");
    }
    cluster.finish().await
}
