//! The scrub of a disk: rounds over everything that lies on it, when they are due or ordered, and what becomes of the
//! damage that they find. Where it stands is kept on the disk ([`position`]): a round takes days, and a node that is
//! restarted more often than that would otherwise read the beginning of its disks again and again and never the rest.
//!
//! What always holds:
//! - A round that began is finished, over restarts of the node and changes of leader, or begun anew; none is left out
//!   because a file could not be read or a clock was ahead.
//! - An order is carried out once. It begins a round at once; one that was merely due is cut short, because the new one
//!   covers what it would have read. While an ordered round is under way a further order waits for its end: orders that
//!   come again and again cannot keep the end of a disk from being read.
//! - Damage is told the leader until the record was replaced or deleted.
//!
//! Called by the disk's upkeep, a step at a time; [`desk`] is where the service looks.

mod desk;
mod position;
mod rate;

use std::collections::HashMap;
use std::time::{Duration, Instant};

use holdfast_proto::cluster::{ScrubReport, ScrubRound, ScrubState};
use holdfast_proto::ids::ChunkId;
use holdfast_support::clock::wall_ms;

use super::home::DiskHome;
use crate::config::StoreConfig;
use crate::error::StoreError;
use crate::store::Store;
use crate::store::scrub::{Looked, ScrubCursor, Verdict};
use position::{Found, MOST_FINDINGS, MOST_HISTORY};
use rate::{Debt, Speed};

pub(crate) use desk::{ScrubDesk, ScrubTold};
pub(crate) use position::ScrubPosition;

/// How often the position is written while a round is under way.
const SAVE: Duration = Duration::from_secs(30);
/// How often the leader hears again of damage that is still there: it may have forgotten, or found no good copy.
const TELL_AGAIN: Duration = Duration::from_secs(300);
/// Findings looked after in one step.
const FOLLOWED_PER_STEP: usize = 256;

/// The scrub of one disk.
pub(crate) struct Scrubbing<'h> {
    home: &'h DiskHome,
    desk: &'h ScrubDesk,
    configured: (u64, Duration),
    position: ScrubPosition,
    /// What is to be written.
    unsaved: bool,
    /// What is to be written soon.
    urgent: bool,
    saved: Instant,
    /// When the leader heard of each finding last, in this life of the process.
    told: HashMap<ChunkId, Instant>,
    debt: Debt,
    speed: Speed,
    /// Changes with the history.
    revision: u64,
}

fn now() -> u64 {
    wall_ms() / 1000
}

impl<'h> Scrubbing<'h> {
    /// Goes on where the last process left it.
    pub(crate) fn go_on(home: &'h DiskHome, desk: &'h ScrubDesk, config: &StoreConfig) -> Self {
        let mut urgent = true;
        let mut position = match home.scrub() {
            Some(Some(found)) => {
                urgent = false;
                found
            }
            // Whether this disk was ever read to its end nobody knows.
            Some(None) => {
                tracing::warn!(disk = %home.path().display(), "the position of the scrub cannot be read; it begins anew");
                ScrubPosition::default()
            }
            None => ScrubPosition { ended: now(), ..ScrubPosition::default() },
        };
        position.ended = position.ended.min(now());
        let mut scrubbing = Self {
            home,
            desk,
            configured: (config.scrub_rate, config.scrub_period),
            position,
            unsaved: urgent,
            urgent,
            saved: Instant::now(),
            told: HashMap::new(),
            debt: Debt::none(Instant::now()),
            speed: Speed::default(),
            revision: 1,
        };
        scrubbing.keep();
        scrubbing
    }

    /// Bytes per second, and the time between two rounds.
    fn limits(&self) -> (u64, Duration) {
        let told = self.desk.told().unwrap_or_default();
        (told.rate.unwrap_or(self.configured.0), told.period.unwrap_or(self.configured.1))
    }

    /// Whether to read now, or within so long. Begins a round if it is time to.
    pub(crate) fn wants(&mut self, store: &Store, within: Duration) -> bool {
        let Some(told) = self.desk.told() else { return false };
        let (rate, period) = self.limits();
        if rate == 0 {
            return false;
        }
        // Not "later than": indexes begin anew when metadata is restored from a backup.
        let ordered = told.order != 0 && told.order != self.position.order;
        match &self.position.round {
            Some(round) if ordered && round.order == 0 => self.end(true),
            _ => {}
        }
        if self.position.round.is_none() {
            if !ordered && !self.is_due(period) {
                return false;
            }
            self.begin(store.live_bytes(), if ordered { told.order } else { 0 });
        }
        self.rest() <= within
    }

    /// How long to read nothing, because of what was read too early.
    pub(crate) fn rest(&mut self) -> Duration {
        // The rate may have become 0 meanwhile.
        self.debt.owed(Instant::now(), self.limits().0.max(1))
    }

    fn is_due(&mut self, period: Duration) -> bool {
        // A clock that was ahead and was set back would put the next round off by as much.
        self.position.ended = self.position.ended.min(now());
        now() >= self.position.ended.saturating_add(period.as_secs())
    }

    fn begin(&mut self, to_do: u64, order: u64) {
        let position = &mut self.position;
        position.rounds += 1;
        if order != 0 {
            position.order = order;
        }
        let number = position.rounds;
        position.round = Some(ScrubRound { number, order, began: now(), to_do, ..ScrubRound::default() });
        position.cursor = None;
        self.speed.rest();
        // From here on the order is known to be taken: should the note be lost, it is carried out again.
        (self.unsaved, self.urgent) = (true, true);
        tracing::info!(disk = %self.home.path().display(), number, order, bytes = to_do, "a round of scrub begins");
    }

    fn end(&mut self, cut_short: bool) {
        let position = &mut self.position;
        position.cursor = None;
        if let Some(round) = position.round.take() {
            let round = ScrubRound { ended: now(), cut_short, ..round };
            let ScrubRound { number, order, bytes, chunks, damaged, .. } = round;
            tracing::info!(disk = %self.home.path().display(), number, order, bytes, chunks, damaged, cut_short,
                "a round of scrub ended");
            if position.history.len() >= MOST_HISTORY {
                position.history.pop_front();
            }
            position.history.push_back(round);
        }
        if !cut_short {
            position.ended = now();
        }
        self.revision += 1;
        (self.unsaved, self.urgent) = (true, true);
    }

    pub(crate) fn cursor(&self) -> ScrubCursor {
        self.position.cursor
    }

    /// A record was looked at. Returns how long to read nothing.
    pub(crate) fn looked(&mut self, looked: &Looked) -> Duration {
        self.position.cursor = Some(looked.chunk);
        self.unsaved = true;
        if looked.verdict != Verdict::Absent
            && let Some(round) = &mut self.position.round
        {
            round.bytes += looked.bytes;
            round.chunks += 1;
            if looked.verdict == Verdict::Damaged {
                round.damaged += 1;
                let number = round.number;
                self.found(looked, number);
            }
        }
        self.debt.spend(looked.bytes);
        self.rest()
    }

    /// The store has put it among what the leader is to hear.
    fn found(&mut self, looked: &Looked, round: u64) {
        let findings = &mut self.position.findings;
        let found = Found { chunk: looked.chunk, sequence: looked.sequence, round };
        if let Some(known) = findings.iter_mut().find(|known| known.chunk == looked.chunk) {
            *known = found;
        } else if findings.len() < MOST_FINDINGS {
            findings.push_back(found);
        } else {
            return;
        }
        self.told.insert(looked.chunk, Instant::now());
        self.urgent = true;
    }

    /// A step ended; `None`: with the end of the round.
    pub(crate) fn reached(&mut self, cursor: ScrubCursor) {
        match cursor {
            Some(_) => self.position.cursor = cursor,
            None => self.end(false),
        }
    }

    /// Looks what became of the damage that was found, a few records at a time.
    pub(crate) fn follow(&mut self, store: &Store) -> Result<(), StoreError> {
        for _ in 0..FOLLOWED_PER_STEP.min(self.position.findings.len()) {
            let Some(found) = self.position.findings.front().copied() else { break };
            let here = store.sequence(found.chunk)?;
            self.position.findings.pop_front();
            if here == Some(found.sequence) {
                self.position.findings.push_back(found);
                let told = self.told.get(&found.chunk);
                if told.is_none_or(|at| at.elapsed() >= TELL_AGAIN) {
                    store.tell_damaged(found.chunk);
                    self.told.insert(found.chunk, Instant::now());
                }
                continue;
            }
            self.told.remove(&found.chunk);
            let position = &mut self.position;
            let mut rounds = position.history.iter_mut().chain(&mut position.round);
            if let Some(round) = rounds.find(|round| round.number == found.round) {
                match here {
                    Some(_) => round.mended += 1,
                    None => round.gone += 1,
                }
            }
            self.revision += 1;
            (self.unsaved, self.urgent) = (true, true);
        }
        Ok(())
    }

    /// The end of a step: says how it is, and keeps the position if it is time to.
    pub(crate) fn pause(&mut self, store: &Store) {
        let report = self.report();
        match &self.position.round {
            Some(round) if report.state() == ScrubState::Running => {
                self.speed.look(Instant::now(), round.bytes);
            }
            _ => self.speed.rest(),
        }
        let last = self.position.history.back().filter(|last| !last.cut_short).map_or(0, |last| last.ended);
        store.metrics().scrub(self.position.rounds, last, &report);
        self.desk.set_report(report);
        if self.urgent || (self.unsaved && self.saved.elapsed() >= SAVE) {
            self.keep();
        }
    }

    fn report(&self) -> ScrubReport {
        let position = &self.position;
        let (cap, period) = self.limits();
        let state = match (cap, &position.round) {
            (0, _) => ScrubState::Off,
            (_, Some(_)) => ScrubState::Running,
            (_, None) => ScrubState::Waiting,
        };
        ScrubReport {
            state: state as i32,
            round: position.round,
            cap,
            rate: self.speed.bytes_per_second(),
            period_s: period.as_secs(),
            due: position.ended.saturating_add(period.as_secs()),
            order: position.order,
            open: position.findings.len() as u64,
            revision: self.revision,
            history: position.history.iter().copied().collect(),
        }
    }

    /// Keeps the position for the next process.
    pub(crate) fn save(&mut self) {
        if self.unsaved {
            self.keep();
        }
    }

    fn keep(&mut self) {
        self.saved = Instant::now();
        if !self.unsaved {
            return;
        }
        match self.home.write_scrub(&self.position) {
            Ok(()) => (self.unsaved, self.urgent) = (false, false),
            // Tried again with the next that is worth keeping; a restart in between reads again.
            Err(error) => {
                self.urgent = false;
                tracing::warn!(disk = %self.home.path().display(), %error, "keep the position of the scrub");
            }
        }
    }
}

#[cfg(test)]
mod tests;
