//! Metrics of the metadata group: terms, members, log, snapshots, commands.

use std::sync::LazyLock;
use std::time::Duration;

use holdfast_proto::admin::MetaStatus;
use holdfast_proto::cluster::Peer;
use holdfast_support::shown::Shown;
use holdfast_support::telemetry::{counter, counters, gauge, histogram, histograms, shown, times};
use prometheus::{Histogram, HistogramVec, IntCounter, IntCounterVec, IntGauge};

use super::number;

struct Metrics {
    commands: IntCounter,
    entries: IntCounter,
    log_syncs: IntCounter,
    log_sync_seconds: Histogram,
    reads: IntCounter,
    read_rounds: IntCounter,
    term: IntGauge,
    voters: IntGauge,
    learners: IntGauge,
    has_leader: IntGauge,
    log_index: IntGauge,
    applied_index: IntGauge,
    snapshot_index: IntGauge,
    purged_index: IntGauge,
    log_bytes: IntGauge,
    quorum_age: Shown,
    lag: Shown,
    silent: Shown,
    elections: IntCounter,
    won: IntCounter,
    snapshot_bytes: IntGauge,
    snapshot_seconds: Histogram,
    snapshots: IntCounterVec,
    snapshots_sent: IntCounterVec,
    apply_seconds: Histogram,
    command_seconds: HistogramVec,
}

static METRICS: LazyLock<Metrics> = LazyLock::new(|| Metrics {
    commands: counter(
        "holdfast_meta_commands_total",
        "Commands brought into the log by this node as leader.",
    ),
    entries: counter("holdfast_meta_entries_total", "Log entries that carried them: many share one."),
    log_syncs: counter(
        "holdfast_meta_log_syncs_total",
        "Syncs of the Raft log asked for; those asked for while one runs share the next.",
    ),
    log_sync_seconds: histogram(
        "holdfast_meta_log_sync_seconds",
        "Time until what was written to the Raft log was on the disk, the wait for earlier syncs included.",
        times(),
    ),
    reads: counter("holdfast_meta_reads_total", "Linearizable reads served by this node as leader."),
    read_rounds: counter(
        "holdfast_meta_read_rounds_total",
        "Rounds of the voters they needed: many share one.",
    ),
    term: gauge("holdfast_meta_term", "Raft term that this node is in."),
    voters: gauge("holdfast_meta_voters", "Voters of the metadata group, as this node knows it."),
    learners: gauge("holdfast_meta_learners", "Members that do not vote, as this node knows the group."),
    has_leader: gauge("holdfast_meta_has_leader", "1 while this node knows a leader."),
    log_index: gauge("holdfast_meta_log_index", "Last entry of this node's log."),
    applied_index: gauge("holdfast_meta_applied_index", "Last entry that this node has applied."),
    snapshot_index: gauge(
        "holdfast_meta_snapshot_index",
        "Last entry in this node's newest snapshot; 0: it has none.",
    ),
    purged_index: gauge(
        "holdfast_meta_purged_index",
        "Last entry that was let go of from this node's log; 0: none was.",
    ),
    log_bytes: gauge("holdfast_meta_log_bytes", "Bytes of log on this node's disk."),
    quorum_age: shown(
        "holdfast_meta_quorum_age_seconds",
        "Time since a majority last said that this node leads; only on the leader.",
        &[],
    ),
    lag: shown(
        "holdfast_meta_member_lag_entries",
        "Entries of the log that a member does not have yet; only on the leader.",
        &["member", "role"],
    ),
    silent: shown(
        "holdfast_meta_member_silent_seconds",
        "Time since a member last answered; only on the leader, and only of members that ever answered it.",
        &["member", "role"],
    ),
    elections: counter("holdfast_meta_elections_total", "Changes of the term that this node saw."),
    won: counter("holdfast_meta_leader_changes_total", "Times that this node became the leader."),
    snapshot_bytes: gauge(
        "holdfast_meta_snapshot_bytes",
        "Bytes of this node's newest snapshot; 0: it has none.",
    ),
    snapshot_seconds: histogram(
        "holdfast_meta_snapshot_seconds",
        "Time to make a snapshot.",
        vec![0.05, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 300.0],
    ),
    snapshots: counters("holdfast_meta_snapshots_total", "Snapshots made here.", &["outcome"]),
    snapshots_sent: counters(
        "holdfast_meta_snapshots_sent_total",
        "Snapshots sent to other members.",
        &["outcome"],
    ),
    apply_seconds: histogram(
        "holdfast_meta_apply_seconds",
        "Time to apply a batch of commands to the table.",
        times(),
    ),
    command_seconds: histograms(
        "holdfast_meta_command_seconds",
        "Time from a client's command to its answer, on the leader, by kind.",
        &["op"],
        times(),
    ),
});

const OUTCOMES: [&str; 2] = ["ok", "failed"];

pub(super) fn begin() {
    for outcome in OUTCOMES {
        METRICS.snapshots.with_label_values(&[outcome]);
        METRICS.snapshots_sent.with_label_values(&[outcome]);
    }
}

pub(super) fn forget() {
    METRICS.quorum_age.forget();
    METRICS.lag.forget();
    METRICS.silent.forget();
}

/// An entry with so many commands goes into the log.
pub(crate) fn proposed(commands: usize) {
    METRICS.commands.inc_by(commands as u64);
    METRICS.entries.inc();
}

/// The log is asked to become durable.
pub(crate) fn log_sync() {
    METRICS.log_syncs.inc();
}

/// It is, after so long.
pub(crate) fn log_synced(took: Duration) {
    METRICS.log_sync_seconds.observe(took.as_secs_f64());
}

/// One round of the voters for so many reads.
pub(crate) fn read_round(reads: usize) {
    METRICS.reads.inc_by(reads as u64);
    METRICS.read_rounds.inc();
}

/// This node was elected.
pub(crate) fn leader_won() {
    METRICS.won.inc();
}

/// A batch of commands was applied.
pub(crate) fn applied(took: Duration) {
    METRICS.apply_seconds.observe(took.as_secs_f64());
}

/// A client's command was answered.
pub(crate) fn answered(op: &str, took: Duration) {
    METRICS.command_seconds.with_label_values(&[op]).observe(took.as_secs_f64());
}

fn outcome(ok: bool) -> &'static str {
    OUTCOMES[usize::from(!ok)]
}

/// A snapshot was made, or could not be.
pub(crate) fn snapshot_made(took: Duration, ok: bool) {
    METRICS.snapshots.with_label_values(&[outcome(ok)]).inc();
    if ok {
        METRICS.snapshot_seconds.observe(took.as_secs_f64());
    }
}

/// A snapshot was sent to another member, or could not be.
pub(crate) fn snapshot_sent(ok: bool) {
    METRICS.snapshots_sent.with_label_values(&[outcome(ok)]).inc();
}

/// The group as this node sees it, its log, its newest snapshot. `seen`: the term the last time, 0 before.
pub(crate) fn set_group(status: &MetaStatus, log_bytes: u64, snapshot_bytes: u64, seen: &mut u64) {
    let metrics = &*METRICS;
    // Terms that passed before this process began are not of its time.
    if *seen != 0 {
        metrics.elections.inc_by(status.term.saturating_sub(*seen));
    }
    *seen = status.term;
    metrics.term.set(number(status.term));
    metrics.voters.set(number(status.voters.len() as u64));
    metrics.learners.set(number(status.learners.len() as u64));
    metrics.has_leader.set(i64::from(status.leader != 0));
    metrics.log_index.set(number(status.last_log));
    metrics.applied_index.set(number(status.applied));
    metrics.snapshot_index.set(number(status.snapshot));
    metrics.purged_index.set(number(status.purged));
    metrics.log_bytes.set(number(log_bytes));
    metrics.snapshot_bytes.set(number(snapshot_bytes));
}

/// How the members do, as the leader sees it.
pub(crate) fn set_members(status: &MetaStatus) {
    let seconds = |ms: u64| ms as f64 / 1000.0;
    METRICS.quorum_age.set(seconds(status.quorum_age_ms));
    let others: Vec<(String, &str, u64, Option<u64>)> = status
        .progress
        .iter()
        .filter(|one| one.node != status.node)
        .filter_map(|one| {
            let among = |peers: &[Peer]| peers.iter().any(|peer| peer.node == one.node);
            let role = match (among(&status.voters), among(&status.learners)) {
                (true, _) => "voter",
                (false, true) => "learner",
                (false, false) => return None,
            };
            Some((format!("n{}", one.node), role, status.last_log.saturating_sub(one.matched), one.silent_ms))
        })
        .collect();
    METRICS.lag.show(others.iter().map(|(member, role, lag, _)| (vec![member.as_str(), *role], *lag as f64)));
    METRICS.silent.show(
        others.iter().filter_map(|(member, role, _, silent)| {
            Some((vec![member.as_str(), *role], seconds((*silent)?)))
        }),
    );
}
