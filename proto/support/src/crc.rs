//! CRC32C: of whole buffers, of the 4 KiB blocks of a chunk, and of ranges put together from block checksums.
//!
//! What always holds: a chunk's block checksums are 4 bytes each, little endian, in order; only the last block
//! may be short. Writers compute them once; members, readers and scrub check with the functions here.

use crc_fast::CrcAlgorithm;

/// Length of one checksummed block, in bytes.
pub const BLOCK_BYTES: usize = 4096;

/// Bytes of one stored checksum.
pub const CRC_BYTES: usize = 4;

/// CRC32C (Castagnoli) of a buffer.
pub fn crc32c(data: &[u8]) -> u32 {
    crc_fast::checksum(CrcAlgorithm::Crc32Iscsi, data) as u32
}

/// CRC32C of `a` followed by `b`, from their checksums and the length of `b`.
pub fn combine(a: u32, b: u32, b_bytes: u64) -> u32 {
    if b_bytes == 0 {
        return a;
    }
    crc_fast::checksum_combine(CrcAlgorithm::Crc32Iscsi, u64::from(a), u64::from(b), b_bytes) as u32
}

/// How many blocks cover `bytes`.
pub fn block_count(bytes: u64) -> u64 {
    bytes.div_ceil(BLOCK_BYTES as u64)
}

/// The checksums of every block of `data`, as they are stored and sent.
pub fn block_crcs(data: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(data.len().div_ceil(BLOCK_BYTES) * CRC_BYTES);
    for block in data.chunks(BLOCK_BYTES) {
        out.extend_from_slice(&crc32c(block).to_le_bytes());
    }
    out
}

/// The stored checksum of block `index`, or `None` when there are not so many.
pub fn block_crc(crcs: &[u8], index: usize) -> Option<u32> {
    let from = index.checked_mul(CRC_BYTES)?;
    let bytes = crcs.get(from..from.checked_add(CRC_BYTES)?)?;
    Some(u32::from_le_bytes(bytes.try_into().ok()?))
}

/// What is wrong with a buffer and its block checksums.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Mismatch {
    /// The number of checksums does not fit the length of the data.
    #[error("{data_bytes} bytes need {} block checksums, got {crc_bytes} bytes of them", block_count(*data_bytes))]
    Count {
        /// Length of the data.
        data_bytes: u64,
        /// Length of the checksums.
        crc_bytes: u64,
    },
    /// A block differs from its checksum.
    #[error("block {block} has CRC32C {found:08x}, expected {expected:08x}")]
    Block {
        /// Index of the first bad block.
        block: u64,
        /// As stored.
        expected: u32,
        /// As computed.
        found: u32,
    },
}

/// Checks every block of `data` against its stored checksum.
pub fn verify_blocks(data: &[u8], crcs: &[u8]) -> Result<(), Mismatch> {
    if data.len().div_ceil(BLOCK_BYTES) * CRC_BYTES != crcs.len() {
        return Err(Mismatch::Count { data_bytes: data.len() as u64, crc_bytes: crcs.len() as u64 });
    }
    for (index, block) in data.chunks(BLOCK_BYTES).enumerate() {
        let found = crc32c(block);
        let expected = block_crc(crcs, index).unwrap_or(!found);
        if found != expected {
            return Err(Mismatch::Block { block: index as u64, expected, found });
        }
    }
    Ok(())
}

/// CRC32C of `data_bytes` bytes from their block checksums alone; `None` when the counts do not fit.
pub fn combine_blocks(crcs: &[u8], data_bytes: u64) -> Option<u32> {
    let blocks = block_count(data_bytes);
    if u64::try_from(crcs.len()).ok()? != blocks.checked_mul(CRC_BYTES as u64)? {
        return None;
    }
    let mut all = crc32c(&[]);
    for index in 0..blocks {
        let length = (data_bytes - index * BLOCK_BYTES as u64).min(BLOCK_BYTES as u64);
        all = combine(all, block_crc(crcs, usize::try_from(index).ok()?)?, length);
    }
    Some(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bit by bit, from the definition.
    fn slow(data: &[u8]) -> u32 {
        let mut crc = !0u32;
        for byte in data {
            crc ^= u32::from(*byte);
            for _ in 0..8 {
                crc = if crc & 1 == 1 { (crc >> 1) ^ 0x82f6_3b78 } else { crc >> 1 };
            }
        }
        !crc
    }

    #[test]
    fn golden() {
        assert_eq!(crc32c(b"123456789"), 0xe306_9283);
        assert_eq!(crc32c(&[0; 32]), 0x8a91_36aa);
        assert_eq!(crc32c(b""), 0);
    }

    #[test]
    fn a_flipped_bit_is_found_in_its_block() {
        let mut data = vec![7u8; 3 * BLOCK_BYTES + 100];
        let crcs = block_crcs(&data);
        assert_eq!(verify_blocks(&data, &crcs), Ok(()));
        data[2 * BLOCK_BYTES] ^= 1;
        assert!(matches!(verify_blocks(&data, &crcs), Err(Mismatch::Block { block: 2, .. })));
        assert!(matches!(verify_blocks(&data[1..], &crcs[4..]), Err(Mismatch::Count { .. })));
    }

    proptest::proptest! {
        #[test]
        fn agrees_with_the_definition(data in proptest::collection::vec(proptest::num::u8::ANY, 0..3000)) {
            proptest::prop_assert_eq!(crc32c(&data), slow(&data));
        }

        #[test]
        fn blocks_combine_to_the_whole(length in 0usize..40_000, seed: u8) {
            let data: Vec<u8> = (0..length).map(|i| (i as u8).wrapping_mul(31) ^ seed).collect();
            let crcs = block_crcs(&data);
            proptest::prop_assert_eq!(combine_blocks(&crcs, length as u64), Some(crc32c(&data)));
            proptest::prop_assert_eq!(verify_blocks(&data, &crcs), Ok(()));
        }
    }
}
