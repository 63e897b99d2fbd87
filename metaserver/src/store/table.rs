//! One open table: writes, flushes, checkpoints.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use rocksdb::checkpoint::Checkpoint;
use rocksdb::{ColumnFamily, DB, FlushOptions, WriteBatch, WriteOptions};

use super::options::{self, INLINE, MARKER, Resources, STATE};
use super::view::StateView;
use crate::metrics::room::TableFigures;
use crate::raft::{MetaError, StoreLimits};

/// A key and its new value; no value deletes it.
pub(crate) type Change = (Bytes, Option<Bytes>);

const MARKER_KEY: &[u8] = b"marker";

/// An open table. When it was retired, its directory goes with the last reference to it.
pub(crate) struct Table {
    db: Option<DB>,
    dir: PathBuf,
    inline_prefix: &'static [u8],
    retired: AtomicBool,
}

impl std::fmt::Debug for Table {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Table({})", self.dir.display())
    }
}

fn failed(what: &str, dir: &Path, error: rocksdb::Error) -> MetaError {
    let what = format!("{what} the table in {}", dir.display());
    match error.kind() {
        rocksdb::ErrorKind::Corruption => MetaError::damaged(what, error),
        _ => MetaError::io(what, error),
    }
}

impl Table {
    /// Opens the table in `dir`, creating it when missing. Keys that start with `inline_prefix` hold inline content.
    pub(crate) fn open(
        dir: &Path,
        inline_prefix: &'static [u8],
        resources: &Resources,
        limits: &StoreLimits,
    ) -> Result<Arc<Self>, MetaError> {
        let db =
            DB::open_cf_descriptors(&options::database(resources, limits), dir, options::families(resources))
                .map_err(|e| failed("open", dir, e))?;
        holdfast_support::leave::without_static_destructors();
        Ok(Arc::new(Self {
            db: Some(db),
            dir: dir.to_owned(),
            inline_prefix,
            retired: AtomicBool::new(false),
        }))
    }

    pub(super) fn db(&self) -> Result<&DB, MetaError> {
        // Only `drop` takes it out.
        self.db.as_ref().ok_or(MetaError::Stopped)
    }

    pub(super) fn family(&self, name: &'static str) -> Result<&ColumnFamily, MetaError> {
        self.db()?.cf_handle(name).ok_or_else(|| {
            MetaError::damaged(format!("the table in {}", self.dir.display()), format!("no {name}"))
        })
    }

    pub(super) fn inline_prefix(&self) -> &'static [u8] {
        self.inline_prefix
    }

    fn family_of(&self, key: &[u8]) -> Result<&ColumnFamily, MetaError> {
        self.family(if key.starts_with(self.inline_prefix) { INLINE } else { STATE })
    }

    pub(super) fn error(&self, what: &str, error: rocksdb::Error) -> MetaError {
        failed(what, &self.dir, error)
    }

    /// Applies `changes` and the marker that says how far they reach, all or nothing. Not durable until a flush.
    pub(crate) fn write(&self, changes: &[Change], marker: &[u8]) -> Result<(), MetaError> {
        let bytes: usize =
            changes.iter().map(|(k, v)| 16 + k.len() + v.as_ref().map_or(0, |v| v.len())).sum();
        let mut batch = WriteBatch::with_capacity_bytes(bytes + marker.len() + 64);
        for (key, value) in changes {
            let family = self.family_of(key)?;
            match value {
                Some(value) => batch.put_cf(family, key, value),
                None => batch.delete_cf(family, key),
            }
        }
        batch.put_cf(self.family(MARKER)?, MARKER_KEY, marker);
        let mut options = WriteOptions::default();
        options.disable_wal(true);
        self.db()?.write_opt(batch, &options).map_err(|e| self.error("write to", e))
    }

    /// What RocksDB says of itself: sums that it keeps anyway.
    pub(crate) fn figures(&self) -> Result<TableFigures, MetaError> {
        let db = self.db()?;
        let families = [self.family(STATE)?, self.family(INLINE)?, self.family(MARKER)?];
        let sum = |name: &str| -> u64 {
            let of = |family| db.property_int_value_cf(family, name).ok().flatten().unwrap_or(0);
            families.iter().map(|family| of(*family)).sum()
        };
        let whole = |name: &str| db.property_int_value(name).ok().flatten().unwrap_or(0);
        Ok(TableFigures {
            disk: sum("rocksdb.total-sst-files-size") + sum("rocksdb.total-blob-file-size"),
            memory: sum("rocksdb.cur-size-all-mem-tables"),
            cache: whole("rocksdb.block-cache-usage"),
            pending: sum("rocksdb.estimate-pending-compaction-bytes"),
            stopped: whole("rocksdb.is-write-stopped") + whole("rocksdb.actual-delayed-write-rate") > 0,
        })
    }

    /// The marker of the last write, if there ever was one.
    pub(crate) fn marker(&self) -> Result<Option<Vec<u8>>, MetaError> {
        self.db()?.get_cf(self.family(MARKER)?, MARKER_KEY).map_err(|e| self.error("read", e))
    }

    /// A consistent view of what is written so far; `index` is what the caller knows it to show.
    pub(crate) fn view(self: &Arc<Self>, index: u64) -> Result<StateView, MetaError> {
        StateView::new(self.clone(), index)
    }

    /// Makes everything written so far durable. With `wait` false it only starts to.
    pub(crate) fn flush(&self, wait: bool) -> Result<(), MetaError> {
        let mut options = FlushOptions::default();
        options.set_wait(wait);
        let families = [self.family(STATE)?, self.family(INLINE)?, self.family(MARKER)?];
        self.db()?.flush_cfs_opt(&families, &options).map_err(|e| self.error("flush", e))
    }

    /// Writes a copy of the table to `to`, which must not exist: hard links where possible. What was written
    /// before is flushed first, so that the live table is durable at least as far as the copy.
    pub(crate) fn checkpoint(&self, to: &Path) -> Result<(), MetaError> {
        let checkpoint = Checkpoint::new(self.db()?).map_err(|e| self.error("copy", e))?;
        checkpoint.create_checkpoint(to).map_err(|e| self.error("copy", e))
    }

    /// Lets the directory be removed as soon as nobody reads from it any more.
    pub(crate) fn retire(&self) {
        self.retired.store(true, Ordering::Release);
    }
}

impl Drop for Table {
    fn drop(&mut self) {
        drop(self.db.take());
        if self.retired.load(Ordering::Acquire)
            && let Err(error) = std::fs::remove_dir_all(&self.dir)
        {
            tracing::warn!(dir = %self.dir.display(), %error, "cannot remove a retired table; the next start does");
        }
    }
}
