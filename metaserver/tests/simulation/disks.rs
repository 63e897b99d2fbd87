//! Disks in memory, and the rules by which a chunkserver keeps records on them.

use std::collections::BTreeMap;

use holdfast_proto::status::{Code, Status};

/// A replica or shard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Record {
    /// Of the group, when it was stored.
    pub(crate) epoch: u64,
    pub(crate) shard: u32,
    pub(crate) bytes: u64,
    /// Its bytes are those that were written.
    pub(crate) good: bool,
}

/// One life of a disk.
#[derive(Clone, Debug, Default)]
pub(crate) struct SimDisk {
    pub(crate) node: u64,
    pub(crate) capacity: u64,
    pub(crate) records: BTreeMap<(u32, u64), Record>,
    /// Every byte on it is gone.
    pub(crate) destroyed: bool,
    /// Groups dropped on it, with the epoch of the order.
    dropped: BTreeMap<u32, u64>,
}

impl SimDisk {
    pub(crate) fn new(node: u64, capacity: u64) -> Self {
        Self { node, capacity, ..Self::default() }
    }

    pub(crate) fn used(&self) -> u64 {
        self.records.values().map(|record| record.bytes).sum()
    }

    pub(crate) fn is_full(&self) -> bool {
        self.used() * 100 >= self.capacity * 95
    }

    pub(crate) fn check(&self) -> Result<(), Status> {
        match self.destroyed {
            true => Err(Status::new(Code::DiskFailed, "the disk failed")),
            false => Ok(()),
        }
    }

    /// Stores a record. One that is there and good stays.
    pub(crate) fn put(&mut self, pg: u32, number: u64, record: Record) -> Result<(), Status> {
        self.check()?;
        if self.dropped.get(&pg).is_some_and(|dropped| *dropped >= record.epoch) {
            return Err(Status::new(Code::StaleMap, "the group was dropped here since"));
        }
        self.records.insert((pg, number), record);
        Ok(())
    }

    pub(crate) fn drop_group(&mut self, pg: u32, epoch: u64) -> u64 {
        let before = self.records.len();
        self.records.retain(|(of, _), record| *of != pg || record.epoch > epoch);
        let dropped = self.dropped.entry(pg).or_default();
        *dropped = epoch.max(*dropped);
        (before - self.records.len()) as u64
    }

    pub(crate) fn delete(&mut self, pg: u32, numbers: &[u64]) -> u64 {
        numbers.iter().filter(|number| self.records.remove(&(pg, **number)).is_some()).count() as u64
    }
}
