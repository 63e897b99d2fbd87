//! The meta role: a member of the metadata group, and the genesis of a new cluster.

use std::time::Duration;

use holdfast_admin::password;
use holdfast_metaserver::raft::{GroupConfig, Timers};
use holdfast_metaserver::{Metaserver, MetaserverConfig};
use holdfast_proto::access::Role as AccountRole;
use holdfast_proto::ids::ClusterId;
use holdfast_proto::map::{FailureDomain, Redundancy};
use holdfast_proto::op::{Command, Genesis, KeyRule, Op, PutAccount, PutClass, PutJoinToken, PutKey};
use holdfast_rpc::Router;
use holdfast_state::limits::STATE_VERSION;

use crate::failure::{Failure, Outcome};
use crate::server::config::{Config, TimerProfile};
use crate::server::identity::{self, Identity, Stage};
use crate::server::node::Common;
use crate::server::{join, secrets};

/// Largest chunk of the default class.
const CHUNK_BYTES: u64 = 8 << 20;
/// Content up to this lies in metadata.
const INLINE_BYTES: u64 = 4096;

/// A member of the metadata group.
pub(crate) struct Meta {
    metaserver: Metaserver,
}

impl Meta {
    /// Recovers what lies in the directory; makes the cluster if that is this node's part.
    pub(crate) async fn start(common: &Common, identity: &mut Identity) -> Outcome<Self> {
        let config = MetaserverConfig::new(group_config(common, identity));
        let metaserver = Metaserver::start(config, common.net.clone()).await.map_err(|error| {
            Failure::failed(format!("the metadata in {}: {error}", meta_dir(&common.config).display()))
        })?;
        let meta = Self { metaserver };
        if identity.stage == Stage::Genesis {
            meta.genesis(&common.config, identity).await?;
        }
        let leadership = meta.metaserver.group().leadership();
        common.readiness.require("meta", move || match leadership.borrow().leader {
            Some(_) => Ok(()),
            None => Err("no leader is known; a majority of metaservers must reach each other".to_owned()),
        });
        Ok(meta)
    }

    /// Completes the genesis that the identity promises. One that was completed before a crash is recognised.
    async fn genesis(&self, config: &Config, identity: &mut Identity) -> Outcome<()> {
        let command = first_command(config, identity)?;
        let made = match self.metaserver.genesis(command).await {
            Ok(reply) => reply.into_result().map(|_| true).map_err(|status| status.to_string()),
            // A crash may have come after the cluster was made and before that was noted.
            Err(_) if self.is_made(identity) => Ok(false),
            Err(error) => Err(error.to_string()),
        };
        if made.map_err(|why| Failure::failed(format!("cannot make a new cluster: {why}")))? {
            tracing::info!(
                cluster = identity.cluster,
                credentials = %identity::credentials_path(&config.data).display(),
                token = %identity::token_path(&config.data).display(),
                password = %identity::admin_path(&config.data).display(),
                "made a new cluster; the first S3 key, the dashboard's first password and the join token are in these files"
            );
        }
        identity.stage = Stage::Member;
        identity.save(&config.data)
    }

    /// Whether the metadata holds the cluster that this identity promised.
    fn is_made(&self, identity: &Identity) -> bool {
        let made = holdfast_state::work::cluster(&self.metaserver.group().local_view());
        let id = made.ok().flatten().and_then(|cluster| ClusterId::from_slice(&cluster.id));
        id.is_some() && id == identity.cluster_id()
    }

    /// All handlers.
    pub(crate) fn router(&self) -> Router {
        self.metaserver.router()
    }

    /// Lets another member lead, so that nobody waits for an election.
    pub(crate) async fn hand_over(&self, most: Duration) {
        let group = self.metaserver.group();
        if !group.leadership().borrow().is_leader || group.status().voters.len() < 2 {
            return;
        }
        match tokio::time::timeout(most, group.transfer(None)).await {
            Ok(Ok(())) => tracing::info!("leadership handed over"),
            Ok(Err(error)) => tracing::warn!(%error, "leadership not handed over"),
            Err(_) => tracing::warn!("leadership not handed over in time"),
        }
    }

    /// Ends in order.
    pub(crate) async fn stop(self, most: Duration) {
        if tokio::time::timeout(most, self.metaserver.shutdown()).await.is_err() {
            tracing::warn!("the metaserver did not end in time; the next start replays more of the log");
        }
    }
}

fn meta_dir(config: &Config) -> std::path::PathBuf {
    config.data.join("meta")
}

fn group_config(common: &Common, identity: &Identity) -> GroupConfig {
    let config = &common.config;
    let mut group = GroupConfig::new(identity.node_id(), config.address(), meta_dir(config));
    group.runtime = common.raft_runtime.clone();
    group.timers = match config.meta.timers {
        TimerProfile::Lan => Timers::LAN,
        TimerProfile::Wan => Timers::WAN,
    };
    let bytes = |size: holdfast_support::config::Size| usize::try_from(size.0).unwrap_or(usize::MAX);
    group.store.block_cache_bytes = bytes(config.meta.cache);
    group.store.write_buffer_bytes = bytes(config.meta.write_buffers);
    group.store.log_cache_bytes = bytes(config.meta.log_cache);
    group.snapshots.log_bytes = config.meta.snapshot_bytes.0;
    group.snapshots.log_entries = config.meta.snapshot_entries.max(1);
    group.snapshots.keep_entries = config.meta.log_entries_kept;
    group.snapshots.purge_batch = group.snapshots.purge_batch.min(config.meta.log_entries_kept.max(1));
    group
}

/// Who may do everything in the dashboard of a new cluster. The password was drawn with the cluster's other secrets.
fn first_account(config: &Config) -> Outcome<PutAccount> {
    let first = identity::first_admin(&config.data)?;
    let hash = password::hash(&first.password).map_err(|problem| Failure::failed(problem.message.clone()))?;
    Ok(PutAccount {
        name: first.account,
        create: true,
        role: Some(AccountRole::Admin as i32),
        password: Some(hash),
        ..PutAccount::default()
    })
}

/// What a new cluster begins with: this node, a class for one disk that grows with the cluster, one S3 key that may
/// do everything, a join token.
fn first_command(config: &Config, identity: &Identity) -> Outcome<Command> {
    let key = identity::first_key(&config.data)?;
    let token = std::fs::read_to_string(identity::token_path(&config.data))
        .map_err(|error| Failure::failed(format!("cannot read the join token: {error}")))?;
    let cluster = identity.cluster_id().ok_or_else(|| Failure::failed("the identity has no cluster id"))?;
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    let genesis = Genesis {
        cluster: bytes::Bytes::copy_from_slice(&cluster.0),
        node: Some(join::description(config, identity)),
        class: Some(PutClass {
            id: 0,
            name: "standard".to_owned(),
            redundancy: Some(Redundancy::replicated(1, 1)),
            domain: FailureDomain::Disk as i32,
            inline_limit: INLINE_BYTES,
            chunk_bytes: CHUNK_BYTES,
            companion: 0,
            if_epoch: 0,
        }),
        state_version: STATE_VERSION,
        key: Some(PutKey {
            access_key: key.access_key,
            secret_key: key.secret_key,
            description: "made with the cluster".to_owned(),
            rules: vec![KeyRule { bucket: "*".to_owned(), read: true, write: true, manage: true }],
            disabled: false,
        }),
        account: Some(first_account(config)?),
        token: Some(PutJoinToken { digest: secrets::token_digest(token.trim()) }),
    };
    Ok(Command {
        now_ns: i64::try_from(now.as_nanos()).unwrap_or(i64::MAX),
        op: Some(Op::Genesis(genesis)),
        ..Command::default()
    })
}
