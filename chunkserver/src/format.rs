//! The disk format: what the bytes of a chunkserver's disk mean. No I/O here, only encoding and checked decoding.
//!
//! All numbers are little endian. Everything starts at a multiple of [`ALIGN`] (4 KiB).
//!
//! ```text
//! segment file  = segment header (one block), then records back to back, then zeros (preallocated)
//! record        = header, table of block CRCs, padding to 4 KiB, payload, padding to 4 KiB
//! packed record = header, table, payload all within one block, when they fit
//!
//! segment header            record header                         superblock
//! off len field             off len field                         off len field
//!   0   8 magic HFSEGMT1      0   4 magic HFR1                      0   8 magic HFDISK01
//!   8   4 version             4   1 version                         8   4 version
//!  12   4 reserved            5   1 kind                           12   4 disk id (0: none yet)
//!  16   8 segment number      6   2 flags                          16   8 incarnation
//!  24   8 salt                8   4 placement group                24  16 cluster id
//!  32  16 fingerprint        12   4 shard index                    40  16 fingerprint
//!  48   8 first sequence     16   8 chunk number                   56   8 node id
//!  56   4 reserved           24   8 payload bytes                  64   8 created, unix seconds
//!  60   4 CRC32C of 0..60    32   8 chunk bytes                    72   8 reserved
//!                            40   8 placement epoch                80   4 CRC32C of 0..80
//!                            48   8 sequence
//!                            56   8 stable
//!                            64   8 salt of the segment
//!                            72   8 offset in the segment
//!                            80  32 BLAKE3 of the chunk
//!                           112   4 CRC32C of the table
//!                           116   8 append
//!                           124   4 CRC32C of 0..124
//!                           128     table: CRC32C of each 4 KiB block of the payload
//! ```
//!
//! Why it is laid out like this:
//! - Salt and offset bind a header to its place: bytes that merely look like a record (a stored copy of a segment,
//!   the rest of an earlier life of the file) are never taken for one.
//! - `append` counts the appends of the disk. `sequence` is the `append` of the first writing and is kept by
//!   compaction, so "the last one wins" survives copying.
//! - `stable` promises that every record with a lower `append` was durable when this one was written. A rebuild
//!   therefore has to read the payload of the last group commit only, to tell a torn write from a whole one.
//! - The payload starts on a block boundary, so it can be read with O_DIRECT and punched, while the first 4 KiB with
//!   the header stay: a rebuild must be able to step over what was punched.

pub mod record;
pub mod segment;
pub mod superblock;
pub mod tombstone;

use holdfast_support::crc::{BLOCK_BYTES, CRC_BYTES};

/// Everything on a disk starts at a multiple of this, in bytes.
pub const ALIGN: u64 = 4096;

/// Version of records and segments this build writes; it reads this one and older ones (there are none yet).
pub const VERSION: u8 = 1;

/// Largest payload of a record, in bytes. Anything above in a header is damage.
pub const MAX_PAYLOAD_BYTES: u64 = 64 << 20;

/// Bytes of a record header, without its table.
pub const HEADER_BYTES: u64 = 128;

const _: () = assert!(BLOCK_BYTES as u64 == ALIGN, "a checksum block is an alignment unit");
const _: () = assert!(ALIGN.is_multiple_of(HEADER_BYTES), "a header never crosses a block");

/// `bytes` rounded up to the next multiple of [`ALIGN`].
pub const fn align_up(bytes: u64) -> u64 {
    bytes.div_ceil(ALIGN) * ALIGN
}

/// Where things lie within a record; a pure function of the payload's length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Payload bytes.
    pub payload_bytes: u64,
    /// Bytes of the table of block CRCs, which starts at [`HEADER_BYTES`].
    pub table_bytes: u64,
    /// First byte of the payload within the record.
    pub payload_at: u64,
    /// Bytes of the whole record, a multiple of [`ALIGN`].
    pub record_bytes: u64,
}

impl Shape {
    /// The shape of a record with this many payload bytes (at most [`MAX_PAYLOAD_BYTES`]).
    pub const fn of(payload_bytes: u64) -> Self {
        let table_bytes = payload_bytes.div_ceil(BLOCK_BYTES as u64) * CRC_BYTES as u64;
        let head = HEADER_BYTES + table_bytes;
        if head + payload_bytes <= ALIGN {
            return Self { payload_bytes, table_bytes, payload_at: head, record_bytes: ALIGN };
        }
        let payload_at = align_up(head);
        Self { payload_bytes, table_bytes, payload_at, record_bytes: payload_at + align_up(payload_bytes) }
    }

    /// What can be punched when the record is dead, as (offset within the record, bytes): all but the first block.
    pub const fn punchable(&self) -> (u64, u64) {
        (ALIGN, self.record_bytes - ALIGN)
    }

    /// Bytes from the start of the record up to and including the table.
    pub const fn head_bytes(&self) -> u64 {
        HEADER_BYTES + self.table_bytes
    }
}

/// Why bytes are not what they should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FormatFault {
    /// Only zeros: nothing was written here, or it was punched.
    #[error("blank")]
    Blank,
    /// Fewer bytes than the structure has.
    #[error("too short")]
    Short,
    /// The magic number is something else.
    #[error("no magic number")]
    Magic,
    /// A version this build does not know.
    #[error("format version {0} is not known to this build")]
    Version(u32),
    /// The checksum does not match.
    #[error("checksum mismatch")]
    Checksum,
    /// A field has a value that cannot be.
    #[error("field {0} has an impossible value")]
    Field(&'static str),
    /// It belongs to another segment or another place in it.
    #[error("belongs to another place")]
    Misplaced,
}

/// Reads fixed-width fields; all offsets are constants within checked lengths, so a short slice yields zero and the
/// checksum refuses it.
pub(crate) mod field {
    pub(crate) fn u16_at(bytes: &[u8], at: usize) -> u16 {
        bytes.get(at..at + 2).and_then(|b| b.try_into().ok()).map_or(0, u16::from_le_bytes)
    }
    pub(crate) fn u32_at(bytes: &[u8], at: usize) -> u32 {
        bytes.get(at..at + 4).and_then(|b| b.try_into().ok()).map_or(0, u32::from_le_bytes)
    }
    pub(crate) fn u64_at(bytes: &[u8], at: usize) -> u64 {
        bytes.get(at..at + 8).and_then(|b| b.try_into().ok()).map_or(0, u64::from_le_bytes)
    }
    pub(crate) fn array_at<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
        bytes.get(at..at + N).and_then(|b| b.try_into().ok()).unwrap_or([0; N])
    }
    pub(crate) fn put(bytes: &mut [u8], at: usize, value: &[u8]) {
        if let Some(slot) = bytes.get_mut(at..at + value.len()) {
            slot.copy_from_slice(value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The picture above, row by row, against the constants the code uses.
    #[test]
    fn the_picture_is_true() {
        let picture = include_str!("format.rs");
        let has = |row: String| assert!(picture.contains(&row), "the picture lacks `{row}`");
        for (at, length, name) in record::FIELDS {
            has(format!("{at:>3} {length:>3} {name}"));
        }
        for (at, length, name) in segment::FIELDS {
            has(format!("{at:>3} {length:>3} {name}"));
        }
        for (at, length, name) in superblock::FIELDS {
            has(format!("{at:>3} {length:>3} {name}"));
        }
        for fields in [record::FIELDS, segment::FIELDS, superblock::FIELDS] {
            assert!(fields.windows(2).all(|f| f[0].0 + f[0].1 == f[1].0), "a gap or an overlap");
        }
    }

    #[test]
    fn golden_shapes() {
        let shape = |n| {
            let s = Shape::of(n);
            (s.table_bytes, s.payload_at, s.record_bytes)
        };
        assert_eq!(shape(0), (0, 128, 4096));
        assert_eq!(shape(1), (4, 132, 4096));
        assert_eq!(shape(3964), (4, 132, 4096));
        assert_eq!(shape(3965), (4, 4096, 8192));
        assert_eq!(shape(4096), (4, 4096, 8192));
        assert_eq!(shape(4097), (8, 4096, 12288));
        assert_eq!(shape(8 << 20), (8192, 12288, 12288 + (8 << 20)));
    }
}
