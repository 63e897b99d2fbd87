//! A directory with very many entries: whoever lists it from another mount, with or without attributes, sees each entry
//! exactly once, also while others are created, renamed and removed between them.
//!
//! 30,000 entries by default. `HOLDFAST_LARGE_DIRECTORY=1000000` makes that many; run the test's program by itself then,
//! the test runner would end it after five minutes.

use std::collections::HashMap;
use std::fs;
use std::os::unix::fs::{DirEntryExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use holdfast_tests::cluster::Builder;
use holdfast_tests::mount::{Mount, missing};
use holdfast_tests::wait;
use rustix::fs::{CWD, FileType, Mode, mknodat};

/// Who makes them, at once.
const MAKERS: u64 = 12;

/// Resident bytes that the mount which lists may never reach, however many entries there are: its memory for names and
/// attributes is bounded and comes to less.
const CEILING: u64 = 400 << 20;

fn entries() -> u64 {
    std::env::var("HOLDFAST_LARGE_DIRECTORY").ok().and_then(|text| text.parse().ok()).unwrap_or(30_000)
}

/// The order of names is not that in which they are made, and their lengths differ.
fn spread(number: u64) -> u32 {
    (number as u32).wrapping_mul(2_654_435_761)
}

fn name(number: u64) -> String {
    format!("{:08x}-{number:0width$}", spread(number), width = 1 + (number % 40) as usize)
}

/// The number of an entry that exists throughout.
fn number(name: &str) -> Option<u64> {
    name.split_once('-')?.1.parse().ok()
}

/// Something about each that attributes show, and that no umask takes away.
fn mode(number: u64) -> u32 {
    0o400 | ((number % 4) as u32) << 6
}

fn make(dir: &Path, name: &str, mode: u32) -> Result<()> {
    // In one request, where a file that is opened and closed takes four.
    Ok(mknodat(CWD, dir.join(name), FileType::RegularFile, Mode::from_raw_mode(mode), 0)?)
}

async fn fill(dir: &Path, count: u64) -> Result<()> {
    let makers: Vec<_> = (0..MAKERS)
        .map(|maker| {
            let dir = dir.to_owned();
            tokio::task::spawn_blocking(move || -> Result<()> {
                for number in (maker..count).step_by(MAKERS as usize) {
                    make(&dir, &name(number), mode(number)).with_context(|| format!("entry {number}"))?;
                }
                Ok(())
            })
        })
        .collect();
    for maker in makers {
        maker.await??;
    }
    Ok(())
}

/// Lists the directory from one end to the other: entries 0 to `count` exactly once each, those that come and go at
/// most once, nothing else. Returns how many of those were seen.
fn listed(dir: &Path, count: u64, stat: bool) -> Result<usize> {
    let mut seen = vec![0u8; usize::try_from(count)?];
    let mut passing: HashMap<String, u8> = HashMap::new();
    for entry in fs::read_dir(dir)? {
        let entry = entry.context("read the directory")?;
        let found = entry.file_name().into_string().map_err(|odd| anyhow::anyhow!("a name {odd:?}"))?;
        let Some(number) = number(&found) else {
            ensure!(found.contains("-passing-"), "nobody made {found}");
            *passing.entry(found).or_default() += 1;
            continue;
        };
        ensure!(number < count && found == name(number), "nobody made {found}");
        seen[number as usize] += 1;
        if stat {
            let found = fs::symlink_metadata(entry.path()).with_context(|| format!("stat {found}"))?;
            let (ino, kind, bits) = (found.ino(), found.is_file(), found.mode() & 0o7777);
            let right = ino == entry.ino() && kind && bits == mode(number) && found.nlink() == 1;
            ensure!(right, "{number}: inode {ino}, listed as {}, mode {bits:o}", entry.ino());
        }
    }
    let wrong = |times: fn(u8) -> bool| -> Vec<String> {
        (0..count).filter(|number| times(seen[*number as usize])).map(name).collect()
    };
    let (lost, twice) = (wrong(|times| times == 0), wrong(|times| times > 1));
    ensure!(lost.is_empty(), "{} of {count} are not listed, such as {:?}", lost.len(), lost.first());
    ensure!(twice.is_empty(), "{} of {count} are listed twice, such as {:?}", twice.len(), twice.first());
    let again: Vec<_> = passing.iter().filter(|(_, times)| **times > 1).collect();
    ensure!(again.is_empty(), "listed twice while they come and go: {again:?}");
    Ok(passing.len())
}

/// How many requests of a kind the mount has answered.
fn requests(mount: &Mount, kind: &str) -> Result<u64> {
    let mut shown = vec![0; 64 << 10];
    let length = rustix::fs::getxattr(mount.at(), "holdfast.stats", &mut shown[..])?;
    let shown = String::from_utf8_lossy(&shown[..length]).into_owned();
    let line = shown.lines().find(|line| line.split_whitespace().next() == Some(kind));
    Ok(line.and_then(|line| line.split_whitespace().nth(1)?.parse().ok()).unwrap_or(0))
}

/// Others that are created, renamed and removed all over the directory, none of their names twice.
struct Passing {
    stop: Arc<AtomicBool>,
    done: Arc<AtomicU64>,
    work: tokio::task::JoinHandle<Result<()>>,
}

impl Passing {
    fn start(dir: PathBuf) -> Self {
        let (stop, done) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let (until, count) = (stop.clone(), done.clone());
        let work = tokio::task::spawn_blocking(move || {
            let place = |number: u64, word: &str| {
                dir.join(format!("{:08x}-passing-{number}{word}", spread(number.wrapping_mul(7919))))
            };
            for number in 0.. {
                if until.load(Ordering::Relaxed) {
                    break;
                }
                mknodat(CWD, place(number, ""), FileType::RegularFile, Mode::RUSR, 0)?;
                // Some hundred of them are there at any time.
                if let Some(old) = number.checked_sub(100) {
                    // Far away from where it was.
                    fs::rename(place(old, ""), place(old + 1_000_003, "moved")).context("rename")?;
                }
                if let Some(old) = number.checked_sub(300) {
                    fs::remove_file(place(old + 1_000_003, "moved")).context("remove")?;
                }
                count.store(number + 1, Ordering::Relaxed);
            }
            Ok(())
        });
        Self { stop, done, work }
    }

    fn done(&self) -> u64 {
        self.done.load(Ordering::Relaxed)
    }

    async fn stop(self) -> Result<()> {
        self.stop.store(true, Ordering::Relaxed);
        self.work.await?
    }
}

/// What the process of a mount took of memory at most, in bytes.
fn peak(mount: &mut Mount) -> Result<u64> {
    let status = fs::read_to_string(format!("/proc/{}/status", mount.process().pid()))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).context("no VmHWM")?;
    Ok(line.trim().trim_end_matches(" kB").parse::<u64>()? << 10)
}

#[tokio::test(flavor = "multi_thread")]
async fn very_many_entries_are_listed_once_each() -> Result<()> {
    if let Some(why) = missing() {
        eprintln!("SKIPPED {}: {why}", module_path!());
        return Ok(());
    }
    let count = entries();
    let cluster = Builder::new("large-directory").start().await?;
    cluster.expect(&["mkdir", "-p", "/bkt/large"]).await?;
    let here = Mount::new(&cluster, "here", "/bkt", &[]).await?;
    let mut there = Mount::new(&cluster, "there", "/bkt", &[]).await?;
    let began = Instant::now();
    fill(&here.path("large"), count).await?;
    eprintln!("{count} entries were made in {:.1?}", began.elapsed());

    let list = |stat: bool| {
        let dir = there.path("large");
        async move {
            let began = Instant::now();
            let passing = tokio::task::spawn_blocking(move || listed(&dir, count, stat)).await??;
            let how = if stat { "with attributes" } else { "names only" };
            eprintln!("listed {how} in {:.1?}, {passing} came and went", began.elapsed());
            anyhow::Ok(passing)
        }
    };
    let kinds = || anyhow::Ok((requests(&there, "readdir")?, requests(&there, "readdirplus")?));
    let begun = kinds()?;
    ensure!(list(false).await.context("names")? == 0, "others are there");
    let names = kinds()?;
    ensure!(list(true).await.context("names and attributes")? == 0, "others are there");
    let attributes = kinds()?;
    // The kernel asks for names or for names with attributes, as it is used: both were to be seen here.
    ensure!(names.0 > begun.0 && attributes.1 > names.1 + 1, "{begun:?}, {names:?}, {attributes:?}");

    let passing = Passing::start(here.path("large"));
    let (mut met, mut rounds) = (0, 0);
    // At least twice each, and until some of the others were really met.
    let end = Instant::now() + Duration::from_secs(120);
    while rounds < 2 || met == 0 {
        ensure!(Instant::now() < end || rounds < 2, "none of the others was ever listed");
        for stat in [false, true] {
            wait::until("others to come and go", Duration::from_secs(60), || async {
                if passing.work.is_finished() || passing.done() > 400 { Ok(()) } else { Err(passing.done()) }
            })
            .await?;
            let before = passing.done();
            met +=
                list(stat).await.with_context(|| format!("while others come and go, attributes: {stat}"))?;
            if passing.work.is_finished() || passing.done() == before {
                passing.stop().await?;
                bail!("nothing came or went meanwhile");
            }
        }
        rounds += 1;
    }
    passing.stop().await.context("who creates, renames and removes")?;
    let peak = peak(&mut there)?;
    eprintln!("the mount that lists took {} MiB at most", peak >> 20);
    ensure!(peak < CEILING, "the mount that lists took {} MiB", peak >> 20);
    there.finish(&cluster).await?;
    here.finish(&cluster).await?;
    cluster.finish().await
}
