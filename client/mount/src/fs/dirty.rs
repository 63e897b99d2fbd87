//! Ranges of one file that were written here and are not committed yet. Pure memory: no waiting, no cluster.
//!
//! What always holds:
//! - What was written last wins: [`Dirty::overlay`] of a range is what a reader must see there, on top of the
//!   committed content, whether or not a flush is under way.
//! - A flush takes what there is ([`Dirty::freeze`]) and then either is [`Dirty::done`] or gives it back
//!   ([`Dirty::thaw`]); what was written meanwhile stays and stays on top.
//! - Bytes that run on from one write to the next lie in one buffer of at most a chunk, so that a stream becomes
//!   whole chunks; a full one is sealed at once and may be sent while the stream goes on.
//!
//! Used by the write, read and flush paths of [`super`], under the file's lock.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use holdfast_client::StoredChunk;
use holdfast_support::buffers::{self, PoolBuffer};
use tokio::sync::OnceCell;

/// Smallest buffer of a stream; it grows fourfold until it holds a chunk.
const FIRST_STREAM_BUFFER: usize = 256 << 10;

/// Memory that a segment takes beside its bytes: many short ones must not take more than is counted.
const SEGMENT_BYTES: u64 = 256;

/// Bytes that will not change any more, and the chunk they became.
#[derive(Debug, Default)]
pub(crate) struct Block {
    pub(crate) bytes: Bytes,
    /// Set once the bytes are durable as a chunk of their own.
    pub(crate) stored: OnceCell<StoredChunk>,
}

/// A range of the file and where its bytes are.
#[derive(Clone, Debug)]
pub(crate) struct Frozen {
    pub(crate) offset: u64,
    pub(crate) length: usize,
    pub(crate) block: Arc<Block>,
    /// First byte in the block.
    pub(crate) start: usize,
}

impl Frozen {
    pub(crate) fn end(&self) -> u64 {
        self.offset + self.length as u64
    }

    pub(crate) fn bytes(&self) -> Bytes {
        self.block.bytes.slice(self.start..self.start + self.length)
    }

    /// The part of it in `from..to`, if any.
    fn part(&self, from: u64, to: u64) -> Option<Self> {
        let (from, to) = (from.max(self.offset), to.min(self.end()));
        (from < to).then(|| Self {
            offset: from,
            length: (to - from) as usize,
            block: self.block.clone(),
            start: self.start + (from - self.offset) as usize,
        })
    }
}

/// Whether bytes may still be changed where they are.
#[derive(Debug)]
enum Body {
    /// The first bytes of the buffer are the segment's.
    Open(PoolBuffer),
    Sealed {
        block: Arc<Block>,
        start: usize,
    },
}

#[derive(Debug)]
struct Segment {
    length: usize,
    body: Body,
}

impl Segment {
    fn seal(self, offset: u64) -> Frozen {
        match self.body {
            Body::Open(mut buffer) => {
                buffer.truncate(self.length);
                let block = Block { bytes: buffer.freeze(), stored: OnceCell::new() };
                Frozen { offset, length: self.length, block: Arc::new(block), start: 0 }
            }
            Body::Sealed { block, start } => Frozen { offset, length: self.length, block, start },
        }
    }

    fn of(frozen: Frozen) -> Self {
        Self { length: frozen.length, body: Body::Sealed { block: frozen.block, start: frozen.start } }
    }

    fn copy(&self, from: usize, to: usize) -> Bytes {
        match &self.body {
            Body::Open(buffer) => Bytes::copy_from_slice(buffer.get(from..to).unwrap_or_default()),
            Body::Sealed { block, start } => block.bytes.slice(start + from..start + to),
        }
    }
}

/// The dirty ranges of a file.
#[derive(Debug, Default)]
pub(crate) struct Dirty {
    segments: BTreeMap<u64, Segment>,
    /// Taken by the flush under way.
    flushing: Vec<Frozen>,
    /// Bytes of memory in `segments` and in `flushing`.
    held: u64,
    held_flushing: u64,
    /// Sealed blocks as long as a chunk that no flush has taken.
    full: usize,
}

impl Dirty {
    pub(crate) fn is_empty(&self) -> bool {
        self.segments.is_empty() && self.flushing.is_empty()
    }

    /// Bytes of memory in use.
    pub(crate) fn held(&self) -> u64 {
        let segments = (self.segments.len() + self.flushing.len()) as u64;
        self.held + self.held_flushing + segments * SEGMENT_BYTES
    }

    /// Whole chunks that wait for a flush.
    pub(crate) fn full_blocks(&self) -> usize {
        self.full
    }

    /// First byte behind the last dirty one; 0: nothing is dirty.
    pub(crate) fn end(&self) -> u64 {
        let last = self.segments.last_key_value().map_or(0, |(at, segment)| at + segment.length as u64);
        last.max(self.flushing.last().map_or(0, Frozen::end))
    }

    /// Takes bytes for `offset`. A block that became as long as a chunk is given back, to be sent early.
    pub(crate) fn write(&mut self, offset: u64, data: &[u8], chunk_bytes: usize) -> Vec<Arc<Block>> {
        let (mut at, mut rest, mut full) = (offset, data, Vec::new());
        while !rest.is_empty() {
            let took = self.overwrite(at, rest).or_else(|| self.extend(at, rest, chunk_bytes));
            let took = took.unwrap_or_else(|| self.begin(at, rest, chunk_bytes));
            full.extend(self.seal_if_full(at, chunk_bytes));
            at += took as u64;
            rest = rest.get(took..).unwrap_or_default();
        }
        full
    }

    /// Changes bytes where they are, if the range begins inside an open segment.
    fn overwrite(&mut self, at: u64, data: &[u8]) -> Option<usize> {
        let (start, segment) = self.segments.range_mut(..=at).next_back()?;
        let from = usize::try_from(at - start).ok()?;
        let Body::Open(buffer) = &mut segment.body else { return None };
        let count = data.len().min(segment.length.checked_sub(from)?);
        if count == 0 {
            return None;
        }
        buffer.get_mut(from..from + count)?.copy_from_slice(data.get(..count)?);
        Some(count)
    }

    /// Goes on where an open segment ends.
    fn extend(&mut self, at: u64, data: &[u8], chunk_bytes: usize) -> Option<usize> {
        let (start, segment) = self.segments.range(..at).next_back()?;
        let (start, length) = (*start, segment.length);
        if start + length as u64 != at || !matches!(segment.body, Body::Open(_)) || length >= chunk_bytes {
            return None;
        }
        let count = data.len().min(chunk_bytes - length);
        self.cut(at, at + count as u64);
        let segment = self.segments.get_mut(&start)?;
        let Body::Open(buffer) = &mut segment.body else { return None };
        let needed = length + count;
        if buffer.len() < needed {
            let capacity = needed.max(4 * buffer.len()).max(FIRST_STREAM_BUFFER).min(chunk_bytes.max(needed));
            let mut larger = buffers::shared().get(capacity);
            larger.get_mut(..length)?.copy_from_slice(buffer.get(..length)?);
            self.held += (capacity - buffer.len()) as u64;
            *buffer = larger;
        }
        buffer.get_mut(length..needed)?.copy_from_slice(data.get(..count)?);
        segment.length = needed;
        Some(count)
    }

    /// A new segment.
    fn begin(&mut self, at: u64, data: &[u8], chunk_bytes: usize) -> usize {
        let count = data.len().min(chunk_bytes);
        let data = data.get(..count).unwrap_or_default();
        self.cut(at, at + count as u64);
        let mut buffer = buffers::shared().get(count);
        buffer.copy_from_slice(data);
        self.held += count as u64;
        self.segments.insert(at, Segment { length: count, body: Body::Open(buffer) });
        count
    }

    fn seal_if_full(&mut self, at: u64, chunk_bytes: usize) -> Option<Arc<Block>> {
        let (&start, segment) = self.segments.range(..=at).next_back()?;
        if segment.length < chunk_bytes || !matches!(segment.body, Body::Open(_)) {
            return None;
        }
        let frozen = self.segments.remove(&start)?.seal(start);
        let block = frozen.block.clone();
        self.segments.insert(start, Segment::of(frozen));
        self.full += 1;
        Some(block)
    }

    /// Takes `from..to` out of the segments.
    fn cut(&mut self, from: u64, to: u64) {
        let before = self.segments.range(..from).next_back();
        let first = match before {
            Some((&start, segment)) if start + segment.length as u64 > from => start,
            _ => from,
        };
        let hit: Vec<u64> = self.segments.range(first..to).map(|(start, _)| *start).collect();
        for start in hit {
            let Some(segment) = self.segments.remove(&start) else { continue };
            let end = start + segment.length as u64;
            if start < from && end <= to {
                // Its front stays, and stays open if it is.
                self.segments.insert(start, Segment { length: (from - start) as usize, ..segment });
                continue;
            }
            let frozen = segment.seal(start);
            for part in [frozen.part(0, from), frozen.part(to, u64::MAX)].into_iter().flatten() {
                self.segments.insert(part.offset, Segment::of(part));
            }
        }
    }

    /// Forgets everything from `size` on. Not while a flush is under way.
    pub(crate) fn truncate(&mut self, size: u64) {
        self.cut(size, u64::MAX);
        if self.segments.is_empty() {
            self.held = 0;
            self.full = 0;
        }
    }

    /// What is dirty in `from..to`, in order and without overlap.
    pub(crate) fn overlay(&self, from: u64, to: u64) -> Vec<(u64, Bytes)> {
        let mut parts: Vec<(u64, Bytes)> = Vec::new();
        let before = self.segments.range(..from).next_back();
        for (&start, segment) in before.into_iter().chain(self.segments.range(from..to.max(from))) {
            let (a, b) = (start.max(from), (start + segment.length as u64).min(to));
            if a < b {
                parts.push((a, segment.copy((a - start) as usize, (b - start) as usize)));
            }
        }
        if self.flushing.is_empty() {
            return parts;
        }
        let mut merged = Vec::new();
        let mut at = from;
        for (start, bytes) in parts {
            merged.extend(self.frozen_in(at, start));
            at = start + bytes.len() as u64;
            merged.push((start, bytes));
        }
        merged.extend(self.frozen_in(at, to));
        merged
    }

    fn frozen_in(&self, from: u64, to: u64) -> impl Iterator<Item = (u64, Bytes)> {
        let first = self.flushing.partition_point(|frozen| frozen.end() <= from);
        let rest = self.flushing.get(first..).unwrap_or_default();
        let inside = rest.iter().take_while(move |frozen| frozen.offset < to);
        inside.filter_map(move |frozen| frozen.part(from, to)).map(|part| (part.offset, part.bytes()))
    }

    /// Hands what is dirty to a flush: everything, or only what is sealed. One flush at a time.
    pub(crate) fn freeze(&mut self, sealed_only: bool) -> Vec<Frozen> {
        debug_assert!(self.flushing.is_empty(), "one flush at a time");
        let taken: Vec<u64> = self
            .segments
            .iter()
            .filter(|(_, segment)| !sealed_only || matches!(segment.body, Body::Sealed { .. }))
            .map(|(start, _)| *start)
            .collect();
        for start in taken {
            if let Some(segment) = self.segments.remove(&start) {
                let frozen = segment.seal(start);
                self.flushing.push(frozen);
            }
        }
        let left = self.segments.values().map(|segment| match &segment.body {
            Body::Open(buffer) => buffer.len() as u64,
            Body::Sealed { .. } => segment.length as u64,
        });
        let left: u64 = left.sum();
        self.held_flushing = self.held.saturating_sub(left);
        self.held = left;
        self.full = 0;
        self.flushing.clone()
    }

    /// What the flush took is committed.
    pub(crate) fn done(&mut self) {
        self.flushing.clear();
        self.held_flushing = 0;
    }

    /// As [`Dirty::done`], for bytes whose offsets count from the end of the file: that end has moved behind what the
    /// flush took, so what was written meanwhile moves to the front.
    pub(crate) fn done_in_front(&mut self) {
        let by = self.flushing.last().map_or(0, Frozen::end);
        self.done();
        let rest = std::mem::take(&mut self.segments);
        self.segments =
            rest.into_iter().map(|(start, segment)| (start.saturating_sub(by), segment)).collect();
    }

    /// The flush failed: what it took is dirty again, under what was written meanwhile.
    pub(crate) fn thaw(&mut self) {
        for frozen in std::mem::take(&mut self.flushing) {
            let mut at = frozen.offset;
            let covered: Vec<(u64, u64)> = self.covered(frozen.offset, frozen.end());
            for (from, to) in covered.into_iter().chain([(frozen.end(), frozen.end())]) {
                if let Some(part) = frozen.part(at, from) {
                    self.segments.insert(part.offset, Segment::of(part));
                }
                at = to;
            }
        }
        self.held += std::mem::take(&mut self.held_flushing);
    }

    fn covered(&self, from: u64, to: u64) -> Vec<(u64, u64)> {
        let before = self.segments.range(..from).next_back();
        let all = before.into_iter().chain(self.segments.range(from..to));
        all.map(|(start, segment)| (*start, start + segment.length as u64))
            .filter(|(_, end)| *end > from)
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHUNK: usize = 64;

    #[derive(Clone, Debug)]
    enum Step {
        Write { offset: u64, length: usize },
        Truncate(u64),
        Freeze(bool),
        Done,
        Thaw,
    }

    fn step() -> impl proptest::strategy::Strategy<Value = Step> {
        use proptest::prelude::*;
        prop_oneof![
            8 => (0u64..300, 1usize..100).prop_map(|(offset, length)| Step::Write { offset, length }),
            1 => (0u64..300).prop_map(Step::Truncate),
            2 => any::<bool>().prop_map(Step::Freeze),
            1 => Just(Step::Done),
            1 => Just(Step::Thaw),
        ]
    }

    fn apply(image: &mut [Option<u8>], parts: impl IntoIterator<Item = (u64, Bytes)>) {
        for (offset, bytes) in parts {
            for (at, byte) in bytes.iter().enumerate() {
                assert!(image[offset as usize + at].is_none(), "parts overlap");
                image[offset as usize + at] = Some(*byte);
            }
        }
    }

    proptest::proptest! {
        #[test]
        fn what_was_written_last_is_seen(steps in proptest::collection::vec(step(), 1..60)) {
            let mut dirty = Dirty::default();
            // What is committed, what a flush has, what was written since.
            let mut base: Vec<Option<u8>> = vec![None; 500];
            let mut taken: Vec<Option<u8>> = vec![None; 500];
            let mut fresh: Vec<Option<u8>> = vec![None; 500];
            let mut flushing = false;
            for (number, step) in steps.into_iter().enumerate() {
                match step {
                    Step::Write { offset, length } => {
                        let data = vec![number as u8; length];
                        for block in dirty.write(offset, &data, CHUNK) {
                            proptest::prop_assert_eq!(block.bytes.len(), CHUNK);
                        }
                        fresh[offset as usize..offset as usize + length].fill(Some(number as u8));
                    }
                    Step::Truncate(size) if !flushing => {
                        dirty.truncate(size);
                        fresh[size as usize..].fill(None);
                    }
                    Step::Freeze(sealed_only) if !flushing => {
                        let frozen = dirty.freeze(sealed_only);
                        let mut image = vec![None; 500];
                        apply(&mut image, frozen.iter().map(|f| (f.offset, f.bytes())));
                        for at in 0..500 {
                            if image[at].is_some() {
                                proptest::prop_assert_eq!(image[at], fresh[at]);
                                taken[at] = fresh[at].take();
                            }
                        }
                        proptest::prop_assert!(sealed_only || fresh.iter().all(Option::is_none));
                        flushing = true;
                    }
                    Step::Done if flushing => {
                        dirty.done();
                        for at in 0..500 {
                            base[at] = taken[at].take().or(base[at]);
                        }
                        flushing = false;
                    }
                    Step::Thaw if flushing => {
                        dirty.thaw();
                        for at in 0..500 {
                            fresh[at] = fresh[at].or(taken[at]);
                            taken[at] = None;
                        }
                        flushing = false;
                    }
                    _ => continue,
                }
                let mut seen = vec![None; 500];
                apply(&mut seen, dirty.overlay(0, 500));
                let expected: Vec<Option<u8>> = (0..500).map(|at| fresh[at].or(taken[at])).collect();
                proptest::prop_assert_eq!(&seen, &expected);
                let end = expected.iter().rposition(Option::is_some).map_or(0, |at| at as u64 + 1);
                proptest::prop_assert_eq!(dirty.end(), end);
                let mut window = vec![None; 500];
                apply(&mut window, dirty.overlay(50, 130));
                proptest::prop_assert_eq!(&window[50..130], &expected[50..130]);
                if dirty.is_empty() {
                    proptest::prop_assert_eq!(dirty.held(), 0);
                }
            }
        }
    }

    #[test]
    fn what_is_appended_during_a_flush_comes_right_behind_it() {
        let mut tail = Dirty::default();
        tail.write(tail.end(), b"one", CHUNK);
        tail.freeze(false);
        tail.write(tail.end(), b"two", CHUNK);
        tail.write(tail.end(), b"three", CHUNK);
        assert_eq!(tail.end(), 11);
        tail.done_in_front();
        assert_eq!(tail.overlay(0, 100), [(0, Bytes::from_static(b"twothree"))]);
        tail.write(tail.end(), b"four", CHUNK);
        assert_eq!(tail.overlay(0, 100), [(0, Bytes::from_static(b"twothreefour"))]);
    }

    #[test]
    fn a_stream_becomes_whole_chunks() {
        let mut dirty = Dirty::default();
        let mut full = Vec::new();
        for at in 0..20 {
            full.extend(dirty.write(at * 10, &[at as u8; 10], CHUNK));
        }
        assert_eq!(full.len(), 3);
        assert_eq!(dirty.full_blocks(), 3);
        assert_eq!(dirty.freeze(true).len(), 3);
        assert_eq!(dirty.full_blocks(), 0);
        dirty.done();
        assert_eq!(dirty.overlay(0, 1000), [(192, Bytes::from_static(&[19; 8]))]);
    }
}
