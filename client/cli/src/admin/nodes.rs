//! `holdfast admin nodes`: who takes part; labels and standing of one.

use clap::{Args, Subcommand};
use holdfast_proto::map::Standing;
use holdfast_proto::op::{Op, SetNode};
use serde::Serialize;

use super::{StandingArg, liveness_name, role_names, standing_name};
use crate::failure::{Doing, Failure, Outcome};
use crate::output::{Output, Table, span_ms};
use crate::remote::Remote;

#[derive(Args, Debug)]
pub(crate) struct NodesArgs {
    #[command(subcommand)]
    command: Option<NodesCommand>,
}

#[derive(Subcommand, Debug)]
enum NodesCommand {
    /// Change labels or standing
    Set {
        /// The node's number
        id: u64,
        /// How it takes part
        #[arg(long)]
        standing: Option<StandingArg>,
        /// Failure domain
        #[arg(long)]
        zone: Option<String>,
        /// Failure domain
        #[arg(long)]
        rack: Option<String>,
        /// Failure domain; nodes with the same host share its fate
        #[arg(long)]
        host: Option<String>,
    },
    /// Forget a node for good; refused while it has disks
    Remove {
        /// The node's number
        id: u64,
    },
}

#[derive(Serialize)]
struct View {
    id: u64,
    address: String,
    s3_address: String,
    admin_address: String,
    roles: String,
    zone: String,
    rack: String,
    host: String,
    standing: &'static str,
    liveness: &'static str,
    silent_ms: u64,
}

pub(super) async fn run(remote: &Remote, args: &NodesArgs, output: Output) -> Outcome<()> {
    match &args.command {
        None => list(remote, output).await,
        Some(NodesCommand::Set { id, standing, zone, rack, host }) => {
            if standing.is_none() && zone.is_none() && rack.is_none() && host.is_none() {
                return Err(Failure::usage("nothing to change: give --standing, --zone, --rack or --host"));
            }
            let op = SetNode {
                id: *id,
                standing: standing.map(StandingArg::number),
                zone: zone.clone(),
                rack: rack.clone(),
                host: host.clone(),
            };
            remote.mutate(Op::SetNode(op)).await.doing(format_args!("change node n{id}"))?;
            Ok(())
        }
        Some(NodesCommand::Remove { id }) => {
            let standing = Some(Standing::Removed as i32);
            let op = SetNode { id: *id, standing, ..SetNode::default() };
            remote.mutate(Op::SetNode(op)).await.doing(format_args!("remove node n{id}"))?;
            Ok(())
        }
    }
}

async fn list(remote: &Remote, output: Output) -> Outcome<()> {
    let map = super::whole_map(remote).await?;
    let status = super::condition(remote).await?;
    let views: Vec<View> = map
        .nodes
        .into_iter()
        .map(|node| {
            let seen = status.nodes.iter().find(|n| n.node == node.id);
            View {
                id: node.id,
                roles: role_names(node.roles),
                standing: standing_name(node.standing),
                liveness: seen.map_or("unknown", |n| liveness_name(n.liveness)),
                silent_ms: seen.map_or(0, |n| n.silent_ms),
                address: node.address,
                s3_address: node.s3_address,
                admin_address: node.admin_address,
                zone: node.zone,
                rack: node.rack,
                host: node.host,
            }
        })
        .collect();
    output.show(&views, |out| {
        let mut table =
            Table::new(&["node", "address", "roles", "standing", "state", "heard", "zone/rack/host", "s3"]);
        for view in &views {
            table.row(vec![
                format!("n{}", view.id),
                view.address.clone(),
                view.roles.clone(),
                view.standing.to_owned(),
                view.liveness.to_owned(),
                format!("{} ago", span_ms(view.silent_ms)),
                format!("{}/{}/{}", view.zone, view.rack, view.host),
                view.s3_address.clone(),
            ]);
        }
        table.write(out)
    })
}
