//! Disks that lie, run full, or die for good.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use holdfast_tests::cluster::{Builder, Cluster};
use holdfast_tests::damage;
use holdfast_tests::load::{self, Load, Plan};
use holdfast_tests::oracle::{Content, Oracle};
use holdfast_tests::volume::Kind;
use holdfast_tests::{skip_unless_root_with, wait};
use serde_json::Value;

const FILES: u64 = 40;

/// Deleted data gives its room back within this time.
const ROOM: Duration = Duration::from_secs(30);

fn content(number: u64) -> Content {
    Content { seed: number, size: 300_000 + number * 1000 }
}

#[tokio::test(flavor = "multi_thread")]
async fn flipped_bits_are_never_returned_and_are_repaired() -> Result<()> {
    let mut cluster = Builder::new("flip").nodes(3).start().await?;
    let s3 = cluster.s3();
    s3.create_bucket("bkt").await?;
    for number in 0..FILES {
        s3.put("bkt", &number.to_string(), content(number).bytes()).await?;
    }
    let disk: PathBuf = cluster.node(2).spec().disks[0].clone();
    cluster.node(2).process()?.terminate(Duration::from_secs(20)).await?;
    cluster.announce("damaged record");
    let flipped = damage::flip_bits(&disk)?;
    ensure!(flipped > 10, "only {flipped} bytes were flipped");
    cluster.restart(2).await?;
    // Reading through the damaged node's own gateway prefers its own disk.
    let near = cluster.s3_of(2);
    for round in 0..2 {
        for number in 0..FILES {
            let got = near.get("bkt", &number.to_string()).await?;
            ensure!(got == content(number).bytes(), "round {round}: object {number} came back wrong");
        }
    }
    wait::until("every flipped byte to be repaired", Duration::from_secs(40), || {
        cluster.expect(&["fsck", "--deep"])
    })
    .await?;
    cluster.finish().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_disk_is_rebuilt_elsewhere_without_a_command() -> Result<()> {
    let mut cluster = Builder::new("dead").nodes(3).disks(2).settings("")?.start().await?;
    for (name, value) in [("grace_seconds", "10"), ("down_ms", "2000")] {
        cluster.expect(&["admin", "set", name, value]).await.context("shorten the grace")?;
    }
    let s3 = cluster.s3();
    s3.create_bucket("bkt").await?;
    for number in 0..FILES {
        s3.put("bkt", &number.to_string(), content(number).bytes()).await?;
    }
    let disk = cluster.node(3).spec().disks[1].clone();
    cluster.node(3).process()?.terminate(Duration::from_secs(20)).await?;
    let died = Instant::now();
    std::fs::remove_dir_all(&disk)?;
    cluster.node(3).change(|spec| spec.disks.truncate(1))?;
    cluster.restart(3).await?;
    cluster.wait_redundant(Duration::from_secs(50)).await?;
    println!(
        "full redundancy after {:?}, {} bytes moved",
        died.elapsed(),
        cluster.status().await?.redundancy.repaired_bytes
    );
    for number in 0..FILES {
        ensure!(s3.get("bkt", &number.to_string()).await? == content(number).bytes(), "object {number}");
    }
    cluster.finish().await
}

/// A disk dies, is pulled and another one is put in its place, and later one that failed is given another chance, all while
/// the node and its other disk go on.
#[tokio::test(flavor = "multi_thread")]
async fn a_dead_disk_is_replaced_while_its_node_runs() -> Result<()> {
    skip_unless_root_with!("mkfs.ext4", "mount", "umount");
    let mut cluster = Builder::new("pulled").nodes(3).disks(2).disk_volumes(Kind::Ext4, 900).start().await?;
    let s3 = cluster.s3();
    s3.create_bucket("bkt").await?;
    for number in 0..FILES {
        s3.put("bkt", &number.to_string(), content(number).bytes()).await?;
    }
    let dead = cluster.node(2).spec().disks[1].clone();
    let id = disk_at(&cluster, &dead).await?["id"].clone();
    let number = id.to_string();
    let pid = cluster.node(2).pid();
    cluster.announce("failed");
    cluster.announce("note on the disk");
    cluster.announce("stays out of service");
    cluster.announce("is not in service");
    cluster.announce("upkeep of a disk");
    cluster.announce("in place of one that failed");
    // So slow that something still counts on it when the next one is there: it is not taken before somebody says so.
    cluster.expect(&["admin", "set", "repair_bytes_per_second", "300000"]).await?;
    cluster.disk_volume(2, 1)?.shut_down()?;
    wait::until("the disk to be seen as failed", Duration::from_secs(60), || async {
        // Somebody has to use it.
        s3.put("bkt", "more", content(7).bytes()).await.map_err(|error| format!("{error:#}"))?;
        failed(&cluster, &dead).await
    })
    .await?;
    // Nothing of it is open any more: it can be unmounted.
    wait::until("the dead disk to be let go of", Duration::from_secs(30), || {
        std::future::ready(cluster.disk_volume(2, 1).and_then(|volume| volume.replace(Kind::Ext4)))
    })
    .await?;
    cluster.expect(&["admin", "disks", "replace", &number]).await?;
    cluster.expect(&["admin", "set", "repair_bytes_per_second", "0"]).await?;
    cluster.wait_redundant(Duration::from_secs(90)).await?;
    let renewed = back_in_service(&cluster, &dead).await?;
    ensure!(renewed["id"] == id, "{renewed}");
    // Cut off, it cannot even take the note that it failed; mounted anew it takes it, and waits for a person.
    cluster.disk_volume(2, 1)?.shut_down()?;
    wait::until("the disk to be seen as failed again", Duration::from_secs(60), || async {
        s3.put("bkt", "more", content(8).bytes()).await.map_err(|error| format!("{error:#}"))?;
        failed(&cluster, &dead).await
    })
    .await?;
    wait::until("it to be mounted again", Duration::from_secs(30), || {
        std::future::ready(cluster.disk_volume(2, 1).and_then(|volume| volume.power_up()))
    })
    .await?;
    let note = dead.join("FAILED");
    wait::until("the note on it", Duration::from_secs(30), || {
        std::future::ready(if note.exists() { Ok(()) } else { Err("there is none") })
    })
    .await?;
    failed(&cluster, &dead).await.map_err(anyhow::Error::msg)?;
    std::fs::remove_file(&note)?;
    let back = back_in_service(&cluster, &dead).await?;
    ensure!(back["incarnation"] == renewed["incarnation"], "{back}");
    cluster.wait_redundant(Duration::from_secs(90)).await?;
    ensure!(cluster.node(2).pid() == pid, "the node was restarted");
    for number in 0..FILES {
        ensure!(s3.get("bkt", &number.to_string()).await? == content(number).bytes(), "object {number}");
    }
    wait::until("a clean check of every byte", Duration::from_secs(40), || {
        cluster.expect(&["fsck", "--deep"])
    })
    .await?;
    cluster.finish().await
}

/// What the cluster says of the disk in a directory.
async fn disk_at(cluster: &Cluster, path: &Path) -> Result<Value> {
    let disks: Value = serde_json::from_str(&cluster.expect(&["--json", "admin", "disks"]).await?)?;
    let here = |disk: &&Value| disk["path"].as_str() == path.to_str();
    let found = disks.as_array().and_then(|all| all.iter().find(here).cloned());
    found.with_context(|| format!("{} is not among {disks}", path.display()))
}

async fn back_in_service(cluster: &Cluster, path: &Path) -> Result<Value> {
    wait::until("the disk to be in service", Duration::from_secs(30), || async {
        let disk = disk_at(cluster, path).await.map_err(|error| format!("{error:#}"))?;
        if disk["liveness"] == "alive" { Ok(disk) } else { Err(disk.to_string()) }
    })
    .await
}

async fn failed(cluster: &Cluster, path: &Path) -> Result<(), String> {
    let disk = disk_at(cluster, path).await.map_err(|error| format!("{error:#}"))?;
    if disk["liveness"] == "failed" { Ok(()) } else { Err(disk.to_string()) }
}

#[tokio::test(flavor = "multi_thread")]
async fn full_disks_refuse_writes_and_let_deletes_through() -> Result<()> {
    skip_unless_root_with!("mkfs.ext4", "mount", "umount");
    let mut cluster = Builder::new("full").volumes(Kind::Ext4, 600).start().await?;
    let s3 = cluster.s3();
    s3.create_bucket("bkt").await?;
    let big = Content { seed: 1, size: 8 << 20 };
    let mut written = 0;
    let refusal = loop {
        match s3.put("bkt", &format!("{written:03}"), big.bytes()).await {
            Ok(_) => written += 1,
            Err(error) => break error,
        }
        ensure!(written < 100, "800 MiB do not fit on 600 MiB");
    };
    println!("{written} objects, then: {refusal}");
    ensure!(refusal.to_string().contains("507"), "a full cluster says so: {refusal}");
    ensure!(written > 5, "only {written} objects fit: {refusal}");
    for number in 0..written {
        ensure!(
            s3.get("bkt", &format!("{number:03}")).await? == big.bytes(),
            "object {number} on a full disk"
        );
    }
    for number in 0..written {
        s3.delete("bkt", &format!("{number:03}"))
            .await
            .with_context(|| format!("delete {number} on a full disk"))?;
    }
    ensure!(cluster.node(1).is_running(), "the process ended on a full disk");
    let deleted = Instant::now();
    wait::until("writes to be taken again", ROOM, || s3.put("bkt", "again", big.bytes())).await?;
    println!("room after {:?}", deleted.elapsed());
    ensure!(s3.get("bkt", "again").await? == big.bytes(), "what was written into the room");
    cluster.finish().await
}

/// Of three metaservers the one that leads runs out of room: another one leads, and nobody is refused anything.
#[tokio::test(flavor = "multi_thread")]
async fn a_leader_without_room_for_metadata_is_replaced_unnoticed() -> Result<()> {
    skip_unless_root_with!("mkfs.ext4", "mount", "umount");
    let mut cluster = Builder::new("meta-full")
        .nodes(3)
        .volumes(Kind::Ext4, 600)
        .disk_volumes(Kind::Ext4, 700)
        .start()
        .await?;
    cluster.announce("the metadata's file system is full");
    let s3 = cluster.s3();
    s3.create_bucket("bkt").await?;
    let small = Content { seed: 1, size: 900 };
    s3.put("bkt", "first", small.bytes()).await?;
    // One that has led for a while and knows who has room; of a new one nobody asks that yet.
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(6) {
        s3.put("bkt", "before", small.bytes()).await?;
    }
    let full = cluster.leader().await?;
    let filler = cluster.volume(full)?.fill(1 << 20)?;
    let end = Instant::now() + Duration::from_secs(30);
    let (mut longest, mut written) = (Duration::ZERO, 0);
    while cluster.leader().await? == full || written < 50 {
        let begun = Instant::now();
        s3.put("bkt", &format!("small-{written}"), small.bytes())
            .await
            .context("while the leader is full")?;
        longest = longest.max(begun.elapsed());
        written += 1;
        ensure!(begun < end, "node {full} still leads");
    }
    println!("{written} written, the slowest took {longest:?}");
    wait::until("the cluster to say so", Duration::from_secs(20), || async {
        let status = cluster.expect(&["admin", "status"]).await.map_err(|error| format!("{error:#}"))?;
        if status.contains("is full: give it room") { Ok(()) } else { Err(status) }
    })
    .await?;
    std::fs::remove_file(filler)?;
    for number in 0..written {
        ensure!(s3.get("bkt", &format!("small-{number}")).await? == small.bytes(), "object {number}");
    }
    cluster.finish().await
}

/// Metadata and chunks share a file system by default. When it is full, metadata goes on: it takes what frees room.
#[tokio::test(flavor = "multi_thread")]
async fn a_full_file_system_stops_neither_metadata_nor_deletes() -> Result<()> {
    skip_unless_root_with!("mkfs.ext4", "mount", "umount");
    let mut cluster = Builder::new("full-meta").volumes(Kind::Ext4, 600).start().await?;
    cluster.announce("the metadata's file system is full");
    let pid = cluster.node(1).pid();
    let s3 = cluster.s3();
    s3.create_bucket("bkt").await?;
    let big = Content { seed: 1, size: 8 << 20 };
    let mut large = 0;
    while s3.put("bkt", &format!("large/{large:03}"), big.bytes()).await.is_ok() {
        large += 1;
        ensure!(large < 100, "800 MiB do not fit on 600 MiB");
    }
    // These lie in metadata alone.
    let small = Content { seed: 2, size: 3900 };
    let (mut written, mut refusal) = (0u64, None);
    while refusal.is_none() {
        let batch = (written..written + 64).map(|number| {
            let s3 = s3.clone();
            async move { s3.put("bkt", &format!("small/{number:06}"), small.bytes()).await.map(drop) }
        });
        let batch = futures::future::join_all(batch).await;
        written += batch.iter().take_while(|result| result.is_ok()).count() as u64;
        refusal = batch.into_iter().find_map(Result::err);
        ensure!(written < 200_000, "800 MB of metadata do not fit on 600 MiB");
    }
    let refusal = refusal.map(|error| error.to_string()).unwrap_or_default();
    println!("{large} large and {written} small objects, then: {refusal}");
    ensure!(refusal.contains("507"), "a full cluster says so: {refusal}");
    ensure!(cluster.node(1).pid() == pid, "the process ended on a full file system");
    cluster.node(1).kill()?;
    cluster.restart(1).await.context("start on a full file system")?;
    for number in (0..written).step_by(97) {
        let found = s3.get("bkt", &format!("small/{number:06}")).await?;
        ensure!(found == small.bytes(), "small object {number}");
    }
    for number in 0..large {
        s3.delete("bkt", &format!("large/{number:03}")).await.with_context(|| format!("delete {number}"))?;
    }
    let deleted = Instant::now();
    wait::until("metadata to be taken again", ROOM, || s3.put("bkt", "again", small.bytes())).await?;
    // The session of the process that was killed has to end first: it might still read.
    wait::until("chunks to be taken again", 4 * ROOM, || s3.put("bkt", "large", big.bytes())).await?;
    println!("room after {:?}", deleted.elapsed());
    cluster.finish().await
}

/// A disk that is not mounted leaves an empty directory behind. What it holds is not given up for that, however long it
/// takes: when it is back, it is the same disk.
#[tokio::test(flavor = "multi_thread")]
async fn an_empty_mount_point_does_not_take_a_disks_place() -> Result<()> {
    let mut cluster = Builder::new("unmounted").disks(2).start().await?;
    for (name, value) in [("grace_seconds", "10"), ("down_ms", "2000"), ("mass_failure_percent", "100")] {
        cluster.expect(&["admin", "set", name, value]).await?;
    }
    let s3 = cluster.s3();
    s3.create_bucket("bkt").await?;
    for number in 0..FILES {
        s3.put("bkt", &number.to_string(), content(number).bytes()).await?;
    }
    cluster.wait_redundant(Duration::from_secs(30)).await?;
    let before = listed(&cluster).await?;
    let disk = cluster.node(1).spec().disks[1].clone();
    let away = disk.with_extension("away");
    cluster.node(1).process()?.terminate(Duration::from_secs(20)).await?;
    std::fs::rename(&disk, &away)?;
    std::fs::create_dir(&disk)?;
    cluster.node(1).start()?;
    wait::until("the disk to be given up", Duration::from_secs(60), || async {
        let now = listed(&cluster).await.map_err(|error| format!("{error:#}"))?;
        if now.iter().any(|disk| disk.standing == "out") { Ok(()) } else { Err(format!("{now:?}")) }
    })
    .await?;
    // Given up, the directory would be taken for a new disk if the leader did not object.
    let log = cluster.node(1).log_path();
    wait::until("the directory to be refused", Duration::from_secs(30), || async {
        let text = std::fs::read_to_string(&log).map_err(|error| error.to_string())?;
        let refused = text.contains("placement groups still count on disk");
        if refused { Ok(()) } else { Err("it was not refused yet".to_owned()) }
    })
    .await?;
    let now = listed(&cluster).await?;
    let lives = |disks: &[DiskLine]| disks.iter().map(|disk| (disk.id, disk.incarnation)).collect::<Vec<_>>();
    ensure!(lives(&now) == lives(&before), "{before:?} became {now:?}");
    cluster.node(1).process()?.terminate(Duration::from_secs(20)).await?;
    std::fs::remove_dir_all(&disk)?;
    std::fs::rename(&away, &disk)?;
    cluster.restart(1).await?;
    for number in 0..FILES {
        ensure!(s3.get("bkt", &number.to_string()).await? == content(number).bytes(), "object {number}");
    }
    let back = listed(&cluster).await?;
    ensure!(back.len() == before.len(), "{before:?} became {back:?}");
    cluster.finish().await
}

#[derive(Debug, serde::Deserialize)]
struct DiskLine {
    id: u32,
    incarnation: u64,
    standing: String,
}

async fn listed(cluster: &Cluster) -> Result<Vec<DiskLine>> {
    let text = cluster.expect(&["--json", "admin", "disks"]).await?;
    serde_json::from_str(&text).context("the list of disks")
}

/// The disk of a whole node hangs, metadata and chunks, while its process lives: the leader's, or another one's. Who
/// uses the other nodes' doors goes on, and nothing is lost when it comes back.
async fn a_node_hangs_on_its_disk(name: &str, leader: bool) -> Result<()> {
    skip_unless_root_with!("mkfs.ext4", "mount", "umount", "fsfreeze");
    let mut cluster = Builder::new(name).alone().nodes(3).volumes(Kind::Ext4, 6000).start().await?;
    let leads = cluster.leader().await?;
    let hangs = if leader { leads } else { leads % 3 + 1 };
    let oracle = Arc::new(Oracle::new(&cluster.scratch()?.join("journal"))?);
    let door = cluster.s3_of(hangs % 3 + 1);
    let load = Load::start(door, Arc::clone(&oracle), Plan::default()).await?;
    load.progress(200, Duration::from_secs(20)).await?;
    cluster.volume(hangs)?.freeze()?;
    let frozen = Instant::now();
    // Long enough for every buffer that may hide it to be full.
    let mut went_on = Ok(());
    while went_on.is_ok() && frozen.elapsed() < Duration::from_secs(20) {
        went_on = load.progress(100, Duration::from_secs(20)).await;
    }
    println!("the disk of node {hangs} hung for {:?}, {leads} led", frozen.elapsed());
    // First of all: a process that hangs cannot be ended.
    cluster.volume(hangs)?.thaw()?;
    went_on?;
    load.progress(200, Duration::from_secs(20)).await?;
    let summary = load.stop().await?;
    ensure!(summary.failures.is_empty(), "operations failed for good: {:?}", summary.failures);
    let longest = summary.longest_change;
    println!("{} operations, longest {longest:?}", summary.acknowledged);
    load::verify(&cluster.s3(), &Plan::default().bucket, &oracle).await?;
    cluster.wait_redundant(Duration::from_secs(60)).await?;
    cluster.finish().await?;
    // Generous: this runs beside other work.
    ensure!(longest < Duration::from_secs(9), "a writer was held up for {longest:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_followers_hanging_disk_holds_nobody_up() -> Result<()> {
    a_node_hangs_on_its_disk("hangs", false).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leaders_hanging_disk_holds_nobody_up() -> Result<()> {
    a_node_hangs_on_its_disk("hangs-leader", true).await
}
