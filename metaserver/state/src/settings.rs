//! Cluster settings: every name with its kind, default, range and meaning.
//!
//! What always holds: a setting that was never set, or was set back, has its default; a stored value was valid
//! when it was stored. Reading one never fails: a value this build cannot read counts as the default.
//!
//! Read by the leader's loops, by services and by the session operations; listed by the admin API.

use holdfast_proto::inode::KeyValue;

use crate::keys;
use crate::records::{self, Setting};
use crate::table::{Broken, View};

/// What values a setting takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A whole number within the range, both ends included.
    Number {
        /// Smallest.
        least: u64,
        /// Largest.
        most: u64,
    },
    /// `true` or `false`.
    Switch,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// A whole number within the range, or [`AS_CONFIGURED`].
    Override {
        /// Smallest.
        least: u64,
        /// Largest.
        most: u64,
    },
}

/// The word with which a setting leaves something to the configuration of each node.
pub const AS_CONFIGURED: &str = "node";

/// One setting.
#[derive(Clone, Copy, Debug)]
pub struct About {
    /// Its name.
    pub name: &'static str,
    /// What it takes.
    pub kind: Kind,
    /// Its default, as text.
    pub default: &'static str,
    /// For people: what it does, with the unit.
    pub meaning: &'static str,
}

macro_rules! settings {
    ($($(#[$doc:meta])* $constant:ident = $name:literal, $kind:expr, $default:literal, $meaning:literal;)*) => {
        $(
            #[doc = $meaning]
            pub const $constant: &str = $name;
        )*

        /// Every setting, in order of name.
        pub const ALL: &[About] = &[$(About { name: $name, kind: $kind, default: $default, meaning: $meaning }),*];
    };
}

const fn number(least: u64, most: u64) -> Kind {
    Kind::Number { least, most }
}

settings! {
    AUDIT_DAYS = "audit_days", number(1, 36_500), "365",
        "How long entries of the audit log are kept, in days of cluster uptime.";
    AUTO_CLASS_GROWTH = "auto_class_growth", Kind::Switch, "true",
        "Raise the default class's copies (up to three) as nodes join.";
    BALANCE_AUTO = "balance_auto", Kind::Switch, "true",
        "Even out how full disks are by itself when they differ by more than balance_threshold_percent.";
    BALANCE_BYTES_PER_SECOND = "balance_bytes_per_second", number(0, 1 << 40), "0",
        "Cap of balance traffic per disk beside repair_bytes_per_second, in bytes per second; 0: none of its own.";
    BALANCE_PARALLEL = "balance_parallel", number(1, 10_000), "8",
        "Members of groups that may be moved at once in the cluster, at most two from and two to one disk.";
    BALANCE_THRESHOLD_PERCENT = "balance_threshold_percent", number(1, 90), "10",
        "Difference between the fullest and the emptiest disk at which balancing starts by itself, in percent.";
    COMPACT_BYTES_PER_SECOND = "compact_bytes_per_second", Kind::Override { least: 1 << 16, most: 1 << 40 }, "node",
        "What compaction may copy on each disk, in bytes per second; node: chunk.compact_rate of each node.";
    DOWN_MS = "down_ms", number(2_000, 600_000), "10000",
        "Silence after which a node counts as down, in milliseconds.";
    GC_ENABLED = "gc_enabled", Kind::Switch, "true",
        "Delete chunks that nothing refers to. Off after a restore from a backup until fsck is through.";
    GRACE_SECONDS = "grace_seconds", number(10, 604_800), "300",
        "Time a disk may be down before its data is rebuilt elsewhere, in seconds of cluster uptime.";
    MASS_FAILURE_PERCENT = "mass_failure_percent", number(1, 100), "25",
        "If more than this share of the disks vanishes within the grace, nothing goes out by itself, in percent.";
    PGS_PER_DISK = "pgs_per_disk", number(1, 1_000), "32",
        "Writable placement groups the leader keeps per disk.";
    READ_POLICY = "read_policy", Kind::Choice(&["quorum", "lease"]), "quorum",
        "How linearizable reads are confirmed: by a voter round, or by the age of the last one.";
    REPAIR_BYTES_PER_SECOND = "repair_bytes_per_second", number(0, 1 << 40), "0",
        "Cap of repair and balance traffic per disk, in bytes per second; 0: no cap.";
    REPAIR_PARALLEL_PER_DISK = "repair_parallel_per_disk", number(1, 64), "2",
        "Pull orders that may run at once per disk.";
    REPAIR_PARALLEL_TOTAL = "repair_parallel_total", number(1, 10_000), "64",
        "Pull orders that may run at once in the cluster.";
    SCRUB_BYTES_PER_SECOND = "scrub_bytes_per_second", Kind::Override { least: 0, most: 1 << 40 }, "node",
        "What scrub may read of each disk, in bytes per second; 0: no scrub; node: chunk.scrub_rate of each node.";
    SCRUB_PERIOD_SECONDS = "scrub_period_seconds", Kind::Override { least: 0, most: 315_360_000 }, "node",
        "Time from the end of a scrub of a disk to the next, in seconds; node: chunk.scrub_period of each node.";
    SESSION_TTL_MS_MAX = "session_ttl_ms_max", number(1_000, 3_600_000), "300000",
        "Longest silence a session may ask for, in milliseconds.";
    SESSION_TTL_MS_MIN = "session_ttl_ms_min", number(1_000, 3_600_000), "5000",
        "Shortest silence after which a session may be ended, in milliseconds.";
    SUSPECT_MS = "suspect_ms", number(500, 600_000), "3000",
        "Silence after which new writes avoid a node, in milliseconds.";
    TEMPORARY_MEMBER_SECONDS = "temporary_member_seconds", number(1, 86_400), "30",
        "Silence after which a group without redundancy left gets an extra member, in seconds.";
    TIMER_PROFILE = "timer_profile", Kind::Choice(&["lan", "wan"]), "lan",
        "Raft timers: `lan` (heartbeat 40 ms, election 110 to 170 ms) or `wan`.";
    TRASH_MIN_AGE_SECONDS = "trash_min_age_seconds", number(0, 86_400), "60",
        "Files that existed for less than this before they were deleted are not kept in the trash, in seconds.";
    TRASH_SECONDS = "trash_seconds", number(0, 315_360_000), "86400",
        "How long deleted files are kept in the trash where no directory says otherwise, in seconds of cluster uptime; \
         0: not at all.";
    UPLOAD_EXPIRY_DAYS = "upload_expiry_days", number(0, 3_650), "7",
        "Multipart uploads that nobody touched for this long are aborted, in days of cluster uptime; 0: never.";
}

/// Outermost bounds of a session's time to live, in milliseconds. The leader narrows them by
/// [`SESSION_TTL_MS_MIN`] and [`SESSION_TTL_MS_MAX`] when it counts silence.
const TTL_MS: std::ops::RangeInclusive<u64> = 1_000..=3_600_000;
const TTL_MS_DEFAULT: u64 = 10_000;

/// The time to live a session gets that asked for `wanted` (0: the default), in milliseconds.
pub fn clamp_ttl_ms(wanted: u64) -> u64 {
    if wanted == 0 { TTL_MS_DEFAULT } else { wanted.clamp(*TTL_MS.start(), *TTL_MS.end()) }
}

/// The setting of this name.
pub fn about(name: &str) -> Option<&'static About> {
    ALL.iter().find(|about| about.name == name)
}

impl About {
    /// Says what is wrong with a value, if anything.
    pub fn check(&self, value: &str) -> Result<(), String> {
        match self.kind {
            Kind::Number { least, most } => match value.parse::<u64>() {
                Ok(number) if (least..=most).contains(&number) => Ok(()),
                _ => Err(format!("{} takes a whole number from {least} to {most}", self.name)),
            },
            Kind::Override { .. } if value == AS_CONFIGURED => Ok(()),
            Kind::Override { least, most } => match value.parse::<u64>() {
                Ok(number) if (least..=most).contains(&number) => Ok(()),
                _ => Err(format!("{} takes a whole number from {least} to {most}, or node", self.name)),
            },
            Kind::Switch if matches!(value, "true" | "false") => Ok(()),
            Kind::Switch => Err(format!("{} takes true or false", self.name)),
            Kind::Choice(words) if words.contains(&value) => Ok(()),
            Kind::Choice(words) => Err(format!("{} takes one of: {}", self.name, words.join(", "))),
        }
    }
}

/// The value of a setting as text; the default when it was never set or cannot be read by this build.
pub fn text(view: &dyn View, name: &str) -> Result<String, Broken> {
    let Some(about) = about(name) else {
        return Err(Broken::Inconsistent(format!("there is no setting {name}")));
    };
    let stored: Option<Setting> = records::load(view, &keys::setting(name))?;
    Ok(match stored {
        Some(setting) if about.check(&setting.value).is_ok() => setting.value,
        _ => about.default.to_owned(),
    })
}

/// The value of a number.
pub fn integer(view: &dyn View, name: &str) -> Result<u64, Broken> {
    let text = text(view, name)?;
    text.parse().map_err(|_| Broken::Inconsistent(format!("setting {name} is not a number")))
}

/// The value of a number that may be left to each node: `None`.
pub fn over(view: &dyn View, name: &str) -> Result<Option<u64>, Broken> {
    Ok(text(view, name)?.parse().ok())
}

/// The value of a switch.
pub fn switch(view: &dyn View, name: &str) -> Result<bool, Broken> {
    Ok(text(view, name)? == "true")
}

/// All settings with their values, defaults included.
pub fn list(view: &dyn View) -> Result<Vec<KeyValue>, Broken> {
    ALL.iter()
        .map(|about| Ok(KeyValue { key: about.name.to_owned(), value: text(view, about.name)? }))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_valid_and_names_are_in_order() {
        assert!(ALL.windows(2).all(|pair| pair[0].name < pair[1].name));
        for about in ALL {
            about.check(about.default).unwrap();
        }
    }

    #[test]
    fn values_out_of_range_are_refused() {
        assert!(about(GRACE_SECONDS).unwrap().check("5").is_err());
        assert!(about(GC_ENABLED).unwrap().check("yes").is_err());
        assert!(about(READ_POLICY).unwrap().check("lease").is_ok());
        let rate = about(SCRUB_BYTES_PER_SECOND).unwrap();
        assert!(rate.check("0").is_ok() && rate.check("node").is_ok());
        assert!(rate.check("").is_err() && rate.check("16MiB").is_err() && rate.check("-1").is_err());
    }
}
