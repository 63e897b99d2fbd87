//! Which directory is the current table, and how that changes without a moment of doubt.
//!
//! ```text
//! state/CURRENT            name of the current table, with a checksum
//! state/<number>/          tables: the current one, perhaps one being built or removed
//! snapshots/<term>-<index>/  complete snapshots: `manifest` and `table/…`
//! incoming/<term>-<index>/   snapshots on their way here, ignored until complete
//! ```
//!
//! A new table is built aside, every file and directory synced, and becomes current by the rename of `CURRENT`.
//! A crash before the rename leaves the old table current and the new one to be swept away at the next start; a
//! crash after it leaves the old one to be swept away. Starting and installing a snapshot are the same steps:
//! [`TableDirs::current`] at the start, [`TableDirs::build`] and [`TableDirs::switch`] for every snapshot adopted.

use std::fs;
use std::path::{Path, PathBuf};

use crate::raft::MetaError;

/// The directory with all tables of one member.
#[derive(Clone, Debug)]
pub(crate) struct TableDirs {
    root: PathBuf,
}

fn io(what: &str, path: &Path, error: std::io::Error) -> MetaError {
    MetaError::io(format!("{what} {}", path.display()), error)
}

/// Makes names in a directory durable.
pub(crate) fn sync_dir(dir: &Path) -> Result<(), MetaError> {
    fs::File::open(dir).and_then(|d| d.sync_all()).map_err(|e| io("sync", dir, e))
}

/// Creates a directory, its parents, and makes its name durable.
pub(crate) fn create_dir(dir: &Path) -> Result<(), MetaError> {
    fs::create_dir_all(dir).map_err(|e| io("create", dir, e))?;
    if let Some(parent) = dir.parent() {
        sync_dir(parent)?;
    }
    Ok(())
}

/// Replaces a small file durably: written aside, synced, renamed, directory synced.
pub(crate) fn replace_file(path: &Path, bytes: &[u8]) -> Result<(), MetaError> {
    use std::io::Write;
    let aside = path.with_extension("new");
    let mut file = fs::File::create(&aside).map_err(|e| io("create", &aside, e))?;
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(|e| io("write", &aside, e))?;
    rename(&aside, path)
}

/// Renames durably within one directory, or between two that both get synced.
pub(crate) fn rename(from: &Path, to: &Path) -> Result<(), MetaError> {
    fs::rename(from, to).map_err(|e| io("rename", from, e))?;
    let (old, new) = (from.parent(), to.parent());
    if let Some(new) = new {
        sync_dir(new)?;
    }
    match old {
        Some(old) if Some(old) != new => sync_dir(old),
        _ => Ok(()),
    }
}

/// Removes a directory with all it holds; one that is not there is fine.
pub(crate) fn remove_dir(dir: &Path) -> Result<(), MetaError> {
    match fs::remove_dir_all(dir) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(io("remove", dir, e)),
        _ => Ok(()),
    }
}

impl TableDirs {
    /// Opens `root`, creating it when missing.
    pub(crate) fn open(root: &Path) -> Result<Self, MetaError> {
        create_dir(root)?;
        Ok(Self { root: root.to_owned() })
    }

    fn pointer(&self) -> PathBuf {
        self.root.join("CURRENT")
    }

    fn table(&self, number: u64) -> PathBuf {
        self.root.join(format!("{number:08}"))
    }

    fn read_pointer(&self) -> Result<Option<u64>, MetaError> {
        let path = self.pointer();
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(io("read", &path, e)),
        };
        let (name, sum) = text.trim_end().split_once(' ').unwrap_or(("", ""));
        if blake3::hash(name.as_bytes()).to_hex().as_str() != sum {
            return Err(MetaError::damaged(path.display().to_string(), "its checksum does not fit"));
        }
        name.parse().map(Some).map_err(|e| MetaError::damaged(path.display().to_string(), e))
    }

    /// The current table's directory, after sweeping away what no crash-free run would have left. `None` on a
    /// fresh member.
    pub(crate) fn current(&self) -> Result<Option<PathBuf>, MetaError> {
        let current = self.read_pointer()?;
        let keep = current.map(|number| self.table(number));
        for entry in fs::read_dir(&self.root).map_err(|e| io("read", &self.root, e))? {
            let path = entry.map_err(|e| io("read", &self.root, e))?.path();
            if path.is_dir() && Some(&path) != keep.as_ref() {
                tracing::info!(dir = %path.display(), "removing a table that is not current");
                remove_dir(&path)?;
            }
        }
        match keep {
            Some(dir) if !dir.is_dir() => {
                Err(MetaError::damaged(dir.display().to_string(), "the current table is missing"))
            }
            keep => Ok(keep),
        }
    }

    /// An empty place for the next table: a name that was not used since the pointer was last written.
    pub(crate) fn next(&self) -> Result<PathBuf, MetaError> {
        let number = self.read_pointer()?.map_or(1, |number| number + 1);
        let dir = self.table(number);
        remove_dir(&dir)?;
        Ok(dir)
    }

    /// Builds the next table from the files in `from`. Table and blob files never change, so they are linked;
    /// the small rest is copied.
    pub(crate) fn build(&self, from: &Path) -> Result<PathBuf, MetaError> {
        let dir = self.next()?;
        fs::create_dir(&dir).map_err(|e| io("create", &dir, e))?;
        for entry in fs::read_dir(from).map_err(|e| io("read", from, e))? {
            let entry = entry.map_err(|e| io("read", from, e))?;
            let (source, target) = (entry.path(), dir.join(entry.file_name()));
            let fixed = matches!(source.extension().and_then(|e| e.to_str()), Some("sst" | "blob"));
            if fixed && fs::hard_link(&source, &target).is_ok() {
                continue;
            }
            fs::copy(&source, &target).map_err(|e| io("copy", &source, e))?;
            fs::File::open(&target).and_then(|f| f.sync_all()).map_err(|e| io("sync", &target, e))?;
        }
        sync_dir(&dir)?;
        sync_dir(&self.root)?;
        Ok(dir)
    }

    /// Makes `dir`, which came from [`Self::next`] or [`Self::build`], the current table.
    pub(crate) fn switch(&self, dir: &Path) -> Result<(), MetaError> {
        let name = dir.file_name().and_then(|n| n.to_str()).unwrap_or_default();
        let number: u64 = name.parse().map_err(|e| MetaError::io(format!("switch to {name}"), e))?;
        let name = number.to_string();
        let text = format!("{name} {}\n", blake3::hash(name.as_bytes()).to_hex());
        replace_file(&self.pointer(), text.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_current_table_survives_a_start() {
        let temp = tempfile::tempdir().unwrap();
        let dirs = TableDirs::open(&temp.path().join("state")).unwrap();
        assert_eq!(dirs.current().unwrap(), None);
        let first = dirs.next().unwrap();
        fs::create_dir(&first).unwrap();
        dirs.switch(&first).unwrap();
        let source = temp.path().join("source");
        fs::create_dir(&source).unwrap();
        fs::write(source.join("1.sst"), "table").unwrap();
        fs::write(source.join("CURRENT"), "x").unwrap();
        // Built, but a crash comes before the switch: the first stays current and the second goes.
        let second = dirs.build(&source).unwrap();
        assert_eq!(dirs.current().unwrap(), Some(first.clone()));
        assert!(!second.exists());
        // Switched, and the crash comes before the first is removed.
        let second = dirs.build(&source).unwrap();
        dirs.switch(&second).unwrap();
        assert_eq!(dirs.current().unwrap(), Some(second.clone()));
        assert!(!first.exists());
        assert_eq!(fs::read_to_string(second.join("1.sst")).unwrap(), "table");
    }

    #[test]
    fn a_damaged_pointer_is_an_error_not_an_empty_store() {
        let temp = tempfile::tempdir().unwrap();
        let dirs = TableDirs::open(temp.path()).unwrap();
        let first = dirs.next().unwrap();
        fs::create_dir(&first).unwrap();
        dirs.switch(&first).unwrap();
        let mut text = fs::read(dirs.pointer()).unwrap();
        text[0] ^= 2;
        fs::write(dirs.pointer(), text).unwrap();
        assert!(matches!(dirs.current(), Err(MetaError::Damaged { .. })));
    }
}
