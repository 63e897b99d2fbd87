//! How dirty ranges become pieces of one command: bytes carried by the command itself, whole chunks, or a chunk in
//! which many small ranges lie one behind the other. Pure.
//!
//! What always holds: every byte of the ranges is in exactly one piece, and pieces are in order of offset. A range
//! whose block is (or is being) stored refers to that chunk; nothing is sent twice.

use std::sync::Arc;

use bytes::Bytes;
use holdfast_support::buffers;

use crate::fs::dirty::{Block, Frozen};

/// Longest bytes that a piece carries itself (`MAX_INLINE_EXTENT` of the metaserver).
const MAX_INLINE_PIECE: usize = 4096;

/// Blocks of at least this length become chunks as they are; shorter ones are packed together, which costs a copy.
const WHOLE: usize = 1 << 20;

/// Where a piece's bytes come from.
#[derive(Clone, Debug)]
pub(crate) enum Source {
    Inline(Bytes),
    /// Position in [`Plan::chunks`], and the first byte there.
    Chunk(usize, u64),
}

#[derive(Clone, Debug)]
pub(crate) struct Piece {
    pub(crate) offset: u64,
    pub(crate) length: u64,
    pub(crate) source: Source,
}

/// A chunk to be stored, if it is not yet.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) chunks: Vec<Arc<Block>>,
    pub(crate) pieces: Vec<Piece>,
}

/// Bytes that the command carries itself.
pub(crate) fn inline(ranges: &[Frozen]) -> Plan {
    let mut pieces = Vec::new();
    for range in ranges {
        let mut bytes = range.bytes();
        let mut offset = range.offset;
        while !bytes.is_empty() {
            let part = bytes.split_to(bytes.len().min(MAX_INLINE_PIECE));
            let length = part.len() as u64;
            pieces.push(Piece { offset, length, source: Source::Inline(part) });
            offset += length;
        }
    }
    Plan { chunks: Vec::new(), pieces }
}

/// Bytes that go into chunks of at most `chunk_bytes`.
pub(crate) fn chunks(ranges: &[Frozen], chunk_bytes: usize) -> Plan {
    let mut plan = Plan { chunks: Vec::new(), pieces: Vec::new() };
    let mut loose: Vec<&Frozen> = Vec::new();
    for range in ranges {
        if range.block.bytes.len() < WHOLE.min(chunk_bytes) && !range.block.stored.initialized() {
            loose.push(range);
            continue;
        }
        let known = plan.chunks.iter().rposition(|block| Arc::ptr_eq(block, &range.block));
        let at = known.unwrap_or_else(|| {
            plan.chunks.push(range.block.clone());
            plan.chunks.len() - 1
        });
        let source = Source::Chunk(at, range.start as u64);
        plan.pieces.push(Piece { offset: range.offset, length: range.length as u64, source });
    }
    pack(&mut plan, &loose, chunk_bytes);
    plan.pieces.sort_unstable_by_key(|piece| piece.offset);
    plan
}

/// Packs ranges, each shorter than a chunk, in as few chunks as their order allows.
fn pack(plan: &mut Plan, ranges: &[&Frozen], chunk_bytes: usize) {
    let mut rest = ranges;
    while !rest.is_empty() {
        let mut total = 0;
        let fits = rest.iter().take_while(|range| {
            total += range.length;
            total <= chunk_bytes
        });
        let count = fits.count().max(1);
        let (group, others) = rest.split_at(count);
        rest = others;
        let at = plan.chunks.len();
        let length = group.iter().map(|range| range.length).sum();
        let mut buffer = buffers::shared().get(length);
        let mut filled = 0;
        for range in group {
            if let Some(target) = buffer.get_mut(filled..filled + range.length) {
                target.copy_from_slice(&range.bytes());
            }
            place(plan, range, at, filled as u64);
            filled += range.length;
        }
        plan.chunks.push(Arc::new(Block { bytes: buffer.freeze(), ..Block::default() }));
    }
}

/// A piece for a packed range; ranges that run on in the file run on in the chunk and are one piece.
fn place(plan: &mut Plan, range: &Frozen, at: usize, start: u64) {
    if let Some(last) = plan.pieces.last_mut()
        && last.offset + last.length == range.offset
        && matches!(last.source, Source::Chunk(chunk, first) if chunk == at && first + last.length == start)
    {
        last.length += range.length as u64;
        return;
    }
    let source = Source::Chunk(at, start);
    plan.pieces.push(Piece { offset: range.offset, length: range.length as u64, source });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(offset: u64, byte: u8, length: usize) -> Frozen {
        let block = Block { bytes: Bytes::from(vec![byte; length]), ..Block::default() };
        Frozen { offset, length, block: Arc::new(block), start: 0 }
    }

    fn image(plan: &Plan) -> Vec<(u64, Bytes)> {
        let bytes = |piece: &Piece| match &piece.source {
            Source::Inline(bytes) => bytes.clone(),
            Source::Chunk(at, start) => {
                plan.chunks[*at].bytes.slice(*start as usize..(start + piece.length) as usize)
            }
        };
        plan.pieces.iter().map(|piece| (piece.offset, bytes(piece))).collect()
    }

    #[test]
    fn small_ranges_share_a_chunk_and_neighbours_a_piece() {
        let ranges = [range(0, 1, 10), range(10, 2, 10), range(50, 3, 5)];
        let plan = chunks(&ranges, 1 << 20);
        assert_eq!((plan.chunks.len(), plan.pieces.len()), (1, 2));
        let mut first = vec![1; 10];
        first.extend([2; 10]);
        assert_eq!(image(&plan), [(0, first.into()), (50, vec![3; 5].into())]);
        let apart = chunks(&ranges, 12);
        assert_eq!(apart.chunks.len(), 3);
        assert_eq!(apart.pieces.len(), 3);
    }

    #[test]
    fn a_block_that_was_split_is_one_chunk() {
        let block = Arc::new(Block { bytes: Bytes::from(vec![7; WHOLE]), ..Block::default() });
        let part = |offset: u64, length, start| Frozen { offset, length, block: block.clone(), start };
        let ranges = [part(0, 100, 0), range(100, 1, 10), part(110, WHOLE - 110, 110)];
        let plan = chunks(&ranges, 8 << 20);
        assert_eq!(plan.chunks.len(), 2);
        let offsets: Vec<u64> = plan.pieces.iter().map(|piece| piece.offset).collect();
        assert_eq!(offsets, [0, 100, 110]);
    }

    #[test]
    fn inline_pieces_are_short() {
        let plan = inline(&[range(5, 1, 5000)]);
        let shape: Vec<(u64, u64)> = plan.pieces.iter().map(|piece| (piece.offset, piece.length)).collect();
        assert_eq!(shape, [(5, 4096), (4101, 904)]);
    }
}
