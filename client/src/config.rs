//! Settings of a client: where the cluster is, how much memory it may use, how long things may take.

use std::time::Duration;

use holdfast_proto::ids::NodeId;
use holdfast_rpc::Net;
use holdfast_support::budget::ByteBudget;

/// How to reach a cluster. `..ClientConfig::default()` gives everything but `metaservers`.
#[derive(Clone)]
pub struct ClientConfig {
    /// RPC addresses (`host:port`) of some metaservers; the others are learned.
    pub metaservers: Vec<String>,
    /// Connections to share with other roles of the process; absent: the client makes its own.
    pub net: Option<Net>,
    /// For people: program, host, mount point. Shown beside the session.
    pub description: String,
    /// The node this process is, whose disks are preferred for reading; 0: those with an address of this machine are.
    pub local_node: NodeId,
    /// Writes prefer groups with a member on `local_node`.
    pub write_local_first: bool,
    /// Bytes of payload that may be in flight for writing, all callers together. Default 128 MiB.
    pub byte_budget: u64,
    /// A budget shared with other parts of the process, instead of one of `byte_budget` bytes.
    pub shared_budget: Option<ByteBudget>,
    /// Bytes of payload that may be read ahead, all callers together. Default 64 MiB.
    pub read_budget: u64,
    /// How long one operation may take when its caller names no limit. Default 30 s.
    pub default_deadline: Duration,
    /// Silence after which the cluster may end the session. Default 30 s.
    pub session_ttl: Duration,
    /// Files are held open by number ([`crate::Client::open_inode_held`]), so they outlive their names: for mounts.
    /// While any such session is open, commands that take names away cost the leader a little more. Default false.
    pub holds_files: bool,
    /// What it does is the cluster's own work: it is not told as what users do. Default false.
    pub background: bool,
    /// Time between signs of life of the session. Default 1 s.
    pub heartbeat: Duration,
    /// Age at which a grant is exchanged for a new one. Default 1 h.
    pub grant_age: Duration,
    /// Chunks of one writer in flight at once. Default 4.
    pub chunks_in_flight: usize,
    /// Bytes of one request to a chunkserver when reading. Default 1 MiB.
    pub read_piece_bytes: u64,
    /// Requests that one reading stream has in flight at most. Default 8.
    pub read_ahead: usize,
    /// Shortest time after which a member counts as slow in a write. Default 250 ms.
    pub slow_after: Duration,
    /// Shortest wait before a second member is asked for the same bytes. Default 10 ms.
    pub hedge_after: Duration,
    /// Seed of placement and jitter, for tests; absent: random.
    pub seed: Option<u64>,
}

impl Default for ClientConfig {
    fn default() -> Self {
        Self {
            metaservers: Vec::new(),
            net: None,
            description: String::new(),
            local_node: NodeId(0),
            write_local_first: false,
            byte_budget: 128 << 20,
            shared_budget: None,
            read_budget: 64 << 20,
            default_deadline: Duration::from_secs(30),
            session_ttl: Duration::from_secs(30),
            holds_files: false,
            background: false,
            heartbeat: Duration::from_secs(1),
            grant_age: Duration::from_secs(3600),
            chunks_in_flight: 4,
            read_piece_bytes: 1 << 20,
            read_ahead: 8,
            slow_after: Duration::from_millis(250),
            hedge_after: Duration::from_millis(10),
            seed: None,
        }
    }
}
