//! What a disk has: page by page, in order of chunk number.

use holdfast_proto::ids::ChunkId;

use super::Store;
use super::entry::{Entry, key};
use super::index::{Cached, Step};
use crate::error::StoreError;

/// One record of a group, or one group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record {
    /// Chunk number, or group id.
    pub number: u64,
    /// Placement epoch (0 for a group).
    pub epoch: u64,
    /// Payload bytes (0 for a group).
    pub bytes: u64,
    /// Shard index.
    pub shard: u32,
}

/// A page.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listing {
    /// Entries in order.
    pub entries: Vec<Record>,
    /// There are more behind them.
    pub more: bool,
}

impl Store {
    /// Records of a group behind number `after` (`None`: from the first), at most `most`.
    pub fn list(&self, pg: u32, after: Option<u64>, most: usize) -> Result<Listing, StoreError> {
        let mut page = Listing::default();
        let prefix = key::records(pg);
        let from = match after {
            None => prefix.clone(),
            Some(u64::MAX) => return Ok(page),
            Some(after) => key::record(ChunkId::new(pg, after + 1)),
        };
        let shared = &self.shared;
        let scanned = shared.index.scan(&prefix, &from, |key, value| {
            let (Some(chunk), Some(entry)) = (key::chunk_of(key), Entry::decode(value)) else {
                return Step::Next;
            };
            if shared.is_group_dead(pg, entry.epoch) {
                return Step::Next;
            }
            if page.entries.len() >= most {
                page.more = true;
                return Step::Stop;
            }
            let Entry { epoch, payload_bytes, shard, .. } = entry;
            page.entries.push(Record { number: chunk.number.0, epoch, bytes: payload_bytes, shard });
            Step::Next
        });
        scanned.map_err(|error| shared.index_failed(&error))?;
        Ok(page)
    }

    /// Groups of which there are records, behind group `after`.
    pub fn list_groups(&self, after: u32, most: usize) -> Result<Listing, StoreError> {
        let mut page = Listing::default();
        let Some(first) = after.checked_add(1) else { return Ok(page) };
        let shared = &self.shared;
        let scanned = shared.index.scan(b"r", &key::records(first), |key, value| {
            let (Some(chunk), Some(entry)) = (key::chunk_of(key), Entry::decode(value)) else {
                return Step::Next;
            };
            let pg = chunk.pg.0;
            if shared.is_group_dead(pg, entry.epoch) {
                return Step::Next;
            }
            if page.entries.len() >= most {
                page.more = true;
                return Step::Stop;
            }
            page.entries.push(Record { number: u64::from(pg), epoch: 0, bytes: 0, shard: 0 });
            pg.checked_add(1).map_or(Step::Stop, |next| Step::Seek(key::records(next)))
        });
        scanned.map_err(|error| shared.index_failed(&error))?;
        Ok(page)
    }

    /// Payload bytes of a record, if that is known without waiting for the disk; 0: it is not here.
    pub fn known_bytes(&self, chunk: ChunkId) -> Result<Option<u64>, StoreError> {
        let shared = &self.shared;
        match shared.index.get_cached(&key::record(chunk)).map_err(|error| shared.index_failed(&error))? {
            Cached::Known(value) => {
                Ok(Some(value.and_then(|value| Entry::decode(&value)).map_or(0, |entry| entry.payload_bytes)))
            }
            Cached::OnDisk => Ok(None),
        }
    }

    /// The epoch and length of a record, if it is there.
    pub fn find(&self, chunk: ChunkId) -> Result<Option<Record>, StoreError> {
        let entry = self.shared.entry(chunk)?;
        let entry = entry.filter(|entry| !self.shared.is_group_dead(chunk.pg.0, entry.epoch));
        Ok(entry.map(|entry| Record {
            number: chunk.number.0,
            epoch: entry.epoch,
            bytes: entry.payload_bytes,
            shard: entry.shard,
        }))
    }
}
