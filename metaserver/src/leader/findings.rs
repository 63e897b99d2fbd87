//! The loop that looks into what readers and chunkservers report: verifies on the disk, writes down what is bad, and
//! has it copied anew.
//!
//! What always holds: a report alone changes nothing. Only what the disk itself confirms becomes a `missing/` record.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use holdfast_proto::cluster::{Finding, ReportProblem};
use holdfast_proto::op::DiskRef;
use holdfast_proto::status::Status;

use super::board::Doing;
use super::context::Leader;
use super::facts;
use super::orphans::note_lost;
use super::ports::{Chunkservers, Metadata};
use super::repair::pull_missing;

const NAME: &str = "findings";
const ROUND: Duration = Duration::from_millis(200);

/// Chunks verified per order.
const PER_ORDER: usize = 1000;

type Asked = BTreeMap<(DiskRef, u32), BTreeSet<u64>>;

/// Runs until leadership ends.
pub(crate) async fn run<M: Metadata, C: Chunkservers>(leader: Arc<Leader<M, C>>) {
    while leader.pause(ROUND).await {
        let asked = gather(&leader);
        if asked.is_empty() {
            leader.board.set(NAME, Doing::Idle, "");
            continue;
        }
        leader.board.set(NAME, Doing::Busy, format!("{} disks and groups to verify", asked.len()));
        for ((disk, pg), numbers) in asked {
            if let Err(status) = look_into(&leader, disk, pg, numbers).await {
                tracing::warn!(disk = disk.disk, pg, %status, "a report could not be looked into");
            }
        }
    }
}

/// Takes the reports that wait, sorted by disk and group, the same one once.
pub(crate) fn gather<M: Metadata, C: Chunkservers>(leader: &Leader<M, C>) -> Asked {
    let reports: Vec<ReportProblem> = leader.findings.lock().drain(..).collect();
    let mut asked = Asked::new();
    for report in reports {
        if let (Finding::Damaged | Finding::Absent, Some(disk)) = (report.finding(), report.disk) {
            let numbers = asked.entry((disk, report.pg)).or_default();
            if numbers.len() < PER_ORDER {
                numbers.insert(report.number);
            }
        }
    }
    asked
}

/// Verifies, writes down, and copies anew at once.
pub(crate) async fn look_into<M: Metadata, C: Chunkservers>(
    leader: &Leader<M, C>,
    disk: DiskRef,
    pg: u32,
    numbers: BTreeSet<u64>,
) -> Result<u64, Status> {
    let Some(to) = leader.reach(disk.disk, disk.incarnation) else { return Ok(0) };
    let numbers: Vec<u64> = numbers.into_iter().collect();
    // Only chunks that exist, on a member that should have them: anything else is an old map's mistake.
    let (group, numbers) = leader
        .look(move |_, view| {
            let group = facts::pg(view, pg)?;
            let mut alive = Vec::new();
            for number in numbers {
                if facts::chunk(view, pg, number)?.is_some() {
                    alive.push(number);
                }
            }
            Ok((group, alive))
        })
        .await?;
    let member = group.as_ref().and_then(|g| {
        g.members.iter().find(|m| (m.disk, m.incarnation) == (disk.disk, disk.incarnation)).copied()
    });
    let (Some(group), Some(member)) = (group, member) else { return Ok(0) };
    if numbers.is_empty() {
        return Ok(0);
    }
    let bad = note_lost(leader, &to, disk, pg, numbers).await?;
    if bad > 0 {
        // What is there is known to be bad, so it is replaced even if it looks right.
        pull_missing(leader, &group, &member, &[disk], true).await?;
    }
    Ok(bad)
}
