//! Upkeep of one disk, on a thread of its own: punching, burying deleted groups, compaction, scrub.
//!
//! What always holds: one small step at a time; stopping between two steps is harmless; copying and scrubbing stay
//! under their rate caps; a failed disk is left alone.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

use crate::config::StoreConfig;
use crate::error::StoreError;
use crate::store::Store;
use crate::store::scrub::ScrubCursor;

/// How often to look for work.
const TICK: Duration = Duration::from_secs(2);
/// Scrub steps per tick at most, so that punching and compaction get their turn.
const SCRUB_STEPS: u32 = 4;

/// The thread, told to stop and waited for by [`Maintenance::stop`].
pub(crate) struct Maintenance {
    bell: Arc<Bell>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Bell {
    stopping: AtomicBool,
    lock: Mutex<()>,
    rung: Condvar,
}

impl Bell {
    /// Sleeps, or returns at once when told to stop. Returns whether to go on.
    fn sleep(&self, for_long: Duration) -> bool {
        let until = Instant::now() + for_long;
        let mut guard = self.lock.lock();
        while !self.stopping.load(Ordering::SeqCst) {
            if self.rung.wait_until(&mut guard, until).timed_out() {
                return true;
            }
        }
        false
    }
}

impl Maintenance {
    pub(crate) fn start(store: Store, config: StoreConfig) -> std::io::Result<Self> {
        let bell = Arc::new(Bell::default());
        let thread = std::thread::Builder::new().name("disk-upkeep".into()).spawn({
            let bell = bell.clone();
            move || {
                let work = std::panic::AssertUnwindSafe(|| run(&store, &config, &bell));
                if std::panic::catch_unwind(work).is_err() {
                    store.fail("the disk's upkeep panicked; the log has the details");
                }
            }
        })?;
        Ok(Self { bell, thread: Some(thread) })
    }

    /// Stops after the step under way.
    pub(crate) fn stop(&mut self) {
        self.bell.stopping.store(true, Ordering::SeqCst);
        drop(self.bell.lock.lock());
        self.bell.rung.notify_all();
        if let Some(thread) = self.thread.take() {
            // A panic there has failed the disk and was logged.
            let _ = thread.join();
        }
    }
}

fn run(store: &Store, config: &StoreConfig, bell: &Bell) {
    let mut scrub = Scrub { cursor: None, next_round: Instant::now() + config.scrub_period };
    let mut result = store.find_unpunched();
    while store.failure().is_none() {
        if let Err(error) = result {
            tracing::warn!(%error, "upkeep of a disk");
        }
        if !bell.sleep(TICK) {
            return;
        }
        result = step(store, config, bell, &mut scrub);
    }
}

struct Scrub {
    cursor: ScrubCursor,
    next_round: Instant,
}

fn step(store: &Store, config: &StoreConfig, bell: &Bell, scrub: &mut Scrub) -> Result<(), StoreError> {
    while store.sweep_groups()? {}
    store.punch_dead()?;
    store.release_held();
    if let Some(segment) = store.compaction_candidate() {
        let mut pace = Pace::new(config.compact_rate, bell);
        let done = store.compact(segment, |bytes| pace.spend(bytes))?;
        store.metrics().compacted(done.copied);
        tracing::info!(segment, copied = done.copied, freed = done.freed, "compacted a segment");
    }
    if config.scrub_rate > 0 && (scrub.cursor.is_some() || Instant::now() >= scrub.next_round) {
        let mut pace = Pace::new(config.scrub_rate, bell);
        for _ in 0..SCRUB_STEPS {
            scrub.cursor = store.scrub_step(scrub.cursor, |bytes| pace.spend(bytes))?;
            if scrub.cursor.is_none() {
                scrub.next_round = Instant::now() + config.scrub_period;
                break;
            }
        }
    }
    Ok(())
}

/// Keeps work under a rate by sleeping off what was spent too early.
struct Pace<'b> {
    rate: u64,
    begun: Instant,
    spent: u64,
    bell: &'b Bell,
}

impl<'b> Pace<'b> {
    fn new(rate: u64, bell: &'b Bell) -> Self {
        Self { rate: rate.max(1), begun: Instant::now(), spent: 0, bell }
    }

    fn spend(&mut self, bytes: u64) {
        self.spent += bytes;
        let due = Duration::from_secs_f64(self.spent as f64 / self.rate as f64);
        let early = due.saturating_sub(self.begun.elapsed());
        if early > Duration::from_millis(5) {
            self.bell.sleep(early);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pace_keeps_the_rate_and_stops_when_told() {
        let bell = Bell::default();
        let mut pace = Pace::new(1_000_000, &bell);
        let begun = Instant::now();
        pace.spend(50_000);
        assert!(begun.elapsed() >= Duration::from_millis(45));
        bell.stopping.store(true, Ordering::SeqCst);
        pace.spend(100_000_000);
        assert!(begun.elapsed() < Duration::from_secs(20));
    }
}
