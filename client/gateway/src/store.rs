//! What the door needs of the store behind it: the few calls of the client library that it makes, as a trait, so
//! that its tests run against a store in memory.

use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use holdfast_proto::inode::{Content, Inode};
use holdfast_proto::op::{Conditions, NamedPart, Op, Reply};
use holdfast_proto::query::{Query, QueryReply};
use holdfast_proto::status::Status;

pub(crate) mod cluster;
#[cfg(test)]
pub(crate) mod memory;

/// How a call ends.
pub(crate) type Outcome<T> = Result<T, Status>;

/// A multipart upload to be joined.
#[derive(Debug, Clone)]
pub(crate) struct Completion {
    pub(crate) upload: u64,
    /// Random bits of the upload's public id, its bucket and key: part of what identifies this completion.
    pub(crate) nonce: String,
    pub(crate) bucket: String,
    pub(crate) key: String,
    pub(crate) parts: Vec<NamedPart>,
    pub(crate) etag: String,
    pub(crate) checksums: Vec<holdfast_proto::inode::ObjectChecksum>,
    pub(crate) conditions: Option<Conditions>,
}

/// The store.
#[async_trait]
pub(crate) trait Store: Send + Sync + 'static {
    /// Asks the metadata.
    async fn ask(&self, query: Query) -> Outcome<QueryReply>;
    /// Changes the metadata, exactly once.
    async fn change(&self, op: Op) -> Outcome<Reply>;
    /// Begins content of an object; `class` 0 is what its directory hands down.
    async fn create(&self, bucket: &str, key: &[u8], class: u32, length: u64) -> Outcome<Box<dyn Sink>>;
    /// Opens an object for reading.
    async fn open(&self, bucket: &str, key: &Bytes) -> Outcome<Arc<dyn Object>>;
    /// Joins the parts of an upload.
    async fn complete(&self, completion: Completion) -> Outcome<Reply>;
    /// The id of a storage class by its name, also of one that was just made.
    async fn class_named(&self, name: &str) -> Outcome<Option<u32>>;
    /// The name of a storage class.
    fn class_name(&self, id: u32) -> Option<String>;
}

/// Content under way.
#[async_trait]
pub(crate) trait Sink: Send {
    /// Takes the next bytes; waits while too many are in flight.
    async fn write(&mut self, data: Bytes) -> Outcome<()>;
    /// Waits until everything is durable, invisible yet.
    async fn finish(self: Box<Self>) -> Outcome<Box<dyn Written>>;
}

/// Content that is durable but that nothing refers to.
#[async_trait]
pub(crate) trait Written: Send {
    /// Makes it visible by the command that `build` makes of it; called again if chunks had to be written anew.
    async fn commit(self: Box<Self>, build: &(dyn Fn(Content) -> Op + Send + Sync)) -> Outcome<Reply>;
}

/// An open object: keeps its content readable while it lives.
#[async_trait]
pub(crate) trait Object: Send + Sync {
    /// What it is.
    fn inode(&self) -> &Inode;
    /// A few bytes at once.
    async fn read_at(&self, range: Range<u64>) -> Outcome<Bytes>;
    /// Many bytes, in order.
    fn stream(self: Arc<Self>, range: Range<u64>) -> BoxStream<'static, Outcome<Bytes>>;
}
