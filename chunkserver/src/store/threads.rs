//! RocksDB's background threads: all databases of a process share them, and a flush on a disk that hangs, or fails and
//! is tried again, keeps one of them busy.
//!
//! What always holds: there is a thread for flushes and one for compactions per open index, and one of each more for
//! the metadata that may live in the same process, so no disk waits for another one.

use parking_lot::Mutex;
use rocksdb::{Env, Error};

/// Databases that are not counted here: the metadata.
const OTHERS: i32 = 1;

static OPEN: Mutex<i32> = Mutex::new(0);

/// An index is open.
pub(super) struct Seat(());

impl Seat {
    /// Sees to its threads.
    pub(super) fn take() -> Result<Self, Error> {
        let mut open = OPEN.lock();
        let mut shared = Env::new()?;
        *open += 1;
        shared.set_high_priority_background_threads(*open + OTHERS);
        shared.set_low_priority_background_threads(*open + OTHERS);
        Ok(Self(()))
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        // The threads stay: an idle one costs next to nothing, and the next index needs it.
        *OPEN.lock() -= 1;
    }
}
