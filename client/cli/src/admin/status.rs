//! `holdfast admin status`: is everything well, and if not, what is at risk, since when, what is being done.

use std::io::{self, Write};

use holdfast_admin::overview::{self, Glance, Issue, Loop, Redundancy};
use serde::Serialize;

use super::operator;
use crate::failure::Outcome;
use crate::output::{Output, Table, size, span_ms};
use crate::remote::Remote;

#[derive(Serialize)]
struct View {
    health: String,
    /// The leader answered: everything below is filled.
    complete: bool,
    leader: u64,
    term: u64,
    applied: u64,
    quorum_age_ms: u64,
    voters: Vec<u64>,
    learners: Vec<u64>,
    nodes: u64,
    nodes_alive: u64,
    disks: u64,
    map_epoch: u64,
    sessions: u64,
    stored_bytes: u64,
    available_bytes: u64,
    raw_capacity_bytes: u64,
    raw_used_bytes: u64,
    trash_files: u64,
    /// Part of `stored_bytes`.
    trash_bytes: u64,
    files: u64,
    chunks: u64,
    files_converting: u64,
    redundancy: Redundancy,
    issues: Vec<Issue>,
    loops: Vec<Loop>,
}

pub(super) async fn run(remote: &Remote, output: Output) -> Outcome<()> {
    let view = view(overview::glance(&operator::cluster(remote)).await?);
    output.show(&view, |out| human(&view, out))
}

/// The same in one level, as this command has always told it.
fn view(glance: Glance) -> View {
    let Glance { overview, loops, applied } = glance;
    let capacity = overview.capacity;
    View {
        health: overview.health,
        complete: overview.complete,
        leader: overview.meta.leader.unwrap_or(0),
        term: overview.meta.term,
        applied,
        quorum_age_ms: overview.meta.quorum_age_ms,
        voters: overview.meta.voters.iter().map(|voter| voter.node).collect(),
        learners: overview.meta.learners,
        nodes: overview.nodes.total,
        nodes_alive: overview.nodes.alive,
        disks: overview.disks.total,
        map_epoch: overview.map_epoch,
        sessions: overview.sessions,
        stored_bytes: capacity.stored_bytes,
        available_bytes: capacity.available_bytes,
        raw_capacity_bytes: capacity.raw_bytes,
        raw_used_bytes: capacity.raw_used_bytes,
        trash_files: capacity.trash_files,
        trash_bytes: capacity.trash_bytes,
        files: capacity.files,
        chunks: capacity.chunks,
        files_converting: overview.files_converting,
        redundancy: overview.redundancy,
        issues: overview.issues,
        loops,
    }
}

fn human(view: &View, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "Health:     {}", view.health)?;
    for issue in &view.issues {
        writeln!(out, "            {}: {} ({})", issue.severity, issue.message, span_ms(issue.since_ms))?;
    }
    if !view.complete {
        writeln!(out, "            no leader answered; only what one metaserver knows is shown")?;
    }
    writeln!(
        out,
        "Metadata:   leader n{}, term {}, {} voters, {} learners, applied {}",
        view.leader,
        view.term,
        view.voters.len(),
        view.learners.len(),
        view.applied
    )?;
    writeln!(
        out,
        "Nodes:      {} of {} alive, {} disks, map epoch {}",
        view.nodes_alive, view.nodes, view.disks, view.map_epoch
    )?;
    writeln!(
        out,
        "Stored:     {} in {} files, {} chunks; {} available",
        size(view.stored_bytes),
        view.files,
        view.chunks,
        size(view.available_bytes)
    )?;
    writeln!(out, "Raw:        {} of {} used", size(view.raw_used_bytes), size(view.raw_capacity_bytes))?;
    if view.trash_files > 0 {
        writeln!(out, "Trash:      {} of it in {} deleted files", size(view.trash_bytes), view.trash_files)?;
    }
    let r = &view.redundancy;
    writeln!(
        out,
        "Redundancy: {} groups healthy, {} degraded, {} at risk, {} unavailable; {} chunks lack a copy",
        r.pgs_healthy, r.pgs_degraded, r.pgs_at_risk, r.pgs_unavailable, r.missing_chunks
    )?;
    writeln!(
        out,
        "Repair:     {} running, {} chunks ({}) done since this leader; {} chunks wait for deletion",
        r.repairs_running,
        r.repaired_chunks,
        size(r.repaired_bytes),
        r.garbage_chunks
    )?;
    if view.files_converting > 0 {
        writeln!(out, "Classes:    {} files are being converted to theirs", view.files_converting)?;
    }
    if r.degraded_ms > 0 {
        writeln!(out, "            degraded for {}", span_ms(r.degraded_ms))?;
    }
    if !view.loops.is_empty() {
        writeln!(out)?;
        let mut table = Table::new(&["loop", "state", "doing"]);
        for l in &view.loops {
            table.row(vec![l.name.clone(), l.state.clone(), l.detail.clone()]);
        }
        table.write(out)?;
    }
    Ok(())
}
