//! Settings of one member of the metadata group. Every one has a default; `Default` is a LAN.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use holdfast_proto::ids::NodeId;
use serde::{Deserialize, Serialize};

/// Raft timers, in milliseconds. A follower that hears nothing for a time drawn between the two election
/// timeouts asks for votes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Timers {
    /// Interval of the leader's sign of life.
    pub heartbeat_ms: u64,
    /// Shortest election timeout; also the leader's lease.
    pub election_min_ms: u64,
    /// Longest election timeout.
    pub election_max_ms: u64,
}

impl Timers {
    /// For members in one building.
    pub const LAN: Self = Self { heartbeat_ms: 40, election_min_ms: 110, election_max_ms: 170 };
    /// For members that are tens of milliseconds apart.
    pub const WAN: Self = Self { heartbeat_ms: 250, election_min_ms: 1500, election_max_ms: 3000 };

    /// The longest election timeout.
    pub fn election_max(&self) -> Duration {
        Duration::from_millis(self.election_max_ms)
    }

    /// Oldest quorum acknowledgement that a lease read accepts: half the shortest election timeout.
    pub fn lease(&self) -> Duration {
        Duration::from_millis(self.election_min_ms / 2)
    }
}

impl Default for Timers {
    fn default() -> Self {
        Self::LAN
    }
}

/// When a snapshot is made and how much log is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SnapshotPolicy {
    /// A snapshot is due when this many bytes of commands were applied since the last one.
    pub log_bytes: u64,
    /// … or this many entries.
    pub log_entries: u64,
    /// … or when this many seconds passed and anything changed.
    pub interval_secs: u64,
    /// Entries kept in the log although a snapshot covers them, so that a member that was away catches up from
    /// the log. The log always reaches back at least one whole snapshot interval.
    pub keep_entries: u64,
    /// Bytes kept at most beyond one snapshot interval.
    pub keep_bytes: u64,
    /// Entries are purged in batches of at least this many.
    pub purge_batch: u64,
    /// The table is flushed when this many commands were applied since the last flush: bounds the replay at start.
    pub flush_commands: u64,
}

impl Default for SnapshotPolicy {
    fn default() -> Self {
        Self {
            log_bytes: 256 << 20,
            log_entries: 200_000,
            interval_secs: 3600,
            keep_entries: 300_000,
            keep_bytes: 512 << 20,
            purge_batch: 4096,
            flush_commands: 100_000,
        }
    }
}

/// How many commands share one log entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct BatchLimits {
    /// Commands per entry.
    pub commands: usize,
    /// Bytes of encoded commands per entry, and the largest single command.
    pub bytes: usize,
    /// Entries under way at once; while all are, commands gather for the next.
    pub in_flight: usize,
    /// Commands waiting at most; more are refused as busy.
    pub queue: usize,
}

impl Default for BatchLimits {
    fn default() -> Self {
        Self { commands: 256, bytes: 1 << 20, in_flight: 4, queue: 16_384 }
    }
}

/// Memory and disk settings of the stores.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct StoreLimits {
    /// Bytes of log entries kept in memory.
    pub log_cache_bytes: usize,
    /// Size of one log file.
    pub log_file_bytes: usize,
    /// Bytes of the block cache, shared by all tables that use the same [`crate::store::Resources`].
    pub block_cache_bytes: usize,
    /// Bytes of write buffers, shared likewise and charged to the cache.
    pub write_buffer_bytes: usize,
    /// Bytes a second that flushes and compactions write at most.
    pub compaction_bytes_per_sec: i64,
}

impl Default for StoreLimits {
    fn default() -> Self {
        Self {
            log_cache_bytes: 64 << 20,
            log_file_bytes: 32 << 20,
            block_cache_bytes: 128 << 20,
            write_buffer_bytes: 64 << 20,
            compaction_bytes_per_sec: 64 << 20,
        }
    }
}

/// How linearizable reads make sure that this node still leads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ReadPolicy {
    /// One round to a quorum, shared by all reads that wait.
    #[default]
    Quorum,
    /// A recent quorum acknowledgement is enough. Needs clocks that run at a known rate through pauses.
    Lease,
}

/// What is called when the Raft core has died and the process must end. The default ends it with status 70.
pub type AbortHook = Arc<dyn Fn(&str) + Send + Sync>;

/// Everything [`super::Group::start`] needs to know.
#[derive(Clone)]
pub struct GroupConfig {
    /// This node. Taken from the log index of its registration, never reused.
    pub node: NodeId,
    /// RPC address under which the other members reach this node.
    pub address: String,
    /// Directory of this member's log, table and snapshots. Created when missing.
    pub dir: PathBuf,
    /// Raft timers.
    pub timers: Timers,
    /// Snapshots and purging.
    pub snapshots: SnapshotPolicy,
    /// Batching of commands.
    pub batch: BatchLimits,
    /// Stores.
    pub store: StoreLimits,
    /// Cache and write buffers to share with other tables of this process; own ones when absent.
    pub resources: Option<crate::store::Resources>,
    /// The runtime that Raft has for itself; its handle belongs into `NetConfig::raft_runtime` too, so that Raft's
    /// connections run there. A new one when absent.
    pub runtime: Option<super::RaftRuntime>,
    /// How reads are made linearizable, until [`super::Group::set_read_policy`] changes it.
    pub read_policy: ReadPolicy,
    /// Called when the core has died.
    pub abort: AbortHook,
}

impl GroupConfig {
    /// Defaults for `node` at `address`, keeping its files in `dir`.
    pub fn new(node: NodeId, address: impl Into<String>, dir: impl Into<PathBuf>) -> Self {
        Self {
            node,
            address: address.into(),
            dir: dir.into(),
            timers: Timers::default(),
            snapshots: SnapshotPolicy::default(),
            batch: BatchLimits::default(),
            store: StoreLimits::default(),
            resources: None,
            runtime: None,
            read_policy: ReadPolicy::default(),
            abort: Arc::new(|reason| {
                tracing::error!(reason, "the metadata group has failed, leaving to the supervisor");
                holdfast_support::telemetry::finish_logging();
                std::process::exit(70);
            }),
        }
    }
}
