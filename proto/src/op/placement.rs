//! Commands on nodes, disks, classes and placement groups, and on what members still lack or must delete.

use crate::map::{FailureDomain, Redundancy, Standing};

/// See [`super::Op::RegisterNode`]. With id 0 a new id is made from the log index.
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct RegisterNode {
    /// 0, or the node that updates its addresses.
    #[prost(uint64, tag = "1")]
    pub id: u64,
    /// Random bytes kept in the node's identity file: a node with the same secret asking again gets the same id.
    #[prost(bytes = "bytes", tag = "2")]
    pub nonce: bytes::Bytes,
    /// RPC address.
    #[prost(string, tag = "3")]
    pub address: String,
    /// See [`crate::map::roles`].
    #[prost(uint32, tag = "4")]
    pub roles: u32,
    /// Zone label.
    #[prost(string, tag = "5")]
    pub zone: String,
    /// Rack label.
    #[prost(string, tag = "6")]
    pub rack: String,
    /// Host label.
    #[prost(string, tag = "7")]
    pub host: String,
    /// S3 address.
    #[prost(string, tag = "8")]
    pub s3_address: String,
    /// Admin address.
    #[prost(string, tag = "9")]
    pub admin_address: String,
}

/// See [`super::Op::RegisterDisk`]. The same fingerprint gets the same id and incarnation again.
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct RegisterDisk {
    /// The node it is on.
    #[prost(uint64, tag = "1")]
    pub node: u64,
    /// Random bytes of its superblock.
    #[prost(bytes = "bytes", tag = "2")]
    pub fingerprint: bytes::Bytes,
    /// Bytes it can keep.
    #[prost(uint64, tag = "3")]
    pub capacity: u64,
    /// Directory on the node, for people.
    #[prost(string, tag = "4")]
    pub path: String,
    /// Weight in thousandths for a new disk; 0: 1000.
    #[prost(uint32, tag = "5")]
    pub weight: u32,
    /// 0, or the disk that this one replaces in place: same id, new incarnation.
    #[prost(uint32, tag = "6")]
    pub replaces: u32,
    /// An administrator said that the replaced disk is lost for good: groups that still count on it lose it.
    #[prost(bool, tag = "7")]
    pub lost: bool,
}

/// See [`super::Op::SetNode`].
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct SetNode {
    /// The node.
    #[prost(uint64, tag = "1")]
    pub id: u64,
    /// New standing.
    #[prost(enumeration = "Standing", optional, tag = "2")]
    pub standing: Option<i32>,
    /// New zone.
    #[prost(string, optional, tag = "3")]
    pub zone: Option<String>,
    /// New rack.
    #[prost(string, optional, tag = "4")]
    pub rack: Option<String>,
    /// New host.
    #[prost(string, optional, tag = "5")]
    pub host: Option<String>,
    /// With a standing that begins a procedure: bytes that count on its disks, as the leader counted them.
    #[prost(uint64, tag = "6")]
    pub bytes: u64,
    /// With maintenance: seconds of the cluster's uptime after which it ends by itself; 0: never.
    #[prost(uint64, tag = "7")]
    pub window_s: u64,
    /// Only while the maintenance under way ends at this uptime; 0: in any case.
    #[prost(uint64, tag = "8")]
    pub if_until_s: u64,
}

/// See [`super::Op::SetDisk`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, prost::Message)]
pub struct SetDisk {
    /// The disk.
    #[prost(uint32, tag = "1")]
    pub id: u32,
    /// Only if this is its incarnation; 0: any.
    #[prost(uint64, tag = "2")]
    pub incarnation: u64,
    /// New standing.
    #[prost(enumeration = "Standing", optional, tag = "3")]
    pub standing: Option<i32>,
    /// New weight.
    #[prost(uint32, optional, tag = "4")]
    pub weight: Option<u32>,
    /// New capacity.
    #[prost(uint64, optional, tag = "5")]
    pub capacity: Option<u64>,
    /// With a standing that begins a procedure, or with `lost`: bytes that count on it, as the leader counted them.
    #[prost(uint64, tag = "6")]
    pub bytes: u64,
    /// It is lost for good, so that an empty one may take its place at once ([`crate::map::Disk::lost`]): it is given up
    /// ([`Standing::Out`]). False: it is not, after all.
    #[prost(bool, optional, tag = "7")]
    pub lost: Option<bool>,
    /// The leader: nothing counts on an earlier life of it any more, its replacement is through.
    #[prost(bool, tag = "8")]
    pub replaced: bool,
}

/// See [`super::Op::OrderScrub`]. All or none: refused if one of the disks is not there, removed, or given up.
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct OrderScrub {
    /// The disks, at most 1,000; incarnation 0: whichever it lives.
    #[prost(message, repeated, tag = "1")]
    pub disks: Vec<DiskRef>,
}

/// See [`super::Op::PutClass`].
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct PutClass {
    /// 0: a new one.
    #[prost(uint32, tag = "1")]
    pub id: u32,
    /// Name.
    #[prost(string, tag = "2")]
    pub name: String,
    /// Copies or shards. Of an existing class only copies may change: new groups follow at once, old ones by repair.
    #[prost(message, optional, tag = "3")]
    pub redundancy: Option<Redundancy>,
    /// Level at which members must differ.
    #[prost(enumeration = "FailureDomain", tag = "4")]
    pub domain: i32,
    /// Inline limit in bytes.
    #[prost(uint64, tag = "5")]
    pub inline_limit: u64,
    /// Largest chunk in bytes.
    #[prost(uint64, tag = "6")]
    pub chunk_bytes: u64,
    /// Companion of an erasure class.
    #[prost(uint32, tag = "7")]
    pub companion: u32,
    /// Only if the class's epoch is this one (0: any), so that two leaders' automatic changes do not cross.
    #[prost(uint64, tag = "8")]
    pub if_epoch: u64,
}

/// A group to be.
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct NewPg {
    /// Its class.
    #[prost(uint32, tag = "1")]
    pub class: u32,
    /// Its disks in shard order.
    #[prost(message, repeated, tag = "2")]
    pub disks: Vec<DiskRef>,
}

/// A disk in one of its lives.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, prost::Message)]
pub struct DiskRef {
    /// The disk.
    #[prost(uint32, tag = "1")]
    pub disk: u32,
    /// Its incarnation.
    #[prost(uint64, tag = "2")]
    pub incarnation: u64,
}

/// See [`super::Op::CreatePgs`]. New members are clean: there is nothing to hold yet.
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct CreatePgs {
    /// Groups to make.
    #[prost(message, repeated, tag = "1")]
    pub pgs: Vec<NewPg>,
}

/// See [`super::Op::ChangePg`]. Refused with `StaleOrder` unless the group's epoch is `if_epoch`.
/// Dropping a clean member is refused if fewer readable clean members than the class's minimum would remain.
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct ChangePg {
    /// The group.
    #[prost(uint32, tag = "1")]
    pub pg: u32,
    /// The epoch the planner saw.
    #[prost(uint64, tag = "2")]
    pub if_epoch: u64,
    /// This member leaves (its position is taken by `add`, if both are set).
    #[prost(message, optional, tag = "3")]
    pub remove: Option<DiskRef>,
    /// This disk joins, not clean yet.
    #[prost(message, optional, tag = "4")]
    pub add: Option<DiskRef>,
    /// The joining member is temporary.
    #[prost(bool, tag = "5")]
    pub temporary: bool,
    /// In an erasure group: the shard that a temporary member is to hold.
    #[prost(uint32, tag = "6")]
    pub shard: u32,
    /// The disk of the member whose place the joining temporary member is to take when it is filled; 0: none.
    #[prost(uint32, tag = "7")]
    pub takes: u32,
}

/// See [`super::Op::SetPgState`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, prost::Message)]
pub struct SetPgState {
    /// The group.
    #[prost(uint32, tag = "1")]
    pub pg: u32,
    /// The epoch the planner saw.
    #[prost(uint64, tag = "2")]
    pub if_epoch: u64,
    /// A [`crate::map::PgState`]. Retiring is refused while the group has chunks or garbage.
    #[prost(enumeration = "crate::map::PgState", tag = "3")]
    pub state: i32,
}

/// See [`super::Op::MemberClean`]. Refused while the member's `missing/` records of this group are not empty, or when
/// the walk did not reach the member's `joined_index`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, prost::Message)]
pub struct MemberClean {
    /// The group.
    #[prost(uint32, tag = "1")]
    pub pg: u32,
    /// The member.
    #[prost(message, optional, tag = "2")]
    pub member: Option<DiskRef>,
    /// The member's `joined` epoch that the backfill was for.
    #[prost(uint64, tag = "3")]
    pub joined: u64,
    /// The chunk records of the group were walked as of this log index.
    #[prost(uint64, tag = "4")]
    pub walked_index: u64,
}

/// See [`super::Op::ClearMissing`].
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct ClearMissing {
    /// The group.
    #[prost(uint32, tag = "1")]
    pub pg: u32,
    /// The member.
    #[prost(message, optional, tag = "2")]
    pub member: Option<DiskRef>,
    /// Chunk numbers now durable there, at most 1,000.
    #[prost(uint64, repeated, tag = "3")]
    pub numbers: Vec<u64>,
}

/// See [`super::Op::AddMissing`].
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct AddMissing {
    /// The group.
    #[prost(uint32, tag = "1")]
    pub pg: u32,
    /// The member.
    #[prost(message, optional, tag = "2")]
    pub member: Option<DiskRef>,
    /// Chunk numbers it lacks, at most 1,000. Those without a chunk record are passed over.
    #[prost(uint64, repeated, tag = "3")]
    pub numbers: Vec<u64>,
}

/// One member's progress in one group's garbage.
#[derive(Clone, Copy, PartialEq, Eq, Hash, prost::Message)]
pub struct GcCursor {
    /// The group.
    #[prost(uint32, tag = "1")]
    pub pg: u32,
    /// The member.
    #[prost(message, optional, tag = "2")]
    pub member: Option<DiskRef>,
    /// Every batch up to and including this index is tombstoned there, durably.
    #[prost(uint64, tag = "3")]
    pub index: u64,
}

/// See [`super::Op::AdvanceGc`]. Batches that every member has passed are dropped, up to 1,000 per command.
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct AdvanceGc {
    /// Progress.
    #[prost(message, repeated, tag = "1")]
    pub cursors: Vec<GcCursor>,
}

/// See [`Op::ClearLeave`]. Sent by the leader when the disk's tombstone for the whole group is durable, or when the
/// disk has another incarnation by now. Also removes the disk's `missing/` records of the group, at most 2,000 per
/// command: while the reply's `progress` is not 0, send it again.
#[derive(Clone, Copy, PartialEq, Eq, Hash, prost::Message)]
pub struct ClearLeave {
    /// The group that was left.
    #[prost(uint32, tag = "1")]
    pub pg: u32,
    /// The disk, with the incarnation that left.
    #[prost(message, optional, tag = "2")]
    pub disk: Option<DiskRef>,
    /// It may still hold chunks of the group: only its `missing/` records go, which are nobody's worry any more.
    #[prost(bool, tag = "3")]
    pub holds: bool,
}

/// How close to loss a group is, as the leader notes it. What is only placed badly is whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
pub enum Ailment {
    /// Nothing is lacking: what was noted is forgotten.
    Whole = 0,
    /// Lacks something, but could lose one more member.
    Degraded = 1,
    /// One more failure would make it unreadable.
    AtRisk = 2,
    /// Cannot be read whole now.
    Unavailable = 3,
}

/// One group's condition.
#[derive(Clone, Copy, PartialEq, Eq, Hash, prost::Message)]
pub struct GroupNote {
    /// The group.
    #[prost(uint32, tag = "1")]
    pub pg: u32,
    /// Its condition.
    #[prost(enumeration = "Ailment", tag = "2")]
    pub ailment: i32,
    /// It has been so for this long already, in milliseconds: as long as who is missing has been silent.
    #[prost(uint64, tag = "3")]
    pub age_ms: u64,
}

/// See [`super::Op::NoteGroups`]. Groups that are gone are passed over.
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct NoteGroups {
    /// Groups whose condition changed, at most 1,000.
    #[prost(message, repeated, tag = "1")]
    pub notes: Vec<GroupNote>,
}
