//! Settings of [`Net`](crate::Net) and [`Server`](crate::Server): limits and times, each with a default.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use holdfast_proto::hello::Hello;
use holdfast_proto::ids::{ClusterId, NodeId, SessionId};
use holdfast_proto::status::Status;
use holdfast_support::budget::ByteBudget;

use crate::fake::FakeNetwork;

/// A node and where it listens.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Endpoint {
    /// The node meant; 0: whoever answers there.
    pub node: NodeId,
    /// `host:port`.
    pub address: String,
}

impl Endpoint {
    /// A node at an address.
    pub fn new(node: NodeId, address: impl Into<String>) -> Self {
        Self { node, address: address.into() }
    }
}

impl std::fmt::Display for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} at {}", self.node, self.address)
    }
}

/// Who this process is, and how it calls others.
#[derive(Clone, Debug)]
pub struct NetConfig {
    /// The cluster it belongs to; `None`: learnt from the first peer.
    pub cluster: Option<ClusterId>,
    /// Its node; 0 for a client.
    pub node: NodeId,
    /// Its session; 0: none.
    pub session: SessionId,
    /// Proof that it may use the session.
    pub credential: Bytes,
    /// The life of the metadata it knows; 0: none.
    pub meta_incarnation: u64,
    /// Protocol versions it speaks, lowest and highest.
    pub versions: (u32, u32),
    /// Time to connect and say hello.
    pub connect_timeout: Duration,
    /// A connection with open requests that has been silent this long is pinged.
    pub ping_after: Duration,
    /// A connection with open requests or pings that has been silent this long is closed; its node is suspect.
    pub dead_after: Duration,
    /// A connection without requests is pinged this often.
    pub idle_ping: Duration,
    /// A connection without requests is closed after this long.
    pub idle_close: Duration,
    /// First wait before connecting again; doubles, with jitter.
    pub backoff_first: Duration,
    /// Longest wait before connecting again.
    pub backoff_most: Duration,
    /// Data connections per peer.
    pub data_connections: usize,
    /// Requests under way on one connection; beyond it `Busy`.
    pub max_in_flight: usize,
    /// Bytes waiting to be written on one connection; beyond it `Busy`.
    pub max_queue_bytes: usize,
    /// Where connection tasks run; `None`: the runtime in which [`Net::new`](crate::Net::new) is called.
    pub runtime: Option<tokio::runtime::Handle>,
    /// Where the tasks of Raft's connections run, both of calls made and of calls served; `None`: as the others.
    pub raft_runtime: Option<tokio::runtime::Handle>,
    /// A network in memory instead of sockets.
    pub fake: Option<FakeNetwork>,
}

impl Default for NetConfig {
    fn default() -> Self {
        let versions = holdfast_proto::PROTOCOL_VERSIONS;
        Self {
            cluster: None,
            node: NodeId(0),
            session: SessionId(0),
            credential: Bytes::new(),
            meta_incarnation: 0,
            versions: (*versions.start(), *versions.end()),
            connect_timeout: Duration::from_millis(700),
            ping_after: Duration::from_millis(250),
            dead_after: Duration::from_millis(1000),
            idle_ping: Duration::from_secs(3),
            idle_close: Duration::from_secs(120),
            backoff_first: Duration::from_millis(20),
            backoff_most: Duration::from_millis(200),
            data_connections: 4,
            max_in_flight: 1024,
            max_queue_bytes: 64 << 20,
            runtime: None,
            raft_runtime: None,
            fake: None,
        }
    }
}

/// Decides whether a peer may connect, beyond what hello checks by itself.
pub type Admit = Arc<dyn Fn(&Hello) -> Result<(), Status> + Send + Sync>;

/// Limits of a server.
#[derive(Clone)]
pub struct ServerConfig {
    /// Connections; the next one is told `Busy`.
    pub max_connections: usize,
    /// Requests handled at once on one connection; beyond it `Busy`.
    pub max_in_flight: usize,
    /// Requests handled at once per traffic class (Raft control, Raft log, metadata, data); beyond it `Busy`.
    pub max_concurrent: [usize; 4],
    /// Payload of data requests held at once; beyond it `Busy`. Share it with whoever else holds chunk bytes.
    pub data_budget: ByteBudget,
    /// Payload of all other requests (snapshot pieces, mostly).
    pub other_budget: ByteBudget,
    /// Reply bytes waiting for one connection; beyond it new requests on it get `Busy`.
    pub max_queue_bytes: usize,
    /// Time a new connection has to say hello.
    pub hello_timeout: Duration,
    /// A connection that has sent nothing for this long is closed.
    pub idle_close: Duration,
    /// Deadline of requests that name none.
    pub default_deadline: Duration,
    /// Extra check of every hello.
    pub admit: Option<Admit>,
}

impl Default for ServerConfig {
    fn default() -> Self {
        Self {
            max_connections: 4096,
            max_in_flight: 1024,
            max_concurrent: [1024, 256, 4096, 1024],
            data_budget: ByteBudget::new(128 << 20),
            other_budget: ByteBudget::new(64 << 20),
            max_queue_bytes: 64 << 20,
            hello_timeout: Duration::from_secs(3),
            idle_close: Duration::from_secs(300),
            default_deadline: Duration::from_secs(30),
            admit: None,
        }
    }
}

impl std::fmt::Debug for ServerConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ServerConfig")
            .field("max_connections", &self.max_connections)
            .field("max_in_flight", &self.max_in_flight)
            .field("max_concurrent", &self.max_concurrent)
            .field("data_budget", &self.data_budget.limit())
            .field("hello_timeout", &self.hello_timeout)
            .finish_non_exhaustive()
    }
}

/// Position of a class in per-class arrays.
pub(crate) fn class_index(class: holdfast_proto::method::Class) -> usize {
    use holdfast_proto::method::Class;
    match class {
        Class::RaftControl => 0,
        Class::RaftLog => 1,
        Class::Meta => 2,
        Class::Data => 3,
    }
}

/// The class a hello names (1 to 4).
pub(crate) fn class_from_wire(number: u32) -> Option<holdfast_proto::method::Class> {
    use holdfast_proto::method::Class;
    Some(match number {
        1 => Class::RaftControl,
        2 => Class::RaftLog,
        3 => Class::Meta,
        4 => Class::Data,
        _ => return None,
    })
}

/// The number a hello carries for a class.
pub(crate) fn class_to_wire(class: holdfast_proto::method::Class) -> u32 {
    class_index(class) as u32 + 1
}
