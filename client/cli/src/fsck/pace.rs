//! Keeps how much each disk is made to read back under a rate.
//!
//! What always holds: a disk's requests follow one another, each only when those before it have had their time at the rate;
//! disks do not wait for each other.

use std::collections::BTreeMap;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

/// See the module's first lines.
pub(super) struct Pace {
    /// Bytes per second and disk; 0: as fast as it goes.
    rate: u64,
    /// When a disk has had the time for all that was asked of it.
    through: Mutex<BTreeMap<u32, Instant>>,
}

impl Pace {
    pub(super) fn new(rate: u64) -> Self {
        Self { rate, through: Mutex::default() }
    }

    /// Waits until a disk may be asked for so many bytes more.
    pub(super) async fn wait(&self, disk: u32, bytes: u64) {
        if self.rate > 0 {
            tokio::time::sleep_until(self.take(disk, bytes)).await;
        }
    }

    /// When the disk may be asked.
    fn take(&self, disk: u32, bytes: u64) -> Instant {
        let now = Instant::now();
        let takes = Duration::from_secs_f64(bytes as f64 / self.rate as f64);
        let mut through = self.through.lock();
        let at = through.get(&disk).copied().unwrap_or(now).max(now);
        through.insert(disk, at + takes);
        at
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn each_disk_is_asked_at_the_rate() {
        let (pace, begun) = (Pace::new(1000), Instant::now());
        assert_eq!(pace.take(1, 3000), begun);
        assert_eq!(pace.take(2, 500), begun);
        assert_eq!(pace.take(1, 1000), begun + Duration::from_secs(3));
        pace.wait(1, 1).await;
        assert_eq!(begun.elapsed(), Duration::from_secs(4));
        // Time that nobody used is not made up for.
        tokio::time::advance(Duration::from_secs(60)).await;
        assert_eq!(pace.take(1, 1000), Instant::now());
        assert_eq!(pace.take(1, 1), Instant::now() + Duration::from_secs(1));
    }
}
