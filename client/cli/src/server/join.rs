//! A node's way into a cluster that exists: ask its leader with the join token, again and again until it answers.

use std::time::Duration;

use holdfast_proto::cluster::{JoinReply, JoinRequest};
use holdfast_proto::ids::ClusterId;
use holdfast_proto::method::Join;
use holdfast_proto::op::RegisterNode;
use holdfast_proto::status::{Code, Status};
use holdfast_rpc::{MetaCaller, Net};
use tokio::time::Instant;

use super::config::Config;
use super::identity::{Identity, Stage, token_path};
use crate::failure::{Exit, Failure, Outcome};

/// Time for one try.
const TRY: Duration = Duration::from_secs(5);
/// How long a start waits for somebody to join; a supervisor starts it again.
const PATIENCE: Duration = Duration::from_secs(120);
/// Pause between tries.
const PAUSE: Duration = Duration::from_millis(300);

/// The node as the cluster map shall have it.
pub(crate) fn description(config: &Config, identity: &Identity) -> RegisterNode {
    RegisterNode {
        id: identity.node,
        nonce: identity.nonce_bytes(),
        address: config.address(),
        roles: config.role_bits(),
        zone: config.zone.clone(),
        rack: config.rack.clone(),
        host: config.host.clone(),
        s3_address: config.s3_address(),
        admin_address: config.admin_listen.to_string(),
    }
}

/// The token: from the environment, the configured file, or the file of a node that made the cluster.
pub(crate) fn token(config: &Config) -> Outcome<String> {
    if let Ok(token) = std::env::var("HOLDFAST_JOIN_TOKEN") {
        return Ok(token.trim().to_owned());
    }
    let own = token_path(&config.data);
    let path = match &config.join_token_file {
        Some(path) => path,
        None if own.exists() => &own,
        None => return Ok(String::new()),
    };
    let text = std::fs::read_to_string(path)
        .map_err(|error| Failure::usage(format!("cannot read the join token {}: {error}", path.display())))?;
    Ok(text.trim().to_owned())
}

/// One try to be registered, or to have the registration brought up to date.
pub(crate) async fn register(
    config: &Config,
    identity: &Identity,
    caller: &MetaCaller,
) -> Result<JoinReply, Status> {
    let request = JoinRequest {
        token: token(config).map_err(|failure| Status::new(Code::InvalidArgument, failure.message))?,
        node: Some(description(config, identity)),
        cluster: identity.cluster_id().map(|id| bytes::Bytes::copy_from_slice(&id.0)).unwrap_or_default(),
    };
    caller.call::<Join>(&request, Instant::now() + TRY).await
}

/// Refuses to join without a token.
pub(crate) fn need_token(config: &Config) -> Outcome<()> {
    match token(config)?.is_empty() {
        false => Ok(()),
        true => Err(Failure::usage(
            "joining needs the cluster's token: set join_token_file or HOLDFAST_JOIN_TOKEN \
             (`holdfast admin token new` makes one)",
        )),
    }
}

/// Asks until the node has an id. Fails at once when asking again cannot help.
pub(crate) async fn join(config: &Config, mut identity: Identity, net: &Net) -> Outcome<Identity> {
    need_token(config)?;
    if config.join.is_empty() {
        return Err(Failure::usage(format!(
            "{} has begun to join a cluster: name it with join, or empty the directory to make a new cluster",
            config.data.display()
        )));
    }
    let caller = MetaCaller::new(net.clone(), config.join.clone());
    let end = Instant::now() + PATIENCE;
    tracing::info!(to = ?config.join, "joining");
    loop {
        let status = match register(config, &identity, &caller).await {
            Ok(reply) => {
                identity.cluster = ClusterId::from_slice(&reply.cluster)
                    .ok_or_else(|| Failure::failed("the cluster answered without its id"))?
                    .to_string();
                identity.node = reply.node;
                identity.stage = Stage::Member;
                identity.metaservers = reply.metaservers.into_iter().map(|peer| peer.address).collect();
                identity.save(&config.data)?;
                tracing::info!(node = identity.node, cluster = identity.cluster, "joined");
                return Ok(identity);
            }
            Err(status) => status,
        };
        if let Some(failure) = hopeless(config, &status) {
            return Err(failure);
        }
        if Instant::now() >= end {
            return Err(Failure::new(
                Exit::Unreachable,
                format!(
                    "no metadata server of {} let this node join within {PATIENCE:?}: {status}",
                    config.join.join(", ")
                ),
            ));
        }
        tracing::info!(%status, "not joined yet, trying again");
        tokio::time::sleep(PAUSE).await;
    }
}

fn hopeless(config: &Config, status: &Status) -> Option<Failure> {
    let line = match status.kind() {
        Code::Unauthenticated | Code::PermissionDenied => {
            "the cluster does not accept this join token; `holdfast admin token new` makes another".to_owned()
        }
        Code::WrongCluster => format!(
            "the data in {} belongs to another cluster than {}",
            config.data.display(),
            config.join.join(", ")
        ),
        Code::WrongVersion => format!("the cluster speaks another protocol version: {status}"),
        Code::InvalidArgument | Code::Exists | Code::Unsupported => {
            format!("the cluster refuses this node: {status}")
        }
        _ => return None,
    };
    Some(Failure::refused(line))
}
