//! The gateway role: a client of the cluster, and the S3 door on top of it.
//!
//! The door opens when the cluster first answers. Until then the node is not ready and says why.

use std::sync::Arc;
use std::time::Duration;

use holdfast_client::Client;
use holdfast_gateway::Gateway;
use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::failure::Failure;
use crate::server::identity::Identity;
use crate::server::node::Common;
use crate::server::roles::client::connect;

/// A door that is open, or opens as soon as it can.
pub(crate) struct Door {
    opening: JoinHandle<()>,
    opened: Arc<Mutex<Option<(Gateway, Client)>>>,
    failed: watch::Receiver<Option<String>>,
}

impl Door {
    /// Begins to open it.
    pub(crate) fn open(common: &Common, identity: &Identity) -> Self {
        let opened = Arc::new(Mutex::new(None));
        let (tell, failed) = watch::channel(None);
        common.readiness.require("gateway", || Err("waiting for the metadata group".to_owned()));
        let opening = tokio::spawn(open(common.clone(), identity.clone(), Arc::clone(&opened), tell));
        Self { opening, opened, failed }
    }

    /// Waits until it is clear that the door cannot open.
    pub(crate) async fn failed(&self) -> Failure {
        let mut failed = self.failed.clone();
        loop {
            if let Some(why) = failed.borrow_and_update().clone() {
                return Failure::failed(why);
            }
            if failed.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }

    /// Lets requests under way finish and closes.
    pub(crate) async fn close(self, grace: Duration) {
        self.opening.abort();
        let opened = self.opened.lock().take();
        if let Some((gateway, client)) = opened {
            gateway.shutdown(grace).await;
            if let Err(error) = client.within(Duration::from_secs(1)).close().await {
                tracing::debug!(%error, "close the gateway's session: it will expire");
            }
        }
    }
}

async fn open(
    common: Common,
    identity: Identity,
    opened: Arc<Mutex<Option<(Gateway, Client)>>>,
    tell: watch::Sender<Option<String>>,
) {
    let client = connect(&common, &identity, "gateway", |why| {
        common.readiness.require("gateway", move || Err(why.clone()));
    })
    .await;
    match Gateway::start(common.config.gateway.clone(), client.clone()).await {
        Ok(gateway) => {
            *opened.lock() = Some((gateway, client));
            common.readiness.require("gateway", || Ok(()));
        }
        // The receiver lives as long as the node: nothing is lost if it is gone.
        Err(error) => drop(tell.send(Some(error.to_string()))),
    }
}
