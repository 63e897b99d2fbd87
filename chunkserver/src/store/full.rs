//! Room on the disk: making segments, and keeping a reserve so that deletes and compaction always work.
//!
//! What always holds:
//! - One spare segment is allocated on the disk and used by nothing but upkeep (tombstones, compaction, repair by
//!   order). A new chunk gets a new segment only if the spare stays and the soft reserve remains free beside it.
//! - Being full is a state, not a failure: it ends when room comes back.

use std::io;
use std::sync::atomic::Ordering;

use super::Shared;
use super::entry::SegmentStat;
use super::writer::{Active, Writer};
use crate::error::StoreError;
use crate::format::segment::{FIRST_RECORD, SegmentHeader, file_name};
use crate::format::{ALIGN, align_up};

/// Name of the spare segment.
pub(super) const SPARE: &str = "spare";

/// Bytes cut off a full segment's end only if it is worth a sync.
const WORTH_CUTTING: u64 = 1 << 20;

/// Who wants room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// A client's new chunk.
    NewChunk,
    /// Deletes, compaction, ordered repair.
    Upkeep,
}

/// How much room a disk has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Bytes it can keep.
    pub capacity: u64,
    /// Bytes of records, live and dead, still on the disk.
    pub used: u64,
    /// Bytes it can still take.
    pub free: u64,
    /// Live records.
    pub records: u64,
    /// Bytes of dead records not yet given back.
    pub garbage: u64,
}

fn no_room(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::ENOSPC | libc::EDQUOT | libc::EFBIG))
}

impl Shared {
    /// Bytes that stay free beside the spare segment: room for the index to breathe.
    fn soft_reserve(&self) -> u64 {
        (self.capacity() / 32).min(128 << 20)
    }

    /// Bytes this disk may use altogether.
    pub(super) fn capacity(&self) -> u64 {
        match self.capacity {
            0 => self.disk.space().map_or(0, |space| space.total),
            bytes => bytes,
        }
    }

    fn allocated(&self) -> u64 {
        self.segments.all().iter().map(|segment| segment.allocated()).sum()
    }

    /// Bytes that could still be allocated for segments, the spare being there.
    fn room(&self) -> u64 {
        let available = self.disk.space().map_or(0, |space| space.available);
        let spare = self.spare_bytes.load(Ordering::Relaxed);
        let missing_spare = self.segment_bytes.saturating_sub(spare);
        let quota = match self.capacity {
            0 => u64::MAX,
            bytes => bytes.saturating_sub(self.allocated() + spare),
        };
        available.min(quota).saturating_sub(missing_spare).saturating_sub(self.soft_reserve())
    }

    /// Room for one more new chunk's segment of this length.
    pub(super) fn room_for(&self, bytes: u64) -> bool {
        self.room() >= bytes
    }

    /// What the disk holds and can hold.
    pub(super) fn usage(&self) -> Usage {
        let mut usage = Usage { capacity: self.capacity(), ..Usage::default() };
        let mut tombstones = 0;
        let mut tail = 0;
        for segment in self.segments.all() {
            let stat = *segment.stat.lock();
            usage.used += segment.used_bytes();
            usage.records += stat.live_records;
            usage.garbage += segment.used_bytes().saturating_sub(stat.live_bytes);
            tombstones += stat.tombstone_bytes;
            let (length, end) = (segment.length.load(Ordering::Relaxed), segment.end.load(Ordering::Relaxed));
            tail = length.saturating_sub(end);
        }
        usage.garbage = usage.garbage.saturating_sub(tombstones);
        // Only the last segment's tail can be written.
        usage.free = self.room() + tail;
        usage
    }

    /// Makes the spare segment if it is not there and there is room.
    pub(super) fn make_spare(&self) -> io::Result<bool> {
        if self.spare_bytes.load(Ordering::Relaxed) > 0 {
            return Ok(true);
        }
        match self.disk.create(SPARE, self.segment_bytes) {
            Ok(_) => {
                self.spare_bytes.store(self.segment_bytes, Ordering::Relaxed);
                Ok(true)
            }
            Err(error) if no_room(&error) => Ok(false),
            Err(error) => Err(error),
        }
    }
}

impl Writer {
    /// Step 3 of the writer: a new segment with room for a record of `record_bytes`.
    pub(super) fn roll(&mut self, record_bytes: u64, purpose: Purpose) -> Result<(), StoreError> {
        let shared = self.shared.clone();
        let length = shared.segment_bytes.max(align_up(record_bytes + FIRST_RECORD));
        let spare = shared.make_spare().map_err(|error| self.failed("make the spare segment", &error))?;
        let number = shared.segments.last().map_or(1, |segment| segment.number + 1);
        if purpose == Purpose::NewChunk && !(spare && shared.room_for(length)) {
            shared.full.store(true, Ordering::Relaxed);
            return Err(StoreError::Full);
        }
        let name = file_name(number);
        let length = match shared.disk.create(&name, length) {
            Ok(_) => length,
            Err(error) if no_room(&error) => {
                shared.full.store(true, Ordering::Relaxed);
                if purpose == Purpose::NewChunk || !spare || length > shared.segment_bytes {
                    return Err(StoreError::Full);
                }
                shared
                    .disk
                    .rename(SPARE, &name)
                    .map_err(|error| self.failed("use the spare segment", &error))?;
                shared.spare_bytes.swap(0, Ordering::Relaxed)
            }
            Err(error) => return Err(self.failed("make a segment", &error)),
        };
        if purpose == Purpose::NewChunk {
            shared.full.store(false, Ordering::Relaxed);
        }
        self.seal().map_err(|error| self.failed("cut a full segment", &error))?;
        self.start(number, length).map_err(|error| self.failed("begin a segment", &error))
    }

    /// Begins to append to a new, blank segment.
    fn start(&mut self, number: u64, length: u64) -> io::Result<()> {
        let shared = self.shared.clone();
        let salt = rand::random();
        let header =
            SegmentHeader { number, salt, fingerprint: shared.fingerprint, first_sequence: self.next_append };
        let segment =
            shared.segments.insert(number, Some(salt), length, FIRST_RECORD, SegmentStat::default());
        let file = shared.segments.file(&segment)?;
        file.write_at(0, &[&header.encode()])?;
        file.sync()?;
        self.active = Some(Active { segment, file, salt, end: FIRST_RECORD, length, zeroed: ALIGN });
        Ok(())
    }

    /// Gives back the unused end of the segment that was appended to.
    fn seal(&mut self) -> io::Result<()> {
        let Some(active) = self.active.take() else { return Ok(()) };
        if active.length - active.end >= WORTH_CUTTING {
            active.file.resize(active.end, active.end)?;
            active.segment.length.store(active.end, Ordering::Relaxed);
        }
        Ok(())
    }

    fn failed(&self, what: &str, error: &io::Error) -> StoreError {
        self.shared.health.fail(&format!("{what}: {error}"))
    }
}
