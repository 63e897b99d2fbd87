//! Gets a range of an erasure-coded chunk: from the data shards that cover it, and from any k shards where one of
//! those is missing, late or damaged.
//!
//! What always holds:
//! - Without trouble, only what the range covers is asked for, of the data shards alone, all at once.
//! - For a data shard that does not come, the same rows are asked of as many other shards as it takes. What came
//!   already and covers those rows is used, not asked for again.
//! - Every shard's bytes were checked against their CRC32C, under their chunk id and shard index, before they are put
//!   together or decoded. Every wait ends with the deadline.

use std::ops::Range;
use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use futures::stream::{FuturesUnordered, StreamExt as _};
use holdfast_proto::geometry::Geometry;
use holdfast_proto::ids::DiskId;
use holdfast_proto::map::{Erasure, Member};
use holdfast_proto::status::{Code, Status};
use holdfast_support::buffers;
use tokio::time::{Instant, sleep_until};

use crate::inner::Inner;
use crate::map::ClusterMap;
use crate::metrics::METRICS;
use crate::read::fetch::{Want, ask, blame, served};
use crate::read::members::{hedge_delay, ranked};

/// How one shard is doing.
#[derive(Default)]
struct Shard {
    /// Rows of it that the range itself covers; empty for parity.
    wanted: Range<u64>,
    /// Who holds it, best first; those asked already are gone from the front.
    holders: Vec<Member>,
    /// A request under way: for these rows, since when.
    asked: Option<(Range<u64>, Instant)>,
    /// The request under way takes longer than usual.
    late: bool,
    /// Rows that came.
    got: Option<(Range<u64>, Bytes)>,
}

impl Shard {
    /// Nothing is to be expected of it soon.
    fn in_trouble(&self) -> bool {
        self.late || (self.asked.is_none() && self.holders.is_empty())
    }

    fn has(&self, rows: &Range<u64>) -> bool {
        self.got.as_ref().is_some_and(|(got, _)| got.start <= rows.start && rows.end <= got.end)
    }

    fn will_have(&self, rows: &Range<u64>) -> bool {
        let coming = |asked: &Range<u64>| asked.start <= rows.start && rows.end <= asked.end;
        self.has(rows) || (!self.late && self.asked.as_ref().is_some_and(|(asked, _)| coming(asked)))
    }
}

/// An answer: shard, who, rows, outcome, time it took.
type Answered = (u32, Member, Range<u64>, Result<Bytes, Status>, Duration);

struct Race<'a> {
    inner: &'a Inner,
    map: &'a ClusterMap,
    geometry: Geometry,
    want: Want,
    shards: Vec<Shard>,
    pending: FuturesUnordered<BoxFuture<'a, Answered>>,
    deadline: Instant,
    last: Status,
    /// Members that said they do not have it, though they should.
    absent: Vec<Member>,
}

/// Bytes of an erasure-coded chunk, from the members that hold its shards. One round: every member is asked at most
/// twice, for the range and for decoding.
pub(crate) async fn fetch(
    inner: &Inner,
    map: &ClusterMap,
    members: &[Member],
    shape: &Erasure,
    want: Want,
    deadline: Instant,
) -> Result<Bytes, Status> {
    let geometry = shape.geometry();
    if want.offset + want.length > want.chunk_bytes {
        return Err(Status::internal(format!("{}: a range behind its end", want.chunk)));
    }
    let mut shards: Vec<Shard> = (0..geometry.shards()).map(|_| Shard::default()).collect();
    for member in ranked(inner, map, members, want.length / u64::from(geometry.data.max(1))) {
        if let Some(shard) = shards.get_mut(member.shard as usize) {
            shard.holders.push(member);
        }
    }
    for (shard, rows) in shards.iter_mut().zip(rows_of(&geometry, want.offset, want.length)) {
        shard.wanted = rows;
    }
    let last = Status::new(Code::DataUnavailable, "the group has too few members");
    let absent = Vec::new();
    let mut race =
        Race { inner, map, geometry, want, shards, pending: FuturesUnordered::new(), deadline, last, absent };
    race.run().await
}

/// The rows (offsets within the shard) of each data shard that a range of the chunk covers.
fn rows_of(geometry: &Geometry, offset: u64, length: u64) -> Vec<Range<u64>> {
    let mut rows = vec![0..0; geometry.data as usize];
    let mut at = offset;
    let end = offset + length;
    while at < end {
        let place = geometry.place(at);
        let piece = (geometry.cell_bytes - place.offset % geometry.cell_bytes).min(end - at);
        if let Some(rows) = rows.get_mut(place.shard as usize) {
            let from = if rows.start == rows.end { place.offset } else { rows.start };
            *rows = from..place.offset + piece;
        }
        at += piece;
    }
    rows
}

fn hull(a: &Range<u64>, b: &Range<u64>) -> Range<u64> {
    match (a.is_empty(), b.is_empty()) {
        (true, _) => b.clone(),
        (_, true) => a.clone(),
        _ => a.start.min(b.start)..a.end.max(b.end),
    }
}

impl Race<'_> {
    async fn run(&mut self) -> Result<Bytes, Status> {
        for shard in 0..self.geometry.data {
            let wanted = self.shard(shard).wanted.clone();
            if !wanted.is_empty() && self.likely(shard) {
                self.ask(shard, wanted);
            }
        }
        loop {
            let lost = self.lost_rows();
            if self.has_all() {
                return self.assemble();
            }
            if let Some(rows) = &lost {
                if self.enough_for(rows) {
                    self.decode(rows)?;
                    continue;
                }
                self.ask_for_decoding(rows);
            }
            if self.pending.is_empty() {
                return Err(self.last.clone());
            }
            let wake = self.next_hedge().unwrap_or(self.deadline).min(self.deadline);
            tokio::select! {
                Some(answered) = self.pending.next() => self.record(answered),
                () = sleep_until(wake) => {
                    if Instant::now() >= self.deadline {
                        return Err(Status::new(Code::Timeout, "too few shards came in time"));
                    }
                    self.hedge();
                }
            }
        }
    }

    fn shard(&self, index: u32) -> &Shard {
        &self.shards[index as usize]
    }

    /// Whether its best holder is expected to answer; else decoding begins at once.
    fn likely(&self, shard: u32) -> bool {
        let best = self.shard(shard).holders.first();
        best.is_some_and(|member| crate::read::members::trouble(self.inner, self.map, member) == 0)
    }

    /// Asks the best holder that was not asked yet.
    fn ask(&mut self, index: u32, rows: Range<u64>) {
        let length = self.geometry.shard_bytes(self.want.chunk_bytes, index);
        let rows = rows.start.min(length)..rows.end.min(length);
        let (inner, map, want, deadline) = (self.inner, self.map, self.want, self.deadline);
        let Some(shard) = self.shards.get_mut(index as usize) else { return };
        if rows.is_empty() {
            // All of these rows are padding.
            shard.got = Some((rows.start..u64::MAX, Bytes::new()));
            return;
        }
        if shard.holders.is_empty() {
            return;
        }
        let member = shard.holders.remove(0);
        let now = Instant::now();
        shard.asked = Some((rows.clone(), now));
        shard.late = false;
        let part = Want { offset: rows.start, length: rows.end - rows.start, ..want };
        self.pending.push(Box::pin(async move {
            let result = ask(inner, map, member, part, deadline).await;
            (index, member, rows, result, now.elapsed())
        }));
    }

    fn record(&mut self, (index, member, rows, result, elapsed): Answered) {
        match result {
            Ok(bytes) => {
                served(self.inner, &member, bytes.len() as u64, elapsed);
                let length = self.geometry.shard_bytes(self.want.chunk_bytes, index);
                let Some(shard) = self.shards.get_mut(index as usize) else { return };
                if shard.asked.as_ref().is_some_and(|(asked, _)| *asked == rows) {
                    shard.asked = None;
                    shard.late = false;
                }
                // Up to the end of the shard is up to anywhere: what follows is padding.
                let covered = rows.start..if rows.end == length { u64::MAX } else { rows.end };
                let more = shard
                    .got
                    .as_ref()
                    .is_none_or(|(got, _)| got.end - got.start < covered.end - covered.start);
                if more {
                    shard.got = Some((covered, bytes));
                }
                // It can be asked again, for other rows.
                shard.holders.insert(0, member);
            }
            Err(status) => {
                if blame(self.inner, self.map, &member, self.want.chunk, &status) {
                    self.absent.push(member);
                }
                if let Some(shard) = self.shards.get_mut(index as usize) {
                    shard.asked = None;
                    shard.late = false;
                }
                self.last = status;
                let wanted = self.shard(index).wanted.clone();
                // Another holder of the same shard, while it moves.
                if !wanted.is_empty() && !self.shard(index).has(&wanted) && self.likely(index) {
                    self.ask(index, wanted);
                }
            }
        }
    }

    /// Rows that must be decoded: of data shards in trouble that the range covers and that did not come.
    fn lost_rows(&self) -> Option<Range<u64>> {
        let lost = self.shards.iter().take(self.geometry.data as usize);
        let lost = lost
            .filter(|s| !s.wanted.is_empty() && !s.has(&s.wanted) && (s.in_trouble() || s.asked.is_none()));
        lost.map(|s| s.wanted.clone()).reduce(|a, b| hull(&a, &b))
    }

    fn has_all(&self) -> bool {
        self.shards.iter().all(|shard| shard.wanted.is_empty() || shard.has(&shard.wanted))
    }

    fn enough_for(&self, rows: &Range<u64>) -> bool {
        self.shards.iter().filter(|shard| shard.has(rows)).count() >= self.geometry.data as usize
    }

    /// Sees to it that as many shards as decoding takes are there or on their way, the ones expected to answer first.
    fn ask_for_decoding(&mut self, rows: &Range<u64>) {
        let needed = self.geometry.data as usize;
        let coming = self.shards.iter().filter(|shard| shard.will_have(rows)).count();
        if coming >= needed {
            return;
        }
        METRICS.second_reads.with_label_values(&["decode"]).inc_by((needed - coming) as u64);
        let can = |race: &Self, index: u32| {
            let shard = race.shard(index);
            !shard.will_have(rows) && shard.asked.is_none() && !shard.holders.is_empty()
        };
        let mut others: Vec<u32> = (0..self.geometry.shards()).filter(|index| can(self, *index)).collect();
        others.sort_by_key(|index| !self.likely(*index));
        for index in others.into_iter().take(needed - coming) {
            let rows = hull(rows, &self.shard(index).wanted);
            self.ask(index, rows);
        }
    }

    /// When the next shard is late.
    fn next_hedge(&self) -> Option<Instant> {
        let waiting = self.shards.iter().zip(0u32..).filter(|(shard, _)| !shard.late);
        let due = waiting.filter_map(|(shard, _)| {
            let (rows, since) = shard.asked.as_ref()?;
            Some(*since + self.patience(rows))
        });
        due.min()
    }

    fn patience(&self, rows: &Range<u64>) -> Duration {
        // Disks differ less than sizes do, and it is the slowest of several shards that is waited for.
        let members = self.shards.iter().flat_map(|shard| shard.holders.first());
        let delays =
            members.map(|member| hedge_delay(self.inner, DiskId(member.disk), rows.end - rows.start));
        delays.max().unwrap_or(self.inner.config.slow_after)
    }

    /// What is late is decoded from others, as far as hedges are left.
    fn hedge(&mut self) {
        let now = Instant::now();
        let due: Vec<usize> = (0..self.shards.len())
            .filter(|index| {
                let shard = &self.shards[*index];
                let asked = shard.asked.as_ref();
                !shard.late && asked.is_some_and(|(rows, since)| *since + self.patience(rows) <= now)
            })
            .collect();
        for index in due {
            let may = self.inner.hedges.spend();
            if let Some(shard) = self.shards.get_mut(index) {
                if may {
                    METRICS.second_reads.with_label_values(&["slow"]).inc();
                    shard.late = true;
                } else if let Some((_, since)) = &mut shard.asked {
                    // Not now; it is looked at again after the same time.
                    *since = now;
                }
            }
        }
    }

    /// Computes what is missing of `rows` from the shards that came.
    fn decode(&mut self, rows: &Range<u64>) -> Result<(), Status> {
        let broken = |error: holdfast_erasure::ErasureError| Status::internal(format!("decode: {error}"));
        let codec = self.inner.codecs.get(self.geometry).map_err(broken)?;
        let length = (rows.end - rows.start) as usize;
        let mut given: Vec<Option<Vec<u8>>> = Vec::with_capacity(self.shards.len());
        let mut present = 0;
        for shard in &self.shards {
            // No more than it takes: the rest would be copied for nothing.
            let use_it = shard.has(rows) && present < self.geometry.data as usize;
            present += usize::from(use_it);
            given.push(use_it.then(|| slice(shard, rows).to_vec()));
        }
        codec.rebuild_data(length, &mut given).map_err(broken)?;
        for (shard, bytes) in self.shards.iter_mut().zip(given).take(self.geometry.data as usize) {
            if let (false, Some(bytes)) = (shard.has(rows), bytes) {
                shard.got = Some((rows.clone(), bytes.into()));
            }
        }
        METRICS.decodes.inc();
        Ok(())
    }

    /// Puts the range together from the data shards.
    fn assemble(&mut self) -> Result<Bytes, Status> {
        for member in &self.absent {
            self.inner.report(holdfast_proto::cluster::Finding::Absent, member, self.want.chunk);
        }
        let Want { offset, length, .. } = self.want;
        let first = self.geometry.place(offset);
        if first.offset % self.geometry.cell_bytes + length <= self.geometry.cell_bytes {
            let rows = first.offset..first.offset + length;
            return whole(slice(self.shard(first.shard), &rows), length);
        }
        let mut buffer = buffers::shared().get(length as usize);
        let mut filled = 0;
        while filled < length {
            let place = self.geometry.place(offset + filled);
            let left = self.geometry.cell_bytes - place.offset % self.geometry.cell_bytes;
            let piece = left.min(length - filled);
            let bytes = slice(self.shard(place.shard), &(place.offset..place.offset + piece));
            let bytes = whole(bytes, piece)?;
            if let Some(target) = buffer.get_mut(filled as usize..(filled + piece) as usize) {
                target.copy_from_slice(&bytes);
            }
            filled += piece;
        }
        Ok(buffer.freeze())
    }
}

/// The part of what came of a shard that lies in `rows`; shorter at the end of the shard.
fn slice(shard: &Shard, rows: &Range<u64>) -> Bytes {
    let Some((got, bytes)) = &shard.got else { return Bytes::new() };
    let from = (rows.start.saturating_sub(got.start) as usize).min(bytes.len());
    let to = (rows.end.saturating_sub(got.start) as usize).min(bytes.len());
    bytes.slice(from..to.max(from))
}

fn whole(bytes: Bytes, length: u64) -> Result<Bytes, Status> {
    if bytes.len() as u64 == length {
        return Ok(bytes);
    }
    Err(Status::internal(format!("{} of {length} bytes of a shard", bytes.len())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_covers_few_rows() {
        let geometry = Geometry { data: 3, parity: 2, cell_bytes: 10 };
        assert_eq!(rows_of(&geometry, 3, 4), [3..7, 0..0, 0..0]);
        assert_eq!(rows_of(&geometry, 8, 4), [8..10, 0..2, 0..0]);
        // From the second cell of the first stripe to the first of the third.
        assert_eq!(rows_of(&geometry, 15, 50), [10..25, 5..20, 0..20]);
        assert_eq!(hull(&(0..0), &(5..6)), 5..6);
        assert_eq!(hull(&(2..3), &(5..6)), 2..6);
    }

    proptest::proptest! {
        #[test]
        fn rows_hold_exactly_the_range(
            data in 1u32..6, cell in 1u64..30, offset in 0u64..500, length in 1u64..500,
        ) {
            let geometry = Geometry { data, parity: 1, cell_bytes: cell };
            let rows = rows_of(&geometry, offset, length);
            for at in 0..1100 {
                let place = geometry.place(at);
                let within = (offset..offset + length).contains(&at);
                let row = &rows[place.shard as usize];
                // What lies between two cells of a shard that the range covers is covered, too.
                proptest::prop_assert_eq!(within, row.contains(&place.offset), "byte {}", at);
            }
        }
    }
}
