//! Clock helpers: a cheap monotonic count for bookkeeping, wall time for people, a detector of one's own stalls.
//!
//! What always holds: wall time is never compared for order or expiry; durations come from the monotonic clock.

use std::sync::LazyLock;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

static START: LazyLock<Instant> = LazyLock::new(Instant::now);

/// Monotonic milliseconds since the process first asked; fits in an atomic.
pub fn monotonic_ms() -> u64 {
    u64::try_from(START.elapsed().as_millis()).unwrap_or(u64::MAX)
}

/// Milliseconds since 1970 by the wall clock, 0 when the clock is set before that.
pub fn wall_ms() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

/// Notices that the process itself did not run for a while (stopped, swapped out, a paused virtual machine), so
/// that nobody blames a peer for it. Asked once per round by whoever judges peers by their silence.
#[derive(Debug)]
pub struct StallWatch {
    last: Instant,
    tolerance: Duration,
}

impl StallWatch {
    /// Rounds further apart than `tolerance` count as a stall.
    pub fn new(tolerance: Duration) -> Self {
        Self { last: Instant::now(), tolerance }
    }

    /// How long this process stood still since the last round, if it did.
    pub fn stalled(&mut self) -> Option<Duration> {
        let now = Instant::now();
        let gap = now.duration_since(self.last);
        self.last = now;
        (gap > self.tolerance).then_some(gap)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gap_beyond_the_tolerance_is_a_stall() {
        let mut watch = StallWatch::new(Duration::from_millis(5));
        std::thread::sleep(Duration::from_millis(10));
        assert!(watch.stalled().unwrap() >= Duration::from_millis(10));
        let mut patient = StallWatch::new(Duration::from_secs(3600));
        assert_eq!(patient.stalled(), None);
    }
}
