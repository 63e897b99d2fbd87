//! What the leader knows of files that sessions hold open, for one term.
//!
//! What always holds:
//! - An inode is *unheld* only if nothing speaks against it: every session that may hold files was found, each has
//!   said in this term what it holds, and none named this inode since its last close.
//! - While something on its way relies on an inode being unheld (it is *claimed*), nobody who opens it by number reads
//!   it: an open either comes first and is seen, or sees what the claim did.
//! - A statement counts for what was opened by `Create` up to an index only (`as_of`): the open that comes with a
//!   `Create` is learned from its reply, and the log decides which came first.
//! - Closes carry the number of the last open they know of, so one that arrives after a later open does nothing.
//! - At most [`MOST`] opens are remembered. A session with more counts as one that holds everything.
//!
//! Used through [`super::claims::Opens`] by commands, questions and [`super::nameless`].

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use holdfast_proto::op::Unheld;
use holdfast_proto::session::{KeepOpens, Open};
use tokio::time::Instant;

/// Opens remembered at most, all sessions together: some 60 bytes each.
const MOST: usize = 2 << 20;

/// A session that the state never came to know of is forgotten after this time: its opening did not happen.
const NEVER_OPENED: Duration = Duration::from_secs(3600);

/// What one session holds.
#[derive(Debug)]
struct Holder {
    since: Instant,
    /// It said in this term all that it holds.
    asserted: bool,
    opens: HashMap<u64, Held>,
    /// The latest assertion of which a page came, and whether its last page did.
    assertion: u64,
    complete: bool,
    /// The highest open, and whether a page of the assertion under way, for which there was no room.
    overflow: u64,
    page_overflow: bool,
}

#[derive(Clone, Copy, Debug)]
struct Held {
    number: u64,
    /// The assertion that named it last; 0: an open of its own.
    assertion: u64,
}

impl Holder {
    fn new(now: Instant, asserted: bool) -> Self {
        Self {
            since: now,
            asserted,
            opens: HashMap::new(),
            assertion: 0,
            complete: false,
            overflow: 0,
            page_overflow: false,
        }
    }

    fn holds_everything(&self) -> bool {
        self.overflow > 0 || self.page_overflow
    }

    fn is_certain(&self) -> bool {
        self.asserted && !self.holds_everything()
    }
}

/// Opens of all sessions, and what is on its way.
#[derive(Debug)]
pub(super) struct OpenTable {
    term: u64,
    most: usize,
    /// All sessions that hold files and were open when the term began are here.
    known: bool,
    /// The log says that this term's leader counts.
    announced: bool,
    holders: HashMap<u64, Holder>,
    /// Opens of all of them.
    total: usize,
    /// How many sessions hold each inode.
    held: HashMap<u64, u32>,
    /// How often each inode is claimed.
    claimed: HashMap<u64, u32>,
    /// Index known when each `Create` that opens its file, and is on its way, began.
    creates: BTreeMap<u64, u32>,
}

impl OpenTable {
    pub(super) fn new(term: u64) -> Self {
        Self {
            term,
            most: MOST,
            known: false,
            announced: false,
            holders: HashMap::new(),
            total: 0,
            held: HashMap::new(),
            claimed: HashMap::new(),
            creates: BTreeMap::new(),
        }
    }

    /// The log says that this term has begun.
    pub(super) fn announced(&mut self) {
        self.announced = true;
    }

    /// Every session that was open when the term began was found.
    pub(super) fn all_known(&mut self) {
        self.known = true;
    }

    pub(super) fn is_known(&self) -> bool {
        self.known
    }

    /// A command that opens a session of this kind is about to be logged. Once all older ones are known, one that is
    /// not among them cannot hold anything yet.
    pub(super) fn expect(&mut self, now: Instant, session: u64) {
        let known = self.known;
        self.holders.entry(session).or_insert_with(|| Holder::new(now, known));
    }

    /// An open session of this kind was found in the state: it may hold anything until it says what.
    pub(super) fn found(&mut self, now: Instant, session: u64) {
        self.holders.entry(session).or_insert_with(|| Holder::new(now, false));
    }

    pub(super) fn knows(&self, session: u64) -> bool {
        self.holders.contains_key(&session)
    }

    /// Sessions that may hold files, and since when they are known.
    pub(super) fn sessions(&self) -> Vec<(u64, Instant)> {
        self.holders.iter().map(|(id, holder)| (*id, holder.since)).collect()
    }

    pub(super) fn has_sessions(&self) -> bool {
        !self.holders.is_empty()
    }

    /// Whether one that the state does not know may be forgotten.
    pub(super) fn never_opened(now: Instant, since: Instant) -> bool {
        now.duration_since(since) >= NEVER_OPENED
    }

    /// A session ended: it holds nothing.
    pub(super) fn ended(&mut self, session: u64) -> bool {
        let Some(holder) = self.holders.remove(&session) else { return false };
        self.total -= holder.opens.len();
        for ino in holder.opens.keys() {
            release(&mut self.held, *ino);
        }
        true
    }

    /// Whether a session is to say anew what it holds.
    pub(super) fn wants(&self, session: u64) -> bool {
        let room = self.total < self.most / 2;
        self.holders.get(&session).is_some_and(|holder| !holder.asserted || holder.holds_everything() && room)
    }

    /// Whether anything can be said of inodes being unheld.
    pub(super) fn is_certain(&self) -> bool {
        self.known && self.announced && self.holders.values().all(Holder::is_certain)
    }

    /// A session opens an inode. Nothing is counted for one that is not known.
    pub(super) fn open(&mut self, session: u64, ino: u64, number: u64) {
        self.insert(session, Open { ino, number }, 0);
    }

    fn insert(&mut self, session: u64, open: Open, assertion: u64) {
        let full = self.total >= self.most;
        let Some(holder) = self.holders.get_mut(&session) else { return };
        match holder.opens.get_mut(&open.ino) {
            Some(held) => {
                held.number = held.number.max(open.number);
                held.assertion = held.assertion.max(assertion);
            }
            None if full && assertion > 0 => holder.page_overflow = true,
            None if full => holder.overflow = holder.overflow.max(open.number),
            None => {
                holder.opens.insert(open.ino, Held { number: open.number, assertion });
                *self.held.entry(open.ino).or_default() += 1;
                self.total += 1;
            }
        }
    }

    /// A session closed an inode; whether nobody holds it any more.
    pub(super) fn close(&mut self, session: u64, ino: u64, number: u64) -> bool {
        let Some(holder) = self.holders.get_mut(&session) else { return false };
        if holder.opens.get(&ino).is_none_or(|held| held.number > number) {
            return false;
        }
        holder.opens.remove(&ino);
        self.total -= 1;
        release(&mut self.held, ino)
    }

    /// What a session says it holds and closed; whether something may be unheld now that was not.
    pub(super) fn keep(&mut self, said: &KeepOpens) -> bool {
        let mut news = false;
        for close in &said.closes {
            news |= self.close(said.session, close.ino, close.number);
        }
        if said.assertion == 0 || said.term != self.term {
            return news;
        }
        let Some(holder) = self.holders.get_mut(&said.session) else { return news };
        if said.assertion < holder.assertion || (said.assertion == holder.assertion && holder.complete) {
            // It was on its way for long.
            return news;
        }
        if said.assertion > holder.assertion {
            (holder.assertion, holder.complete, holder.page_overflow) = (said.assertion, false, false);
        }
        for open in &said.opens {
            self.insert(said.session, *open, said.assertion);
        }
        if said.last {
            self.complete(said);
            news = true;
        }
        news
    }

    /// The last page of an assertion came: what it did not name is closed, unless it was opened since.
    fn complete(&mut self, said: &KeepOpens) {
        let Some(holder) = self.holders.get_mut(&said.session) else { return };
        (holder.complete, holder.asserted) = (true, true);
        if holder.overflow <= said.upto {
            holder.overflow = 0;
        }
        let held = &mut self.held;
        let before = holder.opens.len();
        holder.opens.retain(|ino, open| {
            let stays = open.assertion == said.assertion || open.number > said.upto;
            if !stays {
                release(held, *ino);
            }
            stays
        });
        self.total -= before - holder.opens.len();
    }

    /// Claims those of the inodes that are unheld, and says what is known of them. `applied`: an index up to which this
    /// node had applied the log before the call.
    pub(super) fn claim(&mut self, inos: &[u64], applied: u64) -> Option<Unheld> {
        if !self.is_certain() {
            return None;
        }
        let mut inos: Vec<u64> = inos.iter().copied().filter(|ino| !self.held.contains_key(ino)).collect();
        inos.sort_unstable();
        inos.dedup();
        for ino in &inos {
            *self.claimed.entry(*ino).or_default() += 1;
        }
        let as_of = self.creates.first_key_value().map_or(applied, |(began, _)| applied.min(*began));
        (!inos.is_empty()).then_some(Unheld { inos, as_of, term: self.term })
    }

    /// What was claimed is through.
    pub(super) fn unclaim(&mut self, inos: &[u64]) {
        for ino in inos {
            release(&mut self.claimed, *ino);
        }
    }

    /// Whether an inode that was opened by number may be read now.
    pub(super) fn may_read(&self, ino: u64) -> bool {
        self.announced && !self.claimed.contains_key(&ino)
    }

    /// A `Create` that opens its file is about to be logged, at an index above `applied`.
    pub(super) fn begin_create(&mut self, applied: u64) {
        *self.creates.entry(applied).or_default() += 1;
    }

    /// It is through, and its open is counted.
    pub(super) fn end_create(&mut self, applied: u64) {
        if let Some(count) = self.creates.get_mut(&applied) {
            *count -= 1;
            if *count == 0 {
                self.creates.remove(&applied);
            }
        }
    }
}

/// Counts down; whether nothing is left.
fn release(counts: &mut HashMap<u64, u32>, ino: u64) -> bool {
    let Some(count) = counts.get_mut(&ino) else { return false };
    *count -= 1;
    let last = *count == 0;
    if last {
        counts.remove(&ino);
    }
    last
}

#[cfg(test)]
#[path = "opens_tests.rs"]
mod tests;
