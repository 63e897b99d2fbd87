//! What ails nodes and disks that still answer: no room for metadata, a disk that does not come back from a write.
//!
//! Part of the condition that `condition.rs` gathers.

use std::time::Duration;

use holdfast_proto::admin::HealthIssue;
use holdfast_proto::cluster::DiskReport;
use tokio::time::Instant;

use super::Services;
use super::condition::{Naming, WARNING, issue};
use crate::leader::Leader;
use crate::raft::Group;
use holdfast_rpc::Net;

/// A write that a disk has for longer hangs: even a busy disk is done with it by then.
const HANGS: Duration = Duration::from_secs(2);

/// A disk is slow whose commits take so long, and so many times as long as those of the other disks: when all are busy,
/// none is the odd one.
const SLOW: Duration = Duration::from_millis(100);
const SLOWER: u64 = 5;

/// Disks with commits that take far longer than others', with the times, in microseconds.
fn slow(times: &[(u32, u64)]) -> Vec<(u32, u64)> {
    let mut known: Vec<u64> = times.iter().map(|(_, us)| *us).filter(|us| *us > 0).collect();
    known.sort_unstable();
    // Of an even number the shorter one: a slow disk must not be what it is compared with.
    let Some(usual) = known.get(known.len().saturating_sub(1) / 2).filter(|_| known.len() > 1) else {
        return Vec::new();
    };
    let slow =
        |(_, us): &&(u32, u64)| Duration::from_micros(*us) >= SLOW && *us >= usual.saturating_mul(SLOWER);
    times.iter().filter(slow).copied().collect()
}

/// See the module's first lines.
pub(super) fn issues(services: &Services, leader: &Leader<Group, Net>, now: Instant) -> Vec<HealthIssue> {
    let hearing = leader.hearing.lock();
    let mut without: Vec<u64> = hearing.without_room(now).collect();
    if services.room.is_short() {
        without.push(u64::from(services.group.node()));
    }
    let mut issues = Vec::new();
    for node in without {
        let what = format!(
            "the metadata's file system on node n{node} is full: give it room. When it leads, only what frees room is taken"
        );
        issues.push(issue("metadata_full", WARNING, what, 0).with("node", node));
    }
    // What a node said that is silent now is not so any more; that it is silent is told elsewhere.
    let reports: Vec<&DiskReport> = hearing.fresh_reports(now).collect();
    for report in &reports {
        let (Some(disk), waiting) = (report.disk, Duration::from_micros(report.waiting_us)) else { continue };
        if waiting >= HANGS {
            let what = format!(
                "disk d{} has not finished a write for {} s: writers go elsewhere meanwhile. Look at the hardware",
                disk.disk,
                waiting.as_secs()
            );
            let found = issue("disk_hangs", WARNING, what, waiting.as_millis() as u64);
            issues.push(found.with("disk", disk.disk).with("seconds", waiting.as_secs()));
        }
    }
    let times: Vec<(u32, u64)> =
        reports.iter().filter_map(|report| Some((report.disk?.disk, report.commit_us))).collect();
    for (disk, us) in slow(&times) {
        let what = format!(
            "disk d{disk} takes {} ms for a commit, far longer than the others: everything that is written to it is \
             slow. Look at the hardware; `holdfast admin disks drain {disk}` empties it",
            us / 1000
        );
        issues.push(issue("disk_slow", WARNING, what, 0).with("disk", disk).with("ms", us / 1000));
    }
    issues
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_odd_one_is_slow() {
        assert!(slow(&[(1, 900_000)]).is_empty(), "nobody to compare with");
        assert!(slow(&[(1, 900_000), (2, 0)]).is_empty(), "one that wrote nothing says nothing");
        assert!(slow(&[(1, 900_000), (2, 300_000), (3, 400_000)]).is_empty(), "all are busy");
        assert!(slow(&[(1, 90_000), (2, 3_000), (3, 2_000)]).is_empty(), "fast enough");
        assert_eq!(slow(&[(1, 900_000), (2, 3_000), (3, 100_000)]), [(1, 900_000)]);
        // Two of four disks, as of one node.
        assert_eq!(slow(&[(1, 900_000), (2, 800_000), (3, 5_000), (4, 6_000), (5, 7_000)]).len(), 2);
    }
}
