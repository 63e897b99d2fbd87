//! Room on the disk: making segments, and keeping a reserve so that deletes and compaction always work.
//!
//! What always holds:
//! - One spare segment is allocated on the disk and used by nothing but upkeep (tombstones, compaction). A new chunk
//!   gets a new segment only if the spare stays and the soft reserve remains free beside it.
//! - Half of the soft reserve is for the index alone: it has to be flushed before anything can be given back.
//! - Being full is a state, not a failure. It begins when a new segment is refused, and while it lasts no new chunk
//!   is taken, not even into the rest of a segment: that rest is where tombstones go. It ends without anybody
//!   asking for room ([`Shared::reconsider`], called whenever room came back and every tick of upkeep): clients that
//!   were told that the disk is full do not come to ask.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;

use super::entry::SegmentStat;
use super::writer::{Active, Writer};
use super::{Shared, Store};
use crate::disk::File;
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
    /// A client's new chunk, or one that this disk gets because it joined a group.
    NewChunk,
    /// A sound copy in place of a damaged one.
    Repair,
    /// Deletes and compaction.
    Upkeep,
}

/// What is kept back, and whether new chunks are refused.
#[derive(Default)]
pub(super) struct Reserve {
    /// Length of the spare segment; 0: there is none.
    spare: AtomicU64,
    /// Held while the spare is made or used.
    changing: Mutex<()>,
    /// Length of the largest segment that was refused since the disk ran full; 0: it is not full.
    refused: AtomicU64,
}

impl Reserve {
    /// Of a disk that is being opened and has a spare segment of this length.
    pub(super) fn found(spare: u64) -> Self {
        Self { spare: AtomicU64::new(spare), ..Self::default() }
    }

    /// New chunks are refused.
    pub(super) fn is_full(&self) -> bool {
        self.refused.load(Ordering::Relaxed) > 0
    }

    /// From here on, until a segment of this length would fit.
    pub(super) fn ran_full(&self, length: u64) {
        if self.refused.fetch_max(length.max(1), Ordering::Relaxed) == 0 {
            tracing::warn!("the disk is full: it takes no new chunks until room comes back");
        }
    }

    /// Whether a record may be appended at all.
    pub(super) fn admits(&self, purpose: Purpose) -> bool {
        match purpose {
            Purpose::NewChunk => !self.is_full(),
            Purpose::Repair => !self.is_full() || self.spare.load(Ordering::Relaxed) > 0,
            Purpose::Upkeep => true,
        }
    }
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

/// Whether an error says that the file system is full.
pub(crate) fn no_room(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::ENOSPC | libc::EDQUOT | libc::EFBIG))
}

impl Shared {
    /// Bytes that stay free beside the spare segment: room for the index to breathe.
    fn soft_reserve(&self) -> u64 {
        (self.capacity() / 32).min(128 << 20)
    }

    /// The part of it that only the index may use.
    fn index_reserve(&self) -> u64 {
        self.soft_reserve() / 2
    }

    /// Bytes this disk may use altogether.
    pub(super) fn capacity(&self) -> u64 {
        match self.capacity {
            0 => self.disk.space().map_or(0, |space| space.total.saturating_sub(self.leave)),
            bytes => bytes,
        }
    }

    fn allocated(&self) -> u64 {
        self.segments.all().iter().map(|segment| segment.allocated()).sum()
    }

    /// Bytes that could be allocated now, by the file system less what is left to others, and by the disk's quota.
    fn unallocated(&self, leave: u64) -> u64 {
        let available = self.disk.space().map_or(0, |space| space.available.saturating_sub(leave));
        match self.capacity {
            0 => available,
            bytes => {
                let spare = self.reserve.spare.load(Ordering::Relaxed);
                available.min(bytes.saturating_sub(self.allocated() + spare))
            }
        }
    }

    /// Bytes that could still be allocated for segments of new chunks, the spare being there.
    fn room(&self) -> u64 {
        let spare = self.reserve.spare.load(Ordering::Relaxed);
        let kept = self.segment_bytes.saturating_sub(spare) + self.soft_reserve();
        self.unallocated(self.leave).saturating_sub(kept)
    }

    /// Bytes that could still be allocated for anything but the index. What is left to others counts: when they have
    /// taken it, deletes are what gives room back.
    fn upkeep_room(&self) -> u64 {
        self.unallocated(0).saturating_sub(self.index_reserve())
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
        let _alone = self.reserve.changing.lock();
        if self.reserve.spare.load(Ordering::Relaxed) > 0 {
            return Ok(true);
        }
        if self.upkeep_room() < self.segment_bytes {
            return Ok(false);
        }
        match self.disk.create(SPARE, self.segment_bytes) {
            Ok(_) => {
                self.reserve.spare.store(self.segment_bytes, Ordering::Relaxed);
                Ok(true)
            }
            Err(error) if no_room(&error) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Turns the spare into the segment of this name. Its length; `None`: it is too short, or there is none.
    fn use_spare(&self, name: &str, least: u64) -> io::Result<Option<u64>> {
        let _alone = self.reserve.changing.lock();
        let spare = self.reserve.spare.load(Ordering::Relaxed);
        if spare == 0 || spare < least {
            return Ok(None);
        }
        self.disk.rename(SPARE, name)?;
        self.reserve.spare.store(0, Ordering::Relaxed);
        Ok(Some(spare))
    }

    /// Makes a segment if there is as much room as its purpose leaves it.
    fn make_segment(&self, name: &str, length: u64, purpose: Purpose) -> io::Result<Option<Arc<dyn File>>> {
        let spare = self.make_spare()?;
        let fits = match purpose {
            Purpose::NewChunk => spare && self.room_for(length),
            Purpose::Repair => spare && self.upkeep_room() >= length,
            Purpose::Upkeep => self.upkeep_room() >= length,
        };
        if !fits {
            return Ok(None);
        }
        match self.disk.create(name, length) {
            Ok(file) => Ok(Some(file)),
            Err(error) if no_room(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Ends being full if the spare is back and what was refused would fit, with a segment to go on.
    pub(super) fn reconsider(&self) -> io::Result<()> {
        let refused = self.reserve.refused.load(Ordering::Relaxed);
        if refused > 0 && self.make_spare()? && self.room_for(refused + self.segment_bytes) {
            self.reserve.refused.store(0, Ordering::Relaxed);
            tracing::info!(room = self.room(), "the disk takes new chunks again");
        }
        Ok(())
    }
}

impl Store {
    /// Takes new chunks again if there is room. Cheap while the disk is not full.
    pub fn reconsider(&self) -> Result<(), StoreError> {
        self.shared.health.check()?;
        self.shared
            .reconsider()
            .map_err(|error| self.shared.health.fail(&format!("make the spare segment: {error}")))
    }
}

impl Writer {
    /// Step 3 of the writer: a new segment with room for a record of `record_bytes`.
    pub(super) fn roll(&mut self, record_bytes: u64, purpose: Purpose) -> Result<(), StoreError> {
        let shared = self.shared.clone();
        let length = shared.segment_bytes.max(align_up(record_bytes + FIRST_RECORD));
        let number = shared.segments.last().map_or(1, |segment| segment.number + 1);
        let name = file_name(number);
        let made = shared.make_segment(&name, length, purpose);
        let length = match made.map_err(|error| self.failed("make a segment", &error))? {
            Some(_) => length,
            None => {
                shared.reserve.ran_full(length);
                let least = if purpose == Purpose::Upkeep { length } else { u64::MAX };
                let spare = shared.use_spare(&name, least);
                spare
                    .map_err(|error| self.failed("use the spare segment", &error))?
                    .ok_or(StoreError::Full)?
            }
        };
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
