//! What a power failure leaves at the end of the Raft log is cut off before `raft-log` opens it.
//!
//! The log's writer syncs each batch before it writes the next, so only the last records can be incomplete, and
//! none of those was acknowledged. They come in three shapes: the file ends within a record; the file is longer than
//! what reached the disk, which reads as zeros from a record's start; or from a sector's start in the middle of a
//! record. `raft-log` knows the first two. The third is a torn write as well: the disk had taken the sectors before.
//!
//! What always holds: a record is cut off only when nothing but zeros, to the file's end, stands in place of its
//! last sectors. A record that is damaged in any other way was whole once and may have been acknowledged: it stays,
//! and the log does not open. Called by `log.rs` before it opens the log.

use std::fs::{File, OpenOptions};
use std::io::{self, BufReader, Read};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use raft_log::RaftLogRecord;
use raft_log::codeq::Decode;

use super::log::WalTypes;

/// The smallest piece a disk writes whole.
const SECTOR: u64 = 512;
/// Record type, log id, and the checked length of a payload: what is needed to know where an entry ends.
const ENTRY_HEAD: usize = 28;
/// Type of the records that hold an entry.
const ENTRY: [u8; 4] = [0, 0, 0, 1];
/// Votes, log ids and checkpoints are never longer than this.
const LONGEST_OTHER: u64 = 256;

/// Where the log was cut off.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Cut {
    pub(super) file: PathBuf,
    /// Bytes that stayed.
    pub(super) at: u64,
    /// Bytes that went.
    pub(super) lost: u64,
}

/// Cuts a torn record off the log in `dir`, if its newest file ends with one. Durable when it returns.
pub(super) fn cut_off(dir: &Path) -> io::Result<Option<Cut>> {
    let Some(path) = newest_file(dir)? else { return Ok(None) };
    let file = OpenOptions::new().read(true).write(true).open(&path)?;
    let length = file.metadata()?.len();
    let Some((start, error)) = first_bad_record(&file)? else { return Ok(None) };
    // A file without a single whole record is `raft-log`'s to judge: it may have to go altogether.
    if start == 0 || !is_torn(&file, start, length, &error)? {
        return Ok(None);
    }
    file.set_len(start)?;
    file.sync_all()?;
    Ok(Some(Cut { file: path, at: start, lost: length - start }))
}

fn newest_file(dir: &Path) -> io::Result<Option<PathBuf>> {
    let mut newest = None;
    for entry in std::fs::read_dir(dir)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "wal") {
            newest = newest.max(Some(path));
        }
    }
    Ok(newest)
}

/// Counts what was read, to know where a record begins.
struct Counted<R> {
    inner: R,
    read: u64,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.read += read as u64;
        Ok(read)
    }
}

fn first_bad_record(file: &File) -> io::Result<Option<(u64, io::Error)>> {
    let length = file.metadata()?.len();
    let mut reader = Counted { inner: BufReader::with_capacity(1 << 20, file), read: 0 };
    while reader.read < length {
        let start = reader.read;
        match RaftLogRecord::<WalTypes>::decode(&mut reader) {
            Ok(_) => {}
            Err(error)
                if matches!(error.kind(), io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof) =>
            {
                return Ok(Some((start, error)));
            }
            Err(error) => return Err(error),
        }
    }
    Ok(None)
}

fn is_torn(file: &File, start: u64, length: u64, error: &io::Error) -> io::Result<bool> {
    // Lengths are checked on their own, so a record that wants more than there is was never written whole.
    if error.kind() == io::ErrorKind::UnexpectedEof {
        return Ok(true);
    }
    let zeros = zeros_from(file, start, length)?;
    if zeros == start {
        return Ok(true);
    }
    let never_written = zeros.next_multiple_of(SECTOR);
    Ok(never_written < length && never_written < end_of_record(file, start, zeros)?)
}

/// Where the zeros at the end of the file begin; not before `start`.
fn zeros_from(file: &File, start: u64, length: u64) -> io::Result<u64> {
    let mut buffer = vec![0; 64 << 10];
    let mut end = length;
    while end > start {
        let piece = (end - start).min(buffer.len() as u64);
        let bytes = &mut buffer[..piece as usize];
        file.read_exact_at(bytes, end - piece)?;
        if let Some(last) = bytes.iter().rposition(|byte| *byte != 0) {
            return Ok(end - piece + last as u64 + 1);
        }
        end -= piece;
    }
    Ok(start)
}

/// Where the record at `start` would end, as far as its part before `zeros` tells.
fn end_of_record(file: &File, start: u64, zeros: u64) -> io::Result<u64> {
    let mut head = [0; ENTRY_HEAD];
    if file.read_exact_at(&mut head, start).is_err() || head[..4] != ENTRY {
        return Ok(start + LONGEST_OTHER);
    }
    let mut length = [0; 4];
    length.copy_from_slice(&head[20..24]);
    let length = u32::from_be_bytes(length);
    if head[20..] == super::log::payload_head(length) {
        // The payload, and eight bytes of checksum.
        return Ok(start + ENTRY_HEAD as u64 + u64::from(length) + 8);
    }
    // The head itself is torn: where it ends cannot be known, but it had begun right before the zeros.
    Ok(if zeros <= start + ENTRY_HEAD as u64 { u64::MAX } else { start })
}
