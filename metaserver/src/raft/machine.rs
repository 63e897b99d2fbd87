//! openraft's state machine interface: hands everything over to the apply thread and to blocking threads.

use std::io;
use std::sync::Arc;
use std::time::Instant;

use futures::{Stream, StreamExt};
use openraft::storage::{EntryResponder, RaftSnapshotBuilder, RaftStateMachine};

use super::apply::Applier;
use super::error::MetaError;
use super::snapshot::SnapshotRef;
use super::start::Places;
use super::types::{LogId, Snapshot, SnapshotMeta, StoredMembership, TypeConfig};
use crate::metrics;

/// See the module's head.
#[derive(Clone)]
pub(crate) struct Machine {
    pub(crate) applier: Applier,
    pub(crate) places: Arc<Places>,
}

/// Makes one snapshot.
pub(crate) struct Builder {
    machine: Machine,
}

fn io_error(error: MetaError) -> io::Error {
    io::Error::other(error)
}

fn wrap(snapshot: SnapshotRef) -> Snapshot {
    Snapshot { meta: snapshot.marker.meta(), snapshot }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, MetaError> + Send + 'static,
) -> Result<T, io::Error> {
    tokio::task::spawn_blocking(work).await.map_err(io::Error::other)?.map_err(io_error)
}

impl RaftSnapshotBuilder<TypeConfig> for Builder {
    type SnapshotData = SnapshotRef;

    async fn build_snapshot(&mut self) -> Result<Snapshot, io::Error> {
        let began = Instant::now();
        let made = self.build().await;
        metrics::raft::snapshot_made(began.elapsed(), made.is_ok());
        made
    }
}

impl Builder {
    async fn build(&self) -> Result<Snapshot, io::Error> {
        // Most of the flush happens here, beside running applies; the copy itself then finds little to flush.
        let machine = self.machine.clone();
        let table = machine.applier.view();
        let building = blocking(move || {
            table.flush()?;
            machine.places.snapshots.building()
        })
        .await?;
        let marker = self.machine.applier.checkpoint(building.join("table")).await.map_err(io_error)?;
        let places = self.machine.places.clone();
        let snapshot = blocking(move || places.snapshots.complete(&building, &marker)).await?;
        tracing::info!(
            index = snapshot.marker.index(),
            files = snapshot.manifest.files.len(),
            "made a snapshot"
        );
        Ok(wrap(snapshot))
    }
}

impl RaftStateMachine<TypeConfig> for Machine {
    type SnapshotData = SnapshotRef;
    type SnapshotBuilder = Builder;

    async fn applied_state(&mut self) -> Result<(Option<LogId>, StoredMembership), io::Error> {
        let marker = self.applier.settled().await.map_err(io_error)?;
        Ok((marker.applied, marker.membership))
    }

    async fn apply<S>(&mut self, mut entries: S) -> Result<(), io::Error>
    where
        S: Stream<Item = Result<EntryResponder<TypeConfig>, io::Error>> + Unpin + Send,
    {
        let mut batch = Vec::new();
        while let Some(entry) = entries.next().await {
            batch.push(entry?);
        }
        self.applier.apply(batch).await.map_err(io_error)
    }

    async fn get_snapshot_builder(&mut self) -> Builder {
        Builder { machine: self.clone() }
    }

    async fn install_snapshot(
        &mut self,
        _meta: &SnapshotMeta,
        snapshot: SnapshotRef,
    ) -> Result<(), io::Error> {
        self.applier.install(snapshot).await.map_err(io_error)
    }

    async fn get_current_snapshot(&mut self) -> Result<Option<Snapshot>, io::Error> {
        Ok(self.places.snapshots.current().map(wrap))
    }
}
