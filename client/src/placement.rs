//! Which placement group gets the next chunk.
//!
//! What always holds: the choice follows weight (the least of the members' free bytes times disk weight) and
//! avoids what is busy in this process (better of two draws). A group with a member that is suspect, down, full,
//! failed, draining or under a local verdict is chosen only when no sound group is left, and then one with the
//! most working members. With one seed and one map, choices repeat.
//!
//! Who calls it: the write path, once per chunk and again whenever a member fails.

use std::sync::Arc;

use holdfast_proto::ids::{ClassId, DiskId, NodeId};
use holdfast_proto::map::{Liveness, Member, Pg};
use holdfast_rpc::FailureDetector;
use rand::RngExt as _;

use crate::health::Health;
use crate::map::{ClusterMap, regular_members};

/// Draws by weight before every group is looked at.
const DRAWS: usize = 16;

/// How usable one member is for a new chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Fitness {
    /// Cannot take it: full, failed, gone.
    Unfit,
    /// Might take it: suspect, down, or under a verdict of this process.
    Doubtful,
    /// Works, as far as anybody knows.
    Sound,
}

/// A group, and what its members are fit for.
#[derive(Clone, Debug)]
pub(crate) struct Choice {
    pub(crate) pg: Arc<Pg>,
    /// One per member, in order.
    pub(crate) fitness: Vec<Fitness>,
}

impl Choice {
    /// Every member works.
    pub(crate) fn sound(&self) -> bool {
        self.fitness.iter().all(|fitness| *fitness == Fitness::Sound)
    }

    fn count(&self, least: Fitness) -> usize {
        self.fitness.iter().filter(|fitness| **fitness >= least).count()
    }
}

/// Acknowledgements without which a chunk in `pg` does not count: the class's minimum, or all there are in a group
/// that is smaller.
pub(crate) fn needed_in(pg: &Pg, min_copies: usize) -> usize {
    min_copies.min(regular_members(pg)).max(1)
}

/// What a choice is made from.
pub(crate) struct Chooser<'a> {
    pub(crate) map: &'a ClusterMap,
    pub(crate) health: &'a Health,
    /// What connections tell about nodes.
    pub(crate) detector: &'a FailureDetector,
    /// Prefer groups with a member on this node; 0: no preference.
    pub(crate) local: NodeId,
}

impl Chooser<'_> {
    fn fitness(&self, member: &Member) -> Fitness {
        let disk = DiskId(member.disk);
        // A replaced disk is not the one that joined the group: what it takes would not count.
        let same_life = self.map.disk(disk).is_some_and(|disk| disk.incarnation == member.incarnation);
        if !same_life || self.map.worth(disk) == 0 {
            return Fitness::Unfit;
        }
        match self.map.liveness(disk) {
            Liveness::Failed | Liveness::Full => Fitness::Unfit,
            Liveness::Suspect | Liveness::Down => Fitness::Doubtful,
            Liveness::Alive if self.health.disk(disk).avoided() || self.suspect(disk) => Fitness::Doubtful,
            Liveness::Alive => Fitness::Sound,
        }
    }

    fn suspect(&self, disk: DiskId) -> bool {
        self.map.disk(disk).is_some_and(|disk| self.detector.is_suspect(NodeId(disk.node)))
    }

    fn choice(&self, pg: &Arc<Pg>) -> Choice {
        let fitness = pg.members.iter().map(|member| self.fitness(member)).collect();
        Choice { pg: pg.clone(), fitness }
    }

    fn is_local(&self, pg: &Pg) -> bool {
        let node = |disk| self.map.disk(DiskId(disk)).map(|disk| disk.node);
        pg.members.iter().any(|member| node(member.disk) == Some(self.local.0))
    }

    fn busy(&self, pg: &Pg) -> u64 {
        let load = |disk| self.health.disk(DiskId(disk)).in_flight();
        pg.members.iter().map(|member| load(member.disk)).max().unwrap_or(0)
    }

    /// A group of which every member works, not among `tried`.
    pub(crate) fn sound(&self, class: ClassId, tried: &[u32], rng: &mut impl rand::Rng) -> Option<Choice> {
        if self.local.0 != 0
            && let Some(choice) = self.scan(class, tried, true, rng)
        {
            return Some(choice);
        }
        let mut first: Option<Choice> = None;
        for _ in 0..DRAWS {
            let Some(choice) = self.map.draw(class, rng).map(|pg| self.choice(pg)) else { break };
            if !choice.sound() || tried.contains(&choice.pg.id) {
                continue;
            }
            let Some(other) = first.replace(choice) else { continue };
            return first
                .map(|choice| if self.busy(&other.pg) <= self.busy(&choice.pg) { other } else { choice });
        }
        first.or_else(|| self.scan(class, tried, false, rng))
    }

    /// Looks at every group: the first sound one from a random place on, with a local member if so wished.
    fn scan(&self, class: ClassId, tried: &[u32], local: bool, rng: &mut impl rand::Rng) -> Option<Choice> {
        let wanted = |pg: &&Arc<Pg>| !tried.contains(&pg.id) && (!local || self.is_local(pg));
        let count = self.map.writable(class).filter(wanted).count();
        if count == 0 {
            return None;
        }
        let start = rng.random_range(0..count);
        let ring = self.map.writable(class).filter(wanted).skip(start);
        let rest = self.map.writable(class).filter(wanted).take(start);
        ring.chain(rest).map(|pg| self.choice(pg)).find(Choice::sound)
    }

    /// Whether room is all that the groups of the class lack: every one could take a chunk if full disks were not full,
    /// and none can now. Then waiting brings nothing.
    pub(crate) fn no_room(&self, class: ClassId, min_copies: usize) -> bool {
        let full = |member: &&Member| self.map.liveness(DiskId(member.disk)) == Liveness::Full;
        let mut groups = self.map.writable(class).peekable();
        groups.peek().is_some()
            && groups.all(|pg| {
                let needed = needed_in(pg, min_copies);
                let usable = self.choice(pg).count(Fitness::Doubtful);
                usable < needed && usable + pg.members.iter().filter(full).count() >= needed
            })
    }

    /// With no sound group left: one with the most working members, if as many as it needs may answer.
    pub(crate) fn makeshift(
        &self,
        class: ClassId,
        tried: &[u32],
        min_copies: usize,
        rng: &mut impl rand::Rng,
    ) -> Option<Choice> {
        let mut best: Vec<Choice> = Vec::new();
        let mut rank = (0, 0);
        for pg in self.map.writable(class).filter(|pg| !tried.contains(&pg.id)) {
            let choice = self.choice(pg);
            let this = (choice.count(Fitness::Sound), choice.count(Fitness::Doubtful));
            if this.1 < needed_in(pg, min_copies) || this < rank {
                continue;
            }
            if this > rank {
                best.clear();
                rank = this;
            }
            best.push(choice);
        }
        let count = best.len();
        if count == 0 {
            return None;
        }
        let pick = rng.random_range(0..count);
        best.into_iter().nth(pick)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::time::Duration;

    use holdfast_proto::map::{Disk, DiskLoad, MapReply};
    use rand::SeedableRng as _;
    use rand::rngs::StdRng;

    use super::*;

    const CLASS: ClassId = ClassId(1);

    /// Disks 1.. on nodes 1.. with the free bytes given; groups as listed, ids from 1.
    fn map(free: &[u64], groups: &[&[u32]], liveness: &[(u32, Liveness)]) -> ClusterMap {
        let member =
            |disk: &u32| Member { disk: *disk, incarnation: 1, joined: 1, clean: true, ..Member::default() };
        let state =
            |disk| liveness.iter().find(|(id, _)| *id == disk).map_or(Liveness::Alive, |(_, state)| *state);
        let mut reply = MapReply { epoch: 1, full: true, ..MapReply::default() };
        for (disk, free) in (1u32..).zip(free) {
            let node = u64::from(disk);
            reply.disks.push(Disk {
                id: disk,
                node,
                capacity: 1 << 40,
                weight: 1000,
                incarnation: 1,
                ..Disk::default()
            });
            reply.loads.push(DiskLoad { disk, used: 0, free: *free, liveness: state(disk) as i32 });
        }
        for (id, disks) in (1u32..).zip(groups) {
            let members = disks.iter().map(member).collect();
            reply.pgs.push(Pg { id, epoch: 1, class: 1, members, ..Pg::default() });
        }
        ClusterMap::default().merged(reply)
    }

    fn counts(chooser: &Chooser<'_>, draws: u32) -> HashMap<u32, u32> {
        let mut rng = StdRng::seed_from_u64(1);
        let mut counts = HashMap::new();
        for _ in 0..draws {
            *counts.entry(chooser.sound(CLASS, &[], &mut rng).unwrap().pg.id).or_default() += 1;
        }
        counts
    }

    #[test]
    fn free_space_decides_how_often() {
        let map = map(&[1 << 30, 1 << 30, 3 << 30, 3 << 30], &[&[1, 2], &[3, 4]], &[]);
        let (health, detector) = (Health::default(), FailureDetector::default());
        let chooser = Chooser { map: &map, health: &health, detector: &detector, local: NodeId(0) };
        let counts = counts(&chooser, 4000);
        assert!((2700..3300).contains(&counts[&2]), "{counts:?}");
    }

    #[test]
    fn only_full_disks_make_it_hopeless() {
        let groups: &[&[u32]] = &[&[1, 2, 3], &[2, 3, 4]];
        let no_room = |groups: &[&[u32]], liveness: &[(u32, Liveness)]| {
            let map = map(&[1 << 30; 4], groups, liveness);
            let (health, detector) = (Health::default(), FailureDetector::default());
            Chooser { map: &map, health: &health, detector: &detector, local: NodeId(0) }.no_room(CLASS, 2)
        };
        use Liveness::{Down, Failed, Full};
        assert!(!no_room(groups, &[]));
        assert!(no_room(groups, &[(2, Full), (3, Full)]));
        assert!(!no_room(groups, &[(1, Full), (2, Full)]), "the second group still has two");
        assert!(!no_room(groups, &[(1, Full), (2, Full), (3, Down), (4, Down)]), "they may come back");
        assert!(!no_room(groups, &[(2, Failed), (3, Failed)]), "room is not what they lack");
        assert!(!no_room(&[], &[]), "there will be groups");
    }

    #[test]
    fn the_same_seed_decides_alike() {
        let map = map(&[1 << 30; 4], &[&[1, 2], &[3, 4], &[1, 3], &[2, 4]], &[]);
        let (health, detector) = (Health::default(), FailureDetector::default());
        let chooser = Chooser { map: &map, health: &health, detector: &detector, local: NodeId(0) };
        let run = || {
            let mut rng = StdRng::seed_from_u64(7);
            (0..50).map(|_| chooser.sound(CLASS, &[], &mut rng).unwrap().pg.id).collect::<Vec<_>>()
        };
        assert_eq!(run(), run());
    }

    #[test]
    fn troubled_members_are_the_last_resort() {
        let states = [(1, Liveness::Suspect), (3, Liveness::Full)];
        let map = map(&[1 << 30; 5], &[&[1, 2, 4], &[3, 4, 5], &[2, 4, 5]], &states);
        let (health, detector) = (Health::default(), FailureDetector::default());
        let chooser = Chooser { map: &map, health: &health, detector: &detector, local: NodeId(0) };
        assert_eq!(counts(&chooser, 50).keys().copied().collect::<Vec<_>>(), [3]);

        health.disk(DiskId(2)).avoid(Duration::from_secs(1));
        let mut rng = StdRng::seed_from_u64(1);
        assert!(chooser.sound(CLASS, &[], &mut rng).is_none());
        // Groups 2 and 3 have two working members each, but of group 2's third nothing can be hoped for.
        assert_eq!(chooser.makeshift(CLASS, &[], 2, &mut rng).unwrap().pg.id, 3);
        assert_eq!(chooser.makeshift(CLASS, &[3], 2, &mut rng).unwrap().pg.id, 2);
        assert!(chooser.makeshift(CLASS, &[1, 3], 3, &mut rng).is_none());
    }

    #[test]
    fn a_local_member_is_preferred_on_wish() {
        let map = map(&[1 << 30; 4], &[&[1, 2], &[3, 4]], &[]);
        let (health, detector) = (Health::default(), FailureDetector::default());
        let chooser = Chooser { map: &map, health: &health, detector: &detector, local: NodeId(4) };
        assert_eq!(counts(&chooser, 50).keys().copied().collect::<Vec<_>>(), [2]);
    }
}
