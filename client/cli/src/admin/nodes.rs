//! `holdfast admin nodes`: who takes part; labels and standing of one.

use clap::{Args, Subcommand};
use holdfast_proto::admin::ProcedureAction;
use holdfast_proto::map::ProcedureKind;
use holdfast_proto::op::{Op, SetNode};
use holdfast_support::config::Period;
use serde::Serialize;

use super::drains::{self, Order};
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
    /// Change labels or standing, whatever comes of it; drain, undrain and maintenance look first
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
    /// Empty all disks of a node; refused when their data would find no other place
    Drain {
        /// The node's number
        id: u64,
        /// Begin although it cannot be emptied, or data would be placed worse
        #[arg(long)]
        force: bool,
        /// Only say what would be
        #[arg(long)]
        check: bool,
        /// Show how far it is until it is empty
        #[arg(long)]
        watch: bool,
    },
    /// End a drain: the node takes part again
    Undrain {
        /// The node's number
        id: u64,
    },
    /// The node will be away for a while: nothing is rebuilt for that, but what is down to its last copies
    Maintenance {
        /// The node's number
        id: u64,
        /// For how long, such as 30m or 2h; asked for again, it counts anew
        #[arg(long = "for", value_name = "TIME", required_unless_present = "end", conflicts_with = "end")]
        window: Option<Period>,
        /// It is back: end it now
        #[arg(long)]
        end: bool,
        /// Although data could not be read or written, or metadata not be changed, without it
        #[arg(long)]
        force: bool,
        /// Only say what would be
        #[arg(long)]
        check: bool,
    },
    /// Forget a node and its disks for good, after a proof that nothing is left on them; drain it first
    Remove {
        /// The node's number
        id: u64,
        /// Only look whether it could be
        #[arg(long)]
        check: bool,
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
                ..SetNode::default()
            };
            remote.mutate(Op::SetNode(op)).await.doing(format_args!("change node n{id}"))?;
            Ok(())
        }
        Some(NodesCommand::Drain { id, force, check, watch }) => {
            let order = Order { node: *id, force: *force, only_judge: *check, ..Order::default() };
            drains::order(remote, ProcedureAction::Drain, order, output, "is being emptied").await?;
            if *watch && !*check { drains::watch_one(remote, output, 0, *id).await } else { Ok(()) }
        }
        Some(NodesCommand::Undrain { id }) => {
            let order = Order { node: *id, ends: Some(ProcedureKind::Drain), ..Order::default() };
            drains::order(remote, ProcedureAction::Resume, order, output, "takes part again").await
        }
        Some(NodesCommand::Maintenance { id, end: true, .. }) => {
            let order = Order { node: *id, ends: Some(ProcedureKind::Maintenance), ..Order::default() };
            drains::order(remote, ProcedureAction::Resume, order, output, "takes part again").await
        }
        Some(NodesCommand::Maintenance { id, window, force, check, .. }) => {
            let window_s = window.map_or(0, |window| window.0.as_secs());
            let order = Order { node: *id, force: *force, window_s, only_judge: *check, ..Order::default() };
            drains::order(remote, ProcedureAction::Maintain, order, output, "is in maintenance").await
        }
        Some(NodesCommand::Remove { id, check }) => {
            let order = Order { node: *id, only_judge: *check, ..Order::default() };
            drains::order(remote, ProcedureAction::Remove, order, output, "is removed").await
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
