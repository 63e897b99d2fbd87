//! The first exchange on every connection: who each side is and what both can speak.
//!
//! What always holds: nothing else is handled on a connection before both sides have agreed. New fields are
//! optional for older builds; the version range decides what may be sent afterwards.

use crate::status::Status;

/// Sent by the side that connects, before anything else.
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct Hello {
    /// The cluster it belongs to; empty when it does not know yet (a new client, a node that joins).
    #[prost(bytes = "bytes", tag = "1")]
    pub cluster: bytes::Bytes,
    /// The life of the metadata it knows; 0: none.
    #[prost(uint64, tag = "2")]
    pub meta_incarnation: u64,
    /// Its node; 0 for a client.
    #[prost(uint64, tag = "3")]
    pub node: u64,
    /// The node it wants to talk to; 0: whoever answers.
    #[prost(uint64, tag = "4")]
    pub expected_node: u64,
    /// Lowest protocol version it speaks.
    #[prost(uint32, tag = "5")]
    pub lowest_version: u32,
    /// Highest protocol version it speaks.
    #[prost(uint32, tag = "6")]
    pub highest_version: u32,
    /// Optional abilities, one bit each.
    #[prost(uint64, tag = "7")]
    pub features: u64,
    /// Its session; 0: none.
    #[prost(uint64, tag = "8")]
    pub session: u64,
    /// Proof that it may use the session.
    #[prost(bytes = "bytes", tag = "9")]
    pub credential: bytes::Bytes,
    /// Kind of traffic: 1 Raft control, 2 Raft log, 3 metadata, 4 data.
    #[prost(uint32, tag = "10")]
    pub class: u32,
}

/// The answer. With a refusal in `status` the connection is closed behind it.
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct HelloReply {
    /// Absent: welcome.
    #[prost(message, optional, tag = "1")]
    pub status: Option<Status>,
    /// The cluster of the side that answers; empty when it has none yet.
    #[prost(bytes = "bytes", tag = "2")]
    pub cluster: bytes::Bytes,
    /// The life of the metadata it knows; 0: none.
    #[prost(uint64, tag = "3")]
    pub meta_incarnation: u64,
    /// Its node.
    #[prost(uint64, tag = "4")]
    pub node: u64,
    /// The version both will speak.
    #[prost(uint32, tag = "5")]
    pub version: u32,
    /// Abilities both have.
    #[prost(uint64, tag = "6")]
    pub features: u64,
    /// Requests it handles at once on this connection.
    #[prost(uint32, tag = "7")]
    pub max_in_flight: u32,
}
