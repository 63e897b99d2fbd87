//! `holdfast admin scrub`: how far the checking of what lies on disks is and what it found; and a round now.

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::time::{SystemTime, UNIX_EPOCH};

use clap::{Args, Subcommand};
use holdfast_proto::admin::{ScrubDisk, ScrubReply, ScrubRequest};
use holdfast_proto::cluster::{ScrubReport, ScrubRound, ScrubState};
use holdfast_proto::map::{Liveness, Standing};
use holdfast_proto::method::Scrubs;
use holdfast_proto::op::{DiskRef, Op, OrderScrub};
use serde::Serialize;

use super::liveness_name;
use crate::failure::{Doing, Exit, Failure, Outcome};
use crate::output::{Output, Table, size, span_ms, time_ns};
use crate::remote::Remote;

/// Disks in one order: what the metadata takes at once.
const PER_ORDER: usize = 1000;

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
    liveness: &'static str,
    /// `running`, `waiting`, `off`, or `unknown` when its node has told nothing yet.
    state: &'static str,
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
    let mut reply = remote.ask_leader::<Scrubs>(&ScrubRequest { history: args.history }).await?;
    if !args.disks.is_empty() {
        let named: Vec<u32> = args.disks.iter().copied().collect::<BTreeSet<_>>().into_iter().collect();
        for disk in &named {
            known(&reply, *disk)?;
        }
        reply.disks.retain(|disk| named.contains(&disk.disk));
    }
    let time = unix_now();
    let views: Vec<View> = reply.disks.iter().map(|disk| view(disk, args.history, time)).collect();
    output.show(&views, |out| human(&views, out))
}

fn known(reply: &ScrubReply, disk: u32) -> Outcome<&ScrubDisk> {
    let found = reply.disks.iter().find(|known| known.disk == disk);
    found.ok_or_else(|| {
        Failure::not_found(format!("there is no disk d{disk}; `holdfast admin disks` lists them"))
    })
}

fn unix_now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

fn view(disk: &ScrubDisk, history: bool, time: u64) -> View {
    let said = disk.report.is_some();
    let report = disk.report.clone().unwrap_or_default();
    let round = report.round.filter(|_| said);
    let done = round.map(|round| match round.to_do {
        0 => 1.0,
        all => (round.bytes as f64 / all as f64).min(1.0),
    });
    let rounds: Vec<RoundView> = report.history.iter().map(|round| round_view(round, time)).collect();
    View {
        disk: disk.disk,
        node: disk.node,
        liveness: liveness_name(disk.liveness),
        state: if said { state_name(&report) } else { "unknown" },
        order_waits: said && disk.ordered != 0 && report.order != disk.ordered,
        cap_bytes_per_second: report.cap,
        bytes_per_second: report.rate,
        period_seconds: report.period_s,
        next_due: (said && report.cap > 0).then(|| unix(report.due)),
        done_percent: done.map(|done| (done * 1000.0).round() / 10.0),
        eta_seconds: eta(&report),
        round: round.map(|round| round_view(&round, time)),
        last: report.history.last().map(|round| round_view(round, time)),
        open: report.open,
        history: history.then_some(rounds),
        due_in_ms: report.due.saturating_sub(time).saturating_mul(1000),
    }
}

fn state_name(report: &ScrubReport) -> &'static str {
    match report.state() {
        ScrubState::Waiting => "waiting",
        ScrubState::Running => "running",
        ScrubState::Off => "off",
    }
}

/// Seconds left of the round under way, by what was read lately, or may be read when that is not known yet.
fn eta(report: &ScrubReport) -> Option<u64> {
    let round = report.round.filter(|_| report.state() == ScrubState::Running)?;
    let rate = if report.rate > 0 { report.rate } else { report.cap };
    round.to_do.saturating_sub(round.bytes).checked_div(rate)
}

fn unix(seconds: u64) -> String {
    time_ns(i64::try_from(seconds).unwrap_or(0).saturating_mul(1_000_000_000))
}

fn round_view(round: &ScrubRound, time: u64) -> RoundView {
    let until = if round.ended == 0 { time } else { round.ended };
    RoundView {
        number: round.number,
        cause: if round.order == 0 { "due" } else { "ordered" },
        began: unix(round.began),
        ended: (round.ended != 0).then(|| unix(round.ended)),
        took_seconds: until.saturating_sub(round.began),
        bytes_to_do: round.to_do,
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
        let next = match (view.state, &view.round) {
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
            view.last.as_ref().and_then(|last| last.ended.clone()).unwrap_or_else(none),
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
    let away = ["down", "failed"].contains(&view.liveness);
    let mut words = if away { view.liveness.to_owned() } else { view.state.to_owned() };
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
                round.began.clone(),
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

#[derive(Serialize)]
struct PassedOver {
    disk: u32,
    reason: String,
}

async fn now(remote: &Remote, args: &NowArgs, output: Output) -> Outcome<()> {
    let reply = remote.ask_leader::<Scrubs>(&ScrubRequest { history: false }).await?;
    let named = named(&reply, args)?;
    let mut ordered = Ordered { disks: Vec::new(), passed_over: Vec::new() };
    let mut disks = Vec::new();
    for disk in &reply.disks {
        if named.as_ref().is_some_and(|named| !named.contains(&disk.disk)) {
            continue;
        }
        match (hindrance(disk), &named) {
            (None, _) => {
                ordered.disks.push(disk.disk);
                disks.push(DiskRef { disk: disk.disk, incarnation: disk.incarnation });
            }
            (Some(why), Some(_)) => {
                return Err(Failure::refused(format!("scrub disk d{}: {why}", disk.disk)));
            }
            (Some(reason), None) => ordered.passed_over.push(PassedOver { disk: disk.disk, reason }),
        }
    }
    for part in disks.chunks(PER_ORDER) {
        let op = OrderScrub { disks: part.to_vec() };
        remote.mutate(Op::OrderScrub(op)).await.doing("order a scrub")?;
    }
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

/// The disks that were named, by themselves or with their nodes; `None`: all.
fn named(reply: &ScrubReply, args: &NowArgs) -> Outcome<Option<BTreeSet<u32>>> {
    if args.disks.is_empty() && args.nodes.is_empty() {
        return Ok(None);
    }
    let mut named = BTreeSet::new();
    for disk in &args.disks {
        named.insert(known(reply, *disk)?.disk);
    }
    for node in &args.nodes {
        let of_node: Vec<u32> = reply.disks.iter().filter(|d| d.node == *node).map(|d| d.disk).collect();
        if of_node.is_empty() {
            return Err(Failure::not_found(format!("there is no disk on a node n{node}")));
        }
        named.extend(of_node);
    }
    Ok(Some(named))
}

/// Why a disk cannot be scrubbed now.
fn hindrance(disk: &ScrubDisk) -> Option<String> {
    match (disk.liveness(), disk.standing()) {
        (_, Standing::Out | Standing::Removed) => {
            Some("it is given up, and its data is rebuilt elsewhere".to_owned())
        }
        (Liveness::Failed, _) => Some("it has failed; replace it".to_owned()),
        (Liveness::Down, _) => {
            Some(format!("it is lost for now: node n{} or the disk does not answer", disk.node))
        }
        (Liveness::Alive | Liveness::Suspect | Liveness::Full, _) => {
            let off = disk.report.as_ref().is_some_and(|report| report.state() == ScrubState::Off);
            off.then(|| {
                "it may read nothing: scrub_bytes_per_second, or chunk.scrub_rate of its node, is 0"
                    .to_owned()
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn disk(state: ScrubState) -> ScrubDisk {
        let round =
            ScrubRound { number: 3, order: 9, began: 100, to_do: 4000, bytes: 1000, ..ScrubRound::default() };
        let report = ScrubReport {
            state: state as i32,
            round: Some(round),
            cap: 500,
            order: 9,
            due: 5000,
            open: 2,
            history: vec![ScrubRound { number: 2, ended: 90, damaged: 2, ..ScrubRound::default() }],
            ..ScrubReport::default()
        };
        ScrubDisk { disk: 4, node: 2, ordered: 9, report: Some(report), ..ScrubDisk::default() }
    }

    #[test]
    fn a_round_under_way_shows_how_far_it_is() {
        let view = view(&disk(ScrubState::Running), false, 160);
        assert_eq!((view.done_percent, view.eta_seconds), (Some(25.0), Some(6)), "by the cap at first");
        assert_eq!(view.round.as_ref().map(|round| round.took_seconds), Some(60));
        assert_eq!(state_words(&view), "running, ordered");
        assert!(view.history.is_none());
        let waits = ScrubDisk { ordered: 12, ..disk(ScrubState::Running) };
        assert_eq!(state_words(&super::view(&waits, true, 160)), "running, ordered, an order waits");
        assert_eq!(eta(&disk(ScrubState::Off).report.unwrap()), None, "it rests");
    }

    #[test]
    fn disks_that_cannot_be_scrubbed_are_named_with_the_reason() {
        assert_eq!(hindrance(&disk(ScrubState::Waiting)), None);
        assert!(hindrance(&disk(ScrubState::Off)).unwrap().contains("scrub_bytes_per_second"));
        let seen = |liveness: Liveness| {
            hindrance(&ScrubDisk { liveness: liveness as i32, ..disk(ScrubState::Waiting) })
        };
        assert!(seen(Liveness::Failed).unwrap().contains("failed"));
        assert!(seen(Liveness::Down).unwrap().contains("lost"));
        assert_eq!(seen(Liveness::Full), None);
        let out = ScrubDisk { standing: Standing::Out as i32, ..disk(ScrubState::Waiting) };
        assert!(hindrance(&out).unwrap().contains("given up"));
        let silent = ScrubDisk { report: None, ..disk(ScrubState::Waiting) };
        assert_eq!(state_words(&view(&silent, false, 1)), "unknown", "what it has taken up is not known");
    }

    #[test]
    fn disks_and_nodes_are_named_with_or_without_their_letter() {
        assert_eq!((disk_number("d3"), disk_number("3")), (Ok(3), Ok(3)));
        assert!(disk_number("n3").is_err() && node_number("d3").is_err());
        let reply = ScrubReply { disks: vec![disk(ScrubState::Waiting)] };
        let args = |disks: &[u32], nodes: &[u64]| NowArgs { disks: disks.to_vec(), nodes: nodes.to_vec() };
        assert_eq!(named(&reply, &args(&[], &[])).unwrap(), None);
        assert_eq!(named(&reply, &args(&[4], &[2])).unwrap(), Some(BTreeSet::from([4])));
        assert_eq!(named(&reply, &args(&[5], &[])).unwrap_err().exit, Exit::NotFound);
        assert_eq!(named(&reply, &args(&[], &[7])).unwrap_err().exit, Exit::NotFound);
    }
}
