//! `holdfast admin drains`: how far drains, maintenance and replacements are. What begins and ends them is in
//! [`super::disks`] and [`super::nodes`]; the words they share are here.

use std::fmt;
use std::io::{self, Write};
use std::time::Duration;

use clap::Args;
use holdfast_admin::procedures::{self, Procedure, ProcedureResult, Terms};
use holdfast_proto::admin::{ProcedureAction, ProcedureRequest};
use serde::Serialize;

use super::{disk_or_node, operator};
use crate::failure::{Doing, Failure, Outcome};
use crate::output::{Output, Table, moment, size, span_ms};
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

/// The disk or node that is meant.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum What {
    Disk(u32),
    Node(u64),
}

impl What {
    fn is(self, one: &Procedure) -> bool {
        match self {
            Self::Disk(disk) => one.disk == Some(disk),
            Self::Node(node) => one.disk.is_none() && one.node == node,
        }
    }
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Disk(disk) => write!(f, "disk d{disk}"),
            Self::Node(node) => write!(f, "node n{node}"),
        }
    }
}

pub(super) async fn run(remote: &Remote, args: &DrainsArgs, output: Output) -> Outcome<()> {
    if args.watch {
        return watch(remote, output, |_| true).await;
    }
    let views = procedures::list(&operator::cluster(remote)).await?;
    output.show(&views, |out| match views.is_empty() {
        true => writeln!(out, "nothing is drained, in maintenance or being replaced"),
        false => table(&views, out),
    })
}

/// What is under way, as a table.
pub(super) fn table(views: &[Procedure], out: &mut dyn Write) -> io::Result<()> {
    let mut table = Table::new(&["what", "of", "since", ">groups", ">left", ">rate", "time left", "how far"]);
    for one in views {
        let time = match (one.ends_in_seconds, one.eta_seconds) {
            (Some(ends), _) => format!("ends in {}", span_ms(ends * 1000)),
            (None, Some(0)) => String::new(),
            (None, Some(eta)) => format!("about {}", span_ms(eta * 1000)),
            (None, None) => String::new(),
        };
        let mut far = one.detail.message.clone();
        for blocked in &one.blocked {
            far = format!("{far}; {blocked}");
        }
        table.row(vec![
            one.kind.clone(),
            disk_or_node(one.disk, one.node),
            moment(&one.began),
            format!("{} of {}", one.groups_left, one.groups_begun),
            size(one.bytes_left),
            format!("{}/s", size(one.rate)),
            time,
            far,
        ]);
    }
    table.write(out)
}

/// Shows those that `mine` says yes to until none of them moves data any more. An error when what is left is held up.
async fn watch(remote: &Remote, output: Output, mine: impl Fn(&Procedure) -> bool) -> Outcome<()> {
    let cluster = operator::cluster(remote);
    let mut out = io::stdout();
    let (mut last, mut still) = (Vec::new(), 0);
    loop {
        let views = procedures::list(&cluster).await?;
        let views: Vec<Procedure> = views.into_iter().filter(&mine).collect();
        for one in &views {
            let target = disk_or_node(one.disk, one.node);
            let eta = one.eta_seconds.filter(|eta| *eta > 0);
            let eta = eta.map_or_else(String::new, |s| format!(", about {}", span_ms(s * 1000)));
            let blocked: String = one.blocked.iter().map(|why| format!("; {why}")).collect();
            let line = format!(
                "{} {target}: {} of {} groups, {} left at {}/s{eta}: {}{blocked}",
                one.kind,
                one.groups_left,
                one.groups_begun,
                size(one.bytes_left),
                size(one.rate),
                one.detail
            );
            output.line(&mut out, one, &line)?;
        }
        out.flush()?;
        let moves = |one: &&Procedure| one.kind != "maintenance" && !one.done;
        let left: Vec<&Procedure> = views.iter().filter(moves).collect();
        if left.is_empty() {
            return Ok(());
        }
        // Only what somebody has to do something about ends the watching: it is said, and nothing has moved for a while.
        let now: Vec<(u64, u64)> = left.iter().map(|one| (one.groups_left, one.bytes_left)).collect();
        still = if now == last { still + 1 } else { 0 };
        last = now;
        if still >= STILL && left.iter().all(|one| !one.blocked.is_empty()) {
            let why: Vec<&str> =
                left.iter().flat_map(|one| one.blocked.iter().map(|why| why.message.as_str())).collect();
            return Err(Failure::refused(format!("it is held up: {}", why.join("; "))));
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// Watches one disk or node.
pub(super) async fn watch_one(remote: &Remote, output: Output, what: What) -> Outcome<()> {
    watch(remote, output, |one| what.is(one)).await
}

#[derive(Serialize)]
struct ReplyView {
    /// It was not so before, and is now.
    done: bool,
    #[serde(flatten)]
    result: ProcedureResult,
}

/// Has it done, and says what came of it; `done` is what people read when it was.
pub(super) async fn order(
    remote: &Remote,
    action: ProcedureAction,
    what: What,
    terms: Terms,
    output: Output,
    done: &str,
) -> Outcome<()> {
    let (disk, node) = match what {
        What::Disk(disk) => (disk, 0),
        What::Node(node) => (0, node),
    };
    let request = ProcedureRequest { disk, node, ..procedures::request(action, terms) };
    let result = procedures::act(&operator::cluster(remote), request).await.doing(what)?;
    let view = ReplyView { done: !result.preview && !result.already, result };
    output.show(&view, |out| human(&view.result, what, done, out))
}

fn human(result: &ProcedureResult, what: What, done: &str, out: &mut dyn Write) -> io::Result<()> {
    let on_it = format!("{} groups count on it, with {}", result.groups, size(result.bytes));
    match (result.preview, result.already) {
        (true, _) => writeln!(out, "{what}: {on_it}; nothing was begun")?,
        (false, true) => writeln!(out, "{what}: it is so already; {on_it}")?,
        (false, false) if result.proofs.is_empty() => writeln!(out, "{what} {done}; {on_it}")?,
        (false, false) => writeln!(out, "{what} {done}")?,
    }
    for against in &result.against {
        writeln!(out, "  against it: {against}")?;
    }
    for proof in &result.proofs {
        writeln!(out, "disk d{} (life {}), as of log index {}:", proof.disk, proof.incarnation, proof.index)?;
        writeln!(out, "  groups that count on it: {}", proof.groups)?;
        writeln!(out, "  groups it still has to let go of: {}", proof.leaves)?;
        match proof.answered {
            false => writeln!(out, "  it does not answer: what it may still hold, nothing counts on")?,
            true => writeln!(
                out,
                "  records it reports: {}, of these {} whole elsewhere and {} that nothing refers to",
                proof.records, proof.elsewhere, proof.unknown
            )?,
        }
    }
    Ok(())
}
