//! The thread that applies committed commands to the table. It alone writes the table.
//!
//! What always holds:
//! - Entries are applied in log order; the changes of a batch and the marker are one write; replies go out after it.
//! - A view is published after every batch, so that readers get a consistent snapshot for the price of a clone.
//! - After `flush_commands` commands a flush is started, which bounds the replay at the next start.
//! - A failure to read or write the table is the end: nothing is applied after it, and the process leaves.
//!
//! Entries are handed over, not waited for: openraft takes them for applied when they are queued here. So its word for
//! what is applied means nothing in this crate; the published marker and view do. What waits is bounded in bytes. Where
//! nobody waits for a reply, on followers, the thread takes a nap between two batches: what comes meanwhile shares one
//! write, one view, one wake-up.
//!
//! Called by `machine.rs` through [`Applier`]; nothing here runs on the Raft runtime.

use std::panic::AssertUnwindSafe;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread::Thread;
use std::time::{Duration, Instant};

use arc_swap::{ArcSwap, ArcSwapOption};
use bytes::Bytes;
use holdfast_proto::ids::LogIndex;
use holdfast_proto::op::{Command, Reply};
use holdfast_state::Touched;
use openraft::storage::ApplyResponder;
use prost::Message;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot, watch};

use super::codec;
use super::config::AbortHook;
use super::error::MetaError;
use super::marker::Marker;
use super::snapshot::SnapshotRef;
use super::start::Places;
use super::types::{Entry, Payload, Replies, StoredMembership, TypeConfig};
use crate::metrics;
use crate::store::{StateView, Table};

/// Most commands that share one write of the table.
const MOST_COMMANDS: usize = 2048;
/// Bytes of entries that wait to be applied at most.
const MOST_WAITING: usize = 8 << 20;
/// Removed records among which others are looked for, before a flush rids searches of walking over them. A file that is
/// overwritten at random leaves one for every extent it loses.
const MOST_LEFTOVERS: u64 = 16 << 10;
/// Rest after a batch that nobody waited for.
const NAP: Duration = Duration::from_millis(5);

/// What applying a batch of commands comes to.
pub struct Effects {
    /// One reply per command.
    pub replies: Vec<Reply>,
    /// New values of keys, `None` deletes; each key at most once.
    pub changes: Vec<(Bytes, Option<Bytes>)>,
    /// What each command touched, in order, if that was asked for.
    pub touches: Vec<Touch>,
    /// Records removed that searches of the table walk over until it is flushed.
    pub leftovers: u64,
}

/// One command changed something that sessions may have been told of.
#[derive(Clone, Debug)]
pub struct Touch {
    /// Index of the command.
    pub index: u64,
    /// Its session; 0: the leader's own.
    pub session: u64,
    /// What it changed.
    pub what: Touched,
}

/// Hears of every change, in order, before anybody can read it.
pub trait Observer: Send + Sync {
    /// Called on the apply thread: must not wait.
    fn changed(&self, touches: Vec<Touch>);

    /// What changed up to `index` was not noted.
    fn missed(&self, index: u64);
}

/// The pure state machine as this thread sees it.
pub trait StateMachine: Send + 'static {
    /// Applies commands, the first of which stands at index `first`, to what `view` shows.
    fn apply(
        &mut self,
        view: &StateView,
        first: LogIndex,
        commands: &[Command],
        observed: bool,
    ) -> Result<Effects, MetaError>;
}

pub(crate) type WithResponder = (Entry, Option<ApplyResponder<TypeConfig>>);

enum Job {
    Apply(Vec<WithResponder>, OwnedSemaphorePermit),
    Checkpoint(PathBuf, oneshot::Sender<Result<Marker, MetaError>>),
    Install(SnapshotRef, oneshot::Sender<Result<(), MetaError>>),
    Flush(oneshot::Sender<Result<(), MetaError>>),
    Marker(oneshot::Sender<Result<Marker, MetaError>>),
}

/// What everybody may see of the applied state.
pub(crate) struct Published {
    /// The newest view.
    pub(crate) view: ArcSwap<StateView>,
    /// The marker that belongs to it.
    pub(crate) marker: watch::Sender<Marker>,
    /// Counters for the snapshot policy.
    pub(crate) progress: Progress,
    /// Who hears of changes.
    pub(crate) observer: ArcSwapOption<Arc<dyn Observer>>,
}

/// Running totals since the process started.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    /// Bytes of commands applied.
    pub(crate) bytes: std::sync::atomic::AtomicU64,
}

/// Handle of the thread. Clones share it; it ends with the last one.
#[derive(Clone)]
pub(crate) struct Applier {
    jobs: mpsc::Sender<Job>,
    room: Arc<Semaphore>,
    rest: Arc<Rest>,
    thread: Thread,
    pub(crate) published: Arc<Published>,
}

/// How the thread and those who have work for it agree on naps.
#[derive(Debug, Default)]
struct Rest {
    napping: AtomicBool,
    /// Somebody waits for a job that was queued since the thread looked last.
    urgent: AtomicBool,
}

impl Rest {
    /// After a job was queued that somebody waits for.
    fn end(&self, thread: &Thread) {
        self.urgent.store(true, Ordering::SeqCst);
        if self.napping.load(Ordering::SeqCst) {
            thread.unpark();
        }
    }

    /// Before the thread looks into its queue: what is queued from now on says anew that it is urgent.
    fn look(&self) {
        self.urgent.store(false, Ordering::SeqCst);
    }

    fn nap(&self) {
        self.napping.store(true, Ordering::SeqCst);
        if !self.urgent.load(Ordering::SeqCst) {
            std::thread::park_timeout(NAP);
        }
        self.napping.store(false, Ordering::SeqCst);
    }
}

impl Applier {
    /// Starts the thread on a table that was opened with `marker` in it.
    pub(crate) fn start(
        table: Arc<Table>,
        marker: Marker,
        places: Arc<Places>,
        machine: Box<dyn StateMachine>,
        flush_commands: u64,
        abort: AbortHook,
    ) -> Result<Self, MetaError> {
        let view = table.view(marker.commands)?;
        let published = Arc::new(Published {
            view: ArcSwap::from_pointee(view),
            marker: watch::Sender::new(marker.clone()),
            progress: Progress::default(),
            observer: ArcSwapOption::empty(),
        });
        let (jobs, queue) = mpsc::channel();
        let rest = Arc::new(Rest::default());
        let worker = Worker {
            table,
            marker,
            places,
            machine,
            published: published.clone(),
            unflushed: 0,
            leftovers: 0,
            flush_commands,
            rest: rest.clone(),
            abort,
        };
        let running = std::thread::Builder::new()
            .name("meta-apply".into())
            .spawn(move || worker.work(&queue))
            .map_err(|e| MetaError::io("start the apply thread", e))?;
        let room = Arc::new(Semaphore::new(MOST_WAITING));
        Ok(Self { jobs, room, rest, thread: running.thread().clone(), published })
    }

    async fn ask<T>(
        &self,
        job: impl FnOnce(oneshot::Sender<Result<T, MetaError>>) -> Job,
    ) -> Result<T, MetaError> {
        let (reply, wait) = oneshot::channel();
        self.jobs.send(job(reply)).map_err(|_| MetaError::Stopped)?;
        self.rest.end(&self.thread);
        wait.await.map_err(|_| MetaError::Stopped)?
    }

    /// Queues entries to be applied; waits only for room. An error: nothing is applied any more.
    pub(crate) async fn apply(&self, entries: Vec<WithResponder>) -> Result<(), MetaError> {
        let bytes: usize = entries.iter().map(|(entry, _)| codec::payload_bytes(&entry.payload)).sum();
        let weight = u32::try_from(bytes.min(MOST_WAITING)).unwrap_or(u32::MAX);
        let room = self.room.clone().acquire_many_owned(weight).await.map_err(|_| MetaError::Stopped)?;
        let awaited = entries.iter().any(|(_, responder)| responder.is_some());
        self.jobs.send(Job::Apply(entries, room)).map_err(|_| MetaError::Stopped)?;
        if awaited {
            self.rest.end(&self.thread);
        }
        Ok(())
    }

    /// Copies the table to `to` between two batches; the marker says what the copy shows.
    pub(crate) async fn checkpoint(&self, to: PathBuf) -> Result<Marker, MetaError> {
        self.ask(|reply| Job::Checkpoint(to, reply)).await
    }

    /// Replaces the table by a snapshot, unless the table is further.
    pub(crate) async fn install(&self, snapshot: SnapshotRef) -> Result<(), MetaError> {
        self.ask(|reply| Job::Install(snapshot, reply)).await
    }

    /// Makes the table durable as far as it is.
    pub(crate) async fn flush(&self) -> Result<(), MetaError> {
        self.ask(Job::Flush).await
    }

    /// The marker once everything is applied that was queued before.
    pub(crate) async fn settled(&self) -> Result<Marker, MetaError> {
        self.ask(Job::Marker).await
    }

    pub(crate) fn view(&self) -> StateView {
        StateView::clone(&self.published.view.load())
    }

    pub(crate) fn marker(&self) -> Marker {
        self.published.marker.borrow().clone()
    }
}

struct Worker {
    table: Arc<Table>,
    marker: Marker,
    places: Arc<Places>,
    machine: Box<dyn StateMachine>,
    published: Arc<Published>,
    unflushed: u64,
    leftovers: u64,
    flush_commands: u64,
    rest: Arc<Rest>,
    abort: AbortHook,
}

impl Worker {
    /// Works until nobody holds the handle any more, or something fails or panics: then nobody else would notice.
    fn work(self, queue: &mpsc::Receiver<Job>) {
        let abort = self.abort.clone();
        match std::panic::catch_unwind(AssertUnwindSafe(|| self.run(queue))) {
            Ok(Ok(())) => {}
            Ok(Err(error)) => abort(&format!("a command could not be applied: {error}")),
            Err(_) => abort("the thread that applies commands has panicked"),
        }
    }

    fn run(mut self, queue: &mpsc::Receiver<Job>) -> Result<(), MetaError> {
        let mut next = None;
        while let Some(job) = next.take().or_else(|| queue.recv().ok()) {
            self.rest.look();
            // Whoever asked may be gone by the time of the answer; that is no failure.
            match job {
                Job::Apply(entries, room) => next = self.apply(entries, room, queue)?,
                Job::Checkpoint(to, reply) => drop(reply.send(self.checkpoint(&to))),
                Job::Install(snapshot, reply) => drop(reply.send(self.install(&snapshot))),
                Job::Flush(reply) => drop(reply.send(self.table.flush(true))),
                Job::Marker(reply) => drop(reply.send(Ok(self.marker.clone()))),
            }
        }
        Ok(())
    }

    /// Applies these entries and all that wait behind them, up to a job of another kind, which it returns.
    fn apply(
        &mut self,
        entries: Vec<WithResponder>,
        room: OwnedSemaphorePermit,
        queue: &mpsc::Receiver<Job>,
    ) -> Result<Option<Job>, MetaError> {
        let mut batch = Batch::default();
        let mut next = Some(Job::Apply(entries, room));
        let mut awaited = false;
        while let Some(Job::Apply(entries, room)) = next {
            for (entry, responder) in entries {
                awaited |= responder.is_some();
                batch.add(entry, responder)?;
                if batch.commands.len() >= MOST_COMMANDS {
                    self.write(std::mem::take(&mut batch))?;
                }
            }
            batch.rooms.push(room);
            next = queue.try_recv().ok();
        }
        self.write(batch)?;
        if !awaited && next.is_none() {
            self.rest.nap();
        }
        Ok(next)
    }

    fn write(&mut self, batch: Batch) -> Result<(), MetaError> {
        let Some(last) = batch.last else { return Ok(()) };
        let began = Instant::now();
        let observed = self.published.observer.load().is_some();
        let effects = if batch.commands.is_empty() {
            Effects { replies: Vec::new(), changes: Vec::new(), touches: Vec::new(), leftovers: 0 }
        } else {
            let view = self.published.view.load();
            self.machine.apply(&view, LogIndex(self.marker.commands + 1), &batch.commands, observed)?
        };
        if effects.replies.len() != batch.commands.len() {
            return Err(MetaError::damaged("the state machine", "it did not answer every command"));
        }
        self.marker.applied = Some(last);
        self.marker.commands += batch.commands.len() as u64;
        if let Some(membership) = batch.membership {
            self.marker.membership = membership;
        }
        self.table.write(&effects.changes, &self.marker.encode())?;
        match &*self.published.observer.load() {
            Some(observer) if observed => observer.changed(effects.touches),
            // It came after the commands were carried out.
            Some(observer) => observer.missed(self.marker.commands),
            None => {}
        }
        self.publish()?;
        metrics::raft::applied(began.elapsed());
        self.published.progress.bytes.fetch_add(batch.bytes, std::sync::atomic::Ordering::Relaxed);
        let mut replies = effects.replies.into_iter();
        for (responder, count) in batch.waiting {
            let mine: Vec<Reply> = replies.by_ref().take(count).collect();
            if let Some(responder) = responder {
                responder.send(Replies(mine));
            }
        }
        self.unflushed += batch.commands.len() as u64;
        self.leftovers += effects.leftovers;
        if self.unflushed >= self.flush_commands || self.leftovers >= MOST_LEFTOVERS {
            (self.unflushed, self.leftovers) = (0, 0);
            self.table.flush(false)?;
        }
        Ok(())
    }

    fn publish(&self) -> Result<(), MetaError> {
        let view = self.table.view(self.marker.commands)?;
        self.published.view.store(Arc::new(view));
        self.published.marker.send_replace(self.marker.clone());
        Ok(())
    }

    fn checkpoint(&mut self, to: &std::path::Path) -> Result<Marker, MetaError> {
        let began = Instant::now();
        self.table.checkpoint(to)?;
        self.unflushed = 0;
        tracing::info!(index = self.marker.index(), took = ?began.elapsed(), "copied the table for a snapshot");
        Ok(self.marker.clone())
    }

    fn install(&mut self, snapshot: &SnapshotRef) -> Result<(), MetaError> {
        if snapshot.marker.applied <= self.marker.applied {
            return Ok(());
        }
        self.places.snapshots.import(snapshot)?;
        let (table, marker) = self.places.adopt(snapshot)?;
        let old = std::mem::replace(&mut self.table, table);
        self.marker = marker;
        self.unflushed = 0;
        if let Some(observer) = &*self.published.observer.load() {
            observer.missed(self.marker.commands);
        }
        self.publish()?;
        old.retire();
        Ok(())
    }
}

/// Entries gathered for one write.
#[derive(Default)]
struct Batch {
    commands: Vec<Command>,
    /// Per entry: who waits, for how many replies.
    waiting: Vec<(Option<ApplyResponder<TypeConfig>>, usize)>,
    last: Option<super::types::LogId>,
    membership: Option<StoredMembership>,
    bytes: u64,
    /// Given back when this is written.
    rooms: Vec<OwnedSemaphorePermit>,
}

impl Batch {
    fn add(&mut self, entry: Entry, responder: Option<ApplyResponder<TypeConfig>>) -> Result<(), MetaError> {
        let damaged =
            |reason: String| MetaError::damaged(format!("log entry {}", entry.log_id.index()), reason);
        let before = self.commands.len();
        match &entry.payload {
            Payload::Blank => {}
            Payload::Membership(membership) => {
                self.membership = Some(StoredMembership::new(Some(entry.log_id), membership.clone()));
            }
            Payload::Normal(proposal) => {
                for bytes in proposal.commands() {
                    let bytes = bytes.map_err(|e| damaged(e.into()))?;
                    self.commands.push(Command::decode(bytes).map_err(|e| damaged(e.to_string()))?);
                }
                self.bytes += proposal.bytes.len() as u64;
            }
        }
        self.last = Some(entry.log_id);
        self.waiting.push((responder, self.commands.len() - before));
        Ok(())
    }
}
