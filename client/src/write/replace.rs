//! Content that takes the place of what is safe already: extents joined, or carried over into another class, by a worker.
//!
//! What always holds: nothing is let go of before every member of the new chunks' groups has acknowledged its copy or
//! shard and has then read it back from its disk, every byte. A chunk that does not count by the time of the command is
//! not written anew here: it would have to be checked again, and what is there is safe.

use futures::future::try_join_all;
use holdfast_proto::chunk::VerifyChunks;
use holdfast_proto::ids::DiskId;
use holdfast_proto::inode::{self, ChunkAck};
use holdfast_proto::map::Member;
use holdfast_proto::method::Verify;
use holdfast_proto::op::{DiskRef, Op, Reply};
use holdfast_proto::status::{Code, Status};
use tokio::time::Instant;

use crate::client::Client;
use crate::error::ClientError;
use crate::inner::Inner;
use crate::write::commit;
use crate::write::content::{Content, Stored};

impl Client {
    /// Sends the command that `build` makes of the content. `None`: it was not carried out, and nothing has changed:
    /// a member lacks the new bytes or has them wrong, or somebody changed what was to be replaced.
    ///
    /// # Errors
    /// As [`Client::commit`]; also when a member cannot be asked whether it has the bytes.
    pub async fn replace(
        &self,
        content: Content,
        build: impl Fn(inode::Content) -> Op + Send,
    ) -> Result<Option<Reply>, ClientError> {
        let deadline = self.deadline();
        for stored in &content.chunks {
            if !is_whole(self.inner(), stored) || !reads_back(self.inner(), stored, deadline).await? {
                return Ok(None);
            }
        }
        match Box::pin(commit::as_it_is(self.inner(), &content, build, self.limit, &self.by)).await {
            Ok(reply) => Ok(Some(reply)),
            Err(error) => match error.code() {
                Code::PreconditionFailed | Code::ChunksRejected | Code::GrantClosed => Ok(None),
                _ => Err(error),
            },
        }
    }
}

/// Whether every regular member of its group has the chunk: less is enough for new data, but not for replacing what is
/// safe already.
fn is_whole(inner: &Inner, stored: &Stored) -> bool {
    let map = inner.map();
    let Some(pg) = map.pg(stored.chunk.pg) else { return false };
    let has = |member: &Member| stored.acks.iter().any(|ack| ack.disk == member.disk);
    pg.members.iter().filter(|member| !member.temporary).all(has)
}

/// Whether everybody who acknowledged a chunk can read it from its disk.
async fn reads_back(inner: &Inner, stored: &Stored, deadline: Instant) -> Result<bool, ClientError> {
    let asked = stored.acks.iter().map(|ack| verify(inner, stored, ack, deadline));
    let all = try_join_all(asked).await;
    let all = all.map_err(|status| ClientError::of_question(status, "read a chunk back from its disks"))?;
    Ok(all.into_iter().all(|good| good))
}

async fn verify(inner: &Inner, stored: &Stored, ack: &ChunkAck, deadline: Instant) -> Result<bool, Status> {
    let disk = DiskId(ack.disk);
    let Some(endpoint) = inner.map().endpoint(disk) else {
        return Err(Status::new(Code::WrongDisk, format!("{disk} is not in the cluster map")));
    };
    let request = VerifyChunks {
        disk: Some(DiskRef { disk: ack.disk, incarnation: ack.incarnation }),
        pg: stored.chunk.pg.0,
        numbers: vec![stored.chunk.number.0],
    };
    let (reply, _) = inner.net.call::<Verify>(&endpoint, &request, bytes::Bytes::new(), deadline).await?;
    let good = reply.good == request.numbers;
    if !good {
        tracing::warn!(chunk = %stored.chunk, %disk, "a chunk that was just stored does not read back");
    }
    Ok(good)
}
