//! What each background loop is doing, for people: idle, busy, throttled or waiting.

use std::collections::BTreeMap;

use holdfast_proto::admin::LoopStatus;
use parking_lot::Mutex;

/// State of a loop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Doing {
    /// Nothing to do.
    Idle,
    /// At work.
    Busy,
    /// Held back by a cap or a full queue.
    Throttled,
    /// Has work, but needs something first (a disk, a session, an administrator).
    Waiting,
}

impl Doing {
    fn name(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Busy => "busy",
            Self::Throttled => "throttled",
            Self::Waiting => "waiting",
        }
    }
}

/// The loops' notice board.
#[derive(Debug, Default)]
pub struct Board {
    loops: Mutex<BTreeMap<&'static str, (Doing, String)>>,
}

impl Board {
    /// Says what a loop does now.
    pub fn set(&self, name: &'static str, doing: Doing, detail: impl Into<String>) {
        self.loops.lock().insert(name, (doing, detail.into()));
    }

    /// Everything on the board.
    pub fn all(&self) -> Vec<LoopStatus> {
        let loops = self.loops.lock();
        loops
            .iter()
            .map(|(name, (doing, detail))| LoopStatus {
                name: (*name).into(),
                state: doing.name().into(),
                detail: detail.clone(),
            })
            .collect()
    }
}
