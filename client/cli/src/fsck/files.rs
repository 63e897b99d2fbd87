//! The files that have content in chunks which cannot be read.
//!
//! Chunks do not know their files: all names are walked, a page of a directory at a time, and of files with content in
//! one of the groups the extents are looked at. That takes as long as listing everything, and is done only when
//! something is lost.

use std::collections::{BTreeMap, BTreeSet};

use futures::StreamExt as _;
use holdfast_proto::ids::Ino;
use holdfast_proto::inode::FileKind;
use holdfast_proto::query::{GetExtents, Query};
use holdfast_proto::status::Code;

use super::Checker;
use super::repair::Mending;
use super::report::Lost;
use crate::admin::files_in;
use crate::failure::{Exit, Outcome};
use crate::place::RemotePath;
use crate::remote;

/// Files that are named.
const MOST_FILES: usize = 1_000;
/// Files asked about at once.
const PAGE: usize = 1_000;

/// Chunks, by group.
type Chunks = BTreeMap<u32, BTreeSet<u64>>;

/// Names the files, and says where else content may be.
pub(super) async fn name(checker: &Checker<'_>, lost: &[Lost], mending: &mut Mending) -> Outcome<()> {
    let mut chunks = Chunks::new();
    for lost in lost {
        chunks.entry(lost.pg).or_default().insert(lost.number);
    }
    let root = RemotePath::root();
    let found = checker.remote.need(&root, true).await?;
    let mut todo = vec![(root, Ino(found.inode.ino))];
    while let Some((path, ino)) = todo.pop() {
        match directory(checker, &chunks, &path, ino, &mut todo, &mut mending.files).await {
            Ok(()) => {}
            // It was removed meanwhile.
            Err(failure) if failure.exit == Exit::NotFound => {}
            Err(failure) => return Err(failure),
        }
        if mending.files.len() >= MOST_FILES {
            mending.files.truncate(MOST_FILES);
            let group = chunks.keys().next().copied().unwrap_or(0);
            mending.notes.push(format!(
                "there are more files than the {MOST_FILES} named here: `holdfast admin pgs files {group}` lists those of a \
                 group"
            ));
            return Ok(());
        }
    }
    if mending.files.is_empty() {
        let what = "no file with a name has content in what cannot be read: it belongs to deleted files that are still \
                    kept, or to uploads under way";
        mending.notes.push(what.to_owned());
    }
    Ok(())
}

async fn directory(
    checker: &Checker<'_>,
    chunks: &Chunks,
    path: &RemotePath,
    ino: Ino,
    todo: &mut Vec<(RemotePath, Ino)>,
    named: &mut Vec<String>,
) -> Outcome<()> {
    let mut entries = Box::pin(checker.remote.entries(ino));
    let mut files: BTreeMap<u64, RemotePath> = BTreeMap::new();
    while let Some(entry) = entries.next().await {
        let entry = entry?;
        let inode = entry.inode.unwrap_or_default();
        let here = path.join(&entry.name);
        match remote::kind(&inode) {
            FileKind::Directory => todo.push((here, Ino(inode.ino))),
            FileKind::File if inode.extent_count > 0 => {
                files.insert(inode.ino, here);
            }
            _ => {}
        }
        if files.len() >= PAGE {
            page(checker, chunks, std::mem::take(&mut files), named).await?;
        }
        if named.len() >= MOST_FILES {
            return Ok(());
        }
    }
    page(checker, chunks, files, named).await
}

/// Names those of some files that have content in one of the chunks.
async fn page(
    checker: &Checker<'_>,
    chunks: &Chunks,
    files: BTreeMap<u64, RemotePath>,
    named: &mut Vec<String>,
) -> Outcome<()> {
    let mut held = BTreeSet::new();
    for pg in chunks.keys() {
        held.extend(files_in(checker.remote, *pg, files.keys().copied().collect()).await?);
    }
    for (ino, path) in files.iter().filter(|(ino, _)| held.contains(ino)) {
        if has_content_in(checker, chunks, *ino).await? {
            named.push(path.to_string());
        }
    }
    Ok(())
}

async fn has_content_in(checker: &Checker<'_>, chunks: &Chunks, ino: u64) -> Outcome<bool> {
    let mut offset = 0;
    loop {
        let ask = GetExtents { ino, offset, end: u64::MAX, if_version: 0 };
        let reply = match checker.remote.client().ask(Query::GetExtents(ask)).await {
            Ok(answer) => answer.reply,
            Err(error) if matches!(error.code(), Code::NotFound | Code::StaleInode) => return Ok(false),
            Err(error) => return Err(error.into()),
        };
        let bad = |extent: &holdfast_proto::inode::Extent| {
            extent.inline.is_none()
                && chunks.get(&extent.pg).is_some_and(|lost| lost.contains(&extent.number))
        };
        if reply.extents.iter().any(bad) {
            return Ok(true);
        }
        match reply.extents.last() {
            Some(last) if reply.more && last.end() > offset => offset = last.end(),
            _ => return Ok(false),
        }
    }
}
