//! Another storage class for what is there already: converted in the background, readable and safe all the way.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use holdfast_tests::cluster::{Builder, Cluster};
use holdfast_tests::oracle::Content;
use holdfast_tests::{s3, wait};
use serde_json::Value;

const OBJECTS: u64 = 24;
const CELL: u64 = 256 << 10;

/// In metadata, too short for shards, one chunk, several.
fn content(number: u64) -> Content {
    let sizes = [900, 40_000, CELL + 1, 3_000_000, 8 << 20, (20 << 20) + 12_345];
    Content { seed: 9000 + number, size: sizes[(number % 6) as usize] }
}

async fn json(cluster: &Cluster, args: &[&str]) -> Result<Value> {
    let line = [&["--json"], args].concat();
    Ok(serde_json::from_str(&cluster.expect(&line).await?)?)
}

fn key(number: u64) -> String {
    format!("dir{}/o{number}", number % 3)
}

async fn verify(s3: &s3::Client, when: &str) -> Result<()> {
    for number in 0..OBJECTS {
        let got = s3.get("bkt", &key(number)).await.with_context(|| format!("object {number} {when}"))?;
        ensure!(got == content(number).bytes(), "object {number} came back wrong {when}");
    }
    Ok(())
}

async fn wait_converted(cluster: &Cluster) -> Result<()> {
    wait::until("everything to be converted", Duration::from_secs(120), || async {
        let seen = json(cluster, &["admin", "status"]).await.map_err(|error| format!("{error:#}"))?;
        if seen["files_converting"] == 0 { Ok(()) } else { Err(format!("{}", seen["files_converting"])) }
    })
    .await
}

/// Bytes of an object by the class in which they lie.
async fn lies_in(cluster: &Cluster, key: &str) -> Result<Value> {
    let views = json(cluster, &["class", "get", &format!("/bkt/{key}")]).await?;
    Ok(views[0].clone())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_gets_another_class_and_another_again() -> Result<()> {
    let mut cluster = Builder::new("classes").nodes(3).start().await?;
    cluster.expect(&["admin", "classes", "put", "ec21", "--erasure", "2+1"]).await?;
    let s3 = cluster.s3();
    s3.create_bucket("bkt").await?;
    for number in 0..OBJECTS {
        s3.put("bkt", &key(number), content(number).bytes()).await?;
    }
    let unknown = cluster.run(&["class", "set", "nonsense", "/bkt"]).await?;
    ensure!(unknown.status.code() == Some(3), "{unknown:?}");
    cluster.expect(&["class", "set", "-r", "ec21", "/bkt"]).await?;
    // Somebody goes away in the middle of it and comes back.
    cluster.node(3).kill()?;
    verify(&cluster.s3_of(1), "while it is converted").await?;
    cluster.restart(3).await?;
    wait_converted(&cluster).await?;
    verify(&s3, "in shards").await?;
    for number in 0..OBJECTS {
        let view = lies_in(&cluster, &key(number)).await?;
        ensure!(view["class"] == "ec21" && view["converting"] == false, "{view}");
        let length = content(number).size;
        let (inline, short) = (length < 4096, length <= CELL);
        let coded = view["bytes_in"]["ec21"].as_u64().unwrap_or(0);
        let expected = if inline || short { 0 } else { length };
        ensure!(coded == expected, "object {number} of {length}: {view}");
    }
    // What is new goes there, too: a gateway that still remembers the bucket's old class writes it elsewhere first.
    s3.put("bkt", "dir0/new", content(4).bytes()).await?;
    wait_converted(&cluster).await?;
    ensure!(lies_in(&cluster, "dir0/new").await?["bytes_in"]["ec21"] == content(4).size);
    // And back: one object, then all.
    cluster.expect(&["class", "set", "standard", "/bkt/dir0/new"]).await?;
    cluster.expect(&["class", "set", "-r", "standard", "/bkt"]).await?;
    wait_converted(&cluster).await?;
    verify(&s3, "in copies again").await?;
    let view = lies_in(&cluster, &key(5)).await?;
    ensure!(view["bytes_in"]["standard"] == content(5).size && view["bytes_in"]["ec21"].is_null(), "{view}");
    cluster.wait_redundant(Duration::from_secs(60)).await?;
    wait::until("a clean check of every byte", Duration::from_secs(40), || {
        cluster.expect(&["fsck", "--deep"])
    })
    .await?;
    cluster.finish().await
}
