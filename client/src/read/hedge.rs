//! How often a second member may be asked before the first has answered.
//!
//! What always holds: hedges are at most a tenth of the reads plus a small burst, so that a slow cluster is not
//! made slower by its readers.

use std::sync::atomic::{AtomicI64, Ordering};

/// Reads that pay for one hedge.
const READS_PER_HEDGE: i64 = 10;

/// Most hedges saved up.
const BURST: i64 = 64;

/// Counts in tenths of a hedge.
pub(crate) struct HedgeAllowance(AtomicI64);

impl Default for HedgeAllowance {
    fn default() -> Self {
        Self(AtomicI64::new(BURST * READS_PER_HEDGE))
    }
}

impl HedgeAllowance {
    /// A read began.
    pub(crate) fn earn(&self) {
        if self.0.load(Ordering::Relaxed) < BURST * READS_PER_HEDGE {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Whether a hedge may be sent now.
    pub(crate) fn spend(&self) -> bool {
        let paid = self.0.fetch_sub(READS_PER_HEDGE, Ordering::Relaxed) >= READS_PER_HEDGE;
        if !paid {
            self.0.fetch_add(READS_PER_HEDGE, Ordering::Relaxed);
        }
        paid
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_then_a_tenth() {
        let allowance = HedgeAllowance::default();
        assert_eq!((0..1000).filter(|_| allowance.spend()).count(), BURST as usize);
        let mut hedges = 0;
        for _ in 0..1000 {
            allowance.earn();
            hedges += usize::from(allowance.spend());
        }
        assert_eq!(hedges, 100);
    }
}
