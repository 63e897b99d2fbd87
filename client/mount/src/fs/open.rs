//! Open and close.
//!
//! What always holds: opening asks the metaserver once, so that what another mount closed before is seen
//! (close-to-open); closing a handle that wrote commits everything and tells of any failure.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use holdfast_client::{DEFAULT_CLASS, Hold, OpenFile};
use holdfast_proto::ids::Ino;
use holdfast_proto::inode::{FileKind, Inode};
use holdfast_proto::map::StorageClass;
use tokio::time::Instant;

use crate::errno::Errno;
use crate::fs::cache::Told;
use crate::fs::file::{File, Lost, Reader};
use crate::fs::handles::FileHandle;
use crate::fs::names::{Caller, NewNode};
use crate::fs::nearby::Backing;
use crate::fs::{Attr, Fs, Outcome};

/// How a file was opened.
#[derive(Clone, Debug)]
pub struct Opened {
    /// Number of the handle.
    pub handle: u64,
    /// Attributes, for those who ask for both at once.
    pub attr: Attr,
    /// The kernel's pages of the file are still good.
    pub keep_cache: bool,
    /// The kernel must not cache through this handle: only the metaserver knows where an append lands.
    pub direct: bool,
    /// What the kernel reads itself; then it must be told so, or [`Fs::does_not_pass`] be called.
    pub backing: Option<Arc<Backing>>,
}

/// What the answer to an open told.
struct Content<'a> {
    inode: &'a Inode,
    /// For who reads.
    file: Option<OpenFile>,
    asked: Instant,
}

impl Fs {
    /// Opens a file that exists. Flags are those of open(2); truncation is a request of its own.
    pub async fn open(&self, ino: u64, flags: i32) -> Outcome<Opened> {
        if self.config().read_only && flags & libc::O_ACCMODE != libc::O_RDONLY {
            return Err(Errno::ROFS);
        }
        let (asked, began) = (Instant::now(), self.shared.cache.began());
        // Who only writes needs no content, and what nobody may read should not be kept in the cluster.
        let reads = flags & libc::O_ACCMODE != libc::O_WRONLY;
        let (answer, hold) = self.client().hold_inode(Ino(ino), reads).await?;
        let told = Told { began, index: answer.reply.index, lease: answer.reply.lease_term };
        let inode = answer.reply.inode.clone().ok_or(Errno::IO)?;
        if inode.nlink == 0 && self.shared.files.get(ino).is_none() {
            // Whoever came by a name came by one that it no longer has: the kernel looks the name up anew. Who has the
            // file open may open it again (`/proc/self/fd`).
            self.shared.cache.gone(ino);
            return Err(Errno::STALE);
        }
        let news = !self.shared.cache.is_same(&inode);
        self.shared.cache.keep_inode(told, &inode);
        if inode.kind() == FileKind::Directory {
            return Err(Errno::ISDIR);
        }
        let class = answer.reply.class.clone();
        let content = reads.then(|| self.client().opened(answer)).transpose()?;
        let class = self.class_of(class).await?;
        let file = self.shared.files.open(ino, |version| File::new(inode.clone(), class, version));
        self.note_followed(&file, told);
        let known = Content { inode: &inode, file: content, asked };
        let mut opened = self.opened(file.clone(), flags, hold, Some(known));
        let shows_zeros = file.state.lock().shows_zeros();
        if shows_zeros {
            // Who opens a file sees all of it, whatever others read through this mount before.
            self.drop_end(&file).await;
        } else if news {
            // The answer to an open carries no attributes: the kernel would read up to the length it knows.
            self.invalidate_attributes(ino);
        }
        if let Some(backing) = &opened.backing {
            // What the kernel could read is not up to date: it asks us, for this handle.
            opened.direct = !self.passing(&file, backing).await;
        }
        Ok(opened)
    }

    async fn class_of(&self, class: Option<StorageClass>) -> Outcome<Arc<StorageClass>> {
        match class {
            Some(class) => Ok(Arc::new(class)),
            None => Ok(self.client().class(DEFAULT_CLASS).await?),
        }
    }

    fn opened(&self, file: Arc<File>, flags: i32, hold: Hold, content: Option<Content<'_>>) -> Opened {
        let handle = FileHandle::new(file.clone(), flags, hold);
        let mut state = file.state.lock();
        if let Some(Content { inode, file: content, asked: at }) = content
            && state.learn(inode)
            && let Some(content) = content
        {
            let nearby = self.shared.nearby(file.ino, inode.version);
            let reader = Reader { file: content, at, nearby };
            if handle.reads() {
                self.consider(&reader);
            }
            state.reader = Some(reader);
        }
        let keep_cache = state.kernel_keeps();
        let attr = state.attr();
        if keep_cache {
            // The page of the end may be among what is kept.
            state.pages.read_to(attr.size);
        }
        handle.told.store(state.failures.count, Ordering::Relaxed);
        let backing = self.passes(&mut state, &handle);
        handle.passes.store(backing.is_some(), Ordering::Relaxed);
        drop(state);
        let direct = handle.is_direct();
        if (keep_cache || backing.is_some()) && handle.reads() {
            // The kernel may not ask for a single byte.
            self.note_read(&handle);
        }
        Opened { handle: self.shared.handles.add_file(handle), attr, keep_cache, direct, backing }
    }

    /// Makes a file and opens it. A name that was taken meanwhile is `EEXIST` with O_EXCL, otherwise `ESTALE`: the
    /// kernel then looks it up and opens it with its own checks of permission.
    pub async fn create(
        &self,
        caller: Caller,
        parent: u64,
        name: &[u8],
        node: NewNode,
        flags: i32,
    ) -> Outcome<Opened> {
        let began = self.shared.cache.began();
        let created = self.client().create_held(node.create(caller, parent, name)).await;
        let (reply, hold) = created.map_err(|error| match Errno::from(error) {
            Errno::EXIST if flags & libc::O_EXCL == 0 => {
                // The news of it has not come yet, and the kernel must not be told once more that the name is free.
                self.shared.cache.doubt(parent, name);
                Errno::STALE
            }
            other => other,
        })?;
        let told = Told { began, index: reply.index, lease: reply.lease_term };
        let inode: Inode = reply.inode.ok_or(Errno::IO)?;
        if inode.kind() != FileKind::File {
            return Err(Errno::IO);
        }
        let class = self.class_of(self.known_class(&inode)).await?;
        let file = self.shared.files.open(inode.ino, |_| File::new(inode.clone(), class, inode.version));
        self.note_followed(&file, told);
        Ok(self.opened(file, flags, hold, None))
    }

    fn known_class(&self, inode: &Inode) -> Option<StorageClass> {
        let id = if inode.class == 0 { DEFAULT_CLASS } else { inode.class.into() };
        self.client().map().class(id).map(|class| class.as_ref().clone())
    }

    /// A descriptor was closed: what was written goes out, the owner's locks go, and failures since the last report
    /// are told.
    pub async fn flush_handle(&self, handle: u64, owner: u64) -> Outcome<()> {
        let handle = self.file_handle(handle)?;
        // Before they are given up: who closes is told that they were lost.
        let held = self.check_locks(&handle.file);
        self.drop_locks(&handle.file, owner).await;
        if !handle.writes() && !handle.file.state.lock().is_dirty() {
            return held;
        }
        // Also a flush that did not get its turn in time is a failure of this call.
        let flushed = self.flush(&handle.file).await;
        let outcome = self.failures(&handle).and(flushed).and(held);
        handle.failed.store(outcome.is_err(), Ordering::Release);
        outcome
    }

    /// Makes durable what was written: on the members' disks and in the metadata of a majority.
    pub async fn fsync(&self, handle: u64) -> Outcome<()> {
        let handle = self.file_handle(handle)?;
        // Also a flush that did not get its turn in time is a failure of this call.
        let flushed = self.flush(&handle.file).await;
        // Behind it: it is the flush that learns of the end of a session.
        let held = self.check_locks(&handle.file);
        self.failures(&handle).and(flushed).and(held)
    }

    /// The last descriptor of a handle was closed. Nobody is there to be told of a failure any more.
    pub async fn release(&self, number: u64) {
        let Some(handle) = self.shared.handles.remove_file(number) else { return };
        self.drop_locks_of(&handle.file, number).await;
        // What was written through a mapping since the close was not tried yet; what the close could not commit was
        // reported as lost.
        let mut failed = handle.failed.load(Ordering::Acquire);
        if !failed && handle.file.state.lock().is_dirty() {
            failed = self.flush(&handle.file).await.is_err();
        }
        self.no_longer_passes(&handle);
        self.shared.files.close(&handle.file);
        if failed {
            self.give_up_closed(&handle.file).await;
        }
    }

    /// Nobody has the file open, and its last close failed: what is still not committed must not come later, when
    /// somebody may have written the file anew.
    async fn give_up_closed(&self, file: &Arc<File>) {
        {
            let mut state = file.state.lock();
            if state.handles > 0 || !state.is_dirty() {
                return;
            }
            state.lost.get_or_insert(Lost::Closed);
        }
        // If a flush that is under way does not end in time, the next one throws away what is left.
        if let Ok(_quiet) = self.quiet(file).await {
            let _ = self.drop_lost(file);
        }
        self.shared.files.tidy(file);
    }

    /// What failed behind the back of the handle's owner since it was last told.
    fn failures(&self, handle: &FileHandle) -> Outcome<()> {
        let failures = handle.file.state.lock().failures;
        let told = handle.told.swap(failures.count, Ordering::AcqRel);
        match failures.last.filter(|_| failures.count > told) {
            Some(errno) => Err(errno),
            None => Ok(()),
        }
    }

    pub(crate) fn file_handle(&self, number: u64) -> Outcome<Arc<FileHandle>> {
        self.shared.handles.file(number).ok_or(Errno::BADF)
    }
}
