//! Which files this client holds open, and what the leader still has to be told of it.
//!
//! What always holds:
//! - Every open has a number of its own, higher than all before; an inode is counted as held before the open is sent.
//!   A close names the highest number of its inode, so that it undoes no later open, whichever arrives first.
//! - An assertion from scratch names everything held. A `Create` whose reply is not here yet opens a file whose number
//!   nobody knows: so an assertion vouches only for numbers below it, and none is made to the leader of a new term
//!   while one is on its way that an earlier leader may have carried out.
//! - Closes wait in a bounded map. Beyond its bound they are dropped, and an assertion tells the same.
//!
//! Who calls it: opens and creates of [`crate::Client`] take [`Hold`]s; [`crate::session`]'s upkeep tells the leader.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use holdfast_proto::ids::{Ino, SessionId};
use holdfast_proto::inode::{FileKind, Inode};
use holdfast_proto::method;
use holdfast_proto::session::{KeepOpens, MAX_OPENS, Open};
use holdfast_proto::status::Code;
use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::inner::Inner;
use crate::session::Session;

/// Closes that wait to be told.
const MOST_CLOSES: usize = 1 << 17;

/// After this time all opens are asserted anew, so that what a late message left behind is cleared.
const ANEW: Duration = Duration::from_secs(600);

/// All that this client holds open.
#[derive(Clone, Default)]
pub(crate) struct Opens {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    /// A close should not wait for the next round.
    wake: Notify,
}

#[derive(Default)]
struct State {
    /// The number given out last.
    last: u64,
    held: HashMap<u64, Held>,
    /// Numbers of creates on their way.
    creates: BTreeSet<u64>,
    closes: HashMap<u64, u64>,
    /// The highest term heard of, and the number given out last when it was.
    term: u64,
    fence: u64,
    /// An assertion is due, whatever else says so.
    due: bool,
    assertions: u64,
    /// In which session the last assertion was made, and when.
    asserted: Option<(u64, Instant)>,
}

struct Held {
    count: u32,
    number: u64,
    /// It has no name any more: its space waits for the close.
    nameless: bool,
}

/// Keeps a file that was opened by its number, also when it loses its last name, until the last clone is dropped or
/// the session ends.
pub struct Hold {
    shared: Arc<Shared>,
    ino: u64,
    session: SessionId,
}

/// A `Create` on its way that opens its file.
pub(crate) struct Creating {
    shared: Arc<Shared>,
    pub(crate) number: u64,
    /// Nobody knows whether it opened one.
    pub(crate) lost: bool,
}

/// Everything held at one moment.
#[derive(Debug, PartialEq)]
pub(crate) struct Assertion {
    number: u64,
    term: u64,
    upto: u64,
    opens: Vec<Open>,
}

impl State {
    fn hold(&mut self, ino: u64, number: u64) {
        let held = self.held.entry(ino).or_insert(Held { count: 0, number, nameless: false });
        held.count += 1;
        held.number = held.number.max(number);
    }

    /// One hold less; whether the leader should be told at once.
    fn drop_hold(&mut self, ino: u64) -> bool {
        let Some(held) = self.held.get_mut(&ino) else { return false };
        held.count -= 1;
        if held.count > 0 {
            return false;
        }
        let (number, nameless) = (held.number, held.nameless);
        self.held.remove(&ino);
        if self.closes.len() >= MOST_CLOSES {
            self.closes.clear();
            self.due = true;
            return false;
        }
        let close = self.closes.entry(ino).or_default();
        *close = number.max(*close);
        nameless
    }
}

impl Opens {
    /// An inode is about to be opened: its hold, and the number of the open.
    pub(crate) fn take(&self, ino: Ino, session: SessionId) -> (Hold, u64) {
        let mut state = self.shared.state.lock();
        state.last += 1;
        let number = state.last;
        state.hold(ino.0, number);
        (Hold { shared: self.shared.clone(), ino: ino.0, session }, number)
    }

    /// A `Create` that opens its file is about to be sent.
    pub(crate) fn begin_create(&self) -> Creating {
        let mut state = self.shared.state.lock();
        state.last += 1;
        let number = state.last;
        state.creates.insert(number);
        Creating { shared: self.shared.clone(), number, lost: false }
    }

    /// An inode was seen. One that has no name any more should not wait long for its close.
    pub(crate) fn seen(&self, inode: &Inode) {
        if inode.nlink > 0 || inode.kind == FileKind::Directory as i32 {
            return;
        }
        let mut state = self.shared.state.lock();
        if let Some(held) = state.held.get_mut(&inode.ino) {
            held.nameless = true;
        } else if state.closes.contains_key(&inode.ino) {
            self.shared.wake.notify_one();
        }
    }

    /// The leader of a term answered; `wanted`: it does not know what is open.
    pub(crate) fn heard(&self, term: u64, wanted: bool) {
        let mut state = self.shared.state.lock();
        if term > state.term {
            (state.term, state.fence) = (term, state.last);
        }
        state.due |= wanted && term == state.term;
        if wanted {
            self.shared.wake.notify_one();
        }
    }

    /// Waits until something should be told at once.
    pub(crate) async fn woken(&self) {
        self.shared.wake.notified().await;
    }

    /// What to assert now, if anything.
    fn assertion(&self, session: u64) -> Option<Assertion> {
        let mut state = self.shared.state.lock();
        let fresh = state.asserted.is_some_and(|(of, at)| of == session && at.elapsed() < ANEW);
        if state.term == 0 || (fresh && !state.due) {
            return None;
        }
        let first = state.creates.first().copied();
        if first.is_some_and(|first| first <= state.fence) {
            return None;
        }
        state.due = false;
        state.assertions += 1;
        Some(Assertion {
            number: state.assertions,
            term: state.term,
            upto: first.map_or(state.last, |first| first - 1),
            opens: state.held.iter().map(|(ino, held)| Open { ino: *ino, number: held.number }).collect(),
        })
    }

    /// What became of an assertion.
    fn asserted(&self, session: u64, done: bool) {
        let mut state = self.shared.state.lock();
        match done {
            true => state.asserted = Some((session, Instant::now())),
            false => state.due = true,
        }
    }

    /// A page of closes.
    fn closes(&self) -> Vec<Open> {
        let state = self.shared.state.lock();
        let closes = state.closes.iter().take(MAX_OPENS);
        closes.map(|(ino, number)| Open { ino: *ino, number: *number }).collect()
    }

    /// The leader was told.
    fn closed(&self, told: &[Open]) {
        let mut state = self.shared.state.lock();
        for close in told {
            if state.closes.get(&close.ino) == Some(&close.number) {
                state.closes.remove(&close.ino);
            }
        }
    }
}

impl Hold {
    /// The file.
    pub fn ino(&self) -> Ino {
        Ino(self.ino)
    }

    /// The session in which it was opened. Once the client is in another one, the file may have gone if it had lost its
    /// last name; if it has not, the new session keeps it.
    pub fn session(&self) -> SessionId {
        self.session
    }

    /// The open was answered in this session.
    pub(crate) fn in_session(mut self, session: SessionId) -> Self {
        self.session = session;
        self
    }
}

impl std::fmt::Debug for Hold {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Hold({})", self.ino)
    }
}

impl Clone for Hold {
    fn clone(&self) -> Self {
        self.shared.state.lock().hold(self.ino, 0);
        Self { shared: self.shared.clone(), ino: self.ino, session: self.session }
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        if self.shared.state.lock().drop_hold(self.ino) {
            self.shared.wake.notify_one();
        }
    }
}

impl Creating {
    /// It opened this file.
    pub(crate) fn hold(self, ino: Ino, session: SessionId) -> Hold {
        self.shared.state.lock().hold(ino.0, self.number);
        Hold { shared: self.shared.clone(), ino: ino.0, session }
    }
}

impl Drop for Creating {
    fn drop(&mut self) {
        let mut state = self.shared.state.lock();
        state.creates.remove(&self.number);
        state.due |= self.lost;
    }
}

impl Inner {
    /// Tells the leader what is open, when it asks, and what no longer is.
    pub(crate) async fn tend_opens(&self, limit: Duration) {
        let session = self.session();
        if !session.is_open() {
            return;
        }
        if let Some(assertion) = self.opens.assertion(session.id.0) {
            let done = self.assert_opens(&session, assertion, limit).await;
            self.opens.asserted(session.id.0, done);
        }
        loop {
            let closes = self.opens.closes();
            let page = KeepOpens { session: session.id.0, closes, ..KeepOpens::default() };
            if page.closes.is_empty() || !self.tell_opens(&session, &page, limit).await {
                return;
            }
            self.opens.closed(&page.closes);
        }
    }

    /// Whether the whole assertion reached the leader of its term.
    async fn assert_opens(&self, session: &Session, assertion: Assertion, limit: Duration) -> bool {
        let Assertion { number, term, upto, opens } = assertion;
        tracing::debug!(session = session.id.0, term, opens = opens.len(), "open files are asserted");
        let pages = opens.len().div_ceil(MAX_OPENS).max(1);
        for at in 0..pages {
            let page = KeepOpens {
                session: session.id.0,
                term,
                assertion: number,
                opens: opens.iter().skip(at * MAX_OPENS).take(MAX_OPENS).copied().collect(),
                closes: Vec::new(),
                last: at + 1 == pages,
                upto,
            };
            if !self.tell_opens(session, &page, limit).await {
                return false;
            }
        }
        true
    }

    async fn tell_opens(&self, session: &Session, page: &KeepOpens, limit: Duration) -> bool {
        match self.meta.call::<method::KeepOpens>(page, Instant::now() + limit).await {
            Ok(reply) => {
                session.heard_now();
                self.opens.heard(reply.term, false);
                page.term == 0 || page.term == reply.term
            }
            Err(status) => {
                if status.kind() == Code::SessionExpired {
                    session.end();
                }
                tracing::debug!(%status, "the leader was not told what is open; it will be");
                false
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SESSION: SessionId = SessionId(7);

    fn close(ino: u64, number: u64) -> Open {
        Open { ino, number }
    }

    #[tokio::test]
    async fn the_last_hold_closes_with_the_highest_number() {
        let opens = Opens::default();
        let (first, _) = opens.take(Ino(1), SESSION);
        let (second, number) = opens.take(Ino(1), SESSION);
        let third = first.clone();
        drop((second, first));
        assert!(opens.closes().is_empty());
        drop(third);
        assert_eq!(opens.closes(), [close(1, number)]);
        // Told, but opened and closed once more meanwhile: it is told again.
        let told = opens.closes();
        drop(opens.take(Ino(1), SESSION));
        opens.closed(&told);
        assert_eq!(opens.closes(), [close(1, number + 1)]);
        opens.closed(&opens.closes());
        assert!(opens.closes().is_empty());
    }

    #[tokio::test]
    async fn an_assertion_waits_for_creates_of_an_earlier_term_and_vouches_below_later_ones() {
        let opens = Opens::default();
        assert!(opens.assertion(7).is_none(), "no leader is known");
        let (_held, number) = opens.take(Ino(1), SESSION);
        let creating = opens.begin_create();
        opens.heard(3, false);
        assert!(opens.assertion(7).is_none(), "the create may have reached an earlier leader");
        let _file = creating.hold(Ino(2), SESSION);
        let later = opens.begin_create();
        let mut said = opens.assertion(7).unwrap();
        said.opens.sort_unstable_by_key(|open| open.ino);
        let expected = vec![close(1, number), close(2, number + 1)];
        assert_eq!(said, Assertion { number: 1, term: 3, upto: later.number - 1, opens: expected });
        opens.asserted(7, true);
        assert!(opens.assertion(7).is_none());
        // A create that was lost may have left an open behind.
        drop(Creating { lost: true, shared: later.shared.clone(), number: later.number });
        drop(later);
        assert_eq!(opens.assertion(7).unwrap().upto, number + 2);
        opens.asserted(7, true);
        for due in [|opens: &Opens| opens.heard(4, true), |opens: &Opens| opens.asserted(7, false)] {
            due(&opens);
            assert!(opens.assertion(7).is_some());
            opens.asserted(7, true);
            assert!(opens.assertion(7).is_none());
        }
        assert!(opens.assertion(8).is_some(), "another session");
    }

    #[tokio::test]
    async fn too_many_closes_become_an_assertion() {
        let opens = Opens::default();
        opens.heard(1, false);
        assert!(opens.assertion(7).is_some());
        opens.asserted(7, true);
        for ino in 0..=MOST_CLOSES as u64 {
            drop(opens.take(Ino(ino), SESSION));
        }
        assert!(opens.closes().is_empty());
        assert!(opens.assertion(7).is_some());
    }
}
