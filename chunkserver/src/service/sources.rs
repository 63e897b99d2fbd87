//! The bytes that a disk shall have of a chunk, from other members: a copy, or its shard, copied or computed from others.
//!
//! What always holds: what is handed out matches the BLAKE3 that metadata has. Of a shard that is copied from a member
//! that holds the same, the blocks' checksums and the chunk's digest in its record are compared; of one that is
//! computed, the whole chunk is put together from the shards and hashed. Sources that gave wrong bytes, or none, are
//! named. Memory is taken from the budget first and held until the bytes are on the disk or given up.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::stream::{FuturesUnordered, StreamExt as _};
use holdfast_erasure::Codec;
use holdfast_proto::chunk::{PullItem, ReadChunk, ReadReply, Source};
use holdfast_proto::ids::{ChunkId, NodeId};
use holdfast_proto::map::Erasure;
use holdfast_proto::method::Read;
use holdfast_proto::op::DiskRef;
use holdfast_proto::status::{Code, Status};
use holdfast_rpc::Endpoint;
use holdfast_support::budget::BytePermit;
use holdfast_support::crc::{block_crcs, verify_blocks};
use tokio::time::Instant;

use super::Inner;

/// For one chunk from one source.
const PATIENCE: Duration = Duration::from_secs(10);

/// Sets of shards that are tried when the obvious one does not give the chunk.
const MOST_SETS: usize = 64;

/// Why there are no bytes, and sources on which they are damaged or missing.
pub(super) type Failure = (Status, Vec<DiskRef>);

/// A record's payload and its block checksums, and what it took to get them.
pub(super) struct Found {
    pub(super) payload: Bytes,
    pub(super) table: Bytes,
    /// Bytes that came over the network.
    pub(super) moved: u64,
}

/// Where one chunk's bytes may come from.
pub(super) struct Sources<'s> {
    pub(super) inner: &'s Inner,
    pub(super) pg: u32,
    pub(super) item: &'s PullItem,
    pub(super) blake3: [u8; 32],
    /// Best first.
    pub(super) sources: &'s [Source],
    pub(super) deadline: Instant,
}

/// A shard that came.
struct Shard {
    index: u32,
    from: DiskRef,
    bytes: Bytes,
}

impl Sources<'_> {
    /// All of the chunk, from the first source that has it right.
    pub(super) async fn copy(&self) -> Result<Found, Failure> {
        let mut bad = Vec::new();
        let mut last = Status::new(Code::DataUnavailable, "the order names no source");
        for source in self.sources {
            let length = self.item.chunk_bytes;
            let permit = self.memory(length).await.map_err(|status| (status, bad.clone()))?;
            let found = match self.read(source, length).await {
                Ok((reply, payload)) => self.check_whole(source, payload, reply).await,
                Err(status) => Err(status),
            };
            match found {
                Ok((payload, table)) => {
                    let moved = payload.len() as u64;
                    return Ok(Found { payload: permit.guard(payload), table, moved });
                }
                Err(status) => self.note(source, status, &mut bad, &mut last),
            }
        }
        Err((last, bad))
    }

    /// Shard `index` of the chunk.
    pub(super) async fn shard(&self, shape: &Erasure, index: u32) -> Result<Found, Failure> {
        let geometry = shape.geometry();
        let plain = |status: Status| (status, Vec::new());
        let codec = Codec::new(geometry).map_err(|error| plain(Status::internal(error.to_string())))?;
        let codec = Arc::new(codec);
        let length = geometry.shard_bytes(self.item.chunk_bytes, index);
        let mut bad = Vec::new();
        let mut last = Status::new(Code::DataUnavailable, "the order names too few sources");
        // While a shard moves, whoever holds it is the cheapest source.
        for source in self.sources.iter().filter(|source| source.shard == index) {
            let permit = self.memory(length).await.map_err(|status| (status, bad.clone()))?;
            match self.read(source, length).await {
                Ok((reply, payload)) => {
                    let moved = payload.len() as u64;
                    return Ok(Found { payload: permit.guard(payload), table: reply.crcs, moved });
                }
                Err(status) => self.note(source, status, &mut bad, &mut last),
            }
        }
        // All data shards, and the one that is made.
        let permit = self.memory(2 * self.item.chunk_bytes + length).await.map_err(|s| (s, bad.clone()))?;
        let mut others: Vec<&Source> = self.sources.iter().filter(|source| source.shard != index).collect();
        others.reverse();
        let needed = geometry.data as usize;
        let mut have: Vec<Shard> = Vec::new();
        let mut moved = 0;
        loop {
            let wanted = needed.saturating_sub(have.len()).max(1);
            let came = self.gather(&codec, wanted, &mut others, &have, &mut bad, &mut last).await;
            if came.is_empty() {
                return Err((last, bad));
            }
            moved += came.iter().map(|shard| shard.bytes.len() as u64).sum::<u64>();
            have.extend(came);
            if have.len() < needed {
                continue;
            }
            // With one more than it takes, whoever is left out where the chunk comes out right was wrong.
            for set in sets_with_last(have.len(), needed) {
                let chosen: Vec<(u32, Bytes)> =
                    set.iter().filter_map(|at| have.get(*at)).map(|s| (s.index, s.bytes.clone())).collect();
                if let Some((payload, table)) = self.decode(&codec, chosen, index).await.map_err(plain)? {
                    let wrong = (0..have.len()).filter(|at| !set.contains(at));
                    bad.extend(wrong.filter_map(|at| have.get(at)).map(|shard| shard.from));
                    if !bad.is_empty() {
                        tracing::warn!(chunk = %self.chunk(), ?bad, "shards that do not make the chunk");
                    }
                    return Ok(Found { payload: permit.guard(payload), table, moved });
                }
            }
            last = Status::new(Code::Corrupt, format!("{}: its shards do not make its BLAKE3", self.chunk()));
        }
    }

    fn chunk(&self) -> ChunkId {
        ChunkId::new(self.pg, self.item.number)
    }

    async fn memory(&self, bytes: u64) -> Result<BytePermit, Status> {
        let permit = self.inner.budget.take(bytes.min(self.inner.budget.limit()), self.patience()).await;
        permit.map_err(|error| Status::busy(Duration::from_millis(100), error.to_string()))
    }

    fn patience(&self) -> Instant {
        self.deadline.min(Instant::now() + PATIENCE)
    }

    fn note(&self, source: &Source, status: Status, bad: &mut Vec<DiskRef>, last: &mut Status) {
        if let Some(member) = source.member
            && matches!(status.kind(), Code::Corrupt | Code::ChunkNotFound)
        {
            bad.push(DiskRef { disk: member.disk, incarnation: member.incarnation });
        }
        *last = status;
    }

    /// Up to `wanted` shards that are not there yet, from the sources at the end of `others`; fewer: there are no more.
    async fn gather(
        &self,
        codec: &Codec,
        wanted: usize,
        others: &mut Vec<&Source>,
        have: &[Shard],
        bad: &mut Vec<DiskRef>,
        last: &mut Status,
    ) -> Vec<Shard> {
        let mut came: Vec<Shard> = Vec::new();
        let mut asked: Vec<u32> = have.iter().map(|shard| shard.index).collect();
        let mut pending = FuturesUnordered::new();
        loop {
            while came.len() + pending.len() < wanted {
                let Some(at) = others.iter().rposition(|source| !asked.contains(&source.shard)) else {
                    break;
                };
                let source = others.remove(at);
                asked.push(source.shard);
                let length = codec.geometry().shard_bytes(self.item.chunk_bytes, source.shard);
                pending.push(async move { (source, self.read(source, length).await) });
            }
            let Some((source, result)) = pending.next().await else { return came };
            match (result, source.member) {
                (Ok((_, bytes)), Some(member)) => {
                    let from = DiskRef { disk: member.disk, incarnation: member.incarnation };
                    came.push(Shard { index: source.shard, from, bytes });
                }
                (Ok(_), None) => {}
                (Err(status), _) => {
                    // Another source of the same shard may do better.
                    asked.retain(|shard| *shard != source.shard);
                    self.note(source, status, bad, last);
                }
            }
        }
    }

    /// What a source has of the chunk: `length` bytes whose checksums are right and that claim to be this chunk's.
    async fn read(&self, source: &Source, length: u64) -> Result<(ReadReply, Bytes), Status> {
        let member = source.member.ok_or_else(|| Status::internal("a source without a member"))?;
        let to = Endpoint { node: NodeId(source.node), address: source.address.clone() };
        let request = ReadChunk {
            disk: Some(DiskRef { disk: member.disk, incarnation: member.incarnation }),
            pg: self.pg,
            number: self.item.number,
            shard: source.shard,
            offset: 0,
            length,
            background: true,
        };
        let (reply, payload) =
            self.inner.net.call::<Read>(&to, &request, Bytes::new(), self.patience()).await?;
        let wrong = |why: String| {
            Status::new(Code::Corrupt, format!("{} from d{}: {why}", self.chunk(), member.disk))
        };
        if reply.offset != 0 || payload.len() as u64 != length {
            return Err(wrong(format!("{} bytes came instead of {length}", payload.len())));
        }
        let digest_differs = !reply.blake3.is_empty() && reply.blake3[..] != self.blake3[..];
        if digest_differs || reply.chunk_bytes != self.item.chunk_bytes {
            return Err(wrong("another chunk's record".to_owned()));
        }
        let (bytes, crcs) = (payload.clone(), reply.crcs.clone());
        let checked = tokio::task::spawn_blocking(move || verify_blocks(&bytes, &crcs)).await;
        let checked = checked.map_err(|error| Status::internal(format!("check a pulled chunk: {error}")))?;
        checked.map_err(|mismatch| wrong(mismatch.to_string()))?;
        Ok((reply, payload))
    }

    async fn check_whole(
        &self,
        source: &Source,
        payload: Bytes,
        reply: ReadReply,
    ) -> Result<(Bytes, Bytes), Status> {
        let (bytes, blake3) = (payload.clone(), self.blake3);
        let same = tokio::task::spawn_blocking(move || blake3::hash(&bytes).as_bytes() == &blake3).await;
        match same.map_err(|error| Status::internal(format!("check a pulled chunk: {error}")))? {
            true => Ok((payload, reply.crcs)),
            false => {
                let disk = source.member.map_or(0, |member| member.disk);
                let what = format!("{} from d{disk}: BLAKE3 differs from the metadata's", self.chunk());
                Err(Status::new(Code::Corrupt, what))
            }
        }
    }

    /// Shard `index`, computed from `shards`, if these make the chunk that metadata means.
    async fn decode(
        &self,
        codec: &Arc<Codec>,
        shards: Vec<(u32, Bytes)>,
        index: u32,
    ) -> Result<Option<(Bytes, Bytes)>, Status> {
        let (codec, chunk_bytes, blake3) = (codec.clone(), self.item.chunk_bytes, self.blake3);
        let work = tokio::task::spawn_blocking(move || {
            let mut all: Vec<Option<Vec<u8>>> = vec![None; codec.geometry().shards() as usize];
            for (at, bytes) in shards {
                if let Some(slot) = all.get_mut(at as usize) {
                    *slot = Some(bytes.to_vec());
                }
            }
            codec.rebuild(chunk_bytes, &mut all)?;
            let mut hasher = blake3::Hasher::new();
            codec.cells(chunk_bytes, &all, |cell| {
                hasher.update(cell);
            });
            if hasher.finalize().as_bytes() != &blake3 {
                return Ok(None);
            }
            let wanted = all.get_mut(index as usize).and_then(Option::take).unwrap_or_default();
            let table = Bytes::from(block_crcs(&wanted));
            Ok(Some((Bytes::from(wanted), table)))
        });
        let done: Result<_, holdfast_erasure::ErasureError> =
            work.await.map_err(|error| Status::internal(format!("decode: {error}")))?;
        done.map_err(|error| Status::internal(format!("decode {}: {error}", self.chunk())))
    }
}

/// Sets of `k` out of `0..n` that contain the last, a bounded number of them; the others were tried before.
fn sets_with_last(n: usize, k: usize) -> Vec<Vec<usize>> {
    let mut sets = Vec::new();
    let Some(last) = n.checked_sub(1) else { return sets };
    let mut set: Vec<usize> = (0..k.saturating_sub(1)).collect();
    if n < k || k == 0 {
        return sets;
    }
    loop {
        sets.push(set.iter().copied().chain([last]).collect());
        // The next combination of `k - 1` out of `0..last`, in order.
        let free = |at: usize| set[at] + (set.len() - at) < last;
        let Some(at) = (0..set.len()).rev().find(|at| free(*at)).filter(|_| sets.len() < MOST_SETS) else {
            return sets;
        };
        let from = set[at] + 1;
        for (step, slot) in set[at..].iter_mut().enumerate() {
            *slot = from + step;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_are_all_there_are() {
        assert_eq!(sets_with_last(2, 2), [vec![0, 1]]);
        assert_eq!(sets_with_last(3, 2), [vec![0, 2], vec![1, 2]]);
        assert_eq!(sets_with_last(4, 3), [vec![0, 1, 3], vec![0, 2, 3], vec![1, 2, 3]]);
        assert_eq!(sets_with_last(3, 1), [vec![2]]);
        assert!(sets_with_last(2, 3).is_empty() && sets_with_last(0, 1).is_empty());
        assert_eq!(sets_with_last(40, 20).len(), MOST_SETS);
    }
}
