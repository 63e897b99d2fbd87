//! Latencies, counted in buckets that are at most 1.6 % wide.

/// Sub-buckets of each power of two.
const STEPS: u64 = 64;
const STEP_BITS: u32 = STEPS.trailing_zeros();
/// Powers of two covered beyond the first linear part: up to about 2^42 µs.
const POWERS: usize = 36;

/// Counts of microseconds.
#[derive(Clone)]
pub(super) struct Histogram {
    counts: Vec<u64>,
    total: u64,
    sum_us: u64,
    max_us: u64,
}

impl Histogram {
    pub(super) fn new() -> Self {
        Self { counts: vec![0; STEPS as usize * POWERS], total: 0, sum_us: 0, max_us: 0 }
    }

    pub(super) fn record(&mut self, us: u64) {
        let bucket = bucket(us).min(self.counts.len() - 1);
        self.counts[bucket] += 1;
        self.total += 1;
        self.sum_us += us;
        self.max_us = self.max_us.max(us);
    }

    pub(super) fn merge(&mut self, other: &Self) {
        for (mine, theirs) in self.counts.iter_mut().zip(&other.counts) {
            *mine += theirs;
        }
        self.total += other.total;
        self.sum_us += other.sum_us;
        self.max_us = self.max_us.max(other.max_us);
    }

    pub(super) fn count(&self) -> u64 {
        self.total
    }

    pub(super) fn mean_us(&self) -> u64 {
        self.sum_us.checked_div(self.total).unwrap_or(0)
    }

    pub(super) fn max_us(&self) -> u64 {
        self.max_us
    }

    /// The latency that this share (0 to 1) of all operations did not exceed.
    pub(super) fn quantile_us(&self, share: f64) -> u64 {
        let wanted = ((self.total as f64 * share).ceil() as u64).max(1);
        let mut seen = 0;
        for (bucket, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= wanted {
                return upper(bucket).min(self.max_us);
            }
        }
        self.max_us
    }
}

/// Values below 64 have a bucket each; above, 64 buckets per power of two.
fn bucket(us: u64) -> usize {
    if us < STEPS {
        return us as usize;
    }
    let power = us.ilog2() - STEP_BITS;
    let step = (us >> power) - STEPS;
    (STEPS + u64::from(power) * STEPS + step) as usize
}

/// Highest value of a bucket.
fn upper(bucket: usize) -> u64 {
    let bucket = bucket as u64;
    if bucket < STEPS {
        return bucket;
    }
    let power = (bucket - STEPS) / STEPS;
    let step = (bucket - STEPS) % STEPS;
    ((STEPS + step + 1) << power) - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_follow_each_other_and_hold_their_values() {
        let mut last = 0;
        for us in (0..5_000).chain([1 << 20, (1 << 20) + 1, 1 << 40]) {
            let b = bucket(us);
            assert!(b >= last);
            assert!(upper(b) >= us, "{us}");
            assert!(upper(b) as f64 <= us as f64 * 1.016 + 1.0, "{us}");
            last = b;
        }
    }

    #[test]
    fn quantiles() {
        let mut histogram = Histogram::new();
        (1..=1000).for_each(|us| histogram.record(us));
        assert_eq!(histogram.count(), 1000);
        assert!((495..=510).contains(&histogram.quantile_us(0.5)));
        assert!((985..=1000).contains(&histogram.quantile_us(0.99)));
        assert_eq!(histogram.max_us(), 1000);
        assert_eq!(Histogram::new().quantile_us(0.5), 0);
    }
}
