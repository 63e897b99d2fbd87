//! Committed content that lies on a disk of this machine: read from there instead of from the cluster, and where the
//! kernel can, by the kernel itself, past this process (*passthrough*).
//!
//! What always holds:
//! - Only content of the very version that a reader has is taken from the disk. When the disk fails, the cluster has it.
//! - The kernel reads past this process on read-only mounts only. It cannot be told to stop while a descriptor is
//!   open, and bytes that a program maps and changes in such a file would never come here.
//! - All descriptors of a file go past this process, or none does: the kernel wants it so. While they do, what lies on
//!   the disk follows the file: [`Backing`] is brought up to date in place when somebody changes it.

use std::any::Any;
use std::fs;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use holdfast_client::ClientError;
use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::disk::{self, Image, Key};
use crate::errno::Errno;
use crate::fs::file::{File, Reader, State};
use crate::fs::handles::FileHandle;
use crate::fs::{Fs, Outcome, Shared};

/// Bytes fetched at once to bring a backing file up to date.
const STEP: u64 = 4 << 20;

/// How long who opens a file waits until the kernel can read it.
const SOON: Duration = Duration::from_secs(2);

/// How long a reader waits for the local disk before it asks the cluster.
const PATIENCE: Duration = Duration::from_secs(1);

/// Reads that wait for the cache's disk at most. The runtime has 512 threads for such work, and others need them, too.
pub(super) const READS_AT_ONCE: usize = 64;

/// Times that a file may change while it is being fetched.
const ROUNDS: usize = 16;

/// Reading so many times its length through one opening makes a file worth having here.
const TIMES: u64 = 2;

/// A file on the local disk that the kernel reads for us.
#[derive(Debug)]
pub struct Backing {
    image: Arc<Image>,
    /// What it holds; 0: it is being changed.
    version: AtomicU64,
    /// What the kernel binding knows it by.
    registered: Mutex<Option<Arc<dyn Any + Send + Sync>>>,
    /// Held by who brings it up to date.
    renewing: tokio::sync::Mutex<()>,
    /// Told when the file may have changed.
    changed: Notify,
    /// Somebody brings it up to date when the file changes.
    followed: AtomicBool,
}

impl Backing {
    fn new(image: Arc<Image>, version: u64) -> Self {
        Self {
            image,
            version: AtomicU64::new(version),
            registered: Mutex::default(),
            renewing: tokio::sync::Mutex::default(),
            changed: Notify::new(),
            followed: AtomicBool::new(false),
        }
    }

    /// What the kernel binding knows it by; made by `register` at the first time.
    pub fn registered<T: Any + Send + Sync>(
        &self,
        register: impl FnOnce(&fs::File) -> io::Result<T>,
    ) -> io::Result<Arc<T>> {
        let mut registered = self.registered.lock();
        if let Some(known) = registered.clone() {
            return known.downcast().map_err(|_| io::ErrorKind::InvalidData.into());
        }
        let made = Arc::new(register(self.image.file())?);
        *registered = Some(made.clone());
        Ok(made)
    }
}

/// What a [`File`] knows of passthrough.
#[derive(Debug, Default)]
pub(crate) struct Through {
    /// What the kernel reads, while there are handles.
    backing: Option<Arc<Backing>>,
    handles: u32,
}

impl Shared {
    /// The content on the local disk, if it is there.
    pub(crate) fn nearby(&self, ino: u64, version: u64) -> Option<Arc<Image>> {
        self.disk.as_ref()?.find(Key { ino, version })
    }

    /// A content came to the local disk.
    fn arrived(&self, key: Key, image: Arc<Image>) {
        if let Some(file) = self.files.get(key.ino)
            && let Some(reader) = &mut file.state.lock().reader
            && reader.file.inode().version == key.version
        {
            reader.nearby = Some(image);
        }
    }
}

impl Fs {
    /// The kernel can, or cannot, read files past this process.
    pub fn set_passthrough(&self, can: bool) {
        self.shared.passthrough.store(can, Ordering::Relaxed);
    }

    async fn forget_nearby(&self, key: Key) {
        let shared = self.shared.clone();
        let forgotten = disk::blocking(move || {
            if let Some(disk) = &shared.disk {
                disk.forget(key);
            }
            Ok(())
        });
        let _ = tokio::time::timeout(PATIENCE, forgotten).await;
    }

    /// A file was opened for reading.
    pub(crate) fn consider(&self, reader: &Reader) {
        if let Some(disk) = &self.shared.disk
            && reader.nearby.is_none()
        {
            let (shared, inode) = (Arc::downgrade(&self.shared), reader.file.inode());
            let key = Key { ino: inode.ino, version: inode.version };
            disk.opened(reader.file.clone(), move |image| {
                if let Some(shared) = shared.upgrade() {
                    shared.arrived(key, image);
                }
            });
        }
    }

    /// So many bytes of a file are wanted from the cluster.
    pub(crate) fn count_read(&self, file: &File, length: u64) {
        let Some(disk) = &self.shared.disk else { return };
        let mut state = file.state.lock();
        let before = state.fetched;
        state.fetched = before.saturating_add(length);
        let enough = state.size().saturating_mul(TIMES);
        if (before..state.fetched).contains(&enough)
            && let Some(reader) = state.reader.clone()
        {
            drop(state);
            let (shared, inode) = (Arc::downgrade(&self.shared), reader.file.inode());
            let key = Key { ino: inode.ino, version: inode.version };
            disk.want(reader.file, move |image| {
                if let Some(shared) = shared.upgrade() {
                    shared.arrived(key, image);
                }
            });
        }
    }

    /// A handle is opened: whether the kernel reads for it. For who holds the file's state.
    pub(crate) fn passes(&self, state: &mut State, handle: &FileHandle) -> Option<Arc<Backing>> {
        if state.through.handles == 0 {
            let can = self.config().read_only && self.shared.passthrough.load(Ordering::Relaxed);
            let reader = state.reader.as_ref().filter(|_| can && state.handles == 1 && !handle.writes())?;
            let backing = Backing::new(reader.nearby.clone()?, reader.file.inode().version);
            state.through.backing = Some(Arc::new(backing));
        }
        state.through.handles += 1;
        state.through.backing.clone()
    }

    /// The kernel is about to read for this handle. False: what it would read is not what is committed now, and cannot
    /// be made so soon.
    pub(crate) async fn passing(&self, file: &Arc<File>, backing: &Arc<Backing>) -> bool {
        if !backing.followed.swap(true, Ordering::AcqRel) {
            self.shared.runtime.spawn(follow(Arc::downgrade(&self.shared), file.clone(), backing.clone()));
        }
        let current = file.state.lock().inode.version;
        if backing.version.load(Ordering::Acquire) == current {
            return true;
        }
        backing.changed.notify_one();
        let soon = tokio::time::timeout(SOON, self.renew(file, backing)).await;
        matches!(soon, Ok(Ok(())))
    }

    /// The kernel does not read for this handle after all, nor for others to come.
    pub fn does_not_pass(&self, handle: u64) {
        self.set_passthrough(false);
        if let Ok(handle) = self.file_handle(handle) {
            self.no_longer_passes(&handle);
        }
    }

    /// A handle is closed, or read here from now on.
    pub(crate) fn no_longer_passes(&self, handle: &FileHandle) {
        if handle.passes.swap(false, Ordering::AcqRel) {
            let through = &mut handle.file.state.lock().through;
            through.handles = through.handles.saturating_sub(1);
            if through.handles == 0
                && let Some(backing) = through.backing.take()
            {
                backing.changed.notify_one();
            }
        }
    }

    /// Brings what the kernel reads up to date, in place.
    async fn renew(&self, file: &Arc<File>, backing: &Arc<Backing>) -> Outcome<()> {
        let turn = tokio::time::timeout_at(self.deadline(), backing.renewing.lock());
        let _turn = turn.await.map_err(|_| Errno::IO)?;
        for _ in 0..ROUNDS {
            self.refresh(file).await?;
            let Some(reader) = file.state.lock().reader.clone() else { continue };
            if self.shared.disk.as_ref().is_none_or(|disk| reader.file.size() > disk.longest()) {
                return Err(Errno::FBIG);
            }
            let version = reader.file.inode().version;
            let old = backing.version.load(Ordering::Acquire);
            if old == version {
                return Ok(());
            }
            // Nobody shall find under the old version what is not that any more.
            self.forget_nearby(Key { ino: file.ino, version: old }).await;
            backing.version.store(0, Ordering::Release);
            if rewrite(backing, &reader).await? {
                backing.version.store(version, Ordering::Release);
                return Ok(());
            }
        }
        Err(Errno::IO)
    }
}

/// Writes the content where the kernel reads it. False: it changed meanwhile.
async fn rewrite(backing: &Arc<Backing>, reader: &Reader) -> Outcome<bool> {
    let (size, mut at) = (reader.file.size(), 0);
    while at < size {
        let pieces = match reader.file.pieces_at(at, STEP.min(size - at)).await {
            Ok(pieces) => pieces,
            Err(ClientError::Changed(_)) => return Ok(false),
            Err(error) => return Err(error.into()),
        };
        let (target, start) = (backing.clone(), at);
        at += pieces.iter().map(|piece| piece.len() as u64).sum::<u64>().max(1);
        let written = disk::blocking(move || {
            let mut at = start;
            pieces.iter().try_for_each(|piece| {
                target.image.file().write_all_at(piece, at)?;
                at += piece.len() as u64;
                Ok(())
            })
        });
        written.await.map_err(local)?;
    }
    backing.image.file().set_len(size).map_err(local)?;
    Ok(true)
}

fn local(error: io::Error) -> Errno {
    tracing::warn!(%error, "the disk cache cannot be written");
    Errno::IO
}

/// Follows a file as long as the kernel reads it for us.
async fn follow(shared: std::sync::Weak<Shared>, file: Arc<File>, backing: Arc<Backing>) {
    loop {
        let Some(shared) = shared.upgrade() else { return };
        let fs = Fs { shared };
        let pause = fs.config().attr_ttl.max(Duration::from_millis(100));
        let _ = tokio::time::timeout(pause, backing.changed.notified()).await;
        if !(file.state.lock().through.backing.as_ref()).is_some_and(|now| Arc::ptr_eq(now, &backing)) {
            return;
        }
        let known = fs.shared.cache.inode(fs.client(), file.ino);
        if known.is_some_and(|inode| inode.version == backing.version.load(Ordering::Acquire)) {
            continue;
        }
        if let Err(error) = fs.renew(&file, &backing).await {
            tracing::warn!(ino = file.ino, ?error, "what the kernel reads of a file is not up to date");
        }
    }
}

impl Through {
    /// Somebody changed the file.
    pub(crate) fn changed(&self) {
        if let Some(backing) = &self.backing {
            backing.changed.notify_one();
        }
    }
}

/// Whether the kernel reads for a handle.
pub(crate) type Passes = AtomicBool;

impl Reader {
    /// Bytes of a range within the content, from the local disk; `None`: they are not there.
    pub(crate) async fn nearby_bytes(&self, fs: &Fs, from: u64, to: u64) -> Option<Bytes> {
        let image = self.nearby.clone()?;
        if let Some(bytes) = image.read_now(from, to - from) {
            return Some(bytes);
        }
        // One whose disk hangs keeps its thread; with all of them taken, the cluster answers.
        let place = fs.shared.nearby_reads.clone().try_acquire_owned().ok()?;
        let read = disk::blocking(move || {
            let _place = place;
            image.read(from, to - from)
        });
        let error = match tokio::time::timeout(PATIENCE, read).await {
            Ok(Ok(bytes)) => return Some(bytes),
            Ok(Err(error)) => error.to_string(),
            // Perhaps it comes later; the file stays.
            Err(_) => return None,
        };
        let inode = self.file.inode();
        tracing::warn!(ino = inode.ino, %error, "a file in the disk cache cannot be read");
        fs.forget_nearby(Key { ino: inode.ino, version: inode.version }).await;
        None
    }
}
