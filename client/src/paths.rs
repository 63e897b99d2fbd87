//! Files and directories by path, as the command line sees them: `/bucket/a/b`.
//!
//! What always holds: every listing comes in pages; a recursive removal works through any number of entries with
//! bounded memory and can simply be started again.

use bytes::Bytes;
use futures::stream::{Stream, StreamExt as _, unfold};
use holdfast_proto::ids::Ino;
use holdfast_proto::inode::{FileKind, Inode};
use holdfast_proto::op::{DeleteObjects, MakeDirs, Op, RemoveDir, Rename, RenameMode, Unlink};
use holdfast_proto::query::{Entry, Query, ReadDir, ResolvePath, StatFs, Totals};
use holdfast_proto::status::{Code, Status};

use crate::client::Client;
use crate::error::ClientError;
use crate::put::{FileWriter, PutOptions};

/// Entries per page of a directory.
const PAGE: u32 = 1000;

/// Keys per command (see `DeleteObjects`).
const KEYS_PER_DELETE: usize = 250;

/// What a path leads to.
#[derive(Clone, Debug)]
pub struct Found {
    /// The inode.
    pub inode: Inode,
    /// The directory that holds its name; the root is its own.
    pub parent: Ino,
}

/// A page of a directory.
#[derive(Clone, Debug)]
pub struct DirPage {
    /// Entries in S3 order; a directory's stored name ends with `/`.
    pub entries: Vec<Entry>,
    /// Where the next page starts; absent: this was the last.
    pub next: Option<Bytes>,
}

/// Splits `/bucket/a/b` into the bucket and the key below it (empty for the bucket itself).
pub fn split(path: &str) -> Result<(&str, &str), ClientError> {
    let rest =
        path.strip_prefix('/').ok_or_else(|| ClientError::Invalid(format!("{path:?} is not absolute")))?;
    let (bucket, key) = rest.split_once('/').unwrap_or((rest, ""));
    match bucket {
        "" => Err(ClientError::Invalid(format!("{path:?} names no bucket (top-level directory)"))),
        _ => Ok((bucket, key)),
    }
}

/// Splits a path into its directory and last name.
fn parent_and_name(path: &str) -> Result<(&str, &str), ClientError> {
    let trimmed = path.trim_end_matches('/');
    match trimmed.rsplit_once('/') {
        Some((dir, name)) if !name.is_empty() => Ok((if dir.is_empty() { "/" } else { dir }, name)),
        _ => Err(ClientError::Invalid(format!("{path:?} has no name in a directory"))),
    }
}

impl Client {
    /// What a path leads to. Symbolic links at the end are followed if `follow`.
    pub async fn resolve(&self, path: &str, follow: bool) -> Result<Found, ClientError> {
        let path = Bytes::copy_from_slice(path.as_bytes());
        let reply = self.ask(Query::ResolvePath(ResolvePath { path, content: false, follow })).await?.reply;
        let inode =
            reply.inode.ok_or_else(|| ClientError::Refused(Status::internal("no inode in the answer")))?;
        Ok(Found { inode, parent: Ino(reply.parent) })
    }

    /// The inode at a path.
    pub async fn stat(&self, path: &str) -> Result<Inode, ClientError> {
        Ok(self.resolve(path, true).await?.inode)
    }

    /// A page of a directory, with whole inodes if wanted. `after`: [`DirPage::next`] of the page before.
    pub async fn list_dir(
        &self,
        dir: Ino,
        after: Option<Bytes>,
        inodes: bool,
    ) -> Result<DirPage, ClientError> {
        let query = ReadDir { ino: dir.0, after: after.unwrap_or_default(), most: PAGE, inodes };
        let reply = self.ask(Query::ReadDir(query)).await?.reply;
        let next = match reply.more {
            true if !reply.next.is_empty() => Some(reply.next),
            true => reply.entries.last().map(|entry| entry.key.clone()),
            false => None,
        };
        Ok(DirPage { entries: reply.entries, next })
    }

    /// All entries of a directory, page by page.
    pub fn entries(
        &self,
        dir: Ino,
        inodes: bool,
    ) -> impl Stream<Item = Result<Entry, ClientError>> + Send + Unpin + 'static {
        let start = (self.clone(), Some(None), Vec::new().into_iter());
        Box::pin(unfold(start, move |(client, mut next, mut page)| async move {
            loop {
                if let Some(entry) = page.next() {
                    return Some((Ok(entry), (client, next, page)));
                }
                let after: Option<Bytes> = next?;
                match client.list_dir(dir, after, inodes).await {
                    Ok(fresh) => {
                        page = fresh.entries.into_iter();
                        next = fresh.next.map(Some);
                    }
                    Err(error) => return Some((Err(error), (client, None, Vec::new().into_iter()))),
                }
            }
        }))
    }

    /// Everything below a directory, depth first, a directory before what is in it. Paths are relative to it; a
    /// directory's ends with `/`. Directories that vanish meanwhile are passed over.
    pub fn walk(
        &self,
        dir: Ino,
    ) -> impl Stream<Item = Result<(Vec<u8>, Entry), ClientError>> + Send + Unpin + 'static {
        let start = (self.clone(), vec![(Vec::new(), self.entries(dir, true).boxed())]);
        Box::pin(unfold(start, |(client, mut stack)| async move {
            loop {
                let (prefix, entries) = stack.last_mut()?;
                match entries.next().await {
                    Some(Ok(entry)) => {
                        let path = [prefix.as_slice(), &entry.key].concat();
                        if entry.kind() == FileKind::Directory {
                            let below = client.entries(Ino(entry.ino), true).boxed();
                            stack.push((path.clone(), below));
                        }
                        return Some((Ok((path, entry)), (client, stack)));
                    }
                    Some(Err(error)) if is_gone(&error) && stack.len() > 1 => drop(stack.pop()),
                    Some(Err(error)) => return Some((Err(error), (client, Vec::new()))),
                    None => drop(stack.pop()),
                }
            }
        }))
    }

    /// Makes a directory; with `parents` also those above it, and existing ones are fine.
    pub async fn mkdir(&self, path: &str, mode: u32, parents: bool) -> Result<Inode, ClientError> {
        let dirs = MakeDirs {
            path: Bytes::copy_from_slice(path.as_bytes()),
            mode,
            uid: 0,
            gid: 0,
            exclusive: !parents,
        };
        let reply = self.mutate(Op::MakeDirs(dirs)).await?;
        reply.inode.ok_or_else(|| ClientError::Refused(Status::internal("no inode in the reply")))
    }

    /// Removes a file, or an empty directory.
    pub async fn remove(&self, path: &str) -> Result<(), ClientError> {
        let (dir, name) = parent_and_name(path)?;
        let found = self.resolve(path, false).await?;
        let parent = self.stat(dir).await?.ino;
        let name = Bytes::copy_from_slice(name.as_bytes());
        let op = match found.inode.kind() {
            FileKind::Directory => Op::RemoveDir(RemoveDir { parent, name }),
            _ => Op::Unlink(Unlink { parent, name, unheld: None }),
        };
        self.mutate(op).await.map(drop)
    }

    /// Removes a file, or a directory with everything in it. Returns how many names went. Not atomic: started
    /// again, it goes on.
    pub async fn remove_all(&self, path: &str) -> Result<u64, ClientError> {
        let found = self.resolve(path, false).await?;
        if found.inode.kind() != FileKind::Directory {
            self.remove(path).await?;
            return Ok(1);
        }
        let (bucket, key) = split(path)?;
        let key = key.trim_end_matches('/');
        let prefix = if key.is_empty() { Vec::new() } else { [key.as_bytes(), b"/"].concat() };
        let mut removed = Box::pin(self.remove_below(bucket, prefix, Ino(found.inode.ino))).await?;
        let (_, name) = parent_and_name(path)?;
        removed += self.remove_emptied(found.parent, Bytes::copy_from_slice(name.as_bytes())).await?;
        Ok(removed)
    }

    /// Removes a directory that was emptied. An implicit one went with the last file in it, and a file of the same
    /// name that lay beside it must not be taken for it.
    async fn remove_emptied(&self, parent: Ino, name: Bytes) -> Result<u64, ClientError> {
        match self.mutate(Op::RemoveDir(RemoveDir { parent: parent.0, name })).await {
            Ok(_) => Ok(1),
            Err(error) if is_gone(&error) || error.code() == Code::NotADirectory => Ok(0),
            Err(error) => Err(error),
        }
    }

    async fn remove_below(&self, bucket: &str, prefix: Vec<u8>, dir: Ino) -> Result<u64, ClientError> {
        let mut removed = 0;
        let mut keys = Vec::new();
        let mut entries = self.entries(dir, false);
        while let Some(entry) = entries.next().await {
            let entry = match entry {
                Err(error) if is_gone(&error) => break,
                other => other?,
            };
            let key = [prefix.as_slice(), &entry.key].concat();
            if entry.kind() != FileKind::Directory {
                keys.push(Bytes::from(key));
                if keys.len() >= KEYS_PER_DELETE {
                    removed += self.delete_keys(bucket, std::mem::take(&mut keys)).await?;
                }
                continue;
            }
            removed += Box::pin(self.remove_below(bucket, key, Ino(entry.ino))).await?;
            removed += self.remove_emptied(dir, entry.name).await?;
        }
        Ok(removed + self.delete_keys(bucket, keys).await?)
    }

    async fn delete_keys(&self, bucket: &str, keys: Vec<Bytes>) -> Result<u64, ClientError> {
        if keys.is_empty() {
            return Ok(0);
        }
        let count = keys.len() as u64;
        let op = DeleteObjects { bucket: bucket.to_owned(), keys, conditions: None, unheld: None };
        let reply = self.mutate(Op::DeleteObjects(op)).await?;
        match reply.outcomes.into_iter().find(|status| !status.is_ok()) {
            Some(status) => Err(ClientError::Refused(status)),
            None => Ok(count),
        }
    }

    /// Moves a name. The target is replaced unless `mode` says otherwise.
    pub async fn rename(&self, from: &str, to: &str, mode: RenameMode) -> Result<(), ClientError> {
        let ((from_dir, from_name), (to_dir, to_name)) = (parent_and_name(from)?, parent_and_name(to)?);
        let (parent, new_parent) = futures::future::try_join(self.stat(from_dir), self.stat(to_dir)).await?;
        let op = Rename {
            parent: parent.ino,
            name: Bytes::copy_from_slice(from_name.as_bytes()),
            new_parent: new_parent.ino,
            new_name: Bytes::copy_from_slice(to_name.as_bytes()),
            mode: mode as i32,
            unheld: None,
        };
        self.mutate(Op::Rename(op)).await.map(drop)
    }

    /// Begins to put a file at a path. Directories on the way are made.
    pub async fn put_path(&self, path: &str, options: PutOptions) -> Result<FileWriter, ClientError> {
        let (bucket, key) = split(path)?;
        if key.is_empty() || key.ends_with('/') {
            return Err(ClientError::Invalid(format!("{path:?} names a directory, not a file")));
        }
        self.put(bucket, key.as_bytes(), options).await
    }

    /// Totals of the file system.
    pub async fn statfs(&self) -> Result<Totals, ClientError> {
        Ok(self.ask(Query::StatFs(StatFs {})).await?.reply.totals.unwrap_or_default())
    }
}

fn is_gone(error: &ClientError) -> bool {
    matches!(error.code(), Code::NotFound | Code::StaleInode)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_taken_apart() {
        assert_eq!(split("/b/a/c").unwrap(), ("b", "a/c"));
        assert_eq!(split("/b").unwrap(), ("b", ""));
        assert!(split("b/a").is_err());
        assert!(split("/").is_err());
        assert_eq!(parent_and_name("/b").unwrap(), ("/", "b"));
        assert_eq!(parent_and_name("/b/a/c/").unwrap(), ("/b/a", "c"));
        assert!(parent_and_name("/").is_err());
    }
}
