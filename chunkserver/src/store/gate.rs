//! Readers pin segments: what a reader has looked up stays where it is until the reader is done.
//!
//! What always holds: [`Gate::wait_for_readers`] returns only after every reader that entered before the call has
//! left. So: take a record out of the index, wait, and nobody can be reading it any more. One counter of readers per
//! generation; entering costs two atomic operations and never waits.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use parking_lot::{Condvar, Mutex};

/// See the module's text.
#[derive(Default)]
pub(super) struct Gate {
    generation: AtomicUsize,
    readers: [AtomicU64; 2],
    /// Only one may wait at a time, or a third generation would be needed.
    waiting: Mutex<()>,
    left: Condvar,
    left_lock: Mutex<()>,
}

/// A reader inside; leaves when dropped.
pub(super) struct Pass<'g> {
    gate: &'g Gate,
    slot: usize,
}

impl Gate {
    /// Enters. From here on nothing that the index points to is punched or unlinked.
    pub(super) fn enter(&self) -> Pass<'_> {
        loop {
            let generation = self.generation.load(Ordering::SeqCst);
            let slot = generation % 2;
            self.readers[slot].fetch_add(1, Ordering::SeqCst);
            if self.generation.load(Ordering::SeqCst) == generation {
                return Pass { gate: self, slot };
            }
            self.leave(slot);
        }
    }

    fn leave(&self, slot: usize) {
        if self.readers[slot].fetch_sub(1, Ordering::SeqCst) == 1 {
            drop(self.left_lock.lock());
            self.left.notify_all();
        }
    }

    /// Waits until everybody who is inside now has left. Readers read into memory and leave; they never wait for
    /// a network, so this takes as long as the slowest disk read.
    pub(super) fn wait_for_readers(&self) {
        let _alone = self.waiting.lock();
        let old = self.generation.fetch_add(1, Ordering::SeqCst) % 2;
        let mut guard = self.left_lock.lock();
        while self.readers[old].load(Ordering::SeqCst) != 0 {
            self.left.wait(&mut guard);
        }
    }
}

impl Drop for Pass<'_> {
    fn drop(&mut self) {
        self.gate.leave(self.slot);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::AtomicBool;

    use super::*;

    #[test]
    fn waits_for_old_readers_only() {
        let gate = Arc::new(Gate::default());
        let old = gate.enter();
        let done = Arc::new(AtomicBool::new(false));
        let waiter = std::thread::spawn({
            let (gate, done) = (gate.clone(), done.clone());
            move || {
                gate.wait_for_readers();
                done.store(true, Ordering::SeqCst);
            }
        });
        while gate.generation.load(Ordering::SeqCst) == 0 {
            std::thread::yield_now();
        }
        let young = gate.enter();
        assert!(!done.load(Ordering::SeqCst));
        drop(old);
        waiter.join().unwrap();
        assert!(done.load(Ordering::SeqCst));
        drop(young);
        gate.wait_for_readers();
    }
}
