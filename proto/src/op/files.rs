//! Commands on files by inode number, as a mount gives them.

use super::Unheld;
use crate::inode::{ChunkCommit, Extent, FileKind};

/// See [`super::Op::Create`].
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct Create {
    /// Directory.
    #[prost(uint64, tag = "1")]
    pub parent: u64,
    /// Plain name, without slash.
    #[prost(bytes = "bytes", tag = "2")]
    pub name: bytes::Bytes,
    /// What to make.
    #[prost(enumeration = "FileKind", tag = "3")]
    pub kind: i32,
    /// Low twelve bits of the mode, as the caller asked for them.
    #[prost(uint32, tag = "4")]
    pub mode: u32,
    /// Owner.
    #[prost(uint32, tag = "5")]
    pub uid: u32,
    /// Group; a set-group-id parent overrides it.
    #[prost(uint32, tag = "6")]
    pub gid: u32,
    /// Device number.
    #[prost(uint32, tag = "7")]
    pub rdev: u32,
    /// Target of a symbolic link.
    #[prost(bytes = "bytes", tag = "8")]
    pub target: bytes::Bytes,
    /// Return the existing file instead of `Exists` (open with O_CREAT, without O_EXCL).
    #[prost(bool, tag = "9")]
    pub or_open: bool,
    /// Storage class; 0: the directory's.
    #[prost(uint32, tag = "10")]
    pub class: u32,
    /// The session holds the file open from now on, under this number; 0: it does not. See
    /// [`crate::query::GetInode::open`].
    #[prost(uint64, tag = "11")]
    pub open: u64,
    /// Bits taken from `mode`, unless the directory has a default access list, or a symbolic link is made.
    #[prost(uint32, tag = "12")]
    pub umask: u32,
}

/// See [`super::Op::Link`].
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct Link {
    /// The file that gets another name.
    #[prost(uint64, tag = "1")]
    pub ino: u64,
    /// Directory of the new name.
    #[prost(uint64, tag = "2")]
    pub parent: u64,
    /// The new name.
    #[prost(bytes = "bytes", tag = "3")]
    pub name: bytes::Bytes,
}

/// See [`super::Op::Unlink`].
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct Unlink {
    /// Directory.
    #[prost(uint64, tag = "1")]
    pub parent: u64,
    /// Name.
    #[prost(bytes = "bytes", tag = "2")]
    pub name: bytes::Bytes,
    /// What the leader knows that nobody holds open. (Tag 3 was something else once.)
    #[prost(message, optional, tag = "4")]
    pub unheld: Option<Unheld>,
}

/// See [`super::Op::RemoveDir`].
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct RemoveDir {
    /// Directory.
    #[prost(uint64, tag = "1")]
    pub parent: u64,
    /// Name.
    #[prost(bytes = "bytes", tag = "2")]
    pub name: bytes::Bytes,
}

/// How a rename treats an existing target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
pub enum RenameMode {
    /// Replace it, as rename(2) does.
    Replace = 0,
    /// Fail with `Exists`.
    NoReplace = 1,
    /// Both must exist and change places.
    Exchange = 2,
}

/// See [`super::Op::Rename`].
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct Rename {
    /// Old directory.
    #[prost(uint64, tag = "1")]
    pub parent: u64,
    /// Old name.
    #[prost(bytes = "bytes", tag = "2")]
    pub name: bytes::Bytes,
    /// New directory.
    #[prost(uint64, tag = "3")]
    pub new_parent: u64,
    /// New name.
    #[prost(bytes = "bytes", tag = "4")]
    pub new_name: bytes::Bytes,
    /// What to do with an existing target.
    #[prost(enumeration = "RenameMode", tag = "5")]
    pub mode: i32,
    /// What the leader knows that nobody holds open. (Tag 6 was something else once.)
    #[prost(message, optional, tag = "7")]
    pub unheld: Option<Unheld>,
}

/// See [`super::Op::SetAttr`]. Absent fields stay as they are.
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct SetAttr {
    /// The inode.
    #[prost(uint64, tag = "1")]
    pub ino: u64,
    /// Low twelve bits. An access list follows them.
    #[prost(uint32, optional, tag = "2")]
    pub mode: Option<u32>,
    /// Owner.
    #[prost(uint32, optional, tag = "3")]
    pub uid: Option<u32>,
    /// Group.
    #[prost(uint32, optional, tag = "4")]
    pub gid: Option<u32>,
    /// New length: cuts, or grows with a hole.
    #[prost(uint64, optional, tag = "5")]
    pub size: Option<u64>,
    /// Access time.
    #[prost(int64, optional, tag = "6")]
    pub atime_ns: Option<i64>,
    /// Modification time.
    #[prost(int64, optional, tag = "7")]
    pub mtime_ns: Option<i64>,
    /// Storage class of new chunks.
    #[prost(uint32, optional, tag = "8")]
    pub class: Option<u32>,
    /// Drop set-user-id and set-group-id, as a write by another user does.
    #[prost(bool, tag = "9")]
    pub clear_suid: bool,
    /// The draft that was prepared because the command needed steps; 0: none.
    #[prost(uint64, tag = "10")]
    pub draft: u64,
    /// `size` is what the file is to have at least: a longer one stays as long as it is.
    #[prost(bool, tag = "11")]
    pub at_least: bool,
}

/// When a file was last read.
#[derive(Clone, Copy, PartialEq, Eq, Hash, prost::Message)]
pub struct AccessTime {
    /// The inode.
    #[prost(uint64, tag = "1")]
    pub ino: u64,
    /// Access time, nanoseconds since the Unix epoch.
    #[prost(int64, tag = "2")]
    pub atime_ns: i64,
}

/// See [`super::Op::SetAccessTimes`]. Not a change of attributes as chmod(2) or utimensat(2) are: the time of change
/// stays. Access times do not go back, and are not later than the command; inodes that are gone are passed over.
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct SetAccessTimes {
    /// At most 1000.
    #[prost(message, repeated, tag = "1")]
    pub times: Vec<AccessTime>,
}

/// How setting an extended attribute treats an existing one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
pub enum XattrMode {
    /// Create or replace.
    Set = 0,
    /// Fail with `Exists`.
    Create = 1,
    /// Fail with `NoAttribute`.
    Replace = 2,
}

/// See [`super::Op::SetXattr`]. `system.posix_acl_access` and `system.posix_acl_default` are access lists in the
/// kernel's form: they are checked, change the mode, and are not kept when the mode says it all.
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct SetXattr {
    /// The inode.
    #[prost(uint64, tag = "1")]
    pub ino: u64,
    /// Full name, with its namespace.
    #[prost(bytes = "bytes", tag = "2")]
    pub name: bytes::Bytes,
    /// Value, at most 64 KiB.
    #[prost(bytes = "bytes", tag = "3")]
    pub value: bytes::Bytes,
    /// What to do with an existing one.
    #[prost(enumeration = "XattrMode", tag = "4")]
    pub mode: i32,
    /// With an access list: drop set-group-id, because the caller is neither in the group nor privileged.
    #[prost(bool, tag = "5")]
    pub clear_sgid: bool,
}

/// See [`super::Op::RemoveXattr`].
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct RemoveXattr {
    /// The inode.
    #[prost(uint64, tag = "1")]
    pub ino: u64,
    /// Full name.
    #[prost(bytes = "bytes", tag = "2")]
    pub name: bytes::Bytes,
}

/// A range whose content changes. Without an extent source it becomes a hole.
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct Piece {
    /// First byte in the file. With `Write::append`, relative to the end of the file.
    #[prost(uint64, tag = "1")]
    pub offset: u64,
    /// Bytes.
    #[prost(uint64, tag = "2")]
    pub length: u64,
    /// Where the new content lies; its `offset` and `length` are ignored. Absent: a hole.
    #[prost(message, optional, tag = "3")]
    pub source: Option<Extent>,
}

/// See [`super::Op::Write`]. Content and length change together.
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct Write {
    /// The file.
    #[prost(uint64, tag = "1")]
    pub ino: u64,
    /// Chunks that this command makes known.
    #[prost(message, repeated, tag = "2")]
    pub chunks: Vec<ChunkCommit>,
    /// Ranges to change, in order.
    #[prost(message, repeated, tag = "3")]
    pub pieces: Vec<Piece>,
    /// Offsets count from the end of the file at apply time.
    #[prost(bool, tag = "4")]
    pub append: bool,
    /// Holes do not grow the file (punch with keep-size).
    #[prost(bool, tag = "5")]
    pub keep_size: bool,
    /// Only if the file's version is still this one; 0: any.
    #[prost(uint64, tag = "6")]
    pub if_version: u64,
    /// Drop set-user-id and set-group-id.
    #[prost(bool, tag = "7")]
    pub clear_suid: bool,
    /// The file has inline content, and this is its new whole content (at most the inline limit). Pieces empty.
    #[prost(bytes = "bytes", optional, tag = "8")]
    pub replace_inline: Option<bytes::Bytes>,
    /// The draft that was prepared because the command needed steps; 0: none.
    #[prost(uint64, tag = "9")]
    pub draft: u64,
    /// When the content was written, if that was before the command: the time of modification, unless it lies in the
    /// future. Absent: now.
    #[prost(int64, optional, tag = "10")]
    pub mtime_ns: Option<i64>,
}

/// See [`super::Op::CopyRange`]. At most 1,000 extents per command; the reply says how far it came.
#[derive(Clone, Copy, PartialEq, Eq, Hash, prost::Message)]
pub struct CopyRange {
    /// From this file,
    #[prost(uint64, tag = "1")]
    pub source: u64,
    /// from this byte,
    #[prost(uint64, tag = "2")]
    pub source_offset: u64,
    /// to this file,
    #[prost(uint64, tag = "3")]
    pub target: u64,
    /// to this byte,
    #[prost(uint64, tag = "4")]
    pub target_offset: u64,
    /// this many bytes.
    #[prost(uint64, tag = "5")]
    pub length: u64,
}

/// See [`super::Op::Compact`]. Refused with `PreconditionFailed` when the file's extents there are other ones by now.
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct Compact {
    /// The file.
    #[prost(uint64, tag = "1")]
    pub ino: u64,
    /// New chunks.
    #[prost(message, repeated, tag = "3")]
    pub chunks: Vec<ChunkCommit>,
    /// The same bytes at new places.
    #[prost(message, repeated, tag = "4")]
    pub pieces: Vec<Piece>,
    /// The extents whose bytes these are: neighbours without holes between them, as the file has them. Up to 500.
    #[prost(message, repeated, tag = "6")]
    pub expected: Vec<Extent>,
    /// Alone: nothing more is to be gained in this file until it is written to again.
    #[prost(bool, tag = "7")]
    pub settled: bool,
    /// With `settled` or `converted`: the version for which that is so; refused if it is another.
    #[prost(uint64, tag = "8")]
    pub if_version: u64,
    /// Alone: all content lies where this class wants it; refused if the file's class is another one. 0: no word on that.
    #[prost(uint32, tag = "9")]
    pub converted: u32,
}

/// See [`super::Op::FreeStep`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, prost::Message)]
pub struct FreeStep {
    /// The inode without names.
    #[prost(uint64, tag = "1")]
    pub ino: u64,
    /// Most extents to free.
    #[prost(uint32, tag = "2")]
    pub most: u32,
}
