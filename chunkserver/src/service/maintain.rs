//! Upkeep of one disk, on a thread of its own: punching, burying deleted groups, compaction, scrub.
//!
//! What always holds: one small step at a time, so that giving room back never waits for a scrub; stopping between two
//! steps is harmless; copying and scrubbing stay under their rate caps; a failed disk is left alone.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

use super::home::DiskHome;
use super::scrubbing::{ScrubDesk, Scrubbing};
use crate::config::StoreConfig;
use crate::error::StoreError;
use crate::store::Store;

/// How often to look for work. Nothing a step does takes much longer than this, or the rest of it would wait.
const TICK: Duration = Duration::from_secs(1);
/// On a full disk segments are compacted one after another for this long before anything else gets its turn.
const GIVING_BACK: Duration = Duration::from_secs(10);
/// Longest rest of compaction for what it did too fast: with a lower rate than this implies, it is a little higher.
const MOST_OWED: Duration = Duration::from_secs(3600);
/// Shorter rests are left for later.
const WORTH_SLEEPING: Duration = Duration::from_millis(5);
/// A full disk takes no new chunks, so compaction may be this many times as fast.
const FULL_HASTE: u64 = 4;

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
    fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::SeqCst)
    }

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
    pub(crate) fn start(
        store: Store,
        home: Arc<DiskHome>,
        config: StoreConfig,
        desk: Arc<ScrubDesk>,
    ) -> std::io::Result<Self> {
        let bell = Arc::new(Bell::default());
        let thread = std::thread::Builder::new().name("disk-upkeep".into()).spawn({
            let bell = bell.clone();
            move || {
                let work = std::panic::AssertUnwindSafe(|| run(&store, &home, &config, &desk, &bell));
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

fn run(store: &Store, home: &DiskHome, config: &StoreConfig, desk: &ScrubDesk, bell: &Bell) {
    let mut scrub = Scrubbing::go_on(home, desk, config);
    let mut said = String::new();
    let mut result = store.find_unpunched();
    while store.failure().is_none() {
        match &result {
            // The same trouble may last for hours: said once.
            Err(error) if said != error.to_string() => {
                tracing::warn!(%error, "upkeep of a disk");
                said = error.to_string();
            }
            Err(_) => {}
            Ok(()) => said.clear(),
        }
        let begun = Instant::now();
        result = give_back(store, bell).and_then(|()| scrub_on(store, bell, &mut scrub));
        if !bell.sleep(TICK.saturating_sub(begun.elapsed())) {
            break;
        }
    }
    scrub.save();
}

/// Makes room of what is dead.
fn give_back(store: &Store, bell: &Bell) -> Result<(), StoreError> {
    while store.sweep_groups()? {}
    let until = Instant::now() + GIVING_BACK;
    loop {
        store.punch_dead()?;
        store.release_held();
        store.reconsider()?;
        let Some(segment) = store.compaction_candidate() else { return Ok(()) };
        let full = store.is_full();
        let haste = if full { FULL_HASTE } else { 1 };
        let mut pace = Pace::new(bell);
        let done = store.compact(segment, |bytes| {
            store.metrics().compacted(bytes);
            pace.spend(bytes, store.compact_rate().saturating_mul(haste));
        })?;
        tracing::info!(segment, copied = done.copied, freed = done.freed, "compacted a segment");
        // Where nothing was copied nothing was spent; what could not be freed must not be tried all the time.
        let at_once = done.freed > 0 && (full || done.copied == 0);
        if !at_once || Instant::now() >= until || bell.is_stopping() {
            return Ok(());
        }
    }
}

/// Scrubs for one tick, if it is time to.
fn scrub_on(store: &Store, bell: &Bell, scrub: &mut Scrubbing<'_>) -> Result<(), StoreError> {
    let scrubbed = scrub.follow(store).and_then(|()| match scrub.wants(store, TICK) {
        true => read_on(store, bell, scrub),
        false => Ok(()),
    });
    scrub.pause(store);
    scrubbed
}

/// What one record cost too much is rested off in later ticks: deletes and compaction do not wait for it.
fn read_on(store: &Store, bell: &Bell, scrub: &mut Scrubbing<'_>) -> Result<(), StoreError> {
    let until = Instant::now() + TICK;
    let nap = |early: Duration| {
        let early = early.min(until.saturating_duration_since(Instant::now()));
        if early > WORTH_SLEEPING {
            bell.sleep(early);
        }
        Instant::now() < until && !bell.is_stopping()
    };
    let mut goes_on = nap(scrub.rest());
    while goes_on {
        let reached = store.scrub_step(scrub.cursor(), |looked| {
            goes_on = nap(scrub.looked(looked));
            goes_on
        })?;
        scrub.reached(reached);
        goes_on &= reached.is_some();
    }
    Ok(())
}

/// Keeps compaction under a rate by sleeping off what was spent too early.
struct Pace<'b> {
    begun: Instant,
    /// Time that what was spent takes at the rates it was spent at.
    due: Duration,
    bell: &'b Bell,
}

impl<'b> Pace<'b> {
    fn new(bell: &'b Bell) -> Self {
        Self { begun: Instant::now(), due: Duration::ZERO, bell }
    }

    /// `rate` is in bytes per second.
    fn spend(&mut self, bytes: u64, rate: u64) {
        let takes = Duration::try_from_secs_f64(bytes as f64 / rate.max(1) as f64).unwrap_or(MOST_OWED);
        self.due = self.due.saturating_add(takes);
        let early = self.due.saturating_sub(self.begun.elapsed()).min(MOST_OWED);
        if early > WORTH_SLEEPING {
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
        let mut pace = Pace::new(&bell);
        let begun = Instant::now();
        // The rate may change on the way.
        pace.spend(30_000, 1_000_000);
        pace.spend(60_000, 3_000_000);
        assert!(begun.elapsed() >= Duration::from_millis(45));
        bell.stopping.store(true, Ordering::SeqCst);
        pace.spend(100_000_000, 1_000_000);
        assert!(begun.elapsed() < Duration::from_secs(20));
    }
}
