//! Directories are read in pages, with the attributes of what is in them.
//!
//! What always holds: memory is two pages per open directory, plus the place where each page began, so that
//! seekdir(3) finds it again. Reading costs its page, however many entries there are. What is created or removed
//! while a directory is being read may or may not be seen, everything else is seen once. The kernel goes back by what
//! it could not hand on, and that is kept; going back further reads a page again, and offsets in it count what is there
//! by then.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use holdfast_proto::inode::{FileKind, Inode};
use holdfast_proto::query::{GetInode, Query, ReadDir};
use tokio::sync::OwnedMutexGuard;

use crate::errno::Errno;
use crate::fs::cache::{Listing, Named, Told};
use crate::fs::handles::DirHandle;
use crate::fs::{Attr, Fs, Outcome};

/// Entries of the first page, and of the following ones.
const FIRST_PAGE: u32 = 128;
const PAGE: u32 = 1024;

/// Offsets 0 and 1 are `.` and `..`; the first entry has offset 2.
const FIRST: u64 = 2;

/// One name.
#[derive(Clone, Debug)]
pub struct DirEntry {
    /// The name as the mount shows it.
    pub name: Bytes,
    /// Inode number.
    pub ino: u64,
    /// What it is.
    pub kind: FileKind,
    /// Its attributes; absent for `.` and `..`.
    pub attr: Option<Attr>,
    /// Where to go on behind it.
    pub next: u64,
}

/// Where an open directory is.
#[derive(Debug, Default)]
pub(crate) struct DirState {
    parent: u64,
    /// Offset of the first entry in `page`.
    at: u64,
    /// The page being read, and the one before it.
    page: VecDeque<DirEntry>,
    /// Entries of it that belong to the page before.
    previous: usize,
    /// Behind this stored name comes the next page.
    after: Bytes,
    over: bool,
    /// Offset and preceding name of the pages read so far.
    pages: Vec<(u64, Bytes)>,
    /// Nothing was missed so far of what the directory holds.
    listing: Option<Listing>,
}

/// The rest of an open directory from an offset on, page by page.
pub struct Listed {
    fs: Fs,
    ino: u64,
    state: OwnedMutexGuard<DirState>,
    offset: u64,
}

impl Fs {
    /// Opens a directory.
    pub fn opendir(&self, ino: u64) -> u64 {
        let state = Arc::new(tokio::sync::Mutex::new(DirState::default()));
        self.shared.handles.add_dir(DirHandle { ino, state })
    }

    /// Closes a directory.
    pub fn releasedir(&self, handle: u64) {
        self.shared.handles.remove_dir(handle);
    }

    /// Entries of an open directory from an offset on: 0, or [`DirEntry::next`] of some entry.
    pub async fn readdir(&self, handle: u64, offset: u64) -> Outcome<Listed> {
        let handle = self.shared.handles.dir(handle).ok_or(Errno::BADF)?;
        let state = handle.state.clone().lock_owned().await;
        let mut listed = Listed { fs: self.clone(), ino: handle.ino, state, offset };
        if offset == 0 {
            listed.rewind().await?;
        } else if offset >= FIRST {
            listed.seek(offset)?;
        }
        Ok(listed)
    }
}

impl DirEntry {
    /// Its attributes; of `.` and `..` only what they are, which is all the kernel takes from them.
    pub fn attr_or_kind(&self) -> Attr {
        self.attr
            .unwrap_or_else(|| Attr::of(&Inode { ino: self.ino, kind: self.kind as i32, ..Inode::default() }))
    }
}

impl Listed {
    async fn rewind(&mut self) -> Outcome<()> {
        let inode = self.directory().await?;
        if inode.kind() != FileKind::Directory {
            return Err(Errno::NOTDIR);
        }
        self.fs.note_access(&inode);
        *self.state = DirState { parent: inode.parent, at: FIRST, ..DirState::default() };
        Ok(())
    }

    async fn directory(&self) -> Outcome<Inode> {
        let fs = &self.fs;
        if let Some(inode) = fs.shared.cache.inode(fs.client(), self.ino) {
            return Ok(inode);
        }
        let question = Query::GetInode(GetInode { ino: self.ino, content: false, open: 0 });
        fs.client().ask(question).await?.reply.inode.ok_or(Errno::IO)
    }

    /// Goes to an offset that an earlier entry named.
    fn seek(&mut self, offset: u64) -> Outcome<()> {
        let state = &mut *self.state;
        let behind = state.at + state.page.len() as u64;
        if offset < state.at || offset > behind {
            let known = state.pages.partition_point(|(first, _)| *first <= offset);
            let (first, after) = match known.checked_sub(1).and_then(|at| state.pages.get(at)) {
                Some((first, after)) => (*first, after.clone()),
                None => (FIRST, Bytes::new()),
            };
            state.pages.truncate(known.saturating_sub(1));
            *state = DirState {
                parent: state.parent,
                at: first,
                after,
                pages: std::mem::take(&mut state.pages),
                ..DirState::default()
            };
        }
        Ok(())
    }

    /// The next entry; `None` at the end. It is not passed before [`Listed::advance`].
    pub async fn peek(&mut self) -> Outcome<Option<DirEntry>> {
        if self.offset < FIRST {
            return Ok(Some(self.dots()));
        }
        loop {
            let state = &*self.state;
            let entry = self.offset.checked_sub(state.at).and_then(|at| state.page.get(at as usize));
            if let Some(entry) = entry {
                return Ok(Some(entry.clone()));
            }
            if state.over {
                return Ok(None);
            }
            self.fetch().await?;
        }
    }

    /// The entry seen last was given out.
    pub fn advance(&mut self) {
        self.offset += 1;
    }

    fn dots(&self) -> DirEntry {
        let (name, ino) = match self.offset {
            0 => (Bytes::from_static(b"."), self.ino),
            _ => (Bytes::from_static(b".."), self.state.parent),
        };
        DirEntry { name, ino, kind: FileKind::Directory, attr: None, next: self.offset + 1 }
    }

    async fn fetch(&mut self) -> Outcome<()> {
        let first = self.state.at + self.state.page.len() as u64;
        let most = if first == FIRST { FIRST_PAGE } else { PAGE };
        let after = self.state.after.clone();
        let question = Query::ReadDir(ReadDir { ino: self.ino, after: after.clone(), most, inodes: true });
        let cache = &self.fs.shared.cache;
        let began = cache.began();
        let reply = self.fs.client().ask_leased(question).await?.reply;
        let told = Told { began, index: reply.index, lease: reply.lease_term };
        let state = &mut *self.state;
        if first == FIRST {
            state.listing = cache.begin_listing(told, self.ino);
        } else if told.lease == 0 {
            state.listing = None;
        }
        state.pages.push((first, after));
        let kept = state.page.split_off(state.previous);
        state.at += state.previous as u64;
        state.previous = kept.len();
        state.page = kept;
        state.over = !reply.more;
        state.after = reply.next;
        for (number, entry) in reply.entries.into_iter().enumerate() {
            let kind = FileKind::try_from(entry.kind).map_err(|_| Errno::IO)?;
            let attr = entry.inode.as_ref().map(|inode| self.fs.attr_of(inode));
            if told.lease != 0 {
                // Each of them, or the directory would seem to lack it once it is whole.
                cache.keep_name(told, self.ino, &entry.name, Named::Is(entry.ino));
                if let Some(inode) = &entry.inode {
                    cache.keep_inode(told, inode);
                }
            }
            let next = first + number as u64 + 1;
            state.page.push_back(DirEntry { name: entry.name, ino: entry.ino, kind, attr, next });
        }
        if let Some(listing) = state.listing.take_if(|_| state.over) {
            cache.end_listing(listing);
        }
        Ok(())
    }
}
