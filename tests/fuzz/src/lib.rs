//! Throws damaged forms of valid input at a parser, for a bounded time, on a stable compiler.
//!
//! A target gets bytes and says what became of them (any hashable value: which error, how many items). Input that led
//! to an outcome not seen before joins the corpus, so damage goes deeper step by step, as it does with coverage. What a
//! target must not do is panic: then the input, as hex, and the seed are printed.
//!
//! `HOLDFAST_FUZZ_SECONDS` sets the time per target (1 second otherwise), `HOLDFAST_FUZZ_SEED` repeats a run; inputs
//! come in the same order, as far as the time reaches.
//!
//! Called by the tests of the crates whose parsers meet foreign bytes.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::panic, reason = "a test may"))]

mod message;

use std::collections::HashSet;
use std::fmt::Write as _;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

/// Inputs kept at most; a new one then replaces any.
const MOST_KEPT: usize = 4096;

/// Inputs never grow beyond this.
const MOST_BYTES: usize = 1 << 20;

/// Damages between two looks at an input's outcome.
const MOST_DAMAGES: usize = 6;

/// Numbers at which parsers go wrong.
const ODD: [u64; 12] =
    [0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x7FFF_FFFF, 0xFFFF_FFFF, u64::MAX >> 1, u64::MAX - 1, u64::MAX];

/// Runs a target on damaged forms of the corpus. Returns how many inputs it saw.
///
/// # Panics
/// When the target does, after saying with what; or when the corpus is empty.
pub fn run<T: Hash>(corpus: Vec<Vec<u8>>, mut target: impl FnMut(&[u8]) -> T) -> u64 {
    let seconds = setting("HOLDFAST_FUZZ_SECONDS").unwrap_or(1);
    let seed = setting("HOLDFAST_FUZZ_SEED").unwrap_or_else(|| rand::rng().random());
    let end = Instant::now() + Duration::from_secs(seconds);
    let mut mutator = Mutator { rng: StdRng::seed_from_u64(seed), corpus };
    let mut seen = HashSet::new();
    let mut count = 0;
    for input in mutator.corpus.clone() {
        seen.insert(outcome(&mut target, &input, seed));
    }
    while Instant::now() < end {
        let input = mutator.next();
        count += 1;
        let outcome = outcome(&mut target, &input, seed);
        if seen.len() < MOST_KEPT && seen.insert(outcome) {
            mutator.keep(input);
        }
    }
    println!("{count} inputs, {} outcomes, seed {seed}", seen.len());
    count
}

fn setting(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

fn outcome<T: Hash>(target: &mut impl FnMut(&[u8]) -> T, input: &[u8], seed: u64) -> u64 {
    let _told = Told { input, seed };
    let mut hasher = DefaultHasher::new();
    target(input).hash(&mut hasher);
    hasher.finish()
}

/// Speaks when a panic passes by.
struct Told<'a> {
    input: &'a [u8],
    seed: u64,
}

impl Drop for Told<'_> {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            return;
        }
        let hex = self.input.iter().take(4096).fold(String::new(), |mut hex, byte| {
            let _ = write!(hex, "{byte:02x}");
            hex
        });
        eprintln!("HOLDFAST_FUZZ_SEED={} found an input of {} bytes: {hex}", self.seed, self.input.len());
    }
}

struct Mutator {
    rng: StdRng,
    corpus: Vec<Vec<u8>>,
}

impl Mutator {
    fn keep(&mut self, input: Vec<u8>) {
        if self.corpus.len() < MOST_KEPT {
            return self.corpus.push(input);
        }
        let at = self.rng.random_range(0..self.corpus.len());
        self.corpus[at] = input;
    }

    fn any(&mut self) -> Vec<u8> {
        let at = self.rng.random_range(0..self.corpus.len());
        self.corpus[at].clone()
    }

    fn next(&mut self) -> Vec<u8> {
        let mut input = self.any();
        // Where bytes can be a message, half of the damage is done to its fields.
        if self.rng.random()
            && let Some(mut fields) = message::parse(&input, 0)
        {
            let other = message::parse(&self.any(), 0).unwrap_or_default();
            for _ in 0..self.rng.random_range(1..=MOST_DAMAGES / 2) {
                message::damage(&mut self.rng, &mut fields, &other);
            }
            input = message::encode(&fields);
            input.truncate(MOST_BYTES);
            return input;
        }
        for _ in 0..self.rng.random_range(1..=MOST_DAMAGES) {
            self.damage(&mut input);
        }
        input.truncate(MOST_BYTES);
        input
    }

    fn damage(&mut self, input: &mut Vec<u8>) {
        let from = self.rng.random_range(0..=input.len());
        let length = self.rng.random_range(0..=(input.len() - from).min(64));
        match self.rng.random_range(0..9) {
            0 => self.flip(input),
            1 | 2 => self.number(input, from),
            3 => drop(input.drain(from..from + length)),
            4 => {
                let again = input[from..from + length].to_vec();
                drop(input.splice(from..from, again));
            }
            5 => {
                let mut noise = vec![0; length.min(16) + 1];
                self.rng.fill(&mut noise[..]);
                drop(input.splice(from..from, noise));
            }
            6 => input.truncate(from),
            7 => {
                // The front of one, the end of another.
                let other = self.any();
                let rest = self.rng.random_range(0..=other.len());
                input.truncate(from);
                input.extend_from_slice(&other[rest..]);
            }
            _ => {
                let value = self.rng.random();
                input[from..from + length].fill(value);
            }
        }
    }

    fn flip(&mut self, input: &mut [u8]) {
        if !input.is_empty() {
            let at = self.rng.random_range(0..input.len());
            input[at] ^= 1 << self.rng.random_range(0..8);
        }
    }

    /// Puts an odd number there, or moves the one that is there a little.
    fn number(&mut self, input: &mut [u8], at: usize) {
        let width = [1, 2, 4, 8][self.rng.random_range(0..4)].min(input.len() - at);
        let Some(place) = input.get_mut(at..at + width) else { return };
        let mut bytes = [0; 8];
        bytes[..width].copy_from_slice(place);
        let (there, odd) = (u64::from_le_bytes(bytes), ODD[self.rng.random_range(0..ODD.len())]);
        let value = match self.rng.random_range(0..3) {
            0 => odd,
            1 => there.wrapping_add(self.rng.random_range(0..16)),
            _ => there.wrapping_sub(self.rng.random_range(0..16)),
        };
        match self.rng.random() {
            true => place.copy_from_slice(&value.to_le_bytes()[..width]),
            false => place.copy_from_slice(&value.to_be_bytes()[8 - width..]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A parser with a hole behind three doors: only step by step is it found in time.
    #[test]
    fn it_finds_what_lies_behind_several_conditions() {
        let mut depth = 0;
        let target = |input: &[u8]| {
            let steps = [b'x', b'y', b'z'].iter().enumerate();
            let reached = steps.take_while(|(at, want)| input.get(*at) == Some(want)).count();
            depth = depth.max(reached);
            reached
        };
        run(vec![b"abc".to_vec()], target);
        assert_eq!(depth, 3);
    }
}
