//! fsck on a real cluster with copies and shards: what is damaged or gone on a disk is found, handed to repair and whole
//! again; what lies on disks and belongs to nobody is told apart and collected; what cannot be repaired is named.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use holdfast_tests::cluster::{Builder, Cluster};
use holdfast_tests::oracle::Content;
use holdfast_tests::{damage, s3, wait};
use serde_json::Value;

/// The first half in copies, the others in shards of 2+1.
const OBJECTS: u64 = 60;
/// "Problems are left", and "problems were found and all repaired".
const LEFT: i32 = 1;
const REPAIRED: i32 = 7;

fn content(number: u64) -> Content {
    Content { seed: 9000 + number, size: 300_000 + number * 11_000 }
}

async fn put_all(cluster: &Cluster) -> Result<()> {
    let s3 = cluster.s3();
    s3.create_bucket("bkt").await?;
    for number in 0..OBJECTS {
        let class: &[(&str, &str)] =
            if number < OBJECTS / 2 { &[] } else { &[("x-amz-storage-class", "ec21")] };
        s3.put_with("bkt", &number.to_string(), class, content(number).bytes()).await?;
    }
    Ok(())
}

async fn verify(s3: &s3::Client) -> Result<()> {
    for number in 0..OBJECTS {
        ensure!(s3.get("bkt", &number.to_string()).await? == content(number).bytes(), "object {number}");
    }
    Ok(())
}

/// A cluster of four with a class `ec21`, groups of it, and objects.
async fn filled(name: &str) -> Result<Cluster> {
    let cluster = Builder::new(name).nodes(4).settings("[chunk]\ncapacity = \"1GiB\"\n")?.start().await?;
    cluster.expect(&["admin", "classes", "put", "ec21", "--erasure", "2+1"]).await?;
    wait::until("groups of the class", Duration::from_secs(30), || async {
        let listed =
            cluster.expect(&["--json", "admin", "pgs"]).await.map_err(|error| format!("{error:#}"))?;
        let groups: Value = serde_json::from_str(&listed).map_err(|error| error.to_string())?;
        let coded = groups.as_array().map_or(0, |all| all.iter().filter(|group| group["class"] == 2).count());
        if coded > 0 { Ok(()) } else { Err(format!("none among {listed}")) }
    })
    .await?;
    put_all(&cluster).await?;
    Ok(cluster)
}

/// Runs fsck; its exit code and what it said as JSON.
async fn fsck(cluster: &Cluster, args: &[&str]) -> Result<(i32, Value)> {
    let output: Output = cluster.run(&[&["--json", "fsck"], args].concat()).await?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let said = serde_json::from_str(&text)
        .with_context(|| format!("{text}\n{}", String::from_utf8_lossy(&output.stderr)))?;
    Ok((output.status.code().unwrap_or(-1), said))
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or(0)
}

/// Records of one kind over all disks.
fn records(said: &Value, kind: &str) -> u64 {
    said["disks"].as_array().into_iter().flatten().map(|disk| number(&disk[kind]["records"])).sum()
}

/// What of the copies is bad, of one kind, over all disks.
fn copies(said: &Value, kind: &str) -> u64 {
    said["disks"].as_array().into_iter().flatten().map(|disk| number(&disk[kind])).sum()
}

/// Takes away the first of a disk's segments that has records of chunks.
fn lose_segment(disk: &Path) -> Result<PathBuf> {
    let mut all: Vec<PathBuf> = std::fs::read_dir(disk.join("segments"))?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<_, _>>()?;
    all.retain(|path| path.extension().is_some_and(|extension| extension == "seg"));
    all.sort();
    for path in all {
        let bytes = std::fs::read(&path)?;
        if bytes.chunks_exact(4096).any(|block| block.starts_with(b"HFR1")) {
            std::fs::remove_file(&path)?;
            return Ok(path);
        }
    }
    anyhow::bail!("no segment of {} has records", disk.display())
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_copies_are_found_repaired_and_whole_again() -> Result<()> {
    let mut cluster = filled("fsck").await?;
    cluster.announce("damaged record");
    let (code, said) = fsck(&cluster, &["--deep"]).await?;
    ensure!(code == 0 && said["clean"] == true && said["metadata_compared"] == true, "{said}");
    ensure!(number(&said["copies_checked"]) > 2 * number(&said["chunks"]), "{said}");
    // Damage shows only to who reads: every third record of a disk.
    let disk = cluster.node(2).spec().disks[0].clone();
    let flipped = damage::flip_records(&disk, 3)? as u64;
    ensure!(flipped > 5, "only {flipped} records were damaged");
    let (code, said) = fsck(&cluster, &[]).await?;
    ensure!(code == 0 && said["clean"] == true, "lists show no damage: {said}");
    let (code, said) = fsck(&cluster, &["--deep", "--repair", "--dry-run", "--list", "3"]).await?;
    ensure!(code == LEFT && copies(&said, "copies_damaged") == flipped, "{flipped} damaged: {said}");
    ensure!(said["repair"]["dry_run"] == true, "{said}");
    ensure!(said["problems"].as_array().map(Vec::len) == Some(3), "three were to be listed: {said}");
    // The disk itself has reported what it read.
    wait::until("what the disk reported to be mended", Duration::from_secs(30), || {
        cluster.expect(&["fsck", "--deep"])
    })
    .await?;
    let disk = cluster.node(1).spec().disks[0].clone();
    let flipped = damage::flip_records(&disk, 2)? as u64;
    let (code, said) = fsck(&cluster, &["--deep", "--repair"]).await?;
    ensure!(code == REPAIRED && said["clean"] == true, "{code}: {said}");
    ensure!(copies(&said, "copies_damaged") == flipped, "{flipped} damaged: {said}");
    let mended = number(&said["repair"]["whole_again"]) + number(&said["copies_mended_meanwhile"]);
    ensure!(mended == flipped && number(&said["problems_left"]) == 0, "{flipped} damaged: {said}");
    let (code, said) = fsck(&cluster, &["--deep"]).await?;
    ensure!(code == 0 && number(&said["problems_found"]) == 0, "{said}");

    // Whole records are gone from another disk. The leader's own sweep, which would see that too, is off meanwhile.
    cluster.expect(&["admin", "set", "gc_enabled", "false"]).await?;
    let disk = cluster.node(3).spec().disks[0].clone();
    cluster.node(3).process()?.terminate(Duration::from_secs(20)).await?;
    lose_segment(&disk)?;
    cluster.announce("segments");
    cluster.restart(3).await?;
    let found = wait::until("the disk to be asked again", Duration::from_secs(20), || async {
        let (code, said) = fsck(&cluster, &[]).await.map_err(|error| format!("{error:#}"))?;
        if code == LEFT && copies(&said, "copies_absent") > 0 { Ok(said) } else { Err(said.to_string()) }
    })
    .await?;
    let absent = copies(&found, "copies_absent");
    ensure!(number(&found["problems_found"]) == absent, "only these are bad: {found}");
    let (code, said) = fsck(&cluster, &["--repair"]).await?;
    ensure!(code == REPAIRED && number(&said["repair"]["whole_again"]) > 0, "{code}: {said}");
    let (code, said) = fsck(&cluster, &["--deep"]).await?;
    ensure!(code == 0, "{said}");
    verify(&cluster.s3()).await?;
    orphans(&mut cluster).await?;
    verify(&cluster.s3_of(3)).await?;
    cluster.finish().await
}

/// An upload that never ends leaves records: of an open grant first, then of nobody. Collection is off at the beginning.
async fn orphans(cluster: &mut Cluster) -> Result<()> {
    let mut command = cluster.cli(&["put", "-", "hf:/bkt/never"])?;
    let mut writer = command.stdin(Stdio::piped()).stderr(Stdio::null()).spawn()?;
    let mut input = writer.stdin.take().context("the writer reads")?;
    let bytes = Content { seed: 1, size: 20 << 20 }.bytes();
    let fed = tokio::task::spawn_blocking(move || input.write_all(&bytes).map(|()| input)).await??;
    let open = wait::until("chunks without a commit", Duration::from_secs(20), || async {
        let (_, said) = fsck(cluster, &["--list", "10"]).await.map_err(|error| format!("{error:#}"))?;
        if records(&said, "may_commit") >= 4 { Ok(said) } else { Err(said.to_string()) }
    })
    .await?;
    ensure!(open["clean"] == true && records(&open, "unknown") == 0, "a commit may come: {open}");
    ensure!(open["records"].to_string().contains("its commit may still come"), "{open}");
    let pid = rustix::process::Pid::from_raw(writer.id() as i32).context("the writer's number")?;
    rustix::process::kill_process(pid, rustix::process::Signal::INT)?;
    let status = tokio::task::spawn_blocking(move || writer.wait()).await??;
    drop(fed);
    ensure!(!status.success(), "it was interrupted");
    let (code, said) = fsck(cluster, &["--repair"]).await?;
    let unknown = records(&said, "unknown");
    ensure!(code == 0 && unknown >= 4 && records(&said, "may_commit") == 0, "{code}: {said}");
    ensure!(number(&said["repair"]["records_deleted"]) == 0, "collection is off: {said}");
    ensure!(said["repair"]["notes"].to_string().contains("gc_enabled"), "{said}");
    let (_, said) = fsck(cluster, &[]).await?;
    ensure!(records(&said, "unknown") == unknown, "nothing was deleted: {said}");
    cluster.expect(&["admin", "set", "gc_enabled", "true"]).await?;
    wait::until("the leader to know", Duration::from_secs(10), || async {
        let (code, said) = fsck(cluster, &["--repair"]).await.map_err(|error| format!("{error:#}"))?;
        if code == 0 && records(&said, "unknown") == records(&said, "deleted") {
            Ok(())
        } else {
            Err(said.to_string())
        }
    })
    .await?;
    let (code, said) = fsck(cluster, &[]).await?;
    ensure!(code == 0 && number(&said["orphan_records"]) == 0, "all are collected: {said}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_lost_is_named_and_a_damaged_metaserver_is_replaced_as_advised() -> Result<()> {
    let mut cluster =
        Builder::new("fsck-lost").nodes(3).settings("[chunk]\ncapacity = \"1GiB\"\n")?.start().await?;
    cluster.announce("damaged record");
    put_copies(&cluster).await?;
    // Every record of every disk: nothing is left of any object but what metadata says.
    let mut flipped = 0;
    for node in 1..=3 {
        flipped += damage::flip_records(&cluster.node(node).spec().disks[0].clone(), 1)? as u64;
    }
    let (code, said) = fsck(&cluster, &["--deep", "--repair", "--wait", "40s"]).await?;
    ensure!(code == LEFT && copies(&said, "copies_damaged") == flipped, "{code}, {flipped} flipped: {said}");
    ensure!(number(&said["repair"]["whole_again"]) == 0 && said["clean"] == false, "{said}");
    ensure!(said["repair"]["notes"].to_string().contains("LOST, 0 of 1"), "{said}");
    let files: Vec<&str> =
        said["repair"]["files"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    ensure!(files == ["/bkt/0", "/bkt/1"] || files == ["hf:/bkt/0", "hf:/bkt/1"], "{files:?}");
    // It stays known: no later fsck calls this clean.
    let (code, said) = fsck(&cluster, &[]).await?;
    ensure!(code == LEFT && said["problems"].to_string().contains("cannot be read"), "{code}: {said}");
    for key in ["0", "1"] {
        cluster.s3().delete("bkt", key).await?;
    }
    wait::until("nothing to be wrong without them", Duration::from_secs(30), || cluster.expect(&["fsck"]))
        .await?;
    rejoin(&mut cluster).await?;
    cluster.finish().await
}

async fn put_copies(cluster: &Cluster) -> Result<()> {
    let s3 = cluster.s3();
    s3.create_bucket("bkt").await?;
    for number in 0..2 {
        s3.put("bkt", &number.to_string(), content(number).bytes()).await?;
    }
    Ok(())
}

/// What fsck advises when a metaserver's copy is damaged: it leaves the group, is emptied, and joins again.
async fn rejoin(cluster: &mut Cluster) -> Result<()> {
    let leader = cluster.leader().await?;
    let chosen = (1..=3).find(|number| *number != leader).context("there are three")?;
    let address = cluster.node(chosen).spec().rpc.to_string();
    let nodes: Value = serde_json::from_str(&cluster.expect(&["--json", "admin", "nodes"]).await?)?;
    let node = nodes.as_array().into_iter().flatten().find(|node| node["address"] == address.as_str());
    let id = number(&node.context("it is in the map")?["id"]);
    cluster.node(chosen).process()?.terminate(Duration::from_secs(20)).await?;
    cluster.expect(&["admin", "meta", "remove", &id.to_string()]).await?;
    std::fs::remove_dir_all(cluster.node(chosen).spec().data.join("meta"))?;
    cluster.restart(chosen).await?;
    cluster
        .wait_status("it to vote again", Duration::from_secs(60), |status| {
            status.voters.len() == 3 && status.voters.contains(&id)
        })
        .await?;
    let said = wait::until("all copies to be the same", Duration::from_secs(20), || async {
        let (code, said) = fsck(cluster, &[]).await.map_err(|error| format!("{error:#}"))?;
        if code == 0 && said["metadata_compared"] == true { Ok(said) } else { Err(said.to_string()) }
    })
    .await?;
    ensure!(said["metaservers"].as_array().map(Vec::len) == Some(3), "{said}");
    Ok(())
}
