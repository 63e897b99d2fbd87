//! The index of one disk: RocksDB without a write-ahead log, rebuilt from the segments when it is lost.
//!
//! What always holds:
//! - What it holds is a prefix of the history of the log: every batch carries the position up to which the log is
//!   in it, and batches are written only after their records are durable. A crash loses a tail of batches, which
//!   recovery replays.
//! - Only the writer thread (and recovery, before that thread exists) writes it. Anybody reads it.
//! - All indexes of a process share one block cache and one write-buffer budget ([`IndexMemory`]).

use std::path::Path;

use rocksdb::{
    BlockBasedIndexType, BlockBasedOptions, Cache, DB, DBCompressionType, DBRawIterator, Error, ErrorKind,
    FlushOptions, LruCacheOptions, Options, ReadOptions, ReadTier, WriteBatch, WriteBufferManager,
};

use super::entry::{INDEX_VERSION, key};
use super::threads::Seat;

/// Parts of the cache, as a power of two.
const SHARD_BITS: i32 = 2;

/// Memory that all indexes of a process share.
#[derive(Clone)]
pub struct IndexMemory {
    cache: Cache,
    buffers: WriteBufferManager,
}

impl IndexMemory {
    /// A block cache of `cache_bytes`, with write buffers of `buffer_bytes` counted against it.
    pub fn new(cache_bytes: usize, buffer_bytes: usize) -> Self {
        // Few parts: each evicts by itself, and must be large beside anything it holds.
        let mut lru = LruCacheOptions::default();
        lru.set_capacity(cache_bytes.max(1 << 20));
        lru.set_num_shard_bits(SHARD_BITS);
        let cache = Cache::new_lru_cache_opts(&lru);
        let buffers = WriteBufferManager::new_write_buffer_manager_with_cache(
            buffer_bytes.max(1 << 20),
            false,
            cache.clone(),
        );
        Self { cache, buffers }
    }

    /// Shares memory that other databases of the process use too.
    pub fn shared(cache: Cache, buffers: WriteBufferManager) -> Self {
        Self { cache, buffers }
    }
}

/// The index of one disk.
pub(super) struct Index {
    db: DB,
    _seat: Seat,
}

/// What a read that must not touch the disk found.
pub(super) enum Cached<T> {
    Known(Option<T>),
    /// The answer lies on the disk.
    OnDisk,
}

impl Index {
    /// Opens or makes the index.
    pub(super) fn open(path: &Path, memory: &IndexMemory) -> Result<Self, Error> {
        let seat = Seat::take()?;
        let db = DB::open(&options(memory), path)?;
        holdfast_support::leave::without_static_destructors();
        Ok(Self { db, _seat: seat })
    }

    /// Whether it was made for this disk by a build with the same values; an empty one was not.
    pub(super) fn belongs_to(&self, fingerprint: &[u8; 16]) -> Result<bool, Error> {
        Ok(self.get(key::META)?.as_deref() == Some(&meta_value(fingerprint)[..]))
    }

    /// Marks it as this disk's.
    pub(super) fn claim(&self, fingerprint: &[u8; 16]) -> Result<(), Error> {
        let mut batch = WriteBatch::default();
        batch.put(key::META, meta_value(fingerprint));
        self.write(batch)
    }

    pub(super) fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        Ok(self.db.get_pinned(key)?.map(|value| value.to_vec()))
    }

    /// As [`Index::get`], without touching the disk.
    pub(super) fn get_cached(&self, key: &[u8]) -> Result<Cached<Vec<u8>>, Error> {
        let mut how = ReadOptions::default();
        how.set_read_tier(ReadTier::BlockCache);
        match self.db.get_pinned_opt(key, &how) {
            Ok(value) => Ok(Cached::Known(value.map(|value| value.to_vec()))),
            Err(error) if error.kind() == ErrorKind::Incomplete => Ok(Cached::OnDisk),
            Err(error) => Err(error),
        }
    }

    pub(super) fn write(&self, batch: WriteBatch) -> Result<(), Error> {
        self.db.write_without_wal(batch)
    }

    /// Begins to make everything written so far durable, in the background.
    pub(super) fn start_flush(&self) -> Result<(), Error> {
        let mut how = FlushOptions::default();
        how.set_wait(false);
        self.db.flush_opt(&how)
    }

    /// Makes everything written so far durable.
    pub(super) fn flush(&self) -> Result<(), Error> {
        self.db.flush()
    }

    /// Calls `visit` for every key that starts with `prefix`, from `from` on, in order, until it says stop.
    pub(super) fn scan(
        &self,
        prefix: &[u8],
        from: &[u8],
        mut visit: impl FnMut(&[u8], &[u8]) -> Step,
    ) -> Result<(), Error> {
        let mut how = ReadOptions::default();
        if let Some(end) = end_of(prefix) {
            how.set_iterate_upper_bound(end);
        }
        let mut cursor: DBRawIterator<'_> = self.db.raw_iterator_opt(how);
        cursor.seek(from);
        while let Some((key, value)) = cursor.item() {
            match visit(key, value) {
                Step::Next => cursor.next(),
                Step::Seek(to) => cursor.seek(to),
                Step::Stop => return Ok(()),
            }
        }
        cursor.status()
    }
}

/// What a scan does next.
pub(super) enum Step {
    Next,
    Seek(Vec<u8>),
    Stop,
}

/// The first key behind all keys with this prefix.
fn end_of(prefix: &[u8]) -> Option<Vec<u8>> {
    let mut end = prefix.to_vec();
    while let Some(last) = end.pop() {
        if last < u8::MAX {
            end.push(last + 1);
            return Some(end);
        }
    }
    None
}

fn meta_value(fingerprint: &[u8; 16]) -> Vec<u8> {
    [&[INDEX_VERSION][..], fingerprint].concat()
}

fn options(memory: &IndexMemory) -> Options {
    let mut blocks = BlockBasedOptions::default();
    blocks.set_block_cache(&memory.cache);
    blocks.set_bloom_filter(10.0, false);
    blocks.set_cache_index_and_filter_blocks(true);
    blocks.set_pin_l0_filter_and_index_blocks_in_cache(true);
    // In small parts: a filter for a whole file grows beyond what a part of the cache can hold, and would then be read
    // from disk for every record that is looked for.
    blocks.set_index_type(BlockBasedIndexType::TwoLevelIndexSearch);
    blocks.set_partition_filters(true);
    blocks.set_pin_top_level_index_and_filter(true);
    blocks.set_format_version(5);
    let mut options = Options::default();
    options.create_if_missing(true);
    options.set_block_based_table_factory(&blocks);
    options.set_write_buffer_manager(&memory.buffers);
    options.set_write_buffer_size(16 << 20);
    options.set_max_background_jobs(2);
    options.set_compression_type(DBCompressionType::Lz4);
    options.set_keep_log_file_num(2);
    options.set_max_log_file_size(1 << 20);
    options.set_max_open_files(256);
    options.set_bytes_per_sync(1 << 20);
    options
}

#[cfg(test)]
mod tests {
    #[test]
    fn prefix_ends() {
        assert_eq!(super::end_of(b"r\x00\xff"), Some(b"r\x01".to_vec()));
        assert_eq!(super::end_of(&[0xff, 0xff]), None);
    }
}
