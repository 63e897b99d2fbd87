//! Where a disk's upkeep and the service meet about scrub: what the leader said lies here for the one, what to tell the
//! leader for the other.
//!
//! What always holds: nobody holds a lock while anything is read or written. Nothing is scrubbed before the leader was
//! heard once, because until then nobody knows whether it may be, and nobody could be told what is found.

use std::time::Duration;

use holdfast_proto::cluster::ScrubReport;
use parking_lot::Mutex;

/// What the leader said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ScrubTold {
    /// Bytes per second; `None`: as configured.
    pub(crate) rate: Option<u64>,
    /// Between two rounds; `None`: as configured.
    pub(crate) period: Option<Duration>,
    /// The last order given for the disk; 0: none.
    pub(crate) order: u64,
}

/// See the module's text.
#[derive(Debug, Default)]
pub(crate) struct ScrubDesk {
    told: Mutex<Option<ScrubTold>>,
    report: Mutex<Option<ScrubReport>>,
}

impl ScrubDesk {
    /// The leader was heard.
    pub(crate) fn tell(&self, told: ScrubTold) {
        *self.told.lock() = Some(told);
    }

    /// What it said last; `None`: nothing since the process started.
    pub(crate) fn told(&self) -> Option<ScrubTold> {
        *self.told.lock()
    }

    pub(crate) fn set_report(&self, report: ScrubReport) {
        *self.report.lock() = Some(report);
    }

    /// How it is, with the last rounds.
    pub(crate) fn report(&self) -> Option<ScrubReport> {
        self.report.lock().clone()
    }
}
