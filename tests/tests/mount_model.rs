//! Random operations through a mount and on a local file system: every answer, every error number and every byte is
//! the same, and what one mount did the other one sees.
//!
//! The seed of a failure is in its message; `HOLDFAST_SEED` runs one alone, `HOLDFAST_OPS` sets how long.

use std::collections::{BTreeMap, VecDeque};
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt as _, MetadataExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use holdfast_tests::cluster::{Builder, Cluster};
use holdfast_tests::mount::{Mount, missing};
use holdfast_tests::wait;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use rustix::fs::{CWD, RenameFlags, renameat_with};

/// Few, so that they meet.
const NAMES: [&str; 6] = ["a", "b", "c", "d1", "d2", "long-name-with-ünïcode"];
const DIRS: [&str; 4] = ["", "d1", "d2", "d1/d2"];

/// Longest file: a few blocks beyond what is kept inline.
const LONGEST: u64 = 300_000;

/// A seed that found something once: a file with unwritten bytes loses its last name to a rename.
const TELLING: u64 = 1_434_542_122;

/// Steps that a failure shows.
const BEFORE: usize = 60;

/// Operations through one mount before the other one looks.
const ROUND: usize = 250;

/// One operation; paths are relative.
#[derive(Clone, Debug)]
enum Step {
    Write(String, Vec<u8>),
    Append(String, Vec<u8>),
    Overwrite(String, u64, Vec<u8>),
    Truncate(String, u64),
    Read(String),
    Stat(String),
    List(String),
    MakeDir(String),
    RemoveDir(String),
    Unlink(String),
    Rename(String, String),
    RenameWith(String, String, RenameFlags),
    Link(String, String),
    Symlink(String, String),
    ReadLink(String),
    Mode(String, u32),
    Open(usize, String, bool),
    WriteHandle(usize, u64, Vec<u8>),
    ReadHandle(usize, u64, usize),
    SyncHandle(usize),
    StatHandle(usize),
    CloseHandle(usize),
}

/// What an operation came to, as far as it must be the same everywhere.
type Came = std::result::Result<Vec<u8>, i32>;

/// A tree under test, with the files that are open in it.
struct Tree {
    root: PathBuf,
    open: BTreeMap<usize, File>,
}

fn path(random: &mut StdRng) -> String {
    let dir = DIRS[random.random_range(0..DIRS.len())];
    let name = NAMES[random.random_range(0..NAMES.len())];
    if dir.is_empty() { name.to_owned() } else { format!("{dir}/{name}") }
}

fn bytes(random: &mut StdRng) -> Vec<u8> {
    let length = match random.random_range(0..10) {
        0 => 0,
        1..6 => random.random_range(1..5000),
        _ => random.random_range(1..100_000),
    };
    let first: u8 = random.random();
    (0..length).map(|at: usize| first.wrapping_add((at % 251) as u8)).collect()
}

fn step(random: &mut StdRng) -> Step {
    let slot = random.random_range(0..4);
    let offset = random.random_range(0..LONGEST / 2);
    match random.random_range(0..40) {
        0..4 => Step::Write(path(random), bytes(random)),
        4..6 => Step::Append(path(random), bytes(random)),
        6..8 => Step::Overwrite(path(random), offset, bytes(random)),
        8 => Step::Truncate(path(random), offset),
        9..12 => Step::Read(path(random)),
        12..16 => Step::Stat(path(random)),
        16..18 => Step::List(DIRS[random.random_range(0..DIRS.len())].to_owned()),
        18..20 => Step::MakeDir(path(random)),
        20 => Step::RemoveDir(path(random)),
        21..23 => Step::Unlink(path(random)),
        23..26 => Step::Rename(path(random), path(random)),
        26 => Step::RenameWith(path(random), path(random), RenameFlags::NOREPLACE),
        27 => Step::RenameWith(path(random), path(random), RenameFlags::EXCHANGE),
        28..30 => Step::Link(path(random), path(random)),
        30 => Step::Symlink(path(random), path(random)),
        31 => Step::ReadLink(path(random)),
        32 => Step::Mode(path(random), random.random_range(0..0o1000)),
        33..35 => Step::Open(slot, path(random), random.random()),
        35 => Step::WriteHandle(slot, offset, bytes(random)),
        36 => Step::ReadHandle(slot, offset, random.random_range(0..50_000)),
        37 => Step::SyncHandle(slot),
        38 => Step::StatHandle(slot),
        _ => Step::CloseHandle(slot),
    }
}

fn told(metadata: &fs::Metadata) -> Vec<u8> {
    // Directories have lengths and links of their own taste.
    let (length, links) = if metadata.is_dir() { (0, 0) } else { (metadata.len(), metadata.nlink()) };
    format!("{:o} {length} {links} {} {}", metadata.mode(), metadata.uid(), metadata.gid()).into_bytes()
}

fn list(dir: &Path) -> io::Result<Vec<u8>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        names.push(format!("{} {:?}", entry.file_name().to_string_lossy(), entry.file_type()?));
    }
    names.sort();
    Ok(names.join("\n").into_bytes())
}

impl Tree {
    fn at(&self, path: &str) -> PathBuf {
        self.root.join(path)
    }

    fn run(&mut self, step: &Step) -> Came {
        self.try_run(step).map_err(|error| error.raw_os_error().unwrap_or(-1))
    }

    fn try_run(&mut self, step: &Step) -> io::Result<Vec<u8>> {
        let done = |()| Vec::new();
        match step {
            Step::Write(path, bytes) => fs::write(self.at(path), bytes).map(done),
            Step::Append(path, bytes) => {
                let file = OpenOptions::new().append(true).open(self.at(path))?;
                io::Write::write_all(&mut &file, bytes).map(done)
            }
            Step::Overwrite(path, offset, bytes) => {
                OpenOptions::new().write(true).open(self.at(path))?.write_all_at(bytes, *offset).map(done)
            }
            Step::Truncate(path, length) => {
                OpenOptions::new().write(true).open(self.at(path))?.set_len(*length).map(done)
            }
            Step::Read(path) => fs::read(self.at(path)),
            Step::Stat(path) => Ok(told(&fs::symlink_metadata(self.at(path))?)),
            Step::List(path) => list(&self.at(path)),
            Step::MakeDir(path) => fs::create_dir(self.at(path)).map(done),
            Step::RemoveDir(path) => fs::remove_dir(self.at(path)).map(done),
            Step::Unlink(path) => fs::remove_file(self.at(path)).map(done),
            Step::Rename(from, to) => fs::rename(self.at(from), self.at(to)).map(done),
            Step::RenameWith(from, to, flags) => {
                Ok(renameat_with(CWD, self.at(from), CWD, self.at(to), *flags).map(done)?)
            }
            Step::Link(from, to) => fs::hard_link(self.at(from), self.at(to)).map(done),
            Step::Symlink(target, path) => symlink(target, self.at(path)).map(done),
            Step::ReadLink(path) => {
                Ok(fs::read_link(self.at(path))?.to_string_lossy().into_owned().into_bytes())
            }
            // Links may lead out of the tree that is compared.
            Step::Mode(path, _) if self.at(path).is_symlink() => Ok(Vec::new()),
            Step::Mode(path, mode) => {
                fs::set_permissions(self.at(path), fs::Permissions::from_mode(*mode)).map(done)
            }
            _ => self.run_handle(step),
        }
    }

    fn run_handle(&mut self, step: &Step) -> io::Result<Vec<u8>> {
        let missing = || io::Error::from_raw_os_error(libc::EBADF);
        match step {
            Step::Open(slot, path, create) => {
                let file = OpenOptions::new().read(true).write(true).create(*create).open(self.at(path))?;
                self.open.insert(*slot, file);
                Ok(Vec::new())
            }
            Step::WriteHandle(slot, offset, bytes) => {
                self.open.get(slot).ok_or_else(missing)?.write_all_at(bytes, *offset)?;
                Ok(Vec::new())
            }
            Step::ReadHandle(slot, offset, length) => {
                let file = self.open.get(slot).ok_or_else(missing)?;
                let mut buffer = vec![0; *length];
                let mut filled = 0;
                while filled < buffer.len() {
                    match file.read_at(&mut buffer[filled..], offset + filled as u64)? {
                        0 => break,
                        read => filled += read,
                    }
                }
                buffer.truncate(filled);
                Ok(buffer)
            }
            Step::SyncHandle(slot) => {
                self.open.get(slot).ok_or_else(missing)?.sync_all().map(|()| Vec::new())
            }
            Step::StatHandle(slot) => Ok(told(&self.open.get(slot).ok_or_else(missing)?.metadata()?)),
            Step::CloseHandle(slot) => {
                self.open.remove(slot);
                Ok(Vec::new())
            }
            other => unreachable!("{other:?} needs no handle"),
        }
    }

    /// Every name with what it stands for.
    fn whole(&self) -> io::Result<BTreeMap<PathBuf, Vec<u8>>> {
        let mut found = BTreeMap::new();
        let mut dirs = vec![PathBuf::new()];
        while let Some(dir) = dirs.pop() {
            for entry in fs::read_dir(self.root.join(&dir))? {
                let name = dir.join(entry?.file_name());
                let path = self.root.join(&name);
                let metadata = fs::symlink_metadata(&path)?;
                let mut what = told(&metadata);
                if metadata.is_dir() {
                    dirs.push(name.clone());
                } else if metadata.is_symlink() {
                    what.extend(fs::read_link(&path)?.to_string_lossy().bytes());
                } else {
                    what.extend(fs::read(&path)?);
                }
                found.insert(name, what);
            }
        }
        Ok(found)
    }
}

/// What two trees differ in, in a form to read.
fn difference(real: &BTreeMap<PathBuf, Vec<u8>>, model: &BTreeMap<PathBuf, Vec<u8>>) -> Option<String> {
    let short = |what: Option<&Vec<u8>>| {
        what.map(|what| String::from_utf8_lossy(&what[..what.len().min(40)]).into_owned())
    };
    let names = real.keys().chain(model.keys());
    let wrong =
        names.filter(|name| real.get(*name) != model.get(*name)).collect::<std::collections::BTreeSet<_>>();
    let lines = wrong.iter().take(5).map(|name| {
        format!("{}: {:?}, should be {:?}", name.display(), short(real.get(*name)), short(model.get(*name)))
    });
    (!wrong.is_empty()).then(|| lines.collect::<Vec<_>>().join("\n"))
}

async fn agree(other: &Path, model: &Tree, seed: u64) -> Result<()> {
    let seen = Tree { root: other.to_owned(), open: BTreeMap::new() };
    wait::until("the other mount to see the same", Duration::from_secs(10), || async {
        let (seen, model) = (seen.whole(), model.whole());
        let (seen, model) = (seen.map_err(|e| e.to_string())?, model.map_err(|e| e.to_string())?);
        difference(&seen, &model).map_or(Ok(()), Err)
    })
    .await
    .with_context(|| format!("seed {seed}"))
}

async fn compare(mounts: &[Mount; 2], seed: u64, operations: usize) -> Result<()> {
    let mut random = StdRng::seed_from_u64(seed);
    let scratch = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir())?;
    let name = format!("seed-{seed}");
    fs::create_dir(mounts[0].path(&name))?;
    let mut model = Tree { root: scratch.path().to_owned(), open: BTreeMap::new() };
    let mut before = VecDeque::new();
    let mut done = 0;
    let mut turn = 0;
    while done < operations {
        let [here, there] = [turn % 2, (turn + 1) % 2].map(|at| mounts[at].path(&name));
        wait::until("the directory to be here", Duration::from_secs(10), || async {
            here.is_dir().then_some(()).ok_or_else(|| "not yet".to_owned())
        })
        .await?;
        let mut real = Tree { root: here, open: BTreeMap::new() };
        for _ in 0..ROUND {
            let step = step(&mut random);
            let (came, should) = (real.run(&step), model.run(&step));
            let same = came == should || both_refuse(&came, &should);
            let text = format!("{step:?}").chars().take(150).collect::<String>();
            let [came, should] = [came, should].map(|came| short(&came));
            if before.len() == BEFORE {
                before.pop_front();
            }
            before.push_back(format!("{done}: {text}: {should}"));
            ensure!(
                same,
                "seed {seed}, operation {done}: {text}: {came}, but on a local disk {should}; before it:\n{}",
                before.iter().map(String::as_str).collect::<Vec<_>>().join("\n")
            );
            done += 1;
        }
        real.open.clear();
        model.open.clear();
        agree(&there, &model, seed).await?;
        turn += 1;
    }
    Ok(())
}

fn short(came: &Came) -> String {
    match came {
        Ok(bytes) => {
            format!("{} bytes {:?}", bytes.len(), String::from_utf8_lossy(&bytes[..bytes.len().min(60)]))
        }
        Err(errno) => io::Error::from_raw_os_error(*errno).to_string(),
    }
}

/// Where the standard leaves the number open, any of them is right.
fn both_refuse(came: &Came, should: &Came) -> bool {
    const EITHER: [[i32; 2]; 1] = [[libc::EEXIST, libc::ENOTEMPTY]];
    match (came, should) {
        (Err(came), Err(should)) => EITHER.iter().any(|pair| pair.contains(came) && pair.contains(should)),
        _ => false,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn random_operations_do_what_a_local_file_system_does() -> Result<()> {
    if let Some(why) = missing() {
        eprintln!("SKIPPED {}: {why}", module_path!());
        return Ok(());
    }
    let number = |name: &str| std::env::var(name).ok().and_then(|value| value.parse::<u64>().ok());
    let operations = number("HOLDFAST_OPS").unwrap_or(2000) as usize;
    let seeds = number("HOLDFAST_SEED")
        .map_or_else(|| vec![1, 2, TELLING, rand::random_range(3..1 << 32)], |seed| vec![seed]);
    let cluster: Cluster = Builder::new("mount-model").start().await?;
    cluster.expect(&["mkdir", "/bkt"]).await?;
    let mounts =
        [Mount::new(&cluster, "one", "/bkt", &[]).await?, Mount::new(&cluster, "two", "/bkt", &[]).await?];
    for seed in seeds {
        compare(&mounts, seed, operations).await?;
    }
    for mount in mounts {
        mount.finish(&cluster).await?;
    }
    cluster.finish().await
}
