//! Loads a real tree and two large files into the demo, and reads every byte back through the other door: what went
//! in through the command line comes out through S3, and the reverse.

use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use tokio::io::AsyncReadExt;
use tokio::process::Command;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::layout::{DemoFile, Layout};
use crate::oracle::Content;
use crate::s3;

/// Files that the tree has at least, when this machine has that many.
const FILES: usize = 20_500;
/// The tree's bytes at most.
const TREE_BYTES: u64 = 1_500 << 20;
/// Length of each large file: more than 1 GiB, and no multiple of anything.
const LARGE: u64 = (1 << 30) + (77 << 20) + 12_345;
const PART: u64 = 32 << 20;
const BUCKET: &str = "demo";
/// Room that all of it takes, with three copies.
const ROOM: u64 = 16 << 30;

struct Fill {
    demo: DemoFile,
    cluster: String,
    client: s3::Client,
    scratch: PathBuf,
}

/// Loads and compares.
pub async fn run(layout: &Layout, demo: DemoFile) -> Result<()> {
    let stat = rustix::fs::statvfs(layout.root()).context("look at the disk")?;
    let free = stat.f_bavail * stat.f_frsize;
    if free < ROOM {
        bail!("the demo needs {} GiB of free disk, there are {}", ROOM >> 30, free >> 30);
    }
    std::fs::create_dir_all(layout.scratch())?;
    let client = s3::Client::new(demo.s3.clone(), demo.credentials(), Duration::from_secs(60));
    let fill = Fill { cluster: layout.addresses()?, scratch: layout.scratch(), client, demo };
    fill.client.create_bucket(BUCKET).await.context("make the bucket")?;
    let (directories, files) = tokio::task::spawn_blocking(choose_tree).await??;
    println!("\n1. {} files of this machine go in through the command line", files.len());
    fill.put_tree(&directories).await?;
    println!("2. and come back through S3, each byte compared");
    fill.compare_tree(files).await?;
    println!("3. a file of {:.2} GiB goes in through the command line and comes back through S3", gib(LARGE));
    fill.large_in_by_cli().await?;
    println!("4. another goes in through S3 multipart and comes back through the command line");
    fill.large_in_by_s3().await?;
    std::fs::remove_dir_all(&fill.scratch)?;
    Ok(())
}

fn gib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 30)
}

/// A line that is redrawn on a terminal, and printed once at the end elsewhere.
struct Meter {
    what: String,
    total: u64,
    done: AtomicU64,
    started: Instant,
    terminal: bool,
}

impl Meter {
    fn new(what: &str, total: u64) -> Arc<Self> {
        Arc::new(Self {
            what: what.to_owned(),
            total,
            done: AtomicU64::new(0),
            started: Instant::now(),
            terminal: std::io::stderr().is_terminal(),
        })
    }

    fn add(&self, bytes: u64) {
        let before = self.done.fetch_add(bytes, Ordering::Relaxed);
        // At most a hundred lines.
        let step = (self.total / 100).max(1);
        if self.terminal && before / step != (before + bytes) / step {
            let _ = write!(std::io::stderr(), "\r   {}", self.line(before + bytes));
        }
    }

    fn line(&self, done: u64) -> String {
        let seconds = self.started.elapsed().as_secs_f64().max(0.001);
        let mib = f64::from(1 << 20);
        format!(
            "{}: {:.0} of {:.0} MiB, {:.0} MiB/s, {seconds:.0} s   ",
            self.what,
            done as f64 / mib,
            self.total as f64 / mib,
            done as f64 / mib / seconds
        )
    }

    fn end(&self) {
        let clear = if self.terminal { "\r" } else { "" };
        println!("{clear}   {}", self.line(self.done.load(Ordering::Relaxed)).trim_end());
    }
}

/// Regular files of this machine: directories to copy, and every file in them.
fn choose_tree() -> Result<(Vec<PathBuf>, Vec<PathBuf>)> {
    let home = std::env::var_os("HOME").map(PathBuf::from).unwrap_or_default();
    let places = [
        PathBuf::from("/usr/include"),
        "/usr/share".into(),
        "/usr/lib/python3".into(),
        home.join(".cargo/registry/src"),
        "/usr/lib".into(),
    ];
    let (mut directories, mut files, mut bytes) = (Vec::new(), Vec::new(), 0);
    for place in places {
        let Ok(entries) = std::fs::read_dir(&place) else { continue };
        let mut inner: Vec<PathBuf> = entries.filter_map(|e| Some(e.ok()?.path())).collect();
        inner.sort();
        for directory in inner.into_iter().filter(|path| path.is_dir() && !path.is_symlink()) {
            if files.len() >= FILES {
                return Ok((directories, files));
            }
            let mut found = Vec::new();
            let size = walk(&directory, &mut found)?;
            if found.is_empty() || bytes + size > TREE_BYTES {
                continue;
            }
            bytes += size;
            files.append(&mut found);
            directories.push(directory);
        }
    }
    if files.is_empty() {
        bail!("there are no files to load");
    }
    Ok((directories, files))
}

/// Adds the regular files below a directory; returns their bytes.
fn walk(directory: &Path, files: &mut Vec<PathBuf>) -> Result<u64> {
    let mut bytes = 0;
    let mut todo = vec![directory.to_path_buf()];
    while let Some(directory) = todo.pop() {
        for entry in std::fs::read_dir(&directory).with_context(|| format!("read {}", directory.display()))? {
            let entry = entry?;
            let kind = entry.file_type()?;
            if kind.is_dir() {
                todo.push(entry.path());
            } else if kind.is_file() {
                bytes += entry.metadata()?.len();
                files.push(entry.path());
            }
        }
    }
    Ok(bytes)
}

/// The key of a local file.
fn key_of(path: &Path) -> Result<String> {
    let text = path.to_str().with_context(|| format!("{} is not UTF-8", path.display()))?;
    Ok(format!("tree{text}"))
}

impl Fill {
    fn cli(&self, args: &[&str]) -> Command {
        let mut command = Command::new(&self.demo.binary);
        command.args(["--cluster", &self.cluster, "--timeout", "60"]).args(args).kill_on_drop(true);
        command
    }

    async fn run(&self, args: &[&str]) -> Result<()> {
        let status = self.cli(args).stdin(Stdio::null()).status().await.context("run holdfast")?;
        if !status.success() {
            bail!("holdfast {} ended with {status}", args.join(" "));
        }
        Ok(())
    }

    async fn put_tree(&self, directories: &[PathBuf]) -> Result<()> {
        let started = Instant::now();
        for directory in directories {
            let target = format!("hf:/{BUCKET}/{}", key_of(directory)?);
            let parent = target.rsplit_once('/').map_or(target.as_str(), |(parent, _)| parent);
            let source = directory.to_str().context("a directory's name is not UTF-8")?;
            self.run(&["mkdir", "-p", parent.trim_start_matches("hf:")]).await?;
            // What is there already with the same length and time stays: the second run is a short one.
            let into = format!("{target}/");
            let contents = format!("{source}/.");
            self.run(&["mkdir", "-p", target.trim_start_matches("hf:")]).await?;
            self.run(&["--quiet", "put", "--update", "-r", "-j", "32", &contents, &into]).await?;
        }
        println!("   {} directories in {:.0} s", directories.len(), started.elapsed().as_secs_f64());
        Ok(())
    }

    async fn compare_tree(&self, files: Vec<PathBuf>) -> Result<()> {
        let total = files.iter().filter_map(|f| f.metadata().ok()).map(|m| m.len()).sum();
        let meter = Meter::new("compared", total);
        let (permits, count) = (Arc::new(Semaphore::new(16)), files.len());
        let mut checks = JoinSet::new();
        for file in files {
            let permit = Arc::clone(&permits).acquire_owned().await?;
            let (client, meter) = (self.client.clone(), Arc::clone(&meter));
            checks.spawn(async move {
                let _permit = permit;
                let bytes = compare(&client, &file).await?;
                meter.add(bytes);
                anyhow::Ok(())
            });
            while let Some(ended) = checks.try_join_next() {
                ended??;
            }
        }
        while let Some(ended) = checks.join_next().await {
            ended??;
        }
        meter.end();
        println!("   {count} files are identical");
        Ok(())
    }

    async fn large_in_by_cli(&self) -> Result<()> {
        let content = Content { seed: 1, size: LARGE };
        let (key, path) = ("large-1.bin", self.scratch.join("large-1.bin"));
        if !self.is_there(key).await? {
            let target = path.clone();
            tokio::task::spawn_blocking(move || generate(content, &target)).await??;
            let source = path.to_str().context("the scratch directory's name is not UTF-8")?;
            let started = Instant::now();
            self.run(&["put", source, &format!("/{BUCKET}/{key}")]).await?;
            report("written", started);
            std::fs::remove_file(&path)?;
        }
        let meter = Meter::new("compared", LARGE);
        let mut offset = 0;
        while offset < LARGE {
            // Eight ranges at once, compared in order.
            let mut ranges = Vec::new();
            while ranges.len() < 8 && offset < LARGE {
                let length = PART.min(LARGE - offset);
                ranges.push((
                    offset,
                    length,
                    tokio::spawn(get_range(self.client.clone(), key, offset, length)),
                ));
                offset += length;
            }
            for (offset, length, range) in ranges {
                let (got, want) = (range.await??, content.range(offset, length));
                if got != want {
                    bail!("{key} differs between bytes {offset} and {}", offset + length);
                }
                meter.add(length);
            }
        }
        meter.end();
        Ok(())
    }

    async fn large_in_by_s3(&self) -> Result<()> {
        let content = Content { seed: 2, size: LARGE };
        let key = "large-2.bin";
        if !self.is_there(key).await? {
            let started = Instant::now();
            let upload = self.client.create_upload(BUCKET, key).await?;
            let mut parts = Vec::new();
            let count = LARGE.div_ceil(PART);
            let mut running: JoinSet<Result<s3::Part, s3::Error>> = JoinSet::new();
            for number in 0..count {
                while running.len() >= 4 {
                    parts.extend(running.join_next().await.transpose()?.transpose()?);
                }
                let (client, upload) = (self.client.clone(), upload.clone());
                let offset = number * PART;
                running.spawn(async move {
                    let body = content.range(offset, PART.min(LARGE - offset));
                    client.put_part(BUCKET, key, &upload, number as u32 + 1, body).await
                });
            }
            while let Some(part) = running.join_next().await {
                parts.push(part??);
            }
            parts.sort_by_key(|part| part.number);
            self.client.complete_upload(BUCKET, key, &upload, &parts).await?;
            report("written", started);
        }
        let mut cat = self.cli(&["cat", &format!("/{BUCKET}/{key}")]).stdout(Stdio::piped()).spawn()?;
        let mut out = cat.stdout.take().context("no output of holdfast cat")?;
        let meter = Meter::new("compared", LARGE);
        let mut offset = 0;
        while offset < LARGE {
            let length = PART.min(LARGE - offset);
            let mut got = vec![0; length as usize];
            out.read_exact(&mut got).await.context("holdfast cat ended early")?;
            if got != content.range(offset, length) {
                bail!("{key} differs between bytes {offset} and {}", offset + length);
            }
            offset += length;
            meter.add(length);
        }
        if out.read(&mut [0]).await? != 0 || !cat.wait().await?.success() {
            bail!("holdfast cat said more than it should, or failed");
        }
        meter.end();
        Ok(())
    }

    /// Whether an earlier run has put it; its bytes are compared all the same.
    async fn is_there(&self, key: &str) -> Result<bool> {
        match self.client.head(BUCKET, key).await {
            Ok(answer) => Ok(answer.header("content-length") == LARGE.to_string()),
            Err(error) if error.is_not_found() => Ok(false),
            Err(error) => Err(error.into()),
        }
    }
}

fn report(what: &str, started: Instant) {
    let seconds = started.elapsed().as_secs_f64();
    println!("   {what} in {seconds:.1} s ({:.0} MiB/s)", LARGE as f64 / f64::from(1 << 20) / seconds);
}

async fn get_range(
    client: s3::Client,
    key: &'static str,
    offset: u64,
    length: u64,
) -> Result<bytes::Bytes, s3::Error> {
    client.get_range(BUCKET, key, offset, length).await
}

/// Reads one file back and compares it. One that changed on this machine since it was copied is passed over.
async fn compare(client: &s3::Client, path: &Path) -> Result<u64> {
    let key = key_of(path)?;
    let got = client.get(BUCKET, &key).await.with_context(|| format!("read {key} back"))?;
    let want = tokio::fs::read(path).await.with_context(|| format!("read {}", path.display()))?;
    if got != want {
        let at = got.iter().zip(&want).position(|(a, b)| a != b).unwrap_or(got.len().min(want.len()));
        bail!("{key} differs from {} at byte {at} ({} and {} bytes)", path.display(), got.len(), want.len());
    }
    Ok(want.len() as u64)
}

fn generate(content: Content, path: &Path) -> Result<()> {
    let mut file = std::fs::File::create(path)?;
    let mut offset = 0;
    while offset < content.size {
        let length = PART.min(content.size - offset);
        file.write_all(&content.range(offset, length))?;
        offset += length;
    }
    Ok(())
}
