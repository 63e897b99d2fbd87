//! The operations of `holdfast bench`, each on a file that follows from its number.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use futures::StreamExt;
use holdfast_client::PutOptions;
use holdfast_proto::ids::Ino;
use holdfast_proto::op::{Op, Rename, RenameMode};
use holdfast_proto::query::{Query, ReadDir};

use super::BenchOp;
use crate::failure::{Failure, Outcome};
use crate::place::RemotePath;
use crate::remote::{Remote, me};

/// Bytes handed to the writer at once.
const PIECE: usize = 1 << 20;

/// Everything the loops share.
#[derive(Clone)]
pub(super) struct Bench {
    remote: Remote,
    dir: RemotePath,
    ino: Ino,
    size: u64,
    /// Random bytes that contents are cut from.
    noise: Bytes,
    /// Files that exist: 0..written.
    written: Arc<AtomicU64>,
    renamed: Arc<AtomicU64>,
}

impl Bench {
    pub(super) async fn new(remote: &Remote, dir: RemotePath, size: u64) -> Outcome<Self> {
        let found = remote.need(&dir, true).await?;
        let mut noise = vec![0u8; PIECE * 2];
        rand::fill(noise.as_mut_slice());
        Ok(Self {
            remote: remote.clone(),
            ino: Ino(found.inode.ino),
            dir,
            size,
            noise: noise.into(),
            written: Arc::default(),
            renamed: Arc::default(),
        })
    }

    /// How many operations of a kind can be done: reading needs what was written.
    pub(super) fn most(&self, op: BenchOp, count: u64) -> Outcome<u64> {
        let written = self.written.load(Ordering::Relaxed);
        match op {
            BenchOp::Put | BenchOp::List => Ok(count),
            BenchOp::Get | BenchOp::Stat | BenchOp::Rename | BenchOp::Rm if written == 0 => {
                Err(Failure::usage("there are no files: name `put` first, as in `holdfast bench put get`"))
            }
            BenchOp::Get | BenchOp::Stat => Ok(count),
            BenchOp::Rename | BenchOp::Rm => Ok(count.min(written)),
        }
    }

    /// A kind is through with the numbers below `done`.
    pub(super) fn finished(&self, op: BenchOp, done: u64) {
        match op {
            BenchOp::Put => self.written.fetch_max(done, Ordering::Relaxed),
            BenchOp::Rename => self.renamed.fetch_max(done, Ordering::Relaxed),
            BenchOp::Rm => self.written.swap(0, Ordering::Relaxed),
            BenchOp::Get | BenchOp::Stat | BenchOp::List => 0,
        };
    }

    pub(super) async fn one(&self, op: BenchOp, number: u64) -> Outcome<()> {
        let existing = number % self.written.load(Ordering::Relaxed).max(1);
        match op {
            BenchOp::Put => self.put(number).await,
            BenchOp::Get => self.get(existing).await,
            BenchOp::Stat => self.remote.need(&self.path(existing), false).await.map(drop),
            BenchOp::List => self.list().await,
            BenchOp::Rename => self.rename(number).await,
            BenchOp::Rm => self.remote.unlink(self.ino, self.name(number).as_bytes()).await,
        }
    }

    fn name(&self, number: u64) -> String {
        let suffix = if number < self.renamed.load(Ordering::Relaxed) { "-renamed" } else { "" };
        format!("{number:08}{suffix}")
    }

    fn path(&self, number: u64) -> RemotePath {
        self.dir.join(self.name(number).as_bytes())
    }

    /// The bytes of file `number` at `offset`, at most a piece.
    fn content(&self, number: u64, offset: u64) -> Bytes {
        let start = (number.wrapping_mul(7919) % PIECE as u64) as usize;
        let length = (self.size - offset).min(PIECE as u64) as usize;
        self.noise.slice(start..start + length)
    }

    async fn put(&self, number: u64) -> Outcome<()> {
        let (uid, gid) = me();
        let options =
            PutOptions { size: Some(self.size), mode: Some(0o644), uid, gid, ..PutOptions::default() };
        let this = self.clone();
        let pieces =
            (0..self.size.div_ceil(PIECE as u64)).map(move |i| Ok(this.content(number, i * PIECE as u64)));
        let path = self.path(number);
        self.remote.write_file(&path, options, futures::stream::iter(pieces)).await
    }

    async fn get(&self, number: u64) -> Outcome<()> {
        let path = self.path(number);
        let file = self.remote.open(&path).await?;
        let mut bytes = file.read(0..file.size());
        let mut offset = 0;
        while let Some(piece) = bytes.next().await {
            let mut piece = piece?;
            while !piece.is_empty() {
                let within = offset % PIECE as u64;
                let want = self.content(number, offset - within).slice(within as usize..);
                let take = piece.len().min(want.len());
                if take == 0 || piece.split_to(take) != want.slice(..take) {
                    return Err(Failure::failed(format!(
                        "{path} differs from what was written, near byte {offset}"
                    )));
                }
                offset += take as u64;
            }
        }
        if offset != self.size {
            return Err(Failure::failed(format!("{path} has {offset} bytes instead of {}", self.size)));
        }
        Ok(())
    }

    async fn list(&self) -> Outcome<()> {
        let question = ReadDir { ino: self.ino.0, after: Bytes::new(), most: 1_000, inodes: true };
        self.remote.ask(Query::ReadDir(question)).await.map(drop)
    }

    async fn rename(&self, number: u64) -> Outcome<()> {
        let op = Rename {
            parent: self.ino.0,
            name: format!("{number:08}").into(),
            new_parent: self.ino.0,
            new_name: format!("{number:08}-renamed").into(),
            mode: RenameMode::NoReplace as i32,
            unheld: None,
        };
        self.remote.mutate(Op::Rename(op)).await.map(drop)
    }
}
