//! `holdfast admin health`: which data is how close to loss, since when, what is being done about it and how long that
//! will take. `holdfast admin pgs --why` shows the same groups.

use std::io::{self, Write};

use clap::Args;
use holdfast_proto::admin::{GroupHealth, HealthReply, HealthRequest};
use holdfast_proto::method::Health;
use holdfast_proto::op::Ailment;
use serde::Serialize;

use super::drains::{self, ProcedureView};
use crate::failure::Outcome;
use crate::output::{Output, Table, size, span_ms, time_ns};
use crate::remote::Remote;

/// Groups shown to people unless more are asked for.
const SHOWN: u32 = 20;
/// Groups in one answer.
const PAGE: u32 = 1000;

#[derive(Args, Debug)]
pub(crate) struct HealthArgs {
    /// Show at most this many groups with which something is the matter; JSON has all of them unless this is given
    #[arg(long)]
    limit: Option<u32>,
}

#[derive(Serialize)]
struct View {
    /// Nothing lacks redundancy.
    whole: bool,
    /// Groups by how many further failures they bear.
    groups_by_spare: Vec<SpareView>,
    /// Groups with which something is the matter, by what is done or waited for.
    groups_by_state: Vec<StateView>,
    bytes_left: u64,
    bytes_per_second: u64,
    eta_seconds: Option<u64>,
    /// Since when some group has lacked something.
    since: Option<String>,
    lacking_seconds: u64,
    procedures: Vec<ProcedureView>,
    listening_ms: u64,
    measured: bool,
    groups: Vec<GroupView>,
    more_groups: bool,
}

#[derive(Serialize)]
struct SpareView {
    further_failures: i32,
    groups: u64,
    bytes: u64,
}

#[derive(Serialize)]
struct StateView {
    state: String,
    groups: u64,
    bytes: u64,
}

/// A group as it is shown.
#[derive(Serialize)]
pub(super) struct GroupView {
    id: u32,
    class: String,
    level: &'static str,
    state: String,
    why: String,
    since: Option<String>,
    level_since: Option<String>,
    lacking_seconds: u64,
    bytes: u64,
    chunks: u64,
    further_failures: i32,
    bytes_left: u64,
    eta_seconds: Option<u64>,
    waits_until: Option<String>,
    members: Vec<MemberView>,
}

#[derive(Serialize)]
struct MemberView {
    disk: u32,
    node: u64,
    condition: String,
    lacks_chunks: u64,
    temporary: bool,
    bytes_left: u64,
}

/// One page, or one group (`pg` not 0).
pub(super) async fn ask(remote: &Remote, after: u32, most: u32, pg: u32) -> Outcome<HealthReply> {
    remote.ask_leader::<Health>(&HealthRequest { after, most, pg, ..HealthRequest::default() }).await
}

/// Groups with which something is the matter, up to a limit; whether there are more, and the first answer's summary.
pub(super) async fn groups(remote: &Remote, limit: u32) -> Outcome<(HealthReply, Vec<GroupView>, bool)> {
    let first = ask(remote, 0, limit.min(PAGE), 0).await?;
    let mut found: Vec<GroupView> = first.groups.iter().map(|group| view(group, &first)).collect();
    let (mut more, mut last) = (first.more, first.groups.last().map(|group| group.pg));
    while let Some(after) = last.filter(|_| more && (found.len() as u32) < limit) {
        let page = ask(remote, after, (limit - found.len() as u32).min(PAGE), 0).await?;
        found.extend(page.groups.iter().map(|group| view(group, &page)));
        (more, last) = (page.more, page.groups.last().map(|group| group.pg));
    }
    Ok((first, found, more))
}

pub(super) async fn run(remote: &Remote, args: &HealthArgs, output: Output) -> Outcome<()> {
    let limit = args.limit.unwrap_or(if output.json { u32::MAX } else { SHOWN });
    let (reply, groups, more_groups) = groups(remote, limit).await?;
    let since = |ns: i64| (ns != 0).then(|| time_ns(ns));
    let view = View {
        // A leader that is new does not know yet who is silent.
        whole: reply.listening_ms == 0
            && reply.oldest_since_ns == 0
            && groups.iter().all(|group| group.level == "whole"),
        groups_by_spare: reply
            .spare
            .iter()
            .map(|one| SpareView { further_failures: one.spare, groups: one.groups, bytes: one.bytes })
            .collect(),
        groups_by_state: reply
            .states
            .iter()
            .map(|one| StateView { state: one.state.clone(), groups: one.groups, bytes: one.bytes })
            .collect(),
        bytes_left: reply.bytes_left,
        bytes_per_second: reply.rate,
        eta_seconds: reply.eta_s,
        since: since(reply.oldest_since_ns),
        lacking_seconds: seconds_since(reply.oldest_since_ns, reply.now_ns),
        procedures: reply.procedures.iter().map(drains::view).collect(),
        listening_ms: reply.listening_ms,
        measured: reply.measured,
        groups,
        more_groups,
    };
    output.show(&view, |out| human(&view, out))
}

fn seconds_since(since_ns: i64, now_ns: i64) -> u64 {
    match since_ns {
        0 => 0,
        since => u64::try_from((now_ns - since) / 1_000_000_000).unwrap_or(0),
    }
}

/// How a level is called.
fn level(ailment: i32) -> &'static str {
    match Ailment::try_from(ailment) {
        Ok(Ailment::Whole) => "whole",
        Ok(Ailment::Degraded) => "degraded",
        Ok(Ailment::AtRisk) => "at_risk",
        Ok(Ailment::Unavailable) => "unavailable",
        Err(_) => "unknown",
    }
}

/// One group as it is shown.
pub(super) fn view(group: &GroupHealth, reply: &HealthReply) -> GroupView {
    let since = |ns: i64| (ns != 0).then(|| time_ns(ns));
    GroupView {
        id: group.pg,
        class: group.class_name.clone(),
        level: level(group.ailment),
        state: group.state.clone(),
        why: group.why.clone(),
        since: since(group.since_ns),
        level_since: since(group.level_since_ns),
        lacking_seconds: seconds_since(group.since_ns, reply.now_ns),
        bytes: group.bytes,
        chunks: group.chunks,
        further_failures: group.spare,
        bytes_left: group.bytes_left,
        // Repair shares its rate among groups; alone, one would be done in this time at most.
        eta_seconds: (reply.rate > 0 && group.bytes_left > 0).then(|| group.bytes_left.div_ceil(reply.rate)),
        waits_until: since(group.until_ns),
        members: group
            .members
            .iter()
            .map(|member| MemberView {
                disk: member.disk,
                node: member.node,
                condition: member.condition.clone(),
                lacks_chunks: member.lacks,
                temporary: member.temporary,
                bytes_left: member.bytes_left,
            })
            .collect(),
    }
}

fn human(view: &View, out: &mut dyn Write) -> io::Result<()> {
    if view.listening_ms > 0 {
        let wait = span_ms(view.listening_ms);
        writeln!(
            out,
            "The leader is new and still listens who is there: wait {wait} for the whole picture.\n"
        )?;
    }
    match (&view.since, view.whole) {
        (Some(since), _) => {
            let lasted = span_ms(view.lacking_seconds * 1000);
            writeln!(out, "Data:       some lacks redundancy since {since} ({lasted})")?;
        }
        (None, true) => writeln!(out, "Data:       all of it is whole")?,
        (None, false) => writeln!(out, "Data:       some lacks redundancy, since a moment ago")?,
    }
    for one in &view.groups_by_spare {
        let bears = match one.further_failures {
            below if below < 0 => "cannot be read whole".to_owned(),
            0 => "one failure from loss".to_owned(),
            1 => "bear one more failure".to_owned(),
            more => format!("bear {more} more failures"),
        };
        writeln!(out, "            {} groups with {} {bears}", one.groups, size(one.bytes))?;
    }
    if view.bytes_left > 0 {
        let eta = view
            .eta_seconds
            .map_or_else(|| ", time not known yet".into(), |s| format!(", about {}", span_ms(s * 1000)));
        writeln!(
            out,
            "Repair:     {} left at {}/s{eta}",
            size(view.bytes_left),
            size(view.bytes_per_second)
        )?;
    }
    let states: Vec<String> =
        view.groups_by_state.iter().map(|one| format!("{} {}", one.groups, one.state)).collect();
    if !states.is_empty() {
        writeln!(out, "Groups:     {}", states.join(", "))?;
    }
    if !view.measured {
        writeln!(out, "            how much lies in each group is still being counted; bytes are too low")?;
    }
    if !view.procedures.is_empty() {
        writeln!(out)?;
        drains::table(&view.procedures, out)?;
    }
    if !view.groups.is_empty() {
        writeln!(out)?;
        table(&view.groups, out)?;
    }
    if view.more_groups {
        writeln!(out, "… and more: --limit shows them")?;
    }
    Ok(())
}

/// The groups as a table.
pub(super) fn table(groups: &[GroupView], out: &mut dyn Write) -> io::Result<()> {
    let mut table = Table::new(&["group", "class", ">data", ">chunks", "since", ">left", "members", "what"]);
    for group in groups {
        let members = group.members.iter().map(|m| {
            let lacks = if m.lacks_chunks > 0 { format!(" {}", m.lacks_chunks) } else { String::new() };
            match m.condition.as_str() {
                "whole" => format!("d{}", m.disk),
                condition => format!("d{}({condition}{lacks})", m.disk),
            }
        });
        let until = group.waits_until.as_ref().map_or_else(String::new, |at| format!(" (until {at})"));
        table.row(vec![
            format!("pg{}", group.id),
            group.class.clone(),
            size(group.bytes),
            group.chunks.to_string(),
            group.since.clone().unwrap_or_default(),
            size(group.bytes_left),
            members.collect::<Vec<_>>().join(" "),
            format!("{}{until}", group.why),
        ]);
    }
    table.write(out)
}
