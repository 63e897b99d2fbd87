//! What a finished stream became: inline bytes, or chunks durable on their members and the extents over them.
//!
//! What always holds: the chunk numbers stay in use (so their grant stays open) until this is dropped; nothing of
//! it is visible to anybody before a command names it. Dropping it uncommitted leaves chunks that nothing refers
//! to; the metaserver collects them.

use bytes::Bytes;
use holdfast_proto::ids::{ChunkId, ClassId};
use holdfast_proto::inode::{self, ChunkAck, ChunkCommit, Extent};
use holdfast_proto::map::{Erasure, Member};

use crate::session::grants::Ticket;

/// Chunks that fit into one command (DESIGN §4: no command touches more than 4,096 keys or 1 MiB).
pub const MAX_CHUNKS: usize = 1000;

/// A chunk that enough members made durable.
#[derive(Clone)]
pub(crate) struct Stored {
    pub(crate) chunk: ChunkId,
    pub(crate) length: u64,
    pub(crate) blake3: Bytes,
    pub(crate) acks: Vec<ChunkAck>,
    /// Who acknowledged it, as members of its group were then.
    pub(crate) holders: Vec<Member>,
    /// They hold shards of this shape.
    pub(crate) shape: Option<Erasure>,
    /// Its bytes, where they were kept for writing it anew.
    pub(crate) retained: Option<Bytes>,
    pub(crate) _ticket: Ticket,
}

impl Stored {
    fn commit(&self) -> ChunkCommit {
        ChunkCommit {
            pg: self.chunk.pg.0,
            number: self.chunk.number.0,
            length: self.length,
            blake3: self.blake3.clone(),
            acks: self.acks.clone(),
        }
    }
}

/// New content, written but not visible yet. See [`crate::Client::commit`].
#[derive(Clone)]
pub struct Content {
    pub(crate) class: ClassId,
    pub(crate) size: u64,
    pub(crate) inline: Option<Bytes>,
    pub(crate) chunks: Vec<Stored>,
}

impl std::fmt::Debug for Content {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Content").field("size", &self.size).field("chunks", &self.chunks.len()).finish()
    }
}

impl Content {
    /// Content without a byte.
    pub fn empty() -> Self {
        Self { class: ClassId(0), size: 0, inline: None, chunks: Vec::new() }
    }

    /// Length in bytes.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// How many chunks it has.
    pub fn chunk_count(&self) -> usize {
        self.chunks.len()
    }

    /// Its bytes, if it is inline.
    pub fn inline(&self) -> Option<&Bytes> {
        self.inline.as_ref()
    }

    /// The form in which commands carry it. Each chunk is covered by one extent, in order.
    pub fn to_message(&self) -> inode::Content {
        let mut offset = 0;
        let mut extents = Vec::with_capacity(self.chunks.len());
        for stored in &self.chunks {
            extents.push(Extent {
                offset,
                length: stored.length,
                pg: stored.chunk.pg.0,
                number: stored.chunk.number.0,
                chunk_offset: 0,
                chunk_bytes: stored.length,
                inline: None,
            });
            offset += stored.length;
        }
        let chunks = self.chunks.iter().map(Stored::commit).collect();
        inode::Content { size: self.size, inline: self.inline.clone(), chunks, extents }
    }
}
