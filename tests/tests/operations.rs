//! What administrators do with disks and nodes while the cluster works: emptying, maintenance, replacement, removal.
//! Whoever leads dies in the middle of each, and whoever leads next goes on.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use holdfast_tests::cluster::{Builder, Cluster};
use holdfast_tests::load::{self, Load, Plan};
use holdfast_tests::oracle::{Content, Oracle};
use holdfast_tests::{s3, wait};
use serde_json::Value;

const OBJECTS: u64 = 60;

fn content(number: u64) -> Content {
    Content { seed: 7000 + number, size: 400_000 + number * 50_000 }
}

async fn json(cluster: &Cluster, args: &[&str]) -> Result<Value> {
    let line = [&["--json"], args].concat();
    Ok(serde_json::from_str(&cluster.expect(&line).await?)?)
}

/// What the command line says when it is refused.
async fn refused(cluster: &Cluster, args: &[&str]) -> Result<String> {
    let output = cluster.run(args).await?;
    if output.status.success() {
        bail!("holdfast {} was not refused", args.join(" "));
    }
    Ok(String::from_utf8_lossy(&output.stderr).into_owned())
}

async fn fill(s3: &s3::Client) -> Result<()> {
    s3.create_bucket("bkt").await?;
    for number in 0..OBJECTS {
        s3.put("bkt", &number.to_string(), content(number).bytes()).await?;
    }
    Ok(())
}

async fn verify(s3: &s3::Client, when: &str) -> Result<()> {
    for number in 0..OBJECTS {
        let got = s3.get("bkt", &number.to_string()).await.with_context(|| format!("{number} {when}"))?;
        ensure!(got == content(number).bytes(), "object {number} came back wrong {when}");
    }
    Ok(())
}

/// The id of the cluster's node that this number of the test stands for, and the ids of its disks by their paths' order.
async fn ids(cluster: &mut Cluster, number: u8) -> Result<(String, Vec<String>)> {
    let address = cluster.node(number).spec().rpc.to_string();
    let nodes = json(cluster, &["admin", "nodes"]).await?;
    let all = nodes.as_array().cloned().unwrap_or_default();
    let node = all.iter().find(|node| node["address"] == address.as_str());
    let node = node.with_context(|| format!("{address} is not among {nodes}"))?["id"].clone();
    let disks = json(cluster, &["admin", "disks"]).await?;
    let mut disks: Vec<Value> = disks.as_array().cloned().unwrap_or_default();
    disks.retain(|disk| disk["node"] == node);
    disks.sort_by_key(|disk| disk["path"].to_string());
    Ok((node.to_string(), disks.iter().map(|disk| disk["id"].to_string()).collect()))
}

/// A node that is being emptied does not lead for long.
async fn lets_another_lead(cluster: &Cluster, number: u8) -> Result<()> {
    wait::until("another node to lead", Duration::from_secs(20), || async {
        let leader = cluster.leader().await.map_err(|error| format!("{error:#}"))?;
        if leader == number { Err("it still leads".to_owned()) } else { Ok(()) }
    })
    .await
}

/// Waits until what is asked about looks as it should.
async fn wait_for(
    cluster: &Cluster,
    what: &str,
    most: Duration,
    args: &[&str],
    good: impl Fn(&Value) -> bool,
) -> Result<Value> {
    wait::until(what, most, || async {
        let seen = json(cluster, args).await.map_err(|error| format!("{error:#}"))?;
        if good(&seen) { Ok(seen) } else { Err(format!("{seen}")) }
    })
    .await
}

/// Whether a number is the one that stands in a text.
fn is(number: &Value, text: &str) -> bool {
    number.as_u64().is_some_and(|number| text.parse() == Ok(number))
}

fn entries(value: &Value) -> Vec<Value> {
    value.as_array().cloned().unwrap_or_default()
}

async fn measured(cluster: &Cluster) -> Result<()> {
    wait_for(cluster, "sizes of groups", Duration::from_secs(60), &["admin", "health"], |seen| {
        seen["measured"] == true && seen["listening_ms"] == 0
    })
    .await
    .map(drop)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_is_emptied_under_load_whoever_leads_and_removed_with_a_proof() -> Result<()> {
    let mut cluster = Builder::new("empty-node").nodes(4).start().await?;
    cluster.expect(&["admin", "set", "balance_auto", "false"]).await?;
    fill(&cluster.s3()).await?;
    measured(&cluster).await?;
    // A node that does not lead when the drain begins; whoever leads dies in the middle of it.
    let leader = cluster.leader().await?;
    let leaves = if leader == 4 { 3 } else { 4 };
    let (node, disks) = ids(&mut cluster, leaves).await?;
    let early = refused(&cluster, &["admin", "nodes", "remove", &node]).await?;
    ensure!(early.contains("it takes part"), "{early}");
    let judged = json(&cluster, &["admin", "nodes", "drain", &node, "--check"]).await?;
    ensure!(judged["done"] == false && judged["groups"].as_u64() > Some(0), "{judged}");
    ensure!(entries(&judged["against"]).is_empty(), "{judged}");
    // Slowly, so that there is a middle.
    cluster.expect(&["admin", "set", "repair_bytes_per_second", "6000000"]).await?;
    let oracle = Arc::new(Oracle::new(&cluster.scratch()?.join("journal"))?);
    let others: Vec<u8> = (1..=4).filter(|number| *number != leaves && *number != leader).collect();
    let load = Load::start(cluster.s3_of(others[0]), Arc::clone(&oracle), Plan::default()).await?;
    load.progress(100, Duration::from_secs(20)).await?;
    cluster.expect(&["admin", "nodes", "drain", &node]).await?;
    let begun =
        wait_for(&cluster, "some of it to be moved", Duration::from_secs(60), &["admin", "drains"], |seen| {
            let one = &seen[0];
            one["kind"] == "drain" && one["bytes_left"].as_u64() < one["bytes_begun"].as_u64()
        })
        .await?;
    cluster.node(leader).kill()?;
    cluster.restart(leader).await?;
    cluster.expect(&["admin", "set", "repair_bytes_per_second", "0"]).await?;
    let after =
        wait_for(&cluster, "the drain to be seen", Duration::from_secs(30), &["admin", "drains"], |seen| {
            seen[0]["kind"] == "drain"
        })
        .await?;
    for known in ["began", "groups_begun", "bytes_begun", "node"] {
        ensure!(begun[0][known] == after[0][known], "{known}: {begun} became {after}");
    }
    wait_for(&cluster, "the node to be empty", Duration::from_secs(150), &["admin", "drains"], |seen| {
        seen[0]["done"] == true
    })
    .await?;
    load.progress(100, Duration::from_secs(30)).await?;
    lets_another_lead(&cluster, leaves).await?;
    let removed = json(&cluster, &["admin", "nodes", "remove", &node]).await?;
    let proof = &removed["proofs"][0];
    ensure!(proof["groups"] == 0 && proof["leaves"] == 0, "{removed}");
    ensure!(proof["answered"] == true && is(&proof["disk"], &disks[0]), "{removed}");
    cluster.announce("the cluster has given it up");
    cluster.node(leaves).kill()?;
    let summary = load.stop().await?;
    ensure!(summary.failures.is_empty(), "operations failed for good: {:?}", summary.failures);
    let door = cluster.s3_of(others[0]);
    load::verify(&door, &Plan::default().bucket, &oracle).await?;
    verify(&door, "without the removed node").await?;
    cluster.wait_redundant(Duration::from_secs(60)).await?;
    let drains = json(&cluster, &["admin", "drains"]).await?;
    ensure!(entries(&drains).is_empty(), "{drains}");
    cluster.finish().await
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_rebuilt_while_a_node_is_in_maintenance_and_it_is_told_why() -> Result<()> {
    let mut cluster = Builder::new("maintenance").nodes(4).start().await?;
    for (name, value) in [("grace_seconds", "10"), ("down_ms", "2000"), ("mass_failure_percent", "100")] {
        cluster.expect(&["admin", "set", name, value]).await?;
    }
    fill(&cluster.s3()).await?;
    measured(&cluster).await?;
    let leader = cluster.leader().await?;
    // One that does not vote, so that the leader may be killed as well.
    let voters = cluster.status().await?.voters;
    let mut away = 0;
    for number in 1..=4 {
        let (node, _) = ids(&mut cluster, number).await?;
        if !voters.iter().any(|voter| node.parse() == Ok(*voter)) {
            away = number;
        }
    }
    ensure!(away != 0 && away != leader, "of four nodes, three vote: {voters:?}");
    let (node, disks) = ids(&mut cluster, away).await?;
    let others: Vec<u8> = (1..=4).filter(|number| *number != away && *number != leader).collect();
    cluster.expect(&["admin", "nodes", "maintenance", &node, "--for", "75s"]).await?;
    cluster.node(away).process()?.terminate(Duration::from_secs(20)).await?;
    // Without it another one may go, but no third.
    let (second, _) = ids(&mut cluster, others[0]).await?;
    let (third, _) = ids(&mut cluster, others[1]).await?;
    cluster.expect(&["admin", "nodes", "maintenance", &second, "--for", "10m"]).await?;
    let why = refused(&cluster, &["admin", "nodes", "maintenance", &third, "--for", "10m"]).await?;
    ensure!(why.contains("could not be read") && why.contains("metaservers"), "{why}");
    cluster.expect(&["admin", "nodes", "maintenance", &second, "--end"]).await?;
    // Longer than the grace.
    wait_for(&cluster, "a long silence", Duration::from_secs(40), &["admin", "nodes"], |seen| {
        entries(seen).iter().any(|one| one["silent_ms"].as_u64() > Some(13_000))
    })
    .await?;
    let told =
        wait_for(&cluster, "groups that wait", Duration::from_secs(20), &["admin", "health"], |seen| {
            let groups = entries(&seen["groups"]);
            !groups.is_empty()
                && groups.iter().all(|one| one["state"] == "maintenance" && one["since"].is_string())
        })
        .await?;
    let first = told["groups"][0].clone();
    ensure!(first["why"].as_str().is_some_and(|why| why.contains("away for maintenance")), "{first}");
    ensure!(told["procedures"][0]["ends_in_seconds"].as_u64() > Some(0), "{told}");
    cluster.node(leader).kill()?;
    cluster.restart(leader).await?;
    let again = wait_for(
        &cluster,
        "the same from another leader",
        Duration::from_secs(40),
        &["admin", "pgs", "--why"],
        |seen| entries(seen).iter().any(|one| one["id"] == first["id"] && one["since"] == first["since"]),
    )
    .await?;
    ensure!(entries(&again).iter().all(|one| one["state"] != "rebuilding"), "{again}");
    let standing = json(&cluster, &["admin", "disks"]).await?;
    ensure!(entries(&standing).iter().all(|disk| disk["standing"] != "out"), "{standing}");
    ensure!(cluster.status().await?.redundancy.repaired_bytes == 0, "something was rebuilt");
    verify(&cluster.s3_of(others[0]), "during maintenance").await?;
    // It ends by itself. The node is still away, so what it holds is rebuilt now.
    wait_for(&cluster, "the end of maintenance", Duration::from_secs(100), &["admin", "drains"], |seen| {
        entries(seen).is_empty()
    })
    .await?;
    wait_for(&cluster, "the disk to be given up", Duration::from_secs(40), &["admin", "disks"], |seen| {
        entries(seen).iter().any(|disk| is(&disk["id"], &disks[0]) && disk["standing"] == "out")
    })
    .await?;
    cluster
        .wait_status("everything to be rebuilt", Duration::from_secs(90), |status| {
            let r = &status.redundancy;
            r.repaired_bytes > 0 && r.pgs_degraded + r.pgs_at_risk + r.pgs_unavailable == 0
        })
        .await?;
    let well =
        wait_for(&cluster, "nothing to be lacking", Duration::from_secs(20), &["admin", "health"], |seen| {
            seen["since"].is_null() && seen["whole"] == true
        })
        .await?;
    ensure!(well["bytes_left"] == 0, "{well}");
    cluster.restart(away).await?;
    cluster.wait_redundant(Duration::from_secs(60)).await?;
    cluster.finish().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_disk_is_replaced_in_place_and_a_foreign_one_is_left_alone() -> Result<()> {
    let mut cluster = Builder::new("in-place").nodes(3).disks(2).start().await?;
    fill(&cluster.s3()).await?;
    measured(&cluster).await?;
    let leader = cluster.leader().await?;
    let hurt = leader % 3 + 1;
    let (_, disks) = ids(&mut cluster, hurt).await?;
    let lost = disks[1].clone();
    let alive = refused(&cluster, &["admin", "disks", "replace", &lost]).await?;
    ensure!(alive.contains("drain it, or stop its node"), "{alive}");
    let directory = cluster.node(hurt).spec().disks[1].clone();
    let foreign = cluster.node(leader).spec().disks[0].join("superblock");
    cluster.node(hurt).process()?.terminate(Duration::from_secs(20)).await?;
    std::fs::remove_dir_all(&directory)?;
    std::fs::create_dir(&directory)?;
    std::fs::copy(&foreign, directory.join("superblock"))?;
    cluster.node(hurt).start()?;
    let log = cluster.node(hurt).log_path();
    let says = |what: &'static str| {
        let log = log.clone();
        wait::until(what, Duration::from_secs(40), move || {
            let text = std::fs::read_to_string(&log).unwrap_or_default();
            std::future::ready(if text.contains(what) { Ok(()) } else { Err("it does not say so") })
        })
    };
    says("it is left alone").await?;
    cluster.node(hurt).process()?.terminate(Duration::from_secs(20)).await?;
    std::fs::remove_file(directory.join("superblock"))?;
    cluster.node(hurt).start()?;
    // An empty directory may be a disk that is not mounted: it is not used before somebody says that the disk is lost.
    says("admin disks replace").await?;
    // A new life of the process: the leader must know that the disk is not there any more.
    wait_for(&cluster, "the disk to be missed", Duration::from_secs(40), &["admin", "disks"], |seen| {
        entries(seen)
            .iter()
            .any(|disk| is(&disk["id"], &lost) && disk["state"] != "alive" && disk["liveness"] == "down")
    })
    .await?;
    let before = json(&cluster, &["admin", "disks"]).await?;
    let life = |all: &Value| {
        entries(all).iter().find(|disk| is(&disk["id"], &lost)).map(|disk| disk["incarnation"].clone())
    };
    cluster.expect(&["admin", "set", "repair_bytes_per_second", "3000000"]).await?;
    cluster.expect(&["admin", "disks", "replace", &lost]).await?;
    wait_for(&cluster, "the new disk", Duration::from_secs(40), &["admin", "drains"], |seen| {
        let one = &seen[0];
        one["kind"] == "replacement"
            && one["detail"]["message"].as_str().is_some_and(|far| far.contains("took its place"))
    })
    .await?;
    cluster.node(leader).kill()?;
    cluster.restart(leader).await?;
    cluster.expect(&["admin", "set", "repair_bytes_per_second", "0"]).await?;
    wait_for(
        &cluster,
        "the replacement to be through",
        Duration::from_secs(90),
        &["admin", "drains"],
        |seen| entries(seen).is_empty(),
    )
    .await?;
    cluster.wait_redundant(Duration::from_secs(60)).await?;
    let after = json(&cluster, &["admin", "disks"]).await?;
    ensure!(entries(&after).len() == entries(&before).len(), "{before} became {after}");
    ensure!(life(&after) != life(&before), "it is a new life of the same disk: {after}");
    verify(&cluster.s3(), "after the replacement").await?;
    wait::until("a clean check of every byte", Duration::from_secs(40), || {
        cluster.expect(&["fsck", "--deep"])
    })
    .await?;
    cluster.finish().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drain_without_another_place_is_refused_and_files_of_groups_are_found() -> Result<()> {
    let cluster = Builder::new("no-place").nodes(3).start().await?;
    fill(&cluster.s3()).await?;
    measured(&cluster).await?;
    let disks = json(&cluster, &["admin", "disks"]).await?;
    let disk = disks[0]["id"].to_string();
    let why = refused(&cluster, &["admin", "disks", "drain", &disk]).await?;
    ensure!(why.contains("no other disk") && why.contains("--force"), "{why}");
    cluster.expect(&["admin", "disks", "drain", &disk, "--force"]).await?;
    let watch = ["admin", "disks", "drain", &disk, "--force", "--watch"];
    let watched = tokio::time::timeout(Duration::from_secs(60), refused(&cluster, &watch)).await;
    let held_up = watched.context("watching goes on although nothing will happen")??;
    ensure!(held_up.contains("held up"), "{held_up}");
    let status = cluster.expect(&["admin", "status"]).await?;
    ensure!(status.contains("is being emptied"), "{status}");
    cluster.expect(&["admin", "disks", "undrain", &disk]).await?;
    cluster.wait_redundant(Duration::from_secs(30)).await?;
    // Every object is found in the groups that it has chunks in.
    let groups = json(&cluster, &["admin", "pgs"]).await?;
    let mut found = std::collections::BTreeSet::new();
    for group in entries(&groups).iter().map(|group| group["id"].to_string()) {
        // The leader looks at a group again a moment after the drain was given up.
        let one = wait::until("the group to be whole again", Duration::from_secs(30), || async {
            let one = json(&cluster, &["admin", "pgs", "--why", "--pg", &group]).await;
            let one = one.map_err(|error| format!("{error:#}"))?;
            if one[0]["state"] == "whole" { Ok(one) } else { Err(one.to_string()) }
        })
        .await?;
        let lines = cluster.expect(&["admin", "pgs", "files", &group]).await?;
        ensure!(one[0]["chunks"] != 0 || lines.is_empty(), "group {group} is empty: {lines}");
        found.extend(lines.lines().map(str::to_owned));
        // In pages, nothing is left out and nothing comes twice.
        let (mut paged, mut after) = (Vec::new(), None::<String>);
        loop {
            let mut args = vec!["admin", "pgs", "files", &group, "--limit", "2"];
            if let Some(after) = &after {
                args.extend(["--after", after]);
            }
            let page = cluster.expect(&args).await?;
            let Some(last) = page.lines().last() else { break };
            after = Some(last.to_owned());
            paged.extend(page.lines().map(str::to_owned));
        }
        ensure!(paged == lines.lines().collect::<Vec<_>>(), "{paged:?}, at once {lines}");
    }
    ensure!(found.len() as u64 == OBJECTS, "{found:?}");
    let none = refused(&cluster, &["admin", "pgs", "files", "99999"]).await?;
    ensure!(none.contains("pg99999"), "{none}");
    cluster.finish().await
}
