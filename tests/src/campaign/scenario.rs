//! One scenario: load through every door, the faults, and then everything that must hold.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use tokio::task::JoinHandle;

use super::bed::{Bed, SHARDS};
use super::dice::Dice;
use super::fault::Fault;

use super::registers::Registers;
use super::report::Row;
use crate::cluster::Status;
use crate::files::Crowd;
use crate::load::{self, Load, Plan, Summary};
use crate::oracle::Oracle;
use crate::s3;

/// Longest time until everything is whole again after the last fault.
const WHOLE: Duration = Duration::from_secs(180);

/// Longest wait for load to get going, or to go on.
const GOING: Duration = Duration::from_secs(90);

/// Longest time until the cluster says by itself that something is wrong, from the beginning of a fault.
const REPORTED: Duration = Duration::from_secs(12);

/// Removed buckets that are still looked at.
const MOST_GONE: usize = 8;

/// Writers of one bucket and what they know.
struct Bucket {
    name: String,
    oracle: Arc<Oracle>,
    load: Load,
}

/// Everybody who uses the cluster during a scenario.
struct Users {
    buckets: Vec<Bucket>,
    registers: Registers,
    crowd: Crowd,
}

/// What users saw.
struct Seen {
    summaries: Vec<Summary>,
    judged: usize,
}

fn plan(bucket: &str, writers: usize) -> Plan {
    Plan {
        bucket: bucket.to_owned(),
        writers,
        keys: 20,
        sizes: vec![100, 4096, 70_000, 1 << 20, 20_000, 300_000, 6 << 20],
        patience: Duration::from_secs(90),
        attempt: Duration::from_secs(2),
    }
}

/// Does these faults, one after another, under load, undoes them, and judges. The seed is in the error.
pub async fn run(bed: &mut Bed, faults: &[Fault], seed: u64) -> Result<Row> {
    let names = faults.iter().map(|fault| fault.name()).collect::<Vec<_>>().join(" + ");
    one(bed, faults, seed, names.clone()).await.with_context(|| format!("{names}, seed {seed}"))
}

async fn one(bed: &mut Bed, faults: &[Fault], seed: u64, names: String) -> Result<Row> {
    let mut dice = Dice::new(seed);
    bed.odd = dice.pick(&bed.others(&[])).context("there are no nodes")?;
    bed.restarts = 0;
    let clock = faults.iter().any(|fault| fault.is_clock());
    let odd = [bed.odd];
    let doors = bed.doors(if clock { &odd } else { &[] });
    let users = Users::start(bed, &doors, faults.len() + bed.past.len()).await?;
    users.progress(100).await.context("before the fault")?;
    let watch = Watch::start(bed)?;
    let mut wounds = Vec::new();
    for fault in faults {
        wounds.push(fault.inject(bed, &mut dice).await.with_context(|| format!("do {}", fault.name()))?);
    }
    let noticed = watch.stop().await;
    if let [fault] = faults
        && fault.is_reported()
    {
        let within = noticed.context("the cluster did not say that anything was wrong")?;
        ensure!(within < REPORTED, "the cluster said only after {within:?} that something was wrong");
    }
    for wound in wounds.into_iter().rev() {
        wound.heal(bed).await.context("undo it")?;
    }
    let healed = Instant::now();
    users.progress(60).await.context("after the fault")?;
    let (seen, written) = users.stop(bed).await?;
    bed.supervise().await?;
    bed.whole(WHOLE).await?;
    converted(bed).await?;
    let whole = healed.elapsed();
    if faults.iter().any(|fault| fault.needs_scrub()) {
        scrubbed(bed).await?;
    }
    let checked = everything_holds(bed, written).await?;
    let worst = |of: fn(&Summary) -> Duration| seen.summaries.iter().map(of).max().unwrap_or_default();
    Ok(Row {
        faults: names,
        seed,
        // While either bucket takes changes there is service.
        gap: seen.summaries.iter().map(|summary| summary.longest_gap).min().unwrap_or_default(),
        change: worst(|summary| summary.longest_change),
        read: worst(|summary| summary.longest_read),
        noticed,
        whole,
        acknowledged: seen.summaries.iter().map(|summary| summary.acknowledged).sum(),
        retries: seen.summaries.iter().map(|summary| summary.retries).sum(),
        checked,
        judged: seen.judged,
        restarts: bed.restarts,
    })
}

impl Users {
    async fn start(bed: &mut Bed, doors: &s3::Client, number: usize) -> Result<Self> {
        let tag = format!("{number}-{:08x}", rand::random::<u32>());
        let mut buckets = Vec::new();
        for (kind, writers, class) in [("copies", 6, None), ("shards", 3, Some(SHARDS))] {
            let name = format!("{kind}-{tag}");
            let oracle = Arc::new(Oracle::new(&bed.cluster.scratch()?.join(format!("journal-{name}")))?);
            doors.create_bucket(&name).await.context("make a bucket")?;
            if let Some(class) = class {
                bed.cluster.expect(&["class", "set", class, &format!("/{name}")]).await?;
            }
            let load = Load::start(doors.clone(), Arc::clone(&oracle), plan(&name, writers)).await?;
            buckets.push(Bucket { name, oracle, load });
        }
        bed.bucket = buckets[0].name.clone();
        let attempt = Duration::from_secs(3);
        let registers = Registers::start(doors.clone(), &format!("registers-{tag}"), attempt).await?;
        let crowd = Crowd::start(&bed.mount, &format!("crowd-{tag}"), 2)?;
        Ok(Self { buckets, registers, crowd })
    }

    async fn progress(&self, more: u64) -> Result<()> {
        for bucket in &self.buckets {
            bucket.load.progress(more, GOING).await.with_context(|| bucket.name.clone())?;
        }
        self.crowd.progress(more / 2, GOING).await.context("on the mount")
    }

    /// Ends them all. No operation may have been given up.
    async fn stop(self, bed: &mut Bed) -> Result<(Seen, Vec<(String, Arc<Oracle>)>)> {
        let (mut summaries, mut written) = (Vec::new(), Vec::new());
        for bucket in self.buckets {
            let summary = bucket.load.stop().await.with_context(|| bucket.name.clone())?;
            ensure!(summary.failures.is_empty(), "operations failed for good: {:?}", summary.failures);
            summaries.push(summary);
            written.push((bucket.name, bucket.oracle));
        }
        let judged = self.registers.judge().await.context("what was read has no order")?;
        self.crowd.stop();
        bed.crowds.push((self.crowd, true));
        Ok((Seen { summaries, judged }, written))
    }
}

/// Everything that must hold after every scenario; says how much was compared.
async fn everything_holds(bed: &mut Bed, written: Vec<(String, Arc<Oracle>)>) -> Result<usize> {
    bed.processes_are_well()?;
    let doors = bed.doors(&[]);
    let mut checked = bed.judge_crowds().await.context("files of the mount")?;
    for (bucket, oracle) in &written {
        checked += load::verify(&doors, bucket, oracle).await.with_context(|| bucket.clone())?;
    }
    // What was written before is still there; then it goes, and has to stay away.
    for (bucket, oracle) in std::mem::take(&mut bed.past) {
        checked +=
            load::verify(&doors, &bucket, &oracle).await.with_context(|| format!("the older {bucket}"))?;
        load::remove_all(&doors, &bucket, &oracle).await?;
        bed.gone.push((bucket, oracle));
    }
    if bed.gone.len() > MOST_GONE {
        bed.gone.drain(..2);
    }
    for (bucket, oracle) in &bed.gone {
        checked +=
            load::verify(&doors, bucket, oracle).await.with_context(|| format!("the removed {bucket}"))?;
    }
    bed.past = written;
    bed.checked(Duration::from_secs(90)).await?;
    Ok(checked)
}

/// Waits until every file lies in its class.
async fn converted(bed: &Bed) -> Result<()> {
    crate::wait::until("files to lie in their classes", WHOLE, || async {
        let seen: serde_json::Value =
            super::operations::asked(bed, &["status"]).await.map_err(|error| format!("{error:#}"))?;
        if seen["files_converting"] == 0 { Ok(()) } else { Err(seen["files_converting"].to_string()) }
    })
    .await
}

/// Has every byte read, and waits until what is damaged is mended. Of the damaged, the scrub also counts what nothing refers
/// to, such as records of writes that were broken off; those only go when no commit of theirs can come any more.
async fn scrubbed(bed: &mut Bed) -> Result<()> {
    // A disk that was given up meanwhile may only just be coming back.
    super::operations::told(bed, &["admin", "scrub", "now"]).await?;
    crate::wait::until("the scrub to end", WHOLE, || async {
        let seen: serde_json::Value = super::operations::asked(bed, &["scrub", "status"])
            .await
            .map_err(|error| format!("{error:#}"))?;
        // One that is not there any more is not read, and neither is it waited for.
        let idle = |disk: &serde_json::Value| {
            disk["liveness"] == "down" || disk["state"] == "waiting" && disk["order_waits"] == false
        };
        let done = seen.as_array().is_some_and(|all| all.iter().all(idle));
        if done { Ok(()) } else { Err(seen.to_string()) }
    })
    .await?;
    bed.whole(WHOLE).await?;
    let deep =
        || async { bed.cluster.expect(&["fsck", "--deep"]).await.map_err(|error| format!("{error:#}")) };
    crate::wait::until("every copy that counts to read back whole", WHOLE, deep).await.map(drop)
}

/// Looks at what the cluster says of itself while a fault lasts.
struct Watch {
    task: JoinHandle<Option<Duration>>,
    over: Arc<AtomicBool>,
}

impl Watch {
    fn start(bed: &Bed) -> Result<Self> {
        let (addresses, binary) = (bed.cluster.addresses(), crate::binary::holdfast()?);
        let (since, count) = (Instant::now(), bed.nodes.len());
        let over = Arc::new(AtomicBool::new(false));
        let seen_over = Arc::clone(&over);
        let task = tokio::spawn(async move {
            while !seen_over.load(Ordering::Relaxed) {
                let mut command = tokio::process::Command::new(&binary);
                command
                    .args(["--timeout", "3", "--json", "admin", "status"])
                    .env("HOLDFAST_CLUSTER", &addresses);
                let said = command.output().await.ok().filter(|output| output.status.success());
                let status = said.and_then(|output| serde_json::from_slice::<Status>(&output.stdout).ok());
                if status.is_some_and(|status| status.health != "healthy" || status.nodes_alive != count) {
                    return Some(since.elapsed());
                }
                tokio::time::sleep(Duration::from_millis(500)).await;
            }
            None
        });
        Ok(Self { task, over })
    }

    /// The fault is over. Time until the cluster said that something was wrong, if it did.
    async fn stop(self) -> Option<Duration> {
        self.over.store(true, Ordering::Relaxed);
        self.task.await.ok().flatten()
    }
}
