//! Messages to chunkservers: from clients (write, read), from each other (read) and from the leader (orders).
//!
//! Payload bytes never travel inside a message: they follow it on the wire.
//!
//! What always holds: a member refuses other bytes under an id it has; it checks every block's CRC32C before it
//! takes a record; it deletes, pulls and moves only on an [`Order`] of the highest term it has seen.

use crate::map::Member;
use crate::op::DiskRef;

/// Store one replica or shard. The payload is its bytes. The reply is [`WriteReply`], sent when durable.
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct WriteChunk {
    /// Which disk of the node.
    #[prost(message, optional, tag = "1")]
    pub disk: Option<DiskRef>,
    /// Placement group.
    #[prost(uint32, tag = "2")]
    pub pg: u32,
    /// Chunk number.
    #[prost(uint64, tag = "3")]
    pub number: u64,
    /// Shard index; 0 for a replica.
    #[prost(uint32, tag = "4")]
    pub shard: u32,
    /// Length of the whole chunk (of the payload, for a replica).
    #[prost(uint64, tag = "5")]
    pub chunk_bytes: u64,
    /// CRC32C of each 4 KiB block of the payload, little endian, 4 bytes each; the last block may be short.
    #[prost(bytes = "bytes", tag = "6")]
    pub crcs: bytes::Bytes,
    /// The epoch of the writer's map.
    #[prost(uint64, tag = "7")]
    pub epoch: u64,
    /// BLAKE3 of the whole chunk, kept with the record; 32 bytes, or empty when not known yet.
    #[prost(bytes = "bytes", tag = "8")]
    pub blake3: bytes::Bytes,
    /// The writing session.
    #[prost(uint64, tag = "9")]
    pub session: u64,
}

/// The chunk is durable here.
#[derive(Clone, Copy, PartialEq, Eq, Hash, prost::Message)]
pub struct WriteReply {
    /// The map epoch that counts for this acknowledgement: the member's own, at least that of the group.
    #[prost(uint64, tag = "1")]
    pub epoch: u64,
    /// The disk was asked with this incarnation.
    #[prost(uint64, tag = "2")]
    pub incarnation: u64,
}

/// Read a range of a replica or shard. The reply is [`ReadReply`]; its payload is the covering blocks.
#[derive(Clone, Copy, PartialEq, Eq, Hash, prost::Message)]
pub struct ReadChunk {
    /// Which disk of the node. Incarnation 0: any.
    #[prost(message, optional, tag = "1")]
    pub disk: Option<DiskRef>,
    /// Placement group.
    #[prost(uint32, tag = "2")]
    pub pg: u32,
    /// Chunk number.
    #[prost(uint64, tag = "3")]
    pub number: u64,
    /// Shard index; 0 for a replica.
    #[prost(uint32, tag = "4")]
    pub shard: u32,
    /// First byte within the replica or shard.
    #[prost(uint64, tag = "5")]
    pub offset: u64,
    /// Bytes; cut at the end of the record.
    #[prost(uint64, tag = "6")]
    pub length: u64,
    /// Background work (repair, scrub): served behind everything else.
    #[prost(bool, tag = "7")]
    pub background: bool,
}

/// The payload that follows starts at the block boundary at or below the offset asked for.
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct ReadReply {
    /// First byte of the payload within the record; a multiple of the block length.
    #[prost(uint64, tag = "1")]
    pub offset: u64,
    /// Length of the whole record.
    #[prost(uint64, tag = "2")]
    pub record_bytes: u64,
    /// CRC32C of each block in the payload, little endian.
    #[prost(bytes = "bytes", tag = "3")]
    pub crcs: bytes::Bytes,
    /// Length of the whole chunk.
    #[prost(uint64, tag = "4")]
    pub chunk_bytes: u64,
    /// BLAKE3 of the whole chunk as the writer gave it.
    #[prost(bytes = "bytes", tag = "5")]
    pub blake3: bytes::Bytes,
}

/// The authority of a leader's order. Lower terms, and lower group epochs, than those seen are refused.
#[derive(Clone, Copy, PartialEq, Eq, Hash, prost::Message)]
pub struct Order {
    /// The leader's term.
    #[prost(uint64, tag = "1")]
    pub term: u64,
    /// Which life of the metadata.
    #[prost(uint64, tag = "2")]
    pub meta_incarnation: u64,
    /// Epoch of the group the order is about.
    #[prost(uint64, tag = "3")]
    pub pg_epoch: u64,
    /// The log index as of which it was decided.
    #[prost(uint64, tag = "4")]
    pub index: u64,
    /// The leader.
    #[prost(uint64, tag = "5")]
    pub leader: u64,
}

/// Delete chunks of one group on one disk. Answered when the tombstones are durable. Unknown chunks are fine.
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct DeleteChunks {
    /// Authority.
    #[prost(message, optional, tag = "1")]
    pub order: Option<Order>,
    /// The disk.
    #[prost(message, optional, tag = "2")]
    pub disk: Option<DiskRef>,
    /// The group.
    #[prost(uint32, tag = "3")]
    pub pg: u32,
    /// Chunk numbers, at most 10,000.
    #[prost(uint64, repeated, tag = "4")]
    pub numbers: Vec<u64>,
    /// The disk left the group: everything it has of it goes. `numbers` is empty.
    #[prost(bool, tag = "5")]
    pub whole_pg: bool,
}

/// Answer to [`DeleteChunks`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, prost::Message)]
pub struct DeleteReply {
    /// How many of them were there.
    #[prost(uint64, tag = "1")]
    pub deleted: u64,
}

/// Where a chunk can be had from.
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct Source {
    /// The member.
    #[prost(message, optional, tag = "1")]
    pub member: Option<Member>,
    /// Its node.
    #[prost(uint64, tag = "2")]
    pub node: u64,
    /// Its node's RPC address.
    #[prost(string, tag = "3")]
    pub address: String,
    /// Its shard index.
    #[prost(uint32, tag = "4")]
    pub shard: u32,
}

/// A chunk to pull.
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct PullItem {
    /// Chunk number.
    #[prost(uint64, tag = "1")]
    pub number: u64,
    /// Length of the whole chunk.
    #[prost(uint64, tag = "2")]
    pub chunk_bytes: u64,
    /// BLAKE3 of the whole chunk, from metadata.
    #[prost(bytes = "bytes", tag = "3")]
    pub blake3: bytes::Bytes,
}

/// Make chunks of one group durable on one disk, from other members. Answered when done, item by item.
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct PullChunks {
    /// Authority.
    #[prost(message, optional, tag = "1")]
    pub order: Option<Order>,
    /// The disk that shall have them.
    #[prost(message, optional, tag = "2")]
    pub disk: Option<DiskRef>,
    /// The group.
    #[prost(uint32, tag = "3")]
    pub pg: u32,
    /// Shard index of the disk in the group.
    #[prost(uint32, tag = "4")]
    pub shard: u32,
    /// Members that may have them, best first.
    #[prost(message, repeated, tag = "5")]
    pub sources: Vec<Source>,
    /// What to pull, at most 256 chunks.
    #[prost(message, repeated, tag = "6")]
    pub items: Vec<PullItem>,
    /// Replace what is there even if its bytes look right (a reported mismatch).
    #[prost(bool, tag = "7")]
    pub force: bool,
    /// The class's redundancy.
    #[prost(message, optional, tag = "8")]
    pub redundancy: Option<crate::map::Redundancy>,
    /// Bytes per second at most; 0: no cap.
    #[prost(uint64, tag = "9")]
    pub rate: u64,
    /// The data is one failure away from loss: make no room for clients.
    #[prost(bool, tag = "10")]
    pub urgent: bool,
}

/// Answer to [`PullChunks`]. Numbers in neither list were not tried: time ran out, or the disk failed.
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct PullReply {
    /// Numbers now durable (pulled, or verified to be there).
    #[prost(uint64, repeated, tag = "1")]
    pub done: Vec<u64>,
    /// Numbers that no source could give, with why.
    #[prost(message, repeated, tag = "2")]
    pub failed: Vec<PullFailure>,
    /// Bytes moved over the network.
    #[prost(uint64, tag = "3")]
    pub bytes: u64,
}

/// A chunk that could not be pulled.
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct PullFailure {
    /// Chunk number.
    #[prost(uint64, tag = "1")]
    pub number: u64,
    /// Why.
    #[prost(message, optional, tag = "2")]
    pub status: Option<crate::status::Status>,
    /// Sources on which it is damaged or not found.
    #[prost(message, repeated, tag = "3")]
    pub bad: Vec<DiskRef>,
}

/// A page of what a disk has of one group, in order of number. Refused with `Busy` before the disk has
/// reconciled after a start.
#[derive(Clone, Copy, PartialEq, Eq, Hash, prost::Message)]
pub struct ListRecords {
    /// The disk.
    #[prost(message, optional, tag = "1")]
    pub disk: Option<DiskRef>,
    /// The group; 0: list groups instead, one entry per group with `number` = group id.
    #[prost(uint32, tag = "2")]
    pub pg: u32,
    /// Behind this number.
    #[prost(uint64, tag = "3")]
    pub after: u64,
    /// Most entries, at most 10,000.
    #[prost(uint32, tag = "4")]
    pub most: u32,
}

/// One record.
#[derive(Clone, Copy, PartialEq, Eq, Hash, prost::Message)]
pub struct RecordEntry {
    /// Chunk number, or group id.
    #[prost(uint64, tag = "1")]
    pub number: u64,
    /// Placement epoch under which it came.
    #[prost(uint64, tag = "2")]
    pub epoch: u64,
    /// Payload bytes.
    #[prost(uint64, tag = "3")]
    pub bytes: u64,
    /// Shard index.
    #[prost(uint32, tag = "4")]
    pub shard: u32,
}

/// Answer to [`ListRecords`].
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct RecordList {
    /// Entries.
    #[prost(message, repeated, tag = "1")]
    pub entries: Vec<RecordEntry>,
    /// There is more.
    #[prost(bool, tag = "2")]
    pub more: bool,
}

/// Read a record back from the platters and check every byte (after repair, scrub on demand).
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct VerifyChunks {
    /// The disk.
    #[prost(message, optional, tag = "1")]
    pub disk: Option<DiskRef>,
    /// The group.
    #[prost(uint32, tag = "2")]
    pub pg: u32,
    /// Chunk numbers, at most 1,000.
    #[prost(uint64, repeated, tag = "3")]
    pub numbers: Vec<u64>,
}

/// Answer to [`VerifyChunks`].
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct VerifyReply {
    /// Whole.
    #[prost(uint64, repeated, tag = "1")]
    pub good: Vec<u64>,
    /// There, but damaged.
    #[prost(uint64, repeated, tag = "2")]
    pub damaged: Vec<u64>,
    /// Not there.
    #[prost(uint64, repeated, tag = "3")]
    pub absent: Vec<u64>,
}
