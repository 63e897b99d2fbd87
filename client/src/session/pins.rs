//! Which old metadata replies are still relied on, so that the chunks they name stay.
//!
//! What always holds: [`Pins::oldest`] is at most the index of every reply that is alive (an open file, a listing
//! being worked on) and of every question under way, counted at the highest index known when it was sent. It
//! never goes backwards, because a later question cannot be answered from an older state.
//!
//! Who calls it: [`crate::session`] takes a pin before each question; the heartbeat reports `oldest`.

use std::collections::BTreeMap;
use std::sync::Arc;

use holdfast_proto::ids::LogIndex;
use parking_lot::Mutex;

#[derive(Default)]
struct State {
    highest: u64,
    held: BTreeMap<u64, u32>,
}

/// All pins of one client.
#[derive(Clone, Default)]
pub(crate) struct Pins {
    state: Arc<Mutex<State>>,
}

/// Keeps everything that lived at its index or later from being collected, until dropped.
pub struct Pin {
    state: Arc<Mutex<State>>,
    index: u64,
}

impl Pins {
    /// An index was seen in a reply.
    pub(crate) fn seen(&self, index: u64) {
        let mut state = self.state.lock();
        state.highest = state.highest.max(index);
    }

    /// A pin at the highest index seen so far, for a question about to be sent.
    pub(crate) fn take(&self) -> Pin {
        let mut state = self.state.lock();
        let index = state.highest;
        *state.held.entry(index).or_default() += 1;
        Pin { state: self.state.clone(), index }
    }

    /// The oldest index still relied on; with no pins, the highest seen.
    pub(crate) fn oldest(&self) -> u64 {
        let state = self.state.lock();
        state.held.first_key_value().map_or(state.highest, |(index, _)| *index)
    }
}

impl Pin {
    /// The log index this pin keeps.
    pub fn index(&self) -> LogIndex {
        LogIndex(self.index)
    }

    /// The reply came, as of `index`: what died before that is not in it.
    pub(crate) fn advance(&mut self, index: u64) {
        if index > self.index {
            let mut state = self.state.lock();
            state.highest = state.highest.max(index);
            *state.held.entry(index).or_default() += 1;
            state.release(self.index);
            self.index = index;
        }
    }
}

impl State {
    fn release(&mut self, index: u64) {
        if let Some(count) = self.held.get_mut(&index) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                self.held.remove(&index);
            }
        }
    }
}

impl std::fmt::Debug for Pin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Pin({})", self.index)
    }
}

impl Clone for Pin {
    fn clone(&self) -> Self {
        *self.state.lock().held.entry(self.index).or_default() += 1;
        Self { state: self.state.clone(), index: self.index }
    }
}

impl Drop for Pin {
    fn drop(&mut self) {
        self.state.lock().release(self.index);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_live_reply_counts() {
        let pins = Pins::default();
        pins.seen(10);
        let mut early = pins.take();
        pins.seen(20);
        assert_eq!(pins.oldest(), 10, "a question under way counts from when it was sent");
        early.advance(15);
        let copy = early.clone();
        drop(early);
        assert_eq!(pins.oldest(), 15);
        drop(copy);
        assert_eq!(pins.oldest(), 20);
    }
}
