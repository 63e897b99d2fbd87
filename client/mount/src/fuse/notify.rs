//! Tells the kernel that what it caches is void.
//!
//! What always holds: whoever asks never waits, and the threads that tell serve no requests. Pages have no time limit of
//! their own, so the kernel is told of every inode whose pages are void, however many there are: a set, of which each
//! inode takes one place. Names and attributes have a limit, and their queue a bound: when it is full, they stay until
//! their time is up, which is what is promised anyway. To drop a name waits for work in its directory; pages do not wait
//! for names. To drop a page waits for whoever reads it from the cluster, so inodes do not wait for each other: when all
//! threads wait, another one begins, up to [`MOST_THREADS`].

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use fuser::Notifier;
use parking_lot::{Condvar, Mutex};

use super::convert::Inodes;
use crate::fs::Invalidate;

/// Names that may wait.
const QUEUE: usize = 4096;

/// Threads that tell of inodes at most: as many files may hang before others wait for them.
const MOST_THREADS: usize = 64;

/// One that had nothing to do for so long ends, but for the last.
const IDLE: Duration = Duration::from_secs(5);

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

/// Inodes that the kernel is still to be told of, and the threads that do it.
#[derive(Default)]
struct Waiting {
    state: Mutex<Told>,
    more: Condvar,
}

#[derive(Default)]
struct Told {
    inodes: BTreeMap<u64, Void>,
    /// The inode told of last: the next one is behind it, so that each gets its turn.
    last: u64,
    threads: usize,
    idle: usize,
    over: bool,
}

impl Told {
    /// The next inode in turn.
    fn next(&mut self) -> Option<(u64, Void)> {
        let behind = self.inodes.range(self.last.saturating_add(1)..).next().map(|(ino, _)| *ino);
        let ino = behind.or_else(|| self.inodes.keys().next().copied())?;
        self.last = ino;
        self.inodes.remove(&ino).map(|void| (ino, void))
    }
}

impl Waiting {
    /// True: there are fewer idle threads than inodes, and another one may begin.
    fn add(&self, ino: u64, void: Void) -> bool {
        let mut state = self.state.lock();
        let known = state.inodes.entry(ino).or_insert(void);
        *known = known.and(void);
        // An idle thread takes one of those that wait, and may hang with it.
        let more = state.idle < state.inodes.len() && state.threads < MOST_THREADS && !state.over;
        state.threads += usize::from(more);
        drop(state);
        self.more.notify_one();
        more
    }

    /// The next inode, when there is one; `None`: this thread is not needed any more.
    fn take(&self) -> Option<(u64, Void)> {
        let mut state = self.state.lock();
        loop {
            if let Some(next) = state.next() {
                return Some(next);
            }
            if state.over {
                state.threads -= 1;
                return None;
            }
            state.idle += 1;
            let late = self.more.wait_for(&mut state, IDLE).timed_out();
            state.idle -= 1;
            if late && state.threads > 1 && state.inodes.is_empty() {
                state.threads -= 1;
                return None;
            }
        }
    }

    fn end(&self) {
        self.state.lock().over = true;
        self.more.notify_all();
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
        let (names, queue) = sync_channel::<(u64, Bytes)>(QUEUE);
        let teller = notifier.clone();
        thread::Builder::new().name("mount-names".to_owned()).spawn(move || {
            for (dir, name) in queue {
                done(teller.inval_entry(inodes.kernels(dir), OsStr::from_bytes(&name)));
            }
        })?;
        let kernel = Self { waiting: Arc::default(), names, notifier, inodes };
        kernel.waiting.state.lock().threads = 1;
        kernel.another()?;
        Ok(kernel)
    }

    /// Starts a thread that tells of inodes; it is counted already.
    fn another(&self) -> std::io::Result<()> {
        let (work, teller, inodes) = (self.waiting.clone(), self.notifier.clone(), self.inodes);
        let started = thread::Builder::new().name("mount-notify".to_owned()).spawn(move || {
            while let Some((ino, void)) = work.take() {
                tell(&teller, inodes, ino, void);
            }
        });
        if started.is_err() {
            self.waiting.state.lock().threads -= 1;
        }
        started.map(drop)
    }

    fn wait(&self, ino: u64, void: Void) {
        if self.waiting.add(ino, void)
            && let Err(error) = self.another()
        {
            tracing::warn!(%error, "no thread more to tell the kernel what is void; those there are go on");
        }
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
        self.wait(ino, Void::Pages(0));
    }

    fn attributes(&self, ino: u64) {
        self.wait(ino, Void::Attributes);
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
        assert_eq!(
            waiting.state.lock().threads,
            MOST_THREADS,
            "nobody takes them, so more are wanted, up to the bound"
        );
        let mut told = 0;
        waiting.end();
        while let Some((ino, void)) = waiting.take() {
            assert_eq!(void, Void::Pages(ino.min(8192)));
            told += 1;
        }
        assert_eq!(told, 10_000, "what waits at the end is told");
    }

    #[test]
    fn each_inode_gets_its_turn() {
        let waiting = Waiting::default();
        for ino in [1, 5, 9] {
            waiting.add(ino, Void::Attributes);
        }
        let next = || waiting.take().map(|(ino, _)| ino);
        assert_eq!(next(), Some(1));
        waiting.add(1, Void::Attributes);
        assert_eq!([next(), next(), next()], [Some(5), Some(9), Some(1)]);
    }

    #[test]
    fn one_that_hangs_holds_up_nobody_else() {
        let waiting = Arc::new(Waiting::default());
        assert!(waiting.add(1, Void::Attributes), "the first thread");
        assert_eq!(waiting.take(), Some((1, Void::Attributes)));
        // It never comes back for more.
        assert!(waiting.add(2, Void::Attributes), "another one is wanted");
        assert_eq!(waiting.take(), Some((2, Void::Attributes)));
        // One is idle, and two come before it wakes.
        waiting.state.lock().idle = 1;
        assert!(!waiting.add(3, Void::Attributes));
        assert!(waiting.add(4, Void::Attributes), "the idle one may hang with the first");
    }
}
