//! Commands on objects and buckets by path, as S3 and the command line give them.

use super::Unheld;
use crate::inode::{Content, KeyValue, ObjectMeta};

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

/// See [`super::Op::PutObject`]. Makes a new inode and swaps the dentry; other links and open files keep the old one.
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
    /// What the leader knows that nobody holds open. (Tag 11 was something else once.)
    #[prost(message, optional, tag = "12")]
    pub unheld: Option<Unheld>,
}

/// See [`super::Op::DeleteObjects`]. Deleting what is not there succeeds.
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
    /// What the leader knows that nobody holds open. (Tag 4 was something else once.)
    #[prost(message, optional, tag = "5")]
    pub unheld: Option<Unheld>,
}

/// See [`super::Op::CopyObject`]. Up to 1,000 extents; larger ones need a draft.
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
    /// What the leader knows that nobody holds open. (Tag 10 was something else once.)
    #[prost(message, optional, tag = "12")]
    pub unheld: Option<Unheld>,
    /// The draft that was prepared because the command needed steps; 0: none.
    #[prost(uint64, tag = "11")]
    pub draft: u64,
    /// Storage class of the copy; 0: that of its directory. What lies elsewhere is converted afterwards.
    #[prost(uint32, tag = "13")]
    pub class: u32,
}

/// See [`super::Op::MakeDirs`].
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

/// See [`super::Op::CreateBucket`].
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

/// See [`super::Op::DeleteBucket`]. Refused with `NotEmpty` while it has entries or uploads.
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct DeleteBucket {
    /// Name.
    #[prost(string, tag = "1")]
    pub name: String,
}

/// See [`super::Op::SetObjectMeta`].
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
