//! Walks the records of a segment, header by header, past whatever is damaged.
//!
//! What always holds: a walk ends at the end of the file, never before, so a damaged header hides at most its own
//! record. What was neither blank nor a record is reported as skipped.

use std::io;

use crate::disk::{File, read_full};
use crate::format::record::RecordHeader;
use crate::format::{ALIGN, FormatFault, HEADER_BYTES};

/// Read ahead behind a record; the next header lies within it or one read away.
const NEAR: usize = 16 << 10;
/// Read ahead while searching for the next header.
const FAR: usize = 1 << 20;

/// What a walk meets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// A whole header, with as much of the table as lies in its block.
    Record(Box<RecordHeader>, Vec<u8>),
    /// Bytes that are neither blank nor a record: from, to.
    Skipped(u64, u64),
}

/// A walk through one segment.
pub(super) struct Scan<'f> {
    file: &'f dyn File,
    salt: Option<u64>,
    at: u64,
    length: u64,
    window: Vec<u8>,
    window_at: u64,
    window_len: usize,
    searching: bool,
    skipped_from: Option<u64>,
}

impl<'f> Scan<'f> {
    /// A walk from `from` (a record boundary) to the end of the file. `salt: None` takes that of the first record.
    pub(super) fn new(file: &'f dyn File, salt: Option<u64>, from: u64) -> io::Result<Self> {
        let length = file.length()?;
        Ok(Self {
            file,
            salt,
            at: from,
            length,
            window: Vec::new(),
            window_at: 0,
            window_len: 0,
            searching: false,
            skipped_from: None,
        })
    }

    /// The salt the segment turned out to have.
    pub(super) fn salt(&self) -> Option<u64> {
        self.salt
    }

    /// The next thing, or `None` at the end of the file.
    pub(super) fn next(&mut self) -> io::Result<Option<Found>> {
        while self.at + ALIGN <= self.length {
            let (at, salt) = (self.at, self.salt);
            let (decoded, table) = {
                let block = self.block()?;
                let decoded = RecordHeader::decode(block, salt, at);
                let table = match &decoded {
                    Ok(header) => {
                        let end = header.shape().head_bytes().min(ALIGN) as usize;
                        block.get(HEADER_BYTES as usize..end).unwrap_or_default().to_vec()
                    }
                    Err(_) => Vec::new(),
                };
                (decoded, table)
            };
            match decoded {
                Ok(header) => {
                    if let Some(from) = self.skipped_from.take() {
                        return Ok(Some(Found::Skipped(from, self.at)));
                    }
                    self.salt = Some(header.salt);
                    self.searching = false;
                    self.at += header.shape().record_bytes;
                    return Ok(Some(Found::Record(Box::new(header), table)));
                }
                Err(fault) => {
                    if let Some(found) = self.step_over(fault)? {
                        return Ok(Some(found));
                    }
                }
            }
        }
        self.at = self.length;
        Ok(self.skipped_from.take().map(|from| Found::Skipped(from, self.length)))
    }

    /// Goes on behind a block that is no record; reports a stretch of garbage when a blank block ends it.
    fn step_over(&mut self, fault: FormatFault) -> io::Result<Option<Found>> {
        self.searching = true;
        let from = self.at;
        // The first bytes of a block may be blank and the rest not: a block of somebody's payload.
        let blank = fault == FormatFault::Blank && self.block()?.iter().all(|byte| *byte == 0);
        self.at += ALIGN;
        if !blank {
            self.skipped_from.get_or_insert(from);
            return Ok(None);
        }
        let data = self.file.next_data(self.at)?.unwrap_or(self.length);
        self.at = self.at.max(data / ALIGN * ALIGN);
        Ok(self.skipped_from.take().map(|garbage| Found::Skipped(garbage, from)))
    }

    fn block(&mut self) -> io::Result<&[u8]> {
        let inside = self.at >= self.window_at && self.at + ALIGN <= self.window_at + self.window_len as u64;
        if !inside {
            let size = if self.searching { FAR } else { NEAR };
            self.window.resize(size, 0);
            let size = size.min((self.length - self.at) as usize);
            self.window_len = read_full(self.file, self.at, self.window.get_mut(..size).unwrap_or_default())?;
            self.window_at = self.at;
        }
        let start = (self.at - self.window_at) as usize;
        let end = (start + ALIGN as usize).min(self.window_len);
        Ok(self.window.get(start..end).unwrap_or_default())
    }
}
