//! What a record of the log does to the index. The writer applies records as it appends them, recovery applies the
//! same records from the segments: one path, so that a rebuilt index is the index that was lost.
//!
//! What always holds, whatever the order in which records are applied:
//! - Of the records of one chunk the one with the highest (epoch, sequence, place) lives.
//! - A tombstone kills every record of its chunk (or group) of its epoch and older.
//! - A record that does not live is remembered as dead until its segment is gone, and a tombstone stays until no
//!   dead record that it kills is left in another segment.

use std::collections::BTreeMap;

use holdfast_proto::ids::{ChunkId, PgId};
use rocksdb::WriteBatch;

use super::entry::{Dead, Entry, Place, Position, SegmentStat, Tomb, key};
use super::index::{Index, Step};
use crate::format::Shape;
use crate::format::record::RecordHeader;

type Result<T> = std::result::Result<T, rocksdb::Error>;

/// Changes gathered on top of the index, not yet in it.
pub(super) struct Changes<'i> {
    index: &'i Index,
    overlay: BTreeMap<Vec<u8>, Option<Vec<u8>>>,
    /// How each segment's accounting changes.
    pub(super) deltas: BTreeMap<u64, Delta>,
    /// Records that died: candidates for punching.
    pub(super) died: Vec<(ChunkId, Place, u64)>,
    /// Group tombstones to watch: (group, epoch).
    pub(super) group_tombs: Vec<(u32, u64)>,
}

/// A change of a segment's accounting.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Delta {
    pub(super) live_bytes: i64,
    pub(super) live_records: i64,
    pub(super) punched_bytes: i64,
    pub(super) tombstone_bytes: i64,
}

impl Delta {
    pub(super) fn applied(&self, to: SegmentStat) -> SegmentStat {
        SegmentStat {
            live_bytes: to.live_bytes.saturating_add_signed(self.live_bytes),
            live_records: to.live_records.saturating_add_signed(self.live_records),
            punched_bytes: to.punched_bytes.saturating_add_signed(self.punched_bytes),
            tombstone_bytes: to.tombstone_bytes.saturating_add_signed(self.tombstone_bytes),
        }
    }
}

impl<'i> Changes<'i> {
    pub(super) fn new(index: &'i Index) -> Self {
        Self {
            index,
            overlay: BTreeMap::new(),
            deltas: BTreeMap::new(),
            died: Vec::new(),
            group_tombs: Vec::new(),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.overlay.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.overlay.len()
    }

    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>> {
        match self.overlay.get(key) {
            Some(value) => Ok(value.clone()),
            None => self.index.get(key),
        }
    }

    fn put(&mut self, key: Vec<u8>, value: Vec<u8>) {
        self.overlay.insert(key, Some(value));
    }

    fn delete(&mut self, key: Vec<u8>) {
        self.overlay.insert(key, None);
    }

    fn delta(&mut self, segment: u64) -> &mut Delta {
        self.deltas.entry(segment).or_default()
    }

    /// The live record of a chunk, group tombstones not considered.
    pub(super) fn entry(&self, chunk: ChunkId) -> Result<Option<Entry>> {
        Ok(self.get(&key::record(chunk))?.and_then(|value| Entry::decode(&value)))
    }

    fn tomb(&self, key: &[u8]) -> Result<Option<Tomb>> {
        Ok(self.get(key)?.and_then(|value| Tomb::decode(&value)))
    }

    /// Highest epoch under which the chunk or its group was deleted, as far as that is still remembered.
    pub(super) fn deleted_under(&self, chunk: ChunkId) -> Result<Option<u64>> {
        let own = self.tomb(&key::tomb(chunk))?.map(|tomb| tomb.epoch);
        let group = self.tomb(&key::group_tomb(chunk.pg.0))?.map(|tomb| tomb.epoch);
        Ok(own.max(group))
    }

    /// A replica or shard lies at `at`.
    pub(super) fn chunk(&mut self, header: &RecordHeader, at: Place, table: &[u8]) -> Result<()> {
        let chunk = header.chunk;
        let entry = Entry::of(header, at, table);
        if self.deleted_under(chunk)?.is_some_and(|epoch| epoch >= header.epoch) {
            self.bury(chunk, &entry);
            return Ok(());
        }
        match self.entry(chunk)? {
            Some(old) if old.at == at => return Ok(()),
            Some(old) if old.rank() > entry.rank() => {
                self.bury(chunk, &entry);
                return Ok(());
            }
            Some(old) => self.unlive(chunk, &old),
            None => {}
        }
        let delta = self.delta(at.segment);
        delta.live_bytes += Shape::of(entry.payload_bytes).record_bytes as i64;
        delta.live_records += 1;
        self.put(key::record(chunk), entry.encode());
        Ok(())
    }

    /// A record that was live is dead now.
    fn unlive(&mut self, chunk: ChunkId, entry: &Entry) {
        let delta = self.delta(entry.at.segment);
        delta.live_bytes -= Shape::of(entry.payload_bytes).record_bytes as i64;
        delta.live_records -= 1;
        self.bury(chunk, entry);
    }

    fn bury(&mut self, chunk: ChunkId, entry: &Entry) {
        let dead = Dead { epoch: entry.epoch, payload_bytes: entry.payload_bytes, punched: false };
        let key = key::dead(chunk, entry.at);
        // A rebuild meets records that were punched before; what was noted of them stays.
        if !matches!(self.get(&key), Ok(Some(_))) {
            self.put(key, dead.encode());
        }
        self.died.push((chunk, entry.at, entry.payload_bytes));
    }

    /// Chunks of a group are deleted under `epoch`; the tombstone lies at `at`. Returns how many were there.
    pub(super) fn tombstones(&mut self, pg: PgId, epoch: u64, numbers: &[u64], at: Place) -> Result<u64> {
        let mut killed = 0;
        for number in numbers {
            let chunk = ChunkId::new(pg.0, *number);
            self.raise_tomb(key::tomb(chunk), Tomb { epoch, at, swept: true })?;
            if let Some(entry) = self.entry(chunk)?.filter(|entry| entry.epoch <= epoch) {
                self.unlive(chunk, &entry);
                self.delete(key::record(chunk));
                killed += 1;
            }
        }
        self.delta(at.segment).tombstone_bytes += Shape::of(numbers.len() as u64 * 8).record_bytes as i64;
        Ok(killed)
    }

    fn raise_tomb(&mut self, key: Vec<u8>, tomb: Tomb) -> Result<()> {
        let old = self.tomb(&key)?;
        if old.is_none_or(|old| (old.epoch, old.at) < (tomb.epoch, tomb.at)) {
            let swept = old.is_some_and(|old| old.epoch == tomb.epoch && old.swept) || tomb.swept;
            self.put(key, Tomb { swept, ..tomb }.encode());
        }
        Ok(())
    }

    /// A whole group is deleted under `epoch`. Its records are dead at once for readers (see
    /// [`Changes::group_tombs`]); [`Changes::sweep`] buries them step by step.
    pub(super) fn group_tombstone(&mut self, pg: PgId, epoch: u64, at: Place) -> Result<()> {
        self.raise_tomb(key::group_tomb(pg.0), Tomb { epoch, at, swept: false })?;
        self.delta(at.segment).tombstone_bytes += Shape::of(0).record_bytes as i64;
        self.group_tombs.push((pg.0, epoch));
        Ok(())
    }

    /// Buries up to `most` records that a group tombstone has killed; returns whether none is left.
    /// Sees only what is in the index, so nothing may be pending in these changes.
    pub(super) fn sweep(&mut self, pg: u32, most: usize) -> Result<bool> {
        let key = key::group_tomb(pg);
        let Some(tomb) = self.tomb(&key)? else { return Ok(true) };
        let mut victims = Vec::new();
        let prefix = key::records(pg);
        self.index.scan(&prefix, &prefix, |key, value| {
            if let (Some(chunk), Some(entry)) = (key::chunk_of(key), Entry::decode(value))
                && entry.epoch <= tomb.epoch
            {
                victims.push((chunk, entry));
            }
            if victims.len() < most { Step::Next } else { Step::Stop }
        })?;
        let done = victims.len() < most;
        for (chunk, entry) in victims {
            self.unlive(chunk, &entry);
            self.delete(key::record(chunk));
        }
        if done {
            self.put(key, Tomb { swept: true, ..tomb }.encode());
        }
        Ok(done)
    }

    /// Of a tombstone record at `at` in a segment that shall go: the numbers that still have a victim in another
    /// segment. The others are forgotten. Sees only what is in the index.
    pub(super) fn still_needed(&mut self, pg: PgId, numbers: &[u64], at: Place) -> Result<Vec<u64>> {
        let mut needed = Vec::new();
        for number in numbers {
            let chunk = ChunkId::new(pg.0, *number);
            let key = key::tomb(chunk);
            match self.tomb(&key)? {
                // A later tombstone does this one's work.
                Some(tomb) if tomb.at != at => {}
                None => {}
                Some(tomb) if self.has_victim(&key::deads(chunk), tomb.epoch, at.segment)? => {
                    needed.push(*number);
                }
                Some(_) => self.delete(key),
            }
        }
        Ok(needed)
    }

    /// As [`Changes::still_needed`], of a group tombstone.
    pub(super) fn group_still_needed(&mut self, pg: PgId, at: Place) -> Result<bool> {
        let key = key::group_tomb(pg.0);
        match self.tomb(&key)? {
            Some(tomb) if tomb.at != at => Ok(false),
            None => Ok(false),
            Some(tomb) if !tomb.swept => Ok(true),
            Some(tomb) if self.has_victim(&key::group_deads(pg.0), tomb.epoch, at.segment)? => Ok(true),
            Some(_) => {
                self.delete(key);
                Ok(false)
            }
        }
    }

    fn has_victim(&self, prefix: &[u8], epoch: u64, but: u64) -> Result<bool> {
        let mut found = false;
        self.index.scan(prefix, prefix, |key, value| {
            let elsewhere = key::place_of(key).is_some_and(|at| at.segment != but);
            found = elsewhere && Dead::decode(value).is_none_or(|dead| dead.epoch <= epoch);
            if found { Step::Stop } else { Step::Next }
        })?;
        Ok(found)
    }

    /// The payload of a dead record was punched.
    pub(super) fn punched(&mut self, chunk: ChunkId, at: Place) -> Result<()> {
        let key = key::dead(chunk, at);
        let dead = self.get(&key)?.and_then(|value| Dead::decode(&value));
        if let Some(dead) = dead.filter(|dead| !dead.punched) {
            self.delta(at.segment).punched_bytes += Shape::of(dead.payload_bytes).punchable().1 as i64;
            self.put(key, Dead { punched: true, ..dead }.encode());
        }
        Ok(())
    }

    /// The segment is gone, and with it these dead records.
    pub(super) fn forget(&mut self, segment: u64, dead: &[(ChunkId, Place)]) {
        for (chunk, at) in dead {
            self.delete(key::dead(*chunk, *at));
        }
        self.deltas.remove(&segment);
        self.delete(key::segment(segment));
    }

    /// Everything as one batch, with accounting as `stat` gives it and the position of the log behind it.
    pub(super) fn into_batch(
        self,
        position: Position,
        stat: impl Fn(u64) -> Option<SegmentStat>,
    ) -> WriteBatch {
        let mut batch = WriteBatch::default();
        for (segment, delta) in &self.deltas {
            if let Some(stat) = stat(*segment) {
                batch.put(key::segment(*segment), delta.applied(stat).encode());
            }
        }
        for (key, value) in self.overlay {
            match value {
                Some(value) => batch.put(key, value),
                None => batch.delete(key),
            }
        }
        batch.put(key::POSITION, position.encode());
        batch
    }
}
