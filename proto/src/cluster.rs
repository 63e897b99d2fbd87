//! Messages between nodes about the cluster itself: joining, heartbeats, reports, Raft envelopes.

use crate::op::DiskRef;
use crate::status::Status;

/// Ask the leader to become a node. Allowed before the asker has an id, with the join token.
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct JoinRequest {
    /// The token, shown by `holdfast admin token`.
    #[prost(string, tag = "1")]
    pub token: String,
    /// The node's own description; id 0 or the id it has.
    #[prost(message, optional, tag = "2")]
    pub node: Option<crate::op::RegisterNode>,
    /// The cluster id the node has on disk; empty on a fresh node. A different one is refused.
    #[prost(bytes = "bytes", tag = "3")]
    pub cluster: bytes::Bytes,
}

/// Welcome.
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct JoinReply {
    /// The node's id.
    #[prost(uint64, tag = "1")]
    pub node: u64,
    /// The cluster's id.
    #[prost(bytes = "bytes", tag = "2")]
    pub cluster: bytes::Bytes,
    /// RPC addresses of the metadata group.
    #[prost(message, repeated, tag = "3")]
    pub metaservers: Vec<Peer>,
    /// Which life of the metadata.
    #[prost(uint64, tag = "4")]
    pub meta_incarnation: u64,
}

/// A node and where it listens.
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct Peer {
    /// The node.
    #[prost(uint64, tag = "1")]
    pub node: u64,
    /// RPC address.
    #[prost(string, tag = "2")]
    pub address: String,
}

/// Condition of a disk as its node sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
pub enum DiskCondition {
    /// Works.
    Good = 0,
    /// Refused a write or sync; out of service until replaced.
    Failed = 1,
    /// No room but the reserve.
    Full = 2,
    /// Rebuilding its index; serves reads.
    Recovering = 3,
}

/// One disk in a heartbeat.
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct DiskReport {
    /// The disk.
    #[prost(message, optional, tag = "1")]
    pub disk: Option<DiskRef>,
    /// Bytes it can keep.
    #[prost(uint64, tag = "2")]
    pub capacity: u64,
    /// Bytes of records, live and dead.
    #[prost(uint64, tag = "3")]
    pub used: u64,
    /// Bytes it can still take.
    #[prost(uint64, tag = "4")]
    pub free: u64,
    /// Records.
    #[prost(uint64, tag = "5")]
    pub records: u64,
    /// How it is.
    #[prost(enumeration = "DiskCondition", tag = "6")]
    pub condition: i32,
    /// Why, when not good.
    #[prost(string, tag = "7")]
    pub reason: String,
    /// Bytes of dead records not yet given back.
    #[prost(uint64, tag = "8")]
    pub garbage: u64,
    /// Median time of a group commit in the last seconds, in microseconds.
    #[prost(uint64, tag = "9")]
    pub commit_us: u64,
    /// Its scrub; absent while it is out of service.
    #[prost(message, optional, tag = "10")]
    pub scrub: Option<ScrubReport>,
    /// For how long the group commit under way has not come back from the disk, in microseconds; 0: none is.
    #[prost(uint64, tag = "11")]
    pub waiting_us: u64,
    /// What it did since its node started, in sums that only grow.
    #[prost(message, optional, tag = "12")]
    pub io: Option<DiskIo>,
}

/// What a disk did, for whomever.
#[derive(Clone, Copy, PartialEq, Eq, Hash, prost::Message)]
pub struct DiskIo {
    /// Bytes of payload read.
    #[prost(uint64, tag = "1")]
    pub read_bytes: u64,
    /// Bytes of payload written.
    #[prost(uint64, tag = "2")]
    pub write_bytes: u64,
    /// Reads.
    #[prost(uint64, tag = "3")]
    pub reads: u64,
    /// Records written.
    #[prost(uint64, tag = "4")]
    pub writes: u64,
    /// Time for which its writer was at work, in microseconds.
    #[prost(uint64, tag = "5")]
    pub busy_us: u64,
}

/// What the scrub of a disk does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
pub enum ScrubState {
    /// Waits until the next round is due.
    Waiting = 0,
    /// A round is under way.
    Running = 1,
    /// It may read nothing: the rate is 0. A round that was under way rests.
    Off = 2,
}

/// One round of a disk's scrub: every record that lay on the disk when it began is read back and checked.
#[derive(Clone, Copy, PartialEq, Eq, Hash, prost::Message)]
pub struct ScrubRound {
    /// Which one it is on this disk, from 1.
    #[prost(uint64, tag = "1")]
    pub number: u64,
    /// The order it carries out ([`crate::map::Disk::scrub_ordered`]); 0: it was due.
    #[prost(uint64, tag = "2")]
    pub order: u64,
    /// Unix seconds of its beginning, by the node's clock.
    #[prost(uint64, tag = "3")]
    pub began: u64,
    /// Unix seconds of its end; 0: it is under way.
    #[prost(uint64, tag = "4")]
    pub ended: u64,
    /// Bytes of records on the disk when it began.
    #[prost(uint64, tag = "5")]
    pub to_do: u64,
    /// Bytes of records read so far.
    #[prost(uint64, tag = "6")]
    pub bytes: u64,
    /// Records read so far.
    #[prost(uint64, tag = "7")]
    pub chunks: u64,
    /// Records found damaged.
    #[prost(uint64, tag = "8")]
    pub damaged: u64,
    /// Of these, replaced by repair since.
    #[prost(uint64, tag = "9")]
    pub mended: u64,
    /// Of these, deleted since.
    #[prost(uint64, tag = "10")]
    pub gone: u64,
    /// It ended before it was through, because an order began a new one.
    #[prost(bool, tag = "11")]
    pub cut_short: bool,
}

/// A disk's scrub in a heartbeat.
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct ScrubReport {
    /// What it does.
    #[prost(enumeration = "ScrubState", tag = "1")]
    pub state: i32,
    /// The round under way.
    #[prost(message, optional, tag = "2")]
    pub round: Option<ScrubRound>,
    /// Bytes per second it may read.
    #[prost(uint64, tag = "3")]
    pub cap: u64,
    /// Bytes per second it read lately.
    #[prost(uint64, tag = "4")]
    pub rate: u64,
    /// Seconds from the end of a round to the next one.
    #[prost(uint64, tag = "5")]
    pub period_s: u64,
    /// Unix seconds at which the next round is due.
    #[prost(uint64, tag = "6")]
    pub due: u64,
    /// The last order for which a round was begun; 0: none.
    #[prost(uint64, tag = "7")]
    pub order: u64,
    /// Damaged records that were found and are neither replaced nor deleted yet.
    #[prost(uint64, tag = "8")]
    pub open: u64,
    /// Changes whenever `history` does, within one life of the process.
    #[prost(uint64, tag = "9")]
    pub revision: u64,
    /// The last rounds, oldest first, at most 16. Left out when the leader has been told.
    #[prost(message, repeated, tag = "10")]
    pub history: Vec<ScrubRound>,
}

/// Sent by every chunkserver to the leader once a second, and at once when a disk's condition changes.
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct Heartbeat {
    /// The node.
    #[prost(uint64, tag = "1")]
    pub node: u64,
    /// Its disks.
    #[prost(message, repeated, tag = "2")]
    pub disks: Vec<DiskReport>,
    /// The map epoch it has.
    #[prost(uint64, tag = "3")]
    pub map_epoch: u64,
    /// Nodes it cannot reach.
    #[prost(uint64, repeated, tag = "4")]
    pub unreachable: Vec<u64>,
    /// Software version, for people.
    #[prost(string, tag = "5")]
    pub version: String,
    /// Milliseconds since the process started.
    #[prost(uint64, tag = "6")]
    pub uptime_ms: u64,
    /// Bytes of payload being handled right now.
    #[prost(uint64, tag = "7")]
    pub in_flight_bytes: u64,
}

/// Answer to [`Heartbeat`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, prost::Message)]
pub struct HeartbeatReply {
    /// The leader's term.
    #[prost(uint64, tag = "1")]
    pub term: u64,
    /// The current map epoch; fetch it if yours is lower.
    #[prost(uint64, tag = "2")]
    pub map_epoch: u64,
    /// Which life of the metadata.
    #[prost(uint64, tag = "3")]
    pub meta_incarnation: u64,
    /// Bytes per second that scrub may read of each disk, 0: no scrub; absent: what the node's configuration says.
    #[prost(uint64, optional, tag = "4")]
    pub scrub_rate: Option<u64>,
    /// Seconds between two rounds of scrub of a disk; absent: what the node's configuration says.
    #[prost(uint64, optional, tag = "5")]
    pub scrub_period_s: Option<u64>,
    /// Bytes per second that compaction may copy on each disk; absent: what the node's configuration says.
    #[prost(uint64, optional, tag = "6")]
    pub compact_rate: Option<u64>,
}

/// What a reader found wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
pub enum Finding {
    /// Checksum mismatch, at the member or at the reader.
    Damaged = 0,
    /// A clean member says it does not have the chunk.
    Absent = 1,
    /// The member's node does not answer.
    Unreachable = 2,
    /// The file system with the metadata of `node`, which reports it itself, is full.
    NoRoom = 3,
}

/// A client or chunkserver tells the leader of a bad replica or an unreachable node.
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct ReportProblem {
    /// What.
    #[prost(enumeration = "Finding", tag = "1")]
    pub finding: i32,
    /// The member.
    #[prost(message, optional, tag = "2")]
    pub disk: Option<DiskRef>,
    /// The node, with `Unreachable` and `NoRoom`.
    #[prost(uint64, tag = "3")]
    pub node: u64,
    /// Group.
    #[prost(uint32, tag = "4")]
    pub pg: u32,
    /// Chunk.
    #[prost(uint64, tag = "5")]
    pub number: u64,
    /// Who reports.
    #[prost(uint64, tag = "6")]
    pub session: u64,
}

/// Nothing more to say.
#[derive(Clone, Copy, PartialEq, Eq, Hash, prost::Message)]
pub struct Empty {}

/// Raft traffic: the metaserver encodes openraft's types into `body`; nobody else looks inside.
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct RaftEnvelope {
    /// Who sends.
    #[prost(uint64, tag = "1")]
    pub from: u64,
    /// To whom. A node refuses what is not meant for it.
    #[prost(uint64, tag = "2")]
    pub to: u64,
    /// Version of the encoding of `body`.
    #[prost(uint32, tag = "3")]
    pub version: u32,
    /// Encoded request or reply.
    #[prost(bytes = "bytes", tag = "4")]
    pub body: bytes::Bytes,
}

/// One piece of a snapshot file; the payload is its bytes.
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct SnapshotPiece {
    /// Who sends.
    #[prost(uint64, tag = "1")]
    pub from: u64,
    /// The snapshot.
    #[prost(string, tag = "2")]
    pub snapshot: String,
    /// File name within it; `MANIFEST` first.
    #[prost(string, tag = "3")]
    pub file: String,
    /// Offset within the file.
    #[prost(uint64, tag = "4")]
    pub offset: u64,
    /// CRC32C of the payload.
    #[prost(uint32, tag = "5")]
    pub crc: u32,
    /// The last piece of the last file. The body carries vote and metadata.
    #[prost(bool, tag = "6")]
    pub last: bool,
    /// With `last`: the encoded request. With the first: the manifest's digest.
    #[prost(bytes = "bytes", tag = "7")]
    pub body: bytes::Bytes,
    /// To whom.
    #[prost(uint64, tag = "8")]
    pub to: u64,
}

/// How far the receiver is with a file: go on from there.
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct SnapshotPieceReply {
    /// Next offset wanted in that file.
    #[prost(uint64, tag = "1")]
    pub next: u64,
    /// With `last`: the encoded reply.
    #[prost(bytes = "bytes", tag = "2")]
    pub body: bytes::Bytes,
    /// Refusal.
    #[prost(message, optional, tag = "3")]
    pub status: Option<Status>,
}
