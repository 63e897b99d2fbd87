//! Inodes, extents and what hangs on them. These messages are both the replicated records and their wire form.

/// What kind of thing an inode is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
pub enum FileKind {
    /// A regular file; an S3 object.
    File = 0,
    /// A directory; at the top level a bucket.
    Directory = 1,
    /// A symbolic link.
    Symlink = 2,
    /// A named pipe.
    Fifo = 3,
    /// A socket.
    Socket = 4,
    /// A character device.
    CharDevice = 5,
    /// A block device.
    BlockDevice = 6,
}

/// One inode, record and wire form. Times are nanoseconds since the Unix epoch.
///
/// Extents lie in `extents` while there are at most [`EMBEDDED_EXTENTS`]; beyond that all of them lie in
/// `extent/<ino><offset>` records and `extents` is empty. `extent_count` counts them in both cases.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Inode {
    /// Its number.
    #[prost(uint64, tag = "1")]
    pub ino: u64,
    /// What it is.
    #[prost(enumeration = "FileKind", tag = "2")]
    pub kind: i32,
    /// Permission bits with set-user-id, set-group-id and sticky: the low twelve bits of `st_mode`.
    #[prost(uint32, tag = "3")]
    pub mode: u32,
    /// Owner.
    #[prost(uint32, tag = "4")]
    pub uid: u32,
    /// Group.
    #[prost(uint32, tag = "5")]
    pub gid: u32,
    /// Names that point here; for a directory 2 plus its child directories.
    #[prost(uint32, tag = "6")]
    pub nlink: u32,
    /// Length in bytes (files, symlinks).
    #[prost(uint64, tag = "7")]
    pub size: u64,
    /// Grows with every change of content: the log index of that change.
    #[prost(uint64, tag = "8")]
    pub version: u64,
    /// Last access.
    #[prost(int64, tag = "9")]
    pub atime_ns: i64,
    /// Last change of content.
    #[prost(int64, tag = "10")]
    pub mtime_ns: i64,
    /// Last change of anything.
    #[prost(int64, tag = "11")]
    pub ctime_ns: i64,
    /// Creation.
    #[prost(int64, tag = "12")]
    pub btime_ns: i64,
    /// Storage class of new chunks of this file; on a directory, of new files in it. 0: inherit.
    #[prost(uint32, tag = "13")]
    pub class: u32,
    /// Number of the quota this inode counts against. 0, or a quota that is not there any more: none.
    #[prost(uint64, tag = "14")]
    pub quota_root: u64,
    /// Device number of a device.
    #[prost(uint32, tag = "15")]
    pub rdev: u32,
    /// Target of a symbolic link.
    #[prost(bytes = "bytes", tag = "16")]
    pub target: bytes::Bytes,
    /// All extents in order of offset, while they are few; holes are not listed.
    #[prost(message, repeated, tag = "17")]
    pub extents: Vec<Extent>,
    /// How many extents there are.
    #[prost(uint64, tag = "18")]
    pub extent_count: u64,
    /// The whole content lies in `inline/<ino>` and there are no extents.
    #[prost(bool, tag = "19")]
    pub inline: bool,
    /// What S3 keeps with an object. Absent on files that never came through S3.
    #[prost(message, optional, tag = "20")]
    pub object: Option<ObjectMeta>,
    /// Directory: how many entries it has.
    #[prost(uint64, tag = "21")]
    pub children: u64,
    /// Directory: made by an S3 key and pruned when it becomes empty; any POSIX change inside makes it explicit.
    #[prost(bool, tag = "22")]
    pub implicit: bool,
    /// How many extended attributes it has.
    #[prost(uint32, tag = "23")]
    pub xattr_count: u32,
    /// Directory: its parent.
    #[prost(uint64, tag = "24")]
    pub parent: u64,
    /// Bytes of chunks and inline content that this file refers to.
    #[prost(uint64, tag = "25")]
    pub allocated: u64,
    /// How many extents carry their own bytes.
    #[prost(uint32, tag = "26")]
    pub inline_extents: u32,
    /// Under which number its `extent/` records lie; 0: its own. Not the inode's own since a command took over
    /// content that was prepared elsewhere.
    #[prost(uint64, tag = "27")]
    pub content: u64,
    /// Directory: it has a default access list, which what is made in it inherits.
    #[prost(bool, tag = "28")]
    pub default_acl: bool,
    /// It has an access list that says more than the mode.
    #[prost(bool, tag = "29")]
    pub acl: bool,
    /// It has so many small extents that a worker should join them; it is on the list of such files.
    #[prost(bool, tag = "30")]
    pub fragmented: bool,
    /// Some of its content may lie in chunks of another class than its own; it is on the list of files that a worker
    /// converts.
    #[prost(bool, tag = "31")]
    pub converting: bool,
    /// It lost its last name and is kept until the cluster has been up for this many seconds; 0: it is not in the trash.
    #[prost(uint64, tag = "32")]
    pub trashed_until: u64,
    /// Directory: for how long files are kept that are deleted anywhere below it, in seconds of cluster uptime; 0: not
    /// at all. Absent: as above it.
    #[prost(uint64, optional, tag = "33")]
    pub trash_seconds: Option<u64>,
    /// Directory: its stored name in its parent. (Its own copy, not a part of the message it came with: inodes are kept
    /// for long.)
    #[prost(bytes = "vec", tag = "34")]
    pub name: Vec<u8>,
    /// Log index of the last `Create` with which a session opened it; 0: none did.
    #[prost(uint64, tag = "40")]
    pub opened: u64,
}

impl Inode {
    /// The number under which `extent/` records of this inode lie.
    pub fn content_id(&self) -> u64 {
        if self.content == 0 { self.ino } else { self.content }
    }

    /// Whether ETag, checksums and part lengths kept with the object still describe the content: a write through
    /// another door voids them.
    pub fn object_is_current(&self) -> bool {
        self.object.as_ref().is_some_and(|object| object.version == self.version)
    }

    /// The ETag, without quotes: as kept with the object, or `<ino>-<version>`, which no client takes for an MD5.
    pub fn etag(&self) -> String {
        match &self.object {
            Some(object) if object.version == self.version && !object.etag.is_empty() => object.etag.clone(),
            _ => format!("{}-{}", self.ino, self.version),
        }
    }
}

/// Extents that fit into the inode record itself.
pub const EMBEDDED_EXTENTS: usize = 4;

/// A range of a file that lies in a range of a chunk, or carries its own few bytes.
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct Extent {
    /// First byte in the file.
    #[prost(uint64, tag = "1")]
    pub offset: u64,
    /// Bytes covered, more than 0.
    #[prost(uint64, tag = "2")]
    pub length: u64,
    /// Placement group of the chunk; 0 with inline bytes.
    #[prost(uint32, tag = "3")]
    pub pg: u32,
    /// Number of the chunk in its group.
    #[prost(uint64, tag = "4")]
    pub number: u64,
    /// First byte in the chunk.
    #[prost(uint64, tag = "5")]
    pub chunk_offset: u64,
    /// Length of the whole chunk, which a reader of shards needs.
    #[prost(uint64, tag = "6")]
    pub chunk_bytes: u64,
    /// Instead of a chunk: the bytes themselves, at most 4 KiB.
    #[prost(bytes = "bytes", optional, tag = "7")]
    pub inline: Option<bytes::Bytes>,
}

impl Extent {
    /// First byte behind the extent.
    pub fn end(&self) -> u64 {
        self.offset + self.length
    }

    /// The chunk it lies in, unless it carries its bytes.
    pub fn chunk(&self) -> Option<crate::ids::ChunkId> {
        self.inline.is_none().then(|| crate::ids::ChunkId::new(self.pg, self.number))
    }
}

/// A name and a value.
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct KeyValue {
    /// Name.
    #[prost(string, tag = "1")]
    pub key: String,
    /// Value.
    #[prost(string, tag = "2")]
    pub value: String,
}

/// A checksum that an S3 client sent or asked for, verified when the object was written.
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct ObjectChecksum {
    /// `CRC32`, `CRC32C`, `CRC64NVME`, `SHA1` or `SHA256`.
    #[prost(string, tag = "1")]
    pub algorithm: String,
    /// Base64, as S3 writes it; with `-N` behind it for a composite of N parts.
    #[prost(string, tag = "2")]
    pub value: String,
    /// Over the whole object (`true`) or a composite of the parts' checksums.
    #[prost(bool, tag = "3")]
    pub full_object: bool,
}

/// Headers and marks that S3 keeps with an object. They belong to the inode.
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct ObjectMeta {
    /// Without quotes. MD5 in hex, with `-N` for N parts. Empty: derived from ino and version.
    #[prost(string, tag = "1")]
    pub etag: String,
    /// The inode version this metadata was made for; a later content change voids ETag and checksums.
    #[prost(uint64, tag = "2")]
    pub version: u64,
    /// `Content-Type`.
    #[prost(string, optional, tag = "3")]
    pub content_type: Option<String>,
    /// `Content-Encoding`.
    #[prost(string, optional, tag = "4")]
    pub content_encoding: Option<String>,
    /// `Content-Disposition`.
    #[prost(string, optional, tag = "5")]
    pub content_disposition: Option<String>,
    /// `Content-Language`.
    #[prost(string, optional, tag = "6")]
    pub content_language: Option<String>,
    /// `Cache-Control`.
    #[prost(string, optional, tag = "7")]
    pub cache_control: Option<String>,
    /// `Expires`, as sent.
    #[prost(string, optional, tag = "8")]
    pub expires: Option<String>,
    /// `x-amz-meta-*`, names in lower case without the prefix.
    #[prost(message, repeated, tag = "9")]
    pub user: Vec<KeyValue>,
    /// Verified checksums.
    #[prost(message, repeated, tag = "10")]
    pub checksums: Vec<ObjectChecksum>,
    /// Object tags.
    #[prost(message, repeated, tag = "11")]
    pub tags: Vec<KeyValue>,
    /// Number of parts of a multipart upload; 0 for a plain PUT.
    #[prost(uint32, tag = "12")]
    pub parts: u32,
    /// `x-amz-website-redirect-location`.
    #[prost(string, optional, tag = "13")]
    pub website_redirect: Option<String>,
    /// Lengths of the parts of a multipart upload, in order, for reads by part number.
    #[prost(uint64, repeated, tag = "14")]
    pub part_bytes: Vec<u64>,
}

/// What a freshly written chunk is, and who says that it is durable there.
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct ChunkCommit {
    /// Placement group it was written to.
    #[prost(uint32, tag = "1")]
    pub pg: u32,
    /// Its number, under a grant of the committing session.
    #[prost(uint64, tag = "2")]
    pub number: u64,
    /// Its length in bytes, more than 0.
    #[prost(uint64, tag = "3")]
    pub length: u64,
    /// BLAKE3 of its content, computed by the writer; 32 bytes.
    #[prost(bytes = "bytes", tag = "4")]
    pub blake3: bytes::Bytes,
    /// The disks on which it is durable.
    #[prost(message, repeated, tag = "5")]
    pub acks: Vec<ChunkAck>,
}

/// One member's word that a chunk is durable on it.
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct ChunkAck {
    /// The disk.
    #[prost(uint32, tag = "1")]
    pub disk: u32,
    /// Which life of the disk.
    #[prost(uint64, tag = "2")]
    pub incarnation: u64,
    /// The map epoch under which the member took it.
    #[prost(uint64, tag = "3")]
    pub epoch: u64,
}

/// New content of a file or a range: at most one of inline bytes and extents.
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct Content {
    /// Total length of the content in bytes.
    #[prost(uint64, tag = "1")]
    pub size: u64,
    /// The whole content, when it is at most the class's inline limit.
    #[prost(bytes = "bytes", optional, tag = "2")]
    pub inline: Option<bytes::Bytes>,
    /// Chunks that this command makes known; each is referred to by at least one extent.
    #[prost(message, repeated, tag = "3")]
    pub chunks: Vec<ChunkCommit>,
    /// Where the content lies, in order, without overlap. Offsets count from the start of the content.
    #[prost(message, repeated, tag = "4")]
    pub extents: Vec<Extent>,
}
