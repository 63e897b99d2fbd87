//! Reading everything back from the platters and checking every byte.
//!
//! What always holds: scrub never changes anything; it reads with O_DIRECT, so it sees the disk and not the cache.
//! What it finds goes to the leader, whose repair replaces the record.

use std::sync::atomic::Ordering;

use holdfast_proto::ids::ChunkId;

use super::Store;
use super::check::{Bad, check_record, read_record};
use super::entry::{Entry, Place, key};
use super::index::Step;
use crate::disk::aligned::Aligned;
use crate::error::StoreError;
use crate::format::Shape;

/// Records looked at per step.
const STEP: usize = 256;

/// Result of checking one record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Every byte is as it was written.
    Good,
    /// It is here, but damaged.
    Damaged,
    /// It is not here.
    Absent,
}

/// A record that was looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Looked {
    /// The chunk.
    pub chunk: ChunkId,
    /// What came of it.
    pub verdict: Verdict,
    /// Bytes of the record that were read.
    pub bytes: u64,
    /// Which writing of it: moves keep it, a repair makes another. 0: it is not here.
    pub sequence: u64,
}

/// How far a scrub is: the last chunk it looked at.
pub type ScrubCursor = Option<ChunkId>;

impl Store {
    /// Checks one record on the platters. Blocks.
    pub fn verify(&self, chunk: ChunkId) -> Result<Verdict, StoreError> {
        self.look_at(chunk, &mut Aligned::new(0)).map(|looked| looked.verdict)
    }

    fn look_at(&self, chunk: ChunkId, buffer: &mut Aligned) -> Result<Looked, StoreError> {
        let shared = &self.shared;
        shared.health.check()?;
        let _pass = shared.gate.enter();
        let entry = shared.entry(chunk)?.filter(|entry| !shared.is_group_dead(chunk.pg.0, entry.epoch));
        let Some(entry) = entry else {
            return Ok(Looked { chunk, verdict: Verdict::Absent, bytes: 0, sequence: 0 });
        };
        let bytes = Shape::of(entry.payload_bytes).record_bytes;
        let looked = Looked { chunk, verdict: Verdict::Good, bytes, sequence: entry.sequence };
        match self.check_entry(chunk, &entry, buffer) {
            Ok(()) => Ok(looked),
            Err(bad) => {
                if matches!(bad, Bad::Io(_)) {
                    shared.health.read_error();
                }
                tracing::error!(%chunk, segment = entry.at.segment, offset = entry.at.offset, %bad, "damaged record");
                shared.found_damaged(chunk);
                Ok(Looked { verdict: Verdict::Damaged, ..looked })
            }
        }
    }

    fn check_entry(&self, chunk: ChunkId, entry: &Entry, buffer: &mut Aligned) -> Result<(), Bad> {
        let shared = &self.shared;
        let Place { segment, offset } = entry.at;
        let segment =
            shared.segments.get(segment).ok_or_else(|| Bad::Damaged("its segment is gone".into()))?;
        let file = shared.segments.file(&segment).map_err(Bad::Io)?;
        let bytes = read_record(&*file, offset, entry.payload_bytes, true, buffer)?;
        let header = check_record(bytes, segment.salt, offset)?;
        let means =
            header.chunk == chunk && header.table_crc == entry.table_crc && header.shard == entry.shard;
        if means { Ok(()) } else { Err(Bad::Damaged("another record lies in its place".into())) }
    }

    /// Which writing of a chunk is here; `None`: none is. Looks into the index only.
    pub fn sequence(&self, chunk: ChunkId) -> Result<Option<u64>, StoreError> {
        let entry = self.shared.entry(chunk)?;
        let entry = entry.filter(|entry| !self.shared.is_group_dead(chunk.pg.0, entry.epoch));
        Ok(entry.map(|entry| entry.sequence))
    }

    /// Puts a chunk that is known to be damaged among what the leader is to hear.
    pub fn tell_damaged(&self, chunk: ChunkId) {
        self.shared.tell_damaged(chunk);
    }

    /// Bytes of live records: what a scrub has to read.
    pub fn live_bytes(&self) -> u64 {
        self.shared.segments.all().iter().map(|segment| segment.stat.lock().live_bytes).sum()
    }

    /// Checks the next few records behind `cursor`; `go_on` hears of each, and the step ends when it says no. Returns
    /// the new cursor; `None`: that was the end.
    pub fn scrub_step(
        &self,
        cursor: ScrubCursor,
        mut go_on: impl FnMut(&Looked) -> bool,
    ) -> Result<ScrubCursor, StoreError> {
        let mut chunks = Vec::with_capacity(STEP);
        let from = cursor.map_or_else(|| b"r".to_vec(), |chunk| [&key::record(chunk)[..], &[0]].concat());
        let scanned = self.shared.index.scan(b"r", &from, |key, _| {
            chunks.extend(key::chunk_of(key));
            if chunks.len() < STEP { Step::Next } else { Step::Stop }
        });
        scanned.map_err(|error| self.shared.index_failed(&error))?;
        let mut buffer = Aligned::new(0);
        for chunk in &chunks {
            let looked = self.look_at(*chunk, &mut buffer)?;
            self.shared.metrics.scrubbed(&looked);
            if !go_on(&looked) {
                return Ok(Some(*chunk));
            }
        }
        Ok(chunks.last().copied().filter(|_| chunks.len() == STEP))
    }

    /// Segments held back because of damage.
    pub fn held_segments(&self) -> usize {
        self.shared.segments.all().iter().filter(|segment| segment.held.load(Ordering::Relaxed)).count()
    }
}
