//! `holdfast du`: adds up what directories hold.

use std::io::Write;

use futures::StreamExt;
use futures::future::BoxFuture;
use holdfast_proto::ids::Ino;
use holdfast_proto::inode::FileKind;
use serde::Serialize;

use crate::args::DuArgs;
use crate::failure::Outcome;
use crate::output::{self, Output};
use crate::place::RemotePath;
use crate::remote::{self, Remote};

/// What lies below a directory.
#[derive(Clone, Copy, Default, Serialize)]
struct Sum {
    bytes: u64,
    allocated: u64,
    files: u64,
    directories: u64,
}

impl Sum {
    fn add(&mut self, other: Self) {
        self.bytes += other.bytes;
        self.allocated += other.allocated;
        self.files += other.files;
        self.directories += other.directories;
    }
}

#[derive(Serialize)]
struct Line {
    path: String,
    #[serde(flatten)]
    sum: Sum,
}

struct Walk<'a> {
    remote: &'a Remote,
    output: Output,
    depth: usize,
}

pub(crate) async fn run(remote: &Remote, args: &DuArgs, output: Output) -> Outcome<()> {
    let depth = if args.summarize { 0 } else { args.max_depth.unwrap_or(usize::MAX) };
    let walk = Walk { remote, output, depth };
    for path in super::remote_paths_or_root(&args.paths)? {
        let found = remote.need(&path, true).await?;
        if found.is_directory() {
            walk.directory(path, Ino(found.inode.ino), 0).await?;
        } else {
            let sum =
                Sum { bytes: found.inode.size, allocated: found.inode.allocated, files: 1, directories: 0 };
            walk.show(&path, sum)?;
        }
    }
    Ok(())
}

impl Walk<'_> {
    fn directory(&self, path: RemotePath, ino: Ino, level: usize) -> BoxFuture<'_, Outcome<Sum>> {
        Box::pin(async move {
            let mut sum = Sum { directories: 1, ..Sum::default() };
            let mut inner = Vec::new();
            let mut entries = Box::pin(self.remote.entries(ino));
            while let Some(entry) = entries.next().await {
                let entry = entry?;
                let inode = entry.inode.unwrap_or_default();
                if remote::kind(&inode) == FileKind::Directory {
                    inner.push((path.join(&entry.name), Ino(inode.ino)));
                } else {
                    sum.add(Sum { bytes: inode.size, allocated: inode.allocated, files: 1, directories: 0 });
                }
            }
            drop(entries);
            for (path, ino) in inner {
                sum.add(self.directory(path, ino, level + 1).await?);
            }
            if level <= self.depth {
                self.show(&path, sum)?;
            }
            Ok(sum)
        })
    }

    fn show(&self, path: &RemotePath, sum: Sum) -> Outcome<()> {
        let human = format!("{:>12}  {:>9} files  {path}", output::size(sum.bytes), sum.files);
        let mut out = std::io::stdout();
        self.output.line(&mut out, &Line { path: path.to_string(), sum }, &human)?;
        out.flush()?;
        Ok(())
    }
}
