//! Tells the kernel that what it caches is void.
//!
//! What always holds: whoever asks never waits, and the thread that tells serves no requests. The queue is bounded:
//! when it is full, the caches in question stay until their time is up, which is what is promised anyway.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread;

use bytes::Bytes;
use fuser::Notifier;

use super::convert::Inodes;
use crate::fs::Invalidate;

/// Inodes and names that may wait.
const QUEUE: usize = 4096;

/// What is void.
enum Void {
    /// From an offset on.
    Pages(u64, u64),
    Attributes(u64),
    Name(u64, Bytes),
}

/// The way to the thread.
pub(crate) struct Kernel {
    queue: SyncSender<Void>,
    notifier: Notifier,
    inodes: Inodes,
}

impl Kernel {
    /// Starts the thread; it ends when this is dropped.
    pub(crate) fn start(notifier: Notifier, inodes: Inodes) -> std::io::Result<Self> {
        let (queue, waiting) = sync_channel::<Void>(QUEUE);
        let teller = notifier.clone();
        thread::Builder::new().name("mount-notify".to_owned()).spawn(move || {
            for void in waiting {
                tell(&teller, inodes, &void);
            }
        })?;
        Ok(Self { queue, notifier, inodes })
    }

    fn queue(&self, void: Void) {
        if self.queue.try_send(void).is_err() {
            tracing::debug!("too many invalidations wait; this one is left to the time limit");
        }
    }
}

fn tell(notifier: &Notifier, inodes: Inodes, void: &Void) {
    let told = match void {
        Void::Pages(ino, from) => {
            let from = i64::try_from(*from).unwrap_or(i64::MAX);
            notifier.inval_inode(inodes.kernels(*ino), from, 0)
        }
        // A negative offset: no pages.
        Void::Attributes(ino) => notifier.inval_inode(inodes.kernels(*ino), -1, 0),
        Void::Name(dir, name) => notifier.inval_entry(inodes.kernels(*dir), OsStr::from_bytes(name)),
    };
    match told {
        // The kernel holds nothing of it.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => tracing::debug!(%error, "the kernel did not let go of something"),
        Ok(()) => {}
    }
}

impl Invalidate for Kernel {
    fn inode(&self, ino: u64) {
        self.queue(Void::Pages(ino, 0));
    }

    fn attributes(&self, ino: u64) {
        self.queue(Void::Attributes(ino));
    }

    fn attributes_now(&self, ino: u64) {
        tell(&self.notifier, self.inodes, &Void::Attributes(ino));
    }

    fn name(&self, dir: u64, name: Bytes) {
        self.queue(Void::Name(dir, name));
    }

    fn pages_now(&self, ino: u64, from: u64) {
        tell(&self.notifier, self.inodes, &Void::Pages(ino, from));
    }
}
