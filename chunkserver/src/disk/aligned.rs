//! Memory that begins on a block boundary, for reads and writes past the page cache. Reused by whoever holds it.

use crate::format::ALIGN;

/// A buffer whose bytes start on a block boundary, as O_DIRECT wants it.
#[derive(Debug)]
pub(crate) struct Aligned {
    memory: Vec<u8>,
    start: usize,
    length: usize,
}

impl Aligned {
    pub(crate) fn new(length: usize) -> Self {
        let memory = vec![0; length + ALIGN as usize];
        let start = memory.as_ptr().align_offset(ALIGN as usize).min(ALIGN as usize);
        Self { memory, start, length }
    }

    /// Makes it at least this long; the content is lost.
    pub(crate) fn reserve(&mut self, length: usize) {
        if self.length < length {
            *self = Self::new(length);
        }
    }

    pub(crate) fn slice(&mut self, length: usize) -> &mut [u8] {
        let end = (self.start + length).min(self.memory.len());
        self.memory.get_mut(self.start..end).unwrap_or_default()
    }
}
