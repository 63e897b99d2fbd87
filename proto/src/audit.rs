//! The audit log: who changed what, who came in, what happened to the cluster. A chain of BLAKE3 hashes: each entry's
//! hash covers the one before, so that none can be changed, dropped or put in without all later ones changing.

use crate::inode::KeyValue;

/// What somebody is who does something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
pub enum ActorKind {
    /// The cluster itself.
    System = 0,
    /// A client of which nothing more is known than what it says of itself.
    Client = 1,
    /// An account, in a browser.
    Account = 2,
    /// A program with an account's token.
    Token = 3,
    /// `holdfast admin` on a machine that reaches the cluster's own ports.
    CommandLine = 4,
    /// Nobody who could prove anything.
    Anonymous = 5,
}

/// Who does something.
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct Actor {
    /// What.
    #[prost(enumeration = "ActorKind", tag = "1")]
    pub kind: i32,
    /// The account, the user on the machine, or what a client says of itself.
    #[prost(string, tag = "2")]
    pub name: String,
    /// From where: an address.
    #[prost(string, tag = "3")]
    pub from: String,
}

/// What an entry is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
pub enum AuditKind {
    /// Somebody changed something, or tried to.
    Change = 0,
    /// Somebody came in, or tried to.
    Access = 1,
    /// Something happened to the cluster.
    Event = 2,
}

/// What is to be noted.
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct AuditNote {
    /// What it is about.
    #[prost(enumeration = "AuditKind", tag = "1")]
    pub kind: i32,
    /// Who.
    #[prost(message, optional, tag = "2")]
    pub actor: Option<Actor>,
    /// Stable name of what was done or happened: `disk.drain`, `login.failed`, `node.down`, …
    #[prost(string, tag = "3")]
    pub action: String,
    /// To what: `d7`, `n3`, an account, a path.
    #[prost(string, tag = "4")]
    pub target: String,
    /// More, by stable names.
    #[prost(message, repeated, tag = "5")]
    pub details: Vec<KeyValue>,
    /// It was refused.
    #[prost(bool, tag = "6")]
    pub refused: bool,
    /// Why, for a person; empty: there is nothing to say.
    #[prost(string, tag = "7")]
    pub message: String,
}

/// An entry, as it is encoded in [`SealedEntry::body`].
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct AuditEntry {
    /// Its number, from 1 without gaps.
    #[prost(uint64, tag = "1")]
    pub seq: u64,
    /// State time, nanoseconds since the Unix epoch.
    #[prost(int64, tag = "2")]
    pub at_ns: i64,
    /// Uptime of the cluster then, in seconds: how long it is kept goes by that.
    #[prost(uint64, tag = "3")]
    pub up_s: u64,
    /// Log index of the command that made it.
    #[prost(uint64, tag = "4")]
    pub index: u64,
    /// What it says.
    #[prost(message, optional, tag = "5")]
    pub note: Option<AuditNote>,
}

/// An entry as it is kept: its bytes never change, whatever later builds add to [`AuditEntry`].
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct SealedEntry {
    /// The encoded [`AuditEntry`].
    #[prost(bytes = "bytes", tag = "1")]
    pub body: bytes::Bytes,
    /// BLAKE3 over the hash of the entry before and the body.
    #[prost(bytes = "bytes", tag = "2")]
    pub hash: bytes::Bytes,
}

/// Both ends of the chain.
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct AuditEnds {
    /// Number of the newest entry; 0: there never was one.
    #[prost(uint64, tag = "1")]
    pub last: u64,
    /// Its hash.
    #[prost(bytes = "bytes", tag = "2")]
    pub hash: bytes::Bytes,
    /// Number of the newest entry that was let go of because of its age; 0: none was.
    #[prost(uint64, tag = "3")]
    pub trimmed: u64,
    /// Its hash.
    #[prost(bytes = "bytes", tag = "4")]
    pub trimmed_hash: bytes::Bytes,
}

/// Ask a metaserver to follow the chain in its own copy.
#[derive(Clone, Copy, PartialEq, Eq, Hash, prost::Message)]
pub struct VerifyAudit {
    /// Up to and including this entry; 0: to the end.
    #[prost(uint64, tag = "1")]
    pub upto: u64,
}

/// What it found.
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct VerifyAuditReply {
    /// Both ends as its copy says.
    #[prost(message, optional, tag = "1")]
    pub ends: Option<AuditEnds>,
    /// Entries that were looked at.
    #[prost(uint64, tag = "2")]
    pub entries: u64,
    /// The last of them.
    #[prost(uint64, tag = "3")]
    pub upto: u64,
    /// Its hash, as computed.
    #[prost(bytes = "bytes", tag = "4")]
    pub hash: bytes::Bytes,
    /// What is wrong, at most 1,000.
    #[prost(message, repeated, tag = "5")]
    pub problems: Vec<AuditProblem>,
    /// Log index of the copy that was looked at.
    #[prost(uint64, tag = "6")]
    pub index: u64,
}

/// Something that is wrong with the chain.
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct AuditProblem {
    /// At which entry.
    #[prost(uint64, tag = "1")]
    pub seq: u64,
    /// Stable name: `changed`, `missing`, `misplaced`, `end`.
    #[prost(string, tag = "2")]
    pub code: String,
    /// For a person.
    #[prost(string, tag = "3")]
    pub message: String,
}
