//! The cluster map: nodes, disks, classes, placement groups, each with the epoch of its last change.
//!
//! What always holds: the epoch grows by one with every command that changes membership, never with liveness or
//! fill, which are soft state beside the map ([`DiskLoad`]). A delta is every object whose `epoch` is higher than
//! the one the asker has. Objects are never dropped from a delta: what is gone stays as a tombstone state.

use crate::geometry::Geometry;
use crate::ids::{DiskId, Incarnation};

/// Level at which the members of a group must differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
pub enum FailureDomain {
    /// Different disks.
    Disk = 0,
    /// Different hosts (a node stands for its own host unless labelled).
    Host = 1,
    /// Different racks.
    Rack = 2,
    /// Different zones.
    Zone = 3,
}

/// Standing of a node or disk, set by administrators and by the leader.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
pub enum Standing {
    /// Takes part.
    In = 0,
    /// Being emptied: keeps serving, gets nothing new.
    Draining = 1,
    /// Its data is being rebuilt elsewhere because it is gone or failed.
    Out = 2,
    /// Holds nothing any more; kept as a tombstone.
    Removed = 3,
    /// Expected to be away for a while: not `out` before the window ends.
    Maintenance = 4,
}

/// What an administrator began with a node or disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
pub enum ProcedureKind {
    /// It is emptied ([`Standing::Draining`]).
    Drain = 0,
    /// It is expected to be away ([`Standing::Maintenance`]).
    Maintenance = 1,
    /// Of a disk: an empty one takes its place, or has taken it and is being filled.
    Replacement = 2,
}

/// A procedure under way, with what is needed to say how far it is whoever leads.
#[derive(Clone, Copy, PartialEq, Eq, Hash, prost::Message)]
pub struct Procedure {
    /// Which.
    #[prost(enumeration = "ProcedureKind", tag = "1")]
    pub kind: i32,
    /// State time of its beginning, nanoseconds.
    #[prost(int64, tag = "2")]
    pub began_ns: i64,
    /// Groups that counted on the disk, or on disks of the node, when it began.
    #[prost(uint64, tag = "3")]
    pub groups: u64,
    /// Bytes of them on it then, as far as they were counted.
    #[prost(uint64, tag = "4")]
    pub bytes: u64,
    /// Of maintenance: the uptime of the cluster, in seconds, at which it ends by itself; 0: only when told to.
    #[prost(uint64, tag = "5")]
    pub until_s: u64,
}

/// Roles of a node, as bits of [`Node::roles`].
pub mod roles {
    /// Votes and keeps metadata.
    pub const META: u32 = 1;
    /// Keeps chunks.
    pub const CHUNK: u32 = 2;
    /// Serves S3.
    pub const GATEWAY: u32 = 4;
    /// Runs data jobs for the leader.
    pub const WORKER: u32 = 8;
    /// Votes only.
    pub const WITNESS: u32 = 16;
}

/// One node.
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct Node {
    /// Its id.
    #[prost(uint64, tag = "1")]
    pub id: u64,
    /// Epoch of its last change.
    #[prost(uint64, tag = "2")]
    pub epoch: u64,
    /// Where its RPC port listens, `host:port`.
    #[prost(string, tag = "3")]
    pub address: String,
    /// See [`roles`].
    #[prost(uint32, tag = "4")]
    pub roles: u32,
    /// Zone label; empty when unlabelled.
    #[prost(string, tag = "5")]
    pub zone: String,
    /// Rack label; empty when unlabelled.
    #[prost(string, tag = "6")]
    pub rack: String,
    /// Host label; empty: the node stands for its own host.
    #[prost(string, tag = "7")]
    pub host: String,
    /// Whether it takes part.
    #[prost(enumeration = "Standing", tag = "8")]
    pub standing: i32,
    /// Where its S3 port listens, if it has one.
    #[prost(string, tag = "9")]
    pub s3_address: String,
    /// Where its admin port listens, if it has one.
    #[prost(string, tag = "10")]
    pub admin_address: String,
    /// What is under way with it: present exactly while it is draining or in maintenance.
    #[prost(message, optional, tag = "11")]
    pub procedure: Option<Procedure>,
}

/// One disk.
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct Disk {
    /// Its id.
    #[prost(uint32, tag = "1")]
    pub id: u32,
    /// Epoch of its last change.
    #[prost(uint64, tag = "2")]
    pub epoch: u64,
    /// Which life of it.
    #[prost(uint64, tag = "3")]
    pub incarnation: u64,
    /// The node it belongs to.
    #[prost(uint64, tag = "4")]
    pub node: u64,
    /// Bytes it can keep, as registered.
    #[prost(uint64, tag = "5")]
    pub capacity: u64,
    /// Share of new data relative to its capacity, in thousandths; 1000 is normal.
    #[prost(uint32, tag = "6")]
    pub weight: u32,
    /// Whether it takes part.
    #[prost(enumeration = "Standing", tag = "7")]
    pub standing: i32,
    /// Random bytes written into its superblock, so that a swapped disk is noticed.
    #[prost(bytes = "bytes", tag = "8")]
    pub fingerprint: bytes::Bytes,
    /// Its directory on the node, for people.
    #[prost(string, tag = "9")]
    pub path: String,
    /// Log index of the last order to scrub it; 0: there was none. The node begins a round for each it has not seen.
    #[prost(uint64, tag = "10")]
    pub scrub_ordered: u64,
    /// What is under way with it.
    #[prost(message, optional, tag = "11")]
    pub procedure: Option<Procedure>,
    /// An administrator said that this life of it is lost for good: an empty directory in its place takes its number
    /// at once, whatever counts on it.
    #[prost(bool, tag = "12")]
    pub lost: bool,
}

/// Copies.
#[derive(Clone, Copy, PartialEq, Eq, Hash, prost::Message)]
pub struct Replicated {
    /// Members of a group.
    #[prost(uint32, tag = "1")]
    pub copies: u32,
    /// Fewest counted acknowledgements with which a commit succeeds.
    #[prost(uint32, tag = "2")]
    pub min_copies: u32,
}

/// Reed-Solomon shards.
#[derive(Clone, Copy, PartialEq, Eq, Hash, prost::Message)]
pub struct Erasure {
    /// Data shards.
    #[prost(uint32, tag = "1")]
    pub data: u32,
    /// Parity shards.
    #[prost(uint32, tag = "2")]
    pub parity: u32,
    /// Bytes of a cell.
    #[prost(uint64, tag = "3")]
    pub cell_bytes: u64,
}

impl Erasure {
    /// The arithmetic of this shape.
    pub fn geometry(&self) -> Geometry {
        Geometry { data: self.data, parity: self.parity, cell_bytes: self.cell_bytes }
    }
}

/// How a class keeps its chunks safe.
#[derive(Clone, Copy, PartialEq, Eq, Hash, prost::Message)]
pub struct Redundancy {
    /// Copies or shards.
    #[prost(oneof = "redundancy::Kind", tags = "1, 2")]
    pub kind: Option<redundancy::Kind>,
}

/// The two kinds of redundancy.
pub mod redundancy {
    /// Copies or shards.
    #[derive(Clone, Copy, PartialEq, Eq, Hash, prost::Oneof)]
    pub enum Kind {
        /// Copies.
        #[prost(message, tag = "1")]
        Replicated(super::Replicated),
        /// Shards.
        #[prost(message, tag = "2")]
        Erasure(super::Erasure),
    }
}

impl Redundancy {
    /// Plain copies.
    pub fn replicated(copies: u32, min_copies: u32) -> Self {
        Self { kind: Some(redundancy::Kind::Replicated(Replicated { copies, min_copies })) }
    }

    /// Members a group of this redundancy has.
    pub fn members(&self) -> u32 {
        match &self.kind {
            Some(redundancy::Kind::Replicated(r)) => r.copies,
            Some(redundancy::Kind::Erasure(e)) => e.data + e.parity,
            None => 0,
        }
    }

    /// Fewest counted acknowledgements with which a commit succeeds.
    pub fn min_acks(&self) -> u32 {
        match &self.kind {
            Some(redundancy::Kind::Replicated(r)) => r.min_copies,
            // One below full, unless that would leave nothing to lose (DESIGN §3, "Write, erasure").
            Some(redundancy::Kind::Erasure(e)) if e.parity > 1 => e.data + 1,
            Some(redundancy::Kind::Erasure(e)) => e.data + e.parity,
            None => u32::MAX,
        }
    }

    /// Chunks are cut into shards, each member holding another one.
    pub fn is_erasure(&self) -> bool {
        matches!(self.kind, Some(redundancy::Kind::Erasure(_)))
    }

    /// Members that suffice to read.
    pub fn min_readable(&self) -> u32 {
        match &self.kind {
            Some(redundancy::Kind::Replicated(_)) => 1,
            Some(redundancy::Kind::Erasure(e)) => e.data,
            None => u32::MAX,
        }
    }
}

/// A named redundancy policy.
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct StorageClass {
    /// Its id; 1 is the default class.
    #[prost(uint32, tag = "1")]
    pub id: u32,
    /// Epoch of its last change.
    #[prost(uint64, tag = "2")]
    pub epoch: u64,
    /// Its name, for people and S3.
    #[prost(string, tag = "3")]
    pub name: String,
    /// Copies or shards.
    #[prost(message, optional, tag = "4")]
    pub redundancy: Option<Redundancy>,
    /// Level at which members must differ, when the cluster has that many domains.
    #[prost(enumeration = "FailureDomain", tag = "5")]
    pub domain: i32,
    /// Content up to this many bytes lies in metadata.
    #[prost(uint64, tag = "6")]
    pub inline_limit: u64,
    /// Largest chunk, in bytes.
    #[prost(uint64, tag = "7")]
    pub chunk_bytes: u64,
    /// For an erasure class: the replicated class for what is too small or cannot be placed; else 0.
    #[prost(uint32, tag = "8")]
    pub companion: u32,
}

/// Whether a group takes new chunks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
pub enum PgState {
    /// Takes new chunks.
    Writable = 0,
    /// Large enough; reads and repairs only.
    Sealed = 1,
    /// Empty and gone; the id is never used again.
    Retired = 2,
}

/// One disk's place in a group.
#[derive(Clone, Copy, PartialEq, Eq, Hash, prost::Message)]
pub struct Member {
    /// The disk.
    #[prost(uint32, tag = "1")]
    pub disk: u32,
    /// Which life of it.
    #[prost(uint64, tag = "2")]
    pub incarnation: u64,
    /// Epoch at which it joined the group.
    #[prost(uint64, tag = "3")]
    pub joined: u64,
    /// Has every chunk of the group but those in `missing/`. Until then "not found" on it means nothing.
    #[prost(bool, tag = "4")]
    pub clean: bool,
    /// An extra copy that stands in for a silent member and leaves when that one is back or replaced.
    #[prost(bool, tag = "5")]
    pub temporary: bool,
    /// Log index of the command with which it joined: what a backfill must reach.
    #[prost(uint64, tag = "6")]
    pub joined_index: u64,
    /// Which shard of every chunk it holds: its position, or that of the member whose place it is to take. 0 in a
    /// replicated group.
    #[prost(uint32, tag = "7")]
    pub shard: u32,
    /// Of a temporary member: the disk of the member whose place it takes once it is filled, although that one is well.
    /// 0: none in particular.
    #[prost(uint32, tag = "8")]
    pub takes: u32,
}

impl Member {
    /// Whether it is on its way into the place of `place`.
    pub fn takes_place_of(&self, place: &Self) -> bool {
        self.temporary && self.takes != 0 && self.takes == place.disk && self.shard == place.shard
    }

    /// The disk and which life of it.
    pub fn identity(&self) -> (DiskId, Incarnation) {
        (DiskId(self.disk), Incarnation(self.incarnation))
    }
}

/// A placement group.
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct Pg {
    /// Its id, from 1.
    #[prost(uint32, tag = "1")]
    pub id: u32,
    /// Epoch of its last change.
    #[prost(uint64, tag = "2")]
    pub epoch: u64,
    /// The class whose chunks it keeps.
    #[prost(uint32, tag = "3")]
    pub class: u32,
    /// Its members in shard order; temporary ones behind the regular ones.
    #[prost(message, repeated, tag = "4")]
    pub members: Vec<Member>,
    /// Whether it takes new chunks.
    #[prost(enumeration = "PgState", tag = "5")]
    pub state: i32,
    /// The metadata group that owns it; 0 while there is one.
    #[prost(uint32, tag = "6")]
    pub meta_group: u32,
}

/// Soft state of a disk beside the map: the leader's view, seconds old.
#[derive(Clone, Copy, PartialEq, Eq, Hash, prost::Message)]
pub struct DiskLoad {
    /// The disk.
    #[prost(uint32, tag = "1")]
    pub disk: u32,
    /// Bytes it keeps.
    #[prost(uint64, tag = "2")]
    pub used: u64,
    /// Bytes it can still take.
    #[prost(uint64, tag = "3")]
    pub free: u64,
    /// How reachable it seems.
    #[prost(enumeration = "Liveness", tag = "4")]
    pub liveness: i32,
}

/// How the leader sees a node or disk right now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
pub enum Liveness {
    /// Heard from within three seconds.
    Alive = 0,
    /// Silent for three seconds, or others report it unreachable: new writes avoid it.
    Suspect = 1,
    /// Silent for ten seconds.
    Down = 2,
    /// Answers, but the disk has failed.
    Failed = 3,
    /// Answers, but is full.
    Full = 4,
}

/// Ask for the map.
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct MapRequest {
    /// The epoch the asker has; 0: none.
    #[prost(uint64, tag = "1")]
    pub have: u64,
    /// Groups wanted whatever their epoch and state.
    #[prost(uint32, repeated, tag = "2")]
    pub pgs: Vec<u32>,
    /// Every group that changed, not only writable ones and those that stopped being so.
    #[prost(bool, tag = "3")]
    pub all_pgs: bool,
}

/// The map, or what changed of it.
#[derive(Clone, PartialEq, prost::Message)]
pub struct MapReply {
    /// The epoch it brings the asker to.
    #[prost(uint64, tag = "1")]
    pub epoch: u64,
    /// Changed nodes.
    #[prost(message, repeated, tag = "2")]
    pub nodes: Vec<Node>,
    /// Changed disks.
    #[prost(message, repeated, tag = "3")]
    pub disks: Vec<Disk>,
    /// Changed classes.
    #[prost(message, repeated, tag = "4")]
    pub classes: Vec<StorageClass>,
    /// Changed or wanted groups.
    #[prost(message, repeated, tag = "5")]
    pub pgs: Vec<Pg>,
    /// Soft state of every disk.
    #[prost(message, repeated, tag = "6")]
    pub loads: Vec<DiskLoad>,
    /// The cluster.
    #[prost(bytes = "bytes", tag = "7")]
    pub cluster: bytes::Bytes,
    /// Which life of the metadata: changes when it is restored from a backup.
    #[prost(uint64, tag = "8")]
    pub meta_incarnation: u64,
    /// Everything, not a delta: forget what you had.
    #[prost(bool, tag = "9")]
    pub full: bool,
    /// The leader's id and term when it answered.
    #[prost(uint64, tag = "10")]
    pub leader: u64,
    /// See `leader`.
    #[prost(uint64, tag = "11")]
    pub term: u64,
    /// Nodes that the leader does not hear: `(node, liveness)` for those not alive.
    #[prost(message, repeated, tag = "12")]
    pub silent: Vec<NodeLiveness>,
}

/// The leader's view of a node.
#[derive(Clone, Copy, PartialEq, Eq, Hash, prost::Message)]
pub struct NodeLiveness {
    /// The node.
    #[prost(uint64, tag = "1")]
    pub node: u64,
    /// How reachable it seems.
    #[prost(enumeration = "Liveness", tag = "2")]
    pub liveness: i32,
    /// Milliseconds since the leader last heard from it.
    #[prost(uint64, tag = "3")]
    pub silent_ms: u64,
}
