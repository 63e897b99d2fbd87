//! What one placement group lacks, and the next step towards having it.
//!
//! What always holds:
//! - One membership change at a time per group; every step is safe to be the last one that ever happens.
//! - A member is dropped only when as many others as the class wants hold everything and answer. A member whose disk
//!   is known to hold nothing (removed, or in a new life) may go as soon as one other holds everything.
//! - A disk that is silent, and not given up, keeps its place: at most a temporary member joins beside it.
//! - Steps end: an added member is in no worse a domain than any it will replace, so plans do not swing.
//!
//! "Complete" is a member that is clean and has no `missing/` record in this group. The caller looks that up in
//! the same view it took the group from.

use holdfast_proto::map::{Member, Pg, PgState, Standing, StorageClass, redundancy::Kind};
use holdfast_proto::op::DiskRef;

use super::cluster::{Cluster, DiskFacts};
use super::place::{Choice, Wanted, choose, conflicts, shared_domains};

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
        /// It stands in for a silent member.
        temporary: bool,
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
    /// A disk takes a member's place and shard index (erasure).
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
}

/// What the planner may do.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// Silence after which a group without redundancy gets a temporary member, in milliseconds.
    pub temporary_after_ms: u64,
    /// Bytes that a new member of this group would have to take.
    pub bytes: u64,
}

/// One group under the lens.
struct Lens<'a> {
    cluster: &'a Cluster,
    class: &'a StorageClass,
    pg: &'a Pg,
    rules: Rules,
    wanted: usize,
    min_readable: usize,
    complete: Vec<bool>,
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
        barred: &barred,
    };
    let erasure = matches!(redundancy.kind, Some(Kind::Erasure(_)));
    let (step, no_room) = if erasure { lens.erasure_step() } else { lens.replicated_step() };
    let risk = match lens.risk() {
        Risk::Healthy if step.is_some() => Risk::Misplaced,
        risk => risk,
    };
    Some(Assessment { risk, step, backfill: lens.backfill(), no_room })
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

    fn risk(&self) -> Risk {
        let readable = self.indexes().filter(|i| self.complete[*i] && self.answers(*i)).count();
        let all_well = self.indexes().all(|i| self.complete[i] && self.answers(i));
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
        self.indexes()
            .filter(|i| !self.pg.members[*i].clean && self.answers(*i) && self.stays(*i))
            .map(|i| self.identity(i))
            .collect()
    }

    fn replicated_step(&self) -> (Option<Step>, bool) {
        if let Some(step) = self.drop_step() {
            return (Some(step), false);
        }
        let staying = self.indexes().filter(|i| self.stays(*i)).count();
        if staying < self.wanted {
            let step = self.add(Why::TooFew, false);
            return (step, step.is_none());
        }
        if let Some(step) = self.temporary_step() {
            return (Some(step), false);
        }
        (self.domain_step(staying), false)
    }

    /// Drops what is not needed, worst first.
    fn drop_step(&self) -> Option<Step> {
        let drop = |index: usize, why| Step::Drop { member: self.identity(index), why };
        if let Some(gone) = self.indexes().find(|i| self.holds_nothing(*i) && self.solid_without(*i) >= 1) {
            return Some(drop(gone, Why::Leaving));
        }
        let leaving = self.indexes().find(|i| !self.stays(*i) && self.solid_without(*i) >= self.wanted);
        if let Some(index) = leaving {
            return Some(drop(index, Why::Leaving));
        }
        let staying: Vec<usize> = self.indexes().filter(|i| self.stays(*i)).collect();
        if staying.len() <= self.wanted {
            return None;
        }
        let level = self.class.domain();
        let disks: Vec<u32> = staying.iter().map(|i| self.pg.members[*i].disk).collect();
        let crowding = |index: usize| {
            let disk = self.disk(index);
            disk.map_or([usize::MAX; 4], |disk| shared_domains(self.cluster, level, &disks, disk))
        };
        // A silent one may go before an answering one only if it is temporary; a regular one that is silent is
        // waited for, or given up by the leader first.
        staying
            .iter()
            .copied()
            .filter(|i| self.solid_without(*i) >= self.wanted)
            .filter(|i| self.answers(*i) || self.pg.members[*i].temporary)
            .max_by_key(|i| (self.pg.members[*i].temporary, crowding(*i), *i))
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
        if !bare || !silent || coming {
            return None;
        }
        self.add(Why::NoRedundancy, true)
    }

    /// A member in a better domain, when everything else is well.
    fn domain_step(&self, staying: usize) -> Option<Step> {
        if staying != self.wanted || !self.indexes().all(|i| self.solid(i)) {
            return None;
        }
        let disks: Vec<u32> = self.pg.members.iter().map(|m| m.disk).collect();
        let level = self.class.domain();
        let now = conflicts(self.cluster, level, &disks);
        if now == 0 {
            return None;
        }
        let Some(Step::Add { disk, .. }) = self.add(Why::Domain, false) else { return None };
        // Worth it only if the best set without one of the old members is strictly better.
        let best = (0..disks.len())
            .map(|out| {
                let mut set: Vec<u32> = disks.clone();
                set[out] = disk.disk;
                conflicts(self.cluster, level, &set)
            })
            .min()?;
        (best < now).then_some(Step::Add { disk, temporary: false, why: Why::Domain })
    }

    /// Shards have fixed places: a member that is gone is replaced in its place and rebuilt from the others.
    fn erasure_step(&self) -> (Option<Step>, bool) {
        let gone = |i: &usize| !self.stays(*i) && !(self.answers(*i) && self.complete[*i]);
        let Some(index) = self.indexes().find(gone) else { return (None, false) };
        if self.solid_without(index) < self.min_readable {
            return (None, false);
        }
        match self.pick() {
            Some(choice) => {
                let disk = self.cluster.disks.get(&choice.disk).map(DiskFacts::identity);
                (disk.map(|disk| Step::Replace { member: self.identity(index), disk }), false)
            }
            None => (None, true),
        }
    }

    fn add(&self, why: Why, temporary: bool) -> Option<Step> {
        let choice = self.pick()?;
        let disk = self.cluster.disks.get(&choice.disk)?.identity();
        Some(Step::Add { disk, temporary, why })
    }

    /// The best disk to join: apart from those that stay, not one that is a member already.
    fn pick(&self) -> Option<Choice> {
        let have: Vec<u32> =
            self.indexes().filter(|i| self.stays(*i)).map(|i| self.pg.members[i].disk).collect();
        let mut avoid: Vec<u32> = self.pg.members.iter().map(|m| m.disk).collect();
        // Groups per share: evens out what repairs put where, without depending on second-old fill levels.
        let burden = |disk: &DiskFacts| {
            let groups = self.cluster.groups_of(disk.id).count() as u128 + 1;
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
