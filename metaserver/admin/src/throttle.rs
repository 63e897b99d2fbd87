//! Holding back whoever guesses passwords: after a few failures in a row, each further try has to wait, longer and longer.
//!
//! What always holds: an account's right user can be slowed down by somebody else's guesses, but not locked out: waiting
//! times are counted by account and address together, and by address alone with more patience; memory is bounded. It is
//! this node's memory only: a cluster of three gives three times as many tries.

use std::collections::HashMap;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

/// Failures of one account from one address before anybody waits.
const FREE: u32 = 5;
/// The same of one address, whatever the account.
const FREE_OF_ADDRESS: u32 = 20;
const FIRST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_secs(300);
/// Failures are forgotten after so long without another.
const FORGET: Duration = Duration::from_secs(900);
/// Remembered at most; beyond, the oldest half goes.
const MOST: usize = 10_000;

#[derive(Clone, Copy)]
struct Failures {
    count: u32,
    last: Instant,
}

impl Failures {
    fn until(&self, free: u32) -> Instant {
        let beyond = self.count.saturating_sub(free);
        let wait = match beyond {
            0 => Duration::ZERO,
            more => {
                FIRST_WAIT.saturating_mul(1u32.checked_shl(more - 1).unwrap_or(u32::MAX)).min(LONGEST_WAIT)
            }
        };
        self.last + wait
    }
}

type Seen = HashMap<(String, String), Failures>;

/// The half that failed longest ago goes; of the same time, whoever failed least.
fn forget_half(seen: &mut Seen) {
    let mut by_age: Vec<_> = seen.iter().map(|(key, f)| (f.last, f.count, key.clone())).collect();
    by_age.sort_unstable();
    for (_, _, key) in by_age.into_iter().take(seen.len() / 2) {
        seen.remove(&key);
    }
}

/// Failures of late.
#[derive(Default)]
pub(crate) struct Throttle {
    seen: Mutex<Seen>,
}

impl Throttle {
    /// How long this one has to wait before its next try; `None`: not at all.
    pub(crate) fn wait(&self, account: &str, from: &str, now: Instant) -> Option<Duration> {
        let seen = self.seen.lock();
        let of = |account: &str, free| {
            let failures = seen.get(&(account.to_owned(), from.to_owned()))?;
            Some(failures.until(free))
        };
        let until = of(account, FREE).into_iter().chain(of("", FREE_OF_ADDRESS)).max()?;
        until.checked_duration_since(now).filter(|wait| !wait.is_zero())
    }

    /// A try failed. How often it has in a row.
    pub(crate) fn failed(&self, account: &str, from: &str, now: Instant) -> u32 {
        let mut seen = self.seen.lock();
        if seen.len() >= MOST {
            seen.retain(|_, failures| now.duration_since(failures.last) < FORGET);
        }
        if seen.len() >= MOST {
            forget_half(&mut seen);
        }
        let mut count = 0;
        for account in ["", account] {
            let key = (account.to_owned(), from.to_owned());
            let failures = seen.entry(key).or_insert(Failures { count: 0, last: now });
            if now.duration_since(failures.last) >= FORGET {
                failures.count = 0;
            }
            *failures = Failures { count: failures.count.saturating_add(1), last: now };
            count = failures.count;
        }
        count
    }

    /// The right password was given.
    pub(crate) fn passed(&self, account: &str, from: &str) {
        self.seen.lock().remove(&(account.to_owned(), from.to_owned()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn guesses_have_to_wait_longer_and_longer() {
        let (throttle, start) = (Throttle::default(), Instant::now());
        for _ in 0..FREE {
            assert_eq!(throttle.wait("root", "a", start), None);
            throttle.failed("root", "a", start);
        }
        assert_eq!(throttle.wait("root", "a", start), None);
        throttle.failed("root", "a", start);
        assert_eq!(throttle.wait("root", "a", start), Some(FIRST_WAIT));
        throttle.failed("root", "a", start);
        assert_eq!(throttle.wait("root", "a", start), Some(2 * FIRST_WAIT));
        assert_eq!(throttle.wait("root", "b", start), None, "from elsewhere it is free");
        assert_eq!(throttle.wait("other", "a", start), None);
        for _ in 0..100 {
            throttle.failed("root", "a", start);
        }
        assert_eq!(throttle.wait("root", "a", start), Some(LONGEST_WAIT));
        assert!(throttle.wait("other", "a", start).is_some(), "whoever tries everything waits everywhere");
        throttle.failed("root", "a", start + FORGET);
        assert_eq!(throttle.wait("root", "a", start + FORGET), None, "forgotten after a while");
    }

    #[test]
    fn the_right_password_ends_it_and_memory_is_bounded() {
        let (throttle, start) = (Throttle::default(), Instant::now());
        for _ in 0..=FREE {
            throttle.failed("root", "a", start);
        }
        throttle.passed("root", "a");
        assert_eq!(throttle.wait("root", "a", start), None);
        for number in 0..2 * MOST {
            throttle.failed("x", &number.to_string(), start);
        }
        assert!(throttle.seen.lock().len() <= MOST + 2);
    }
}
