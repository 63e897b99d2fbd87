//! The session: this client's identity at the metaserver, with its exactly-once window, grants and pins.
//!
//! What always holds:
//! - A command keeps its (session, sequence number) through every retry, so it is carried out at most once.
//! - The first command opens the session; others wait for it. It is retried for at most half the session's TTL:
//!   a session that opened and expired meanwhile must not be opened, and the command carried out, a second time.
//! - A session that ended is never used again. A command that was under way then is *not* executed in the next
//!   session: it may have been carried out before the end, so its caller gets [`ClientError::SessionLost`].
//!   To keep that rare, a client that was silent for half the TTL (a suspended machine) asks first.
//! - Questions change nothing and simply go on under the new session.
//!
//! Who calls it: everything that talks to the metaserver.

pub(crate) mod grants;
pub(crate) mod opens;
pub(crate) mod pins;
mod upkeep;
pub(crate) mod watch;
pub(crate) mod window;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use holdfast_proto::ids::{Grant, SessionId};
use holdfast_proto::method::{Ask, KeepSession, Mutate};
use holdfast_proto::op::{Command, Noop, Op, RenewGrant, Reply};
use holdfast_proto::query::{Query, QueryReply, QueryRequest};
use holdfast_proto::session::{OpenSession, SessionHeartbeat};
use holdfast_proto::status::{Code, Status};
use parking_lot::Mutex;
use tokio::sync::MutexGuard;
use tokio::time::Instant;

use crate::error::ClientError;
use crate::inner::{Inner, session_id};
use crate::metrics::{METRICS, gave_up, seconds};
use crate::sender::Sender;
use crate::session::grants::{Grants, Ticket};
use crate::session::pins::Pin;
use crate::session::watch::Keeper;
use crate::session::window::Window;

pub(crate) use upkeep::start as start_upkeep;

/// Times a question is asked anew because its session had ended.
const SESSION_ROUNDS: usize = 3;

/// One life of the client's identity.
pub(crate) struct Session {
    pub(crate) id: SessionId,
    window: Window,
    pub(crate) grants: Grants,
    open: AtomicBool,
    /// It is counted among the open ones.
    counted: AtomicBool,
    ended: AtomicBool,
    /// Held while the first command opens the session.
    opening: tokio::sync::Mutex<()>,
    /// Held while a grant is fetched.
    renewing: tokio::sync::Mutex<()>,
    /// When the metaserver last answered in this session.
    heard: Mutex<Instant>,
}

impl Session {
    fn new(id: u64) -> Self {
        Self {
            id: SessionId(id),
            window: Window::new(),
            grants: Grants::default(),
            open: AtomicBool::new(false),
            counted: AtomicBool::new(false),
            ended: AtomicBool::new(false),
            opening: tokio::sync::Mutex::new(()),
            renewing: tokio::sync::Mutex::new(()),
            heard: Mutex::new(Instant::now()),
        }
    }

    pub(crate) fn is_open(&self) -> bool {
        self.open.load(Ordering::Acquire)
    }

    fn opened(&self) {
        self.open.store(true, Ordering::Release);
        if !self.counted.swap(true, Ordering::AcqRel) {
            METRICS.sessions_open.inc();
        }
        METRICS.sessions.inc();
    }

    fn uncount(&self) {
        if self.counted.swap(false, Ordering::AcqRel) {
            METRICS.sessions_open.dec();
        }
    }

    fn has_ended(&self) -> bool {
        self.ended.load(Ordering::Acquire)
    }

    pub(crate) fn end(&self) {
        self.uncount();
        if !self.ended.swap(true, Ordering::AcqRel) {
            tracing::warn!(session = self.id.0, "the session has ended; a new one will be opened");
        }
    }

    pub(crate) fn heard_now(&self) {
        *self.heard.lock() = Instant::now();
    }

    fn silent_for(&self) -> Duration {
        self.heard.lock().elapsed()
    }

    /// Waits while another command opens the session. `Some`: it is up to the caller to open it.
    async fn gate(&self) -> Option<MutexGuard<'_, ()>> {
        if self.is_open() {
            return None;
        }
        let guard = self.opening.lock().await;
        (!self.is_open()).then_some(guard)
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.uncount();
    }
}

/// The session in use.
pub(crate) struct Sessions {
    current: ArcSwap<Session>,
    replacing: Mutex<()>,
}

impl Sessions {
    pub(crate) fn new(id: u64) -> Self {
        Self { current: ArcSwap::from_pointee(Session::new(id)), replacing: Mutex::new(()) }
    }
}

/// An answer from the metadata. The chunks it names stay readable while this lives.
#[derive(Debug)]
pub struct Answer {
    /// The reply.
    pub reply: QueryReply,
    /// Protects the chunks named in the reply.
    pub pin: Pin,
}

impl Answer {
    /// The reply.
    pub fn reply(&self) -> &QueryReply {
        &self.reply
    }
}

impl Inner {
    /// The session in use; a new one if the last has ended.
    pub(crate) fn session(&self) -> Arc<Session> {
        let session = self.sessions.current.load_full();
        if !session.has_ended() {
            return session;
        }
        let _one = self.sessions.replacing.lock();
        let session = self.sessions.current.load_full();
        if !session.has_ended() {
            return session;
        }
        let fresh = Arc::new(Session::new(session_id()));
        self.sessions.current.store(fresh.clone());
        fresh
    }

    /// As [`Inner::session`], but a session that may have expired unnoticed is asked for first.
    async fn live_session(&self, deadline: Instant) -> Arc<Session> {
        let session = self.session();
        if session.is_open() && session.silent_for() > self.config.session_ttl / 2 {
            let limit = Instant::now() + self.config.session_ttl / 10;
            self.beat(&session, limit.min(deadline)).await;
            return self.session();
        }
        session
    }

    /// Carries out a command, exactly once. A refusal is in the reply.
    pub(crate) async fn command(&self, op: Op, by: &Sender, deadline: Instant) -> Result<Reply, ClientError> {
        let outcome = self.command_once(op, by, deadline).await;
        gave_up("command", &outcome);
        outcome
    }

    async fn command_once(&self, op: Op, by: &Sender, deadline: Instant) -> Result<Reply, ClientError> {
        if self.is_closed() {
            return Err(ClientError::Closed);
        }
        let session = self.live_session(deadline).await;
        if let Some(lost) = by.only.filter(|only| *only != session.id) {
            return Err(ClientError::SessionLost(lost));
        }
        let gate = tokio::time::timeout_at(deadline, session.gate());
        let opening = gate.await.map_err(|_| ClientError::Deadline { doing: "open a session" })?;
        self.send(&session, opening, op, by, deadline).await
    }

    async fn send(
        &self,
        session: &Session,
        opening: Option<MutexGuard<'_, ()>>,
        op: Op,
        by: &Sender,
        mut deadline: Instant,
    ) -> Result<Reply, ClientError> {
        let turn = session.window.enter(deadline).await;
        let turn = turn.ok_or(ClientError::Deadline { doing: "wait for room in the session's window" })?;
        let open = opening.as_ref().map(|_| OpenSession {
            description: self.config.description.clone(),
            ttl_ms: self.config.session_ttl.as_millis() as u64,
            grant: true,
            holds_files: self.config.holds_files,
        });
        if open.is_some() {
            deadline = deadline.min(Instant::now() + self.config.session_ttl / 2);
        }
        let command = Command {
            session: session.id.0,
            seq: turn.seq,
            lowest_unanswered: turn.lowest,
            open,
            actor: by.actor.as_deref().cloned(),
            op: Some(op),
            // The leader says what time it is.
            ..Command::default()
        };
        let started = Instant::now();
        METRICS.meta_calls.with_label_values(&["command"]).inc();
        let mut kept = Kept::begin(self, &command);
        let result = self.meta.call::<Mutate>(&command, deadline).await;
        METRICS.metadata_seconds.with_label_values(&["command"]).observe(seconds(started.elapsed()));
        self.io.asked(started.elapsed());
        kept.end(result.as_ref());
        let reply = result.or_else(|status| match status.kind() {
            // The same refusal, whether the service or the state machine speaks it.
            Code::SessionExpired => Ok(Reply::refused(status)),
            _ => Err(ClientError::of_command(status)),
        })?;
        let status = reply.status.as_ref().map_or(Code::Ok, Status::kind);
        if status == Code::SessionExpired {
            session.end();
            return Err(ClientError::SessionLost(session.id));
        }
        session.heard_now();
        session.grants.install(Grant(reply.grant));
        if command.open.is_some() && reply.index > 0 {
            session.opened();
        }
        self.pins.seen(reply.index);
        self.map_news(reply.epoch);
        if let Some(inode) = &reply.inode {
            self.opens.seen(inode);
        }
        Ok(reply)
    }

    /// The session in use, opened.
    pub(crate) async fn open_session(&self, deadline: Instant) -> Result<Arc<Session>, ClientError> {
        for _ in 0..SESSION_ROUNDS {
            let session = self.live_session(deadline).await;
            let gate = tokio::time::timeout_at(deadline, session.gate());
            let opening = gate.await.map_err(|_| ClientError::Deadline { doing: "open a session" })?;
            if opening.is_none() {
                drop(opening);
                return Ok(session);
            }
            match self.send(&session, opening, Op::Noop(Noop {}), &Sender::default(), deadline).await {
                Ok(reply) => reply.into_result().map_err(ClientError::Refused)?,
                Err(ClientError::SessionLost(_)) => continue,
                Err(error) => return Err(error),
            };
            return Ok(session);
        }
        Err(ClientError::Deadline { doing: "open a session" })
    }

    /// Asks the metadata. The session is opened first if chunks in the answer must be protected. A refusal is in
    /// the reply.
    pub(crate) async fn question(
        &self,
        query: Query,
        lease: bool,
        deadline: Instant,
    ) -> Result<Answer, ClientError> {
        let outcome = self.question_in_sessions(query, lease, deadline).await;
        gave_up("question", &outcome);
        outcome
    }

    async fn question_in_sessions(
        &self,
        query: Query,
        lease: bool,
        deadline: Instant,
    ) -> Result<Answer, ClientError> {
        let protect = names_chunks(&query);
        let mut request = QueryRequest { session: 0, lease, query: Some(query) };
        for _ in 0..SESSION_ROUNDS {
            if self.is_closed() {
                return Err(ClientError::Closed);
            }
            let session = match protect {
                true => self.open_session(deadline).await?,
                false => self.session(),
            };
            request.session = if session.is_open() { session.id.0 } else { 0 };
            let mut pin = self.pins.take();
            let started = Instant::now();
            METRICS.meta_calls.with_label_values(&["question"]).inc();
            let result = self.meta.call::<Ask>(&request, deadline).await;
            METRICS.metadata_seconds.with_label_values(&["question"]).observe(seconds(started.elapsed()));
            self.io.asked(started.elapsed());
            if let Some(inline) = result.as_ref().ok().and_then(|reply| reply.inline.as_ref()) {
                self.io.read(inline.len(), started.elapsed());
            }
            let status = match &result {
                Ok(reply) => reply.status.clone().unwrap_or_default(),
                Err(status) => status.clone(),
            };
            if status.kind() == Code::SessionExpired {
                session.end();
                METRICS.retries.with_label_values(&["question"]).inc();
                continue;
            }
            let reply = result.map_err(|status| ClientError::of_question(status, "ask the metadata"))?;
            session.heard_now();
            pin.advance(reply.index);
            if let Some(inode) = &reply.inode {
                self.opens.seen(inode);
            }
            return Ok(Answer { reply, pin });
        }
        Err(ClientError::Deadline { doing: "ask in a session that lives" })
    }

    /// Tells the leader that the session lives and what it still relies on.
    pub(crate) async fn beat(&self, session: &Session, deadline: Instant) {
        let beat = SessionHeartbeat {
            session: session.id.0,
            oldest_index: self.pins.oldest(),
            map_epoch: self.map().epoch().0,
            io: (!self.config.background).then(|| self.io.sums()),
        };
        match self.meta.call::<KeepSession>(&beat, deadline).await {
            Ok(reply) => {
                session.heard_now();
                self.pins.seen(reply.index);
                self.map_news(reply.map_epoch);
                self.opens.heard(reply.term, reply.assert_opens);
            }
            Err(status) if status.kind() == Code::SessionExpired => session.end(),
            Err(status) => tracing::debug!(%status, "session heartbeat failed"),
        }
    }

    /// The number for a new chunk; fetches a grant if there is none.
    pub(crate) async fn chunk_number(&self, deadline: Instant) -> Result<Ticket, ClientError> {
        loop {
            let session = self.open_session(deadline).await?;
            if let Some(ticket) = session.grants.take() {
                return Ok(ticket);
            }
            self.renew_grant(&session, deadline).await?;
        }
    }

    /// Fetches a new grant, unless another caller just did, and closes those that are done with.
    async fn renew_grant(&self, session: &Session, deadline: Instant) -> Result<(), ClientError> {
        let lock = tokio::time::timeout_at(deadline, session.renewing.lock()).await;
        let _one = lock.map_err(|_| ClientError::Deadline { doing: "fetch a grant" })?;
        if session.has_ended() || session.grants.has_room() {
            return Ok(());
        }
        self.exchange_grants(session, true, deadline).await
    }

    async fn exchange_grants(
        &self,
        session: &Session,
        open: bool,
        deadline: Instant,
    ) -> Result<(), ClientError> {
        let close = session.grants.closable();
        let op = Op::RenewGrant(RenewGrant { close: close.clone(), open });
        match self.send(session, None, op, &Sender::default(), deadline).await {
            Ok(reply) => {
                reply.into_result().map_err(ClientError::Refused)?;
                session.grants.closed(&close);
                Ok(())
            }
            // Nothing is lost with it: the next session brings its own grant.
            Err(ClientError::SessionLost(_)) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

/// Tells the keeper how a command ended, also when its caller goes away.
struct Kept<'a> {
    keeper: Option<(&'a Arc<dyn Keeper>, u64)>,
    op: Option<&'a Op>,
}

impl<'a> Kept<'a> {
    fn begin(inner: &'a Inner, command: &'a Command) -> Self {
        let keeper = inner.watching.keeper().map(|keeper| (keeper, keeper.begin()));
        Self { keeper, op: command.op.as_ref() }
    }

    fn end(&mut self, result: Result<&Reply, &Status>) {
        let (Some((keeper, began)), Some(op)) = (self.keeper.take(), self.op) else { return };
        keeper.done(began, op, result.ok());
    }
}

impl Drop for Kept<'_> {
    fn drop(&mut self) {
        self.end(Err(&Status::default()));
    }
}

/// Whether the answer may name chunks that its reader will fetch, or opens a file.
fn names_chunks(query: &Query) -> bool {
    match query {
        Query::Lookup(q) => q.content,
        Query::GetInode(q) => q.content || q.open != 0,
        Query::ResolvePath(q) => q.content,
        Query::GetObject(q) => q.content,
        Query::GetExtents(_) => true,
        Query::ReadDir(_)
        | Query::ListObjects(_)
        | Query::GetXattr(_)
        | Query::ListXattr(_)
        | Query::ListBuckets(_)
        | Query::ListAccounts(_)
        | Query::ListCredentials(_)
        | Query::ListShares(_)
        | Query::ListAudit(_)
        | Query::ListUsage(_)
        | Query::GetBucket(_)
        | Query::ListUploads(_)
        | Query::ListParts(_)
        | Query::ListKeys(_)
        | Query::StatFs(_)
        | Query::ListChunks(_)
        | Query::ListSettings(_)
        | Query::ListMissing(_)
        | Query::ListFragmented(_)
        | Query::ListTrash(_)
        | Query::FilesIn(_)
        | Query::GetLock(_)
        | Query::GetQuota(_) => false,
    }
}
