//! The leader's table of opens as the services and the loop share it: claims that end by themselves, and waiting for
//! them.
//!
//! What always holds: a claim is held until it is certain what became of the command that relies on it. Whoever sends
//! one drops the [`Claim`] only when it was answered, was surely not carried out, or the term is over.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use holdfast_proto::op::Unheld;
use holdfast_proto::session::KeepOpens;
use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};

use super::opens::OpenTable;

/// What is open, for one term.
#[derive(Debug)]
pub struct Opens {
    table: Mutex<OpenTable>,
    /// A claim ended, or the term was announced.
    passed: Notify,
    /// There may be something to free.
    pub(super) stir: Notify,
    /// Inodes without names, as last counted in the state; `u64::MAX`: not counted yet.
    nameless: AtomicU64,
}

/// Inodes that something relies on being unheld.
#[derive(Debug)]
pub struct Claim {
    opens: Arc<Opens>,
    inos: Vec<u64>,
}

/// A `Create` on its way that opens its file.
#[derive(Debug)]
pub struct Creating {
    opens: Arc<Opens>,
    began: u64,
}

impl Opens {
    /// Nothing known yet.
    pub fn new(term: u64) -> Arc<Self> {
        Arc::new(Self {
            table: Mutex::new(OpenTable::new(term)),
            passed: Notify::new(),
            stir: Notify::new(),
            nameless: AtomicU64::new(u64::MAX),
        })
    }

    /// The log says that this term has begun.
    pub(super) fn announced(&self) {
        self.table.lock().announced();
        self.passed.notify_waiters();
    }

    /// What the state was last seen to hold.
    pub(super) fn counted(&self, nameless: u64) {
        self.nameless.store(nameless, Ordering::Relaxed);
    }

    /// Whether the loop has nothing to look after.
    pub(super) fn is_idle(&self) -> bool {
        let table = self.table.lock();
        table.is_known() && !table.has_sessions() && self.nameless.load(Ordering::Relaxed) == 0
    }

    /// Works on the table.
    pub(super) fn with<T>(&self, work: impl FnOnce(&mut OpenTable) -> T) -> T {
        work(&mut self.table.lock())
    }

    /// A session that holds files is about to be opened.
    pub fn expect(&self, session: u64) {
        self.table.lock().expect(Instant::now(), session);
    }

    /// An open session that holds files was found in the state.
    pub fn found(&self, session: u64) {
        self.table.lock().found(Instant::now(), session);
    }

    /// Whether a session may hold files, as far as is known here.
    pub fn knows(&self, session: u64) -> bool {
        self.table.lock().knows(session)
    }

    /// Whether a session is to say anew what it holds.
    pub fn wants(&self, session: u64) -> bool {
        self.table.lock().wants(session)
    }

    /// A session ended.
    pub fn ended(&self, session: u64) {
        if self.table.lock().ended(session) {
            self.stir.notify_one();
        }
    }

    /// A session opens an inode. Before it is read, [`Self::readable`] must have said so.
    pub fn open(&self, session: u64, ino: u64, number: u64) {
        self.table.lock().open(session, ino, number);
    }

    /// An open that came to nothing.
    pub fn close(&self, session: u64, ino: u64, number: u64) {
        if self.table.lock().close(session, ino, number) {
            self.stir.notify_one();
        }
    }

    /// What a session says it holds.
    pub fn keep(&self, said: &KeepOpens) {
        if self.table.lock().keep(said) {
            self.stir.notify_one();
        }
    }

    /// Whether anything can be claimed, and there is a reason to: while no session may hold files, the state itself
    /// knows that nothing is open.
    pub fn is_worth_claiming(&self) -> bool {
        let table = self.table.lock();
        table.has_sessions() && table.is_certain()
    }

    /// Claims those of the inodes that nobody holds. `applied`: an index up to which this node had applied the log
    /// before the call.
    pub fn claim(self: &Arc<Self>, inos: &[u64], applied: u64) -> Option<(Claim, Unheld)> {
        let unheld = self.table.lock().claim(inos, applied)?;
        Some((Claim { opens: self.clone(), inos: unheld.inos.clone() }, unheld))
    }

    /// Waits until nothing on its way relies on the inode being unheld; `false`: it still does at the deadline.
    pub async fn readable(&self, ino: u64, deadline: Instant) -> bool {
        loop {
            let passed = self.passed.notified();
            tokio::pin!(passed);
            passed.as_mut().enable();
            if self.table.lock().may_read(ino) {
                return true;
            }
            if timeout_at(deadline, passed).await.is_err() {
                return false;
            }
        }
    }

    /// A `Create` that opens its file is about to be logged. `applied` as in [`Self::claim`].
    pub fn begin_create(self: &Arc<Self>, applied: u64) -> Creating {
        self.table.lock().begin_create(applied);
        Creating { opens: self.clone(), began: applied }
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.opens.table.lock().unclaim(&self.inos);
        self.opens.passed.notify_waiters();
    }
}

impl Drop for Creating {
    fn drop(&mut self) {
        self.opens.table.lock().end_create(self.began);
    }
}
