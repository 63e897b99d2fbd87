//! The loop that looks into what readers and chunkservers report: verifies on the disk, writes down what is bad, and
//! has it copied anew.
//!
//! What always holds: a report alone changes nothing. Only what the disk itself confirms becomes a `missing/` record.
//! Damaged records that metadata does not know are remembered as such for a while: nobody misses them, so they are no
//! trouble to tell of; disks report damage again and again, so one that is committed after all is noticed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use holdfast_proto::cluster::{Finding, ReportProblem};
use holdfast_proto::op::DiskRef;
use holdfast_proto::status::Status;
use tokio::time::Instant;

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

/// Disks report damage that is still there every five minutes: what they do not repeat is gone.
const REPEATED: Duration = Duration::from_secs(330);
/// Records of one disk that are remembered as unknown.
const MOST_UNKNOWN: usize = 10_000;

/// Damaged records that metadata does not know: by disk, group and number, when they were reported last.
#[derive(Debug, Default)]
pub struct Unknown(BTreeMap<DiskRef, BTreeMap<(u32, u64), Instant>>);

impl Unknown {
    /// The disk's records of a group that were reported, and which of them metadata knows.
    fn note(&mut self, now: Instant, disk: DiskRef, pg: u32, reported: &[u64], known: &[u64]) {
        let of_disk = self.0.entry(disk).or_default();
        of_disk.retain(|_, at| now.duration_since(*at) < REPEATED);
        for number in reported {
            if known.contains(number) {
                of_disk.remove(&(pg, *number));
            } else if of_disk.len() < MOST_UNKNOWN {
                of_disk.insert((pg, *number), now);
            }
        }
        self.0.retain(|_, of_disk| !of_disk.is_empty());
    }

    /// How many of a disk's damaged records nobody misses, as far as is known.
    pub fn count(&self, now: Instant, disk: DiskRef) -> u64 {
        let of_disk = self.0.get(&disk).map(BTreeMap::values).into_iter().flatten();
        of_disk.filter(|at| now.duration_since(**at) < REPEATED).count() as u64
    }
}

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
    let reported: Vec<u64> = numbers.into_iter().collect();
    let numbers = reported.clone();
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
    let needed = if member.is_some() { numbers.as_slice() } else { &[] };
    leader.unknown.lock().note(Instant::now(), disk, pg, &reported, needed);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn damage_that_nobody_misses_counts_until_it_is_known_or_not_repeated() {
        let (mut unknown, begun) = (Unknown::default(), Instant::now());
        let disk = DiskRef { disk: 1, incarnation: 7 };
        unknown.note(begun, disk, 5, &[1, 2, 3], &[2]);
        assert_eq!(unknown.count(begun, disk), 2);
        assert_eq!(unknown.count(begun, DiskRef { incarnation: 8, ..disk }), 0, "another life");
        unknown.note(begun, disk, 5, &[3], &[3]);
        assert_eq!(unknown.count(begun, disk), 1, "it was committed after all");
        let later = begun + REPEATED;
        assert_eq!(unknown.count(later, disk), 0, "it was not repeated");
        unknown.note(later, disk, 6, &[], &[]);
        assert!(unknown.0.is_empty(), "nothing is kept for ever");
    }
}
