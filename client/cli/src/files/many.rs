//! Many items at once, with a limit; one that fails never stops the rest.
//!
//! What always holds: at most `jobs` items are in work, so memory and load are bounded; failures are printed as
//! they happen and counted; the end says how many there were. Used by recursive copies and removals.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::Semaphore;
use tokio_util::task::TaskTracker;

use crate::failure::{Exit, Failure, Outcome};
use crate::progress::Progress;

/// Runs items side by side.
pub(super) struct Many {
    permits: Arc<Semaphore>,
    tracker: TaskTracker,
    progress: Progress,
    counts: Arc<Counts>,
}

#[derive(Default)]
struct Counts {
    done: AtomicU64,
    failed: AtomicU64,
}

impl Many {
    pub(super) fn new(jobs: u16, progress: Progress) -> Self {
        Self {
            permits: Arc::new(Semaphore::new(usize::from(jobs))),
            tracker: TaskTracker::new(),
            progress,
            counts: Arc::new(Counts::default()),
        }
    }

    /// Starts an item as soon as there is room for it.
    pub(super) fn start(
        &self,
        item: impl Future<Output = Outcome<()>> + Send + 'static,
    ) -> impl Future<Output = ()> + Send {
        // Boxed before the first wait, so that the callers' futures do not carry it.
        let item = Box::pin(item);
        let permits = Arc::clone(&self.permits);
        let (progress, counts) = (self.progress.clone(), Arc::clone(&self.counts));
        let tracker = self.tracker.clone();
        async move {
            // The semaphore is never closed; without a permit the item would merely run unlimited.
            let permit = permits.acquire_owned().await;
            tracker.spawn(async move {
                let _permit = permit;
                match item.await {
                    Ok(()) => {
                        counts.done.fetch_add(1, Ordering::Relaxed);
                    }
                    Err(failure) => {
                        counts.failed.fetch_add(1, Ordering::Relaxed);
                        progress.warn(&failure);
                    }
                }
            });
        }
    }

    /// A failure that belongs to no started item, such as a directory that cannot be read.
    pub(super) fn fail(&self, failure: &Failure) {
        self.counts.failed.fetch_add(1, Ordering::Relaxed);
        self.progress.warn(failure);
    }

    /// Waits until everything started has ended.
    pub(super) async fn settle(&self) {
        self.tracker.close();
        self.tracker.wait().await;
        self.tracker.reopen();
    }

    /// How many items were done.
    pub(super) fn done(&self) -> u64 {
        self.counts.done.load(Ordering::Relaxed)
    }

    /// How many failed.
    pub(super) fn failed(&self) -> u64 {
        self.counts.failed.load(Ordering::Relaxed)
    }

    /// The outcome of the whole, after [`Self::settle`].
    pub(super) fn outcome(&self, verb: &str) -> Outcome<()> {
        match self.failed() {
            0 => Ok(()),
            failed => {
                let all = failed + self.done();
                Err(Failure::new(Exit::Partial, format!("{failed} of {all} could not be {verb}; see above")))
            }
        }
    }
}
