//! The disk cache of a mount: what is read again and again is read from a disk of this machine, by the kernel itself
//! where it can, and is never older than what the cluster has.

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use holdfast_tests::cluster::{Builder, Cluster};
use holdfast_tests::mount::Mount;
use holdfast_tests::oracle::Content;
use holdfast_tests::{skip_unless_mounts, wait};

const LENGTH: u64 = (9 << 20) + 12_345;

/// A byte far from both ends, and what a damaged disk shows there.
const SPOT: u64 = 5_000_000;

/// Reads the whole file as if it had never been read: without what the kernel keeps of it.
fn read_anew(path: &Path) -> Result<Vec<u8>> {
    let file = File::open(path)?;
    rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed)?;
    let mut bytes = vec![0; usize::try_from(file.metadata()?.len())?];
    file.read_exact_at(&mut bytes, 0)?;
    Ok(bytes)
}

fn stats(mount: &Mount) -> Result<String> {
    let mut text = vec![0; 64 << 10];
    let length = rustix::fs::getxattr(mount.at(), "holdfast.stats", &mut text[..])?;
    Ok(String::from_utf8_lossy(&text[..length]).into_owned())
}

/// How many requests of a kind the mount has answered.
fn requests(mount: &Mount, kind: &str) -> Result<u64> {
    let text = stats(mount)?;
    let line = text.lines().find(|line| line.split_whitespace().next() == Some(kind));
    Ok(line.and_then(|line| line.split_whitespace().nth(1)?.parse().ok()).unwrap_or(0))
}

/// Waits until the mount has so many files in its disk cache.
async fn until_cached(mount: &Mount, files: usize) -> Result<()> {
    let wanted = format!("in the disk cache: files {files},");
    wait::until("the disk cache to be filled", Duration::from_secs(30), || async {
        let text = stats(mount).map_err(|error| error.to_string())?;
        if text.contains(&wanted) { Ok(()) } else { Err(text.lines().nth(1).unwrap_or_default().to_owned()) }
    })
    .await
}

/// Content in the folder, without labels and lock.
fn contents(dir: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for cluster in fs::read_dir(dir)? {
        for entry in fs::read_dir(cluster?.path())? {
            let path = entry?.path();
            if path.extension().is_none() && path.file_name().is_some_and(|name| name != "lock") {
                found.push(path);
            }
        }
    }
    Ok(found)
}

/// Changes a byte of the only cached content, behind everybody's back.
fn damage(dir: &Path) -> Result<()> {
    let found = contents(dir)?;
    ensure!(found.len() == 1, "{found:?}");
    let file = OpenOptions::new().read(true).write(true).open(&found[0])?;
    let mut byte = [0];
    file.read_exact_at(&mut byte, SPOT)?;
    file.write_all_at(&[!byte[0]], SPOT)?;
    Ok(())
}

async fn mounted(cluster: &Cluster, name: &str, dir: &Path, flags: &[&str]) -> Result<Mount> {
    let dir = dir.to_str().context("a path in UTF-8")?;
    let mut all = vec!["--cache-dir", dir, "--cache-mib", "100"];
    all.extend(flags);
    Mount::new(cluster, name, "/bkt", &all).await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_read_twice_comes_from_the_local_disk_and_is_verified() -> Result<()> {
    skip_unless_mounts!();
    let cluster = Builder::new("cache-disk").start().await?;
    cluster.expect(&["mkdir", "/bkt"]).await?;
    let dir = cluster.scratch()?.join("cache");
    let mount = mounted(&cluster, "m", &dir, &[]).await?;
    let taken = mounted(&cluster, "second", &dir, &[]).await;
    ensure!(
        taken.is_err_and(|error| format!("{error:#}").contains("another mount")),
        "two mounts, one folder"
    );
    let content = Content { seed: 1, size: LENGTH }.bytes().to_vec();
    let path = mount.path("f");
    fs::write(&path, &content)?;
    ensure!(read_anew(&path)? == content, "the first time");
    ensure!(contents(&dir)?.is_empty(), "once is not again and again");
    ensure!(read_anew(&path)? == content, "the second time");
    until_cached(&mount, 1).await?;
    ensure!(read_anew(&path)? == content, "from the cache");
    damage(&dir)?;
    ensure!(
        read_anew(&path)?[SPOT as usize] == !content[SPOT as usize],
        "it does not come from the local disk"
    );
    mount.finish(&cluster).await?;

    // A later mount looks before it believes, and takes it anew.
    let mount = mounted(&cluster, "m", &dir, &[]).await?;
    let path = mount.path("f");
    for round in 0..3 {
        ensure!(read_anew(&path)? == content, "after the damage, round {round}");
    }
    until_cached(&mount, 1).await?;
    // What changes is not found under its old version, whoever changes it.
    fs::OpenOptions::new().write(true).open(&path)?.write_all_at(b"other", SPOT)?;
    let mut content = content;
    content[SPOT as usize..][..5].copy_from_slice(b"other");
    for round in 0..3 {
        ensure!(read_anew(&path)? == content, "after the change, round {round}");
    }
    until_cached(&mount, 2).await?;
    ensure!(read_anew(&path)? == content, "from the cache, after the change");
    mount.finish(&cluster).await?;
    cluster.finish().await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_kernel_reads_cached_files_by_itself_and_sees_their_changes() -> Result<()> {
    skip_unless_mounts!();
    let cluster = Builder::new("cache-kernel").start().await?;
    cluster.expect(&["mkdir", "/bkt"]).await?;
    let dir = cluster.scratch()?.join("cache");
    let writer = Mount::new(&cluster, "w", "/bkt", &[]).await?;
    let mut content = Content { seed: 2, size: LENGTH }.bytes().to_vec();
    fs::write(writer.path("f"), &content)?;
    let reader = mounted(&cluster, "r", &dir, &["--read-only"]).await?;
    let path = reader.path("f");
    let early = File::open(&path)?;
    for _ in 0..2 {
        ensure!(read_anew(&path)? == content, "before it is cached");
    }
    until_cached(&reader, 1).await?;
    // A descriptor that was open before is read through the mount; all others then are too.
    ensure!(read_anew(&path)? == content, "beside an early descriptor");
    drop(early);
    let log = reader.said();
    if !log.contains("can=true") {
        eprintln!("SKIPPED {}: this kernel has no passthrough: {log}", module_path!());
        reader.finish(&cluster).await?;
        writer.finish(&cluster).await?;
        return cluster.finish().await;
    }
    wait::until("the kernel to read by itself", Duration::from_secs(10), || async {
        let before = requests(&reader, "read").map_err(|error| error.to_string())?;
        let bytes = read_anew(&path).map_err(|error| error.to_string())?;
        let after = requests(&reader, "read").map_err(|error| error.to_string())?;
        match bytes == content && after == before {
            true => Ok(()),
            false => Err(format!("{} reads came to the mount", after - before)),
        }
    })
    .await?;
    ensure!(OpenOptions::new().write(true).open(&path).is_err(), "the mount is read-only");

    // Open descriptors follow what others write, and new ones see it at once.
    let open = File::open(&path)?;
    let other = File::options().write(true).open(writer.path("f"))?;
    other.write_all_at(b"other", SPOT)?;
    other.sync_all()?;
    content[SPOT as usize..][..5].copy_from_slice(b"other");
    ensure!(read_anew(&path)? == content, "a new descriptor after a change");
    follows(&open, &content).await?;
    other.set_len(1_000_000)?;
    content.truncate(1_000_000);
    follows(&open, &content).await?;
    ensure!(fs::read(&path)? == content, "a new descriptor after a cut");
    drop(open);
    ensure!(contents(&dir)?.is_empty(), "what was changed in place is not kept");
    reader.finish(&cluster).await?;
    drop(other);
    writer.finish(&cluster).await?;
    cluster.finish().await
}

/// Waits until an open descriptor shows this and nothing else.
async fn follows(file: &File, content: &[u8]) -> Result<()> {
    wait::until("an open descriptor to show the change", Duration::from_secs(10), || async {
        let mut bytes = vec![0; content.len() + 1];
        let mut length = 0;
        while length < bytes.len() {
            match file.read_at(&mut bytes[length..], length as u64).map_err(|error| error.to_string())? {
                0 => break,
                count => length += count,
            }
        }
        if bytes[..length] == *content { Ok(()) } else { Err(format!("{length} bytes, not the new ones")) }
    })
    .await
}
