//! Which members of groups to move so that disks are about equally full.
//!
//! What always holds:
//! - Every move goes from a fuller disk to an emptier one and does not turn that around, so plans end, and what is done
//!   is not undone by the next plan.
//! - No move makes a group share more failure domains than it does, or puts it twice on one disk.
//! - No disk passes its cap, not even while what leaves it is still there: all that arrives is counted first.
//! - Groups that lack something are left alone: they are repair's.
//!
//! "Full" is bytes of chunks by share (capacity times weight). Disks that are drained, in maintenance or given up take
//! no part. What is under way counts as done, so a plan can be made at any time.
//!
//! Called by the leader's balance loop, by the preview, and by the simulator.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use holdfast_proto::map::{FailureDomain, Liveness, Member, Pg, Standing};
use holdfast_proto::op::DiskRef;

use super::cluster::{Cluster, DiskFacts};
use super::mix;
use super::place::{reserve, shared_domains};

/// Parts of a share by which fullness is counted.
const PARTS: u64 = 1_000_000;
/// Groups of one disk and disks below it that are tried before a disk is left as it is.
const GROUPS_TRIED: usize = 256;
const TARGETS_TRIED: usize = 64;

/// How far a plan goes.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Disks whose fullness differs by no more than this are equally full, in thousandths of their share.
    pub tolerance: u32,
    /// Most moves in one plan.
    pub most: usize,
}

/// One member of a group goes to another disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Move {
    /// The group.
    pub pg: u32,
    /// In an erasure group: the shard that moves.
    pub shard: u32,
    /// Whose place it is.
    pub from: DiskRef,
    /// Who takes it.
    pub to: DiskRef,
    /// Bytes that are copied.
    pub bytes: u64,
    /// It has been begun already.
    pub under_way: bool,
}

/// One disk before and after.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Level {
    /// The disk.
    pub disk: u32,
    /// Capacity times weight, in bytes.
    pub share: u64,
    /// Bytes of chunks on it.
    pub before: u64,
    /// The same when the plan is done.
    pub after: u64,
    /// Most bytes on it on the way, whatever lies there beside chunks included.
    pub peak: u64,
    /// What it may hold at most.
    pub cap: u64,
}

impl Level {
    fn fullness(&self, bytes: u64) -> u64 {
        fullness(bytes, self.share)
    }

    /// How full it is, in millionths of its share.
    pub fn full_before(&self) -> u64 {
        self.fullness(self.before)
    }

    /// The same when the plan is done.
    pub fn full_after(&self) -> u64 {
        self.fullness(self.after)
    }
}

/// What to move, in order, and what comes of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// Moves; those of one group one after another.
    pub moves: Vec<Move>,
    /// Every disk that takes part.
    pub levels: Vec<Level>,
    /// Bytes that would have to move at least if any byte could go anywhere.
    pub least: u64,
    /// The plan has as many moves as it may have; there is more to do.
    pub cut_short: bool,
}

impl Plan {
    /// Bytes that the plan moves, what is under way included.
    pub fn bytes(&self) -> u64 {
        self.moves.iter().map(|m| m.bytes).sum()
    }

    /// Difference between the fullest and the emptiest disk, in millionths: now and when the plan is done.
    pub fn spread(&self) -> (u64, u64) {
        let width = |full: fn(&Level) -> u64| {
            let most = self.levels.iter().map(full).max().unwrap_or(0);
            most - self.levels.iter().map(full).min().unwrap_or(0)
        };
        (width(Level::full_before), width(Level::full_after))
    }
}

fn fullness(bytes: u64, share: u64) -> u64 {
    let parts = u128::from(bytes) * u128::from(PARTS) / u128::from(share.max(1));
    u64::try_from(parts).unwrap_or(u64::MAX)
}

/// Makes a plan. `sizes` has the bytes of each group's chunks before redundancy; a group without an entry is left alone.
/// `movable` says whether the group lacks nothing, `barred` whether the disk still has to drop what it held of it.
pub fn plan(
    cluster: &Cluster,
    sizes: &BTreeMap<u32, u64>,
    limits: Limits,
    movable: impl Fn(&Pg) -> bool,
    barred: impl Fn(u32, u32) -> bool,
) -> Plan {
    let mut book = Book::new(cluster, sizes, &movable);
    let tolerance = u64::from(limits.tolerance) * (PARTS / 1000);
    let mut stuck = BTreeSet::new();
    let least = book.least();
    let mut cut_short = false;
    while let Some(from) = book.fullest(&stuck) {
        if book.full(from) <= book.emptiest().saturating_add(tolerance) {
            break;
        }
        if book.moves.len() >= limits.most {
            cut_short = true;
            break;
        }
        match book.best(from, tolerance, &barred) {
            Some(found) => book.take(found),
            None => {
                stuck.insert(from);
            }
        }
    }
    book.into_plan(least, cut_short)
}

/// Whether a planned move still makes sense in the cluster as it is now: its group and disks may have changed since.
pub fn still_good(cluster: &Cluster, planned: &Move) -> bool {
    let Some(pg) = cluster.pgs.get(&planned.pg) else { return false };
    let Some(class) = cluster.classes.get(&pg.class) else { return false };
    let is = |m: &Member, disk: DiskRef| (m.disk, m.incarnation) == (disk.disk, disk.incarnation);
    let placed = pg.members.iter().any(|m| is(m, planned.from) && m.shard == planned.shard && !m.temporary);
    let alone = pg.members.iter().all(|m| m.disk != planned.to.disk && !m.temporary);
    let Some(to) = cluster.disks.get(&planned.to.disk) else { return false };
    let fits = to.identity() == planned.to && to.takes_new() && to.free > planned.bytes + reserve(to);
    let Some(from) = cluster.disks.get(&planned.from.disk) else { return false };
    let disks: Vec<u32> = pg.members.iter().map(|m| m.disk).collect();
    placed && alone && fits && no_worse(cluster, class.domain(), &disks, from, to)
}

fn no_worse(
    cluster: &Cluster,
    level: FailureDomain,
    disks: &[u32],
    from: &DiskFacts,
    to: &DiskFacts,
) -> bool {
    let others: Vec<u32> = disks.iter().copied().filter(|disk| *disk != from.id).collect();
    shared_domains(cluster, level, &others, to) <= shared_domains(cluster, level, &others, from)
}

/// What lies on one disk, as the plan goes.
struct Account {
    share: u64,
    before: u64,
    after: u64,
    used: u64,
    arriving: u64,
    cap: u64,
    takes: bool,
    groups: BTreeSet<(Reverse<u64>, u64, u32)>,
}

/// A group as the plan goes.
struct Group<'a> {
    pg: &'a Pg,
    level: FailureDomain,
    bytes: u64,
    disks: Vec<u32>,
}

struct Book<'a> {
    cluster: &'a Cluster,
    accounts: BTreeMap<u32, Account>,
    groups: BTreeMap<u32, Group<'a>>,
    by_fullness: BTreeSet<(u64, u32)>,
    moves: Vec<Move>,
}

impl<'a> Book<'a> {
    fn new(cluster: &'a Cluster, sizes: &BTreeMap<u32, u64>, movable: &impl Fn(&Pg) -> bool) -> Self {
        let takes_part =
            |disk: &&DiskFacts| disk.standing == Standing::In && disk.liveness != Liveness::Failed;
        let account = |disk: &DiskFacts| Account {
            share: disk.share(),
            before: 0,
            after: 0,
            used: disk.used,
            arriving: 0,
            cap: disk.used.saturating_add(disk.free).saturating_sub(reserve(disk)),
            takes: disk.takes_new(),
            groups: BTreeSet::new(),
        };
        let disks = cluster.disks.values().filter(takes_part).filter(|disk| disk.share() > 0);
        let mut book = Self {
            cluster,
            accounts: disks.map(|disk| (disk.id, account(disk))).collect(),
            groups: BTreeMap::new(),
            by_fullness: BTreeSet::new(),
            moves: Vec::new(),
        };
        for pg in cluster.pgs.values() {
            book.enter(pg, sizes, movable);
        }
        book.by_fullness = book.accounts.iter().map(|(id, a)| (fullness(a.after, a.share), *id)).collect();
        book
    }

    fn enter(&mut self, pg: &'a Pg, sizes: &BTreeMap<u32, u64>, movable: &impl Fn(&Pg) -> bool) {
        let Some(class) = self.cluster.classes.get(&pg.class) else { return };
        let whole = sizes.get(&pg.id).copied().unwrap_or(0);
        let pieces = class.redundancy.map_or(1, |r| r.min_readable());
        let bytes = whole.div_ceil(u64::from(pieces.max(1)));
        for member in pg.members.iter().filter(|m| !m.temporary) {
            if let Some(account) = self.accounts.get_mut(&member.disk) {
                account.before += bytes;
                account.after += bytes;
            }
        }
        // Members on their way count where they go to.
        let mut moving = false;
        for stand_in in pg.members.iter().filter(|m| m.temporary) {
            moving = true;
            let place = pg.members.iter().find(|m| !m.temporary && stand_in.takes_place_of(m));
            if let Some(place) = place {
                self.under_way(pg.id, place, stand_in, bytes);
            }
        }
        if moving || bytes == 0 || !sizes.contains_key(&pg.id) || !movable(pg) {
            return;
        }
        let disks: Vec<u32> = pg.members.iter().map(|m| m.disk).collect();
        for disk in &disks {
            if let Some(account) = self.accounts.get_mut(disk) {
                account.groups.insert(key(*disk, pg.id, bytes));
            }
        }
        self.groups.insert(pg.id, Group { pg, level: class.domain(), bytes, disks });
    }

    fn under_way(&mut self, pg: u32, place: &Member, stand_in: &Member, bytes: u64) {
        if let Some(from) = self.accounts.get_mut(&place.disk) {
            from.after = from.after.saturating_sub(bytes);
        }
        if let Some(to) = self.accounts.get_mut(&stand_in.disk) {
            to.after += bytes;
            to.arriving += bytes;
        }
        let identity = |m: &Member| DiskRef { disk: m.disk, incarnation: m.incarnation };
        self.moves.push(Move {
            pg,
            shard: place.shard,
            from: identity(place),
            to: identity(stand_in),
            bytes,
            under_way: true,
        });
    }

    /// Bytes above what each disk would have if all were equally full.
    fn least(&self) -> u64 {
        let bytes: u128 = self.accounts.values().map(|a| u128::from(a.before)).sum();
        let shares: u128 = self.accounts.values().map(|a| u128::from(a.share)).sum();
        let fair = |a: &Account| (bytes * u128::from(a.share) / shares.max(1)) as u64;
        self.accounts.values().map(|a| a.before.saturating_sub(fair(a))).sum()
    }

    fn full(&self, disk: u32) -> u64 {
        self.accounts.get(&disk).map_or(0, |a| fullness(a.after, a.share))
    }

    fn fullest(&self, stuck: &BTreeSet<u32>) -> Option<u32> {
        self.by_fullness.iter().rev().map(|(_, disk)| *disk).find(|disk| !stuck.contains(disk))
    }

    /// Fullness of the emptiest disk that takes something; as full as can be when none does.
    fn emptiest(&self) -> u64 {
        let takes = |(_, disk): &&(u64, u32)| self.accounts.get(disk).is_some_and(|a| a.takes);
        self.by_fullness.iter().find(takes).map_or(u64::MAX, |(full, _)| *full)
    }

    /// The largest group of `from` that the emptiest possible disk can take.
    fn best(&self, from: u32, tolerance: u64, barred: &impl Fn(u32, u32) -> bool) -> Option<Move> {
        let source = self.accounts.get(&from)?;
        let facts = self.cluster.disks.get(&from)?;
        let full = self.full(from);
        let below = |(level, disk): &&(u64, u32)| {
            level.saturating_add(tolerance) < full && self.accounts.get(disk).is_some_and(|a| a.takes)
        };
        let targets = self.by_fullness.iter().take_while(|(level, _)| *level < full).filter(below);
        for (_, to) in targets.take(TARGETS_TRIED) {
            let (Some(target), Some(to_facts)) = (self.accounts.get(to), self.cluster.disks.get(to)) else {
                continue;
            };
            let fits = |group: &&Group<'_>| {
                let arrives = target.used.saturating_add(target.arriving).saturating_add(group.bytes);
                arrives <= target.cap
                    && fullness(target.after + group.bytes, target.share)
                        <= fullness(source.after.saturating_sub(group.bytes), source.share)
                    && !group.disks.contains(to)
                    && !barred(*to, group.pg.id)
                    && no_worse(self.cluster, group.level, &group.disks, facts, to_facts)
            };
            let groups = source.groups.iter().take(GROUPS_TRIED).filter_map(|(_, _, pg)| self.groups.get(pg));
            if let Some(group) = groups.into_iter().find(fits) {
                let place = group.disks.iter().position(|disk| *disk == from)?;
                let shard = group.pg.members.get(place)?.shard;
                return Some(Move {
                    pg: group.pg.id,
                    shard,
                    from: facts.identity(),
                    to: to_facts.identity(),
                    bytes: group.bytes,
                    under_way: false,
                });
            }
        }
        None
    }

    fn take(&mut self, found: Move) {
        let (from, to) = (found.from.disk, found.to.disk);
        let Some(group) = self.groups.get_mut(&found.pg) else { return };
        for disk in &mut group.disks {
            if *disk == from {
                *disk = to;
            }
        }
        let mut set = |disk: u32, change: &dyn Fn(&mut Account)| {
            if let Some(account) = self.accounts.get_mut(&disk) {
                self.by_fullness.remove(&(fullness(account.after, account.share), disk));
                change(account);
                self.by_fullness.insert((fullness(account.after, account.share), disk));
            }
        };
        set(from, &|account| {
            account.after = account.after.saturating_sub(found.bytes);
            account.groups.remove(&key(from, found.pg, found.bytes));
        });
        // What arrived in this plan does not go on in it.
        set(to, &|account| {
            account.after += found.bytes;
            account.arriving += found.bytes;
        });
        self.moves.push(found);
    }

    fn into_plan(self, least: u64, cut_short: bool) -> Plan {
        let level = |(disk, a): (&u32, &Account)| Level {
            disk: *disk,
            share: a.share,
            before: a.before,
            after: a.after,
            peak: a.used.saturating_add(a.arriving),
            cap: a.cap,
        };
        Plan { levels: self.accounts.iter().map(level).collect(), moves: self.moves, least, cut_short }
    }
}

/// Largest first; among equals, every disk has an order of its own.
fn key(disk: u32, pg: u32, bytes: u64) -> (Reverse<u64>, u64, u32) {
    (Reverse(bytes), mix(u64::from(disk), u64::from(pg), 3), pg)
}

#[cfg(test)]
#[path = "balance_tests.rs"]
mod tests;
