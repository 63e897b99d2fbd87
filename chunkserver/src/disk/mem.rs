//! A disk in memory for tests: it forgets what was not synced, tears it, returns short reads, flips bits, runs full,
//! fails the operation it is told to fail, and can lose power at any of its syncs.
//!
//! What always holds: [`MemDisk::after_power_loss`] keeps exactly what was durable plus an arbitrary subset, sector
//! by sector, of what was written since. After power is off every operation fails.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use parking_lot::Mutex;

use super::{Disk, File, Listed, Space};
use crate::format::ALIGN;

/// Unit that survives a power loss whole or not at all.
const SECTOR: usize = 512;

/// Operations that can be told to fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// `write_at`.
    Write,
    /// Any kind of read.
    Read,
    /// `sync`.
    Sync,
    /// `create`.
    Create,
    /// `punch`.
    Punch,
    /// `remove`.
    Remove,
}

#[derive(Default)]
struct MemFile {
    durable: Vec<u8>,
    /// As durable, before the last sync.
    before: Vec<u8>,
    now: Vec<u8>,
    /// Writes since the last sync: (offset, bytes); punches are zeros.
    pending: Vec<(usize, Vec<u8>)>,
    punched: BTreeMap<u64, u64>,
}

#[derive(Default)]
struct State {
    files: BTreeMap<String, Arc<Mutex<MemFile>>>,
    syncs: u64,
    cut_at: Option<(u64, bool)>,
    off: bool,
    capacity: u64,
    fail: Option<(Operation, u64, i32)>,
    panic: Option<Operation>,
    short_reads: bool,
    dice: u64,
}

/// The disk. Clones are the same disk.
#[derive(Clone)]
pub struct MemDisk {
    state: Arc<Mutex<State>>,
}

impl MemDisk {
    /// An empty disk of this size.
    pub fn new(capacity: u64) -> Self {
        let state = State { capacity, dice: 0x9e37_79b9_7f4a_7c15, ..State::default() };
        Self { state: Arc::new(Mutex::new(state)) }
    }

    /// Syncs (and operations that are durable at once) so far.
    pub fn syncs(&self) -> u64 {
        self.state.lock().syncs
    }

    /// Power fails at sync number `at` (counted from 1): just before it takes effect, or just after.
    pub fn cut_power_at(&self, at: u64, after: bool) {
        self.state.lock().cut_at = Some((at, after));
    }

    /// Power fails now.
    pub fn cut_power(&self) {
        self.state.lock().off = true;
    }

    /// Whether power is off.
    pub fn is_off(&self) -> bool {
        self.state.lock().off
    }

    /// The `nth` operation of this kind from now (1 is the next) and all later ones fail with this error number.
    pub fn fail(&self, operation: Operation, nth: u64, errno: i32) {
        self.state.lock().fail = Some((operation, nth, errno));
    }

    /// The next operation of this kind panics, as a bug in the store would.
    pub fn panic_at(&self, operation: Operation) {
        self.state.lock().panic = Some(operation);
    }

    /// No operation is made to fail any more.
    pub fn heal(&self) {
        self.state.lock().fail = None;
    }

    /// Reads return fewer bytes than asked for, at random.
    pub fn short_reads(&self, on: bool) {
        self.state.lock().short_reads = on;
    }

    /// Changes the size of the disk.
    pub fn set_capacity(&self, bytes: u64) {
        self.state.lock().capacity = bytes;
    }

    /// As if the last sync of every file had been left out.
    pub fn forget_last_sync(&self) {
        for file in self.state.lock().files.values() {
            let mut file = file.lock();
            if !file.before.is_empty() {
                file.durable = std::mem::take(&mut file.before);
            }
        }
    }

    /// Flips one bit of a file, durably.
    pub fn flip(&self, name: &str, bit: u64) {
        let file = self.state.lock().files.get(name).cloned();
        if let Some(file) = file {
            let mut file = file.lock();
            let (byte, mask) = ((bit / 8) as usize, 1 << (bit % 8));
            let MemFile { durable, now, .. } = &mut *file;
            for image in [durable, now] {
                if let Some(byte) = image.get_mut(byte) {
                    *byte ^= mask;
                }
            }
        }
    }

    /// The current bytes of a file.
    pub fn bytes(&self, name: &str) -> Option<Vec<u8>> {
        let file = self.state.lock().files.get(name).cloned()?;
        let bytes = file.lock().now.clone();
        Some(bytes)
    }

    /// The disk as it is found after the power loss. The seed decides which unsynced sectors made it.
    pub fn after_power_loss(&self, seed: u64) -> Self {
        let state = self.state.lock();
        let found = Self::new(state.capacity);
        let mut dice = seed | 1;
        // One crash in four each: nothing unsynced made it, everything did, a random half, a prefix.
        let mode = seed % 4;
        for (name, file) in &state.files {
            let file = file.lock();
            let mut image = file.durable.clone();
            let mut left = roll(&mut dice) % 64;
            for (offset, bytes) in &file.pending {
                let mut at = *offset;
                while at < offset + bytes.len() {
                    let end = ((at / SECTOR + 1) * SECTOR).min(offset + bytes.len());
                    let keep = match mode {
                        0 => false,
                        1 => true,
                        2 => roll(&mut dice).is_multiple_of(2),
                        _ => left > 0,
                    };
                    left = left.saturating_sub(1);
                    if let (true, Some(slot)) = (keep, image.get_mut(at..end)) {
                        slot.copy_from_slice(&bytes[at - offset..end - offset]);
                    }
                    at = end;
                }
            }
            let copy = MemFile { durable: image.clone(), now: image, ..MemFile::default() };
            found.state.lock().files.insert(name.clone(), Arc::new(Mutex::new(copy)));
        }
        found
    }

    /// Runs the durable half of an operation, unless power fails before; an error if it failed before or after.
    fn durable<T>(&self, act: impl FnOnce(&mut State) -> io::Result<T>) -> io::Result<T> {
        let mut state = self.state.lock();
        state.powered()?;
        state.syncs += 1;
        match state.cut_at {
            Some((at, after)) if at == state.syncs => {
                if after {
                    act(&mut state)?;
                }
                state.off = true;
                Err(power_is_off())
            }
            _ => act(&mut state),
        }
    }
}

impl State {
    fn powered(&self) -> io::Result<()> {
        if self.off { Err(power_is_off()) } else { Ok(()) }
    }

    fn trip(&mut self, operation: Operation) -> io::Result<()> {
        self.powered()?;
        if self.panic == Some(operation) {
            self.panic = None;
            #[expect(clippy::panic, reason = "a test asked for it")]
            {
                panic!("told to panic at {operation:?}");
            }
        }
        match &mut self.fail {
            Some((which, left, errno)) if *which == operation => {
                *left = left.saturating_sub(1);
                if *left == 0 { Err(io::Error::from_raw_os_error(*errno)) } else { Ok(()) }
            }
            _ => Ok(()),
        }
    }

    fn allocated(&self) -> u64 {
        self.files.values().map(|file| file.lock().allocated()).sum()
    }
}

impl MemFile {
    fn allocated(&self) -> u64 {
        (self.now.len() as u64).saturating_sub(self.punched.values().sum())
    }

    fn sync(&mut self) {
        self.before = std::mem::replace(&mut self.durable, self.now.clone());
        self.pending.clear();
    }
}

fn power_is_off() -> io::Error {
    io::Error::other("power is off")
}

/// A step of xorshift: good enough dice for tests, and the same on every machine.
fn roll(dice: &mut u64) -> u64 {
    *dice ^= *dice << 13;
    *dice ^= *dice >> 7;
    *dice ^= *dice << 17;
    *dice
}

impl Disk for MemDisk {
    fn create(&self, name: &str, bytes: u64) -> io::Result<Arc<dyn File>> {
        self.state.lock().trip(Operation::Create)?;
        let file = self.durable(|state| {
            if state.files.contains_key(name) {
                return Err(io::ErrorKind::AlreadyExists.into());
            }
            if state.allocated() + bytes > state.capacity {
                return Err(io::Error::from_raw_os_error(libc::ENOSPC));
            }
            let blank = vec![0; bytes as usize];
            let file = MemFile { durable: blank.clone(), now: blank, ..MemFile::default() };
            let file = Arc::new(Mutex::new(file));
            state.files.insert(name.to_owned(), file.clone());
            Ok(file)
        })?;
        Ok(Arc::new(Handle { disk: self.clone(), file }))
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn File>> {
        let state = self.state.lock();
        state.powered()?;
        let file = state.files.get(name).cloned().ok_or(io::ErrorKind::NotFound)?;
        Ok(Arc::new(Handle { disk: self.clone(), file }))
    }

    fn list(&self) -> io::Result<Vec<Listed>> {
        let state = self.state.lock();
        state.powered()?;
        let listed = state.files.iter().map(|(name, file)| {
            let file = file.lock();
            Listed { name: name.clone(), length: file.now.len() as u64, allocated: file.allocated() }
        });
        Ok(listed.collect())
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.durable(|state| {
            let file = state.files.remove(from).ok_or(io::ErrorKind::NotFound)?;
            state.files.insert(to.to_owned(), file);
            Ok(())
        })
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.state.lock().trip(Operation::Remove)?;
        self.durable(|state| {
            state.files.remove(name).ok_or(io::ErrorKind::NotFound)?;
            Ok(())
        })
    }

    fn space(&self) -> io::Result<Space> {
        let state = self.state.lock();
        state.powered()?;
        let available = state.capacity.saturating_sub(state.allocated());
        Ok(Space { total: state.capacity, available })
    }
}

struct Handle {
    disk: MemDisk,
    file: Arc<Mutex<MemFile>>,
}

impl Handle {
    fn put(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let mut file = self.file.lock();
        let at = offset as usize;
        if file.now.len() < at + bytes.len() {
            // The store writes within what it preallocated; anything else is a bug worth an error.
            return Err(io::Error::other("write past the end of a segment"));
        }
        file.now[at..at + bytes.len()].copy_from_slice(bytes);
        file.pending.push((at, bytes.to_vec()));
        Ok(())
    }
}

impl File for Handle {
    fn write_at(&self, mut offset: u64, parts: &[&[u8]]) -> io::Result<()> {
        self.disk.state.lock().trip(Operation::Write)?;
        for part in parts {
            self.put(offset, part)?;
            offset += part.len() as u64;
        }
        Ok(())
    }

    fn write_direct(&self, offset: u64, parts: &[&[u8]]) -> io::Result<()> {
        let bytes: usize = parts.iter().map(|part| part.len()).sum();
        if !(offset | bytes as u64).is_multiple_of(ALIGN) {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        self.write_at(offset, parts)
    }

    fn read_at(&self, offset: u64, into: &mut [u8]) -> io::Result<usize> {
        let mut state = self.disk.state.lock();
        state.trip(Operation::Read)?;
        let file = self.file.lock();
        let from = (offset as usize).min(file.now.len());
        let mut length = into.len().min(file.now.len() - from);
        if state.short_reads && length > 1 {
            length = 1 + (roll(&mut state.dice) as usize) % length;
        }
        into[..length].copy_from_slice(&file.now[from..from + length]);
        Ok(length)
    }

    fn read_cached(&self, offset: u64, into: &mut [u8]) -> io::Result<bool> {
        Ok(self.read_at(offset, into)? == into.len())
    }

    fn read_direct(&self, offset: u64, into: &mut [u8]) -> io::Result<usize> {
        self.read_at(offset, into)
    }

    fn sync(&self) -> io::Result<()> {
        self.disk.state.lock().trip(Operation::Sync)?;
        self.disk.durable(|_| {
            self.file.lock().sync();
            Ok(())
        })
    }

    fn punch(&self, offset: u64, bytes: u64) -> io::Result<()> {
        self.disk.state.lock().trip(Operation::Punch)?;
        self.put(offset, &vec![0; bytes as usize])?;
        self.file.lock().punched.insert(offset, bytes);
        Ok(())
    }

    fn resize(&self, keep: u64, bytes: u64) -> io::Result<()> {
        self.disk.durable(|_| {
            let mut file = self.file.lock();
            file.now.truncate(keep as usize);
            file.now.resize(bytes as usize, 0);
            file.sync();
            Ok(())
        })
    }

    fn uncache(&self, _offset: u64, _bytes: u64) {}

    fn length(&self) -> io::Result<u64> {
        self.disk.state.lock().powered()?;
        Ok(self.file.lock().now.len() as u64)
    }

    fn next_data(&self, from: u64) -> io::Result<Option<u64>> {
        self.disk.state.lock().powered()?;
        let file = self.file.lock();
        let rest = file.now.get(from as usize..).unwrap_or_default();
        Ok(rest.iter().position(|byte| *byte != 0).map(|at| from + at as u64))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forgets_what_was_not_synced() {
        let disk = MemDisk::new(1 << 20);
        let file = disk.create("a", 8192).unwrap();
        file.write_at(0, &[&[1; 1024]]).unwrap();
        file.sync().unwrap();
        file.write_at(1024, &[&[2; 1024]]).unwrap();
        disk.cut_power();
        assert!(file.sync().is_err());
        let none = disk.after_power_loss(4).bytes("a").unwrap();
        assert_eq!((none[0], none[1024]), (1, 0));
        let all = disk.after_power_loss(5).bytes("a").unwrap();
        assert_eq!((all[0], all[1024]), (1, 2));
    }

    #[test]
    fn runs_full_and_fails_when_told() {
        let disk = MemDisk::new(10_000);
        let file = disk.create("a", 8192).unwrap();
        assert_eq!(disk.create("b", 4096).err().unwrap().raw_os_error(), Some(libc::ENOSPC));
        disk.fail(Operation::Sync, 2, libc::EIO);
        assert!(file.sync().is_ok());
        assert_eq!(file.sync().unwrap_err().raw_os_error(), Some(libc::EIO));
        disk.heal();
        file.punch(4096, 4096).unwrap();
        assert!(disk.create("b", 4096).is_ok());
    }
}
