//! An exclusive lock of a data directory, so that two processes never use one.
//!
//! What always holds: the kernel drops the lock when the process ends, however it ends; the lock file stays and
//! means nothing by itself. It holds the process id of the last owner, for people.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};

use rustix::fs::FlockOperation;

/// Name of the lock file.
pub const LOCK_FILE: &str = "LOCK";

/// Why a directory could not be locked.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another process has it.
    #[error("{} is in use by another process (pid {pid}); stop it, or use another directory", dir.display())]
    InUse {
        /// The directory.
        dir: PathBuf,
        /// The owner's process id as it wrote it.
        pid: String,
    },
    /// The lock file cannot be used.
    #[error("cannot lock {}: {source}", dir.display())]
    Io {
        /// The directory.
        dir: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// A locked directory; unlocked when dropped.
#[derive(Debug)]
pub struct DirLock {
    _file: File,
}

impl DirLock {
    /// Locks a directory that exists.
    pub fn acquire(dir: &Path) -> Result<Self, LockError> {
        let failed = |source: io::Error| LockError::Io { dir: dir.to_owned(), source };
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(dir.join(LOCK_FILE))
            .map_err(failed)?;
        match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(rustix::io::Errno::WOULDBLOCK) => {
                let mut pid = String::new();
                // For the message only: an unreadable owner is no reason to fail differently.
                drop((&mut file).take(32).read_to_string(&mut pid));
                return Err(LockError::InUse { dir: dir.to_owned(), pid: pid.trim().to_owned() });
            }
            Err(error) => return Err(failed(error.into())),
        }
        if let Err(error) = note_owner(&mut file) {
            // A full disk must not keep a server from starting: the note is for people.
            tracing::warn!(dir = %dir.display(), %error, "note the owner in the lock file");
        }
        Ok(Self { _file: file })
    }
}

fn note_owner(file: &mut File) -> io::Result<()> {
    file.set_len(0)?;
    file.rewind()?;
    writeln!(file, "{}", std::process::id())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_one_owner_at_a_time() {
        let dir = tempfile::tempdir().unwrap();
        let first = DirLock::acquire(dir.path()).unwrap();
        let error = DirLock::acquire(dir.path()).unwrap_err();
        assert!(
            matches!(&error, LockError::InUse { pid, .. } if *pid == std::process::id().to_string()),
            "{error}"
        );
        drop(first);
        DirLock::acquire(dir.path()).unwrap();
        assert!(matches!(DirLock::acquire(&dir.path().join("none")), Err(LockError::Io { .. })));
    }
}
