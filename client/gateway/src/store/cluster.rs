//! The store as the client library reaches it.

use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures::StreamExt;
use futures::stream::BoxStream;
use holdfast_client::{Client, Content, ContentWriter, OpenFile, WriteOptions};
use holdfast_proto::ids::{ClassId, UploadId};
use holdfast_proto::inode::{self, Inode};
use holdfast_proto::op::{Op, Reply};
use holdfast_proto::query::{Query, QueryReply};
use holdfast_proto::status::Status;

use crate::store::{Completion, Object, Outcome, Sink, Store, Written};

/// A cluster.
pub(crate) struct ClusterStore {
    client: Client,
}

impl ClusterStore {
    pub(crate) fn new(client: Client) -> Self {
        Self { client }
    }
}

#[async_trait]
impl Store for ClusterStore {
    async fn ask(&self, query: Query) -> Outcome<QueryReply> {
        Ok(self.client.ask(query).await?.reply)
    }

    async fn change(&self, op: Op) -> Outcome<Reply> {
        Ok(self.client.mutate(op).await?)
    }

    async fn create(&self, bucket: &str, key: &[u8], class: u32, length: u64) -> Outcome<Box<dyn Sink>> {
        let class = match class {
            0 => self.client.class_for(bucket, key).await?,
            id => self.client.class(ClassId(id)).await?,
        };
        let options = WriteOptions { size: Some(length), ..WriteOptions::default() };
        let writer = self.client.writer(&class, options);
        Ok(Box::new(ClusterSink { client: self.client.clone(), writer }))
    }

    async fn open(&self, bucket: &str, key: &Bytes) -> Outcome<Arc<dyn Object>> {
        Ok(Arc::new(ClusterObject(self.client.open_object(bucket, key, None).await?)))
    }

    async fn complete(&self, completion: Completion) -> Outcome<Reply> {
        let done = holdfast_client::Completion {
            parts: completion.parts,
            etag: completion.etag,
            checksums: completion.checksums,
            conditions: completion.conditions,
            scope: format!("{}/{}/{}", completion.nonce, completion.bucket, completion.key),
        };
        Ok(self.client.complete_upload(UploadId(completion.upload), done).await?)
    }

    async fn class_named(&self, name: &str) -> Outcome<Option<u32>> {
        let known = self.client.map().class_named(name).map(|class| class.id);
        if known.is_some() {
            return Ok(known);
        }
        Ok(self.client.refresh_map().await?.class_named(name).map(|class| class.id))
    }

    fn class_name(&self, id: u32) -> Option<String> {
        self.client.map().class(ClassId(id)).map(|class| class.name.clone())
    }
}

struct ClusterSink {
    client: Client,
    writer: ContentWriter,
}

#[async_trait]
impl Sink for ClusterSink {
    async fn write(&mut self, data: Bytes) -> Outcome<()> {
        Ok(self.writer.write(data).await?)
    }

    async fn finish(self: Box<Self>) -> Outcome<Box<dyn Written>> {
        let content = self.writer.finish().await?;
        Ok(Box::new(ClusterWritten { client: self.client, content }))
    }
}

struct ClusterWritten {
    client: Client,
    content: Content,
}

#[async_trait]
impl Written for ClusterWritten {
    async fn commit(self: Box<Self>, build: &(dyn Fn(inode::Content) -> Op + Send + Sync)) -> Outcome<Reply> {
        Ok(self.client.commit(self.content, build).await?)
    }
}

struct ClusterObject(OpenFile);

#[async_trait]
impl Object for ClusterObject {
    fn inode(&self) -> &Inode {
        self.0.inode()
    }

    async fn read_at(&self, range: Range<u64>) -> Outcome<Bytes> {
        let bytes = self.0.read_at(range.start, range.end - range.start).await?;
        if bytes.len() as u64 != range.end - range.start {
            return Err(Status::internal("an object ended before its length"));
        }
        Ok(bytes)
    }

    fn stream(self: Arc<Self>, range: Range<u64>) -> BoxStream<'static, Outcome<Bytes>> {
        self.0.read(range).map(|piece| piece.map_err(Status::from)).boxed()
    }
}
