//! Numbers under which the kernel knows open files and directories.
//!
//! What always holds: a number is used once; a handle lives until its release, whatever happens to the name.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use holdfast_client::Hold;
use parking_lot::RwLock;

use crate::fs::atime::Noted;
use crate::fs::dir::DirState;
use crate::fs::file::File;
use crate::fs::nearby::Passes;

/// An open file.
#[derive(Debug)]
pub(crate) struct FileHandle {
    pub(crate) file: Arc<File>,
    /// Flags of open(2).
    pub(crate) flags: i32,
    /// Failures of background writes that this handle's owner was told of, or that came before it was opened.
    pub(crate) told: AtomicU64,
    /// What its owner was told at the last close: that not everything could be committed.
    pub(crate) failed: AtomicBool,
    /// Whether reading through it was noted.
    pub(crate) noted: Noted,
    /// Whether the kernel reads for it, past this process.
    pub(crate) passes: Passes,
    /// Keeps the file in the cluster when it loses its last name.
    pub(crate) _hold: Hold,
}

impl FileHandle {
    pub(crate) fn new(file: Arc<File>, flags: i32, hold: Hold) -> Self {
        let (noted, passes) = (Noted::default(), Passes::default());
        let (told, failed) = (AtomicU64::new(0), AtomicBool::new(false));
        Self { file, flags, told, failed, noted, passes, _hold: hold }
    }

    pub(crate) fn appends(&self) -> bool {
        self.flags & libc::O_APPEND != 0
    }

    /// The kernel asks for every read and write: where appended bytes land is not known before they are committed.
    pub(crate) fn is_direct(&self) -> bool {
        self.appends() && self.writes()
    }

    pub(crate) fn reads(&self) -> bool {
        self.flags & libc::O_ACCMODE != libc::O_WRONLY
    }

    pub(crate) fn writes(&self) -> bool {
        self.flags & libc::O_ACCMODE != libc::O_RDONLY
    }
}

/// An open directory.
#[derive(Debug)]
pub(crate) struct DirHandle {
    pub(crate) ino: u64,
    pub(crate) state: Arc<tokio::sync::Mutex<DirState>>,
}

/// All handles of a mount.
#[derive(Debug, Default)]
pub(crate) struct Handles {
    next: AtomicU64,
    files: RwLock<HashMap<u64, Arc<FileHandle>>>,
    dirs: RwLock<HashMap<u64, Arc<DirHandle>>>,
}

impl Handles {
    fn number(&self) -> u64 {
        self.next.fetch_add(1, Ordering::Relaxed) + 1
    }

    pub(crate) fn add_file(&self, handle: FileHandle) -> u64 {
        let number = self.number();
        self.files.write().insert(number, Arc::new(handle));
        number
    }

    pub(crate) fn add_dir(&self, handle: DirHandle) -> u64 {
        let number = self.number();
        self.dirs.write().insert(number, Arc::new(handle));
        number
    }

    pub(crate) fn file(&self, number: u64) -> Option<Arc<FileHandle>> {
        self.files.read().get(&number).cloned()
    }

    pub(crate) fn dir(&self, number: u64) -> Option<Arc<DirHandle>> {
        self.dirs.read().get(&number).cloned()
    }

    pub(crate) fn remove_file(&self, number: u64) -> Option<Arc<FileHandle>> {
        self.files.write().remove(&number)
    }

    pub(crate) fn remove_dir(&self, number: u64) {
        self.dirs.write().remove(&number);
    }

    /// Open files and directories.
    pub(crate) fn count(&self) -> (usize, usize) {
        (self.files.read().len(), self.dirs.read().len())
    }
}
