//! Disks that lie, run full, or die for good.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use holdfast_tests::cluster::Builder;
use holdfast_tests::oracle::Content;
use holdfast_tests::volume::Kind;
use holdfast_tests::{skip_unless_root_with, wait};

const FILES: u64 = 40;

/// Deleted data gives its room back within this time.
const ROOM: Duration = Duration::from_secs(30);

fn content(number: u64) -> Content {
    Content { seed: number, size: 300_000 + number * 1000 }
}

/// Flips bits in every segment below a directory, away from the headers of records.
fn corrupt(disk: &Path) -> Result<usize> {
    let mut flipped = 0;
    let mut todo = vec![disk.join("segments")];
    while let Some(path) = todo.pop() {
        if path.is_dir() {
            for entry in std::fs::read_dir(&path).with_context(|| format!("read {}", path.display()))? {
                todo.push(entry?.path());
            }
            continue;
        }
        let file = File::options().read(true).write(true).open(&path)?;
        let mut byte = [0];
        for offset in (200_000..file.metadata()?.len()).step_by(300_000) {
            file.read_exact_at(&mut byte, offset)?;
            if byte[0] != 0 {
                file.write_all_at(&[byte[0] ^ 0x40], offset)?;
                flipped += 1;
            }
        }
    }
    Ok(flipped)
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
    let flipped = corrupt(&disk)?;
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
