//! What would become of groups if some disks were emptied, or were away: looked at with the repair planner before
//! anything is begun.
//!
//! What always holds: nothing is changed; what is planned here is planned on a copy of the cluster, with the steps that
//! repair would take, so "it can be emptied" means that repair will find a disk for every place.
//!
//! Called by the leader before a drain or maintenance begins, and to say what a drain waits for.

use std::collections::{BTreeMap, BTreeSet};

use holdfast_proto::map::{Member, Pg, Standing};
use holdfast_proto::op::DiskRef;

use super::cluster::Cluster;
use super::place::conflicts;
use super::repair::{Rules, Step, assess};

/// Steps planned per group at most: each member that leaves costs two.
const MOST_STEPS: usize = 32;

/// What emptying would come to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Emptying {
    /// Groups that count on the disks.
    pub groups: u64,
    /// Their bytes on them, as far as they were counted.
    pub bytes: u64,
    /// Groups for which no other disk has room.
    pub stuck: BTreeSet<u32>,
    /// Bytes of these on the disks.
    pub stuck_bytes: u64,
    /// Groups of which more members than now would share a failure domain.
    pub crowded: BTreeSet<u32>,
}

/// Bytes that one member of a group keeps, when its chunks have `bytes`.
pub fn share_of(cluster: &Cluster, pg: &Pg, bytes: u64) -> u64 {
    let pieces = cluster.classes.get(&pg.class).and_then(|c| c.redundancy).map_or(1, |r| r.min_readable());
    bytes.div_ceil(u64::from(pieces.max(1)))
}

/// Plans the emptying of `disks`. `sizes` has the bytes of each group's chunks before redundancy, as far as known;
/// `barred` says whether a disk still has to let go of what it held of a group.
pub fn plan_emptying(
    cluster: &Cluster,
    disks: &BTreeSet<u32>,
    sizes: &BTreeMap<u32, u64>,
    barred: impl Fn(u32, u32) -> bool,
) -> Emptying {
    let mut then = cluster.clone();
    for disk in disks {
        if let Some(facts) = then.disks.get_mut(disk) {
            facts.standing = Standing::Draining;
        }
    }
    let concerned: BTreeSet<u32> = disks.iter().flat_map(|disk| cluster.groups_of(*disk)).collect();
    let mut plan = Emptying::default();
    for id in concerned {
        let Some(pg) = cluster.pgs.get(&id) else { continue };
        let share = share_of(cluster, pg, sizes.get(&id).copied().unwrap_or(0));
        let there = pg.members.iter().filter(|member| disks.contains(&member.disk)).count() as u64;
        plan.groups += 1;
        plan.bytes += share * there;
        if !empty_group(&mut then, id, share, disks, &barred) {
            plan.stuck.insert(id);
            plan.stuck_bytes += share * there;
        }
        if conflicts_in(&then, id) > conflicts_in(cluster, id) {
            plan.crowded.insert(id);
        }
    }
    plan
}

fn conflicts_in(cluster: &Cluster, id: u32) -> usize {
    let Some(pg) = cluster.pgs.get(&id) else { return 0 };
    let Some(class) = cluster.classes.get(&pg.class) else { return 0 };
    let regular: Vec<u32> = pg.members.iter().filter(|m| !m.temporary).map(|m| m.disk).collect();
    conflicts(cluster, class.domain(), &regular)
}

/// Takes the steps of repair until none is left; whether no member is on `disks` then.
fn empty_group(
    then: &mut Cluster,
    id: u32,
    share: u64,
    disks: &BTreeSet<u32>,
    barred: &impl Fn(u32, u32) -> bool,
) -> bool {
    let rules = Rules { temporary_after_ms: 0, bytes: share, moves_rest: false };
    for _ in 0..MOST_STEPS {
        let Some(pg) = then.pgs.get(&id).cloned() else { return true };
        if !pg.members.iter().any(|member| disks.contains(&member.disk)) {
            return true;
        }
        let Some(found) = assess(then, &pg, rules, |_| false, |disk| barred(disk, id)) else { return true };
        let Some(step) = found.step else { return false };
        if let Some(joins) = joining(&pg, step)
            && let Some(facts) = then.disks.get_mut(&joins)
        {
            facts.used = facts.used.saturating_add(share);
            facts.free = facts.free.saturating_sub(share);
        }
        then.set_pg(after(pg, step));
    }
    false
}

/// The disk that a step brings into a group.
pub(super) fn joining(pg: &Pg, step: Step) -> Option<u32> {
    match step {
        Step::Add { disk, .. } => Some(disk.disk),
        Step::Replace { disk, .. } => pg.members.iter().all(|m| m.disk != disk.disk).then_some(disk.disk),
        Step::Drop { .. } => None,
    }
}

/// The group after a step, its new member filled.
pub(super) fn after(mut pg: Pg, step: Step) -> Pg {
    let position = |pg: &Pg, disk: DiskRef| pg.members.iter().position(|m| m.disk == disk.disk);
    let joined = |disk: DiskRef, temporary, shard| Member {
        disk: disk.disk,
        incarnation: disk.incarnation,
        clean: true,
        temporary,
        shard,
        ..Member::default()
    };
    match step {
        Step::Add { disk, temporary, shard, .. } => {
            let regular = pg.members.iter().filter(|m| !m.temporary).count();
            let at = if temporary { pg.members.len() } else { regular };
            pg.members.insert(at, joined(disk, temporary, shard));
        }
        Step::Drop { member, .. } => {
            pg.members.retain(|m| m.disk != member.disk);
        }
        Step::Replace { member, disk } => {
            let new = joined(disk, false, 0);
            if let Some(stand_in) = position(&pg, disk) {
                pg.members.remove(stand_in);
            }
            if let Some(at) = position(&pg, member) {
                pg.members[at] = Member { shard: pg.members[at].shard, ..new };
            }
        }
    }
    pg.epoch += 1;
    pg
}

/// What would become of groups if these disks did not answer: those that could not be read whole any more, and those
/// that would be one failure from it. `lacks` says whether a member lacks chunks of its group.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Absence {
    /// Groups that could not be read.
    pub unreadable: BTreeSet<u32>,
    /// Groups that could be read, but are left without redundancy.
    pub bare: BTreeSet<u32>,
    /// Groups of a class that has no group left in which enough members would take writes.
    pub unwritable: BTreeSet<u32>,
}

/// Judges an absence. Groups that could not be read anyway, and those that `counts` says no to (they hold nothing), are
/// left out.
pub fn judge_absence(
    cluster: &Cluster,
    absent: &BTreeSet<u32>,
    lacks: impl Fn(u32, &Member) -> bool,
    counts: impl Fn(u32) -> bool,
) -> Absence {
    let mut found = Absence::default();
    let concerned: BTreeSet<u32> = absent.iter().flat_map(|disk| cluster.groups_of(*disk)).collect();
    for id in concerned {
        let Some(pg) = cluster.pgs.get(&id).filter(|_| counts(id)) else { continue };
        let Some(redundancy) = cluster.classes.get(&pg.class).and_then(|class| class.redundancy) else {
            continue;
        };
        let holding = |without: bool| {
            let there = pg.members.iter().filter(|m| {
                let answers = cluster.member_disk(m).is_some_and(super::cluster::DiskFacts::answers);
                m.clean && answers && !lacks(id, m) && !(without && absent.contains(&m.disk))
            });
            match redundancy.is_erasure() {
                true => there.map(|m| m.shard).collect::<BTreeSet<_>>().len() as u32,
                false => there.count() as u32,
            }
        };
        let needed = redundancy.min_readable();
        match holding(true) {
            left if left < needed && holding(false) >= needed => drop(found.unreadable.insert(id)),
            left if left == needed && redundancy.members() > needed => drop(found.bare.insert(id)),
            _ => {}
        }
    }
    for class in cluster.classes.values() {
        let Some(redundancy) = class.redundancy else { continue };
        let of_class = || cluster.pgs.values().filter(|pg| pg.class == class.id);
        let takes = |pg: &Pg, without: bool| {
            let there = pg.members.iter().filter(|m| {
                let answers = cluster.member_disk(m).is_some_and(super::cluster::DiskFacts::answers);
                answers && !m.temporary && !(without && absent.contains(&m.disk))
            });
            there.count() as u32 >= redundancy.min_acks()
        };
        let writable = |pg: &&Pg| pg.state() == holdfast_proto::map::PgState::Writable;
        let now = of_class().filter(writable).any(|pg| takes(pg, false));
        if now && !of_class().filter(writable).any(|pg| takes(pg, true)) {
            found.unwritable.insert(class.id);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use holdfast_proto::map::{Erasure, FailureDomain, Liveness, Redundancy, redundancy::Kind};

    use super::super::cluster::tests::{cluster, group};
    use super::*;

    fn copies(hosts: &[u32], groups: &[&[u32]]) -> Cluster {
        let mut c = cluster(hosts, Redundancy::replicated(3, 2), FailureDomain::Host);
        for (id, disks) in (1..).zip(groups) {
            let pg = group(&c, id, disks);
            c.set_pg(pg);
        }
        c
    }

    fn plan(c: &Cluster, disks: &[u32]) -> Emptying {
        let sizes = c.pgs.keys().map(|pg| (*pg, 100)).collect();
        plan_emptying(c, &disks.iter().copied().collect(), &sizes, |_, _| false)
    }

    #[test]
    fn a_disk_with_a_fourth_host_beside_it_can_be_emptied() {
        let c = copies(&[1, 1, 1, 1], &[&[1, 2, 3], &[2, 3, 4], &[1, 3, 4]]);
        let found = plan(&c, &[1]);
        assert_eq!((found.groups, found.bytes), (2, 200));
        assert!(found.stuck.is_empty() && found.crowded.is_empty(), "{found:?}");
    }

    #[test]
    fn without_a_fourth_host_it_is_stuck_or_crowded() {
        let c = copies(&[1, 1, 1], &[&[1, 2, 3]]);
        assert_eq!(plan(&c, &[1]).stuck, BTreeSet::from([1]));
        let c = copies(&[1, 2, 1], &[&[1, 2, 4]]);
        let found = plan(&c, &[1]);
        assert_eq!((found.stuck.len(), found.crowded), (0, BTreeSet::from([1])));
        // On its own host there is another disk: nothing gets worse.
        let found = plan(&copies(&[1, 2, 1], &[&[1, 2, 4]]), &[2]);
        assert!(found.stuck.is_empty() && found.crowded.is_empty(), "{found:?}");
    }

    #[test]
    fn room_is_counted_over_all_groups() {
        let mut c = copies(&[1, 1, 1, 1], &[&[1, 2, 3], &[1, 2, 3], &[1, 2, 3]]);
        let fourth = c.disks.get_mut(&4).unwrap();
        (fourth.capacity, fourth.free) = (1000, 251);
        assert_eq!(plan(&c, &[1]).stuck.len(), 1, "two fit beside the reserve, three do not");
    }

    #[test]
    fn an_absence_is_judged_by_what_is_left() {
        let c = copies(&[1, 1, 1, 1], &[&[1, 2, 3], &[2, 3, 4]]);
        let away =
            |disks: &[u32]| judge_absence(&c, &disks.iter().copied().collect(), |_, _| false, |_| true);
        assert_eq!(away(&[1]), Absence::default());
        let two = away(&[2, 3]);
        assert_eq!((two.unreadable.len(), two.bare.len(), two.unwritable.len()), (0, 2, 1));
        assert_eq!(away(&[1, 2, 3]).unreadable, BTreeSet::from([1]));
        assert_eq!(
            judge_absence(&c, &BTreeSet::from([1, 2, 3]), |_, _| false, |pg| pg != 1).unreadable,
            BTreeSet::new(),
            "what is empty cannot become unreadable"
        );
    }

    #[test]
    fn shards_that_are_silent_already_count_as_absent() {
        let coded =
            Redundancy { kind: Some(Kind::Erasure(Erasure { data: 2, parity: 1, cell_bytes: 4096 })) };
        let mut c = cluster(&[1, 1, 1, 1], coded, FailureDomain::Host);
        let pg = group(&c, 1, &[1, 2, 3]);
        c.set_pg(pg);
        let away = |c: &Cluster| judge_absence(c, &BTreeSet::from([1]), |_, _| false, |_| true);
        assert_eq!(away(&c).bare, BTreeSet::from([1]));
        c.disks.get_mut(&2).unwrap().liveness = Liveness::Down;
        let found = away(&c);
        assert_eq!(found.unreadable, BTreeSet::from([1]));
        assert_eq!(judge_absence(&c, &BTreeSet::from([1]), |_, m| m.disk == 3, |_| true), Absence::default());
    }
}
