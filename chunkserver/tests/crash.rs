//! Power fails at every sync of a scenario; what was acknowledged must be there afterwards, and no acknowledged delete
//! may come back, with the index as it was flushed and with the index lost.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests may")]

mod common;

use common::{Model, content, copy_index, delete, open, put_of, scratch, small};
use holdfast_chunkserver::disk::mem::MemDisk;
use holdfast_chunkserver::store::Store;
use holdfast_proto::ids::PgId;

const CAPACITY: u64 = 8 << 20;

/// Puts several chunks at once, so that group commits hold more than one record.
fn put_many(
    store: &Store,
    model: &mut Model,
    pg: u32,
    epoch: u64,
    numbers: std::ops::Range<u64>,
    force: bool,
) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let wanted: Vec<_> = numbers
        .map(|number| {
            let seed = u64::from(pg) << 32 | number << 8 | epoch;
            let length = [100, 3964, 5000, 20_000, 4096, 70_000][number as usize % 6];
            let mut put = put_of(pg, number, epoch, &content(seed, length));
            put.force = force;
            put
        })
        .collect();
    let puts = wanted.iter().map(|put| store.put(put.clone()));
    let results = runtime.block_on(futures::future::join_all(puts));
    for (put, result) in wanted.iter().zip(&results) {
        model.put((pg, put.chunk.number.0), &put.payload, result);
    }
}

fn delete_group(store: &Store, model: &mut Model, pg: u32, epoch: u64) {
    let result = store.delete_group_blocking(PgId(pg), epoch);
    let keys: Vec<_> = model.chunks.keys().copied().filter(|key| key.0 == pg).collect();
    for key in keys {
        model.delete(key, result.is_ok());
    }
}

/// Compacts whatever has anything dead in it, and everything else too: as much moving as possible.
fn compact_all(store: &Store) {
    while let Some(segment) = store.compaction_candidate() {
        if store.compact(segment, |_| {}).is_err() {
            return;
        }
    }
}

/// Writes, deletes, a group that leaves and comes back, replacement, punching, compaction, rolls, checkpoints.
fn scenario(store: &Store, model: &mut Model) {
    put_many(store, model, 1, 10, 0..8, false);
    put_many(store, model, 2, 10, 0..6, false);
    delete(store, model, 1, 10, &[1, 3, 5]);
    let _ = store.punch_dead();
    put_many(store, model, 1, 11, 8..14, false);
    delete_group(store, model, 2, 12);
    while matches!(store.sweep_groups(), Ok(true)) {}
    put_many(store, model, 2, 14, 0..4, false);
    delete(store, model, 1, 12, &[0, 2, 8, 9, 77]);
    let _ = store.punch_dead();
    compact_all(store);
    put_many(store, model, 2, 14, 2..5, true);
    let _ = store.checkpoint();
    put_many(store, model, 1, 15, 20..26, false);
    delete(store, model, 2, 15, &[0, 1]);
    delete(store, model, 1, 15, &[4, 20, 21, 22, 23]);
    compact_all(store);
    let _ = store.punch_dead();
    put_many(store, model, 3, 15, 0..5, false);
}

/// More of the same on a recovered disk, so that what recovery left is written over.
fn second_life(store: &Store, model: &mut Model) {
    put_many(store, model, 4, 20, 0..7, false);
    delete(store, model, 4, 20, &[1, 2]);
    delete(store, model, 1, 20, &[6, 10]);
    compact_all(store);
    put_many(store, model, 4, 20, 7..9, false);
}

fn crash_at(cut: Option<(u64, bool)>, check: impl Fn(&MemDisk, &std::path::Path, &Model)) -> u64 {
    let dir = scratch();
    let disk = MemDisk::new(CAPACITY);
    if let Some((at, after)) = cut {
        disk.cut_power_at(at, after);
    }
    let mut model = Model::default();
    let index = dir.path().join("index");
    let frozen = dir.path().join("frozen");
    if let Ok((store, _)) = open(&disk, &index, small()) {
        scenario(&store, &mut model);
        copy_index(&index, &frozen);
    }
    let syncs = disk.syncs();
    disk.cut_power();
    check(&disk, &frozen, &model);
    syncs
}

#[test]
fn every_sync() {
    let syncs = crash_at(None, |disk, frozen, model| {
        let (store, _) = open(&disk.after_power_loss(4), frozen, small()).unwrap();
        model.check(&store, "no crash");
        assert!(model.chunks.values().all(|expect| !matches!(expect, common::Expect::OneOf(_))));
    });
    assert!(syncs > 25, "the scenario shrank to {syncs} syncs");
    for at in 1..=syncs {
        crash_at(Some((at, at % 2 == 0)), |disk, frozen, model| survives(disk, frozen, model, at));
    }
}

fn survives(disk: &MemDisk, frozen: &std::path::Path, model: &Model, at: u64) {
    // Four ways to lose unsynced bytes, each with the index kept and lost.
    for seed in 0..8 {
        let lose_index = seed >= 4 || !frozen.is_dir();
        let when = format!(
            "power lost at sync {at}, seed {seed}, index {}",
            if lose_index { "lost" } else { "kept" }
        );
        let dir = scratch();
        let index = dir.path().join("index");
        if !lose_index {
            copy_index(frozen, &index);
        }
        let found = disk.after_power_loss(at * 8 + seed);
        let (store, recovered) =
            open(&found, &index, small()).unwrap_or_else(|error| panic!("{when}: {error}"));
        assert!(recovered.skipped.is_empty(), "{when}: {:?}", recovered.skipped);
        model.check(&store, &when);
        if (at + seed).is_multiple_of(3) {
            let mut model = model.clone();
            second_life(&store, &mut model);
            model.check(&store, &format!("{when}, second life"));
            found.cut_power();
            drop(store);
            let dir = scratch();
            let again = found.after_power_loss(seed + 1);
            let (store, _) = open(&again, &dir.path().join("index"), small()).unwrap();
            model.check(&store, &format!("{when}, second life, lost again"));
        }
    }
}

/// The proof that the test above can fail: without syncs it does.
#[test]
fn without_syncs_power_loss_is_noticed() {
    let dir = scratch();
    let disk = MemDisk::new(CAPACITY);
    let (store, _) = open(&disk, &dir.path().join("index"), small()).unwrap();
    let payload = content(1, 5000);
    store.put_blocking(put_of(1, 1, 1, &payload)).unwrap();
    store.put_blocking(put_of(1, 2, 1, &payload)).unwrap();
    drop(store);
    disk.forget_last_sync();
    disk.cut_power();
    let dir = scratch();
    let (store, _) = open(&disk.after_power_loss(4), &dir.path().join("index"), small()).unwrap();
    assert!(common::get(&store, 1, 2).is_err());
}

/// delete → punch → compact → index lost → restart, with power lost at each sync of the way.
#[test]
fn deleted_stays_deleted() {
    let steps = |store: &Store, model: &mut Model| {
        put_many(store, model, 1, 1, 0..12, false);
        delete(store, model, 1, 2, &[0, 1, 2, 3, 4, 5, 6, 7, 8]);
        let _ = store.punch_dead();
        put_many(store, model, 1, 2, 12..18, false);
        compact_all(store);
        delete(store, model, 1, 2, &[12, 13, 14, 15]);
        put_many(store, model, 1, 2, 18..24, false);
        compact_all(store);
        let _ = store.punch_dead();
        compact_all(store);
    };
    let mut syncs = u64::MAX;
    let mut at = 0;
    while at < syncs {
        at += 1;
        let dir = scratch();
        let disk = MemDisk::new(CAPACITY);
        disk.cut_power_at(at, at % 3 == 0);
        let mut model = Model::default();
        if let Ok((store, _)) = open(&disk, &dir.path().join("index"), small()) {
            steps(&store, &mut model);
        }
        if !disk.is_off() {
            syncs = at;
        }
        disk.cut_power();
        for seed in 0..4 {
            let dir = scratch();
            let found = disk.after_power_loss(seed + at * 4);
            let (store, _) = open(&found, &dir.path().join("index"), small()).unwrap();
            model.check(&store, &format!("sync {at}, seed {seed}"));
            compact_all(&store);
            model.check(&store, &format!("sync {at}, seed {seed}, compacted"));
        }
    }
    assert!(syncs > 20, "only {syncs} syncs");
}
