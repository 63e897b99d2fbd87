//! Linearizable reads: everybody who waits shares one proof that this node still leads.
//!
//! A read gets a view that shows every command that was answered before the read began. The proof is a round to a
//! quorum that *starts* after the read arrived, so reads that arrive while a round runs wait for the next one. The
//! round is [`Confirmer`]'s in the plain case, openraft's otherwise. With the `lease` policy a recent enough quorum
//! acknowledgement stands in for it; openraft falls back to a round when it is too old.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use openraft::LinearizerOption;
use openraft::errors::{LinearizableReadError, RaftError};
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use super::apply::Applier;
use super::config::{ReadPolicy, Timers};
use super::confirm::Confirmer;
use super::error::MetaError;
use super::propose::not_leader;
use super::types::{Raft, TypeConfig};
use crate::metrics;
use crate::store::StateView;

/// Reads that wait at most; more are refused as busy.
const MOST_WAITING: usize = 16_384;
/// Rounds of openraft's under way at once.
const MOST_ROUNDS: usize = 2;

type Answer = oneshot::Sender<Result<StateView, MetaError>>;

/// The way in for reads. Clones share it.
#[derive(Clone)]
pub(crate) struct Reader {
    queue: mpsc::Sender<Answer>,
    lease: Arc<AtomicBool>,
}

impl Reader {
    /// Starts serving on `runtime`, which should be the callers'.
    pub(crate) fn start(runtime: &Handle, confirmer: Confirmer, timers: Timers, policy: ReadPolicy) -> Self {
        let (queue, waiting) = mpsc::channel(MOST_WAITING);
        let reader = Self { queue, lease: Arc::new(AtomicBool::new(policy == ReadPolicy::Lease)) };
        let (raft, applier) = (confirmer.raft.clone(), confirmer.applier.clone());
        let rounds = Rounds { raft, applier, timers, lease: reader.lease.clone() };
        runtime.spawn(rounds.run(confirmer, waiting));
        reader
    }

    pub(crate) fn set_policy(&self, policy: ReadPolicy) {
        self.lease.store(policy == ReadPolicy::Lease, Ordering::Relaxed);
    }

    /// A view that is current as of some moment during this call.
    pub(crate) async fn read(&self, deadline: Instant) -> Result<StateView, MetaError> {
        let began = Instant::now();
        let (answer, wait) = oneshot::channel();
        self.queue.try_send(answer).map_err(|e| match e {
            mpsc::error::TrySendError::Full(_) => MetaError::Busy { what: "reads" },
            mpsc::error::TrySendError::Closed(_) => MetaError::Stopped,
        })?;
        match tokio::time::timeout_at(deadline, wait).await {
            Ok(Ok(view)) => view,
            Ok(Err(_)) => Err(MetaError::Stopped),
            Err(_) => Err(MetaError::NoQuorum { waited: began.elapsed() }),
        }
    }
}

#[derive(Clone)]
struct Rounds {
    raft: Raft,
    applier: Applier,
    timers: Timers,
    lease: Arc<AtomicBool>,
}

impl Rounds {
    async fn run(self, confirmer: Confirmer, mut waiting: mpsc::Receiver<Answer>) {
        let slots = Arc::new(tokio::sync::Semaphore::new(MOST_ROUNDS));
        while let Some(first) = waiting.recv().await {
            let mut answers = vec![first];
            while let Ok(more) = waiting.try_recv() {
                answers.push(more);
            }
            if !self.lease.load(Ordering::Relaxed) && confirmer.leads().await {
                metrics::raft::read_round(answers.len());
                let view = self.applier.view();
                answers.into_iter().for_each(|answer| drop(answer.send(Ok(view.clone()))));
                continue;
            }
            let Ok(slot) = slots.clone().acquire_owned().await else { return };
            let this = self.clone();
            tokio::spawn(async move {
                metrics::raft::read_round(answers.len());
                let view = this.round().await;
                drop(slot);
                answers.into_iter().for_each(|answer| drop(answer.send(view.clone())));
            });
        }
    }

    async fn round(&self) -> Result<StateView, MetaError> {
        let age = if self.lease.load(Ordering::Relaxed) { self.timers.lease() } else { Duration::ZERO };
        let patience = self.timers.election_max() * 4;
        let option = LinearizerOption::new(Some(age), true).with_wait_timeout(patience);
        let proof = self.raft.get_read_linearizer(option).await.map_err(|e| read_error(e, patience))?;
        let index = proof.read_log_id().index();
        let mut marker = self.applier.published.marker.subscribe();
        let applied = marker.wait_for(|marker| marker.applied.is_some() && marker.index() >= index);
        match tokio::time::timeout(super::propose::DEFAULT_WAIT, applied).await {
            Ok(Ok(_)) => Ok(self.applier.view()),
            Ok(Err(_)) => Err(MetaError::Stopped),
            Err(_) => Err(MetaError::Busy { what: "applying committed commands" }),
        }
    }
}

fn read_error(
    error: RaftError<TypeConfig, LinearizableReadError<TypeConfig>>,
    waited: Duration,
) -> MetaError {
    match error {
        RaftError::Fatal(_) => MetaError::Stopped,
        RaftError::APIError(LinearizableReadError::ForwardToLeader(forward)) => not_leader(forward),
        RaftError::APIError(LinearizableReadError::QuorumNotEnough(_)) => MetaError::NoQuorum { waited },
    }
}
