//! Commands of multipart uploads. Parts hold their chunks; joining them moves references, never bytes.

use super::{Conditions, Unheld};
use crate::inode::{Content, ObjectMeta};

/// See [`super::Op::CreateUpload`]. The reply carries the upload's id.
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

/// See [`super::Op::PutPart`]. A part put again replaces the earlier one. At most 1,000 chunks.
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

/// See [`super::Op::CopyPart`].
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
    /// Checksums of the part, computed likewise, as the upload wants them.
    #[prost(message, repeated, tag = "8")]
    pub checksums: Vec<crate::inode::ObjectChecksum>,
    /// The draft that was prepared because the command needed steps; 0: none.
    #[prost(uint64, tag = "9")]
    pub draft: u64,
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

/// See [`super::Op::AssembleUpload`]. Parts follow in ascending order over several commands; each command moves at most
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

/// See [`super::Op::FinishUpload`]. Idempotent: a finished upload's id answers with the object it became for a day.
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
    /// What the leader knows that nobody holds open. (Tag 6 was something else once.)
    #[prost(message, optional, tag = "7")]
    pub unheld: Option<Unheld>,
}

/// See [`super::Op::AbortUpload`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, prost::Message)]
pub struct AbortUpload {
    /// The upload.
    #[prost(uint64, tag = "1")]
    pub upload: u64,
    /// Only if nobody touched it since this second of uptime; absent: in any case.
    #[prost(uint64, optional, tag = "2")]
    pub untouched_since_s: Option<u64>,
}

/// See [`super::Op::FreeUploadStep`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, prost::Message)]
pub struct FreeUploadStep {
    /// The upload.
    #[prost(uint64, tag = "1")]
    pub upload: u64,
    /// Most extents to free.
    #[prost(uint32, tag = "2")]
    pub most: u32,
}
