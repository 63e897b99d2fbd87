//! Questions to the metadata that change nothing. Answered linearizably by the leader.

mod access;

pub use access::{ListAccounts, ListAudit, ListCredentials, ListShares, ListUsage};

use crate::access::{Account, Credential, Share};
use crate::audit::{AuditEnds, SealedEntry};
use crate::inode::{Extent, Inode, KeyValue, ObjectChecksum, ObjectMeta};
use crate::map::StorageClass;
use crate::op::{Conditions, FileLock, LockKind, NoteUsage, PutKey, TrashWay};
use crate::status::Status;

/// A question. `session` ties the reply to a session, whose heartbeats then protect the chunks it names.
#[derive(Clone, PartialEq, prost::Message)]
pub struct QueryRequest {
    /// Who asks; 0: nobody whose reading must be protected.
    #[prost(uint64, tag = "1")]
    pub session: u64,
    /// `Lookup`, `GetInode`, `ReadDir`: the session wants to hear of changes of what is answered; it watches
    /// ([`crate::session::Watch`]).
    #[prost(bool, tag = "2")]
    pub lease: bool,
    /// What is asked.
    #[prost(
        oneof = "Query",
        tags = "10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 40, 45, 50, 51, 52, 53, 54"
    )]
    pub query: Option<Query>,
}

/// Everything that can be asked.
#[derive(Clone, PartialEq, prost::Oneof)]
pub enum Query {
    /// A name in a directory.
    #[prost(message, tag = "10")]
    Lookup(Lookup),
    /// An inode by number.
    #[prost(message, tag = "11")]
    GetInode(GetInode),
    /// A path from the root, as the command line and mounts see it.
    #[prost(message, tag = "12")]
    ResolvePath(ResolvePath),
    /// An object by bucket and key.
    #[prost(message, tag = "13")]
    GetObject(GetObject),
    /// A page of a directory.
    #[prost(message, tag = "14")]
    ReadDir(ReadDir),
    /// A page of objects.
    #[prost(message, tag = "15")]
    ListObjects(ListObjects),
    /// More extents of a file.
    #[prost(message, tag = "16")]
    GetExtents(GetExtents),
    /// An extended attribute.
    #[prost(message, tag = "17")]
    GetXattr(GetXattr),
    /// Names of extended attributes.
    #[prost(message, tag = "18")]
    ListXattr(ListXattr),
    /// All buckets.
    #[prost(message, tag = "19")]
    ListBuckets(ListBuckets),
    /// One bucket.
    #[prost(message, tag = "20")]
    GetBucket(GetBucket),
    /// A page of uploads under way.
    #[prost(message, tag = "21")]
    ListUploads(ListUploads),
    /// A page of an upload's parts.
    #[prost(message, tag = "22")]
    ListParts(ListParts),
    /// All access keys, secrets included: gateways ask this.
    #[prost(message, tag = "23")]
    ListKeys(ListKeys),
    /// Totals of the file system.
    #[prost(message, tag = "24")]
    StatFs(StatFs),
    /// A page of a group's chunks (repair, fsck).
    #[prost(message, tag = "25")]
    ListChunks(ListPgChunks),
    /// Cluster settings.
    #[prost(message, tag = "26")]
    ListSettings(ListSettings),
    /// A page of what a disk lacks.
    #[prost(message, tag = "27")]
    ListMissing(ListMissing),
    /// What keeps the asking session from locking a range.
    #[prost(message, tag = "28")]
    GetLock(GetLock),
    /// The quota that an inode counts against.
    #[prost(message, tag = "29")]
    GetQuota(GetQuota),
    /// A page of files with very many small extents (workers).
    #[prost(message, tag = "30")]
    ListFragmented(ListFragmented),
    /// A page of kept files that were somewhere, or everything about one.
    #[prost(message, tag = "40")]
    ListTrash(ListTrash),
    /// Which of some files have content in a group.
    #[prost(message, tag = "45")]
    FilesIn(FilesIn),
    /// Accounts: one, or all.
    #[prost(message, tag = "50")]
    ListAccounts(ListAccounts),
    /// Logins and tokens: one, or a page.
    #[prost(message, tag = "51")]
    ListCredentials(ListCredentials),
    /// Shared links: one, or a page.
    #[prost(message, tag = "52")]
    ListShares(ListShares),
    /// A page of the audit log.
    #[prost(message, tag = "53")]
    ListAudit(ListAudit),
    /// How full and busy the cluster was, hour by hour.
    #[prost(message, tag = "54")]
    ListUsage(ListUsage),
}

/// The answer, as of `index`.
#[derive(Clone, PartialEq, prost::Message)]
pub struct QueryReply {
    /// Absent: it worked.
    #[prost(message, optional, tag = "1")]
    pub status: Option<Status>,
    /// The log index whose state was read.
    #[prost(uint64, tag = "2")]
    pub index: u64,
    /// `Lookup`, `GetInode`, `ResolvePath`, `GetObject`: the inode, its embedded extents included.
    #[prost(message, optional, tag = "3")]
    pub inode: Option<Inode>,
    /// With it: its inline content, when the question wanted content.
    #[prost(bytes = "bytes", optional, tag = "4")]
    pub inline: Option<bytes::Bytes>,
    /// `GetExtents`: extents in order. With content wanted, the first page comes with the other replies as well.
    #[prost(message, repeated, tag = "5")]
    pub extents: Vec<Extent>,
    /// There is more: ask again with `next`.
    #[prost(bool, tag = "6")]
    pub more: bool,
    /// Where the next page starts (exclusive marker: last name, key, or decimal number as text). `FilesIn`: the position
    /// in the list of the file to go on with, and the offset in it, as `position/offset`.
    #[prost(bytes = "bytes", tag = "7")]
    pub next: bytes::Bytes,
    /// `ReadDir`, `ListObjects`.
    #[prost(message, repeated, tag = "8")]
    pub entries: Vec<Entry>,
    /// `GetXattr`: the value.
    #[prost(bytes = "bytes", optional, tag = "9")]
    pub value: Option<bytes::Bytes>,
    /// `ListXattr`: names.
    #[prost(bytes = "bytes", repeated, tag = "10")]
    pub names: Vec<bytes::Bytes>,
    /// `ListBuckets`, `GetBucket`.
    #[prost(message, repeated, tag = "11")]
    pub buckets: Vec<Bucket>,
    /// `ListUploads`; for `ListParts` the upload itself.
    #[prost(message, repeated, tag = "12")]
    pub uploads: Vec<Upload>,
    /// `ListParts`.
    #[prost(message, repeated, tag = "13")]
    pub parts: Vec<Part>,
    /// `ListKeys`.
    #[prost(message, repeated, tag = "14")]
    pub keys: Vec<PutKey>,
    /// `StatFs`.
    #[prost(message, optional, tag = "15")]
    pub totals: Option<Totals>,
    /// `ListChunks`, `ListMissing`.
    #[prost(message, repeated, tag = "16")]
    pub chunks: Vec<ChunkEntry>,
    /// `ListSettings`: all, defaults included.
    #[prost(message, repeated, tag = "17")]
    pub settings: Vec<KeyValue>,
    /// `ResolvePath`: the parent's inode number.
    #[prost(uint64, tag = "18")]
    pub parent: u64,
    /// Class that new content of the found file or directory would get. `GetBucket`: the bucket's, or that of `key`.
    #[prost(message, optional, tag = "19")]
    pub class: Option<StorageClass>,
    /// `GetLock`: the first lock that is in the way; absent: none is.
    #[prost(message, optional, tag = "20")]
    pub lock: Option<FileLock>,
    /// `GetQuota`: absent: none limits it.
    #[prost(message, optional, tag = "21")]
    pub quota: Option<Quota>,
    /// With `lease`: the term in which the session will hear of every change after `index`; 0: it will not.
    #[prost(uint64, tag = "22")]
    pub lease_term: u64,
    /// `ListFragmented`, `FilesIn`: inode numbers, in the order asked about.
    #[prost(uint64, repeated, tag = "23")]
    pub inos: Vec<u64>,
    /// `ListTrash`.
    #[prost(message, repeated, tag = "40")]
    pub trash: Vec<TrashItem>,
    /// `ListAccounts`.
    #[prost(message, repeated, tag = "50")]
    pub accounts: Vec<Account>,
    /// `ListCredentials`.
    #[prost(message, repeated, tag = "51")]
    pub credentials: Vec<Credential>,
    /// `ListShares`.
    #[prost(message, repeated, tag = "52")]
    pub shares: Vec<Share>,
    /// `ListAudit`: newest first.
    #[prost(message, repeated, tag = "53")]
    pub audit: Vec<SealedEntry>,
    /// `ListAudit`.
    #[prost(message, optional, tag = "54")]
    pub audit_ends: Option<AuditEnds>,
    /// `ListUsage`: in order of time.
    #[prost(message, repeated, tag = "55")]
    pub usage: Vec<NoteUsage>,
}

/// See [`Query::Lookup`]. The name as a mount shows it (escapes included).
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct Lookup {
    /// Directory.
    #[prost(uint64, tag = "1")]
    pub parent: u64,
    /// Name.
    #[prost(bytes = "bytes", tag = "2")]
    pub name: bytes::Bytes,
    /// Wants inline content and the first extents too.
    #[prost(bool, tag = "3")]
    pub content: bool,
}

/// See [`Query::GetInode`].
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct GetInode {
    /// The inode.
    #[prost(uint64, tag = "1")]
    pub ino: u64,
    /// Wants inline content and the first extents too.
    #[prost(bool, tag = "2")]
    pub content: bool,
    /// The session holds the inode open from now on, under this number, which its client counts up with every open;
    /// 0: it does not. Counted before the state is read.
    #[prost(uint64, tag = "3")]
    pub open: u64,
}

/// See [`Query::ResolvePath`].
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct ResolvePath {
    /// Absolute path; symbolic links are followed in the middle, not at the end.
    #[prost(bytes = "bytes", tag = "1")]
    pub path: bytes::Bytes,
    /// Wants inline content and the first extents too.
    #[prost(bool, tag = "2")]
    pub content: bool,
    /// Follow a symbolic link at the end too.
    #[prost(bool, tag = "3")]
    pub follow: bool,
}

/// See [`Query::GetObject`].
#[derive(Clone, PartialEq, prost::Message)]
pub struct GetObject {
    /// The bucket.
    #[prost(string, tag = "1")]
    pub bucket: String,
    /// The key.
    #[prost(bytes = "bytes", tag = "2")]
    pub key: bytes::Bytes,
    /// Wants inline content and the first extents too.
    #[prost(bool, tag = "3")]
    pub content: bool,
    /// Conditions, evaluated here; `PreconditionFailed` otherwise, with the inode in the reply.
    #[prost(message, optional, tag = "4")]
    pub conditions: Option<Conditions>,
}

/// See [`Query::ReadDir`].
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct ReadDir {
    /// The directory.
    #[prost(uint64, tag = "1")]
    pub ino: u64,
    /// Start behind this stored name (`Entry::key` of the last entry); empty: from the start.
    #[prost(bytes = "bytes", tag = "2")]
    pub after: bytes::Bytes,
    /// Most entries, at most 4,096.
    #[prost(uint32, tag = "3")]
    pub most: u32,
    /// Wants whole inodes, not only names and kinds.
    #[prost(bool, tag = "4")]
    pub inodes: bool,
}

/// See [`Query::ListObjects`]. Costs its page, whatever the bucket holds.
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct ListObjects {
    /// The bucket.
    #[prost(string, tag = "1")]
    pub bucket: String,
    /// Keys start with this.
    #[prost(bytes = "bytes", tag = "2")]
    pub prefix: bytes::Bytes,
    /// Group keys up to the first occurrence behind the prefix; empty: none. Any string, `/` is the fast one.
    #[prost(bytes = "bytes", tag = "3")]
    pub delimiter: bytes::Bytes,
    /// Keys and common prefixes behind this one.
    #[prost(bytes = "bytes", tag = "4")]
    pub after: bytes::Bytes,
    /// Most entries and common prefixes together, at most 1,000.
    #[prost(uint32, tag = "5")]
    pub most: u32,
}

/// See [`Query::GetExtents`]. Up to 1,000 a page.
#[derive(Clone, Copy, PartialEq, Eq, Hash, prost::Message)]
pub struct GetExtents {
    /// The file.
    #[prost(uint64, tag = "1")]
    pub ino: u64,
    /// First byte of interest: the extent that covers it comes first.
    #[prost(uint64, tag = "2")]
    pub offset: u64,
    /// Up to, not including, this byte.
    #[prost(uint64, tag = "3")]
    pub end: u64,
    /// Only if the version is still this one (0: any), else `PreconditionFailed`.
    #[prost(uint64, tag = "4")]
    pub if_version: u64,
}

/// See [`Query::ListFragmented`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, prost::Message)]
pub struct ListFragmented {
    /// Inodes behind this one; 0: from the first.
    #[prost(uint64, tag = "1")]
    pub after: u64,
    /// Most inodes of the page, up to 1,000.
    #[prost(uint32, tag = "2")]
    pub most: u32,
    /// Only those whose number divided by `shares` leaves this.
    #[prost(uint32, tag = "3")]
    pub share: u32,
    /// 0 counts as 1.
    #[prost(uint32, tag = "4")]
    pub shares: u32,
    /// Instead: files whose content is to be converted to their class.
    #[prost(bool, tag = "5")]
    pub converting: bool,
}

/// See [`Query::ListTrash`]. In order of path, of one path what was deleted last first. Costs its page.
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct ListTrash {
    /// What was at this path, or anywhere below it, from the root.
    #[prost(bytes = "bytes", tag = "1")]
    pub path: bytes::Bytes,
    /// Start behind this marker (`next` of the last page); empty: from the start.
    #[prost(bytes = "bytes", tag = "2")]
    pub after: bytes::Bytes,
    /// Most items, at most 1,000.
    #[prost(uint32, tag = "3")]
    pub most: u32,
    /// Instead: the one item of this inode, wherever it was; 0: no.
    #[prost(uint64, tag = "4")]
    pub ino: u64,
    /// Only what was at exactly this path.
    #[prost(bool, tag = "5")]
    pub exact: bool,
}

/// A file that lost its last name and is kept.
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct TrashItem {
    /// Its inode.
    #[prost(uint64, tag = "1")]
    pub ino: u64,
    /// Log index of its deletion.
    #[prost(uint64, tag = "2")]
    pub index: u64,
    /// Where it was: from the root, stored names as they are.
    #[prost(bytes = "bytes", tag = "3")]
    pub path: bytes::Bytes,
    /// When it was deleted, nanoseconds since the Unix epoch.
    #[prost(int64, tag = "4")]
    pub deleted_ns: i64,
    /// By which way.
    #[prost(enumeration = "TrashWay", tag = "5")]
    pub way: i32,
    /// Its length in bytes.
    #[prost(uint64, tag = "6")]
    pub size: u64,
    /// Bytes of chunks and inline content that it refers to.
    #[prost(uint64, tag = "7")]
    pub allocated: u64,
    /// Seconds of cluster uptime for which it is still kept; 0: it is due.
    #[prost(uint64, tag = "8")]
    pub left_s: u64,
    /// Last change of its content, nanoseconds since the Unix epoch.
    #[prost(int64, tag = "9")]
    pub mtime_ns: i64,
    /// Somebody may still have it open.
    #[prost(bool, tag = "10")]
    pub open: bool,
}

/// See [`Query::GetXattr`].
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct GetXattr {
    /// The inode.
    #[prost(uint64, tag = "1")]
    pub ino: u64,
    /// Full name.
    #[prost(bytes = "bytes", tag = "2")]
    pub name: bytes::Bytes,
}

/// See [`Query::ListXattr`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, prost::Message)]
pub struct ListXattr {
    /// The inode.
    #[prost(uint64, tag = "1")]
    pub ino: u64,
}

/// See [`Query::ListBuckets`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, prost::Message)]
pub struct ListBuckets {}

/// See [`Query::GetBucket`].
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct GetBucket {
    /// Name.
    #[prost(string, tag = "1")]
    pub name: String,
    /// Not empty: the class in the answer is what a new object of this key would get. The directories on its way need not
    /// exist yet.
    #[prost(bytes = "bytes", tag = "2")]
    pub key: bytes::Bytes,
}

/// See [`Query::ListUploads`].
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct ListUploads {
    /// The bucket.
    #[prost(string, tag = "1")]
    pub bucket: String,
    /// Keys start with this.
    #[prost(bytes = "bytes", tag = "2")]
    pub prefix: bytes::Bytes,
    /// Behind this key
    #[prost(bytes = "bytes", tag = "3")]
    pub after_key: bytes::Bytes,
    /// and, at this key, behind this upload; 0: all uploads of the key are passed.
    #[prost(uint64, tag = "4")]
    pub after_upload: u64,
    /// Most uploads, at most 1,000.
    #[prost(uint32, tag = "5")]
    pub most: u32,
}

/// See [`Query::ListParts`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, prost::Message)]
pub struct ListParts {
    /// The upload.
    #[prost(uint64, tag = "1")]
    pub upload: u64,
    /// Behind this part number.
    #[prost(uint32, tag = "2")]
    pub after: u32,
    /// Most parts, at most 10,000.
    #[prost(uint32, tag = "3")]
    pub most: u32,
}

/// See [`Query::ListKeys`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, prost::Message)]
pub struct ListKeys {}

/// See [`Query::StatFs`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, prost::Message)]
pub struct StatFs {}

/// See [`Query::ListChunks`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, prost::Message)]
pub struct ListPgChunks {
    /// The group.
    #[prost(uint32, tag = "1")]
    pub pg: u32,
    /// Behind this chunk number.
    #[prost(uint64, tag = "2")]
    pub after: u64,
    /// Most chunks, at most 4,096.
    #[prost(uint32, tag = "3")]
    pub most: u32,
}

/// See [`Query::FilesIn`].
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct FilesIn {
    /// The group.
    #[prost(uint32, tag = "1")]
    pub pg: u32,
    /// Inode numbers, at most 1,000. Those that are gone are passed over.
    #[prost(uint64, repeated, tag = "2")]
    pub inos: Vec<u64>,
    /// Of the first of them, extents from this offset on.
    #[prost(uint64, tag = "3")]
    pub offset: u64,
}

/// See [`Query::ListSettings`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, prost::Message)]
pub struct ListSettings {}

/// See [`Query::ListMissing`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, prost::Message)]
pub struct ListMissing {
    /// The disk.
    #[prost(uint32, tag = "1")]
    pub disk: u32,
    /// Behind this group
    #[prost(uint32, tag = "2")]
    pub after_pg: u32,
    /// and, in it, this chunk number.
    #[prost(uint64, tag = "3")]
    pub after: u64,
    /// Most chunks, at most 4,096.
    #[prost(uint32, tag = "4")]
    pub most: u32,
}

/// See [`Query::GetLock`]. Who asks is the request's session.
#[derive(Clone, Copy, PartialEq, Eq, Hash, prost::Message)]
pub struct GetLock {
    /// The file.
    #[prost(uint64, tag = "1")]
    pub ino: u64,
    /// The one who wants the lock; its own locks are not in the way.
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
    /// See [`crate::op::SetLock`].
    #[prost(bool, tag = "6")]
    pub flock: bool,
}

/// See [`Query::GetQuota`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, prost::Message)]
pub struct GetQuota {
    /// The inode.
    #[prost(uint64, tag = "1")]
    pub ino: u64,
}

/// A quota and what is used of it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, prost::Message)]
pub struct Quota {
    /// Its number.
    #[prost(uint64, tag = "1")]
    pub id: u64,
    /// The directory.
    #[prost(uint64, tag = "2")]
    pub root: u64,
    /// Most bytes; 0: no limit.
    #[prost(uint64, tag = "3")]
    pub bytes: u64,
    /// Most inodes; 0: no limit.
    #[prost(uint64, tag = "4")]
    pub files: u64,
    /// Bytes that files below it refer to.
    #[prost(uint64, tag = "5")]
    pub used_bytes: u64,
    /// Inodes below it, itself included.
    #[prost(uint64, tag = "6")]
    pub used_files: u64,
    /// It is still being counted: usage grows, and nothing is refused yet.
    #[prost(bool, tag = "7")]
    pub counting: bool,
}

/// One line of a listing.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Entry {
    /// `ReadDir`: the stored name (a directory's ends with `/`). `ListObjects`: the key or common prefix.
    #[prost(bytes = "bytes", tag = "1")]
    pub key: bytes::Bytes,
    /// `ReadDir`: the name as a mount shows it.
    #[prost(bytes = "bytes", tag = "2")]
    pub name: bytes::Bytes,
    /// `ListObjects`: a common prefix, without an inode.
    #[prost(bool, tag = "3")]
    pub prefix: bool,
    /// Inode number.
    #[prost(uint64, tag = "4")]
    pub ino: u64,
    /// What it is.
    #[prost(enumeration = "crate::inode::FileKind", tag = "5")]
    pub kind: i32,
    /// The whole inode, without extents, where wanted.
    #[prost(message, optional, tag = "6")]
    pub inode: Option<Inode>,
}

/// A bucket.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Bucket {
    /// Name.
    #[prost(string, tag = "1")]
    pub name: String,
    /// Its directory.
    #[prost(uint64, tag = "2")]
    pub ino: u64,
    /// The access key that owns it; empty for a directory made by a mount.
    #[prost(string, tag = "3")]
    pub owner: String,
    /// When it was made.
    #[prost(int64, tag = "4")]
    pub created_ns: i64,
    /// Storage class of its files; 0: default.
    #[prost(uint32, tag = "5")]
    pub class: u32,
}

/// A multipart upload under way.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Upload {
    /// Its id.
    #[prost(uint64, tag = "1")]
    pub id: u64,
    /// Bucket.
    #[prost(string, tag = "2")]
    pub bucket: String,
    /// Key.
    #[prost(bytes = "bytes", tag = "3")]
    pub key: bytes::Bytes,
    /// When it began.
    #[prost(int64, tag = "4")]
    pub created_ns: i64,
    /// The access key that began it.
    #[prost(string, tag = "5")]
    pub owner: String,
    /// Metadata of the object to be.
    #[prost(message, optional, tag = "6")]
    pub object: Option<ObjectMeta>,
    /// See [`crate::op::CreateUpload`].
    #[prost(string, tag = "7")]
    pub checksum_algorithm: String,
    /// See [`crate::op::CreateUpload`].
    #[prost(string, tag = "8")]
    pub checksum_type: String,
    /// See [`crate::op::CreateUpload`].
    #[prost(string, tag = "9")]
    pub nonce: String,
    /// Storage class chosen.
    #[prost(uint32, tag = "10")]
    pub class: u32,
}

/// One part.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Part {
    /// Part number.
    #[prost(uint32, tag = "1")]
    pub part: u32,
    /// Length in bytes.
    #[prost(uint64, tag = "2")]
    pub size: u64,
    /// MD5 in hex.
    #[prost(string, tag = "3")]
    pub etag: String,
    /// When it was put.
    #[prost(int64, tag = "4")]
    pub mtime_ns: i64,
    /// Verified checksums.
    #[prost(message, repeated, tag = "5")]
    pub checksums: Vec<ObjectChecksum>,
}

/// Totals of the file system.
#[derive(Clone, Copy, PartialEq, Eq, Hash, prost::Message)]
pub struct Totals {
    /// Files and directories.
    #[prost(uint64, tag = "1")]
    pub inodes: u64,
    /// Bytes of all files' chunks and inline content, before redundancy.
    #[prost(uint64, tag = "2")]
    pub bytes: u64,
    /// Chunks.
    #[prost(uint64, tag = "3")]
    pub chunks: u64,
    /// Raw capacity of the disks that take part.
    #[prost(uint64, tag = "4")]
    pub raw_capacity: u64,
    /// Raw bytes used, from heartbeats.
    #[prost(uint64, tag = "5")]
    pub raw_used: u64,
    /// Bytes that can still be written in the default class.
    #[prost(uint64, tag = "6")]
    pub available: u64,
    /// Files that lost their last name and are kept.
    #[prost(uint64, tag = "7")]
    pub trash_items: u64,
    /// Bytes that they refer to, before redundancy; part of `bytes`.
    #[prost(uint64, tag = "8")]
    pub trash_bytes: u64,
}

/// A chunk record.
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct ChunkEntry {
    /// Group.
    #[prost(uint32, tag = "1")]
    pub pg: u32,
    /// Number.
    #[prost(uint64, tag = "2")]
    pub number: u64,
    /// Length in bytes.
    #[prost(uint64, tag = "3")]
    pub length: u64,
    /// BLAKE3 of its content.
    #[prost(bytes = "bytes", tag = "4")]
    pub blake3: bytes::Bytes,
    /// Extents that refer to it.
    #[prost(uint32, tag = "5")]
    pub references: u32,
    /// Bytes that extents refer to.
    #[prost(uint64, tag = "6")]
    pub live: u64,
}
