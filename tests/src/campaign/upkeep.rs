//! What the cluster does for long to look after its data, while nodes die: a drain, balancing, a change of class,
//! compaction.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::future::Future;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use bytes::Bytes;
use futures::{StreamExt as _, TryStreamExt as _};
use serde_json::Value;

use super::bed::{Bed, SHARDS};
use super::dice::Dice;
use super::operations::{Disk, MOST, asked, told};
use super::wound::Wound;
use crate::wait;

/// Objects that are written to be deleted, and their length: what is longer is given back without compaction.
const DOOMED: usize = 1600;
const DOOMED_BYTES: usize = 40_000;

/// Objects that are written to get another class, and their length: more than fits into one cell.
const CONVERTED: usize = 200;
const CONVERTED_BYTES: usize = 600_000;

/// Requests at once while they are written.
const AT_ONCE: usize = 8;

/// Kills one node after another until `enough` says so.
async fn kill_until(
    bed: &mut Bed,
    dice: &mut Dice,
    what: &str,
    ask: &[&str],
    enough: impl Fn(Value) -> bool,
) -> Result<()> {
    let end = Instant::now() + MOST;
    for round in 0.. {
        let seen: Value = asked(bed, ask).await?;
        let said = seen.to_string();
        if enough(seen) {
            // Otherwise it was over before anybody died, and nothing was shown.
            ensure!(round > 0, "{what} was done at once: {said}");
            return Ok(());
        }
        ensure!(Instant::now() < end, "{what} did not end within {MOST:?}: {said}");
        // A few deaths are enough; then it must be able to finish.
        if round < 5 {
            kill_one(bed, dice).await?;
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    Ok(())
}

async fn kill_one(bed: &mut Bed, dice: &mut Dice) -> Result<()> {
    let node = dice.pick(&bed.others(&[])).context("there are no nodes")?;
    bed.cluster.node(node).kill()?;
    tokio::time::sleep(dice.seconds(0, 2)).await;
    bed.start(node).await
}

/// Any disk, by its number in the cluster.
async fn any_disk(bed: &Bed, dice: &mut Dice) -> Result<u32> {
    let disks: Vec<Disk> = asked(bed, &["disks"]).await?;
    let at = dice.below(disks.len() as u64) as usize;
    Ok(disks.get(at).context("there are no disks")?.id)
}

pub(super) async fn crash_in_drain(bed: &mut Bed, dice: &mut Dice) -> Result<Wound> {
    let disk = any_disk(bed, dice).await?;
    told(bed, &["admin", "disks", "set", &disk.to_string(), "--standing", "drain"]).await?;
    let left = |disks: Value| {
        let of = |line: &&Value| line["id"] == disk;
        disks.as_array().and_then(|all| all.iter().find(of)).is_some_and(|line| line["groups"] == 0)
    };
    kill_until(bed, dice, "the drain", &["disks"], left).await?;
    told(bed, &["admin", "disks", "set", &disk.to_string(), "--standing", "in"]).await?;
    Ok(Wound::None)
}

/// A disk that counts for less gives data away; then it counts for as much as before, and gets it back.
pub(super) async fn crash_in_balance(bed: &mut Bed, dice: &mut Dice) -> Result<Wound> {
    let disk = any_disk(bed, dice).await?;
    told(bed, &["admin", "balance", "throttle", "2MiB"]).await?;
    for weight in ["0.3", "1.0"] {
        told(bed, &["admin", "disks", "set", &disk.to_string(), "--weight", weight]).await?;
        wait::until("a plan that moves something", MOST, || async {
            let seen: Value = asked(bed, &["balance", "plan"]).await.map_err(|error| format!("{error:#}"))?;
            let ready = seen["measured"] == true && seen["plan"]["moves_total"].as_u64() > Some(0);
            if ready { Ok(()) } else { Err(seen.to_string()) }
        })
        .await?;
        begin_balancing(bed).await?;
        let ended = |seen: Value| seen["state"] == "idle";
        kill_until(bed, dice, "balancing", &["balance"], ended).await?;
    }
    told(bed, &["admin", "balance", "throttle", "0"]).await?;
    Ok(Wound::None)
}

/// It may have begun although nobody was there any more to say so.
async fn begin_balancing(bed: &Bed) -> Result<()> {
    wait::until("balancing to begin", Duration::from_secs(60), || async {
        let begun = bed.cluster.expect(&["--timeout", "5", "admin", "balance", "start"]).await;
        match begun {
            Ok(_) => Ok(()),
            Err(error) if format!("{error:#}").contains("runs already") => Ok(()),
            Err(error) => Err(format!("{error:#}")),
        }
    })
    .await
}

pub(super) async fn crash_in_class_change(bed: &mut Bed, dice: &mut Dice) -> Result<Wound> {
    let bucket = format!("/{}", bed.bucket);
    // Enough that it takes a while, on a new bed as well.
    let doors = bed.doors(&[]);
    let body = Bytes::from(vec![0xc5; CONVERTED_BYTES]);
    each(0..CONVERTED, |number| {
        let (doors, name, body) = (&doors, &bed.bucket, body.clone());
        async move {
            let key = format!("converted/{number}");
            patiently(|| doors.put(name, &key, body.clone())).await.map(drop)
        }
    })
    .await?;
    for class in [SHARDS, "standard"] {
        told(bed, &["class", "set", "-r", class, &bucket]).await?;
        // Files that were uploaded in parts are looked over as well, so some always come while there is load.
        let mostly = |status: Value| status["files_converting"].as_u64().is_some_and(|left| left < 40);
        kill_until(bed, dice, "the change of class", &["status"], mostly).await?;
    }
    Ok(Wound::None)
}

/// Tries again until it succeeds: nodes die around it.
async fn patiently<T, E: Display, F: Future<Output = Result<T, E>>>(what: impl Fn() -> F) -> Result<T> {
    wait::until("a request to succeed", Duration::from_secs(60), || async {
        what().await.map_err(|error| error.to_string())
    })
    .await
}

/// Does something for each number, a few at once.
async fn each<F: Future<Output = Result<()>>>(
    numbers: impl Iterator<Item = usize>,
    what: impl Fn(usize) -> F,
) -> Result<()> {
    futures::stream::iter(numbers.map(what)).buffer_unordered(AT_ONCE).try_collect().await
}

/// Bytes that each node copied in compaction since it was started.
async fn compacted(bed: &mut Bed) -> Result<BTreeMap<u8, f64>> {
    let doors = bed.doors(&[]);
    let mut all = BTreeMap::new();
    for node in bed.others(&[]) {
        let url = format!("http://{}/metrics", bed.cluster.node(node).spec().admin);
        let answer = patiently(|| doors.plain(&url)).await?;
        let text = String::from_utf8_lossy(&answer.body).into_owned();
        let lines = text.lines().filter(|line| line.starts_with("holdfast_chunk_compacted_bytes_total"));
        let values =
            lines.filter_map(|line| line.rsplit_once(' ')).filter_map(|(_, value)| value.parse::<f64>().ok());
        all.insert(node, values.sum());
    }
    Ok(all)
}

/// Most of what lies in some segments dies; whoever has begun to compact one is killed.
pub(super) async fn crash_in_compaction(bed: &mut Bed, dice: &mut Dice) -> Result<Wound> {
    let doors = bed.doors(&[]);
    let bucket = format!("doomed-{:08x}", rand::random::<u32>());
    doors.create_bucket(&bucket).await.context("make a bucket")?;
    told(bed, &["trash", "keep", &format!("/{bucket}"), "0"]).await?;
    let body = Bytes::from(vec![0x5a; DOOMED_BYTES]);
    let key = |number: usize| format!("{number:05}");
    each(0..DOOMED, |number| {
        let (doors, bucket, body) = (&doors, &bucket, body.clone());
        async move {
            let key = key(number);
            patiently(|| doors.put(bucket, &key, body.clone())).await.map(drop)
        }
    })
    .await?;
    each((0..DOOMED).filter(|number| number % 4 != 0), |number| {
        let (doors, bucket) = (&doors, &bucket);
        async move {
            let key = key(number);
            patiently(|| doors.delete(bucket, &key)).await
        }
    })
    .await?;
    let mut died = 0;
    let end = Instant::now() + MOST;
    let mut before = compacted(bed).await?;
    while died < 4 {
        ensure!(Instant::now() < end, "{died} nodes compacted anything within {MOST:?}");
        let now = compacted(bed).await?;
        // One that has just copied something goes on with the next segment, or with this one.
        let busy = bed.others(&[]).into_iter().find(|node| now.get(node) > before.get(node));
        before = now;
        if let Some(node) = busy {
            bed.cluster.node(node).kill()?;
            tokio::time::sleep(dice.seconds(0, 1)).await;
            bed.start(node).await?;
            died += 1;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    each((0..DOOMED).step_by(4), |number| {
        let (doors, bucket, body) = (&doors, &bucket, &body);
        async move {
            let key = key(number);
            let found = patiently(|| doors.get(bucket, &key)).await?;
            ensure!(found == *body, "{key} is not what was written");
            patiently(|| doors.delete(bucket, &key)).await
        }
    })
    .await?;
    Ok(Wound::None)
}
