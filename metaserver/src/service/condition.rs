//! `Condition`: everything at a glance, and what is wrong with causes and consequences. Any node answers what it
//! knows; `leader_view` says whether it leads. Nothing here waits for a quorum: in a fault the answer is partial and
//! fast.

use holdfast_proto::admin::{ClusterStatus, HealthIssue, MetaStatus, RedundancyStatus, StatusRequest};
use holdfast_proto::cluster::DiskCondition;
use holdfast_proto::inode::KeyValue;
use holdfast_proto::map::{Liveness, Standing, roles};
use holdfast_proto::query::Totals;
use holdfast_proto::status::Status;
use holdfast_rpc::{Context, Net};
use holdfast_state::work;
use tokio::time::Instant;

use super::{Services, trouble};
use crate::leader::{Leader, health, totals};
use crate::raft::Group;

/// Severities of issues.
const NOTE: u32 = 1;
pub(super) const WARNING: u32 = 2;
const DANGER: u32 = 3;

/// A leader whose quorum answered longer ago than this may not be the leader any more.
const QUORUM_AGE_MS: u64 = 2000;

pub(super) async fn answer(
    services: &Services,
    _context: Context,
    _: StatusRequest,
) -> Result<ClusterStatus, Status> {
    look(services)
}

/// What this node knows now.
pub(super) fn look(services: &Services) -> Result<ClusterStatus, Status> {
    let meta = services.group.status();
    let Ok(leader) = services.leader() else {
        let mut issues = Vec::new();
        if meta.leader == 0 {
            let what = "no leader is known here: names can neither be read nor changed until a majority of \
                        metaservers reach each other; they elect one by themselves";
            issues.push(issue("no_leader", DANGER, what.into(), 0));
        }
        return Ok(ClusterStatus { meta: Some(meta), issues, ..ClusterStatus::default() });
    };
    let view = services.group.local_view();
    let state = work::state(&view).map_err(|broken| Status::internal(broken.to_string()))?;
    let cluster = work::cluster(&view).map_err(|broken| Status::internal(broken.to_string()))?;
    let redundancy = leader.redundancy(&state);
    let mut totals = Totals {
        inodes: state.inodes,
        bytes: state.bytes,
        chunks: state.chunks,
        trash_items: state.trashed,
        trash_bytes: state.trashed_bytes,
        ..Totals::default()
    };
    let now = Instant::now();
    let (nodes, map_epoch) = {
        let hearing = leader.hearing.lock();
        let cluster = leader.cluster.lock();
        totals::fill(&cluster, &mut totals);
        let has_disks = |node: u64| cluster.disks.values().any(|disk| disk.node == node);
        let nodes = cluster
            .nodes
            .values()
            .filter(|node| node.standing() != Standing::Removed && has_disks(node.id))
            .map(|node| hearing.node(now, node.id))
            .collect::<Vec<_>>();
        (nodes, cluster.epoch)
    };
    let disks = leader.hearing.lock().reports().cloned().collect();
    let mut issues = quorum_issues(&meta);
    issues.extend(data_issues(&leader, &redundancy));
    issues.extend(disk_issues(&leader, now));
    issues.extend(trouble::issues(services, &leader, now));
    for notice in health::notices(&leader) {
        let (code, severity) = match notice.held_up {
            true => (format!("{}_held_up", notice.kind), WARNING),
            false => (notice.kind.to_owned(), NOTE),
        };
        let mut found = issue(&code, severity, notice.what, 0).with("node", notice.node);
        if notice.disk != 0 {
            found = found.with("disk", notice.disk);
        }
        found.reasons = notice.reasons;
        let found = found.with("groups", notice.groups_left).with("bytes", notice.bytes_left);
        issues.push(notice.left_s.map(|left| found.clone().with("left_seconds", left)).unwrap_or(found));
    }
    let (io, about, loads) = {
        let traffic = leader.traffic.lock();
        (traffic.now(), traffic.about(), traffic.disks(now))
    };
    issues.sort_by_key(|issue| (std::cmp::Reverse(issue.severity), std::cmp::Reverse(issue.since_ms)));
    Ok(ClusterStatus {
        meta: Some(meta),
        leader_view: true,
        nodes,
        disks,
        redundancy: Some(redundancy),
        issues,
        totals: Some(totals),
        sessions: state.sessions,
        loops: leader.board.all(),
        map_epoch,
        converting: state.converting,
        io: Some(io),
        uptime_s: leader.uptime_now(),
        about,
        loads,
        created_ns: cluster.map_or(0, |cluster| cluster.created_ns),
    })
}

pub(super) fn issue(code: &str, severity: u32, message: String, since_ms: u64) -> HealthIssue {
    HealthIssue { code: code.into(), severity, message, since_ms, ..HealthIssue::default() }
}

/// The same with what the message says, one by one, for who says it in another language.
pub(super) trait Naming {
    fn with(self, name: &str, value: impl ToString) -> Self;
}

impl Naming for HealthIssue {
    fn with(mut self, name: &str, value: impl ToString) -> Self {
        self.params.push(KeyValue { key: name.into(), value: value.to_string() });
        self
    }
}

fn quorum_issues(meta: &MetaStatus) -> Vec<HealthIssue> {
    let mut issues = Vec::new();
    if meta.voters.len() > 1 && meta.quorum_age_ms > QUORUM_AGE_MS {
        let what =
            "a majority of metaservers has not answered lately: nothing can be changed until it does".into();
        issues.push(issue("quorum_lost", DANGER, what, meta.quorum_age_ms));
    }
    // A voter far behind does not count when the next one fails.
    let behind = |node: u64| {
        let known = meta.progress.iter().find(|p| p.node == node);
        let silent = known.and_then(|p| p.silent_ms).is_some_and(|ms| ms > QUORUM_AGE_MS);
        node != meta.node && (silent || known.is_none_or(|p| p.matched + 10_000 < meta.last_log))
    };
    let lagging: Vec<String> =
        meta.voters.iter().filter(|peer| behind(peer.node)).map(|peer| format!("n{}", peer.node)).collect();
    if !lagging.is_empty() {
        let what = format!(
            "metaservers {} are behind or do not answer: fewer further failures are survived until they are back",
            lagging.join(", ")
        );
        issues.push(issue("quorum_at_risk", WARNING, what, 0).with("nodes", lagging.join(", ")));
    }
    // Comes of removing one of three; another node that may vote makes it odd again by itself.
    if meta.voters.len() == 2 {
        let what =
            "two metaservers vote: metadata cannot be changed when either is lost. Add a node that may vote";
        issues.push(issue("two_voters", WARNING, what.into(), 0));
    }
    issues
}

fn data_issues(leader: &Leader<Group, Net>, now: &RedundancyStatus) -> Vec<HealthIssue> {
    let mut issues = Vec::new();
    let since = now.degraded_ms;
    if now.pgs_unavailable > 0 {
        let what = format!(
            "{} placement groups cannot be read whole: too few of their disks answer. Nothing is given up; they \
             return with their disks",
            now.pgs_unavailable
        );
        issues.push(issue("pgs_unavailable", DANGER, what, since).with("groups", now.pgs_unavailable));
    }
    if now.pgs_at_risk > 0 {
        let what = format!(
            "{} placement groups would become unavailable with one more failure; repair takes them first",
            now.pgs_at_risk
        );
        issues.push(issue("pgs_at_risk", DANGER, what, since).with("groups", now.pgs_at_risk));
    }
    if now.pgs_degraded > 0 {
        let what = format!(
            "{} placement groups lack a copy and could lose one more; `holdfast admin health` says what is \
             done about it",
            now.pgs_degraded
        );
        issues.push(issue("pgs_degraded", WARNING, what, since).with("groups", now.pgs_degraded));
    }
    let no_room = leader.outlook.lock().ailing.values().filter(|a| a.no_room).count();
    if no_room > 0 {
        let what =
            format!("{no_room} placement groups need another disk, and none has room or is apart enough");
        issues.push(issue("no_room_for_repair", WARNING, what, since).with("groups", no_room));
    }
    if let Some(held) = *leader.held.lock() {
        let what = "so many disks vanished that this may be a network or power failure: nothing is rebuilt until they \
                    return, or until an administrator raises mass_failure_percent"
            .into();
        issues.push(issue("mass_failure", DANGER, what, held.elapsed().as_millis() as u64));
    }
    let cluster = leader.cluster.lock();
    let single = cluster.classes.values().any(|class| class.redundancy.is_some_and(|r| r.members() == 1));
    if single {
        let what =
            "a storage class keeps a single copy: a lost disk is lost data. It grows by itself as nodes join";
        issues.push(issue("single_copy", NOTE, what.into(), 0));
    }
    issues
}

fn disk_issues(leader: &Leader<Group, Net>, now: Instant) -> Vec<HealthIssue> {
    let hearing = leader.hearing.lock();
    let cluster = leader.cluster.lock();
    let mut issues = Vec::new();
    for disk in cluster.disks.values().filter(|disk| disk.standing != Standing::Removed) {
        let name = format!("disk d{} on node n{}", disk.id, disk.node);
        let reason = hearing.report(disk.node, disk.id).map(|r| r.reason.clone()).unwrap_or_default();
        let named = |issue: HealthIssue| issue.with("disk", disk.id).with("node", disk.node);
        match (disk.liveness, disk.standing) {
            (Liveness::Failed, _) => {
                let what =
                    format!("{name} has failed ({reason}); its data is being rebuilt elsewhere. Replace it");
                issues.push(named(issue("disk_failed", WARNING, what, 0)).with("reason", &reason));
            }
            (Liveness::Down, Standing::Out) => {
                let what = format!(
                    "{name} is given up; its data is rebuilt elsewhere. It is taken back if it returns"
                );
                issues.push(named(issue("disk_out", WARNING, what, disk.silent_ms)));
            }
            (Liveness::Down, Standing::Maintenance) => {
                let what = format!("{name} is away, as was expected: nothing is rebuilt for that");
                issues.push(named(issue("disk_away", NOTE, what, disk.silent_ms)));
            }
            (Liveness::Down, _) => {
                let what = format!("{name} does not answer; its data is rebuilt elsewhere if it stays away");
                issues.push(named(issue("disk_down", WARNING, what, disk.silent_ms)));
            }
            (Liveness::Full, _) => {
                let what = format!("{name} is full: it takes no new chunks. Add disks or delete data");
                issues.push(named(issue("disk_full", WARNING, what, 0)));
            }
            (Liveness::Alive | Liveness::Suspect, _) => {}
        }
        let scrub = hearing.report(disk.node, disk.id).and_then(|report| report.scrub.as_ref());
        // Of writes that were broken off, say: nobody misses them, and they go in their time.
        let unknown = leader.unknown.lock().count(now, disk.identity());
        let open = scrub.map_or(0, |scrub| scrub.open).saturating_sub(unknown);
        if open > 0 {
            let what = format!(
                "scrub found {open} damaged records on {name} that are not mended yet; they are copied anew from \
                 other members"
            );
            issues.push(named(issue("scrub_damage", WARNING, what, 0)).with("records", open));
        }
        let recovering =
            hearing.report(disk.node, disk.id).is_some_and(|r| r.condition() == DiskCondition::Recovering);
        if recovering {
            let what = format!("{name} rebuilds its index; it serves reads");
            issues.push(named(issue("disk_recovering", NOTE, what, 0)));
        }
    }
    for node in cluster.nodes.values() {
        let seen = hearing.node(now, node.id);
        let chunk = node.roles & roles::CHUNK != 0 && node.standing() != Standing::Removed;
        let silent = match seen.liveness() {
            Liveness::Down => true,
            // Not given up yet, but whoever stands before it wants to know.
            Liveness::Suspect => seen.silent_ms > 0,
            _ => false,
        };
        if chunk && silent && cluster.disks.values().any(|disk| disk.node == node.id) {
            let expected = node.standing() == Standing::Maintenance;
            let what = format!("node n{} at {} does not answer", node.id, node.address);
            let (code, what, severity) = match expected {
                true => ("node_away", format!("{what}; it is in maintenance"), NOTE),
                false => ("node_down", what, WARNING),
            };
            let found = issue(code, severity, what, seen.silent_ms);
            issues.push(found.with("node", node.id).with("address", &node.address));
        }
    }
    issues
}
