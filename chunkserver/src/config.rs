//! Settings of the chunk role, each with its default.

use std::path::PathBuf;
use std::time::Duration;

/// How a chunkserver works. Every field has a default but the disks.
#[derive(Clone, Debug)]
pub struct ChunkConfig {
    /// Data directories, normally one per physical disk.
    pub disks: Vec<DiskConfig>,
    /// Payload bytes handled at once by this process; beyond it the answer is Busy.
    pub byte_budget: u64,
    /// Block cache of all indexes together, in bytes.
    pub index_cache_bytes: usize,
    /// Write buffers of all indexes together, in bytes (counted against the cache).
    pub index_buffer_bytes: usize,
    /// Foreground reads of one disk that may block at once.
    pub reads_per_disk: usize,
    /// Background reads (repair, scrub on demand) of one disk that may block at once.
    pub background_reads_per_disk: usize,
    /// Pull orders served at once by this process.
    pub pulls: usize,
    /// How often the leader hears from this node.
    pub heartbeat: Duration,
    /// How the stores work.
    pub store: StoreConfig,
}

/// One data directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DiskConfig {
    /// The directory; made if its parent exists.
    pub path: PathBuf,
    /// Bytes it may use; 0: what the file system has.
    pub capacity: u64,
    /// Share of new data in thousandths when it is first admitted; 0: 1000.
    pub weight: u32,
    /// Bytes of its file system that are left to others who share it.
    pub leave: u64,
}

/// How the store of a disk works.
#[derive(Clone, Debug)]
pub struct StoreConfig {
    /// Length of a segment; 0: 1/256 of the disk, between 4 MiB and 256 MiB.
    pub segment_bytes: u64,
    /// Requests that may wait for the writer of one disk.
    pub queue: usize,
    /// Payload bytes in one group commit at most.
    pub batch_bytes: u64,
    /// The index is flushed after this many bytes of records. A replay reads headers only, so this can be more than
    /// a flush of a few hundred bytes every few chunks would cost.
    pub checkpoint_bytes: u64,
    /// The index is flushed after this many changed entries.
    pub checkpoint_entries: u64,
    /// Payloads of at least this many bytes are punched when dead; smaller ones wait for compaction.
    pub punch_bytes: u64,
    /// Bytes per second that compaction may copy.
    pub compact_rate: u64,
    /// A segment is compacted when at most this share of its allocated bytes is live, in percent.
    pub compact_percent: u64,
    /// Bytes per second that scrub may read; 0: no scrub.
    pub scrub_rate: u64,
    /// Time between two scrubs of the same disk.
    pub scrub_period: Duration,
    /// Commits whose records have at least this many bytes on average go past the page cache; 0: none do. On virtual
    /// machines that give free memory back to their host a fresh page of cache costs several times the copy into it:
    /// measured, 8 MiB appends take 19 ms of CPU with it and 2.7 ms without. Bulk data is rarely read back at once,
    /// and this keeps it from pushing out the caches of the services next door.
    pub uncache_bytes: u64,
    /// Most segment files open at once per disk.
    pub open_segments: u64,
    /// Leaves out every sync, so that the power-loss test can be seen to fail. Data is lost at power loss.
    pub unsafe_no_sync: bool,
}

impl Default for ChunkConfig {
    fn default() -> Self {
        Self {
            disks: Vec::new(),
            byte_budget: 128 << 20,
            index_cache_bytes: 32 << 20,
            index_buffer_bytes: 16 << 20,
            reads_per_disk: 16,
            background_reads_per_disk: 2,
            pulls: 4,
            heartbeat: Duration::from_secs(1),
            store: StoreConfig::default(),
        }
    }
}

impl Default for StoreConfig {
    fn default() -> Self {
        Self {
            segment_bytes: 0,
            queue: 1024,
            batch_bytes: 64 << 20,
            checkpoint_bytes: 256 << 20,
            checkpoint_entries: 256 * 1024,
            punch_bytes: 64 << 10,
            compact_rate: 32 << 20,
            compact_percent: 50,
            scrub_rate: 16 << 20,
            scrub_period: Duration::from_secs(7 * 24 * 3600),
            uncache_bytes: 1 << 20,
            open_segments: 256,
            // Not a setting: a switch for one test, named so that nobody takes it for anything else.
            unsafe_no_sync: std::env::var_os("HOLDFAST_UNSAFE_NO_SYNC").is_some_and(|value| value == "1"),
        }
    }
}

impl DiskConfig {
    /// A directory that may use what its file system has.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), capacity: 0, weight: 0, leave: 0 }
    }
}

impl StoreConfig {
    /// Length of a segment on a disk of this capacity.
    pub fn segment_bytes(&self, capacity: u64) -> u64 {
        match self.segment_bytes {
            0 => crate::format::align_up((capacity / 256).clamp(4 << 20, 256 << 20)),
            bytes => crate::format::align_up(bytes.max(64 << 10)),
        }
    }
}
