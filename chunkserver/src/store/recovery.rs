//! Opening a disk: bring the index up to the end of the log, whatever the last moment left behind.
//!
//! What always holds:
//! - Damaged bytes are stepped over and reported; nothing behind them is given up.
//! - Only the last group commit can be torn, and it lies in the segment with the highest number. Its records are
//!   checked byte by byte; one that is torn was never acknowledged and is voided, so that it can never come to life
//!   behind newer records. The tail behind the last valid record is cut, nothing before it.
//! - Without a usable index everything is built anew from the segments, by the same [`Changes`] that the writer uses.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use super::changes::Changes;
use super::check::{check_record, parts, read_record};
use super::entry::{Place, Position, SegmentStat, key};
use super::index::{Index, IndexMemory, Step};
use super::scan::{Found, Scan};
use super::segments::Segments;
use crate::disk::aligned::Aligned;
use crate::disk::{Disk, File, Listed, read_full};
use crate::error::OpenError;
use crate::format::record::{Kind, RecordHeader};
use crate::format::segment::{FIRST_RECORD, SegmentHeader, number_of};
use crate::format::{ALIGN, FormatFault, tombstone};

/// Changes written to the index at once during a rebuild.
const BATCH: usize = 8192;

/// A stretch that could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skipped {
    /// Segment number.
    pub segment: u64,
    /// First byte.
    pub from: u64,
    /// Behind the last byte.
    pub to: u64,
    /// Why.
    pub why: String,
}

/// What opening a disk found.
#[derive(Clone, Debug, Default)]
pub struct Recovered {
    /// The index was built anew.
    pub rebuilt: bool,
    /// Records replayed into the index.
    pub replayed: u64,
    /// Damaged stretches that were stepped over.
    pub skipped: Vec<Skipped>,
    /// Unacknowledged records of the last commit that were torn.
    pub torn: u64,
    /// Bytes cut behind the last valid record.
    pub cut_bytes: u64,
    /// Segments that the index knows but the disk does not have.
    pub lost_segments: Vec<u64>,
}

/// Everything the store starts with.
pub(super) struct Opened {
    pub(super) index: Index,
    pub(super) segments: Segments,
    pub(super) next_append: u64,
    pub(super) group_tombs: BTreeMap<u32, u64>,
    pub(super) report: Recovered,
}

/// Opens a disk's log and index.
pub(super) fn recover(
    disk: Arc<dyn Disk>,
    index_path: &Path,
    memory: &IndexMemory,
    fingerprint: [u8; 16],
    open_segments: u64,
) -> Result<Opened, OpenError> {
    let files = segment_files(&*disk)?;
    let mut report = Recovered::default();
    let index = usable_index(index_path, memory, &fingerprint, &files, &mut report)?;
    let segments = Segments::new(disk.clone(), open_segments);
    let mut walk = Walk {
        index: &index,
        disk: &*disk,
        segments: &segments,
        fingerprint,
        position: read_position(&index)?,
        next_append: 0,
        report,
    };
    walk.next_append = walk.position.map_or(1, |position| position.next_append);
    let last = files.keys().next_back().copied();
    for (number, listed) in &files {
        walk.segment(*number, listed, Some(*number) == last)?;
    }
    walk.drop_orphaned_deads()?;
    let (next_append, mut report) = (walk.next_append, walk.report);
    for skipped in &report.skipped {
        tracing::error!(segment = skipped.segment, from = skipped.from, to = skipped.to, why = %skipped.why,
            "stepped over a damaged part of the log");
    }
    report.skipped.truncate(10_000);
    let group_tombs = unswept(&index)?;
    Ok(Opened { index, segments, next_append, group_tombs, report })
}

fn segment_files(disk: &dyn Disk) -> Result<BTreeMap<u64, Listed>, OpenError> {
    let listed = disk.list().map_err(OpenError::io("list segments"))?;
    Ok(listed.into_iter().filter_map(|file| Some((number_of(&file.name)?, file))).collect())
}

/// The index as it is, or an empty one when it is lost, damaged, or another disk's.
fn usable_index(
    path: &Path,
    memory: &IndexMemory,
    fingerprint: &[u8; 16],
    files: &BTreeMap<u64, Listed>,
    report: &mut Recovered,
) -> Result<Index, OpenError> {
    let opened = Index::open(path, memory);
    let why = match &opened {
        Ok(index) => match complaint(index, fingerprint, files, report) {
            Ok(None) => return Ok(opened?),
            Ok(Some(why)) => why,
            Err(error) => error.to_string(),
        },
        Err(error) => error.to_string(),
    };
    drop(opened);
    report.rebuilt = !files.is_empty();
    if report.rebuilt {
        tracing::warn!(path = %path.display(), why, "the index is built anew from the segments");
    }
    std::fs::remove_dir_all(path).map_err(OpenError::io("remove the old index"))?;
    let index = Index::open(path, memory)?;
    index.claim(fingerprint)?;
    Ok(index)
}

/// Why an index cannot be used.
fn complaint(
    index: &Index,
    fingerprint: &[u8; 16],
    files: &BTreeMap<u64, Listed>,
    report: &mut Recovered,
) -> Result<Option<String>, rocksdb::Error> {
    if !index.belongs_to(fingerprint)? {
        return Ok(Some("it was not made for this disk".into()));
    }
    let mut lost = Vec::new();
    index.scan(b"s", b"s", |key, value| {
        let number = key::segment_of(key).unwrap_or_default();
        let live = SegmentStat::decode(value).is_some_and(|stat| stat.live_records > 0);
        if live && !files.contains_key(&number) {
            lost.push(number);
        }
        Step::Next
    })?;
    report.lost_segments = lost;
    if report.lost_segments.is_empty() {
        return Ok(None);
    }
    Ok(Some(format!("segments {:x?} with live records are not on the disk", report.lost_segments)))
}

fn read_position(index: &Index) -> Result<Option<Position>, OpenError> {
    Ok(index.get(key::POSITION)?.and_then(|value| Position::decode(&value)))
}

fn unswept(index: &Index) -> Result<BTreeMap<u32, u64>, OpenError> {
    let mut found = BTreeMap::new();
    index.scan(b"T", b"T", |key, value| {
        if let (Some(pg), Some(tomb)) = (key::group_of(key), super::entry::Tomb::decode(value))
            && !tomb.swept
        {
            found.insert(pg, tomb.epoch);
        }
        Step::Next
    })?;
    Ok(found)
}

struct Walk<'w> {
    index: &'w Index,
    disk: &'w dyn Disk,
    segments: &'w Segments,
    fingerprint: [u8; 16],
    position: Option<Position>,
    next_append: u64,
    report: Recovered,
}

impl Walk<'_> {
    fn segment(&mut self, number: u64, listed: &Listed, last: bool) -> Result<(), OpenError> {
        let file = self.disk.open(&listed.name).map_err(OpenError::io(format!("open {}", listed.name)))?;
        let salt = self.salt(number, listed, &*file)?;
        let from = match self.position {
            // Wholly in the index: only its accounting is needed.
            Some(position) if position.at.segment > number => None,
            Some(position) if position.at.segment == number => Some(position.at.offset),
            _ => Some(FIRST_RECORD),
        };
        let stat = self.index.get(&key::segment(number))?.and_then(|value| SegmentStat::decode(&value));
        let stat = stat.unwrap_or_default();
        let start = from.unwrap_or(listed.length);
        let segment = self.segments.insert(number, salt, listed.length, start, stat);
        let Some(from) = from else { return Ok(()) };
        let (end, salt) = if last {
            self.replay_last(number, &*file, salt, from)?
        } else {
            self.replay(number, &*file, salt, from)?
        };
        let stat = *segment.stat.lock();
        self.segments.insert(number, salt, listed.length, end, stat);
        Ok(())
    }

    /// The salt from the segment's header; `None` when that is damaged.
    fn salt(&mut self, number: u64, listed: &Listed, file: &dyn File) -> Result<Option<u64>, OpenError> {
        let mut block = vec![0; ALIGN as usize];
        let read = read_full(file, 0, &mut block).map_err(OpenError::io(format!("read {}", listed.name)))?;
        let why = match SegmentHeader::decode(block.get(..read).unwrap_or_default()) {
            Ok(header) if header.fingerprint != self.fingerprint => {
                return Err(OpenError::ForeignSegment(listed.name.clone()));
            }
            Ok(header) if header.number == number => return Ok(Some(header.salt)),
            Ok(header) => format!("the header says segment {}", header.number),
            Err(FormatFault::Version(version)) => {
                return Err(OpenError::Version { what: listed.name.clone(), version });
            }
            // Made, but power failed before its header: there is nothing in it.
            Err(FormatFault::Blank | FormatFault::Short) => return Ok(None),
            Err(fault) => fault.to_string(),
        };
        self.skip(number, 0, ALIGN, format!("segment header: {why}"));
        Ok(None)
    }

    fn skip(&mut self, segment: u64, from: u64, to: u64, why: String) {
        self.report.skipped.push(Skipped { segment, from, to, why });
    }

    /// A segment that was complete before the last commit: whole headers are believed.
    fn replay(
        &mut self,
        number: u64,
        file: &dyn File,
        salt: Option<u64>,
        from: u64,
    ) -> Result<(u64, Option<u64>), OpenError> {
        let mut scan = Scan::new(file, salt, from).map_err(OpenError::io("scan a segment"))?;
        let mut changes = Changes::new(self.index);
        let mut end = from;
        while let Some(found) = scan.next().map_err(OpenError::io("scan a segment"))? {
            match found {
                Found::Skipped(from, to) => self.skip(number, from, to, "no record".into()),
                Found::Record(header, table) => {
                    end = header.offset + header.shape().record_bytes;
                    self.apply(&mut changes, number, file, &header, &table)?;
                    if changes.len() >= BATCH {
                        let full = std::mem::replace(&mut changes, Changes::new(self.index));
                        self.commit(full, Place { segment: number, offset: end })?;
                    }
                }
            }
        }
        self.commit(changes, Place { segment: number, offset: end })?;
        Ok((end, scan.salt()))
    }

    /// The segment that was being written: the last commit in it may be torn.
    fn replay_last(
        &mut self,
        number: u64,
        file: &dyn File,
        salt: Option<u64>,
        from: u64,
    ) -> Result<(u64, Option<u64>), OpenError> {
        let io = |error| OpenError::io("recover the last segment")(error);
        let mut scan = Scan::new(file, salt, from).map_err(io)?;
        let (mut records, mut skipped) = (Vec::new(), Vec::new());
        while let Some(found) = scan.next().map_err(io)? {
            match found {
                Found::Record(header, table) => records.push((*header, table)),
                Found::Skipped(from, to) => skipped.push((from, to)),
            }
        }
        // What a record says was durable before it is; the rest has to prove itself.
        let said = records.iter().map(|(header, _)| header.stable).max().unwrap_or(0);
        let durable = said.max(self.position.map_or(0, |position| position.next_append));
        let (mut end, mut sound) = (from, from);
        let mut torn = Vec::new();
        let mut changes = Changes::new(self.index);
        let mut buffer = Aligned::new(0);
        for (header, table) in &records {
            self.next_append = self.next_append.max(header.append + 1);
            if header.append >= durable && !whole(file, header, &mut buffer).map_err(io)? {
                torn.push(header.offset);
                continue;
            }
            end = end.max(header.offset + header.shape().record_bytes);
            if header.append < durable {
                sound = end;
            }
            self.apply(&mut changes, number, file, header, table)?;
        }
        // Garbage behind what is known to be durable is a part of the torn commit, not damage.
        for (from, to) in skipped.into_iter().filter(|(from, _)| *from < sound) {
            self.skip(number, from, to, "no record".into());
        }
        self.void(file, &torn, end)?;
        self.commit(changes, Place { segment: number, offset: end })?;
        Ok((end, scan.salt()))
    }

    /// Makes torn records and everything behind the last valid one disappear, durably.
    fn void(&mut self, file: &dyn File, torn: &[u64], end: u64) -> Result<(), OpenError> {
        let io = |error| OpenError::io("cut the torn tail")(error);
        self.report.torn += torn.len() as u64;
        let blank = vec![0; ALIGN as usize];
        let inside: Vec<u64> = torn.iter().copied().filter(|offset| *offset < end).collect();
        for offset in &inside {
            file.write_at(*offset, &[&blank]).map_err(io)?;
        }
        if !inside.is_empty() {
            file.sync().map_err(io)?;
        }
        let length = file.length().map_err(io)?;
        if has_data(file, end, length).map_err(io)? {
            self.report.cut_bytes += length - end;
            file.resize(end, length).map_err(io)?;
        }
        Ok(())
    }

    fn apply(
        &mut self,
        changes: &mut Changes<'_>,
        number: u64,
        file: &dyn File,
        header: &RecordHeader,
        table: &[u8],
    ) -> Result<(), OpenError> {
        self.next_append = self.next_append.max(header.append + 1);
        self.report.replayed += 1;
        let at = Place { segment: number, offset: header.offset };
        match header.kind {
            Kind::Chunk => changes.chunk(header, at, table)?,
            Kind::GroupTombstone => changes.group_tombstone(header.chunk.pg, header.epoch, at)?,
            Kind::Tombstones => {
                let mut buffer = Aligned::new(0);
                let numbers = read_record(file, header.offset, header.payload_bytes, false, &mut buffer)
                    .and_then(|bytes| {
                        let header = check_record(bytes, Some(header.salt), header.offset)?;
                        Ok(parts(&header, bytes)
                            .map(|(_, payload)| tombstone::decode(payload))
                            .unwrap_or_default())
                    });
                match numbers {
                    Ok(numbers) => {
                        changes.tombstones(header.chunk.pg, header.epoch, &numbers, at)?;
                    }
                    Err(bad) => {
                        let end = header.offset + header.shape().record_bytes;
                        self.skip(number, header.offset, end, format!("tombstones: {bad}"));
                    }
                }
            }
        }
        Ok(())
    }

    fn commit(&mut self, changes: Changes<'_>, at: Place) -> Result<(), OpenError> {
        let position = Position { at, next_append: self.next_append };
        if changes.is_empty() && self.position == Some(position) {
            return Ok(());
        }
        let deltas = changes.deltas.clone();
        let stat = |number| self.segments.get(number).map(|segment| *segment.stat.lock());
        self.index.write(changes.into_batch(position, stat))?;
        for (number, delta) in deltas {
            if let Some(segment) = self.segments.get(number) {
                let mut stat = segment.stat.lock();
                *stat = delta.applied(*stat);
            }
        }
        Ok(())
    }

    /// A crash between unlinking a segment and telling the index leaves dead records behind that are nowhere.
    fn drop_orphaned_deads(&mut self) -> Result<(), OpenError> {
        let mut gone: BTreeMap<u64, Vec<_>> = BTreeMap::new();
        self.index.scan(b"s", b"s", |key, _| {
            if let Some(number) = key::segment_of(key).filter(|number| self.segments.get(*number).is_none()) {
                gone.insert(number, Vec::new());
            }
            Step::Next
        })?;
        if gone.is_empty() {
            return Ok(());
        }
        self.index.scan(b"d", b"d", |key, _| {
            if let (Some(chunk), Some(at)) = (key::chunk_of(key), key::place_of(key))
                && let Some(list) = gone.get_mut(&at.segment)
            {
                list.push((chunk, at));
            }
            Step::Next
        })?;
        let at = read_position(self.index)?.map(|position| position.at);
        let mut changes = Changes::new(self.index);
        for (number, dead) in &gone {
            changes.forget(*number, dead);
        }
        match at {
            Some(at) => self.commit(changes, at),
            None => Ok(()),
        }
    }
}

/// Whether every byte of a record is as it was written.
fn whole(file: &dyn File, header: &RecordHeader, buffer: &mut Aligned) -> std::io::Result<bool> {
    use super::check::Bad;
    match read_record(file, header.offset, header.payload_bytes, false, buffer)
        .and_then(|bytes| check_record(bytes, Some(header.salt), header.offset))
    {
        Ok(_) => Ok(true),
        Err(Bad::Damaged(_)) => Ok(false),
        Err(Bad::Io(error)) => Err(error),
    }
}

/// Whether anything but zeros lies in a range.
fn has_data(file: &dyn File, from: u64, to: u64) -> std::io::Result<bool> {
    let mut at = from;
    let mut buffer = vec![0; 1 << 20];
    while at < to {
        let Some(data) = file.next_data(at)? else { return Ok(false) };
        at = at.max(data);
        let length = (to.saturating_sub(at)).min(buffer.len() as u64) as usize;
        let read = read_full(file, at, buffer.get_mut(..length).unwrap_or_default())?;
        if buffer.iter().take(read).any(|byte| *byte != 0) {
            return Ok(true);
        }
        if read == 0 {
            return Ok(false);
        }
        at += read as u64;
    }
    Ok(false)
}
