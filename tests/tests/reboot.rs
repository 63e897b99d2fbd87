//! One node of a cluster with two copies reboots. Its data is then one failure away from loss, so groups get stand-ins;
//! within the grace nothing else moves, and when the node is back the stand-ins go.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use holdfast_tests::cluster::{Builder, Cluster};
use holdfast_tests::oracle::Content;
use holdfast_tests::wait;
use serde::Deserialize;

const OBJECTS: u64 = 40;

fn content(seed: u64) -> Content {
    Content { seed, size: 100_000 + 1000 * seed }
}

#[derive(Deserialize)]
struct Group {
    id: u32,
    members: Vec<Member>,
}

#[derive(Deserialize)]
struct Member {
    disk: u32,
    temporary: bool,
}

/// Disks with a place of their own in each group, and how many stand-ins there are.
async fn places(cluster: &Cluster) -> Result<(BTreeMap<u32, BTreeSet<u32>>, usize)> {
    let text = cluster.expect(&["--json", "admin", "pgs"]).await?;
    let groups: Vec<Group> = serde_json::from_str(&text).context("the list of groups")?;
    let temporary = groups.iter().flat_map(|group| &group.members).filter(|member| member.temporary).count();
    let regular = |group: &Group| {
        group.members.iter().filter(|member| !member.temporary).map(|member| member.disk).collect()
    };
    Ok((groups.iter().map(|group| (group.id, regular(group))).collect(), temporary))
}

async fn wait_stand_ins(cluster: &Cluster, what: &str, good: impl Fn(usize) -> bool) -> Result<()> {
    wait::until(what, Duration::from_secs(60), || async {
        let (_, temporary) = places(cluster).await.map_err(|error| format!("{error:#}"))?;
        if good(temporary) { Ok(()) } else { Err(format!("{temporary} stand-ins")) }
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reboot_with_two_copies_moves_nothing_for_good() -> Result<()> {
    let mut cluster = Builder::new("reboot").nodes(3).later(1).start().await?;
    for (name, value) in [("auto_class_growth", "false"), ("temporary_member_seconds", "3")] {
        cluster.expect(&["admin", "set", name, value]).await?;
    }
    cluster.restart(3).await?;
    let three = |status: &holdfast_tests::cluster::Status| status.voters.len() == 3;
    cluster.wait_status("three voters", Duration::from_secs(30), three).await?;
    // A door that stays open.
    let s3 = cluster.s3_of(1);
    s3.create_bucket("bkt").await?;
    for seed in 0..OBJECTS {
        s3.put("bkt", &seed.to_string(), content(seed).bytes()).await?;
    }
    cluster.wait_redundant(Duration::from_secs(60)).await?;
    let (before, temporary) = places(&cluster).await?;
    ensure!(temporary == 0 && before.values().all(|disks| disks.len() == 2), "two copies: {before:?}");

    cluster.node(2).kill()?;
    wait_stand_ins(&cluster, "stand-ins for the silent node", |count| count > 0).await?;
    for seed in OBJECTS..2 * OBJECTS {
        s3.put("bkt", &seed.to_string(), content(seed).bytes()).await?;
    }
    let (during, _) = places(&cluster).await?;
    cluster.restart(2).await?;
    cluster.wait_redundant(Duration::from_secs(60)).await?;
    wait_stand_ins(&cluster, "the stand-ins to go", |count| count == 0).await?;
    let (after, _) = places(&cluster).await?;
    for (group, disks) in &before {
        for (when, now) in [("while it was away", during.get(group)), ("afterwards", after.get(group))] {
            ensure!(now == Some(disks), "group {group} had {disks:?} and has {now:?} {when}");
        }
    }
    for seed in 0..2 * OBJECTS {
        ensure!(s3.get("bkt", &seed.to_string()).await? == content(seed).bytes(), "object {seed}");
    }
    cluster.finish().await
}
