//! The trash on real clusters: whatever deletes a file keeps it for its time, it comes back as it was, and what is not
//! wanted back gives its room.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use holdfast_tests::cluster::{Builder, Cluster};
use holdfast_tests::mount::Mount;
use holdfast_tests::oracle::Content;
use holdfast_tests::volume::Kind;
use holdfast_tests::{skip_unless_mounts, skip_unless_root_with, wait};
use serde::Deserialize;

/// A line of `holdfast --json trash ls`.
#[derive(Debug, Deserialize)]
struct Item {
    id: u64,
    path: String,
    size: u64,
    by: String,
    seconds_left: u64,
    open: bool,
}

async fn list(cluster: &Cluster, path: &str) -> Result<Vec<Item>> {
    let text = cluster.expect(&["--json", "trash", "ls", path]).await?;
    text.lines().map(|line| serde_json::from_str(line).with_context(|| line.to_owned())).collect()
}

/// Files in the trash and their bytes, and chunks that wait to be deleted, as the status has them.
async fn counted(cluster: &Cluster) -> Result<(u64, u64, u64)> {
    let status: serde_json::Value =
        serde_json::from_str(&cluster.expect(&["--json", "admin", "status"]).await?)?;
    let number = |value: &serde_json::Value| value.as_u64().context("a number in the status");
    Ok((
        number(&status["trash_files"])?,
        number(&status["trash_bytes"])?,
        number(&status["redundancy"]["garbage_chunks"])?,
    ))
}

/// Even what was made a moment ago is kept.
async fn keep_all(cluster: &Cluster) -> Result<()> {
    cluster.expect(&["admin", "set", "trash_min_age_seconds", "0"]).await.map(drop)
}

/// Runs the command line, which must be refused with this exit code; what it said.
async fn refused(cluster: &Cluster, code: i32, args: &[&str]) -> Result<String> {
    let output = cluster.run(args).await?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    ensure!(output.status.code() == Some(code), "{args:?} ended with {}: {said}", output.status);
    Ok(said)
}

fn big(seed: u64) -> Content {
    Content { seed, size: 3_000_000 + seed }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_any_door_deletes_comes_back_as_it_was_also_after_the_leader_died() -> Result<()> {
    let mut cluster = Builder::new("trash-doors").nodes(3).trash().start().await?;
    keep_all(&cluster).await?;
    let s3 = cluster.s3();
    s3.create_bucket("bkt").await?;
    let headers =
        [("content-type", "video/x-test"), ("x-amz-meta-who", "somebody"), ("cache-control", "no-store")];
    s3.put_with("bkt", "deep/er/deleted", &headers, big(1).bytes()).await?;
    for (key, seed) in [("removed", 2), ("over", 3), ("tree/a", 4), ("tree/b/c", 5)] {
        s3.put("bkt", key, big(seed).bytes()).await?;
    }
    s3.put("bkt", "small", "a few bytes".into()).await?;
    let etag = s3.head("bkt", "deep/er/deleted").await?.header("etag").to_owned();

    s3.delete("bkt", "deep/er/deleted").await?;
    s3.delete("bkt", "small").await?;
    cluster.expect(&["rm", "/bkt/removed"]).await?;
    s3.put("bkt", "over", big(6).bytes()).await?;
    cluster.expect(&["rm", "-r", "/bkt/tree"]).await?;
    let items = list(&cluster, "/bkt").await?;
    let found: BTreeMap<&str, (&str, u64)> =
        items.iter().map(|item| (item.path.as_str(), (item.by.as_str(), item.size))).collect();
    let expected = [
        ("/bkt/deep/er/deleted", ("deleted", big(1).size)),
        ("/bkt/over", ("overwritten", big(3).size)),
        ("/bkt/removed", ("removed", big(2).size)),
        ("/bkt/small", ("deleted", 11)),
        ("/bkt/tree/a", ("deleted", big(4).size)),
        ("/bkt/tree/b/c", ("deleted", big(5).size)),
    ];
    ensure!(found == BTreeMap::from(expected), "{found:?}");
    ensure!(items.iter().all(|item| (86_300..=86_400).contains(&item.seconds_left)), "{items:?}");
    let bytes: u64 = expected.iter().map(|(_, (_, size))| size).sum();
    ensure!(counted(&cluster).await?.0 == 6 && counted(&cluster).await?.1 == bytes, "the status counts it");

    // Whoever leads then knows all of it.
    let leader = cluster.leader().await?;
    cluster.node(leader).kill()?;
    let restored = cluster.expect(&["trash", "restore", "/bkt/deep/er/deleted"]).await?;
    ensure!(restored.contains("/bkt/deep/er/deleted"), "{restored}");
    cluster.restart(leader).await?;
    let answer = s3.head("bkt", "deep/er/deleted").await?;
    ensure!(answer.header("etag") == etag, "{} instead of {etag}", answer.header("etag"));
    for (name, value) in headers {
        ensure!(answer.header(name) == value, "{name} is {:?}", answer.header(name));
    }
    ensure!(s3.get("bkt", "deep/er/deleted").await? == big(1).bytes());

    cluster.expect(&["trash", "restore", "-r", "/bkt/tree", "--to", "/bkt/again"]).await?;
    ensure!(s3.get("bkt", "again/a").await? == big(4).bytes());
    ensure!(s3.get("bkt", "again/b/c").await? == big(5).bytes());
    let said = refused(&cluster, 5, &["trash", "restore", "/bkt/over"]).await?;
    ensure!(said.contains("replace"), "{said}");
    ensure!(s3.get("bkt", "over").await? == big(6).bytes(), "a refusal changes nothing");
    cluster.expect(&["trash", "restore", "/bkt/over", "--replace"]).await?;
    ensure!(s3.get("bkt", "over").await? == big(3).bytes());
    // What gave way is kept in its turn, and restored by its number.
    let gave_way = list(&cluster, "/bkt/over").await?.pop().context("what gave way")?;
    ensure!(gave_way.by == "restored over", "{gave_way:?}");
    cluster.expect(&["trash", "restore", &gave_way.id.to_string(), "--to", "/bkt/before/"]).await?;
    ensure!(s3.get("bkt", "before/over").await? == big(6).bytes());
    cluster.expect(&["trash", "restore", "/bkt/small"]).await?;
    ensure!(s3.get("bkt", "small").await? == "a few bytes");

    refused(&cluster, 3, &["trash", "restore", "/bkt/never"]).await?;
    let said = refused(&cluster, 5, &["trash", "empty"]).await?;
    ensure!(said.contains("1 files") && said.contains("--yes"), "{said}");
    cluster.expect(&["trash", "empty", "/bkt/removed", "--yes"]).await?;
    refused(&cluster, 3, &["trash", "restore", "/bkt/removed"]).await?;
    wait::until("the room of what was let go of", Duration::from_secs(60), || async {
        match counted(&cluster).await {
            Ok((0, 0, 0)) => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await?;
    cluster.finish().await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_due_goes_whoever_leads_and_nothing_goes_before() -> Result<()> {
    const KEPT: u64 = 12;
    let mut cluster = Builder::new("trash-due").nodes(3).trash().start().await?;
    keep_all(&cluster).await?;
    let s3 = cluster.s3();
    for bucket in ["short", "long", "none"] {
        s3.create_bucket(bucket).await?;
    }
    cluster.expect(&["trash", "keep", "/short", &format!("{KEPT}s")]).await?;
    cluster.expect(&["trash", "keep", "/none", "0"]).await?;
    let said = cluster.expect(&["trash", "keep", "/long"]).await?;
    ensure!(said.contains("trash_seconds"), "{said}");
    for bucket in ["short", "long", "none"] {
        s3.put(bucket, "dir/file", big(1).bytes()).await?;
    }
    let deleted = Instant::now();
    for bucket in ["short", "long", "none"] {
        s3.delete(bucket, "dir/file").await?;
    }
    ensure!(list(&cluster, "/none").await?.is_empty(), "not kept there");
    ensure!(list(&cluster, "/short").await?.len() == 1);
    let leader = cluster.leader().await?;
    cluster.node(leader).kill()?;
    wait::until("the file to be due", Duration::from_secs(90), || async {
        match list(&cluster, "/short").await {
            Ok(items) if items.is_empty() => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await?;
    ensure!(deleted.elapsed() >= Duration::from_secs(KEPT), "it went after {:?}", deleted.elapsed());
    println!("kept for {:?}", deleted.elapsed());
    cluster.restart(leader).await?;
    ensure!(list(&cluster, "/").await?.len() == 1, "the other one stays");
    cluster.expect(&["trash", "restore", "/long/dir/file"]).await?;
    ensure!(s3.get("long", "dir/file").await? == big(1).bytes());
    // What is young is not kept, once that is said again; a bucket that inherits keeps as the cluster does.
    cluster.expect(&["admin", "set", "trash_min_age_seconds", "60"]).await?;
    cluster.expect(&["trash", "keep", "/none", "inherit"]).await?;
    s3.put("none", "young", big(2).bytes()).await?;
    s3.delete("none", "young").await?;
    ensure!(list(&cluster, "/none").await?.is_empty());
    cluster.wait_redundant(Duration::from_secs(60)).await?;
    cluster.finish().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mount_deletes_into_the_trash_and_open_files_go_on() -> Result<()> {
    skip_unless_mounts!();
    let cluster = Builder::new("trash-mount").trash().start().await?;
    keep_all(&cluster).await?;
    cluster.expect(&["mkdir", "/bkt"]).await?;
    let mount = Mount::new(&cluster, "m", "/", &[]).await?;
    let path = |name: &str| mount.path(&format!("bkt/dir/{name}"));
    fs::create_dir(mount.path("bkt/dir"))?;
    for (name, text) in
        [("unlinked", "unlinked"), ("over", "the old one"), ("new", "the new one"), ("open", "begun")]
    {
        fs::write(path(name), text)?;
    }
    fs::write(path("large"), big(7).bytes())?;
    let mut open = fs::File::options().read(true).write(true).open(path("open"))?;
    fs::remove_file(path("unlinked"))?;
    fs::remove_file(path("large"))?;
    fs::rename(path("new"), path("over"))?;
    fs::remove_file(path("open"))?;
    ensure!(fs::read_to_string(path("over"))? == "the new one");
    let items = list(&cluster, "/bkt/dir").await?;
    let of = |name: &str| items.iter().find(|item| item.path == format!("/bkt/dir/{name}"));
    ensure!(items.len() == 4, "{items:?}");
    ensure!(of("over").is_some_and(|item| item.by == "renamed over"), "{items:?}");
    ensure!(of("open").is_some_and(|item| item.by == "removed" && item.open), "{items:?}");

    open.seek(SeekFrom::End(0))?;
    open.write_all(b" and gone on")?;
    open.sync_all()?;
    cluster.expect(&["trash", "restore", "/bkt/dir/open"]).await?;
    // It is one file again, under its name and for who has it open.
    wait::until("the name to be seen", Duration::from_secs(10), || async {
        fs::read_to_string(path("open")).map_err(|error| error.to_string())
    })
    .await?;
    ensure!(fs::read_to_string(path("open"))? == "begun and gone on");
    open.write_all(b", still")?;
    open.sync_all()?;
    let mut text = String::new();
    open.seek(SeekFrom::Start(0))?;
    open.read_to_string(&mut text)?;
    ensure!(text == "begun and gone on, still", "{text}");
    drop(open);
    ensure!(fs::read_to_string(path("open"))? == text);

    for name in ["unlinked", "over", "large"] {
        fs::remove_file(path(name)).ok();
    }
    fs::remove_file(path("open"))?;
    fs::remove_dir(mount.path("bkt/dir"))?;
    cluster.expect(&["trash", "restore", "-r", "/bkt/dir"]).await?;
    wait::until("the directory to be seen", Duration::from_secs(10), || async {
        fs::read(path("large")).map_err(|error| error.to_string())
    })
    .await?;
    ensure!(fs::read(path("large"))? == big(7).bytes());
    ensure!(fs::read_to_string(path("over"))? == "the new one", "the last of that path");
    ensure!(fs::read_to_string(path("unlinked"))? == "unlinked");
    mount.finish(&cluster).await?;
    cluster.finish().await
}

#[tokio::test(flavor = "multi_thread")]
async fn in_a_full_cluster_deleting_makes_room() -> Result<()> {
    skip_unless_root_with!("mkfs.ext4", "mount", "umount");
    let cluster = Builder::new("trash-full").volumes(Kind::Ext4, 600).trash().start().await?;
    keep_all(&cluster).await?;
    let s3 = cluster.s3();
    s3.create_bucket("bkt").await?;
    let content = Content { seed: 1, size: 8 << 20 };
    let mut written = 0;
    while s3.put("bkt", &format!("{written:03}"), content.bytes()).await.is_ok() {
        written += 1;
        ensure!(written < 100, "800 MiB do not fit on 600 MiB");
    }
    ensure!(written > 15, "only {written} objects fit");
    // A part of it: the first slice of room is larger than these, the second is not needed.
    for number in 0..written {
        s3.delete("bkt", &format!("{number:03}")).await.with_context(|| format!("delete {number}"))?;
    }
    let deleted = Instant::now();
    let before = counted(&cluster).await?;
    wait::until("writes to be taken again", Duration::from_secs(90), || {
        s3.put("bkt", "again", content.bytes())
    })
    .await?;
    let after = counted(&cluster).await?;
    println!(
        "{written} objects, {before:?} in the trash, room after {:?}, {after:?} left",
        deleted.elapsed()
    );
    ensure!(after.0 < written, "files went early");
    // Those that went first are those that would have been due first.
    let left = list(&cluster, "/bkt").await?;
    ensure!(left.iter().all(|item| item.path != "/bkt/000"), "{left:?}");
    if let Some(last) = left.last() {
        cluster.expect(&["trash", "restore", &last.path]).await?;
        let key = last.path.trim_start_matches("/bkt/").to_owned();
        ensure!(s3.get("bkt", &key).await? == content.bytes(), "what is left is whole");
    }
    cluster.finish().await
}
