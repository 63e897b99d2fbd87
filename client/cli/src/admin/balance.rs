//! `holdfast admin balance`: evens out how full disks are; shows beforehand what would be moved, and what comes of it.

use std::io::{self, Write};

use clap::{Args, Subcommand};
use holdfast_proto::admin::{BalanceLevel, BalancePlan, BalanceReply, BalanceRequest};
use holdfast_proto::method::Balancing;
use holdfast_proto::op::{BalanceAction, BalanceState, Op, PutSetting, SteerBalance};
use holdfast_support::config::Size;
use serde::Serialize;

use crate::failure::{Doing, Failure, Outcome};
use crate::output::{Output, Table, size, span_ms, time_ns};
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
    state: &'static str,
    number: u64,
    automatic: bool,
    began: Option<String>,
    changed: Option<String>,
    moves_done: u64,
    bytes_done: u64,
    planned_bytes: u64,
    moves_under_way: u64,
    bytes_left: u64,
    bytes_per_second: u64,
    eta_seconds: Option<u64>,
    outcome: String,
    measured: bool,
    plan: Option<PlanView>,
}

#[derive(Serialize)]
struct PlanView {
    moves: Vec<MoveView>,
    moves_total: u64,
    bytes: u64,
    least_bytes: u64,
    cut_short: bool,
    disks: Vec<DiskView>,
}

#[derive(Serialize)]
struct MoveView {
    group: u32,
    from: u32,
    to: u32,
    bytes: u64,
    under_way: bool,
}

#[derive(Serialize)]
struct DiskView {
    disk: u32,
    full_before: f64,
    full_after: f64,
    before_bytes: u64,
    after_bytes: u64,
    peak_bytes: u64,
    cap_bytes: u64,
}

pub(super) async fn run(remote: &Remote, args: &BalanceArgs, output: Output) -> Outcome<()> {
    let command = args.command.unwrap_or(BalanceCommand::Status);
    let action = match command {
        BalanceCommand::Status | BalanceCommand::Plan => {
            let plan = matches!(command, BalanceCommand::Plan);
            let reply = remote.ask_leader::<Balancing>(&BalanceRequest { plan }).await?;
            let view = view(&reply);
            return output.show(&view, |out| human(&view, out));
        }
        BalanceCommand::Throttle { rate } => {
            let op = PutSetting { name: "balance_bytes_per_second".into(), value: rate.0.to_string() };
            remote.mutate(Op::PutSetting(op)).await.doing("throttle balancing")?;
            return Ok(());
        }
        BalanceCommand::Start => BalanceAction::Start,
        BalanceCommand::Pause => BalanceAction::Pause,
        BalanceCommand::Resume => BalanceAction::Resume,
        BalanceCommand::Cancel => BalanceAction::Cancel,
    };
    let mut op = SteerBalance { action: action as i32, ..SteerBalance::default() };
    if action == BalanceAction::Start {
        let reply = remote.ask_leader::<Balancing>(&BalanceRequest { plan: true }).await?;
        if !reply.measured {
            let what = "how much lies in each group is still being counted; try again in a minute";
            return Err(Failure::refused(what));
        }
        op.planned_bytes = reply.plan.as_ref().map_or(0, |plan| plan.bytes);
    }
    remote.mutate(Op::SteerBalance(op)).await.doing("steer balancing")?;
    Ok(())
}

fn view(reply: &BalanceReply) -> View {
    let run = reply.run.clone().unwrap_or_default();
    let state = match run.state() {
        BalanceState::Idle => "idle",
        BalanceState::Running => "running",
        BalanceState::Paused => "paused",
        BalanceState::Cancelling => "cancelling",
    };
    let runs = run.state() == BalanceState::Running;
    let time = |ns: i64| (run.number != 0).then(|| time_ns(ns));
    View {
        state,
        number: run.number,
        automatic: run.automatic,
        began: time(run.began_ns),
        changed: time(run.changed_ns),
        moves_done: run.moves,
        bytes_done: run.bytes,
        planned_bytes: run.planned_bytes,
        moves_under_way: reply.under_way,
        bytes_left: reply.left,
        bytes_per_second: reply.rate,
        eta_seconds: (runs && reply.rate > 0).then(|| reply.left / reply.rate),
        outcome: run.outcome,
        measured: reply.measured,
        plan: reply.plan.as_ref().map(plan_view),
    }
}

fn plan_view(plan: &BalancePlan) -> PlanView {
    let part = |bytes: u64, level: &BalanceLevel| bytes as f64 / level.share.max(1) as f64;
    let disks = plan.disks.iter().map(|level| DiskView {
        disk: level.disk,
        full_before: part(level.before, level),
        full_after: part(level.after, level),
        before_bytes: level.before,
        after_bytes: level.after,
        peak_bytes: level.peak,
        cap_bytes: level.cap,
    });
    let moves = plan.moves.iter().map(|m| MoveView {
        group: m.pg,
        from: m.from,
        to: m.to,
        bytes: m.bytes,
        under_way: m.under_way,
    });
    PlanView {
        moves: moves.collect(),
        moves_total: plan.moves_total,
        bytes: plan.bytes,
        least_bytes: plan.least_bytes,
        cut_short: plan.cut_short,
        disks: disks.collect(),
    }
}

fn human(view: &View, out: &mut dyn Write) -> io::Result<()> {
    let by = if view.automatic { "by itself" } else { "by an administrator" };
    match (&view.began, view.state) {
        (None, _) => writeln!(out, "Balancing:  never run")?,
        (Some(began), "idle") => writeln!(out, "Balancing:  idle; the last run began {began} {by}")?,
        (Some(began), state) => writeln!(out, "Balancing:  {state}, since {began}, begun {by}")?,
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
    if !view.outcome.is_empty() {
        writeln!(out, "Outcome:    {}", view.outcome)?;
    }
    if view.state != "idle" {
        let eta = view.eta_seconds.map_or_else(String::new, |s| format!(", about {}", span_ms(s * 1000)));
        writeln!(
            out,
            "To do:      {} moves under way, {} left at {}/s{eta}",
            view.moves_under_way,
            size(view.bytes_left),
            size(view.bytes_per_second)
        )?;
    }
    if !view.measured {
        writeln!(out, "How much lies in each group is still being counted; plans are not complete yet.")?;
    }
    match &view.plan {
        Some(plan) => human_plan(plan, out),
        None => Ok(()),
    }
}

fn human_plan(plan: &PlanView, out: &mut dyn Write) -> io::Result<()> {
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
