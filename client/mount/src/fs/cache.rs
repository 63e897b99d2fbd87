//! Names and attributes that the cluster told and will take back: they are true without a question.
//!
//! What always holds:
//! - Only what came with a lease of the present generation is kept, and only while news of changes come without delay
//!   ([`holdfast_client::Client::watching`]); otherwise nothing is answered from here.
//! - An answer that was on its way while the same inode changed, by anybody, is not kept ([`Recent`]).
//! - Names are kept under their directory and go with it. A directory that was listed from one end to the other, or
//!   made here, is whole: what is not in it does not exist, until somebody else touches it.
//! - Memory is bounded: [`INODES`] inodes and [`NAMES`] names; what was used longest ago goes first, and the leader is
//!   told so.
//!
//! Called by the requests that need attributes or names; told of changes by the client.

use std::collections::{HashMap, HashSet};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use bytes::Bytes;
use holdfast_client::{Client, Keeper};
use holdfast_proto::inode::{FileKind, Inode};
use holdfast_proto::op::{Op, Rename, RenameMode, Reply};
use holdfast_proto::session::{Changed, MAX_OPENS};
use holdfast_support::recent::Recent;
use lru::LruCache;
use parking_lot::Mutex;

use crate::fs::file::bare;

/// Inodes kept at most: some 500 bytes each.
const INODES: usize = 64 << 10;

/// Names kept at most: some 100 bytes each.
const NAMES: usize = 128 << 10;
/// Inodes known to be gone that are remembered.
const GONE: std::num::NonZeroUsize = std::num::NonZeroUsize::new(4096).unwrap();

/// Changes that an answer under way may be older than.
const RECENT: usize = 8 << 10;

/// Names that stand for what has no name of its own depend on their neighbours.
const ESCAPE: &[u8] = b".hf~";

/// A question or command that began, with what had become void by then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Began(u64);

/// What is known of a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Named {
    /// It stands for this inode.
    Is(u64),
    /// There is no such name.
    Free,
}

/// What came from the cluster, and whether changes of it will be told.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Told {
    pub(crate) began: Began,
    /// Log index of the answer.
    pub(crate) index: u64,
    /// Term of its lease; 0: none.
    pub(crate) lease: u64,
}

/// A directory being listed: it becomes whole if nothing happened to it until its end.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Listing {
    dir: u64,
    began: Began,
    index: u64,
    birth: u64,
}

#[derive(Debug, Default)]
struct Known {
    inode: Option<Inode>,
    /// Absent values: something happened to the name, nobody knows what it stands for.
    names: HashMap<Bytes, Option<Named>>,
    whole: bool,
    /// No two entries of this table have the same.
    birth: u64,
}

#[derive(Debug)]
struct State {
    generation: u64,
    term: u64,
    recent: Recent,
    known: LruCache<u64, Known>,
    names: usize,
    births: u64,
    /// Inodes that a request found to be gone while names here still led to them. Their numbers are never used again.
    gone: LruCache<u64, ()>,
    /// To be told to the leader, and on its way to it.
    forget: HashSet<u64>,
    forgetting: HashSet<u64>,
}

/// The table.
#[derive(Debug)]
pub(crate) struct Cache {
    state: Mutex<State>,
    inodes: usize,
    most_names: usize,
}

impl Default for Cache {
    fn default() -> Self {
        Self::new(INODES, NAMES)
    }
}

impl Cache {
    fn new(inodes: usize, names: usize) -> Self {
        let state = State {
            generation: 0,
            term: 0,
            recent: Recent::new(0, RECENT),
            known: LruCache::unbounded(),
            names: 0,
            births: 0,
            gone: LruCache::new(GONE),
            forget: HashSet::new(),
            forgetting: HashSet::new(),
        };
        Self { state: Mutex::new(state), inodes, most_names: names }
    }

    /// Before a question is sent.
    pub(crate) fn began(&self) -> Began {
        Began(self.state.lock().generation)
    }

    /// Attributes of an inode.
    pub(crate) fn inode(&self, client: &Client, ino: u64) -> Option<Inode> {
        let term = client.watching();
        let mut guard = self.state.lock();
        let state = guard.valid(term)?;
        if state.gone.contains(&ino) {
            return None;
        }
        state.known.get(&ino)?.inode.clone()
    }

    /// A request found an inode gone, before the news of it came. The kernel looks its way up once more, and must not be
    /// led there again.
    pub(crate) fn gone(&self, ino: u64) {
        let mut state = self.state.lock();
        state.gone.put(ino, ());
        if let Some(known) = state.known.peek_mut(&ino) {
            known.inode = None;
        }
    }

    /// A request found that a name is not what it was known to be, before the news of it came.
    pub(crate) fn doubt(&self, dir: u64, name: &[u8]) {
        let mut state = self.state.lock();
        if let Some(known) = state.known.peek_mut(&dir).and_then(|known| known.names.get_mut(name)) {
            *known = None;
        } else if let Some(known) = state.known.peek_mut(&dir) {
            known.whole = false;
        }
    }

    /// What a name stands for; with its attributes if they are known.
    pub(crate) fn name(&self, client: &Client, dir: u64, name: &[u8]) -> Option<(Named, Option<Inode>)> {
        let term = client.watching();
        let mut guard = self.state.lock();
        let state = guard.valid(term)?;
        if state.gone.contains(&dir) {
            return None;
        }
        let named = state.known.get(&dir)?.named(name)?;
        let inode = match named {
            Named::Is(ino) if state.gone.contains(&ino) => return None,
            Named::Is(ino) => state.known.get(&ino).and_then(|known| known.inode.clone()),
            Named::Free => None,
        };
        Some((named, inode))
    }

    /// An answer told of an inode.
    pub(crate) fn keep_inode(&self, told: Told, inode: &Inode) {
        let mut state = self.state.lock();
        state.gone.pop(&inode.ino);
        if state.takes(told, inode.ino) {
            state.entry(inode.ino).inode = Some(bare(inode.clone()));
            self.trim(&mut state);
        } else if let Some(known) = state.known.peek_mut(&inode.ino) {
            // News are on their way; what they are about is known to be old.
            known.inode.take_if(|old| (old.version, old.ctime_ns) != (inode.version, inode.ctime_ns));
        }
    }

    /// Whether changes of an inode will be told that came after an answer, all of them.
    pub(crate) fn follows(&self, told: Told, ino: u64) -> bool {
        self.state.lock().takes(told, ino)
    }

    /// Whether what was given out of an inode is just this. Not so when nothing is kept of it.
    pub(crate) fn is_same(&self, inode: &Inode) -> bool {
        let state = self.state.lock();
        let old = state.known.peek(&inode.ino).and_then(|known| known.inode.as_ref());
        old.is_some_and(|old| (old.version, old.ctime_ns) == (inode.version, inode.ctime_ns))
    }

    /// An answer told what a name stands for.
    pub(crate) fn keep_name(&self, told: Told, dir: u64, name: &Bytes, named: Named) {
        let mut state = self.state.lock();
        if state.takes_name(told, dir, name) {
            state.put_name(dir, name, named);
            self.trim(&mut state);
        }
    }

    /// The first page of a directory is about to be taken in.
    pub(crate) fn begin_listing(&self, told: Told, dir: u64) -> Option<Listing> {
        let mut state = self.state.lock();
        if !state.is_leased(told, dir) {
            return None;
        }
        let birth = state.entry(dir).birth;
        Some(Listing { dir, began: told.began, index: told.index, birth })
    }

    /// The last page was taken in.
    pub(crate) fn end_listing(&self, listing: Listing) {
        let mut state = self.state.lock();
        let touched = state.recent.changed_since(all_names(listing.dir), listing.index);
        if state.generation != listing.began.0 || touched {
            return;
        }
        if let Some(known) = state.known.get_mut(&listing.dir).filter(|known| known.birth == listing.birth) {
            known.whole = true;
        }
    }

    /// Everything is void; what is told in this term from now on may be kept.
    fn clear(&self, term: u64) {
        let mut state = self.state.lock();
        state.generation += 1;
        state.term = term;
        state.known.clear();
        state.names = 0;
        state.forget.clear();
        state.forgetting.clear();
    }

    /// Somebody else changed something.
    fn apply(&self, changes: &[Changed]) {
        let mut state = self.state.lock();
        state.forgetting.clear();
        for changed in changes {
            match &changed.name {
                None => state.drop_inode(changed.ino, changed.index),
                Some(name) => state.drop_name(changed.ino, name, changed.index),
            }
        }
    }

    fn forgotten(&self, is_open: impl Fn(u64) -> bool) -> Vec<u64> {
        let mut state = self.state.lock();
        let some: Vec<u64> =
            state.forget.iter().copied().filter(|ino| !is_open(*ino)).take(MAX_OPENS).collect();
        for ino in &some {
            state.forget.remove(ino);
            state.forgetting.insert(*ino);
        }
        some
    }

    /// A command of this client was carried out. Returns the inodes whose names it took, as far as they are known.
    fn own(&self, began: Began, op: &Op, reply: &Reply) -> Vec<u64> {
        let mut state = self.state.lock();
        let told = Told { began, index: reply.index, lease: reply.lease_term };
        let left = state.note_own(op, reply);
        for parent in &reply.parents {
            let told = Told { index: reply.parents_index, ..told };
            if state.takes(told, parent.ino) {
                state.entry(parent.ino).inode = Some(bare(parent.clone()));
            }
        }
        if let Some(inode) = reply.inode.as_ref().filter(|inode| state.takes(told, inode.ino)) {
            state.entry(inode.ino).inode = Some(bare(inode.clone()));
        }
        match (op, &reply.inode) {
            (Op::Create(op), Some(inode)) => {
                state.own_name(told, op.parent, &op.name, Some(Named::Is(inode.ino)));
                if inode.kind() == FileKind::Directory && !reply.existed && state.takes(told, inode.ino) {
                    state.entry(inode.ino).whole = true;
                }
            }
            (Op::Link(op), Some(inode)) => {
                state.own_name(told, op.parent, &op.name, Some(Named::Is(inode.ino)));
            }
            (Op::Unlink(op), _) => state.own_name(told, op.parent, &op.name, Some(Named::Free)),
            // An object of the same name, which the directory hid, has it now.
            (Op::RemoveDir(op), _) => state.own_name(told, op.parent, &op.name, None),
            (Op::Rename(op), _) => state.own_rename(told, op),
            _ => {}
        }
        self.trim(&mut state);
        left
    }

    fn trim(&self, state: &mut State) {
        while state.known.len() > self.inodes || state.names > self.most_names {
            let Some((ino, known)) = state.known.pop_lru() else { break };
            state.names -= known.names.len();
            state.forget.insert(ino);
        }
    }
}

impl Known {
    fn named(&self, name: &[u8]) -> Option<Named> {
        match self.names.get(name) {
            Some(named) => *named,
            None if self.whole && !name.starts_with(ESCAPE) => Some(Named::Free),
            None => None,
        }
    }
}

impl State {
    fn valid(&mut self, term: u64) -> Option<&mut Self> {
        (term != 0 && term == self.term).then_some(self)
    }

    /// Whether later changes of an inode, and of names in it, will be told.
    fn is_leased(&self, told: Told, ino: u64) -> bool {
        told.lease != 0
            && told.lease == self.term
            && told.began.0 == self.generation
            && !self.forgetting.contains(&ino)
    }

    /// Whether what was told of an inode is true now and will be taken back.
    fn takes(&self, told: Told, ino: u64) -> bool {
        self.is_leased(told, ino) && !self.recent.changed_since(ino, told.index)
    }

    fn takes_name(&self, told: Told, dir: u64, name: &[u8]) -> bool {
        self.is_leased(told, dir) && !self.recent.changed_since(name_key(dir, name), told.index)
    }

    fn entry(&mut self, ino: u64) -> &mut Known {
        self.forget.remove(&ino);
        let births = &mut self.births;
        self.known.get_or_insert_mut(ino, || {
            *births += 1;
            Known { birth: *births, ..Known::default() }
        })
    }

    fn put_name(&mut self, dir: u64, name: &Bytes, named: Named) {
        let known = self.entry(dir);
        let new = known.names.insert(name.clone(), Some(named)).is_none();
        self.names += usize::from(new);
    }

    fn drop_inode(&mut self, ino: u64, index: u64) {
        self.recent.note(ino, index);
        if let Some(known) = self.known.peek_mut(&ino) {
            known.inode = None;
        }
    }

    /// Something happened to a name: nothing is known of it, nor of names that depend on their neighbours.
    fn drop_name(&mut self, dir: u64, name: &Bytes, index: u64) {
        self.recent.note(name_key(dir, name), index);
        self.recent.note(all_names(dir), index);
        let Some(known) = self.known.peek_mut(&dir) else { return };
        let before = known.names.len();
        known.names.retain(|name, _| !name.starts_with(ESCAPE));
        match known.whole {
            true => drop(known.names.insert(name.clone(), None)),
            false => drop(known.names.remove(name)),
        }
        self.names = self.names + known.names.len() - before;
    }

    /// Whatever a command of this client may have changed is not known, until its reply says how it is.
    fn note_own(&mut self, op: &Op, reply: &Reply) -> Vec<u64> {
        let left: Vec<u64> = names_of(op)
            .filter_map(|(dir, name)| match self.known.peek(&dir)?.named(&name)? {
                Named::Is(ino) => Some(ino),
                Named::Free => None,
            })
            .collect();
        let itself = reply.inode.iter().map(|inode| inode.ino);
        for ino in left.iter().copied().chain(itself).chain(op.works_on()).filter(|ino| *ino != 0) {
            self.drop_inode(ino, reply.index);
        }
        left
    }

    /// A name of which a command of this client decided; `None`: not even the command knows how.
    fn own_name(&mut self, told: Told, dir: u64, name: &Bytes, named: Option<Named>) {
        self.drop_name(dir, name, told.index);
        if let Some(named) = named.filter(|_| !name.starts_with(ESCAPE))
            && self.takes_name(told, dir, name)
        {
            self.put_name(dir, name, named);
        }
    }

    /// Whether it is known to be no directory.
    fn hides_nothing(&self, named: Option<Named>) -> bool {
        let Some(Named::Is(ino)) = named else { return false };
        let inode = self.known.peek(&ino).and_then(|known| known.inode.as_ref());
        inode.is_some_and(|inode| inode.kind() != FileKind::Directory)
    }

    fn own_rename(&mut self, told: Told, op: &Rename) {
        let from = self.known.peek(&op.parent).and_then(|known| known.named(&op.name));
        let to = self.known.peek(&op.new_parent).and_then(|known| known.named(&op.new_name));
        let (left, arrived) = match op.mode == RenameMode::Exchange as i32 {
            // Two names of one file: nothing happened. Not known: perhaps so.
            _ if from == to || from.is_none() => (None, None),
            true => (to, from),
            // An object of the same name, which a directory hid, has it then.
            false => (self.hides_nothing(from).then_some(Named::Free), from),
        };
        self.own_name(told, op.parent, &op.name, left);
        self.own_name(told, op.new_parent, &op.new_name, arrived);
    }
}

/// Stands for a name among the things that change. Two that fall together are taken for changed together.
fn name_key(dir: u64, name: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    (dir, name).hash(&mut hasher);
    // Inode numbers stay below.
    hasher.finish() | 1 << 63
}

/// Stands for all names of a directory.
fn all_names(dir: u64) -> u64 {
    name_key(dir, b"/")
}

/// Names that a command may take from an inode or give to another.
fn names_of(op: &Op) -> impl Iterator<Item = (u64, Bytes)> {
    let named = match op {
        Op::Create(op) => [Some((op.parent, &op.name)), None],
        Op::Unlink(op) => [Some((op.parent, &op.name)), None],
        Op::RemoveDir(op) => [Some((op.parent, &op.name)), None],
        Op::Rename(op) => [Some((op.parent, &op.name)), Some((op.new_parent, &op.new_name))],
        _ => [None, None],
    };
    named.map(|named| named.map(|(dir, name)| (dir, name.clone()))).into_iter().flatten()
}

/// What the client tells goes to the table, and to the rest of the file system.
pub(crate) struct Listener {
    pub(crate) fs: std::sync::Weak<crate::fs::Shared>,
}

impl Keeper for Listener {
    fn changed(&self, changes: Vec<Changed>) {
        let Some(fs) = self.fs.upgrade() else { return };
        fs.cache.apply(&changes);
        fs.heard(&changes);
    }

    fn all_void(&self, term: u64) {
        let Some(fs) = self.fs.upgrade() else { return };
        fs.cache.clear(term);
        // Open files, too: the kernel never asks about pages that it holds.
        fs.voided.notify_one();
    }

    fn forgotten(&self) -> Vec<u64> {
        let Some(fs) = self.fs.upgrade() else { return Vec::new() };
        // What is open is followed, whether its attributes are kept or not.
        fs.cache.forgotten(|ino| fs.files.get(ino).is_some())
    }

    fn begin(&self) -> u64 {
        self.fs.upgrade().map_or(0, |fs| fs.cache.began().0)
    }

    fn done(&self, began: u64, op: &Op, reply: Option<&Reply>) {
        let Some(fs) = self.fs.upgrade() else { return };
        match reply {
            Some(reply) if reply.is_ok() => {
                let left = fs.cache.own(Began(began), op, reply);
                fs.outdated(&left);
            }
            // Refused: nothing changed.
            Some(_) => {}
            None => {
                let term = fs.cache.state.lock().term;
                fs.cache.clear(term);
            }
        }
    }
}

#[cfg(test)]
#[path = "cache_tests.rs"]
mod tests;
