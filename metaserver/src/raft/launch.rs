//! Starting a member: stores, runtime, Raft, and the tasks around it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use holdfast_proto::ids::NodeId;
use holdfast_rpc::{Net, Router};
use openraft::async_runtime::watch::WatchReceiver;
use openraft::{Config, ServerState};
use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::time::Instant;

use super::apply::{Applier, StateMachine};
use super::config::{AbortHook, GroupConfig};
use super::confirm::Confirmer;
use super::error::MetaError;
use super::group::{Group, Leadership, Shared};
use super::machine::Machine;
use super::membership::Changes;
use super::network::Network;
use super::propose::Proposer;
use super::read::Reader;
use super::receive::Receiver;
use super::runtime::RaftRuntime;
use super::serve::Inbox;
use super::serve::router;
use super::start::Stores;
use super::types::{Raft, TypeConfig};
use super::wire::Wire;
use super::{member, policy};

impl Group {
    /// Starts this node's member of the group from what lies in its directory. The router answers the other members'
    /// messages and must be served under `config.address`.
    pub async fn start(config: GroupConfig, net: Net) -> Result<(Self, Router), MetaError> {
        let machine = Box::new(super::state::State);
        let (group, inbox) =
            Self::start_with(config, Arc::new(net), machine, super::state::INLINE_PREFIX).await?;
        Ok((group, router(inbox)))
    }

    /// As [`Self::start`], with any carrier of messages and any state machine.
    pub async fn start_with(
        config: GroupConfig,
        wire: Arc<dyn Wire>,
        machine: Box<dyn StateMachine>,
        inline_prefix: &'static [u8],
    ) -> Result<(Self, Arc<Inbox>), MetaError> {
        let runtime = match config.runtime.clone() {
            Some(runtime) => runtime,
            None => RaftRuntime::new()?,
        };
        let callers = Handle::current();
        let starting = runtime.handle().spawn(launch(config, wire, machine, inline_prefix, callers));
        let (shared, inbox) = starting.await.map_err(|e| MetaError::io("start the metadata group", e))??;
        *shared.runtime.lock() = Some(runtime);
        Ok((Self { shared }, inbox))
    }
}

fn raft_config(config: &GroupConfig) -> Result<Arc<Config>, MetaError> {
    let timers = config.timers;
    let raft = Config {
        cluster_name: "holdfast".into(),
        heartbeat_interval: timers.heartbeat_ms,
        election_timeout_min: timers.election_min_ms,
        election_timeout_max: timers.election_max_ms,
        // The sender has its own time-outs per piece.
        install_snapshot_timeout: 3_600_000,
        max_payload_entries: 512,
        // Entries decide: a snapshot is sent only when the log does not reach back far enough.
        replication_lag_threshold: u64::MAX / 2,
        // `policy.rs` decides about both.
        snapshot_policy: openraft::SnapshotPolicy::Never,
        max_in_snapshot_log_to_keep: u64::MAX / 2,
        purge_batch_size: config.snapshots.purge_batch.max(1),
        api_channel_size: Some(4096),
        enable_pre_vote: Some(true),
        enable_leader_restore: Some(false),
        backoff: "10ms 20ms 40ms ...250ms".into(),
        ..Config::default()
    };
    let raft = raft.validate().map_err(|e| MetaError::Refused(format!("the Raft timers do not fit: {e}")))?;
    Ok(Arc::new(raft))
}

async fn launch(
    config: GroupConfig,
    wire: Arc<dyn Wire>,
    machine: Box<dyn StateMachine>,
    inline_prefix: &'static [u8],
    callers: Handle,
) -> Result<(Arc<Shared>, Arc<Inbox>), MetaError> {
    crate::store::dirs::create_dir(&config.dir)?;
    member::check(&config.dir, config.node)?;
    let raft_config = raft_config(&config)?;
    let opening = config.clone();
    let handle = tokio::runtime::Handle::current();
    let stores = tokio::task::spawn_blocking(move || handle.block_on(Stores::open(&opening, inline_prefix)))
        .await
        .map_err(|e| MetaError::io("open the stores", e))??;
    let Stores { places, table, marker, log } = stores;
    let pristine = log.is_pristine() && marker.applied.is_none();
    let stopping = Arc::new(AtomicBool::new(false));
    let abort = unless(stopping.clone(), config.abort.clone());
    let flush_commands = config.snapshots.flush_commands;
    let applier = Applier::start(table, marker, places.clone(), machine, flush_commands, abort.clone())?;
    let network = Network { wire: wire.clone(), me: config.node };
    let state = Machine { applier: applier.clone(), places: places.clone() };
    // Queues what is known to be committed to be applied before it returns.
    let raft = Raft::new(config.node.0, raft_config, network, log.clone(), state)
        .await
        .map_err(|e| MetaError::damaged("the metadata group's stores", e))?;
    applier.settled().await?;
    let (told, leadership) = watch::channel(no_leader());
    tokio::spawn(follow(raft.clone(), config.node, told, abort));
    tokio::spawn(policy::run(raft.clone(), applier.clone(), places.clone(), log.clone(), config.snapshots));
    let changes = Arc::new(Changes::new(raft.clone()));
    tokio::spawn(tend(changes.clone(), leadership.clone()));
    let quiet = if pristine { std::time::Duration::ZERO } else { config.timers.election_max() };
    let inbox = Arc::new(Inbox {
        me: config.node.0,
        raft: raft.clone(),
        log: log.clone(),
        receiver: Receiver::new(places.clone()),
        quiet_until: Instant::now() + quiet,
    });
    let confirmer = Confirmer {
        me: config.node,
        raft: raft.clone(),
        log: log.clone(),
        applier: applier.clone(),
        wire,
        ready: AtomicU64::new(0),
    };
    let shared = Arc::new(Shared {
        me: config.node,
        proposer: Proposer::start(raft.clone(), config.batch),
        reader: Reader::start(&callers, confirmer, config.timers, config.read_policy),
        changes,
        raft,
        applier,
        places,
        log,
        leadership,
        stopping,
        runtime: Mutex::new(None),
        address: config.address,
    });
    Ok((shared, inbox))
}

/// While this node leads, looks after the membership from time to time.
async fn tend(changes: Arc<Changes>, leadership: watch::Receiver<Leadership>) {
    while leadership.has_changed().is_ok() {
        tokio::time::sleep(std::time::Duration::from_secs(1)).await;
        let leads = leadership.borrow().is_leader;
        if leads && let Err(error) = changes.tend().await {
            tracing::warn!(%error, "the membership could not be looked after; trying again");
        }
    }
}

fn no_leader() -> Leadership {
    Leadership { leader: None, address: String::new(), term: 0, is_leader: false, since: Instant::now() }
}

/// Tells who leads, and watches that the core lives: when it does not, the process leaves to its supervisor, since a
/// member without a core would only look alive.
async fn follow(raft: Raft, me: NodeId, told: watch::Sender<Leadership>, abort: AbortHook) {
    // All of Raft's metrics change several times with every command, these seldom. Both are written in one go, and on
    // this runtime's only thread, so the others are up to date when these have changed.
    let (metrics, mut server) = (raft.metrics(), raft.server_metrics());
    loop {
        drop(server.borrow_and_update());
        let seen = leadership_of(&metrics.borrow_watched(), me);
        told.send_if_modified(|old| {
            let same = Leadership { since: old.since, ..seen.clone() } == *old;
            if !same {
                tracing::info!(leader = ?seen.leader, term = seen.term, me = seen.is_leader, "leadership");
                *old = seen;
            }
            !same
        });
        if server.changed().await.is_err() {
            break;
        }
    }
    let ended = match &metrics.borrow_watched().running_state {
        Ok(()) => "the core is gone".to_owned(),
        Err(fatal) => fatal.to_string(),
    };
    told.send_modify(|old| *old = Leadership { term: old.term, ..no_leader() });
    abort(&format!("the Raft core has ended: {ended}"));
}

/// The hook, as long as the group is not being stopped: then things end because they are meant to.
fn unless(stopping: Arc<AtomicBool>, abort: AbortHook) -> AbortHook {
    Arc::new(move |reason| {
        if !stopping.load(Ordering::Acquire) {
            abort(reason);
        }
    })
}

fn leadership_of(metrics: &openraft::RaftMetrics<TypeConfig>, me: NodeId) -> Leadership {
    let leader = metrics.current_leader;
    let node = leader.and_then(|n| metrics.membership_config.membership().get_node(&n).cloned());
    Leadership {
        leader: leader.map(NodeId),
        address: node.map(|n| n.addr).unwrap_or_default(),
        term: metrics.current_term,
        is_leader: leader == Some(me.0) && metrics.state == ServerState::Leader,
        since: Instant::now(),
    }
}
