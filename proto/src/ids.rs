//! Newtype identifiers, so that a chunk number and an inode number cannot be swapped by mistake.
//!
//! What always holds: ids are allocated by the replicated state machine (or, for sessions, drawn at random by
//! the client) and never reused.

use std::fmt;

use serde::{Deserialize, Serialize};

macro_rules! id {
    ($(#[$doc:meta])* $name:ident($int:ty), $prefix:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub $int);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($prefix, "{}"), self.0)
            }
        }

        impl From<$int> for $name {
            fn from(value: $int) -> Self {
                Self(value)
            }
        }

        impl From<$name> for $int {
            fn from(id: $name) -> Self {
                id.0
            }
        }
    };
}

id!(
    /// One process identity. Taken from the log index of its registration; 0 means "none".
    NodeId(u64), "n"
);
id!(
    /// One data directory of a chunkserver.
    DiskId(u32), "d"
);
id!(
    /// Counts the lives of a disk: a wiped or replaced disk gets a new incarnation (log index of its registration).
    Incarnation(u64), "i"
);
id!(
    /// A placement group: the ordered set of disks that keep the replicas or shards of its chunks.
    PgId(u32), "pg"
);
id!(
    /// A storage class.
    ClassId(u32), "class"
);
id!(
    /// A file, directory or other inode. 1 is the root.
    Ino(u64), "ino"
);
id!(
    /// A client's identity at the metaserver, drawn at random by the client. 0 is the leader itself.
    SessionId(u64), "s"
);
id!(
    /// A numbered right to create chunk numbers; 40 bits.
    Grant(u64), "g"
);
id!(
    /// Number of a chunk within its placement group: grant (40 bits) followed by a counter (24 bits).
    ChunkNumber(u64), "c"
);
id!(
    /// Version of the cluster map.
    Epoch(u64), "e"
);
id!(
    /// Index of an entry in the Raft log.
    LogIndex(u64), "#"
);
id!(
    /// A multipart upload: the log index of the command that began it.
    UploadId(u64), "u"
);

/// The root directory; its children are the buckets.
pub const ROOT_INO: Ino = Ino(1);

/// Bits of a chunk number that count within one grant.
pub const GRANT_COUNTER_BITS: u32 = 24;

/// Highest grant number that fits in front of the counter.
pub const MAX_GRANT: u64 = (1 << (64 - GRANT_COUNTER_BITS)) - 1;

impl ChunkNumber {
    /// Puts a number together from its grant and the counter within it; `None` when either does not fit.
    pub fn from_grant(grant: Grant, counter: u32) -> Option<Self> {
        if grant.0 > MAX_GRANT || counter >= 1 << GRANT_COUNTER_BITS {
            return None;
        }
        Some(Self(grant.0 << GRANT_COUNTER_BITS | u64::from(counter)))
    }

    /// The grant under which this number was made.
    pub fn grant(self) -> Grant {
        Grant(self.0 >> GRANT_COUNTER_BITS)
    }
}

/// Names one chunk in the whole cluster.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ChunkId {
    /// The placement group that keeps it.
    pub pg: PgId,
    /// Its number within the group.
    pub number: ChunkNumber,
}

impl ChunkId {
    /// A chunk id from plain numbers, as messages carry them.
    pub fn new(pg: u32, number: u64) -> Self {
        Self { pg: PgId(pg), number: ChunkNumber(number) }
    }
}

impl fmt::Display for ChunkId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{:x}", self.pg, self.number.0)
    }
}

/// Names a cluster, made once at genesis. Sixteen random bytes.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClusterId(pub [u8; 16]);

impl ClusterId {
    /// Reads a cluster id from its 32 hexadecimal digits.
    pub fn parse(text: &str) -> Option<Self> {
        let mut bytes = [0; 16];
        hex::decode_to_slice(text, &mut bytes).ok()?;
        Some(Self(bytes))
    }

    /// Reads a cluster id from a message field.
    pub fn from_slice(bytes: &[u8]) -> Option<Self> {
        Some(Self(bytes.try_into().ok()?))
    }
}

impl fmt::Display for ClusterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for ClusterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ClusterId({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chunk_number_keeps_its_grant() {
        let number = ChunkNumber::from_grant(Grant(7), 9).unwrap();
        assert_eq!(number.0, (7 << 24) | 9);
        assert_eq!(number.grant(), Grant(7));
        assert_eq!(ChunkNumber::from_grant(Grant(MAX_GRANT + 1), 0), None);
        assert_eq!(ChunkNumber::from_grant(Grant(1), 1 << 24), None);
    }

    #[test]
    fn a_cluster_id_survives_text() {
        let id = ClusterId([0xab; 16]);
        assert_eq!(ClusterId::parse(&id.to_string()), Some(id));
        assert_eq!(ClusterId::parse("ab"), None);
    }
}
