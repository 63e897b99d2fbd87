//! One member's part in one chunk write: send, wait for "durable", come back later when it is busy.

use std::time::Duration;

use holdfast_proto::chunk::{WriteChunk, WriteReply};
use holdfast_proto::ids::{ChunkId, DiskId};
use holdfast_proto::map::Member;
use holdfast_proto::method::Write;
use holdfast_proto::op::DiskRef;
use holdfast_proto::status::{Code, Retry, Status};
use tokio::time::{Instant, sleep_until};

use crate::health::{Kind, UnderWay};
use crate::inner::Inner;
use crate::map::ClusterMap;
use crate::metrics::METRICS;
use crate::write::buffer::Sealed;
use crate::write::parts::Part;

/// Sends a chunk, or the shard of it that is its, to one member. Busy is answered with patience, everything else is the caller's to judge.
pub(crate) async fn send(
    inner: &Inner,
    map: &ClusterMap,
    member: &Member,
    id: ChunkId,
    chunk: &Sealed,
    part: &Part,
    deadline: Instant,
) -> Result<WriteReply, Status> {
    let disk = DiskId(member.disk);
    let Some(endpoint) = map.endpoint(disk) else {
        return Err(Status::new(Code::WrongDisk, format!("{disk} is not in the cluster map")));
    };
    let request = WriteChunk {
        disk: Some(DiskRef { disk: member.disk, incarnation: member.incarnation }),
        pg: id.pg.0,
        number: id.number.0,
        shard: member.shard,
        chunk_bytes: chunk.data.len() as u64,
        crcs: part.crcs.clone(),
        epoch: map.epoch().0,
        blake3: chunk.blake3.clone(),
        session: inner.session().id.0,
    };
    let health = inner.health.disk(disk);
    let bytes = part.data.len() as u64;
    let _under_way = UnderWay::new(&health, bytes);
    loop {
        let started = Instant::now();
        METRICS.member_calls.with_label_values(&["write"]).inc();
        let status = match inner.net.call::<Write>(&endpoint, &request, part.data.clone(), deadline).await {
            Ok((reply, _)) => {
                health.served(Kind::Write, bytes, started.elapsed());
                return Ok(reply);
            }
            Err(status) => status,
        };
        let Retry::Busy { after } = status.retry() else { return Err(status) };
        let again =
            Instant::now() + inner.jittered(after.clamp(Duration::from_millis(5), Duration::from_secs(1)));
        if again >= deadline {
            return Err(status);
        }
        sleep_until(again).await;
    }
}

/// What a member's refusal of a write says about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Blame {
    /// Its node does not answer or is leaving.
    Node,
    /// The disk cannot take it.
    Disk,
    /// Nobody: the map was old, or the id was taken.
    Nobody,
}

/// Judges a refusal.
pub(crate) fn blame(status: &Status) -> Blame {
    match status.kind() {
        Code::Unavailable | Code::Timeout | Code::ShuttingDown => Blame::Node,
        Code::DiskFailed | Code::DiskFull | Code::NoSpace | Code::Internal | Code::Corrupt | Code::Busy => {
            Blame::Disk
        }
        _ => Blame::Nobody,
    }
}
