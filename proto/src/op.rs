//! Commands: what changes the replicated state. They are the wire form of a client's request and what lies in
//! the Raft log, so both are pinned by golden bytes.
//!
//! What always holds:
//! - A command is deterministic to apply: time and everything random travels in it. The leader's `prepare` fills
//!   what a client must not choose (`now_ns`, `holders`).
//! - No command touches more than 4,096 keys or 1 MiB. Longer work goes in steps on an invisible inode.
//! - A refusal is an answer: it is replicated and kept in the session's window like a success.

use crate::inode::{ChunkCommit, Content, Extent, FileKind, Inode, KeyValue, ObjectMeta};
use crate::map::{FailureDomain, Redundancy, Standing};
use crate::session::OpenSession;
use crate::status::Status;

/// A command as a client sends it and as it is logged.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Command {
    /// Who. 0: the leader itself; such commands are conditional and have no window.
    #[prost(uint64, tag = "1")]
    pub session: u64,
    /// Number of the command within the session, from 1.
    #[prost(uint64, tag = "2")]
    pub seq: u64,
    /// Lowest number whose reply the client has not seen; replies below are dropped.
    #[prost(uint64, tag = "3")]
    pub lowest_unanswered: u64,
    /// The leader's wall clock, set by `prepare`. The state machine uses max(previous, this).
    #[prost(int64, tag = "4")]
    pub now_ns: i64,
    /// Opens the session first.
    #[prost(message, optional, tag = "5")]
    pub open: Option<OpenSession>,
    /// What to do.
    #[prost(
        oneof = "Op",
        tags = "10, 11, 12, 13, 14, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 40, 41, 42, 43, 44, 45, 46, 50, 51, 52, 53, 54, 55, 60, 61, 62, 63, 64, 65, 66, 67, 68, 69, 70, 71, 72, 73, 74, 80, 81, 82, 83"
    )]
    pub op: Option<Op>,
}

/// Everything that can be asked of the state.
#[derive(Clone, PartialEq, prost::Oneof)]
pub enum Op {
    // Sessions
    /// Nothing, but through the log: opens a session, or proves leadership.
    #[prost(message, tag = "10")]
    Noop(Noop),
    /// End the session.
    #[prost(message, tag = "11")]
    CloseSession(CloseSession),
    /// The leader ends a silent session.
    #[prost(message, tag = "12")]
    ExpireSession(ExpireSession),
    /// A new grant, closing old ones.
    #[prost(message, tag = "13")]
    RenewGrant(RenewGrant),
    /// Holders let go of an inode without a name.
    #[prost(message, tag = "14")]
    ReleaseInode(ReleaseInode),
    // Files by inode (mount)
    /// Create a file, directory, symlink or special file.
    #[prost(message, tag = "20")]
    Create(Create),
    /// One more name.
    #[prost(message, tag = "21")]
    Link(Link),
    /// Remove a name of something that is not a directory.
    #[prost(message, tag = "22")]
    Unlink(Unlink),
    /// Remove an empty directory.
    #[prost(message, tag = "23")]
    RemoveDir(RemoveDir),
    /// Move or exchange names.
    #[prost(message, tag = "24")]
    Rename(Rename),
    /// Change attributes, length included.
    #[prost(message, tag = "25")]
    SetAttr(SetAttr),
    /// Set an extended attribute.
    #[prost(message, tag = "26")]
    SetXattr(SetXattr),
    /// Remove an extended attribute.
    #[prost(message, tag = "27")]
    RemoveXattr(RemoveXattr),
    /// Swap ranges of a file's content.
    #[prost(message, tag = "28")]
    Write(Write),
    /// Copy a range by reference.
    #[prost(message, tag = "29")]
    CopyRange(CopyRange),
    /// A worker replaces a window of extents by one chunk, if nothing changed.
    #[prost(message, tag = "30")]
    Compact(Compact),
    // Objects by path (S3, command line)
    /// Create or replace a file by path, with its parents.
    #[prost(message, tag = "40")]
    PutObject(PutObject),
    /// Remove files by path.
    #[prost(message, tag = "41")]
    DeleteObjects(DeleteObjects),
    /// Copy a file by reference.
    #[prost(message, tag = "42")]
    CopyObject(CopyObject),
    /// Create a directory and its parents by path.
    #[prost(message, tag = "43")]
    MakeDirs(MakeDirs),
    /// Create a bucket.
    #[prost(message, tag = "44")]
    CreateBucket(CreateBucket),
    /// Delete an empty bucket.
    #[prost(message, tag = "45")]
    DeleteBucket(DeleteBucket),
    /// Replace metadata or tags of an object.
    #[prost(message, tag = "46")]
    SetObjectMeta(SetObjectMeta),
    // Multipart
    /// Begin an upload.
    #[prost(message, tag = "50")]
    CreateUpload(CreateUpload),
    /// Put one part.
    #[prost(message, tag = "51")]
    PutPart(PutPart),
    /// Put one part by reference to an object.
    #[prost(message, tag = "52")]
    CopyPart(CopyPart),
    /// One step of joining parts on an invisible inode.
    #[prost(message, tag = "53")]
    AssembleUpload(AssembleUpload),
    /// Make the joined object visible and end the upload.
    #[prost(message, tag = "54")]
    FinishUpload(FinishUpload),
    /// Give the upload up; its parts are freed in steps.
    #[prost(message, tag = "55")]
    AbortUpload(AbortUpload),
    // Cluster
    /// Register or update a node.
    #[prost(message, tag = "60")]
    RegisterNode(RegisterNode),
    /// Register a disk, or a new incarnation of one.
    #[prost(message, tag = "61")]
    RegisterDisk(RegisterDisk),
    /// Change labels or standing of a node.
    #[prost(message, tag = "62")]
    SetNode(SetNode),
    /// Change weight or standing of a disk.
    #[prost(message, tag = "63")]
    SetDisk(SetDisk),
    /// Create or change a storage class.
    #[prost(message, tag = "64")]
    PutClass(PutClass),
    /// Create placement groups.
    #[prost(message, tag = "65")]
    CreatePgs(CreatePgs),
    /// Replace, add or drop members of a group.
    #[prost(message, tag = "66")]
    ChangePg(ChangePg),
    /// Seal, reopen or retire a group.
    #[prost(message, tag = "67")]
    SetPgState(SetPgState),
    /// A member holds every chunk it should.
    #[prost(message, tag = "68")]
    MemberClean(MemberClean),
    /// Chunks that a member lacked are there now.
    #[prost(message, tag = "69")]
    ClearMissing(ClearMissing),
    /// Chunks that a member should hold were found missing or damaged on it.
    #[prost(message, tag = "70")]
    AddMissing(AddMissing),
    /// Members made deletes durable.
    #[prost(message, tag = "71")]
    AdvanceGc(AdvanceGc),
    /// One step of freeing an inode without names.
    #[prost(message, tag = "72")]
    FreeStep(FreeStep),
    /// One step of removing an aborted or finished upload's rest.
    #[prost(message, tag = "73")]
    FreeUploadStep(FreeUploadStep),
    /// The first command of a cluster.
    #[prost(message, tag = "74")]
    Genesis(Genesis),
    // Administration
    /// Create or replace an S3 access key.
    #[prost(message, tag = "80")]
    PutKey(PutKey),
    /// Delete an S3 access key.
    #[prost(message, tag = "81")]
    DeleteKey(DeleteKey),
    /// Change a cluster setting.
    #[prost(message, tag = "82")]
    PutSetting(PutSetting),
    /// Create or delete the token with which nodes join.
    #[prost(message, tag = "83")]
    PutJoinToken(PutJoinToken),
}

/// See [`Op::Noop`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, prost::Message)]
pub struct Noop {}

/// See [`Op::CloseSession`]. Grants close, locks and opens are released.
#[derive(Clone, Copy, PartialEq, Eq, Hash, prost::Message)]
pub struct CloseSession {}

/// See [`Op::ExpireSession`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, prost::Message)]
pub struct ExpireSession {
    /// The session to end.
    #[prost(uint64, tag = "1")]
    pub session: u64,
}

/// See [`Op::RenewGrant`]. The reply carries the new grant.
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct RenewGrant {
    /// Grants of this session whose chunks are all committed or abandoned.
    #[prost(uint64, repeated, tag = "1")]
    pub close: Vec<u64>,
    /// Wants a new one.
    #[prost(bool, tag = "2")]
    pub open: bool,
}

/// See [`Op::ReleaseInode`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, prost::Message)]
pub struct ReleaseInode {
    /// The inode without a name that this session no longer holds open.
    #[prost(uint64, tag = "1")]
    pub ino: u64,
}

/// See [`Op::Create`].
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
    /// Low twelve bits of the mode, the caller's umask applied.
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
}

/// See [`Op::Link`].
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

/// See [`Op::Unlink`].
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct Unlink {
    /// Directory.
    #[prost(uint64, tag = "1")]
    pub parent: u64,
    /// Name.
    #[prost(bytes = "bytes", tag = "2")]
    pub name: bytes::Bytes,
    /// Sessions that hold the file open, filled in by the leader.
    #[prost(uint64, repeated, tag = "3")]
    pub holders: Vec<u64>,
}

/// See [`Op::RemoveDir`].
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

/// See [`Op::Rename`].
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
    /// Sessions that hold a replaced file open, filled in by the leader.
    #[prost(uint64, repeated, tag = "6")]
    pub holders: Vec<u64>,
}

/// See [`Op::SetAttr`]. Absent fields stay as they are.
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct SetAttr {
    /// The inode.
    #[prost(uint64, tag = "1")]
    pub ino: u64,
    /// Low twelve bits.
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

/// See [`Op::SetXattr`].
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
}

/// See [`Op::RemoveXattr`].
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

/// See [`Op::Write`]. Content and length change together.
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
}

/// See [`Op::CopyRange`]. At most 1,000 extents per command; the reply says how far it came.
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

/// See [`Op::Compact`]. Refused with `PreconditionFailed` when the file's version moved on.
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct Compact {
    /// The file.
    #[prost(uint64, tag = "1")]
    pub ino: u64,
    /// The version that was read.
    #[prost(uint64, tag = "2")]
    pub if_version: u64,
    /// New chunks.
    #[prost(message, repeated, tag = "3")]
    pub chunks: Vec<ChunkCommit>,
    /// The same bytes at new places.
    #[prost(message, repeated, tag = "4")]
    pub pieces: Vec<Piece>,
}

/// Conditions of S3 requests on the object that is there. All that are set must hold.
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct Conditions {
    /// `If-Match`: one of these ETags; `*` for any object.
    #[prost(string, repeated, tag = "1")]
    pub if_match: Vec<String>,
    /// `If-None-Match`: none of these; `*`: no object.
    #[prost(string, repeated, tag = "2")]
    pub if_none_match: Vec<String>,
    /// `If-Modified-Since`, nanoseconds.
    #[prost(int64, optional, tag = "3")]
    pub if_modified_since_ns: Option<i64>,
    /// `If-Unmodified-Since`, nanoseconds.
    #[prost(int64, optional, tag = "4")]
    pub if_unmodified_since_ns: Option<i64>,
    /// Only if the inode's version is this one; 0: any.
    #[prost(uint64, tag = "5")]
    pub if_version: u64,
}

/// See [`Op::PutObject`]. Makes a new inode and swaps the dentry; other links and open files keep the old one.
#[derive(Clone, PartialEq, prost::Message)]
pub struct PutObject {
    /// Name of the bucket, a directory at the top level.
    #[prost(string, tag = "1")]
    pub bucket: String,
    /// The key, at most 1,024 bytes (4,096 through the command line). Components are made as implicit directories.
    #[prost(bytes = "bytes", tag = "2")]
    pub key: bytes::Bytes,
    /// The content.
    #[prost(message, optional, tag = "3")]
    pub content: Option<Content>,
    /// What S3 keeps with it. Absent: a plain file.
    #[prost(message, optional, tag = "4")]
    pub object: Option<ObjectMeta>,
    /// Conditions on what is there.
    #[prost(message, optional, tag = "5")]
    pub conditions: Option<Conditions>,
    /// Mode for a new file; a replaced one hands down its owner and mode.
    #[prost(uint32, optional, tag = "6")]
    pub mode: Option<u32>,
    /// Owner for a new file.
    #[prost(uint32, tag = "7")]
    pub uid: u32,
    /// Group for a new file.
    #[prost(uint32, tag = "8")]
    pub gid: u32,
    /// Modification time to keep (copies from elsewhere); absent: now.
    #[prost(int64, optional, tag = "9")]
    pub mtime_ns: Option<i64>,
    /// Storage class; 0: the directory's.
    #[prost(uint32, tag = "10")]
    pub class: u32,
    /// Sessions that hold a replaced file open, filled in by the leader.
    #[prost(uint64, repeated, tag = "11")]
    pub holders: Vec<u64>,
}

/// See [`Op::DeleteObjects`]. Deleting what is not there succeeds.
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct DeleteObjects {
    /// The bucket.
    #[prost(string, tag = "1")]
    pub bucket: String,
    /// Keys, at most 250 per command.
    #[prost(bytes = "bytes", repeated, tag = "2")]
    pub keys: Vec<bytes::Bytes>,
    /// Conditions that hold for each.
    #[prost(message, optional, tag = "3")]
    pub conditions: Option<Conditions>,
    /// Sessions that hold one of the files open, filled in by the leader.
    #[prost(uint64, repeated, tag = "4")]
    pub holders: Vec<u64>,
}

/// See [`Op::CopyObject`]. Up to 1,000 extents; larger ones are copied in steps like an upload.
#[derive(Clone, PartialEq, prost::Message)]
pub struct CopyObject {
    /// From this bucket
    #[prost(string, tag = "1")]
    pub source_bucket: String,
    /// and key,
    #[prost(bytes = "bytes", tag = "2")]
    pub source_key: bytes::Bytes,
    /// if these hold there,
    #[prost(message, optional, tag = "3")]
    pub source_conditions: Option<Conditions>,
    /// to this bucket
    #[prost(string, tag = "4")]
    pub bucket: String,
    /// and key,
    #[prost(bytes = "bytes", tag = "5")]
    pub key: bytes::Bytes,
    /// if these hold there.
    #[prost(message, optional, tag = "6")]
    pub conditions: Option<Conditions>,
    /// Metadata of the copy; absent: the source's.
    #[prost(message, optional, tag = "7")]
    pub object: Option<ObjectMeta>,
    /// Tags of the copy come from here instead of the source (`x-amz-tagging-directive: REPLACE`).
    #[prost(bool, tag = "8")]
    pub replace_tags: bool,
    /// Those tags.
    #[prost(message, repeated, tag = "9")]
    pub tags: Vec<KeyValue>,
}

/// See [`Op::MakeDirs`].
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct MakeDirs {
    /// Absolute path; existing directories are fine.
    #[prost(bytes = "bytes", tag = "1")]
    pub path: bytes::Bytes,
    /// Mode of new ones.
    #[prost(uint32, tag = "2")]
    pub mode: u32,
    /// Owner of new ones.
    #[prost(uint32, tag = "3")]
    pub uid: u32,
    /// Group of new ones.
    #[prost(uint32, tag = "4")]
    pub gid: u32,
    /// Fail with `Exists` when the last one is there, and with `NotFound` when a parent is not (mkdir, not mkdir -p).
    #[prost(bool, tag = "5")]
    pub exclusive: bool,
}

/// See [`Op::CreateBucket`].
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct CreateBucket {
    /// Name, as S3 allows it.
    #[prost(string, tag = "1")]
    pub name: String,
    /// The access key that owns it.
    #[prost(string, tag = "2")]
    pub owner: String,
    /// Storage class of its files; 0: the cluster's default.
    #[prost(uint32, tag = "3")]
    pub class: u32,
}

/// See [`Op::DeleteBucket`]. Refused with `NotEmpty` while it has entries or uploads.
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct DeleteBucket {
    /// Name.
    #[prost(string, tag = "1")]
    pub name: String,
}

/// See [`Op::SetObjectMeta`].
#[derive(Clone, PartialEq, prost::Message)]
pub struct SetObjectMeta {
    /// The bucket.
    #[prost(string, tag = "1")]
    pub bucket: String,
    /// The key.
    #[prost(bytes = "bytes", tag = "2")]
    pub key: bytes::Bytes,
    /// New tags, when `set_tags`.
    #[prost(message, repeated, tag = "3")]
    pub tags: Vec<KeyValue>,
    /// Replace the tags.
    #[prost(bool, tag = "4")]
    pub set_tags: bool,
}

/// See [`Op::CreateUpload`]. The reply carries the upload's id.
#[derive(Clone, PartialEq, prost::Message)]
pub struct CreateUpload {
    /// The bucket.
    #[prost(string, tag = "1")]
    pub bucket: String,
    /// The key it will become.
    #[prost(bytes = "bytes", tag = "2")]
    pub key: bytes::Bytes,
    /// Metadata of the object to be.
    #[prost(message, optional, tag = "3")]
    pub object: Option<ObjectMeta>,
    /// Storage class; 0: the directory's.
    #[prost(uint32, tag = "4")]
    pub class: u32,
    /// The access key that began it.
    #[prost(string, tag = "5")]
    pub owner: String,
    /// Checksum algorithm chosen at the start, or empty.
    #[prost(string, tag = "6")]
    pub checksum_algorithm: String,
    /// `COMPOSITE`, `FULL_OBJECT` or empty.
    #[prost(string, tag = "7")]
    pub checksum_type: String,
    /// 128 random bits in hex, part of the id that clients see, so that ids cannot be guessed.
    #[prost(string, tag = "8")]
    pub nonce: String,
}

/// See [`Op::PutPart`]. A part put again replaces the earlier one. At most 1,000 chunks.
#[derive(Clone, PartialEq, prost::Message)]
pub struct PutPart {
    /// The upload.
    #[prost(uint64, tag = "1")]
    pub upload: u64,
    /// Part number, 1 to 10,000.
    #[prost(uint32, tag = "2")]
    pub part: u32,
    /// The part's content.
    #[prost(message, optional, tag = "3")]
    pub content: Option<Content>,
    /// MD5 in hex.
    #[prost(string, tag = "4")]
    pub etag: String,
    /// Verified checksums.
    #[prost(message, repeated, tag = "5")]
    pub checksums: Vec<crate::inode::ObjectChecksum>,
}

/// See [`Op::CopyPart`].
#[derive(Clone, PartialEq, prost::Message)]
pub struct CopyPart {
    /// The upload.
    #[prost(uint64, tag = "1")]
    pub upload: u64,
    /// Part number.
    #[prost(uint32, tag = "2")]
    pub part: u32,
    /// From this inode (looked up and authorised before),
    #[prost(uint64, tag = "3")]
    pub source: u64,
    /// at this version,
    #[prost(uint64, tag = "4")]
    pub source_version: u64,
    /// from this byte,
    #[prost(uint64, tag = "5")]
    pub offset: u64,
    /// this many bytes.
    #[prost(uint64, tag = "6")]
    pub length: u64,
    /// ETag of the part, computed by the gateway while it read the range.
    #[prost(string, tag = "7")]
    pub etag: String,
}

/// One part as the completing client names it.
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct NamedPart {
    /// Part number.
    #[prost(uint32, tag = "1")]
    pub part: u32,
    /// Its ETag.
    #[prost(string, tag = "2")]
    pub etag: String,
}

/// See [`Op::AssembleUpload`]. Parts follow in ascending order over several commands; each command moves at most
/// 1,000 extents and the reply says how many parts were taken and whether the part is whole. Sending a part that is already taken is harmless, so
/// another gateway can go on after a crash.
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct AssembleUpload {
    /// The upload.
    #[prost(uint64, tag = "1")]
    pub upload: u64,
    /// The next parts, in order.
    #[prost(message, repeated, tag = "2")]
    pub parts: Vec<NamedPart>,
    /// These are the first parts: forget what an earlier, different completion joined.
    #[prost(bool, tag = "3")]
    pub restart: bool,
    /// BLAKE3 of the client's whole list of parts: tells a resumed completion from a different one.
    #[prost(bytes = "bytes", tag = "4")]
    pub list_digest: bytes::Bytes,
    /// The last of the list is among these, so a part below 5 MiB is allowed there.
    #[prost(bool, tag = "5")]
    pub last: bool,
}

/// See [`Op::FinishUpload`]. Idempotent: a finished upload's id answers with the object it became for a day.
#[derive(Clone, PartialEq, prost::Message)]
pub struct FinishUpload {
    /// The upload.
    #[prost(uint64, tag = "1")]
    pub upload: u64,
    /// As in [`AssembleUpload`].
    #[prost(bytes = "bytes", tag = "2")]
    pub list_digest: bytes::Bytes,
    /// `md5-of-md5s-N`.
    #[prost(string, tag = "3")]
    pub etag: String,
    /// Checksums of the whole.
    #[prost(message, repeated, tag = "4")]
    pub checksums: Vec<crate::inode::ObjectChecksum>,
    /// Conditions on what is there.
    #[prost(message, optional, tag = "5")]
    pub conditions: Option<Conditions>,
    /// Sessions that hold a replaced file open, filled in by the leader.
    #[prost(uint64, repeated, tag = "6")]
    pub holders: Vec<u64>,
}

/// See [`Op::AbortUpload`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, prost::Message)]
pub struct AbortUpload {
    /// The upload.
    #[prost(uint64, tag = "1")]
    pub upload: u64,
}

/// See [`Op::RegisterNode`]. With id 0 a new id is made from the log index.
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct RegisterNode {
    /// 0, or the node that updates its addresses.
    #[prost(uint64, tag = "1")]
    pub id: u64,
    /// Random bytes kept in the node's identity file: a node with the same secret asking again gets the same id.
    #[prost(bytes = "bytes", tag = "2")]
    pub nonce: bytes::Bytes,
    /// RPC address.
    #[prost(string, tag = "3")]
    pub address: String,
    /// See [`crate::map::roles`].
    #[prost(uint32, tag = "4")]
    pub roles: u32,
    /// Zone label.
    #[prost(string, tag = "5")]
    pub zone: String,
    /// Rack label.
    #[prost(string, tag = "6")]
    pub rack: String,
    /// Host label.
    #[prost(string, tag = "7")]
    pub host: String,
    /// S3 address.
    #[prost(string, tag = "8")]
    pub s3_address: String,
    /// Admin address.
    #[prost(string, tag = "9")]
    pub admin_address: String,
}

/// See [`Op::RegisterDisk`]. The same fingerprint gets the same id and incarnation again.
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct RegisterDisk {
    /// The node it is on.
    #[prost(uint64, tag = "1")]
    pub node: u64,
    /// Random bytes of its superblock.
    #[prost(bytes = "bytes", tag = "2")]
    pub fingerprint: bytes::Bytes,
    /// Bytes it can keep.
    #[prost(uint64, tag = "3")]
    pub capacity: u64,
    /// Directory on the node, for people.
    #[prost(string, tag = "4")]
    pub path: String,
    /// Weight in thousandths for a new disk; 0: 1000.
    #[prost(uint32, tag = "5")]
    pub weight: u32,
    /// 0, or the disk that this one replaces in place: same id, new incarnation.
    #[prost(uint32, tag = "6")]
    pub replaces: u32,
}

/// See [`Op::SetNode`].
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct SetNode {
    /// The node.
    #[prost(uint64, tag = "1")]
    pub id: u64,
    /// New standing.
    #[prost(enumeration = "Standing", optional, tag = "2")]
    pub standing: Option<i32>,
    /// New zone.
    #[prost(string, optional, tag = "3")]
    pub zone: Option<String>,
    /// New rack.
    #[prost(string, optional, tag = "4")]
    pub rack: Option<String>,
    /// New host.
    #[prost(string, optional, tag = "5")]
    pub host: Option<String>,
}

/// See [`Op::SetDisk`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, prost::Message)]
pub struct SetDisk {
    /// The disk.
    #[prost(uint32, tag = "1")]
    pub id: u32,
    /// Only if this is its incarnation; 0: any.
    #[prost(uint64, tag = "2")]
    pub incarnation: u64,
    /// New standing.
    #[prost(enumeration = "Standing", optional, tag = "3")]
    pub standing: Option<i32>,
    /// New weight.
    #[prost(uint32, optional, tag = "4")]
    pub weight: Option<u32>,
    /// New capacity.
    #[prost(uint64, optional, tag = "5")]
    pub capacity: Option<u64>,
}

/// See [`Op::PutClass`].
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct PutClass {
    /// 0: a new one.
    #[prost(uint32, tag = "1")]
    pub id: u32,
    /// Name.
    #[prost(string, tag = "2")]
    pub name: String,
    /// Copies or shards. Of an existing class only copies may change: new groups follow at once, old ones by repair.
    #[prost(message, optional, tag = "3")]
    pub redundancy: Option<Redundancy>,
    /// Level at which members must differ.
    #[prost(enumeration = "FailureDomain", tag = "4")]
    pub domain: i32,
    /// Inline limit in bytes.
    #[prost(uint64, tag = "5")]
    pub inline_limit: u64,
    /// Largest chunk in bytes.
    #[prost(uint64, tag = "6")]
    pub chunk_bytes: u64,
    /// Companion of an erasure class.
    #[prost(uint32, tag = "7")]
    pub companion: u32,
    /// Only if the class's epoch is this one (0: any), so that two leaders' automatic changes do not cross.
    #[prost(uint64, tag = "8")]
    pub if_epoch: u64,
}

/// A group to be.
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct NewPg {
    /// Its class.
    #[prost(uint32, tag = "1")]
    pub class: u32,
    /// Its disks in shard order.
    #[prost(message, repeated, tag = "2")]
    pub disks: Vec<DiskRef>,
}

/// A disk in one of its lives.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, prost::Message)]
pub struct DiskRef {
    /// The disk.
    #[prost(uint32, tag = "1")]
    pub disk: u32,
    /// Its incarnation.
    #[prost(uint64, tag = "2")]
    pub incarnation: u64,
}

/// See [`Op::CreatePgs`]. New members are clean: there is nothing to hold yet.
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct CreatePgs {
    /// Groups to make.
    #[prost(message, repeated, tag = "1")]
    pub pgs: Vec<NewPg>,
}

/// See [`Op::ChangePg`]. Refused with `StaleOrder` unless the group's epoch is `if_epoch`.
/// Dropping a clean member is refused if fewer readable clean members than the class's minimum would remain.
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct ChangePg {
    /// The group.
    #[prost(uint32, tag = "1")]
    pub pg: u32,
    /// The epoch the planner saw.
    #[prost(uint64, tag = "2")]
    pub if_epoch: u64,
    /// This member leaves (its position is taken by `add`, if both are set).
    #[prost(message, optional, tag = "3")]
    pub remove: Option<DiskRef>,
    /// This disk joins, not clean yet.
    #[prost(message, optional, tag = "4")]
    pub add: Option<DiskRef>,
    /// The joining member is temporary.
    #[prost(bool, tag = "5")]
    pub temporary: bool,
}

/// See [`Op::SetPgState`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, prost::Message)]
pub struct SetPgState {
    /// The group.
    #[prost(uint32, tag = "1")]
    pub pg: u32,
    /// The epoch the planner saw.
    #[prost(uint64, tag = "2")]
    pub if_epoch: u64,
    /// A [`crate::map::PgState`]. Retiring is refused while the group has chunks or garbage.
    #[prost(enumeration = "crate::map::PgState", tag = "3")]
    pub state: i32,
}

/// See [`Op::MemberClean`]. Refused while the member's `missing/` records of this group are not empty, or when
/// the walk did not reach the member's `joined_index`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, prost::Message)]
pub struct MemberClean {
    /// The group.
    #[prost(uint32, tag = "1")]
    pub pg: u32,
    /// The member.
    #[prost(message, optional, tag = "2")]
    pub member: Option<DiskRef>,
    /// The member's `joined` epoch that the backfill was for.
    #[prost(uint64, tag = "3")]
    pub joined: u64,
    /// The chunk records of the group were walked as of this log index.
    #[prost(uint64, tag = "4")]
    pub walked_index: u64,
}

/// See [`Op::ClearMissing`].
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct ClearMissing {
    /// The group.
    #[prost(uint32, tag = "1")]
    pub pg: u32,
    /// The member.
    #[prost(message, optional, tag = "2")]
    pub member: Option<DiskRef>,
    /// Chunk numbers now durable there, at most 1,000.
    #[prost(uint64, repeated, tag = "3")]
    pub numbers: Vec<u64>,
}

/// See [`Op::AddMissing`].
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct AddMissing {
    /// The group.
    #[prost(uint32, tag = "1")]
    pub pg: u32,
    /// The member.
    #[prost(message, optional, tag = "2")]
    pub member: Option<DiskRef>,
    /// Chunk numbers it lacks, at most 1,000. Those without a chunk record are passed over.
    #[prost(uint64, repeated, tag = "3")]
    pub numbers: Vec<u64>,
}

/// One member's progress in one group's garbage.
#[derive(Clone, Copy, PartialEq, Eq, Hash, prost::Message)]
pub struct GcCursor {
    /// The group.
    #[prost(uint32, tag = "1")]
    pub pg: u32,
    /// The member.
    #[prost(message, optional, tag = "2")]
    pub member: Option<DiskRef>,
    /// Every batch up to and including this index is tombstoned there, durably.
    #[prost(uint64, tag = "3")]
    pub index: u64,
}

/// See [`Op::AdvanceGc`]. Batches that every member has passed are dropped, up to 1,000 per command.
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct AdvanceGc {
    /// Progress.
    #[prost(message, repeated, tag = "1")]
    pub cursors: Vec<GcCursor>,
}

/// See [`Op::FreeStep`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, prost::Message)]
pub struct FreeStep {
    /// The inode without names.
    #[prost(uint64, tag = "1")]
    pub ino: u64,
    /// Most extents to free.
    #[prost(uint32, tag = "2")]
    pub most: u32,
}

/// See [`Op::FreeUploadStep`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, prost::Message)]
pub struct FreeUploadStep {
    /// The upload.
    #[prost(uint64, tag = "1")]
    pub upload: u64,
    /// Most extents to free.
    #[prost(uint32, tag = "2")]
    pub most: u32,
}

/// See [`Op::Genesis`]. Refused when the state is not empty.
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct Genesis {
    /// The cluster's id.
    #[prost(bytes = "bytes", tag = "1")]
    pub cluster: bytes::Bytes,
    /// The first node. It gets id 1.
    #[prost(message, optional, tag = "2")]
    pub node: Option<RegisterNode>,
    /// The default class. It gets id 1.
    #[prost(message, optional, tag = "3")]
    pub class: Option<PutClass>,
    /// Format version of the state.
    #[prost(uint32, tag = "4")]
    pub state_version: u32,
    /// The first access key.
    #[prost(message, optional, tag = "5")]
    pub key: Option<PutKey>,
    /// The join token.
    #[prost(message, optional, tag = "6")]
    pub token: Option<PutJoinToken>,
}

/// What an access key may do in buckets that match.
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct KeyRule {
    /// A bucket name, or a prefix followed by `*`.
    #[prost(string, tag = "1")]
    pub bucket: String,
    /// May read and list.
    #[prost(bool, tag = "2")]
    pub read: bool,
    /// May write and delete objects.
    #[prost(bool, tag = "3")]
    pub write: bool,
    /// May create and delete the bucket and change its settings.
    #[prost(bool, tag = "4")]
    pub manage: bool,
}

/// See [`Op::PutKey`].
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct PutKey {
    /// Access key id.
    #[prost(string, tag = "1")]
    pub access_key: String,
    /// Secret. Signature V4 needs it in clear at the gateways.
    #[prost(string, tag = "2")]
    pub secret_key: String,
    /// For people.
    #[prost(string, tag = "3")]
    pub description: String,
    /// What it may do. Empty: nothing.
    #[prost(message, repeated, tag = "4")]
    pub rules: Vec<KeyRule>,
    /// Not usable for now.
    #[prost(bool, tag = "5")]
    pub disabled: bool,
}

/// See [`Op::DeleteKey`].
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct DeleteKey {
    /// Access key id.
    #[prost(string, tag = "1")]
    pub access_key: String,
}

/// See [`Op::PutSetting`]. Names and ranges are those of `state/src/settings.rs`.
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct PutSetting {
    /// Name.
    #[prost(string, tag = "1")]
    pub name: String,
    /// Value as text; empty: back to the default.
    #[prost(string, tag = "2")]
    pub value: String,
}

/// See [`Op::PutJoinToken`].
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct PutJoinToken {
    /// BLAKE3 of the token; empty: no node may join.
    #[prost(bytes = "bytes", tag = "1")]
    pub digest: bytes::Bytes,
}

/// What a command came to.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Reply {
    /// Absent: it worked.
    #[prost(message, optional, tag = "1")]
    pub status: Option<Status>,
    /// The log index at which it was applied.
    #[prost(uint64, tag = "2")]
    pub index: u64,
    /// The inode it made or changed, if any.
    #[prost(message, optional, tag = "3")]
    pub inode: Option<Inode>,
    /// The grant it opened, or 0.
    #[prost(uint64, tag = "4")]
    pub grant: u64,
    /// With `ChunksRejected` and `GrantClosed`: positions in the command's `chunks` that must be written anew.
    #[prost(uint32, repeated, tag = "5")]
    pub rejected: Vec<u32>,
    /// With `DeleteObjects`: one per key, in order; absent codes are successes.
    #[prost(message, repeated, tag = "6")]
    pub outcomes: Vec<Status>,
    /// `CopyRange`: bytes copied. `AssembleUpload`: parts fully taken so far in the whole list. `FreeStep` and
    /// `FreeUploadStep`: extents freed; 0: done.
    #[prost(uint64, tag = "7")]
    pub progress: u64,
    /// The id of what was made: upload, node, disk (with `incarnation`), class, first PG.
    #[prost(uint64, tag = "8")]
    pub id: u64,
    /// `RegisterDisk`: the disk's incarnation.
    #[prost(uint64, tag = "9")]
    pub incarnation: u64,
    /// The offset at which an append landed.
    #[prost(uint64, tag = "10")]
    pub offset: u64,
    /// Map epoch after the command, when it changed the map.
    #[prost(uint64, tag = "11")]
    pub epoch: u64,
    /// `PutObject`, `DeleteObjects`: what was there before, for an audit trail: its version, or 0.
    #[prost(uint64, tag = "12")]
    pub replaced_version: u64,
    /// `Create` with `or_open`: the file was there already.
    #[prost(bool, tag = "13")]
    pub existed: bool,
}

impl Reply {
    /// Whether it worked.
    pub fn is_ok(&self) -> bool {
        self.status.as_ref().is_none_or(Status::is_ok)
    }

    /// A refusal.
    pub fn refused(status: Status) -> Self {
        Self { status: Some(status), ..Self::default() }
    }

    /// The reply, or its refusal as an error.
    pub fn into_result(self) -> Result<Self, Status> {
        match self.status {
            Some(ref status) if !status.is_ok() => Err(status.clone()),
            _ => Ok(self),
        }
    }
}
