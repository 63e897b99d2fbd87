//! The first block of a segment file.

use holdfast_support::crc::crc32c;

use super::{ALIGN, FormatFault, VERSION, field};

/// First bytes of every segment.
pub const MAGIC: [u8; 8] = *b"HFSEGMT1";

const NUMBER_AT: usize = 16;
const SALT_AT: usize = 24;
const FINGERPRINT_AT: usize = 32;
const SEQUENCE_AT: usize = 48;
const CRC_AT: usize = 60;

/// Bytes of the encoded fields; the rest of the block is zero.
pub const FIELDS_BYTES: usize = 64;
const _: () = assert!(CRC_AT + 4 == FIELDS_BYTES);

/// Offset of the first record.
pub const FIRST_RECORD: u64 = ALIGN;

/// Offset, length and name of every field, as the picture in [`super`] shows them.
#[cfg(test)]
pub(super) const FIELDS: &[(usize, usize, &str)] = &[
    (0, MAGIC.len(), "magic HFSEGMT1"),
    (8, 4, "version"),
    (12, 4, "reserved"),
    (NUMBER_AT, 8, "segment number"),
    (SALT_AT, 8, "salt"),
    (FINGERPRINT_AT, 16, "fingerprint"),
    (SEQUENCE_AT, 8, "first sequence"),
    (56, 4, "reserved"),
    (CRC_AT, 4, "CRC32C of 0..60"),
];

/// What a segment says about itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SegmentHeader {
    /// Its number; also its file name.
    pub number: u64,
    /// Random, repeated in each of its records.
    pub salt: u64,
    /// Fingerprint of the disk it was written on.
    pub fingerprint: [u8; 16],
    /// Sequence the disk had reached when it was made.
    pub first_sequence: u64,
}

impl SegmentHeader {
    /// The block on disk.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = vec![0; ALIGN as usize];
        field::put(&mut out, 0, &MAGIC);
        field::put(&mut out, 8, &u32::from(VERSION).to_le_bytes());
        field::put(&mut out, NUMBER_AT, &self.number.to_le_bytes());
        field::put(&mut out, SALT_AT, &self.salt.to_le_bytes());
        field::put(&mut out, FINGERPRINT_AT, &self.fingerprint);
        field::put(&mut out, SEQUENCE_AT, &self.first_sequence.to_le_bytes());
        let crc = crc32c(&out[..CRC_AT]);
        field::put(&mut out, CRC_AT, &crc.to_le_bytes());
        out
    }

    /// Reads the block at the start of a segment file.
    pub fn decode(bytes: &[u8]) -> Result<Self, FormatFault> {
        let head = bytes.get(..FIELDS_BYTES).ok_or(FormatFault::Short)?;
        if head[..8] != MAGIC {
            let blank = head.iter().all(|byte| *byte == 0);
            return Err(if blank { FormatFault::Blank } else { FormatFault::Magic });
        }
        if field::u32_at(head, CRC_AT) != crc32c(&head[..CRC_AT]) {
            return Err(FormatFault::Checksum);
        }
        let version = field::u32_at(head, 8);
        if version != u32::from(VERSION) {
            return Err(FormatFault::Version(version));
        }
        Ok(Self {
            number: field::u64_at(head, NUMBER_AT),
            salt: field::u64_at(head, SALT_AT),
            fingerprint: field::array_at(head, FINGERPRINT_AT),
            first_sequence: field::u64_at(head, SEQUENCE_AT),
        })
    }
}

/// The file name of a segment.
pub fn file_name(number: u64) -> String {
    format!("{number:016x}.seg")
}

/// The number in a segment's file name, if it is one.
pub fn number_of(name: &str) -> Option<u64> {
    let digits = name.strip_suffix(".seg")?;
    (digits.len() == 16).then(|| u64::from_str_radix(digits, 16).ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn comes_back_and_notices_flips(number: u64, salt: u64, fingerprint: [u8; 16], bit in 0usize..512) {
            let header = SegmentHeader { number, salt, fingerprint, first_sequence: salt ^ number };
            let mut bytes = header.encode();
            proptest::prop_assert_eq!(SegmentHeader::decode(&bytes), Ok(header));
            bytes[bit / 8] ^= 1 << (bit % 8);
            proptest::prop_assert!(SegmentHeader::decode(&bytes).is_err());
            proptest::prop_assert_eq!(number_of(&file_name(number)), Some(number));
        }
    }

    #[test]
    fn other_files_are_not_segments() {
        assert_eq!(number_of("spare"), None);
        assert_eq!(number_of("1.seg"), None);
        assert_eq!(number_of("00000000000000zz.seg"), None);
    }
}
