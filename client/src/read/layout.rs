//! Where the bytes of one version of a file lie: the extents fetched so far.
//!
//! What always holds: a range is answered only from ranges that were fetched whole; the rest is named for
//! fetching. What is kept is bounded: a file of very many extents loses what was fetched first.

use std::collections::BTreeMap;

use bytes::Bytes;
use holdfast_proto::ids::ChunkId;
use holdfast_proto::inode::Extent;

/// Extents kept per open file.
const MOST_EXTENTS: usize = 65_536;

/// Longest piece of a hole.
const HOLE_BYTES: u64 = 64 << 10;

/// Part of a file that is delivered as one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Piece {
    /// First byte in the file.
    pub(crate) offset: u64,
    pub(crate) length: u64,
    pub(crate) source: Source,
}

/// Where a piece comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    Hole,
    Inline(Bytes),
    Chunk {
        chunk: ChunkId,
        offset: u64,
        /// Length of the whole chunk.
        chunk_bytes: u64,
    },
}

/// The extents of one version of a file, as far as known.
#[derive(Debug, Default)]
pub(crate) struct Layout {
    extents: BTreeMap<u64, Extent>,
    /// Ranges known whole: start to end, disjoint.
    known: BTreeMap<u64, u64>,
}

impl Layout {
    /// These are all extents that touch `from..to`. What reaches beyond is cut off: the rest of the file may be known
    /// from another time, when it lay differently (a worker joins small extents without a new version).
    pub(crate) fn learn(&mut self, from: u64, to: u64, extents: impl IntoIterator<Item = Extent>) {
        if from >= to {
            return;
        }
        if self.extents.len() >= MOST_EXTENTS {
            self.extents.clear();
            self.known.clear();
        }
        self.forget(from, to);
        let within = extents.into_iter().filter(|extent| extent.offset < to && extent.end() > from);
        self.extents.extend(within.map(|extent| {
            let extent = slice(&extent, from.max(extent.offset), to.min(extent.end()));
            (extent.offset, extent)
        }));
        self.known.insert(from, to);
    }

    /// Nothing is known of `from..to` any more; what lies beside it stays.
    pub(crate) fn forget(&mut self, from: u64, to: u64) {
        let touched: Vec<(u64, u64)> = self
            .known
            .range(..to)
            .filter(|(_, end)| **end > from)
            .map(|(start, end)| (*start, *end))
            .collect();
        for (start, end) in touched {
            self.known.remove(&start);
            if start < from {
                self.known.insert(start, from);
            }
            if end > to {
                self.known.insert(to, end);
            }
        }
        let before = self.extents.range(..from).next_back().filter(|(_, extent)| extent.end() > from);
        let hit: Vec<u64> =
            before.into_iter().chain(self.extents.range(from..to)).map(|(offset, _)| *offset).collect();
        for offset in hit {
            let Some(extent) = self.extents.remove(&offset) else { continue };
            if extent.offset < from {
                self.extents.insert(extent.offset, slice(&extent, extent.offset, from));
            }
            if extent.end() > to {
                self.extents.insert(to, slice(&extent, to, extent.end()));
            }
        }
    }

    /// The first byte at or behind `from` that is not known, below `to`.
    pub(crate) fn unknown(&self, from: u64, to: u64) -> Option<u64> {
        let mut at = from;
        while at < to {
            match self.known.range(..=at).next_back() {
                Some((_, end)) if *end > at => at = *end,
                _ => return Some(at),
            }
        }
        None
    }

    /// Whether the byte at `from` is data, and where that ends, at `to` at the latest; `from..to` must be known. A hole
    /// is one step, however long: files may be mostly holes.
    pub(crate) fn stretch(&self, from: u64, to: u64) -> (bool, u64) {
        let covering = self.extents.range(..=from).next_back().filter(|(_, extent)| extent.end() > from);
        let Some((_, extent)) = covering else {
            let next = self.extents.range(from..).next().map_or(to, |(offset, _)| *offset);
            return (false, next.min(to));
        };
        let mut at = extent.end();
        for (offset, extent) in self.extents.range(at..to.max(at)) {
            if *offset != at {
                break;
            }
            at = extent.end();
        }
        (true, at.min(to))
    }

    /// The extents of `from..to` that carry bytes of their own.
    pub(crate) fn carried(&self, from: u64, to: u64) -> Vec<(u64, Bytes)> {
        let within = self.extents.range(from..to.max(from));
        within.filter_map(|(offset, extent)| Some((*offset, extent.inline.clone()?))).collect()
    }

    /// The pieces of `from..to`, which must be known, at most `most` of them; chunks are cut at multiples of
    /// `piece_bytes`.
    pub(crate) fn pieces(&self, from: u64, to: u64, piece_bytes: u64, most: usize) -> Vec<Piece> {
        let mut pieces = Vec::new();
        let mut at = from;
        let covering = self.extents.range(..=from).next_back().filter(|(_, extent)| extent.end() > from);
        let following = self.extents.range(from.saturating_add(1)..to.max(from.saturating_add(1)));
        for (_, extent) in covering.into_iter().chain(following) {
            while at < extent.offset.min(to) && pieces.len() < most {
                let length = (extent.offset.min(to) - at).min(HOLE_BYTES);
                pieces.push(Piece { offset: at, length, source: Source::Hole });
                at += length;
            }
            while at < extent.end().min(to) && pieces.len() < most {
                let piece = cut(extent, at, to, piece_bytes);
                at += piece.length;
                pieces.push(piece);
            }
            if pieces.len() >= most {
                return pieces;
            }
        }
        while at < to && pieces.len() < most {
            let length = (to - at).min(HOLE_BYTES);
            pieces.push(Piece { offset: at, length, source: Source::Hole });
            at += length;
        }
        pieces
    }
}

/// The part of an extent that lies in `from..to` of the file.
fn slice(extent: &Extent, from: u64, to: u64) -> Extent {
    let (skip, length) = (from - extent.offset, to - from);
    let inline = extent.inline.as_ref().map(|bytes| {
        let end = bytes.len().min((skip + length) as usize);
        bytes.slice((skip as usize).min(end)..end)
    });
    Extent { offset: from, length, chunk_offset: extent.chunk_offset + skip, inline, ..extent.clone() }
}

/// The piece of an extent that starts at file offset `at`.
fn cut(extent: &Extent, at: u64, to: u64, piece_bytes: u64) -> Piece {
    let into = at - extent.offset;
    let left = extent.end().min(to) - at;
    if let Some(bytes) = &extent.inline {
        let start = (into as usize).min(bytes.len());
        let end = start.saturating_add(left as usize).min(bytes.len());
        let bytes = bytes.slice(start..end);
        return Piece { offset: at, length: left, source: Source::Inline(bytes) };
    }
    let offset = extent.chunk_offset + into;
    let boundary = (offset / piece_bytes + 1) * piece_bytes;
    let length = left.min(boundary - offset);
    let chunk = ChunkId::new(extent.pg, extent.number);
    Piece { offset: at, length, source: Source::Chunk { chunk, offset, chunk_bytes: extent.chunk_bytes } }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn extent(offset: u64, length: u64, number: u64) -> Extent {
        Extent { offset, length, pg: 1, number, chunk_bytes: length, ..Extent::default() }
    }

    #[test]
    fn chunks_are_cut_and_holes_are_filled() {
        let mut layout = Layout::default();
        layout.learn(0, 4000, [extent(100, 900, 1), extent(2000, 1000, 2)]);
        let pieces = layout.pieces(50, 3500, 512, 100);
        let shape: Vec<(u64, u64, bool)> =
            pieces.iter().map(|p| (p.offset, p.length, p.source == Source::Hole)).collect();
        let expected = [
            (50, 50, true),
            (100, 512, false),
            (612, 388, false),
            (1000, 1000, true),
            (2000, 512, false),
            (2512, 488, false),
            (3000, 500, true),
        ];
        assert_eq!(shape, expected);
        assert_eq!(layout.pieces(50, 3500, 512, 2).len(), 2);
        assert_eq!(
            layout.pieces(700, 710, 512, 9)[0].source,
            Source::Chunk { chunk: ChunkId::new(1, 1), offset: 600, chunk_bytes: 900 }
        );
    }

    #[test]
    fn a_hole_is_one_stretch_and_so_are_extents_side_by_side() {
        const FAR: u64 = 1 << 50;
        let mut layout = Layout::default();
        let inline = Extent { inline: Some(Bytes::from_static(b"inline")), ..extent(FAR + 20, 6, 0) };
        layout.learn(0, 2 * FAR, [extent(FAR, 10, 1), extent(FAR + 10, 10, 2), inline]);
        assert_eq!(layout.stretch(0, 2 * FAR), (false, FAR));
        assert_eq!(layout.stretch(7, FAR - 7), (false, FAR - 7));
        assert_eq!(layout.stretch(FAR + 3, 2 * FAR), (true, FAR + 26));
        assert_eq!(layout.stretch(FAR + 3, FAR + 15), (true, FAR + 15));
        assert_eq!(layout.stretch(FAR + 26, 2 * FAR), (false, 2 * FAR));
        assert_eq!(layout.carried(0, 2 * FAR), [(FAR + 20, Bytes::from_static(b"inline"))]);
        assert_eq!(layout.carried(0, FAR + 20), []);
    }

    #[test]
    fn only_what_was_fetched_is_known() {
        let mut layout = Layout::default();
        assert_eq!(layout.unknown(0, 10), Some(0));
        layout.learn(0, 1000, [extent(0, 1000, 1)]);
        layout.learn(2000, 3000, []);
        assert_eq!(layout.unknown(0, 1000), None);
        assert_eq!(layout.unknown(500, 2500), Some(1000));
        layout.learn(1000, 2000, []);
        assert_eq!(layout.unknown(500, 2500), None);
        layout.forget(100, 200);
        assert_eq!(layout.unknown(0, 3000), Some(100));
        assert_eq!(layout.unknown(200, 3000), None);
    }

    proptest::proptest! {
        /// A file of one version lies differently from one answer to the next: what is known of each byte is what the
        /// latest answer about it said.
        #[test]
        fn each_byte_is_where_it_was_last_said_to_be(
            answers in proptest::collection::vec((0u64..60, 1u64..60, 1u64..25, 0u64..20), 1..12),
        ) {
            let mut layout = Layout::default();
            let mut model: Vec<Option<Option<(u64, u64)>>> = vec![None; 160];
            for (number, (from, length, step, hole)) in answers.into_iter().enumerate() {
                let to = from + length;
                // The whole file in extents of `step` bytes, each at its own place of a chunk, but for one hole.
                let all = (0..160 / step).filter(|n| *n != hole).map(|n| Extent {
                    chunk_offset: 1000 * number as u64,
                    ..extent(n * step, step, n)
                });
                let said: Vec<Extent> = all.filter(|e| e.offset < to && e.end() > from).collect();
                for at in from..to {
                    let covering = said.iter().find(|e| e.offset <= at && at < e.end());
                    model[at as usize] = Some(covering.map(|e| (e.number, e.chunk_offset + at - e.offset)));
                }
                layout.learn(from, to, said);
                if step % 4 == 0 {
                    layout.forget(from + length / 2, to);
                    model[(from + length / 2) as usize..to as usize].fill(None);
                }
            }
            for at in 0..150u64 {
                proptest::prop_assert_eq!(layout.unknown(at, at + 1).is_none(), model[at as usize].is_some());
                if let Some(expected) = model[at as usize] {
                    let piece = layout.pieces(at, at + 1, 4096, 9).remove(0);
                    let got = match piece.source {
                        Source::Chunk { chunk, offset, .. } => Some((chunk.number.0, offset)),
                        _ => None,
                    };
                    proptest::prop_assert_eq!(got, expected, "byte {}", at);
                }
            }
        }

        #[test]
        fn pieces_cover_every_byte_once(
            spans in proptest::collection::vec((0u64..500, 1u64..3000), 0..20),
            from in 0u64..20_000,
            length in 0u64..20_000,
            piece in 1u64..2000,
        ) {
            let mut extents = Vec::new();
            let mut at = 0;
            for (number, (gap, length)) in spans.into_iter().enumerate() {
                extents.push(extent(at + gap, length, number as u64));
                at += gap + length;
            }
            let mut layout = Layout::default();
            layout.learn(0, u64::MAX, extents.clone());
            let mut next = from;
            for piece in layout.pieces(from, from + length, piece, usize::MAX) {
                proptest::prop_assert_eq!(piece.offset, next);
                proptest::prop_assert!(piece.length > 0);
                next += piece.length;
                let covering = extents.iter().find(|e| e.offset <= piece.offset && piece.offset < e.end());
                match piece.source {
                    Source::Chunk { chunk, offset, .. } => {
                        let e = covering.unwrap();
                        proptest::prop_assert_eq!(chunk.number.0, e.number);
                        proptest::prop_assert_eq!(offset, piece.offset - e.offset);
                        proptest::prop_assert!(piece.offset + piece.length <= e.end());
                    }
                    _ => proptest::prop_assert!(covering.is_none()),
                }
            }
            proptest::prop_assert_eq!(next, from + length);
        }
    }
}
