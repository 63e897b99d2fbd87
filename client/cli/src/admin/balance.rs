//! `holdfast admin balance`: evens out how full disks are; shows beforehand what would be moved, and what comes of it.

use std::io::{self, Write};

use clap::{Args, Subcommand};
use holdfast_admin::balance::{self, Balance, BalancePlan};
use holdfast_proto::op::BalanceAction;
use holdfast_support::config::Size;
use serde::Serialize;

use super::operator;
use crate::failure::{Doing, Outcome};
use crate::output::{Output, Table, moment, size, span_ms};
use crate::remote::Remote;

/// Columns of the bars.
const BAR: usize = 30;
/// Moves shown to people.
const SHOWN: usize = 20;

#[derive(Args, Debug)]
pub(crate) struct BalanceArgs {
    #[command(subcommand)]
    command: Option<BalanceCommand>,
}

#[derive(Subcommand, Clone, Copy, Debug)]
enum BalanceCommand {
    /// What it is at; the default
    Status,
    /// What would be moved, why, how much, and how full disks would be then; moves nothing
    Plan,
    /// Begin
    Start,
    /// Let it rest: nothing is begun, and what was begun is not filled
    Pause,
    /// Go on
    Resume,
    /// End it; moves that are not done are given up
    Cancel,
    /// Limit what it writes per disk and second, such as 50MiB; 0: no limit of its own
    Throttle {
        /// Bytes per second
        rate: Size,
    },
}

#[derive(Serialize)]
struct View {
    #[serde(flatten)]
    balance: Balance,
    #[serde(skip_serializing_if = "Option::is_none")]
    plan: Option<BalancePlan>,
}

pub(super) async fn run(remote: &Remote, args: &BalanceArgs, output: Output) -> Outcome<()> {
    let cluster = operator::cluster(remote);
    let command = args.command.unwrap_or(BalanceCommand::Status);
    let action = match command {
        BalanceCommand::Status | BalanceCommand::Plan => {
            let plan = match command {
                BalanceCommand::Plan => Some(balance::plan(&cluster).await?),
                _ => None,
            };
            let view = View { balance: balance::status(&cluster).await?, plan };
            return output.show(&view, |out| human(&view.balance, view.plan.as_ref(), out));
        }
        BalanceCommand::Throttle { rate } => {
            return balance::throttle(&cluster, rate.0).await.doing("throttle balancing");
        }
        BalanceCommand::Start => BalanceAction::Start,
        BalanceCommand::Pause => BalanceAction::Pause,
        BalanceCommand::Resume => BalanceAction::Resume,
        BalanceCommand::Cancel => BalanceAction::Cancel,
    };
    balance::steer(&cluster, action).await.doing("steer balancing")
}

fn human(view: &Balance, plan: Option<&BalancePlan>, out: &mut dyn Write) -> io::Result<()> {
    let by = if view.automatic { "by itself" } else { "by an administrator" };
    match (&view.began, view.state.as_str()) {
        (None, _) => writeln!(out, "Balancing:  never run")?,
        (Some(began), "idle") => {
            writeln!(out, "Balancing:  idle; the last run began {} {by}", moment(began))?
        }
        (Some(began), state) => writeln!(out, "Balancing:  {state}, since {}, begun {by}", moment(began))?,
    }
    if view.began.is_some() {
        writeln!(
            out,
            "Done:       {} moves, {} of {} planned",
            view.moves_done,
            size(view.bytes_done),
            size(view.planned_bytes)
        )?;
    }
    if !view.outcome.message.is_empty() {
        writeln!(out, "Outcome:    {}", view.outcome)?;
    }
    if view.state != "idle" {
        let eta = view.eta_seconds.map_or_else(String::new, |s| format!(", about {}", span_ms(s * 1000)));
        writeln!(
            out,
            "To do:      {} moves under way, {} left at {}/s{eta}",
            view.moves_under_way,
            size(view.bytes_left),
            size(view.rate)
        )?;
    }
    if !view.measured {
        writeln!(out, "How much lies in each group is still being counted; plans are not complete yet.")?;
    }
    match plan {
        Some(plan) => human_plan(plan, out),
        None => Ok(()),
    }
}

fn human_plan(plan: &BalancePlan, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out)?;
    if plan.moves_total == 0 {
        writeln!(out, "Nothing to move: disks are about equally full, or nothing can move without harm.")?;
    } else {
        writeln!(
            out,
            "{} moves, {} (at least {} if any byte could go anywhere){}",
            plan.moves_total,
            size(plan.bytes),
            size(plan.least_bytes),
            if plan.cut_short { "; more would follow" } else { "" }
        )?;
        let mut table = Table::new(&["group", "from", "to", ">bytes", ""]);
        for m in plan.moves.iter().take(SHOWN) {
            table.row(vec![
                format!("pg{}", m.group),
                format!("d{}", m.from),
                format!("d{}", m.to),
                size(m.bytes),
                if m.under_way { "under way".into() } else { String::new() },
            ]);
        }
        table.write(out)?;
        if plan.moves_total > SHOWN as u64 {
            writeln!(out, "… and {} more", plan.moves_total - SHOWN as u64)?;
        }
    }
    writeln!(out)?;
    let mut table = Table::new(&["disk", ">before", "", ">after", "", ">peak", ">cap"]);
    for disk in &plan.disks {
        table.row(vec![
            format!("d{}", disk.disk),
            format!("{:.1} %", disk.full_before * 100.0),
            bar(disk.full_before),
            format!("{:.1} %", disk.full_after * 100.0),
            bar(disk.full_after),
            size(disk.peak_bytes),
            size(disk.cap_bytes),
        ]);
    }
    table.write(out)?;
    // Proven for every disk by the planner; said here from the figures themselves.
    let over: Vec<String> =
        plan.disks.iter().filter(|d| d.peak_bytes > d.cap_bytes).map(|d| format!("d{}", d.disk)).collect();
    if over.is_empty() {
        writeln!(out, "\nNo disk passes its cap on the way.")
    } else {
        writeln!(out, "\nAbove their caps already, and given nothing: {}", over.join(", "))
    }
}

fn bar(full: f64) -> String {
    let filled = (full.clamp(0.0, 1.0) * BAR as f64).round() as usize;
    format!("{}{}", "#".repeat(filled), ".".repeat(BAR - filled))
}
