//! Telling the leader that this node lives and how its disks are; following the map; reporting damage.
//!
//! What always holds: one heartbeat at a time, each second and at once when a disk's condition changes. The answer's
//! term and map epoch are taken over. Damage found by reads, scrub and compaction is reported until the leader has
//! heard it.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use holdfast_proto::cluster::{Finding, Heartbeat, ReportProblem};
use holdfast_proto::ids::ChunkId;
use holdfast_proto::method::{Beat, Report};
use holdfast_proto::op::DiskRef;
use holdfast_proto::status::Status;
use tokio::time::Instant;

use super::Inner;
use super::orders::Authority;

/// For one heartbeat, however often they are sent.
const PATIENCE: Duration = Duration::from_secs(2);
/// Reports sent after one heartbeat.
const REPORTS: usize = 64;
/// Reports kept while the leader does not answer; scrub finds the others again.
const MOST_REPORTS: usize = 10_000;

/// Runs until the process stops.
pub(super) async fn run(inner: Arc<Inner>) {
    let mut heard = true;
    let mut reports = VecDeque::new();
    while !inner.stopping() {
        match beat(&inner).await {
            Ok(()) => {
                if !heard {
                    tracing::info!("the leader answers heartbeats again");
                }
                heard = true;
                send_reports(&inner, &mut reports).await;
            }
            Err(status) => {
                if heard {
                    tracing::warn!(%status, "no answer to the heartbeat");
                }
                heard = false;
            }
        }
        tokio::select! {
            () = tokio::time::sleep(inner.config.heartbeat) => {}
            () = inner.condition_changed() => {}
            () = inner.stopped() => {}
        }
    }
}

async fn beat(inner: &Arc<Inner>) -> Result<(), Status> {
    let deadline = Instant::now() + PATIENCE;
    let reporter = inner.clone();
    // Counting may ask the file system.
    let disks = tokio::task::spawn_blocking(move || reporter.reports()).await;
    let disks = disks.map_err(|error| Status::internal(format!("gather disk reports: {error}")))?;
    let heartbeat = Heartbeat {
        node: inner.node.0,
        disks,
        map_epoch: inner.map.epoch(),
        unreachable: inner.net.health().unreachable().into_iter().map(u64::from).collect(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        uptime_ms: inner.started.elapsed().as_millis() as u64,
        in_flight_bytes: inner.budget.in_use(),
    };
    let reply = inner.meta.call::<Beat>(&heartbeat, deadline).await?;
    inner.orders.learn(Authority { meta_incarnation: reply.meta_incarnation, term: reply.term });
    if reply.map_epoch > inner.map.epoch() || reply.meta_incarnation > inner.map.incarnation() {
        let authority = inner.map.refresh(deadline).await?;
        inner.orders.learn(authority);
    }
    Ok(())
}

async fn send_reports(inner: &Inner, waiting: &mut VecDeque<(DiskRef, ChunkId)>) {
    for disk in inner.disks() {
        if let Some(store) = &disk.store {
            let room = MOST_REPORTS.saturating_sub(waiting.len());
            waiting
                .extend(store.take_damaged().into_iter().take(room).map(|chunk| (disk.reference(), chunk)));
        }
    }
    for _ in 0..REPORTS.min(waiting.len()) {
        let Some((disk, chunk)) = waiting.pop_front() else { return };
        let report = ReportProblem {
            finding: Finding::Damaged as i32,
            disk: Some(disk),
            node: inner.node.0,
            pg: chunk.pg.0,
            number: chunk.number.0,
            session: 0,
        };
        if inner.meta.call::<Report>(&report, Instant::now() + PATIENCE).await.is_err() {
            waiting.push_front((disk, chunk));
            return;
        }
    }
}
