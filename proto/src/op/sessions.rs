//! Commands about sessions: opening, grants, inodes without names that sessions hold.

/// See [`super::Op::Noop`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, prost::Message)]
pub struct Noop {}

/// See [`super::Op::CloseSession`]. Grants close, locks and opens are released.
#[derive(Clone, Copy, PartialEq, Eq, Hash, prost::Message)]
pub struct CloseSession {}

/// See [`super::Op::ExpireSession`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, prost::Message)]
pub struct ExpireSession {
    /// The session to end.
    #[prost(uint64, tag = "1")]
    pub session: u64,
}

/// See [`super::Op::RenewGrant`]. The reply carries the new grant.
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct RenewGrant {
    /// Grants of this session whose chunks are all committed or abandoned.
    #[prost(uint64, repeated, tag = "1")]
    pub close: Vec<u64>,
    /// Wants a new one.
    #[prost(bool, tag = "2")]
    pub open: bool,
}

/// See [`super::Op::CountUptime`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, prost::Message)]
pub struct CountUptime {
    /// Seconds for which the leader led since it counted last, by its monotonic clock. At most one hour.
    #[prost(uint32, tag = "1")]
    pub seconds: u32,
}

/// See [`super::Op::ReleaseInode`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, prost::Message)]
pub struct ReleaseInode {
    /// The draft that this session gives up.
    #[prost(uint64, tag = "1")]
    pub ino: u64,
}

/// Inodes of which the leader knows that no session holds them open. A command that takes the last name from one of
/// them frees it; any other inode it leaves without a name stays until the leader knows that nobody holds it.
///
/// Filled in by the leader's `prepare`. Who has what open is in its memory only, so this is a statement about a
/// moment, and the state checks that the moment still counts: an inode that a `Create` opened behind `as_of` is kept,
/// and so is every one once a later term has begun.
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct Unheld {
    /// Their numbers.
    #[prost(uint64, repeated, tag = "1")]
    pub inos: Vec<u64>,
    /// Every `Create` up to this log index that opened its file had been counted.
    #[prost(uint64, tag = "2")]
    pub as_of: u64,
    /// The leader's term.
    #[prost(uint64, tag = "3")]
    pub term: u64,
}

/// See [`super::Op::FreeNameless`]. The reply's `progress` says how many were freed.
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct FreeNameless {
    /// Inodes without names, at most 256. With none, the command only says that this term has begun.
    #[prost(message, optional, tag = "1")]
    pub unheld: Option<Unheld>,
}
