//! What stat(2) tells of a file.

use holdfast_proto::inode::{FileKind, Inode};

/// Preferred size of a request, `st_blksize`: stdio and many tools buffer that much before they write, and each
/// write is a request to this process.
pub(crate) const BLOCK_SIZE: u32 = 128 << 10;

/// Shown as the length of every directory.
const DIRECTORY_BYTES: u64 = 4096;

/// Attributes of an inode. Times are nanoseconds since the Unix epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attr {
    /// Inode number.
    pub ino: u64,
    /// What it is.
    pub kind: FileKind,
    /// Low twelve bits of the mode.
    pub mode: u32,
    /// Names.
    pub nlink: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Device number of a device.
    pub rdev: u32,
    /// Length in bytes.
    pub size: u64,
    /// Bytes that are stored for it.
    pub allocated: u64,
    /// Last access.
    pub atime_ns: i64,
    /// Last change of content.
    pub mtime_ns: i64,
    /// Last change of anything.
    pub ctime_ns: i64,
    /// Creation.
    pub btime_ns: i64,
}

impl Attr {
    /// As the metadata has it.
    pub fn of(inode: &Inode) -> Self {
        let kind = inode.kind();
        let size = if kind == FileKind::Directory { DIRECTORY_BYTES } else { inode.size };
        Self {
            ino: inode.ino,
            kind,
            mode: inode.mode & 0o7777,
            nlink: inode.nlink,
            uid: inode.uid,
            gid: inode.gid,
            rdev: inode.rdev,
            size,
            allocated: inode.allocated,
            atime_ns: inode.atime_ns,
            mtime_ns: inode.mtime_ns,
            ctime_ns: inode.ctime_ns,
            btime_ns: inode.btime_ns,
        }
    }
}
