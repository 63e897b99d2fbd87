//! The store against a model, and against disks that misbehave.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests may")]

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use common::{Model, content, delete, get, open, put_of, scratch, small};
use holdfast_chunkserver::disk::mem::{MemDisk, Operation};
use holdfast_chunkserver::error::StoreError;
use holdfast_chunkserver::store::scrub::Verdict;
use holdfast_chunkserver::store::{ReadWhat, Store, Stored};
use holdfast_proto::ids::{ChunkId, PgId};
use proptest::prelude::*;

fn compact_all(store: &Store) {
    while let Some(segment) = store.compaction_candidate() {
        store.compact(segment, |_| {}).unwrap();
    }
}

#[derive(Clone, Debug)]
enum Step {
    Put { pg: u32, number: u64, seed: u64, length: usize, force: bool },
    Delete { pg: u32, numbers: Vec<u64> },
    LeaveGroup { pg: u32 },
    NextEpoch,
    Sweep,
    Punch,
    Compact,
    Checkpoint,
    Reopen { lose_index: bool },
}

fn any_step() -> impl Strategy<Value = Step> {
    let pg = 1u32..4;
    prop_oneof![
        8 => (pg.clone(), 0u64..12, 0u64..2, 0usize..40_000, prop::bool::weighted(0.2))
            .prop_map(|(pg, number, seed, length, force)| Step::Put { pg, number, seed, length, force }),
        4 => (pg.clone(), prop::collection::vec(0u64..12, 0..5))
            .prop_map(|(pg, numbers)| Step::Delete { pg, numbers }),
        1 => pg.prop_map(|pg| Step::LeaveGroup { pg }),
        2 => Just(Step::NextEpoch),
        1 => Just(Step::Sweep),
        1 => Just(Step::Punch),
        2 => Just(Step::Compact),
        1 => Just(Step::Checkpoint),
        2 => any::<bool>().prop_map(|lose_index| Step::Reopen { lose_index }),
    ]
}

/// What the store should hold: chunk -> (epoch, bytes), and the epochs of deletes (which only refuse, never revive).
#[derive(Default)]
struct Truth {
    live: std::collections::BTreeMap<(u32, u64), bytes::Bytes>,
    deleted: std::collections::BTreeMap<(u32, u64), u64>,
    left: std::collections::BTreeMap<u32, u64>,
    epoch: u64,
}

impl Truth {
    fn put(&mut self, store: &Store, key: (u32, u64), seed: u64, length: usize, force: bool) {
        let bytes = content(seed + key.1 * 7, length);
        let mut put = put_of(key.0, key.1, self.epoch, &bytes);
        put.joined = 0;
        put.force = force;
        let result = store.put_blocking(put);
        let tomb = self.deleted.get(&key).max(self.left.get(&key.0)).copied();
        match (self.live.get(&key), result) {
            (None, Ok(Stored::New)) => {
                self.live.insert(key, bytes);
            }
            // A tombstone may be forgotten once nothing is left that it kills.
            (None, Err(StoreError::Deleted { epoch, .. })) => {
                assert!(Some(epoch) <= tomb && epoch >= self.epoch, "{key:?}");
            }
            (Some(old), Ok(Stored::Already)) => assert!(!force && *old == bytes),
            (Some(old), Err(StoreError::Conflict(_))) => assert!(!force && *old != bytes),
            (Some(_), Ok(Stored::New)) => {
                assert!(force);
                self.live.insert(key, bytes);
            }
            (old, result) => panic!("{key:?}: {:?} there, {result:?}", old.map(bytes::Bytes::len)),
        }
    }

    fn check(&self, store: &Store) {
        for pg in 1..4 {
            for number in 0..12 {
                match (self.live.get(&(pg, number)), get(store, pg, number)) {
                    (Some(bytes), Ok(found)) => assert!(*bytes == found, "pg{pg}/{number}"),
                    (None, Err(StoreError::NotFound(_))) => {}
                    (there, found) => panic!("pg{pg}/{number}: there: {}, found {found:?}", there.is_some()),
                }
            }
            let listed: Vec<u64> =
                store.list(pg, None, 100).unwrap().entries.iter().map(|r| r.number).collect();
            let expected: Vec<u64> = self.live.keys().filter(|key| key.0 == pg).map(|key| key.1).collect();
            assert_eq!(listed, expected);
        }
        let records = store.usage().records;
        assert!(records >= self.live.len() as u64, "{records} records, {} live", self.live.len());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn agrees_with_a_map(steps in prop::collection::vec(any_step(), 1..60), short: bool) {
        let disk = MemDisk::new(16 << 20);
        disk.short_reads(short);
        let mut dir = scratch();
        let mut store = open(&disk, &dir.path().join("index"), small()).unwrap().0;
        let mut truth = Truth { epoch: 1, ..Truth::default() };
        for step in steps {
            match step {
                Step::Put { pg, number, seed, length, force } => {
                    truth.put(&store, (pg, number), seed, length, force);
                }
                Step::Delete { pg, numbers } => {
                    store.delete_blocking(PgId(pg), truth.epoch, numbers.clone()).unwrap();
                    for number in numbers {
                        truth.live.remove(&(pg, number));
                        truth.deleted.insert((pg, number), truth.epoch);
                    }
                }
                Step::LeaveGroup { pg } => {
                    store.delete_group_blocking(PgId(pg), truth.epoch).unwrap();
                    truth.live.retain(|key, _| key.0 != pg);
                    truth.left.insert(pg, truth.epoch);
                }
                Step::NextEpoch => truth.epoch += 1,
                Step::Sweep => while store.sweep_groups().unwrap() {},
                Step::Punch => { store.punch_dead().unwrap(); }
                Step::Compact => compact_all(&store),
                Step::Checkpoint => store.checkpoint().unwrap(),
                Step::Reopen { lose_index } => {
                    store.close();
                    drop(store);
                    if lose_index {
                        dir = scratch();
                    }
                    let (again, recovered) = open(&disk, &dir.path().join("index"), small()).unwrap();
                    prop_assert!(recovered.skipped.is_empty() && recovered.torn == 0, "{:?}", recovered);
                    store = again;
                }
            }
            truth.check(&store);
        }
    }

    /// A flipped bit anywhere: the store opens, gives right bytes or says that they are damaged or not there, and every
    /// record that the flip did not hit is there.
    #[test]
    fn a_flipped_bit_costs_at_most_its_record(seed: u64, lose_index: bool) {
        let disk = MemDisk::new(4 << 20);
        let dir = scratch();
        let index = dir.path().join("index");
        let (store, _) = open(&disk, &index, small()).unwrap();
        for number in 0..12 {
            store.put_blocking(put_of(1, number, 1, &content(number, 9_000))).unwrap();
        }
        store.delete_blocking(PgId(1), 1, vec![11]).unwrap();
        store.close();
        drop(store);
        let name = format!("{:016x}.seg", 1 + seed % 2);
        let length = disk.bytes(&name).unwrap().len() as u64;
        disk.flip(&name, (seed >> 1) % (length * 8));
        let lost = scratch();
        let index = if lose_index { lost.path().join("index") } else { index };
        let (store, _) = open(&disk, &index, small()).unwrap();
        let mut bad = 0;
        for number in 0..11 {
            match get(&store, 1, number) {
                Ok(bytes) => prop_assert_eq!(bytes, content(number, 9_000)),
                Err(StoreError::Damaged { .. }) => bad += 1,
                // Only a rebuild may lose a record to a damaged header, and it says so.
                Err(StoreError::NotFound(_)) => { prop_assert!(lose_index); bad += 1; }
                Err(other) => prop_assert!(false, "{}", other),
            }
        }
        prop_assert!(bad <= 1, "{} records lost to one bit", bad);
        store.put_blocking(put_of(1, 50, 1, &content(50, 9_000))).unwrap();
        prop_assert_eq!(get(&store, 1, 50).unwrap(), content(50, 9_000));
    }
}

fn fresh(capacity: u64) -> (MemDisk, tempfile::TempDir, Store) {
    let disk = MemDisk::new(capacity);
    let dir = scratch();
    let store = open(&disk, &dir.path().join("index"), small()).unwrap().0;
    (disk, dir, store)
}

#[test]
fn different_bytes_under_an_id_are_refused() {
    let (_disk, _dir, store) = fresh(4 << 20);
    let (mine, other) = (content(1, 70_000), content(2, 70_000));
    assert_eq!(store.put_blocking(put_of(1, 1, 5, &mine)), Ok(Stored::New));
    assert_eq!(store.put_blocking(put_of(1, 1, 5, &mine)), Ok(Stored::Already));
    assert!(matches!(store.put_blocking(put_of(1, 1, 5, &other)), Err(StoreError::Conflict(_))));
    // Without BLAKE3 the tables are compared.
    let mut unnamed = put_of(1, 1, 5, &mine);
    unnamed.blake3 = None;
    assert_eq!(store.put_blocking(unnamed), Ok(Stored::Already));
    let mut ordered = put_of(1, 1, 5, &other);
    ordered.force = true;
    assert_eq!(store.put_blocking(ordered), Ok(Stored::New));
    assert_eq!(get(&store, 1, 1).unwrap(), other);
}

#[test]
fn a_group_that_left_and_came_back() {
    let (disk, _dir, store) = fresh(4 << 20);
    let bytes = content(1, 9_000);
    store.put_blocking(put_of(7, 1, 10, &bytes)).unwrap();
    // Back at epoch 20 before the delete of the membership that ended at 15 arrived: the old record does not count.
    assert_eq!(store.put_blocking(put_of(7, 1, 20, &bytes)), Ok(Stored::New));
    store.delete_group_blocking(PgId(7), 15).unwrap();
    assert_eq!(get(&store, 7, 1).unwrap(), bytes);
    assert!(matches!(
        store.put_blocking(put_of(7, 2, 15, &bytes)),
        Err(StoreError::Deleted { epoch: 15, .. })
    ));
    while store.sweep_groups().unwrap() {}
    store.close();
    drop(store);
    let lost = scratch();
    let (store, _) = open(&disk, &lost.path().join("index"), small()).unwrap();
    assert_eq!(get(&store, 7, 1).unwrap(), bytes);
}

#[test]
fn ranges_come_with_their_checksums() {
    let (_disk, _dir, store) = fresh(4 << 20);
    for (number, length) in [(1, 3000usize), (2, 4096), (3, 20_000), (4, 100_000)] {
        let bytes = content(number, length);
        store.put_blocking(put_of(1, number, 1, &bytes)).unwrap();
        for (offset, wanted) in
            [(0, 1), (0, length), (4095, 2), (length / 2, 5000), (length - 1, 100), (length, 5)]
        {
            let what = ReadWhat {
                chunk: ChunkId::new(1, number),
                shard: 0,
                offset: offset as u64,
                length: wanted as u64,
            };
            let out = store.read_blocking(&what).unwrap();
            holdfast_support::crc::verify_blocks(&out.payload, &out.crcs).unwrap();
            assert_eq!(out.offset % 4096, 0);
            let from = out.offset as usize;
            assert_eq!(out.payload, bytes.slice(from..from + out.payload.len()));
            assert!(from + out.payload.len() >= (offset + wanted).min(length));
            assert!(out.payload.len() <= wanted + 2 * 4096, "moved {} for {wanted}", out.payload.len());
        }
    }
}

#[test]
fn a_full_disk_refuses_chunks_but_deletes_and_recovers() {
    let (_disk, _dir, store) = fresh(1 << 20);
    let mut model = Model::default();
    let mut number = 0;
    let refused = loop {
        let bytes = content(number, 20_000);
        let result = store.put_blocking(put_of(1, number, 1, &bytes));
        model.put((1, number), &bytes, &result);
        number += 1;
        if let Err(error) = result {
            break error;
        }
    };
    assert_eq!(refused, StoreError::Full);
    assert!(store.is_full() && store.failure().is_none());
    assert!(number > 20, "only {number} chunks fitted");
    let most: Vec<u64> = (0..number).filter(|number| number % 5 != 0).collect();
    delete(&store, &mut model, 1, 1, &most);
    store.punch_dead().unwrap();
    compact_all(&store);
    model.check(&store, "after compaction on a full disk");
    // Nobody offers anything to a disk that says it is full: it has to notice the room by itself.
    assert!(!store.is_full(), "{:?}", store.usage());
    let bytes = content(99, 20_000);
    store.put_blocking(put_of(1, 1000, 1, &bytes)).unwrap();
}

/// Fills a disk with chunks of a group until it refuses; how many there are.
fn fill(store: &Store, model: &mut Model, pg: u32, length: usize) -> u64 {
    for number in 0.. {
        let bytes = content(number, length);
        let result = store.put_blocking(put_of(pg, number, 1, &bytes));
        model.put((pg, number), &bytes, &result);
        match result {
            Ok(_) => {}
            Err(StoreError::Full) => return number,
            Err(other) => panic!("{other}"),
        }
    }
    unreachable!()
}

/// One delete order per chunk is the most tombstone records there can be, and small chunks are the least that one
/// gives back: what upkeep needs must not be used up by chunks, in whatever order things happen.
#[test]
fn a_full_disk_keeps_enough_for_deleting_everything() {
    for reopen in [false, true] {
        let (disk, mut dir, mut store) = fresh(1 << 20);
        let mut model = Model::default();
        let count = fill(&store, &mut model, 1, 20_000);
        for number in 0..count {
            delete(&store, &mut model, 1, 1, &[number]);
            assert_eq!(model.chunks[&(1, number)], common::Expect::Absent, "delete {number} on a full disk");
            // Small ones try to get into every gap that upkeep leaves.
            let bytes = content(number, 100);
            let key = (2, number);
            let result = store.put_blocking(put_of(2, number, 1, &bytes));
            model.put(key, &bytes, &result);
            if number % 8 == 7 {
                store.punch_dead().unwrap();
                compact_all(&store);
            }
            if reopen && number % 16 == 9 {
                drop(store);
                let lost = scratch();
                store = open(&disk, &lost.path().join("index"), small()).unwrap().0;
                dir = lost;
            }
        }
        store.punch_dead().unwrap();
        compact_all(&store);
        model.check(&store, "everything was deleted");
        assert!(!store.is_full(), "{:?}", store.usage());
        assert!(fill(&store, &mut Model::default(), 3, 20_000) > count / 2);
        drop(dir);
    }
}

/// A repair that replaces damaged chunks may use the reserve, but never so much that nothing can be deleted.
#[test]
fn repair_leaves_room_for_deletes() {
    let (_disk, _dir, store) = fresh(1 << 20);
    let mut model = Model::default();
    let count = fill(&store, &mut model, 1, 20_000);
    for round in 0..4 {
        for number in 0..count {
            let bytes = content(1000 * round + number, 20_000);
            let mut put = put_of(1, number, 1, &bytes);
            put.force = true;
            let result = store.put_blocking(put);
            model.put((1, number), &bytes, &result);
        }
    }
    let all: Vec<u64> = (0..count).collect();
    for few in all.chunks(2) {
        assert_eq!(store.delete_blocking(PgId(1), 1, few.to_vec()), Ok(few.len() as u64));
    }
}

#[test]
fn room_made_by_others_is_noticed() {
    let (disk, _dir, store) = fresh(1 << 20);
    fill(&store, &mut Model::default(), 1, 20_000);
    store.reconsider().unwrap();
    assert!(store.is_full());
    disk.set_capacity(4 << 20);
    store.reconsider().unwrap();
    assert!(!store.is_full());
}

#[test]
fn a_panicking_writer_fails_its_disk_and_no_other() {
    for operation in [Operation::Write, Operation::Sync, Operation::Create] {
        let (disk, _dir, store) = fresh(4 << 20);
        let (_other_disk, _other_dir, other) = fresh(4 << 20);
        let bytes = content(1, 100_000);
        let before = store.put_blocking(put_of(1, 1, 1, &bytes));
        disk.panic_at(operation);
        let results: Vec<_> = (2..5).map(|number| store.put_blocking(put_of(1, number, 1, &bytes))).collect();
        assert!(before.is_ok() && matches!(results[2], Err(StoreError::Failed(_))), "{results:?}");
        assert!(store.failure().unwrap().contains("panicked"), "{operation:?}: {:?}", store.failure());
        assert!(results.iter().all(|result| !matches!(result, Err(StoreError::Closed))), "{results:?}");
        other.put_blocking(put_of(1, 1, 1, &bytes)).unwrap();
        assert_eq!(get(&other, 1, 1).unwrap(), bytes);
        store.close();
    }
}

#[test]
fn a_failed_sync_fails_the_disk_for_good() {
    for operation in [Operation::Sync, Operation::Write] {
        let (disk, dir, store) = fresh(4 << 20);
        let mut model = Model::default();
        for number in 0..3 {
            let bytes = content(number, 5000);
            let result = store.put_blocking(put_of(1, number, 1, &bytes));
            model.put((1, number), &bytes, &result);
        }
        disk.fail(operation, 1, libc::EIO);
        let bytes = content(9, 5000);
        let result = store.put_blocking(put_of(1, 9, 1, &bytes));
        assert!(matches!(result, Err(StoreError::Failed(_))), "{result:?}");
        disk.heal();
        // The next one would succeed, and is not tried.
        assert!(matches!(store.put_blocking(put_of(1, 10, 1, &bytes)), Err(StoreError::Failed(_))));
        assert!(matches!(get(&store, 1, 0), Err(StoreError::Failed(_))));
        assert!(store.failure().unwrap().contains("write to the log"));
        drop((store, dir));
        let lost = scratch();
        let (store, _) = open(&disk, &lost.path().join("index"), small()).unwrap();
        model.check(&store, "opened anew after a failed sync");
    }
}

#[test]
fn a_read_error_is_damage_not_death() {
    let (disk, _dir, store) = fresh(4 << 20);
    let bytes = content(1, 5000);
    store.put_blocking(put_of(1, 1, 1, &bytes)).unwrap();
    disk.fail(Operation::Read, 1, libc::EIO);
    assert!(matches!(get(&store, 1, 1), Err(StoreError::Damaged { .. })));
    disk.heal();
    assert_eq!(store.take_damaged(), [ChunkId::new(1, 1)]);
    assert_eq!(get(&store, 1, 1).unwrap(), bytes);
    assert!(store.failure().is_none());
}

#[test]
fn damage_is_found_reported_and_replaced() {
    let (disk, _dir, store) = fresh(4 << 20);
    let bytes = content(1, 50_000);
    store.put_blocking(put_of(1, 1, 1, &bytes)).unwrap();
    assert_eq!(store.verify(ChunkId::new(1, 1)), Ok(Verdict::Good));
    assert_eq!(store.verify(ChunkId::new(1, 2)), Ok(Verdict::Absent));
    disk.flip("0000000000000001.seg", 8 * 30_000);
    assert_eq!(store.scrub_step(None, |_| true), Ok(None));
    assert_eq!(store.take_damaged(), [ChunkId::new(1, 1)]);
    let mut repaired = put_of(1, 1, 1, &bytes);
    repaired.force = true;
    store.put_blocking(repaired).unwrap();
    assert_eq!(store.verify(ChunkId::new(1, 1)), Ok(Verdict::Good));
    assert_eq!(get(&store, 1, 1).unwrap(), bytes);
}

/// Two of these chunks fit into a segment, and a third of it stays free: on a full disk that must not look like room.
#[test]
fn room_that_a_copy_would_lack_too_is_no_reason_to_copy() {
    let (_disk, _dir, store) = fresh(2 << 20);
    let mut number = 0;
    while store.put_blocking(put_of(1, number, 1, &content(number, 45_000))).is_ok() {
        number += 1;
    }
    assert!(store.is_full() && number > 10, "{number} chunks");
    let mut copies = 0;
    while let Some(segment) = store.compaction_candidate() {
        copies += 1;
        assert!(copies < 20, "compaction goes round in circles");
        store.compact(segment, |_| {}).unwrap();
    }
}

/// Readers look at chunks that are moved, punched around and unlinked all the time, and never see a wrong byte.
#[test]
fn readers_and_compaction() {
    let (_disk, _dir, store) = fresh(32 << 20);
    let stay: Vec<u64> = (0..20).collect();
    for number in &stay {
        store.put_blocking(put_of(1, *number, 1, &content(*number, 9_000))).unwrap();
    }
    let done = Arc::new(AtomicBool::new(false));
    let readers: Vec<_> = (0..2)
        .map(|_| {
            let (store, done, stay) = (store.clone(), done.clone(), stay.clone());
            std::thread::spawn(move || {
                let mut reads = 0;
                while !done.load(Ordering::Relaxed) {
                    for number in &stay {
                        assert_eq!(get(&store, 1, *number).unwrap(), content(*number, 9_000));
                        reads += 1;
                    }
                }
                reads
            })
        })
        .collect();
    let mut moved = 0;
    for round in 0..20 {
        let passing: Vec<u64> = (1000 + round * 100..1000 + round * 100 + 20).collect();
        for number in &passing {
            store.put_blocking(put_of(1, *number, 1, &content(*number, 20_000))).unwrap();
            // A chunk that stays is written anew among those that go, so that its segment is worth compacting.
            let mut again = put_of(1, *number % 20, 1, &content(*number % 20, 9_000));
            again.force = true;
            store.put_blocking(again).unwrap();
        }
        store.delete_blocking(PgId(1), 1, passing).unwrap();
        store.punch_dead().unwrap();
        while let Some(segment) = store.compaction_candidate() {
            moved += store.compact(segment, |_| {}).unwrap().copied;
        }
    }
    done.store(true, Ordering::Relaxed);
    let reads: u64 = readers.into_iter().map(|reader| reader.join().unwrap()).sum();
    assert!(moved > 0 && reads > 0, "moved {moved} bytes during {reads} reads");
}

/// Pages of a listing neither skip nor repeat.
#[test]
fn listings_page() {
    let (_disk, _dir, store) = fresh(4 << 20);
    for pg in [3, 5, 9] {
        for number in 1..8 {
            store.put_blocking(put_of(pg, number, 1, &content(number, 100))).unwrap();
        }
    }
    let (mut seen, mut after) = (Vec::new(), Some(0));
    loop {
        let page = store.list(5, after, 3).unwrap();
        seen.extend(page.entries.iter().map(|record| record.number));
        after = page.entries.last().map(|record| record.number);
        if !page.more {
            break;
        }
    }
    assert_eq!(seen, (1..8).collect::<Vec<_>>());
    store.delete_group_blocking(PgId(5), 1).unwrap();
    let groups = store.list_groups(0, 10).unwrap();
    assert_eq!(groups.entries.iter().map(|group| group.number).collect::<Vec<_>>(), [3, 9]);
    assert!(store.list_groups(0, 1).unwrap().more);
}
