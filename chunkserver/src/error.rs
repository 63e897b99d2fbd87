//! What can go wrong at this crate's boundary, and how it travels.

use std::time::Duration;

use holdfast_proto::ids::ChunkId;
use holdfast_proto::status::{Code, Status};

/// A failure of a disk's store.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// The disk is not there, or only a damaged one is.
    #[error("this disk does not have chunk {0}")]
    NotFound(ChunkId),
    /// Another shard of the chunk is there.
    #[error("this disk has shard {has} of chunk {chunk}, not shard {asked}")]
    OtherShard {
        /// The chunk.
        chunk: ChunkId,
        /// The shard that was asked for.
        asked: u32,
        /// The shard that is here.
        has: u32,
    },
    /// Different bytes exist under this id.
    #[error("chunk {0} exists here with different content")]
    Conflict(ChunkId),
    /// It was deleted under this epoch or a later one than the request's.
    #[error("chunk {chunk} was deleted here under epoch {epoch}")]
    Deleted {
        /// The chunk.
        chunk: ChunkId,
        /// Epoch of the tombstone.
        epoch: u64,
    },
    /// Bytes on the disk do not match their checksums.
    #[error("chunk {chunk} is damaged here: {why}")]
    Damaged {
        /// The chunk.
        chunk: ChunkId,
        /// What does not match.
        why: String,
    },
    /// No room for new chunks.
    #[error("the disk has no room but its reserve")]
    Full,
    /// Out of service until re-admitted.
    #[error("the disk has failed: {0}")]
    Failed(String),
    /// Too much waits for this disk.
    #[error("the disk's queue is full")]
    Busy,
    /// The store is closing.
    #[error("the disk is being closed")]
    Closed,
    /// The request does not make sense.
    #[error("{0}")]
    Invalid(String),
}

impl From<StoreError> for Status {
    fn from(error: StoreError) -> Self {
        let code = match &error {
            StoreError::Busy => return Self::busy(Duration::from_millis(20), error.to_string()),
            StoreError::NotFound(_) | StoreError::OtherShard { .. } => Code::ChunkNotFound,
            StoreError::Conflict(_) | StoreError::Deleted { .. } => Code::ChunkConflict,
            StoreError::Damaged { .. } => Code::Corrupt,
            StoreError::Full => Code::DiskFull,
            StoreError::Failed(_) => Code::DiskFailed,
            StoreError::Closed => Code::ShuttingDown,
            StoreError::Invalid(_) => Code::InvalidArgument,
        };
        Self::new(code, error.to_string())
    }
}

/// Why a disk could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The file system said no.
    #[error("{what}: {error}")]
    Io {
        /// What was tried.
        what: String,
        /// What the system said.
        error: std::io::Error,
    },
    /// The index could not be made.
    #[error("open the index: {0}")]
    Index(#[from] rocksdb::Error),
    /// A segment belongs to another disk.
    #[error("segment {0} was written on another disk; move it away")]
    ForeignSegment(String),
    /// Written by a newer build.
    #[error("{what} has format version {version}, which this build does not know")]
    Version {
        /// Which file.
        what: String,
        /// Its version.
        version: u32,
    },
    /// Another process has it.
    #[error("{0} is in use by another process")]
    Locked(String),
    /// It is not this node's disk, or not as it was left.
    #[error("{0}")]
    Refused(String),
}

impl OpenError {
    pub(crate) fn io(what: impl Into<String>) -> impl FnOnce(std::io::Error) -> Self {
        let what = what.into();
        move |error| Self::Io { what, error }
    }
}
