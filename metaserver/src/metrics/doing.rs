//! Metrics of what the leader does in the background, and of what it calls wrong.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use holdfast_proto::admin::{HealthIssue, LoopStatus};
use holdfast_proto::op::BalanceState;
use holdfast_support::shown::Shown;
use holdfast_support::telemetry::{counter, counters, shown};
use prometheus::{IntCounter, IntCounterVec};

struct Metrics {
    loops: Shown,
    issues: Shown,
    balance_state: Shown,
    balance_left: Shown,
    balance_moves: Shown,
    balance_rate: Shown,
    spread: Shown,
    moved: IntCounter,
    gc_enabled: Shown,
    gc_waiting: Shown,
    gc_deleted: IntCounter,
    gc_extents: IntCounter,
    orphans: IntCounterVec,
    crosscheck_problems: IntCounterVec,
    crosscheck_last: Shown,
    trash_early: IntCounter,
    trash_due: IntCounter,
}

static METRICS: LazyLock<Metrics> = LazyLock::new(|| Metrics {
    loops: shown(
        "holdfast_meta_loop_state",
        "1 for the state that a background loop is in; only on the leader.",
        &["loop", "state"],
    ),
    issues: shown(
        "holdfast_meta_issues",
        "How often the cluster's status names something wrong, by code; only on the leader.",
        &["code", "severity"],
    ),
    balance_state: shown(
        "holdfast_meta_balance_state",
        "1 for the state that the evening out of disks is in; only on the leader.",
        &["state"],
    ),
    balance_left: shown(
        "holdfast_meta_balance_bytes_left",
        "Bytes that are still to be moved to even disks out; only on the leader.",
        &[],
    ),
    balance_moves: shown(
        "holdfast_meta_balance_moves_running",
        "Moves of placement groups under way; only on the leader.",
        &[],
    ),
    balance_rate: shown(
        "holdfast_meta_balance_bytes_per_second",
        "Bytes per second moved over the last minute to even disks out; only on the leader.",
        &[],
    ),
    spread: shown(
        "holdfast_meta_balance_spread_ratio",
        "Fullness of the fullest disk in service minus that of the emptiest; only on the leader.",
        &[],
    ),
    moved: counter(
        "holdfast_meta_balance_moved_bytes_total",
        "Bytes moved to even disks out, ordered by this node as leader.",
    ),
    gc_enabled: shown(
        "holdfast_meta_gc_enabled",
        "1: what nothing refers to is deleted; 0: collection is turned off. Only on the leader.",
        &[],
    ),
    gc_waiting: shown(
        "holdfast_meta_gc_waiting_groups",
        "Placement groups with garbage that wait for a disk that is absent; only on the leader.",
        &[],
    ),
    gc_deleted: counter(
        "holdfast_meta_gc_deleted_total",
        "Records of dead chunks deleted on disks, ordered by this node as leader.",
    ),
    gc_extents: counter(
        "holdfast_meta_gc_freed_extents_total",
        "Extents of deleted files freed, by this node as leader.",
    ),
    orphans: counters(
        "holdfast_meta_orphans_total",
        "What the slow sweep over disks found and put right: records that nothing refers to (deleted), copies that are \
         not there (lost), groups on disks that are not members (dropped).",
        &["verdict"],
    ),
    crosscheck_problems: counters(
        "holdfast_meta_crosscheck_problems_total",
        "Copies and records that fsck found wrong, each time it asked.",
        &["kind"],
    ),
    crosscheck_last: shown(
        "holdfast_meta_crosscheck_last_seconds",
        "When fsck last asked this leader, unix time; not there before the first time.",
        &[],
    ),
    trash_early: counter(
        "holdfast_trash_early_total",
        "Files that left the trash before their time, for lack of room.",
    ),
    trash_due: counter("holdfast_trash_due_total", "Files that left the trash at their time."),
});

const VERDICTS: [&str; 3] = ["deleted", "lost", "dropped"];
const PROBLEMS: [&str; 2] = ["copy", "record"];
/// Every state that a loop may be in.
const STATES: [&str; 4] = ["idle", "busy", "throttled", "waiting"];

pub(super) fn begin() {
    for verdict in VERDICTS {
        METRICS.orphans.with_label_values(&[verdict]);
    }
    for kind in PROBLEMS {
        METRICS.crosscheck_problems.with_label_values(&[kind]);
    }
}

pub(super) fn forget() {
    let metrics = &*METRICS;
    for one in [
        &metrics.loops,
        &metrics.issues,
        &metrics.balance_state,
        &metrics.balance_left,
        &metrics.balance_moves,
        &metrics.balance_rate,
        &metrics.spread,
        &metrics.gc_enabled,
        &metrics.gc_waiting,
        &metrics.crosscheck_last,
    ] {
        one.forget();
    }
}

/// What the loops do now.
pub(crate) fn set_loops(loops: &[LoopStatus]) {
    METRICS.loops.show(loops.iter().flat_map(|one| {
        STATES.iter().map(|state| {
            let is = if one.state == *state { 1.0 } else { 0.0 };
            (vec![one.name.as_str(), *state], is)
        })
    }));
}

/// What is called wrong now.
pub(crate) fn set_issues(issues: &[HealthIssue]) {
    let mut counts: BTreeMap<(&str, &str), f64> = BTreeMap::new();
    for one in issues {
        let severity = match one.severity {
            0 | 1 => "note",
            2 => "warning",
            _ => "danger",
        };
        *counts.entry((&one.code, severity)).or_default() += 1.0;
    }
    METRICS.issues.show(counts.into_iter().map(|((code, severity), count)| (vec![code, severity], count)));
}

/// How the evening out of disks is.
pub(crate) fn set_balance(state: BalanceState, left: u64, moves: u64, rate: u64) {
    let all = [
        (BalanceState::Idle, "idle"),
        (BalanceState::Running, "running"),
        (BalanceState::Paused, "paused"),
        (BalanceState::Cancelling, "cancelling"),
    ];
    METRICS.balance_state.show_by(all.map(|(one, name)| (name, if one == state { 1.0 } else { 0.0 })));
    METRICS.balance_left.set(left as f64);
    METRICS.balance_moves.set(moves as f64);
    METRICS.balance_rate.set(rate as f64);
}

/// How much the fullest and the emptiest disk differ; `None`: there is nothing to compare.
pub(crate) fn set_spread(ratio: Option<f64>) {
    match ratio {
        Some(ratio) => METRICS.spread.set(ratio),
        None => METRICS.spread.forget(),
    }
}

/// Bytes were moved for balance.
pub(crate) fn moved(bytes: u64) {
    METRICS.moved.inc_by(bytes);
}

/// Whether garbage is collected.
pub(crate) fn set_gc_enabled(enabled: bool) {
    METRICS.gc_enabled.set(if enabled { 1.0 } else { 0.0 });
}

/// A round of collection did this much.
pub(crate) fn collected(chunks: u64, extents: u64, waiting: u64) {
    METRICS.gc_deleted.inc_by(chunks);
    METRICS.gc_extents.inc_by(extents);
    METRICS.gc_waiting.set(waiting as f64);
}

/// The slow sweep put something right: `deleted`, `lost` or `dropped`.
pub(crate) fn swept(verdict: &'static str, count: u64) {
    METRICS.orphans.with_label_values(&[verdict]).inc_by(count);
}

/// `fsck` asked, and so many copies and records are wrong. `now`: unix seconds, for people.
pub(crate) fn crosschecked(copies: u64, records: u64, now: u64) {
    METRICS.crosscheck_problems.with_label_values(&["copy"]).inc_by(copies);
    METRICS.crosscheck_problems.with_label_values(&["record"]).inc_by(records);
    METRICS.crosscheck_last.set(now as f64);
}

/// Files left the trash.
pub(crate) fn trash_left(due: u64, early: u64) {
    METRICS.trash_due.inc_by(due);
    METRICS.trash_early.inc_by(early);
}
