//! `holdfast admin pgs files`: which files have content in a group.
//!
//! Chunks do not know their files, so this walks the names, a page of a directory at a time, and asks about each page:
//! it takes as long as listing everything below the directory that is named.

use std::ffi::OsString;
use std::io::{self, Write};

use futures::StreamExt as _;
use futures::future::BoxFuture;
use holdfast_proto::ids::Ino;
use holdfast_proto::inode::FileKind;
use holdfast_proto::query::{FilesIn, Query};
use serde::Serialize;

use crate::failure::{Failure, Outcome};
use crate::output::Output;
use crate::place::RemotePath;
use crate::remote::{self, Remote};

/// Files asked about at once.
const PAGE: usize = 1000;
/// Deepest level that is followed.
const DEEPEST: usize = 512;

#[derive(clap::Args, Debug)]
pub(crate) struct FilesArgs {
    /// The group's number
    id: u32,
    /// End after this many files; the last one, given with --after, is where the next page begins
    #[arg(long, default_value_t = 1000)]
    limit: usize,
    /// Go on behind this path, as the last page ended with it
    #[arg(long)]
    after: Option<OsString>,
    /// Only below this directory; everything when none is named
    path: Option<OsString>,
}

#[derive(Serialize)]
struct Line {
    path: String,
    size: u64,
    inode: u64,
}

struct Walk<'a> {
    remote: &'a Remote,
    output: Output,
    pg: u32,
    left: usize,
    after: Option<RemotePath>,
}

pub(super) async fn run(remote: &Remote, args: &FilesArgs, output: Output) -> Outcome<()> {
    let root = args.path.as_deref().map(RemotePath::parse).transpose()?.unwrap_or_else(RemotePath::root);
    let after = args.after.as_deref().map(RemotePath::parse).transpose()?;
    let found = remote.need(&root, true).await?;
    if !found.is_directory() {
        return Err(Failure::refused(format!("{root}: not a directory")));
    }
    // A group that is not there would only look empty.
    super::health::ask(remote, 0, 1, args.id).await?;
    let mut walk = Walk { remote, output, pg: args.id, left: args.limit, after };
    let more = walk.directory(root, Ino(found.inode.ino), 0).await?;
    if more && !output.json {
        crate::output::warn("there are more: go on with --after and the last path");
    }
    Ok(())
}

impl Walk<'_> {
    /// Shows the files below a directory; whether the limit was reached before its end.
    fn directory(&mut self, path: RemotePath, ino: Ino, level: usize) -> BoxFuture<'_, Outcome<bool>> {
        Box::pin(async move {
            if level > DEEPEST {
                return Err(Failure::failed(format!("{path}: deeper than {DEEPEST} directories")));
            }
            let remote = self.remote;
            let mut entries = Box::pin(remote.entries(ino));
            let (mut files, mut inner) = (Vec::new(), Vec::new());
            while let Some(entry) = entries.next().await {
                let entry = entry?;
                let inode = entry.inode.unwrap_or_default();
                let here = path.join(&entry.name);
                match remote::kind(&inode) {
                    FileKind::Directory => inner.push((here, Ino(inode.ino))),
                    FileKind::File if inode.extent_count > 0 => files.push((here, inode.ino, inode.size)),
                    _ => {}
                }
                if files.len() == PAGE && self.page(std::mem::take(&mut files)).await? {
                    return Ok(true);
                }
            }
            drop(entries);
            if self.page(files).await? {
                return Ok(true);
            }
            // In the order of names, so that a page can be gone on with.
            inner.sort();
            for (path, ino) in inner {
                if self.is_behind(&path) {
                    continue;
                }
                if self.directory(path, ino, level + 1).await? {
                    return Ok(true);
                }
            }
            Ok(false)
        })
    }

    /// Whether everything in this directory was shown by an earlier page: the walk shows a directory's own files first,
    /// then its directories in order.
    fn is_behind(&self, directory: &RemotePath) -> bool {
        self.after.as_ref().is_some_and(|after| is_behind(directory, after))
    }

    /// Shows those of some files that have content in the group; whether the limit was reached.
    async fn page(&mut self, mut files: Vec<(RemotePath, u64, u64)>) -> Outcome<bool> {
        if let Some(after) = &self.after {
            files.retain(|(path, ..)| !was_shown(path, after));
        }
        files.sort();
        let inos: Vec<u64> = files.iter().map(|(_, ino, _)| *ino).collect();
        let held = files_in(self.remote, self.pg, inos).await?;
        let mut out = io::stdout();
        for (path, ino, size) in files.into_iter().filter(|(_, ino, _)| held.contains(ino)) {
            if self.left == 0 {
                out.flush()?;
                return Ok(true);
            }
            self.left -= 1;
            let human = path.to_string();
            self.output.line(&mut out, &Line { path: human.clone(), size, inode: ino }, &human)?;
        }
        out.flush()?;
        Ok(false)
    }
}

/// Which of some files have content in a group. Files that are gone are passed over.
pub(crate) async fn files_in(
    remote: &Remote,
    pg: u32,
    mut inos: Vec<u64>,
) -> Outcome<std::collections::BTreeSet<u64>> {
    let (mut held, mut offset) = (std::collections::BTreeSet::new(), 0);
    while !inos.is_empty() {
        let ask = FilesIn { pg, inos: inos.iter().copied().take(PAGE).collect(), offset };
        let asked = ask.inos.len();
        let reply = remote.ask(Query::FilesIn(ask)).await?;
        held.extend(reply.inos);
        let next = String::from_utf8_lossy(&reply.next).into_owned();
        let (done, at) = match reply.more {
            false => (asked, 0),
            true => next
                .split_once('/')
                .and_then(|(done, at)| Some((done.parse().ok()?, at.parse().ok()?)))
                .ok_or_else(|| Failure::failed("the cluster's answer has no place to go on from"))?,
        };
        inos.drain(..done.min(inos.len()));
        offset = at;
    }
    Ok(held)
}

/// Whether a walk that ended with `after` was through with this directory: it comes before the one beside it that leads to
/// `after`. Beside a file there is none: a directory's own files come first.
fn is_behind(directory: &RemotePath, after: &RemotePath) -> bool {
    let (Some(parent), Some(of_after)) = (directory.parent(), after.parent()) else { return false };
    parent != of_after && parent.contains(&of_after) && !directory.contains(after) && directory < after
}

/// Whether an earlier page that ended with `after` has shown this file: it lies beside `after` and before it, or in a
/// directory above it, whose own files come first.
fn was_shown(file: &RemotePath, after: &RemotePath) -> bool {
    let Some(parent) = file.parent() else { return false };
    match after.parent() {
        Some(of_after) if of_after == parent => file <= after,
        _ => parent.contains(after),
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;

    use super::*;

    fn path(text: &str) -> RemotePath {
        RemotePath::parse(OsStr::new(text)).unwrap()
    }

    #[test]
    fn a_page_goes_on_where_the_last_one_ended() {
        let after = path("/b/m/k");
        for (file, shown) in [
            ("/b/z", true),
            ("/b/m/a", true),
            ("/b/m/k", true),
            ("/b/m/l", false),
            ("/b/m/d/a", false),
            ("/b/n/a", false),
        ] {
            assert_eq!(was_shown(&path(file), &after), shown, "{file}");
        }
        for (directory, behind) in [
            ("/a", true),
            ("/b", false),
            ("/b/a", true),
            ("/b/m", false),
            ("/b/n", false),
            ("/c", false),
            // Before the file, but a directory's files come first.
            ("/b/m/d", false),
            ("/b/m/d/a", false),
            ("/b/m/z", false),
        ] {
            assert_eq!(is_behind(&path(directory), &after), behind, "{directory}");
        }
    }
}
