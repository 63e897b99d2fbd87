//! What sessions were told of, for one term: they hear of every later change.
//!
//! What always holds:
//! - A lease is granted only for an answer that is still true: what changed since its index, or may have, is refused
//!   ([`Recent`]). From then on every change of that inode, and of names in it, is told until the session says that
//!   it does not care any more, or stops watching.
//! - Changes are noted before anybody can read them, in order. Who made a change learns of it from its reply, and is
//!   not told again.
//! - Telling never delays the command that changed something: this speeds caches up, it is no lock. A session that
//!   was not told everything (too slow, too much) is told that everything may have changed.
//! - Memory is bounded: [`MOST`] leases of all sessions together, [`MOST_PENDING`] changes per session.
//!
//! The apply thread calls [`Observer`]; `service/watch.rs`, `ask.rs` and `mutate.rs` the rest.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use holdfast_proto::session::{Changed, Changes, Watch};
use holdfast_support::recent::Recent;
use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::raft::{Observer, Touch};

/// Leases at most, all sessions together: some 100 bytes each.
const MOST: usize = 2 << 20;

/// Changes that wait to be told to one session.
const MOST_PENDING: usize = 8192;

/// Changes that an answer under way may be older than.
const RECENT: usize = 16 << 10;

/// A session that has not asked for this long watches no more.
const SILENT: Duration = Duration::from_secs(5);

/// Leases of one term.
#[derive(Debug)]
pub struct Leases {
    term: u64,
    most: usize,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    recent: Recent,
    watchers: HashMap<u64, Watcher>,
    /// Sessions per inode.
    told: HashMap<u64, Vec<u64>>,
    /// Leases of all sessions.
    total: usize,
}

#[derive(Debug)]
struct Watcher {
    asked: Instant,
    /// Number of the last answer, and what was in it, until the next request shows that it came.
    seq: u64,
    sent: Vec<Changed>,
    pending: Vec<Changed>,
    all: bool,
    held: HashSet<u64>,
    news: Arc<Notify>,
}

impl Watcher {
    fn new(now: Instant) -> Self {
        Self {
            asked: now,
            seq: 0,
            sent: Vec::new(),
            pending: Vec::new(),
            all: true,
            held: HashSet::new(),
            news: Arc::new(Notify::new()),
        }
    }

    fn tell(&mut self, changed: Changed) {
        if self.pending.len() >= MOST_PENDING {
            self.forget_everything();
        }
        if !self.all {
            self.pending.push(changed);
        }
        self.news.notify_one();
    }

    /// What it was told may all be wrong.
    fn forget_everything(&mut self) {
        self.all = true;
        self.sent = Vec::new();
        self.pending = Vec::new();
    }
}

impl Leases {
    /// Nothing is granted before [`Leases::begin`].
    pub fn new(term: u64) -> Self {
        Self::with_room(term, MOST)
    }

    fn with_room(term: u64, most: usize) -> Self {
        let recent = Recent::new(u64::MAX, RECENT);
        let state = State { recent, watchers: HashMap::new(), told: HashMap::new(), total: 0 };
        Self { term, most, state: Mutex::new(state) }
    }

    /// The term.
    pub fn term(&self) -> u64 {
        self.term
    }

    /// Every change after `index` is noted.
    pub fn begin(&self, index: u64) {
        let mut state = self.state.lock();
        // What was noted meanwhile lies behind the index or is covered by it.
        state.recent = Recent::new(index, RECENT);
    }

    /// Whether a session watches.
    pub fn watches(&self, session: u64) -> bool {
        self.state.lock().watchers.contains_key(&session)
    }

    /// A session was told of inodes as of `index`. False: it will not hear of all their changes.
    pub fn grant(&self, session: u64, index: u64, inos: impl Iterator<Item = u64>) -> bool {
        let mut guard = self.state.lock();
        let state = &mut *guard;
        let Some(watcher) = state.watchers.get_mut(&session) else { return false };
        for ino in inos {
            if state.recent.changed_since(ino, index) {
                return false;
            }
            if watcher.held.contains(&ino) {
                continue;
            }
            if state.total >= self.most {
                return false;
            }
            watcher.held.insert(ino);
            state.told.entry(ino).or_default().push(session);
            state.total += 1;
        }
        true
    }

    /// A session asks for news: what wakes when there are some, or `None` if there are already.
    pub fn poll(&self, now: Instant, watch: &Watch) -> Option<Arc<Notify>> {
        let mut guard = self.state.lock();
        let state = &mut *guard;
        state.expire(now);
        let watcher = state.watchers.entry(watch.session).or_insert_with(|| Watcher::new(now));
        watcher.asked = now;
        if watch.term == self.term && watch.seq == watcher.seq {
            watcher.sent = Vec::new();
        } else if watch.term == self.term && watch.seq + 1 == watcher.seq {
            // The last answer was lost.
            let mut again = std::mem::take(&mut watcher.sent);
            again.append(&mut watcher.pending);
            watcher.pending = again;
        } else {
            watcher.forget_everything();
        }
        let now_there = watcher.all || !watcher.pending.is_empty();
        let news = watcher.news.clone();
        for ino in &watch.forget {
            state.drop_lease(watch.session, *ino);
        }
        (!now_there).then_some(news)
    }

    /// All there is to tell a session that asked.
    pub fn take(&self, session: u64) -> Changes {
        let mut guard = self.state.lock();
        let state = &mut *guard;
        let Some(watcher) = state.watchers.get_mut(&session) else {
            return Changes { term: self.term, seq: 0, all: true, changes: Vec::new() };
        };
        watcher.seq += 1;
        watcher.sent = std::mem::take(&mut watcher.pending);
        let all = std::mem::take(&mut watcher.all);
        let changes = Changes { term: self.term, seq: watcher.seq, all, changes: watcher.sent.clone() };
        if all {
            state.drop_leases(session);
        }
        changes
    }

    #[cfg(test)]
    fn leases(&self) -> usize {
        self.state.lock().total
    }
}

impl State {
    fn expire(&mut self, now: Instant) {
        let silent = |watcher: &Watcher| now.duration_since(watcher.asked) >= SILENT;
        let gone: Vec<u64> = self
            .watchers
            .iter()
            .filter(|(_, watcher)| silent(watcher))
            .map(|(session, _)| *session)
            .collect();
        for session in gone {
            self.drop_leases(session);
            self.watchers.remove(&session);
        }
    }

    fn drop_lease(&mut self, session: u64, ino: u64) {
        let Some(watcher) = self.watchers.get_mut(&session) else { return };
        if !watcher.held.remove(&ino) {
            return;
        }
        self.total -= 1;
        if let Some(sessions) = self.told.get_mut(&ino) {
            sessions.retain(|other| *other != session);
            if sessions.is_empty() {
                self.told.remove(&ino);
            }
        }
    }

    fn drop_leases(&mut self, session: u64) {
        let held: Vec<u64> = match self.watchers.get_mut(&session) {
            Some(watcher) => watcher.held.iter().copied().collect(),
            None => return,
        };
        for ino in held {
            self.drop_lease(session, ino);
        }
    }

    fn changed(&mut self, touch: &Touch) {
        let ino = touch.what.ino;
        self.recent.note(ino, touch.index);
        let Some(sessions) = self.told.get(&ino) else { return };
        for session in sessions.iter().filter(|session| **session != touch.session) {
            if let Some(watcher) = self.watchers.get_mut(session) {
                watcher.tell(told(touch));
            }
        }
    }
}

fn told(touch: &Touch) -> Changed {
    Changed { ino: touch.what.ino, index: touch.index, name: touch.what.name.clone() }
}

impl Observer for Leases {
    fn changed(&self, touches: Vec<Touch>) {
        let mut state = self.state.lock();
        for touch in &touches {
            state.changed(touch);
        }
    }

    fn missed(&self, index: u64) {
        let mut state = self.state.lock();
        state.recent = Recent::new(index, RECENT);
        for watcher in state.watchers.values_mut() {
            watcher.forget_everything();
            watcher.news.notify_one();
        }
    }
}

#[cfg(test)]
#[path = "leases_tests.rs"]
mod tests;
