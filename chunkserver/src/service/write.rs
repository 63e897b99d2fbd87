//! Storing a replica or shard for a client.
//!
//! What always holds: acknowledged means durable. The acknowledgement names the map epoch under which this disk saw
//! itself as a member; the metadata decides whether that counts.

use std::sync::Arc;

use bytes::Bytes;
use holdfast_proto::chunk::{WriteChunk, WriteReply};
use holdfast_proto::geometry::member_bytes;
use holdfast_proto::ids::{ChunkId, Epoch};
use holdfast_proto::status::{Code, Status};
use holdfast_rpc::Context;
use holdfast_support::crc::verify_blocks;

use super::Inner;
use super::foreground::Work;
use super::map::Membership;
use crate::format::MAX_PAYLOAD_BYTES;
use crate::store::Put;

/// Checking more bytes than this leaves the runtime's thread.
const CHECK_HERE: usize = 1 << 20;

pub(super) async fn write(
    inner: Arc<Inner>,
    context: Context,
    request: WriteChunk,
    payload: Bytes,
) -> Result<(WriteReply, Bytes), Status> {
    let _permit = inner.admit(payload.len() as u64)?;
    let _served = inner.foreground.serve(Work::Write, payload.len() as u64);
    let disk = inner.disk(request.disk, false)?;
    if payload.len() as u64 > MAX_PAYLOAD_BYTES {
        return Err(Status::new(Code::TooLarge, format!("a record holds at most {MAX_PAYLOAD_BYTES} bytes")));
    }
    let blake3 = digest(&request.blake3)?;
    // A fresh process has no map; a client with a newer one knows of a membership this node has not heard of.
    inner.map.at_least(Epoch(request.epoch.max(1)), context.deadline).await?;
    let place = inner.map.membership(request.pg, disk.id(), disk.incarnation())?;
    check_shape(&request, payload.len() as u64, &place)?;
    check_blocks(&payload, &request.crcs).await?;
    let put = Put {
        chunk: ChunkId::new(request.pg, request.number),
        shard: request.shard,
        chunk_bytes: request.chunk_bytes,
        payload,
        table: request.crcs,
        blake3,
        epoch: place.pg_epoch,
        joined: place.member.joined,
        force: false,
    };
    disk.store()?.put(put).await?;
    let reply = WriteReply { epoch: place.map_epoch, incarnation: disk.incarnation().0 };
    Ok((reply, Bytes::new()))
}

pub(super) fn digest(bytes: &[u8]) -> Result<Option<[u8; 32]>, Status> {
    match bytes.len() {
        0 => Ok(None),
        32 => Ok(bytes.try_into().ok()),
        other => Err(Status::new(Code::InvalidArgument, format!("a BLAKE3 has 32 bytes, not {other}"))),
    }
}

/// Shard and length must be what the group's class makes of the chunk.
fn check_shape(request: &WriteChunk, bytes: u64, place: &Membership) -> Result<(), Status> {
    let Some(redundancy) = place.class.as_ref().and_then(|class| class.redundancy) else {
        return Err(Status::internal(format!("the class of pg{} is not in the map", request.pg)));
    };
    let shard = place.member.shard;
    if request.shard != shard {
        return Err(Status::new(
            Code::InvalidArgument,
            format!("this disk holds shard {shard} of pg{}, not {}", request.pg, request.shard),
        ));
    }
    let expected = member_bytes(&redundancy, request.chunk_bytes, request.shard);
    if bytes != expected {
        return Err(Status::new(
            Code::InvalidArgument,
            format!("a chunk of {} bytes has {expected} bytes here, got {bytes}", request.chunk_bytes),
        ));
    }
    Ok(())
}

/// Checks received bytes against their CRCs.
pub(super) async fn check_blocks(payload: &Bytes, crcs: &Bytes) -> Result<(), Status> {
    let checked = if payload.len() <= CHECK_HERE {
        verify_blocks(payload, crcs)
    } else {
        let (payload, crcs) = (payload.clone(), crcs.clone());
        let work = tokio::task::spawn_blocking(move || verify_blocks(&payload, &crcs)).await;
        work.map_err(|error| Status::internal(format!("check the payload: {error}")))?
    };
    checked.map_err(|mismatch| Status::new(Code::Corrupt, format!("the payload arrived damaged: {mismatch}")))
}
