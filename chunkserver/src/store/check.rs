//! Reading whole records and checking every byte: for recovery, scrub, compaction and verification.

use holdfast_support::crc::{crc32c, verify_blocks};

use crate::disk::aligned::Aligned;
use crate::disk::{File, read_full, read_full_direct};
use crate::format::Shape;
use crate::format::record::{Kind, RecordHeader};

/// Why a record is not whole.
#[derive(Debug)]
pub(super) enum Bad {
    /// The system could not read it.
    Io(std::io::Error),
    /// Its bytes do not match.
    Damaged(String),
}

impl std::fmt::Display for Bad {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Io(error) => write!(f, "read: {error}"),
            Self::Damaged(why) => f.write_str(why),
        }
    }
}

/// Reads a whole record of `payload_bytes` at `offset` into `buffer`, past the cache if `direct`.
pub(super) fn read_record<'b>(
    file: &dyn File,
    offset: u64,
    payload_bytes: u64,
    direct: bool,
    buffer: &'b mut Aligned,
) -> Result<&'b mut [u8], Bad> {
    let length = Shape::of(payload_bytes).record_bytes as usize;
    buffer.reserve(length);
    let into = buffer.slice(length);
    let read = if direct { read_full_direct(file, offset, into) } else { read_full(file, offset, into) };
    match read {
        Ok(n) if n == length => Ok(into),
        Ok(n) => Err(Bad::Damaged(format!("the segment ends after {n} of {length} bytes"))),
        Err(error) => Err(Bad::Io(error)),
    }
}

/// Checks every byte of a record: header, table, blocks, and BLAKE3 where the record is the whole chunk.
pub(super) fn check_record(bytes: &[u8], salt: Option<u64>, offset: u64) -> Result<RecordHeader, Bad> {
    let header =
        RecordHeader::decode(bytes, salt, offset).map_err(|e| Bad::Damaged(format!("header: {e}")))?;
    let (table, payload) = parts(&header, bytes).ok_or_else(|| Bad::Damaged("record is cut short".into()))?;
    if crc32c(table) != header.table_crc {
        return Err(Bad::Damaged("the table of block checksums does not match its own".into()));
    }
    verify_blocks(payload, table).map_err(|mismatch| Bad::Damaged(mismatch.to_string()))?;
    if let Some(expected) = header.blake3
        && header.kind == Kind::Chunk
        && header.payload_bytes == header.chunk_bytes
        && blake3::hash(payload).as_bytes() != &expected
    {
        return Err(Bad::Damaged("the blocks match, the BLAKE3 of the whole does not".into()));
    }
    Ok(header)
}

/// Table and payload of a record's bytes.
pub(super) fn parts<'b>(header: &RecordHeader, bytes: &'b [u8]) -> Option<(&'b [u8], &'b [u8])> {
    let shape = header.shape();
    let table = bytes.get(crate::format::HEADER_BYTES as usize..shape.head_bytes() as usize)?;
    let payload = bytes.get(shape.payload_at as usize..(shape.payload_at + shape.payload_bytes) as usize)?;
    Some((table, payload))
}
