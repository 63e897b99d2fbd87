//! How RocksDB is set up, and what several tables of one process share.

use rocksdb::{
    BlockBasedIndexType, BlockBasedOptions, Cache, ColumnFamilyDescriptor, DBCompressionType, LogLevel,
    LruCacheOptions, Options, WriteBufferManager,
};

use crate::raft::StoreLimits;

/// Column family of everything but inline content.
pub(super) const STATE: &str = "default";
/// Column family of inline file content; values lie in blob files so that compaction does not carry them along.
pub(super) const INLINE: &str = "inline";
/// Column family of the marker: applied log id and membership.
pub(super) const MARKER: &str = "raft";

/// One block cache and one bound on write buffers for all tables of a process. Clones share them.
#[derive(Clone)]
pub struct Resources {
    pub(crate) cache: Cache,
    pub(crate) buffers: WriteBufferManager,
}

impl Resources {
    /// `block_cache_bytes` bounds cached blocks plus write buffers, `write_buffer_bytes` the latter alone.
    pub fn new(block_cache_bytes: usize, write_buffer_bytes: usize) -> Self {
        let mut lru = LruCacheOptions::default();
        lru.set_capacity(block_cache_bytes);
        lru.set_num_shard_bits(shard_bits(block_cache_bytes));
        let cache = Cache::new_lru_cache_opts(&lru);
        let buffers =
            WriteBufferManager::new_write_buffer_manager_with_cache(write_buffer_bytes, false, cache.clone());
        Self { cache, buffers }
    }
}

/// Parts of the cache, as a power of two: each evicts by itself, so a part must be large beside anything it holds.
fn shard_bits(bytes: usize) -> i32 {
    const LEAST_BYTES: usize = 8 << 20;
    let shards = (bytes / LEAST_BYTES).clamp(1, 64);
    i32::try_from(shards.ilog2()).unwrap_or(0)
}

impl std::fmt::Debug for Resources {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Resources")
    }
}

pub(super) fn database(resources: &Resources, limits: &StoreLimits) -> Options {
    let mut options = Options::default();
    options.create_if_missing(true);
    options.create_missing_column_families(true);
    options.set_atomic_flush(true);
    options.set_paranoid_checks(true);
    options.set_write_buffer_manager(&resources.buffers);
    options.set_max_background_jobs(2);
    options.set_max_open_files(512);
    options.set_ratelimiter(limits.compaction_bytes_per_sec, 100_000, 10);
    options.set_bytes_per_sync(1 << 20);
    options.set_keep_log_file_num(2);
    options.set_log_level(LogLevel::Warn);
    options.set_stats_dump_period_sec(0);
    options.set_stats_persist_period_sec(0);
    options
}

fn family(resources: &Resources) -> Options {
    let mut blocks = BlockBasedOptions::default();
    blocks.set_block_cache(&resources.cache);
    blocks.set_cache_index_and_filter_blocks(true);
    blocks.set_pin_l0_filter_and_index_blocks_in_cache(true);
    blocks.set_bloom_filter(10.0, false);
    // In small parts: a filter for a whole file grows beyond what a part of the cache can hold, and would then be read
    // from disk for every key that is looked for.
    blocks.set_index_type(BlockBasedIndexType::TwoLevelIndexSearch);
    blocks.set_partition_filters(true);
    blocks.set_pin_top_level_index_and_filter(true);
    blocks.set_format_version(6);
    blocks.set_block_size(16 << 10);
    let mut options = Options::default();
    options.set_block_based_table_factory(&blocks);
    options.set_compression_type(DBCompressionType::Lz4);
    options.set_write_buffer_size(32 << 20);
    options.set_level_compaction_dynamic_level_bytes(true);
    options
}

pub(super) fn families(resources: &Resources) -> Vec<ColumnFamilyDescriptor> {
    let mut state = family(resources);
    // Deleted names, garbage and missing records lie close together: a range full of tombstones is compacted
    // away before listings stumble over it.
    state.add_compact_on_deletion_collector_factory(1024, 512, 0.5);
    let mut inline = family(resources);
    inline.set_enable_blob_files(true);
    inline.set_min_blob_size(256);
    inline.set_blob_file_size(64 << 20);
    inline.set_enable_blob_gc(true);
    inline.set_blob_cache(&resources.cache);
    vec![
        ColumnFamilyDescriptor::new(STATE, state),
        ColumnFamilyDescriptor::new(INLINE, inline),
        ColumnFamilyDescriptor::new(MARKER, family(resources)),
    ]
}
