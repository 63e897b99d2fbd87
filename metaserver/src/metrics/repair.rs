//! Metrics of redundancy: groups, disks, repair, procedures.

use std::sync::LazyLock;

use holdfast_proto::admin::{HealthReply, RedundancyStatus};
use holdfast_proto::map::ProcedureKind;
use holdfast_proto::op::Ailment;
use holdfast_proto::status::Code;
use holdfast_support::shown::Shown;
use holdfast_support::telemetry::{counter, counters, gauge, shown};
use prometheus::{IntCounter, IntCounterVec, IntGauge};

use super::number;

struct Metrics {
    groups: Shown,
    group_bytes: Shown,
    repaired_bytes: IntCounter,
    repaired_chunks: IntCounter,
    failures: IntCounterVec,
    running: IntGauge,
    by_spare: Shown,
    by_state: Shown,
    bytes_left: IntGauge,
    rate: IntGauge,
    eta: Shown,
    held: Shown,
    ailing_seconds: IntGauge,
    procedures: Shown,
    procedure_bytes_left: Shown,
    disks: Shown,
}

static METRICS: LazyLock<Metrics> = LazyLock::new(|| Metrics {
    groups: shown("holdfast_meta_groups", "Placement groups by risk; only on the leader.", &["risk"]),
    group_bytes: shown(
        "holdfast_meta_groups_bytes",
        "Bytes in placement groups before redundancy, by risk, as far as they were counted; only on the leader.",
        &["risk"],
    ),
    repaired_bytes: counter(
        "holdfast_meta_repaired_bytes_total",
        "Bytes copied by repair, ordered by this node as leader.",
    ),
    repaired_chunks: counter(
        "holdfast_meta_repaired_chunks_total",
        "Chunks made whole on a disk by repair, ordered by this node as leader.",
    ),
    failures: counters(
        "holdfast_meta_repair_failures_total",
        "Repairs of placement groups that failed, to be tried again, by reason.",
        &["reason"],
    ),
    running: gauge("holdfast_meta_repairs_running", "Repairs under way; 0 where no leader is."),
    by_spare: shown(
        "holdfast_meta_groups_by_spare",
        "Placement groups by how many further failures they bear; below 0: unreadable. Only on the leader.",
        &["spare"],
    ),
    by_state: shown(
        "holdfast_meta_groups_by_state",
        "Placement groups with which something is the matter, by what is done or waited for; only on the leader.",
        &["state"],
    ),
    bytes_left: gauge(
        "holdfast_meta_repair_bytes_left",
        "Bytes that repair has to copy, as far as it can now, those that still wait for the grace included; on the leader.",
    ),
    rate: gauge(
        "holdfast_meta_repair_bytes_per_second",
        "Bytes per second that repair copied over the last minutes; on the leader.",
    ),
    eta: shown(
        "holdfast_meta_repair_eta_seconds",
        "Time until repair is done at its present rate; only on the leader, and not there while it is not known.",
        &[],
    ),
    held: shown(
        "holdfast_meta_repair_held",
        "1: so much is silent at once that nothing is given up without an administrator; only on the leader.",
        &[],
    ),
    ailing_seconds: gauge(
        "holdfast_meta_ailing_seconds",
        "For how long some placement group has lacked something; 0: none does. On the leader.",
    ),
    procedures: shown(
        "holdfast_meta_procedures",
        "Drains, maintenance and replacements under way; only on the leader.",
        &["kind"],
    ),
    procedure_bytes_left: shown(
        "holdfast_meta_procedure_bytes_left",
        "Bytes that are still to be moved for drains and replacements; only on the leader.",
        &["kind"],
    ),
    disks: shown("holdfast_meta_disks", "Disks by liveness; only on the leader.", &["liveness"]),
});

/// Reasons for which repairs are known to fail; anything else is `other`.
const REASONS: [(Code, &str); 5] = [
    (Code::Timeout, "timeout"),
    (Code::Unavailable, "unavailable"),
    (Code::Busy, "busy"),
    (Code::DataUnavailable, "no_copy"),
    (Code::NoSpace, "no_space"),
];

/// States of groups that always have a figure.
const STATES: [&str; 9] =
    ["lost", "unavailable", "no_room", "mending", "waiting", "moving", "rebuilding", "maintenance", "held"];

pub(super) fn begin() {
    for (_, reason) in REASONS {
        METRICS.failures.with_label_values(&[reason]);
    }
    METRICS.failures.with_label_values(&["other"]);
}

pub(super) fn forget() {
    let metrics = &*METRICS;
    for one in [
        &metrics.groups,
        &metrics.group_bytes,
        &metrics.by_spare,
        &metrics.by_state,
        &metrics.eta,
        &metrics.held,
        &metrics.procedures,
        &metrics.procedure_bytes_left,
        &metrics.disks,
    ] {
        one.forget();
    }
    for one in [&metrics.running, &metrics.bytes_left, &metrics.rate, &metrics.ailing_seconds] {
        one.set(0);
    }
}

/// Repair copied this much.
pub(crate) fn repaired(bytes: u64, chunks: u64) {
    METRICS.repaired_bytes.inc_by(bytes);
    METRICS.repaired_chunks.inc_by(chunks);
}

/// The repair of a group failed.
pub(crate) fn failed(code: Code) {
    let reason = REASONS.iter().find(|(known, _)| *known == code).map_or("other", |(_, name)| *name);
    METRICS.failures.with_label_values(&[reason]).inc();
}

/// What is lacking, since when, and what is done about it.
pub(crate) fn set_health(now: &HealthReply) {
    let spare: Vec<(String, f64)> =
        now.spare.iter().map(|one| (one.spare.to_string(), one.groups as f64)).collect();
    METRICS.by_spare.show_by(spare.iter().map(|(spare, groups)| (spare.as_str(), *groups)));
    let none = STATES.iter().map(|state| (*state, 0.0));
    METRICS
        .by_state
        .show_by(none.chain(now.states.iter().map(|one| (one.state.as_str(), one.groups as f64))));
    let levels = [
        (Ailment::Whole, "healthy"),
        (Ailment::Degraded, "degraded"),
        (Ailment::AtRisk, "at_risk"),
        (Ailment::Unavailable, "unavailable"),
    ];
    METRICS.group_bytes.show_by(levels.map(|(level, name)| {
        let of_level = now.levels.iter().filter(|one| one.level == level as i32);
        (name, of_level.map(|one| one.bytes).sum::<u64>() as f64)
    }));
    METRICS.bytes_left.set(number(now.bytes_left));
    METRICS.rate.set(number(now.rate));
    METRICS.eta.show(now.eta_s.map(|seconds| (Vec::new(), seconds as f64)));
    let ailing_ns = if now.oldest_since_ns == 0 { 0 } else { now.now_ns - now.oldest_since_ns };
    METRICS.ailing_seconds.set(ailing_ns / 1_000_000_000);
    let kinds = [
        (ProcedureKind::Drain, "drain"),
        (ProcedureKind::Maintenance, "maintenance"),
        (ProcedureKind::Replacement, "replacement"),
    ];
    let of_kind = |kind| now.procedures.iter().filter(move |one| one.kind() == kind);
    METRICS.procedures.show_by(kinds.map(|(kind, name)| (name, of_kind(kind).count() as f64)));
    METRICS.procedure_bytes_left.show_by(
        kinds.map(|(kind, name)| (name, of_kind(kind).map(|one| one.bytes_left).sum::<u64>() as f64)),
    );
}

/// How safe data is, and whether so much is silent that nothing is given up.
pub(crate) fn set_redundancy(now: &RedundancyStatus, held: bool) {
    METRICS.groups.show_by([
        ("healthy", now.pgs_healthy as f64),
        ("degraded", now.pgs_degraded as f64),
        ("at_risk", now.pgs_at_risk as f64),
        ("unavailable", now.pgs_unavailable as f64),
    ]);
    METRICS.running.set(number(now.repairs_running));
    METRICS.held.set(if held { 1.0 } else { 0.0 });
}

/// Disks by liveness.
pub(crate) fn set_disks<'a>(disks: impl IntoIterator<Item = (&'a str, u64)>) {
    METRICS.disks.show_by(disks.into_iter().map(|(liveness, count)| (liveness, count as f64)));
}
