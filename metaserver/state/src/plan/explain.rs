//! What is the matter with a group, in words that an operator understands: how close to loss, who is missing, what is
//! being done or waited for.
//!
//! What always holds: the words follow from what the repair planner found ([`Assessment`]) and from the same cluster it
//! looked at, so they never promise what it will not do. Nothing is decided here.
//!
//! Called by the leader for `holdfast admin health` and `admin pgs --why`, and for metrics.

use holdfast_proto::map::{Liveness, Member, Pg, ProcedureKind, Standing};
use holdfast_proto::op::Ailment;
use holdfast_proto::reason::{Reason, joined};

use super::cluster::{Cluster, DiskFacts};
use super::repair::{Assessment, Risk, Step, Why};

/// What is the matter with a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Condition {
    /// It holds everything and answers.
    Whole,
    /// It is being filled, or waits for that.
    Filling,
    /// It lacks single chunks.
    Lacks,
    /// Its disk does not answer.
    Silent,
    /// Its disk does not answer, and is expected to be away.
    Away,
    /// Its disk has failed.
    Failed,
    /// Its disk was removed or replaced: what it held is gone.
    Gone,
    /// Its disk is being emptied or was given up, but answers.
    Leaving,
}

impl Condition {
    /// Its stable name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Whole => "whole",
            Self::Filling => "filling",
            Self::Lacks => "lacks",
            Self::Silent => "silent",
            Self::Away => "away",
            Self::Failed => "failed",
            Self::Gone => "gone",
            Self::Leaving => "leaving",
        }
    }
}

/// What the words depend on beside the cluster.
#[derive(Clone, Copy, Debug)]
pub struct Terms {
    /// Silence after which a disk is given up, in milliseconds.
    pub grace_ms: u64,
    /// Losses are too wide: nothing is given up without an administrator.
    pub held: bool,
    /// The group has chunks; `None`: not known.
    pub has_chunks: Option<bool>,
}

/// What is the matter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Words {
    /// Stable name of what is being done or waited for; see [`holdfast_proto::admin::GroupHealth::state`].
    pub state: &'static str,
    /// For people.
    pub why: String,
    /// The same piece by piece, with codes.
    pub reasons: Vec<Reason>,
    /// Of each member, in order.
    pub members: Vec<Condition>,
    /// Milliseconds until something else is done; `None`: nothing is waited for, or nobody knows for how long.
    pub until_ms: Option<u64>,
}

/// The level of a risk that leaders write down.
pub fn ailment(risk: Risk) -> Ailment {
    match risk {
        Risk::Unavailable => Ailment::Unavailable,
        Risk::AtRisk => Ailment::AtRisk,
        Risk::Degraded => Ailment::Degraded,
        Risk::Misplaced | Risk::Healthy => Ailment::Whole,
    }
}

/// For how long a group has lacked what it lacks now, as far as this cluster shows: as long as its longest silent
/// member, in milliseconds.
pub fn age_ms(cluster: &Cluster, pg: &Pg) -> u64 {
    let silent = |member: &Member| {
        cluster.member_disk(member).filter(|disk| !disk.answers()).map_or(0, |disk| disk.silent_ms)
    };
    pg.members.iter().map(silent).max().unwrap_or(0)
}

/// Explains one group. `lacks` says whether a member has `missing/` records in it.
pub fn explain(
    cluster: &Cluster,
    pg: &Pg,
    found: &Assessment,
    lacks: impl Fn(&Member) -> bool,
    terms: Terms,
) -> Words {
    let members: Vec<Condition> =
        pg.members.iter().map(|member| condition(cluster, member, lacks(member))).collect();
    let case = Case { cluster, pg, found, members: &members, terms };
    let (state, doing, until_ms) = case.doing();
    let reasons: Vec<Reason> = case.standing_words().into_iter().chain([doing]).collect();
    Words { state, why: joined(&reasons), reasons, members, until_ms }
}

fn condition(cluster: &Cluster, member: &Member, lacks: bool) -> Condition {
    let Some(disk) = cluster.member_disk(member).filter(|disk| disk.standing != Standing::Removed) else {
        return Condition::Gone;
    };
    match disk.liveness {
        Liveness::Failed => Condition::Failed,
        Liveness::Down if disk.standing == Standing::Maintenance => Condition::Away,
        Liveness::Down => Condition::Silent,
        _ if !member.clean => Condition::Filling,
        _ if lacks => Condition::Lacks,
        _ if !disk.stays() => Condition::Leaving,
        _ => Condition::Whole,
    }
}

/// One group under the lens.
struct Case<'a> {
    cluster: &'a Cluster,
    pg: &'a Pg,
    found: &'a Assessment,
    members: &'a [Condition],
    terms: Terms,
}

type Doing = (&'static str, Reason, Option<u64>);

impl Case<'_> {
    fn disks(&self, of: impl Fn(Condition, &Member) -> bool) -> Vec<u32> {
        let all = self.pg.members.iter().zip(self.members);
        all.filter(|(member, condition)| of(**condition, member)).map(|(member, _)| member.disk).collect()
    }

    fn wanted(&self) -> usize {
        let class = self.cluster.classes.get(&self.pg.class);
        class.and_then(|class| class.redundancy).map_or(0, |redundancy| redundancy.members() as usize)
    }

    fn needed(&self) -> usize {
        let class = self.cluster.classes.get(&self.pg.class);
        class.and_then(|class| class.redundancy).map_or(1, |redundancy| redundancy.min_readable() as usize)
    }

    fn shards(&self) -> bool {
        let class = self.cluster.classes.get(&self.pg.class);
        class.and_then(|class| class.redundancy).is_some_and(|redundancy| redundancy.is_erasure())
    }

    /// Whether even with every disk back that may come back too little would be there.
    fn is_lost(&self) -> bool {
        let may_hold = |condition: Condition, member: &Member| {
            member.clean && condition != Condition::Gone && condition != Condition::Filling
        };
        let holding = self.pg.members.iter().zip(self.members);
        let holding = holding.filter(|(member, condition)| may_hold(**condition, member));
        let count = match self.shards() {
            true => holding.map(|(m, _)| m.shard).collect::<std::collections::BTreeSet<_>>().len(),
            false => holding.count(),
        };
        count < self.needed() && self.terms.has_chunks != Some(false)
    }

    /// How close to loss, if it is.
    fn standing_words(&self) -> Option<Reason> {
        let missing = self.disks(|c, m| c != Condition::Whole && c != Condition::Leaving && !m.temporary);
        let regular = self.pg.members.iter().filter(|member| !member.temporary).count();
        let short = self.wanted().saturating_sub(regular);
        let (missing, members) = (missing.len() + short, self.wanted());
        let on = format!("data is missing on {missing} of {members} disks");
        let on_some = |code: &str, message: String| {
            Reason::new(code, message).with("missing", missing).with("members", members)
        };
        Some(match self.found.risk {
            Risk::Unavailable if self.terms.has_chunks == Some(false) => Reason::new("group_empty", "empty"),
            Risk::Unavailable => Reason::new("group_unreadable", "cannot be read whole"),
            Risk::AtRisk => on_some("group_at_risk", format!("one failure from loss: {on}")),
            Risk::Degraded => {
                let spare = self.found.spare.max(0);
                on_some("group_degraded", format!("{on}, {spare} more may fail")).with("spare", spare)
            }
            Risk::Misplaced | Risk::Healthy => return None,
        })
    }

    /// What is being done or waited for, the most important first.
    fn doing(&self) -> Doing {
        if self.found.risk == Risk::Unavailable {
            if self.is_lost() {
                let gone = self.disks(|c, _| c == Condition::Gone || c == Condition::Filling);
                let what = format!("lost: {} are beyond what can be rebuilt", name(&gone));
                return ("lost", Reason::new("group_lost", what).with_all("disks", &gone), None);
            }
            return ("unavailable", self.waits_for_return(), None);
        }
        if let Some(now) = self.rebuilding() {
            return now;
        }
        if self.found.no_room {
            let what = "waits for room: no other disk that is apart enough has room for it";
            return ("no_room", Reason::new("group_no_room", what), None);
        }
        let lacking = self.disks(|c, _| c == Condition::Lacks);
        if !lacking.is_empty() {
            let what = format!("single chunks are copied anew to {}", name(&lacking));
            return ("mending", Reason::new("group_mending", what).with_all("disks", &lacking), None);
        }
        if let Some(wait) = self.waiting() {
            return wait;
        }
        match self.found.risk {
            Risk::Healthy => ("whole", Reason::new("group_whole", "nothing is lacking"), None),
            _ => {
                let what = "the next step of its repair is being chosen";
                ("waiting", Reason::new("group_next_step", what), None)
            }
        }
    }

    fn waits_for_return(&self) -> Reason {
        let away = self.disks(|c, _| matches!(c, Condition::Silent | Condition::Away | Condition::Failed));
        if away.is_empty() {
            let what = "single chunks have no readable copy now; every member is asked again";
            return Reason::new("group_lacks_copies", what);
        }
        let what = format!("waits for {} to come back; nothing is given up", name(&away));
        Reason::new("group_waits_for_all", what).with_all("disks", &away)
    }

    fn rebuilding(&self) -> Option<Doing> {
        let filled: Vec<u32> = self.found.backfill.iter().map(|disk| disk.disk).collect();
        if !filled.is_empty() && self.found.risk == Risk::Misplaced {
            let what =
                format!("nothing is lacking; {} {} filled to take a place", name(&filled), are(&filled));
            return Some(("moving", Reason::new("group_moving", what).with_all("disks", &filled), None));
        }
        if !filled.is_empty() {
            let what = format!("being rebuilt onto {}", name(&filled));
            return Some((
                "rebuilding",
                Reason::new("group_rebuilding", what).with_all("disks", &filled),
                None,
            ));
        }
        let disk_of = |disk: u32| format!("d{disk}");
        let what = match self.found.step? {
            Step::Add { disk, why: Why::Domain, .. } => {
                let what = format!("members share a failure domain; {} is to join", disk_of(disk.disk));
                Reason::new("group_shares_domain", what).with("disk", disk.disk)
            }
            Step::Add { disk, .. } => {
                let what = format!("{} is to join and to be filled", disk_of(disk.disk));
                Reason::new("group_join", what).with("disk", disk.disk)
            }
            Step::Drop { member, .. } => {
                let what = format!("{} is let go of", disk_of(member.disk));
                Reason::new("group_let_go", what).with("disk", member.disk)
            }
            Step::Replace { member, disk } => {
                let what = format!("{} takes the place of {}", disk_of(disk.disk), disk_of(member.disk));
                Reason::new("group_replace", what).with("disk", disk.disk).with("member", member.disk)
            }
        };
        Some((if self.found.risk == Risk::Misplaced { "moving" } else { "rebuilding" }, what, None))
    }

    /// Somebody is away, and it is not time yet to do without.
    fn waiting(&self) -> Option<Doing> {
        let away = self.disks(|c, _| c == Condition::Away);
        let silent = self.disks(|c, _| c == Condition::Silent);
        if !away.is_empty() && silent.is_empty() {
            let what =
                format!("{} {} away for maintenance; nothing is rebuilt for that", name(&away), are(&away));
            let why = Reason::new("group_maintenance", what).with_all("disks", &away);
            return Some(("maintenance", why, None));
        }
        if silent.is_empty() {
            return None;
        }
        if self.terms.held {
            let what = format!(
                "waits for {} to come back: too many disks vanished at once to give any up by itself",
                name(&silent)
            );
            return Some(("held", Reason::new("group_held", what).with_all("disks", &silent), None));
        }
        let left = |disk: &DiskFacts| self.terms.grace_ms.saturating_sub(disk.silent_ms);
        let in_grace = silent.iter().filter_map(|disk| self.cluster.disks.get(disk));
        let until_ms = in_grace.filter(|disk| disk.standing == Standing::In).map(left).min();
        let (code, what) = match until_ms {
            Some(_) => (
                "group_grace",
                format!("waits for {} to come back before it is rebuilt elsewhere", name(&silent)),
            ),
            None => ("group_waits", format!("waits for {} to come back", name(&silent))),
        };
        Some(("waiting", Reason::new(code, what).with_all("disks", &silent), until_ms))
    }
}

fn are(disks: &[u32]) -> &'static str {
    if disks.len() == 1 { "is" } else { "are" }
}

/// `d1, d2 and d3`.
pub fn name(disks: &[u32]) -> String {
    match disks {
        [] => "none".into(),
        [one] => format!("d{one}"),
        [first @ .., last] => {
            let first: Vec<String> = first.iter().map(|disk| format!("d{disk}")).collect();
            format!("{} and d{last}", first.join(", "))
        }
    }
}

/// Whether a node is expected to be away, and until which uptime (0: until told otherwise).
pub fn maintenance_of(cluster: &Cluster, node: u64) -> Option<u64> {
    let procedure = cluster.nodes.get(&node)?.procedure?;
    (procedure.kind() == ProcedureKind::Maintenance).then_some(procedure.until_s)
}

#[cfg(test)]
#[path = "explain_tests.rs"]
mod tests;
