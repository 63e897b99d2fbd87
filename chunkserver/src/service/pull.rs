//! Repair: making chunks durable here, from other members, on the leader's order.
//!
//! What always holds: what is stored matches the BLAKE3 that metadata has, and was read back from the platters; a
//! source that gives wrong bytes or none is named in the answer. One failing chunk never stops the rest. Clients of
//! this node go first: after each chunk there is a rest that grows with what they suffer.

use std::sync::Arc;
use std::time::{Duration, Instant as StdInstant};

use bytes::Bytes;
use holdfast_proto::chunk::{PullChunks, PullFailure, PullItem, PullReply, ReadChunk, Source};
use holdfast_proto::ids::{ChunkId, NodeId};
use holdfast_proto::map::redundancy::Kind;
use holdfast_proto::method::Read;
use holdfast_proto::op::DiskRef;
use holdfast_proto::status::{Code, Status};
use holdfast_rpc::{Context, Endpoint};
use holdfast_support::crc::verify_blocks;
use tokio::time::Instant;

use super::Inner;
use super::map::Membership;
use super::served::ServedDisk;
use crate::store::Put;
use crate::store::scrub::Verdict;

const MOST_ITEMS: usize = 256;
/// For one chunk from one source.
const PATIENCE: Duration = Duration::from_secs(10);
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
    // Shards are decoded in `fetch`, once it knows how to; until then nothing is promised.
    if matches!(request.redundancy.and_then(|r| r.kind), Some(Kind::Erasure(_))) {
        return Err(Status::new(Code::Unsupported, "repair of erasure-coded chunks is not built yet"));
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

type Failure = (Status, Vec<DiskRef>);

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
        let mut force = self.request.force;
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
        let (payload, table) = self.fetch(item, &blake3, deadline).await?;
        *moved += payload.len() as u64;
        super::metrics().pulled_bytes.inc_by(payload.len() as u64);
        let put = Put {
            chunk,
            shard: self.request.shard,
            chunk_bytes: item.chunk_bytes,
            payload,
            table,
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

    async fn verdict(&self, chunk: ChunkId) -> Result<Verdict, Status> {
        let store = self.disk.store()?.clone();
        let verdict = tokio::task::spawn_blocking(move || store.verify(chunk)).await;
        Ok(verdict.map_err(|error| Status::internal(format!("verify: {error}")))??)
    }

    /// The chunk's bytes from the first source that has them right.
    async fn fetch(
        &self,
        item: &PullItem,
        blake3: &[u8; 32],
        deadline: Instant,
    ) -> Result<(Bytes, Bytes), Failure> {
        let mut bad = Vec::new();
        let mut last = Status::new(Code::DataUnavailable, "the order names no source");
        for source in &self.request.sources {
            let Some(member) = source.member else { continue };
            let reference = DiskRef { disk: member.disk, incarnation: member.incarnation };
            match self.try_source(source, reference, item, blake3, deadline).await {
                Ok(found) => return Ok(found),
                Err(status) => {
                    if matches!(status.kind(), Code::Corrupt | Code::ChunkNotFound) {
                        bad.push(reference);
                    }
                    last = status;
                }
            }
        }
        Err((last, bad))
    }

    async fn try_source(
        &self,
        source: &Source,
        disk: DiskRef,
        item: &PullItem,
        blake3: &[u8; 32],
        deadline: Instant,
    ) -> Result<(Bytes, Bytes), Status> {
        // Held until the bytes are on the disk or given up.
        let patience = deadline.min(Instant::now() + PATIENCE);
        let permit = self.inner.budget.take(item.chunk_bytes, patience).await;
        let permit = permit.map_err(|error| Status::busy(Duration::from_millis(100), error.to_string()))?;
        let to = Endpoint { node: NodeId(source.node), address: source.address.clone() };
        let request = ReadChunk {
            disk: Some(disk),
            pg: self.request.pg,
            number: item.number,
            shard: source.shard,
            offset: 0,
            length: item.chunk_bytes,
            background: true,
        };
        let (reply, payload) = self.inner.net.call::<Read>(&to, &request, Bytes::new(), patience).await?;
        let blake3 = *blake3;
        let whole = reply.offset == 0 && payload.len() as u64 == item.chunk_bytes;
        let (bytes, crcs) = (payload.clone(), reply.crcs.clone());
        let checked = tokio::task::spawn_blocking(move || {
            verify_blocks(&bytes, &crcs).map_err(|mismatch| mismatch.to_string())?;
            let same = blake3::hash(&bytes) == blake3::Hash::from_bytes(blake3);
            if same { Ok(()) } else { Err("BLAKE3 differs from the metadata's".to_owned()) }
        });
        let checked =
            checked.await.map_err(|error| Status::internal(format!("check a pulled chunk: {error}")))?;
        let why = if whole { checked.err() } else { Some(format!("{} bytes came", payload.len())) };
        match why {
            None => Ok((permit.guard(payload), reply.crcs)),
            Some(why) => {
                let name = format!("{} from d{}", ChunkId::new(self.request.pg, item.number), disk.disk);
                Err(Status::new(Code::Corrupt, format!("{name}: {why}")))
            }
        }
    }
}
