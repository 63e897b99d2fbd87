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

use std::collections::BTreeMap;

use holdfast_state::plan::repair::{Assessment, Risk};
use tokio::time::Instant;

pub use fill::{Fill, fill_member, pull_missing};
pub use run::{repair_group, run};
pub use survey::{Survey, change_member, survey};

/// How safe data is, as of the last look.
#[derive(Clone, Debug, Default)]
pub struct Outlook {
    /// Groups that are not as they should be, with what was found.
    pub ailing: BTreeMap<u32, Assessment>,
    /// Since when something was lacking.
    pub degraded_since: Option<Instant>,
    /// Bytes moved since the election.
    pub repaired_bytes: u64,
    /// Chunks made durable since the election.
    pub repaired_chunks: u64,
    /// Repairs under way.
    pub running: u64,
}

impl Outlook {
    /// Groups at this level of risk.
    pub fn count(&self, risk: Risk) -> u64 {
        self.ailing.values().filter(|a| a.risk == risk).count() as u64
    }

    /// Takes what was found in.
    pub fn note(&mut self, pg: u32, found: Option<Assessment>) {
        match found {
            Some(found) if found.risk != Risk::Healthy || !found.backfill.is_empty() => {
                self.ailing.insert(pg, found);
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
