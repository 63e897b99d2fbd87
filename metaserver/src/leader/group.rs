//! The metadata group as the leader's loops see it.

use std::sync::Arc;

use holdfast_proto::admin::MetaStatus;
use holdfast_proto::ids::{LogIndex, NodeId};
use holdfast_proto::op::{Command, Reply};
use holdfast_proto::status::Status;
use tokio::time::Instant;

use super::ports::Metadata;
use super::voters::Council;
use crate::raft::{Group, Observer, ReadPolicy};
use crate::store::StateView;

impl Metadata for Group {
    type View = StateView;

    async fn propose(&self, command: Command, deadline: Instant) -> Result<Reply, Status> {
        Ok(self.propose_by(command, deadline).await?)
    }

    async fn read(&self, deadline: Instant) -> Result<(LogIndex, StateView), Status> {
        let view = self.read_index_by(deadline).await?;
        Ok((view.index(), view))
    }

    fn observe(&self, observer: Option<Arc<dyn Observer>>) -> u64 {
        Group::observe(self, observer);
        self.local_view().index().0
    }

    fn set_lease_reads(&self, allowed: bool) {
        self.set_read_policy(if allowed { ReadPolicy::Lease } else { ReadPolicy::Quorum });
    }
}

impl Council for Group {
    fn status(&self) -> MetaStatus {
        Group::status(self)
    }

    async fn invite(&self, node: NodeId, address: &str) -> Result<(), Status> {
        Ok(Group::invite(self, node, address).await?)
    }

    async fn move_to(&self, node: NodeId, address: &str) -> Result<(), Status> {
        Ok(Group::move_to(self, node, address).await?)
    }

    async fn remove(&self, node: NodeId) -> Result<(), Status> {
        Ok(Group::remove(self, node).await?)
    }

    async fn hand_over(&self, node: NodeId) -> Result<(), Status> {
        Ok(Group::transfer(self, Some(node)).await?)
    }
}
