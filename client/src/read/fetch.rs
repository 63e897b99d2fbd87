//! Gets a range of one chunk from the best member, from another one when that fails or dawdles, and checks every
//! byte.
//!
//! What always holds: bytes leave here only after the CRC32C of each block they lie in was verified. A mismatch is
//! reported and another member is asked; "not found" counts against a member only when it is clean and another one
//! had the chunk. Every wait ends with the deadline.

use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use futures::stream::{FuturesUnordered, StreamExt as _};
use holdfast_proto::BLOCK_BYTES;
use holdfast_proto::chunk::{ReadChunk, ReadReply};
use holdfast_proto::cluster::Finding;
use holdfast_proto::ids::{ChunkId, DiskId};
use holdfast_proto::map::{Member, redundancy};
use holdfast_proto::method::Read;
use holdfast_proto::op::DiskRef;
use holdfast_proto::status::{Code, Status};
use holdfast_support::crc;
use tokio::time::{Instant, sleep_until};

use crate::health::{Kind, UnderWay};
use crate::inner::Inner;
use crate::map::ClusterMap;
use crate::metrics::{METRICS, seconds};
use crate::read::members::{hedge_delay, ranked};
use crate::read::shards;

/// A range of a chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Want {
    pub(crate) chunk: ChunkId,
    pub(crate) offset: u64,
    pub(crate) length: u64,
    /// Length of the whole chunk.
    pub(crate) chunk_bytes: u64,
}

/// One member's answer: position in the order, outcome, time it took.
type Answered = (usize, Result<Bytes, Status>, Duration);

/// The race for one range.
struct Race<'a> {
    inner: &'a Inner,
    map: &'a ClusterMap,
    want: Want,
    order: Vec<Member>,
    /// When each member was asked; members are asked in order.
    asked: Vec<Instant>,
    answered: Vec<bool>,
    absent: Vec<Member>,
    pending: FuturesUnordered<BoxFuture<'a, Answered>>,
    deadline: Instant,
}

/// Bytes of a chunk, from the members its group has in `map`. One round: every member is asked at most once.
pub(crate) async fn fetch(
    inner: &Inner,
    map: &ClusterMap,
    want: Want,
    deadline: Instant,
) -> Result<Bytes, Status> {
    let Some(pg) = map.pg_of(want.chunk) else {
        return Err(Status::new(Code::StaleMap, format!("{} is not in the cluster map", want.chunk.pg)));
    };
    inner.hedges.earn();
    let started = Instant::now();
    let redundancy = map.class(pg.class.into()).and_then(|class| class.redundancy);
    let bytes = match redundancy.and_then(|redundancy| redundancy.kind) {
        Some(redundancy::Kind::Erasure(shape)) => {
            shards::fetch(inner, map, &pg.members, &shape, want, deadline).await?
        }
        _ => fetch_copy(inner, map, &pg.members, want, deadline).await?,
    };
    METRICS.chunk_read_seconds.observe(seconds(started.elapsed()));
    inner.io.read(bytes.len(), started.elapsed());
    METRICS.bytes.with_label_values(&["read"]).inc_by(bytes.len() as u64);
    Ok(bytes)
}

/// From one of several members that all have the whole chunk.
pub(crate) async fn fetch_copy(
    inner: &Inner,
    map: &ClusterMap,
    members: &[Member],
    want: Want,
    deadline: Instant,
) -> Result<Bytes, Status> {
    let order = ranked(inner, map, members, want.length);
    let mut race = Race {
        inner,
        map,
        want,
        answered: vec![false; order.len()],
        order,
        asked: Vec::new(),
        absent: Vec::new(),
        pending: FuturesUnordered::new(),
        deadline,
    };
    race.run().await
}

impl Race<'_> {
    async fn run(&mut self) -> Result<Bytes, Status> {
        let mut last = Status::new(Code::DataUnavailable, "the group has no members");
        let mut hedge_at = self.ask_next().unwrap_or(self.deadline);
        loop {
            if self.pending.is_empty() && self.ask_next().is_none() {
                return Err(last);
            }
            tokio::select! {
                Some((at, result, elapsed)) = self.pending.next() => match result {
                    Ok(bytes) => {
                        self.won(at, elapsed);
                        return Ok(bytes);
                    }
                    Err(status) => {
                        self.lost(at, &status);
                        last = status;
                        if let Some(next) = self.ask_next() {
                            hedge_at = next;
                        }
                    }
                },
                () = sleep_until(hedge_at.min(self.deadline)) => {
                    if Instant::now() >= self.deadline {
                        return Err(Status::new(Code::Timeout, "no member answered in time"));
                    }
                    hedge_at = self.hedge();
                }
            }
        }
    }

    /// Asks the next member; returns when to ask yet another one.
    fn ask_next(&mut self) -> Option<Instant> {
        let at = self.asked.len();
        let member = *self.order.get(at)?;
        let now = Instant::now();
        self.asked.push(now);
        let ask = ask(self.inner, self.map, member, self.want, self.deadline);
        self.pending.push(Box::pin(async move {
            let result = ask.await;
            (at, result, now.elapsed())
        }));
        Some(now + hedge_delay(self.inner, DiskId(member.disk), self.want.length))
    }

    /// The member asked last dawdles: ask another one, if there is one and hedges are left.
    fn hedge(&mut self) -> Instant {
        if self.asked.len() >= self.order.len() {
            return self.deadline;
        }
        if !self.inner.hedges.spend() {
            return Instant::now() + self.inner.config.slow_after;
        }
        METRICS.second_reads.with_label_values(&["slow"]).inc();
        self.ask_next().unwrap_or(self.deadline)
    }

    /// A member gave good bytes.
    fn won(&mut self, at: usize, elapsed: Duration) {
        let bytes = self.want.length;
        if let Some(slot) = self.answered.get_mut(at) {
            *slot = true;
        }
        if let Some(member) = self.order.get(at) {
            served(self.inner, member, bytes, elapsed);
        }
        for member in &self.absent {
            self.inner.report(Finding::Absent, member, self.want.chunk);
        }
        // Those that were asked and have not answered by several times their usual time are avoided from now on.
        for ((member, asked), answered) in self.order.iter().zip(&self.asked).zip(&self.answered) {
            let health = self.inner.health.disk(DiskId(member.disk));
            let patience =
                (3 * health.usual(Kind::Read, bytes)).max(3 * elapsed).max(self.inner.config.slow_after);
            if !answered && asked.elapsed() > patience {
                health.avoid(Duration::from_secs(1));
            }
        }
    }

    /// A member failed: everybody shall know what that says about it.
    fn lost(&mut self, at: usize, status: &Status) {
        if let Some(slot) = self.answered.get_mut(at) {
            *slot = true;
        }
        let Some(member) = self.order.get(at).copied() else { return };
        if blame(self.inner, self.map, &member, self.want.chunk, status) {
            self.absent.push(member);
        }
        if self.asked.len() < self.order.len() {
            let reason = if status.kind() == Code::Corrupt { "damaged" } else { "failed" };
            METRICS.second_reads.with_label_values(&[reason]).inc();
        }
    }
}

/// A member gave good bytes.
pub(crate) fn served(inner: &Inner, member: &Member, bytes: u64, elapsed: Duration) {
    inner.health.disk(DiskId(member.disk)).served(Kind::Read, bytes, elapsed);
}

/// A member refused or gave wrong bytes: everybody shall know what that says about it. True: it should have the chunk
/// and has not, which is worth a report if another one has.
pub(crate) fn blame(
    inner: &Inner,
    map: &ClusterMap,
    member: &Member,
    chunk: ChunkId,
    status: &Status,
) -> bool {
    let disk = DiskId(member.disk);
    tracing::debug!(%disk, %chunk, %status, "a member did not give a chunk");
    match status.kind() {
        Code::Corrupt => inner.report(Finding::Damaged, member, chunk),
        Code::ChunkNotFound => return member.clean,
        Code::Unavailable | Code::Timeout | Code::ShuttingDown => inner.node_is_silent(map, disk),
        Code::DiskFailed | Code::Internal => inner.health.disk(disk).avoid(Duration::from_secs(2)),
        _ => {}
    }
    false
}

/// Asks one member, for a range of what it holds, and checks what it gives.
pub(crate) async fn ask(
    inner: &Inner,
    map: &ClusterMap,
    member: Member,
    want: Want,
    deadline: Instant,
) -> Result<Bytes, Status> {
    let disk = DiskId(member.disk);
    let Some(endpoint) = map.endpoint(disk) else {
        return Err(Status::new(Code::WrongDisk, format!("{disk} is not in the cluster map")));
    };
    let request = ReadChunk {
        disk: Some(DiskRef { disk: member.disk, incarnation: member.incarnation }),
        pg: want.chunk.pg.0,
        number: want.chunk.number.0,
        shard: member.shard,
        offset: want.offset,
        length: want.length,
        background: false,
    };
    let _under_way = UnderWay::new(&inner.health.disk(disk), want.length);
    METRICS.member_calls.with_label_values(&["read"]).inc();
    let (reply, payload) = inner.net.call::<Read>(&endpoint, &request, Bytes::new(), deadline).await?;
    check(&reply, payload, want)
}

/// Verifies the covering blocks and cuts the wanted range out of them.
fn check(reply: &ReadReply, payload: Bytes, want: Want) -> Result<Bytes, Status> {
    let corrupt = |what: String| Status::new(Code::Corrupt, format!("{}: {what}", want.chunk));
    let first = want.offset / BLOCK_BYTES * BLOCK_BYTES;
    if reply.offset != first {
        return Err(corrupt(format!("bytes from {} instead of {first}", reply.offset)));
    }
    let skip = want.offset - first;
    if (payload.len() as u64) < skip + want.length {
        return Err(corrupt(format!("{} bytes instead of {}", payload.len(), skip + want.length)));
    }
    crc::verify_blocks(&payload, &reply.crcs).map_err(|mismatch| corrupt(mismatch.to_string()))?;
    Ok(payload.slice(skip as usize..(skip + want.length) as usize))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(data: &[u8], offset: u64) -> ReadReply {
        ReadReply { offset, crcs: crc::block_crcs(data).into(), ..ReadReply::default() }
    }

    #[test]
    fn only_verified_bytes_of_the_right_place_pass() {
        let data: Vec<u8> = (0..9000u32).map(|i| i as u8).collect();
        let want = Want { chunk: ChunkId::new(1, 1), offset: 4096 + 10, length: 100, chunk_bytes: 9000 };
        let good = check(&reply(&data, 4096), Bytes::from(data.clone()), want).unwrap();
        assert_eq!(&good[..], &data[10..110]);

        let mut flipped = data.clone();
        flipped[50] ^= 4;
        let refused =
            |reply: ReadReply, data: &[u8]| check(&reply, Bytes::copy_from_slice(data), want).unwrap_err();
        assert_eq!(refused(reply(&data, 4096), &flipped).kind(), Code::Corrupt);
        assert_eq!(refused(reply(&data, 0), &data).kind(), Code::Corrupt, "another place of the chunk");
        assert_eq!(refused(reply(&data[..50], 4096), &data[..50]).kind(), Code::Corrupt, "too short");
        let none = ReadReply { offset: 4096, ..ReadReply::default() };
        assert_eq!(refused(none, &data).kind(), Code::Corrupt, "no checksums");
    }
}
