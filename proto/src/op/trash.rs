//! Commands on the trash: files that lost their last name and are kept for a while.

use super::Unheld;

/// By which way a file lost its last name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
pub enum TrashWay {
    /// Its name was removed through a mount or by `holdfast rm`.
    Unlinked = 0,
    /// Something else was renamed to its name.
    RenamedOver = 1,
    /// It was deleted by path: an S3 DELETE, or `holdfast rm -r`.
    Deleted = 2,
    /// An object was put, copied or completed in its place.
    Overwritten = 3,
    /// Another file was restored in its place.
    RestoredOver = 4,
}

/// A kept file. A file that was restored and deleted again is another item.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, prost::Message)]
pub struct TrashRef {
    /// Its inode.
    #[prost(uint64, tag = "1")]
    pub ino: u64,
    /// Log index of its deletion; 0: whichever that was.
    #[prost(uint64, tag = "2")]
    pub index: u64,
}

/// See [`super::Op::RestoreFile`]. Missing parent directories are made. Refused with `Exists` when the name is taken,
/// with `NotADirectory` when a file is where a parent should be.
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct RestoreFile {
    /// What to restore.
    #[prost(message, optional, tag = "1")]
    pub item: Option<TrashRef>,
    /// Where to, from the root; empty: where it was.
    #[prost(bytes = "bytes", tag = "2")]
    pub path: bytes::Bytes,
    /// A file there gives way: it is deleted as any other, so it is kept in its turn.
    #[prost(bool, tag = "3")]
    pub replace: bool,
    /// What the leader knows that nobody holds open.
    #[prost(message, optional, tag = "4")]
    pub unheld: Option<Unheld>,
}

/// See [`super::Op::EmptyTrash`]. Items that are not in the trash any more are passed over. The reply's `progress` says
/// how many of the list, from its start, are done with: the rest is to be sent again.
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct EmptyTrash {
    /// What to let go of, at most 128 items.
    #[prost(message, repeated, tag = "1")]
    pub items: Vec<TrashRef>,
    /// Only what is due by now.
    #[prost(bool, tag = "2")]
    pub due: bool,
}

/// See [`super::Op::SetTrashTime`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, prost::Message)]
pub struct SetTrashTime {
    /// A directory.
    #[prost(uint64, tag = "1")]
    pub ino: u64,
    /// How long files are kept that are deleted anywhere below it, in seconds of cluster uptime; 0: not at all. Absent:
    /// as above it.
    #[prost(uint64, optional, tag = "2")]
    pub seconds: Option<u64>,
}
