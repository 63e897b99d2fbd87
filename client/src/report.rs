//! Tells the leader about damaged and missing replicas and silent nodes, beside the work, never in its way.
//!
//! What always holds: the same finding is reported at most once in [`QUIET`]; at most [`AT_ONCE`] reports are under
//! way and [`REMEMBERED`] are remembered; what does not fit is left out, because the next reader will find it too.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use holdfast_proto::cluster::{Finding, ReportProblem};
use holdfast_proto::ids::{ChunkId, NodeId};
use holdfast_proto::map::Member;
use holdfast_proto::method::Report;
use holdfast_proto::op::DiskRef;
use parking_lot::Mutex;
use tokio::sync::Semaphore;
use tokio::time::Instant;

use crate::inner::Inner;
use crate::metrics::METRICS;

/// Time for which a finding is not reported again.
const QUIET: Duration = Duration::from_secs(10);
/// Reports under way at once.
const AT_ONCE: usize = 8;
/// Findings remembered.
const REMEMBERED: usize = 4096;
/// Longest time a report may take.
const LIMIT: Duration = Duration::from_secs(5);

/// What was reported lately.
pub(crate) struct Reporter {
    recent: Mutex<HashMap<ReportProblem, Instant>>,
    room: Arc<Semaphore>,
}

impl Default for Reporter {
    fn default() -> Self {
        Self { recent: Mutex::default(), room: Arc::new(Semaphore::new(AT_ONCE)) }
    }
}

impl Reporter {
    /// Whether this is news.
    fn news(&self, problem: &ReportProblem) -> bool {
        let mut recent = self.recent.lock();
        if recent.get(problem).is_some_and(|at| at.elapsed() < QUIET) {
            return false;
        }
        if recent.len() >= REMEMBERED {
            recent.retain(|_, at| at.elapsed() < QUIET);
        }
        if recent.len() < REMEMBERED {
            recent.insert(problem.clone(), Instant::now());
        }
        true
    }
}

impl Inner {
    /// A member's replica of a chunk is damaged or missing.
    pub(crate) fn report(&self, finding: Finding, member: &Member, chunk: ChunkId) {
        self.send_report(ReportProblem {
            finding: finding as i32,
            disk: Some(DiskRef { disk: member.disk, incarnation: member.incarnation }),
            node: self.map().disk(member.disk.into()).map_or(0, |disk| disk.node),
            pg: chunk.pg.0,
            number: chunk.number.0,
            session: 0,
        });
    }

    /// A node does not answer.
    pub(crate) fn report_unreachable(&self, node: NodeId) {
        self.send_report(ReportProblem {
            finding: Finding::Unreachable as i32,
            node: node.0,
            ..ReportProblem::default()
        });
    }

    fn send_report(&self, mut problem: ReportProblem) {
        if !self.reporter.news(&problem) {
            return;
        }
        let Ok(permit) = self.reporter.room.clone().try_acquire_owned() else { return };
        METRICS.reports.with_label_values(&[label(problem.finding())]).inc();
        problem.session = self.session().id.0;
        let meta = self.meta.clone();
        tokio::spawn(async move {
            let _permit = permit;
            if let Err(status) = meta.call::<Report>(&problem, Instant::now() + LIMIT).await {
                tracing::debug!(%status, "a report did not reach the leader");
            }
        });
    }
}

fn label(finding: Finding) -> &'static str {
    match finding {
        Finding::Damaged => "damaged",
        Finding::Absent => "absent",
        Finding::Unreachable => "unreachable",
        Finding::NoRoom => "no_room",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_same_finding_is_news_only_now_and_then() {
        let reporter = Reporter::default();
        let problem = ReportProblem { node: 3, ..ReportProblem::default() };
        assert!(reporter.news(&problem));
        assert!(!reporter.news(&problem));
        tokio::time::advance(QUIET).await;
        assert!(reporter.news(&problem));
    }
}
