//! Keys and values of the index. One place knows their bytes; the rest of the store sees the types.
//!
//! Keys start with a letter and are big-endian, so that a scan of a group is in order of chunk number:
//!
//! ```text
//! r pg(4) number(8)                          live record     -> Entry
//! d pg(4) number(8) segment(8) offset(8)     dead record     -> Dead: its header still lies in a segment
//! t pg(4) number(8)                          tombstone       -> Tomb
//! T pg(4)                                    group tombstone -> Tomb
//! s segment(8)                               accounting      -> SegmentStat
//! p                                          replay position -> Position
//! m                                          version and fingerprint of the disk it belongs to
//! ```

use holdfast_proto::ids::ChunkId;

use crate::format::field;
use crate::format::record::RecordHeader;

/// Version of the values; another one means: rebuild.
pub(super) const INDEX_VERSION: u8 = 1;

/// Up to this many block CRCs lie in the index value, so that a small record is read with one disk access.
pub(super) const INLINE_BLOCKS: usize = 16;

/// Where a record lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// Segment number.
    pub segment: u64,
    /// Offset of the header within it.
    pub offset: u64,
}

/// What the index knows of a live record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Where it lies.
    pub at: Place,
    /// Shard index.
    pub shard: u32,
    /// Payload bytes.
    pub payload_bytes: u64,
    /// Length of the whole chunk.
    pub chunk_bytes: u64,
    /// Placement epoch under which it came.
    pub epoch: u64,
    /// First append of these bytes.
    pub sequence: u64,
    /// BLAKE3 of the whole chunk, if known.
    pub blake3: Option<[u8; 32]>,
    /// CRC32C of its table.
    pub table_crc: u32,
    /// The table itself, when it is short.
    pub table: Vec<u8>,
}

impl Entry {
    /// The entry of a record; `table` is kept when it is short enough.
    pub(super) fn of(header: &RecordHeader, at: Place, table: &[u8]) -> Self {
        let keep = table.len() <= INLINE_BLOCKS * 4 && table.len() as u64 == header.shape().table_bytes;
        Self {
            at,
            shard: header.shard,
            payload_bytes: header.payload_bytes,
            chunk_bytes: header.chunk_bytes,
            epoch: header.epoch,
            sequence: header.sequence,
            blake3: header.blake3,
            table_crc: header.table_crc,
            table: if keep { table.to_vec() } else { Vec::new() },
        }
    }

    /// What decides between two records of one chunk: the higher one lives.
    pub(super) fn rank(&self) -> (u64, u64, Place) {
        (self.epoch, self.sequence, self.at)
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(102 + self.table.len());
        out.extend_from_slice(&[INDEX_VERSION, u8::from(self.blake3.is_some())]);
        out.extend_from_slice(&self.shard.to_le_bytes());
        for number in
            [self.at.segment, self.at.offset, self.payload_bytes, self.chunk_bytes, self.epoch, self.sequence]
        {
            out.extend_from_slice(&number.to_le_bytes());
        }
        out.extend_from_slice(&self.table_crc.to_le_bytes());
        out.extend_from_slice(&self.blake3.unwrap_or_default());
        out.extend_from_slice(&self.table);
        out
    }

    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        if bytes.len() < 90 || bytes[0] != INDEX_VERSION {
            return None;
        }
        Some(Self {
            shard: field::u32_at(bytes, 2),
            at: Place { segment: field::u64_at(bytes, 6), offset: field::u64_at(bytes, 14) },
            payload_bytes: field::u64_at(bytes, 22),
            chunk_bytes: field::u64_at(bytes, 30),
            epoch: field::u64_at(bytes, 38),
            sequence: field::u64_at(bytes, 46),
            table_crc: field::u32_at(bytes, 54),
            blake3: (bytes[1] != 0).then(|| field::array_at(bytes, 58)),
            table: bytes[90..].to_vec(),
        })
    }
}

/// A record that lost; its header still lies in a segment, so tombstones that kill it must stay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Dead {
    pub(super) epoch: u64,
    pub(super) payload_bytes: u64,
    pub(super) punched: bool,
}

impl Dead {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(17);
        out.extend_from_slice(&self.epoch.to_le_bytes());
        out.extend_from_slice(&self.payload_bytes.to_le_bytes());
        out.push(u8::from(self.punched));
        out
    }

    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        (bytes.len() == 17).then(|| Self {
            epoch: field::u64_at(bytes, 0),
            payload_bytes: field::u64_at(bytes, 8),
            punched: bytes[16] != 0,
        })
    }
}

/// A tombstone and where it lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Tomb {
    pub(super) epoch: u64,
    pub(super) at: Place,
    /// Of a group: every victim has been turned into a dead record.
    pub(super) swept: bool,
}

impl Tomb {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(25);
        for number in [self.epoch, self.at.segment, self.at.offset] {
            out.extend_from_slice(&number.to_le_bytes());
        }
        out.push(u8::from(self.swept));
        out
    }

    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        (bytes.len() == 25).then(|| Self {
            epoch: field::u64_at(bytes, 0),
            at: Place { segment: field::u64_at(bytes, 8), offset: field::u64_at(bytes, 16) },
            swept: bytes[24] != 0,
        })
    }
}

/// Accounting of one segment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SegmentStat {
    /// Bytes of records that are live.
    pub live_bytes: u64,
    /// Number of records that are live.
    pub live_records: u64,
    /// Bytes punched out of dead records.
    pub punched_bytes: u64,
    /// Bytes of tombstone records.
    pub tombstone_bytes: u64,
}

impl SegmentStat {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(32);
        for number in [self.live_bytes, self.live_records, self.punched_bytes, self.tombstone_bytes] {
            out.extend_from_slice(&number.to_le_bytes());
        }
        out
    }

    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        (bytes.len() == 32).then(|| Self {
            live_bytes: field::u64_at(bytes, 0),
            live_records: field::u64_at(bytes, 8),
            punched_bytes: field::u64_at(bytes, 16),
            tombstone_bytes: field::u64_at(bytes, 24),
        })
    }
}

/// Up to where the log is in the index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Position {
    /// The next record goes here.
    pub(super) at: Place,
    /// Number of the next append.
    pub(super) next_append: u64,
}

impl Position {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(24);
        for number in [self.at.segment, self.at.offset, self.next_append] {
            out.extend_from_slice(&number.to_le_bytes());
        }
        out
    }

    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        (bytes.len() == 24).then(|| Self {
            at: Place { segment: field::u64_at(bytes, 0), offset: field::u64_at(bytes, 8) },
            next_append: field::u64_at(bytes, 16),
        })
    }
}

/// Keys.
pub(super) mod key {
    use super::{ChunkId, Place};

    pub(in crate::store) const POSITION: &[u8] = b"p";
    pub(in crate::store) const META: &[u8] = b"m";

    fn chunk_key(letter: u8, chunk: ChunkId) -> Vec<u8> {
        let mut key = Vec::with_capacity(29);
        key.push(letter);
        key.extend_from_slice(&chunk.pg.0.to_be_bytes());
        key.extend_from_slice(&chunk.number.0.to_be_bytes());
        key
    }

    pub(in crate::store) fn record(chunk: ChunkId) -> Vec<u8> {
        chunk_key(b'r', chunk)
    }

    pub(in crate::store) fn records(pg: u32) -> Vec<u8> {
        [&b"r"[..], &pg.to_be_bytes()].concat()
    }

    pub(in crate::store) fn tomb(chunk: ChunkId) -> Vec<u8> {
        chunk_key(b't', chunk)
    }

    pub(in crate::store) fn group_tomb(pg: u32) -> Vec<u8> {
        [&b"T"[..], &pg.to_be_bytes()].concat()
    }

    /// Every dead record of a chunk.
    pub(in crate::store) fn deads(chunk: ChunkId) -> Vec<u8> {
        chunk_key(b'd', chunk)
    }

    /// Every dead record of a group.
    pub(in crate::store) fn group_deads(pg: u32) -> Vec<u8> {
        [&b"d"[..], &pg.to_be_bytes()].concat()
    }

    pub(in crate::store) fn dead(chunk: ChunkId, at: Place) -> Vec<u8> {
        let mut key = chunk_key(b'd', chunk);
        key.extend_from_slice(&at.segment.to_be_bytes());
        key.extend_from_slice(&at.offset.to_be_bytes());
        key
    }

    pub(in crate::store) fn segment(number: u64) -> Vec<u8> {
        [&b"s"[..], &number.to_be_bytes()].concat()
    }

    fn u64_be(bytes: &[u8], at: usize) -> Option<u64> {
        Some(u64::from_be_bytes(bytes.get(at..at + 8)?.try_into().ok()?))
    }

    fn u32_be(bytes: &[u8], at: usize) -> Option<u32> {
        Some(u32::from_be_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
    }

    /// The chunk in an `r`, `t` or `d` key.
    pub(in crate::store) fn chunk_of(key: &[u8]) -> Option<ChunkId> {
        Some(ChunkId::new(u32_be(key, 1)?, u64_be(key, 5)?))
    }

    /// The place in a `d` key.
    pub(in crate::store) fn place_of(key: &[u8]) -> Option<Place> {
        Some(Place { segment: u64_be(key, 13)?, offset: u64_be(key, 21)? })
    }

    pub(in crate::store) fn segment_of(key: &[u8]) -> Option<u64> {
        u64_be(key, 1)
    }

    pub(in crate::store) fn group_of(key: &[u8]) -> Option<u32> {
        u32_be(key, 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn values_come_back(n: [u64; 6], shard: u32, blake3: Option<[u8; 32]>, table: Vec<u8>, swept: bool) {
            let at = Place { segment: n[0], offset: n[1] };
            let entry = Entry { at, shard, payload_bytes: n[2], chunk_bytes: n[3], epoch: n[4], sequence: n[5],
                blake3, table_crc: shard ^ 7, table };
            proptest::prop_assert_eq!(Entry::decode(&entry.encode()), Some(entry));
            let dead = Dead { epoch: n[2], payload_bytes: n[3], punched: swept };
            proptest::prop_assert_eq!(Dead::decode(&dead.encode()), Some(dead));
            let tomb = Tomb { epoch: n[2], at, swept };
            proptest::prop_assert_eq!(Tomb::decode(&tomb.encode()), Some(tomb));
            let position = Position { at, next_append: n[4] };
            proptest::prop_assert_eq!(Position::decode(&position.encode()), Some(position));
            let chunk = ChunkId::new(shard, n[5]);
            let key = key::dead(chunk, at);
            proptest::prop_assert_eq!((key::chunk_of(&key), key::place_of(&key)), (Some(chunk), Some(at)));
        }

        #[test]
        fn damaged_values_are_refused_calmly(bytes: Vec<u8>) {
            let _ = (Entry::decode(&bytes), Dead::decode(&bytes), Tomb::decode(&bytes), Position::decode(&bytes));
        }
    }
}
