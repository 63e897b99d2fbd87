//! Records of the state and how they are written: one format byte, then the prost message.
//!
//! What always holds: [`decode`] reads the current format and the one before; [`encode`] writes the current one.
//! Inodes, extents, nodes, disks, classes and groups are messages of `holdfast-proto`; what only the state knows
//! is here. Values of `inline/` and `xattr/` are raw bytes, so that they are neither copied nor decoded.

use bytes::{BufMut, Bytes, BytesMut};
use holdfast_proto::inode::{Extent, Inode};
use holdfast_proto::op::{BeginDraft, FileLock, Reply, TrashWay};
use holdfast_proto::query;
use prost::Message;

use crate::table::{Broken, View};

/// The format this build writes.
pub const FORMAT: u8 = 1;

/// Writes a record.
pub fn encode(record: &impl Message) -> Bytes {
    let mut bytes = BytesMut::with_capacity(1 + record.encoded_len());
    bytes.put_u8(FORMAT);
    record.encode_raw(&mut bytes);
    bytes.freeze()
}

/// Reads a record. Byte strings in it share memory with `value`.
pub fn decode<T: Message + Default>(key: &[u8], mut value: Bytes) -> Result<T, Broken> {
    match value.first() {
        Some(&FORMAT) => {
            let body = value.split_off(1);
            T::decode(body).map_err(|error| Broken::record(key, error))
        }
        Some(format) => Err(Broken::record(key, format!("format {format} is not known to this build"))),
        None => Err(Broken::record(key, "the record is empty")),
    }
}

/// Reads the record at `key`, if there is one.
pub fn load<T: Message + Default>(view: &dyn View, key: &[u8]) -> Result<Option<T>, Broken> {
    view.get(key)?.map(|value| decode(key, value)).transpose()
}

/// Reads a page of records whose keys start with `prefix`, from `from` on.
pub fn load_range<T: Message + Default>(
    view: &dyn View,
    from: &[u8],
    to: &[u8],
    most: usize,
) -> Result<Vec<(Bytes, T)>, Broken> {
    let page = view.scan(from, to, most)?;
    page.into_iter().map(|(key, value)| decode(&key, value).map(|record| (key, record))).collect()
}

/// Counters, clock and allocators: one record, read and written by nearly every command.
#[derive(Clone, Copy, PartialEq, Eq, Message)]
pub struct State {
    /// Highest time any command brought, nanoseconds since the Unix epoch.
    #[prost(int64, tag = "1")]
    pub time_ns: i64,
    /// Next inode number.
    #[prost(uint64, tag = "2")]
    pub next_ino: u64,
    /// Next grant.
    #[prost(uint64, tag = "3")]
    pub next_grant: u64,
    /// Next disk id.
    #[prost(uint32, tag = "4")]
    pub next_disk: u32,
    /// Next class id.
    #[prost(uint32, tag = "5")]
    pub next_class: u32,
    /// Next group id.
    #[prost(uint32, tag = "6")]
    pub next_pg: u32,
    /// Epoch of the map.
    #[prost(uint64, tag = "7")]
    pub epoch: u64,
    /// Inode records.
    #[prost(uint64, tag = "8")]
    pub inodes: u64,
    /// Bytes of chunks, inline files and inline extents, before redundancy.
    #[prost(uint64, tag = "9")]
    pub bytes: u64,
    /// Chunk records.
    #[prost(uint64, tag = "10")]
    pub chunks: u64,
    /// Chunk numbers in `gc/`.
    #[prost(uint64, tag = "11")]
    pub garbage: u64,
    /// `missing/` records.
    #[prost(uint64, tag = "12")]
    pub missing: u64,
    /// Open sessions.
    #[prost(uint64, tag = "13")]
    pub sessions: u64,
    /// Ended sessions still remembered.
    #[prost(uint64, tag = "14")]
    pub ended: u64,
    /// Seconds for which the cluster had a leader, as leaders counted them.
    #[prost(uint64, tag = "15")]
    pub uptime_s: u64,
    /// Quotas.
    #[prost(uint64, tag = "16")]
    pub quotas: u64,
    /// Open sessions that hold files open. While there are none, no file is open.
    #[prost(uint64, tag = "20")]
    pub mounts: u64,
    /// Inodes in `nameless/` that are not drafts.
    #[prost(uint64, tag = "21")]
    pub nameless: u64,
    /// The latest term whose leader announced that it counts opens: what leaders of earlier terms knew is void.
    #[prost(uint64, tag = "22")]
    pub opens_term: u64,
    /// Files in `converting/`.
    #[prost(uint64, tag = "23")]
    pub converting: u64,
    /// Files in `trash/`.
    #[prost(uint64, tag = "24")]
    pub trashed: u64,
    /// Bytes that they refer to, each in full.
    #[prost(uint64, tag = "25")]
    pub trashed_bytes: u64,
    /// Directories that say for how long files deleted below them are kept.
    #[prost(uint64, tag = "26")]
    pub trash_times: u64,
    /// Next node id; 0 in a state from before there was such a counter.
    #[prost(uint64, tag = "27")]
    pub next_node: u64,
    /// Links to files.
    #[prost(uint64, tag = "28")]
    pub shares: u64,
}

/// Identity of the cluster.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct Cluster {
    /// Its id, 16 bytes.
    #[prost(bytes = "bytes", tag = "1")]
    pub id: Bytes,
    /// Which life of the metadata; grows with a restore from a backup.
    #[prost(uint64, tag = "2")]
    pub meta_incarnation: u64,
    /// Format version of the state.
    #[prost(uint32, tag = "3")]
    pub state_version: u32,
    /// When it was made.
    #[prost(int64, tag = "4")]
    pub created_ns: i64,
}

/// A plain id as a record (`nonce/`, `grant/`).
#[derive(Clone, Copy, PartialEq, Eq, Message)]
pub struct Id {
    /// The id.
    #[prost(uint64, tag = "1")]
    pub id: u64,
}

/// A disk in one of its lives (`fingerprint/`), or how far a member is (`gccursor/` uses `index`).
#[derive(Clone, Copy, PartialEq, Eq, Message)]
pub struct DiskLife {
    /// The disk.
    #[prost(uint32, tag = "1")]
    pub disk: u32,
    /// Its incarnation.
    #[prost(uint64, tag = "2")]
    pub incarnation: u64,
}

/// A log index as a record (`gccursor/`, `gcino/`, `spent/`: since when).
#[derive(Clone, Copy, PartialEq, Eq, Message)]
pub struct Index {
    /// The index.
    #[prost(uint64, tag = "1")]
    pub index: u64,
}

/// A record that says no more than its key.
#[derive(Clone, Copy, PartialEq, Eq, Message)]
pub struct Mark {}

/// A session, open or ended.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct Session {
    /// Log index of the command that opened it.
    #[prost(uint64, tag = "1")]
    pub opened: u64,
    /// Log index of the command that ended it; 0: it is open.
    #[prost(uint64, tag = "2")]
    pub ended: u64,
    /// Lowest sequence number that may still be answered.
    #[prost(uint64, tag = "3")]
    pub floor: u64,
    /// Its open grants.
    #[prost(uint64, repeated, tag = "4")]
    pub grants: Vec<u64>,
    /// Silence after which the leader may end it, in milliseconds.
    #[prost(uint64, tag = "5")]
    pub ttl_ms: u64,
    /// For people.
    #[prost(string, tag = "6")]
    pub description: String,
    /// State time when it ended, or opened while it is open.
    #[prost(int64, tag = "7")]
    pub since_ns: i64,
    /// It may hold files open.
    #[prost(bool, tag = "8")]
    pub holds_files: bool,
}

impl Session {
    /// Whether commands of it are carried out.
    pub fn is_open(&self) -> bool {
        self.ended == 0
    }
}

/// A kept reply.
#[derive(Clone, PartialEq, Message)]
pub struct KeptReply {
    /// The command's sequence number.
    #[prost(uint64, tag = "1")]
    pub seq: u64,
    /// Its reply.
    #[prost(message, optional, tag = "2")]
    pub reply: Option<Reply>,
}

/// An entry of a directory.
#[derive(Clone, Copy, PartialEq, Eq, Message)]
pub struct Dentry {
    /// The inode.
    #[prost(uint64, tag = "1")]
    pub ino: u64,
    /// What it is: a [`holdfast_proto::inode::FileKind`].
    #[prost(enumeration = "holdfast_proto::inode::FileKind", tag = "2")]
    pub kind: i32,
}

/// A chunk.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct Chunk {
    /// Length in bytes.
    #[prost(uint64, tag = "1")]
    pub length: u64,
    /// BLAKE3 of its content.
    #[prost(bytes = "bytes", tag = "2")]
    pub blake3: Bytes,
    /// Bytes that extents refer to, each extent counted.
    #[prost(uint64, tag = "3")]
    pub live: u64,
    /// Extents that refer to it.
    #[prost(uint32, tag = "4")]
    pub references: u32,
    /// A `missing/` record was made for it at some time: look for them when it dies.
    #[prost(bool, tag = "5")]
    pub was_missing: bool,
}

/// Chunks of one group that died with one command.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct GcBatch {
    /// Their numbers, in order.
    #[prost(uint64, repeated, tag = "1")]
    pub numbers: Vec<u64>,
}

/// A disk that left a group.
#[derive(Clone, Copy, PartialEq, Eq, Message)]
pub struct Leave {
    /// The incarnation that was a member.
    #[prost(uint64, tag = "1")]
    pub incarnation: u64,
    /// Log index of the command with which it left.
    #[prost(uint64, tag = "2")]
    pub index: u64,
    /// Epoch of the group after it left: the epoch of the order that removes what it still holds.
    #[prost(uint64, tag = "3")]
    pub epoch: u64,
}

/// A group that lacks redundancy. Noted by leaders, so that a new one knows since when; it decides nothing.
#[derive(Clone, Copy, PartialEq, Eq, Message)]
pub struct Ailing {
    /// How close to loss it is; never whole.
    #[prost(enumeration = "holdfast_proto::op::Ailment", tag = "1")]
    pub ailment: i32,
    /// State time since when it has lacked something, nanoseconds.
    #[prost(int64, tag = "2")]
    pub since_ns: i64,
    /// State time since when it has been as close to loss as it is, nanoseconds.
    #[prost(int64, tag = "3")]
    pub level_since_ns: i64,
}

/// An inode without a name that is not being freed. Who has it open, if anybody, the leader knows.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct Nameless {
    /// Of a draft, the one session it belongs to.
    #[prost(uint64, repeated, tag = "1")]
    pub holders: Vec<u64>,
    /// It never had a name: it is prepared in steps by its one holder.
    #[prost(message, optional, tag = "2")]
    pub draft: Option<Draft>,
}

/// A file that lost its last name and is kept (`trash/`).
#[derive(Clone, PartialEq, Eq, Message)]
pub struct Trashed {
    /// Where it was: from the root, its directories with their `/`, then its stored name, which may be empty.
    #[prost(bytes = "bytes", tag = "1")]
    pub path: Bytes,
    /// Log index of the command that took the name.
    #[prost(uint64, tag = "2")]
    pub index: u64,
    /// State time of that command.
    #[prost(int64, tag = "3")]
    pub deleted_ns: i64,
    /// What command it was.
    #[prost(enumeration = "TrashWay", tag = "4")]
    pub way: i32,
}

/// The locks on a file.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct Locks {
    /// In order of their first byte.
    #[prost(message, repeated, tag = "1")]
    pub held: Vec<FileLock>,
}

/// A quota.
#[derive(Clone, Copy, PartialEq, Eq, Message)]
pub struct Quota {
    /// The directory.
    #[prost(uint64, tag = "1")]
    pub root: u64,
    /// Most bytes; 0: no limit.
    #[prost(uint64, tag = "2")]
    pub bytes: u64,
    /// Most inodes; 0: no limit.
    #[prost(uint64, tag = "3")]
    pub files: u64,
    /// Bytes of the inodes that carry its number.
    #[prost(uint64, tag = "4")]
    pub used_bytes: u64,
    /// How many inodes carry its number.
    #[prost(uint64, tag = "5")]
    pub used_files: u64,
    /// Directories are left whose entries are still to be counted.
    #[prost(bool, tag = "6")]
    pub counting: bool,
}

/// How far the entries of a directory are counted.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct WalkAt {
    /// The last stored name that was, which may be empty; absent: none was.
    #[prost(bytes = "bytes", optional, tag = "1")]
    pub after: Option<Bytes>,
}

/// How far a draft is prepared.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct Draft {
    /// What it is to hold.
    #[prost(message, optional, tag = "1")]
    pub plan: Option<BeginDraft>,
    /// The next byte of the source.
    #[prost(uint64, tag = "2")]
    pub at: u64,
    /// Everything is there.
    #[prost(bool, tag = "3")]
    pub whole: bool,
}

/// What S3 knows of a top-level directory.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct Bucket {
    /// The access key that owns it.
    #[prost(string, tag = "1")]
    pub owner: String,
    /// When it was made.
    #[prost(int64, tag = "2")]
    pub created_ns: i64,
}

/// A multipart upload.
#[derive(Clone, PartialEq, Message)]
pub struct Upload {
    /// What listings show. `bucket` is the name at the start; the directory counts.
    #[prost(message, optional, tag = "1")]
    pub about: Option<query::Upload>,
    /// The bucket's directory.
    #[prost(uint64, tag = "2")]
    pub bucket: u64,
    /// It was finished or aborted; only its parts are left to be freed.
    #[prost(bool, tag = "3")]
    pub ended: bool,
    /// The invisible inode on which parts are joined; 0: none yet.
    #[prost(uint64, tag = "4")]
    pub ino: u64,
    /// Digest of the list of parts that is being joined.
    #[prost(bytes = "bytes", tag = "5")]
    pub list_digest: Bytes,
    /// Number of the last part joined.
    #[prost(uint32, tag = "6")]
    pub last_part: u32,
    /// The last part of the list is joined.
    #[prost(bool, tag = "7")]
    pub complete: bool,
    /// Lengths of the parts joined so far.
    #[prost(uint64, repeated, tag = "8")]
    pub part_bytes: Vec<u64>,
    /// The part joined last is below the smallest length that may be followed by another.
    #[prost(bool, tag = "9")]
    pub last_is_small: bool,
    /// Mode of the object to be; absent: the default.
    #[prost(uint32, optional, tag = "10")]
    pub mode: Option<u32>,
    /// Bytes of the part behind the last one that are joined already: a part of very many extents takes several steps.
    #[prost(uint64, tag = "11")]
    pub part_at: u64,
    /// Uptime of the cluster, in seconds, when it was begun or last got a part; up to an hour old.
    #[prost(uint64, tag = "12")]
    pub touched_s: u64,
    /// Number of the part of which only `part_at` bytes are joined; 0: none.
    #[prost(uint32, tag = "13")]
    pub joining: u32,
    /// Where the chunks of the parts joined so far lie; absent: not known of all of them.
    #[prost(message, optional, tag = "14")]
    pub lies: Option<Lies>,
}

/// In groups of which classes some chunks lie.
#[derive(Clone, PartialEq, Message)]
pub struct Lies {
    /// One per class.
    #[prost(message, repeated, tag = "1")]
    pub classes: Vec<LiesIn>,
}

/// A class with chunks in its groups.
#[derive(Clone, Copy, PartialEq, Message)]
pub struct LiesIn {
    /// Which.
    #[prost(uint32, tag = "1")]
    pub class: u32,
    /// The longest of the chunks, in bytes, or more than that.
    #[prost(uint64, tag = "2")]
    pub longest: u64,
}

/// One part of an upload.
#[derive(Clone, PartialEq, Message)]
pub struct Part {
    /// What listings show.
    #[prost(message, optional, tag = "1")]
    pub about: Option<query::Part>,
    /// Where its bytes lie; offsets count from its start.
    #[prost(message, repeated, tag = "2")]
    pub extents: Vec<Extent>,
    /// Instead of extents, when there are too many for a record: the inode without a name that has them.
    #[prost(uint64, tag = "3")]
    pub ino: u64,
    /// Where its chunks lie; absent: not known.
    #[prost(message, optional, tag = "4")]
    pub lies: Option<Lies>,
}

/// What a finished upload became.
#[derive(Clone, PartialEq, Message)]
pub struct Finished {
    /// The object as it was then, without extents.
    #[prost(message, optional, tag = "1")]
    pub inode: Option<Inode>,
    /// Digest of the list of parts.
    #[prost(bytes = "bytes", tag = "2")]
    pub list_digest: Bytes,
    /// State time of the completion.
    #[prost(int64, tag = "3")]
    pub time_ns: i64,
    /// Log index of the completion.
    #[prost(uint64, tag = "4")]
    pub index: u64,
    /// What the completion replaced.
    #[prost(uint64, tag = "5")]
    pub replaced_version: u64,
}

/// A setting that is not at its default.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct Setting {
    /// Its value as text.
    #[prost(string, tag = "1")]
    pub value: String,
}

/// The join token.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct Token {
    /// Its BLAKE3.
    #[prost(bytes = "bytes", tag = "1")]
    pub digest: Bytes,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_starts_with_its_format() {
        let dentry = Dentry { ino: 7, kind: 1 };
        let bytes = encode(&dentry);
        assert_eq!(&bytes[..], [FORMAT, 0x08, 7, 0x10, 1]);
        assert_eq!(decode::<Dentry>(b"t", bytes).unwrap(), dentry);
    }

    #[test]
    fn an_unknown_format_is_refused() {
        assert!(matches!(decode::<Mark>(b"t", Bytes::from_static(&[9])), Err(Broken::Record { .. })));
        assert!(matches!(decode::<Mark>(b"t", Bytes::new()), Err(Broken::Record { .. })));
    }
}
