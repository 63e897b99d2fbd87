//! Snapshots on disk: making them, keeping the newest, finding it after a start.
//!
//! A snapshot is a RocksDB checkpoint (hard links to files that never change) with a [`Manifest`]. Steps of making
//! one, and what a crash behind each leaves:
//! 1. flush the table (nothing);
//! 2. checkpoint into `snapshots/building/table`, between two apply batches (a directory that the next start
//!    removes);
//! 3. hash new files, write the manifest, sync (the same);
//! 4. rename `building` to the snapshot's name, sync the directory: now it exists;
//! 5. the older one is removed with its last user (two snapshots; the next start keeps the newer).

use std::collections::HashMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use parking_lot::Mutex;

use super::error::MetaError;
use super::manifest::{self, File, Manifest};
use super::marker::Marker;
use crate::store::dirs;

/// A complete snapshot on disk. Removed with its last reference once it is retired.
#[derive(Debug)]
pub(crate) struct SnapshotDir {
    pub(crate) path: PathBuf,
    pub(crate) manifest: Manifest,
    pub(crate) marker: Marker,
    retired: AtomicBool,
}

/// What openraft passes around as "snapshot data".
pub(crate) type SnapshotRef = Arc<SnapshotDir>;

impl SnapshotDir {
    pub(crate) fn table(&self) -> PathBuf {
        self.path.join("table")
    }

    fn retire(&self) {
        self.retired.store(true, Ordering::Release);
    }

    /// Loads a snapshot; an error when it is not complete. File contents are not read again here: they were
    /// verified when they arrived or hashed when they were written, and RocksDB checks every block it reads.
    fn load(path: &Path) -> Result<Self, MetaError> {
        let file = path.join(manifest::MANIFEST);
        let bytes = fs::read(&file).map_err(|e| MetaError::io(format!("read {}", file.display()), e))?;
        let manifest = Manifest::from_file(&bytes, &file)?;
        for entry in &manifest.files {
            let name = path.join("table").join(&entry.name);
            let length =
                fs::metadata(&name).map_err(|e| MetaError::io(format!("stat {}", name.display()), e))?.len();
            if length != entry.bytes {
                return Err(MetaError::damaged(
                    name.display().to_string(),
                    "its length does not fit the manifest",
                ));
            }
        }
        let marker = manifest.marker(&file)?;
        Ok(Self { path: path.to_owned(), manifest, marker, retired: AtomicBool::new(false) })
    }
}

impl Drop for SnapshotDir {
    fn drop(&mut self) {
        if self.retired.load(Ordering::Acquire)
            && let Err(error) = dirs::remove_dir(&self.path)
        {
            tracing::warn!(%error, "cannot remove an old snapshot; the next start does");
        }
    }
}

/// Hashes of files that were hashed before, by identity: name, inode, length.
type Known = HashMap<(String, u64, u64), Bytes>;

/// All snapshots of one member; the newest is the one that counts.
#[derive(Debug)]
pub(crate) struct Snapshots {
    root: PathBuf,
    current: Mutex<Option<SnapshotRef>>,
    known: Mutex<Known>,
}

impl Snapshots {
    /// Finds the newest complete snapshot in `root` and removes everything else.
    pub(crate) fn open(root: &Path) -> Result<Self, MetaError> {
        dirs::create_dir(root)?;
        let mut newest: Option<SnapshotDir> = None;
        let entries = fs::read_dir(root).map_err(|e| MetaError::io(format!("read {}", root.display()), e))?;
        for entry in entries {
            let path = entry.map_err(|e| MetaError::io(format!("read {}", root.display()), e))?.path();
            match SnapshotDir::load(&path) {
                Ok(found) if newest.as_ref().is_none_or(|n| n.marker.applied < found.marker.applied) => {
                    if let Some(older) = newest.replace(found) {
                        dirs::remove_dir(&older.path)?;
                    }
                }
                Ok(older) => dirs::remove_dir(&older.path)?,
                Err(reason) => {
                    tracing::warn!(dir = %path.display(), %reason, "removing an incomplete snapshot");
                    dirs::remove_dir(&path)?;
                }
            }
        }
        let known = newest.as_ref().map(known_files).unwrap_or_default();
        Ok(Self {
            root: root.to_owned(),
            current: Mutex::new(newest.map(Arc::new)),
            known: Mutex::new(known),
        })
    }

    /// The newest complete snapshot.
    pub(crate) fn current(&self) -> Option<SnapshotRef> {
        self.current.lock().clone()
    }

    /// An empty place in which to put one together.
    pub(crate) fn building(&self) -> Result<PathBuf, MetaError> {
        let path = self.root.join("building");
        dirs::remove_dir(&path)?;
        dirs::create_dir(&path)?;
        Ok(path)
    }

    /// Steps 3 to 5: completes what was checkpointed into `building/table`.
    pub(crate) fn complete(&self, building: &Path, marker: &Marker) -> Result<SnapshotRef, MetaError> {
        let table = building.join("table");
        let mut files = Vec::new();
        let mut known = Known::new();
        for entry in
            fs::read_dir(&table).map_err(|e| MetaError::io(format!("read {}", table.display()), e))?
        {
            let path = entry.map_err(|e| MetaError::io(format!("read {}", table.display()), e))?.path();
            let (file, id) = self.hash(&path)?;
            known.insert(id, file.blake3.clone());
            files.push(file);
        }
        files.sort_by(|a, b| a.name.cmp(&b.name));
        let manifest = Manifest { version: manifest::VERSION, marker: marker.encode(), files };
        dirs::replace_file(&building.join(manifest::MANIFEST), &manifest.to_file())?;
        dirs::sync_dir(&table)?;
        *self.known.lock() = known;
        self.adopt(building)
    }

    /// Makes a complete snapshot directory the current one, unless a newer one is. Durable on return.
    pub(crate) fn adopt(&self, from: &Path) -> Result<SnapshotRef, MetaError> {
        let mut current = self.current.lock();
        let marker = SnapshotDir::load(from)?.marker.clone();
        if let Some(newer) = current.as_ref().filter(|c| c.marker.applied >= marker.applied) {
            dirs::remove_dir(from)?;
            return Ok(newer.clone());
        }
        let path = self.root.join(manifest::name_of(&marker));
        dirs::remove_dir(&path)?;
        dirs::rename(from, &path)?;
        let adopted = Arc::new(SnapshotDir::load(&path)?);
        if let Some(old) = current.replace(adopted.clone()) {
            old.retire();
        }
        Ok(adopted)
    }

    /// Makes a snapshot this member's own. One that was received lies here already; any other is copied first.
    pub(crate) fn import(&self, snapshot: &SnapshotRef) -> Result<(), MetaError> {
        if snapshot.path.parent() == Some(&self.root) {
            return Ok(());
        }
        let building = self.building()?;
        let table = building.join("table");
        dirs::create_dir(&table)?;
        let from = |name: &str| snapshot.path.join("table").join(name);
        for file in &snapshot.manifest.files {
            let to = table.join(&file.name);
            let failed = |e| MetaError::io(format!("copy {}", to.display()), e);
            fs::copy(from(&file.name), &to).map_err(failed)?;
            fs::File::open(&to).and_then(|f| f.sync_all()).map_err(failed)?;
        }
        dirs::sync_dir(&table)?;
        dirs::replace_file(&building.join(manifest::MANIFEST), &snapshot.manifest.to_file())?;
        self.adopt(&building).map(|_| ())
    }

    fn hash(&self, path: &Path) -> Result<(File, (String, u64, u64)), MetaError> {
        let failed = |e| MetaError::io(format!("hash {}", path.display()), e);
        let file = fs::File::open(path).map_err(failed)?;
        let stat = file.metadata().map_err(failed)?;
        let name = path.file_name().and_then(|n| n.to_str()).unwrap_or_default().to_owned();
        let id = (name.clone(), stat.ino(), stat.len());
        let fixed = matches!(path.extension().and_then(|e| e.to_str()), Some("sst" | "blob"));
        let cached = if fixed { self.known.lock().get(&id).cloned() } else { None };
        let blake3 = match cached {
            Some(sum) => sum,
            None => {
                file.sync_all().map_err(failed)?;
                hash_file(&file).map_err(failed)?
            }
        };
        Ok((File { name, bytes: stat.len(), blake3 }, id))
    }
}

/// BLAKE3 of a whole file.
pub(crate) fn hash_file(file: &fs::File) -> std::io::Result<Bytes> {
    let mut hasher = blake3::Hasher::new();
    hasher.update_reader(file)?;
    Ok(Bytes::copy_from_slice(hasher.finalize().as_bytes()))
}

fn known_files(snapshot: &SnapshotDir) -> Known {
    let id = |f: &File| {
        let stat = fs::metadata(snapshot.table().join(&f.name)).ok()?;
        Some(((f.name.clone(), stat.ino(), f.bytes), f.blake3.clone()))
    };
    snapshot.manifest.files.iter().filter_map(id).collect()
}
