//! What the leader does in the background: who is there, enough groups, repair, collection, the slow sweep.
//!
//! What always holds:
//! - Loops start when leadership is won and confirmed by a first linearizable read, and stop when it is lost.
//! - Their soft state lives one term ([`context::Leader`]). Everything that must outlast it is in the replicated
//!   state, so a leader that dies in the middle of anything leaves it to be gone on with.
//! - Each loop reports idle, busy, throttled or waiting on the [`board`]; one failing item never stops the rest.
//!
//! Started by [`follow`], read by the services.

pub mod balance;
pub mod board;
pub mod claims;
pub mod context;
pub mod crosscheck;
mod drafts;
mod events;
mod expiry;
mod facts;
mod findings;
mod gc;
mod group;
mod groups;
pub mod health;
pub mod knobs;
pub mod leases;
pub mod liveness;
pub mod measure;
mod nameless;
mod opens;
mod orphans;
pub mod ports;
pub mod procedures;
pub mod progress;
mod quotas;
pub mod repair;
mod retention;
pub mod sessions;
mod standing;
pub mod totals;
pub mod traffic;
mod trash;
pub mod uptime;
mod voters;
mod watch;

#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use futures::FutureExt;
use holdfast_proto::ids::NodeId;
use tokio::sync::watch as signal;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

pub use context::Leader;
pub use ports::{Chunkservers, Metadata};
pub use voters::Council;
pub use watch::refresh_map as refresh;

use crate::raft::Leadership;

/// The term this node leads, if it does.
pub type Current<M, C> = ArcSwapOption<Leader<M, C>>;

/// Wait before a loop that panicked begins anew.
const AFTER_PANIC: Duration = Duration::from_secs(5);

/// Wait before a first read is tried again.
const AGAIN: Duration = Duration::from_millis(50);

/// Leads whenever this node is the leader, until `stop`.
pub async fn follow<M: Metadata + Council, C: Chunkservers + Clone>(
    meta: Arc<M>,
    servers: C,
    node: NodeId,
    mut leadership: signal::Receiver<Leadership>,
    current: Arc<Current<M, C>>,
    stop: CancellationToken,
) {
    loop {
        let now = leadership.borrow_and_update().clone();
        if now.is_leader {
            let leader = Arc::new(Leader::new(meta.clone(), servers.clone(), node, now.term));
            lead(&leader, &current, &mut leadership, &stop).await;
            current.store(None);
            crate::metrics::set_leading(false);
            crate::metrics::forget();
        }
        tokio::select! {
            biased;
            () = stop.cancelled() => return,
            changed = leadership.changed() => if changed.is_err() { return },
        }
    }
}

/// One term, from its first confirmed read to its end.
async fn lead<M: Metadata + Council, C: Chunkservers>(
    leader: &Arc<Leader<M, C>>,
    current: &Current<M, C>,
    leadership: &mut signal::Receiver<Leadership>,
    stop: &CancellationToken,
) {
    let ended = async {
        let lost = leadership.wait_for(|now| !now.is_leader || now.term != leader.term);
        tokio::select! {
            biased;
            () = stop.cancelled() => {}
            _ = lost => {}
        }
    };
    let work = async {
        // Before the state is known to be current there is nothing to serve or decide from.
        while let Err(status) = watch::refresh_map(leader).await {
            tracing::debug!(term = leader.term, %status, "leading, but the state cannot be read yet");
            tokio::time::sleep(AGAIN).await;
        }
        let observer: Arc<dyn crate::raft::Observer> = leader.leases.clone();
        leader.leases.begin(leader.meta.observe(Some(observer)));
        tracing::info!(term = leader.term, "leading the metadata group");
        current.store(Some(leader.clone()));
        crate::metrics::set_leading(true);
        crate::metrics::raft::leader_won();
        let mut loops = spawn(leader);
        while let Some(ended) = loops.join_next().await {
            if let Err(error) = ended {
                tracing::error!(%error, "a background loop ended; leadership goes on without it");
            }
        }
        std::future::pending::<()>().await;
    };
    tokio::select! {
        biased;
        () = ended => {}
        () = work => {}
    }
    leader.stop.cancel();
    leader.meta.observe(None);
    tracing::info!(term = leader.term, "no longer leading the metadata group");
}

/// Starts all loops. Dropping the set ends them.
fn spawn<M: Metadata + Council, C: Chunkservers>(leader: &Arc<Leader<M, C>>) -> JoinSet<()> {
    let mut loops = JoinSet::new();
    macro_rules! run {
        ($($name:ident),*) => { $(loops.spawn(again(stringify!($name), leader.clone(), $name::run));)* };
    }
    run!(
        watch, standing, expiry, groups, repair, balance, gc, drafts, nameless, quotas, uptime, orphans,
        findings, trash, voters, health, traffic, events, retention
    );
    loops
}

/// Runs a loop; begins it anew if it panics. A loop that is gone would be missed only when it is needed.
async fn again<M: Metadata + Council, C: Chunkservers, F: Future<Output = ()> + Send>(
    name: &'static str,
    leader: Arc<Leader<M, C>>,
    run: impl Fn(Arc<Leader<M, C>>) -> F + Send,
) {
    while std::panic::AssertUnwindSafe(run(leader.clone())).catch_unwind().await.is_err() {
        tracing::error!(name, "a background loop panicked and begins anew; the log has the details");
        if !leader.pause(AFTER_PANIC).await {
            return;
        }
    }
}
