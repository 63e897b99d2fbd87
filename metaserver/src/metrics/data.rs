//! Metrics of what the replicated state holds: files, classes, quotas, trash, accounts, the audit log.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use holdfast_proto::audit::{AuditEnds, VerifyAuditReply};
use holdfast_state::records::State;
use holdfast_support::clock::wall_ms;
use holdfast_support::shown::Shown;
use holdfast_support::telemetry::{counter, gauge, shown};
use prometheus::{IntCounter, IntGauge};

use super::number;

struct Metrics {
    state: Shown,
    epoch: Shown,
    uptime: Shown,
    class_bytes: Shown,
    class_groups: Shown,
    available: Shown,
    sealed: Shown,
    quotas: Shown,
    trash_oldest: Shown,
    credentials: Shown,
    expiry: Shown,
    shares: Shown,
    audit_entries: IntGauge,
    audit_head: IntGauge,
    audit_hash: Shown,
    verify_failures: IntCounter,
    verify_last: IntGauge,
}

static METRICS: LazyLock<Metrics> = LazyLock::new(|| Metrics {
    state: shown("holdfast_meta_state", "Counters of the replicated state; only on the leader.", &["what"]),
    epoch: shown("holdfast_meta_map_epoch", "Epoch of the cluster's map; only on the leader.", &[]),
    uptime: shown(
        "holdfast_meta_uptime_seconds",
        "For how long the cluster has had a leader, over all of its life; only on the leader.",
        &[],
    ),
    class_bytes: shown(
        "holdfast_class_bytes",
        "Bytes of chunks in a storage class before redundancy, as far as they were counted; only on the leader.",
        &["class"],
    ),
    class_groups: shown(
        "holdfast_class_groups",
        "Placement groups of a storage class; only on the leader.",
        &["class"],
    ),
    available: shown(
        "holdfast_available_bytes",
        "Bytes that a storage class could still take, roughly: free bytes of the disks that take new chunks, divided by \
         what it stores for each byte. Classes share the disks. Only on the leader.",
        &["class"],
    ),
    sealed: shown(
        "holdfast_meta_groups_sealed",
        "Placement groups of a storage class that take no new chunks because they are large enough; only on the leader.",
        &["class"],
    ),
    quotas: shown(
        "holdfast_quota_used_ratio",
        "Use of the fullest quotas, the larger of bytes and files, by the number of their directory's inode and its path; \
         only on the leader.",
        &["root", "path"],
    ),
    trash_oldest: shown(
        "holdfast_trash_oldest_seconds",
        "For how long the file that leaves the trash next has been in it; 0: the trash is empty. Only on the leader.",
        &[],
    ),
    credentials: shown(
        "holdfast_credentials",
        "Logins of the dashboard that are open, and API tokens; only on the leader.",
        &["kind"],
    ),
    expiry: shown(
        "holdfast_credential_expiry_seconds",
        "When the first API token ends, unix time; not there while none does. Only on the leader.",
        &["kind"],
    ),
    shares: shown("holdfast_shares", "Links to files that were shared; only on the leader.", &[]),
    audit_entries: gauge("holdfast_audit_entries", "Entries in the audit log, in this node's copy."),
    audit_head: gauge(
        "holdfast_audit_head_index",
        "Number of the last entry of the audit log, in this node's copy.",
    ),
    audit_hash: shown(
        "holdfast_audit_head_info",
        "1, with the number of the last entry of the audit log and the beginning of its hash, to be kept elsewhere: equal \
         on all members at one number.",
        &["index", "hash"],
    ),
    verify_failures: counter(
        "holdfast_audit_verify_failures_total",
        "Problems found when this node was asked to follow the chain of the audit log in its copy.",
    ),
    verify_last: gauge(
        "holdfast_audit_verify_last_seconds",
        "When this node last followed the chain of the audit log, unix time; 0: not since it started.",
    ),
});

pub(super) fn begin() {
    LazyLock::force(&METRICS);
}

pub(super) fn forget() {
    let metrics = &*METRICS;
    for one in [
        &metrics.state,
        &metrics.epoch,
        &metrics.uptime,
        &metrics.class_bytes,
        &metrics.class_groups,
        &metrics.available,
        &metrics.sealed,
        &metrics.quotas,
        &metrics.trash_oldest,
        &metrics.credentials,
        &metrics.expiry,
        &metrics.shares,
    ] {
        one.forget();
    }
}

/// The counters of the state, and the uptime with what is not in the log yet.
pub(crate) fn set_state(state: &State, uptime_s: u64) {
    let rows = [
        ("inodes", state.inodes),
        ("bytes", state.bytes),
        ("chunks", state.chunks),
        ("missing_chunks", state.missing),
        ("garbage_chunks", state.garbage),
        ("sessions", state.sessions),
        ("mounts", state.mounts),
        ("converting", state.converting),
        ("quotas", state.quotas),
        ("nameless", state.nameless),
        ("trash_files", state.trashed),
        ("trash_bytes", state.trashed_bytes),
    ];
    METRICS.state.show_by(rows.map(|(what, value)| (what, value as f64)));
    METRICS.shares.set(state.shares as f64);
    METRICS.epoch.set(state.epoch as f64);
    METRICS.uptime.set(uptime_s as f64);
}

/// A storage class in figures.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ClassFigures {
    /// Bytes before redundancy.
    pub(crate) bytes: u64,
    /// Placement groups.
    pub(crate) groups: u64,
    /// Of these, those that take no new chunks.
    pub(crate) sealed: u64,
    /// Bytes that it could still take.
    pub(crate) available: u64,
}

/// The storage classes by name.
pub(crate) fn set_classes(classes: &BTreeMap<String, ClassFigures>) {
    let show = |metric: &Shown, value: fn(&ClassFigures) -> u64| {
        metric.show_by(classes.iter().map(|(name, one)| (name.as_str(), value(one) as f64)));
    };
    show(&METRICS.class_bytes, |one| one.bytes);
    show(&METRICS.class_groups, |one| one.groups);
    show(&METRICS.sealed, |one| one.sealed);
    show(&METRICS.available, |one| one.available);
}

/// The fullest quotas: directory, its path, use.
pub(crate) fn set_quotas(fullest: &[(u64, String, f64)]) {
    let rows: Vec<(String, &str, f64)> =
        fullest.iter().map(|(root, name, used)| (root.to_string(), name.as_str(), *used)).collect();
    METRICS.quotas.show(rows.iter().map(|(root, name, used)| (vec![root.as_str(), *name], *used)));
}

/// For how long the file that leaves the trash next has been there.
pub(crate) fn set_trash_oldest(seconds: u64) {
    METRICS.trash_oldest.set(seconds as f64);
}

/// Open logins and API tokens, and when the first of these ends, in unix seconds.
pub(crate) fn set_credentials(logins: u64, tokens: u64, first: Option<u64>) {
    METRICS.credentials.show_by([("login", logins as f64), ("token", tokens as f64)]);
    METRICS.expiry.show_by(first.map(|at| ("token", at as f64)));
}

/// How far the audit log reaches here.
pub(crate) fn set_audit(ends: &AuditEnds) {
    METRICS.audit_entries.set(number(ends.last.saturating_sub(ends.trimmed)));
    METRICS.audit_head.set(number(ends.last));
    let hash: String = ends.hash.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    METRICS.audit_hash.show([(vec![ends.last.to_string().as_str(), hash.as_str()], 1.0)]);
}

/// The chain of the audit log was followed here.
pub(crate) fn audit_verified(found: &VerifyAuditReply) {
    METRICS.verify_failures.inc_by(found.problems.len() as u64);
    METRICS.verify_last.set(number(wall_ms() / 1000));
}
