//! Erasure classes on real clusters: what is written in shards is there without some of them, they are rebuilt by
//! themselves, and damaged ones are noticed and replaced.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use holdfast_tests::cluster::{Builder, Cluster};
use holdfast_tests::oracle::Content;
use holdfast_tests::{damage, s3, wait};

/// Lengths around the borders of 2+1 with cells of 256 KiB: inline, copies, one stripe, several, more than a chunk.
const SIZES: [u64; 9] = [
    100,
    5000,
    256 << 10,
    (256 << 10) + 1,
    512 << 10,
    (512 << 10) + 77,
    3_000_000,
    8 << 20,
    (20 << 20) + 12_345,
];

fn content(number: usize) -> Content {
    Content { seed: 1000 + number as u64, size: SIZES[number % SIZES.len()] }
}

/// A cluster with a class `ec21` and groups of it.
async fn coded(name: &str, nodes: u8) -> Result<Cluster> {
    let cluster = Builder::new(name).nodes(nodes).disks(1).start().await?;
    for (name, value) in [("grace_seconds", "10"), ("down_ms", "2000")] {
        cluster.expect(&["admin", "set", name, value]).await.context("shorten the grace")?;
    }
    cluster.expect(&["admin", "classes", "put", "ec21", "--erasure", "2+1"]).await?;
    wait::until("groups of the class", Duration::from_secs(30), || async {
        let listed =
            cluster.expect(&["--json", "admin", "pgs"]).await.map_err(|error| format!("{error:#}"))?;
        let groups: serde_json::Value = serde_json::from_str(&listed).map_err(|error| error.to_string())?;
        let coded = groups.as_array().map_or(0, |all| all.iter().filter(|group| group["class"] == 2).count());
        if coded > 0 { Ok(()) } else { Err(format!("none among {listed}")) }
    })
    .await?;
    Ok(cluster)
}

async fn put(s3: &s3::Client, number: usize) -> Result<()> {
    let headers = [("x-amz-storage-class", "ec21")];
    let put = s3.put_with("bkt", &number.to_string(), &headers, content(number).bytes()).await;
    put.with_context(|| format!("object {number}"))
}

async fn verify(s3: &s3::Client, count: usize, when: &str) -> Result<()> {
    for number in 0..count {
        let expected = content(number);
        let got =
            s3.get("bkt", &number.to_string()).await.with_context(|| format!("object {number} {when}"))?;
        ensure!(got == expected.bytes(), "object {number} came back wrong {when}");
        let (from, length) = (expected.size / 3, (expected.size / 5).max(1));
        let part = s3.get_range("bkt", &number.to_string(), from, length).await?;
        ensure!(part == expected.range(from, length), "a range of object {number} came back wrong {when}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn shards_outlive_a_node_and_are_rebuilt_on_another() -> Result<()> {
    let mut cluster = coded("shards", 4).await?;
    let s3 = cluster.s3();
    s3.create_bucket("bkt").await?;
    for number in 0..18 {
        put(&s3, number).await?;
    }
    verify(&s3, 18, "with all nodes").await?;
    let status = cluster.status().await?;
    println!("{status:?}");
    cluster.node(2).kill()?;
    let alive = cluster.s3_of(1);
    verify(&alive, 18, "without node 2").await?;
    for number in 18..27 {
        put(&alive, number).await?;
    }
    // Its shards are computed anew on the fourth node, and then another node may go.
    cluster
        .wait_status("the shards of node 2 to be elsewhere", Duration::from_secs(60), |status| {
            let r = &status.redundancy;
            r.repaired_bytes > 0
                && r.pgs_degraded + r.pgs_at_risk + r.pgs_unavailable == 0
                && r.missing_chunks == 0
        })
        .await?;
    cluster.restart(2).await?;
    cluster.wait_redundant(Duration::from_secs(60)).await?;
    cluster.node(3).kill()?;
    verify(&alive, 27, "without node 3").await?;
    cluster.restart(3).await?;
    cluster.wait_redundant(Duration::from_secs(60)).await?;
    wait::until("a clean check of every byte", Duration::from_secs(40), || {
        cluster.expect(&["fsck", "--deep"])
    })
    .await?;
    cluster.finish().await
}

#[tokio::test(flavor = "multi_thread")]
async fn damaged_shards_are_never_returned_and_are_replaced() -> Result<()> {
    let mut cluster = coded("shard-flip", 3).await?;
    let s3 = cluster.s3();
    s3.create_bucket("bkt").await?;
    for number in 0..27 {
        put(&s3, number).await?;
    }
    let disk = cluster.node(2).spec().disks[0].clone();
    cluster.node(2).process()?.terminate(Duration::from_secs(20)).await?;
    cluster.announce("damaged record");
    let flipped = damage::flip_bits(&disk)?;
    ensure!(flipped > 10, "only {flipped} bytes were flipped");
    cluster.restart(2).await?;
    for round in 0..2 {
        verify(&cluster.s3_of(2), 27, &format!("with damage, round {round}")).await?;
    }
    wait::until("every flipped byte to be repaired", Duration::from_secs(60), || {
        cluster.expect(&["fsck", "--deep"])
    })
    .await?;
    verify(&s3, 27, "after repair").await?;
    cluster.finish().await
}
