//! A disk written by format version 1 stays readable for ever. `tests/fixtures/v1/` is a real one: its segments as the
//! store left them, without index. `HOLDFAST_WRITE_FIXTURE=1` writes it anew; that is done once per format version.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests may")]

mod common;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use common::{Model, content, delete, options, put_of, scratch, small};
use holdfast_chunkserver::StoreConfig;
use holdfast_chunkserver::disk::real::RealDisk;
use holdfast_chunkserver::format::superblock::Superblock;
use holdfast_chunkserver::store::Store;
use holdfast_proto::ids::{ClusterId, DiskId, Incarnation, NodeId, PgId};

/// This crate's folder, where it lies now: a build cache may come from a checkout elsewhere.
fn source() -> PathBuf {
    std::env::var_os("CARGO_MANIFEST_DIR").expect("tests are run by cargo").into()
}

fn home() -> PathBuf {
    source().join("tests/fixtures/v1")
}

fn superblock() -> Superblock {
    Superblock {
        disk: DiskId(3),
        incarnation: Incarnation(41),
        cluster: ClusterId([0xc1; 16]),
        fingerprint: common::FINGERPRINT,
        node: NodeId(2),
        created: 1_790_000_000,
    }
}

fn expected() -> Vec<(u32, u64, usize)> {
    vec![(1, 1, 100), (1, 2, 3964), (1, 3, 3965), (1, 5, 9000), (2, 1, 70_000), (3, 9, 0)]
}

fn write(to: &Path) {
    let segments = to.join("segments");
    std::fs::remove_dir_all(to).ok();
    std::fs::create_dir_all(to).unwrap();
    std::fs::write(to.join("superblock"), superblock().encode()).unwrap();
    let scratch = scratch();
    let config = StoreConfig { segment_bytes: 64 << 10, ..small() };
    let disk = Arc::new(RealDisk::open(&segments, true).unwrap());
    let (store, _) = Store::open(disk, &scratch.path().join("index"), options(config)).unwrap();
    for (pg, number, length) in expected() {
        store.put_blocking(put_of(pg, number, 10, &content(number, length))).unwrap();
    }
    store.put_blocking(put_of(1, 4, 10, &content(4, 9000))).unwrap();
    store.put_blocking(put_of(4, 1, 10, &content(4, 500))).unwrap();
    delete(&store, &mut Model::default(), 1, 11, &[4]);
    store.delete_group_blocking(PgId(4), 12).unwrap();
    store.close();
    std::fs::remove_file(segments.join("spare")).ok();
}

#[test]
fn version_1_is_readable() {
    if std::env::var_os("HOLDFAST_WRITE_FIXTURE").is_some() {
        write(&home());
    }
    let bytes = std::fs::read(home().join("superblock")).unwrap();
    assert_eq!(Superblock::decode(&bytes), Ok(superblock()));
    let copy = scratch();
    std::fs::create_dir(copy.path().join("segments")).unwrap();
    for file in std::fs::read_dir(home().join("segments")).unwrap() {
        let file = file.unwrap();
        std::fs::copy(file.path(), copy.path().join("segments").join(file.file_name())).unwrap();
    }
    let disk = Arc::new(RealDisk::open(&copy.path().join("segments"), true).unwrap());
    let (store, recovered) = Store::open(disk, &copy.path().join("index"), options(small())).unwrap();
    assert!(recovered.rebuilt && recovered.skipped.is_empty() && recovered.torn == 0, "{recovered:?}");
    for (pg, number, length) in expected() {
        assert_eq!(common::get(&store, pg, number).unwrap(), content(number, length), "pg{pg}/{number}");
    }
    assert!(common::get(&store, 1, 4).is_err() && common::get(&store, 4, 1).is_err());
    assert_eq!(store.list(1, None, 100).unwrap().entries.len(), 4);
}
