//! One node, from start to end.
//!
//! What always holds: the node acts under an id only after `identity.toml` with it is durable; it serves nothing
//! before its roles have recovered; at SIGTERM it stops being ready, hands leadership over, finishes what is under
//! way within the drain time, and ends with code 0. A role that fails for good ends the process with an error, so
//! that its supervisor starts it again.

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use holdfast_metaserver::raft::RaftRuntime;
use holdfast_proto::cluster::{Empty, Peer};
use holdfast_proto::map::{MapRequest, Node, Standing, roles};
use holdfast_proto::method::{GetMap, Ping};
use holdfast_rpc::{MetaCaller, Net, NetConfig, Router, Server, ServerConfig};
use holdfast_support::budget::ByteBudget;
use holdfast_support::shutdown::Shutdown;
use holdfast_support::{crashsafe, memory, telemetry};
use tokio::time::Instant;

use super::config::{Config, Role};
use super::http::{self, Readiness};
use super::identity::{Identity, Stage, unusable};
use super::roles::{Chunk, Door, Jobs, Meta};
use super::{cannot_listen, join, metrics, notify};
use crate::connect::{CLIENT_FILE, ClientFile};
use crate::failure::{Failure, Outcome};

/// How often what the node knows of the cluster is written down.
const UPKEEP: Duration = Duration::from_secs(5);
/// How often it is asked where metadata servers are.
const FOLLOW: Duration = Duration::from_secs(10);
/// The same in the beginning, when others join too.
const FOLLOW_AT_FIRST: Duration = Duration::from_secs(1);
/// So many answers are the beginning.
const AT_FIRST: u32 = 30;

/// What the parts of a node share.
#[derive(Clone)]
pub(crate) struct Common {
    pub(crate) config: Config,
    pub(crate) net: Net,
    pub(crate) budget: ByteBudget,
    pub(crate) readiness: Readiness,
    pub(crate) shutdown: Shutdown,
    /// Follows the metadata leader.
    pub(crate) caller: MetaCaller,
    /// Where Raft and its connections run, if this node plays the meta role.
    pub(crate) raft_runtime: Option<RaftRuntime>,
}

/// Runs a node until it is told to stop.
pub(crate) async fn run(config: Config) -> Outcome<()> {
    let shutdown = Shutdown::new(config.drain.0);
    shutdown.on_signals().map_err(|error| Failure::failed(format!("cannot listen to signals: {error}")))?;
    let config = with_free_ports(config)?;
    let readiness = Readiness::default();
    readiness.require("node", || Err("starting".to_owned()));
    for (what, registered) in [
        ("client", holdfast_client::metrics::register(telemetry::registry())),
        ("worker", holdfast_worker::metrics::register(telemetry::registry())),
        ("gateway", holdfast_gateway::metrics::register(telemetry::registry())),
    ] {
        if let Err(error) = registered {
            tracing::warn!(%error, "the metrics of the {what} are not shown");
        }
    }
    let more = http::More::default();
    http::serve(config.admin_listen, readiness.clone(), more.clone(), shutdown.clone()).await?;

    let raft_runtime = match config.plays(Role::Meta) {
        true => Some(RaftRuntime::new().map_err(|error| Failure::failed(error.to_string()))?),
        false => None,
    };
    let net = Net::new(NetConfig {
        dead_after: Duration::from_millis(700),
        raft_runtime: raft_runtime.as_ref().map(|runtime| runtime.handle().clone()),
        ..NetConfig::default()
    });
    metrics::begin(&config, &readiness);
    let Some(identity) = become_somebody(&config, &net, &shutdown).await? else { return Ok(()) };
    metrics::set_node(&config, identity.node);
    if let Some(cluster) = identity.cluster_id() {
        net.set_identity(cluster, identity.node_id());
    }
    tracing::info!(
        node = identity.node,
        cluster = identity.cluster,
        version = env!("CARGO_PKG_VERSION"),
        "starting"
    );
    let common = Common {
        caller: MetaCaller::new(net.clone(), metaservers(&config, &identity)),
        budget: ByteBudget::new(config.payload_memory.0),
        net,
        readiness,
        shutdown,
        config,
        raft_runtime,
    };
    metrics::watch_budget(&common.budget);
    start(common, identity, more).await
}

async fn start(common: Common, mut identity: Identity, more: http::More) -> Outcome<()> {
    let Common { config, net, shutdown, readiness, .. } = common.clone();
    // Whatever a node plays, it says that it is there.
    let mut router = Router::new().on::<Ping, _, _>(|_, _, _| async { Ok((Empty {}, Bytes::new())) });
    let meta = match config.plays(Role::Meta) {
        true => Some(Meta::start(&common, &mut identity).await?),
        false => None,
    };
    if let Some(meta) = &meta {
        router = router.merge(meta.router());
    }
    let chunk = config.plays(Role::Chunk).then(|| Chunk::start(&common, &identity));

    if let Some(chunk) = &chunk {
        router = router.merge(chunk.router());
    }
    net.serve_locally(identity.node_id(), router.clone());
    let limits = ServerConfig { data_budget: common.budget.clone(), ..ServerConfig::default() };
    let server = Server::bind(config.listen, net.clone(), router, limits)
        .await
        .map_err(|error| cannot_listen("listen", config.listen, &error))?;
    tracing::info!(address = %server.local_addr(), "RPC port open");
    write_client_file(&config.data, &common.caller.metaservers(), &config.address())?;

    if config.plays(Role::Meta) {
        let cluster = holdfast_admin::Cluster::of_node(net.clone(), common.caller.clone());
        more.serve(holdfast_admin::router(cluster, config.admin.serving()));
    }
    let door = config.plays(Role::Gateway).then(|| Door::open(&common, &identity));
    let jobs = config.plays(Role::Worker).then(|| Jobs::start(&common, &identity));
    let upkeep = tokio::spawn(upkeep(common.clone(), identity.clone()));
    readiness.require("node", || Ok(()));
    announce(&common);

    let failed = wait_for_the_end(&shutdown, door.as_ref()).await;
    readiness.require("node", || Err("shutting down".to_owned()));
    notify::tell("STOPPING=1");
    shutdown.trigger();
    upkeep.abort();
    // Leadership first: the others carry on while this node finishes.
    if let Some(meta) = &meta {
        meta.hand_over(shutdown.time_left() / 2).await;
    }
    if let Some(jobs) = jobs {
        jobs.stop().await;
    }
    if let Some(door) = door {
        door.close(shutdown.time_left()).await;
    }
    if let Some(chunk) = chunk {
        chunk.stop(shutdown.time_left()).await;
    }
    server.shutdown(shutdown.time_left()).await;
    if let Some(meta) = meta {
        meta.stop(shutdown.time_left().max(Duration::from_secs(1))).await;
    }
    tracing::info!("stopped");
    failed.map_or(Ok(()), Err)
}

/// Ends when the node is told to stop, or with the failure of a part that cannot go on.
async fn wait_for_the_end(shutdown: &Shutdown, door: Option<&Door>) -> Option<Failure> {
    let door = async {
        match door {
            Some(door) => door.failed().await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        _ = shutdown.wait() => None,
        failure = door => Some(failure),
    }
    .inspect(|failure| tracing::error!(%failure, "a part of this node cannot go on"))
}

/// The node's identity: the one it has, a new cluster's, or the one it gets by joining. `None` when told to stop.
async fn become_somebody(config: &Config, net: &Net, shutdown: &Shutdown) -> Outcome<Option<Identity>> {
    let identity = match Identity::load(&config.data)? {
        Some(identity) => identity,
        None if config.join.is_empty() && config.plays(Role::Meta) => Identity::genesis(&config.data)?,
        None if config.join.is_empty() => {
            return Err(Failure::usage(
                "a new cluster begins with a node that plays the meta role: add it to roles, or name a cluster with join",
            ));
        }
        None => {
            join::need_token(config)?;
            Identity::joining(&config.data, &config.join)?
        }
    };
    if identity.stage != Stage::Joining {
        return Ok(Some(identity));
    }
    shutdown.unless(join::join(config, identity, net)).await.transpose()
}

/// Where metadata servers may be: this node, those last known, those configured.
fn metaservers(config: &Config, identity: &Identity) -> Vec<String> {
    let own = config.plays(Role::Meta).then(|| config.address());
    let mut all: Vec<String> = Vec::new();
    for address in own.iter().chain(&identity.metaservers).chain(&config.join) {
        if !all.contains(address) {
            all.push(address.clone());
        }
    }
    all
}

/// Finds out before anything is changed whether the ports are free.
fn with_free_ports(config: Config) -> Outcome<Config> {
    let look = |setting: &str, address: SocketAddr| {
        TcpListener::bind(address).map(drop).map_err(|error| cannot_listen(setting, address, &error))
    };
    look("listen", config.listen)?;
    look("admin_listen", config.admin_listen)?;
    if config.plays(Role::Gateway) {
        look("gateway.listen", config.gateway.listen)?;
    }
    Ok(config)
}

/// Keeps the registration in the cluster and the notes in the data directory up to date.
async fn upkeep(common: Common, mut identity: Identity) {
    let data = common.config.data.clone();
    let mut registered = false;
    let mut group = Group::default();
    loop {
        if registered {
            group.follow(&common).await;
        } else {
            match join::register(&common.config, &identity, &common.caller).await {
                Ok(reply) => {
                    registered = true;
                    common.caller.learn(&reply.metaservers);
                }
                Err(status) => tracing::debug!(%status, "bring the registration up to date"),
            }
        }
        let known: Vec<String> = common.caller.metaservers().into_iter().map(|peer| peer.address).collect();
        if !known.is_empty() && known != identity.metaservers {
            identity.metaservers = known;
            note(&identity, &data);
            if let Err(failure) =
                write_client_file(&data, &common.caller.metaservers(), &common.config.address())
            {
                tracing::warn!(%failure, "note the metadata servers");
            }
        }
        // Giving back hundreds of megabytes takes a while.
        let rested = tokio::task::spawn_blocking(memory::rest).await;
        if rested.is_ok_and(|done| done) {
            tracing::debug!("at rest: unused memory went back to the system");
        }
        let pause = match registered {
            false => Duration::from_millis(300),
            true if group.beginning() => FOLLOW_AT_FIRST,
            true => UPKEEP,
        };
        tokio::time::sleep(pause).await;
    }
}

/// Where metadata servers are, as the map says: they come and go while the node runs.
#[derive(Default)]
struct Group {
    epoch: u64,
    nodes: BTreeMap<u64, Node>,
    asked: Option<Instant>,
    /// How often there was an answer.
    answers: u32,
}

impl Group {
    /// Asks now and then, and tells the node's caller. Nothing is forgotten when nobody answers.
    async fn follow(&mut self, common: &Common) {
        if !self.beginning() && self.asked.is_some_and(|at| at.elapsed() < FOLLOW) {
            return;
        }
        let request = MapRequest { have: self.epoch, pgs: Vec::new(), all_pgs: false };
        let reply = match common.caller.call::<GetMap>(&request, Instant::now() + FOLLOW).await {
            Ok(reply) => reply,
            Err(status) => return tracing::debug!(%status, "ask where metadata servers are"),
        };
        self.asked = Some(Instant::now());
        self.answers = self.answers.saturating_add(1);
        if reply.full {
            self.nodes.clear();
        }
        self.epoch = reply.epoch;
        self.nodes.extend(reply.nodes.into_iter().map(|node| (node.id, node)));
        common.caller.learn(&self.peers(&common.config));
    }

    fn beginning(&self) -> bool {
        self.answers < AT_FIRST
    }

    /// The metaservers of the map, this node, and those that were configured, in case the others cannot be reached.
    fn peers(&self, config: &Config) -> Vec<Peer> {
        let metas = self.nodes.values().filter(|node| {
            node.roles & (roles::META | roles::WITNESS) != 0 && node.standing() != Standing::Removed
        });
        let mut peers: Vec<Peer> =
            metas.map(|node| Peer { node: node.id, address: node.address.clone() }).collect();
        let own = config.plays(Role::Meta).then(|| config.address());
        for address in own.iter().chain(&config.join) {
            if !peers.iter().any(|peer| peer.address == *address) {
                peers.push(Peer { node: 0, address: address.clone() });
            }
        }
        peers
    }
}

fn note(identity: &Identity, data: &Path) {
    if let Err(failure) = identity.save(data) {
        tracing::warn!(%failure, "note what is known of the cluster");
    }
}

/// Lets the command line on this machine find the cluster without flags.
fn write_client_file(data: &Path, known: &[holdfast_rpc::Endpoint], own: &str) -> Outcome<()> {
    let mut cluster: Vec<String> = known.iter().map(|peer| peer.address.clone()).collect();
    if cluster.is_empty() {
        cluster.push(own.to_owned());
    }
    let text =
        toml::to_string(&ClientFile { cluster }).map_err(|error| Failure::failed(error.to_string()))?;
    let path = data.join(CLIENT_FILE);
    crashsafe::write_file(&path, text.as_bytes()).map_err(|error| unusable(&path, "write", &error))
}

/// Says once, in the log and to systemd, that the node serves.
fn announce(common: &Common) {
    let common = common.clone();
    tokio::spawn(async move {
        loop {
            let reasons = common.readiness.reasons();
            if reasons.is_empty() {
                tracing::info!(address = common.config.address(), s3 = common.config.s3_address(), "ready");
                notify::tell("READY=1");
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    });
}
