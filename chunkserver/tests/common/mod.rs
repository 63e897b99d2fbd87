//! A store on a disk in memory, with power that can fail, and a model of what was promised.
#![allow(dead_code, unreachable_pub, reason = "each test file uses a part")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use holdfast_chunkserver::StoreConfig;
use holdfast_chunkserver::disk::Disk;
use holdfast_chunkserver::disk::mem::MemDisk;
use holdfast_chunkserver::error::{OpenError, StoreError};
use holdfast_chunkserver::metrics::Metrics;
use holdfast_chunkserver::store::{IndexMemory, Put, ReadWhat, Recovered, Store, StoreOptions, Stored};
use holdfast_proto::ids::{ChunkId, PgId};
use holdfast_support::crc::{block_crcs, verify_blocks};

pub const FINGERPRINT: [u8; 16] = *b"a disk of a test";

pub fn small() -> StoreConfig {
    StoreConfig {
        segment_bytes: 128 << 10,
        punch_bytes: 4096,
        checkpoint_entries: 64,
        checkpoint_bytes: 1 << 30,
        unsafe_no_sync: false,
        ..StoreConfig::default()
    }
}

pub fn scratch() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { tempfile::tempdir_in(memory).unwrap() } else { tempfile::tempdir().unwrap() }
}

pub fn options(config: StoreConfig) -> StoreOptions {
    StoreOptions {
        config,
        capacity: 0,
        leave: 0,
        fingerprint: FINGERPRINT,
        memory: IndexMemory::new(8 << 20, 4 << 20),
        reads: 4,
        background_reads: 1,
        metrics: Metrics::global().disk("test"),
    }
}

pub fn open(disk: &MemDisk, index: &Path, config: StoreConfig) -> Result<(Store, Recovered), OpenError> {
    Store::open(Arc::new(disk.clone()) as Arc<dyn Disk>, index, options(config))
}

/// Bytes that follow from a seed.
pub fn content(seed: u64, length: usize) -> Bytes {
    let mut dice = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let byte = |_| {
        dice ^= dice << 13;
        dice ^= dice >> 7;
        dice ^= dice << 17;
        dice as u8
    };
    (0..length).map(byte).collect::<Vec<u8>>().into()
}

pub fn put_of(pg: u32, number: u64, epoch: u64, payload: &Bytes) -> Put {
    Put {
        chunk: ChunkId::new(pg, number),
        shard: 0,
        chunk_bytes: payload.len() as u64,
        payload: payload.clone(),
        table: block_crcs(payload).into(),
        blake3: Some(*blake3::hash(payload).as_bytes()),
        epoch,
        joined: epoch,
        force: false,
    }
}

/// The whole record, every byte checked as a reader would.
pub fn get(store: &Store, pg: u32, number: u64) -> Result<Bytes, StoreError> {
    let chunk = ChunkId::new(pg, number);
    let out = store.read_blocking(&ReadWhat { chunk, shard: 0, offset: 0, length: u64::MAX })?;
    verify_blocks(&out.payload, &out.crcs)
        .map_err(|mismatch| StoreError::Damaged { chunk, why: mismatch.to_string() })?;
    assert_eq!(out.payload.len() as u64, out.record_bytes);
    Ok(out.payload)
}

/// What must be true of a chunk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expect {
    /// Acknowledged.
    Present(Bytes),
    /// The delete was acknowledged.
    Absent,
    /// Asked for, never answered: any of these (`None`: absent).
    OneOf(Vec<Option<Bytes>>),
}

/// What was promised.
#[derive(Clone, Debug, Default)]
pub struct Model {
    pub chunks: BTreeMap<(u32, u64), Expect>,
}

impl Model {
    pub fn options(&self, key: (u32, u64)) -> Vec<Option<Bytes>> {
        match self.chunks.get(&key) {
            None | Some(Expect::Absent) => vec![None],
            Some(Expect::Present(bytes)) => vec![Some(bytes.clone())],
            Some(Expect::OneOf(options)) => options.clone(),
        }
    }

    pub fn put(&mut self, key: (u32, u64), bytes: &Bytes, result: &Result<Stored, StoreError>) {
        match result {
            Ok(_) => {
                self.chunks.insert(key, Expect::Present(bytes.clone()));
            }
            Err(StoreError::Failed(_) | StoreError::Closed) => {
                let mut options = self.options(key);
                options.push(Some(bytes.clone()));
                self.chunks.insert(key, Expect::OneOf(options));
            }
            // A refusal changes nothing.
            Err(_) => {}
        }
    }

    pub fn delete(&mut self, key: (u32, u64), acknowledged: bool) {
        if acknowledged {
            self.chunks.insert(key, Expect::Absent);
        } else {
            let mut options = self.options(key);
            options.push(None);
            self.chunks.insert(key, Expect::OneOf(options));
        }
    }

    /// Compares a store with what was promised.
    pub fn check(&self, store: &Store, when: &str) {
        for (&(pg, number), expect) in &self.chunks {
            let found = match get(store, pg, number) {
                Ok(bytes) => Some(bytes),
                Err(StoreError::NotFound(_)) => None,
                Err(error) => panic!("{when}: pg{pg}/{number}: {error}"),
            };
            let good = match expect {
                Expect::Present(bytes) => found.as_ref() == Some(bytes),
                Expect::Absent => found.is_none(),
                Expect::OneOf(options) => options.contains(&found),
            };
            let kind = match expect {
                Expect::Present(_) => "present",
                Expect::Absent => "absent",
                Expect::OneOf(_) => "one of several",
            };
            assert!(
                good,
                "{when}: pg{pg}/{number}: expected {kind}, found {:?} bytes",
                found.map(|b| b.len())
            );
        }
        self.check_lists(store, when);
    }

    fn check_lists(&self, store: &Store, when: &str) {
        let groups: std::collections::BTreeSet<u32> = self.chunks.keys().map(|key| key.0).collect();
        for pg in groups {
            let listed = store.list(pg, None, 100_000).unwrap().entries;
            for record in &listed {
                let readable = get(store, pg, record.number).is_ok();
                assert!(readable, "{when}: pg{pg}/{} is listed but cannot be read", record.number);
            }
            for (&(_, number), expect) in self.chunks.iter().filter(|(key, _)| key.0 == pg) {
                let there = listed.iter().any(|record| record.number == number);
                match expect {
                    Expect::Present(_) => assert!(there, "{when}: pg{pg}/{number} is not listed"),
                    Expect::Absent => assert!(!there, "{when}: pg{pg}/{number} is listed"),
                    Expect::OneOf(_) => {}
                }
            }
        }
    }
}

/// The index as a power loss leaves it: what was flushed. Names before data, so that nothing named is missing.
pub fn copy_index(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(from).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort_by_key(|path| {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        !(name.starts_with("CURRENT") || name.starts_with("MANIFEST"))
    });
    for file in files {
        // A file that a background job removed meanwhile is gone; the copy is then damaged, which must be survived.
        let _ = std::fs::copy(&file, to.join(file.file_name().unwrap()));
    }
}

pub fn delete(store: &Store, model: &mut Model, pg: u32, epoch: u64, numbers: &[u64]) {
    let result = store.delete_blocking(PgId(pg), epoch, numbers.to_vec());
    for number in numbers {
        model.delete((pg, *number), result.is_ok());
    }
}
