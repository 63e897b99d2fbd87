//! Compaction: copies what lives in a mostly dead segment to the end of the log and unlinks the segment.
//!
//! What always holds:
//! - The writer decides about every copy, in order with everything else; records keep epoch and sequence.
//! - Tombstones are carried on while a record they kill has its header in another segment.
//! - The segment goes only when the accounting says that nothing in it lives, the index on the disk says so too,
//!   and readers have left. A segment with live records that cannot be read as records is kept as it is.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use holdfast_proto::ids::ChunkId;

use super::Store;
use super::check::{Bad, check_record, parts, read_record};
use super::entry::{Entry, Place, key};
use super::index::Step;
use super::op::Op;
use super::scan::{Found, Scan};
use super::segments::Segment;
use crate::disk::File;
use crate::disk::aligned::Aligned;
use crate::error::StoreError;
use crate::format::record::{Kind, RecordHeader};
use crate::format::segment::file_name;
use crate::format::tombstone;

/// Less than this is not worth a compaction while there is room.
const WORTH: u64 = 1 << 20;

/// What one compaction did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Compacted {
    /// Bytes copied to the end of the log.
    pub copied: u64,
    /// Bytes given back.
    pub freed: u64,
}

impl Store {
    /// The segment most worth compacting, if any is.
    pub fn compaction_candidate(&self) -> Option<u64> {
        let shared = &self.shared;
        let pressed = shared.reserve.is_full() || !shared.room_for(4 * shared.segment_bytes);
        let (percent, worth) = if pressed { (90, 64 << 10) } else { (shared.config.compact_percent, WORTH) };
        let worth = worth.min(shared.segment_bytes / 4);
        let mut all = shared.segments.all();
        // The last one is being written, and its number must not come again.
        all.pop();
        let scored = all.into_iter().filter(|s| !s.held.load(Ordering::Relaxed)).filter_map(|segment| {
            let live = segment.stat.lock().live_bytes;
            let allocated = segment.allocated();
            let gain = allocated.saturating_sub(live);
            // What is free behind the last record was too short for the next one, and would be again in a copy.
            let dead = segment.used_bytes().saturating_sub(live);
            let lasts = 4 * dead >= worth || gain - dead.min(gain) > allocated / 2;
            let mostly_dead = live * 100 <= allocated * percent && gain >= worth && lasts;
            (live == 0 || mostly_dead).then_some((gain, segment.number))
        });
        scored.max().map(|(_, number)| number)
    }

    /// Bytes per second that compaction may copy: what was said last, or what is configured.
    pub fn compact_rate(&self) -> u64 {
        match self.shared.compact_cap.load(Ordering::Relaxed) {
            0 => self.shared.config.compact_rate,
            cap => cap,
        }
    }

    /// Says how fast compaction may be from now on; `None`: as is configured.
    pub fn cap_compaction(&self, rate: Option<u64>) {
        self.shared.compact_cap.store(rate.unwrap_or(0), Ordering::Relaxed);
    }

    /// Compacts one segment. `pace` is called with the bytes of every copy and may sleep.
    pub fn compact(&self, number: u64, mut pace: impl FnMut(u64)) -> Result<Compacted, StoreError> {
        let shared = &self.shared;
        shared.health.check()?;
        let last = shared.segments.last().map(|segment| segment.number);
        let Some(segment) = shared.segments.get(number).filter(|_| last != Some(number)) else {
            return Ok(Compacted::default());
        };
        let freed = segment.allocated();
        let failed = |error: std::io::Error| shared.health.fail(&format!("compact: {error}"));
        let file = shared.segments.file(&segment).map_err(failed)?;
        let mut scan =
            Scan::new(&*file, segment.salt, crate::format::segment::FIRST_RECORD).map_err(failed)?;
        let mut dead = Vec::new();
        let mut copied = 0;
        while let Some(found) = scan.next().map_err(|error| self.unreadable(&segment, &error))? {
            let Found::Record(header, _) = found else { continue };
            let at = Place { segment: number, offset: header.offset };
            if header.kind == Kind::Chunk {
                dead.push((header.chunk, at));
            }
            copied += self.move_on(&segment, &file, &header, at, &mut pace)?;
        }
        if segment.stat.lock().live_records > 0 {
            self.hold(&segment)?;
            return Ok(Compacted { copied, freed: 0 });
        }
        self.checkpoint()?;
        shared.gate.wait_for_readers();
        shared.segments.take_out(number);
        shared.disk.remove(&file_name(number)).map_err(failed)?;
        self.ask(|answer| Op::Forget { segment: number, dead, answer })?;
        self.reconsider()?;
        Ok(Compacted { copied, freed })
    }

    /// Moves one record on if it lives, or is a tombstone that is still needed. Returns bytes copied.
    fn move_on(
        &self,
        segment: &Segment,
        file: &Arc<dyn File>,
        header: &RecordHeader,
        at: Place,
        pace: &mut impl FnMut(u64),
    ) -> Result<u64, StoreError> {
        let shared = &self.shared;
        if header.kind == Kind::Chunk && shared.entry(header.chunk)?.is_none_or(|entry| entry.at != at) {
            return Ok(0);
        }
        let mut buffer = Aligned::new(0);
        let bytes = match read_record(&**file, header.offset, header.payload_bytes, false, &mut buffer) {
            Ok(bytes) => bytes,
            Err(bad) => {
                tracing::error!(segment = segment.number, offset = header.offset, %bad, "compaction cannot read");
                shared.found_damaged(header.chunk);
                return Ok(0);
            }
        };
        let checked = check_record(bytes, segment.salt.or(Some(header.salt)), header.offset);
        let Some((table, payload)) = parts(header, bytes) else { return Ok(0) };
        if header.kind != Kind::Chunk {
            if let Err(bad) = checked {
                // Its victims' index entries are gone already; only a rebuild would miss it.
                tracing::error!(segment = segment.number, offset = header.offset, %bad, "a damaged tombstone record");
                return Ok(0);
            }
            let numbers =
                if header.kind == Kind::Tombstones { tombstone::decode(payload) } else { Vec::new() };
            self.ask(|answer| Op::Carry { from: at, header: Box::new(*header), numbers, answer })?;
            return Ok(0);
        }
        if let Err(bad) = checked {
            // It moves as it is, table and all, so it stays known as damaged until repair replaces it.
            tracing::error!(chunk = %header.chunk, %bad, "compaction met a damaged record");
            shared.found_damaged(header.chunk);
        }
        let (table, payload) = (Bytes::copy_from_slice(table), Bytes::copy_from_slice(payload));
        let length = header.shape().record_bytes;
        let moved =
            self.ask(|answer| Op::Relocate { from: at, header: Box::new(*header), table, payload, answer })?;
        pace(length);
        Ok(if moved { length } else { 0 })
    }

    fn unreadable(&self, segment: &Segment, error: &std::io::Error) -> StoreError {
        segment.held.store(true, Ordering::Relaxed);
        self.shared.health.read_error();
        StoreError::Invalid(format!("segment {:x} cannot be read: {error}", segment.number))
    }

    /// Live records whose headers are damaged: report them; when repair has replaced them the segment can go.
    fn hold(&self, segment: &Segment) -> Result<(), StoreError> {
        segment.held.store(true, Ordering::Relaxed);
        let mut lost: Vec<ChunkId> = Vec::new();
        let scanned = self.shared.index.scan(b"r", b"r", |key, value| {
            if let (Some(chunk), Some(entry)) = (key::chunk_of(key), Entry::decode(value))
                && entry.at.segment == segment.number
            {
                lost.push(chunk);
            }
            if lost.len() < 1000 { Step::Next } else { Step::Stop }
        });
        scanned.map_err(|error| self.shared.index_failed(&error))?;
        for chunk in lost {
            self.shared.found_damaged(chunk);
        }
        Ok(())
    }

    /// Whether a record of this segment that was moved off or damaged may let it go now.
    pub fn release_held(&self) {
        for segment in self.shared.segments.all() {
            if segment.held.load(Ordering::Relaxed) && segment.stat.lock().live_records == 0 {
                segment.held.store(false, Ordering::Relaxed);
            }
        }
    }
}

impl From<Bad> for StoreError {
    fn from(bad: Bad) -> Self {
        Self::Invalid(bad.to_string())
    }
}
