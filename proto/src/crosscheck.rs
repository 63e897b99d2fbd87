//! Messages of `fsck`: what was found on one disk about one group, and what the leader makes of it.
//!
//! What always holds: the asker only points. The leader looks at the state and at the disk itself before it says
//! anything, and nothing is written down or deleted but what it found to be so.

use crate::op::DiskRef;

/// Look into what was found on one disk about one group.
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct CrossCheck {
    /// The disk, in the life that was looked at.
    #[prost(message, optional, tag = "1")]
    pub disk: Option<DiskRef>,
    /// The group.
    #[prost(uint32, tag = "2")]
    pub pg: u32,
    /// Numbers of records that the disk listed and that were not found in metadata; at most 5,000.
    #[prost(uint64, repeated, tag = "3")]
    pub records: Vec<u64>,
    /// Numbers of chunks whose copy on the disk seemed to be absent, damaged or of another length; at most 64.
    #[prost(uint64, repeated, tag = "4")]
    pub copies: Vec<u64>,
    /// Have it put right: copies that are found bad are written down as missing and copied anew by repair; records that
    /// nothing refers to are deleted, and so is all of a group that the disk neither belongs to nor is needed for.
    #[prost(bool, tag = "5")]
    pub repair: bool,
}

/// How a disk stands to a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
pub enum Belonging {
    /// A member that has every chunk but those known to be missing.
    Member = 0,
    /// A member that is being filled.
    Filling = 1,
    /// It left the group and lets go of what it has once no reader can need it.
    Leaving = 2,
    /// No member, and nobody counts on what it has.
    Stray = 3,
    /// No member, but the group may need what it has: nothing is deleted.
    Needed = 4,
    /// The group is unknown to metadata: it was never made there.
    NeverMade = 5,
}

/// What the leader makes of a record that was not found in metadata.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
pub enum RecordVerdict {
    /// Metadata knows the chunk: it was committed meanwhile.
    Known = 0,
    /// Its grant is open: the commit may still come.
    MayCommit = 1,
    /// The chunk was deleted; it waits for the last readers, or for its turn.
    Garbage = 2,
    /// Nothing refers to it and nothing ever will.
    Orphan = 3,
    /// It was such an orphan, and is deleted now.
    Deleted = 4,
    /// There is more garbage than can be looked through at once: another time.
    Undecided = 5,
}

/// What the leader makes of a copy that seemed to be bad.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
pub enum CopyVerdict {
    /// It is there and right.
    Whole = 0,
    /// The chunk is deleted, or the disk has nothing to do with the group any more.
    NotWanted = 1,
    /// Known to be missing: repair brings it.
    Awaited = 2,
    /// Not on the disk.
    Absent = 3,
    /// On the disk, and its checksums are wrong.
    Damaged = 4,
    /// On the disk and right in itself, but of another length or another shard than metadata says.
    Wrong = 5,
}

/// Answer to [`CrossCheck`], as of `index`.
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct CrossCheckReply {
    /// Log index of the state that was looked at.
    #[prost(uint64, tag = "1")]
    pub index: u64,
    /// How the disk stands to the group.
    #[prost(enumeration = "Belonging", tag = "2")]
    pub belonging: i32,
    /// For each of `records`, in order. Empty unless the disk is a member.
    #[prost(enumeration = "RecordVerdict", repeated, tag = "3")]
    pub records: Vec<i32>,
    /// For each of `copies`, in order.
    #[prost(enumeration = "CopyVerdict", repeated, tag = "4")]
    pub copies: Vec<i32>,
    /// Copies that were written down as missing now.
    #[prost(uint64, tag = "5")]
    pub noted: u64,
    /// Everything the disk has of a group that it does not belong to was deleted.
    #[prost(bool, tag = "6")]
    pub dropped: bool,
    /// Deleting what nothing refers to is turned off (the setting `gc_enabled`).
    #[prost(bool, tag = "7")]
    pub collection_off: bool,
}
