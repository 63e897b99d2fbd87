//! Which nodes are on this machine: those whose address can be bound here. Reading from them saves the network.
//!
//! What always holds: asking costs no wait. A name is looked up in the background, once; until then its node counts
//! as another machine.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::Arc;

use holdfast_proto::map::Node;
use parking_lot::Mutex;

/// What is known, by address.
#[derive(Clone, Debug, Default)]
pub(crate) struct Locality {
    known: Arc<Mutex<HashMap<String, bool>>>,
}

impl Locality {
    /// Whether the node is on this machine, as far as known.
    pub(crate) fn is_here(&self, node: &Node) -> bool {
        let mut known = self.known.lock();
        if let Some(here) = known.get(&node.address) {
            return *here;
        }
        let literal = node.address.parse::<SocketAddr>().ok();
        let here = literal.is_some_and(|address| can_bind(address.ip()));
        known.insert(node.address.clone(), here);
        drop(known);
        if literal.is_none() {
            self.look_up(node.address.clone());
        }
        here
    }

    fn look_up(&self, name: String) {
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        let known = self.known.clone();
        runtime.spawn(async move {
            let found = tokio::net::lookup_host(name.as_str()).await.map(Vec::from_iter);
            match found {
                Ok(found) => {
                    let here = found.into_iter().any(|address| can_bind(address.ip()));
                    known.lock().insert(name, here);
                }
                Err(error) => tracing::debug!(%name, %error, "a node's name has no address"),
            }
        });
    }
}

fn can_bind(ip: IpAddr) -> bool {
    UdpSocket::bind((ip, 0)).is_ok()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn node(address: &str) -> Node {
        Node { address: address.into(), ..Node::default() }
    }

    #[tokio::test]
    async fn addresses_and_names_of_this_machine_are_known() {
        let locality = Locality::default();
        assert!(locality.is_here(&node("127.0.0.1:7400")));
        // Addresses for documentation: nobody has them.
        assert!(!locality.is_here(&node("192.0.2.1:7400")));
        assert!(!locality.is_here(&node("[2001:db8::1]:7400")));
        assert!(!locality.is_here(&node("no address at all")));
        let here = tokio::time::timeout(Duration::from_secs(30), async {
            while !locality.is_here(&node("localhost:7400")) {
                tokio::task::yield_now().await;
            }
        });
        assert!(here.await.is_ok());
    }
}
