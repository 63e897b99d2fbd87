//! The file system itself: inodes, handles and what is written to them, on top of the client library. It knows
//! nothing of the kernel binding; [`crate::fuse`] translates.
//!
//! What always holds:
//! - What a call returned as done is in the cluster's metadata, except bytes written and not yet synced; those are
//!   seen by every reader of this mount at once.
//! - Memory is bounded: by [`MountConfig::dirty_bytes`] for what is written, by the number of open files, and by
//!   fixed numbers of names and attributes ([`cache`]) and of versions that the kernel holds of files.
//! - Every wait ends by [`MountConfig::io_deadline`].
//!
//! Who calls it: `fuse`, and tests in its place.

pub(crate) mod atime;
pub(crate) mod attr;
mod cache;
pub(crate) mod copy;
pub(crate) mod dir;
pub(crate) mod dirty;
pub(crate) mod file;
mod files;
mod flush;
mod flusher;
mod follow;
pub(crate) mod handles;
mod hear;
mod locks;
mod meta;
mod names;
mod nearby;
mod open;
mod pack;
mod pages;
mod read;
mod space;
mod write;
mod xattr;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64};

use holdfast_client::Client;
use tokio::sync::{Notify, Semaphore};
use tokio::time::Instant;

pub use attr::Attr;
pub use dir::{DirEntry, Listed};
pub use file::Pieces;
pub use locks::LockRequest;
pub use meta::{SetAttr, Space, Time};
pub use names::{Caller, NewNode};
pub use nearby::Backing;
pub use open::Opened;
pub use space::Whence;
pub use write::{WriteAt, Written};

use crate::config::MountConfig;
use crate::disk::DiskCache;
use crate::errno::Errno;
use crate::fs::cache::{Cache, Listener};
use crate::fs::files::Files;
use crate::fs::handles::Handles;

/// Tells the kernel that what it holds is void.
pub trait Invalidate: Send + Sync + 'static {
    /// Pages and attributes of an inode. Called from the paths of requests: must not wait for the kernel.
    fn inode(&self, ino: u64);

    /// Attributes of an inode only. Called from the paths of requests: must not wait for the kernel.
    fn attributes(&self, ino: u64);

    /// As [`Invalidate::attributes`], done when it returns. Does not wait: no pages are touched.
    fn attributes_now(&self, ino: u64);

    /// What a name stands for. Called from the paths of requests: must not wait for the kernel.
    fn name(&self, dir: u64, name: bytes::Bytes);

    /// Pages and attributes of an inode from an offset on, done when it returns. May wait for the kernel, and so for
    /// requests that are under way.
    fn pages_now(&self, ino: u64, from: u64);
}

/// A mounted file system. Cheap to clone.
#[derive(Clone)]
pub struct Fs {
    shared: Arc<Shared>,
}

pub(crate) struct Shared {
    client: Client,
    config: MountConfig,
    files: Files,
    handles: Handles,
    cache: Cache,
    access_times: atime::AccessTimes,
    disk: Option<DiskCache>,
    /// Reads of the disk cache that may be under way at once.
    nearby_reads: Arc<Semaphore>,
    /// The kernel can read files past this process.
    passthrough: AtomicBool,
    /// Bytes that wait for a commit.
    held: AtomicU64,
    /// Told when `held` shrinks.
    room: Notify,
    /// Told when somebody waits for room.
    pressure: Notify,
    /// Told when changes of open files may have been missed.
    voided: Notify,
    kernel: std::sync::OnceLock<Arc<dyn Invalidate>>,
    /// Where background work runs: requests come on threads of the kernel binding.
    runtime: tokio::runtime::Handle,
}

impl Fs {
    /// A file system on a connected client. Within a runtime.
    ///
    /// # Errors
    /// Those of the disk cache's folder; `WouldBlock`: another mount has it.
    pub fn new(client: &Client, config: MountConfig) -> std::io::Result<Self> {
        let disk = config.disk.as_ref().map(DiskCache::open).transpose()?;
        let client = client.within(config.io_deadline);
        let files = Files::new(config.remembered_files);
        let shared = Arc::new(Shared {
            client,
            config,
            files,
            handles: Handles::default(),
            cache: Cache::default(),
            access_times: atime::AccessTimes::default(),
            disk,
            nearby_reads: Arc::new(Semaphore::new(nearby::READS_AT_ONCE)),
            passthrough: AtomicBool::new(false),
            held: AtomicU64::new(0),
            room: Notify::new(),
            pressure: Notify::new(),
            voided: Notify::new(),
            kernel: std::sync::OnceLock::new(),
            runtime: tokio::runtime::Handle::current(),
        });
        flusher::start(&shared);
        follow::start(&shared);
        atime::start(&shared);
        shared.client.watch(Arc::new(Listener { fs: Arc::downgrade(&shared) }));
        Ok(Self { shared })
    }

    /// Where to tell that the kernel's caches are void. Once, before the first request.
    pub fn set_kernel(&self, kernel: Arc<dyn Invalidate>) {
        let _ = self.shared.kernel.set(kernel);
    }

    /// The settings.
    pub fn config(&self) -> &MountConfig {
        &self.shared.config
    }

    /// The client under it.
    pub fn client(&self) -> &Client {
        &self.shared.client
    }

    fn invalidate(&self, ino: u64) {
        if let Some(kernel) = self.shared.kernel.get() {
            kernel.inode(ino);
        }
    }

    /// The kernel's attributes of an inode are void when this returns.
    fn invalidate_attributes(&self, ino: u64) {
        if let Some(kernel) = self.shared.kernel.get() {
            kernel.attributes_now(ino);
        }
    }

    /// As [`Fs::invalidate`], for pages from an offset on, and done when this returns, or given up at the deadline.
    async fn invalidate_from(&self, ino: u64, from: u64) {
        let Some(kernel) = self.shared.kernel.get().cloned() else { return };
        // On a thread of its own: the kernel may first want requests answered that run here.
        let told = self.shared.runtime.spawn_blocking(move || kernel.pages_now(ino, from));
        if tokio::time::timeout_at(self.deadline(), told).await.is_err() {
            tracing::warn!(ino, "the kernel does not drop its pages");
        }
    }

    fn deadline(&self) -> Instant {
        Instant::now() + self.shared.config.io_deadline
    }

    /// Open files, open directories, and bytes that wait for a commit.
    pub fn usage(&self) -> (usize, usize, u64) {
        let (files, dirs) = self.shared.handles.count();
        (files, dirs, self.shared.held.load(std::sync::atomic::Ordering::Relaxed))
    }
}

impl Fs {
    /// Files in the disk cache, and their bytes.
    pub fn cached(&self) -> Option<(usize, u64)> {
        self.shared.disk.as_ref().map(DiskCache::usage)
    }
}

/// Outcome of an operation.
pub type Outcome<T> = Result<T, Errno>;
