//! The worker role: a client of the cluster, and the jobs that run over it.
//!
//! The node is ready without it: nobody waits for what it does.

use std::sync::Arc;
use std::time::Duration;

use holdfast_client::Client;
use holdfast_worker::{Worker, WorkerConfig};
use parking_lot::Mutex;
use tokio::task::JoinHandle;

use crate::server::identity::Identity;
use crate::server::node::Common;
use crate::server::roles::client::connect;

/// A worker that runs, or begins as soon as it can.
pub(crate) struct Jobs {
    starting: JoinHandle<()>,
    running: Arc<Mutex<Option<(Worker, Client)>>>,
}

impl Jobs {
    /// Begins to start it.
    pub(crate) fn start(common: &Common, identity: &Identity) -> Self {
        let running = Arc::new(Mutex::new(None));
        let (common, identity, started) = (common.clone(), identity.clone(), Arc::clone(&running));
        let starting = tokio::spawn(async move {
            let client = connect(&common, &identity, "worker", |_| {}).await;
            let section = common.config.worker;
            let config = WorkerConfig {
                node: holdfast_proto::ids::NodeId(identity.node),
                bytes_per_second: section.rate.0,
                period: section.period.0,
            };
            *started.lock() = Some((Worker::start(client.clone(), config), client));
        });
        Self { starting, running }
    }

    /// Ends it; what it has under way is given up.
    pub(crate) async fn stop(self) {
        self.starting.abort();
        let running = self.running.lock().take();
        if let Some((worker, client)) = running {
            worker.stop();
            if let Err(error) = client.within(Duration::from_secs(1)).close().await {
                tracing::debug!(%error, "close the worker's session: it will expire");
            }
        }
    }
}
