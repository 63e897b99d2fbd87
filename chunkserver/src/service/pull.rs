//! Repair: making chunks durable here, from other members, on the leader's order.
//!
//! What always holds: what is stored matches the BLAKE3 that metadata has, and was read back from the platters; a
//! source that gives wrong bytes or none is named in the answer. One failing chunk never stops the rest. Clients of
//! this node go first: after each chunk there is a rest that grows with what they suffer.

use std::sync::Arc;
use std::time::{Duration, Instant as StdInstant};

use bytes::Bytes;
use holdfast_proto::chunk::{PullChunks, PullFailure, PullItem, PullReply};
use holdfast_proto::geometry::member_bytes;
use holdfast_proto::ids::ChunkId;
use holdfast_proto::map::redundancy::Kind;
use holdfast_proto::status::{Code, Status};
use holdfast_rpc::Context;
use tokio::time::Instant;

use super::Inner;
use super::map::Membership;
use super::served::ServedDisk;
use super::sources::{Failure, Sources};
use crate::store::scrub::Verdict;
use crate::store::{Put, Record};

const MOST_ITEMS: usize = 256;
/// Left of an order's time for its answer, and for the chunk under way.
const TELL: Duration = Duration::from_secs(12);

pub(super) async fn pull(
    inner: Arc<Inner>,
    context: Context,
    request: PullChunks,
) -> Result<(PullReply, Bytes), Status> {
    let disk = inner.disk(request.disk, false)?;
    if request.items.len() > MOST_ITEMS {
        return Err(Status::new(Code::InvalidArgument, format!("at most {MOST_ITEMS} chunks at once")));
    }
    let busy = || Status::busy(Duration::from_millis(200), "enough repair orders are running here");
    // What is one failure away from loss waits for nobody; the leader bounds it.
    let _place = match request.urgent {
        true => None,
        false => Some(inner.pulls.try_acquire().map_err(|_| busy())?),
    };
    let _repairing = inner.foreground.repair();
    inner.orders.check(request.order, request.pg, &disk, &inner.map, context.deadline).await?;
    let member = inner.map.membership(request.pg, disk.id(), disk.incarnation())?;
    let job = Job { inner: &inner, disk: &disk, request: &request, member: &member };
    let begun = StdInstant::now();
    let first = request.items.first().map_or(0, |item| item.number);
    let mut reply = PullReply::default();
    for item in &request.items {
        // What is done must be told in time; the rest is asked again.
        if context.deadline.saturating_duration_since(Instant::now()) < TELL && item.number != first {
            break;
        }
        let item_begun = StdInstant::now();
        match job.item(item, context.deadline, &mut reply.bytes).await {
            Ok(()) => reply.done.push(item.number),
            Err((status, bad)) => {
                let fatal = matches!(status.kind(), Code::DiskFailed | Code::DiskFull | Code::ShuttingDown);
                reply.failed.push(PullFailure { number: item.number, status: Some(status), bad });
                if fatal {
                    break;
                }
            }
        }
        if let Some(due) = (reply.bytes * 1000).checked_div(request.rate) {
            let early = Duration::from_millis(due).saturating_sub(begun.elapsed());
            tokio::time::sleep_until((Instant::now() + early).min(context.deadline)).await;
        }
        let rest = match request.urgent {
            true => Duration::ZERO,
            false => inner.foreground.rest_after(item_begun.elapsed()),
        };
        tokio::time::sleep_until((Instant::now() + rest).min(context.deadline)).await;
    }
    Ok((reply, Bytes::new()))
}

struct Job<'j> {
    inner: &'j Inner,
    disk: &'j ServedDisk,
    request: &'j PullChunks,
    member: &'j Membership,
}

impl Job<'_> {
    async fn item(&self, item: &PullItem, deadline: Instant, moved: &mut u64) -> Result<(), Failure> {
        let plain = |status: Status| (status, Vec::new());
        let chunk = ChunkId::new(self.request.pg, item.number);
        let store = self.disk.store().map_err(plain)?;
        let held = store.find(chunk).map_err(|error| plain(error.into()))?;
        let held = held.filter(|record| record.epoch >= self.member.member.joined);
        // What is whole in itself but is not what metadata wants here is replaced, too.
        let other = held.as_ref().is_some_and(|record| !self.is_wanted(item, record));
        let mut force = self.request.force || other;
        if held.is_some() && !force {
            match self.verdict(chunk).await.map_err(plain)? {
                Verdict::Good => return Ok(()),
                // What is damaged is replaced; what went meanwhile is simply written.
                Verdict::Damaged => force = true,
                Verdict::Absent => {}
            }
        }
        let blake3: [u8; 32] = item.blake3[..].try_into().map_err(|_| {
            plain(Status::new(Code::InvalidArgument, "an order to pull names the BLAKE3 of every chunk"))
        })?;
        if store.is_full() && !force {
            return Err(plain(Status::new(Code::DiskFull, "the disk takes no new chunks")));
        }
        let (inner, pg, sources) = (self.inner, self.request.pg, &self.request.sources);
        let from = Sources { inner, pg, item, blake3, sources, deadline };
        let found = match self.request.redundancy.and_then(|redundancy| redundancy.kind) {
            Some(Kind::Erasure(shape)) => from.shard(&shape, self.request.shard).await?,
            _ => from.copy().await?,
        };
        *moved += found.moved;
        super::metrics().pulled_bytes.inc_by(found.moved);
        let put = Put {
            chunk,
            shard: self.request.shard,
            chunk_bytes: item.chunk_bytes,
            payload: found.payload,
            table: found.table,
            blake3: Some(blake3),
            epoch: self.member.pg_epoch,
            joined: self.member.member.joined,
            force,
        };
        store.put(put).await.map_err(|error| plain(error.into()))?;
        match self.verdict(chunk).await.map_err(plain)? {
            Verdict::Good => Ok(()),
            other => Err(plain(Status::new(
                Code::Corrupt,
                format!("{chunk} reads back {other:?} right after repair"),
            ))),
        }
    }

    /// Whether a record has the length and the shard that this member should have of a chunk.
    fn is_wanted(&self, item: &PullItem, record: &Record) -> bool {
        let redundancy = self.request.redundancy.unwrap_or_default();
        record.shard == self.request.shard
            && record.bytes == member_bytes(&redundancy, item.chunk_bytes, self.request.shard)
    }

    async fn verdict(&self, chunk: ChunkId) -> Result<Verdict, Status> {
        let store = self.disk.store()?.clone();
        let verdict = tokio::task::spawn_blocking(move || store.verify(chunk)).await;
        Ok(verdict.map_err(|error| Status::internal(format!("verify: {error}")))??)
    }
}
