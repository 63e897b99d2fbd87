//! Cluster settings that steer the leader's loops, as last read from the state.

use std::time::Duration;

use holdfast_state::settings;
use holdfast_state::table::{Broken, View};

use super::liveness::Patience;

/// Settings of the loops.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Knobs {
    /// When silence means what.
    pub patience: Patience,
    /// Silence after which a disk's data is rebuilt elsewhere.
    pub grace: Duration,
    /// Silence after which a group without redundancy gets a temporary member.
    pub temporary_after: Duration,
    /// Writable groups per disk.
    pub groups_per_disk: u32,
    /// Bytes per second that repair writes to one disk at most; 0: no cap.
    pub repair_rate_per_disk: u64,
    /// Pull orders under way at once in the whole cluster.
    pub repair_jobs: usize,
    /// Pull orders under way at once that touch one disk.
    pub repair_jobs_per_disk: usize,
    /// The default class follows the size of the cluster.
    pub auto_redundancy: bool,
    /// Disks are evened out without being asked.
    pub balance_auto: bool,
    /// From which difference in fullness on, in percent.
    pub balance_threshold: u32,
    /// Moves under way at once.
    pub balance_jobs: usize,
    /// Bytes per second that moves write to one disk at most; 0: no cap of their own.
    pub balance_rate_per_disk: u64,
    /// Dead chunks are deleted. Off after a restore, until an administrator ended it.
    pub collect: bool,
    /// Nothing goes out by itself when more than this share of disks is gone, in percent. 100: never held back.
    pub hold_percent: u32,
    /// Linearizable reads may rely on the age of the last voter round.
    pub lease_reads: bool,
    /// Uploads that nobody touched for this long are given up; zero: never.
    pub upload_expiry: Duration,
    /// Bytes per second that scrub may read of each disk; `None`: as each node is configured.
    pub scrub_rate: Option<u64>,
    /// Time between two rounds of scrub of a disk; `None`: as each node is configured.
    pub scrub_period: Option<Duration>,
    /// Bytes per second that compaction may copy on each disk; `None`: as each node is configured.
    pub compact_rate: Option<u64>,
    /// Bounds of a session's time to live.
    pub ttl: (Duration, Duration),
}

impl Default for Knobs {
    fn default() -> Self {
        Self {
            patience: Patience::default(),
            grace: Duration::from_secs(300),
            temporary_after: Duration::from_secs(30),
            groups_per_disk: 32,
            repair_rate_per_disk: 0,
            repair_jobs: 64,
            repair_jobs_per_disk: 2,
            auto_redundancy: true,
            balance_auto: true,
            balance_threshold: 10,
            balance_jobs: 8,
            balance_rate_per_disk: 0,
            collect: true,
            hold_percent: 25,
            lease_reads: false,
            upload_expiry: Duration::from_secs(7 * 24 * 3600),
            scrub_rate: None,
            scrub_period: None,
            compact_rate: None,
            ttl: (Duration::from_secs(5), Duration::from_secs(300)),
        }
    }
}

impl Knobs {
    /// Reads all of them.
    pub fn load(view: &dyn View) -> Result<Self, Broken> {
        let number = |name| settings::integer(view, name);
        let size = |name| number(name).map(|n| usize::try_from(n).unwrap_or(usize::MAX));
        let small = |name| number(name).map(|n| u32::try_from(n).unwrap_or(u32::MAX));
        let millis = |name| number(name).map(Duration::from_millis);
        let secs = |name| number(name).map(Duration::from_secs);
        let suspect = millis(settings::SUSPECT_MS)?;
        Ok(Self {
            patience: Patience {
                suspect,
                down: millis(settings::DOWN_MS)?.max(suspect),
                ..Patience::default()
            },
            grace: secs(settings::GRACE_SECONDS)?,
            temporary_after: secs(settings::TEMPORARY_MEMBER_SECONDS)?,
            groups_per_disk: small(settings::PGS_PER_DISK)?,
            repair_rate_per_disk: number(settings::REPAIR_BYTES_PER_SECOND)?,
            repair_jobs: size(settings::REPAIR_PARALLEL_TOTAL)?,
            repair_jobs_per_disk: size(settings::REPAIR_PARALLEL_PER_DISK)?,
            auto_redundancy: settings::switch(view, settings::AUTO_CLASS_GROWTH)?,
            balance_auto: settings::switch(view, settings::BALANCE_AUTO)?,
            balance_threshold: small(settings::BALANCE_THRESHOLD_PERCENT)?,
            balance_jobs: size(settings::BALANCE_PARALLEL)?,
            balance_rate_per_disk: number(settings::BALANCE_BYTES_PER_SECOND)?,
            collect: settings::switch(view, settings::GC_ENABLED)?,
            hold_percent: small(settings::MASS_FAILURE_PERCENT)?,
            lease_reads: settings::text(view, settings::READ_POLICY)? == "lease",
            upload_expiry: secs(settings::UPLOAD_EXPIRY_DAYS)?.saturating_mul(24 * 3600),
            scrub_rate: settings::over(view, settings::SCRUB_BYTES_PER_SECOND)?,
            scrub_period: settings::over(view, settings::SCRUB_PERIOD_SECONDS)?.map(Duration::from_secs),
            compact_rate: settings::over(view, settings::COMPACT_BYTES_PER_SECOND)?,
            ttl: (millis(settings::SESSION_TTL_MS_MIN)?, millis(settings::SESSION_TTL_MS_MAX)?),
        })
    }

    /// Silence after which a session that asked for `wanted_ms` is ended.
    pub fn session_ttl(&self, wanted_ms: u64) -> Duration {
        let (least, most) = self.ttl;
        Duration::from_millis(settings::clamp_ttl_ms(wanted_ms)).clamp(least, most.max(least))
    }
}
