//! One chunk being assembled: the one copy of a payload byte, and its checksums in the same pass.
//!
//! What always holds: memory is covered by a budget permit until the last clone of the chunk's bytes is dropped,
//! the queues of connections included. Checksums follow the copy while the bytes are still in the CPU's cache;
//! bytes that are taken as they are (no copy) are checksummed off the async threads when they are many.

use bytes::Bytes;
use holdfast_support::budget::BytePermit;
use holdfast_support::buffers::{self, PoolBuffer};
use holdfast_support::crc;

use crate::error::ClientError;

/// A chunk, ready to be sent: its bytes, the CRC32C of each block, and its BLAKE3.
#[derive(Clone, Debug)]
pub(crate) struct Sealed {
    pub(crate) data: Bytes,
    pub(crate) crcs: Bytes,
    pub(crate) blake3: Bytes,
}

/// Bytes up to which a whole buffer is checksummed on the spot: about 100 µs.
const ON_THE_SPOT: usize = 256 << 10;

/// BLAKE3 is fed in pieces of at least this size, which is where its vector code is fast.
const HASH_STEP: usize = 64 << 10;

impl Sealed {
    /// Takes bytes as they are.
    pub(crate) async fn of(data: Bytes, permit: BytePermit) -> Result<Self, ClientError> {
        let data = permit.guard(data);
        if data.len() <= ON_THE_SPOT {
            return Ok(Self::sum(data));
        }
        let work = tokio::task::spawn_blocking(move || Self::sum(data));
        work.await.map_err(|error| {
            ClientError::Refused(holdfast_proto::status::Status::internal(error.to_string()))
        })
    }

    fn sum(data: Bytes) -> Self {
        let crcs = Bytes::from(crc::block_crcs(&data));
        let blake3 = Bytes::copy_from_slice(blake3::hash(&data).as_bytes());
        Self { data, crcs, blake3 }
    }
}

/// A chunk that is being filled by copying.
pub(crate) struct Filling {
    memory: PoolBuffer,
    permit: BytePermit,
    filled: usize,
    crcs: Vec<u8>,
    /// Bytes whose blocks are in `crcs`; a multiple of the block length.
    summed: usize,
    hasher: blake3::Hasher,
    hashed: usize,
}

impl Filling {
    /// An empty chunk of at most `capacity` bytes, for which `permit` was given.
    pub(crate) fn new(capacity: usize, permit: BytePermit) -> Self {
        Self {
            memory: buffers::shared().get(capacity),
            permit,
            filled: 0,
            crcs: Vec::with_capacity(capacity.div_ceil(crc::BLOCK_BYTES) * crc::CRC_BYTES),
            summed: 0,
            hasher: blake3::Hasher::new(),
            hashed: 0,
        }
    }

    pub(crate) fn filled(&self) -> usize {
        self.filled
    }

    pub(crate) fn room(&self) -> usize {
        self.memory.len() - self.filled
    }

    /// Copies what fits and returns how much that was.
    pub(crate) fn append(&mut self, data: &[u8]) -> usize {
        let count = data.len().min(self.room());
        let to = self.filled + count;
        if let (Some(target), Some(source)) = (self.memory.get_mut(self.filled..to), data.get(..count)) {
            target.copy_from_slice(source);
            self.filled = to;
            self.sum();
        }
        count
    }

    fn sum(&mut self) {
        let whole = self.filled / crc::BLOCK_BYTES * crc::BLOCK_BYTES;
        if let Some(fresh) = self.memory.get(self.summed..whole) {
            for block in fresh.chunks_exact(crc::BLOCK_BYTES) {
                self.crcs.extend_from_slice(&crc::crc32c(block).to_le_bytes());
            }
            self.summed = whole;
        }
        if self.filled - self.hashed >= HASH_STEP {
            self.hash_rest();
        }
    }

    fn hash_rest(&mut self) {
        if let Some(fresh) = self.memory.get(self.hashed..self.filled) {
            self.hasher.update(fresh);
            self.hashed = self.filled;
        }
    }

    /// Moves on to a larger buffer. Happens once per stream, after its first few blocks.
    pub(crate) fn grow(&mut self, capacity: usize, permit: BytePermit) {
        let mut larger = buffers::shared().get(capacity);
        if let (Some(target), Some(source)) = (larger.get_mut(..self.filled), self.memory.get(..self.filled))
        {
            target.copy_from_slice(source);
            self.memory = larger;
            self.permit = permit;
        }
    }

    /// Done: the last block may be short.
    pub(crate) fn seal(mut self) -> Sealed {
        self.hash_rest();
        if let Some(last) = self.memory.get(self.summed..self.filled).filter(|last| !last.is_empty()) {
            self.crcs.extend_from_slice(&crc::crc32c(last).to_le_bytes());
        }
        self.memory.truncate(self.filled);
        let blake3 = Bytes::copy_from_slice(self.hasher.finalize().as_bytes());
        Sealed { data: self.permit.guard(self.memory.freeze()), crcs: Bytes::from(self.crcs), blake3 }
    }
}

#[cfg(test)]
mod tests {
    use holdfast_support::budget::ByteBudget;

    use super::*;

    proptest::proptest! {
        #![proptest_config(proptest::prelude::ProptestConfig::with_cases(64))]
        #[test]
        fn however_it_is_cut_the_sums_are_those_of_the_whole(
            length in 0usize..300_000,
            cuts in proptest::collection::vec(1usize..70_000, 1..40),
            grow_at in 0usize..300_000,
        ) {
            let data: Vec<u8> = (0..length).map(|i| (i * 7 % 251) as u8).collect();
            let budget = ByteBudget::new(1 << 20);
            let first = grow_at.max(1).min(length.max(1));
            let mut filling = Filling::new(first, budget.try_take(first as u64).unwrap());
            let mut rest = &data[..];
            for cut in cuts.iter().cycle() {
                if rest.is_empty() {
                    break;
                }
                if filling.room() == 0 {
                    filling.grow(length, budget.try_take(length as u64).unwrap());
                }
                let took = filling.append(&rest[..(*cut).min(rest.len())]);
                rest = &rest[took..];
            }
            let sealed = filling.seal();
            proptest::prop_assert_eq!(&sealed.data[..], &data[..]);
            proptest::prop_assert_eq!(&sealed.crcs[..], &crc::block_crcs(&data)[..]);
            let hash = blake3::hash(&data);
            proptest::prop_assert_eq!(&sealed.blake3[..], &hash.as_bytes()[..]);
            proptest::prop_assert!(length == 0 || budget.in_use() > 0);
            drop(sealed);
            proptest::prop_assert_eq!(budget.in_use(), 0);
        }
    }
}
