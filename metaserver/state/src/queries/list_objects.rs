//! A page of objects in S3 order: a depth-first walk over dentries that starts where the page starts.
//!
//! What always holds:
//! - Stored names sort such that the walk yields full keys in bytewise order (a directory ends with `/`).
//! - An item (key or common prefix) is listed iff it starts with the prefix and sorts behind `after`.
//! - Common prefixes are passed over by seeking, so a page costs its items. Directories that hold no object (empty
//!   ones made by a mount) cost a step each; after [`MOST_STEPS`] a short page is returned, to be continued.

use std::collections::VecDeque;

use bytes::Bytes;
use holdfast_proto::inode::FileKind;
use holdfast_proto::query::{Entry, ListObjects, QueryReply};

use crate::dirs;
use crate::keys;
use crate::queries::{Answer, listed, page};
use crate::records::{self, Dentry};
use crate::table::{Broken, View};

const MOST: usize = 1000;
/// Most entries looked at for one page.
const MOST_STEPS: usize = 20_000;
/// Entries read at first from a directory, and at most at once: a seek throws away what was read ahead.
const READ_FIRST: usize = 16;
const READ_MOST: usize = 1024;

pub(crate) fn answer(view: &dyn View, ask: &ListObjects) -> Answer {
    let bucket = dirs::bucket(view, &ask.bucket)?;
    let most = page(ask.most, MOST);
    let mut list = List { view, ask, walk: Walk::new(view, bucket), entries: Vec::new() };
    let stopped_at = list.collect(most)?;
    let mut entries = list.entries;
    let more = stopped_at.is_some() || entries.len() > most;
    entries.truncate(most);
    let next = match (stopped_at, entries.last()) {
        (Some(path), _) => path,
        (None, last) => last.map(|entry| entry.key.clone()).unwrap_or_default(),
    };
    Ok(QueryReply { entries, more, next, ..QueryReply::default() })
}

struct List<'a> {
    view: &'a dyn View,
    ask: &'a ListObjects,
    walk: Walk<'a>,
    entries: Vec<Entry>,
}

impl List<'_> {
    /// Collects one item more than `most`, so that the caller knows whether there is more. Gives the path behind
    /// which to go on when it had to stop early.
    fn collect(&mut self, most: usize) -> Result<Option<Bytes>, Broken> {
        let start = if self.ask.after >= self.ask.prefix {
            keys::next(&self.ask.after)
        } else {
            self.ask.prefix.clone()
        };
        self.walk.seek(&start)?;
        let mut last = Bytes::new();
        let mut steps = 0;
        while self.entries.len() <= most {
            let Some((path, dentry)) = self.walk.next()? else { break };
            if !path.starts_with(&self.ask.prefix)
                && path[..] > self.ask.prefix[..]
                && !self.ask.prefix.starts_with(&path)
            {
                break;
            }
            if steps >= MOST_STEPS && path != last && !last.is_empty() {
                return Ok(Some(last));
            }
            steps += 1;
            last = path.clone();
            self.visit(path, &dentry)?;
        }
        Ok(None)
    }

    fn visit(&mut self, path: Bytes, dentry: &Dentry) -> Result<(), Broken> {
        let inside = path.starts_with(&self.ask.prefix);
        let directory = dentry.kind == FileKind::Directory as i32;
        if directory && !(inside && self.ask.delimiter[..] == *b"/" && path.len() > self.ask.prefix.len()) {
            // A directory on the way to the prefix, or one whose files must be looked at.
            self.walk.descend(&path, dentry.ino);
            return Ok(());
        }
        if !inside || (!directory && dentry.kind != FileKind::File as i32) {
            return Ok(());
        }
        if let Some(group) = self.group(&path) {
            if group > self.ask.after {
                self.entries.push(Entry { key: group.clone(), prefix: true, ..Entry::default() });
            }
            // With `/` the walk already stands behind a directory that it did not enter.
            return if directory { Ok(()) } else { self.walk.seek(&keys::after_prefix(&group)) };
        }
        let inode = listed(dirs::inode_of(self.view, dentry)?);
        self.entries.push(Entry {
            key: path,
            ino: dentry.ino,
            kind: dentry.kind,
            inode: Some(inode),
            ..Entry::default()
        });
        Ok(())
    }

    /// The common prefix a path falls under.
    fn group(&self, path: &Bytes) -> Option<Bytes> {
        let delimiter = &self.ask.delimiter[..];
        if delimiter.is_empty() {
            return None;
        }
        let skip = self.ask.prefix.len();
        let rest = path.get(skip..)?;
        let at = rest.windows(delimiter.len()).position(|window| window == delimiter)?;
        Some(path.slice(..skip + at + delimiter.len()))
    }
}

/// Where the walk stands in one directory.
struct Level {
    ino: u64,
    /// Path of the directory within the bucket, with its `/`.
    path: Bytes,
    /// Entries read but not yet visited.
    ready: VecDeque<(Bytes, Dentry)>,
    /// Key from which to read on; `None`: all was read.
    from: Option<Bytes>,
    read: usize,
}

struct Walk<'a> {
    view: &'a dyn View,
    bucket: u64,
    stack: Vec<Level>,
}

impl<'a> Walk<'a> {
    fn new(view: &'a dyn View, bucket: u64) -> Self {
        Self { view, bucket, stack: Vec::new() }
    }

    /// Stands before the first entry whose path is not below `bound`. Directories that lead to `bound` count as
    /// passed.
    fn seek(&mut self, bound: &[u8]) -> Result<(), Broken> {
        self.stack.clear();
        let (mut ino, mut depth) = (self.bucket, 0);
        loop {
            let (path, rest) = bound.split_at(depth);
            let path = Bytes::copy_from_slice(path);
            let Some(slash) = rest.iter().position(|byte| *byte == b'/') else {
                self.push(ino, path, keys::dentry(ino, rest));
                return Ok(());
            };
            let name = &rest[..=slash];
            let key = keys::dentry(ino, name);
            let Some(child) = records::load::<Dentry>(self.view, &key)? else {
                self.push(ino, path, key);
                return Ok(());
            };
            self.push(ino, path, keys::next(&key));
            ino = child.ino;
            depth += name.len();
        }
    }

    fn descend(&mut self, path: &Bytes, ino: u64) {
        self.push(ino, path.clone(), keys::dentries(ino));
    }

    fn push(&mut self, ino: u64, path: Bytes, from: Bytes) {
        self.stack.push(Level { ino, path, ready: VecDeque::new(), from: Some(from), read: READ_FIRST });
    }

    fn next(&mut self) -> Result<Option<(Bytes, Dentry)>, Broken> {
        while let Some(level) = self.stack.last_mut() {
            if let Some((name, dentry)) = level.ready.pop_front() {
                let path = [&level.path[..], &name[..]].concat();
                return Ok(Some((path.into(), dentry)));
            }
            match level.from.take() {
                Some(from) => level.fill(self.view, &from)?,
                None => {
                    self.stack.pop();
                }
            }
        }
        Ok(None)
    }
}

impl Level {
    fn fill(&mut self, view: &dyn View, from: &[u8]) -> Result<(), Broken> {
        let to = keys::after_prefix(&keys::dentries(self.ino));
        let found = records::load_range::<Dentry>(view, from, &to, self.read)?;
        if found.len() == self.read {
            self.from = found.last().map(|(key, _)| keys::next(key));
        }
        self.read = (self.read * 4).min(READ_MOST);
        self.ready.extend(found.into_iter().map(|(key, dentry)| (keys::name_of(&key), dentry)));
        Ok(())
    }
}
