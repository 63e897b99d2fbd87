//! What the store needs from a disk: a small directory of files written at chosen places and synced on demand.
//! [`real`] talks to the kernel; [`mem`] forgets what was not synced, returns short reads, flips bits and runs full.
//!
//! What always holds:
//! - [`File::write_at`] promises nothing until [`File::sync`] returned; then everything written before is durable.
//! - [`Disk::create`], [`Disk::rename`], [`Disk::remove`] and [`File::resize`] are durable when they return.
//! - Nothing here retries a failed write or sync: what such an error means is the caller's decision.

pub(crate) mod aligned;
mod direct;
pub mod mem;
pub mod real;

use std::io;
use std::sync::Arc;

/// A file and its size.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Name within the directory.
    pub name: String,
    /// Length in bytes.
    pub length: u64,
    /// Bytes it takes on the disk (less than its length after punching).
    pub allocated: u64,
}

/// How much room the file system has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Space {
    /// Bytes of the whole file system.
    pub total: u64,
    /// Bytes that can still be allocated.
    pub available: u64,
}

/// A directory of segment files.
pub trait Disk: Send + Sync {
    /// Makes a file of this length, with room allocated for all of it, and opens it. Fails if it exists.
    fn create(&self, name: &str, bytes: u64) -> io::Result<Arc<dyn File>>;
    /// Opens an existing file.
    fn open(&self, name: &str) -> io::Result<Arc<dyn File>>;
    /// All files.
    fn list(&self) -> io::Result<Vec<Listed>>;
    /// Gives a file another name.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;
    /// Removes a file. Readers that have it open may go on reading.
    fn remove(&self, name: &str) -> io::Result<()>;
    /// Room on the file system.
    fn space(&self) -> io::Result<Space>;
}

/// An open segment file. Shared by the writer and any number of readers.
pub trait File: Send + Sync {
    /// Writes `parts` one after another at `offset`, all of them or an error.
    fn write_at(&self, offset: u64, parts: &[&[u8]]) -> io::Result<()>;
    /// As [`File::write_at`], past the cache where the file system can do that. `offset` and the length of all parts
    /// together are multiples of 4 KiB.
    fn write_direct(&self, offset: u64, parts: &[&[u8]]) -> io::Result<()>;
    /// Reads into `into`; may be short anywhere, 0 means the end of the file.
    fn read_at(&self, offset: u64, into: &mut [u8]) -> io::Result<usize>;
    /// Fills `into` if that needs no disk access; `false`: it would, nothing is promised about `into`.
    fn read_cached(&self, offset: u64, into: &mut [u8]) -> io::Result<bool>;
    /// As [`File::read_at`], but from the platters, not from a cache, where the file system can do that.
    /// `offset` and the length of `into` are multiples of 4 KiB.
    fn read_direct(&self, offset: u64, into: &mut [u8]) -> io::Result<usize>;
    /// Makes everything written so far durable.
    fn sync(&self) -> io::Result<()>;
    /// Gives the room of a range back; it reads as zeros afterwards. Durable with the next sync.
    fn punch(&self, offset: u64, bytes: u64) -> io::Result<()>;
    /// Cuts the file to `keep` bytes, then lengthens it to `bytes` (zeros, allocated).
    fn resize(&self, keep: u64, bytes: u64) -> io::Result<()>;
    /// Advice: these bytes, which are durable, need not stay in the cache.
    fn uncache(&self, offset: u64, bytes: u64);
    /// Length in bytes.
    fn length(&self) -> io::Result<u64>;
    /// First offset at or behind `from` where there may be something but zeros; `None`: nothing up to the end.
    fn next_data(&self, from: u64) -> io::Result<Option<u64>>;
}

/// Fills `into` from `offset`, over as many short reads as it takes. Returns how many bytes there were up to the end
/// of the file.
pub fn read_full(file: &dyn File, offset: u64, into: &mut [u8]) -> io::Result<usize> {
    fill(into, |done, rest| file.read_at(offset + done as u64, rest))
}

/// As [`read_full`], past the cache.
pub fn read_full_direct(file: &dyn File, offset: u64, into: &mut [u8]) -> io::Result<usize> {
    fill(into, |done, rest| file.read_direct(offset + done as u64, rest))
}

fn fill(into: &mut [u8], mut read: impl FnMut(usize, &mut [u8]) -> io::Result<usize>) -> io::Result<usize> {
    let mut done = 0;
    while let Some(rest) = into.get_mut(done..).filter(|rest| !rest.is_empty()) {
        match read(done, rest) {
            Ok(0) => break,
            Ok(n) => done += n,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(done)
}
