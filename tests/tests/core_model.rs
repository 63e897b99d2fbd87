//! The mount's core without the kernel, against a reference in memory: random operations, shrunk when they fail.
//!
//! The kernel hides much of the core: it looks names up first, keeps pages, refuses what makes no sense. Here every
//! call reaches it. Two cores with sessions of their own take turns; what one closed, the other one opens and must find
//! to the byte.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};
use bytes::Bytes;
use holdfast_client::{Client, ClientConfig};
use holdfast_mount::MountConfig;
use holdfast_mount::errno::Errno;
use holdfast_mount::fs::{Caller, Fs, NewNode, SetAttr, Whence, WriteAt};
use holdfast_proto::inode::FileKind;
use holdfast_proto::op::RenameMode;
use holdfast_tests::cluster::{Builder, Cluster};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError, TestError, TestRunner};

const NAMES: [&[u8]; 5] = [b"a", b"b", b"c", b"d", "\u{e9} e".as_bytes()];

/// One operation. Files are meant by number among those that are open, modulo how many there are.
#[derive(Clone, Debug)]
enum Step {
    Create(usize),
    Unlink(usize),
    Rename(usize, usize, bool),
    Link(usize, usize),
    Write(usize, u64, u64, u8),
    Append(usize, u64, u8),
    Truncate(usize, u64),
    Punch(usize, u64, u64),
    Zero(usize, u64, u64, bool),
    Copy(usize, usize, u64, u64, u64),
    Read(usize, u64, u64),
    Sync(usize),
    Stat(usize),
    Holes(usize),
    /// Everything is closed, and the other core goes on.
    Switch,
}

fn step() -> impl Strategy<Value = Step> {
    let (name, file) = (0..NAMES.len(), 0..8usize);
    let at = prop_oneof![0..200_000u64, Just(0), Just(4096), Just(131_072)];
    let length = prop_oneof![3 => 1..5000u64, 2 => 1..70_000u64, 1 => Just(4096)];
    prop_oneof![
        4 => name.clone().prop_map(Step::Create),
        2 => name.clone().prop_map(Step::Unlink),
        2 => (name.clone(), name.clone(), any::<bool>()).prop_map(|(a, b, swap)| Step::Rename(a, b, swap)),
        1 => (name.clone(), name).prop_map(|(a, b)| Step::Link(a, b)),
        8 => (file.clone(), at.clone(), length.clone(), any::<u8>())
            .prop_map(|(f, at, n, fill)| Step::Write(f, at, n, fill)),
        3 => (file.clone(), length.clone(), any::<u8>()).prop_map(|(f, n, fill)| Step::Append(f, n, fill)),
        3 => (file.clone(), at.clone()).prop_map(|(f, to)| Step::Truncate(f, to)),
        2 => (file.clone(), at.clone(), length.clone()).prop_map(|(f, at, n)| Step::Punch(f, at, n)),
        1 => (file.clone(), at.clone(), length.clone(), any::<bool>())
            .prop_map(|(f, at, n, keep)| Step::Zero(f, at, n, keep)),
        2 => (file.clone(), file.clone(), at.clone(), at.clone(), length.clone())
            .prop_map(|(f, g, from, to, n)| Step::Copy(f, g, from, to, n)),
        6 => (file.clone(), at, length).prop_map(|(f, at, n)| Step::Read(f, at, n)),
        2 => file.clone().prop_map(Step::Sync),
        2 => file.clone().prop_map(Step::Stat),
        1 => file.prop_map(Step::Holes),
        2 => Just(Step::Switch),
    ]
}

/// What a file must be.
#[derive(Clone, Debug, Default)]
struct Reference {
    bytes: Vec<u8>,
    names: u32,
    ino: u64,
    /// Read and write, and one that appends.
    handles: Option<[u64; 2]>,
}

/// One run: the directory it works in, the core whose turn it is, and what must be there.
struct Run<'c> {
    cores: &'c [Fs; 2],
    turn: usize,
    dir: u64,
    names: BTreeMap<&'static [u8], usize>,
    files: Vec<Reference>,
}

type Checked = Result<(), TestCaseError>;

fn went<T>(outcome: Result<T, Errno>, what: &str) -> Result<T, TestCaseError> {
    outcome.map_err(|errno| TestCaseError::fail(format!("{what}: {errno:?}")))
}

/// The bytes at a range of a reference, cut at its end.
fn cut(bytes: &[u8], at: u64, length: u64) -> &[u8] {
    let end = (at.saturating_add(length) as usize).min(bytes.len());
    &bytes[(at as usize).min(end)..end]
}

fn put(bytes: &mut Vec<u8>, at: u64, new: &[u8]) {
    let end = at as usize + new.len();
    if bytes.len() < end {
        bytes.resize(end, 0);
    }
    bytes[at as usize..end].copy_from_slice(new);
}

impl Run<'_> {
    fn core(&self) -> &Fs {
        &self.cores[self.turn]
    }

    /// A file that is open, and its first handle.
    fn open_file(&self, number: usize) -> Option<(usize, [u64; 2])> {
        let open: Vec<_> =
            (0..self.files.len()).filter_map(|at| Some((at, self.files[at].handles?))).collect();
        (!open.is_empty()).then(|| open[number % open.len()])
    }

    async fn step(&mut self, step: &Step) -> Checked {
        match *step {
            Step::Create(name) => self.create(NAMES[name]).await,
            Step::Unlink(name) => self.unlink(NAMES[name]).await,
            Step::Rename(from, to, swap) => self.rename(NAMES[from], NAMES[to], swap).await,
            Step::Link(from, to) => self.link(NAMES[from], NAMES[to]).await,
            Step::Switch => self.switch().await,
            Step::Copy(from, to, at, target, length) => self.copy(from, to, at, target, length).await,
            ref other => self.content(other).await,
        }
    }

    async fn create(&mut self, name: &'static [u8]) -> Checked {
        let node = NewNode::plain(FileKind::File, 0o644, 0o022);
        let flags = libc::O_RDWR | libc::O_CREAT | libc::O_EXCL;
        let made = self.core().create(Caller::default(), self.dir, name, node, flags).await;
        if self.names.contains_key(name) {
            prop_assert_eq!(made.err(), Some(Errno::EXIST), "create over {:?}", name);
            return Ok(());
        }
        let made = went(made, "create")?;
        let appends = went(self.core().open(made.attr.ino, libc::O_RDWR | libc::O_APPEND).await, "open")?;
        self.names.insert(name, self.files.len());
        let handles = Some([made.handle, appends.handle]);
        self.files.push(Reference { names: 1, ino: made.attr.ino, handles, ..Reference::default() });
        Ok(())
    }

    async fn unlink(&mut self, name: &'static [u8]) -> Checked {
        let outcome = self.core().unlink(self.dir, name).await;
        match self.names.remove(name) {
            Some(file) => {
                self.files[file].names -= 1;
                went(outcome, "unlink")
            }
            None => {
                prop_assert_eq!(outcome.err(), Some(Errno::NOENT), "unlink of nothing");
                Ok(())
            }
        }
    }

    async fn rename(&mut self, from: &'static [u8], to: &'static [u8], swap: bool) -> Checked {
        let mode = if swap { RenameMode::Exchange } else { RenameMode::Replace };
        let outcome = self.core().rename((self.dir, from), (self.dir, to), mode).await;
        let (source, target) = (self.names.get(from).copied(), self.names.get(to).copied());
        let (Some(source), true) = (source, target.is_some() || !swap) else {
            prop_assert_eq!(outcome.err(), Some(Errno::NOENT), "rename of nothing");
            return Ok(());
        };
        went(outcome, "rename")?;
        match target {
            // Two names of one file stay as they are (rename(2)).
            Some(target) if target == source => {}
            Some(target) if swap => {
                self.names.insert(from, target);
                self.names.insert(to, source);
            }
            replaced => {
                if let Some(file) = replaced {
                    self.files[file].names -= 1;
                }
                self.names.remove(from);
                self.names.insert(to, source);
            }
        }
        Ok(())
    }

    async fn link(&mut self, from: &'static [u8], to: &'static [u8]) -> Checked {
        let Some(file) = self.names.get(from).copied() else { return Ok(()) };
        let outcome = self.core().link(self.files[file].ino, self.dir, to).await;
        if self.names.contains_key(to) {
            prop_assert_eq!(outcome.err(), Some(Errno::EXIST), "link over a name");
            return Ok(());
        }
        let attr = went(outcome, "link")?;
        self.names.insert(to, file);
        self.files[file].names += 1;
        prop_assert_eq!(attr.nlink, self.files[file].names);
        Ok(())
    }

    async fn copy(&mut self, from: usize, to: usize, at: u64, target: u64, length: u64) -> Checked {
        let (Some((source, [read, _])), Some((into, [write, _]))) =
            (self.open_file(from), self.open_file(to))
        else {
            return Ok(());
        };
        if source == into {
            return Ok(());
        }
        let copied = went(self.core().copy_range((read, at), (write, target), length, false).await, "copy")?;
        let bytes = cut(&self.files[source].bytes, at, length).to_vec();
        prop_assert_eq!(copied, bytes.len() as u64, "bytes copied");
        if !bytes.is_empty() {
            put(&mut self.files[into].bytes, target, &bytes);
        }
        Ok(())
    }

    async fn content(&mut self, step: &Step) -> Checked {
        let (Step::Write(number, ..)
        | Step::Append(number, ..)
        | Step::Truncate(number, _)
        | Step::Punch(number, ..)
        | Step::Zero(number, ..)
        | Step::Read(number, ..)
        | Step::Sync(number)
        | Step::Stat(number)
        | Step::Holes(number)) = *step
        else {
            return Err(TestCaseError::fail("not a step of a file's content"));
        };
        let Some((file, [handle, appends])) = self.open_file(number) else { return Ok(()) };
        let (core, ino) = (self.cores[self.turn].clone(), self.files[file].ino);
        let bytes = &mut self.files[file].bytes;
        match *step {
            Step::Write(_, at, length, fill) => {
                let data = Bytes::from(vec![fill; length as usize]);
                let how = WriteAt { offset: at, ..WriteAt::default() };
                prop_assert_eq!(went(core.write(handle, data.clone(), how, false).await, "write")?, length);
                put(bytes, at, &data);
            }
            Step::Append(_, length, fill) => {
                let data = Bytes::from(vec![fill; length as usize]);
                let how = WriteAt { appends: true, ..WriteAt::default() };
                let wrote = core.write(appends, data.clone(), how, fill % 2 == 0).await;
                prop_assert_eq!(went(wrote, "append")?, length);
                bytes.extend_from_slice(&data);
            }
            Step::Truncate(_, to) => {
                let change = SetAttr { size: Some(to), ..SetAttr::default() };
                prop_assert_eq!(went(core.setattr(ino, change).await, "truncate")?.size, to);
                bytes.resize(to as usize, 0);
            }
            Step::Punch(_, at, length) => {
                let mode = libc::FALLOC_FL_PUNCH_HOLE | libc::FALLOC_FL_KEEP_SIZE;
                went(core.fallocate(handle, at, length, mode, false).await, "punch")?;
                let zeros = vec![0; cut(bytes, at, length).len()];
                put(bytes, at.min(bytes.len() as u64), &zeros);
            }
            Step::Zero(_, at, length, keep) => {
                let mode = libc::FALLOC_FL_ZERO_RANGE | if keep { libc::FALLOC_FL_KEEP_SIZE } else { 0 };
                went(core.fallocate(handle, at, length, mode, false).await, "zero")?;
                let count = if keep { cut(bytes, at, length).len() } else { length as usize };
                put(bytes, if keep { at.min(bytes.len() as u64) } else { at }, &vec![0; count]);
            }
            Step::Read(_, at, length) => {
                let found = went(core.read(handle, at, length).await, "read")?;
                prop_assert!(found.with(|found| found == cut(bytes, at, length)), "bytes {at}+{length}");
            }
            Step::Sync(_) => went(core.fsync(handle).await, "fsync")?,
            Step::Stat(_) => {
                let size = bytes.len() as u64;
                // Bytes to append are not in the file before they are committed.
                went(core.fsync(appends).await, "fsync")?;
                let attr = went(core.getattr(ino).await, "stat")?;
                prop_assert_eq!((attr.size, attr.nlink), (size, self.files[file].names));
            }
            Step::Holes(_) => holes(&core, handle, bytes).await?,
            _ => {}
        }
        Ok(())
    }

    /// Closes everything, gives the other core its turn, and looks at all of it from there.
    async fn switch(&mut self) -> Checked {
        for file in &mut self.files {
            for handle in file.handles.take().into_iter().flatten() {
                let core = &self.cores[self.turn];
                went(core.flush_handle(handle, 0).await, "close")?;
                core.release(handle).await;
            }
        }
        self.turn = 1 - self.turn;
        let listed = self.listed().await?;
        let expected: Vec<&[u8]> = self.names.keys().copied().collect();
        prop_assert_eq!(listed, expected, "names");
        for (name, file) in self.names.clone() {
            let attr = went(self.core().lookup(self.dir, name).await, "lookup")?;
            let opened = went(self.core().open(attr.ino, libc::O_RDWR).await, "open")?;
            let should = &self.files[file];
            let told = (opened.attr.ino, opened.attr.size, opened.attr.nlink);
            prop_assert_eq!(told, (should.ino, should.bytes.len() as u64, should.names), "{:?}", name);
            let found = went(self.core().read(opened.handle, 0, 1 << 20).await, "read")?;
            prop_assert!(found.with(|found| found == should.bytes), "content of {name:?} in the other core");
            if should.handles.is_some() {
                self.core().release(opened.handle).await;
                continue;
            }
            let appends = self.core().open(attr.ino, libc::O_RDWR | libc::O_APPEND).await;
            self.files[file].handles = Some([opened.handle, went(appends, "open")?.handle]);
        }
        Ok(())
    }

    async fn listed(&self) -> Result<Vec<Vec<u8>>, TestCaseError> {
        let handle = self.core().opendir(self.dir);
        let mut listed = went(self.core().readdir(handle, 0).await, "readdir")?;
        let mut names = Vec::new();
        while let Some(entry) = went(listed.peek().await, "readdir")? {
            if ![&b"."[..], b".."].contains(&&entry.name[..]) {
                names.push(entry.name.to_vec());
            }
            listed.advance();
        }
        drop(listed);
        self.core().releasedir(handle);
        names.sort();
        Ok(names)
    }
}

/// Every stretch that is called a hole reads as zeros, and stretches cover the file.
async fn holes(core: &Fs, handle: u64, bytes: &[u8]) -> Checked {
    let mut at = 0;
    while at < bytes.len() as u64 {
        let data = match core.seek(handle, at, Whence::Data).await {
            Ok(data) => data,
            Err(errno) => {
                prop_assert_eq!(errno, Errno::NXIO);
                bytes.len() as u64
            }
        };
        prop_assert!(data >= at && bytes[at as usize..data as usize].iter().all(|byte| *byte == 0));
        if data == bytes.len() as u64 {
            break;
        }
        let hole = went(core.seek(handle, data, Whence::Hole).await, "seek")?;
        prop_assert!(hole > data && hole <= bytes.len() as u64, "a hole at {hole} behind {data}");
        at = hole;
    }
    Ok(())
}

async fn core(cluster: &Cluster, name: &str) -> Result<Fs> {
    let config = ClientConfig {
        metaservers: cluster.addresses().split(',').map(str::to_owned).collect(),
        description: format!("core {name}"),
        holds_files: true,
        ..ClientConfig::default()
    };
    let client = Client::connect(config).await?;
    Fs::new(&client, MountConfig::default()).context("make a core")
}

async fn run(cores: &[Fs; 2], top: u64, number: u64, steps: &[Step]) -> Checked {
    let node = NewNode::plain(FileKind::Directory, 0o755, 0o022);
    let name = number.to_string();
    let dir = went(cores[0].create_node(Caller::default(), top, name.as_bytes(), node).await, "mkdir")?;
    let mut run = Run { cores, turn: 0, dir: dir.ino, names: BTreeMap::new(), files: Vec::new() };
    for step in steps {
        run.step(step).await?;
    }
    run.switch().await?;
    run.switch().await
}

#[tokio::test(flavor = "multi_thread")]
async fn two_cores_in_turn_do_what_the_reference_does() -> Result<()> {
    let cluster = Builder::new("core-model").start().await?;
    cluster.expect(&["mkdir", "/bkt"]).await?;
    let cores = [core(&cluster, "one").await?, core(&cluster, "two").await?];
    let root = cores[0].lookup(holdfast_proto::ids::ROOT_INO.0, b"bkt").await;
    let top = root.map_err(|errno| anyhow::anyhow!("look the bucket up: {errno:?}"))?.ino;
    // `PROPTEST_CASES` sets how many, `PROPTEST_RNG_SEED` repeats a run; a failure shows its steps, made few.
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(60);
    let config = Config { cases, max_shrink_iters: 300, failure_persistence: None, ..Config::default() };
    let (runtime, shared) = (tokio::runtime::Handle::current(), cores.clone());
    let searched = tokio::task::spawn_blocking(move || {
        let numbers = std::cell::Cell::new(0);
        TestRunner::new(config).run(&proptest::collection::vec(step(), 1..60), |steps| {
            numbers.set(numbers.get() + 1);
            runtime.block_on(run(&shared, top, numbers.get(), &steps))
        })
    });
    match searched.await? {
        Ok(()) => {}
        Err(TestError::Fail(why, steps)) => anyhow::bail!("{why}\n{steps:#?}"),
        Err(error) => anyhow::bail!("{error}"),
    }
    for core in cores {
        core.client().close().await?;
    }
    cluster.finish().await
}
