//! All nodes lose power while applications write through mounts: what `fsync` has returned for is there afterwards, to
//! the byte, and nothing ever holds bytes that nobody wrote there.
//!
//! One mount lives through it: its applications wait and go on, without an error. The other one dies with the nodes, as
//! on a machine that is one of them.

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
use holdfast_tests::cluster::Builder;
use holdfast_tests::mount::{Mount, missing};
use holdfast_tests::oracle::Content;
use holdfast_tests::volume::Kind;
use holdfast_tests::{skip_unless_root_with, wait};

/// Lengths of whole files: inline, a few blocks, more than a chunk.
const SIZES: [u64; 4] = [700, 4096, 150_000, (8 << 20) + 5000];

/// Blocks of the file that is overwritten in place.
const BLOCKS: u64 = 32;
const BLOCK: u64 = 4096;

/// Operations that must be durable before power goes.
const ENOUGH: u64 = 200;

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

/// Writers below a mount; the directories are made before.
struct Crowd {
    at: PathBuf,
    stop: Arc<AtomicBool>,
    durable: Arc<AtomicU64>,
    threads: Vec<(PathBuf, u64, Running)>,
}

impl Crowd {
    fn start(mount: &Mount, name: &str, count: u64) -> Result<Self> {
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

    async fn progress(&self, most: Duration) -> Result<()> {
        let goal = self.durable.load(Ordering::Relaxed) + ENOUGH;
        wait::until("enough synced operations", most, || async {
            let now = self.durable.load(Ordering::Relaxed);
            if now >= goal { Ok(()) } else { Err(format!("{} are missing", goal - now)) }
        })
        .await
    }

    /// Ends the writers and checks what they left; says how much was checked. Errors of theirs count if `must_live`.
    fn check(self, through: &Mount, must_live: bool) -> Result<usize> {
        self.stop.store(true, Ordering::Relaxed);
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

#[tokio::test(flavor = "multi_thread")]
async fn what_fsync_returned_for_outlives_a_power_failure_of_all_nodes() -> Result<()> {
    skip_unless_root_with!("mkfs.ext4", "mount", "umount");
    if let Some(why) = missing() {
        eprintln!("SKIPPED {}: {why}", module_path!());
        return Ok(());
    }
    let mut cluster = Builder::new("power-mount").nodes(3).disks(1).volumes(Kind::Ext4, 1024).start().await?;
    // Calls that were in the kernel when power went end with an I/O error before the process is killed.
    for consequence in ["Input/output error", "out of service", "openraft", "metadata group", "core"] {
        cluster.announce(consequence);
    }
    cluster.expect(&["mkdir", "/bkt"]).await?;
    // Losing power and coming back takes a while here.
    let lives = Mount::new(&cluster, "lives", "/bkt", &["--io-timeout", "180"]).await?;
    for time in 0..2 {
        let lasting = Crowd::start(&lives, &format!("lasting-{time}"), 2)?;
        let mut dies = Mount::new(&cluster, &format!("dies-{time}"), "/bkt", &[]).await?;
        let dying = Crowd::start(&dies, &format!("dying-{time}"), 2)?;
        lasting.progress(Duration::from_secs(60)).await?;
        dying.progress(Duration::from_secs(60)).await?;
        cluster.power_loss()?;
        dies.process().kill()?;
        drop(dies);
        cluster.start_all().await.context("after power came back")?;
        let looks = Mount::new(&cluster, &format!("looks-{time}"), "/bkt", &[]).await?;
        let checked = lasting.check(&looks, true)? + dying.check(&looks, false)?;
        println!("{checked} things are as synced");
        looks.finish(&cluster).await?;
    }
    drop(lives);
    for number in 1..=cluster.len() {
        ensure!(cluster.node(number).is_running(), "node {number} has ended");
    }
    cluster.finish().await
}
