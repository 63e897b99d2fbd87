//! How far fills and procedures are, for people: bytes that members being filled have already, and how fast bytes go.
//!
//! What always holds: bounded by groups under repair and procedures under way; nothing is decided by it. It begins empty
//! with each term: what was copied before is found again by the walk that goes on, and counted then.
//!
//! Fed by repair and by the `health` loop, read by whoever asks.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use holdfast_proto::op::DiskRef;
use tokio::time::Instant;

/// Time over which rates are averaged.
const OVER: Duration = Duration::from_secs(180);
/// Shortest time that says anything.
const LEAST: Duration = Duration::from_secs(2);

/// A disk or node with which something is under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Target {
    /// A disk.
    Disk(u32),
    /// A node.
    Node(u64),
}

/// A quantity over the last minutes.
#[derive(Clone, Debug, Default)]
pub struct Course {
    samples: VecDeque<(Instant, u64)>,
}

impl Course {
    /// What it is now.
    pub fn sample(&mut self, now: Instant, value: u64) {
        self.samples.push_back((now, value));
        while self.samples.front().is_some_and(|(at, _)| now.duration_since(*at) > OVER) {
            self.samples.pop_front();
        }
    }

    fn change(&self, of: impl Fn(u64, u64) -> u64) -> u64 {
        let (Some((began, first)), Some((ended, last))) = (self.samples.front(), self.samples.back()) else {
            return 0;
        };
        let time = ended.duration_since(*began);
        if time < LEAST {
            return 0;
        }
        (of(*first, *last) as f64 / time.as_secs_f64()) as u64
    }

    /// By how much it grew per second.
    pub fn growth(&self) -> u64 {
        self.change(|first, last| last.saturating_sub(first))
    }

    /// By how much it shrank per second.
    pub fn decline(&self) -> u64 {
        self.change(u64::saturating_sub)
    }
}

/// Seconds that `left` takes at `rate`; `None`: not known.
pub fn eta_s(left: u64, rate: u64) -> Option<u64> {
    match (left, rate) {
        (0, _) => Some(0),
        (_, 0) => None,
        _ => Some(left.div_ceil(rate)),
    }
}

/// See the module's text.
#[derive(Debug, Default)]
pub struct Progress {
    filled: BTreeMap<(u32, DiskRef), u64>,
    /// Bytes copied by repair since the election.
    pub repaired: Course,
    /// Bytes that are still to leave, or to come, for each procedure.
    pub procedures: BTreeMap<Target, Course>,
}

impl Progress {
    /// A member begins to be filled.
    pub fn begins(&mut self, pg: u32, member: DiskRef) {
        self.filled.insert((pg, member), 0);
    }

    /// It has so many bytes more, copied or found there.
    pub fn filled(&mut self, pg: u32, member: DiskRef, bytes: u64) {
        if let Some(filled) = self.filled.get_mut(&(pg, member)) {
            *filled = filled.saturating_add(bytes);
        }
    }

    /// Bytes that a member being filled has.
    pub fn of(&self, pg: u32, member: DiskRef) -> u64 {
        self.filled.get(&(pg, member)).copied().unwrap_or(0)
    }

    /// Forgets members of groups that `keep` says no to.
    pub fn keep_only(&mut self, keep: impl Fn(u32) -> bool) {
        self.filled.retain(|(pg, _), _| keep(*pg));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_of_the_last_minutes() {
        let start = Instant::now();
        let at = |seconds: u64| start + Duration::from_secs(seconds);
        let mut course = Course::default();
        course.sample(at(0), 1000);
        assert_eq!(course.growth(), 0, "one look says nothing");
        course.sample(at(1), 9000);
        assert_eq!(course.growth(), 0, "nor does a second");
        for second in 2..=400 {
            course.sample(at(second), 9000 + (second - 2) * 10);
        }
        assert_eq!((course.growth(), course.decline()), (10, 0));
        let mut left = Course::default();
        left.sample(at(0), 500);
        left.sample(at(10), 100);
        assert_eq!((left.decline(), left.growth()), (40, 0));
        assert_eq!((eta_s(100, 40), eta_s(100, 0), eta_s(0, 0)), (Some(3), None, Some(0)));
    }

    #[test]
    fn only_members_being_filled_are_counted() {
        let mut progress = Progress::default();
        let member = DiskRef { disk: 1, incarnation: 7 };
        progress.filled(5, member, 10);
        assert_eq!(progress.of(5, member), 0, "single chunks of a whole member are no fill");
        progress.begins(5, member);
        progress.filled(5, member, 10);
        progress.filled(5, member, 10);
        assert_eq!(progress.of(5, member), 20);
        progress.begins(5, member);
        assert_eq!(progress.of(5, member), 0, "the walk began anew");
        progress.keep_only(|pg| pg != 5);
        progress.filled(5, member, 10);
        assert_eq!(progress.of(5, member), 0);
    }
}
