//! Copies within the cluster: by reference, so no content moves.

use futures::StreamExt;
use holdfast_proto::ids::Ino;
use holdfast_proto::inode::{FileKind, Inode};
use holdfast_proto::op::{CopyObject, Create, Op, SetAttr};

use super::copy::Copying;
use super::many::Many;
use crate::failure::{Doing, Failure, Outcome};
use crate::place::RemotePath;
use crate::remote::{Remote, kind};

/// Starts the copy of one source, a file or a tree.
pub(super) async fn start(
    copying: &Copying,
    many: &Many,
    source: &RemotePath,
    goal: &RemotePath,
) -> Outcome<()> {
    if source == goal {
        return Err(Failure::refused(format!("{source} and {goal} are the same")));
    }
    let found = copying.remote.need(source, true).await?;
    if !found.is_directory() {
        file(copying, many, source.clone(), goal.clone(), found.inode).await;
        return Ok(());
    }
    if !copying.recursive {
        return Err(Failure::usage(format!("{source} is a directory: -r copies it")));
    }
    if source.contains(goal) {
        return Err(Failure::refused(format!("{source} cannot be copied into itself")));
    }
    let mut todo = vec![(source.clone(), goal.clone(), found.inode)];
    while let Some((from, to, directory)) = todo.pop() {
        copying
            .remote
            .make_directory(&to, directory.mode, true)
            .await
            .doing(format_args!("make directory {to}"))?;
        let mut entries = std::pin::pin!(copying.remote.entries(Ino(directory.ino)));
        while let Some(entry) = entries.next().await {
            let entry = entry?;
            let (from, to) = (from.join(&entry.name), to.join(&entry.name));
            let inode = entry.inode.unwrap_or_default();
            if kind(&inode) == FileKind::Directory {
                todo.push((from, to, inode));
            } else {
                file(copying, many, from, to, inode).await;
            }
        }
    }
    Ok(())
}

async fn file(copying: &Copying, many: &Many, from: RemotePath, to: RemotePath, inode: Inode) {
    let copying = copying.clone();
    many.start(async move {
        let what = format!("copy {from} to {to}");
        one(&copying, &from, &to, &inode).await.doing(what)
    })
    .await;
}

async fn one(copying: &Copying, from: &RemotePath, to: &RemotePath, inode: &Inode) -> Outcome<()> {
    match kind(inode) {
        FileKind::File => {}
        FileKind::Symlink => return link(&copying.remote, to, inode).await,
        _ => return Err(Failure::refused("a special file cannot be copied")),
    }
    let (source_bucket, source_key) = from.bucket_and_key()?;
    let (bucket, key) = to.bucket_and_key()?;
    if key.is_empty() {
        return Err(Failure::refused("files lie in buckets, not at the top"));
    }
    let op = CopyObject { source_bucket, source_key, bucket, key, ..CopyObject::default() };
    let reply = copying.remote.mutate(Op::CopyObject(op)).await?;
    keep_times(&copying.remote, reply.inode.map_or(0, |copy| copy.ino), inode).await
}

/// S3 copies are new objects with a new time; copied files keep theirs.
async fn keep_times(remote: &Remote, copy: u64, source: &Inode) -> Outcome<()> {
    if copy == 0 {
        return Ok(());
    }
    let op = SetAttr {
        ino: copy,
        mode: Some(source.mode),
        uid: Some(source.uid),
        gid: Some(source.gid),
        mtime_ns: Some(source.mtime_ns),
        ..SetAttr::default()
    };
    remote.mutate(Op::SetAttr(op)).await.map(drop)
}

async fn link(remote: &Remote, to: &RemotePath, inode: &Inode) -> Outcome<()> {
    let (Some(parent), Some(name)) = (to.parent(), to.name()) else {
        return Err(Failure::refused("the root cannot be a link"));
    };
    let directory = remote.need(&parent, true).await?;
    let op = Create {
        parent: directory.inode.ino,
        name: bytes::Bytes::copy_from_slice(name),
        kind: FileKind::Symlink as i32,
        mode: 0o777,
        uid: inode.uid,
        gid: inode.gid,
        target: inode.target.clone(),
        ..Create::default()
    };
    remote.mutate(Op::Create(op)).await?;
    Ok(())
}
