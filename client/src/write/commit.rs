//! Makes content visible, and writes anew the chunks whose acknowledgements did not count.
//!
//! What always holds: a command is executed once; when the metaserver answers `ChunksRejected` or `GrantClosed` it
//! changed nothing, so the chunks it names are written again (from the bytes kept, else read back from members
//! that acknowledged them and checked against their BLAKE3) and a new command is sent under a new number. Bytes
//! kept are used first, so that waiting for budget to read others back never holds any.

use std::collections::BTreeSet;
use std::time::Duration;

use holdfast_proto::ids::{ClassId, Epoch};
use holdfast_proto::map::StorageClass;
use holdfast_proto::op::{Op, Reply};
use holdfast_proto::status::{Code, Status};
use holdfast_support::budget::BytePermit;
use tokio::time::Instant;

use crate::error::ClientError;
use crate::inner::{Inner, over_budget};
use crate::metrics::METRICS;
use crate::read::fetch::{Want, fetch_copy};
use crate::read::shards;
use crate::sender::Sender;
use crate::steps;
use crate::write::buffer::Sealed;
use crate::write::content::{Content, Stored};
use crate::write::place;

/// Times chunks are written anew before the refusal is passed on.
const ROUNDS: usize = 8;

/// Sends the command that `build` makes of the content until it is accepted or refused for another reason.
pub(crate) async fn commit(
    inner: &Inner,
    mut content: Content,
    build: impl Fn(holdfast_proto::inode::Content) -> Op,
    limit: Duration,
    by: &Sender,
) -> Result<Reply, ClientError> {
    let deadline = Instant::now() + limit;
    let mut rounds = 0;
    loop {
        let command = build(content.to_message());
        let inherits = match &command {
            // What lies in the metadata lies in no class.
            Op::PutObject(put) if put.class == 0 && !content.chunks.is_empty() => Some(put.bucket.clone()),
            _ => None,
        };
        let began = Instant::now();
        let reply = steps::command_by(inner, command, deadline, limit, by).await?;
        let Some(status) = reply.status.as_ref().filter(|status| !status.is_ok()) else {
            if content.chunks.is_empty() {
                inner.io.wrote(usize::try_from(content.size).unwrap_or(usize::MAX), began.elapsed());
            }
            if let (Some(bucket), Some(inode)) = (inherits, &reply.inode) {
                inner.classes.noticed(&bucket, ClassId(inode.class));
            }
            return Ok(reply);
        };
        let code = status.kind();
        let again = matches!(code, Code::ChunksRejected | Code::GrantClosed) && !content.chunks.is_empty();
        rounds += 1;
        if !again || rounds > ROUNDS {
            return Err(ClientError::Refused(status.clone()));
        }
        tracing::debug!(%status, rejected = reply.rejected.len(), "chunks are written anew");
        if code == Code::GrantClosed {
            retire_grants(inner, &content, &reply.rejected);
        }
        // Where acknowledgements did not count, the members changed since the map we have.
        let newer = Epoch(inner.map().epoch().0 + 1);
        inner.map_at_least(newer, deadline).await;
        rewrite(inner, &mut content, &reply.rejected, deadline).await?;
    }
}

/// Sends the command that `build` makes of the content, once: a refusal of its chunks is an error.
pub(crate) async fn as_it_is(
    inner: &Inner,
    content: &Content,
    build: impl Fn(holdfast_proto::inode::Content) -> Op,
    limit: Duration,
    by: &Sender,
) -> Result<Reply, ClientError> {
    let deadline = Instant::now() + limit;
    let reply = steps::command_by(inner, build(content.to_message()), deadline, limit, by).await?;
    let Some(status) = reply.status.as_ref().filter(|status| !status.is_ok()) else { return Ok(reply) };
    if status.kind() == Code::GrantClosed {
        // Whoever comes again must not number chunks by it once more.
        retire_grants(inner, content, &reply.rejected);
    }
    Err(ClientError::Refused(status.clone()))
}

fn named(content: &Content, rejected: &[u32]) -> BTreeSet<usize> {
    if rejected.is_empty() {
        return (0..content.chunks.len()).collect();
    }
    rejected.iter().map(|at| *at as usize).filter(|at| *at < content.chunks.len()).collect()
}

fn retire_grants(inner: &Inner, content: &Content, rejected: &[u32]) {
    let session = inner.session();
    for at in named(content, rejected) {
        if let Some(stored) = content.chunks.get(at) {
            session.grants.retire(stored.chunk.number.grant());
        }
    }
}

async fn rewrite(
    inner: &Inner,
    content: &mut Content,
    rejected: &[u32],
    deadline: Instant,
) -> Result<(), ClientError> {
    let class = class_of(inner, content.class)?;
    let (kept, others): (Vec<_>, Vec<_>) = named(content, rejected)
        .into_iter()
        .partition(|at| content.chunks.get(*at).is_some_and(|c| c.retained.is_some()));
    for at in kept.into_iter().chain(others) {
        let Some(old) = content.chunks.get_mut(at) else { continue };
        let sealed = match old.retained.take() {
            Some(data) => Sealed::of(data, nothing(inner)?).await?,
            None => read_back(inner, old, deadline).await?,
        };
        let fresh = place::store(inner, &class, &sealed, deadline).await?;
        METRICS.rewrites.inc();
        *old = fresh;
    }
    Ok(())
}

fn class_of(inner: &Inner, class: ClassId) -> Result<StorageClass, ClientError> {
    let map = inner.map();
    let known = map.class(class).map(|class| class.as_ref().clone());
    known.ok_or_else(|| ClientError::Invalid(format!("storage {class} is not in the cluster map")))
}

/// The bytes already hold their own share of the budget.
fn nothing(inner: &Inner) -> Result<BytePermit, ClientError> {
    inner.budget.try_take(0).map_err(over_budget)
}

/// The chunk's bytes, from the members that acknowledged it: they may not be the group's members any more.
async fn read_back(inner: &Inner, stored: &Stored, deadline: Instant) -> Result<Sealed, ClientError> {
    let permit = inner.budget.take(stored.length, deadline).await.map_err(over_budget)?;
    let map = inner.map();
    let want = Want { chunk: stored.chunk, offset: 0, length: stored.length, chunk_bytes: stored.length };
    let unreadable = |last| ClientError::Unreadable { chunk: stored.chunk, last };
    let bytes = match &stored.shape {
        Some(shape) => shards::fetch(inner, &map, &stored.holders, shape, want, deadline).await,
        None => fetch_copy(inner, &map, &stored.holders, want, deadline).await,
    };
    let sealed = Sealed::of(bytes.map_err(unreadable)?, nothing(inner)?).await?;
    if sealed.blake3 != stored.blake3 {
        return Err(unreadable(Status::new(Code::Corrupt, "the bytes read back differ from those written")));
    }
    let data = permit.guard(sealed.data);
    Ok(Sealed { data, ..sealed })
}
