//! Locks on ranges of files, as flock(2) and fcntl(2) give them, across all mounts.

/// What a lock keeps others from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
pub enum LockKind {
    /// No lock: gives the range back.
    Unlock = 0,
    /// Others may lock it shared, too.
    Shared = 1,
    /// Nobody else may lock it.
    Exclusive = 2,
}

/// See [`super::Op::SetLock`]. Sets the kind of a range for one owner; what the owner had there is replaced. Refused
/// with `Locked`, and the lock that is in the way, when somebody else's does not allow it. Never waits: who wants to
/// wait asks again.
#[derive(Clone, Copy, PartialEq, Eq, Hash, prost::Message)]
pub struct SetLock {
    /// The file.
    #[prost(uint64, tag = "1")]
    pub ino: u64,
    /// Whose lock, within the session: a process, or an open file.
    #[prost(uint64, tag = "2")]
    pub owner: u64,
    /// First byte.
    #[prost(uint64, tag = "3")]
    pub start: u64,
    /// Last byte; the highest number: to the end, wherever that will be.
    #[prost(uint64, tag = "4")]
    pub end: u64,
    /// What the range becomes.
    #[prost(enumeration = "LockKind", tag = "5")]
    pub kind: i32,
    /// The process, for F_GETLK.
    #[prost(uint32, tag = "6")]
    pub pid: u32,
    /// A lock of flock(2). Those and the locks of fcntl(2) know nothing of each other, as on Linux.
    #[prost(bool, tag = "7")]
    pub flock: bool,
}

/// A lock that somebody holds.
#[derive(Clone, Copy, PartialEq, Eq, Hash, prost::Message)]
pub struct FileLock {
    /// The session
    #[prost(uint64, tag = "1")]
    pub session: u64,
    /// and who within it.
    #[prost(uint64, tag = "2")]
    pub owner: u64,
    /// First byte.
    #[prost(uint64, tag = "3")]
    pub start: u64,
    /// Last byte; the highest number: to the end.
    #[prost(uint64, tag = "4")]
    pub end: u64,
    /// Shared or exclusive.
    #[prost(enumeration = "LockKind", tag = "5")]
    pub kind: i32,
    /// The process.
    #[prost(uint32, tag = "6")]
    pub pid: u32,
    /// A lock of flock(2).
    #[prost(bool, tag = "7")]
    pub flock: bool,
}
