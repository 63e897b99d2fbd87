//! Files from the cluster to this machine.
//!
//! What always holds: a file is written beside its place under a temporary name and renamed when it is whole and
//! verified, so an interrupted copy leaves no half file under the real name. No name from the cluster leads out of
//! the target directory: symbolic links are made last.

use std::fs::{self, FileTimes, Permissions};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use futures::StreamExt;
use holdfast_proto::ids::Ino;
use holdfast_proto::inode::{FileKind, Inode};
use tokio::io::AsyncWriteExt;

use super::copy::Copying;
use super::many::Many;
use crate::failure::{Doing, Failure, Outcome};
use crate::place::{RemotePath, local_name};
use crate::remote::{Found, kind};

struct Item {
    from: RemotePath,
    to: PathBuf,
    inode: Inode,
}

/// Starts the copy of one source, a file or a tree.
pub(super) async fn start(copying: &Copying, many: &Many, source: &RemotePath, goal: &Path) -> Outcome<()> {
    let Found { inode, .. } = copying.remote.need(source, true).await?;
    let item = Item { from: source.clone(), to: goal.to_path_buf(), inode };
    match kind(&item.inode) {
        FileKind::Directory if copying.recursive => tree(copying, many, item).await,
        FileKind::Directory => Err(Failure::usage(format!("{source} is a directory: -r copies it"))),
        FileKind::File => {
            copying.progress.expect(item.inode.size);
            file(copying, many, item).await;
            Ok(())
        }
        _ => Err(Failure::refused(format!("{source} is neither a file nor a directory"))),
    }
}

async fn tree(copying: &Copying, many: &Many, top: Item) -> Outcome<()> {
    let mut links = Vec::new();
    let mut directories = Vec::new();
    let mut todo = vec![top];
    while let Some(directory) = todo.pop() {
        fs::create_dir_all(&directory.to).doing(format_args!("make directory {}", directory.to.display()))?;
        let mut entries = std::pin::pin!(copying.remote.entries(Ino(directory.inode.ino)));
        while let Some(entry) = entries.next().await {
            let entry = match entry.doing(format_args!("list {}", directory.from)) {
                Ok(entry) => entry,
                Err(failure) => {
                    many.fail(&failure);
                    break;
                }
            };
            let from = directory.from.join(&entry.name);
            let name = match local_name(&entry.name).doing(&from) {
                Ok(name) => name,
                Err(failure) => {
                    many.fail(&failure);
                    continue;
                }
            };
            let item = Item { from, to: directory.to.join(name), inode: entry.inode.unwrap_or_default() };
            match kind(&item.inode) {
                FileKind::Directory => todo.push(item),
                FileKind::Symlink => links.push(item),
                FileKind::File => {
                    copying.progress.expect(item.inode.size);
                    file(copying, many, item).await;
                }
                _ => copying.progress.warn(format_args!("{} is a special file: passed over", item.from)),
            }
        }
        directories.push(directory);
    }
    many.settle().await;
    for item in links {
        link(&item).doing(item.to.display()).unwrap_or_else(|failure| many.fail(&failure));
    }
    if copying.archive {
        for item in directories.iter().rev() {
            finish_directory(item).doing(item.to.display()).unwrap_or_else(|failure| many.fail(&failure));
        }
    }
    Ok(())
}

async fn file(copying: &Copying, many: &Many, item: Item) {
    let copying = copying.clone();
    many.start(async move {
        copying.progress.say(item.from.to_string());
        one(&copying, &item).await.doing(format_args!("copy {} to {}", item.from, item.to.display()))
    })
    .await;
}

async fn one(copying: &Copying, item: &Item) -> Outcome<()> {
    if copying.update && is_here(item) {
        copying.progress.advance(item.inode.size);
        return Ok(());
    }
    if item.to.is_dir() {
        return Err(Failure::refused("a directory is in its place"));
    }
    let temporary = temporary_name(&item.to)?;
    let outcome = fetch(copying, item, &temporary).await;
    if outcome.is_err() {
        // Nothing that is not whole stays behind; that the file may not exist yet is fine.
        let _ = fs::remove_file(&temporary);
    }
    outcome
}

async fn fetch(copying: &Copying, item: &Item, temporary: &Path) -> Outcome<()> {
    let source = copying.remote.open(&item.from).await?;
    let mut target = tokio::fs::File::create(temporary).await?;
    target.set_max_buf_size(1 << 20);
    let mut bytes = source.read(0..source.size());
    while let Some(piece) = bytes.next().await {
        let piece = piece?;
        target.write_all(&piece).await?;
        copying.progress.advance(piece.len() as u64);
    }
    target.flush().await?;
    let target = target.into_std().await;
    target.set_permissions(Permissions::from_mode(source.inode().mode & 0o7777))?;
    target.set_times(FileTimes::new().set_modified(system_time(source.inode().mtime_ns)))?;
    if copying.archive {
        std::os::unix::fs::fchown(&target, Some(source.inode().uid), Some(source.inode().gid))?;
    }
    fs::rename(temporary, &item.to)?;
    Ok(())
}

/// A hidden name beside the target.
fn temporary_name(to: &Path) -> Outcome<PathBuf> {
    let name = to.file_name().ok_or_else(|| Failure::usage(format!("{} names no file", to.display())))?;
    let mut hidden = std::ffi::OsString::from(format!(".{:08x}.", rand::random::<u32>()));
    // Leave room for the prefix within the longest name a file system takes.
    hidden.push(std::ffi::OsStr::from_bytes(&name.as_bytes()[..name.len().min(200)]));
    Ok(to.with_file_name(hidden))
}

fn is_here(item: &Item) -> bool {
    fs::symlink_metadata(&item.to).is_ok_and(|local| {
        local.is_file()
            && local.len() == item.inode.size
            && local.modified().is_ok_and(|at| at == system_time(item.inode.mtime_ns))
    })
}

fn link(item: &Item) -> Outcome<()> {
    let target = std::ffi::OsStr::from_bytes(&item.inode.target);
    match fs::symlink_metadata(&item.to) {
        Ok(old) if old.is_dir() => return Err(Failure::refused("a directory is in its place")),
        Ok(_) => fs::remove_file(&item.to)?,
        Err(_) => {}
    }
    std::os::unix::fs::symlink(target, &item.to)?;
    Ok(())
}

fn finish_directory(item: &Item) -> Outcome<()> {
    fs::set_permissions(&item.to, Permissions::from_mode(item.inode.mode & 0o7777))?;
    std::os::unix::fs::chown(&item.to, Some(item.inode.uid), Some(item.inode.gid))?;
    fs::File::open(&item.to)?.set_times(FileTimes::new().set_modified(system_time(item.inode.mtime_ns)))?;
    Ok(())
}

fn system_time(ns: i64) -> SystemTime {
    let from_epoch = Duration::from_nanos(ns.unsigned_abs());
    if ns >= 0 { SystemTime::UNIX_EPOCH + from_epoch } else { SystemTime::UNIX_EPOCH - from_epoch }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_temporary_name_fits_and_lies_beside() {
        let long = "x".repeat(255);
        let path = temporary_name(&Path::new("/a/b").join(&long)).unwrap();
        assert_eq!(path.parent().unwrap(), Path::new("/a/b"));
        assert!(path.file_name().unwrap().len() <= 255);
    }
}
