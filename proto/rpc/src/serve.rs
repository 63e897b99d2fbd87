//! The server's side of a connection: admits requests, runs handlers, sends replies.
//!
//! What always holds: a request gets exactly one reply unless its caller cancelled it or the connection ended;
//! also when its handler panics. Every limit answers `Busy` with a hint, before the handler sees the request.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use holdfast_proto::hello::Hello;
use holdfast_proto::ids::{NodeId, SessionId};
use holdfast_proto::method::Class;
use holdfast_proto::status::{Code, Status};
use parking_lot::Mutex;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::task::AbortHandle;
use tokio::time::Instant;

use crate::config::{ServerConfig, class_index};
use crate::drive::{Side, drive};
use crate::frame::{FrameError, Kind};
use crate::link::{Link, Outgoing};
use crate::metrics::METRICS;
use crate::reader::{Frame, Reader};
use crate::router::{Context, Entry, Router, WireReply, encode_refusal};

/// Up to this many requests in progress a handler writes its reply itself; beyond it, replies are gathered.
const WRITE_AT_ONCE: usize = 4;

/// What all connections of a server share.
pub(crate) struct Common {
    pub(crate) router: Router,
    pub(crate) config: ServerConfig,
    pub(crate) stopping: AtomicBool,
    /// Requests being handled.
    pub(crate) in_flight: AtomicUsize,
    /// Told when `in_flight` reaches zero.
    pub(crate) quiet: Notify,
    concurrent: [Arc<Semaphore>; 4],
}

impl Common {
    pub(crate) fn new(router: Router, config: ServerConfig) -> Self {
        let concurrent = config.max_concurrent.map(|most| Arc::new(Semaphore::new(most)));
        Self {
            router,
            config,
            stopping: AtomicBool::new(false),
            in_flight: AtomicUsize::new(0),
            quiet: Notify::new(),
            concurrent,
        }
    }
}

/// The server's side of a connection.
pub(crate) struct Served {
    pub(crate) link: Link,
    common: Arc<Common>,
    peer: NodeId,
    session: SessionId,
    class: Class,
    running: Mutex<HashMap<u64, Option<AbortHandle>>>,
}

impl Served {
    pub(crate) fn new(link: Link, common: Arc<Common>, hello: &Hello, class: Class) -> Self {
        let (peer, session) = (NodeId(hello.node), SessionId(hello.session));
        Self { link, common, peer, session, class, running: Mutex::default() }
    }

    /// Runs the connection until it is over; requests still being handled then are dropped.
    pub(crate) async fn run(self: Arc<Self>, mut reader: Reader) {
        METRICS.server_connections.inc();
        drive(&self, &mut reader).await;
        METRICS.server_connections.dec();
        let running = std::mem::take(&mut *self.running.lock());
        for handle in running.into_values().flatten() {
            handle.abort();
        }
    }

    fn request(self: &Arc<Self>, frame: Frame) -> Result<(), FrameError> {
        let id = frame.header.id;
        let (entry, permit) = match self.admit(&frame) {
            Ok(admitted) => admitted,
            Err(status) => {
                self.reply(encode_refusal(id, &status));
                return Ok(());
            }
        };
        let left = match frame.header.left_ms {
            0 => self.common.config.default_deadline,
            left => Duration::from_millis(u64::from(left)),
        };
        let started = Instant::now();
        let context = Context {
            deadline: started + left,
            peer: self.peer,
            session: self.session,
            local: false,
            request_id: id,
        };
        if self.running.lock().insert(id, None).is_some() {
            tracing::warn!(peer = self.link.stream.peer(), id, "request id used twice");
            return Err(FrameError::Unexpected(Kind::Request));
        }
        METRICS.in_flight.inc();
        self.common.in_flight.fetch_add(1, Ordering::Relaxed);
        let job = Job { served: self.clone(), entry, id, started, answered: false, _permit: permit };
        // Not under the lock: a runtime that is shutting down drops the job right here.
        let task = tokio::spawn(job.run(context, frame));
        // Gone if the job has ended already; nobody else removes entries meanwhile, frames are handled in order.
        if let Some(handle) = self.running.lock().get_mut(&id) {
            *handle = Some(task.abort_handle());
        }
        Ok(())
    }

    /// Whether a request may run now, and with which handler.
    fn admit(&self, frame: &Frame) -> Result<(Entry, OwnedSemaphorePermit), Status> {
        let shed = |reason: &str| METRICS.shed.with_label_values(&[reason]).inc();
        let entry = self.common.router.get(frame.header.method).ok_or_else(|| {
            Status::new(Code::Unsupported, format!("this node does not serve method {}", frame.header.method))
        })?;
        if self.common.stopping.load(Ordering::Relaxed) {
            shed("stopping");
            return Err(Status::new(Code::ShuttingDown, "this node is shutting down"));
        }
        if frame.payload_refused {
            shed("payload");
            return Err(Status::busy(Duration::from_millis(20), "too much payload is being handled"));
        }
        if self.running.lock().len() >= self.common.config.max_in_flight {
            shed("connection");
            return Err(Status::busy(Duration::from_millis(20), "too many requests on this connection"));
        }
        if self.link.queued_bytes() > self.common.config.max_queue_bytes {
            shed("replies");
            return Err(Status::busy(Duration::from_millis(50), "replies are not being read"));
        }
        let slots = self.common.concurrent.get(class_index(entry.class));
        match slots.and_then(|slots| slots.clone().try_acquire_owned().ok()) {
            Some(permit) => Ok((entry.clone(), permit)),
            None => {
                shed("class");
                Err(Status::busy(Duration::from_millis(20), "too many requests of this kind"))
            }
        }
    }

    fn reply(&self, reply: WireReply) {
        let few = self.common.in_flight.load(Ordering::Relaxed) <= WRITE_AT_ONCE;
        self.link.send(Outgoing { head: reply.head, payload: reply.payload }, few);
    }
}

impl Side for Served {
    fn link(&self) -> &Link {
        &self.link
    }

    fn on_frame(self: &Arc<Self>, frame: Frame) -> Result<(), FrameError> {
        match frame.header.kind {
            Kind::Request => self.request(frame)?,
            Kind::Cancel => {
                let removed = self.running.lock().remove(&frame.header.id);
                if let Some(Some(handle)) = removed {
                    handle.abort();
                }
            }
            Kind::Ping => self.link.send_bare(Kind::Pong, frame.header.id),
            Kind::Pong | Kind::Goodbye => {}
            Kind::Hello | Kind::HelloReply | Kind::Reply => {
                return Err(FrameError::Unexpected(frame.header.kind));
            }
        }
        Ok(())
    }
}

impl std::fmt::Debug for Served {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Served").field("peer", &self.peer).field("class", &self.class).finish_non_exhaustive()
    }
}

/// A request being handled. Dropped without an answer (cancelled, or its handler panicked) it still tidies up.
struct Job {
    served: Arc<Served>,
    entry: Entry,
    id: u64,
    started: Instant,
    answered: bool,
    _permit: OwnedSemaphorePermit,
}

impl Job {
    async fn run(mut self, context: Context, frame: Frame) {
        let handler = self.entry.wire(context, frame.message, frame.payload);
        let reply = match tokio::time::timeout_at(context.deadline, handler).await {
            Ok(reply) => reply,
            Err(_) => {
                let message = format!("{} did not end by the deadline", self.entry.name);
                encode_refusal(self.id, &Status::new(Code::Timeout, message))
            }
        };
        self.answer(reply);
    }

    fn answer(&mut self, reply: WireReply) {
        self.answered = true;
        self.entry.metrics.finished(self.started.elapsed().as_secs_f64(), reply.refused);
        // Whoever removes the entry owns the answer: a cancelled request gets none.
        let wanted = self.served.running.lock().remove(&self.id).is_some();
        if wanted {
            self.served.reply(reply);
        }
    }
}

impl Drop for Job {
    fn drop(&mut self) {
        METRICS.in_flight.dec();
        if self.served.common.in_flight.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.served.common.quiet.notify_waiters();
        }
        if !self.answered {
            if std::thread::panicking() {
                tracing::error!(method = self.entry.name, "handler panicked");
            }
            let status = Status::internal(format!("{} ended without an answer", self.entry.name));
            self.answer(encode_refusal(self.id, &status));
        }
    }
}
