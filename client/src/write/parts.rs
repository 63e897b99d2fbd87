//! What of a chunk goes to which member: all of it, or one shard.
//!
//! What always holds: the block checksums of data shards are those of the chunk's blocks, computed once; cells are
//! whole blocks. Buffers come from the pool, and their memory is the caller's to have a budget for.

use bytes::{Bytes, BytesMut};
use holdfast_erasure::{Codec, ErasureError};
use holdfast_proto::geometry::Geometry;
use holdfast_proto::map::{Erasure, Member};
use holdfast_proto::status::Status;
use holdfast_support::buffers::{self, PoolBuffer};
use holdfast_support::crc;

use crate::error::ClientError;
use crate::inner::Inner;
use crate::write::buffer::Sealed;

/// Bytes up to which a chunk is cut on the spot: about 100 µs.
const ON_THE_SPOT: usize = 256 << 10;

/// What one member stores.
#[derive(Clone, Debug)]
pub(crate) struct Part {
    pub(crate) data: Bytes,
    /// CRC32C of each block of `data`.
    pub(crate) crcs: Bytes,
}

/// The parts of one chunk.
pub(crate) enum Parts {
    /// Every member stores the same.
    Copies(Part),
    /// By shard index.
    Shards(Erasure, Vec<Part>),
}

impl Parts {
    /// What this member stores.
    pub(crate) fn of(&self, member: &Member) -> Option<&Part> {
        match self {
            Self::Copies(part) => Some(part),
            Self::Shards(_, parts) => parts.get(member.shard as usize),
        }
    }

    /// How the chunk is cut; nothing for copies.
    pub(crate) fn shape(&self) -> Option<Erasure> {
        match self {
            Self::Copies(_) => None,
            Self::Shards(shape, _) => Some(*shape),
        }
    }

    /// All of the chunk, for every member.
    pub(crate) fn copies(chunk: &Sealed) -> Self {
        Self::Copies(Part { data: chunk.data.clone(), crcs: chunk.crcs.clone() })
    }

    /// The chunk's shards.
    pub(crate) async fn shards(inner: &Inner, shape: &Erasure, chunk: &Sealed) -> Result<Self, ClientError> {
        let codec = inner.codecs.get(shape.geometry()).map_err(impossible)?;
        if chunk.data.len() <= ON_THE_SPOT {
            return cut(&codec, chunk).map(|parts| Self::Shards(*shape, parts)).map_err(impossible);
        }
        let chunk = chunk.clone();
        let work = tokio::task::spawn_blocking(move || cut(&codec, &chunk)).await;
        let parts = work.map_err(|error| ClientError::Refused(Status::internal(error.to_string())))?;
        parts.map(|parts| Self::Shards(*shape, parts)).map_err(impossible)
    }
}

fn impossible(error: ErasureError) -> ClientError {
    ClientError::Invalid(format!("the storage class cannot be written: {error}"))
}

/// Whether a chunk of this length fills a part of every data shard. A shorter one takes as much room as copies do.
pub(crate) fn fills_cells(shape: &Erasure, length: u64) -> bool {
    length > u64::from(shape.data.saturating_sub(1)) * shape.cell_bytes
}

fn cut(codec: &Codec, chunk: &Sealed) -> Result<Vec<Part>, ErasureError> {
    let geometry = codec.geometry();
    let length = chunk.data.len() as u64;
    let mut shards: Vec<PoolBuffer> = (0..geometry.shards())
        .map(|index| buffers::shared().get(geometry.shard_bytes(length, index) as usize))
        .collect();
    codec.encode_into(&chunk.data, &mut shards)?;
    let parts = (0..).zip(shards).map(|(index, shard)| {
        let crcs = match index < geometry.data {
            true => data_crcs(&geometry, &chunk.crcs, length, index),
            false => crc::block_crcs(&shard).into(),
        };
        Part { data: shard.freeze(), crcs }
    });
    Ok(parts.collect())
}

/// The checksums of a data shard's blocks, out of the chunk's.
fn data_crcs(geometry: &Geometry, crcs: &Bytes, length: u64, shard: u32) -> Bytes {
    let of = |bytes: u64| crc::block_count(bytes) as usize * crc::CRC_BYTES;
    let mut table = BytesMut::with_capacity(of(geometry.shard_bytes(length, shard)));
    let mut at = u64::from(shard) * geometry.cell_bytes;
    while at < length {
        let end = (at + geometry.cell_bytes).min(length);
        table.extend_from_slice(crcs.get(of(at)..of(end)).unwrap_or_default());
        at += geometry.stripe_bytes();
    }
    table.freeze()
}

#[cfg(test)]
mod tests {
    use holdfast_support::budget::ByteBudget;

    use super::*;

    proptest::proptest! {
        #[test]
        fn every_part_carries_its_own_checksums(
            length in 1usize..200_000, data in 1u32..6, parity in 1u32..4, blocks in 1u64..5,
        ) {
            let geometry = Geometry { data, parity, cell_bytes: blocks * 4096 };
            let codec = Codec::new(geometry).unwrap();
            let bytes: Vec<u8> = (0..length).map(|i| (i * 31 % 253) as u8).collect();
            let sealed = Sealed {
                crcs: crc::block_crcs(&bytes).into(),
                blake3: Bytes::new(),
                data: ByteBudget::new(1 << 20).try_take(0).unwrap().guard(bytes.clone().into()),
            };
            let parts = cut(&codec, &sealed).unwrap();
            let expected = codec.encode(&bytes).unwrap();
            proptest::prop_assert_eq!(parts.len(), expected.len());
            for (part, shard) in parts.iter().zip(&expected) {
                proptest::prop_assert_eq!(&part.data[..], &shard[..]);
                proptest::prop_assert_eq!(&part.crcs[..], &crc::block_crcs(shard)[..]);
            }
        }
    }

    #[test]
    fn short_chunks_are_left_to_copies() {
        let shape = Erasure { data: 4, parity: 2, cell_bytes: 4096 };
        assert!(!fills_cells(&shape, 1) && !fills_cells(&shape, 3 * 4096));
        assert!(fills_cells(&shape, 3 * 4096 + 1));
    }
}
