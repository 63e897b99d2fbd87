//! Evening out how full disks are: planned beforehand, steered, and gone on with whoever leads.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use holdfast_tests::cluster::{Builder, Cluster};
use holdfast_tests::oracle::Content;
use holdfast_tests::{s3, wait};
use serde_json::Value;

const OBJECTS: u64 = 100;

fn content(number: u64) -> Content {
    Content { seed: 4000 + number, size: 2_000_000 + number * 10_000 }
}

async fn json(cluster: &Cluster, args: &[&str]) -> Result<Value> {
    let line = [&["--json"], args].concat();
    Ok(serde_json::from_str(&cluster.expect(&line).await?)?)
}

async fn verify(s3: &s3::Client, when: &str) -> Result<()> {
    for number in 0..OBJECTS {
        let got = s3.get("bkt", &number.to_string()).await.with_context(|| format!("{number} {when}"))?;
        ensure!(got == content(number).bytes(), "object {number} came back wrong {when}");
    }
    Ok(())
}

/// Three nodes with data on small disks, and a fourth that is not there yet. Nothing is moved by itself.
async fn filled(name: &str) -> Result<Cluster> {
    let settings = "[chunk]\ncapacity = \"1GiB\"\n";
    let cluster = Builder::new(name).nodes(4).later(1).settings(settings)?.start().await?;
    cluster.expect(&["admin", "set", "balance_auto", "false"]).await?;
    let s3 = cluster.s3_of(1);
    s3.create_bucket("bkt").await?;
    for number in 0..OBJECTS {
        s3.put("bkt", &number.to_string(), content(number).bytes()).await?;
    }
    Ok(cluster)
}

/// The fourth node joins; its disk is known and how much lies in each group is counted, to the last object.
async fn join_fourth(cluster: &mut Cluster) -> Result<Value> {
    cluster.restart(4).await?;
    // Of three copies on three disks, a quarter goes to the fourth.
    let quarter = (0..OBJECTS).map(|number| content(number).size).sum::<u64>() * 3 / 4;
    wait::until("a plan that moves something", Duration::from_secs(60), || async {
        let seen =
            json(cluster, &["admin", "balance", "plan"]).await.map_err(|error| format!("{error:#}"))?;
        let counted = seen["plan"]["least_bytes"].as_u64() >= Some(quarter * 9 / 10);
        let ready = seen["measured"] == true && counted && seen["plan"]["moves_total"].as_u64() > Some(0);
        if ready { Ok(seen["plan"].clone()) } else { Err(format!("{seen}")) }
    })
    .await
}

async fn wait_state(cluster: &Cluster, state: &str, most: Duration) -> Result<Value> {
    wait::until(&format!("balancing to be {state}"), most, || async {
        let seen = json(cluster, &["admin", "balance"]).await.map_err(|error| format!("{error:#}"))?;
        if seen["state"] == state { Ok(seen) } else { Err(format!("{seen}")) }
    })
    .await
}

fn fullness(plan: &Value, when: &str) -> Vec<f64> {
    let disks = plan["disks"].as_array().cloned().unwrap_or_default();
    disks.iter().filter_map(|disk| disk[when].as_f64()).collect()
}

fn width(full: &[f64]) -> f64 {
    let most = full.iter().copied().fold(0.0, f64::max);
    most - full.iter().copied().fold(1.0, f64::min)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_node_is_filled_whoever_leads_and_no_byte_is_moved_in_vain() -> Result<()> {
    let mut cluster = filled("balance").await?;
    let plan = join_fourth(&mut cluster).await?;
    let (bytes, least) =
        (plan["bytes"].as_u64().context("bytes")?, plan["least_bytes"].as_u64().context("least")?);
    ensure!(bytes * 10 <= least * 11, "{bytes} would be moved, {least} at least");
    ensure!(width(&fullness(&plan, "full_before")) > 0.1, "{plan}");
    ensure!(width(&fullness(&plan, "full_after")) < 0.03, "{plan}");
    let disks = plan["disks"].as_array().cloned().unwrap_or_default();
    ensure!(disks.len() == 4);
    ensure!(disks.iter().all(|d| d["peak_bytes"].as_u64() <= d["cap_bytes"].as_u64()), "{plan}");
    cluster.expect(&["admin", "balance", "throttle", "20MiB"]).await?;
    cluster.expect(&["admin", "balance", "start"]).await?;
    ensure!(!cluster.run(&["admin", "balance", "start"]).await?.status.success(), "it runs already");
    wait::until("a first move to be done", Duration::from_secs(60), || async {
        let seen = json(&cluster, &["admin", "balance"]).await.map_err(|error| format!("{error:#}"))?;
        if seen["moves_done"].as_u64() > Some(0) { Ok(()) } else { Err(format!("{seen}")) }
    })
    .await?;
    let leader = cluster.leader().await?;
    cluster.node(leader).kill()?;
    let other = if leader == 1 { 2 } else { 1 };
    verify(&cluster.s3_of(other), "while a node is away").await?;
    cluster.restart(leader).await?;
    let done = wait_state(&cluster, "idle", Duration::from_secs(180)).await?;
    let moved = done["bytes_done"].as_u64().context("bytes")?;
    ensure!(done["outcome"]["message"].as_str().is_some_and(|outcome| outcome.starts_with("done")), "{done}");
    // Moves that ended while nobody led are not counted; none is made twice.
    ensure!(moved * 10 <= least * 11, "{moved} moved, {least} at least: {done}");
    let after = json(&cluster, &["admin", "balance", "plan"]).await?;
    ensure!(after["plan"]["moves_total"] == 0, "{after}");
    ensure!(width(&fullness(&after["plan"], "full_before")) < 0.03, "{after}");
    verify(&cluster.s3(), "after balancing").await?;
    wait::until("a clean check of every byte", Duration::from_secs(40), || {
        cluster.expect(&["fsck", "--deep"])
    })
    .await?;
    cluster.finish().await
}

#[tokio::test(flavor = "multi_thread")]
async fn balancing_rests_and_is_given_up_when_told_so() -> Result<()> {
    let mut cluster = filled("balance-stop").await?;
    join_fourth(&mut cluster).await?;
    ensure!(!cluster.run(&["admin", "balance", "pause"]).await?.status.success(), "nothing runs");
    cluster.expect(&["admin", "balance", "throttle", "512KiB"]).await?;
    cluster.expect(&["admin", "balance", "start"]).await?;
    let moving = |seen: &Value| seen["moves_under_way"].as_u64().unwrap_or(0);
    wait::until("moves under way", Duration::from_secs(30), || async {
        let seen = json(&cluster, &["admin", "balance"]).await.map_err(|error| format!("{error:#}"))?;
        if moving(&seen) > 0 { Ok(()) } else { Err(format!("{seen}")) }
    })
    .await?;
    cluster.expect(&["admin", "balance", "pause"]).await?;
    wait_state(&cluster, "paused", Duration::from_secs(10)).await?;
    cluster.expect(&["admin", "balance", "resume"]).await?;
    wait_state(&cluster, "running", Duration::from_secs(10)).await?;
    cluster.expect(&["admin", "balance", "cancel"]).await?;
    let ended = wait_state(&cluster, "idle", Duration::from_secs(60)).await?;
    ensure!(ended["outcome"]["message"] == "cancelled by an administrator" && moving(&ended) == 0, "{ended}");
    let groups = json(&cluster, &["admin", "pgs"]).await?;
    let temporary = |group: &Value| {
        group["members"].as_array().is_some_and(|all| all.iter().any(|member| member["temporary"] == true))
    };
    ensure!(!groups.as_array().is_some_and(|all| all.iter().any(temporary)), "{groups}");
    // By itself, when it may: the disks still differ by more than the threshold.
    cluster.expect(&["admin", "balance", "throttle", "0"]).await?;
    cluster.expect(&["admin", "set", "balance_auto", "true"]).await?;
    // Nothing holds moves back now: they end between two looks of the leader, and are counted all the same.
    let done = wait::until("disks to be even without a word", Duration::from_secs(120), || async {
        let seen = json(&cluster, &["admin", "balance"]).await.map_err(|error| format!("{error:#}"))?;
        let done = seen["state"] == "idle"
            && seen["automatic"] == true
            && seen["outcome"]["message"].as_str().is_some_and(|outcome| outcome.starts_with("done"));
        if done { Ok(seen) } else { Err(format!("{seen}")) }
    })
    .await?;
    let bytes = |what: &str| done[what].as_u64().unwrap_or(0);
    ensure!(bytes("bytes_done") * 2 > bytes("planned_bytes") && bytes("moves_done") > 0, "{done}");
    verify(&cluster.s3(), "after balancing").await?;
    cluster.finish().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drained_disk_is_left_by_everything_and_then_forgotten() -> Result<()> {
    let mut cluster = filled("drain").await?;
    join_fourth(&mut cluster).await?;
    let disks = json(&cluster, &["admin", "disks"]).await?;
    let of_node = |disks: &Value, node: &Value| -> Option<Value> {
        disks.as_array()?.iter().find(|disk| disk["node"] == *node).cloned()
    };
    let nodes = json(&cluster, &["admin", "nodes"]).await?;
    // A node that does not lead when the drain begins; whoever leads dies in the middle of it.
    let leader = cluster.leader().await?;
    let drained = if leader == 2 { 3 } else { 2 };
    let address = cluster.node(drained).spec().rpc.to_string();
    let node =
        nodes.as_array().and_then(|all| all.iter().find(|n| n["address"] == address.as_str()).cloned());
    let node = node.with_context(|| format!("{address} is not among {nodes}"))?;
    let disk = of_node(&disks, &node["id"]).context("its disk")?["id"].to_string();
    let early = cluster.run(&["admin", "disks", "remove", &disk]).await?;
    ensure!(!early.status.success(), "groups count on it");
    cluster.expect(&["admin", "disks", "set", &disk, "--standing", "drain"]).await?;
    cluster.node(leader).kill()?;
    verify(&cluster.s3_of(drained), "while a disk is drained and a node is away").await?;
    cluster.restart(leader).await?;
    wait::until("no group on the drained disk", Duration::from_secs(150), || async {
        let disks = json(&cluster, &["admin", "disks"]).await.map_err(|error| format!("{error:#}"))?;
        let left = of_node(&disks, &node["id"]).map(|disk| disk["groups"].clone());
        if left == Some(Value::from(0)) { Ok(()) } else { Err(format!("{left:?}")) }
    })
    .await?;
    // It also has to let go of what it held, when nobody reads there any more.
    wait::until("the drained disk to be empty", Duration::from_secs(60), || async {
        let drains = json(&cluster, &["admin", "drains"]).await.map_err(|error| format!("{error:#}"))?;
        if drains[0]["done"] == true { Ok(()) } else { Err(format!("{drains}")) }
    })
    .await?;
    cluster.expect(&["admin", "disks", "remove", &disk]).await?;
    cluster.announce("the cluster has given it up");
    cluster.node(drained).kill()?;
    let other = if leader == 1 { 4 } else { 1 };
    verify(&cluster.s3_of(other), "without the drained disk").await?;
    cluster.restart(drained).await?;
    cluster.wait_redundant(Duration::from_secs(60)).await?;
    wait::until("a clean check of every byte", Duration::from_secs(40), || {
        cluster.expect(&["fsck", "--deep"])
    })
    .await?;
    cluster.finish().await
}
