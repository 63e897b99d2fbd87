//! The writer of one disk: one thread, one bounded queue, group commit.
//!
//! Each turn does, and a crash right after a step leaves:
//! 1. **Gather** what waits in the queue. Nothing is on the disk.
//! 2. **Decide** each request against the index and the turn's own changes: refusals, duplicates. Nothing is on disk.
//! 3. **Reserve** room in the active segment, making a new segment when it is full. An empty segment, which
//!    recovery finds blank and appends to.
//! 4. **One vectored write** of all records. Some of the sectors, in any order; recovery checks the records of the
//!    last commit byte by byte, voids the torn ones, cuts the tail.
//! 5. **One fdatasync**. Whole records that nobody was told of; recovery keeps them, the retry finds them.
//! 6. **Index**, one batch with the new position. Nothing more: the index is not synced, recovery replays.
//! 7. **Answer** everybody.
//!
//! A failure of 3 (other than no room), 4, 5 or 6, or a panic, fails the disk for good: everybody waiting gets an
//! error, nothing is retried.
//!
//! Zeros ahead: small commits write up to 1 MiB of zeros behind themselves, so that the next ones overwrite blocks
//! that the file system has already mapped and fdatasync has no journal to commit (190 µs instead of 250 µs for 8 KiB,
//! 230 instead of 310 µs for 64 KiB, on ext4 over virtio). Large commits go to preallocated blocks: zeros
//! would double what they write. Commits of bulk data go past the page cache.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use holdfast_proto::ids::{ChunkId, PgId};
use holdfast_support::crc::{block_crcs, crc32c};
use tokio::sync::mpsc;

use super::Shared;
use super::changes::Changes;
use super::entry::{Entry, Place, Position};
use super::full::Purpose;
use super::op::{Op, Pending, Put, Stored};
use super::segments::Segment;
use crate::disk::File;
use crate::error::StoreError;
use crate::format::record::{Kind, RecordHeader};
use crate::format::{ALIGN, MAX_PAYLOAD_BYTES, Shape, tombstone};

/// Most requests in one turn.
const MOST_OPS: usize = 2048;
/// Commits smaller than this write zeros ahead.
const SMALL_COMMIT: u64 = 256 << 10;
/// How far ahead.
const ZERO_AHEAD: u64 = 1 << 20;
static ZEROS: [u8; ZERO_AHEAD as usize] = [0; ZERO_AHEAD as usize];

/// A record that waits to be written.
struct Staged {
    head: Vec<u8>,
    payload: Bytes,
    padding: usize,
}

/// The segment being appended to.
pub(super) struct Active {
    pub(super) segment: Arc<Segment>,
    pub(super) file: Arc<dyn File>,
    pub(super) salt: u64,
    pub(super) end: u64,
    pub(super) length: u64,
    /// Blocks up to here were written before (with zeros, if nothing else).
    pub(super) zeroed: u64,
}

/// The writer's own state.
pub(super) struct Writer {
    pub(super) shared: Arc<Shared>,
    pub(super) active: Option<Active>,
    pub(super) next_append: u64,
    /// Bytes and entries since the last index flush.
    since_flush: (u64, u64),
}

/// What one commit is made of.
struct Turn<'i> {
    changes: Changes<'i>,
    staged: Vec<Staged>,
    staged_bytes: u64,
    /// The first append of this commit: everything below is durable.
    stable: u64,
    pending: Vec<Pending>,
}

impl Writer {
    pub(super) fn new(shared: Arc<Shared>, active: Option<Active>, next_append: u64) -> Self {
        Self { shared, active, next_append, since_flush: (0, 0) }
    }

    /// Runs until the queue is closed, told to stop, or the disk has failed.
    pub(super) fn run(mut self, mut queue: mpsc::Receiver<Op>) {
        let shared = self.shared.clone();
        let turns = std::panic::AssertUnwindSafe(|| self.turns(&mut queue));
        if std::panic::catch_unwind(turns).is_err() {
            shared.health.fail(super::PANICKED);
        }
        queue.close();
        // Senders dropped with their requests tell the rest that nobody will answer.
        while let Ok(op) = queue.try_recv() {
            shared.metrics.taken(op.bytes());
        }
    }

    fn turns(&mut self, queue: &mut mpsc::Receiver<Op>) {
        while let Some(first) = queue.blocking_recv() {
            let mut bytes = first.bytes();
            self.shared.metrics.taken(bytes);
            let mut ops = vec![first];
            while ops.len() < MOST_OPS && bytes < self.shared.config.batch_bytes {
                let Ok(op) = queue.try_recv() else { break };
                self.shared.metrics.taken(op.bytes());
                bytes += op.bytes();
                ops.push(op);
            }
            let stop = ops.iter().any(|op| matches!(op, Op::Stop));
            let shared = self.shared.clone();
            let mut turn = self.begin(&shared);
            for op in ops {
                self.decide(&shared, &mut turn, op);
            }
            self.commit(&shared, turn);
            if stop || shared.health.failed() {
                return;
            }
        }
    }

    fn begin<'i>(&self, shared: &'i Shared) -> Turn<'i> {
        Turn {
            changes: Changes::new(&shared.index),
            staged: Vec::new(),
            staged_bytes: 0,
            stable: self.next_append,
            pending: Vec::new(),
        }
    }

    /// Step 2 for one request.
    fn decide<'i>(&mut self, shared: &'i Shared, turn: &mut Turn<'i>, op: Op) {
        let failed = shared.health.check().err();
        match op {
            Op::Put(put, answer) => {
                let result = failed.map_or_else(|| self.put(shared, turn, *put), Err);
                turn.pending.push(Pending::Stored(answer, result));
            }
            Op::Tombstones { pg, epoch, numbers, answer } => {
                let result = failed.map_or_else(|| self.tombstones(shared, turn, pg, epoch, numbers), Err);
                turn.pending.push(Pending::Count(answer, result));
            }
            Op::GroupTombstone { pg, epoch, answer } => {
                let result = failed.map_or_else(|| self.group_tombstone(shared, turn, pg, epoch), Err);
                turn.pending.push(Pending::Done(answer, result));
            }
            Op::Sweep { pg, most, answer } => {
                self.flush_turn(shared, turn);
                let result = turn.changes.sweep(pg.0, most).map_err(|error| shared.index_failed(&error));
                turn.pending.push(Pending::Flag(answer, result));
            }
            Op::Relocate { from, header, table, payload, answer } => {
                let result =
                    failed.map_or_else(|| self.relocate(shared, turn, from, &header, &table, payload), Err);
                turn.pending.push(Pending::Flag(answer, result));
            }
            Op::Carry { from, header, numbers, answer } => {
                self.flush_turn(shared, turn);
                let result = failed.map_or_else(|| self.carry(shared, turn, from, &header, &numbers), Err);
                turn.pending.push(Pending::Done(answer, result));
            }
            Op::Punched { dead, answer } => {
                let all = dead.iter().try_for_each(|(chunk, at)| turn.changes.punched(*chunk, *at));
                let result = all.map_err(|error| shared.index_failed(&error));
                turn.pending.push(Pending::Done(answer, result));
            }
            Op::Forget { segment, dead, answer } => {
                turn.changes.forget(segment, &dead);
                turn.pending.push(Pending::Done(answer, Ok(())));
            }
            Op::Stop => {}
        }
    }

    fn put<'i>(&mut self, shared: &'i Shared, turn: &mut Turn<'i>, put: Put) -> Result<Stored, StoreError> {
        if put.payload.len() as u64 > MAX_PAYLOAD_BYTES {
            return Err(StoreError::Invalid(format!("a record holds at most {MAX_PAYLOAD_BYTES} bytes")));
        }
        let bad = |error: rocksdb::Error| shared.index_failed(&error);
        let mut epoch = put.epoch;
        let deleted = turn.changes.deleted_under(put.chunk).map_err(bad)?;
        if let Some(tomb) = deleted.filter(|tomb| *tomb >= epoch) {
            return Err(StoreError::Deleted { chunk: put.chunk, epoch: tomb });
        }
        let old = turn.changes.entry(put.chunk).map_err(bad)?;
        if let Some(old) = old.filter(|old| deleted.is_none_or(|tomb| tomb < old.epoch)) {
            if put.force {
                epoch = epoch.max(old.epoch);
            } else if !self.same(shared, turn, &old, &put)? {
                return Err(StoreError::Conflict(put.chunk));
            } else if old.epoch >= put.joined {
                return Ok(Stored::Already);
            } else {
                epoch = epoch.max(old.epoch);
            }
        }
        let header = RecordHeader {
            kind: Kind::Chunk,
            chunk: put.chunk,
            shard: put.shard,
            payload_bytes: put.payload.len() as u64,
            chunk_bytes: put.chunk_bytes,
            epoch,
            sequence: 0,
            append: 0,
            stable: 0,
            salt: 0,
            offset: 0,
            blake3: put.blake3,
            table_crc: crc32c(&put.table),
        };
        let purpose = if put.force { Purpose::Repair } else { Purpose::NewChunk };
        let (header, at) = self.stage(shared, turn, header, &put.table, put.payload, purpose, true)?;
        turn.changes.chunk(&header, at, &put.table).map_err(bad)?;
        Ok(Stored::New)
    }

    /// Whether what is there is what is offered.
    fn same<'i>(
        &mut self,
        shared: &'i Shared,
        turn: &mut Turn<'i>,
        old: &Entry,
        put: &Put,
    ) -> Result<bool, StoreError> {
        let alike = old.payload_bytes == put.payload.len() as u64
            && old.chunk_bytes == put.chunk_bytes
            && old.shard == put.shard
            && old.table_crc == crc32c(&put.table);
        if !alike {
            return Ok(false);
        }
        if let (Some(old), Some(new)) = (old.blake3, put.blake3) {
            return Ok(old == new);
        }
        if old.table.len() as u64 == Shape::of(old.payload_bytes).table_bytes {
            return Ok(old.table[..] == put.table[..]);
        }
        // One side does not know its BLAKE3: compare every block's checksum. It has to be on the disk for that.
        self.flush_turn(shared, turn);
        shared.health.check()?;
        Ok(super::read::read_table(shared, put.chunk, old, old.payload_bytes)? == put.table[..])
    }

    fn tombstones<'i>(
        &mut self,
        shared: &'i Shared,
        turn: &mut Turn<'i>,
        pg: PgId,
        epoch: u64,
        numbers: Vec<u64>,
    ) -> Result<u64, StoreError> {
        let mut victims = Vec::new();
        for number in numbers {
            let entry = turn.changes.entry(ChunkId::new(pg.0, number));
            let entry = entry.map_err(|error| shared.index_failed(&error))?;
            if entry.is_some_and(|entry| entry.epoch <= epoch) {
                victims.push(number);
            }
        }
        victims.sort_unstable();
        victims.dedup();
        // What is not here needs no tombstone; an earlier delete of the same turn is durable before the answer.
        if victims.is_empty() {
            return Ok(0);
        }
        self.write_tombstones(shared, turn, pg, epoch, &victims)
    }

    fn write_tombstones<'i>(
        &mut self,
        shared: &'i Shared,
        turn: &mut Turn<'i>,
        pg: PgId,
        epoch: u64,
        numbers: &[u64],
    ) -> Result<u64, StoreError> {
        let payload = tombstone::encode(numbers);
        let table = block_crcs(&payload);
        let header = order_header(Kind::Tombstones, pg, epoch, payload.len() as u64, crc32c(&table));
        let (_, at) = self.stage(shared, turn, header, &table, payload.into(), Purpose::Upkeep, true)?;
        turn.changes.tombstones(pg, epoch, numbers, at).map_err(|error| shared.index_failed(&error))
    }

    fn group_tombstone<'i>(
        &mut self,
        shared: &'i Shared,
        turn: &mut Turn<'i>,
        pg: PgId,
        epoch: u64,
    ) -> Result<(), StoreError> {
        let header = order_header(Kind::GroupTombstone, pg, epoch, 0, crc32c(&[]));
        let (_, at) = self.stage(shared, turn, header, &[], Bytes::new(), Purpose::Upkeep, true)?;
        turn.changes.group_tombstone(pg, epoch, at).map_err(|error| shared.index_failed(&error))
    }

    fn relocate<'i>(
        &mut self,
        shared: &'i Shared,
        turn: &mut Turn<'i>,
        from: Place,
        header: &RecordHeader,
        table: &[u8],
        payload: Bytes,
    ) -> Result<bool, StoreError> {
        let bad = |error: rocksdb::Error| shared.index_failed(&error);
        let live = turn.changes.entry(header.chunk).map_err(bad)?.is_some_and(|entry| entry.at == from);
        let killed =
            turn.changes.deleted_under(header.chunk).map_err(bad)?.is_some_and(|epoch| epoch >= header.epoch);
        if !live || killed {
            return Ok(false);
        }
        let (header, at) = self.stage(shared, turn, *header, table, payload, Purpose::Upkeep, false)?;
        turn.changes.chunk(&header, at, table).map_err(bad)?;
        Ok(true)
    }

    fn carry<'i>(
        &mut self,
        shared: &'i Shared,
        turn: &mut Turn<'i>,
        from: Place,
        header: &RecordHeader,
        numbers: &[u64],
    ) -> Result<(), StoreError> {
        let (pg, bad) = (header.chunk.pg, |error: rocksdb::Error| shared.index_failed(&error));
        if header.kind == Kind::GroupTombstone {
            if turn.changes.group_still_needed(pg, from).map_err(bad)? {
                self.group_tombstone(shared, turn, pg, header.epoch)?;
            }
            return Ok(());
        }
        let needed = turn.changes.still_needed(pg, numbers, from).map_err(bad)?;
        if !needed.is_empty() {
            self.write_tombstones(shared, turn, pg, header.epoch, &needed)?;
        }
        Ok(())
    }

    /// Step 3 for one record: gives it its place and keeps it for the write.
    #[expect(clippy::too_many_arguments, reason = "one record's parts, from five callers in this file")]
    fn stage<'i>(
        &mut self,
        shared: &'i Shared,
        turn: &mut Turn<'i>,
        mut header: RecordHeader,
        table: &[u8],
        payload: Bytes,
        purpose: Purpose,
        first_writing: bool,
    ) -> Result<(RecordHeader, Place), StoreError> {
        let shape = header.shape();
        if shape.table_bytes != table.len() as u64 || header.payload_bytes != payload.len() as u64 {
            return Err(StoreError::Invalid("block checksums do not fit the payload".into()));
        }
        if !shared.reserve.admits(purpose) {
            return Err(StoreError::Full);
        }
        if self.active.as_ref().is_none_or(|active| active.end + shape.record_bytes > active.length) {
            // A commit never spans two segments: so only the last segment can hold torn records.
            self.flush_turn(shared, turn);
            shared.health.check()?;
            self.roll(shape.record_bytes, purpose)?;
        }
        let Some(active) = self.active.as_mut() else { return Err(StoreError::Full) };
        header.append = self.next_append;
        if first_writing {
            header.sequence = header.append;
        }
        self.next_append += 1;
        header.stable = turn.stable;
        header.salt = active.salt;
        header.offset = active.end;
        let at = Place { segment: active.segment.number, offset: active.end };
        active.end += shape.record_bytes;
        turn.staged_bytes += shape.record_bytes;
        turn.staged.push(staged(&header, &shape, table, payload));
        Ok((header, at))
    }

    /// Commits what the turn has so far and goes on with a fresh one.
    fn flush_turn<'i>(&mut self, shared: &'i Shared, turn: &mut Turn<'i>) {
        if turn.staged.is_empty() && turn.changes.is_empty() {
            return;
        }
        let fresh = self.begin(shared);
        let full = std::mem::replace(turn, fresh);
        self.commit(shared, full);
    }

    /// Steps 4 to 7.
    fn commit(&mut self, shared: &Shared, turn: Turn<'_>) {
        let Turn { changes, staged, staged_bytes, pending, .. } = turn;
        let failure =
            self.make_durable(shared, &staged, staged_bytes).and_then(|()| self.publish(shared, changes));
        let failure = failure.err();
        self.since_flush.0 += staged_bytes;
        for answer in pending {
            answer.send(failure.as_ref());
        }
        self.checkpoint(shared);
    }

    /// Steps 4 and 5.
    fn make_durable(&mut self, shared: &Shared, staged: &[Staged], bytes: u64) -> Result<(), StoreError> {
        shared.health.check()?;
        let Some(active) = self.active.as_mut().filter(|_| !staged.is_empty()) else { return Ok(()) };
        let begun = Instant::now();
        let _under_way = shared.metrics.commit_begins();
        let mut parts: Vec<&[u8]> = Vec::with_capacity(staged.len() * 3 + 1);
        for record in staged {
            parts.push(&record.head);
            parts.push(&record.payload);
            parts.push(ZEROS.get(..record.padding).unwrap_or_default());
        }
        if bytes < SMALL_COMMIT && active.end > active.zeroed {
            let ahead = ZERO_AHEAD.min(active.length - active.end);
            parts.push(ZEROS.get(..ahead as usize).unwrap_or_default());
            active.zeroed = active.end + ahead;
        }
        parts.retain(|part| !part.is_empty());
        let bulk = shared.config.uncache_bytes;
        let large = bulk > 0 && bytes / staged.len() as u64 >= bulk;
        let at = active.end - bytes;
        let written =
            if large { active.file.write_direct(at, &parts) } else { active.file.write_at(at, &parts) };
        if let Err(error) = written.and_then(|()| active.file.sync()) {
            return Err(shared.health.fail(&format!("write to the log: {error}")));
        }
        if large {
            // Where it had to go through the cache after all.
            active.file.uncache(at, bytes);
        }
        active.segment.end.store(active.end, std::sync::atomic::Ordering::Relaxed);
        shared.metrics.committed(staged.len(), bytes, begun.elapsed());
        Ok(())
    }

    /// Step 6.
    fn publish(&mut self, shared: &Shared, mut changes: Changes<'_>) -> Result<(), StoreError> {
        if changes.is_empty() {
            return Ok(());
        }
        let Some(at) = self.position(shared) else { return Ok(()) };
        self.since_flush.1 += changes.len() as u64;
        let deltas = std::mem::take(&mut changes.deltas);
        let died = std::mem::take(&mut changes.died);
        let tombs = std::mem::take(&mut changes.group_tombs);
        // Readers see a deleted group as gone from here on, before its records are buried one by one.
        shared.group_died(&tombs);
        changes.deltas.clone_from(&deltas);
        let stat = |number| shared.segments.get(number).map(|segment| *segment.stat.lock());
        let position = Position { at, next_append: self.next_append };
        if let Err(error) = shared.index.write(changes.into_batch(position, stat)) {
            return Err(shared.index_failed(&error));
        }
        for (number, delta) in deltas {
            if let Some(segment) = shared.segments.get(number) {
                let mut stat = segment.stat.lock();
                *stat = delta.applied(*stat);
            }
        }
        shared.records_died(died);
        Ok(())
    }

    /// The position of the log behind this commit.
    fn position(&self, shared: &Shared) -> Option<Place> {
        match &self.active {
            Some(active) => Some(Place { segment: active.segment.number, offset: active.end }),
            // Nothing was appended since the start: the log ends where recovery left it.
            None => shared.segments.last().map(|segment| Place {
                segment: segment.number,
                offset: segment.end.load(std::sync::atomic::Ordering::Relaxed),
            }),
        }
    }

    fn checkpoint(&mut self, shared: &Shared) {
        let config = &shared.config;
        if self.since_flush.0 < config.checkpoint_bytes && self.since_flush.1 < config.checkpoint_entries {
            return;
        }
        self.since_flush = (0, 0);
        if let Err(error) = shared.index.start_flush() {
            shared.index_failed(&error);
        }
    }
}

fn order_header(kind: Kind, pg: PgId, epoch: u64, payload_bytes: u64, table_crc: u32) -> RecordHeader {
    RecordHeader {
        kind,
        chunk: ChunkId::new(pg.0, 0),
        shard: 0,
        payload_bytes,
        chunk_bytes: 0,
        epoch,
        sequence: 0,
        append: 0,
        stable: 0,
        salt: 0,
        offset: 0,
        blake3: None,
        table_crc,
    }
}

/// Lays a record out for the write; the payload is not copied unless it lies in the head's own block.
fn staged(header: &RecordHeader, shape: &Shape, table: &[u8], payload: Bytes) -> Staged {
    let mut head = Vec::with_capacity(shape.payload_at.max(ALIGN) as usize);
    head.extend_from_slice(&header.encode());
    head.extend_from_slice(table);
    if shape.record_bytes == ALIGN {
        head.extend_from_slice(&payload);
        head.resize(ALIGN as usize, 0);
        return Staged { head, payload: Bytes::new(), padding: 0 };
    }
    head.resize(shape.payload_at as usize, 0);
    let padding = (shape.record_bytes - shape.payload_at) as usize - payload.len();
    Staged { head, payload, padding }
}
