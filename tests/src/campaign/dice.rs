//! Every choice of a scenario, by its seed.

use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

/// A source of choices that are the same for the same seed.
#[derive(Debug)]
pub struct Dice {
    random: StdRng,
}

impl Dice {
    /// All choices that follow from this seed.
    pub fn new(seed: u64) -> Self {
        Self { random: StdRng::seed_from_u64(seed) }
    }

    /// One of these; nothing when there are none.
    pub fn pick<T: Copy>(&mut self, among: &[T]) -> Option<T> {
        if among.is_empty() {
            return None;
        }
        let at = self.random.random_range(0..among.len());
        among.get(at).copied()
    }

    /// A number of seconds within this range, by tenths.
    pub fn seconds(&mut self, least: u64, most: u64) -> Duration {
        Duration::from_millis(self.random.random_range(least * 10..=most * 10) * 100)
    }

    /// A number below `end`, which is not zero.
    pub fn below(&mut self, end: u64) -> u64 {
        self.random.random_range(0..end.max(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_makes_the_same_choices() {
        let choices = |seed| {
            let mut dice = Dice::new(seed);
            (0..20).map(|_| (dice.below(1000), dice.seconds(1, 9), dice.pick(&[1, 2, 3]))).collect::<Vec<_>>()
        };
        assert_eq!(choices(7), choices(7));
        assert_ne!(choices(7), choices(8));
        assert_eq!(Dice::new(1).pick::<u8>(&[]), None);
    }
}
