//! Gathers commands into log entries.
//!
//! While as many entries are under way as may be, commands gather; the next entry takes all of them, up to the
//! limits. So a lone command waits for nobody, and a crowd shares fsyncs and round trips. The queue is bounded; a
//! caller's wait is bounded by the deadline it brings.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use holdfast_proto::op::Reply;
use openraft::errors::{ClientWriteError, ForwardToLeader, RaftError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio::time::Instant;

use super::config::BatchLimits;
use super::error::MetaError;
use super::types::{Proposal, ProposalBuilder, Raft, TypeConfig};
use crate::metrics;

type Answer = oneshot::Sender<Result<Reply, MetaError>>;

struct Waiting {
    command: Bytes,
    answer: Answer,
}

/// The way in for commands. Clones share it.
#[derive(Clone)]
pub(crate) struct Proposer {
    queue: mpsc::Sender<Waiting>,
    limits: BatchLimits,
}

impl Proposer {
    /// Starts gathering on the current runtime.
    pub(crate) fn start(raft: Raft, limits: BatchLimits) -> Self {
        let (queue, waiting) = mpsc::channel(limits.queue.max(1));
        let gatherer = Gatherer { raft, waiting, limits, left_over: None };
        tokio::spawn(gatherer.run(Arc::new(Semaphore::new(limits.in_flight.max(1)))));
        Self { queue, limits }
    }

    /// Brings one encoded command into the log and returns its reply once it is applied here.
    pub(crate) async fn propose(&self, command: Bytes, deadline: Instant) -> Result<Reply, MetaError> {
        if command.len() > self.limits.bytes {
            return Err(MetaError::TooLarge { bytes: command.len(), limit: self.limits.bytes });
        }
        let began = Instant::now();
        let (answer, wait) = oneshot::channel();
        self.queue.try_send(Waiting { command, answer }).map_err(|e| match e {
            mpsc::error::TrySendError::Full(_) => MetaError::Busy { what: "commands" },
            mpsc::error::TrySendError::Closed(_) => MetaError::Stopped,
        })?;
        match tokio::time::timeout_at(deadline, wait).await {
            Ok(Ok(reply)) => reply,
            Ok(Err(_)) => Err(MetaError::Unknown),
            Err(_) => Err(MetaError::NoQuorum { waited: began.elapsed() }),
        }
    }
}

struct Gatherer {
    raft: Raft,
    waiting: mpsc::Receiver<Waiting>,
    limits: BatchLimits,
    /// Did not fit the last entry.
    left_over: Option<Waiting>,
}

impl Gatherer {
    async fn run(mut self, slots: Arc<Semaphore>) {
        loop {
            let first = match self.left_over.take() {
                Some(first) => first,
                None => match self.waiting.recv().await {
                    Some(first) => first,
                    None => return,
                },
            };
            let Ok(slot) = slots.clone().acquire_owned().await else { return };
            let (proposal, answers) = self.gather(first);
            tokio::spawn(write(self.raft.clone(), proposal, answers, slot));
        }
    }

    fn gather(&mut self, first: Waiting) -> (Proposal, Vec<Answer>) {
        let mut batch = ProposalBuilder::default();
        let mut answers = Vec::new();
        let mut next = Some(first);
        while let Some(waiting) = next {
            if !answers.is_empty() && batch.len() + waiting.command.len() > self.limits.bytes {
                self.left_over = Some(waiting);
                break;
            }
            // Whoever gave up before its command was written must not have it written.
            if !waiting.answer.is_closed() {
                batch.push(&waiting.command);
                answers.push(waiting.answer);
            }
            next = if answers.len() < self.limits.commands { self.waiting.try_recv().ok() } else { None };
        }
        (batch.finish(), answers)
    }
}

async fn write(raft: Raft, proposal: Proposal, answers: Vec<Answer>, slot: OwnedSemaphorePermit) {
    if answers.is_empty() {
        return;
    }
    metrics::raft::proposed(answers.len());
    let result = raft.client_write(proposal).await;
    drop(slot);
    // Receivers that are gone ran into their deadline.
    match result {
        Ok(written) => {
            let replies = written.data.0;
            answers.into_iter().zip(replies).for_each(|(answer, reply)| drop(answer.send(Ok(reply))));
        }
        Err(error) => {
            let error = write_error(error);
            answers.into_iter().for_each(|answer| drop(answer.send(Err(error.clone()))));
        }
    }
}

/// "Not here", with where to go.
pub(crate) fn not_leader(forward: ForwardToLeader<TypeConfig>) -> MetaError {
    MetaError::NotLeader {
        leader: forward.leader_id.map(Into::into),
        address: forward.leader_node.map(|node| node.addr).unwrap_or_default(),
    }
}

/// What a failed write means to its caller.
pub(crate) fn write_error(error: RaftError<TypeConfig, ClientWriteError<TypeConfig>>) -> MetaError {
    match error {
        RaftError::Fatal(_) => MetaError::Stopped,
        RaftError::APIError(ClientWriteError::ForwardToLeader(forward)) => not_leader(forward),
        RaftError::APIError(ClientWriteError::LogEntryDiscarded(_)) => MetaError::Unknown,
        RaftError::APIError(other) => MetaError::Membership(other.to_string()),
    }
}

/// Deadline of callers that bring none.
pub(crate) const DEFAULT_WAIT: Duration = Duration::from_secs(10);
