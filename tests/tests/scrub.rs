//! Scrub: ordered by an administrator, held under its rate, gone on with after kills, and what it finds mended.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use holdfast_tests::cluster::{Builder, Cluster};
use holdfast_tests::oracle::Content;
use holdfast_tests::{damage, s3, wait};
use serde_json::Value;

/// One chunk each.
const OBJECTS: u64 = 80;

fn content(number: u64) -> Content {
    Content { seed: 7000 + number, size: 300_000 }
}

async fn json(cluster: &Cluster, args: &[&str]) -> Result<Value> {
    let line = [&["--json"], args].concat();
    Ok(serde_json::from_str(&cluster.expect(&line).await?)?)
}

async fn filled(name: &str) -> Result<Cluster> {
    // What else lies on this machine's disk must not decide whether there is room.
    let cluster = Builder::new(name).nodes(3).settings("[chunk]\ncapacity = \"2GiB\"\n")?.start().await?;
    let s3 = cluster.s3();
    s3.create_bucket("bkt").await?;
    for number in 0..OBJECTS {
        s3.put("bkt", &number.to_string(), content(number).bytes()).await?;
    }
    Ok(cluster)
}

async fn verify(s3: &s3::Client) -> Result<()> {
    for number in 0..OBJECTS {
        ensure!(s3.get("bkt", &number.to_string()).await? == content(number).bytes(), "object {number}");
    }
    Ok(())
}

/// The name of the one disk of a node, such as `d2`.
async fn disk_of(cluster: &mut Cluster, number: u8) -> Result<String> {
    let path = cluster.node(number).spec().disks[0].display().to_string();
    let disks = json(cluster, &["admin", "disks"]).await?;
    let disk = disks.as_array().and_then(|all| all.iter().find(|disk| disk["path"] == path.as_str()));
    Ok(format!("d{}", disk.with_context(|| format!("{path} is not among {disks}"))?["id"]))
}

async fn scrub_of(cluster: &Cluster, disk: &str) -> Result<Value> {
    let all = json(cluster, &["admin", "scrub", "status", "--history", "--disk", disk]).await?;
    Ok(all[0].clone())
}

async fn wait_scrub(
    cluster: &Cluster,
    disk: &str,
    what: &str,
    most: Duration,
    good: impl Fn(&Value) -> bool,
) -> Result<Value> {
    wait::until(what, most, || async {
        let seen = scrub_of(cluster, disk).await.map_err(|error| format!("{error:#}"))?;
        if good(&seen) { Ok(seen) } else { Err(format!("{seen}")) }
    })
    .await
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn flipped_bytes_are_found_on_request_and_mended_without_a_read() -> Result<()> {
    let mut cluster = filled("scrub").await?;
    cluster.announce("damaged record");
    let (disk, other) = (disk_of(&mut cluster, 2).await?, disk_of(&mut cluster, 3).await?);
    let before = scrub_of(&cluster, &disk).await?;
    ensure!(before["state"] == "waiting" && before["last"].is_null() && before["open"] == 0, "{before}");
    let flipped = damage::flip_records(&cluster.node(2).spec().disks[0].clone(), 7)? as u64;
    ensure!(flipped > 5, "only {flipped} records were damaged");
    let ordered = json(&cluster, &["admin", "scrub", "now", "--disk", &disk]).await?;
    ensure!(format!("d{}", ordered["disks"][0]) == disk, "{ordered}");
    let asked = Instant::now();
    let after = wait_scrub(&cluster, &disk, "everything found and mended", Duration::from_secs(60), |seen| {
        seen["last"]["mended"] == flipped && seen["open"] == 0 && seen["state"] == "waiting"
    })
    .await?;
    println!("{flipped} damaged records found and mended within {:?}", asked.elapsed());
    let last = &after["last"];
    ensure!(last["found"] == flipped && last["cause"] == "ordered" && last["deleted"] == 0, "{after}");
    ensure!(last["chunks"] == OBJECTS && last["bytes"] == last["bytes_to_do"], "{after}");
    ensure!(after["history"].as_array().map(Vec::len) == Some(1) && after["order_waits"] == false, "{after}");
    let untouched = scrub_of(&cluster, &other).await?;
    ensure!(untouched["last"].is_null(), "only the disk that was named: {untouched}");
    let table = cluster.expect(&["admin", "scrub", "--history"]).await;
    ensure!(table.is_err(), "the history belongs to status");
    let table = cluster.expect(&["admin", "scrub", "status", "--history"]).await?;
    ensure!(table.contains("waiting") && table.contains("ordered"), "{table}");
    let admin = cluster.node(2).spec().admin;
    let metrics = cluster.s3().plain(&format!("http://{admin}/metrics")).await?;
    let metrics = String::from_utf8_lossy(&metrics.body).into_owned();
    let line = metrics.lines().find(|line| line.starts_with("holdfast_chunk_scrub_damaged_total{"));
    ensure!(line.is_some_and(|line| line.ends_with(&format!(" {flipped}"))), "{line:?}");
    cluster.expect(&["fsck", "--deep"]).await?;
    verify(&cluster.s3_of(2)).await?;
    // The next round finds nothing, and the history has both.
    cluster.expect(&["admin", "scrub", "now", "--node", &format!("n{}", after["node"])]).await?;
    let again = wait_scrub(&cluster, &disk, "another round", Duration::from_secs(30), |seen| {
        seen["history"].as_array().map(Vec::len) == Some(2) && seen["state"] == "waiting"
    })
    .await?;
    ensure!(again["last"]["found"] == 0 && again["history"][0]["mended"] == flipped, "{again}");
    for (line, exit) in [
        (["admin", "scrub", "now", "--disk", "d99"], 3),
        (["admin", "scrub", "now", "--node", "n99"], 3),
        (["admin", "scrub", "status", "--disk", "d99"], 3),
        (["admin", "scrub", "now", "--disk", "x"], 2),
    ] {
        let refused = cluster.run(&line).await?;
        ensure!(refused.status.code() == Some(exit), "{line:?}: {refused:?}");
    }
    cluster.finish().await
}

/// Bytes that the round under way has read.
async fn read_so_far(cluster: &Cluster, disk: &str) -> Result<u64> {
    Ok(number(&scrub_of(cluster, disk).await?["round"]["bytes"]))
}

#[tokio::test(flavor = "multi_thread")]
async fn an_ordered_round_keeps_its_rate_and_survives_the_death_of_its_node_and_of_the_leader() -> Result<()>
{
    const RATE: u64 = 512 << 10;
    let mut cluster = filled("scrub-kill").await?;
    cluster.expect(&["admin", "set", "down_ms", "2000"]).await?;
    cluster.expect(&["admin", "set", "scrub_bytes_per_second", &RATE.to_string()]).await?;
    let victim = cluster.leader().await?;
    let other = if victim == 1 { 2 } else { 1 };
    let (disk, stays) = (disk_of(&mut cluster, victim).await?, disk_of(&mut cluster, other).await?);
    wait_scrub(&cluster, &disk, "the rate to be known", Duration::from_secs(10), |seen| {
        seen["cap_bytes_per_second"] == RATE
    })
    .await?;
    cluster.expect(&["admin", "scrub", "now"]).await?;
    wait_scrub(&cluster, &stays, "the round to begin", Duration::from_secs(10), |seen| {
        seen["state"] == "running" && number(&seen["round"]["chunks"]) > 0
    })
    .await?;
    let (began, from) = (Instant::now(), read_so_far(&cluster, &stays).await?);
    // The position is kept every half a minute.
    let at = wait_scrub(&cluster, &disk, "most of it", Duration::from_secs(90), |seen| {
        seen["done_percent"].as_f64() > Some(75.0)
    })
    .await?;
    let read = read_so_far(&cluster, &stays).await?.saturating_sub(from);
    let rate = read as f64 / began.elapsed().as_secs_f64();
    println!("{rate:.0} bytes/s over {:?} with a cap of {RATE}; reported: {at}", began.elapsed());
    ensure!(rate < 1.05 * RATE as f64 && rate > 0.5 * RATE as f64, "{rate:.0} bytes/s with a cap of {RATE}");
    cluster.node(victim).kill()?;
    let kill = Instant::now();
    wait_scrub(&cluster, &disk, "the leader to miss it", Duration::from_secs(20), |seen| {
        seen["liveness"] == "down"
    })
    .await?;
    let refused = cluster.run(&["admin", "scrub", "now", "--disk", &disk]).await?;
    ensure!(refused.status.code() == Some(5), "a lost disk: {refused:?}");
    cluster.restart(victim).await?;
    let on = wait_scrub(&cluster, &disk, "it to go on", Duration::from_secs(30), |seen| {
        seen["liveness"] == "alive" && seen["round"]["bytes"].as_u64().is_some()
    })
    .await?;
    println!("{:?} after the kill: {on}", kill.elapsed());
    ensure!(on["done_percent"].as_f64() > Some(50.0), "it began anew: {on}");
    ensure!(on["round"]["number"] == 1 && on["round"]["cause"] == "ordered", "{on}");
    // A second order waits for the first to be carried out; then there is no limit but the nodes' own.
    cluster.expect(&["admin", "scrub", "now", "--disk", &disk]).await?;
    wait_scrub(&cluster, &disk, "an order to wait", Duration::from_secs(10), |seen| {
        seen["order_waits"] == true && seen["round"]["number"] == 1
    })
    .await?;
    cluster.expect(&["admin", "set", "scrub_bytes_per_second", "node"]).await?;
    let done = wait_scrub(&cluster, &disk, "both rounds", Duration::from_secs(60), |seen| {
        seen["history"].as_array().map(Vec::len) == Some(2) && seen["state"] == "waiting"
    })
    .await?;
    for round in done["history"].as_array().into_iter().flatten() {
        ensure!(round["cause"] == "ordered" && round["cut_short"] == false, "{done}");
        ensure!(round["chunks"] == OBJECTS && round["bytes"] == round["bytes_to_do"], "{done}");
    }
    // Off: what is named is refused, and nothing is left that could be ordered.
    cluster.expect(&["admin", "set", "scrub_bytes_per_second", "0"]).await?;
    wait_scrub(&cluster, &disk, "scrub to be off", Duration::from_secs(10), |seen| seen["state"] == "off")
        .await?;
    let refused = cluster.run(&["admin", "scrub", "now", "--disk", &disk]).await?;
    ensure!(refused.status.code() == Some(5), "it may read nothing: {refused:?}");
    verify(&cluster.s3()).await?;
    cluster.finish().await
}
