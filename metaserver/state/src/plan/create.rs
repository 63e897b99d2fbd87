//! Which placement groups to create: about the same number of writable groups on every disk (in proportion to its
//! share), over varied partners.
//!
//! What always holds:
//! - No disk twice in a group; failure domains differ as far as the cluster's disks allow, silent ones counted: a
//!   host that is away for a moment does not make worse groups than waiting would.
//! - Existing groups are never touched; when every disk has its number, the plan is empty.
//! - Only when a class has no group left that could take data are worse groups made than the cluster could have.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use holdfast_proto::map::{FailureDomain, Pg, PgState, StorageClass, redundancy::Kind};
use holdfast_proto::op::NewPg;

use super::cluster::{Cluster, DiskFacts};
use super::fill::SMALLEST_LIMIT_BYTES;
use super::mix;
use super::place::{Wanted, choose, conflicts, fewest_conflicts, has_room, shared_with};

/// How many groups, and how many at a time.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Writable groups that a disk of average share should be in.
    pub per_disk: u32,
    /// Most groups in one plan.
    pub most: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { per_disk: 32, most: 128 }
    }
}

/// Disks that must pair with few partners (one large host beside small ones) may be in this many times their
/// number of groups, so that the large host's disks get theirs.
const CROWDING: u64 = 8;

/// Partners that are compared for a place, the emptiest first: all of them in most clusters, and enough to vary in the
/// largest.
const COMPARED: usize = 64;

/// One disk as the plan goes.
#[derive(Clone, Copy, Default)]
struct Slot<'a> {
    facts: Option<&'a DiskFacts>,
    /// Writable groups of the class that it is in.
    count: u64,
    /// How many it should be in; 0: none.
    target: u64,
}

/// Working state of one plan.
struct Plan<'a> {
    cluster: &'a Cluster,
    level: FailureDomain,
    members: usize,
    seed: u64,
    /// By disk id.
    slots: Vec<Slot<'a>>,
    /// How many groups two disks share. Only looked up, never walked: its order does not matter.
    pairs: HashMap<(u32, u32), u64>,
    /// Sum of `count`.
    serial: u64,
    /// Disks that could be in a new group, the emptiest of groups first.
    eligible: BTreeSet<(u64, u64, u32)>,
    /// Those of them for which no partners were found.
    given_up: BTreeSet<u32>,
}

/// Groups that `class` should get now. The same cluster gives the same plan.
pub fn plan_groups(cluster: &Cluster, class: &StorageClass, limits: &Limits) -> Vec<NewPg> {
    let Some(redundancy) = class.redundancy else { return Vec::new() };
    let members = redundancy.members() as usize;
    let in_disks: Vec<&DiskFacts> = cluster
        .disks
        .values()
        .filter(|disk| disk.standing == holdfast_proto::map::Standing::In && disk.share() > 0 && disk.stays())
        .collect();
    if members == 0 || in_disks.is_empty() {
        return Vec::new();
    }
    let sizes = domain_sizes(&in_disks, class.domain());
    let may_be_short = matches!(redundancy.kind, Some(Kind::Replicated(_)));
    let best = fewest_conflicts(&sizes, members);
    let urgent = !has_usable_group(cluster, class);
    let mut plan = Plan::new(cluster, class, &in_disks, members, limits);
    let mut groups = Vec::new();
    while groups.len() < limits.most {
        let Some(first) = plan.neediest() else { break };
        let Some(disks) = plan.fill_up(first) else {
            plan.given_up.insert(first);
            continue;
        };
        let whole = disks.len() == members;
        let short_is_fine =
            may_be_short && disks.len() >= redundancy.min_acks() as usize && (best.is_none() || urgent);
        let spread = best.is_some_and(|best| conflicts(cluster, class.domain(), &disks) <= best);
        if (whole && (spread || urgent)) || (!whole && short_is_fine) {
            groups.push(plan.take(class.id, &disks));
        } else {
            plan.given_up.insert(first);
        }
    }
    groups
}

/// Whether some writable group of the class has enough answering members to take a chunk.
fn has_usable_group(cluster: &Cluster, class: &StorageClass) -> bool {
    let need = class.redundancy.map_or(0, |r| r.min_acks()) as usize;
    let usable = |pg: &Pg| {
        let answering =
            pg.members.iter().filter(|m| cluster.member_disk(m).is_some_and(DiskFacts::takes_new));
        pg.class == class.id && pg.state() == PgState::Writable && answering.count() >= need
    };
    cluster.pgs.values().any(usable)
}

fn domain_sizes(disks: &[&DiskFacts], level: FailureDomain) -> Vec<usize> {
    let mut sizes = BTreeMap::new();
    for disk in disks {
        *sizes.entry(disk.domain(level)).or_insert(0_usize) += 1;
    }
    sizes.into_values().collect()
}

impl<'a> Plan<'a> {
    fn new(
        cluster: &'a Cluster,
        class: &StorageClass,
        disks: &[&'a DiskFacts],
        members: usize,
        limits: &Limits,
    ) -> Self {
        let mean = disks.iter().map(|d| u128::from(d.share())).sum::<u128>() / disks.len() as u128;
        let normal = u64::from(limits.per_disk.max(1));
        let target = |disk: &DiskFacts| {
            let scaled = u128::from(normal) * u128::from(disk.share()) / mean.max(1);
            (scaled.min(u128::from(normal * 4)) as u64).max(normal.div_ceil(4))
        };
        let highest = cluster.disks.keys().max().copied().unwrap_or(0);
        let mut slots = vec![Slot::default(); highest as usize + 1];
        for disk in disks {
            slots[disk.id as usize] = Slot { facts: Some(disk), count: 0, target: target(disk) };
        }
        let mut plan = Self {
            cluster,
            level: class.domain(),
            members,
            seed: mix(u64::from(class.id), cluster.pgs.len() as u64, 1),
            slots,
            pairs: HashMap::new(),
            serial: 0,
            eligible: BTreeSet::new(),
            given_up: BTreeSet::new(),
        };
        for pg in cluster.pgs.values() {
            if pg.class == class.id && pg.state() == PgState::Writable {
                let disks: Vec<u32> = pg.members.iter().map(|m| m.disk).collect();
                plan.note(&disks);
            }
        }
        plan.eligible =
            cluster.disks.values().filter(|d| plan.is_eligible(d)).map(|d| plan.rank(d.id)).collect();
        plan
    }

    /// Its place in `eligible`.
    fn rank(&self, disk: u32) -> (u64, u64, u32) {
        (self.fullness(disk), mix(self.seed, u64::from(disk), 2), disk)
    }

    fn note(&mut self, disks: &[u32]) {
        for (index, a) in disks.iter().enumerate() {
            let was = self.eligible.remove(&self.rank(*a));
            if let Some(slot) = self.slots.get_mut(*a as usize) {
                slot.count += 1;
            }
            self.serial += 1;
            if was {
                self.eligible.insert(self.rank(*a));
            }
            for b in &disks[index + 1..] {
                *self.pairs.entry((*a.min(b), *a.max(b))).or_default() += 1;
            }
        }
    }

    fn count(&self, disk: u32) -> u64 {
        self.slots.get(disk as usize).map_or(0, |slot| slot.count)
    }

    fn target(&self, disk: u32) -> u64 {
        self.slots.get(disk as usize).map_or(0, |slot| slot.target)
    }

    /// How full of groups a disk is, in thousandths of its target.
    fn fullness(&self, disk: u32) -> u64 {
        self.count(disk) * 1000 / self.target(disk).max(1)
    }

    fn is_eligible(&self, disk: &DiskFacts) -> bool {
        disk.takes_new() && has_room(disk, SMALLEST_LIMIT_BYTES) && self.target(disk.id) > 0
    }

    fn is_crowded(&self, disk: u32) -> bool {
        self.count(disk) >= self.target(disk) * CROWDING
    }

    /// The disk with the fewest groups relative to its target, while below it.
    fn neediest(&self) -> Option<u32> {
        let needs = |disk: &u32| !self.given_up.contains(disk) && self.count(*disk) < self.target(*disk);
        self.eligible.iter().map(|(_, _, disk)| *disk).find(needs)
    }

    /// Partners for `first`; `None` when only crowded disks could be partners and `first` can do without.
    fn fill_up(&self, first: u32) -> Option<Vec<u32>> {
        let mut disks = vec![first];
        while disks.len() < self.members {
            let Some(disk) = self.partner(&disks) else { break };
            disks.push(disk);
        }
        let crowds = disks.iter().any(|disk| self.count(*disk) >= self.target(*disk));
        let starving = self.count(first) * 4 < self.target(first);
        (!crowds || starving).then_some(disks)
    }

    /// The disk to go with those of a new group: another domain first, then one that met them least.
    fn partner(&self, disks: &[u32]) -> Option<u32> {
        let seed = mix(self.seed, u64::from(disks[0]), self.serial);
        let burden = |disk: u32| {
            let pair = |d: &u32| self.pairs.get(&(*d.min(&disk), *d.max(&disk))).copied().unwrap_or(0);
            let met: u64 = disks.iter().map(pair).sum();
            (self.count(disk) >= self.target(disk), met, self.fullness(disk))
        };
        let facts = |disk: u32| self.slots.get(disk as usize).and_then(|slot| slot.facts);
        let have: Vec<&DiskFacts> = disks.iter().filter_map(|disk| facts(*disk)).collect();
        let apart = self.eligible.iter().map(|(_, _, disk)| *disk).filter(|disk| {
            !disks.contains(disk)
                && !self.is_crowded(*disk)
                && facts(*disk).is_some_and(|facts| shared_with(self.level, &have, facts) == [0; 4])
        });
        let best =
            apart.take(COMPARED).min_by_key(|disk| (burden(*disk), mix(seed, u64::from(*disk), 0), *disk));
        if best.is_some() {
            return best;
        }
        // Nobody is in a domain of its own: the fewest shared ones then, whoever it is.
        let crowded: Vec<u32> =
            self.cluster.disks.keys().copied().filter(|disk| self.is_crowded(*disk)).collect();
        let wanted =
            Wanted { level: self.level, have: disks, avoid: &crowded, bytes: SMALLEST_LIMIT_BYTES, seed };
        choose(self.cluster, &wanted, |disk| burden(disk.id)).map(|choice| choice.disk)
    }

    fn take(&mut self, class: u32, disks: &[u32]) -> NewPg {
        self.note(disks);
        let refs = disks.iter().filter_map(|id| self.cluster.disks.get(id)).map(DiskFacts::identity);
        NewPg { class, disks: refs.collect() }
    }
}

#[cfg(test)]
mod tests {
    use holdfast_proto::map::{Liveness, Redundancy};
    use proptest::prelude::*;

    use super::super::cluster::tests::{cluster, group};
    use super::*;

    fn adopt(c: &mut Cluster, plan: &[NewPg]) {
        for new in plan {
            let id = c.pgs.keys().max().copied().unwrap_or(0) + 1;
            let disks: Vec<u32> = new.disks.iter().map(|d| d.disk).collect();
            let pg = group(c, id, &disks);
            c.set_pg(pg);
        }
    }

    fn grow(c: &mut Cluster) -> usize {
        let mut total = 0;
        loop {
            let plan = plan_groups(c, &c.classes[&1].clone(), &Limits::default());
            if plan.is_empty() {
                return total;
            }
            total += plan.len();
            assert!(total < 10_000, "the planner does not stop");
            adopt(c, &plan);
        }
    }

    #[test]
    fn one_disk_gets_its_groups() {
        let mut c = cluster(&[1], Redundancy::replicated(1, 1), FailureDomain::Disk);
        assert_eq!(grow(&mut c), 32);
    }

    #[test]
    fn a_three_copy_class_on_two_disks_gets_short_groups() {
        let mut c = cluster(&[1, 1], Redundancy::replicated(3, 2), FailureDomain::Host);
        assert!(grow(&mut c) > 0);
        assert!(c.pgs.values().all(|pg| pg.members.len() == 2));
        let mut c = cluster(&[1], Redundancy::replicated(3, 2), FailureDomain::Host);
        assert_eq!(grow(&mut c), 0, "one disk cannot hold the two copies that every commit needs");
    }

    #[test]
    fn a_silent_host_is_waited_for_while_groups_are_left() {
        let mut c = cluster(&[2, 2, 2], Redundancy::replicated(3, 2), FailureDomain::Host);
        let pg = group(&c, 1, &[1, 3, 5]);
        c.set_pg(pg);
        for disk in [5, 6] {
            c.disks.get_mut(&disk).unwrap().liveness = Liveness::Down;
        }
        assert_eq!(plan_groups(&c, &c.classes[&1], &Limits::default()), []);
        // The last usable group is gone: worse groups are better than none.
        c.disks.get_mut(&3).unwrap().liveness = Liveness::Down;
        assert!(!plan_groups(&c, &c.classes[&1], &Limits::default()).is_empty());
    }

    #[test]
    fn a_large_host_beside_small_ones_gets_groups_on_every_disk() {
        let mut c = cluster(&[10, 1, 1], Redundancy::replicated(3, 2), FailureDomain::Host);
        grow(&mut c);
        for disk in 1..=10 {
            assert!(c.groups_of(disk).count() >= 8, "disk {disk} has {}", c.groups_of(disk).count());
        }
    }

    proptest! {
        #[test]
        fn groups_are_even_spread_and_repeatable(
            layout in prop::collection::vec(1_u32..5, 1..9),
            copies in 1_u32..4,
        ) {
            let min = if copies == 3 { 2 } else { 1 };
            let mut c = cluster(&layout, Redundancy::replicated(copies, min), FailureDomain::Host);
            let again = c.clone();
            let class = c.classes[&1].clone();
            let plan = plan_groups(&c, &class, &Limits::default());
            prop_assert_eq!(&plan, &plan_groups(&again, &class, &Limits::default()));
            grow(&mut c);
            let sizes: Vec<usize> = layout.iter().map(|n| *n as usize).collect();
            let disks: usize = sizes.iter().sum();
            let even = layout.iter().all(|n| *n == layout[0]) && layout.len() >= copies as usize;
            if let Some(best) = fewest_conflicts(&sizes, copies as usize) {
                for pg in c.pgs.values() {
                    let members: Vec<u32> = pg.members.iter().map(|m| m.disk).collect();
                    let mut unique = members.clone();
                    unique.sort_unstable();
                    unique.dedup();
                    prop_assert_eq!(unique.len(), copies as usize);
                    prop_assert_eq!(conflicts(&c, FailureDomain::Host, &members), best);
                }
                prop_assert!(!c.pgs.is_empty());
                for disk in 1..=disks as u32 {
                    let groups = c.groups_of(disk).count();
                    prop_assert!(groups >= 8, "disk {} has {}", disk, groups);
                    if even {
                        prop_assert!((29..=32).contains(&groups), "disk {} has {}", disk, groups);
                    }
                }
            }
            prop_assert_eq!(grow(&mut c), 0, "a second plan must have nothing to add");
        }
    }
}
