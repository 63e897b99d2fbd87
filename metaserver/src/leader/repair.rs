//! The loop that restores redundancy: looks at groups that changed, takes the most endangered first, and runs as
//! many repairs at once as disks and caps allow.
//!
//! What always holds:
//! - Cost follows what changed: a group is looked at when the map, a disk's liveness or its `missing/` records say
//!   so. A slow round over all groups is the safety net.
//! - One repair per group at a time. Its facts are in the replicated state: whoever leads next goes on from there.
//! - A group whose repair fails waits longer each time, and holds up no other.

mod fill;
mod run;
mod survey;

use std::collections::{BTreeMap, BTreeSet};

use holdfast_proto::admin::RedundancyStatus;
use holdfast_proto::map::{Liveness, Standing};
use holdfast_state::plan::repair::{Assessment, Risk};
use holdfast_state::records::State;
use tokio::time::Instant;

use super::context::Leader;
use crate::metrics;

pub use fill::{Fill, fill_member, pull_missing};
pub use run::{repair_group, run};
pub use survey::{Survey, can_spare, change_member, survey};

/// What disks are counted by.
const LIVENESS: [Liveness; 5] =
    [Liveness::Alive, Liveness::Suspect, Liveness::Down, Liveness::Full, Liveness::Failed];

/// How safe data is, as of the last look.
#[derive(Clone, Debug, Default)]
pub struct Outlook {
    /// Groups that are not as they should be, with what was found.
    pub ailing: BTreeMap<u32, Assessment>,
    /// Of these, the disks of members that have `missing/` records in the group.
    pub short: BTreeMap<u32, BTreeSet<u32>>,
    /// Groups that are being looked at again: what was found of them before may be old.
    pub looking: BTreeSet<u32>,
    /// State time since when some group has lacked something, as it is written down; 0: none does.
    pub oldest_since_ns: i64,
    /// Since when something was lacking, as this leader saw it.
    pub degraded_since: Option<Instant>,
    /// Bytes moved since the election.
    pub repaired_bytes: u64,
    /// Chunks made durable since the election.
    pub repaired_chunks: u64,
    /// Bytes moved for balance since the election.
    pub moved_bytes: u64,
    /// Repairs under way.
    pub running: u64,
}

impl Outlook {
    /// Groups at this level of risk.
    pub fn count(&self, risk: Risk) -> u64 {
        self.ailing.values().filter(|a| a.risk == risk).count() as u64
    }

    /// Takes what was found in; `None`: the group is gone.
    pub fn note(&mut self, pg: u32, seen: Option<&Survey>) {
        self.short.remove(&pg);
        match seen {
            Some(seen) if seen.found.risk != Risk::Healthy || !seen.found.backfill.is_empty() => {
                self.ailing.insert(pg, seen.found.clone());
                if !seen.short.is_empty() {
                    self.short.insert(pg, seen.short.clone());
                }
            }
            _ => {
                self.ailing.remove(&pg);
            }
        }
        let lacking = self.ailing.values().any(|a| a.risk < Risk::Misplaced);
        match (lacking, self.degraded_since) {
            (true, None) => self.degraded_since = Some(Instant::now()),
            (false, Some(_)) => self.degraded_since = None,
            _ => {}
        }
    }
}

impl<M, C> Leader<M, C> {
    /// How safe data is, as of the last looks and this state.
    pub fn redundancy(&self, state: &State) -> RedundancyStatus {
        let outlook = self.outlook.lock();
        let groups = self.cluster.lock().pgs.len() as u64;
        let (unavailable, at_risk, degraded) =
            (outlook.count(Risk::Unavailable), outlook.count(Risk::AtRisk), outlook.count(Risk::Degraded));
        RedundancyStatus {
            pgs_healthy: groups.saturating_sub(unavailable + at_risk + degraded),
            pgs_degraded: degraded,
            pgs_at_risk: at_risk,
            pgs_unavailable: unavailable,
            missing_chunks: state.missing,
            garbage_chunks: state.garbage,
            repaired_bytes: outlook.repaired_bytes,
            repaired_chunks: outlook.repaired_chunks,
            repairs_running: outlook.running,
            degraded_ms: outlook.degraded_since.map_or(0, |since| {
                // An earlier leader may have seen its beginning.
                let noted = match outlook.oldest_since_ns {
                    0 => 0,
                    since_ns => state.time_ns.saturating_sub(since_ns).max(0) / 1_000_000,
                };
                (since.elapsed().as_millis().max(1) as u64).max(noted as u64)
            }),
        }
    }

    /// Shows it to whoever scrapes this node.
    pub(crate) fn count_state(&self, state: &State) {
        metrics::repair::set_redundancy(&self.redundancy(state), self.held.lock().is_some());
        metrics::data::set_state(state, self.uptime_now());
        let mut disks: BTreeMap<Liveness, u64> = LIVENESS.iter().map(|state| (*state, 0)).collect();
        for disk in self.cluster.lock().disks.values().filter(|disk| disk.standing != Standing::Removed) {
            *disks.entry(disk.liveness).or_default() += 1;
        }
        let disks: Vec<(String, u64)> = disks
            .into_iter()
            .map(|(liveness, count)| (format!("{liveness:?}").to_lowercase(), count))
            .collect();
        metrics::repair::set_disks(disks.iter().map(|(liveness, count)| (liveness.as_str(), *count)));
    }
}
