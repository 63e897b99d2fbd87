//! Sequence numbers of one session: which commands are under way, and the lowest of them.
//!
//! What always holds: a number is used for one command only; numbers under way span at most [`WINDOW`], so the
//! metaserver's window never overflows; `lowest` never passes a number that is under way.

use std::collections::BTreeSet;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};

/// Widest span of numbers under way (DESIGN §4, "Sessions").
pub(crate) const WINDOW: u64 = 1024;

#[derive(Debug)]
struct State {
    next: u64,
    under_way: BTreeSet<u64>,
}

/// The numbers of one session.
#[derive(Clone, Debug)]
pub(crate) struct Window {
    state: Arc<Mutex<State>>,
    room: Arc<Notify>,
}

/// One command's number, under way until dropped.
#[derive(Debug)]
pub(crate) struct Turn {
    window: Window,
    /// The command's number.
    pub(crate) seq: u64,
    /// The lowest number under way when this one was given out.
    pub(crate) lowest: u64,
}

impl Window {
    pub(crate) fn new() -> Self {
        let state = State { next: 1, under_way: BTreeSet::new() };
        Self { state: Arc::new(Mutex::new(state)), room: Arc::new(Notify::new()) }
    }

    fn try_enter(&self) -> Option<Turn> {
        let mut state = self.state.lock();
        let seq = state.next;
        let lowest = state.under_way.first().copied().unwrap_or(seq);
        if seq - lowest >= WINDOW {
            return None;
        }
        state.next += 1;
        state.under_way.insert(seq);
        Some(Turn { window: self.clone(), seq, lowest })
    }

    /// The next number, as soon as the window has room; `None` when it has none until the deadline.
    pub(crate) async fn enter(&self, deadline: Instant) -> Option<Turn> {
        loop {
            let room = self.room.notified();
            tokio::pin!(room);
            room.as_mut().enable();
            if let Some(turn) = self.try_enter() {
                return Some(turn);
            }
            timeout_at(deadline, room).await.ok()?;
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.window.state.lock().under_way.remove(&self.seq);
        self.window.room.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_window_is_bounded_by_its_oldest_command() {
        let window = Window::new();
        let soon = || Instant::now() + Duration::from_millis(10);
        let oldest = window.enter(soon()).await.unwrap();
        assert_eq!((oldest.seq, oldest.lowest), (1, 1));
        for expected in 2..=WINDOW {
            let turn = window.enter(soon()).await.unwrap();
            assert_eq!((turn.seq, turn.lowest), (expected, 1));
        }
        assert!(window.enter(soon()).await.is_none(), "number 1 is still under way");
        drop(oldest);
        let turn = window.enter(soon()).await.unwrap();
        assert_eq!((turn.seq, turn.lowest), (WINDOW + 1, WINDOW + 1));
    }
}
