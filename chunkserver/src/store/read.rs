//! Reading ranges of records, with the checksums that let the reader check them.
//!
//! What always holds: a range is read at the block boundaries around it; its CRCs come from the same record, whose
//! identity was checked (by the index value, or by the header for large records). The blocks themselves are checked
//! by whoever uses them: the reader, scrub, repair. A 4 KiB read moves 4 KiB plus the checksums that cover it.

use bytes::Bytes;
use holdfast_proto::ids::ChunkId;
use holdfast_support::buffers;
use holdfast_support::crc::CRC_BYTES;

use super::Shared;
use super::entry::{Entry, key};
use super::index::Cached;
use crate::disk::{File, read_full};
use crate::error::StoreError;
use crate::format::record::RecordHeader;
use crate::format::{ALIGN, HEADER_BYTES, Shape};

/// A range of a record.
#[derive(Clone, Debug)]
pub struct ReadOut {
    /// Offset of the payload within the record, a multiple of 4 KiB.
    pub offset: u64,
    /// The blocks that cover the range.
    pub payload: Bytes,
    /// Their CRC32Cs.
    pub crcs: Bytes,
    /// Bytes of the whole record.
    pub record_bytes: u64,
    /// Bytes of the whole chunk.
    pub chunk_bytes: u64,
    /// BLAKE3 of the whole chunk, if known.
    pub blake3: Option<[u8; 32]>,
    /// Epoch under which it came.
    pub epoch: u64,
}

/// What to read.
#[derive(Clone, Copy, Debug)]
pub struct ReadWhat {
    /// The chunk.
    pub chunk: ChunkId,
    /// The shard that is expected here.
    pub shard: u32,
    /// First byte within the record.
    pub offset: u64,
    /// Bytes; cut at the end of the record.
    pub length: u64,
}

/// How a read without waiting ended.
pub(super) enum Try<T> {
    Done(T),
    /// It would have to wait for the disk.
    Wait,
}

/// Reads if everything needed is in memory.
pub(super) fn try_read(shared: &Shared, what: &ReadWhat) -> Result<Try<ReadOut>, StoreError> {
    let _pass = shared.gate.enter();
    let value =
        match shared.index.get_cached(&key::record(what.chunk)).map_err(|e| shared.index_failed(&e))? {
            Cached::Known(value) => value,
            Cached::OnDisk => return Ok(Try::Wait),
        };
    let entry = wanted(shared, what, value.and_then(|value| Entry::decode(&value)))?;
    read_entry(shared, what, &entry, |file, offset, into| file.read_cached(offset, into))
}

/// Reads, waiting for the disk.
pub(super) fn read(shared: &Shared, what: &ReadWhat) -> Result<ReadOut, StoreError> {
    let _pass = shared.gate.enter();
    let entry = wanted(shared, what, shared.entry(what.chunk)?)?;
    let filled = |file: &dyn File, offset: u64, into: &mut [u8]| {
        let length = into.len();
        match read_full(file, offset, into)? {
            n if n == length => Ok(true),
            n => Err(std::io::Error::new(
                std::io::ErrorKind::UnexpectedEof,
                format!("the segment ends after {n} of {length} bytes"),
            )),
        }
    };
    match read_entry(shared, what, &entry, filled)? {
        Try::Done(out) => Ok(out),
        Try::Wait => Err(damaged(what.chunk, "the segment ends early")),
    }
}

fn wanted(shared: &Shared, what: &ReadWhat, entry: Option<Entry>) -> Result<Entry, StoreError> {
    let entry = entry.filter(|entry| !shared.is_group_dead(what.chunk.pg.0, entry.epoch));
    let entry = entry.ok_or(StoreError::NotFound(what.chunk))?;
    if entry.shard != what.shard {
        return Err(StoreError::OtherShard { chunk: what.chunk, asked: what.shard, has: entry.shard });
    }
    Ok(entry)
}

fn damaged(chunk: ChunkId, why: impl Into<String>) -> StoreError {
    StoreError::Damaged { chunk, why: why.into() }
}

fn read_entry(
    shared: &Shared,
    what: &ReadWhat,
    entry: &Entry,
    fill: impl Fn(&dyn File, u64, &mut [u8]) -> std::io::Result<bool>,
) -> Result<Try<ReadOut>, StoreError> {
    let from = (what.offset.min(entry.payload_bytes) / ALIGN) * ALIGN;
    let to = what.offset.saturating_add(what.length).min(entry.payload_bytes);
    let to = to.div_ceil(ALIGN).saturating_mul(ALIGN).min(entry.payload_bytes).max(from);
    let file = open(shared, what.chunk, entry)?;
    let shape = Shape::of(entry.payload_bytes);
    let failed = |error: std::io::Error| {
        shared.health.read_error();
        shared.metrics.read_error();
        damaged(what.chunk, format!("read: {error}"))
    };
    let table = if entry.table.len() as u64 == shape.table_bytes {
        Bytes::copy_from_slice(&entry.table)
    } else {
        let mut head = buffers::shared().get((HEADER_BYTES + to.div_ceil(ALIGN) * CRC_BYTES as u64) as usize);
        if !fill(&*file, entry.at.offset, &mut head).map_err(failed)? {
            return Ok(Try::Wait);
        }
        check_identity(shared, what.chunk, entry, &head)?;
        head.freeze().slice(HEADER_BYTES as usize..)
    };
    let mut payload = buffers::shared().get((to - from) as usize);
    if !payload.is_empty()
        && !fill(&*file, entry.at.offset + shape.payload_at + from, &mut payload).map_err(failed)?
    {
        return Ok(Try::Wait);
    }
    let crc = |at: u64| (at.div_ceil(ALIGN) as usize * CRC_BYTES).min(table.len());
    Ok(Try::Done(ReadOut {
        offset: from,
        payload: payload.freeze(),
        crcs: table.slice(crc(from)..crc(to)),
        record_bytes: entry.payload_bytes,
        chunk_bytes: entry.chunk_bytes,
        blake3: entry.blake3,
        epoch: entry.epoch,
    }))
}

fn open(shared: &Shared, chunk: ChunkId, entry: &Entry) -> Result<std::sync::Arc<dyn File>, StoreError> {
    let segment = shared.segments.get(entry.at.segment);
    let segment = segment.ok_or_else(|| damaged(chunk, format!("segment {:x} is gone", entry.at.segment)))?;
    shared.segments.file(&segment).map_err(|error| damaged(chunk, format!("open its segment: {error}")))
}

/// The header on the disk must be the one the index means.
fn check_identity(shared: &Shared, chunk: ChunkId, entry: &Entry, head: &[u8]) -> Result<(), StoreError> {
    let salt = shared.segments.get(entry.at.segment).and_then(|segment| segment.salt);
    let header = RecordHeader::decode(head, salt, entry.at.offset);
    match header {
        Ok(header) if header.chunk == chunk && header.table_crc == entry.table_crc => Ok(()),
        Ok(_) => Err(damaged(chunk, "another record lies in its place")),
        Err(fault) => Err(damaged(chunk, format!("header: {fault}"))),
    }
}

/// The first block CRCs of a record, those that cover `bytes` of its payload.
pub(super) fn read_table(
    shared: &Shared,
    chunk: ChunkId,
    entry: &Entry,
    bytes: u64,
) -> Result<Vec<u8>, StoreError> {
    let file = open(shared, chunk, entry)?;
    let mut head = vec![0; HEADER_BYTES as usize + bytes.div_ceil(ALIGN) as usize * CRC_BYTES];
    let read = read_full(&*file, entry.at.offset, &mut head);
    let read = read.map_err(|error| damaged(chunk, format!("read: {error}")))?;
    check_identity(shared, chunk, entry, head.get(..read).unwrap_or_default())?;
    Ok(head.split_off(HEADER_BYTES as usize))
}
