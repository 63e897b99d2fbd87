//! The connections to one peer: a few per traffic class, made when needed.
//!
//! A peer that cannot be reached is *down*: calls to it fail at once, while one prober tries to connect, with
//! jittered backoff, until it succeeds or nobody has asked for the peer for a while.
//!
//! What always holds: at most one connection attempt per slot at a time, shared by all who wait for it; at most
//! one prober per peer; no caller waits longer than its deadline.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use holdfast_proto::method::Class;
use holdfast_proto::status::{Code, Status};
use holdfast_support::clock;
use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::config::{Endpoint, class_index};
use crate::conn::{Conn, Verdict};
use crate::connect::connect;
use crate::detector::Outcome;
use crate::net::Shared;

/// A prober gives up when nobody asked for its peer for this long.
const FORGET_AFTER: Duration = Duration::from_secs(60);

type Attempt = watch::Receiver<Option<Result<Arc<Conn>, Status>>>;

/// Room for one connection.
#[derive(Debug, Default)]
struct Slot {
    conn: ArcSwapOption<Conn>,
    attempt: Mutex<Option<Attempt>>,
}

impl Slot {
    fn usable(&self) -> Option<Arc<Conn>> {
        self.conn.load_full().filter(|conn| conn.usable())
    }
}

/// The connections to one peer.
#[derive(Debug)]
pub(crate) struct Peer {
    pub(crate) endpoint: Endpoint,
    /// Raft control, Raft log, metadata, then the data slots.
    slots: Vec<Slot>,
    /// Replaced connections on which calls have not ended yet.
    retired: Mutex<Vec<Arc<Conn>>>,
    /// Why it cannot be reached.
    down: Mutex<Option<Status>>,
    asked_ms: AtomicU64,
}

impl Peer {
    pub(crate) fn new(endpoint: Endpoint, data_connections: usize) -> Self {
        let slots =
            (0..class_index(Class::Data) + data_connections.max(1)).map(|_| Slot::default()).collect();
        let asked_ms = AtomicU64::new(clock::monotonic_ms());
        Self { endpoint, slots, retired: Mutex::default(), down: Mutex::new(None), asked_ms }
    }

    fn slots_of(&self, class: Class) -> &[Slot] {
        let first = class_index(class);
        match class {
            Class::Data => self.slots.get(first..),
            Class::RaftControl | Class::RaftLog | Class::Meta => self.slots.get(first..=first),
        }
        .unwrap_or_default()
    }

    /// A connection for a call: an open one, or the next to be made.
    pub(crate) async fn connection(
        self: &Arc<Self>,
        shared: &Arc<Shared>,
        class: Class,
        deadline: Instant,
    ) -> Result<Arc<Conn>, Status> {
        self.asked_ms.store(clock::monotonic_ms(), Ordering::Relaxed);
        let slots = self.slots_of(class);
        let best = slots
            .iter()
            .filter_map(Slot::usable)
            .min_by_key(|conn| (conn.open_calls(), conn.link.queued_bytes()));
        let spare = slots.iter().position(|slot| slot.usable().is_none());
        if let Some(conn) = best {
            if let (Some(spare), true) = (spare, conn.open_calls() > 0) {
                // All open ones are in use: make one more, for later calls.
                drop(self.attempt(shared, class, spare));
            }
            return Ok(conn);
        }
        if let Some(why) = self.down.lock().clone() {
            return Err(why);
        }
        let mut attempt = self.attempt(shared, class, spare.unwrap_or(0));
        match tokio::time::timeout_at(deadline, attempt.wait_for(Option::is_some)).await {
            Ok(Ok(outcome)) => outcome.clone().unwrap_or_else(|| Err(Status::internal("empty attempt"))),
            Ok(Err(_)) => Err(Status::new(Code::Unavailable, format!("{}: connecting ended", self.endpoint))),
            Err(_) => {
                Err(Status::new(Code::Timeout, format!("{}: not connected by the deadline", self.endpoint)))
            }
        }
    }

    /// The attempt under way for a slot, or a new one.
    fn attempt(self: &Arc<Self>, shared: &Arc<Shared>, class: Class, index: usize) -> Attempt {
        let Some(slot) = self.slots_of(class).get(index) else { return watch::channel(None).1 };
        let mut attempt = slot.attempt.lock();
        if let Some(running) = attempt.as_ref() {
            return running.clone();
        }
        let (done, wait) = watch::channel(None);
        *attempt = Some(wait.clone());
        drop(attempt);
        let (peer, shared) = (self.clone(), shared.clone());
        shared.runtime(class).spawn(async move {
            let outcome = connect(&shared, &peer.endpoint, class).await;
            peer.note(&shared, class, &outcome);
            if let Some(slot) = peer.slots_of(class).get(index) {
                if let Ok(conn) = &outcome
                    && let Some(old) = slot.conn.swap(Some(conn.clone()))
                    && old.link.over().is_none()
                {
                    peer.retired.lock().push(old);
                }
                *slot.attempt.lock() = None;
            }
            drop(done.send(Some(outcome)));
        });
        wait
    }

    /// Takes note of an attempt to connect.
    fn note(self: &Arc<Self>, shared: &Arc<Shared>, class: Class, outcome: &Result<Arc<Conn>, Status>) {
        match outcome {
            Ok(conn) => {
                *self.down.lock() = None;
                shared.detector.report(conn.node, Outcome::Answered(None));
            }
            Err(why) => self.mark_down(shared, class, why),
        }
    }

    /// Calls fail from now on, and a prober looks for the peer.
    fn mark_down(self: &Arc<Self>, shared: &Arc<Shared>, class: Class, why: &Status) {
        if matches!(why.kind(), Code::Unavailable | Code::Timeout) {
            shared.detector.report(self.endpoint.node, Outcome::Unreachable);
        }
        let was = self.down.lock().replace(why.clone());
        if was.is_none() {
            tracing::debug!(peer = %self.endpoint, %why, "peer is down");
            let (peer, shared) = (self.clone(), shared.clone());
            shared.runtime(class).spawn(async move { peer.probe(shared, class).await });
        }
    }

    async fn probe(self: Arc<Self>, shared: Arc<Shared>, class: Class) {
        let mut wait = shared.config.backoff_first;
        let weak = Arc::downgrade(&shared);
        drop(shared);
        loop {
            tokio::time::sleep(wait.mul_f64(rand::random_range(0.5..1.0))).await;
            // The network is gone: nobody needs the peer.
            let Some(shared) = weak.upgrade() else { return };
            let unasked = clock::monotonic_ms().saturating_sub(self.asked_ms.load(Ordering::Relaxed));
            if Duration::from_millis(unasked) > FORGET_AFTER {
                *self.down.lock() = None;
                return;
            }
            wait = (wait * 2).min(shared.config.backoff_most);
            let mut attempt = self.attempt(&shared, class, 0);
            drop(shared);
            match attempt.wait_for(Option::is_some).await {
                Ok(outcome) if matches!(*outcome, Some(Ok(_))) => return,
                _ => {}
            }
        }
    }

    /// Pings, closes and judges; called several times within `ping_after`. Whether the peer is still of use.
    pub(crate) fn look_after(self: &Arc<Self>, shared: &Arc<Shared>, stalled: bool) -> bool {
        let mut open = false;
        let mut judge = |conn: &Arc<Conn>| {
            if conn.link.over().is_some() {
                return false;
            }
            match conn.look_after(&shared.config, stalled) {
                Verdict::Alive => {
                    open = true;
                    true
                }
                Verdict::Idle => false,
                Verdict::Silent => {
                    let why = conn.link.over().cloned().unwrap_or_default();
                    shared.detector.report(conn.node, Outcome::Unreachable);
                    self.mark_down(shared, Class::Meta, &why);
                    false
                }
            }
        };
        for slot in &self.slots {
            let Some(conn) = slot.conn.load_full() else { continue };
            if !judge(&conn) {
                // Only this one: a new connection may have taken its place meanwhile.
                slot.conn.compare_and_swap(&conn, None);
            }
        }
        self.retired.lock().retain(|conn| judge(conn));
        let unasked = clock::monotonic_ms().saturating_sub(self.asked_ms.load(Ordering::Relaxed));
        open || self.down.lock().is_some() || Duration::from_millis(unasked) < FORGET_AFTER
    }

    /// New calls shall use new connections; the present ones end when their calls have.
    pub(crate) fn retire(&self) {
        for conn in self.slots.iter().filter_map(|slot| slot.conn.load_full()) {
            conn.retire();
        }
    }

    /// Ends all connections.
    pub(crate) fn close(&self, why: &Status) {
        let current = self.slots.iter().filter_map(|slot| slot.conn.swap(None));
        for conn in current.chain(std::mem::take(&mut *self.retired.lock())) {
            conn.link.close(why.clone());
        }
    }
}
