//! Choosing one disk: for a new group's next member, for a member that must be replaced, for a temporary copy.
//!
//! What always holds: the chosen disk is not in `have` nor `avoid`; no other eligible disk would share fewer
//! domains with `have`, counted from the class's level down to the host.

use std::cmp::Reverse;

use holdfast_proto::map::FailureDomain;

use super::cluster::{Cluster, DiskFacts};
use super::mix;

/// Part of a disk's capacity that new members must leave free, as a divisor: 1/20 keeps room for deletes,
/// compaction and what writers have under way.
const RESERVE_DIVISOR: u64 = 20;

/// What is looked for.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    /// Level at which members should differ.
    pub level: FailureDomain,
    /// Disks of the group that stay: never chosen, and domains to avoid.
    pub have: &'a [u32],
    /// Never these, for other reasons.
    pub avoid: &'a [u32],
    /// Bytes that will be copied there.
    pub bytes: u64,
    /// Decides ties; name something stable, such as the group's id.
    pub seed: u64,
}

/// A choice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Choice {
    /// The disk.
    pub disk: u32,
    /// Disks of `have` in the same domain at the class's level.
    pub shared: usize,
}

/// Picks the best disk, or none when no eligible disk is left. `burden` ranks disks that are equal in domains:
/// the lower, the better.
pub fn choose<B: Ord>(
    cluster: &Cluster,
    wanted: &Wanted<'_>,
    burden: impl Fn(&DiskFacts) -> B,
) -> Option<Choice> {
    cluster
        .disks
        .values()
        .filter(|disk| disk.takes_new() && has_room(disk, wanted.bytes))
        .filter(|disk| !wanted.have.contains(&disk.id) && !wanted.avoid.contains(&disk.id))
        .map(|disk| {
            let shared = shared_domains(cluster, wanted.level, wanted.have, disk);
            (shared, burden(disk), mix(wanted.seed, u64::from(disk.id), 0), disk.id)
        })
        .min()
        .map(|(shared, _, _, disk)| Choice { disk, shared: shared[0] })
}

/// Whether `bytes` more fit without eating into the reserve.
pub fn has_room(disk: &DiskFacts, bytes: u64) -> bool {
    disk.free > bytes.saturating_add(reserve(disk))
}

/// What new members must leave free on a disk.
pub fn reserve(disk: &DiskFacts) -> u64 {
    disk.capacity / RESERVE_DIVISOR
}

/// How many of `have` lie in the same domain as `disk`: at `level`, then at each level below it.
pub fn shared_domains(cluster: &Cluster, level: FailureDomain, have: &[u32], disk: &DiskFacts) -> [usize; 4] {
    let have: Vec<&DiskFacts> = have.iter().filter_map(|id| cluster.disks.get(id)).collect();
    shared_with(level, &have, disk)
}

/// The same, for those who have looked the disks up.
pub fn shared_with(level: FailureDomain, have: &[&DiskFacts], disk: &DiskFacts) -> [usize; 4] {
    let below: &[FailureDomain] = match level {
        FailureDomain::Zone => &[FailureDomain::Zone, FailureDomain::Rack, FailureDomain::Host],
        FailureDomain::Rack => &[FailureDomain::Rack, FailureDomain::Host],
        FailureDomain::Host => &[FailureDomain::Host],
        // Even where different disks suffice, different hosts are better when it costs nothing.
        FailureDomain::Disk => &[FailureDomain::Disk, FailureDomain::Host],
    };
    let mut counts = [0; 4];
    for (count, level) in counts.iter_mut().zip(below) {
        *count = have.iter().filter(|other| other.id != disk.id && other.shares(*level, disk)).count();
    }
    counts
}

/// How badly a set of disks breaks the rule: pairs that share a domain at `level`. 0: not at all.
pub fn conflicts(cluster: &Cluster, level: FailureDomain, disks: &[u32]) -> usize {
    let facts: Vec<&DiskFacts> = disks.iter().filter_map(|id| cluster.disks.get(id)).collect();
    let mut pairs = 0;
    for (index, a) in facts.iter().enumerate() {
        pairs += facts[index + 1..].iter().filter(|b| a.shares(level, b)).count();
    }
    pairs
}

/// Fewest pairs in one domain that `members` disks out of `sizes.len()` domains must have, when domain `i` has
/// `sizes[i]` disks; `None` when there are not enough disks.
pub fn fewest_conflicts(sizes: &[usize], members: usize) -> Option<usize> {
    if sizes.iter().sum::<usize>() < members {
        return None;
    }
    let mut taken = vec![0_usize; sizes.len()];
    let mut pairs = 0;
    for _ in 0..members {
        // The emptiest domain with a disk left; taking one there adds as many pairs as it has already.
        let best = (0..sizes.len())
            .filter(|i| taken[*i] < sizes[*i])
            .min_by_key(|i| (taken[*i], Reverse(sizes[*i])))?;
        pairs += taken[best];
        taken[best] += 1;
    }
    Some(pairs)
}

#[cfg(test)]
mod tests {
    use holdfast_proto::map::{Liveness, Redundancy, Standing};

    use super::super::cluster::tests::cluster;
    use super::*;

    fn wanted<'a>(have: &'a [u32], avoid: &'a [u32]) -> Wanted<'a> {
        Wanted { level: FailureDomain::Host, have, avoid, bytes: 0, seed: 1 }
    }

    #[test]
    fn another_host_comes_before_another_disk() {
        let c = cluster(&[2, 1], Redundancy::replicated(2, 1), FailureDomain::Host);
        // Disk 2 has no burden at all, disk 3 a heavy one: the host still decides.
        let choice = choose(&c, &wanted(&[1], &[]), |disk| if disk.id == 3 { 100 } else { 0 }).unwrap();
        assert_eq!(choice, Choice { disk: 3, shared: 0 });
        let choice = choose(&c, &wanted(&[1], &[3]), |_| 0).unwrap();
        assert_eq!(choice, Choice { disk: 2, shared: 1 });
        assert_eq!(choose(&c, &wanted(&[1, 2, 3], &[]), |_| 0), None);
    }

    #[test]
    fn full_silent_and_leaving_disks_are_passed_over() {
        let mut c = cluster(&[1, 1, 1, 1, 1], Redundancy::replicated(2, 1), FailureDomain::Host);
        c.disks.get_mut(&1).unwrap().liveness = Liveness::Down;
        c.disks.get_mut(&2).unwrap().standing = Standing::Draining;
        c.disks.get_mut(&3).unwrap().free = 0;
        c.disks.get_mut(&4).unwrap().weight = 0;
        assert_eq!(choose(&c, &wanted(&[], &[]), |_| 0).map(|choice| choice.disk), Some(5));
    }

    #[test]
    fn the_fewest_conflicts_are_counted() {
        assert_eq!(fewest_conflicts(&[2, 2, 2], 3), Some(0));
        assert_eq!(fewest_conflicts(&[3, 3], 3), Some(1));
        assert_eq!(fewest_conflicts(&[3], 3), Some(3));
        assert_eq!(fewest_conflicts(&[1, 5], 4), Some(3));
        assert_eq!(fewest_conflicts(&[1, 1], 3), None);
    }
}
