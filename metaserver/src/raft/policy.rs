//! When to snapshot and how much log to keep.
//!
//! openraft's own policy counts entries only. Ours goes by bytes, entries and time, and purges so that the log
//! always reaches back one whole snapshot interval and normally hundreds of thousands of entries: a member that was
//! away for a while then catches up from the log, and a purge never comes near entries that still wait to be applied.

use std::collections::VecDeque;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::Instant;

use super::apply::Applier;
use super::config::SnapshotPolicy;
use super::log::LogStore;
use super::start::Places;
use super::types::Raft;

/// How often the policy looks.
const TICK: Duration = Duration::from_millis(500);

/// How far applying was at some moment.
#[derive(Clone, Copy, Debug, Default)]
struct Mark {
    index: u64,
    bytes: u64,
}

/// Pure part: decides from marks and indexes.
#[derive(Debug)]
struct Keeper {
    policy: SnapshotPolicy,
    /// At the last snapshot.
    last: Mark,
    last_at: Instant,
    /// Index of the snapshot before the newest one.
    previous: Option<u64>,
    newest: Option<u64>,
    history: VecDeque<Mark>,
}

impl Keeper {
    fn new(policy: SnapshotPolicy, newest: Option<u64>, now: Instant) -> Self {
        let last = Mark { index: newest.unwrap_or(0), bytes: 0 };
        Self { policy, last, last_at: now, previous: None, newest, history: VecDeque::new() }
    }

    fn due(&self, mark: Mark, now: Instant) -> bool {
        let changed = mark.index > self.last.index;
        changed
            && (mark.bytes - self.last.bytes.min(mark.bytes) >= self.policy.log_bytes
                || mark.index - self.last.index >= self.policy.log_entries
                || now.duration_since(self.last_at) >= Duration::from_secs(self.policy.interval_secs))
    }

    /// A snapshot was asked for: not again before the next interval.
    fn asked(&mut self, mark: Mark, now: Instant) {
        self.last = mark;
        self.last_at = now;
    }

    fn seen(&mut self, snapshot: Option<u64>) {
        if snapshot > self.newest {
            self.previous = self.newest;
            self.newest = snapshot;
        }
    }

    /// Up to where the log may be purged now, given up to where it is.
    fn purge(&mut self, mark: Mark, purged: u64) -> Option<u64> {
        if self.history.back().is_none_or(|last| mark.index > last.index) {
            self.history.push_back(mark);
        }
        let surplus = |m: &Mark| {
            mark.index.saturating_sub(m.index) >= self.policy.keep_entries
                || mark.bytes.saturating_sub(m.bytes) >= self.policy.keep_bytes
        };
        let mut upto = 0;
        while let Some(oldest) = self.history.front().copied().filter(surplus) {
            upto = oldest.index;
            if self.history.get(1).is_some_and(surplus) {
                self.history.pop_front();
            } else {
                break;
            }
        }
        let upto = upto.min(self.previous?);
        (upto >= purged + self.policy.purge_batch.max(1)).then_some(upto)
    }
}

/// Runs until the group stops.
pub(crate) async fn run(
    raft: Raft,
    applier: Applier,
    places: std::sync::Arc<Places>,
    log: LogStore,
    policy: SnapshotPolicy,
) {
    let snapshot_index = || places.snapshots.current().map(|s| s.marker.index());
    let mut keeper = Keeper::new(policy, snapshot_index(), Instant::now());
    loop {
        tokio::time::sleep(TICK).await;
        let bytes = applier.published.progress.bytes.load(Ordering::Relaxed);
        let mark = Mark { index: applier.marker().index(), bytes };
        let now = Instant::now();
        keeper.seen(snapshot_index());
        if keeper.due(mark, now) {
            keeper.asked(mark, now);
            if raft.trigger().snapshot().await.is_err() {
                return;
            }
        }
        let purged = log.extent().purged.map_or(0, |id| id.index());
        if let Some(upto) = keeper.purge(mark, purged) {
            tracing::info!(upto, purged, "purging the log");
            if raft.trigger().purge_log(upto).await.is_err() {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keeper() -> Keeper {
        let policy = SnapshotPolicy {
            log_bytes: 1000,
            log_entries: 100,
            interval_secs: 60,
            keep_entries: 150,
            keep_bytes: u64::MAX,
            purge_batch: 10,
            flush_commands: 1,
        };
        Keeper::new(policy, None, Instant::now())
    }

    #[test]
    fn a_snapshot_is_due_by_bytes_entries_or_time() {
        let (keeper, now) = (keeper(), Instant::now());
        assert!(!keeper.due(Mark { index: 99, bytes: 999 }, now));
        assert!(keeper.due(Mark { index: 99, bytes: 1000 }, now));
        assert!(keeper.due(Mark { index: 100, bytes: 0 }, now));
        assert!(keeper.due(Mark { index: 1, bytes: 0 }, now + Duration::from_secs(61)));
        assert!(!keeper.due(Mark::default(), now + Duration::from_secs(61)));
    }

    #[test]
    fn the_log_reaches_back_a_whole_interval_and_the_entries_to_keep() {
        let mut keeper = keeper();
        for index in (10..=400).step_by(10) {
            assert_eq!(keeper.purge(Mark { index, bytes: 0 }, 0), None, "no snapshot yet");
        }
        keeper.seen(Some(200));
        assert_eq!(keeper.purge(Mark { index: 410, bytes: 0 }, 0), None, "one snapshot is not an interval");
        keeper.seen(Some(400));
        assert_eq!(keeper.purge(Mark { index: 420, bytes: 0 }, 0), Some(200), "not past the older snapshot");
        keeper.seen(Some(500));
        assert_eq!(keeper.purge(Mark { index: 510, bytes: 0 }, 200), Some(360), "keeps 150 entries");
        assert_eq!(keeper.purge(Mark { index: 515, bytes: 0 }, 360), None, "not in small steps");
    }
}
