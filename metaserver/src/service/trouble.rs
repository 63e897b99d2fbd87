//! What ails nodes and disks that still answer: no room for metadata, a disk that does not come back from a write.
//!
//! Part of the condition that `condition.rs` gathers.

use std::time::Duration;

use holdfast_proto::admin::HealthIssue;
use tokio::time::Instant;

use super::Services;
use super::condition::{WARNING, issue};
use crate::leader::Leader;
use crate::raft::Group;
use holdfast_rpc::Net;

/// A write that a disk has for longer hangs: even a busy disk is done with it by then.
const HANGS: Duration = Duration::from_secs(2);

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
        issues.push(issue("metadata_full", WARNING, what, 0));
    }
    for report in hearing.reports() {
        let (Some(disk), waiting) = (report.disk, Duration::from_micros(report.waiting_us)) else { continue };
        if waiting >= HANGS {
            let what = format!(
                "disk d{} has not finished a write for {} s: writers go elsewhere meanwhile. Look at the hardware",
                disk.disk,
                waiting.as_secs()
            );
            issues.push(issue("disk_hangs", WARNING, what, waiting.as_millis() as u64));
        }
    }
    issues
}
