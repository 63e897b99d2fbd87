//! Reed-Solomon coding of chunks, behind one small interface.
//!
//! How a chunk lies on its shards is [`Geometry`]'s business; this crate computes parity as bytes arrive and
//! rebuilds what is missing. The fast code is a library's; `truth.rs` computes the same slowly, from the
//! definition, and golden vectors pin both.
//!
//! What always holds: a parity shard is as long as data shard 0; zero padding exists in the computation only.
//! Nothing here detects damage: shards are checked against their own checksums before they come here.

use holdfast_proto::geometry::Geometry;
use reed_solomon_erasure::galois_8::ReedSolomon;

#[cfg(test)]
mod truth;

/// Why coding is not possible.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
pub enum ErasureError {
    /// No such code.
    #[error("{data}+{parity} shards: both must be at least 1, together at most 256")]
    Shape {
        /// Data shards.
        data: u32,
        /// Parity shards.
        parity: u32,
    },
    /// The cell length is zero.
    #[error("cells must have at least one byte")]
    Cell,
    /// The number of shards given does not fit the code.
    #[error("{given} shards given, the code has {wanted}")]
    Count {
        /// As given.
        given: usize,
        /// As the code has.
        wanted: usize,
    },
    /// Too much is missing.
    #[error("{present} shards are left, {needed} are needed")]
    TooFew {
        /// Shards given.
        present: usize,
        /// Data shards of the code.
        needed: usize,
    },
    /// A shard has a length that cannot be.
    #[error("shard {shard} has {found} bytes, expected {expected}")]
    Length {
        /// Which.
        shard: usize,
        /// Its length.
        found: usize,
        /// What the geometry says.
        expected: usize,
    },
    /// The library refused although everything was checked.
    #[error("coding failed: {0}")]
    Library(reed_solomon_erasure::Error),
}

/// A code of one shape. Building one inverts a matrix: keep it.
#[derive(Debug)]
pub struct Codec {
    geometry: Geometry,
    code: ReedSolomon,
}

impl Codec {
    /// The code for a geometry.
    pub fn new(geometry: Geometry) -> Result<Self, ErasureError> {
        let (data, parity) = (geometry.data, geometry.parity);
        if geometry.cell_bytes == 0 {
            return Err(ErasureError::Cell);
        }
        let code = ReedSolomon::new(data as usize, parity as usize)
            .map_err(|_| ErasureError::Shape { data, parity })?;
        Ok(Self { geometry, code })
    }

    /// The shape.
    pub fn geometry(&self) -> Geometry {
        self.geometry
    }

    /// An encoder for one chunk.
    pub fn encoder(&self) -> Encoder<'_> {
        let parity = vec![Vec::new(); self.geometry.parity as usize];
        Encoder { codec: self, parity, length: 0 }
    }

    /// Cuts a whole chunk into all its shards, data first.
    pub fn encode(&self, chunk: &[u8]) -> Result<Vec<Vec<u8>>, ErasureError> {
        let mut shards: Vec<Vec<u8>> = (0..self.geometry.data)
            .map(|index| Vec::with_capacity(self.geometry.shard_bytes(chunk.len() as u64, index) as usize))
            .collect();
        let cell_bytes = usize::try_from(self.geometry.cell_bytes).unwrap_or(usize::MAX);
        for (index, cell) in chunk.chunks(cell_bytes).enumerate() {
            shards[index % self.geometry.data as usize].extend_from_slice(cell);
        }
        let mut encoder = self.encoder();
        encoder.push(chunk)?;
        shards.extend(encoder.finish());
        Ok(shards)
    }

    /// Cuts a whole chunk into buffers of the right lengths, data first, whatever is in them.
    pub fn encode_into(&self, chunk: &[u8], shards: &mut [impl AsMut<[u8]>]) -> Result<(), ErasureError> {
        let geometry = self.geometry;
        let wanted = geometry.shards() as usize;
        if shards.len() != wanted {
            return Err(ErasureError::Count { given: shards.len(), wanted });
        }
        for (index, shard) in shards.iter_mut().enumerate() {
            self.check_length(chunk.len() as u64, index, shard.as_mut().len())?;
        }
        let (data, parity) = shards.split_at_mut(geometry.data as usize);
        let mut parity: Vec<&mut [u8]> = parity.iter_mut().map(AsMut::as_mut).collect();
        let cell_bytes = usize::try_from(geometry.cell_bytes).unwrap_or(usize::MAX);
        let mut at = 0;
        for cell in chunk.chunks(cell_bytes) {
            let place = geometry.place(at);
            at += cell.len() as u64;
            let (from, to) = (place.offset as usize, place.offset as usize + cell.len());
            if let Some(target) =
                data.get_mut(place.shard as usize).and_then(|s| s.as_mut().get_mut(from..to))
            {
                target.copy_from_slice(cell);
            }
            // The first cell of a stripe is its longest and overwrites; the others are added to it.
            let mut ranges: Vec<&mut [u8]> = parity.iter_mut().filter_map(|s| s.get_mut(from..to)).collect();
            self.code
                .encode_single_sep(place.shard as usize, cell, &mut ranges)
                .map_err(ErasureError::Library)?;
        }
        Ok(())
    }

    /// Puts a chunk together again from its data shards, all of which must be there.
    pub fn join(&self, chunk_bytes: u64, data: &[impl AsRef<[u8]>]) -> Result<Vec<u8>, ErasureError> {
        let wanted = self.geometry.data as usize;
        let data = data.get(..wanted).ok_or(ErasureError::Count { given: data.len(), wanted })?;
        for (index, shard) in data.iter().enumerate() {
            self.check_length(chunk_bytes, index, shard.as_ref().len())?;
        }
        let cell_bytes = usize::try_from(self.geometry.cell_bytes).unwrap_or(usize::MAX);
        let mut chunk = Vec::with_capacity(chunk_bytes as usize);
        let mut cells: Vec<_> = data.iter().map(|shard| shard.as_ref().chunks(cell_bytes)).collect();
        while (chunk.len() as u64) < chunk_bytes {
            for shard in &mut cells {
                chunk.extend_from_slice(shard.next().unwrap_or_default());
            }
        }
        Ok(chunk)
    }

    /// The chunk's cells in order, out of its data shards, all of which must be there.
    pub fn cells<'s>(&self, chunk_bytes: u64, shards: &'s [Option<Vec<u8>>], mut each: impl FnMut(&'s [u8])) {
        let geometry = self.geometry;
        let mut at = 0;
        while at < chunk_bytes {
            let place = geometry.place(at);
            let length = geometry.cell_bytes.min(chunk_bytes - at);
            let (from, to) = (place.offset as usize, (place.offset + length) as usize);
            let shard = shards.get(place.shard as usize).and_then(Option::as_ref);
            each(shard.and_then(|shard| shard.get(from..to)).unwrap_or_default());
            at += length;
        }
    }

    /// Fills in the missing shards (`None`) of a chunk of `chunk_bytes`.
    pub fn rebuild(&self, chunk_bytes: u64, shards: &mut [Option<Vec<u8>>]) -> Result<(), ErasureError> {
        for (index, shard) in shards.iter().enumerate() {
            if let Some(shard) = shard {
                self.check_length(chunk_bytes, index, shard.len())?;
            }
        }
        let longest = self.geometry.shard_bytes(chunk_bytes, 0) as usize;
        self.rebuild_range(longest, shards)?;
        for (index, shard) in shards.iter_mut().enumerate() {
            if let Some(shard) = shard {
                shard.truncate(self.geometry.shard_bytes(chunk_bytes, index as u32) as usize);
            }
        }
        Ok(())
    }

    /// Fills in the missing shards of a range: every shard given holds the bytes of the same range of offsets,
    /// cut at its own end. All come back `length` bytes long, zero padded; what lies behind a shard's end is
    /// padding.
    pub fn rebuild_range(&self, length: usize, shards: &mut [Option<Vec<u8>>]) -> Result<(), ErasureError> {
        if self.pad(length, shards)? {
            self.code.reconstruct(shards).map_err(ErasureError::Library)?;
        }
        Ok(())
    }

    /// As [`Self::rebuild_range`], for data shards only.
    pub fn rebuild_data(&self, length: usize, shards: &mut [Option<Vec<u8>>]) -> Result<(), ErasureError> {
        if self.pad(length, shards)? {
            self.code.reconstruct_data(shards).map_err(ErasureError::Library)?;
        }
        Ok(())
    }

    /// Brings what is there to one length. False: it is 0, and nothing is left to compute.
    fn pad(&self, length: usize, shards: &mut [Option<Vec<u8>>]) -> Result<bool, ErasureError> {
        let wanted = self.geometry.shards() as usize;
        if shards.len() != wanted {
            return Err(ErasureError::Count { given: shards.len(), wanted });
        }
        let present = shards.iter().flatten().count();
        let needed = self.geometry.data as usize;
        if present < needed {
            return Err(ErasureError::TooFew { present, needed });
        }
        for (shard, bytes) in shards.iter_mut().enumerate() {
            if let Some(bytes) = bytes {
                if bytes.len() > length {
                    return Err(ErasureError::Length { shard, found: bytes.len(), expected: length });
                }
                bytes.resize(length, 0);
            }
        }
        if length == 0 {
            shards.iter_mut().for_each(|shard| *shard = Some(Vec::new()));
        }
        Ok(length > 0)
    }

    fn check_length(&self, chunk_bytes: u64, shard: usize, found: usize) -> Result<(), ErasureError> {
        let expected = self.geometry.shard_bytes(chunk_bytes, shard as u32) as usize;
        if found == expected { Ok(()) } else { Err(ErasureError::Length { shard, found, expected }) }
    }
}

/// Computes the parity of one chunk as its bytes arrive, in pieces of any length. Keeps parity only, no data.
#[derive(Debug)]
pub struct Encoder<'c> {
    codec: &'c Codec,
    parity: Vec<Vec<u8>>,
    length: u64,
}

impl Encoder<'_> {
    /// Takes the next bytes of the chunk.
    pub fn push(&mut self, mut bytes: &[u8]) -> Result<(), ErasureError> {
        let geometry = self.codec.geometry;
        while !bytes.is_empty() {
            let place = geometry.place(self.length);
            let left_in_cell = geometry.cell_bytes - place.offset % geometry.cell_bytes;
            let (piece, rest) = bytes.split_at(bytes.len().min(left_in_cell as usize));
            let from = place.offset as usize;
            let to = from + piece.len();
            if place.shard == 0 {
                // The first cell of a stripe is its longest: it alone makes the parity grow.
                self.parity.iter_mut().for_each(|shard| shard.resize(to, 0));
            }
            let mut ranges: Vec<&mut [u8]> =
                self.parity.iter_mut().filter_map(|shard| shard.get_mut(from..to)).collect();
            self.codec
                .code
                .encode_single_sep(place.shard as usize, piece, &mut ranges)
                .map_err(ErasureError::Library)?;
            self.length += piece.len() as u64;
            bytes = rest;
        }
        Ok(())
    }

    /// Bytes taken so far.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// The parity shards.
    pub fn finish(self) -> Vec<Vec<u8>> {
        self.parity
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn codec(data: u32, parity: u32, cell_bytes: u64) -> Codec {
        Codec::new(Geometry { data, parity, cell_bytes }).unwrap()
    }

    #[test]
    fn golden_parity() {
        let chunk: Vec<u8> = (0..18u8).map(|i| i.wrapping_mul(37).wrapping_add(5)).collect();
        let shards = codec(4, 2, 4).encode(&chunk).unwrap();
        let hex: Vec<String> =
            shards.iter().map(|shard| shard.iter().map(|byte| format!("{byte:02x}")).collect()).collect();
        assert_eq!(hex, GOLDEN_4_2);
        assert_eq!(truth::parity(&codec(4, 2, 4).geometry(), &chunk), shards[4..]);
    }

    /// 18 bytes in cells of 4: one full stripe, then a cell of 2 bytes alone.
    const GOLDEN_4_2: [&str; 6] =
        ["052a4f74557a", "99bee308", "2d52779c", "c1e60b30", "ef49301f548a", "4e1d46b9e2f1"];

    #[test]
    fn impossible_shapes_and_losses_are_refused() {
        let shape = |data, parity| Codec::new(Geometry { data, parity, cell_bytes: 4 }).map(drop);
        assert_eq!(shape(0, 2), Err(ErasureError::Shape { data: 0, parity: 2 }));
        assert_eq!(shape(200, 57), Err(ErasureError::Shape { data: 200, parity: 57 }));
        assert_eq!(
            Codec::new(Geometry { data: 2, parity: 1, cell_bytes: 0 }).map(drop),
            Err(ErasureError::Cell)
        );
        let codec = codec(2, 1, 4);
        let mut two_lost = [None, None, Some(vec![1, 2])];
        assert_eq!(
            codec.rebuild(4, &mut two_lost),
            Err(ErasureError::Length { shard: 2, found: 2, expected: 4 })
        );
        assert_eq!(codec.rebuild(2, &mut two_lost), Err(ErasureError::TooFew { present: 1, needed: 2 }));
        assert_eq!(codec.rebuild(2, &mut two_lost[..2]), Err(ErasureError::Count { given: 2, wanted: 3 }));
        assert!(matches!(codec.join(4, &[[1u8, 2, 3]]), Err(ErasureError::Count { .. })));
    }

    proptest! {
        #[test]
        fn agrees_with_the_truth_and_survives_any_allowed_loss(
            chunk in proptest::collection::vec(any::<u8>(), 0..700),
            data in 1u32..7,
            parity in 1u32..5,
            cell in 1u64..40,
            pieces in proptest::collection::vec(1usize..90, 1..20),
            lost in any::<u64>(),
        ) {
            let codec = codec(data, parity, cell);
            let shards = codec.encode(&chunk).unwrap();
            let mut encoder = codec.encoder();
            let mut rest = &chunk[..];
            for piece in pieces.iter().cycle() {
                if rest.is_empty() { break; }
                let (now, later) = rest.split_at((*piece).min(rest.len()));
                encoder.push(now).unwrap();
                rest = later;
            }
            let incremental = encoder.finish();
            prop_assert_eq!(&incremental[..], &shards[data as usize..]);
            prop_assert_eq!(truth::parity(&codec.geometry(), &chunk), incremental);
            let mut buffers: Vec<Vec<u8>> = shards.iter().map(|shard| vec![0xa5; shard.len()]).collect();
            codec.encode_into(&chunk, &mut buffers).unwrap();
            prop_assert_eq!(&buffers, &shards);
            for (index, shard) in shards.iter().enumerate() {
                prop_assert_eq!(shard.len() as u64, codec.geometry().shard_bytes(chunk.len() as u64, index as u32));
            }
            // Lose as many as the code bears, chosen by the bits of `lost`.
            let mut left: Vec<_> = shards.iter().cloned().map(Some).collect();
            let total = left.len();
            for n in 0..parity as usize {
                left[(lost as usize).rotate_right(8 * n as u32) % total] = None;
            }
            let longest = codec.geometry().shard_bytes(chunk.len() as u64, 0) as usize;
            let mut data_only = left.clone();
            codec.rebuild_data(longest, &mut data_only).unwrap();
            for (index, shard) in data_only[..data as usize].iter().enumerate() {
                prop_assert_eq!(&shard.as_ref().unwrap()[..shards[index].len()], &shards[index][..]);
            }
            codec.rebuild(chunk.len() as u64, &mut left).unwrap();
            let mut cells = Vec::new();
            codec.cells(chunk.len() as u64, &left, |cell| cells.extend_from_slice(cell));
            prop_assert_eq!(&cells, &chunk);
            let rebuilt: Vec<_> = left.into_iter().flatten().collect();
            prop_assert_eq!(&rebuilt, &shards);
            prop_assert_eq!(codec.join(chunk.len() as u64, &rebuilt).unwrap(), chunk);
        }
    }
}
