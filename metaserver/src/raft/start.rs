//! Bringing a member's stores up, in one order, after whatever happened before.
//!
//! 1. The newest complete snapshot is found, everything half-done is swept away.
//! 2. The current table is opened; on a fresh member an empty one is made.
//! 3. If the snapshot is further than the table (it was received, then the process died), it is adopted: the same
//!    steps as when a snapshot is installed in a running process.
//! 4. The log is opened and brought into line: entries that a snapshot replaced are cut off.

use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use openraft::storage::RaftLogStorage;

use super::config::{GroupConfig, StoreLimits};
use super::error::MetaError;
use super::log::LogStore;
use super::marker::Marker;
use super::snapshot::{SnapshotRef, Snapshots};
use crate::store::dirs::TableDirs;
use crate::store::{Resources, Table};

/// Where a member's table lies, and how to open one.
pub(crate) struct Places {
    dirs: TableDirs,
    pub(crate) snapshots: Snapshots,
    pub(crate) incoming: PathBuf,
    resources: Resources,
    limits: StoreLimits,
    inline_prefix: &'static [u8],
}

/// The stores of one member, open and consistent with each other.
pub(crate) struct Stores {
    pub(crate) places: Arc<Places>,
    pub(crate) table: Arc<Table>,
    pub(crate) marker: Marker,
    pub(crate) log: LogStore,
}

impl Places {
    fn open_table(&self, dir: &std::path::Path) -> Result<(Arc<Table>, Marker), MetaError> {
        let table = Table::open(dir, self.inline_prefix, &self.resources, &self.limits)?;
        let marker = match table.marker()? {
            None => Marker::default(),
            Some(bytes) => Marker::decode(Bytes::from(bytes)).map_err(|e| {
                MetaError::damaged(format!("the marker of the table in {}", dir.display()), e)
            })?,
        };
        Ok((table, marker))
    }

    /// Makes a table from a snapshot and makes it the current one. Used at the start and in flight.
    pub(crate) fn adopt(&self, snapshot: &SnapshotRef) -> Result<(Arc<Table>, Marker), MetaError> {
        tracing::info!(snapshot = %snapshot.path.display(), "making a snapshot the current table");
        let dir = self.dirs.build(&snapshot.table())?;
        let (table, marker) = self.open_table(&dir)?;
        if marker != snapshot.marker {
            let reason = format!("the table says {marker:?}, the manifest {:?}", snapshot.marker);
            return Err(MetaError::damaged(snapshot.path.display().to_string(), reason));
        }
        self.dirs.switch(&dir)?;
        Ok((table, marker))
    }

    fn current_table(&self) -> Result<(Arc<Table>, Marker), MetaError> {
        if let Some(dir) = self.dirs.current()? {
            return self.open_table(&dir);
        }
        let dir = self.dirs.next()?;
        let opened = self.open_table(&dir)?;
        crate::store::dirs::sync_dir(&dir)?;
        self.dirs.switch(&dir)?;
        Ok(opened)
    }
}

impl Stores {
    /// The four steps above.
    pub(crate) async fn open(config: &GroupConfig, inline_prefix: &'static [u8]) -> Result<Self, MetaError> {
        crate::store::dirs::create_dir(&config.dir)?;
        let limits = config.store;
        let resources = config
            .resources
            .clone()
            .unwrap_or_else(|| Resources::new(limits.block_cache_bytes, limits.write_buffer_bytes));
        let places = Arc::new(Places {
            dirs: TableDirs::open(&config.dir.join("state"))?,
            snapshots: Snapshots::open(&config.dir.join("snapshots"))?,
            incoming: config.dir.join("incoming"),
            resources,
            limits,
            inline_prefix,
        });
        crate::store::dirs::create_dir(&places.incoming)?;
        let (mut table, mut marker) = places.current_table()?;
        if let Some(snapshot) = places.snapshots.current().filter(|s| s.marker.applied > marker.applied) {
            let (newer, further) = places.adopt(&snapshot)?;
            std::mem::replace(&mut table, newer).retire();
            marker = further;
        }
        let mut log = LogStore::open(&config.dir.join("log"), &limits)?;
        reconcile(&mut log, &marker).await?;
        Ok(Self { places, table, marker, log })
    }
}

/// Brings the log into line with a table that a snapshot may have carried past it. What the table shows is
/// committed, so a log entry that differs at that index, and all behind it, never were.
async fn reconcile(log: &mut LogStore, marker: &Marker) -> Result<(), MetaError> {
    let failed = |e| MetaError::io("bring the log into line with the table", e);
    let Some(applied) = marker.applied else { return Ok(()) };
    let extent = log.extent();
    if extent.purged >= Some(applied) {
        return Ok(());
    }
    let here = log.id_at(applied.index()).map_err(failed)?;
    if here == Some(applied) {
        return Ok(());
    }
    tracing::info!(%applied, last = ?extent.last, "the log ends before or differs from the table: cutting it off");
    if here.is_some() {
        log.drop_from(applied.index()).map_err(failed)?;
    }
    log.purge(applied).await.map_err(failed)?;
    log.sync().await.map_err(failed)
}
