//! Metaservers: each follows leadership with the real loops, against the shared log.

use std::sync::Arc;

use holdfast_metaserver::leader::{Council, Metadata, follow};
use holdfast_metaserver::raft::Observer;
use holdfast_proto::admin::MetaStatus;
use holdfast_proto::ids::{LogIndex, NodeId};
use holdfast_proto::op::{Command, Reply};
use holdfast_proto::status::Status;
use holdfast_state::table::{Broken, MemTable, View};
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::servers::Wire;
use crate::world::{Chair, World};

/// One node's part in the metadata group.
pub(crate) struct Seat {
    world: World,
    node: u64,
}

/// A table that is shared until somebody changes it.
pub(crate) struct Shared(Arc<MemTable>);

impl View for Shared {
    fn get(&self, key: &[u8]) -> Result<Option<bytes::Bytes>, Broken> {
        self.0.get(key)
    }
    fn scan(&self, from: &[u8], to: &[u8], most: usize) -> Result<Vec<(bytes::Bytes, bytes::Bytes)>, Broken> {
        self.0.scan(from, to, most)
    }
    fn last(&self, from: &[u8], to: &[u8]) -> Result<Option<(bytes::Bytes, bytes::Bytes)>, Broken> {
        self.0.last(from, to)
    }
}

impl Metadata for Seat {
    type View = Shared;

    async fn propose(&self, command: Command, deadline: Instant) -> Result<Reply, Status> {
        let proposing = tokio::time::timeout_at(deadline, self.world.propose(self.node, command));
        proposing.await.unwrap_or_else(|_| Err(Status::not_leader(None, "")))
    }

    async fn read(&self, _deadline: Instant) -> Result<(LogIndex, Shared), Status> {
        let (index, table) = self.world.read(self.node).await?;
        Ok((index, Shared(table)))
    }

    fn observe(&self, _observer: Option<Arc<dyn Observer>>) -> u64 {
        0
    }

    fn set_lease_reads(&self, _allowed: bool) {}

    async fn aside<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
        Some(work())
    }

    fn now_ns(&self) -> i64 {
        self.world.lock().now_ns()
    }
}

/// Who is a member does not change here: other tests do that to real groups.
impl Council for Seat {
    fn status(&self) -> MetaStatus {
        MetaStatus { voters: vec![Default::default(); 5], ..MetaStatus::default() }
    }
    async fn invite(&self, _node: NodeId, _address: &str) -> Result<(), Status> {
        Ok(())
    }
    async fn move_to(&self, _node: NodeId, _address: &str) -> Result<(), Status> {
        Ok(())
    }
    async fn remove(&self, _node: NodeId) -> Result<(), Status> {
        Ok(())
    }
    async fn hand_over(&self, _node: NodeId) -> Result<(), Status> {
        Ok(())
    }
}

/// Starts the metaserver of a node.
pub(crate) fn sit(world: &World, node: u64) {
    let mut state = world.lock();
    let (told, hears) = watch::channel(state.leadership(node));
    let current = Arc::default();
    let seat = Arc::new(Seat { world: world.clone(), node });
    let wire = Wire::new(world.clone(), node);
    let following = follow(seat, wire, NodeId(node), hears, Arc::clone(&current), CancellationToken::new());
    let task = tokio::spawn(following).abort_handle();
    state.chairs.insert(node, Chair { told, current, task: Some(task) });
}

/// Its process dies.
pub(crate) fn fall(world: &World, node: u64) {
    let mut state = world.lock();
    if let Some(chair) = state.chairs.get_mut(&node) {
        if let Some(task) = chair.task.take() {
            task.abort();
        }
        chair.current.store(None);
    }
    if state.leader == Some(node) {
        state.change_leader(None);
    }
}

/// One of those that are up leads from now on. `unaware`: who led until now, and is up, does not hear of it yet.
pub(crate) fn elect(world: &World, unaware: bool) {
    let mut state = world.lock();
    let before = state.leader;
    let up: Vec<u64> = state.chairs.keys().copied().filter(|node| state.is_up(*node)).collect();
    let others: Vec<u64> = up.iter().copied().filter(|node| Some(*node) != before).collect();
    if up.len() * 2 <= state.chairs.len() || others.is_empty() {
        return;
    }
    let next = others[rand::RngExt::random_range(&mut state.dice, 0..others.len())];
    state.change_leader(Some(next));
    for node in up {
        if !(unaware && Some(node) == before) {
            state.tell(node);
        }
    }
}
