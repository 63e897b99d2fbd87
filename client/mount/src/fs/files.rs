//! Files that are open or have bytes to commit, and for some others the version that the kernel holds of them.
//!
//! What always holds: there is one [`File`] per inode; it leaves the table only when no handle is open and nothing
//! is dirty, which is soon after the last close: then bytes are tried once more at most. One that left never takes
//! another one, opened since, with it. What is remembered of other files is bounded; what was touched longest ago is
//! forgotten first.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use parking_lot::Mutex;

use crate::fs::file::File;

#[derive(Debug, Default)]
struct Remembered {
    /// Inode to (version, turn).
    versions: HashMap<u64, (u64, u64)>,
    turns: BTreeMap<u64, u64>,
    next: u64,
}

/// The table.
#[derive(Debug)]
pub(crate) struct Files {
    open: Mutex<HashMap<u64, Arc<File>>>,
    remembered: Mutex<Remembered>,
    most: usize,
}

impl Files {
    pub(crate) fn new(most: usize) -> Self {
        Self { open: Mutex::default(), remembered: Mutex::default(), most }
    }

    pub(crate) fn get(&self, ino: u64) -> Option<Arc<File>> {
        self.open.lock().get(&ino).cloned()
    }

    /// The file, made by `make` if there is none, with one more handle.
    pub(crate) fn open(&self, ino: u64, make: impl FnOnce(u64) -> File) -> Arc<File> {
        let mut open = self.open.lock();
        let file = open.entry(ino).or_insert_with(|| Arc::new(make(self.recall(ino)))).clone();
        file.state.lock().handles += 1;
        file
    }

    /// One handle less.
    pub(crate) fn close(&self, file: &Arc<File>) {
        let mut open = self.open.lock();
        let mut state = file.state.lock();
        state.handles = state.handles.saturating_sub(1);
        let over = state.handles == 0 && !state.is_dirty();
        let version = if state.kernel_dropping { 0 } else { state.kernel_version };
        drop(state);
        if over && take_out(&mut open, file) {
            drop(open);
            self.remember(file.ino, version);
        }
    }

    /// Drops a file of which the last handle went while it was dirty, once it is not.
    pub(crate) fn tidy(&self, file: &Arc<File>) {
        let mut open = self.open.lock();
        let state = file.state.lock();
        if state.handles == 0 && !state.is_dirty() {
            take_out(&mut open, file);
        }
    }

    pub(crate) fn all(&self) -> Vec<Arc<File>> {
        self.open.lock().values().cloned().collect()
    }

    fn recall(&self, ino: u64) -> u64 {
        self.remembered.lock().versions.get(&ino).map_or(0, |(version, _)| *version)
    }

    fn remember(&self, ino: u64, version: u64) {
        let mut guard = self.remembered.lock();
        let known = &mut *guard;
        let turn = known.next;
        known.next += 1;
        if let Some((_, old)) = known.versions.insert(ino, (version, turn)) {
            known.turns.remove(&old);
        }
        known.turns.insert(turn, ino);
        while known.versions.len() > self.most {
            let Some((_, oldest)) = known.turns.pop_first() else { break };
            known.versions.remove(&oldest);
        }
    }

    /// The inode is gone.
    pub(crate) fn forget(&self, ino: u64) {
        let mut known = self.remembered.lock();
        if let Some((_, turn)) = known.versions.remove(&ino) {
            known.turns.remove(&turn);
        }
    }
}

/// Takes a file out of the table. False: it is there no longer, or another one is, of somebody who opened it since.
fn take_out(open: &mut HashMap<u64, Arc<File>>, file: &Arc<File>) -> bool {
    let there = open.get(&file.ino).is_some_and(|there| Arc::ptr_eq(there, file));
    if there {
        open.remove(&file.ino);
    }
    there
}

#[cfg(test)]
mod tests {
    use holdfast_proto::inode::Inode;

    use super::*;

    #[test]
    fn who_opens_a_file_anew_is_not_put_out_by_who_had_it_before() {
        let files = Files::new(2);
        let make = |version| File::new(Inode { ino: 7, ..Inode::default() }, Arc::default(), version);
        let before = files.open(7, make);
        files.close(&before);
        let after = files.open(7, make);
        // Somebody who works through a list of files gets to it only now.
        files.tidy(&before);
        files.close(&before);
        assert!(files.get(7).is_some_and(|there| Arc::ptr_eq(&there, &after)));
        files.close(&after);
        assert!(files.get(7).is_none());
    }

    #[test]
    fn the_longest_untouched_is_forgotten_first() {
        let files = Files::new(2);
        for ino in 1..=2 {
            files.remember(ino, 10 + ino);
        }
        files.remember(1, 21);
        files.remember(3, 13);
        assert_eq!([1, 2, 3].map(|ino| files.recall(ino)), [21, 0, 13]);
        files.forget(1);
        assert_eq!(files.recall(1), 0);
        assert_eq!(files.remembered.lock().turns.len(), 1);
    }
}
