//! What can go wrong, in one list, and what a caller should do about it.
//!
//! A [`Status`] travels over the wire and inside replicated replies. It answers one question for everybody:
//! [`Status::retry`]. S3 codes and errno are chosen at the doors, from [`Code`] alone.

use std::time::Duration;

use crate::ids::{Epoch, NodeId};
use crate::reason::Reason;

/// What happened. The number is the wire form and is never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
pub enum Code {
    /// It worked.
    Ok = 0,
    /// The request makes no sense as it stands.
    InvalidArgument = 1,
    /// No such file, directory or other named thing.
    NotFound = 2,
    /// The name is taken.
    Exists = 3,
    /// A directory was needed.
    NotADirectory = 4,
    /// A directory cannot be used like that.
    IsADirectory = 5,
    /// The directory or bucket still has content.
    NotEmpty = 6,
    /// A name or path is longer than allowed.
    NameTooLong = 7,
    /// The caller may not do this.
    PermissionDenied = 8,
    /// The caller did not prove who it is.
    Unauthenticated = 9,
    /// A condition of the request (version, ETag, emptiness) does not hold.
    PreconditionFailed = 10,
    /// The inode has as many links as it can have.
    TooManyLinks = 11,
    /// The request or file is larger than allowed.
    TooLarge = 12,
    /// No disk can take the data.
    NoSpace = 13,
    /// A quota is used up.
    QuotaExceeded = 14,
    /// Known, but not offered.
    Unsupported = 15,
    /// No such bucket.
    NoSuchBucket = 16,
    /// No such multipart upload.
    NoSuchUpload = 17,
    /// No such extended attribute.
    NoAttribute = 18,
    /// A part named in a multipart completion is missing or differs.
    InvalidPart = 19,
    /// Parts are not in ascending order.
    InvalidPartOrder = 20,
    /// A part other than the last is smaller than 5 MiB.
    PartTooSmall = 21,
    /// The inode is gone (its last name was removed and nobody holds it open).
    StaleInode = 22,
    /// Renaming a directory into itself.
    Loop = 23,
    /// The access key is not known.
    NoSuchKey = 24,
    /// Somebody else holds a conflicting lock; the reply says who.
    Locked = 25,
    /// What is to be moved would leave the tree that a quota counts, or enter one; it can be copied.
    CrossDevice = 26,
    /// The session is not known or has ended; nothing was executed.
    SessionExpired = 30,
    /// A chunk was made under a grant that is closed.
    GrantClosed = 31,
    /// Chunks named in the reply do not have enough counted acknowledgements and must be written anew.
    ChunksRejected = 32,
    /// The sequence number lies below the window; its reply is no longer kept.
    OutOfWindow = 33,
    /// More than one command may change; nothing was executed. The reply names the draft to prepare first, and the
    /// client library does that by itself.
    NeedsSteps = 34,
    /// This node does not lead the metadata group.
    NotLeader = 40,
    /// The caller's cluster map is older than what it acts on.
    StaleMap = 41,
    /// An order of an older term or epoch.
    StaleOrder = 42,
    /// The node asked is not the one meant.
    WrongNode = 43,
    /// The peer belongs to another cluster.
    WrongCluster = 44,
    /// No common protocol version, or a format this build does not know.
    WrongVersion = 45,
    /// The disk is not here, or another incarnation of it is.
    WrongDisk = 46,
    /// Too much work at the moment.
    Busy = 50,
    /// The deadline passed. Whether the work was done is unknown.
    Timeout = 51,
    /// The peer cannot be reached. Whether the work was done is unknown.
    Unavailable = 52,
    /// The node is shutting down.
    ShuttingDown = 53,
    /// Bytes do not match their checksum.
    Corrupt = 60,
    /// This member does not have the chunk.
    ChunkNotFound = 61,
    /// Different bytes already exist under this chunk id.
    ChunkConflict = 62,
    /// The disk has failed and is out of service.
    DiskFailed = 63,
    /// The disk has no room for new chunks.
    DiskFull = 64,
    /// Data cannot be read now: too few members answer. Nothing says that it is lost.
    DataUnavailable = 65,
    /// Something that should never happen; the log has the details.
    Internal = 70,
}

/// What a caller should do about a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// The same request will fail the same way.
    Never,
    /// Ask the same node again, not before this long.
    Busy {
        /// Shortest wait.
        after: Duration,
    },
    /// Another member may succeed.
    OtherMember,
    /// Ask the leader, whose id may be known.
    NewLeader(Option<NodeId>),
    /// Fetch a map of at least this epoch, then try again.
    RefreshMap(Epoch),
}

/// An outcome as it travels. `code` other than `Ok` is a refusal.
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct Status {
    /// A [`Code`].
    #[prost(enumeration = "Code", tag = "1")]
    pub code: i32,
    /// For a person: what went wrong, with ids, and what to do. Never holds a secret.
    #[prost(string, tag = "2")]
    pub message: String,
    /// With `Busy`: do not ask again before this many milliseconds.
    #[prost(uint64, tag = "3")]
    pub after_ms: u64,
    /// With `NotLeader`: the leader, if known.
    #[prost(uint64, tag = "4")]
    pub leader: u64,
    /// With `StaleMap`: the epoch to have at least.
    #[prost(uint64, tag = "5")]
    pub epoch: u64,
    /// With `NotLeader`: where the leader listens, if known.
    #[prost(string, tag = "6")]
    pub leader_address: String,
    /// What speaks against it, with codes, where the message says that.
    #[prost(message, repeated, tag = "7")]
    pub reasons: Vec<Reason>,
}

impl Status {
    /// A refusal.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code: code as i32, message: message.into(), ..Self::default() }
    }

    /// "Not now": ask again after a while.
    pub fn busy(after: Duration, message: impl Into<String>) -> Self {
        Self { after_ms: after.as_millis() as u64, ..Self::new(Code::Busy, message) }
    }

    /// "Not here": the leader is elsewhere.
    pub fn not_leader(leader: Option<NodeId>, address: impl Into<String>) -> Self {
        Self {
            leader: leader.map_or(0, u64::from),
            leader_address: address.into(),
            ..Self::new(Code::NotLeader, "this node does not lead the metadata group")
        }
    }

    /// "Your map is old": fetch one of at least `epoch`.
    pub fn stale_map(epoch: Epoch, message: impl Into<String>) -> Self {
        Self { epoch: epoch.0, ..Self::new(Code::StaleMap, message) }
    }

    /// Any error that should never happen.
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(Code::Internal, message)
    }

    /// The code; a number this build does not know counts as [`Code::Internal`].
    pub fn kind(&self) -> Code {
        Code::try_from(self.code).unwrap_or(Code::Internal)
    }

    /// Whether this is a success.
    pub fn is_ok(&self) -> bool {
        self.code == Code::Ok as i32
    }

    /// Whether the request may have been carried out although it failed here.
    pub fn outcome_unknown(&self) -> bool {
        matches!(self.kind(), Code::Timeout | Code::Unavailable)
    }

    /// What to do about it.
    pub fn retry(&self) -> Retry {
        use Code as C;
        match self.kind() {
            C::NotLeader => Retry::NewLeader((self.leader != 0).then_some(NodeId(self.leader))),
            C::StaleMap | C::WrongDisk => Retry::RefreshMap(Epoch(self.epoch)),
            C::Busy => Retry::Busy { after: Duration::from_millis(self.after_ms.max(1)) },
            C::ShuttingDown
            | C::Unavailable
            | C::Timeout
            | C::Corrupt
            | C::ChunkNotFound
            | C::DiskFailed
            | C::DiskFull
            | C::WrongNode
            | C::DataUnavailable => Retry::OtherMember,
            C::Ok
            | C::InvalidArgument
            | C::NotFound
            | C::Exists
            | C::NotADirectory
            | C::IsADirectory
            | C::NotEmpty
            | C::NameTooLong
            | C::PermissionDenied
            | C::Unauthenticated
            | C::PreconditionFailed
            | C::TooManyLinks
            | C::TooLarge
            | C::NoSpace
            | C::QuotaExceeded
            | C::Unsupported
            | C::NoSuchBucket
            | C::NoSuchUpload
            | C::NoAttribute
            | C::InvalidPart
            | C::InvalidPartOrder
            | C::PartTooSmall
            | C::StaleInode
            | C::Loop
            | C::NoSuchKey
            | C::Locked
            | C::CrossDevice
            | C::SessionExpired
            | C::GrantClosed
            | C::ChunksRejected
            | C::OutOfWindow
            | C::NeedsSteps
            | C::StaleOrder
            | C::WrongCluster
            | C::WrongVersion
            | C::ChunkConflict
            | C::Internal => Retry::Never,
        }
    }
}

impl std::fmt::Display for Status {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match Code::try_from(self.code) {
            Ok(code) => write!(f, "{code:?}")?,
            Err(_) => write!(f, "code {}", self.code)?,
        }
        if !self.message.is_empty() {
            write!(f, ": {}", self.message)?;
        }
        Ok(())
    }
}

impl std::error::Error for Status {}
