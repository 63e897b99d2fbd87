//! Applications that write through a mount and know what they were promised: files replaced the careful way, a log that
//! is appended to, blocks overwritten in place, each synced before it counts.
//!
//! What always holds: what `fsync`, or a write with `O_DSYNC`, has returned for is known here and looked for in the end;
//! what was under way may be there as a whole, as a beginning, or not at all, and never as anything else.
//!
//! Used by the tests of power failures and by the fault campaign.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::mount::Mount;
use crate::oracle::Content;
use crate::wait;

/// Lengths of whole files: inline, a few blocks, more than a chunk.
const SIZES: [u64; 4] = [700, 4096, 150_000, (8 << 20) + 5000];

/// Blocks of the file that is overwritten in place.
const BLOCKS: u64 = 32;
const BLOCK: u64 = 4096;

/// What one writer's files must be, kept outside the cluster.
#[derive(Debug, Default)]
struct Promised {
    /// Whole files that were synced.
    files: BTreeMap<PathBuf, Content>,
    /// A file that is being written: all, a beginning or nothing of it may be there.
    begun: Option<(PathBuf, Content)>,
    /// A synced file that is being renamed.
    moving: Option<Moving>,
    /// Synced bytes of the log.
    log: u64,
    /// What each block may hold, none: nothing was ever written; one, unless an overwrite was under way.
    blocks: BTreeMap<u64, Vec<Option<u64>>>,
}

/// A rename under way: the file is here or there, and what it replaces is there until it is.
#[derive(Debug)]
struct Moving {
    from: PathBuf,
    to: PathBuf,
    content: Content,
    replaces: Option<Content>,
}

/// A thread that writes below one directory until it is told to stop, or until its mount is gone.
struct Writer {
    dir: PathBuf,
    seed: u64,
    stop: Arc<AtomicBool>,
    durable: Arc<AtomicU64>,
    promised: Promised,
}

impl Writer {
    fn log_content(&self, length: u64) -> Content {
        Content { seed: self.seed ^ 0x106, size: length }
    }

    fn block(seed: u64) -> bytes::Bytes {
        Content { seed, size: BLOCK }.bytes()
    }

    fn work(mut self) -> (Promised, std::io::Result<()>) {
        let outcome = own_descriptors().and_then(|()| self.write());
        (self.promised, outcome)
    }

    fn write(&mut self) -> std::io::Result<()> {
        let mut log = OpenOptions::new().create(true).append(true).open(self.dir.join("log"))?;
        let blocks = OpenOptions::new()
            .create(true)
            .write(true)
            .truncate(false)
            .custom_flags(libc::O_DSYNC)
            .open(self.dir.join("blocks"))?;
        for round in 0.. {
            if self.stop.load(Ordering::Relaxed) {
                break;
            }
            self.whole_file(round)?;
            self.append(&mut log, 1000 + round * 37 % 9000)?;
            self.overwrite(&blocks, round * 7 % BLOCKS, self.seed ^ (round << 8))?;
            self.durable.fetch_add(3, Ordering::Relaxed);
        }
        Ok(())
    }

    /// Written beside, synced, renamed: as careful applications replace files.
    fn whole_file(&mut self, round: u64) -> std::io::Result<()> {
        // Long ones are few: the disks are small.
        let size = SIZES[if round % 16 == 5 { 3 } else { round as usize % 3 }];
        let content = Content { seed: self.seed ^ (round << 20), size };
        let (beside, path) = (self.dir.join("beside"), self.dir.join(format!("file-{}", round % 40)));
        self.promised.begun = Some((beside.clone(), content));
        let mut file = File::create(&beside)?;
        file.write_all(&content.bytes())?;
        file.sync_all()?;
        let replaces = self.promised.files.remove(&path);
        self.promised.begun = None;
        self.promised.moving = Some(Moving { from: beside.clone(), to: path.clone(), content, replaces });
        fs::rename(&beside, &path)?;
        self.promised.moving = None;
        self.promised.files.insert(path, content);
        Ok(())
    }

    fn append(&mut self, log: &mut File, length: u64) -> std::io::Result<()> {
        log.write_all(&self.log_content(u64::MAX).range(self.promised.log, length))?;
        log.sync_data()?;
        self.promised.log += length;
        Ok(())
    }

    fn overwrite(&mut self, file: &File, block: u64, seed: u64) -> std::io::Result<()> {
        self.promised.blocks.entry(block).or_insert_with(|| vec![None]).push(Some(seed));
        file.write_all_at(&Self::block(seed), block * BLOCK)?;
        self.promised.blocks.insert(block, vec![Some(seed)]);
        Ok(())
    }
}

/// Gives this thread a table of open files of its own. A process that the test starts inherits the table of the thread
/// that starts it, and closes it when it begins; to close a file of a mount is to write out what it holds, which waits
/// for the cluster. So `mount` and `umount`, without which the cluster does not come back, would wait for it.
fn own_descriptors() -> std::io::Result<()> {
    // SAFETY: closes descriptors in a table that no other thread sees from here on, and this thread holds none yet.
    match unsafe { libc::close_range(3, libc::c_uint::MAX, libc::CLOSE_RANGE_UNSHARE as libc::c_int) } {
        0 => Ok(()),
        _ => Err(std::io::Error::last_os_error()),
    }
}

/// What is in a file, if there is one.
fn content_of(path: &Path) -> Result<Option<Vec<u8>>> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| path.display().to_string()),
    }
}

/// Looks at what a writer left, through another mount.
fn verify(dir: &Path, written_at: &Path, seed: u64, promised: &Promised) -> Result<usize> {
    let here = |path: &Path| dir.join(path.strip_prefix(written_at).unwrap_or(path));
    for (path, content) in &promised.files {
        let found = fs::read(here(path)).with_context(|| format!("{} was synced", path.display()))?;
        ensure!(found == content.bytes(), "{} is not what was synced", path.display());
    }
    if let Some((path, content)) = &promised.begun
        && let Some(found) = content_of(&here(path))?
    {
        ensure!(content.bytes().starts_with(&found), "{} holds what nobody wrote", path.display());
    }
    if let Some(Moving { from, to, content, replaces }) = &promised.moving {
        let (from, to) = (content_of(&here(from))?, content_of(&here(to))?);
        let bytes = |content: &Content| content.bytes().to_vec();
        let before = from == Some(bytes(content)) && to == replaces.as_ref().map(bytes);
        let after = from.is_none() && to == Some(bytes(content));
        ensure!(before || after, "a synced file was lost by renaming it");
    }
    let log = fs::read(dir.join("log"))?;
    let (length, synced) = (log.len() as u64, promised.log);
    ensure!(length >= synced, "the log has {length} bytes, {synced} were synced");
    let expected = Content { seed: seed ^ 0x106, size: length }.bytes();
    ensure!(log == expected, "the log holds what nobody appended");
    let blocks = File::open(dir.join("blocks"))?;
    for (block, seeds) in &promised.blocks {
        let mut found = vec![0; BLOCK as usize];
        // Behind the end nothing is read, and that is what a block holds that was never written.
        match blocks.read_exact_at(&mut found, block * BLOCK) {
            Err(error) if error.kind() != ErrorKind::UnexpectedEof => return Err(error.into()),
            _ => {}
        }
        let fits = |seed: &Option<u64>| match seed {
            Some(seed) => found == Writer::block(*seed),
            None => found.iter().all(|byte| *byte == 0),
        };
        ensure!(seeds.iter().any(fits), "block {block} is none of the {} it may be", seeds.len());
    }
    Ok(promised.files.len() + promised.blocks.len() + 1)
}

type Running = JoinHandle<(Promised, std::io::Result<()>)>;

/// Writers below a mount, each in a directory of its own.
#[derive(Debug)]
pub struct Crowd {
    at: PathBuf,
    stop: Arc<AtomicBool>,
    durable: Arc<AtomicU64>,
    threads: Vec<(PathBuf, u64, Running)>,
}

impl Crowd {
    /// Makes `count` directories and starts a writer in each.
    pub fn start(mount: &Mount, name: &str, count: u64) -> Result<Self> {
        let (stop, durable) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let mut threads = Vec::new();
        for number in 0..count {
            let relative = PathBuf::from(format!("{name}-{number}"));
            let dir = mount.at().join(&relative);
            fs::create_dir(&dir)?;
            let seed = rand::random();
            let (stop, durable) = (Arc::clone(&stop), Arc::clone(&durable));
            let writer = Writer { dir, seed, stop, durable, promised: Promised::default() };
            threads.push((relative, seed, thread::spawn(move || writer.work())));
        }
        Ok(Self { at: mount.at().to_owned(), stop, durable, threads })
    }

    /// Waits until this many more operations are durable.
    pub async fn progress(&self, more: u64, most: Duration) -> Result<()> {
        let goal = self.durable.load(Ordering::Relaxed) + more;
        wait::until("enough synced operations", most, || async {
            let now = self.durable.load(Ordering::Relaxed);
            if now >= goal { Ok(()) } else { Err(format!("{} are missing", goal - now)) }
        })
        .await
    }

    /// Tells the writers to end, without waiting for it.
    pub fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    /// Ends the writers and checks what they left; says how much was checked. Errors of theirs count if `must_live`.
    pub fn check(self, through: &Mount, must_live: bool) -> Result<usize> {
        self.stop();
        let mut checked = 0;
        for (relative, seed, running) in self.threads {
            let (promised, outcome) = running.join().ok().context("a writer panicked")?;
            ensure!(outcome.is_ok() || !must_live, "{}: {outcome:?}", relative.display());
            let written_at = self.at.join(&relative);
            checked += verify(&through.at().join(&relative), &written_at, seed, &promised)
                .with_context(|| format!("{}, seed {seed}", relative.display()))?;
        }
        Ok(checked)
    }
}
