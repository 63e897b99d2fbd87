//! What one placement group lacks, and the next step towards having it.
//!
//! What always holds:
//! - One membership change at a time per group; every step is safe to be the last one that ever happens.
//! - A group never has more regular members than its class wants. Whoever shall take a place first joins as a
//!   temporary member, is filled, and then takes the place: copy, verify, commit, and only then let go.
//! - A member is dropped only when as many others as the class wants hold everything and answer. A member whose disk
//!   is known to hold nothing (removed, or in a new life) gives its place away as soon as one other holds everything.
//! - A disk that is silent, and not given up, keeps its place: at most a temporary member joins beside it.
//! - Steps end: an added member is in no worse a domain than any it will replace, so plans do not swing.
//!
//! "Complete" is a member that is clean and has no `missing/` record in this group. The caller looks that up in
//! the same view it took the group from.

use holdfast_proto::map::{Member, Pg, PgState, Standing, StorageClass};
use holdfast_proto::op::DiskRef;

use super::cluster::{Cluster, DiskFacts};
use super::place::{Choice, Wanted, choose, conflicts, shared_domains};

mod erasure;

/// How close a group is to losing data. Orders repair: the first is the most urgent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Risk {
    /// Cannot be read whole right now.
    Unavailable,
    /// One more failure would make it so.
    AtRisk,
    /// Lacks something, but could lose one more member.
    Degraded,
    /// Complete, but members share a domain that could differ, or a member is on its way out.
    Misplaced,
    /// As it should be.
    Healthy,
}

/// Why a step is taken, for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Why {
    /// The group has fewer members than its class wants.
    TooFew,
    /// No redundancy is left while a member is silent.
    NoRedundancy,
    /// Members share a failure domain.
    Domain,
    /// The member's disk is given up, emptied or failed.
    Leaving,
    /// There are more members than needed.
    Surplus,
}

/// The next membership change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// A disk joins.
    Add {
        /// The disk.
        disk: DiskRef,
        /// It stands in for a silent member, or will take the place of one.
        temporary: bool,
        /// In an erasure group: the shard it is to hold.
        shard: u32,
        /// Why.
        why: Why,
    },
    /// A member leaves.
    Drop {
        /// The member.
        member: DiskRef,
        /// Why.
        why: Why,
    },
    /// A disk takes a member's place (and shard index): a filled stand-in, or a new disk when the old one holds
    /// nothing any more.
    Replace {
        /// The member.
        member: DiskRef,
        /// The disk.
        disk: DiskRef,
    },
}

/// What is the matter with a group and what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assessment {
    /// How close to loss.
    pub risk: Risk,
    /// The membership change to make now, if any.
    pub step: Option<Step>,
    /// Members that are not clean and can be filled now.
    pub backfill: Vec<DiskRef>,
    /// A member should be added, but no disk can take it.
    pub no_room: bool,
    /// Further failures that the group bears; below 0: it cannot be read whole.
    pub spare: i32,
}

/// What the planner may do.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// Silence after which a group without redundancy gets a temporary member, in milliseconds.
    pub temporary_after_ms: u64,
    /// Bytes that a new member of this group would have to take.
    pub bytes: u64,
    /// Members that are only to take the place of one that is well are not filled now.
    pub moves_rest: bool,
}

/// Stand-ins that a group gets at most at one time; the state machine has the same bound.
const MOST_STAND_INS: usize = 4;

/// One group under the lens.
struct Lens<'a> {
    cluster: &'a Cluster,
    class: &'a StorageClass,
    pg: &'a Pg,
    rules: Rules,
    wanted: usize,
    min_readable: usize,
    complete: Vec<bool>,
    erasure: bool,
    barred: &'a dyn Fn(u32) -> bool,
}

/// Looks at one group. `lacks` says whether a member has `missing/` records in this group, `barred` whether a disk
/// cannot join it now because it still has to drop what it held of it before.
pub fn assess(
    cluster: &Cluster,
    pg: &Pg,
    rules: Rules,
    lacks: impl Fn(&Member) -> bool,
    barred: impl Fn(u32) -> bool,
) -> Option<Assessment> {
    let class = cluster.classes.get(&pg.class)?;
    let redundancy = class.redundancy?;
    if pg.state() == PgState::Retired {
        return None;
    }
    let lens = Lens {
        cluster,
        class,
        pg,
        rules,
        wanted: redundancy.members() as usize,
        min_readable: redundancy.min_readable() as usize,
        complete: pg.members.iter().map(|m| m.clean && !lacks(m)).collect(),
        erasure: redundancy.is_erasure(),
        barred: &barred,
    };
    let (step, no_room) = if lens.erasure { lens.erasure_step() } else { lens.replicated_step() };
    let backfill = lens.backfill();
    let risk = match lens.risk() {
        // A member on its way out for which there is no other disk is not where it should be, either.
        Risk::Healthy if step.is_some() || no_room || !backfill.is_empty() => Risk::Misplaced,
        risk => risk,
    };
    let spare = lens.readable() as i32 - lens.min_readable as i32;
    Some(Assessment { risk, step, backfill, no_room, spare })
}

impl Lens<'_> {
    fn disk(&self, index: usize) -> Option<&DiskFacts> {
        self.cluster.member_disk(&self.pg.members[index])
    }

    fn answers(&self, index: usize) -> bool {
        self.disk(index).is_some_and(DiskFacts::answers)
    }

    fn stays(&self, index: usize) -> bool {
        self.disk(index).is_some_and(DiskFacts::stays)
    }

    /// Nothing of this group can be on it any more.
    fn holds_nothing(&self, index: usize) -> bool {
        self.disk(index).is_none_or(|disk| disk.standing == Standing::Removed)
    }

    fn disk_has_new_life(&self, index: usize) -> bool {
        let member = &self.pg.members[index];
        self.cluster.disks.get(&member.disk).is_some_and(|disk| disk.incarnation != member.incarnation)
    }

    /// Holds everything, answers, and is meant to go on doing so.
    fn solid(&self, index: usize) -> bool {
        self.complete[index] && self.answers(index) && self.stays(index)
    }

    fn indexes(&self) -> std::ops::Range<usize> {
        0..self.pg.members.len()
    }

    fn solid_without(&self, index: usize) -> usize {
        self.indexes().filter(|i| *i != index && self.solid(*i)).count()
    }

    fn identity(&self, index: usize) -> DiskRef {
        let member = &self.pg.members[index];
        DiskRef { disk: member.disk, incarnation: member.incarnation }
    }

    /// Members, or different shards, that hold everything and answer.
    fn readable(&self) -> usize {
        let counts = |i: usize| self.complete[i] && self.answers(i);
        if self.erasure { self.shards(counts) } else { self.indexes().filter(|i| counts(*i)).count() }
    }

    fn risk(&self) -> Risk {
        let readable = self.readable();
        // One that is still being filled beside members that are all well takes nothing away.
        let all_well = self.regulars().all(|i| self.complete[i] && self.answers(i));
        if readable < self.min_readable {
            Risk::Unavailable
        } else if readable >= self.wanted && all_well {
            Risk::Healthy
        } else if readable == self.min_readable && self.wanted > self.min_readable {
            Risk::AtRisk
        } else {
            Risk::Degraded
        }
    }

    fn backfill(&self) -> Vec<DiskRef> {
        // A member on its way out is not worth filling.
        let rests = |i: usize| self.rules.moves_rest && self.is_moving(i);
        self.indexes()
            .filter(|i| !self.pg.members[*i].clean && self.answers(*i) && self.stays(*i) && !rests(*i))
            .map(|i| self.identity(i))
            .collect()
    }

    fn is_temporary(&self, index: usize) -> bool {
        self.pg.members[index].temporary
    }

    fn regulars(&self) -> impl Iterator<Item = usize> + '_ {
        self.indexes().filter(|i| !self.is_temporary(*i))
    }

    /// Temporary members that are there to stay or to take a place, filled or not.
    fn stand_ins(&self) -> impl Iterator<Item = usize> + '_ {
        self.indexes().filter(|i| self.is_temporary(*i) && self.stays(*i))
    }

    /// The regular member whose place a stand-in is to take although that one is well, if the group would be placed no
    /// worse.
    fn place_of(&self, stand_in: usize) -> Option<usize> {
        let member = &self.pg.members[stand_in];
        let place = self.regulars().find(|i| member.takes_place_of(&self.pg.members[*i]))?;
        let mut disks: Vec<u32> = self.regulars().map(|i| self.pg.members[i].disk).collect();
        let now = conflicts(self.cluster, self.class.domain(), &disks);
        let at = disks.iter().position(|disk| *disk == self.pg.members[place].disk)?;
        disks[at] = member.disk;
        (conflicts(self.cluster, self.class.domain(), &disks) <= now).then_some(place)
    }

    fn is_moving(&self, index: usize) -> bool {
        self.is_temporary(index) && self.stays(index) && self.place_of(index).is_some()
    }

    /// A filled stand-in takes the place that it is meant for, when the others are enough.
    fn moved_step(&self) -> Option<Step> {
        self.stand_ins().filter(|i| self.solid(*i)).find_map(|ready| {
            let place = self.place_of(ready)?;
            let enough = match self.erasure {
                true => self.shards(|i| i != place && self.solid(i)),
                false => self.solid_without(place),
            };
            (enough >= self.wanted)
                .then(|| Step::Replace { member: self.identity(place), disk: self.identity(ready) })
        })
    }

    fn replicated_step(&self) -> (Option<Step>, bool) {
        let first = self.gone_step().or_else(|| self.promote_step()).or_else(|| self.moved_step());
        if let Some(step) = first.or_else(|| self.drop_step()) {
            return (Some(step), false);
        }
        if self.regulars().count() < self.wanted {
            let step = self.add(Why::TooFew, false);
            return (step, step.is_none());
        }
        let leaving = self.regulars().filter(|i| !self.stays(*i)).count();
        if self.stand_ins().count() < leaving.min(MOST_STAND_INS) {
            let step = self.add(Why::Leaving, true);
            return (step, step.is_none());
        }
        (self.temporary_step().or_else(|| self.domain_step()), false)
    }

    /// A member on a disk that holds nothing any more gives its place away at once: nothing is lowered by it.
    fn gone_step(&self) -> Option<Step> {
        let gone = self.indexes().find(|i| self.holds_nothing(*i) && self.solid_without(*i) >= 1)?;
        let member = self.identity(gone);
        if self.is_temporary(gone) {
            return Some(Step::Drop { member, why: Why::Leaving });
        }
        match self.pick(Some(gone)) {
            Some(choice) => {
                let disk = self.cluster.disks.get(&choice.disk)?.identity();
                Some(Step::Replace { member, disk })
            }
            None if self.regulars().count() > 1 => Some(Step::Drop { member, why: Why::Leaving }),
            None => None,
        }
    }

    /// A filled temporary member takes the place of one that is on its way out, or that is placed worse.
    fn promote_step(&self) -> Option<Step> {
        let ready = self.stand_ins().find(|i| self.solid(*i))?;
        let replace =
            |index: usize| Step::Replace { member: self.identity(index), disk: self.identity(ready) };
        // One that still answers and holds everything is a copy too: it goes when the others are enough without it.
        let may_go = |i: &usize| {
            let counts = self.complete[*i] && self.answers(*i);
            !self.stays(*i) && (!counts || self.solid_without(*i) >= self.wanted)
        };
        if let Some(leaving) = self.regulars().find(may_go) {
            return Some(replace(leaving));
        }
        if self.regulars().any(|i| !self.stays(i)) {
            return None;
        }
        if !self.regulars().all(|i| self.solid(i)) {
            return None;
        }
        let index = self.worse_than(ready)?;
        Some(replace(index))
    }

    /// The regular member whose place the stand-in should take because fewer members share a domain then.
    fn worse_than(&self, stand_in: usize) -> Option<usize> {
        let disks: Vec<u32> = self.regulars().map(|i| self.pg.members[i].disk).collect();
        let now = conflicts(self.cluster, self.class.domain(), &disks);
        let (best, out) = self.best_swap(&disks, self.pg.members[stand_in].disk)?;
        if best < now { self.regulars().nth(out) } else { None }
    }

    /// The fewest conflicts that one of `disks` can be swapped for `disk` to reach, and which one.
    fn best_swap(&self, disks: &[u32], disk: u32) -> Option<(usize, usize)> {
        let swapped = |out: usize| {
            let mut set = disks.to_vec();
            set[out] = disk;
            (conflicts(self.cluster, self.class.domain(), &set), out)
        };
        (0..disks.len()).map(swapped).min()
    }

    /// Drops what is not needed, worst first.
    fn drop_step(&self) -> Option<Step> {
        let drop = |index: usize, why| Step::Drop { member: self.identity(index), why };
        // A stand-in on its way out, or one that nobody needs any more.
        let spare = |i: &usize| self.is_temporary(*i) && self.solid_without(*i) >= self.wanted;
        if let Some(index) = self.indexes().find(|i| spare(i) && !self.stays(*i)) {
            return Some(drop(index, Why::Leaving));
        }
        // One that is still being filled to take a worse placed member's place is needed.
        let idle = |i: &usize| spare(i) && self.worse_than(*i).is_none() && !self.is_moving(*i);
        if self.regulars().filter(|i| self.solid(*i)).count() >= self.wanted
            && let Some(index) = self.indexes().rev().find(idle)
        {
            return Some(drop(index, Why::Surplus));
        }
        if self.regulars().count() <= self.wanted {
            return None;
        }
        // The class wants fewer copies than it did. One that is silent is waited for, or given up first.
        let level = self.class.domain();
        let disks: Vec<u32> = self.regulars().map(|i| self.pg.members[i].disk).collect();
        let crowding = |index: usize| {
            let disk = self.disk(index);
            disk.map_or([usize::MAX; 4], |disk| shared_domains(self.cluster, level, &disks, disk))
        };
        self.regulars()
            .filter(|i| self.solid_without(*i) >= self.wanted && (self.answers(*i) || !self.stays(*i)))
            .max_by_key(|i| (!self.stays(*i), crowding(*i), *i))
            .map(|index| drop(index, Why::Surplus))
    }

    /// An extra member when no redundancy is left and somebody has been silent for long enough.
    fn temporary_step(&self) -> Option<Step> {
        let solid = self.indexes().filter(|i| self.solid(*i)).count();
        let silent = self.indexes().any(|i| {
            self.stays(i)
                && !self.answers(i)
                && self.disk(i).is_some_and(|disk| disk.silent_ms >= self.rules.temporary_after_ms)
        });
        // Somebody who is being filled already will be the second copy.
        let coming = self.indexes().any(|i| !self.complete[i] && self.answers(i) && self.stays(i));
        let bare = solid == self.min_readable && self.wanted > self.min_readable;
        if !bare || !silent || coming || self.stand_ins().count() >= MOST_STAND_INS {
            return None;
        }
        self.add(Why::NoRedundancy, true)
    }

    /// A stand-in in a better domain, when everything else is well.
    fn domain_step(&self) -> Option<Step> {
        let full = self.regulars().count() == self.wanted && self.stand_ins().count() == 0;
        if !full || !self.indexes().all(|i| self.solid(i)) {
            return None;
        }
        let disks: Vec<u32> = self.pg.members.iter().map(|m| m.disk).collect();
        let now = conflicts(self.cluster, self.class.domain(), &disks);
        if now == 0 {
            return None;
        }
        let step = self.add_apart(&disks)?;
        let Step::Add { disk, .. } = step else { return None };
        // Worth it only if taking one member's place is strictly better.
        let (best, _) = self.best_swap(&disks, disk.disk)?;
        (best < now).then_some(step)
    }

    /// The disk with which the best swap is possible: apart from all members but the one it would replace.
    fn add_apart(&self, disks: &[u32]) -> Option<Step> {
        let choices = (0..disks.len()).filter_map(|out| {
            let choice = self.pick(Some(out))?;
            (!disks.contains(&choice.disk)).then_some(choice)
        });
        let choice = choices.min_by_key(|choice| (self.best_swap(disks, choice.disk), choice.disk))?;
        let disk = self.cluster.disks.get(&choice.disk)?.identity();
        Some(Step::Add { disk, temporary: true, shard: 0, why: Why::Domain })
    }

    fn add(&self, why: Why, temporary: bool) -> Option<Step> {
        let choice = self.pick(None)?;
        let disk = self.cluster.disks.get(&choice.disk)?.identity();
        Some(Step::Add { disk, temporary, shard: 0, why })
    }

    /// The best disk to join: apart from those that stay, not one that is a member already. `instead_of`: the member
    /// whose place it takes, whose domain is free then and whose disk may be it, in a new life.
    fn pick(&self, instead_of: Option<usize>) -> Option<Choice> {
        let others = || self.indexes().filter(|i| Some(*i) != instead_of);
        let have: Vec<u32> = others().filter(|i| self.stays(*i)).map(|i| self.pg.members[i].disk).collect();
        let mut avoid: Vec<u32> = others().map(|i| self.pg.members[i].disk).collect();
        if let Some(index) = instead_of.filter(|i| !self.disk_has_new_life(*i)) {
            avoid.push(self.pg.members[index].disk);
        }
        // Groups per share: evens out what repairs put where, without depending on second-old fill levels.
        let burden = |disk: &DiskFacts| {
            let groups = self.cluster.count_groups_of(disk.id) as u128 + 1;
            (groups << 40) / u128::from(disk.share().max(1))
        };
        loop {
            let wanted = Wanted {
                level: self.class.domain(),
                have: &have,
                avoid: &avoid,
                bytes: self.rules.bytes,
                seed: u64::from(self.pg.id),
            };
            let choice = choose(self.cluster, &wanted, burden)?;
            if !(self.barred)(choice.disk) {
                return Some(choice);
            }
            avoid.push(choice.disk);
        }
    }
}

#[cfg(test)]
#[path = "repair_tests.rs"]
mod tests;
