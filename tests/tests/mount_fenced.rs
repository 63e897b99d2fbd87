//! Files that stay open through a mount while it stands still, the leader changes, or the whole cluster is away: who lost a
//! lock writes nothing any more, who misses a change learns of it all the same, what was reported as lost stays lost, and
//! a descriptor that lies idle keeps nothing from being freed.

use std::fs::{self, File, OpenOptions};
use std::os::fd::IntoRawFd as _;
use std::os::unix::fs::FileExt as _;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use holdfast_tests::cluster::{Builder, Cluster};
use holdfast_tests::mount::Mount;
use holdfast_tests::{skip_unless_mounts, wait};
use rustix::fs::{FlockOperation, fcntl_lock};

/// A session ends after 30 s of silence; a leader that is new counts from its election.
const SESSION: Duration = Duration::from_secs(90);

const PAGE: usize = 4096;

fn both_ways() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(true);
    options
}

fn put(mount: &Mount, name: &str, byte: u8, length: usize) -> Result<()> {
    let file = both_ways().create(true).truncate(false).open(mount.path(name))?;
    file.write_all_at(&vec![byte; length], 0)?;
    Ok(file.sync_all()?)
}

/// The first byte, through a descriptor.
fn first(file: &File) -> Result<u8> {
    let mut byte = [0];
    file.read_exact_at(&mut byte, 0)?;
    Ok(byte[0])
}

/// The first byte, as who opens it anew sees it.
fn seen(mount: &Mount, name: &str) -> Result<u8> {
    first(&File::open(mount.path(name))?)
}

fn errno<T>(outcome: std::io::Result<T>) -> Option<i32> {
    outcome.err().and_then(|error| error.raw_os_error())
}

fn close(file: File) -> std::io::Result<()> {
    // SAFETY: the descriptor is open, and nobody else has it.
    match unsafe { libc::close(file.into_raw_fd()) } {
        0 => Ok(()),
        _ => Err(std::io::Error::last_os_error()),
    }
}

async fn eventually_reads(what: &str, file: &File, byte: u8) -> Result<()> {
    wait::until(what, Duration::from_secs(30), || {
        let read = first(file);
        async move {
            match read {
                Ok(found) if found == byte => Ok(()),
                other => Err(format!("{other:?}")),
            }
        }
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn who_lost_a_lock_writes_nothing_any_more() -> Result<()> {
    skip_unless_mounts!();
    let cluster = Builder::new("fenced").start().await?;
    cluster.expect(&["mkdir", "/bkt"]).await?;
    let mut here = Mount::new(&cluster, "here", "/bkt", &[]).await?;
    let there = Mount::new(&cluster, "there", "/bkt", &[]).await?;
    put(&here, "locked", b'0', 2 * PAGE)?;
    put(&here, "free", b'0', 2 * PAGE)?;
    let (mine, theirs) = (both_ways().open(here.path("locked"))?, both_ways().open(there.path("locked"))?);
    let free = both_ways().open(here.path("free"))?;
    fcntl_lock(&mine, FlockOperation::NonBlockingLockExclusive)?;
    mine.write_all_at(&[b'A'; PAGE], 0)?;
    free.write_all_at(&[b'A'; PAGE], 0)?;
    here.process().stop()?;
    wait::until("the lock of a mount that stands still to go", SESSION, || async {
        fcntl_lock(&theirs, FlockOperation::NonBlockingLockExclusive)
    })
    .await?;
    theirs.write_all_at(&[b'B'; PAGE], 0)?;
    theirs.sync_all()?;
    here.process().resume()?;

    let synced = errno(mine.sync_all());
    ensure!(synced == Some(libc::EIO), "fsync came to {synced:?}: {}", here.said());
    let wrote = errno(mine.write_all_at(&[b'A'; PAGE], 0));
    ensure!(wrote == Some(libc::EIO), "a write came to {wrote:?}");
    let again = errno(mine.sync_all());
    ensure!(again == Some(libc::EIO), "fsync came to {again:?} the second time");
    free.sync_all().context("nobody had a lock on this one")?;
    ensure!(seen(&there, "free")? == b'A', "what nobody had locked was written again");
    ensure!(first(&theirs)? == b'B' && seen(&there, "locked")? == b'B', "the lock kept nobody out");
    let closed = errno(close(mine));
    ensure!(closed == Some(libc::EIO), "close came to {closed:?}");
    ensure!(seen(&here, "locked")? == b'B' && seen(&there, "locked")? == b'B', "it came after the close");
    drop((theirs, free));
    here.finish(&cluster).await?;
    there.finish(&cluster).await?;
    cluster.finish().await
}

#[tokio::test(flavor = "multi_thread")]
async fn open_descriptors_see_what_changed_while_nobody_told() -> Result<()> {
    skip_unless_mounts!();
    let mut cluster = Builder::new("untold").nodes(3).start().await?;
    cluster.expect(&["mkdir", "/bkt"]).await?;
    let mut here = Mount::new(&cluster, "here", "/bkt", &[]).await?;
    let there = Mount::new(&cluster, "there", "/bkt", &[]).await?;
    put(&there, "file", b'0', 2 * PAGE)?;
    let file = File::open(here.path("file"))?;
    eventually_reads("the first content", &file, b'0').await?;

    let leader = cluster.leader().await?;
    cluster.node(leader).kill()?;
    put(&there, "file", b'1', 2 * PAGE)?;
    eventually_reads("what was written under the new leader", &file, b'1').await?;
    cluster.restart(leader).await?;
    cluster.wait_redundant(Duration::from_secs(60)).await?;

    // Changes that come later are told, as ever.
    put(&there, "file", b'2', 2 * PAGE)?;
    eventually_reads("the next change", &file, b'2').await?;

    // Longer than the leader goes on to note for one who does not ask.
    here.process().stop()?;
    tokio::time::sleep(Duration::from_secs(7)).await;
    put(&there, "file", b'3', 2 * PAGE)?;
    here.process().resume()?;
    eventually_reads("what was written while the mount stood still", &file, b'3').await?;
    drop(file);
    here.finish(&cluster).await?;
    there.finish(&cluster).await?;
    cluster.finish().await
}

/// Bytes on the disks of all nodes.
/// Bytes of chunks and of what is waiting to go, as the disks count them: segments are made ahead of what they hold.
async fn used(cluster: &Cluster) -> Result<u64> {
    let status: serde_json::Value =
        serde_json::from_str(&cluster.expect(&["--json", "admin", "status"]).await?)?;
    status["raw_used_bytes"].as_u64().context("the status says nothing of what is used")
}

#[tokio::test(flavor = "multi_thread")]
async fn idle_descriptors_keep_nothing_from_being_freed() -> Result<()> {
    const FILES: usize = 4;
    const LENGTH: usize = 32 << 20;
    skip_unless_mounts!();
    let cluster = Builder::new("idle").start().await?;
    cluster.expect(&["mkdir", "/bkt"]).await?;
    let here = Mount::new(&cluster, "here", "/bkt", &[]).await?;
    let there = Mount::new(&cluster, "there", "/bkt", &[]).await?;
    put(&here, "idle", b'i', 100_000)?;
    let reader = File::open(here.path("idle"))?;
    ensure!(first(&reader)? == b'i');
    let writer = OpenOptions::new().write(true).open(here.path("idle"))?;
    let before = used(&cluster).await?;
    for number in 0..FILES {
        put(&there, &format!("big{number}"), number as u8, LENGTH)?;
    }
    wait::until("the disks to tell of the files", Duration::from_secs(30), || async {
        let with = used(&cluster).await.map_err(|error| format!("{error:#}"))?;
        let enough = with >= before + (FILES * LENGTH) as u64 / 2;
        if enough { Ok(()) } else { Err(format!("{before} and then {with} bytes on the disks")) }
    })
    .await?;
    for number in 0..FILES {
        fs::remove_file(there.path(&format!("big{number}")))?;
    }
    let limit = before + LENGTH as u64;
    let end = Instant::now() + Duration::from_secs(120);
    loop {
        let now = used(&cluster).await?;
        if now < limit {
            break;
        }
        ensure!(Instant::now() < end, "{now} bytes on the disks, {before} before: {}", here.said());
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    ensure!(first(&reader)? == b'i', "who reads on finds everything");
    drop((reader, writer));
    here.finish(&cluster).await?;
    there.finish(&cluster).await?;
    cluster.finish().await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_close_reported_as_lost_does_not_come_later() -> Result<()> {
    skip_unless_mounts!();
    let mut cluster = Builder::new("lost").start().await?;
    cluster.expect(&["mkdir", "/bkt"]).await?;
    let mut mount = Mount::new(&cluster, "m", "/bkt", &["--io-timeout", "2"]).await?;
    put(&mount, "file", b'0', 2 * PAGE)?;
    let file = both_ways().open(mount.path("file"))?;
    cluster.kill_all()?;
    file.write_all_at(&[b'A'; PAGE], 0)?;
    let synced = errno(file.sync_all());
    ensure!(synced == Some(libc::EIO), "fsync came to {synced:?}");
    let closed = errno(close(file));
    ensure!(closed == Some(libc::EIO), "close came to {closed:?}");
    // A commit that was on its way then may still arrive; once they are given up, nothing may.
    let log = mount.process().log().to_owned();
    wait::until("written bytes to be given up", Duration::from_secs(30), || async {
        let text = fs::read_to_string(&log).map_err(|error| error.to_string())?;
        let gone = text.contains("written bytes are given up") || text.contains("kept=false");
        if gone { Ok(()) } else { Err(text) }
    })
    .await?;
    cluster.start_all().await?;
    wait::until("the mount to work again", Duration::from_secs(60), || {
        let put = put(&mount, "other", b'1', PAGE).map_err(|error| format!("{error:#}"));
        async move { put }
    })
    .await?;
    // The background commits what is two seconds old.
    let end = Instant::now() + Duration::from_secs(6);
    while Instant::now() < end {
        ensure!(cluster.s3().get("bkt", "file").await? == [b'0'; 2 * PAGE][..], "it came after all");
        ensure!(seen(&mount, "file")? == b'0', "it is shown though it is lost");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    mount.finish(&cluster).await?;
    cluster.finish().await
}
