//! Settings of a mount.

use std::time::Duration;

use crate::disk::DiskCacheConfig;

/// How a mount behaves. The defaults are for an application server.
#[derive(Clone, Debug)]
pub struct MountConfig {
    /// How long one operation waits for the cluster before it fails with `EIO`. Default 60 s.
    pub io_deadline: Duration,
    /// How long the kernel and this process may take names and attributes for current. Default 1 s.
    pub attr_ttl: Duration,
    /// Bytes written and not committed, all files together; writers wait beyond it. Default 96 MiB.
    pub dirty_bytes: u64,
    /// Age at which written bytes are committed without anybody asking. Default 2 s.
    pub commit_after: Duration,
    /// Age at which appended bytes are committed, so that readers elsewhere can follow. Default 500 ms.
    pub append_commit_after: Duration,
    /// Files of which it is remembered which version the kernel holds. Default 65,536.
    pub remembered_files: usize,
    /// What becomes of access times. Default: nothing.
    pub atime: AtimePolicy,
    /// Nothing is changed through it. Default: no.
    pub read_only: bool,
    /// Whole files on a disk of this machine. Default: none.
    pub disk: Option<DiskCacheConfig>,
}

/// What becomes of access times when something is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AtimePolicy {
    /// They change only when they are set.
    #[default]
    Never,
    /// They move when they are not later than the last change, or a day old.
    Relative,
}

impl Default for MountConfig {
    fn default() -> Self {
        Self {
            io_deadline: Duration::from_secs(60),
            attr_ttl: Duration::from_secs(1),
            dirty_bytes: 96 << 20,
            commit_after: Duration::from_secs(2),
            append_commit_after: Duration::from_millis(500),
            remembered_files: 65_536,
            atime: AtimePolicy::default(),
            read_only: false,
            disk: None,
        }
    }
}
