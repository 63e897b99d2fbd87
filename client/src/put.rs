//! A file put by bucket and key, whatever its length: content of more chunks than fit into one command goes
//! through an upload that nobody sees.
//!
//! What always holds: the file appears whole or not at all. An upload that fails half-way is given up; if that
//! fails too, it is left for the cluster's clean-up of old uploads.

use bytes::Bytes;
use holdfast_proto::ids::{ClassId, Ino, UploadId};
use holdfast_proto::inode::ObjectMeta;
use holdfast_proto::map::StorageClass;
use holdfast_proto::op::{Conditions, CreateUpload, NamedPart, Op, PutObject, Reply, SetAttr};
use holdfast_proto::status::Status;
use rand::RngExt as _;

use crate::client::Client;
use crate::error::ClientError;
use crate::multipart::{Completion, PartInfo};
use crate::write::writer::{ContentWriter, WriteOptions};

/// What is put beside the bytes.
#[derive(Clone, Debug, Default)]
pub struct PutOptions {
    /// Length, if known.
    pub size: Option<u64>,
    /// Storage class; 0: what its directory hands down.
    pub class: ClassId,
    /// What S3 keeps with an object. Absent: a plain file.
    pub object: Option<ObjectMeta>,
    /// Conditions on what is there.
    pub conditions: Option<Conditions>,
    /// Mode for a new file.
    pub mode: Option<u32>,
    /// Owner for a new file.
    pub uid: u32,
    /// Group for a new file.
    pub gid: u32,
    /// Modification time to keep; absent: now.
    pub mtime_ns: Option<i64>,
}

/// A file on its way. See [`Client::put`].
pub struct FileWriter {
    client: Client,
    bucket: String,
    key: Bytes,
    options: PutOptions,
    class: StorageClass,
    writer: ContentWriter,
    /// The upload, once there is more than fits into one command, with the parts put so far.
    upload: Option<(UploadId, Vec<NamedPart>)>,
    /// Bytes in parts already put.
    put: u64,
}

impl Client {
    /// Begins to put a file. It appears with [`FileWriter::finish`].
    pub async fn put(
        &self,
        bucket: &str,
        key: &[u8],
        options: PutOptions,
    ) -> Result<FileWriter, ClientError> {
        let class = match options.class.0 {
            0 => self.class_for(bucket, key).await?,
            _ => self.class(options.class).await?,
        };
        // Of more than one command's chunks, parts are cut as the bytes come: their lengths are not known ahead.
        let whole = class.chunk_bytes.saturating_mul(crate::write::content::MAX_CHUNKS as u64);
        let size = options.size.filter(|size| *size <= whole);
        let writer = self.writer(&class, WriteOptions { size, ..WriteOptions::default() });
        Ok(FileWriter {
            client: self.clone(),
            bucket: bucket.to_owned(),
            key: Bytes::copy_from_slice(key),
            options,
            class: class.as_ref().clone(),
            writer,
            upload: None,
            put: 0,
        })
    }

    /// Puts a file whose bytes are at hand.
    pub async fn put_bytes(
        &self,
        bucket: &str,
        key: &[u8],
        data: Bytes,
        mut options: PutOptions,
    ) -> Result<Reply, ClientError> {
        options.size = Some(data.len() as u64);
        let mut writer = self.put(bucket, key, options).await?;
        writer.write(data).await?;
        writer.finish().await
    }
}

impl FileWriter {
    /// Bytes taken so far.
    pub fn size(&self) -> u64 {
        self.put + self.writer.size()
    }

    /// Takes the next bytes. Waits while too much is in flight.
    pub async fn write(&mut self, mut data: Bytes) -> Result<(), ClientError> {
        // One call must not cross the end of a part: chunks are full, so what is left of one is known.
        while !data.is_empty() {
            let room = self.room();
            if room == 0 {
                self.put_part().await?;
                continue;
            }
            let piece = data.split_to(usize::try_from(room).unwrap_or(usize::MAX).min(data.len()));
            self.writer.write(piece).await?;
        }
        Ok(())
    }

    /// Bytes that still fit into the current command.
    fn room(&self) -> u64 {
        let whole = self.class.chunk_bytes.max(1).saturating_mul(crate::write::content::MAX_CHUNKS as u64);
        whole.saturating_sub(self.writer.size())
    }

    async fn put_part(&mut self) -> Result<(), ClientError> {
        let fresh =
            self.client.writer(&self.class, WriteOptions { chunks_only: true, ..WriteOptions::default() });
        let full = std::mem::replace(&mut self.writer, fresh);
        self.put += full.size();
        let content = full.finish().await?;
        if self.upload.is_none() {
            let nonce: u128 = self.client.inner().random(|rng| rng.random());
            let create = CreateUpload {
                bucket: self.bucket.clone(),
                key: self.key.clone(),
                object: self.options.object.clone(),
                class: self.options.class.0,
                nonce: format!("{nonce:032x}"),
                ..CreateUpload::default()
            };
            self.upload = Some((self.client.create_upload(create).await?, Vec::new()));
        }
        let Some((upload, parts)) = &mut self.upload else { return Ok(()) };
        let part = u32::try_from(parts.len() + 1).unwrap_or(u32::MAX);
        if part > 10_000 {
            return Err(ClientError::Invalid("a file of more than 10,000 parts".to_owned()));
        }
        // Nobody computed an MD5: the parts are told apart by where their bytes lie.
        let mut hasher = blake3::Hasher::new();
        for stored in &content.chunks {
            hasher.update(&stored.blake3);
        }
        let etag = hasher.finalize().to_hex().to_string();
        parts.push(NamedPart { part, etag: etag.clone() });
        let info = PartInfo { part, etag, checksums: Vec::new() };
        self.client.put_part(*upload, info, content).await.map(drop)
    }

    /// All bytes are there: makes the file visible.
    pub async fn finish(mut self) -> Result<Reply, ClientError> {
        if let Some(expected) = self.options.size
            && expected != self.size()
        {
            let got = self.size();
            self.give_up().await;
            return Err(ClientError::Invalid(format!("{got} bytes instead of the {expected} announced")));
        }
        if self.upload.is_none() {
            let content = self.writer.finish().await?;
            let (bucket, key, options) = (self.bucket, self.key, self.options);
            return self
                .client
                .commit(content, move |content| put_op(&bucket, &key, &options, content))
                .await;
        }
        let result = Box::pin(self.finish_upload()).await;
        if matches!(&result, Err(error) if !error.outcome_unknown()) {
            self.give_up().await;
        }
        result
    }

    async fn finish_upload(&mut self) -> Result<Reply, ClientError> {
        if self.writer.size() > 0 {
            self.put_part().await?;
        }
        let Some((upload, parts)) = self.upload.clone() else {
            return Err(ClientError::Refused(Status::internal("no upload was begun")));
        };
        let done = Completion {
            parts,
            etag: self.options.object.as_ref().map(|object| object.etag.clone()).unwrap_or_default(),
            checksums: Vec::new(),
            conditions: self.options.conditions.clone(),
            scope: String::new(),
        };
        let reply = self.client.complete_upload(upload, done).await?;
        let ino = reply.inode.as_ref().map_or(Ino(0), |inode| Ino(inode.ino));
        if ino.0 != 0 && self.options.object.is_none() {
            self.set_attributes(ino).await?;
        }
        Ok(reply)
    }

    /// What uploads do not carry. The content is visible already and whole.
    async fn set_attributes(&self, ino: Ino) -> Result<(), ClientError> {
        let attributes = SetAttr {
            ino: ino.0,
            mode: self.options.mode,
            uid: Some(self.options.uid),
            gid: Some(self.options.gid),
            mtime_ns: self.options.mtime_ns,
            ..SetAttr::default()
        };
        self.client.mutate(Op::SetAttr(attributes)).await.map(drop)
    }

    async fn give_up(&mut self) {
        if let Some((upload, _)) = self.upload.take()
            && let Err(error) = self.client.abort_upload(upload).await
        {
            tracing::warn!(%upload, %error, "an upload could not be given up; the clean-up of old uploads will");
        }
    }
}

fn put_op(bucket: &str, key: &Bytes, options: &PutOptions, content: holdfast_proto::inode::Content) -> Op {
    Op::PutObject(PutObject {
        bucket: bucket.to_owned(),
        key: key.clone(),
        content: Some(content),
        object: options.object.clone(),
        conditions: options.conditions.clone(),
        mode: options.mode,
        uid: options.uid,
        gid: options.gid,
        mtime_ns: options.mtime_ns,
        class: options.class.0,
        unheld: None,
    })
}
