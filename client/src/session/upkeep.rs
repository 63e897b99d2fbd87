//! The client's own background work: signs of life, fresh maps, grants, closes of files, probes of silent nodes.
//!
//! What always holds: all loops end when the client is closed or dropped; each round has a deadline, so one
//! that hangs never keeps the next sign of life from being sent.

use std::sync::{Arc, Weak};
use std::time::Duration;

use holdfast_proto::cluster::Empty;
use holdfast_proto::ids::NodeId;
use holdfast_proto::method::Ping;
use holdfast_rpc::Endpoint;
use tokio::time::{Instant, sleep};

use crate::inner::Inner;
use crate::write::member;

/// Longest wait for the answer to a sign of life.
const BEAT_LIMIT: Duration = Duration::from_secs(3);

/// Longest wait for the answer of a node that was silent.
const PROBE_LIMIT: Duration = Duration::from_millis(500);

/// Starts the loops.
pub(crate) fn start(inner: &Arc<Inner>) {
    tokio::spawn(signs_of_life(Arc::downgrade(inner), inner.config.heartbeat));
    tokio::spawn(upkeep(Arc::downgrade(inner), inner.config.heartbeat));
    if inner.config.holds_files {
        tokio::spawn(open_files(Arc::downgrade(inner), inner.config.heartbeat));
    }
}

/// Waits for the next round; `None` when there is none.
async fn next_round(weak: &Weak<Inner>, period: Duration) -> Option<Arc<Inner>> {
    let stop = weak.upgrade()?.stop.clone();
    tokio::select! {
        () = stop.cancelled() => None,
        () = sleep(period) => weak.upgrade(),
    }
}

async fn signs_of_life(weak: Weak<Inner>, period: Duration) {
    while let Some(inner) = next_round(&weak, period).await {
        let session = inner.session();
        if session.is_open() {
            inner.beat(&session, Instant::now() + BEAT_LIMIT).await;
        }
    }
}

async fn upkeep(weak: Weak<Inner>, period: Duration) {
    while let Some(inner) = next_round(&weak, period).await {
        inner.freshen_map(Instant::now() + BEAT_LIMIT).await;
        inner.tend_grants().await;
        inner.probe_silent_nodes().await;
    }
}

/// Closes go out once per round; soon when space waits for them.
async fn open_files(weak: Weak<Inner>, period: Duration) {
    loop {
        let Some((opens, stop)) = weak.upgrade().map(|inner| (inner.opens.clone(), inner.stop.clone()))
        else {
            return;
        };
        tokio::select! {
            () = stop.cancelled() => return,
            () = sleep(period) => {}
            // More of them may come together.
            () = opens.woken() => sleep(period / 20).await,
        }
        let Some(inner) = weak.upgrade() else { return };
        inner.tend_opens(BEAT_LIMIT).await;
    }
}

impl Inner {
    async fn tend_grants(&self) {
        let session = self.session();
        if !session.is_open() {
            return;
        }
        let renew = session.grants.wants_renewal(self.config.grant_age);
        if !renew && session.grants.closable().is_empty() {
            return;
        }
        // Held: a caller is at it already.
        let Ok(_one) = session.renewing.try_lock() else { return };
        if let Err(error) = self.exchange_grants(&session, renew, Instant::now() + BEAT_LIMIT).await {
            tracing::debug!(%error, "grants could not be exchanged; will try again");
        }
    }

    async fn probe_silent_nodes(&self) {
        // What the connections suspect must be asked too: nobody else does while everybody avoids it.
        let mut silent = self.health.silent_nodes();
        silent.extend(self.net.health().unreachable());
        silent.sort_unstable();
        silent.dedup();
        let probes = silent.into_iter().map(|node| self.probe(node));
        futures::future::join_all(probes).await;
    }

    async fn probe(&self, node: NodeId) {
        let Some(address) = self.map().node(node).map(|node| node.address.clone()) else {
            self.health.node_answered(node);
            self.net.health().forget(node);
            return;
        };
        let endpoint = Endpoint { node, address };
        let deadline = Instant::now() + PROBE_LIMIT;
        match self.net.call::<Ping>(&endpoint, &Empty {}, bytes::Bytes::new(), deadline).await {
            // A refusal is an answer, too: the node may be older, or play other parts.
            Err(status) if member::blame(&status) == member::Blame::Node => {
                self.health.node_still_silent(node);
            }
            Ok(_) | Err(_) => self.health.node_answered(node),
        }
    }
}
