//! Where the scrub of a disk stands, as it lies on the disk in the file `scrub`.
//!
//! What always holds: what cannot be read, whole or in part, costs reading again, never leaving out; the file has a
//! bounded length. Read and written by [`super::Scrubbing`] alone.
//!
//! ```text
//! off len field
//!   0   4 version, 2
//!   4   4 bit 0: a round is under way, bit 1: the cursor counts
//!   8   8 when the last round ended, or this disk was first seen, in unix seconds
//!  16   4 placement group of the cursor
//!  20   8 chunk number of the cursor
//!  28   8 the last order that a round was begun for
//!  36   8 rounds begun
//!  44   4 R: rounds that follow; the last one is the one under way, if bit 0 is set
//!  48   4 F: findings that follow
//!  52 88R rounds: number, order, began, ended, to do, bytes, chunks, damaged, mended, gone, cut short, 8 bytes each
//!     28F findings: placement group (4), chunk number (8), sequence of the record (8), number of the round (8)
//!       4 CRC32C of all before
//! ```
//!
//! Version 1 had the first 28 bytes (with bit 0 for both) and the CRC32C at 28. A round that it was in goes on; how much
//! of it was read before is not known, so only the rest is counted.

use std::collections::VecDeque;

use holdfast_proto::cluster::ScrubRound;
use holdfast_proto::ids::ChunkId;
use holdfast_support::crc::crc32c;

use crate::format::field;
use crate::store::scrub::ScrubCursor;

const VERSION: u32 = 2;
const VERSION_1_BYTES: usize = 32;
const HEAD_BYTES: usize = 52;
const ROUND_BYTES: usize = 88;
const FINDING_BYTES: usize = 28;

const UNDER_WAY: u32 = 1;
const HAS_CURSOR: u32 = 2;

/// Rounds that ended, kept at most.
pub(crate) const MOST_HISTORY: usize = 16;
/// Damaged records followed at most. More are counted and reported, too; the next round finds those again that are not
/// mended by then.
pub(crate) const MOST_FINDINGS: usize = 1024;

/// A damaged record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) chunk: ChunkId,
    /// Which writing of it: compaction carries damage along under the same one, repair writes anew.
    pub(crate) sequence: u64,
    /// The round that found it.
    pub(crate) round: u64,
}

/// What lies on the disk.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ScrubPosition {
    /// When the last round ended, in unix seconds; 0: read everything now.
    pub(crate) ended: u64,
    /// The last chunk of the round under way that was looked at; `None`: it has just begun.
    pub(crate) cursor: ScrubCursor,
    /// The last order that a round was begun for.
    pub(crate) order: u64,
    /// Rounds begun.
    pub(crate) rounds: u64,
    /// The round under way.
    pub(crate) round: Option<ScrubRound>,
    /// Those that ended last, oldest first.
    pub(crate) history: VecDeque<ScrubRound>,
    /// Damage that is followed until it is mended.
    pub(crate) findings: VecDeque<Found>,
}

impl ScrubPosition {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let (pg, number) = self.cursor.map_or((0, 0), |chunk| (chunk.pg.0, chunk.number.0));
        let flag = |set: bool, flag: u32| if set { flag } else { 0 };
        let flags = flag(self.round.is_some(), UNDER_WAY) | flag(self.cursor.is_some(), HAS_CURSOR);
        let rounds: Vec<&ScrubRound> = self.history.iter().chain(&self.round).collect();
        let mut bytes = Vec::with_capacity(
            HEAD_BYTES + rounds.len() * ROUND_BYTES + self.findings.len() * FINDING_BYTES + 4,
        );
        bytes.extend_from_slice(&VERSION.to_le_bytes());
        bytes.extend_from_slice(&flags.to_le_bytes());
        bytes.extend_from_slice(&self.ended.to_le_bytes());
        bytes.extend_from_slice(&pg.to_le_bytes());
        for value in [number, self.order, self.rounds] {
            bytes.extend_from_slice(&value.to_le_bytes());
        }
        bytes.extend_from_slice(&(rounds.len() as u32).to_le_bytes());
        bytes.extend_from_slice(&(self.findings.len() as u32).to_le_bytes());
        for round in rounds {
            for value in numbers(round) {
                bytes.extend_from_slice(&value.to_le_bytes());
            }
        }
        for found in &self.findings {
            bytes.extend_from_slice(&found.chunk.pg.0.to_le_bytes());
            for value in [found.chunk.number.0, found.sequence, found.round] {
                bytes.extend_from_slice(&value.to_le_bytes());
            }
        }
        let crc = crc32c(&bytes);
        bytes.extend_from_slice(&crc.to_le_bytes());
        bytes
    }

    /// `None`: not written by this build or the one before, or damaged.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let covered = bytes.get(..bytes.len().checked_sub(4)?)?;
        if field::u32_at(bytes, covered.len()) != crc32c(covered) {
            return None;
        }
        match field::u32_at(bytes, 0) {
            1 if bytes.len() == VERSION_1_BYTES => Some(Self::version_1(bytes)),
            VERSION if covered.len() >= HEAD_BYTES => Self::version_2(covered),
            _ => None,
        }
    }

    fn version_1(bytes: &[u8]) -> Self {
        let ended = field::u64_at(bytes, 8);
        if field::u32_at(bytes, 4) != 1 {
            return Self { ended, ..Self::default() };
        }
        // It began when the last one had ended, at the earliest; nothing better is known.
        let round = ScrubRound { number: 1, began: ended, ..ScrubRound::default() };
        Self { ended, cursor: Some(cursor(bytes)), rounds: 1, round: Some(round), ..Self::default() }
    }

    fn version_2(bytes: &[u8]) -> Option<Self> {
        let flags = field::u32_at(bytes, 4);
        let count = |at| field::u32_at(bytes, at) as usize;
        let (rounds, findings) = (count(44), count(48));
        if rounds > MOST_HISTORY + 1 || findings > MOST_FINDINGS {
            return None;
        }
        let findings_at = HEAD_BYTES + rounds * ROUND_BYTES;
        if bytes.len() != findings_at + findings * FINDING_BYTES {
            return None;
        }
        let mut history: VecDeque<ScrubRound> =
            (0..rounds).map(|n| round_at(bytes, HEAD_BYTES + n * ROUND_BYTES)).collect();
        let round = if flags & UNDER_WAY != 0 { Some(history.pop_back()?) } else { None };
        while history.len() > MOST_HISTORY {
            history.pop_front();
        }
        Some(Self {
            ended: field::u64_at(bytes, 8),
            cursor: (flags & HAS_CURSOR != 0).then(|| cursor(bytes)),
            order: field::u64_at(bytes, 28),
            rounds: field::u64_at(bytes, 36),
            round,
            history,
            findings: (0..findings).map(|n| found_at(bytes, findings_at + n * FINDING_BYTES)).collect(),
        })
    }
}

fn cursor(bytes: &[u8]) -> ChunkId {
    ChunkId::new(field::u32_at(bytes, 16), field::u64_at(bytes, 20))
}

fn numbers(round: &ScrubRound) -> [u64; 11] {
    let ScrubRound { number, order, began, ended, to_do, bytes, chunks, damaged, mended, gone, cut_short } =
        *round;
    [number, order, began, ended, to_do, bytes, chunks, damaged, mended, gone, u64::from(cut_short)]
}

fn round_at(bytes: &[u8], at: usize) -> ScrubRound {
    let value = |n: usize| field::u64_at(bytes, at + n * 8);
    ScrubRound {
        number: value(0),
        order: value(1),
        began: value(2),
        ended: value(3),
        to_do: value(4),
        bytes: value(5),
        chunks: value(6),
        damaged: value(7),
        mended: value(8),
        gone: value(9),
        cut_short: value(10) != 0,
    }
}

fn found_at(bytes: &[u8], at: usize) -> Found {
    Found {
        chunk: ChunkId::new(field::u32_at(bytes, at), field::u64_at(bytes, at + 4)),
        sequence: field::u64_at(bytes, at + 12),
        round: field::u64_at(bytes, at + 20),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn full() -> ScrubPosition {
        let round = |number| ScrubRound {
            number,
            order: number * 2,
            began: 100 + number,
            ended: 200 + number,
            to_do: 1 << 40,
            bytes: 1 << 39,
            chunks: 77,
            damaged: 5,
            mended: 3,
            gone: 1,
            cut_short: number == 3,
        };
        let found = |number| Found { chunk: ChunkId::new(9, number), sequence: number + 1, round: 16 };
        ScrubPosition {
            ended: 1_700_000_000,
            cursor: Some(ChunkId::new(7, 99)),
            order: 4711,
            rounds: 17,
            round: Some(ScrubRound { ended: 0, ..round(17) }),
            history: (1..=MOST_HISTORY as u64).map(round).collect(),
            findings: (0..MOST_FINDINGS as u64).map(found).collect(),
        }
    }

    #[test]
    fn comes_back_as_it_was() {
        let whole = full();
        for position in [
            whole.clone(),
            ScrubPosition { round: None, cursor: None, ..whole.clone() },
            ScrubPosition { cursor: None, findings: VecDeque::new(), ..whole.clone() },
            ScrubPosition { history: VecDeque::new(), ..whole },
            ScrubPosition::default(),
        ] {
            assert_eq!(ScrubPosition::decode(&position.encode()), Some(position));
        }
        assert!(full().encode().len() < 32 << 10, "it is written every few seconds");
    }

    /// Bytes as version 1 wrote them.
    fn version_1(under_way: u32, ended: u64, pg: u32, number: u64) -> Vec<u8> {
        let mut bytes = [&1u32.to_le_bytes()[..], &under_way.to_le_bytes(), &ended.to_le_bytes()].concat();
        bytes.extend_from_slice(&pg.to_le_bytes());
        bytes.extend_from_slice(&number.to_le_bytes());
        bytes.extend_from_slice(&crc32c(&bytes).to_le_bytes());
        bytes
    }

    #[test]
    fn what_version_1_wrote_goes_on() {
        let waiting = ScrubPosition::decode(&version_1(0, 500, 0, 0)).unwrap();
        assert_eq!(waiting, ScrubPosition { ended: 500, ..ScrubPosition::default() });
        let under_way = ScrubPosition::decode(&version_1(1, 500, 7, 99)).unwrap();
        assert_eq!(under_way.cursor, Some(ChunkId::new(7, 99)));
        assert_eq!(under_way.round.map(|round| (round.number, round.order, round.ended)), Some((1, 0, 0)));
        assert_eq!((under_way.ended, under_way.rounds, under_way.order), (500, 1, 0));
    }

    #[test]
    fn every_damaged_byte_is_noticed() {
        let small = ScrubPosition { findings: full().findings.into_iter().take(2).collect(), ..full() };
        for bytes in [small.encode(), version_1(1, 500, 7, 99)] {
            for at in 0..bytes.len() {
                let mut damaged = bytes.clone();
                damaged[at] ^= 1;
                assert_eq!(ScrubPosition::decode(&damaged), None, "byte {at}");
                assert_eq!(ScrubPosition::decode(&bytes[..at]), None, "cut at {at}");
            }
        }
    }

    #[test]
    fn counts_that_lie_are_refused() {
        let mut bytes = ScrubPosition::default().encode();
        for (at, count) in [(44, u32::MAX), (48, u32::MAX), (44, 1), (48, 1)] {
            let kept = bytes.clone();
            field::put(&mut bytes, at, &count.to_le_bytes());
            let end = bytes.len() - 4;
            let crc = crc32c(&bytes[..end]);
            field::put(&mut bytes, end, &crc.to_le_bytes());
            assert_eq!(ScrubPosition::decode(&bytes), None, "{count} at {at}");
            bytes = kept;
        }
        let mut none = ScrubPosition::default().encode();
        field::put(&mut none, 4, &UNDER_WAY.to_le_bytes());
        let end = none.len() - 4;
        let crc = crc32c(&none[..end]);
        field::put(&mut none, end, &crc.to_le_bytes());
        assert_eq!(ScrubPosition::decode(&none), None, "a round under way that is not there");
    }
}
