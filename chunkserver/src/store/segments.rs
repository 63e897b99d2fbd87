//! The segments of one disk: their files, lengths and accounting. Descriptors are opened on demand and the least
//! recently used are closed, so that a large disk does not need a descriptor per segment.
//!
//! What always holds: numbers grow and are never reused; the segment with the highest number is the one appended to;
//! accounting is changed by the writer only.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::{Mutex, RwLock};

use super::entry::SegmentStat;
use crate::disk::{Disk, File};
use crate::format::segment::file_name;

/// One segment.
pub(super) struct Segment {
    pub(super) number: u64,
    /// Repeated in each of its records; `None` while its header is damaged and no record was seen.
    pub(super) salt: Option<u64>,
    /// Length of the file.
    pub(super) length: AtomicU64,
    /// End of the last record.
    pub(super) end: AtomicU64,
    pub(super) stat: Mutex<SegmentStat>,
    /// Not to be compacted before a restart: it holds live records that cannot be moved.
    pub(super) held: std::sync::atomic::AtomicBool,
    file: Mutex<Option<Arc<dyn File>>>,
    used: AtomicU64,
}

impl Segment {
    /// Bytes it takes on the disk.
    pub(super) fn allocated(&self) -> u64 {
        self.length.load(Ordering::Relaxed).saturating_sub(self.stat.lock().punched_bytes)
    }

    /// Bytes of records, live and dead, that were not punched.
    pub(super) fn used_bytes(&self) -> u64 {
        self.end.load(Ordering::Relaxed).saturating_sub(self.stat.lock().punched_bytes)
    }
}

/// All segments of a disk.
pub(super) struct Segments {
    disk: Arc<dyn Disk>,
    most_open: u64,
    map: RwLock<BTreeMap<u64, Arc<Segment>>>,
    open: AtomicU64,
    tick: AtomicU64,
}

impl Segments {
    pub(super) fn new(disk: Arc<dyn Disk>, most_open: u64) -> Self {
        Self {
            disk,
            most_open: most_open.max(4),
            map: RwLock::default(),
            open: AtomicU64::new(0),
            tick: AtomicU64::new(0),
        }
    }

    pub(super) fn insert(
        &self,
        number: u64,
        salt: Option<u64>,
        length: u64,
        end: u64,
        stat: SegmentStat,
    ) -> Arc<Segment> {
        let segment = Arc::new(Segment {
            number,
            salt,
            length: AtomicU64::new(length),
            end: AtomicU64::new(end),
            stat: Mutex::new(stat),
            held: false.into(),
            file: Mutex::new(None),
            used: AtomicU64::new(0),
        });
        self.map.write().insert(number, segment.clone());
        segment
    }

    pub(super) fn get(&self, number: u64) -> Option<Arc<Segment>> {
        self.map.read().get(&number).cloned()
    }

    pub(super) fn all(&self) -> Vec<Arc<Segment>> {
        self.map.read().values().cloned().collect()
    }

    pub(super) fn last(&self) -> Option<Arc<Segment>> {
        self.map.read().values().next_back().cloned()
    }

    /// Forgets a segment whose file is about to go. Readers that hold its file may go on.
    pub(super) fn take_out(&self, number: u64) {
        if let Some(segment) = self.map.write().remove(&number)
            && segment.file.lock().take().is_some()
        {
            self.open.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// The segment's open file.
    pub(super) fn file(&self, segment: &Segment) -> io::Result<Arc<dyn File>> {
        segment.used.store(self.tick.fetch_add(1, Ordering::Relaxed), Ordering::Relaxed);
        let mut slot = segment.file.lock();
        if let Some(file) = &*slot {
            return Ok(file.clone());
        }
        let file = self.disk.open(&file_name(segment.number))?;
        *slot = Some(file.clone());
        drop(slot);
        if self.open.fetch_add(1, Ordering::Relaxed) >= self.most_open {
            self.close_oldest(segment.number);
        }
        Ok(file)
    }

    fn close_oldest(&self, but: u64) {
        let map = self.map.read();
        let idle = map.values().filter(|s| s.number != but && s.file.try_lock().is_some_and(|f| f.is_some()));
        if let Some(oldest) = idle.min_by_key(|s| s.used.load(Ordering::Relaxed))
            && oldest.file.lock().take().is_some()
        {
            self.open.fetch_sub(1, Ordering::Relaxed);
        }
    }
}
