//! `holdfast admin drains`: how far drains, maintenance and replacements are. What begins and ends them is in
//! [`super::disks`] and [`super::nodes`]; the words they share are here.

use std::io::{self, Write};
use std::time::Duration;

use clap::Args;
use holdfast_proto::admin::{
    HealthRequest, ProcedureAction, ProcedureReply, ProcedureRequest, ProcedureStatus, RemovalProof,
};
use holdfast_proto::map::ProcedureKind;
use holdfast_proto::method::{Health, Procedures};
use serde::Serialize;

use crate::failure::{Doing, Failure, Outcome};
use crate::output::{Output, Table, size, span_ms, time_ns};
use crate::remote::Remote;

/// Time between two looks of `--watch`.
const LOOK: Duration = Duration::from_secs(2);

/// Looks in a row at which nothing has moved, before it is called held up.
const STILL: u32 = 5;

#[derive(Args, Debug)]
pub(crate) struct DrainsArgs {
    /// Go on showing until nothing is under way, or what is left waits for somebody
    #[arg(long)]
    watch: bool,
}

/// A procedure as it is shown.
#[derive(Serialize, Clone)]
pub(super) struct ProcedureView {
    kind: &'static str,
    disk: Option<u32>,
    node: u64,
    began: String,
    groups_begun: u64,
    bytes_begun: u64,
    groups_left: u64,
    bytes_left: u64,
    bytes_per_second: u64,
    eta_seconds: Option<u64>,
    ends_in_seconds: Option<u64>,
    still_to_let_go: u64,
    blocked: Vec<String>,
    detail: String,
    done: bool,
}

/// One as it is shown.
pub(super) fn view(status: &ProcedureStatus) -> ProcedureView {
    ProcedureView {
        kind: match status.kind() {
            ProcedureKind::Drain => "drain",
            ProcedureKind::Maintenance => "maintenance",
            ProcedureKind::Replacement => "replacement",
        },
        disk: (status.disk != 0).then_some(status.disk),
        node: status.node,
        began: time_ns(status.began_ns),
        groups_begun: status.groups_begun,
        bytes_begun: status.bytes_begun,
        groups_left: status.groups_left,
        bytes_left: status.bytes_left,
        bytes_per_second: status.rate,
        eta_seconds: status.eta_s,
        ends_in_seconds: status.left_s,
        still_to_let_go: status.leaves,
        blocked: status.blocked.clone(),
        detail: status.detail.clone(),
        done: status.done,
    }
}

impl ProcedureView {
    fn is(&self, disk: u32, node: u64) -> bool {
        if disk == 0 { self.disk.is_none() && self.node == node } else { self.disk == Some(disk) }
    }
}

async fn all(remote: &Remote) -> Outcome<Vec<ProcedureView>> {
    let reply = remote.ask_leader::<Health>(&HealthRequest::default()).await?;
    Ok(reply.procedures.iter().map(view).collect())
}

pub(super) async fn run(remote: &Remote, args: &DrainsArgs, output: Output) -> Outcome<()> {
    if args.watch {
        return watch(remote, output, |_| true).await;
    }
    let views = all(remote).await?;
    output.show(&views, |out| match views.is_empty() {
        true => writeln!(out, "nothing is drained, in maintenance or being replaced"),
        false => table(&views, out),
    })
}

/// What is under way, as a table.
pub(super) fn table(views: &[ProcedureView], out: &mut dyn Write) -> io::Result<()> {
    let mut table = Table::new(&["what", "of", "since", ">groups", ">left", ">rate", "time left", "how far"]);
    for one in views {
        let time = match (one.ends_in_seconds, one.eta_seconds) {
            (Some(ends), _) => format!("ends in {}", span_ms(ends * 1000)),
            (None, Some(0)) => String::new(),
            (None, Some(eta)) => format!("about {}", span_ms(eta * 1000)),
            (None, None) => String::new(),
        };
        let mut far = one.detail.clone();
        for blocked in &one.blocked {
            far = format!("{far}; {blocked}");
        }
        table.row(vec![
            one.kind.to_owned(),
            one.disk.map_or_else(|| format!("n{}", one.node), |disk| format!("d{disk}")),
            one.began.clone(),
            format!("{} of {}", one.groups_left, one.groups_begun),
            size(one.bytes_left),
            format!("{}/s", size(one.bytes_per_second)),
            time,
            far,
        ]);
    }
    table.write(out)
}

/// Shows those that `mine` says yes to until none of them moves data any more. An error when what is left is held up.
async fn watch(remote: &Remote, output: Output, mine: impl Fn(&ProcedureView) -> bool) -> Outcome<()> {
    let mut out = io::stdout();
    let (mut last, mut still) = (Vec::new(), 0);
    loop {
        let views: Vec<ProcedureView> = all(remote).await?.into_iter().filter(&mine).collect();
        for one in &views {
            let target = one.disk.map_or_else(|| format!("n{}", one.node), |disk| format!("d{disk}"));
            let eta = one.eta_seconds.filter(|eta| *eta > 0);
            let eta = eta.map_or_else(String::new, |s| format!(", about {}", span_ms(s * 1000)));
            let blocked: String = one.blocked.iter().map(|why| format!("; {why}")).collect();
            let line = format!(
                "{} {target}: {} of {} groups, {} left at {}/s{eta}: {}{blocked}",
                one.kind,
                one.groups_left,
                one.groups_begun,
                size(one.bytes_left),
                size(one.bytes_per_second),
                one.detail
            );
            output.line(&mut out, one, &line)?;
        }
        out.flush()?;
        let moves = |one: &&ProcedureView| one.kind != "maintenance" && !one.done;
        let left: Vec<&ProcedureView> = views.iter().filter(moves).collect();
        if left.is_empty() {
            return Ok(());
        }
        // Only what somebody has to do something about ends the watching: it is said, and nothing has moved for a while.
        let now: Vec<(u64, u64)> = left.iter().map(|one| (one.groups_left, one.bytes_left)).collect();
        still = if now == last { still + 1 } else { 0 };
        last = now;
        if still >= STILL && left.iter().all(|one| !one.blocked.is_empty()) {
            let why: Vec<&str> = left.iter().flat_map(|one| one.blocked.iter().map(String::as_str)).collect();
            return Err(Failure::refused(format!("it is held up: {}", why.join("; "))));
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// Watches one disk or node.
pub(super) async fn watch_one(remote: &Remote, output: Output, disk: u32, node: u64) -> Outcome<()> {
    watch(remote, output, |one| one.is(disk, node)).await
}

/// What is to be done with a disk (or, if that is 0, a node).
#[derive(Clone, Copy, Default)]
pub(super) struct Order {
    pub(super) disk: u32,
    pub(super) node: u64,
    pub(super) force: bool,
    pub(super) window_s: u64,
    pub(super) only_judge: bool,
    /// What is to end, when something is.
    pub(super) ends: Option<ProcedureKind>,
}

#[derive(Serialize)]
struct ReplyView {
    done: bool,
    already: bool,
    groups: u64,
    bytes: u64,
    against: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    proofs: Vec<ProofView>,
}

#[derive(Serialize)]
struct ProofView {
    disk: u32,
    incarnation: u64,
    index: u64,
    groups: u64,
    groups_to_let_go_of: u64,
    answered: bool,
    records: u64,
    records_whole_elsewhere: u64,
    records_unknown: u64,
}

fn proof_view(proof: &RemovalProof) -> ProofView {
    ProofView {
        disk: proof.disk,
        incarnation: proof.incarnation,
        index: proof.index,
        groups: proof.groups,
        groups_to_let_go_of: proof.leaves,
        answered: proof.answered,
        records: proof.records,
        records_whole_elsewhere: proof.elsewhere,
        records_unknown: proof.unknown,
    }
}

/// Has it done, and says what came of it; `done` is what people read when it was.
pub(super) async fn order(
    remote: &Remote,
    action: ProcedureAction,
    order: Order,
    output: Output,
    done: &str,
) -> Outcome<()> {
    let what =
        if order.disk == 0 { format!("node n{}", order.node) } else { format!("disk d{}", order.disk) };
    let request = ProcedureRequest {
        action: action as i32,
        disk: order.disk,
        node: order.node,
        force: order.force,
        window_s: order.window_s,
        only_judge: order.only_judge,
        ends: order.ends.map(|kind| kind as i32),
        actor: Some(super::operator::actor()),
    };
    let reply = remote.ask_leader::<Procedures>(&request).await.doing(&what)?;
    let view = ReplyView {
        done: !order.only_judge && !reply.already,
        already: reply.already,
        groups: reply.groups,
        bytes: reply.bytes,
        against: reply.against.clone(),
        proofs: reply.proofs.iter().map(proof_view).collect(),
    };
    output.show(&view, |out| human(&reply, &view, order.only_judge, &what, done, out))
}

fn human(
    reply: &ProcedureReply,
    view: &ReplyView,
    only_judge: bool,
    what: &str,
    done: &str,
    out: &mut dyn Write,
) -> io::Result<()> {
    let on_it = format!("{} groups count on it, with {}", reply.groups, size(reply.bytes));
    match (only_judge, reply.already) {
        (true, _) => writeln!(out, "{what}: {on_it}; nothing was begun")?,
        (false, true) => writeln!(out, "{what}: it is so already; {on_it}")?,
        (false, false) if reply.proofs.is_empty() => writeln!(out, "{what} {done}; {on_it}")?,
        (false, false) => writeln!(out, "{what} {done}")?,
    }
    for against in &reply.against {
        writeln!(out, "  against it: {against}")?;
    }
    for proof in &view.proofs {
        writeln!(out, "disk d{} (life {}), as of log index {}:", proof.disk, proof.incarnation, proof.index)?;
        writeln!(out, "  groups that count on it: {}", proof.groups)?;
        writeln!(out, "  groups it still has to let go of: {}", proof.groups_to_let_go_of)?;
        match proof.answered {
            false => writeln!(out, "  it does not answer: what it may still hold, nothing counts on")?,
            true => writeln!(
                out,
                "  records it reports: {}, of these {} whole elsewhere and {} that nothing refers to",
                proof.records, proof.records_whole_elsewhere, proof.records_unknown
            )?,
        }
    }
    Ok(())
}
