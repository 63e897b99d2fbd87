//! Many objects, and an object of many parts: pages cost their page, memory stays bounded, a metaserver with all of it
//! restarts quickly, a long completion holds up nobody.
//!
//! Small numbers by default. `HOLDFAST_OBJECTS=1000000` and `HOLDFAST_PARTS=10000` measure.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use holdfast_tests::cluster::{Builder, Cluster};
use holdfast_tests::oracle::Content;
use holdfast_tests::s3::Client;
use holdfast_tests::wait;
use parking_lot::Mutex;
use tokio::task::JoinSet;

/// Requests under way at once.
const AT_ONCE: u64 = 32;
/// Resident bytes no node may ever reach: caches and budgets of the defaults add up to less.
const CEILING: u64 = 1 << 30;

fn number(variable: &str, default: u64) -> u64 {
    std::env::var(variable).ok().and_then(|n| n.parse().ok()).unwrap_or(default)
}

fn key(at: u64) -> String {
    format!("{at:08}")
}

/// Runs `work` for every number below `count`, several at once.
async fn each<F, W>(count: u64, work: F) -> Result<()>
where
    F: Fn(u64) -> W + Clone + Send + 'static,
    W: Future<Output = Result<()>> + Send,
{
    let mut workers = JoinSet::new();
    for worker in 0..AT_ONCE {
        let work = work.clone();
        workers.spawn(async move {
            for at in (worker..count).step_by(AT_ONCE as usize) {
                work(at).await.with_context(|| format!("number {at}"))?;
            }
            anyhow::Ok(())
        });
    }
    while let Some(ended) = workers.join_next().await {
        ended.context("a worker broke")??;
    }
    Ok(())
}

/// Highest resident size of each node so far, in bytes.
fn peaks(cluster: &mut Cluster) -> Result<Vec<u64>> {
    let mut peaks = Vec::new();
    for node in 1..=cluster.len() {
        let pid = cluster.node(node).pid().context("a node is down")?;
        let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).context("no VmHWM")?;
        let kib: u64 = line.trim().trim_end_matches(" kB").parse()?;
        peaks.push(kib << 10);
    }
    Ok(peaks)
}

/// Reads the whole bucket page by page: every key once, in order. How long each page took.
async fn pages(s3: &Client, count: u64) -> Result<Vec<Duration>> {
    let (mut took, mut token, mut at) = (Vec::new(), None, 0);
    loop {
        let begun = Instant::now();
        let page = s3.list("bkt", "", "", token.as_deref()).await?;
        took.push(begun.elapsed());
        for found in &page.keys {
            ensure!(*found == key(at), "{found} is listed where {} belongs", key(at));
            at += 1;
        }
        token = page.next;
        if token.is_none() {
            break;
        }
        ensure!(page.keys.len() == 1000, "a page of {} keys that is not the last", page.keys.len());
    }
    ensure!(at == count, "{at} of {count} keys are listed");
    Ok(took)
}

fn median(times: &[Duration]) -> Duration {
    let mut times = times.to_vec();
    times.sort();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_of_many_small_objects() -> Result<()> {
    let count = number("HOLDFAST_OBJECTS", 8_000);
    let mut cluster = Builder::new("many").alone().nodes(3).disks(2).start().await?;
    let s3 = cluster.s3();
    s3.create_bucket("bkt").await?;
    let begun = Instant::now();
    let putter = s3.clone();
    each(count, move |at| {
        let s3 = putter.clone();
        async move { s3.put("bkt", &key(at), Bytes::from(key(at))).await.map(drop).map_err(Into::into) }
    })
    .await?;
    let put = begun.elapsed();
    println!("{count} objects in {put:?}, {:.0} per second", count as f64 / put.as_secs_f64());

    let took = pages(&s3, count).await?;
    let tenth = took.len().div_ceil(10);
    println!(
        "{} pages: median of the first tenth {:?}, of the last {:?}, slowest {:?}",
        took.len(),
        median(&took[..tenth]),
        median(&took[took.len() - tenth..]),
        took.iter().max()
    );
    let peaks = peaks(&mut cluster)?;
    println!("highest resident sizes: {:?} MiB", peaks.iter().map(|peak| peak >> 20).collect::<Vec<_>>());
    ensure!(peaks.iter().all(|peak| *peak < CEILING), "memory: {peaks:?}");

    for (what, signal) in [("SIGTERM", false), ("kill -9", true)] {
        let leader = cluster.leader().await?;
        if signal {
            cluster.node(leader).kill()?;
        } else {
            cluster.node(leader).process()?.terminate(Duration::from_secs(30)).await?;
        }
        let begun = Instant::now();
        cluster.restart(leader).await?;
        println!("a metaserver was ready {:?} after its start ({what} before)", begun.elapsed());
        ensure!(begun.elapsed() < Duration::from_secs(20), "restart took {:?}", begun.elapsed());
    }
    for at in (0..count).step_by((count / 100).max(1) as usize) {
        ensure!(s3.get("bkt", &key(at)).await? == key(at), "object {at}");
    }
    cluster.finish().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_completion_of_many_parts_holds_nobody_up() -> Result<()> {
    // Every part but the last has at least 5 MiB in S3: by reference, so that the bytes are written once.
    let count = number("HOLDFAST_PARTS", 300);
    let cluster = Builder::new("parts").alone().nodes(3).start().await?;
    let s3 = cluster.s3().with_deadline(Duration::from_secs(60));
    s3.create_bucket("bkt").await?;
    let piece = Content { seed: 5, size: 5 << 20 };
    s3.put("bkt", "piece", piece.bytes()).await?;
    let upload = s3.create_upload("bkt", "whole").await?;
    let parts = Arc::new(Mutex::new(Vec::new()));
    let (copier, id, sink) = (s3.clone(), upload.clone(), parts.clone());
    each(count, move |at| {
        let (s3, id, sink) = (copier.clone(), id.clone(), sink.clone());
        async move {
            let part = s3.copy_part("bkt", "whole", &id, at as u32 + 1, "/bkt/piece").await?;
            sink.lock().push(part);
            Ok(())
        }
    })
    .await?;
    let mut parts = std::mem::take(&mut *parts.lock());
    parts.sort_by_key(|part| part.number);

    let done = Arc::new(AtomicBool::new(false));
    let seen = Arc::new(AtomicU64::new(0));
    let others = tokio::spawn(put_until(s3.clone(), seen.clone(), done.clone()));
    wait::until("the others to be at work", Duration::from_secs(20), || async {
        let puts = seen.load(Ordering::Relaxed);
        if puts >= 20 { Ok(()) } else { Err(puts) }
    })
    .await?;
    let begun = Instant::now();
    s3.complete_upload("bkt", "whole", &upload, &parts).await?;
    let took = begun.elapsed();
    done.store(true, Ordering::Relaxed);
    let mut times = others.await??;
    times.sort();
    println!(
        "{count} parts joined in {took:?}; {} puts beside it: median {:?}, p99 {:?}, slowest {:?}",
        times.len(),
        median(&times),
        times.get(times.len() * 99 / 100),
        times.last()
    );
    ensure!(
        times.last().is_some_and(|slowest| *slowest < Duration::from_secs(5)),
        "others waited: {times:?}"
    );

    let size = count * piece.size;
    ensure!(s3.head("bkt", "whole").await?.header("content-length") == size.to_string());
    for part in [0, count / 2, count - 1] {
        let range = s3.get_range("bkt", "whole", part * piece.size + 100, 5000).await?;
        ensure!(range == piece.range(100, 5000), "part {part}");
    }
    cluster.finish().await
}

/// Puts small objects one after another; how long each took.
async fn put_until(s3: Client, seen: Arc<AtomicU64>, done: Arc<AtomicBool>) -> Result<Vec<Duration>> {
    let mut times = Vec::new();
    while !done.load(Ordering::Relaxed) {
        let begun = Instant::now();
        s3.put("bkt", &format!("other/{}", times.len()), Bytes::from_static(b"small")).await?;
        times.push(begun.elapsed());
        seen.fetch_add(1, Ordering::Relaxed);
    }
    Ok(times)
}
