//! `holdfast admin scrub`: how far the checking of what lies on disks is and what it found; and a round now.

use std::io::{self, Write};

use clap::{Args, Subcommand};
use holdfast_admin::scrub::{self, PassedOver, Round, ScrubView};
use serde::Serialize;

use super::operator;
use crate::failure::{Exit, Failure, Outcome};
use crate::output::{Output, Table, moment, size, span_ms};
use crate::remote::Remote;

const AFTER: &str = "\
The cluster settings scrub_bytes_per_second and scrub_period_seconds (`holdfast admin set`) limit what is read of each \
disk and say how often; while they are `node`, chunk.scrub_rate and chunk.scrub_period of each node's configuration \
count.";

#[derive(Args, Debug)]
#[command(after_help = AFTER)]
pub(crate) struct ScrubArgs {
    #[command(subcommand)]
    command: Option<ScrubCommand>,
}

#[derive(Subcommand, Debug)]
enum ScrubCommand {
    /// How far it is on each disk and what it found; the default
    Status(StatusArgs),
    /// Begin a round at once, on all disks unless some are named
    ///
    /// A round that was merely due is cut short by it; after one that was ordered, another one follows. A disk whose node
    /// restarts meanwhile goes on where it was.
    Now(NowArgs),
}

#[derive(Args, Debug, Default)]
struct StatusArgs {
    /// Only this disk, such as d3; may be given several times
    #[arg(long = "disk", value_name = "DISK", value_parser = disk_number)]
    disks: Vec<u32>,
    /// Also the last rounds, at most 16 of each disk
    #[arg(long)]
    history: bool,
}

#[derive(Args, Debug)]
struct NowArgs {
    /// A disk, such as d3; may be given several times
    #[arg(long = "disk", value_name = "DISK", value_parser = disk_number)]
    disks: Vec<u32>,
    /// All disks of a node, such as n2; may be given several times
    #[arg(long = "node", value_name = "NODE", value_parser = node_number)]
    nodes: Vec<u64>,
}

fn disk_number(text: &str) -> Result<u32, String> {
    let digits = text.strip_prefix('d').unwrap_or(text);
    digits.parse().map_err(|_| "a disk is named like d3".to_owned())
}

fn node_number(text: &str) -> Result<u64, String> {
    let digits = text.strip_prefix('n').unwrap_or(text);
    digits.parse().map_err(|_| "a node is named like n2".to_owned())
}

#[derive(Serialize)]
struct View {
    disk: u32,
    node: u64,
    liveness: String,
    /// `running`, `waiting`, `off`, or `unknown` when its node has told nothing yet.
    state: String,
    /// An order waits to be taken up.
    order_waits: bool,
    cap_bytes_per_second: u64,
    bytes_per_second: u64,
    period_seconds: u64,
    next_due: Option<String>,
    done_percent: Option<f64>,
    eta_seconds: Option<u64>,
    round: Option<RoundView>,
    last: Option<RoundView>,
    /// Damaged records that were found and are neither mended nor deleted yet.
    open: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    history: Option<Vec<RoundView>>,
    #[serde(skip)]
    due_in_ms: u64,
}

#[derive(Serialize)]
struct RoundView {
    number: u64,
    cause: &'static str,
    began: String,
    ended: Option<String>,
    took_seconds: u64,
    bytes_to_do: u64,
    bytes: u64,
    chunks: u64,
    found: u64,
    mended: u64,
    deleted: u64,
    cut_short: bool,
}

pub(super) async fn run(remote: &Remote, args: ScrubArgs, output: Output) -> Outcome<()> {
    match args.command.unwrap_or(ScrubCommand::Status(StatusArgs::default())) {
        ScrubCommand::Status(args) => status(remote, &args, output).await,
        ScrubCommand::Now(args) => now(remote, &args, output).await,
    }
}

async fn status(remote: &Remote, args: &StatusArgs, output: Output) -> Outcome<()> {
    let mut disks = scrub::status(&operator::cluster(remote)).await?.disks;
    if !args.disks.is_empty() {
        if let Some(none) = args.disks.iter().find(|named| disks.iter().all(|known| known.disk != **named)) {
            let what = format!("there is no disk d{none}; `holdfast admin disks` lists them");
            return Err(Failure::not_found(what));
        }
        disks.retain(|disk| args.disks.contains(&disk.disk));
    }
    let views: Vec<View> = disks.into_iter().map(|disk| view(disk, args.history)).collect();
    output.show(&views, |out| human(&views, out))
}

/// The same by the names that this command has always used; rounds oldest first.
fn view(disk: ScrubView, history: bool) -> View {
    View {
        disk: disk.disk,
        node: disk.node,
        liveness: disk.liveness,
        state: disk.state,
        order_waits: disk.order_waits,
        cap_bytes_per_second: disk.cap,
        bytes_per_second: disk.rate,
        period_seconds: disk.period_seconds,
        next_due: disk.due,
        done_percent: disk.done_percent,
        eta_seconds: disk.eta_seconds,
        round: disk.round.map(round_view),
        last: disk.last.map(round_view),
        open: disk.open,
        history: history.then(|| disk.history.into_iter().rev().map(round_view).collect()),
        due_in_ms: disk.due_in_ms,
    }
}

fn round_view(round: Round) -> RoundView {
    RoundView {
        number: round.number,
        cause: if round.ordered { "ordered" } else { "due" },
        began: round.began,
        ended: round.ended,
        took_seconds: round.took_seconds,
        bytes_to_do: round.to_do_bytes,
        bytes: round.bytes,
        chunks: round.chunks,
        found: round.damaged,
        mended: round.mended,
        deleted: round.gone,
        cut_short: round.cut_short,
    }
}

fn human(views: &[View], out: &mut dyn Write) -> io::Result<()> {
    let mut table = Table::new(&[
        "disk",
        "node",
        "state",
        ">done",
        ">rate",
        ">cap",
        ">left",
        "last round ended",
        ">next",
        ">found",
        ">mended",
        ">open",
    ]);
    let none = || "-".to_owned();
    for view in views {
        // What the round under way found, or else the last one.
        let latest = view.round.as_ref().or(view.last.as_ref());
        let next = match (view.state.as_str(), &view.round) {
            ("waiting", None) => span_ms(view.due_in_ms),
            _ => none(),
        };
        table.row(vec![
            format!("d{}", view.disk),
            format!("n{}", view.node),
            state_words(view),
            view.done_percent.map_or_else(none, |done| format!("{done:.1} %")),
            if view.state == "running" { format!("{}/s", size(view.bytes_per_second)) } else { none() },
            if view.state == "unknown" { none() } else { format!("{}/s", size(view.cap_bytes_per_second)) },
            view.eta_seconds.map_or_else(none, |seconds| span_ms(seconds * 1000)),
            view.last.as_ref().and_then(|last| last.ended.as_deref().map(moment)).unwrap_or_else(none),
            next,
            latest.map_or_else(none, |round| round.found.to_string()),
            latest.map_or_else(none, |round| round.mended.to_string()),
            view.open.to_string(),
        ]);
    }
    table.write(out)?;
    if views.iter().any(|view| view.history.is_some()) {
        writeln!(out)?;
        human_history(views, out)?;
    }
    Ok(())
}

/// `running, ordered`, `waiting, an order waits`, `down`.
fn state_words(view: &View) -> String {
    let away = ["down", "failed"].contains(&view.liveness.as_str());
    let mut words = if away { view.liveness.clone() } else { view.state.clone() };
    if view.round.as_ref().is_some_and(|round| round.cause == "ordered") {
        words.push_str(", ordered");
    }
    if view.order_waits {
        words.push_str(", an order waits");
    }
    words
}

fn human_history(views: &[View], out: &mut dyn Write) -> io::Result<()> {
    let mut table = Table::new(&[
        "disk", ">round", "cause", "began", ">took", ">read", ">chunks", ">found", ">mended", ">deleted", "",
    ]);
    for view in views {
        for round in view.history.iter().flatten().chain(&view.round) {
            let ended = if round.ended.is_none() { "under way" } else { "" };
            table.row(vec![
                format!("d{}", view.disk),
                round.number.to_string(),
                round.cause.to_owned(),
                moment(&round.began),
                span_ms(round.took_seconds * 1000),
                size(round.bytes),
                round.chunks.to_string(),
                round.found.to_string(),
                round.mended.to_string(),
                round.deleted.to_string(),
                if round.cut_short { "cut short by an order".to_owned() } else { ended.to_owned() },
            ]);
        }
    }
    table.write(out)
}

#[derive(Serialize)]
struct Ordered {
    /// Disks on which a round begins.
    disks: Vec<u32>,
    /// Disks that were passed over, with the reason.
    passed_over: Vec<PassedOver>,
}

async fn now(remote: &Remote, args: &NowArgs, output: Output) -> Outcome<()> {
    let started = scrub::start(&operator::cluster(remote), &args.disks, &args.nodes).await?;
    let ordered = Ordered { disks: started.ordered, passed_over: started.passed_over };
    output.show(&ordered, |out| {
        let names: Vec<String> = ordered.disks.iter().map(|disk| format!("d{disk}")).collect();
        match names.is_empty() {
            true => writeln!(out, "No round begins."),
            false => writeln!(out, "A round begins on {}.", names.join(", ")),
        }
    })?;
    let left = &ordered.passed_over;
    if left.is_empty() {
        return Ok(());
    }
    let words: Vec<String> = left.iter().map(|left| format!("d{}: {}", left.disk, left.reason)).collect();
    let exit = if ordered.disks.is_empty() { Exit::Refused } else { Exit::Partial };
    Err(Failure::new(exit, format!("not scrubbed: {}", words.join("; "))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_is_told_in_words() {
        let json = serde_json::json!({
            "disk": 4, "node": 2, "liveness": "alive", "state": "running", "order_waits": false, "due": null,
            "due_in_ms": 0, "period_seconds": 0, "done_percent": 25.0, "eta_seconds": 6, "rate": 0, "cap": 500,
            "open": 2, "last": null, "history": [],
            "round": {
                "number": 3, "ordered": true, "began": "2026-11-23T16:00:00.000Z", "ended": null, "took_seconds": 60,
                "to_do_bytes": 4000, "bytes": 1000, "chunks": 0, "damaged": 0, "mended": 0, "gone": 0,
                "cut_short": false
            }
        });
        let disk: ScrubView = serde_json::from_value(json).unwrap();
        assert_eq!(state_words(&view(disk.clone(), false)), "running, ordered");
        assert!(view(disk.clone(), false).history.is_none());
        let waits = ScrubView { order_waits: true, ..disk.clone() };
        assert_eq!(state_words(&view(waits, true)), "running, ordered, an order waits");
        let away = ScrubView { liveness: "down".into(), round: None, ..disk };
        assert_eq!(state_words(&view(away, false)), "down");
    }

    #[test]
    fn disks_and_nodes_are_named_with_or_without_their_letter() {
        assert_eq!((disk_number("d3"), disk_number("3")), (Ok(3), Ok(3)));
        assert!(disk_number("n3").is_err() && node_number("d3").is_err());
    }
}
