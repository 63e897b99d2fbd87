//! Telling the leader that this node lives and how its disks are; following the map; reporting damage; passing on what
//! the leader says about scrub.
//!
//! What always holds: one heartbeat at a time, each second and at once when a disk's condition changes. The answer's
//! term and map epoch are taken over. Damage found by reads, scrub and compaction is reported until the leader has
//! heard it.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use holdfast_proto::cluster::{DiskReport, Finding, Heartbeat, HeartbeatReply, ReportProblem};
use holdfast_proto::ids::ChunkId;
use holdfast_proto::method::{Beat, Report};
use holdfast_proto::op::DiskRef;
use holdfast_proto::status::Status;
use tokio::time::Instant;

use super::Inner;
use super::orders::Authority;
use super::scrubbing::ScrubTold;

/// For one heartbeat, however often they are sent.
const PATIENCE: Duration = Duration::from_secs(2);
/// Reports sent after one heartbeat.
const REPORTS: usize = 64;
/// Reports kept while the leader does not answer; scrub finds the others again.
const MOST_REPORTS: usize = 10_000;

/// Runs until the process stops.
pub(super) async fn run(inner: Arc<Inner>) {
    super::metrics().begin();
    let mut heard = true;
    let mut reports = VecDeque::new();
    let mut rounds = RoundsTold::default();
    while !inner.stopping() {
        match beat(&inner, &mut rounds).await {
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

/// What leaders were told of the last rounds of scrub: (term, revision) of each disk. A heartbeat has them only when
/// they are news.
#[derive(Default)]
struct RoundsTold(BTreeMap<DiskRef, (u64, u64)>);

impl RoundsTold {
    /// Takes out what the leader of this term knows; says what is left.
    fn leave_out(&self, disks: &mut [DiskReport], term: u64) -> Vec<(DiskRef, u64)> {
        let mut left = Vec::new();
        for report in disks {
            let (Some(disk), Some(scrub)) = (report.disk, &mut report.scrub) else { continue };
            if self.0.get(&disk) == Some(&(term, scrub.revision)) {
                scrub.history.clear();
            } else {
                left.push((disk, scrub.revision));
            }
        }
        left
    }
}

async fn beat(inner: &Arc<Inner>, rounds: &mut RoundsTold) -> Result<(), Status> {
    let deadline = Instant::now() + PATIENCE;
    let reporter = inner.clone();
    // Counting may ask the file system.
    let disks = tokio::task::spawn_blocking(move || reporter.reports()).await;
    let mut disks = disks.map_err(|error| Status::internal(format!("gather disk reports: {error}")))?;
    let news = rounds.leave_out(&mut disks, inner.orders.seen().term);
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
    super::metrics().heard();
    inner.orders.learn(Authority { meta_incarnation: reply.meta_incarnation, term: reply.term });
    rounds.0.extend(news.into_iter().map(|(disk, revision)| (disk, (reply.term, revision))));
    if reply.map_epoch > inner.map.epoch() || reply.meta_incarnation > inner.map.incarnation() {
        let authority = inner.map.refresh(deadline).await?;
        inner.orders.learn(authority);
    }
    tell_limits(inner, &reply);
    Ok(())
}

/// Orders come with the map, limits with the answer to a heartbeat.
fn tell_limits(inner: &Inner, reply: &HeartbeatReply) {
    let known = inner.map.disks_of(inner.node.0);
    for disk in inner.disks() {
        let here = disk.reference();
        disk.store.cap_compaction(reply.compact_rate);
        let record =
            known.iter().find(|record| (record.id, record.incarnation) == (here.disk, here.incarnation));
        disk.scrub.tell(ScrubTold {
            rate: reply.scrub_rate,
            period: reply.scrub_period_s.map(Duration::from_secs),
            order: record.map_or(0, |record| record.scrub_ordered),
        });
    }
}

async fn send_reports(inner: &Inner, waiting: &mut VecDeque<(DiskRef, ChunkId)>) {
    for disk in inner.disks() {
        let room = MOST_REPORTS.saturating_sub(waiting.len());
        let damaged = disk.store.take_damaged();
        waiting.extend(damaged.into_iter().take(room).map(|chunk| (disk.reference(), chunk)));
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

#[cfg(test)]
mod tests {
    use holdfast_proto::cluster::{ScrubReport, ScrubRound};

    use super::*;

    fn report(disk: u32, revision: u64) -> DiskReport {
        let history = vec![ScrubRound::default(); 16];
        DiskReport {
            disk: Some(DiskRef { disk, incarnation: 1 }),
            scrub: Some(ScrubReport { revision, history, ..ScrubReport::default() }),
            ..DiskReport::default()
        }
    }

    #[test]
    fn rounds_are_told_once_to_each_leader_and_when_they_change() {
        let mut told = RoundsTold::default();
        let beat = |told: &mut RoundsTold, seen: u64, answered: u64, revisions: [u64; 2]| {
            let mut disks = vec![report(1, revisions[0]), report(2, revisions[1])];
            let news = told.leave_out(&mut disks, seen);
            told.0.extend(news.into_iter().map(|(disk, revision)| (disk, (answered, revision))));
            disks.iter().map(|d| d.scrub.as_ref().unwrap().history.len()).collect::<Vec<_>>()
        };
        assert_eq!(beat(&mut told, 0, 3, [1, 1]), [16, 16]);
        assert_eq!(beat(&mut told, 3, 3, [1, 1]), [0, 0]);
        assert_eq!(beat(&mut told, 3, 3, [1, 2]), [0, 16]);
        // Another leader answers: it was not told, and hears it next.
        assert_eq!(beat(&mut told, 3, 4, [1, 2]), [0, 0]);
        assert_eq!(beat(&mut told, 4, 4, [1, 2]), [16, 16]);
        assert_eq!(beat(&mut told, 4, 4, [1, 2]), [0, 0]);
    }
}
