//! The metrics of the metaserver: every name in one place. What the state counts is set once per round of the leader,
//! the rest where it happens.

use std::sync::LazyLock;

use holdfast_proto::admin::HealthReply;
use holdfast_proto::map::ProcedureKind;
use holdfast_support::telemetry::{counter, gauge, gauges};
use prometheus::{IntCounter, IntGauge, IntGaugeVec};

struct Metrics {
    busy: IntCounter,
    commands: IntCounter,
    entries: IntCounter,
    log_syncs: IntCounter,
    reads: IntCounter,
    read_rounds: IntCounter,
    leading: IntGauge,
    short_of_room: IntGauge,
    groups: IntGaugeVec,
    repaired_bytes: IntGauge,
    repaired_chunks: IntGauge,
    repairs_running: IntGauge,
    groups_by_spare: IntGaugeVec,
    groups_by_state: IntGaugeVec,
    repair_bytes_left: IntGauge,
    repair_rate: IntGauge,
    ailing_seconds: IntGauge,
    procedures: IntGaugeVec,
    procedure_bytes_left: IntGaugeVec,
    state: IntGaugeVec,
    disks: IntGaugeVec,
}

static METRICS: LazyLock<Metrics> = LazyLock::new(|| Metrics {
    busy: counter("holdfast_meta_refused_busy_total", "Requests refused because too much was under way."),
    commands: counter(
        "holdfast_meta_commands_total",
        "Commands brought into the log by this node as leader.",
    ),
    entries: counter("holdfast_meta_entries_total", "Log entries that carried them: many share one."),
    log_syncs: counter(
        "holdfast_meta_log_syncs_total",
        "Syncs of the Raft log asked for; those asked for while one runs share the next.",
    ),
    reads: counter("holdfast_meta_reads_total", "Linearizable reads served by this node as leader."),
    read_rounds: counter(
        "holdfast_meta_read_rounds_total",
        "Rounds of the voters they needed: many share one.",
    ),
    leading: gauge("holdfast_meta_leading", "1 while this node leads the metadata group."),
    short_of_room: gauge(
        "holdfast_meta_short_of_room",
        "1 while the metadata's file system is too full for commands that add anything.",
    ),
    groups: gauges("holdfast_meta_groups", "Placement groups by risk; on the leader.", &["risk"]),
    repaired_bytes: gauge(
        "holdfast_meta_repaired_bytes",
        "Bytes moved by repair since this leader was elected.",
    ),
    repaired_chunks: gauge("holdfast_meta_repaired_chunks", "Chunks repaired since this leader was elected."),
    repairs_running: gauge("holdfast_meta_repairs_running", "Repairs under way."),
    groups_by_spare: gauges(
        "holdfast_meta_groups_by_spare",
        "Placement groups by how many further failures they bear; below 0: unreadable. On the leader.",
        &["spare"],
    ),
    groups_by_state: gauges(
        "holdfast_meta_groups_by_state",
        "Placement groups with which something is the matter, by what is done or waited for; on the leader.",
        &["state"],
    ),
    repair_bytes_left: gauge(
        "holdfast_meta_repair_bytes_left",
        "Bytes that repair has to copy, as far as it can now; on the leader.",
    ),
    repair_rate: gauge(
        "holdfast_meta_repair_bytes_per_second",
        "Bytes per second that repair copied over the last minutes; on the leader.",
    ),
    ailing_seconds: gauge(
        "holdfast_meta_ailing_seconds",
        "For how long some placement group has lacked something; 0: none does. On the leader.",
    ),
    procedures: gauges(
        "holdfast_meta_procedures",
        "Drains, maintenance and replacements under way; on the leader.",
        &["kind"],
    ),
    procedure_bytes_left: gauges(
        "holdfast_meta_procedure_bytes_left",
        "Bytes that are still to be moved for drains and replacements; on the leader.",
        &["kind"],
    ),
    state: gauges("holdfast_meta_state", "Counters of the replicated state; on the leader.", &["what"]),
    disks: gauges("holdfast_meta_disks", "Disks by liveness; on the leader.", &["liveness"]),
});

/// A request was refused because too much is under way.
pub fn refused_busy() {
    METRICS.busy.inc();
}

/// An entry with so many commands goes into the log.
pub fn proposed(commands: usize) {
    METRICS.commands.inc_by(commands as u64);
    METRICS.entries.inc();
}

/// The log is asked to become durable.
pub fn log_sync() {
    METRICS.log_syncs.inc();
}

/// One round of the voters for so many reads.
pub fn read_round(reads: usize) {
    METRICS.reads.inc_by(reads as u64);
    METRICS.read_rounds.inc();
}

/// Whether there is too little room for more metadata.
pub fn set_short_of_room(short: bool) {
    METRICS.short_of_room.set(i64::from(short));
}

/// Whether this node leads.
pub fn set_leading(leading: bool) {
    METRICS.leading.set(i64::from(leading));
}

fn number(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// A node that does not lead says nothing about it.
pub fn forget_redundancy() {
    METRICS.groups.reset();
    METRICS.disks.reset();
    METRICS.state.reset();
    METRICS.repairs_running.set(0);
    METRICS.groups_by_spare.reset();
    METRICS.groups_by_state.reset();
    METRICS.repair_bytes_left.set(0);
    METRICS.repair_rate.set(0);
    METRICS.ailing_seconds.set(0);
    METRICS.procedures.reset();
    METRICS.procedure_bytes_left.reset();
}

/// What is lacking, since when, and what is done about it.
pub fn set_health(now: &HealthReply) {
    // States and levels come and go: what is not there any more must not stand at its last count.
    METRICS.groups_by_spare.reset();
    for one in &now.spare {
        METRICS.groups_by_spare.with_label_values(&[&one.spare.to_string()]).set(number(one.groups));
    }
    METRICS.groups_by_state.reset();
    for one in &now.states {
        METRICS.groups_by_state.with_label_values(&[&one.state]).set(number(one.groups));
    }
    METRICS.repair_bytes_left.set(number(now.bytes_left));
    METRICS.repair_rate.set(number(now.rate));
    let ailing_ns = if now.oldest_since_ns == 0 { 0 } else { now.now_ns - now.oldest_since_ns };
    METRICS.ailing_seconds.set(ailing_ns / 1_000_000_000);
    for (kind, name) in [
        (ProcedureKind::Drain, "drain"),
        (ProcedureKind::Maintenance, "maintenance"),
        (ProcedureKind::Replacement, "replacement"),
    ] {
        let of_kind = || now.procedures.iter().filter(|one| one.kind() == kind);
        METRICS.procedures.with_label_values(&[name]).set(number(of_kind().count() as u64));
        let left = of_kind().map(|one| one.bytes_left).sum();
        METRICS.procedure_bytes_left.with_label_values(&[name]).set(number(left));
    }
}

/// How safe data is.
pub fn set_redundancy(now: &holdfast_proto::admin::RedundancyStatus) {
    let set = |risk: &str, count: u64| METRICS.groups.with_label_values(&[risk]).set(number(count));
    set("healthy", now.pgs_healthy);
    set("degraded", now.pgs_degraded);
    set("at_risk", now.pgs_at_risk);
    set("unavailable", now.pgs_unavailable);
    METRICS.repaired_bytes.set(number(now.repaired_bytes));
    METRICS.repaired_chunks.set(number(now.repaired_chunks));
    METRICS.repairs_running.set(number(now.repairs_running));
    METRICS.state.with_label_values(&["missing_chunks"]).set(number(now.missing_chunks));
    METRICS.state.with_label_values(&["garbage_chunks"]).set(number(now.garbage_chunks));
}

/// Files that are kept in the trash, and bytes that they refer to.
pub fn set_trash(files: u64, bytes: u64) {
    METRICS.state.with_label_values(&["trash_files"]).set(number(files));
    METRICS.state.with_label_values(&["trash_bytes"]).set(number(bytes));
}

/// Disks of one liveness.
pub fn set_disks(liveness: &str, count: u64) {
    METRICS.disks.with_label_values(&[liveness]).set(number(count));
}
