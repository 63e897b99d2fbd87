//! Files from this machine into the cluster.
//!
//! What always holds: directories are read one at a time and at most `--jobs` files are open, so memory does not
//! grow with the tree; a file becomes visible in one commit when all of it is durable. Sockets, pipes and devices
//! are passed over with a warning. Symbolic links are made last.

use std::fs::{self, Metadata};
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use bytes::{Bytes, BytesMut};
use futures::Stream;
use holdfast_client::PutOptions;
use holdfast_proto::inode::FileKind;
use holdfast_proto::op::{Create, Op, SetAttr};
use tokio::io::AsyncReadExt;

use super::copy::Copying;
use super::many::Many;
use crate::failure::{Doing, Exit, Failure, Outcome};
use crate::place::RemotePath;
use crate::remote::{Remote, kind, me};

/// Bytes read from a file at once.
const PIECE: usize = 1 << 20;

/// Something to copy: where it is, where it goes, what it is.
struct Item {
    from: PathBuf,
    to: RemotePath,
    metadata: Metadata,
}

/// Starts the copy of one source, a file or a tree.
pub(super) async fn start(copying: &Copying, many: &Many, source: &Path, goal: &RemotePath) -> Outcome<()> {
    let metadata =
        look(source, true).map_err(|error| Failure::not_found(format!("{}: {error}", source.display())))?;
    if metadata.is_dir() && !copying.recursive {
        return Err(Failure::usage(format!("{} is a directory: -r copies it", source.display())));
    }
    let item = Item { from: source.to_path_buf(), to: goal.clone(), metadata };
    if !item.metadata.is_dir() {
        return file(copying, many, item).await;
    }
    // The top directory first: it tells at once whether the bucket can be made and written.
    copying
        .remote
        .make_directory(goal, mode(&item.metadata), true)
        .await
        .doing(format_args!("make directory {goal}"))?;
    tree(copying, many, item).await
}

/// Copies standard input.
pub(super) async fn pipe(copying: &Copying, goal: &RemotePath) -> Outcome<()> {
    let (uid, gid) = me();
    let options = PutOptions { mode: Some(0o644), uid, gid, ..PutOptions::default() };
    let input = std::io::stdin().as_fd().try_clone_to_owned()?;
    let input = with_large_reads(tokio::fs::File::from_std(input.into()));
    let bytes = pieces(input, copying.progress.clone());
    copying.remote.write_file(goal, options, Box::pin(bytes)).await.doing(format_args!("write {goal}"))
}

async fn tree(copying: &Copying, many: &Many, top: Item) -> Outcome<()> {
    let mut links = Vec::new();
    let mut directories = Vec::new();
    let mut todo = vec![top];
    while let Some(directory) = todo.pop() {
        let dereference = copying.dereference;
        let (from, to) = (directory.from.clone(), directory.to.clone());
        let read = tokio::task::spawn_blocking(move || read_directory(&from, &to, dereference)).await;
        let (items, failures) = match read {
            Ok(Ok(read)) => read,
            Ok(Err(failure)) => (Vec::new(), vec![failure]),
            Err(error) => (Vec::new(), vec![Failure::failed(error.to_string())]),
        };
        failures.iter().for_each(|failure| many.fail(failure));
        for item in items {
            let file_type = item.metadata.file_type();
            if file_type.is_dir() {
                make_directory(copying, many, &item).await;
                todo.push(item);
            } else if file_type.is_symlink() {
                links.push(item);
            } else if file_type.is_file() {
                copying.progress.expect(item.metadata.len());
                file(copying, many, item).await?;
            } else {
                special(copying, &item);
            }
        }
        if copying.archive {
            directories.push(directory);
        }
    }
    many.settle().await;
    for item in links {
        let remote = copying.remote.clone();
        many.start(async move { link(&remote, &item).await.doing(format_args!("link {}", item.to)) }).await;
    }
    many.settle().await;
    for item in directories.into_iter().rev() {
        let remote = copying.remote.clone();
        many.start(async move { finish_directory(&remote, &item).await.doing(&item.to) }).await;
    }
    Ok(())
}

fn special(copying: &Copying, item: &Item) {
    let file_type = item.metadata.file_type();
    let what = match () {
        () if file_type.is_fifo() => "a pipe",
        () if file_type.is_socket() => "a socket",
        () => "a device",
    };
    copying.progress.warn(format_args!("{} is {what}: passed over", item.from.display()));
}

async fn make_directory(copying: &Copying, many: &Many, item: &Item) {
    let (remote, to, mode) = (copying.remote.clone(), item.to.clone(), mode(&item.metadata));
    many.start(async move {
        remote.make_directory(&to, mode, true).await.doing(format_args!("make directory {to}"))
    })
    .await;
}

/// What is in a directory, and what could not be looked at.
fn read_directory(from: &Path, to: &RemotePath, dereference: bool) -> Outcome<(Vec<Item>, Vec<Failure>)> {
    let complain =
        |path: &Path, error: std::io::Error| Failure::failed(format!("{}: {error}", path.display()));
    let (mut items, mut failures) = (Vec::new(), Vec::new());
    for entry in fs::read_dir(from).map_err(|error| complain(from, error))? {
        let entry = entry.map_err(|error| complain(from, error))?;
        let path = entry.path();
        match look(&path, dereference) {
            Ok(metadata) => {
                items.push(Item { to: to.join(entry.file_name().as_bytes()), from: path, metadata })
            }
            Err(error) => failures.push(complain(&path, error)),
        }
    }
    Ok((items, failures))
}

fn look(path: &Path, follow: bool) -> std::io::Result<Metadata> {
    if follow { fs::metadata(path) } else { fs::symlink_metadata(path) }
}

/// Starts the copy of one regular file.
async fn file(copying: &Copying, many: &Many, item: Item) -> Outcome<()> {
    if !item.metadata.is_file() {
        return Err(Failure::usage(format!("{} is not a regular file", item.from.display())));
    }
    let copying = copying.clone();
    many.start(async move {
        copying.progress.say(item.to.to_string());
        let what = format!("copy {} to {}", item.from.display(), item.to);
        one(&copying, &item).await.doing(what)
    })
    .await;
    Ok(())
}

async fn one(copying: &Copying, item: &Item) -> Outcome<()> {
    if copying.update && is_there(&copying.remote, item).await? {
        copying.progress.advance(item.metadata.len());
        return Ok(());
    }
    let (uid, gid) = if copying.archive { (item.metadata.uid(), item.metadata.gid()) } else { me() };
    let options = PutOptions {
        mode: Some(mode(&item.metadata)),
        uid,
        gid,
        mtime_ns: Some(mtime_ns(&item.metadata)),
        ..PutOptions::default()
    };
    let file = tokio::fs::File::open(&item.from).await?;
    let bytes = pieces(with_large_reads(file), copying.progress.clone());
    copying.remote.write_file(&item.to, options, Box::pin(bytes)).await
}

fn with_large_reads(mut file: tokio::fs::File) -> tokio::fs::File {
    file.set_max_buf_size(PIECE);
    file
}

/// Whether the cluster has this file with the same length and modification time.
async fn is_there(remote: &Remote, item: &Item) -> Outcome<bool> {
    let found = remote.find(&item.to, false).await?;
    Ok(found.is_some_and(|found| {
        found.kind() == FileKind::File
            && found.inode.size == item.metadata.len()
            && found.inode.mtime_ns == mtime_ns(&item.metadata)
    }))
}

/// A reader as a stream of pieces.
fn pieces(
    reader: impl tokio::io::AsyncRead + Unpin + Send,
    progress: crate::progress::Progress,
) -> impl Stream<Item = Outcome<Bytes>> + Send {
    futures::stream::try_unfold((reader, progress), |(mut reader, progress)| async move {
        let mut piece = BytesMut::with_capacity(PIECE);
        while piece.len() < PIECE {
            let room = PIECE - piece.len();
            if (&mut reader).take(room as u64).read_buf(&mut piece).await? == 0 {
                break;
            }
        }
        if piece.is_empty() {
            return Ok(None);
        }
        progress.advance(piece.len() as u64);
        Ok(Some((piece.freeze(), (reader, progress))))
    })
}

/// Makes a symbolic link, replacing what has its name unless that is a directory.
async fn link(remote: &Remote, item: &Item) -> Outcome<()> {
    let target = tokio::fs::read_link(&item.from).await?;
    let target = Bytes::copy_from_slice(target.as_os_str().as_bytes());
    let (Some(parent), Some(name)) = (item.to.parent(), item.to.name()) else {
        return Err(Failure::refused("the root cannot be a link"));
    };
    let directory = remote.need(&parent, true).await?;
    let (uid, gid) = me();
    let op = Op::Create(Create {
        parent: directory.inode.ino,
        name: Bytes::copy_from_slice(name),
        kind: FileKind::Symlink as i32,
        mode: 0o777,
        uid,
        gid,
        target: target.clone(),
        ..Create::default()
    });
    match remote.mutate(op.clone()).await {
        Err(failure) if failure.exit == Exit::Refused => {
            let Some(old) = remote.find(&item.to, false).await? else { return Err(failure) };
            if kind(&old.inode) == FileKind::Symlink && old.inode.target == target {
                return Ok(());
            }
            if old.is_directory() {
                return Err(failure);
            }
            remote.unlink(old.parent, name).await?;
            remote.mutate(op).await?;
            Ok(())
        }
        other => other.map(drop),
    }
}

/// Gives a directory its owner and times, when nothing more is put into it.
async fn finish_directory(remote: &Remote, item: &Item) -> Outcome<()> {
    let found = remote.need(&item.to, false).await?;
    let op = SetAttr {
        ino: found.inode.ino,
        mode: Some(mode(&item.metadata)),
        uid: Some(item.metadata.uid()),
        gid: Some(item.metadata.gid()),
        mtime_ns: Some(mtime_ns(&item.metadata)),
        ..SetAttr::default()
    };
    remote.mutate(Op::SetAttr(op)).await?;
    Ok(())
}

fn mode(metadata: &Metadata) -> u32 {
    metadata.mode() & 0o7777
}

fn mtime_ns(metadata: &Metadata) -> i64 {
    metadata.mtime().saturating_mul(1_000_000_000).saturating_add(metadata.mtime_nsec())
}
