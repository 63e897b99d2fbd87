//! Keeping scrub under its rate, and saying what the rate was.
//!
//! What always holds: over any stretch of time no more is read than the rate allows for it and one record beside; rests
//! are never saved up for a burst. A rate that changes counts from the next look on, also for what is still owed.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Stands for "not in this life".
const VERY_LONG: Duration = Duration::from_secs(365 * 24 * 3600);
/// Looks that the speed is taken from, one a second.
const LOOKS: usize = 30;

/// What was read too early.
#[derive(Debug)]
pub(crate) struct Debt {
    bytes: f64,
    at: Instant,
}

impl Debt {
    pub(crate) fn none(now: Instant) -> Self {
        Self { bytes: 0.0, at: now }
    }

    /// So many bytes were read.
    pub(crate) fn spend(&mut self, bytes: u64) {
        self.bytes += bytes as f64;
    }

    /// How long to read nothing.
    pub(crate) fn owed(&mut self, now: Instant, rate: u64) -> Duration {
        let paid = now.saturating_duration_since(self.at).as_secs_f64() * rate as f64;
        self.bytes = (self.bytes - paid).max(0.0);
        self.at = now;
        Duration::try_from_secs_f64(self.bytes / rate as f64).unwrap_or(VERY_LONG).min(VERY_LONG)
    }
}

/// Bytes per second over the last half minute.
#[derive(Debug, Default)]
pub(crate) struct Speed {
    looks: VecDeque<(Instant, u64)>,
}

impl Speed {
    /// `total` bytes were read until now.
    pub(crate) fn look(&mut self, now: Instant, total: u64) {
        if self.looks.len() >= LOOKS {
            self.looks.pop_front();
        }
        self.looks.push_back((now, total));
    }

    /// Nothing is read for now.
    pub(crate) fn rest(&mut self) {
        self.looks.clear();
    }

    pub(crate) fn bytes_per_second(&self) -> u64 {
        let (Some((began, from)), Some((ended, to))) = (self.looks.front(), self.looks.back()) else {
            return 0;
        };
        let took = ended.saturating_duration_since(*began).as_millis() as u64;
        to.saturating_sub(*from).saturating_mul(1000).checked_div(took).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_read_too_early_is_rested_off_at_any_rate() {
        let start = Instant::now();
        let after = |ms| start + Duration::from_millis(ms);
        let mut debt = Debt::none(start);
        assert_eq!(debt.owed(after(60_000), 1 << 20), Duration::ZERO, "rests are not saved up");
        debt.spend(8 << 20);
        assert_eq!(debt.owed(after(60_000), 1 << 20), Duration::from_secs(8));
        assert_eq!(debt.owed(after(64_000), 1 << 20), Duration::from_secs(4));
        assert_eq!(debt.owed(after(64_000), 4 << 20), Duration::from_secs(1), "a new rate counts at once");
        assert_eq!(debt.owed(after(65_000), 4 << 20), Duration::ZERO);
        debt.spend(8 << 20);
        assert_eq!(debt.owed(after(65_000), 1).as_secs(), 8 << 20, "a very low rate is kept, too");
    }

    #[test]
    fn the_speed_is_that_of_the_last_half_minute() {
        let start = Instant::now();
        let mut speed = Speed::default();
        assert_eq!(speed.bytes_per_second(), 0);
        for second in 0..100u64 {
            let total = if second < 50 { 0 } else { (second - 50) * 1000 };
            speed.look(start + Duration::from_secs(second), total);
        }
        assert_eq!(speed.bytes_per_second(), 1000);
        speed.rest();
        assert_eq!(speed.bytes_per_second(), 0);
    }
}
