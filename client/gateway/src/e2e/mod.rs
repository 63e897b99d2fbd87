//! The whole door over a socket, against a store in memory: the real state machine, the real signatures.

mod client;
mod cost;
mod http_limits;
mod listing;
mod multipart;
mod objects;
mod signatures;

use std::sync::Arc;
use std::time::Duration;

use holdfast_proto::op::KeyRule;

use crate::config::GatewayConfig;
use crate::gateway::Gateway;
use crate::store::memory::MemoryStore;

use client::Client;

/// A running door.
struct World {
    gateway: Gateway,
    store: MemoryStore,
}

fn rule(bucket: &str, read: bool, write: bool, manage: bool) -> KeyRule {
    KeyRule { bucket: bucket.into(), read, write, manage }
}

impl World {
    async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    async fn start_with(change: impl FnOnce(&mut GatewayConfig)) -> Self {
        let store = MemoryStore::new();
        store.add_key("ROOT", "root-secret", vec![rule("*", true, true, true)]);
        store.add_key("READER", "reader-secret", vec![rule("buck*", true, false, false)]);
        store.add_key("WRITER", "writer-secret", vec![rule("bucket", false, true, false)]);
        store.add_key("NOTHING", "nothing-secret", vec![]);
        let mut config = GatewayConfig { listen: ([127, 0, 0, 1], 0).into(), ..GatewayConfig::default() };
        change(&mut config);
        let gateway = Gateway::start_with(config, Arc::new(store.clone())).await.unwrap();
        Self { gateway, store }
    }

    fn client(&self) -> Client {
        self.client_of("ROOT", "root-secret")
    }

    fn client_of(&self, id: &str, secret: &str) -> Client {
        Client::new(self.gateway.local_addr(), id, secret)
    }

    async fn stop(self) {
        self.store.check();
        self.gateway.shutdown(Duration::from_secs(5)).await;
    }
}

/// The conformance script, with somebody else's client.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs python3 with boto3"]
async fn boto3_round_trip() {
    let world = World::start().await;
    let endpoint = format!("http://{}", world.gateway.local_addr());
    let source = std::env::var("CARGO_MANIFEST_DIR").expect("tests are run by cargo");
    let script = format!("{source}/../../tests/s3/roundtrip.py");
    let mut command = tokio::process::Command::new("python3");
    command.arg(script).args([
        "--endpoint",
        &endpoint,
        "--access-key",
        "ROOT",
        "--secret-key",
        "root-secret",
    ]);
    let output = command.output().await.unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    world.stop().await;
}
