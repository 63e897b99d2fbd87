//! `holdfast admin nodes`: who takes part; labels and standing of one.

use clap::{Args, Subcommand};
use holdfast_admin::procedures::{Ends, Terms};
use holdfast_admin::topology::{self, NodeChange};
use holdfast_proto::admin::ProcedureAction;
use holdfast_support::config::Period;

use super::drains::{self, What};
use super::{StandingArg, operator};
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

pub(super) async fn run(remote: &Remote, args: &NodesArgs, output: Output) -> Outcome<()> {
    match &args.command {
        None => list(remote, output).await,
        Some(NodesCommand::Set { id, standing, zone, rack, host }) => {
            if standing.is_none() && zone.is_none() && rack.is_none() && host.is_none() {
                return Err(Failure::usage("nothing to change: give --standing, --zone, --rack or --host"));
            }
            let change = NodeChange {
                zone: zone.clone(),
                rack: rack.clone(),
                host: host.clone(),
                standing: standing.map(StandingArg::name),
            };
            let cluster = operator::cluster(remote);
            topology::change_of_node(&cluster, *id, change).await.doing(format_args!("change node n{id}"))
        }
        Some(NodesCommand::Drain { id, force, check, watch }) => {
            let (what, terms) =
                (What::Node(*id), Terms { force: *force, preview: *check, ..Terms::default() });
            drains::order(remote, ProcedureAction::Drain, what, terms, output, "is being emptied").await?;
            if *watch && !*check { drains::watch_one(remote, output, what).await } else { Ok(()) }
        }
        Some(NodesCommand::Undrain { id }) => {
            let (what, terms) = (What::Node(*id), Terms { ends: Some(Ends::Drain), ..Terms::default() });
            drains::order(remote, ProcedureAction::Resume, what, terms, output, "takes part again").await
        }
        Some(NodesCommand::Maintenance { id, end: true, .. }) => {
            let (what, terms) =
                (What::Node(*id), Terms { ends: Some(Ends::Maintenance), ..Terms::default() });
            drains::order(remote, ProcedureAction::Resume, what, terms, output, "takes part again").await
        }
        Some(NodesCommand::Maintenance { id, window, force, check, .. }) => {
            let window_seconds = window.map_or(0, |window| window.0.as_secs());
            let terms = Terms { force: *force, window_seconds, preview: *check, ends: None };
            let what = What::Node(*id);
            drains::order(remote, ProcedureAction::Maintain, what, terms, output, "is in maintenance").await
        }
        Some(NodesCommand::Remove { id, check }) => {
            let (what, terms) = (What::Node(*id), Terms { preview: *check, ..Terms::default() });
            drains::order(remote, ProcedureAction::Remove, what, terms, output, "is removed").await
        }
    }
}

async fn list(remote: &Remote, output: Output) -> Outcome<()> {
    let views = topology::topology(&operator::cluster(remote)).await?.nodes;
    output.show(&views, |out| {
        let mut table =
            Table::new(&["node", "address", "roles", "standing", "state", "heard", "zone/rack/host", "s3"]);
        for view in &views {
            table.row(vec![
                format!("n{}", view.id),
                view.address.clone(),
                view.roles.join(","),
                view.standing.clone(),
                view.liveness.clone(),
                format!("{} ago", span_ms(view.silent_ms)),
                format!("{}/{}/{}", view.zone, view.rack, view.host),
                view.s3_address.clone(),
            ]);
        }
        table.write(out)
    })
}
