//! [`Net`]: calls to other nodes, and to roles of the same process.
//!
//! What always holds: a call ends by its deadline. A call to a node served locally never touches a socket nor
//! encodes anything. The failure detector is shared by everybody who uses this `Net` or a clone of it.

use std::collections::HashMap;
use std::sync::{Arc, Weak};

use arc_swap::ArcSwap;
use bytes::Bytes;
use holdfast_proto::hello::HelloReply;
use holdfast_proto::ids::{ClusterId, NodeId};
use holdfast_proto::method::{Class, Method};
use holdfast_proto::status::{Code, Status};
use holdfast_support::clock::StallWatch;
use holdfast_support::process;
use parking_lot::RwLock;
use prost::Message;
use tokio::runtime::Handle;
use tokio::time::Instant;

use crate::config::{Endpoint, NetConfig};
use crate::conn::Answer;
use crate::connect::lost;
use crate::detector::FailureDetector;
use crate::frame::{self, Header, Kind, MAX_MESSAGE_BYTES, MAX_PAYLOAD_BYTES};
use crate::handshake::Identity;
use crate::link::Outgoing;
use crate::peer::Peer;
use crate::router::{Context, Router};

/// Calls to other nodes. Cheap to clone; clones share connections and what is known about peers.
#[derive(Clone)]
pub struct Net {
    pub(crate) shared: Arc<Shared>,
}

pub(crate) struct Shared {
    pub(crate) config: NetConfig,
    pub(crate) detector: Arc<FailureDetector>,
    identity: RwLock<Identity>,
    local: ArcSwap<HashMap<NodeId, Router>>,
    peers: RwLock<HashMap<NodeId, Vec<Arc<Peer>>>>,
    main: Option<Handle>,
    raft: Option<Handle>,
}

impl Shared {
    pub(crate) fn identity(&self) -> Identity {
        self.identity.read().clone()
    }

    /// The runtime for connections of a class.
    pub(crate) fn runtime(&self, class: Class) -> Handle {
        let own = match class {
            Class::RaftControl | Class::RaftLog => self.raft.as_ref().or(self.main.as_ref()),
            Class::Meta | Class::Data => self.main.as_ref(),
        };
        own.cloned().unwrap_or_else(Handle::current)
    }

    /// Takes over what a peer's hello tells: the cluster, when we did not know it; a newer life of the metadata.
    pub(crate) fn learn(&self, reply: &HelloReply) {
        let known = {
            let identity = self.identity.read();
            identity.cluster.is_some() && identity.meta_incarnation >= reply.meta_incarnation
        };
        if known {
            return;
        }
        let mut identity = self.identity.write();
        if identity.cluster.is_none() {
            identity.cluster = ClusterId::from_slice(&reply.cluster);
        }
        identity.meta_incarnation = identity.meta_incarnation.max(reply.meta_incarnation);
    }

    fn peer(&self, to: &Endpoint) -> Arc<Peer> {
        let find = |peers: &HashMap<NodeId, Vec<Arc<Peer>>>| {
            peers.get(&to.node)?.iter().find(|peer| peer.endpoint.address == to.address).cloned()
        };
        if let Some(peer) = find(&self.peers.read()) {
            return peer;
        }
        let mut peers = self.peers.write();
        find(&peers).unwrap_or_else(|| {
            let peer = Arc::new(Peer::new(to.clone(), self.config.data_connections));
            peers.entry(to.node).or_default().push(peer.clone());
            peer
        })
    }

    /// Looks after all connections until the network is gone.
    async fn sweep(weak: Weak<Self>, period: std::time::Duration) {
        let mut stall = StallWatch::new(period * 4);
        loop {
            tokio::time::sleep(period).await;
            let Some(shared) = weak.upgrade() else { return };
            let stalled = stall.stalled();
            if let Some(gap) = stalled {
                process::stood_still(gap);
                tracing::warn!(?gap, "this process stood still; silence of peers is not held against them");
            }
            let peers: Vec<_> = shared.peers.read().values().flatten().cloned().collect();
            let useless: Vec<_> =
                peers.into_iter().filter(|peer| !peer.look_after(&shared, stalled.is_some())).collect();
            if !useless.is_empty() {
                let mut peers = shared.peers.write();
                for peers in peers.values_mut() {
                    peers.retain(|peer| !useless.iter().any(|other| Arc::ptr_eq(peer, other)));
                }
                peers.retain(|_, peers| !peers.is_empty());
            }
        }
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        let why = lost("this process no longer makes calls");
        for peer in self.peers.get_mut().values().flatten() {
            peer.close(&why);
        }
    }
}

impl Net {
    /// A network. Call it within a tokio runtime, or name one in the configuration.
    pub fn new(config: NetConfig) -> Self {
        let main = config.runtime.clone().or_else(|| Handle::try_current().ok());
        let identity = Identity {
            cluster: config.cluster,
            node: config.node,
            meta_incarnation: config.meta_incarnation,
            versions: config.versions,
        };
        let shared = Arc::new(Shared {
            detector: Arc::default(),
            identity: RwLock::new(identity),
            local: ArcSwap::default(),
            peers: RwLock::default(),
            raft: config.raft_runtime.clone(),
            main,
            config,
        });
        match &shared.main {
            Some(main) => {
                drop(main.spawn(Shared::sweep(Arc::downgrade(&shared), shared.config.ping_after / 2)))
            }
            None => tracing::error!("a network outside of any runtime cannot watch its connections"),
        }
        Self { shared }
    }

    /// Tells who this process is, after it joined or made a cluster. Calls from now on use new
    /// connections, which say so; calls under way end on the old ones.
    pub fn set_identity(&self, cluster: ClusterId, node: NodeId) {
        {
            let mut identity = self.shared.identity.write();
            if (identity.cluster, identity.node) == (Some(cluster), node) {
                return;
            }
            identity.cluster = Some(cluster);
            identity.node = node;
        }
        for peer in self.shared.peers.read().values().flatten() {
            peer.retire();
        }
    }

    /// Tells which life of the metadata is current; a lower one is ignored.
    pub fn set_meta_incarnation(&self, incarnation: u64) {
        let mut identity = self.shared.identity.write();
        identity.meta_incarnation = identity.meta_incarnation.max(incarnation);
    }

    /// The cluster this process belongs to, configured or learnt from its first peer.
    pub fn cluster(&self) -> Option<ClusterId> {
        self.shared.identity.read().cluster
    }

    /// The node this process is; 0: a client.
    pub fn node(&self) -> NodeId {
        self.shared.identity.read().node
    }

    /// The highest life of the metadata seen in any hello.
    pub fn meta_incarnation(&self) -> u64 {
        self.shared.identity.read().meta_incarnation
    }

    /// Calls to this node skip the network from now on: the handlers run in the caller's task.
    pub fn serve_locally(&self, node: NodeId, router: Router) {
        self.shared.local.rcu(|local| {
            let mut local = HashMap::clone(local);
            local.insert(node, router.clone());
            local
        });
    }

    /// Whether calls to this node stay within the process.
    pub fn is_local(&self, node: NodeId) -> bool {
        self.shared.local.load().contains_key(&node)
    }

    /// What is known about the reachability of nodes.
    pub fn health(&self) -> &FailureDetector {
        &self.shared.detector
    }

    /// Ends all connections to a peer (it left, or moved).
    pub fn disconnect(&self, to: &Endpoint) {
        let removed = {
            let mut peers = self.shared.peers.write();
            let Some(list) = peers.get_mut(&to.node) else { return };
            let at = list.iter().position(|peer| peer.endpoint.address == to.address);
            at.map(|at| list.swap_remove(at))
        };
        if let Some(peer) = removed {
            peer.close(&lost("disconnected"));
        }
    }

    /// Calls a method of a node. The reply's payload is memory of its own. A refusal by the other side comes back
    /// as it was said; `Timeout` and `Unavailable` leave open whether the work was done.
    pub async fn call<M: Method>(
        &self,
        to: &Endpoint,
        request: &M::Request,
        payload: Bytes,
        deadline: Instant,
    ) -> Result<(M::Reply, Bytes), Status> {
        if to.node.0 != 0
            && let Some(router) = self.shared.local.load().get(&to.node).cloned()
        {
            return self.call_local::<M>(&router, request, payload, deadline).await;
        }
        let answer = match &self.shared.config.fake {
            Some(fake) => {
                let identity = self.shared.identity();
                let message: Bytes = request.encode_to_vec().into();
                fake.call(&identity, self.shared.config.session, to, M::NUMBER, message, payload, deadline)
                    .await?
            }
            None => self.call_wire::<M>(to, request, payload, deadline).await?,
        };
        let broken = |error| Status::internal(format!("{} reply from {to}: {error}", M::NAME));
        if answer.refused {
            return Err(Status::decode(answer.message).map_err(broken)?);
        }
        Ok((M::Reply::decode(answer.message).map_err(broken)?, answer.payload))
    }

    async fn call_wire<M: Method>(
        &self,
        to: &Endpoint,
        request: &M::Request,
        payload: Bytes,
        deadline: Instant,
    ) -> Result<Answer, Status> {
        let conn = self.shared.peer(to).connection(&self.shared, M::CLASS, deadline).await?;
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(Status::new(Code::Timeout, format!("no time left to call {to}")));
        }
        let left_ms = u32::try_from(left.as_millis()).unwrap_or(u32::MAX).max(1);
        let frame = |id| {
            let header = Header { method: M::NUMBER, left_ms, ..Header::bare(Kind::Request, id) };
            let head = frame::encode_head(header, request, payload.len()).ok_or_else(|| {
                let message = format!(
                    "{} request of {} + {} bytes; a frame carries at most {MAX_MESSAGE_BYTES} + {MAX_PAYLOAD_BYTES}",
                    M::NAME,
                    request.encoded_len(),
                    payload.len(),
                );
                Status::new(Code::TooLarge, message)
            })?;
            Ok(Outgoing { head, payload })
        };
        conn.call(frame, deadline).await
    }

    async fn call_local<M: Method>(
        &self,
        router: &Router,
        request: &M::Request,
        payload: Bytes,
        deadline: Instant,
    ) -> Result<(M::Reply, Bytes), Status> {
        let entry = router
            .get(M::NUMBER)
            .ok_or_else(|| Status::new(Code::Unsupported, format!("this node does not serve {}", M::NAME)))?;
        let context = Context {
            deadline,
            peer: self.node(),
            session: self.shared.config.session,
            local: true,
            request_id: 0,
        };
        let started = std::time::Instant::now();
        let running = entry.local(context, Box::new(request.clone()), payload);
        let outcome = match tokio::time::timeout_at(deadline, running).await {
            Ok(outcome) => outcome,
            Err(_) => Err(Status::new(Code::Timeout, format!("{} did not end by the deadline", M::NAME))),
        };
        entry.metrics.finished(started.elapsed().as_secs_f64(), outcome.as_ref().err().map(Status::kind));
        let (reply, payload) = outcome?;
        let reply = reply.downcast::<M::Reply>().map_err(|_| Status::internal("reply of another method"))?;
        Ok((*reply, payload))
    }
}

impl std::fmt::Debug for Net {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Net").field("identity", &*self.shared.identity.read()).finish_non_exhaustive()
    }
}
