//! Where the scrub of a disk stands. It is kept on the disk: a scrub takes days, and a node that is restarted more often
//! than that would otherwise read the beginning of its disks again and again and never the rest.
//!
//! What always holds: a position that cannot be read, or was written by a clock that was ahead, costs reading again,
//! never leaving out. Called by the disk's upkeep.
//!
//! ```text
//! off len field
//!   0   4 version
//!   4   4 1: a round is under way, and the cursor counts
//!   8   8 when the last round ended, or this disk was first seen, in unix seconds
//!  16   4 placement group of the cursor
//!  20   8 chunk number of the cursor
//!  28   4 CRC32C of 0..28
//! ```

use std::time::{Duration, Instant};

use holdfast_proto::ids::ChunkId;
use holdfast_support::clock::wall_ms;
use holdfast_support::crc::crc32c;

use super::home::DiskHome;
use crate::format::field;
use crate::store::scrub::ScrubCursor;

const VERSION: u32 = 1;
const BYTES: usize = 32;
/// How often the position is written while a round is under way.
const SAVE: Duration = Duration::from_secs(30);

/// What lies on the disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ScrubPosition {
    /// When the last round ended, in unix seconds.
    pub(crate) ended: u64,
    /// The last chunk that was looked at; `None`: no round is under way.
    pub(crate) cursor: ScrubCursor,
}

impl ScrubPosition {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let (pg, number) = self.cursor.map_or((0, 0), |chunk| (chunk.pg.0, chunk.number.0));
        let mut bytes = Vec::with_capacity(BYTES);
        bytes.extend_from_slice(&VERSION.to_le_bytes());
        bytes.extend_from_slice(&u32::from(self.cursor.is_some()).to_le_bytes());
        bytes.extend_from_slice(&self.ended.to_le_bytes());
        bytes.extend_from_slice(&pg.to_le_bytes());
        bytes.extend_from_slice(&number.to_le_bytes());
        bytes.extend_from_slice(&crc32c(&bytes).to_le_bytes());
        bytes
    }

    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let covered = bytes.get(..BYTES - 4)?;
        let valid = bytes.len() == BYTES
            && field::u32_at(bytes, BYTES - 4) == crc32c(covered)
            && field::u32_at(bytes, 0) == VERSION;
        let cursor = || ChunkId::new(field::u32_at(bytes, 16), field::u64_at(bytes, 20));
        valid.then(|| Self {
            ended: field::u64_at(bytes, 8),
            cursor: (field::u32_at(bytes, 4) == 1).then(cursor),
        })
    }
}

/// The scrub of one disk.
pub(crate) struct Scrubbing<'h> {
    home: &'h DiskHome,
    period: Duration,
    position: ScrubPosition,
    saved: Instant,
    /// Its rate is kept by doing nothing before this.
    rests_until: Instant,
}

fn now() -> u64 {
    wall_ms() / 1000
}

impl<'h> Scrubbing<'h> {
    /// Goes on where the last process left it.
    pub(crate) fn go_on(home: &'h DiskHome, period: Duration) -> Self {
        let found = home.scrub();
        let mut position = found.unwrap_or(ScrubPosition { ended: now(), cursor: None });
        position.ended = position.ended.min(now());
        let scrubbing = Self { home, period, position, saved: Instant::now(), rests_until: Instant::now() };
        if found.is_none() {
            scrubbing.write();
        }
        scrubbing
    }

    /// A round is under way, or it is time to begin one.
    pub(crate) fn is_due(&mut self) -> bool {
        // A clock that was ahead and was set back would put the next round off by as much.
        self.position.ended = self.position.ended.min(now());
        self.position.cursor.is_some() || now() >= self.position.ended.saturating_add(self.period.as_secs())
    }

    /// It read more than its rate allows, and rests for so long.
    pub(crate) fn rest(&mut self, for_long: Duration) {
        self.rests_until = Instant::now() + for_long;
    }

    pub(crate) fn rests(&self) -> bool {
        Instant::now() < self.rests_until
    }

    pub(crate) fn cursor(&self) -> ScrubCursor {
        self.position.cursor
    }

    /// A step ended here; `None`: with the end of the round.
    pub(crate) fn reached(&mut self, cursor: ScrubCursor) {
        self.position.cursor = cursor;
        if cursor.is_none() {
            self.position.ended = now();
        }
        if cursor.is_none() || self.saved.elapsed() >= SAVE {
            self.save();
        }
    }

    /// Keeps the position for the next process.
    pub(crate) fn save(&mut self) {
        self.saved = Instant::now();
        self.write();
    }

    fn write(&self) {
        if let Err(error) = self.home.write_scrub(&self.position) {
            tracing::warn!(disk = %self.home.path().display(), %error, "keep the position of the scrub");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn goes_on_where_it_was() {
        let dir = tempfile::tempdir().unwrap();
        let week = Duration::from_secs(7 * 24 * 3600);
        let there = Some(ChunkId::new(7, 99));
        {
            let home = DiskHome::open(dir.path()).unwrap();
            let mut scrub = Scrubbing::go_on(&home, week);
            assert!(!scrub.is_due(), "a new disk has a whole period");
            scrub.reached(there);
            scrub.save();
        }
        let home = DiskHome::open(dir.path()).unwrap();
        let mut scrub = Scrubbing::go_on(&home, week);
        assert!(scrub.is_due());
        assert_eq!(scrub.cursor(), there);
        scrub.reached(None);
        assert!(!Scrubbing::go_on(&home, week).is_due(), "a round that ended is not begun again");
        assert!(Scrubbing::go_on(&home, Duration::ZERO).is_due());
    }

    #[test]
    fn the_period_goes_on_over_restarts_and_clocks_that_jump() {
        let dir = tempfile::tempdir().unwrap();
        let home = DiskHome::open(dir.path()).unwrap();
        let hour = Duration::from_secs(3600);
        home.write_scrub(&ScrubPosition { ended: now() - 3601, cursor: None }).unwrap();
        assert!(Scrubbing::go_on(&home, hour).is_due(), "a restart does not begin the period anew");
        home.write_scrub(&ScrubPosition { ended: now() + 1_000_000, cursor: None }).unwrap();
        assert!(!Scrubbing::go_on(&home, hour).is_due());
        assert!(Scrubbing::go_on(&home, Duration::ZERO).is_due(), "a clock that was ahead must not stop it");
        let mut damaged = ScrubPosition { ended: 5, cursor: Some(ChunkId::new(1, 2)) }.encode();
        assert_eq!(damaged.len(), BYTES);
        damaged[20] ^= 1;
        assert_eq!(ScrubPosition::decode(&damaged), None);
    }
}
