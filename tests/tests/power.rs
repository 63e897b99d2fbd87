//! All nodes lose power at once: what was acknowledged is there afterwards. The same test without syncs must report
//! loss, or it proves nothing.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use holdfast_tests::cluster::{Builder, Cluster};
use holdfast_tests::load::{self, Load, Plan};
use holdfast_tests::oracle::Oracle;
use holdfast_tests::skip_unless_root_with;
use holdfast_tests::volume::Kind;

/// Loses power under load `times` times; returns what the check at the end says.
async fn lose_power(cluster: &mut Cluster, times: usize) -> Result<Result<usize>> {
    let oracle = Arc::new(Oracle::new(&cluster.scratch()?.join("journal"))?);
    let plan = Plan { patience: Duration::from_secs(1), keys: 200, ..Plan::default() };
    for _ in 0..times {
        let load = Load::start(cluster.s3(), Arc::clone(&oracle), plan.clone()).await?;
        load.progress(400, Duration::from_secs(30)).await?;
        cluster.power_loss()?;
        // Operations under way fail: that is what a power failure is.
        load.stop().await?;
        cluster.start_all().await.context("after power came back")?;
    }
    Ok(load::verify(&cluster.s3(), &plan.bucket, &oracle).await)
}

async fn nothing_is_lost(kind: Kind, mib: u64) -> Result<()> {
    let mut cluster = Builder::new("power").nodes(3).disks(1).volumes(kind, mib).start().await?;
    // Calls that were in the kernel when power went end with an I/O error before the process is killed.
    for consequence in ["Input/output error", "out of service", "openraft", "metadata group", "core"] {
        cluster.announce(consequence);
    }
    let checked = lose_power(&mut cluster, 2).await??;
    println!("{checked} keys are as acknowledged after two power failures");
    cluster.finish().await
}

#[tokio::test(flavor = "multi_thread")]
async fn power_loss_of_all_nodes_loses_nothing_on_ext4() -> Result<()> {
    skip_unless_root_with!("mkfs.ext4", "mount", "umount");
    nothing_is_lost(Kind::Ext4, 1024).await
}

#[tokio::test(flavor = "multi_thread")]
async fn power_loss_of_all_nodes_loses_nothing_on_xfs() -> Result<()> {
    skip_unless_root_with!("mkfs.xfs", "mount", "umount");
    nothing_is_lost(Kind::Xfs, 1024).await
}

#[tokio::test(flavor = "multi_thread")]
async fn without_syncs_the_test_reports_loss() -> Result<()> {
    skip_unless_root_with!("mkfs.ext4", "mount", "umount");
    let mut cluster = Builder::new("nosync")
        .nodes(3)
        .volumes(Kind::Ext4, 1024)
        .environment("HOLDFAST_UNSAFE_NO_SYNC", "1")
        .start()
        .await?;
    if let Some(library) = eatmydata() {
        for number in 1..=cluster.len() {
            cluster
                .node(number)
                .change(|spec| spec.environment.push(("LD_PRELOAD".into(), library.into())))?;
        }
        cluster.kill_all()?;
        cluster.start_all().await?;
    }
    let outcome = lose_power(&mut cluster, 1).await;
    // Either the nodes do not come up again, or what they have is not what was acknowledged.
    let reported = !matches!(outcome, Ok(Ok(_)));
    if let Ok(Err(error)) = &outcome {
        println!("as it should be: {}", format!("{error:#}").lines().next().unwrap_or_default());
    }
    cluster.abandon();
    ensure!(reported, "power was lost without any sync, and nothing was missing: this test proves nothing");
    Ok(())
}

/// The library that turns syncs into nothing, for the metadata's log as well.
fn eatmydata() -> Option<&'static str> {
    ["/usr/lib/x86_64-linux-gnu/libeatmydata.so", "/usr/lib/aarch64-linux-gnu/libeatmydata.so"]
        .into_iter()
        .find(|path| Path::new(path).exists())
}
