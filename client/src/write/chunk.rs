//! One chunk at a time, for callers that gather ranges of a file themselves (a mount) instead of writing a stream.
//!
//! What always holds: the chunk is durable on its members when [`Client::store_chunk`] returns, and nobody sees it
//! before a command names it. Memory is the caller's to bound: its bytes take nothing of the client's budget.

use bytes::Bytes;
use holdfast_proto::ids::ClassId;
use holdfast_proto::map::StorageClass;
use holdfast_support::budget::ByteBudget;

use crate::client::Client;
use crate::error::ClientError;
use crate::inner::over_budget;
use crate::write::buffer::Sealed;
use crate::write::content::{Content, Stored};
use crate::write::place;

/// A chunk that is durable and that nothing refers to yet. Dropping it leaves it to the cluster's collection.
#[derive(Clone)]
pub struct StoredChunk {
    stored: Stored,
}

impl std::fmt::Debug for StoredChunk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StoredChunk")
            .field("chunk", &self.stored.chunk)
            .field("bytes", &self.stored.length)
            .finish()
    }
}

impl StoredChunk {
    /// Its length in bytes.
    pub fn bytes(&self) -> u64 {
        self.stored.length
    }

    /// The group in which it lies.
    pub fn group(&self) -> u32 {
        self.stored.chunk.pg.0
    }
}

impl Client {
    /// Makes bytes (at most the class's chunk size, more than none) durable as one chunk. They are kept until the
    /// chunk is dropped, for the case that it must be written anew.
    pub async fn store_chunk(&self, class: &StorageClass, data: Bytes) -> Result<StoredChunk, ClientError> {
        if data.is_empty() || data.len() as u64 > class.chunk_bytes {
            let (got, most) = (data.len(), class.chunk_bytes);
            return Err(ClientError::Invalid(format!("a chunk of {got} bytes; it holds 1 to {most}")));
        }
        let nothing = ByteBudget::new(1).try_take(0).map_err(over_budget)?;
        let sealed = Sealed::of(data, nothing).await?;
        let mut stored = place::store(self.inner(), class, &sealed, self.deadline()).await?;
        stored.retained = Some(sealed.data);
        Ok(StoredChunk { stored })
    }
}

impl Content {
    /// Chunks in the order in which [`inode::Content`](holdfast_proto::inode::Content) names them to the command's
    /// builder, one extent each.
    pub fn of_chunks(class: ClassId, chunks: Vec<StoredChunk>) -> Self {
        let size = chunks.iter().map(StoredChunk::bytes).sum();
        Self { class, size, inline: None, chunks: chunks.into_iter().map(|chunk| chunk.stored).collect() }
    }
}
