//! The kernel's files. Called by the store of a real disk; everything here may block.
//!
//! What always holds: names come from the store (segment numbers), never from outside. Segments are preallocated:
//! measured on ext4 over virtio, an fdatasync after 8 MiB costs 29 ms appended and 5 ms preallocated; after 8 KiB
//! 270 µs appended, 250 µs preallocated and 190 µs over blocks that were written before (see `store/writer.rs`).
//! 1 MiB past the page cache takes 2 ms and 0.2 ms of CPU, through it 5 ms and 0.5 ms.

use std::fs::{self, OpenOptions};
use std::io::{self, IoSlice, IoSliceMut};
use std::num::NonZeroU64;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use parking_lot::Mutex;
use rustix::fs::{FallocateFlags, SeekFrom};
use rustix::io::{Errno, ReadWriteFlags};

use super::aligned::Aligned;
use super::direct::{BOUNCE_BYTES, write_aligned};
use super::{Disk, File, Listed, Space};
use crate::format::ALIGN;

/// Most buffers one call to the kernel takes.
const MAX_PARTS: usize = 1024;

/// A directory on a file system.
#[derive(Debug)]
pub struct RealDisk {
    directory: PathBuf,
    durable: bool,
    bounce: Arc<Mutex<Aligned>>,
}

impl RealDisk {
    /// Opens (and makes, if it is not there) the directory.
    ///
    /// `durable: false` leaves out every sync. It exists so that the power-loss test can be seen to fail, and for
    /// nothing else.
    pub fn open(directory: &Path, durable: bool) -> io::Result<Self> {
        fs::create_dir_all(directory)?;
        let bounce = Arc::new(Mutex::new(Aligned::new(0)));
        let disk = Self { directory: directory.to_owned(), durable, bounce };
        disk.sync_directory()?;
        Ok(disk)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    fn sync_directory(&self) -> io::Result<()> {
        if self.durable { fs::File::open(&self.directory)?.sync_all() } else { Ok(()) }
    }

    fn opened(&self, name: &str, file: fs::File) -> Arc<dyn File> {
        Arc::new(RealFile {
            file,
            path: self.path(name),
            direct: OnceLock::new(),
            durable: self.durable,
            bounce: self.bounce.clone(),
        })
    }
}

impl Disk for RealDisk {
    fn create(&self, name: &str, bytes: u64) -> io::Result<Arc<dyn File>> {
        let file = OpenOptions::new().read(true).write(true).create_new(true).open(self.path(name))?;
        let made = allocate(&file, 0, bytes)
            .and_then(|()| if self.durable { file.sync_all() } else { Ok(()) })
            .and_then(|()| self.sync_directory());
        if let Err(error) = made {
            // What could not be allocated must not stay behind half made.
            fs::remove_file(self.path(name)).ok();
            return Err(error);
        }
        Ok(self.opened(name, file))
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn File>> {
        let file = OpenOptions::new().read(true).write(true).open(self.path(name))?;
        Ok(self.opened(name, file))
    }

    fn list(&self) -> io::Result<Vec<Listed>> {
        let mut found = Vec::new();
        for entry in fs::read_dir(&self.directory)? {
            let entry = entry?;
            let meta = entry.metadata()?;
            if let (true, Ok(name)) = (meta.is_file(), entry.file_name().into_string()) {
                found.push(Listed { name, length: meta.len(), allocated: meta.blocks() * 512 });
            }
        }
        Ok(found)
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        fs::rename(self.path(from), self.path(to))?;
        self.sync_directory()
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        fs::remove_file(self.path(name))?;
        self.sync_directory()
    }

    fn space(&self) -> io::Result<Space> {
        let stat = rustix::fs::statvfs(&self.directory)?;
        Ok(Space {
            total: stat.f_blocks.saturating_mul(stat.f_frsize),
            available: stat.f_bavail.saturating_mul(stat.f_frsize),
        })
    }
}

/// Room for `bytes` from `offset`; where the file system cannot promise room, at least the length.
fn allocate(file: &fs::File, offset: u64, bytes: u64) -> io::Result<()> {
    if bytes == 0 {
        return Ok(());
    }
    match rustix::fs::fallocate(file, FallocateFlags::empty(), offset, bytes) {
        Ok(()) => Ok(()),
        Err(Errno::OPNOTSUPP | Errno::NOSYS) => file.set_len(offset + bytes),
        Err(error) => Err(error.into()),
    }
}

struct RealFile {
    file: fs::File,
    path: PathBuf,
    /// A second descriptor, past the cache; `None` where the file system refuses O_DIRECT.
    direct: OnceLock<Option<fs::File>>,
    durable: bool,
    /// For bytes that do not lie as writes past the cache want them; one for all files of the disk.
    bounce: Arc<Mutex<Aligned>>,
}

impl RealFile {
    fn direct(&self) -> Option<&fs::File> {
        let open = || {
            let flags = rustix::fs::OFlags::DIRECT.bits().cast_signed();
            OpenOptions::new().read(true).write(true).custom_flags(flags).open(&self.path).ok()
        };
        self.direct.get_or_init(open).as_ref()
    }
}

/// Writes all of `parts`, however many calls that takes.
fn write_all(file: &fs::File, mut offset: u64, parts: &[&[u8]]) -> io::Result<()> {
    for group in parts.chunks(MAX_PARTS) {
        let mut slices: Vec<IoSlice<'_>> = group.iter().map(|part| IoSlice::new(part)).collect();
        let mut rest = slices.as_mut_slice();
        while rest.iter().any(|part| !part.is_empty()) {
            let written = match rustix::io::pwritev(file, rest, offset) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(n) => n,
                Err(Errno::INTR) => continue,
                Err(error) => return Err(error.into()),
            };
            offset += written as u64;
            IoSlice::advance_slices(&mut rest, written);
        }
    }
    Ok(())
}

impl File for RealFile {
    fn write_at(&self, offset: u64, parts: &[&[u8]]) -> io::Result<()> {
        write_all(&self.file, offset, parts)
    }

    fn write_direct(&self, offset: u64, parts: &[&[u8]]) -> io::Result<()> {
        let Some(file) = self.direct() else { return self.write_at(offset, parts) };
        let mut bounce = self.bounce.lock();
        bounce.reserve(BOUNCE_BYTES);
        let written =
            write_aligned(offset, parts, bounce.slice(BOUNCE_BYTES), |at, parts| write_all(file, at, parts));
        match written {
            // Opened but not to be used this way: some file systems and stacks of them.
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => self.write_at(offset, parts),
            other => other,
        }
    }

    fn read_at(&self, offset: u64, into: &mut [u8]) -> io::Result<usize> {
        self.file.read_at(into, offset)
    }

    fn read_cached(&self, offset: u64, into: &mut [u8]) -> io::Result<bool> {
        let wanted = into.len();
        match rustix::io::preadv2(&self.file, &mut [IoSliceMut::new(into)], offset, ReadWriteFlags::NOWAIT) {
            Ok(n) => Ok(n == wanted),
            Err(Errno::AGAIN | Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL | Errno::INTR) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    fn read_direct(&self, offset: u64, into: &mut [u8]) -> io::Result<usize> {
        match self.direct() {
            Some(file) if into.as_ptr().align_offset(ALIGN as usize) == 0 => file.read_at(into, offset),
            _ => self.file.read_at(into, offset),
        }
    }

    fn sync(&self) -> io::Result<()> {
        if self.durable { self.file.sync_data() } else { Ok(()) }
    }

    fn punch(&self, offset: u64, bytes: u64) -> io::Result<()> {
        let mode = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
        match rustix::fs::fallocate(&self.file, mode, offset, bytes) {
            // Room that cannot be punched comes back with compaction.
            Ok(()) | Err(Errno::OPNOTSUPP | Errno::NOSYS) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    fn resize(&self, keep: u64, bytes: u64) -> io::Result<()> {
        self.file.set_len(keep)?;
        allocate(&self.file, keep, bytes.saturating_sub(keep))?;
        if self.durable { self.file.sync_all() } else { Ok(()) }
    }

    fn uncache(&self, offset: u64, bytes: u64) {
        // Advice only: a file system that does not take it loses nothing.
        let _ = rustix::fs::fadvise(&self.file, offset, NonZeroU64::new(bytes), rustix::fs::Advice::DontNeed);
    }

    fn length(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    fn next_data(&self, from: u64) -> io::Result<Option<u64>> {
        match rustix::fs::seek(&self.file, SeekFrom::Data(from)) {
            Ok(at) => Ok(Some(at)),
            Err(Errno::NXIO) => Ok(None),
            Err(Errno::INVAL | Errno::OPNOTSUPP) => Ok((from < self.length()?).then_some(from)),
            Err(error) => Err(error.into()),
        }
    }
}
