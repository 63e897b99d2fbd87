//! Attributes, kinds, times and numbers in the kernel's form.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use fuser::{FileAttr, FileType, INodeNo, TimeOrNow};
use holdfast_proto::ids::ROOT_INO;
use holdfast_proto::inode::FileKind;
use holdfast_proto::op::{FileLock, LockKind};

use crate::errno::Errno;
use crate::fs::{Attr, Time};

/// The kernel calls the top of any mount 1; ours is the directory that is mounted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Inodes {
    top: u64,
}

impl Inodes {
    pub(crate) fn new(top: u64) -> Self {
        Self { top }
    }

    pub(crate) fn ours(self, ino: INodeNo) -> u64 {
        if ino == INodeNo::ROOT { self.top } else { ino.0 }
    }

    pub(crate) fn kernels(self, ino: u64) -> INodeNo {
        // What lies above the top is shown as the top itself.
        if ino == self.top || ino == ROOT_INO.0 { INodeNo::ROOT } else { INodeNo(ino) }
    }
}

pub(crate) fn errno(errno: Errno) -> fuser::Errno {
    fuser::Errno::from_i32(errno.number())
}

pub(crate) fn kind(kind: FileKind) -> FileType {
    match kind {
        FileKind::File => FileType::RegularFile,
        FileKind::Directory => FileType::Directory,
        FileKind::Symlink => FileType::Symlink,
        FileKind::Fifo => FileType::NamedPipe,
        FileKind::Socket => FileType::Socket,
        FileKind::CharDevice => FileType::CharDevice,
        FileKind::BlockDevice => FileType::BlockDevice,
    }
}

/// The kind in a mode of mknod(2); plain file if it names none.
pub(crate) fn kind_of_mode(mode: u32) -> Option<FileKind> {
    match mode & libc::S_IFMT {
        0 | libc::S_IFREG => Some(FileKind::File),
        libc::S_IFIFO => Some(FileKind::Fifo),
        libc::S_IFSOCK => Some(FileKind::Socket),
        libc::S_IFCHR => Some(FileKind::CharDevice),
        libc::S_IFBLK => Some(FileKind::BlockDevice),
        _ => None,
    }
}

fn system_time(ns: i64) -> SystemTime {
    let size = Duration::from_nanos(ns.unsigned_abs());
    let time = if ns >= 0 { UNIX_EPOCH.checked_add(size) } else { UNIX_EPOCH.checked_sub(size) };
    time.unwrap_or(UNIX_EPOCH)
}

fn nanoseconds(time: SystemTime) -> i64 {
    match time.duration_since(UNIX_EPOCH) {
        Ok(since) => i64::try_from(since.as_nanos()).unwrap_or(i64::MAX),
        Err(before) => i64::try_from(before.duration().as_nanos()).map_or(i64::MIN, |ns| -ns),
    }
}

pub(crate) fn time(time: TimeOrNow) -> Time {
    match time {
        TimeOrNow::Now => Time::Now,
        TimeOrNow::SpecificTime(time) => Time::At(given(time)),
    }
}

/// A time as the kernel gave it. The binding takes the nanoseconds of times before 1970 away from the seconds, where the
/// kernel means them to be added.
fn given(time: SystemTime) -> i64 {
    match time.duration_since(UNIX_EPOCH) {
        Ok(_) => nanoseconds(time),
        Err(before) => {
            let (seconds, nanos) = (before.duration().as_secs(), before.duration().subsec_nanos());
            let ns = i64::from(nanos) as i128 - i128::from(seconds) * 1_000_000_000;
            i64::try_from(ns).unwrap_or(i64::MIN)
        }
    }
}

pub(crate) fn attr(inodes: Inodes, attr: &Attr) -> FileAttr {
    FileAttr {
        ino: inodes.kernels(attr.ino),
        size: attr.size,
        blocks: attr.allocated.div_ceil(512),
        atime: system_time(attr.atime_ns),
        mtime: system_time(attr.mtime_ns),
        ctime: system_time(attr.ctime_ns),
        crtime: system_time(attr.btime_ns),
        kind: kind(attr.kind),
        perm: (attr.mode & 0o7777) as u16,
        nlink: attr.nlink,
        uid: attr.uid,
        gid: attr.gid,
        rdev: attr.rdev,
        blksize: crate::fs::attr::BLOCK_SIZE,
        flags: 0,
    }
}

/// A lock type of fcntl(2).
pub(crate) fn lock_kind(kind: i32) -> Option<LockKind> {
    match kind {
        libc::F_RDLCK => Some(LockKind::Shared),
        libc::F_WRLCK => Some(LockKind::Exclusive),
        libc::F_UNLCK => Some(LockKind::Unlock),
        _ => None,
    }
}

pub(crate) fn lock_type(lock: &FileLock) -> i32 {
    match lock.kind() {
        LockKind::Shared => libc::F_RDLCK,
        LockKind::Exclusive => libc::F_WRLCK,
        LockKind::Unlock => libc::F_UNLCK,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_survive_the_way_there_and_back() {
        for ns in [0, 1, -1, 1_700_000_000_123_456_789, -1_000_000_001, i64::MAX, i64::MIN + 1] {
            assert_eq!(nanoseconds(system_time(ns)), ns);
        }
    }

    #[test]
    fn the_top_of_the_mount_is_the_kernels_one() {
        let inodes = Inodes::new(77);
        assert_eq!(inodes.ours(INodeNo::ROOT), 77);
        assert_eq!(inodes.kernels(77), INodeNo::ROOT);
        assert_eq!(inodes.ours(INodeNo(5)), 5);
        assert_eq!(inodes.kernels(5), INodeNo(5));
    }
}
