//! The next step of an erasure group: every place is a shard, so whoever shall take one is filled with that shard first.
//!
//! What always holds, beside what `repair.rs` promises:
//! - A stand-in holds the shard of one regular member; it takes that place or none.
//! - A regular member keeps its place until a stand-in holds its shard, or until it is known to hold nothing.

use std::collections::BTreeSet;

use super::super::cluster::DiskFacts;
use super::super::place::conflicts;
use super::{Lens, MOST_STAND_INS, Step, Why};

impl Lens<'_> {
    /// Different shards among the members that `counts` says yes to.
    pub(super) fn shards(&self, counts: impl Fn(usize) -> bool) -> usize {
        let held: BTreeSet<u32> =
            self.indexes().filter(|i| counts(*i)).map(|i| self.pg.members[i].shard).collect();
        held.len()
    }

    pub(super) fn erasure_step(&self) -> (Option<Step>, bool) {
        let first = self.gone_shard().or_else(|| self.promote_shard()).or_else(|| self.moved_step());
        let step = first.or_else(|| self.drop_stand_in());
        if step.is_some() {
            return (step, false);
        }
        let leaving: Vec<usize> =
            self.regulars().filter(|i| !self.stays(*i) && self.stand_in_of(*i).is_none()).collect();
        let may_add = self.stand_ins().count() < MOST_STAND_INS;
        if let Some(index) = leaving.first().filter(|_| may_add) {
            // Without enough shards nothing can be filled; all that is left must stay where it is found.
            if self.shards(|i| self.complete[i] && self.answers(i)) < self.min_readable {
                return (None, false);
            }
            let step = self.stand_in_for(*index, Why::Leaving);
            return (step, step.is_none());
        }
        (self.silent_shard().or_else(|| self.domain_shard()), false)
    }

    /// The stand-in that is there to stay and holds, or is being filled with, the shard of the regular member `index`.
    fn stand_in_of(&self, index: usize) -> Option<usize> {
        self.stand_ins().find(|i| self.pg.members[*i].shard == self.pg.members[index].shard)
    }

    fn regular_of(&self, stand_in: usize) -> Option<usize> {
        self.regulars().find(|i| self.pg.members[*i].shard == self.pg.members[stand_in].shard)
    }

    fn stand_in_for(&self, index: usize, why: Why) -> Option<Step> {
        let choice = self.pick(Some(index))?;
        let disk = self.cluster.disks.get(&choice.disk)?.identity();
        // A wiped disk cannot stand beside what it was.
        if self.pg.members.iter().any(|member| member.disk == disk.disk) {
            return None;
        }
        Some(Step::Add { disk, temporary: true, shard: self.pg.members[index].shard, why })
    }

    /// A member whose disk holds nothing any more gives its place away at once: nothing is lowered by it.
    fn gone_shard(&self) -> Option<Step> {
        let enough = |index: usize| self.shards(|i| i != index && self.solid(i)) >= self.min_readable;
        let gone = self.indexes().find(|i| self.holds_nothing(*i) && enough(*i))?;
        let member = self.identity(gone);
        if self.is_temporary(gone) {
            return Some(Step::Drop { member, why: Why::Leaving });
        }
        if self.stand_in_of(gone).is_some() {
            return None;
        }
        let choice = self.pick(Some(gone))?;
        let disk = self.cluster.disks.get(&choice.disk)?.identity();
        Some(Step::Replace { member, disk })
    }

    /// A filled stand-in takes the place of the member whose shard it holds, if that one is on its way out or placed
    /// worse.
    fn promote_shard(&self) -> Option<Step> {
        let well = self.regulars().all(|i| self.solid(i));
        self.stand_ins().filter(|i| self.solid(*i)).find_map(|ready| {
            let regular = self.regular_of(ready)?;
            let better =
                well && self.conflicts_with(regular, self.pg.members[ready].disk) < self.conflicts_now();
            (!self.stays(regular) || better)
                .then(|| Step::Replace { member: self.identity(regular), disk: self.identity(ready) })
        })
    }

    /// Drops a stand-in that nobody needs, or that is on its way out while its shard is held elsewhere or not by it.
    fn drop_stand_in(&self) -> Option<Step> {
        let useless = |i: &usize| {
            let Some(regular) = self.regular_of(*i) else { return true };
            let held = self.solid(regular);
            if !self.stays(*i) {
                return held || !self.complete[*i];
            }
            let better = self.conflicts_with(regular, self.pg.members[*i].disk) < self.conflicts_now();
            held && !better && !self.is_moving(*i)
        };
        let index = self.indexes().filter(|i| self.is_temporary(*i)).find(useless)?;
        let why = if self.stays(index) { Why::Surplus } else { Why::Leaving };
        Some(Step::Drop { member: self.identity(index), why })
    }

    /// A stand-in for a silent member when no redundancy is left.
    fn silent_shard(&self) -> Option<Step> {
        let bare = self.shards(|i| self.solid(i)) == self.min_readable && self.wanted > self.min_readable;
        // Somebody who is being filled already will be the redundancy.
        let coming = self.indexes().any(|i| !self.complete[i] && self.answers(i) && self.stays(i));
        if !bare || coming || self.stand_ins().count() >= MOST_STAND_INS {
            return None;
        }
        let silent = self.regulars().find(|i| {
            let long = |disk: &DiskFacts| disk.silent_ms >= self.rules.temporary_after_ms;
            self.stays(*i)
                && !self.answers(*i)
                && self.stand_in_of(*i).is_none()
                && self.disk(*i).is_some_and(long)
        })?;
        self.stand_in_for(silent, Why::NoRedundancy)
    }

    /// A stand-in in a better domain, when everything else is well.
    fn domain_shard(&self) -> Option<Step> {
        let now = self.conflicts_now();
        if now == 0 || self.stand_ins().count() > 0 || !self.indexes().all(|i| self.solid(i)) {
            return None;
        }
        let swaps = self.regulars().filter_map(|index| {
            let step = self.stand_in_for(index, Why::Domain)?;
            let Step::Add { disk, .. } = step else { return None };
            Some((self.conflicts_with(index, disk.disk), index, step))
        });
        let (then, _, step) = swaps.min_by_key(|(then, index, _)| (*then, *index))?;
        (then < now).then_some(step)
    }

    fn regular_disks(&self) -> Vec<u32> {
        self.regulars().map(|i| self.pg.members[i].disk).collect()
    }

    fn conflicts_now(&self) -> usize {
        conflicts(self.cluster, self.class.domain(), &self.regular_disks())
    }

    /// Conflicts if the regular member `index` were on `disk`.
    fn conflicts_with(&self, index: usize, disk: u32) -> usize {
        let mut disks = self.regular_disks();
        if let Some(at) = disks.iter().position(|d| *d == self.pg.members[index].disk) {
            disks[at] = disk;
        }
        conflicts(self.cluster, self.class.domain(), &disks)
    }
}
