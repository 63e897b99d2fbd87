//! `holdfast admin disks`: what keeps the data; weight and standing of one.

use clap::{Args, Subcommand};
use holdfast_admin::procedures::Terms;
use holdfast_admin::topology::{self, DiskChange};
use holdfast_proto::admin::ProcedureAction;

use super::drains::{self, What};
use super::{StandingArg, operator};
use crate::failure::{Doing, Failure, Outcome};
use crate::output::{Output, Table, size};
use crate::remote::Remote;

#[derive(Args, Debug)]
pub(crate) struct DisksArgs {
    #[command(subcommand)]
    command: Option<DisksCommand>,
}

#[derive(Subcommand, Debug)]
enum DisksCommand {
    /// Change weight or standing, whatever comes of it; drain, undrain and replace look first
    Set {
        /// The disk's number
        id: u32,
        /// How it takes part
        #[arg(long)]
        standing: Option<StandingArg>,
        /// Share of new data relative to its capacity; 1.0 is normal
        #[arg(long)]
        weight: Option<f64>,
    },
    /// Empty a disk: it keeps serving and gets nothing new; refused when its data would find no other place
    Drain {
        /// The disk's number
        id: u32,
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
    /// End a drain or replacement: the disk takes part again
    Undrain {
        /// The disk's number
        id: u32,
    },
    /// A disk is lost for good: an empty directory in its place takes its number, and is filled
    Replace {
        /// The disk's number
        id: u32,
        /// Although data may be lost with it
        #[arg(long)]
        force: bool,
        /// Only say what would be
        #[arg(long)]
        check: bool,
    },
    /// Forget a disk for good, after a proof that nothing is left on it; drain it first
    Remove {
        /// The disk's number
        id: u32,
        /// Only look whether it could be
        #[arg(long)]
        check: bool,
    },
}

pub(super) async fn run(remote: &Remote, args: &DisksArgs, output: Output) -> Outcome<()> {
    match &args.command {
        None => list(remote, output).await,
        Some(DisksCommand::Set { id, standing, weight }) => {
            if standing.is_none() && weight.is_none() {
                return Err(Failure::usage("nothing to change: give --standing or --weight"));
            }
            let change = DiskChange { weight: *weight, standing: standing.map(StandingArg::name) };
            let cluster = operator::cluster(remote);
            topology::change_of_disk(&cluster, *id, &change).await.doing(format_args!("change disk d{id}"))
        }
        Some(DisksCommand::Drain { id, force, check, watch }) => {
            let (what, terms) =
                (What::Disk(*id), Terms { force: *force, preview: *check, ..Terms::default() });
            drains::order(remote, ProcedureAction::Drain, what, terms, output, "is being emptied").await?;
            if *watch && !*check { drains::watch_one(remote, output, what).await } else { Ok(()) }
        }
        Some(DisksCommand::Undrain { id }) => {
            let (what, terms) = (What::Disk(*id), Terms::default());
            drains::order(remote, ProcedureAction::Resume, what, terms, output, "takes part again").await
        }
        Some(DisksCommand::Replace { id, force, check }) => {
            let (what, terms) =
                (What::Disk(*id), Terms { force: *force, preview: *check, ..Terms::default() });
            let done = "is given up as lost; an empty directory in its place takes its number";
            drains::order(remote, ProcedureAction::Replace, what, terms, output, done).await
        }
        Some(DisksCommand::Remove { id, check }) => {
            let (what, terms) = (What::Disk(*id), Terms { preview: *check, ..Terms::default() });
            drains::order(remote, ProcedureAction::Remove, what, terms, output, "is removed").await
        }
    }
}

async fn list(remote: &Remote, output: Output) -> Outcome<()> {
    let views = topology::topology(&operator::cluster(remote)).await?.disks;
    output.show(&views, |out| {
        let mut table = Table::new(&[
            "disk",
            "node",
            "standing",
            "state",
            "condition",
            ">weight",
            ">capacity",
            ">used",
            ">free",
            ">groups",
            ">records",
            ">commit",
            "path",
        ]);
        for view in &views {
            let condition = match view.reason.as_str() {
                "" => view.condition.clone(),
                reason => format!("{}: {reason}", view.condition),
            };
            table.row(vec![
                format!("d{}", view.id),
                format!("n{}", view.node),
                view.standing.clone(),
                view.liveness.clone(),
                condition,
                format!("{:.2}", view.weight),
                size(view.capacity_bytes),
                size(view.used_bytes),
                size(view.free_bytes),
                view.groups.to_string(),
                view.records.to_string(),
                format!("{:.1}ms", view.commit_us as f64 / 1000.0),
                view.path.clone(),
            ]);
        }
        table.write(out)
    })
}
