//! What can be asked of a disk's writer, and its answers.

use bytes::Bytes;
use holdfast_proto::ids::{ChunkId, PgId};
use tokio::sync::oneshot;

use super::entry::Place;
use crate::error::StoreError;
use crate::format::record::RecordHeader;

/// Store a replica or shard.
#[derive(Clone, Debug)]
pub struct Put {
    /// The chunk.
    pub chunk: ChunkId,
    /// Shard index; 0 for a replica.
    pub shard: u32,
    /// Length of the whole chunk.
    pub chunk_bytes: u64,
    /// The bytes; their CRCs were checked.
    pub payload: Bytes,
    /// CRC32C of each block.
    pub table: Bytes,
    /// BLAKE3 of the whole chunk, if known.
    pub blake3: Option<[u8; 32]>,
    /// Epoch of the group as this server knows it.
    pub epoch: u64,
    /// Epoch at which the disk joined the group: an identical record from an earlier membership does not count,
    /// because a tombstone of that membership may still be on its way.
    pub joined: u64,
    /// A repair order with bytes that match the BLAKE3 in metadata: replace what is there.
    pub force: bool,
}

/// How a [`Put`] ended well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stored {
    /// Written, durable.
    New,
    /// The same bytes were durable already.
    Already,
}

pub(super) type Answer<T> = oneshot::Sender<Result<T, StoreError>>;

/// One request to the writer.
pub(super) enum Op {
    Put(Box<Put>, Answer<Stored>),
    Tombstones {
        pg: PgId,
        epoch: u64,
        numbers: Vec<u64>,
        answer: Answer<u64>,
    },
    GroupTombstone {
        pg: PgId,
        epoch: u64,
        answer: Answer<()>,
    },
    /// Bury victims of a group tombstone; answers whether none is left.
    Sweep {
        pg: PgId,
        most: usize,
        answer: Answer<bool>,
    },
    /// Compaction: copy a record, if it is still live there. Answers whether it was.
    Relocate {
        from: Place,
        header: Box<RecordHeader>,
        table: Bytes,
        payload: Bytes,
        answer: Answer<bool>,
    },
    /// Compaction: write what is still needed of a tombstone record anew.
    Carry {
        from: Place,
        header: Box<RecordHeader>,
        numbers: Vec<u64>,
        answer: Answer<()>,
    },
    /// Payloads of dead records were punched.
    Punched {
        dead: Vec<(ChunkId, Place)>,
        answer: Answer<()>,
    },
    /// A segment is gone.
    Forget {
        segment: u64,
        dead: Vec<(ChunkId, Place)>,
        answer: Answer<()>,
    },
    /// Take no more requests.
    Stop,
}

impl Op {
    /// Payload bytes it brings.
    pub(super) fn bytes(&self) -> u64 {
        match self {
            Self::Put(put, _) => put.payload.len() as u64,
            Self::Relocate { payload, .. } => payload.len() as u64,
            Self::Tombstones { numbers, .. } | Self::Carry { numbers, .. } => numbers.len() as u64 * 8,
            Self::GroupTombstone { .. }
            | Self::Sweep { .. }
            | Self::Punched { .. }
            | Self::Forget { .. }
            | Self::Stop => 0,
        }
    }
}

/// An answer that is decided but not sent yet: it goes out when everything before it is durable.
pub(super) enum Pending {
    Stored(Answer<Stored>, Result<Stored, StoreError>),
    Count(Answer<u64>, Result<u64, StoreError>),
    Flag(Answer<bool>, Result<bool, StoreError>),
    Done(Answer<()>, Result<(), StoreError>),
}

impl Pending {
    /// Sends it. A refusal stays what it was; a success turns into `failure` if there is one.
    pub(super) fn send(self, failure: Option<&StoreError>) {
        fn out<T>(answer: Answer<T>, result: Result<T, StoreError>, failure: Option<&StoreError>) {
            let result = match (result, failure) {
                (Ok(_), Some(failure)) => Err(failure.clone()),
                (result, _) => result,
            };
            // Whoever asked may have gone; what was decided stands.
            let _ = answer.send(result);
        }
        match self {
            Self::Stored(answer, result) => out(answer, result, failure),
            Self::Count(answer, result) => out(answer, result, failure),
            Self::Flag(answer, result) => out(answer, result, failure),
            Self::Done(answer, result) => out(answer, result, failure),
        }
    }
}
