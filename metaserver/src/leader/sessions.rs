//! What the leader heard of sessions: when, and which old replies they still rely on.
//!
//! What always holds: a session is silent only as long as this leader, by its own monotonic clock, heard nothing of
//! it; an open session of which nothing is known holds back garbage from the index at which it was opened.

use std::collections::HashMap;
use std::time::Duration;

use holdfast_state::records::Session;
use tokio::time::Instant;

/// Sessions remembered at most. One that is forgotten counts as unknown, which only delays things.
const MOST: usize = 1 << 20;

#[derive(Clone, Copy, Debug)]
struct Seen {
    heard: Instant,
    oldest_index: u64,
}

/// Signs of life of sessions since this node was elected.
#[derive(Debug)]
pub struct SessionTable {
    since: Instant,
    seen: HashMap<u64, Seen>,
}

impl SessionTable {
    /// Nothing heard yet.
    pub fn new(now: Instant) -> Self {
        Self { since: now, seen: HashMap::new() }
    }

    /// A command or question of a session: it lives, but says nothing of what it relies on.
    pub fn touch(&mut self, now: Instant, session: u64) {
        if let Some(seen) = self.seen.get_mut(&session) {
            seen.heard = now;
        } else if self.seen.len() < MOST && session != 0 {
            self.seen.insert(session, Seen { heard: now, oldest_index: 0 });
        }
    }

    /// A heartbeat.
    pub fn beat(&mut self, now: Instant, session: u64, oldest_index: u64) {
        if session == 0 || (self.seen.len() >= MOST && !self.seen.contains_key(&session)) {
            return;
        }
        let seen = self.seen.entry(session).or_insert(Seen { heard: now, oldest_index: 0 });
        seen.heard = now;
        // Heartbeats may overtake each other; what was let go of is never relied on again.
        seen.oldest_index = seen.oldest_index.max(oldest_index);
    }

    /// The leader stood still: silence counts anew.
    pub fn forgive(&mut self, now: Instant) {
        self.since = now;
        for seen in self.seen.values_mut() {
            seen.heard = now;
        }
    }

    /// Whether the leader may end this session.
    pub fn is_silent(&self, now: Instant, session: u64, ttl: Duration) -> bool {
        let heard = self.seen.get(&session).map_or(self.since, |seen| seen.heard.max(self.since));
        now.duration_since(heard) >= ttl
    }

    /// Everything that died up to and including this index is not relied on by this open session.
    pub fn relies_from(&self, id: u64, session: &Session) -> u64 {
        let reported = self.seen.get(&id).map_or(0, |seen| seen.oldest_index);
        // Before it was opened it could not read under protection.
        reported.max(session.opened)
    }

    /// Forgets what was not heard of for so long that it cannot matter.
    pub fn prune(&mut self, now: Instant, keep: Duration) {
        self.seen.retain(|_, seen| now.duration_since(seen.heard) < keep);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_counts_from_the_election_at_the_earliest() {
        let start = Instant::now();
        let mut table = SessionTable::new(start);
        let ttl = Duration::from_secs(30);
        assert!(!table.is_silent(start + Duration::from_secs(29), 5, ttl));
        assert!(table.is_silent(start + ttl, 5, ttl));
        table.touch(start + Duration::from_secs(10), 5);
        assert!(!table.is_silent(start + ttl, 5, ttl));
        table.forgive(start + Duration::from_secs(100));
        assert!(!table.is_silent(start + Duration::from_secs(129), 5, ttl));
    }

    #[test]
    fn an_unknown_session_holds_back_from_its_opening() {
        let start = Instant::now();
        let mut table = SessionTable::new(start);
        let session = Session { opened: 40, ..Session::default() };
        assert_eq!(table.relies_from(5, &session), 40);
        table.touch(start, 5);
        assert_eq!(table.relies_from(5, &session), 40);
        table.beat(start, 5, 70);
        table.beat(start, 5, 60);
        assert_eq!(table.relies_from(5, &session), 70);
    }
}
