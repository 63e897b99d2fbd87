//! `holdfast admin disks`: what keeps the data; weight and standing of one.

use clap::{Args, Subcommand};
use holdfast_proto::admin::ProcedureAction;
use holdfast_proto::cluster::DiskCondition;
use holdfast_proto::map::Pg;
use holdfast_proto::op::{Op, SetDisk};
use serde::Serialize;

use super::drains::{self, Order};
use super::{StandingArg, liveness_name, standing_name};
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

#[derive(Serialize)]
struct View {
    id: u32,
    incarnation: u64,
    node: u64,
    path: String,
    standing: &'static str,
    liveness: &'static str,
    condition: &'static str,
    reason: String,
    weight: f64,
    capacity_bytes: u64,
    used_bytes: u64,
    free_bytes: u64,
    garbage_bytes: u64,
    /// Groups that have it as a member. None left: a drained disk may be removed.
    groups: usize,
    records: u64,
    commit_us: u64,
}

pub(super) async fn run(remote: &Remote, args: &DisksArgs, output: Output) -> Outcome<()> {
    match &args.command {
        None => list(remote, output).await,
        Some(DisksCommand::Set { id, standing, weight }) => {
            if standing.is_none() && weight.is_none() {
                return Err(Failure::usage("nothing to change: give --standing or --weight"));
            }
            let weight = weight.map(thousandths).transpose()?;
            let op = SetDisk {
                id: *id,
                standing: standing.map(StandingArg::number),
                weight,
                ..SetDisk::default()
            };
            remote.mutate(Op::SetDisk(op)).await.doing(format_args!("change disk d{id}"))?;
            Ok(())
        }
        Some(DisksCommand::Drain { id, force, check, watch }) => {
            let order = Order { disk: *id, force: *force, only_judge: *check, ..Order::default() };
            drains::order(remote, ProcedureAction::Drain, order, output, "is being emptied").await?;
            if *watch && !*check { drains::watch_one(remote, output, *id, 0).await } else { Ok(()) }
        }
        Some(DisksCommand::Undrain { id }) => {
            let order = Order { disk: *id, ..Order::default() };
            drains::order(remote, ProcedureAction::Resume, order, output, "takes part again").await
        }
        Some(DisksCommand::Replace { id, force, check }) => {
            let order = Order { disk: *id, force: *force, only_judge: *check, ..Order::default() };
            let done = "is given up as lost; an empty directory in its place takes its number";
            drains::order(remote, ProcedureAction::Replace, order, output, done).await
        }
        Some(DisksCommand::Remove { id, check }) => {
            let order = Order { disk: *id, only_judge: *check, ..Order::default() };
            drains::order(remote, ProcedureAction::Remove, order, output, "is removed").await
        }
    }
}

fn thousandths(weight: f64) -> Outcome<u32> {
    if !(0.0..=1000.0).contains(&weight) {
        return Err(Failure::usage("a weight lies between 0 and 1000"));
    }
    Ok((weight * 1000.0).round() as u32)
}

fn condition_name(number: i32) -> &'static str {
    match DiskCondition::try_from(number) {
        Ok(DiskCondition::Good) => "good",
        Ok(DiskCondition::Failed) => "failed",
        Ok(DiskCondition::Full) => "full",
        Ok(DiskCondition::Recovering) => "recovering",
        Err(_) => "unknown",
    }
}

async fn list(remote: &Remote, output: Output) -> Outcome<()> {
    let map = super::whole_map(remote).await?;
    let status = super::condition(remote).await?;
    let has = |pg: &Pg, disk: u32| pg.members.iter().any(|member| member.disk == disk);
    let groups = |disk: u32| map.pgs.iter().filter(|pg| has(pg, disk)).count();
    let views: Vec<View> = map
        .disks
        .clone()
        .into_iter()
        .map(|disk| {
            let report = status.disks.iter().find(|r| r.disk.is_some_and(|d| d.disk == disk.id));
            let load = map.loads.iter().find(|l| l.disk == disk.id);
            View {
                id: disk.id,
                incarnation: disk.incarnation,
                node: disk.node,
                standing: standing_name(disk.standing),
                liveness: load.map_or("unknown", |l| liveness_name(l.liveness)),
                condition: report.map_or("unknown", |r| condition_name(r.condition)),
                reason: report.map(|r| r.reason.clone()).unwrap_or_default(),
                weight: f64::from(disk.weight) / 1000.0,
                capacity_bytes: disk.capacity,
                used_bytes: report.map_or(0, |r| r.used),
                free_bytes: report.map_or(0, |r| r.free),
                garbage_bytes: report.map_or(0, |r| r.garbage),
                groups: groups(disk.id),
                records: report.map_or(0, |r| r.records),
                commit_us: report.map_or(0, |r| r.commit_us),
                path: disk.path,
            }
        })
        .collect();
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
                "" => view.condition.to_owned(),
                reason => format!("{}: {reason}", view.condition),
            };
            table.row(vec![
                format!("d{}", view.id),
                format!("n{}", view.node),
                view.standing.to_owned(),
                view.liveness.to_owned(),
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
