//! Access times, where they are wanted: when something was last read, by the rule that local file systems call
//! `relatime`. The time moves when it is not later than the last change, or a day old.
//!
//! What always holds: reading never waits for this; times go out in batches, in the background. What does not get
//! there is lost without a word: it is a courtesy, and the next reading tries again. The number that waits is bounded.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use holdfast_proto::inode::Inode;
use holdfast_proto::op::{AccessTime, Op, SetAccessTimes};
use parking_lot::Mutex;

use crate::config::AtimePolicy;
use crate::fs::handles::FileHandle;
use crate::fs::write::now_ns;
use crate::fs::{Fs, Shared};

/// Time between two batches.
const PERIOD: Duration = Duration::from_secs(1);

/// Times of one command: each writes an inode with all that belongs to it, and a command writes at most 1 MiB.
const BATCH: usize = 100;

/// Times that may wait; what is read beyond is not noted.
const MOST: usize = 160 * BATCH;

/// Age at which a time moves whatever happened.
const DAY_NS: i64 = 24 * 3600 * 1_000_000_000;

/// Times that wait.
#[derive(Debug, Default)]
pub(crate) struct AccessTimes(Mutex<HashMap<u64, i64>>);

impl AccessTimes {
    fn note(&self, ino: u64, at_ns: i64) {
        let mut waiting = self.0.lock();
        if waiting.len() < MOST || waiting.contains_key(&ino) {
            waiting.insert(ino, at_ns);
        }
    }

    fn batch(&self) -> Vec<AccessTime> {
        let mut waiting = self.0.lock();
        let inos: Vec<u64> = waiting.keys().copied().take(BATCH).collect();
        let taken = inos.into_iter().filter_map(|ino| waiting.remove_entry(&ino));
        taken.map(|(ino, atime_ns)| AccessTime { ino, atime_ns }).collect()
    }
}

/// Whether reading now moves the access time.
fn moves(inode: &Inode, now_ns: i64) -> bool {
    let changed = inode.mtime_ns.max(inode.ctime_ns);
    inode.atime_ns <= changed || inode.atime_ns.saturating_add(DAY_NS) <= now_ns
}

/// What a handle knows: whether its reading was noted.
#[derive(Debug, Default)]
pub(crate) struct Noted(AtomicBool);

impl Fs {
    /// Somebody reads through a handle.
    pub(crate) fn note_read(&self, handle: &FileHandle) {
        if self.config().atime == AtimePolicy::Never || handle.noted.0.load(Ordering::Relaxed) {
            return;
        }
        handle.noted.0.store(true, Ordering::Relaxed);
        if handle.flags & libc::O_NOATIME == 0 {
            let state = handle.file.state.lock();
            self.note_access(&state.inode);
        }
    }

    /// Something was read, a directory perhaps.
    pub(crate) fn note_access(&self, inode: &Inode) {
        let now = now_ns();
        if self.config().atime == AtimePolicy::Relative && moves(inode, now) {
            self.shared.access_times.note(inode.ino, now);
        }
    }

    /// Sends what waits; at the end of the file system too.
    pub async fn send_access_times(&self) {
        loop {
            let times = self.shared.access_times.batch();
            if times.is_empty() {
                return;
            }
            if let Err(error) = self.client().mutate(Op::SetAccessTimes(SetAccessTimes { times })).await {
                tracing::debug!(%error, "access times were not kept");
                return;
            }
        }
    }
}

/// Starts what sends them; it ends with the file system.
pub(crate) fn start(shared: &Arc<Shared>) {
    if shared.config.atime == AtimePolicy::Relative {
        shared.runtime.spawn(run(Arc::downgrade(shared)));
    }
}

async fn run(weak: Weak<Shared>) {
    loop {
        tokio::time::sleep(PERIOD).await;
        let Some(shared) = weak.upgrade() else { return };
        Fs { shared }.send_access_times().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_moves_after_a_change_or_a_day() {
        let inode = |atime_ns, mtime_ns, ctime_ns| Inode { atime_ns, mtime_ns, ctime_ns, ..Inode::default() };
        assert!(moves(&inode(5, 5, 1), 6) && moves(&inode(5, 1, 7), 8));
        assert!(!moves(&inode(6, 5, 5), 7));
        assert!(!moves(&inode(6, 5, 5), 5 + DAY_NS) && moves(&inode(6, 5, 5), 6 + DAY_NS));
    }

    #[test]
    fn what_waits_is_bounded_and_goes_in_batches() {
        let times = AccessTimes::default();
        for ino in 0..MOST as u64 + 10 {
            times.note(ino, 1);
        }
        times.note(3, 2);
        let batches: Vec<usize> =
            std::iter::from_fn(|| Some(times.batch().len()).filter(|length| *length > 0)).collect();
        assert_eq!(batches, vec![BATCH; 160]);
    }
}
