//! The metaserver: keeps the file system's metadata on a group of nodes by Raft, and leads repair, collection and
//! placement.
//!
//! - [`raft`]: the group. Commands go in, consistent views of the state come out.
//! - [`store`]: the table on disk under it.
//! - [`leader`]: what the leader does in the background.
//! - [`service`]: what is answered over RPC.
//! - [`metrics`]: every metric's name.
//!
//! [`Metaserver::start`] puts them together; `holdfast server` calls it for a node with the meta role.

pub mod leader;
pub mod metrics;
pub mod raft;
pub mod room;
pub mod service;
pub mod store;

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use holdfast_proto::op::{Command, Reply};
use holdfast_rpc::{Net, Router};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use raft::{Group, GroupConfig, MetaError};
use room::Room;
use service::{Admission, Services};

/// Longest wait for the leader's loops to end.
const LOOPS_END: Duration = Duration::from_secs(5);

/// Everything a node with the meta role needs to know.
#[derive(Clone)]
pub struct MetaserverConfig {
    /// The node's member of the metadata group.
    pub group: GroupConfig,
    /// Requests under way at once at most.
    pub max_requests: usize,
    /// Bytes of requests under way at once at most.
    pub max_request_bytes: usize,
}

impl MetaserverConfig {
    /// Defaults around a group's configuration.
    pub fn new(group: GroupConfig) -> Self {
        Self { group, max_requests: 8192, max_request_bytes: 128 << 20 }
    }
}

/// A running metaserver.
pub struct Metaserver {
    group: Group,
    router: Router,
    stop: CancellationToken,
    leading: JoinHandle<()>,
}

impl Metaserver {
    /// Starts from what lies in the group's directory. The router must be served under the group's address; until
    /// it is, the other members cannot reach this one.
    pub async fn start(config: MetaserverConfig, net: Net) -> Result<Self, MetaError> {
        metrics::begin();
        let node = config.group.node;
        store::dirs::create_dir(&config.group.dir)?;
        let room = Room::open(&config.group.dir);
        let (group, raft_router) = Group::start(config.group, net.clone()).await?;
        let current = Arc::new(ArcSwapOption::empty());
        let services = Arc::new(Services {
            group: group.clone(),
            current: current.clone(),
            admission: Admission::new(config.max_requests, config.max_request_bytes),
            room: room.clone(),
        });
        let stop = CancellationToken::new();
        tokio::spawn(room::tell::run(room.clone(), group.clone(), net.clone(), stop.clone()));
        tokio::spawn(room.watch(stop.clone()));
        tokio::spawn(service::figures::run(services.clone(), stop.clone()));
        let follow =
            leader::follow(Arc::new(group.clone()), net, node, group.leadership(), current, stop.clone());
        let leading = tokio::spawn(follow);
        Ok(Self { group, router: raft_router.merge(services.router()), stop, leading })
    }

    /// Makes this node the only voter of a new cluster. Refused when there is state of any kind.
    pub async fn genesis(&self, command: Command) -> Result<Reply, MetaError> {
        self.group.initialize_single(command).await
    }

    /// All handlers: Raft's and the services'.
    pub fn router(&self) -> Router {
        self.router.clone()
    }

    /// The metadata group.
    pub fn group(&self) -> &Group {
        &self.group
    }

    /// Ends the loops, hands leadership over, makes the table durable.
    pub async fn shutdown(self) {
        self.stop.cancel();
        if tokio::time::timeout(LOOPS_END, self.leading).await.is_err() {
            tracing::warn!("the leader's loops did not end in time");
        }
        self.group.shutdown().await;
    }
}
