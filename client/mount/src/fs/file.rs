//! A regular file that is open here, or still has bytes to commit: what is known of it and what was written to it.
//!
//! What always holds:
//! - The lock of [`State`] is never held across a wait; [`File::flushing`] is held by the one flush under way.
//! - `attr` and `reader` describe content that includes every commit made here: [`State::committed`] replaces both
//!   at the moment the flushed ranges leave the overlay.
//! - An answer from the cluster is taken only if it is not older than what is known: versions and times of change
//!   never go back, so it includes every commit made here ([`State::learn`]).
//! - A failed background write is told once to every handle that was open at that time ([`Failures`]).

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use holdfast_client::OpenFile;
use holdfast_proto::ids::SessionId;
use holdfast_proto::inode::Inode;
use holdfast_proto::map::StorageClass;
use parking_lot::Mutex;
use tokio::time::Instant;

use crate::disk::Image;
use crate::errno::Errno;
use crate::fs::attr::Attr;
use crate::fs::dirty::Dirty;
use crate::fs::follow::Followed;
use crate::fs::locks::LockOwner;
use crate::fs::nearby::Through;
use crate::fs::pages::Pages;

/// One inode's open state; all handles of this mount share it.
#[derive(Debug)]
pub(crate) struct File {
    pub(crate) ino: u64,
    pub(crate) state: Mutex<State>,
    /// Held by the flush under way, so that commits keep their order.
    pub(crate) flushing: tokio::sync::Mutex<()>,
    /// Held by who has the kernel drop the page at the end.
    pub(crate) dropping: tokio::sync::Mutex<()>,
    /// Held by who takes or gives up a lock.
    pub(crate) locking: tokio::sync::Mutex<()>,
}

/// Committed content as of some moment.
#[derive(Clone, Debug)]
pub(crate) struct Reader {
    pub(crate) file: OpenFile,
    /// When it was last known to be current.
    pub(crate) at: Instant,
    /// The same content on a disk of this machine.
    pub(crate) nearby: Option<Arc<Image>>,
}

/// What changes of a [`File`].
#[derive(Debug)]
pub(crate) struct State {
    /// Open handles.
    pub(crate) handles: u32,
    /// As committed, without extents.
    pub(crate) inode: Inode,
    /// When `inode` was last known to be current.
    pub(crate) at: Instant,
    pub(crate) class: Arc<StorageClass>,
    pub(crate) reader: Option<Reader>,
    /// Ranges written at their offsets.
    pub(crate) dirty: Dirty,
    /// Bytes to append, at offsets from the end of the file, wherever that will be.
    pub(crate) tail: Dirty,
    /// Time of the oldest write that is not committed.
    pub(crate) dirty_since: Option<Instant>,
    /// Wall clock of the last write that is not committed.
    pub(crate) written_ns: Option<i64>,
    /// The writer was not privileged: set-user-id and set-group-id go with the next commit.
    pub(crate) clear_suid: bool,
    /// The kernel takes another byte than we do for the end of the file: its pages are void once the append is
    /// committed.
    pub(crate) kernel_astray: bool,
    pub(crate) failures: Failures,
    /// Who holds locks here.
    pub(crate) lock_owners: HashMap<u64, LockOwner>,
    /// The session in which a lock was held when the first of what is dirty was written: once it is gone, somebody else
    /// may hold the lock, and these bytes must not come in between.
    pub(crate) fence: Option<SessionId>,
    /// What is dirty must not be committed any more; whoever holds `flushing` next throws it away.
    pub(crate) lost: Option<Lost>,
    /// Whether changes made elsewhere will be told.
    pub(crate) followed: Followed,
    /// Version whose pages the kernel may hold; 0: none that are worth keeping.
    pub(crate) kernel_version: u64,
    /// Readers that ask for a pause of appends.
    pub(crate) calm: u32,
    /// What the kernel holds of the end.
    pub(crate) pages: Pages,
    /// Bytes that were wanted from the cluster.
    pub(crate) fetched: u64,
    pub(crate) through: Through,
    /// The kernel is being told to drop older pages; whoever opens the file must not be told to keep them.
    pub(crate) kernel_dropping: bool,
}

/// Why what was written is not to be committed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lost {
    /// The last descriptor was closed, and its owner was told that it could not be committed.
    Closed,
    /// The lock under which it was written was given up.
    Unlocked,
}

/// Background writes that failed: how many, and how the last one did.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Failures {
    pub(crate) count: u64,
    pub(crate) last: Option<Errno>,
}

impl File {
    pub(crate) fn new(inode: Inode, class: Arc<StorageClass>, kernel_version: u64) -> Self {
        let state = State {
            handles: 0,
            at: Instant::now(),
            class,
            reader: None,
            dirty: Dirty::default(),
            tail: Dirty::default(),
            dirty_since: None,
            written_ns: None,
            clear_suid: false,
            kernel_astray: false,
            failures: Failures::default(),
            lock_owners: HashMap::new(),
            fence: None,
            lost: None,
            followed: Followed::default(),
            kernel_version,
            kernel_dropping: false,
            calm: 0,
            pages: Pages::default(),
            fetched: 0,
            through: Through::default(),
            inode: bare(inode.clone()),
        };
        let (flushing, dropping, locking) = Default::default();
        Self { ino: inode.ino, state: Mutex::new(state), flushing, dropping, locking }
    }
}

/// An inode without what only readers need.
pub(crate) fn bare(mut inode: Inode) -> Inode {
    inode.extents = Vec::new();
    inode
}

impl State {
    pub(crate) fn is_dirty(&self) -> bool {
        !self.dirty.is_empty() || !self.tail.is_empty()
    }

    /// Bytes of memory that wait for a commit.
    pub(crate) fn held(&self) -> u64 {
        self.dirty.held() + self.tail.held()
    }

    /// The length as this mount sees it.
    pub(crate) fn size(&self) -> u64 {
        self.inode.size.max(self.dirty.end()) + self.tail.end()
    }

    /// Attributes as this mount sees them.
    pub(crate) fn attr(&self) -> Attr {
        let mut attr = Attr::of(&self.inode);
        attr.size = self.size();
        if self.clear_suid {
            attr.mode = without_set_ids(attr.mode);
        }
        if let Some(written) = self.written_ns {
            attr.mtime_ns = written.max(attr.mtime_ns);
            attr.ctime_ns = written.max(attr.ctime_ns);
        }
        attr
    }

    /// An answer from the cluster. False: it is older than what is known.
    pub(crate) fn learn(&mut self, inode: &Inode) -> bool {
        if inode.version < self.inode.version || inode.ctime_ns < self.inode.ctime_ns {
            return false;
        }
        self.inode = bare(inode.clone());
        self.at = Instant::now();
        if self.reader.as_ref().is_some_and(|reader| reader.file.inode().version != inode.version) {
            self.reader = None;
        }
        true
    }

    /// A command of ours changed the file. `before` is the version it replaced: if it is not the one we knew,
    /// somebody else changed the file in between, and what the kernel holds of it is void. True: it is.
    pub(crate) fn committed(&mut self, inode: Inode, before: u64) -> bool {
        let known = self.inode.version;
        if inode.version != known {
            self.reader = None;
        }
        if self.kernel_version == known && before == known {
            self.kernel_version = inode.version;
        }
        self.inode = bare(inode);
        self.at = Instant::now();
        before != known
    }

    /// Somebody changed the file: the next who wants to know asks.
    pub(crate) fn expire(&mut self, ttl: Duration) {
        let Some(long_ago) = Instant::now().checked_sub(ttl) else { return };
        self.at = long_ago.min(self.at);
        if let Some(reader) = &mut self.reader {
            reader.at = long_ago.min(reader.at);
        }
    }

    /// The kernel is told to drop its pages, and will read this version from then on.
    pub(crate) fn kernel_drops(&mut self, version: u64) {
        self.kernel_version = version;
        self.kernel_dropping = true;
    }

    /// The file is opened: whether the kernel may keep its pages. If not, it drops them before anybody reads.
    pub(crate) fn kernel_keeps(&mut self) -> bool {
        let version = self.inode.version;
        let keeps = self.kernel_version == version && version != 0 && !self.kernel_dropping;
        self.kernel_version = version;
        self.kernel_dropping = false;
        keeps
    }

    pub(crate) fn fail(&mut self, errno: Errno) {
        self.failures.count += 1;
        self.failures.last = Some(errno);
    }

    /// Nothing waits any more.
    pub(crate) fn settle(&mut self) {
        if !self.is_dirty() {
            self.dirty_since = None;
            self.written_ns = None;
            self.clear_suid = false;
            self.fence = None;
            self.lost = None;
        }
    }
}

/// Without set-user-id, and without set-group-id where it means a program and not mandatory locking.
fn without_set_ids(mode: u32) -> u32 {
    const EXECUTE_BY_GROUP: u32 = 0o010;
    const SET_GROUP_ID: u32 = 0o2000;
    let kept = if mode & EXECUTE_BY_GROUP == 0 { mode & SET_GROUP_ID } else { 0 };
    (mode & !0o6000) | kept
}

/// Bytes of a read in the pieces they came in.
#[derive(Clone, Debug, Default)]
pub struct Pieces(pub(crate) Vec<Bytes>);

impl Pieces {
    /// The bytes, put together only if they are in several pieces.
    pub fn with<T>(&self, what: impl FnOnce(&[u8]) -> T) -> T {
        match self.0.as_slice() {
            [] => what(&[]),
            [one] => what(one),
            many => what(&many.concat()),
        }
    }

    /// How many bytes there are.
    pub fn len(&self) -> usize {
        self.0.iter().map(Bytes::len).sum()
    }

    /// Whether there is no byte.
    pub fn is_empty(&self) -> bool {
        self.0.iter().all(Bytes::is_empty)
    }
}
