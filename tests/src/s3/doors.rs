//! Which gateway the next request goes to: each in turn, or, as behind a load balancer that looks after its servers, those
//! that answered lately.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// Time for which a gateway that did not answer is left alone.
const REST: Duration = Duration::from_secs(2);

/// Gateways as `host:port`.
#[derive(Debug)]
pub(super) struct Doors {
    all: Vec<String>,
    turn: AtomicUsize,
    /// When each did not answer; nothing at all if nobody looks.
    silent: Option<Mutex<Vec<Option<Instant>>>>,
}

impl Doors {
    /// All in turn, or those that answer.
    pub(super) fn new(all: Vec<String>, balanced: bool) -> Self {
        let silent = balanced.then(|| Mutex::new(vec![None; all.len()]));
        Self { all, turn: AtomicUsize::new(0), silent }
    }

    /// The same, by those that answer.
    pub(super) fn balanced(&self) -> Self {
        Self::new(self.all.clone(), true)
    }

    /// Where to go now.
    pub(super) fn next(&self) -> usize {
        let count = self.all.len();
        let first = self.turn.fetch_add(1, Ordering::Relaxed) % count;
        let Some(silent) = &self.silent else { return first };
        let silent = silent.lock();
        let rests = |door: &usize| silent[*door].is_some_and(|since| since.elapsed() < REST);
        // If none answers, any may be the first to do so again.
        (0..count).map(|more| (first + more) % count).find(|door| !rests(door)).unwrap_or(first)
    }

    /// Its address.
    pub(super) fn address(&self, door: usize) -> &str {
        &self.all[door]
    }

    /// What came of a request there.
    pub(super) fn note(&self, door: usize, answered: bool) {
        if let Some(silent) = &self.silent {
            silent.lock()[door] = (!answered).then(Instant::now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_silent_gateway_is_left_alone_by_who_looks() {
        let all: Vec<String> = ["a:1", "b:1", "c:1"].map(str::to_owned).to_vec();
        let plain = Doors::new(all, false);
        plain.note(1, false);
        assert_eq!([plain.next(), plain.next(), plain.next()], [0, 1, 2]);
        let balanced = plain.balanced();
        balanced.note(1, false);
        assert_eq!([balanced.next(), balanced.next(), balanced.next()], [0, 2, 2]);
        balanced.note(1, true);
        assert_eq!([balanced.next(), balanced.next()], [0, 1]);
        (0..3).for_each(|door| balanced.note(door, false));
        assert_eq!(balanced.address(balanced.next()), "c:1");
    }
}
