//! Serving ranges of records, and checking records on demand.

use std::sync::Arc;

use bytes::Bytes;
use holdfast_proto::chunk::{
    ListRecords, ReadChunk, ReadReply, RecordEntry, RecordList, VerifyChunks, VerifyReply,
};
use holdfast_proto::ids::ChunkId;
use holdfast_proto::status::{Code, Status};
use holdfast_rpc::Context;

use super::Inner;
use super::foreground::Work;
use crate::store::ReadWhat;
use crate::store::scrub::Verdict;

/// Most entries of one page of records.
const MOST_ENTRIES: u32 = 10_000;
/// Most chunks verified by one request.
const MOST_VERIFIED: usize = 1_000;

pub(super) async fn read(
    inner: Arc<Inner>,
    _context: Context,
    request: ReadChunk,
) -> Result<(ReadReply, Bytes), Status> {
    let disk = inner.disk(request.disk, true)?;
    let what = ReadWhat {
        chunk: ChunkId::new(request.pg, request.number),
        shard: request.shard,
        offset: request.offset,
        length: request.length,
    };
    let store = disk.store()?;
    // What the record has, if that is known without waiting; never more than the largest record.
    let there = store.known_bytes(what.chunk)?.unwrap_or(crate::format::MAX_PAYLOAD_BYTES);
    let most = request.length.saturating_add(2 * crate::format::ALIGN).min(there);
    let mut permit = inner.admit(most)?;
    let _served = (!request.background).then(|| inner.foreground.serve(Work::Read, most));
    let began = std::time::Instant::now();
    let out = store.read(what, request.background).await?;
    permit.shrink(out.payload.len() as u64);
    super::metrics().read_bytes.inc_by(out.payload.len() as u64);
    store.metrics().read(out.payload.len(), began.elapsed());
    let reply = ReadReply {
        offset: out.offset,
        record_bytes: out.record_bytes,
        crcs: out.crcs,
        chunk_bytes: out.chunk_bytes,
        blake3: out.blake3.map_or_else(Bytes::new, |digest| Bytes::copy_from_slice(&digest)),
    };
    Ok((reply, permit.guard(out.payload)))
}

pub(super) async fn records(inner: Arc<Inner>, request: ListRecords) -> Result<(RecordList, Bytes), Status> {
    let disk = inner.disk(request.disk, false)?;
    // Until map and term are known this node cannot tell a record that is late from one that is lost.
    inner.reconciled()?;
    let store = disk.store()?.clone();
    let most = request.most.clamp(1, MOST_ENTRIES) as usize;
    let page = tokio::task::spawn_blocking(move || match request.pg {
        0 => store.list_groups(u32::try_from(request.after).unwrap_or(u32::MAX), most),
        // Numbers carry their grant and grants count from 1, so nothing lies at 0.
        pg => store.list(pg, Some(request.after), most),
    });
    let page = page.await.map_err(|error| Status::internal(format!("list records: {error}")))??;
    let entry = |record: crate::store::Record| RecordEntry {
        number: record.number,
        epoch: record.epoch,
        bytes: record.bytes,
        shard: record.shard,
    };
    let list = RecordList { entries: page.entries.into_iter().map(entry).collect(), more: page.more };
    Ok((list, Bytes::new()))
}

pub(super) async fn verify(inner: Arc<Inner>, request: VerifyChunks) -> Result<(VerifyReply, Bytes), Status> {
    let disk = inner.disk(request.disk, false)?;
    if request.numbers.len() > MOST_VERIFIED {
        return Err(Status::new(Code::InvalidArgument, format!("at most {MOST_VERIFIED} chunks at once")));
    }
    let mut reply = VerifyReply::default();
    for number in request.numbers {
        let (store, chunk) = (disk.store()?.clone(), ChunkId::new(request.pg, number));
        // One at a time: whoever gives up waiting stops the work between two records.
        let verdict = tokio::task::spawn_blocking(move || store.verify(chunk)).await;
        match verdict.map_err(|error| Status::internal(format!("verify: {error}")))?? {
            Verdict::Good => reply.good.push(number),
            Verdict::Damaged => reply.damaged.push(number),
            Verdict::Absent => reply.absent.push(number),
        }
    }
    Ok((reply, Bytes::new()))
}
