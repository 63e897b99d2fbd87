//! Record headers: one chunk replica or shard, or a batch of deletes.
//!
//! What always holds: a decoded header passed its checksum, lies where it says, and every field was range-checked.

use holdfast_proto::ids::ChunkId;
use holdfast_support::crc::crc32c;

use super::{FormatFault, HEADER_BYTES, MAX_PAYLOAD_BYTES, Shape, VERSION, field};

/// First bytes of every record.
pub const MAGIC: [u8; 4] = *b"HFR1";

const KIND_AT: usize = 5;
const FLAGS_AT: usize = 6;
const PG_AT: usize = 8;
const SHARD_AT: usize = 12;
const NUMBER_AT: usize = 16;
const PAYLOAD_AT: usize = 24;
const CHUNK_AT: usize = 32;
const EPOCH_AT: usize = 40;
const SEQUENCE_AT: usize = 48;
const STABLE_AT: usize = 56;
const SALT_AT: usize = 64;
const OFFSET_AT: usize = 72;
const BLAKE3_AT: usize = 80;
const TABLE_CRC_AT: usize = 112;
const APPEND_AT: usize = 116;
const CRC_AT: usize = 124;

const _: () = assert!(CRC_AT + 4 == HEADER_BYTES as usize);

/// Offset, length and name of every field, as the picture in [`super`] shows them.
#[cfg(test)]
pub(super) const FIELDS: &[(usize, usize, &str)] = &[
    (0, MAGIC.len(), "magic HFR1"),
    (4, 1, "version"),
    (KIND_AT, 1, "kind"),
    (FLAGS_AT, 2, "flags"),
    (PG_AT, 4, "placement group"),
    (SHARD_AT, 4, "shard index"),
    (NUMBER_AT, 8, "chunk number"),
    (PAYLOAD_AT, 8, "payload bytes"),
    (CHUNK_AT, 8, "chunk bytes"),
    (EPOCH_AT, 8, "placement epoch"),
    (SEQUENCE_AT, 8, "sequence"),
    (STABLE_AT, 8, "stable"),
    (SALT_AT, 8, "salt of the segment"),
    (OFFSET_AT, 8, "offset in the segment"),
    (BLAKE3_AT, 32, "BLAKE3 of the chunk"),
    (TABLE_CRC_AT, 4, "CRC32C of the table"),
    (APPEND_AT, 8, "append"),
    (CRC_AT, 4, "CRC32C of 0..124"),
];

/// What a record is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A replica or shard of a chunk.
    Chunk,
    /// Chunks of one group are deleted; the payload is their numbers.
    Tombstones,
    /// A whole group is deleted; no payload.
    GroupTombstone,
}

/// Flag: the writer knew the chunk's BLAKE3.
pub const FLAG_BLAKE3: u16 = 1;

/// A record header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordHeader {
    /// What it is.
    pub kind: Kind,
    /// The chunk; of tombstones only the group counts.
    pub chunk: ChunkId,
    /// Shard index; 0 for a replica.
    pub shard: u32,
    /// Payload bytes of this record.
    pub payload_bytes: u64,
    /// Length of the whole chunk.
    pub chunk_bytes: u64,
    /// Placement epoch under which it came (compaction keeps it).
    pub epoch: u64,
    /// Position of the first writing of these bytes among all appends of this disk (compaction keeps it).
    pub sequence: u64,
    /// Position of this very record among all appends of this disk (a copy gets its own).
    pub append: u64,
    /// Every record with a lower `append` was durable when this one was written.
    pub stable: u64,
    /// Salt of the segment it lies in.
    pub salt: u64,
    /// Where in the segment it lies.
    pub offset: u64,
    /// BLAKE3 of the whole chunk, if the writer knew it.
    pub blake3: Option<[u8; 32]>,
    /// CRC32C of the table of block CRCs.
    pub table_crc: u32,
}

impl RecordHeader {
    /// Where things lie within the record.
    pub fn shape(&self) -> Shape {
        Shape::of(self.payload_bytes)
    }

    /// The 128 bytes on disk.
    pub fn encode(&self) -> [u8; HEADER_BYTES as usize] {
        let mut out = [0; HEADER_BYTES as usize];
        let kind = match self.kind {
            Kind::Chunk => 1,
            Kind::Tombstones => 2,
            Kind::GroupTombstone => 3,
        };
        let flags = if self.blake3.is_some() { FLAG_BLAKE3 } else { 0 };
        field::put(&mut out, 0, &MAGIC);
        field::put(&mut out, 4, &[VERSION, kind]);
        field::put(&mut out, FLAGS_AT, &flags.to_le_bytes());
        field::put(&mut out, PG_AT, &self.chunk.pg.0.to_le_bytes());
        field::put(&mut out, SHARD_AT, &self.shard.to_le_bytes());
        field::put(&mut out, NUMBER_AT, &self.chunk.number.0.to_le_bytes());
        field::put(&mut out, PAYLOAD_AT, &self.payload_bytes.to_le_bytes());
        field::put(&mut out, CHUNK_AT, &self.chunk_bytes.to_le_bytes());
        field::put(&mut out, EPOCH_AT, &self.epoch.to_le_bytes());
        field::put(&mut out, SEQUENCE_AT, &self.sequence.to_le_bytes());
        field::put(&mut out, STABLE_AT, &self.stable.to_le_bytes());
        field::put(&mut out, SALT_AT, &self.salt.to_le_bytes());
        field::put(&mut out, OFFSET_AT, &self.offset.to_le_bytes());
        field::put(&mut out, BLAKE3_AT, &self.blake3.unwrap_or_default());
        field::put(&mut out, TABLE_CRC_AT, &self.table_crc.to_le_bytes());
        field::put(&mut out, APPEND_AT, &self.append.to_le_bytes());
        let crc = crc32c(&out[..CRC_AT]);
        field::put(&mut out, CRC_AT, &crc.to_le_bytes());
        out
    }

    /// Reads a header that should lie at `offset` of a segment with this salt (`None`: the salt is not known,
    /// because the segment's own header is damaged).
    pub fn decode(bytes: &[u8], salt: Option<u64>, offset: u64) -> Result<Self, FormatFault> {
        let head = bytes.get(..HEADER_BYTES as usize).ok_or(FormatFault::Short)?;
        if head[..4] != MAGIC {
            let blank = head.iter().all(|byte| *byte == 0);
            return Err(if blank { FormatFault::Blank } else { FormatFault::Magic });
        }
        if field::u32_at(head, CRC_AT) != crc32c(&head[..CRC_AT]) {
            return Err(FormatFault::Checksum);
        }
        if head[4] != VERSION {
            return Err(FormatFault::Version(u32::from(head[4])));
        }
        let header = Self::fields(head)?;
        if header.offset != offset || salt.is_some_and(|salt| salt != header.salt) {
            return Err(FormatFault::Misplaced);
        }
        Ok(header)
    }

    fn fields(head: &[u8]) -> Result<Self, FormatFault> {
        let kind = match head[KIND_AT] {
            1 => Kind::Chunk,
            2 => Kind::Tombstones,
            3 => Kind::GroupTombstone,
            _ => return Err(FormatFault::Field("kind")),
        };
        let payload_bytes = field::u64_at(head, PAYLOAD_AT);
        let fits = match kind {
            Kind::Chunk => payload_bytes <= MAX_PAYLOAD_BYTES,
            Kind::Tombstones => payload_bytes <= MAX_PAYLOAD_BYTES && payload_bytes.is_multiple_of(8),
            Kind::GroupTombstone => payload_bytes == 0,
        };
        if !fits {
            return Err(FormatFault::Field("payload bytes"));
        }
        let flags = field::u16_at(head, FLAGS_AT);
        Ok(Self {
            kind,
            chunk: ChunkId::new(field::u32_at(head, PG_AT), field::u64_at(head, NUMBER_AT)),
            shard: field::u32_at(head, SHARD_AT),
            payload_bytes,
            chunk_bytes: field::u64_at(head, CHUNK_AT),
            epoch: field::u64_at(head, EPOCH_AT),
            sequence: field::u64_at(head, SEQUENCE_AT),
            append: field::u64_at(head, APPEND_AT),
            stable: field::u64_at(head, STABLE_AT),
            salt: field::u64_at(head, SALT_AT),
            offset: field::u64_at(head, OFFSET_AT),
            blake3: (flags & FLAG_BLAKE3 != 0).then(|| field::array_at(head, BLAKE3_AT)),
            table_crc: field::u32_at(head, TABLE_CRC_AT),
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn any_header() -> impl Strategy<Value = RecordHeader> {
        let ids = (any::<u32>(), any::<u64>(), any::<u32>(), 0u64..=MAX_PAYLOAD_BYTES, any::<u64>());
        let rest = (any::<[u64; 5]>(), any::<Option<[u8; 32]>>(), any::<u32>());
        (ids, rest).prop_map(|((pg, number, shard, payload_bytes, chunk_bytes), (n, blake3, table_crc))| {
            RecordHeader {
                kind: Kind::Chunk,
                chunk: ChunkId::new(pg, number),
                shard,
                payload_bytes,
                chunk_bytes,
                epoch: n[0],
                sequence: n[1],
                append: n[1] ^ n[2],
                stable: n[2],
                salt: n[3],
                offset: n[4],
                blake3,
                table_crc,
            }
        })
    }

    proptest! {
        #[test]
        fn comes_back_as_it_went(header in any_header()) {
            let bytes = header.encode();
            prop_assert_eq!(RecordHeader::decode(&bytes, Some(header.salt), header.offset), Ok(header));
            prop_assert_eq!(RecordHeader::decode(&bytes, Some(!header.salt), header.offset), Err(FormatFault::Misplaced));
            prop_assert_eq!(RecordHeader::decode(&bytes, None, !header.offset), Err(FormatFault::Misplaced));
        }

        #[test]
        fn any_flipped_bit_is_noticed(header in any_header(), bit in 0usize..1024) {
            let mut bytes = header.encode();
            bytes[bit / 8] ^= 1 << (bit % 8);
            prop_assert!(RecordHeader::decode(&bytes, Some(header.salt), header.offset).is_err());
        }

        #[test]
        fn garbage_never_passes(bytes in prop::collection::vec(any::<u8>(), 0..200), magic: bool) {
            let mut bytes = bytes;
            if magic && bytes.len() >= 4 {
                bytes[..4].copy_from_slice(&MAGIC);
            }
            prop_assert!(RecordHeader::decode(&bytes, None, 0).is_err());
        }

        /// A forger with the right checksum still meets the range checks.
        #[test]
        fn a_valid_checksum_is_not_enough(mut bytes in any::<[u8; 32]>(), rest in any::<[u8; 32]>()) {
            let mut head = [0u8; 128];
            bytes[..4].copy_from_slice(&MAGIC);
            head[..32].copy_from_slice(&bytes);
            head[80..112].copy_from_slice(&rest);
            let crc = crc32c(&head[..124]);
            head[124..].copy_from_slice(&crc.to_le_bytes());
            if let Ok(header) = RecordHeader::decode(&head, None, 0) {
                prop_assert!(header.payload_bytes <= MAX_PAYLOAD_BYTES);
                prop_assert!(header.shape().record_bytes <= MAX_PAYLOAD_BYTES * 2);
            }
        }
    }

    #[test]
    fn golden_bytes() {
        let header = RecordHeader {
            kind: Kind::Chunk,
            chunk: ChunkId::new(7, 0x0102_0304),
            shard: 2,
            payload_bytes: 5000,
            chunk_bytes: 5000,
            epoch: 11,
            sequence: 12,
            append: 13,
            stable: 10,
            salt: 0x55,
            offset: 4096,
            blake3: Some([9; 32]),
            table_crc: 0xdead_beef,
        };
        let hex: String = header.encode().iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(
            &hex[..64],
            "484652310101010007000000020000000403020100000000881300000000000088"[..64].to_owned()
        );
        assert_eq!(header.encode()[124..], crc32c(&header.encode()[..124]).to_le_bytes());
    }
}
