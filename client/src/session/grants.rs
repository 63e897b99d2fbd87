//! Chunk numbers from the session's grants.
//!
//! What always holds: a number is handed out once, also across rotations; a grant is named for closing only when
//! no number of it is in use any more (its chunks are committed or abandoned). A late command that names a closed
//! grant is refused by the metaserver, so a lost race costs a rewrite, never data.
//!
//! Who calls it: the write path takes a [`Ticket`] per chunk; [`crate::session`] renews and closes.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use holdfast_proto::ids::{ChunkNumber, GRANT_COUNTER_BITS, Grant};
use parking_lot::Mutex;
use tokio::time::Instant;

/// Numbers of a grant after which the next one is fetched ahead of need.
const RENEW_AT: u32 = (1 << GRANT_COUNTER_BITS) / 4 * 3;

struct Life {
    grant: Grant,
    next: AtomicU32,
    opened: Instant,
}

#[derive(Default)]
struct State {
    current: Option<Arc<Life>>,
    retired: Vec<Arc<Life>>,
}

/// The grants of one session.
#[derive(Default)]
pub(crate) struct Grants {
    state: Mutex<State>,
}

/// One chunk number, in use until dropped. Dropping it says that the chunk is committed or abandoned.
#[derive(Clone)]
pub(crate) struct Ticket {
    number: ChunkNumber,
    _life: Arc<Life>,
}

impl Ticket {
    pub(crate) fn number(&self) -> ChunkNumber {
        self.number
    }
}

impl Grants {
    /// A new grant came; the one before retires.
    pub(crate) fn install(&self, grant: Grant) {
        let mut state = self.state.lock();
        let known = state.current.iter().chain(&state.retired).any(|life| life.grant == grant);
        if grant.0 == 0 || known {
            return;
        }
        let life = Arc::new(Life { grant, next: AtomicU32::new(0), opened: Instant::now() });
        let old = state.current.replace(life);
        state.retired.extend(old);
    }

    /// The next number; `None`: a new grant is needed first.
    pub(crate) fn take(&self) -> Option<Ticket> {
        let life = self.state.lock().current.clone()?;
        // The counter saturates far below u32::MAX: every failed take leads to a renewal, not to a loop.
        let counter = life.next.fetch_add(1, Ordering::Relaxed);
        let number = ChunkNumber::from_grant(life.grant, counter)?;
        Some(Ticket { number, _life: life })
    }

    /// Whether the current grant has numbers left.
    pub(crate) fn has_room(&self) -> bool {
        let state = self.state.lock();
        state.current.as_ref().is_some_and(|life| life.next.load(Ordering::Relaxed) < 1 << GRANT_COUNTER_BITS)
    }

    /// Whether a new grant should be fetched in the background: the current one is old or nearly used up.
    pub(crate) fn wants_renewal(&self, age: Duration) -> bool {
        let state = self.state.lock();
        state.current.as_ref().is_some_and(|life| {
            let used = life.next.load(Ordering::Relaxed);
            used >= RENEW_AT || (used > 0 && life.opened.elapsed() >= age)
        })
    }

    /// Retired grants of which no number is in use.
    pub(crate) fn closable(&self) -> Vec<u64> {
        let state = self.state.lock();
        state.retired.iter().filter(|life| Arc::strong_count(life) == 1).map(|life| life.grant.0).collect()
    }

    /// These were closed by the metaserver.
    pub(crate) fn closed(&self, grants: &[u64]) {
        self.state.lock().retired.retain(|life| !grants.contains(&life.grant.0));
    }

    /// Takes the current grant out of use, unless another one came meanwhile: the metaserver seems to have closed
    /// it. If it did not, it is closed when its numbers are out of use.
    pub(crate) fn retire(&self, grant: Grant) {
        let mut state = self.state.lock();
        if state.current.as_ref().is_some_and(|life| life.grant == grant) {
            let old = state.current.take();
            state.retired.extend(old);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_never_repeated_and_grants_close_when_unused() {
        let grants = Grants::default();
        assert!(grants.take().is_none());
        grants.install(Grant(5));
        let first = grants.take().unwrap();
        let second = grants.take().unwrap();
        assert_ne!(first.number(), second.number());
        assert_eq!(first.number().grant(), Grant(5));

        grants.install(Grant(6));
        grants.install(Grant(5));
        assert_eq!(grants.take().unwrap().number().grant(), Grant(6), "an old grant does not come back");
        assert!(grants.closable().is_empty(), "two numbers of grant 5 are in use");
        drop((first, second));
        assert_eq!(grants.closable(), [5]);
        grants.closed(&[5]);
        assert!(grants.closable().is_empty());
    }

    #[test]
    fn a_used_up_grant_gives_nothing() {
        let grants = Grants::default();
        grants.install(Grant(1));
        grants.state.lock().current.as_ref().unwrap().next.store(RENEW_AT, Ordering::Relaxed);
        assert!(grants.wants_renewal(Duration::MAX));
        grants.state.lock().current.as_ref().unwrap().next.store(1 << GRANT_COUNTER_BITS, Ordering::Relaxed);
        assert!(grants.take().is_none());
    }
}
