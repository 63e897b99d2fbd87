//! A limit on bytes per second.

use std::time::Duration;

use tokio::time::{Instant, sleep_until};

/// Most time that may be caught up after a pause.
const BURST: Duration = Duration::from_secs(1);

/// When the next bytes may move.
#[derive(Debug)]
pub(crate) struct Pace {
    bytes_per_second: u64,
    next: Instant,
}

impl Pace {
    pub(crate) fn new(bytes_per_second: u64) -> Self {
        Self { bytes_per_second: bytes_per_second.max(1), next: Instant::now() }
    }

    /// Waits until it is their turn.
    pub(crate) async fn wait_for(&mut self, bytes: u64) {
        let now = Instant::now();
        self.next = self.next.max(now.checked_sub(BURST).unwrap_or(now));
        self.next += Duration::from_secs_f64(bytes as f64 / self.bytes_per_second as f64);
        sleep_until(self.next.checked_sub(BURST).unwrap_or(now)).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn no_more_than_a_burst_above_the_rate() {
        let mut pace = Pace::new(1000);
        tokio::time::advance(Duration::from_secs(60)).await;
        let begun = Instant::now();
        for _ in 0..100 {
            pace.wait_for(100).await;
        }
        let took = begun.elapsed();
        assert!(took >= Duration::from_secs(8) && took <= Duration::from_secs(10), "{took:?}");
    }
}
