//! `holdfast rm`: files, and with `-r` whole directories: contents first, in parallel, then the directories.
//!
//! Regular files of one directory are removed many per commit, as S3's batch delete does.

use bytes::Bytes;
use futures::StreamExt;
use holdfast_proto::ids::Ino;
use holdfast_proto::inode::FileKind;
use holdfast_proto::op::{DeleteObjects, Op};

use super::many::Many;
use crate::args::RmArgs;
use crate::failure::{Doing, Exit, Failure, Outcome};
use crate::output::Output;
use crate::place::RemotePath;
use crate::progress::Progress;
use crate::remote::{self, Found, Remote};

/// Files removed by one command; the metadata takes at most 250.
const BATCH: usize = 200;

pub(crate) async fn run(remote: &Remote, args: &RmArgs) -> Outcome<()> {
    for path in super::remote_paths(&args.paths)? {
        let found = match remote.find(&path, false).await? {
            Some(found) => found,
            None if args.force => continue,
            None => return Err(Failure::not_found(format!("{path}: no such file or directory"))),
        };
        if !found.is_directory() {
            let name = path.name().unwrap_or_default();
            remote.unlink(found.parent, name).await.doing(format_args!("remove {path}"))?;
        } else if args.recursive {
            remove_tree(remote, &path, found, args.jobs).await?;
        } else {
            return Err(Failure::refused(format!(
                "{path} is a directory: -r removes it with everything in it"
            )));
        }
    }
    Ok(())
}

/// Removes a directory with everything in it.
pub(crate) async fn tree(remote: &Remote, path: &RemotePath) -> Outcome<()> {
    let found = remote.need(path, false).await?;
    remove_tree(remote, path, found, 16).await
}

async fn remove_tree(remote: &Remote, path: &RemotePath, found: Found, jobs: u16) -> Outcome<()> {
    if path.is_root() {
        return Err(Failure::refused("the root cannot be removed; name a bucket"));
    }
    let many = Many::new(jobs, Progress::new(Output { json: false }, true));
    // Every directory is noted before its subdirectories, so backwards is from the leaves up.
    let mut directories = vec![(path.clone(), found.parent, Ino(found.inode.ino))];
    let mut next = 0;
    while let Some((directory, _, ino)) = directories.get(next).cloned() {
        next += 1;
        match empty(remote, &directory, ino, &many).await {
            Ok(inner) => directories.extend(inner.into_iter().map(|(path, child)| (path, ino, child))),
            Err(failure) => many.fail(&failure),
        }
    }
    many.settle().await;
    if many.failed() == 0 {
        for (directory, parent, _) in directories.iter().rev() {
            match remote.remove_directory(directory, *parent).await {
                // Directories made by keys go with their last key.
                Err(failure) if failure.exit == Exit::NotFound => {}
                other => other.doing(format_args!("remove {directory}"))?,
            }
        }
    }
    many.outcome("removed")
}

/// Starts the removal of a directory's files; returns its subdirectories.
async fn empty(remote: &Remote, path: &RemotePath, ino: Ino, many: &Many) -> Outcome<Vec<(RemotePath, Ino)>> {
    let (bucket, key) = path.bucket_and_key()?;
    let mut inner = Vec::new();
    let mut batch: Vec<Bytes> = Vec::new();
    let mut entries = std::pin::pin!(remote.entries(ino));
    while let Some(entry) = entries.next().await {
        let entry = entry?;
        let below = path.join(&entry.name);
        let kind = entry.inode.as_ref().map_or(FileKind::File, remote::kind);
        if kind == FileKind::Directory {
            inner.push((below, Ino(entry.ino)));
        } else if kind == FileKind::File && entry.key == entry.name {
            batch.push(joined(&key, &entry.key));
        } else {
            // Links and escaped names have no key of their own: one by one.
            let (remote, name) = (remote.clone(), entry.name.clone());
            many.start(async move { remote.unlink(ino, &name).await.doing(format_args!("remove {below}")) })
                .await;
        }
        if batch.len() == BATCH {
            delete(remote, many, &bucket, std::mem::take(&mut batch)).await;
        }
    }
    if !batch.is_empty() {
        delete(remote, many, &bucket, batch).await;
    }
    Ok(inner)
}

async fn delete(remote: &Remote, many: &Many, bucket: &str, keys: Vec<Bytes>) {
    let (remote, bucket) = (remote.clone(), bucket.to_owned());
    many.start(async move {
        let op = DeleteObjects { bucket: bucket.clone(), keys: keys.clone(), conditions: None, unheld: None };
        let reply =
            remote.mutate(Op::DeleteObjects(op)).await.doing(format_args!("remove files of /{bucket}"))?;
        for (key, outcome) in keys.iter().zip(reply.outcomes) {
            if !outcome.is_ok() {
                let key = String::from_utf8_lossy(key).into_owned();
                return Err(outcome).doing(format_args!("remove /{bucket}/{key}"));
            }
        }
        Ok(())
    })
    .await;
}

fn joined(directory: &Bytes, name: &Bytes) -> Bytes {
    if directory.is_empty() {
        return name.clone();
    }
    [directory, &b"/"[..], name].concat().into()
}
