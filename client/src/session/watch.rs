//! News of what the cluster told: who keeps names and attributes hears when they change.
//!
//! What always holds:
//! - [`Client::watching`] is zero unless the last word of the leader is at most [`FRESH`] old: a client that was cut
//!   off, stopped, or whose leader is gone asks again instead of relying on what it keeps.
//! - The keeper hears of changes in the order in which they happened, and of its own client's commands by their replies.
//! - When anything may have been missed (another leader, another session, an answer lost) everything is void.
//!
//! Who calls it: a mount, once; then [`crate::session`] for each command.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use holdfast_proto::method;
use holdfast_proto::op::{Op, Reply};
use holdfast_proto::session::{Changed, WATCH_MS, Watch};
use holdfast_proto::status::Code;
use tokio::time::Instant;

use crate::client::Client;
use crate::inner::Inner;

/// How old the leader's last word may be.
const FRESH: Duration = Duration::from_millis(1000);

/// Time for the answer beyond the leader's own.
const ON_THE_WAY: Duration = Duration::from_millis(1000);

/// Wait before the next request when there is no session, or one failed.
const AGAIN: Duration = Duration::from_millis(100);

/// Keeps what the cluster told.
pub trait Keeper: Send + Sync + 'static {
    /// These changed.
    fn changed(&self, changes: Vec<Changed>);

    /// Everything may have changed. News since then belongs to this term.
    fn all_void(&self, term: u64);

    /// Inodes that are not kept any more, to be told to the leader with the next request; they were told when the next
    /// of the other calls comes.
    fn forgotten(&self) -> Vec<u64>;

    /// A command begins; what it returns comes back with the reply.
    fn begin(&self) -> u64;

    /// A command ended; `None`: nobody knows how.
    fn done(&self, began: u64, op: &Op, reply: Option<&Reply>);
}

/// Whether news come, and to whom.
pub(crate) struct Watching {
    keeper: OnceLock<Arc<dyn Keeper>>,
    origin: Instant,
    /// Term of the news; 0: none come.
    term: AtomicU64,
    /// When the leader last said something, in milliseconds since `origin`.
    heard: AtomicU64,
}

impl Default for Watching {
    fn default() -> Self {
        Self {
            keeper: OnceLock::new(),
            origin: Instant::now(),
            term: AtomicU64::new(0),
            heard: AtomicU64::new(0),
        }
    }
}

impl Watching {
    /// Who keeps what is told.
    pub(crate) fn keeper(&self) -> Option<&Arc<dyn Keeper>> {
        self.keeper.get()
    }

    fn now(&self) -> u64 {
        self.origin.elapsed().as_millis() as u64
    }

    /// What was said counts from when it was asked for.
    fn hear(&self, term: u64, at: u64) {
        self.heard.store(at, Ordering::Release);
        self.term.store(term, Ordering::Release);
    }

    fn term(&self) -> u64 {
        let age = self.now().saturating_sub(self.heard.load(Ordering::Acquire));
        if age <= FRESH.as_millis() as u64 { self.term.load(Ordering::Acquire) } else { 0 }
    }
}

impl Client {
    /// Lets a keeper hear of changes from now on. Once per client.
    pub fn watch(&self, keeper: Arc<dyn Keeper>) {
        if self.inner().watching.keeper.set(keeper.clone()).is_ok() {
            tokio::spawn(follow(Arc::downgrade(self.inner()), keeper));
        }
    }

    /// The term of the leader whose news come without delay, or 0: then what was told before may be out of date.
    pub fn watching(&self) -> u64 {
        self.inner().watching.term()
    }
}

/// Where the news are.
#[derive(Default)]
struct Place {
    session: u64,
    term: u64,
    seq: u64,
}

async fn follow(weak: Weak<Inner>, keeper: Arc<dyn Keeper>) {
    let mut place = Place::default();
    loop {
        let Some(inner) = weak.upgrade() else { return };
        let stop = inner.stop.clone();
        let failed = tokio::select! {
            () = stop.cancelled() => return,
            went = next(&inner, &keeper, &mut place) => !went,
        };
        drop(inner);
        if failed {
            tokio::time::sleep(AGAIN).await;
        }
    }
}

/// One request. False: nothing is known now.
async fn next(inner: &Inner, keeper: &Arc<dyn Keeper>, place: &mut Place) -> bool {
    let session = inner.session();
    if !session.is_open() {
        return false;
    }
    if place.session != session.id.0 {
        *place = Place { session: session.id.0, ..Place::default() };
    }
    let watch =
        Watch { session: place.session, term: place.term, seq: place.seq, forget: keeper.forgotten() };
    // The answer says all that changed before it was asked for; later changes it may or may not know.
    let asked = inner.watching.now();
    let deadline = Instant::now() + Duration::from_millis(WATCH_MS) + ON_THE_WAY;
    let changes = match inner.meta.call::<method::Watch>(&watch, deadline).await {
        Ok(changes) => changes,
        Err(status) => {
            if status.kind() == Code::SessionExpired {
                session.end();
            }
            tracing::debug!(%status, "no news of changes");
            inner.watching.hear(0, 0);
            keeper.all_void(0);
            *place = Place::default();
            return false;
        }
    };
    if changes.all || changes.term != place.term {
        keeper.all_void(changes.term);
    } else {
        keeper.changed(changes.changes);
    }
    (place.term, place.seq) = (changes.term, changes.seq);
    inner.watching.hear(changes.term, asked);
    true
}
