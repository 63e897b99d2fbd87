//! How a chunk of a class lies on the members of its placement group: pure arithmetic, pinned by golden vectors.
//!
//! An erasure-coded chunk is cut into stripes of `data` cells. Cells are filled in order; the last stripe may be
//! short: its data cells hold what is left, its parity cells are as long as its first cell. Zero padding exists
//! in the computation only. So the length of every shard follows from (length, data, parity, cell) alone.

use crate::map::{Redundancy, redundancy::Kind};

/// The shape of an erasure-coded chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Geometry {
    /// Data shards (k), at least 1.
    pub data: u32,
    /// Parity shards (m), at least 1.
    pub parity: u32,
    /// Bytes of one cell; a multiple of the checksum block.
    pub cell_bytes: u64,
}

/// Where one byte of a chunk lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Data shard index, `0..data`.
    pub shard: u32,
    /// Offset within that shard, in bytes.
    pub offset: u64,
}

impl Geometry {
    /// Members of a placement group of this shape.
    pub fn shards(&self) -> u32 {
        self.data + self.parity
    }

    /// Payload bytes of a full stripe.
    pub fn stripe_bytes(&self) -> u64 {
        u64::from(self.data) * self.cell_bytes
    }

    /// Length of shard `index` (data shards first, then parity) of a chunk of `length` bytes.
    pub fn shard_bytes(&self, length: u64, index: u32) -> u64 {
        let full = length / self.stripe_bytes();
        let rest = length % self.stripe_bytes();
        let before = if index < self.data { u64::from(index) * self.cell_bytes } else { 0 };
        full * self.cell_bytes + rest.saturating_sub(before).min(self.cell_bytes)
    }

    /// Where the byte at `offset` of the chunk lies.
    pub fn place(&self, offset: u64) -> Place {
        let stripe = offset / self.stripe_bytes();
        let within = offset % self.stripe_bytes();
        Place {
            shard: (within / self.cell_bytes) as u32,
            offset: stripe * self.cell_bytes + within % self.cell_bytes,
        }
    }
}

/// Length of what member `index` of a group stores of a chunk of `length` bytes.
pub fn member_bytes(redundancy: &Redundancy, length: u64, index: u32) -> u64 {
    match &redundancy.kind {
        Some(Kind::Erasure(e)) => e.geometry().shard_bytes(length, index),
        Some(Kind::Replicated(_)) | None => length,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn golden_shard_lengths() {
        let g = Geometry { data: 4, parity: 2, cell_bytes: 4096 };
        let lengths = |n| (0..6).map(|i| g.shard_bytes(n, i)).collect::<Vec<_>>();
        assert_eq!(lengths(0), [0, 0, 0, 0, 0, 0]);
        assert_eq!(lengths(1), [1, 0, 0, 0, 1, 1]);
        assert_eq!(lengths(4096), [4096, 0, 0, 0, 4096, 4096]);
        assert_eq!(lengths(4097), [4096, 1, 0, 0, 4096, 4096]);
        assert_eq!(lengths(16384), [4096; 6]);
        assert_eq!(lengths(16384 + 5000), [8192, 5000, 4096, 4096, 8192, 8192]);
    }

    proptest::proptest! {
        #[test]
        fn data_shards_hold_every_byte_once(length in 0u64..2_000_000, data in 1u32..9, parity in 1u32..4) {
            let g = Geometry { data, parity, cell_bytes: 4096 };
            let total: u64 = (0..data).map(|i| g.shard_bytes(length, i)).sum();
            proptest::prop_assert_eq!(total, length);
            if length > 0 {
                let place = g.place(length - 1);
                proptest::prop_assert_eq!(place.offset + 1, g.shard_bytes(length, place.shard));
            }
        }
    }
}
