//! Tells the kernel that what it caches is void.
//!
//! What always holds: whoever asks never waits, and the threads that tell serve no requests. Pages have no time limit of
//! their own, so the kernel is told of every inode whose pages are void, however many there are: a set, of which each
//! inode takes one place. Names and attributes have a limit, and their queue a bound: when it is full, they stay until
//! their time is up, which is what is promised anyway. To drop a name waits for work in its directory; pages do not wait
//! for names.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread;

use bytes::Bytes;
use fuser::Notifier;
use parking_lot::{Condvar, Mutex};

use super::convert::Inodes;
use crate::fs::Invalidate;

/// Names that may wait.
const QUEUE: usize = 4096;

/// What of an inode is void.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Void {
    Attributes,
    /// Pages from an offset on, and attributes.
    Pages(u64),
}

impl Void {
    fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Attributes, other) => other,
            (this, Self::Attributes) => this,
            (Self::Pages(a), Self::Pages(b)) => Self::Pages(a.min(b)),
        }
    }
}

/// Inodes that the kernel is still to be told of.
#[derive(Default)]
struct Waiting {
    inodes: Mutex<(BTreeMap<u64, Void>, bool)>,
    more: Condvar,
}

impl Waiting {
    fn add(&self, ino: u64, void: Void) {
        let mut inodes = self.inodes.lock();
        let known = inodes.0.entry(ino).or_insert(void);
        *known = known.and(void);
        drop(inodes);
        self.more.notify_one();
    }

    /// Takes all there are, waiting for the first; `None` at the end.
    fn take(&self) -> Option<BTreeMap<u64, Void>> {
        let mut inodes = self.inodes.lock();
        while inodes.0.is_empty() {
            if inodes.1 {
                return None;
            }
            self.more.wait(&mut inodes);
        }
        Some(std::mem::take(&mut inodes.0))
    }

    fn end(&self) {
        self.inodes.lock().1 = true;
        self.more.notify_one();
    }
}

/// The way to the threads.
pub(crate) struct Kernel {
    waiting: Arc<Waiting>,
    names: SyncSender<(u64, Bytes)>,
    notifier: Notifier,
    inodes: Inodes,
}

impl Kernel {
    /// Starts the threads; they end when this is dropped.
    pub(crate) fn start(notifier: Notifier, inodes: Inodes) -> std::io::Result<Self> {
        let waiting = Arc::new(Waiting::default());
        let (work, teller) = (waiting.clone(), notifier.clone());
        thread::Builder::new().name("mount-notify".to_owned()).spawn(move || {
            while let Some(all) = work.take() {
                all.into_iter().for_each(|(ino, void)| tell(&teller, inodes, ino, void));
            }
        })?;
        let (names, queue) = sync_channel::<(u64, Bytes)>(QUEUE);
        let teller = notifier.clone();
        let started = thread::Builder::new().name("mount-names".to_owned()).spawn(move || {
            for (dir, name) in queue {
                done(teller.inval_entry(inodes.kernels(dir), OsStr::from_bytes(&name)));
            }
        });
        if let Err(error) = started {
            waiting.end();
            return Err(error);
        }
        Ok(Self { waiting, names, notifier, inodes })
    }
}

impl Drop for Kernel {
    fn drop(&mut self) {
        self.waiting.end();
    }
}

fn tell(notifier: &Notifier, inodes: Inodes, ino: u64, void: Void) {
    // A negative offset: no pages.
    let from = match void {
        Void::Attributes => -1,
        Void::Pages(from) => i64::try_from(from).unwrap_or(i64::MAX),
    };
    done(notifier.inval_inode(inodes.kernels(ino), from, 0));
}

fn done(told: std::io::Result<()>) {
    match told {
        // The kernel holds nothing of it.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => tracing::debug!(%error, "the kernel did not let go of something"),
        Ok(()) => {}
    }
}

impl Invalidate for Kernel {
    fn inode(&self, ino: u64) {
        self.waiting.add(ino, Void::Pages(0));
    }

    fn attributes(&self, ino: u64) {
        self.waiting.add(ino, Void::Attributes);
    }

    fn attributes_now(&self, ino: u64) {
        tell(&self.notifier, self.inodes, ino, Void::Attributes);
    }

    fn name(&self, dir: u64, name: Bytes) {
        if self.names.try_send((dir, name)).is_err() {
            tracing::debug!("too many names wait to be dropped; this one is left to the time limit");
        }
    }

    fn pages_now(&self, ino: u64, from: u64) {
        tell(&self.notifier, self.inodes, ino, Void::Pages(from));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_inode_waits_once_with_all_that_is_void_of_it() {
        let waiting = Waiting::default();
        for ino in 0..10_000 {
            waiting.add(ino, Void::Attributes);
            waiting.add(ino, Void::Pages(8192));
            waiting.add(ino, Void::Pages(ino));
            waiting.add(ino, Void::Attributes);
        }
        let all = waiting.take().unwrap();
        assert_eq!(all.len(), 10_000);
        assert!(all.iter().all(|(ino, void)| *void == Void::Pages((*ino).min(8192))));
        waiting.add(1, Void::Attributes);
        waiting.end();
        assert_eq!(waiting.take().unwrap().len(), 1, "what waits at the end is told");
        assert!(waiting.take().is_none());
    }
}
