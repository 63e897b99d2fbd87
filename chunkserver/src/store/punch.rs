//! Giving back the room of large dead records at once, by punching holes; and burying deleted groups.
//!
//! What always holds: a record is punched only when the index on the disk has stopped pointing to it and nobody reads
//! it any more; its first 4 KiB with the header stay.

use std::collections::BTreeSet;

use super::Store;
use super::entry::{Dead, key};
use super::index::Step;
use super::op::Op;
use crate::error::StoreError;
use crate::format::Shape;
use holdfast_proto::ids::PgId;

/// Records buried in one step.
const SWEEP_STEP: usize = 1000;

impl Store {
    /// Punches what died since the last call. Returns bytes given back.
    pub fn punch_dead(&self) -> Result<u64, StoreError> {
        let shared = &self.shared;
        shared.health.check()?;
        let dead = std::mem::take(&mut *shared.to_punch.lock());
        if dead.is_empty() {
            return Ok(0);
        }
        self.checkpoint()?;
        shared.gate.wait_for_readers();
        let mut bytes = 0;
        let mut touched = BTreeSet::new();
        let mut punched = Vec::new();
        for (chunk, at, payload_bytes) in dead {
            // Gone with its segment in the meantime: nothing left to punch.
            let Some(segment) = shared.segments.get(at.segment) else { continue };
            let (from, length) = Shape::of(payload_bytes).punchable();
            let done = shared.segments.file(&segment).and_then(|file| file.punch(at.offset + from, length));
            done.map_err(|error| shared.health.fail(&format!("punch a hole: {error}")))?;
            touched.insert(at.segment);
            punched.push((chunk, at));
            bytes += length;
        }
        for number in touched {
            if let Some(segment) = shared.segments.get(number) {
                let done = shared.segments.file(&segment).and_then(|file| file.sync());
                done.map_err(|error| shared.health.fail(&format!("sync after punching: {error}")))?;
            }
        }
        self.ask(|answer| Op::Punched { dead: punched, answer })?;
        self.reconsider()?;
        Ok(bytes)
    }

    /// After a start: finds dead records that were not punched yet.
    pub fn find_unpunched(&self) -> Result<(), StoreError> {
        let shared = &self.shared;
        let mut found = Vec::new();
        let scanned = shared.index.scan(b"d", b"d", |key, value| {
            if let (Some(chunk), Some(at), Some(dead)) =
                (key::chunk_of(key), key::place_of(key), Dead::decode(value))
                && !dead.punched
            {
                found.push((chunk, at, dead.payload_bytes));
            }
            if found.len() < super::MOST_TO_PUNCH { Step::Next } else { Step::Stop }
        });
        scanned.map_err(|error| shared.index_failed(&error))?;
        shared.records_died(found);
        Ok(())
    }

    /// Buries the records of groups that were deleted whole, one step per call. Returns whether there is more to do.
    pub fn sweep_groups(&self) -> Result<bool, StoreError> {
        let Some((pg, epoch)) =
            self.shared.group_tombs.read().first_key_value().map(|(pg, epoch)| (*pg, *epoch))
        else {
            return Ok(false);
        };
        if self.ask(|answer| Op::Sweep { pg: PgId(pg), most: SWEEP_STEP, answer })? {
            let mut tombs = self.shared.group_tombs.write();
            // A later tombstone that came meanwhile has its own sweep.
            if tombs.get(&pg) == Some(&epoch) {
                tombs.remove(&pg);
            }
        }
        Ok(true)
    }
}
