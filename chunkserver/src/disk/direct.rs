//! Lays parts out for a write past the page cache, where memory, offset and length all have to be whole blocks.
//!
//! What always holds: blocks that lie aligned in memory are written from where they are; only the others are copied,
//! into a buffer that is used again. Called by [`super::real`].

use std::io;
use std::ops::Range;

use crate::format::ALIGN;

/// Bytes of the buffer for what has to be copied: it costs memory per disk, a smaller one costs more calls.
pub(super) const BOUNCE_BYTES: usize = 1 << 20;

const BLOCK: usize = ALIGN as usize;

/// A run of bytes of the write.
enum Piece<'p> {
    /// Whole blocks where they lie.
    There(&'p [u8]),
    /// In the bounce buffer.
    Copied(Range<usize>),
}

/// Hands `parts`, one after another from `offset`, to `write` in runs of aligned pieces. `bounce` is aligned and a
/// whole number of blocks long, as is `offset`; a total length that is not is refused.
pub(super) fn write_aligned(
    offset: u64,
    parts: &[&[u8]],
    bounce: &mut [u8],
    mut write: impl FnMut(u64, &[&[u8]]) -> io::Result<()>,
) -> io::Result<()> {
    let total: usize = parts.iter().map(|part| part.len()).sum();
    if !total.is_multiple_of(BLOCK) || !offset.is_multiple_of(ALIGN) || bounce.len() < BLOCK {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let (mut pieces, mut used, mut at) = (Vec::new(), 0, offset);
    for part in parts {
        let mut rest = *part;
        while !rest.is_empty() {
            if used == bounce.len() {
                at += write_out(&pieces, bounce, at, &mut write)?;
                pieces.clear();
                used = 0;
            }
            let whole = rest.len() / BLOCK * BLOCK;
            let aligned = rest.as_ptr().align_offset(BLOCK) == 0;
            // Behind copied bytes that do not end on a boundary nothing can be written from where it lies.
            let taken = if aligned && whole > 0 && used.is_multiple_of(BLOCK) {
                pieces.push(Piece::There(rest.get(..whole).unwrap_or_default()));
                whole
            } else {
                let count = rest.len().min(bounce.len() - used);
                if let (Some(into), Some(from)) = (bounce.get_mut(used..used + count), rest.get(..count)) {
                    into.copy_from_slice(from);
                }
                match pieces.last_mut() {
                    Some(Piece::Copied(range)) => range.end += count,
                    _ => pieces.push(Piece::Copied(used..used + count)),
                }
                used += count;
                count
            };
            rest = rest.get(taken..).unwrap_or_default();
        }
    }
    write_out(&pieces, bounce, at, &mut write).map(drop)
}

/// Returns how many bytes that was.
fn write_out(
    pieces: &[Piece<'_>],
    bounce: &[u8],
    at: u64,
    write: &mut impl FnMut(u64, &[&[u8]]) -> io::Result<()>,
) -> io::Result<u64> {
    let slices: Vec<&[u8]> = pieces
        .iter()
        .map(|piece| match piece {
            Piece::There(bytes) => bytes,
            Piece::Copied(range) => bounce.get(range.clone()).unwrap_or_default(),
        })
        .collect();
    let bytes: usize = slices.iter().map(|slice| slice.len()).sum();
    write(at, &slices)?;
    Ok(bytes as u64)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::aligned::Aligned;
    use super::*;

    proptest! {
        /// Whatever the parts look like: what arrives is what was given, in aligned runs without a gap.
        #[test]
        fn every_layout_arrives_whole(
            lengths in proptest::collection::vec((0usize..3 * BLOCK, 0usize..3), 0..12),
            blocks in 1usize..4,
        ) {
            let mut memory: Vec<Aligned> = Vec::new();
            let mut total = 0;
            for (number, (length, _)) in lengths.iter().enumerate() {
                let mut part = Aligned::new(length + 2);
                let fill = |(i, byte): (usize, &mut u8)| *byte = (i * 7 + number * 31) as u8;
                part.slice(length + 2).iter_mut().enumerate().for_each(fill);
                memory.push(part);
                total += length;
            }
            memory.push(Aligned::new(BLOCK));
            let shifts = lengths.iter().copied().chain([(total.next_multiple_of(BLOCK) - total, 0)]);
            let parts: Vec<&[u8]> =
                memory.iter_mut().zip(shifts).map(|(part, (length, shift))| &part.slice(length + shift)[shift..]).collect();
            let (mut got, mut bounce) = (Vec::new(), Aligned::new(blocks * BLOCK));
            write_aligned(ALIGN * 5, &parts, bounce.slice(blocks * BLOCK), |at, slices| {
                assert_eq!(at, ALIGN * 5 + got.len() as u64);
                for slice in slices {
                    assert!(slice.as_ptr().align_offset(BLOCK) == 0 && slice.len().is_multiple_of(BLOCK));
                    got.extend_from_slice(slice);
                }
                Ok(())
            }).unwrap();
            prop_assert_eq!(got, parts.concat());
        }
    }

    #[test]
    fn aligned_bytes_are_not_copied_and_half_blocks_refused() {
        let mut payload = Aligned::new(4 * BLOCK);
        let payload = &*payload.slice(4 * BLOCK);
        let head = vec![1; BLOCK];
        let mut bounce = Aligned::new(BLOCK);
        let mut seen = Vec::new();
        let mut note = |_, slices: &[&[u8]]| {
            seen.extend(slices.iter().map(|slice| slice.as_ptr()));
            Ok(())
        };
        write_aligned(0, &[&head, payload], bounce.slice(BLOCK), &mut note).unwrap();
        assert!(write_aligned(0, &[&head[1..]], bounce.slice(BLOCK), &mut note).is_err());
        assert!(write_aligned(1, &[&head], bounce.slice(BLOCK), &mut note).is_err());
        assert!(seen.contains(&payload.as_ptr()));
    }
}
