//! Which neighbouring extents of a file are worth becoming one chunk. Pure.
//!
//! What always holds: a window has no hole, fits one chunk, and has fewer bytes to be written again than it is worth:
//! - Extents that are whole chunks were written by small writes of their own (appends). Joining eight or more of them
//!   writes each byte again about once for every eightfold growth, so a few times in a file's life.
//! - Extents that are parts of chunks are what overwrites left of larger ones. They will be cut again, so they may cost
//!   only [`BYTES_PER_EXTENT`] for each extent that goes.

use holdfast_proto::inode::Extent;

/// Fewest extents of a window that has [`ENOUGH`] of a chunk.
const FEW: usize = 8;
/// Fewest extents of any window.
const MANY: usize = 32;
/// Share of a chunk from which on few extents are enough: one in this many.
const ENOUGH: u64 = 8;
/// Most extents of a window: the command names each.
const MOST: usize = 500;
/// Bytes of partial extents that may be written again for each extent that goes.
const BYTES_PER_EXTENT: u64 = 64 << 10;

/// Neighbours that become one chunk.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Window {
    pub(crate) extents: Vec<Extent>,
}

impl Window {
    pub(crate) fn from(&self) -> u64 {
        self.extents.first().map_or(0, |first| first.offset)
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.extents.last().map_or(0, Extent::end) - self.from()
    }
}

/// Takes the extents of a file in order and gives windows.
#[derive(Debug)]
pub(crate) struct Planner {
    chunk_bytes: u64,
    run: Vec<Extent>,
}

impl Planner {
    /// For a class with chunks of this length.
    pub(crate) fn new(chunk_bytes: u64) -> Self {
        Self { chunk_bytes: chunk_bytes.max(4096), run: Vec::new() }
    }

    /// The next extent; a window that ended before it, if that is worth it.
    pub(crate) fn push(&mut self, extent: Extent) -> Option<Window> {
        let large = extent.length.saturating_mul(2) >= self.chunk_bytes;
        let goes_on = self.run.last().is_none_or(|last| last.end() == extent.offset)
            && self.run.len() < MOST
            && bytes(&self.run) + extent.length <= self.chunk_bytes;
        let ended = if large || !goes_on { self.finish() } else { None };
        if !large {
            self.run.push(extent);
        }
        ended
    }

    /// What is left at the end.
    pub(crate) fn finish(&mut self) -> Option<Window> {
        let run = std::mem::take(&mut self.run);
        worth_it(&run, self.chunk_bytes).then_some(Window { extents: run })
    }
}

fn bytes(run: &[Extent]) -> u64 {
    run.iter().map(|extent| extent.length).sum()
}

fn worth_it(run: &[Extent], chunk_bytes: u64) -> bool {
    let enough = run.len() >= MANY || (run.len() >= FEW && bytes(run) >= chunk_bytes / ENOUGH);
    let whole = |extent: &&Extent| extent.inline.is_some() || extent.length == extent.chunk_bytes;
    let partial = bytes(run) - run.iter().filter(whole).map(|extent| extent.length).sum::<u64>();
    enough && partial <= (run.len() as u64 - 1) * BYTES_PER_EXTENT
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const CHUNK: u64 = 8 << 20;

    fn whole(offset: u64, length: u64) -> Extent {
        Extent { offset, length, pg: 1, number: offset + 1, chunk_bytes: length, ..Extent::default() }
    }

    fn part(offset: u64, length: u64) -> Extent {
        Extent { chunk_bytes: CHUNK, ..whole(offset, length) }
    }

    fn windows(extents: impl IntoIterator<Item = Extent>) -> Vec<Window> {
        let mut planner = Planner::new(CHUNK);
        let mut found: Vec<Window> = extents.into_iter().filter_map(|extent| planner.push(extent)).collect();
        found.extend(planner.finish());
        found
    }

    #[test]
    fn appends_become_whole_chunks_and_are_left_alone_then() {
        let small = 192 << 10;
        let found = windows((0..100).map(|n| whole(n * small, small)));
        assert_eq!(found.iter().map(Window::bytes).collect::<Vec<_>>(), [42 * small, 42 * small, 16 * small]);
        assert!(windows(found.iter().map(|w| whole(w.from(), w.bytes()))).is_empty());
    }

    #[test]
    fn few_overwrites_of_a_large_extent_are_cheaper_left() {
        // A chunk with every eighth 64 KiB overwritten by 8 KiB.
        let cut = |step: u64| {
            (0..CHUNK / step)
                .flat_map(move |n| [whole(n * step, 8 << 10), part(n * step + (8 << 10), step - (8 << 10))])
        };
        assert!(windows(cut(512 << 10)).is_empty());
        assert_eq!(windows(cut(64 << 10)).len(), 1);
    }

    #[test]
    fn holes_and_large_extents_end_a_window() {
        let small = 256 << 10;
        let hole = (0..40).map(|n| whole(n * small + if n >= 20 { 4096 } else { 0 }, small));
        assert_eq!(windows(hole).iter().map(|w| w.extents.len()).collect::<Vec<_>>(), [20, 20]);
        let large = (0..10).map(|n| whole(n * small, small)).chain([whole(10 * small, CHUNK)]);
        assert_eq!(windows(large).iter().map(|w| w.extents.len()).collect::<Vec<_>>(), [10]);
        assert!(windows((0..7).map(|n| whole(n * small, small))).is_empty());
    }

    proptest! {
        /// Whatever a file looks like: windows are in order, without holes, within a chunk, and made of its extents;
        /// a file made of their results alone gets better until nothing is left to do.
        #[test]
        fn windows_are_what_they_should_be(parts in proptest::collection::vec((0u64..3, 1u64..(9 << 20), any::<bool>()), 0..400)) {
            let mut at = 0;
            let mut extents = Vec::new();
            for (gap, length, is_part) in parts {
                at += gap / 2 * 4096;
                let length = if length % 3 == 0 { length } else { length % 300_000 + 1 };
                extents.push(if is_part { part(at, length.min(CHUNK - 1)) } else { whole(at, length) });
                at = extents.last().unwrap().end();
            }
            for _ in 0..20 {
                let found = windows(extents.clone());
                for window in &found {
                    prop_assert!(window.extents.windows(2).all(|two| two[0].end() == two[1].offset));
                    prop_assert!(window.bytes() <= CHUNK && window.extents.len() >= FEW && window.extents.len() <= MOST);
                    prop_assert!(window.extents.iter().all(|extent| extents.contains(extent)));
                }
                if found.is_empty() {
                    return Ok(());
                }
                for window in found {
                    let (from, bytes) = (window.from(), window.bytes());
                    extents.retain(|extent| extent.offset < from || extent.offset >= from + bytes);
                    extents.push(whole(from, bytes));
                }
                extents.sort_by_key(|extent| extent.offset);
            }
            prop_assert!(false, "it never ends");
        }
    }
}
