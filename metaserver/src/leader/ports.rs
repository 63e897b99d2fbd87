//! What the leader's loops need from the rest of the world, as small traits: the replicated metadata and the
//! chunkservers. Tests put a table in memory and chunkservers in memory behind them.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use holdfast_proto::chunk::{
    DeleteChunks, DeleteReply, ListRecords, PullChunks, PullReply, RecordList, VerifyChunks, VerifyReply,
};
use holdfast_proto::ids::LogIndex;
use holdfast_proto::method::{Delete, Method, Pull, Records, Verify};
use holdfast_proto::op::{Command, Reply};
use holdfast_proto::status::Status;
use holdfast_rpc::{Endpoint, Net};
use holdfast_state::table::View;
use tokio::time::Instant;

use crate::raft::Observer;

/// The replicated metadata, as its leader sees it.
pub trait Metadata: Send + Sync + 'static {
    /// A consistent state as of one index.
    type View: View + Send + Sync + 'static;

    /// Carries out a command; its refusal is a reply. An error means that it was not carried out, or that nobody
    /// knows.
    fn propose(
        &self,
        command: Command,
        deadline: Instant,
    ) -> impl Future<Output = Result<Reply, Status>> + Send;

    /// A state at least as new as everything acknowledged before the call. Fails on a node that does not lead.
    fn read(&self, deadline: Instant) -> impl Future<Output = Result<(LogIndex, Self::View), Status>> + Send;

    /// Lets somebody hear of every change that is applied from now on; `None`: nobody. Returns the index up to which
    /// changes may have been applied before that.
    fn observe(&self, observer: Option<Arc<dyn Observer>>) -> u64;

    /// Whether reads may be confirmed by the age of the last voter round instead of by one of their own.
    fn set_lease_reads(&self, allowed: bool);

    /// Does work that reads a view or plans for long. `None`: it did not finish. Here, on a thread of its own, since a
    /// view may wait for the disk; who keeps the table in memory may do it in place.
    fn aside<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> impl Future<Output = Option<T>> + Send {
        async { tokio::task::spawn_blocking(work).await.ok() }
    }

    /// The wall clock in nanoseconds since 1970, as commands of the leader carry it.
    fn now_ns(&self) -> i64 {
        now_ns()
    }
}

/// Orders to chunkservers.
pub trait Chunkservers: Send + Sync + 'static {
    /// Delete chunks on a disk.
    fn delete(
        &self,
        to: &Endpoint,
        order: DeleteChunks,
        deadline: Instant,
    ) -> impl Future<Output = Result<DeleteReply, Status>> + Send;

    /// Copy chunks to a disk.
    fn pull(
        &self,
        to: &Endpoint,
        order: PullChunks,
        deadline: Instant,
    ) -> impl Future<Output = Result<PullReply, Status>> + Send;

    /// What a disk has.
    fn records(
        &self,
        to: &Endpoint,
        request: ListRecords,
        deadline: Instant,
    ) -> impl Future<Output = Result<RecordList, Status>> + Send;

    /// Check bytes on the platters.
    fn verify(
        &self,
        to: &Endpoint,
        request: VerifyChunks,
        deadline: Instant,
    ) -> impl Future<Output = Result<VerifyReply, Status>> + Send;
}

async fn call<M: Method>(
    net: &Net,
    to: &Endpoint,
    request: &M::Request,
    deadline: Instant,
) -> Result<M::Reply, Status> {
    net.call::<M>(to, request, Bytes::new(), deadline).await.map(|(reply, _)| reply)
}

impl Chunkservers for Net {
    async fn delete(
        &self,
        to: &Endpoint,
        order: DeleteChunks,
        deadline: Instant,
    ) -> Result<DeleteReply, Status> {
        call::<Delete>(self, to, &order, deadline).await
    }

    async fn pull(&self, to: &Endpoint, order: PullChunks, deadline: Instant) -> Result<PullReply, Status> {
        call::<Pull>(self, to, &order, deadline).await
    }

    async fn records(
        &self,
        to: &Endpoint,
        request: ListRecords,
        deadline: Instant,
    ) -> Result<RecordList, Status> {
        call::<Records>(self, to, &request, deadline).await
    }

    async fn verify(
        &self,
        to: &Endpoint,
        request: VerifyChunks,
        deadline: Instant,
    ) -> Result<VerifyReply, Status> {
        call::<Verify>(self, to, &request, deadline).await
    }
}

/// The wall clock in nanoseconds since 1970.
pub fn now_ns() -> i64 {
    std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .ok()
        .and_then(|since| i64::try_from(since.as_nanos()).ok())
        .unwrap_or(0)
}

/// How long the leader waits for its own metadata.
pub const META_PATIENCE: Duration = Duration::from_secs(10);
