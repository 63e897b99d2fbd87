//! Damage to what lies on a disk, done while its node is down, or while it runs.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// Flips bits in every segment below a directory, away from the headers of records; says how many.
pub fn flip_bits(disk: &Path) -> Result<usize> {
    let mut flipped = 0;
    let mut todo = vec![disk.join("segments")];
    while let Some(path) = todo.pop() {
        if path.is_dir() {
            for entry in std::fs::read_dir(&path).with_context(|| format!("read {}", path.display()))? {
                todo.push(entry?.path());
            }
            continue;
        }
        let file = File::options().read(true).write(true).open(&path)?;
        let mut byte = [0];
        for offset in (200_000..file.metadata()?.len()).step_by(300_000) {
            file.read_exact_at(&mut byte, offset)?;
            if byte[0] != 0 {
                file.write_all_at(&[byte[0] ^ 0x40], offset)?;
                flipped += 1;
            }
        }
    }
    Ok(flipped)
}

/// Tears what was written last: of the newest segment, the last blocks are zeros, garbage, or were never written. Says
/// whether there was anything.
pub fn tear_tails(disk: &Path) -> Result<bool> {
    let segments = disk.join("segments");
    let mut newest = None;
    for entry in std::fs::read_dir(&segments).with_context(|| format!("read {}", segments.display()))? {
        let entry = entry?;
        let (changed, path) = (entry.metadata()?.modified()?, entry.path());
        if path.extension().is_some_and(|extension| extension == "seg") {
            newest = newest.max(Some((changed, path)));
        }
    }
    let Some((_, path)) = newest else { return Ok(false) };
    let bytes = std::fs::read(&path)?;
    // A segment may be longer than what was written to it.
    let end = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |at| at / ALIGN * ALIGN);
    let file = File::options().write(true).open(&path)?;
    for (back, byte) in [(1, 0), (2, 0xa5), (5, 0)] {
        if let Some(at) = end.checked_sub(back * ALIGN) {
            file.write_all_at(&[byte; ALIGN], at as u64)?;
        }
    }
    file.set_len(end as u64)?;
    file.sync_all().context("sync the torn segment")?;
    Ok(end > 0)
}

/// Records begin at multiples of this.
const ALIGN: usize = 4096;

/// A record with at least 64 KiB, as it was found.
#[derive(Clone, Debug)]
pub struct RecordAt {
    /// Its group.
    pub pg: u32,
    /// Its chunk's number there.
    pub number: u64,
    segment: PathBuf,
    offset: u64,
}

/// The long records on a disk. They are found by their first bytes, so this can be done while the node runs: nothing of a
/// record that is durable moves.
pub fn long_records(disk: &Path) -> Result<Vec<RecordAt>> {
    let mut found = Vec::new();
    let segments = disk.join("segments");
    for entry in std::fs::read_dir(&segments).with_context(|| format!("read {}", segments.display()))? {
        let path = entry?.path();
        if path.extension().is_none_or(|extension| extension != "seg") {
            continue;
        }
        // A segment may be compacted away at any moment.
        let Ok(bytes) = std::fs::read(&path) else { continue };
        for (block, header) in bytes.chunks_exact(ALIGN).enumerate() {
            let payload = u64::from_le_bytes(header[24..32].try_into()?);
            if header.starts_with(b"HFR1") && payload >= 64 << 10 {
                found.push(RecordAt {
                    pg: u32::from_le_bytes(header[8..12].try_into()?),
                    number: u64::from_le_bytes(header[16..24].try_into()?),
                    segment: path.clone(),
                    offset: (block * ALIGN) as u64,
                });
            }
        }
    }
    Ok(found)
}

/// Flips one bit in the payload of a record; whether it was still there.
pub fn flip(record: &RecordAt) -> Result<bool> {
    let Ok(file) = File::options().read(true).write(true).open(&record.segment) else { return Ok(false) };
    // Behind header and table, within the payload.
    let at = record.offset + 40_000;
    let mut byte = [0];
    file.read_exact_at(&mut byte, at)?;
    file.write_all_at(&[byte[0] ^ 0x10], at)?;
    file.sync_all()?;
    Ok(true)
}

/// Flips one bit in every `every`th long record; says how many records that was.
pub fn flip_records(disk: &Path, every: usize) -> Result<usize> {
    let mut flipped = 0;
    for record in long_records(disk)?.iter().step_by(every) {
        flipped += usize::from(flip(record)?);
    }
    Ok(flipped)
}
