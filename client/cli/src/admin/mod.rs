//! `holdfast admin`: look at and steer the cluster. One file per noun.

mod accounts;
mod audit;
mod balance;
mod classes;
mod disks;
mod drains;
mod group_files;
mod health;
mod keys;
mod map;
mod meta;
mod nodes;
mod operator;
#[cfg(test)]
mod parity;
mod pgs;
mod quotas;
mod scrub;
mod settings;
mod status;
mod token;

pub(crate) use classes::Shape;
pub(crate) use group_files::files_in;

use clap::{Subcommand, ValueEnum};
use holdfast_proto::admin::{ClusterStatus, StatusRequest};
use holdfast_proto::ids::NodeId;
use holdfast_proto::map::{MapReply, MapRequest};
use holdfast_proto::method::{Condition, GetMap};
use holdfast_rpc::Endpoint;

use crate::failure::Outcome;
use crate::output::Output;
use crate::remote::Remote;

#[derive(Subcommand, Debug)]
pub(crate) enum AdminCommand {
    /// Health, capacity and redundancy at a glance
    Status,
    /// Which data is how close to loss, since when, what is being done, how long it will take
    Health(health::HealthArgs),
    /// How far drains, maintenance and replacements are
    Drains(drains::DrainsArgs),
    /// List nodes; drain, maintain, change or remove one
    Nodes(nodes::NodesArgs),
    /// List disks; drain, replace, change or remove one
    Disks(disks::DisksArgs),
    /// List placement groups; with --why what is the matter with them; files in one
    Pgs(pgs::PgsArgs),
    /// The whole cluster map
    Map,
    /// The metadata group: show, add, remove, replace, transfer
    Meta(meta::MetaArgs),
    /// Accounts of the dashboard and the admin API: list, add, set, password, rm, tokens
    Accounts(accounts::AccountsArgs),
    /// Who did what: search, verify, export
    Audit(Box<audit::AuditArgs>),
    /// S3 access keys
    Keys(keys::KeysArgs),
    /// The token with which nodes join
    Token(token::TokenArgs),
    /// Cluster settings
    Set(settings::SetArgs),
    /// Storage classes
    Classes(classes::ClassesArgs),
    /// How much a directory may hold: show, set, remove
    Quota(quotas::QuotaArgs),
    /// Even out how full disks are: status, plan, start, pause, resume, cancel, throttle
    Balance(balance::BalanceArgs),
    /// Check what lies on disks: status, history, a round now
    Scrub(scrub::ScrubArgs),
}

pub(crate) async fn run(remote: &Remote, command: AdminCommand, output: Output) -> Outcome<()> {
    // What is changed from here on is noted as this user's.
    let remote = &remote.acting_for(operator::actor());
    match command {
        AdminCommand::Accounts(args) => accounts::run(remote, args, output).await,
        AdminCommand::Audit(args) => audit::run(remote, &args, output).await,
        AdminCommand::Status => status::run(remote, output).await,
        AdminCommand::Health(args) => health::run(remote, &args, output).await,
        AdminCommand::Drains(args) => drains::run(remote, &args, output).await,
        AdminCommand::Nodes(args) => nodes::run(remote, &args, output).await,
        AdminCommand::Disks(args) => disks::run(remote, &args, output).await,
        AdminCommand::Pgs(args) => pgs::run(remote, &args, output).await,
        AdminCommand::Map => map::run(remote, output).await,
        AdminCommand::Meta(args) => meta::run(remote, &args, output).await,
        AdminCommand::Keys(args) => keys::run(remote, args, output).await,
        AdminCommand::Token(args) => token::run(remote, &args, output).await,
        AdminCommand::Set(args) => settings::run(remote, &args, output).await,
        AdminCommand::Classes(args) => classes::run(remote, &args, output).await,
        AdminCommand::Quota(args) => quotas::run(remote, &args, output).await,
        AdminCommand::Balance(args) => balance::run(remote, &args, output).await,
        AdminCommand::Scrub(args) => scrub::run(remote, args, output).await,
    }
}

/// The whole map as the leader has it.
pub(crate) async fn whole_map(remote: &Remote) -> Outcome<MapReply> {
    remote.ask_leader::<GetMap>(&MapRequest { have: 0, pgs: Vec::new(), all_pgs: true }).await
}

/// The cluster's condition as the leader sees it. Without a leader, what some metaserver knows: partial, but an
/// answer.
pub(crate) async fn condition(remote: &Remote) -> Outcome<ClusterStatus> {
    let first = remote.ask_leader::<Condition>(&StatusRequest {}).await?;
    let meta = first.meta.clone().unwrap_or_default();
    let leader = meta.voters.iter().find(|peer| peer.node == meta.leader);
    match leader {
        Some(peer) if !first.leader_view => {
            let endpoint = Endpoint::new(NodeId(peer.node), peer.address.clone());
            Ok(remote.ask_node::<Condition>(&endpoint, &StatusRequest {}).await.unwrap_or(first))
        }
        _ => Ok(first),
    }
}

/// How a node or disk takes part, as an administrator says it.
#[derive(ValueEnum, Clone, Copy, Debug)]
enum StandingArg {
    /// Takes part
    In,
    /// Is emptied, keeps serving meanwhile
    Drain,
    /// Is gone: its data is rebuilt elsewhere. A disk that answers is taken back at once: drain it instead
    Out,
    /// Is away for a while: nothing is rebuilt
    Maintenance,
}

impl StandingArg {
    /// What the admin API calls it.
    fn name(self) -> String {
        match self {
            Self::In => "in",
            Self::Drain => "draining",
            Self::Out => "out",
            Self::Maintenance => "maintenance",
        }
        .to_owned()
    }
}

/// `d3`, or `n2` when no disk is meant.
fn disk_or_node(disk: Option<u32>, node: u64) -> String {
    disk.map_or_else(|| format!("n{node}"), |disk| format!("d{disk}"))
}
