//! What all clones of a client share.

use std::sync::Arc;
use std::time::Duration;

use holdfast_proto::ids::NodeId;
use holdfast_proto::map::Disk;
use holdfast_proto::status::Status;
use holdfast_rpc::{MetaCaller, Net, NetConfig};
use holdfast_support::budget::{BudgetError, ByteBudget};
use parking_lot::Mutex;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use tokio_util::sync::CancellationToken;

use crate::cache::MapCache;
use crate::classes::ClassCache;
use crate::codecs::Codecs;
use crate::config::ClientConfig;
use crate::error::ClientError;
use crate::health::Health;
use crate::io::Io;
use crate::locality::Locality;
use crate::map::ClusterMap;
use crate::read::hedge::HedgeAllowance;
use crate::report::Reporter;
use crate::session::Sessions;
use crate::session::opens::Opens;
use crate::session::pins::Pins;
use crate::session::watch::Watching;

/// The shared state of a client.
pub(crate) struct Inner {
    pub(crate) config: ClientConfig,
    pub(crate) net: Net,
    pub(crate) meta: MetaCaller,
    pub(crate) cache: MapCache,
    pub(crate) classes: ClassCache,
    pub(crate) codecs: Codecs,
    pub(crate) health: Health,
    locality: Locality,
    pub(crate) pins: Pins,
    pub(crate) sessions: Sessions,
    pub(crate) opens: Opens,
    pub(crate) watching: Watching,
    /// Payload on its way to chunkservers.
    pub(crate) budget: ByteBudget,
    /// First buffers of streams that may turn out small; apart, so that whoever waits for a full buffer of
    /// `budget` holds nothing of it.
    pub(crate) starters: ByteBudget,
    /// Payload read ahead of its reader.
    pub(crate) read_budget: ByteBudget,
    pub(crate) hedges: HedgeAllowance,
    pub(crate) io: Io,
    pub(crate) reporter: Reporter,
    pub(crate) stop: CancellationToken,
    rng: Mutex<StdRng>,
}

impl Inner {
    pub(crate) fn new(config: ClientConfig) -> Arc<Self> {
        let rng = match config.seed {
            Some(seed) => StdRng::seed_from_u64(seed),
            None => rand::make_rng(),
        };
        let net = config.net.clone().unwrap_or_else(|| Net::new(NetConfig::default()));
        let meta = MetaCaller::new(net.clone(), config.metaservers.clone());
        let budget = config.shared_budget.clone().unwrap_or_else(|| ByteBudget::new(config.byte_budget));
        let inner = Self {
            net,
            meta,
            cache: MapCache::new(),
            classes: ClassCache::default(),
            codecs: Codecs::default(),
            health: Health::default(),
            locality: Locality::default(),
            pins: Pins::default(),
            sessions: Sessions::new(session_id()),
            opens: Opens::default(),
            watching: Watching::default(),
            starters: ByteBudget::new(budget.limit() / 4),
            budget,
            read_budget: ByteBudget::new(config.read_budget),
            hedges: HedgeAllowance::default(),
            io: Io::default(),
            reporter: Reporter::default(),
            stop: CancellationToken::new(),
            rng: Mutex::new(rng),
            config,
        };
        Arc::new(inner)
    }

    /// Whether a disk is on this machine: on the node that was configured, or on one with an address of this machine.
    pub(crate) fn is_local(&self, map: &ClusterMap, disk: &Disk) -> bool {
        match self.config.local_node.0 {
            0 => map.node(NodeId(disk.node)).is_some_and(|node| self.locality.is_here(node)),
            configured => disk.node == configured,
        }
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.stop.is_cancelled()
    }

    /// Lets `work` make random choices.
    pub(crate) fn random<T>(&self, work: impl FnOnce(&mut StdRng) -> T) -> T {
        work(&mut self.rng.lock())
    }

    /// `length` plus or minus a quarter, so that retries of many do not fall together.
    pub(crate) fn jittered(&self, length: Duration) -> Duration {
        length.mul_f64(self.random(|rng| rng.random_range(0.75..1.25)))
    }
}

/// Never from the configured seed: two clients must not share a session.
pub(crate) fn session_id() -> u64 {
    // 0 is the leader's own.
    rand::random::<u64>().max(1)
}

/// The byte budget refused: the caller should come back later.
pub(crate) fn over_budget(error: BudgetError) -> ClientError {
    ClientError::Refused(Status::busy(Duration::from_millis(500), error.to_string()))
}
