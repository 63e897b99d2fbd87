//! Starts and stops the S3 door.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use holdfast_client::Client;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::auth::keys::KeyRing;
use crate::config::GatewayConfig;
use crate::http::listener::{self, Listening};
use crate::http::service::Door;
use crate::store::Store;
use crate::store::cluster::ClusterStore;

/// Why the door did not open.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The configuration makes no sense.
    #[error("gateway configuration: {0}")]
    Config(String),
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
}

/// A running S3 door.
pub struct Gateway {
    address: SocketAddr,
    stop: CancellationToken,
    accepting: JoinHandle<()>,
    listening: Listening,
    keys: JoinHandle<()>,
}

impl Gateway {
    /// Opens the door. It answers at once; requests fail with 503 while the cluster cannot be reached.
    pub async fn start(config: GatewayConfig, client: Client) -> Result<Self, StartError> {
        Self::start_with(config, Arc::new(ClusterStore::new(client))).await
    }

    pub(crate) async fn start_with(config: GatewayConfig, store: Arc<dyn Store>) -> Result<Self, StartError> {
        config.check().map_err(StartError::Config)?;
        let failed = |source| StartError::Listen { address: config.listen, source };
        let listener = TcpListener::bind(config.listen).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let keys = Arc::new(KeyRing::new(Arc::clone(&store)));
        let refreshing = tokio::spawn(Arc::clone(&keys).keep_fresh());
        let config = Arc::new(config);
        let door = Arc::new(Door::new(Arc::clone(&config), store, keys));
        let stop = CancellationToken::new();
        let listening = Listening::new(config.max_connections);
        let accepting =
            tokio::spawn(listener::accept(listener, door, config, listening.clone(), stop.clone()));
        tracing::info!(%address, "S3 door open");
        Ok(Self { address, stop, accepting, listening, keys: refreshing })
    }

    /// Where it listens.
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Takes no new connections, lets requests under way finish for at most `grace`, then cuts them.
    pub async fn shutdown(self, grace: Duration) {
        self.stop.cancel();
        self.listening.drain(grace).await;
        self.accepting.abort();
        self.keys.abort();
    }
}
