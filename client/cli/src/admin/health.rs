//! `holdfast admin health`: which data is how close to loss, since when, what is being done about it and how long that
//! will take. `holdfast admin pgs --why` shows the same groups.

use std::io::{self, Write};

use clap::Args;
use holdfast_admin::Cluster;
use holdfast_admin::groups::{self, Filter, GroupView, Summary};
use holdfast_admin::procedures::{self, Procedure};
use serde::Serialize;

use super::{drains, operator};
use crate::failure::Outcome;
use crate::output::{Output, Table, moment, size, span_ms};
use crate::remote::Remote;

/// Groups shown to people unless more are asked for.
const SHOWN: usize = 20;
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
    #[serde(flatten)]
    summary: Summary,
    procedures: Vec<Procedure>,
    groups: Vec<GroupView>,
    more_groups: bool,
}

/// Groups with which something is the matter, up to a limit, and whether there are more.
pub(super) async fn ailing(cluster: &Cluster, limit: usize) -> Outcome<(Vec<GroupView>, bool)> {
    let mut found = Vec::new();
    let mut filter = Filter { ailing: true, ..Filter::default() };
    while found.len() < limit {
        filter.limit = Some(u32::try_from(limit - found.len()).unwrap_or(PAGE).min(PAGE));
        let page = groups::list(cluster, &filter).await?;
        found.extend(page.items);
        filter.after = page.next;
        if filter.after.is_none() {
            return Ok((found, false));
        }
    }
    Ok((found, true))
}

pub(super) async fn run(remote: &Remote, args: &HealthArgs, output: Output) -> Outcome<()> {
    let cluster = operator::cluster(remote);
    let limit =
        args.limit.map(|limit| limit as usize).unwrap_or(if output.json { usize::MAX } else { SHOWN });
    let summary = groups::summary(&cluster).await?;
    let procedures = procedures::list(&cluster).await?;
    let (groups, more_groups) = ailing(&cluster, limit).await?;
    let view = View { summary, procedures, groups, more_groups };
    output.show(&view, |out| human(&view, out))
}

fn human(view: &View, out: &mut dyn Write) -> io::Result<()> {
    let summary = &view.summary;
    if summary.listening_ms > 0 {
        let wait = span_ms(summary.listening_ms);
        writeln!(
            out,
            "The leader is new and still listens who is there: wait {wait} for the whole picture.\n"
        )?;
    }
    match (summary.since.as_deref().map(moment), summary.whole) {
        (Some(since), _) => {
            let lasted = span_ms(summary.lacking_seconds * 1000);
            writeln!(out, "Data:       some lacks redundancy since {since} ({lasted})")?;
        }
        (None, true) => writeln!(out, "Data:       all of it is whole")?,
        (None, false) => writeln!(out, "Data:       some lacks redundancy, since a moment ago")?,
    }
    for one in &summary.by_spare {
        let bears = match one.spare {
            below if below < 0 => "cannot be read whole".to_owned(),
            0 => "one failure from loss".to_owned(),
            1 => "bear one more failure".to_owned(),
            more => format!("bear {more} more failures"),
        };
        writeln!(out, "            {} groups with {} {bears}", one.groups, size(one.bytes))?;
    }
    if summary.bytes_left > 0 {
        let eta = summary
            .eta_seconds
            .map_or_else(|| ", time not known yet".into(), |s| format!(", about {}", span_ms(s * 1000)));
        writeln!(out, "Repair:     {} left at {}/s{eta}", size(summary.bytes_left), size(summary.rate))?;
    }
    let states: Vec<String> =
        summary.by_state.iter().map(|(state, of_it)| format!("{} {state}", of_it.groups)).collect();
    if !states.is_empty() {
        writeln!(out, "Groups:     {}", states.join(", "))?;
    }
    if !summary.measured {
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
            let lacks = if m.lacks > 0 { format!(" {}", m.lacks) } else { String::new() };
            match m.condition.as_str() {
                "whole" => format!("d{}", m.disk),
                condition => format!("d{}({condition}{lacks})", m.disk),
            }
        });
        let until = group.until.as_deref().map_or_else(String::new, |at| format!(" (until {})", moment(at)));
        table.row(vec![
            format!("pg{}", group.id),
            group.class_name.clone(),
            size(group.bytes),
            group.chunks.to_string(),
            group.since.as_deref().map(moment).unwrap_or_default(),
            size(group.bytes_left),
            members.collect::<Vec<_>>().join(" "),
            format!("{}{until}", group.why),
        ]);
    }
    table.write(out)
}
