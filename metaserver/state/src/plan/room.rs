//! Whether new data will go on finding room, and which disks are in its way.
//!
//! What always holds: pure; a class that could not be placed in full even with every disk empty is not short of room. A
//! disk counts as full before it refuses anything: what is let go of needs seconds to come back as room, and whoever writes
//! must not wait for that.
//!
//! Asked by the leader before it lets go of kept files early.

use std::collections::BTreeSet;

use holdfast_proto::map::{Liveness, Standing};

use super::cluster::{Cluster, DiskFacts};

/// Room that a disk should have left: this part of it,
const LEFT_DIVISOR: u64 = 20;
/// and no more than it can write within a few minutes.
const MOST_LEFT: u64 = 64 << 30;

/// Bytes that should be free on a disk of this size.
pub fn left(capacity: u64) -> u64 {
    (capacity / LEFT_DIVISOR).min(MOST_LEFT)
}

/// Full, or soon.
fn is_full(disk: &DiskFacts) -> bool {
    let heard = disk.used > 0 || disk.free > 0;
    disk.liveness == Liveness::Full
        || (disk.liveness == Liveness::Alive && heard && disk.free < left(disk.capacity))
}

/// The full disks that keep a class from taking new data with all its copies or shards; empty: there is room. `used`: the
/// classes that something lies in.
pub fn short_of_room(cluster: &Cluster, used: &BTreeSet<u32>) -> BTreeSet<u32> {
    let full = |disk: &DiskFacts| disk.stays() && is_full(disk);
    // One that is away for a while has room all the same.
    let has_room = |disk: &DiskFacts| {
        matches!(disk.standing, Standing::In | Standing::Maintenance)
            && disk.share() > 0
            && matches!(disk.liveness, Liveness::Alive | Liveness::Suspect | Liveness::Down)
            && !is_full(disk)
    };
    let usable = |disk: &DiskFacts| has_room(disk) || full(disk);
    let short = used.iter().filter_map(|class| cluster.classes.get(class)).any(|class| {
        let Some(redundancy) = class.redundancy else { return false };
        let members = redundancy.members() as usize;
        let domains = |keep: &dyn Fn(&DiskFacts) -> bool| cluster.domains(class.domain(), keep).min(members);
        let disks = |keep: &dyn Fn(&DiskFacts) -> bool| {
            cluster.disks.values().filter(|disk| keep(disk)).count().min(members)
        };
        domains(&has_room) < domains(&usable) || disks(&has_room) < disks(&usable)
    });
    match short {
        true => cluster.disks.values().filter(|disk| full(disk)).map(|disk| disk.id).collect(),
        false => BTreeSet::new(),
    }
}

#[cfg(test)]
mod tests {
    use holdfast_proto::map::{FailureDomain, Redundancy};

    use super::super::cluster::tests::cluster;
    use super::*;

    fn short_of_room(cluster: &Cluster) -> BTreeSet<u32> {
        super::short_of_room(cluster, &BTreeSet::from([1]))
    }

    fn fill(cluster: &mut Cluster, disks: &[u32]) {
        for disk in disks {
            cluster.disks.get_mut(disk).unwrap().liveness = Liveness::Full;
        }
    }

    #[test]
    fn full_disks_matter_when_too_few_others_are_left() {
        let mut five = cluster(&[1, 1, 1, 1, 1], Redundancy::replicated(3, 2), FailureDomain::Host);
        assert!(short_of_room(&five).is_empty());
        fill(&mut five, &[1, 2]);
        assert!(short_of_room(&five).is_empty(), "three hosts are enough");
        fill(&mut five, &[3]);
        assert_eq!(short_of_room(&five), BTreeSet::from([1, 2, 3]));
    }

    #[test]
    fn a_disk_with_little_room_left_counts_before_it_refuses_anything() {
        let mut three = cluster(&[1, 1, 1], Redundancy::replicated(3, 2), FailureDomain::Host);
        let disk = three.disks.get_mut(&2).unwrap();
        disk.free = left(disk.capacity);
        assert!(short_of_room(&three).is_empty());
        three.disks.get_mut(&2).unwrap().free -= 1;
        assert_eq!(short_of_room(&three), BTreeSet::from([2]));
        // One that has not told anything yet is no lack of room.
        (three.disks.get_mut(&2).unwrap().free, three.disks.get_mut(&2).unwrap().used) = (0, 0);
        assert!(short_of_room(&three).is_empty());
        assert_eq!((left(100 << 30), left(20 << 40)), (5 << 30, 64 << 30));
    }

    #[test]
    fn hosts_and_disks_both_count() {
        let mut pair = cluster(&[2, 2], Redundancy::replicated(2, 1), FailureDomain::Host);
        fill(&mut pair, &[1]);
        assert!(short_of_room(&pair).is_empty(), "the host has another disk");
        fill(&mut pair, &[2]);
        assert_eq!(short_of_room(&pair), BTreeSet::from([1, 2]));
        let mut single = cluster(&[2], Redundancy::replicated(2, 1), FailureDomain::Host);
        fill(&mut single, &[2]);
        assert_eq!(short_of_room(&single), BTreeSet::from([2]), "two copies want two disks");
    }

    #[test]
    fn disks_that_are_away_are_no_lack_of_room() {
        let mut three = cluster(&[1, 1, 1], Redundancy::replicated(3, 2), FailureDomain::Host);
        three.disks.get_mut(&1).unwrap().liveness = Liveness::Down;
        assert!(short_of_room(&three).is_empty());
        fill(&mut three, &[2]);
        assert_eq!(short_of_room(&three), BTreeSet::from([2]));
        // Of five, one is full: whoever is silent, or in maintenance, is not out of room.
        let mut five = cluster(&[1, 1, 1, 1, 1], Redundancy::replicated(3, 2), FailureDomain::Host);
        fill(&mut five, &[1]);
        for (disk, liveness) in [(2, Liveness::Suspect), (3, Liveness::Down), (4, Liveness::Suspect)] {
            five.disks.get_mut(&disk).unwrap().liveness = liveness;
        }
        five.disks.get_mut(&4).unwrap().standing = Standing::Maintenance;
        assert!(short_of_room(&five).is_empty());
        // Given up for good, they do not count.
        for disk in [2, 3] {
            five.disks.get_mut(&disk).unwrap().standing = Standing::Out;
        }
        assert_eq!(short_of_room(&five), BTreeSet::from([1]));
    }

    #[test]
    fn a_class_that_nothing_lies_in_is_not_short() {
        let mut three = cluster(&[1, 1, 1], Redundancy::replicated(3, 2), FailureDomain::Host);
        fill(&mut three, &[1]);
        assert_eq!(super::short_of_room(&three, &BTreeSet::from([1])), BTreeSet::from([1]));
        assert!(super::short_of_room(&three, &BTreeSet::new()).is_empty());
    }
}
