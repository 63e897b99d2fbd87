//! Which placement groups to create: about the same number of writable groups on every disk (in proportion to its
//! share), over varied partners.
//!
//! What always holds:
//! - No disk twice in a group; failure domains differ as far as the cluster's disks allow, silent ones counted: a
//!   host that is away for a moment does not make worse groups than waiting would.
//! - Existing groups are never touched; when every disk has its number, the plan is empty.
//! - Only when a class has no group left that could take data are worse groups made than the cluster could have.

use std::collections::BTreeMap;

use holdfast_proto::map::{FailureDomain, Pg, PgState, StorageClass, redundancy::Kind};
use holdfast_proto::op::NewPg;

use super::cluster::{Cluster, DiskFacts};
use super::fill::SMALLEST_LIMIT_BYTES;
use super::mix;
use super::place::{Wanted, choose, conflicts, fewest_conflicts, has_room};

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

/// Working state of one plan.
struct Plan<'a> {
    cluster: &'a Cluster,
    level: FailureDomain,
    members: usize,
    seed: u64,
    count: BTreeMap<u32, u64>,
    target: BTreeMap<u32, u64>,
    pairs: BTreeMap<(u32, u32), u64>,
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
    let mut given_up: Vec<u32> = Vec::new();
    let mut groups = Vec::new();
    while groups.len() < limits.most {
        let Some(first) = plan.neediest(&given_up) else { break };
        let Some(disks) = plan.fill_up(first) else {
            given_up.push(first);
            continue;
        };
        let whole = disks.len() == members;
        let short_is_fine =
            may_be_short && disks.len() >= redundancy.min_acks() as usize && (best.is_none() || urgent);
        let spread = best.is_some_and(|best| conflicts(cluster, class.domain(), &disks) <= best);
        if (whole && (spread || urgent)) || (!whole && short_is_fine) {
            groups.push(plan.take(class.id, &disks));
        } else {
            given_up.push(first);
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
        disks: &[&DiskFacts],
        members: usize,
        limits: &Limits,
    ) -> Self {
        let mean = disks.iter().map(|d| u128::from(d.share())).sum::<u128>() / disks.len() as u128;
        let normal = u64::from(limits.per_disk.max(1));
        let target = |disk: &DiskFacts| {
            let scaled = u128::from(normal) * u128::from(disk.share()) / mean.max(1);
            (scaled.min(u128::from(normal * 4)) as u64).max(normal.div_ceil(4))
        };
        let mut plan = Self {
            cluster,
            level: class.domain(),
            members,
            seed: mix(u64::from(class.id), cluster.pgs.len() as u64, 1),
            count: BTreeMap::new(),
            target: disks.iter().map(|disk| (disk.id, target(disk))).collect(),
            pairs: BTreeMap::new(),
        };
        for pg in cluster.pgs.values() {
            if pg.class == class.id && pg.state() == PgState::Writable {
                let disks: Vec<u32> = pg.members.iter().map(|m| m.disk).collect();
                plan.note(&disks);
            }
        }
        plan
    }

    fn note(&mut self, disks: &[u32]) {
        for (index, a) in disks.iter().enumerate() {
            *self.count.entry(*a).or_default() += 1;
            for b in &disks[index + 1..] {
                *self.pairs.entry((*a.min(b), *a.max(b))).or_default() += 1;
            }
        }
    }

    fn count(&self, disk: u32) -> u64 {
        self.count.get(&disk).copied().unwrap_or(0)
    }

    fn target(&self, disk: u32) -> u64 {
        self.target.get(&disk).copied().unwrap_or(0)
    }

    /// How full of groups a disk is, in thousandths of its target.
    fn fullness(&self, disk: u32) -> u64 {
        self.count(disk) * 1000 / self.target(disk).max(1)
    }

    fn eligible(&self, disk: &DiskFacts) -> bool {
        disk.takes_new() && has_room(disk, SMALLEST_LIMIT_BYTES) && self.target.contains_key(&disk.id)
    }

    /// The disk with the fewest groups relative to its target, while below it.
    fn neediest(&self, given_up: &[u32]) -> Option<u32> {
        self.cluster
            .disks
            .values()
            .filter(|disk| self.eligible(disk) && !given_up.contains(&disk.id))
            .filter(|disk| self.count(disk.id) < self.target(disk.id))
            .map(|disk| (self.fullness(disk.id), mix(self.seed, u64::from(disk.id), 2), disk.id))
            .min()
            .map(|(_, _, disk)| disk)
    }

    /// Partners for `first`; `None` when only crowded disks could be partners and `first` can do without.
    fn fill_up(&self, first: u32) -> Option<Vec<u32>> {
        let crowded: Vec<u32> = self
            .cluster
            .disks
            .keys()
            .copied()
            .filter(|disk| self.count(*disk) >= self.target(*disk) * CROWDING)
            .collect();
        let mut disks = vec![first];
        while disks.len() < self.members {
            let serial = self.count.values().sum::<u64>();
            let wanted = Wanted {
                level: self.level,
                have: &disks,
                avoid: &crowded,
                bytes: SMALLEST_LIMIT_BYTES,
                seed: mix(self.seed, u64::from(first), serial),
            };
            let burden = |disk: &DiskFacts| {
                let met: u64 = disks
                    .iter()
                    .map(|d| self.pairs.get(&(*d.min(&disk.id), *d.max(&disk.id))).copied().unwrap_or(0))
                    .sum();
                (self.count(disk.id) >= self.target(disk.id), met, self.fullness(disk.id))
            };
            let Some(choice) = choose(self.cluster, &wanted, burden) else { break };
            disks.push(choice.disk);
        }
        let crowds = disks.iter().any(|disk| self.count(*disk) >= self.target(*disk));
        let starving = self.count(first) * 4 < self.target(first);
        (!crowds || starving).then_some(disks)
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
