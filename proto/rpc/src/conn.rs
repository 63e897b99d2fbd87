//! The caller's side of a connection: open calls by id, their answers, pings.
//!
//! What always holds: every open call gets exactly one answer or the reason why the connection ended; a caller
//! that stops waiting takes its call out and tells the server. A connection is never used again once it is over.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use holdfast_proto::ids::NodeId;
use holdfast_proto::status::{Code, Status};
use holdfast_support::clock;
use parking_lot::Mutex;
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::config::NetConfig;
use crate::connect::lost;
use crate::detector::{FailureDetector, Outcome};
use crate::drive::{Side, drive};
use crate::frame::{FLAG_REFUSED, FrameError, Kind};
use crate::link::{Link, Outgoing};
use crate::metrics::METRICS;
use crate::reader::{Frame, Reader};

/// Up to this many open calls a caller writes its frame itself; beyond it, frames are gathered by the task.
const WRITE_AT_ONCE: usize = 4;

/// Id of a ping and its pong; a pong with id 0 came unasked.
const PING_ID: u64 = 1;

/// How long to stay away when a connection is full.
const BUSY_HINT: Duration = Duration::from_millis(10);

/// An encoded answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) refused: bool,
    pub(crate) message: Bytes,
    pub(crate) payload: Bytes,
}

#[derive(Debug, Default)]
struct Open {
    closed: bool,
    calls: HashMap<u64, oneshot::Sender<Answer>>,
}

/// The caller's side of a connection.
#[derive(Debug)]
pub(crate) struct Conn {
    pub(crate) link: Link,
    /// The node at the other end.
    pub(crate) node: NodeId,
    open: Mutex<Open>,
    open_count: AtomicUsize,
    next_id: AtomicU64,
    /// When somebody began to wait for a sign of life; 0: nobody waits.
    waiting_ms: AtomicU64,
    ping_sent: Mutex<Option<Instant>>,
    /// When a call was made last.
    used_ms: AtomicU64,
    /// When [`Conn::look_after`] looked last.
    looked_ms: AtomicU64,
    /// No more requests on this one: the server said goodbye, or we did.
    draining: AtomicBool,
    detector: Arc<FailureDetector>,
    max_in_flight: usize,
    max_queue_bytes: usize,
}

/// What the sweeper did about a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It lives.
    Alive,
    /// It fell silent and was closed.
    Silent,
    /// It was not needed any more and was closed.
    Idle,
}

impl Conn {
    pub(crate) fn new(
        link: Link,
        node: NodeId,
        detector: Arc<FailureDetector>,
        config: &NetConfig,
        most: usize,
    ) -> Self {
        Self {
            link,
            node,
            open: Mutex::default(),
            open_count: AtomicUsize::new(0),
            next_id: AtomicU64::new(1),
            waiting_ms: AtomicU64::new(0),
            ping_sent: Mutex::new(None),
            used_ms: AtomicU64::new(clock::monotonic_ms()),
            looked_ms: AtomicU64::new(0),
            draining: AtomicBool::new(false),
            detector,
            max_in_flight: config.max_in_flight.min(most),
            max_queue_bytes: config.max_queue_bytes,
        }
    }

    /// Whether new calls may use it.
    pub(crate) fn usable(&self) -> bool {
        self.link.over().is_none() && !self.draining.load(Ordering::Relaxed)
    }

    /// Takes no new calls; closed when those under way have ended.
    pub(crate) fn retire(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    /// Calls without an answer yet.
    pub(crate) fn open_calls(&self) -> usize {
        self.open_count.load(Ordering::Relaxed)
    }

    /// Makes a call: `frame` builds the request for the id it gets.
    pub(crate) async fn call(
        self: &Arc<Self>,
        frame: impl FnOnce(u64) -> Result<Outgoing, Status>,
        deadline: Instant,
    ) -> Result<Answer, Status> {
        if self.link.queued_bytes() > self.max_queue_bytes {
            return Err(Status::busy(BUSY_HINT, "too many bytes wait to be sent to this peer"));
        }
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let frame = frame(id)?;
        let (answer, wait) = oneshot::channel();
        let before = self.enter(id, answer)?;
        let mut call = Call { conn: self, id, done: false };
        self.link.send(frame, before < WRITE_AT_ONCE);
        let outcome = tokio::time::timeout_at(deadline, wait).await;
        match outcome {
            Ok(answer) => {
                call.done = true;
                answer.map_err(|_| self.why_over())
            }
            Err(_) => {
                Err(Status::new(Code::Timeout, format!("{} did not answer by the deadline", self.node)))
            }
        }
    }

    fn enter(&self, id: u64, answer: oneshot::Sender<Answer>) -> Result<usize, Status> {
        let mut open = self.open.lock();
        if open.closed {
            drop(open);
            return Err(self.why_over());
        }
        let before = open.calls.len();
        if before >= self.max_in_flight {
            return Err(Status::busy(BUSY_HINT, "too many requests are under way to this peer"));
        }
        open.calls.insert(id, answer);
        drop(open);
        let now = clock::monotonic_ms();
        self.used_ms.store(now, Ordering::Relaxed);
        if self.open_count.fetch_add(1, Ordering::Relaxed) == 0 {
            self.waiting_ms.store(now, Ordering::Relaxed);
        }
        Ok(before)
    }

    fn leave(&self, id: u64) -> Option<oneshot::Sender<Answer>> {
        let left = self.open.lock().calls.remove(&id)?;
        self.open_count.fetch_sub(1, Ordering::Relaxed);
        Some(left)
    }

    fn why_over(&self) -> Status {
        self.link.over().cloned().unwrap_or_else(|| lost("the connection ended"))
    }

    /// Runs the connection until it is over.
    pub(crate) async fn run(self: Arc<Self>, mut reader: Reader) {
        METRICS.client_connections.inc();
        drive(&self, &mut reader).await;
        METRICS.client_connections.dec();
        let calls = {
            let mut open = self.open.lock();
            open.closed = true;
            std::mem::take(&mut open.calls)
        };
        self.open_count.fetch_sub(calls.len(), Ordering::Relaxed);
        // Dropping the senders tells their callers.
    }

    /// Looks after a connection, several times within `ping_after`. `stalled`: this process itself stood still,
    /// so silence says nothing.
    pub(crate) fn look_after(&self, config: &NetConfig, stalled: bool) -> Verdict {
        let now = clock::monotonic_ms();
        let pinged = self.ping_sent.lock().is_some();
        let heard = self.link.heard_ms.load(Ordering::Relaxed);
        if stalled {
            self.waiting_ms.store(now, Ordering::Relaxed);
            self.link.heard_ms.store(now, Ordering::Relaxed);
            return Verdict::Alive;
        }
        if heard > self.looked_ms.swap(now, Ordering::Relaxed) {
            self.detector.heard_from(self.node);
        }
        let open = self.open_calls();
        let since =
            if open > 0 || pinged { heard.max(self.waiting_ms.load(Ordering::Relaxed)) } else { heard };
        let silent = Duration::from_millis(now.saturating_sub(since));
        if open > 0 || pinged {
            if silent >= config.dead_after {
                return self.give_up(silent);
            }
            if silent >= config.ping_after && !pinged {
                self.ping(now, false);
            }
            return Verdict::Alive;
        }
        let idle = Duration::from_millis(now.saturating_sub(self.used_ms.load(Ordering::Relaxed)));
        if idle >= config.idle_close || self.draining.load(Ordering::Relaxed) {
            self.link.close(lost("closed because nobody used it"));
            return Verdict::Idle;
        }
        if silent >= config.idle_ping {
            self.ping(now, true);
        }
        Verdict::Alive
    }

    fn ping(&self, now: u64, starts_waiting: bool) {
        *self.ping_sent.lock() = Some(Instant::now());
        if starts_waiting {
            self.waiting_ms.store(now, Ordering::Relaxed);
        }
        self.link.send_bare(Kind::Ping, PING_ID);
    }

    fn give_up(&self, silent: Duration) -> Verdict {
        METRICS.closed.with_label_values(&["silent"]).inc();
        tracing::warn!(node = %self.node, peer = self.link.stream.peer(), ?silent, "closing a silent connection");
        let message = format!("{} has been silent for {} ms", self.node, silent.as_millis());
        self.link.close(lost(&message));
        Verdict::Silent
    }
}

impl Side for Conn {
    fn link(&self) -> &Link {
        &self.link
    }

    fn on_frame(self: &Arc<Self>, frame: Frame) -> Result<(), FrameError> {
        match frame.header.kind {
            Kind::Reply => {
                // Nobody there: the caller stopped waiting.
                if let Some(caller) = self.leave(frame.header.id) {
                    let refused = frame.header.flags & FLAG_REFUSED != 0;
                    let answer = Answer { refused, message: frame.message, payload: frame.payload };
                    drop(caller.send(answer));
                }
            }
            Kind::Pong => {
                if frame.header.id == PING_ID
                    && let Some(sent) = self.ping_sent.lock().take()
                {
                    self.detector.report(self.node, Outcome::Answered(Some(sent.elapsed())));
                }
            }
            Kind::Ping => self.link.send_bare(Kind::Pong, frame.header.id),
            Kind::Goodbye => self.retire(),
            Kind::Hello | Kind::HelloReply | Kind::Request | Kind::Cancel => {
                return Err(FrameError::Unexpected(frame.header.kind));
            }
        }
        Ok(())
    }
}

/// An open call; dropped before its answer came, it is cancelled.
struct Call<'a> {
    conn: &'a Arc<Conn>,
    id: u64,
    done: bool,
}

impl Drop for Call<'_> {
    fn drop(&mut self) {
        if !self.done && self.conn.leave(self.id).is_some() {
            self.conn.link.send_bare(Kind::Cancel, self.id);
        }
    }
}
