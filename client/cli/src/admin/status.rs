//! `holdfast admin status`: is everything well, and if not, what is at risk, since when, what is being done.

use std::io::{self, Write};

use holdfast_proto::admin::{ClusterStatus, RedundancyStatus};
use holdfast_proto::map::Liveness;
use serde::Serialize;

use crate::failure::Outcome;
use crate::output::{Output, Table, size, span_ms};
use crate::remote::Remote;

#[derive(Serialize)]
struct View {
    health: &'static str,
    /// The leader answered: everything below is filled.
    complete: bool,
    leader: u64,
    term: u64,
    applied: u64,
    quorum_age_ms: u64,
    voters: Vec<u64>,
    learners: Vec<u64>,
    nodes: usize,
    nodes_alive: usize,
    disks: usize,
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

#[derive(Serialize, Default)]
struct Redundancy {
    pgs_healthy: u64,
    pgs_degraded: u64,
    pgs_at_risk: u64,
    pgs_unavailable: u64,
    missing_chunks: u64,
    garbage_chunks: u64,
    repairs_running: u64,
    repaired_chunks: u64,
    repaired_bytes: u64,
    degraded_ms: u64,
}

#[derive(Serialize)]
struct Issue {
    code: String,
    severity: &'static str,
    message: String,
    since_ms: u64,
}

#[derive(Serialize)]
struct Loop {
    name: String,
    state: String,
    detail: String,
}

pub(super) async fn run(remote: &Remote, output: Output) -> Outcome<()> {
    let view = view(&super::condition(remote).await?);
    output.show(&view, |out| human(&view, out))
}

fn view(status: &ClusterStatus) -> View {
    let meta = status.meta.clone().unwrap_or_default();
    let totals = status.totals.unwrap_or_default();
    let worst = status.issues.iter().map(|issue| issue.severity).max().unwrap_or(0);
    View {
        health: match worst {
            0 | 1 => "healthy",
            2 => "warning",
            _ => "danger",
        },
        complete: status.leader_view,
        leader: meta.leader,
        term: meta.term,
        applied: meta.applied,
        quorum_age_ms: meta.quorum_age_ms,
        voters: meta.voters.iter().map(|peer| peer.node).collect(),
        learners: meta.learners.iter().map(|peer| peer.node).collect(),
        nodes: status.nodes.len(),
        nodes_alive: status.nodes.iter().filter(|n| n.liveness == Liveness::Alive as i32).count(),
        disks: status.disks.len(),
        map_epoch: status.map_epoch,
        sessions: status.sessions,
        stored_bytes: totals.bytes,
        available_bytes: totals.available,
        raw_capacity_bytes: totals.raw_capacity,
        raw_used_bytes: totals.raw_used,
        trash_files: totals.trash_items,
        trash_bytes: totals.trash_bytes,
        files: totals.inodes,
        chunks: totals.chunks,
        files_converting: status.converting,
        redundancy: status.redundancy.as_ref().map(redundancy).unwrap_or_default(),
        issues: status
            .issues
            .iter()
            .map(|issue| Issue {
                code: issue.code.clone(),
                severity: match issue.severity {
                    0 | 1 => "note",
                    2 => "warning",
                    _ => "danger",
                },
                message: issue.message.clone(),
                since_ms: issue.since_ms,
            })
            .collect(),
        loops: status
            .loops
            .iter()
            .map(|l| Loop { name: l.name.clone(), state: l.state.clone(), detail: l.detail.clone() })
            .collect(),
    }
}

fn redundancy(r: &RedundancyStatus) -> Redundancy {
    Redundancy {
        pgs_healthy: r.pgs_healthy,
        pgs_degraded: r.pgs_degraded,
        pgs_at_risk: r.pgs_at_risk,
        pgs_unavailable: r.pgs_unavailable,
        missing_chunks: r.missing_chunks,
        garbage_chunks: r.garbage_chunks,
        repairs_running: r.repairs_running,
        repaired_chunks: r.repaired_chunks,
        repaired_bytes: r.repaired_bytes,
        degraded_ms: r.degraded_ms,
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
