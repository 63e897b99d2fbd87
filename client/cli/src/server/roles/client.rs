//! A client of the cluster for a role of this node, over the node's own connections.

use std::time::Duration;

use holdfast_client::{Client, ClientConfig};

use crate::server::identity::Identity;
use crate::server::node::Common;

/// Time for one try to reach the cluster.
const TRY: Duration = Duration::from_secs(10);

/// Tries until the cluster answers; each failure is told.
pub(super) async fn connect(
    common: &Common,
    identity: &Identity,
    role: &str,
    waiting: impl Fn(String),
) -> Client {
    loop {
        let config = ClientConfig {
            metaservers: common.caller.metaservers().into_iter().map(|peer| peer.address).collect(),
            net: Some(common.net.clone()),
            description: format!("{role} of node {}", identity.node),
            local_node: identity.node_id(),
            shared_budget: None,
            background: role == "worker",
            byte_budget: common.config.payload_memory.0,
            default_deadline: TRY,
            ..ClientConfig::default()
        };
        match Client::connect(config).await {
            Ok(client) => return client.within(ClientConfig::default().default_deadline),
            Err(error) => {
                let why = format!("the metadata group does not answer: {error}");
                tracing::info!("{role}: {why}");
                waiting(why);
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        }
    }
}
