//! Commands about sessions: opening, grants, holders of nameless inodes.

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
    /// The inode without a name that this session no longer holds open.
    #[prost(uint64, tag = "1")]
    pub ino: u64,
}
