//! The directory of a disk: lock, superblock, sidecars. Everything durable here goes through `crashsafe`.
//!
//! ```text
//! <disk>/LOCK         held while the process lives
//! <disk>/superblock   which disk this is
//! <disk>/authority    highest (metadata incarnation, term) of an order it obeyed
//! <disk>/scrub        how far the scrub of this disk is
//! <disk>/FAILED       why it was taken out of service; remove it to re-admit the disk, also while the node runs
//! <disk>/REPLACE      put there by a person: this empty directory replaces the disk that was here
//! <disk>/segments/    the log
//! <disk>/index/       the index
//! ```

use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use holdfast_support::crashsafe;
use holdfast_support::crc::crc32c;
use holdfast_support::dirlock::{DirLock, LockError};

use super::orders::Authority;
use super::scrubbing::ScrubPosition;
use crate::error::OpenError;
use crate::format::FormatFault;
use crate::format::field;
use crate::format::superblock::Superblock;

const SUPERBLOCK: &str = "superblock";
const AUTHORITY: &str = "authority";
const SCRUB: &str = "scrub";
const FAILED: &str = "FAILED";
const REPLACE: &str = "REPLACE";

/// A locked disk directory.
#[derive(Debug)]
pub(crate) struct DiskHome {
    path: PathBuf,
    _lock: DirLock,
}

impl DiskHome {
    /// Makes the directory if its parent is there, and locks it.
    pub(crate) fn open(path: &Path) -> Result<Self, OpenError> {
        crashsafe::create_dir(path).map_err(OpenError::io(format!("make {}", path.display())))?;
        let lock = DirLock::acquire(path).map_err(|error| match error {
            LockError::InUse { .. } => OpenError::Locked(path.display().to_string()),
            LockError::Io { source, .. } => OpenError::io(format!("lock {}", path.display()))(source),
        })?;
        Ok(Self { path: path.to_owned(), _lock: lock })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn segments(&self) -> PathBuf {
        self.path.join("segments")
    }

    pub(crate) fn index(&self) -> PathBuf {
        self.path.join("index")
    }

    /// The superblock; `None` in a directory that never was a disk.
    pub(crate) fn superblock(&self) -> Result<Option<Superblock>, OpenError> {
        let file = self.path.join(SUPERBLOCK);
        let bytes = crashsafe::read_file(&file).map_err(OpenError::io(format!("read {}", file.display())))?;
        let Some(bytes) = bytes else {
            if self.has_segments() {
                return Err(OpenError::Refused(format!(
                    "{} has segments but no superblock: it is left alone; restore the superblock, or move the \
                     segments away to use the directory as a new disk",
                    self.path.display()
                )));
            }
            return Ok(None);
        };
        match Superblock::decode(&bytes) {
            Ok(superblock) => Ok(Some(superblock)),
            Err(FormatFault::Version(version)) => {
                Err(OpenError::Version { what: file.display().to_string(), version })
            }
            Err(fault) => Err(OpenError::Refused(format!("{} is damaged: {fault}", file.display()))),
        }
    }

    fn has_segments(&self) -> bool {
        std::fs::read_dir(self.segments()).is_ok_and(|mut entries| entries.next().is_some())
    }

    pub(crate) fn write_superblock(&self, superblock: &Superblock) -> Result<(), OpenError> {
        let file = self.path.join(SUPERBLOCK);
        crashsafe::write_file(&file, &superblock.encode())
            .map_err(OpenError::io(format!("write {}", file.display())))
    }

    /// The highest authority obeyed so far.
    pub(crate) fn authority(&self) -> Authority {
        let bytes = crashsafe::read_file(&self.path.join(AUTHORITY)).ok().flatten().unwrap_or_default();
        let valid =
            bytes.len() == 20 && field::u32_at(&bytes, 16) == crc32c(bytes.get(..16).unwrap_or_default());
        // Lost, it is learnt again from the leader before the first order is obeyed.
        if !valid {
            return Authority::default();
        }
        Authority { meta_incarnation: field::u64_at(&bytes, 0), term: field::u64_at(&bytes, 8) }
    }

    pub(crate) fn write_authority(&self, authority: Authority) -> std::io::Result<()> {
        let mut bytes = [authority.meta_incarnation.to_le_bytes(), authority.term.to_le_bytes()].concat();
        bytes.extend_from_slice(&crc32c(&bytes).to_le_bytes());
        crashsafe::write_file(&self.path.join(AUTHORITY), &bytes)
    }

    /// How far its scrub is. `None`: there is no such file, the disk is new; `Some(None)`: it cannot be read.
    pub(crate) fn scrub(&self) -> Option<Option<ScrubPosition>> {
        match crashsafe::read_file(&self.path.join(SCRUB)) {
            Ok(bytes) => Some(ScrubPosition::decode(&bytes?)),
            Err(_) => Some(None),
        }
    }

    pub(crate) fn write_scrub(&self, position: &ScrubPosition) -> std::io::Result<()> {
        crashsafe::write_file(&self.path.join(SCRUB), &position.encode())
    }

    /// Why it was taken out of service earlier, if it was.
    pub(crate) fn failure(&self) -> Option<String> {
        let bytes = crashsafe::read_file(&self.path.join(FAILED)).ok().flatten()?;
        let why = String::from_utf8_lossy(&bytes).trim().to_owned();
        let file = self.path.join(FAILED);
        Some(format!(
            "failed earlier ({why}); check the hardware, then remove {} to re-admit it",
            file.display()
        ))
    }

    /// Whether a person asked for this directory to replace the disk that was here.
    pub(crate) fn replace_wanted(&self) -> bool {
        self.path.join(REPLACE).exists()
    }

    pub(crate) fn replace_done(&self) {
        if let Err(error) = crashsafe::remove_file(&self.path.join(REPLACE)) {
            tracing::warn!(disk = %self.path.display(), %error, "remove the REPLACE marker");
        }
    }
}

/// Notes in a directory that is not locked that the disk there has failed.
pub(crate) fn note_failure(path: &Path, why: &str) -> std::io::Result<()> {
    crashsafe::write_file(&path.join(FAILED), format!("{why}\n").as_bytes())
}

/// What lies in a directory that is not locked.
pub(crate) struct Peek {
    /// The superblock's bytes, if there is one.
    pub(crate) superblock: Option<Vec<u8>>,
    /// Whether there is a note that the disk failed.
    pub(crate) noted: bool,
    /// Whether a person asked for this directory to replace the disk that was here.
    pub(crate) replace: bool,
    /// The root of its file system.
    pub(crate) root: PathBuf,
}

/// Looks without locking or making anything. A directory that is not there is empty if it could be made. An error: it
/// cannot be read.
pub(crate) fn peek(path: &Path) -> std::io::Result<Peek> {
    if let Err(error) = std::fs::read_dir(path) {
        let parent = path.parent().filter(|_| error.kind() == ErrorKind::NotFound).ok_or(error)?;
        return Ok(Peek { superblock: None, noted: false, replace: false, root: root_of(parent)? });
    }
    Ok(Peek {
        superblock: crashsafe::read_file(&path.join(SUPERBLOCK))?,
        noted: path.join(FAILED).try_exists()?,
        replace: path.join(REPLACE).try_exists()?,
        root: root_of(path)?,
    })
}

/// The root of the file system that a directory is on: where it is mounted.
pub(crate) fn root_of(path: &Path) -> std::io::Result<PathBuf> {
    let mut root = std::fs::canonicalize(path)?;
    let device = std::fs::metadata(&root)?.dev();
    while let Some(parent) = root.parent()
        && std::fs::metadata(parent)?.dev() == device
    {
        root = parent.to_owned();
    }
    Ok(root)
}

#[cfg(test)]
mod tests {
    use holdfast_proto::ids::{ClusterId, DiskId, Incarnation, NodeId};

    use super::*;

    #[test]
    fn keeps_what_it_was_told_and_locks() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("disk0");
        let home = DiskHome::open(&path).unwrap();
        assert!(matches!(DiskHome::open(&path), Err(OpenError::Locked(_))));
        assert!(home.superblock().unwrap().is_none());
        let superblock = Superblock {
            disk: DiskId(1),
            incarnation: Incarnation(2),
            cluster: ClusterId([3; 16]),
            fingerprint: [4; 16],
            node: NodeId(5),
            created: 6,
        };
        home.write_superblock(&superblock).unwrap();
        home.write_authority(Authority { meta_incarnation: 1, term: 9 }).unwrap();
        note_failure(&path, "EIO").unwrap();
        drop(home);
        let home = DiskHome::open(&path).unwrap();
        assert_eq!(home.superblock().unwrap(), Some(superblock));
        assert_eq!(home.authority(), Authority { meta_incarnation: 1, term: 9 });
        assert!(home.failure().unwrap().contains("EIO"));
        let peek = peek(&path).unwrap();
        assert!(peek.noted && peek.superblock == Some(superblock.encode().to_vec()));
        assert!(!peek.replace && path.starts_with(&peek.root));
        let missing = super::peek(&dir.path().join("nothing")).unwrap();
        assert!(missing.superblock.is_none() && missing.root == peek.root, "it could be made");
        assert!(super::peek(&dir.path().join("no/thing")).is_err());
        assert_eq!(root_of(Path::new("/proc/self")).unwrap(), Path::new("/proc"));
    }

    #[test]
    fn segments_without_superblock_are_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let home = DiskHome::open(dir.path()).unwrap();
        std::fs::create_dir(home.segments()).unwrap();
        std::fs::write(home.segments().join("0000000000000001.seg"), b"x").unwrap();
        assert!(home.superblock().unwrap_err().to_string().contains("no superblock"));
        std::fs::write(dir.path().join("superblock"), b"garbage that is not a superblock").unwrap();
        assert!(home.superblock().unwrap_err().to_string().contains("damaged"));
    }
}
