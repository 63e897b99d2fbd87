//! What would happen: a described cluster is laid out, grown and damaged with the planners that real clusters run on.
//!
//! What always holds:
//! - Nothing is estimated that the planners decide: groups are made by [`create`], repaired by [`repair`], moved by
//!   [`balance`]. Only time and odds are computed, from rates that the caller names.
//! - The same description gives the same outcome.
//!
//! Odds of loss: groups fail independently, each when more members fail for good than it tolerates while earlier ones
//! are still being rebuilt. With `n` members of which `m` may be lost, failures at rate `l` per member, and a rebuild
//! that takes `t` after the failure is noticed, the rate of loss of one set of disks is
//! `n! / ((n-m-1)! m!) * l^(m+1) * t^m`: for m = 1 the formula of Patterson, Gibson and Katz, "A case for redundant arrays
//! of inexpensive disks" (1988); for more, the same chain of states with every lost member rebuilt at the same time. Sets
//! that several groups share count once. A member fails with its disk or with its host; hosts do not fail together.
//!
//! Called by `holdfast simulate` and by tests.

use std::collections::{BTreeMap, BTreeSet};

use holdfast_proto::map::{
    Disk, FailureDomain, Liveness, MapReply, Member, Node, Pg, Redundancy, Standing, StorageClass,
};
use holdfast_proto::op::DiskRef;

use super::balance::{self, Limits};
use super::cluster::Cluster;
use super::create;
use super::fill::PIECES_PER_DISK;
use super::leave;
use super::place::conflicts;
use super::repair::{Rules, assess};

/// Hours of a year.
const YEAR_HOURS: f64 = 8766.0;
/// Membership changes after which a group is taken to be as good as it gets.
const MOST_STEPS: usize = 32;
const CLASS: u32 = 1;

/// A cluster in words.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Described {
    /// Zones; hosts are spread over them.
    pub zones: u32,
    /// Racks in each zone.
    pub racks: u32,
    /// Hosts in all.
    pub hosts: u32,
    /// Disks of each host.
    pub disks: u32,
    /// Bytes of each disk.
    pub disk_bytes: u64,
    /// How full disks are, as a part of 1.
    pub fill: f64,
    /// Copies or shards.
    pub redundancy: Redundancy,
    /// Level at which members differ.
    pub domain: FailureDomain,
    /// Writable groups per disk.
    pub groups_per_disk: u32,
}

/// How fast things go and how often they break.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rates {
    /// Bytes per second that repair and balance may read and write on one disk, together.
    pub disk: u64,
    /// Bytes per second that they may send and receive on one host, together.
    pub host: u64,
    /// Seconds until a loss is noticed and acted on.
    pub notice_s: u64,
    /// Disks that fail for good in a year, as a part of 1.
    pub disk_failures: f64,
    /// Hosts that are lost for good with all their disks in a year, as a part of 1.
    pub host_failures: f64,
}

/// Least, mean and most of something over disks.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Spread {
    /// Least.
    pub least: f64,
    /// Mean.
    pub mean: f64,
    /// Most.
    pub most: f64,
}

impl Spread {
    fn of(values: impl Iterator<Item = f64>) -> Self {
        let (mut spread, mut count) = (Self { least: f64::INFINITY, ..Self::default() }, 0.0);
        for value in values {
            spread.least = spread.least.min(value);
            spread.most = spread.most.max(value);
            spread.mean += value;
            count += 1.0;
        }
        if count == 0.0 {
            return Self::default();
        }
        Self { mean: spread.mean / count, ..spread }
    }
}

/// How groups lie.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Layout {
    /// Groups.
    pub groups: usize,
    /// Different sets of disks among them.
    pub sets: usize,
    /// Groups per disk.
    pub per_disk: Spread,
    /// How full disks are.
    pub full: Spread,
    /// Other disks that a disk shares groups with: what its rebuild can be spread over.
    pub partners: Spread,
    /// Groups with two members in one failure domain.
    pub crowded: usize,
}

/// What balancing does.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Growth {
    /// Members that move.
    pub moves: usize,
    /// Their bytes.
    pub bytes: u64,
    /// Bytes that had to move at least.
    pub least: u64,
    /// How full disks were before.
    pub before: Spread,
    /// How full they are then.
    pub after: Spread,
    /// Seconds until it is done.
    pub seconds: u64,
    /// Disks that would pass their cap: none, or it is a bug.
    pub over_cap: usize,
}

/// What a loss does.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Damage {
    /// Disks lost.
    pub disks: usize,
    /// Groups that lost a member.
    pub hurt: usize,
    /// Groups left without redundancy.
    pub bare: usize,
    /// Groups that cannot be read any more.
    pub lost: usize,
    /// Bytes that have to be written anew.
    pub bytes: u64,
    /// Disks that give something and disks that take something.
    pub givers: usize,
    /// See `givers`.
    pub takers: usize,
    /// Seconds until redundancy is back, the time to notice included.
    pub seconds: u64,
    /// Groups that stay short, because no disk can take the place.
    pub short: usize,
    /// How full disks are then.
    pub after: Spread,
}

/// A laid out cluster.
#[derive(Clone, Debug)]
pub struct Simulation {
    cluster: Cluster,
    described: Described,
    /// Bytes of each group before redundancy.
    sizes: BTreeMap<u32, u64>,
}

impl Simulation {
    /// Lays it out.
    pub fn new(described: Described) -> Self {
        let mut cluster = Cluster::default();
        let mut map = MapReply { epoch: 1, full: true, ..MapReply::default() };
        for index in 0..described.hosts {
            add_host(&mut map, &described, index, index * described.disks);
        }
        map.classes.push(StorageClass {
            id: CLASS,
            redundancy: Some(described.redundancy),
            domain: described.domain as i32,
            ..StorageClass::default()
        });
        cluster.absorb(&map);
        let mut simulation = Self { cluster, described, sizes: BTreeMap::new() };
        simulation.wake();
        let sealed = (described.fill * PIECES_PER_DISK as f64).ceil() as u32;
        simulation.make_groups(sealed.max(described.groups_per_disk));
        simulation.fill_evenly();
        simulation
    }

    /// Every disk answers.
    fn wake(&mut self) {
        for disk in self.cluster.disks.values_mut().filter(|disk| disk.standing == Standing::In) {
            disk.liveness = Liveness::Alive;
            disk.free = disk.capacity.saturating_sub(disk.used);
        }
    }

    fn make_groups(&mut self, per_disk: u32) {
        let limits = create::Limits { per_disk, most: usize::MAX };
        let Some(class) = self.cluster.classes.get(&CLASS).cloned() else { return };
        let first = self.cluster.pgs.keys().max().map_or(1, |last| last + 1);
        for (id, new) in (first..).zip(create::plan_groups(&self.cluster, &class, &limits)) {
            let erasure = self.described.redundancy.is_erasure();
            let member = |(place, disk): (u32, &DiskRef)| Member {
                disk: disk.disk,
                incarnation: disk.incarnation,
                clean: true,
                shard: if erasure { place } else { 0 },
                ..Member::default()
            };
            let members = (0..).zip(&new.disks).map(member).collect();
            self.cluster.set_pg(Pg { id, epoch: 1, class: CLASS, members, ..Pg::default() });
        }
    }

    /// Puts the same into every group.
    fn fill_evenly(&mut self) {
        let capacity: u128 = self.cluster.disks.values().map(|disk| u128::from(disk.capacity)).sum();
        let places: usize = self.cluster.pgs.values().map(|pg| pg.members.len()).sum();
        let each = (capacity as f64 * self.described.fill / places.max(1) as f64) as u64;
        let pieces = u64::from(self.described.redundancy.min_readable().max(1));
        self.sizes = self.cluster.pgs.keys().map(|pg| (*pg, each * pieces)).collect();
        self.settle();
    }

    fn piece(&self, pg: u32) -> u64 {
        let pieces = u64::from(self.described.redundancy.min_readable().max(1));
        self.sizes.get(&pg).copied().unwrap_or(0).div_ceil(pieces)
    }

    /// Makes what disks hold fit their groups.
    fn settle(&mut self) {
        let mut used: BTreeMap<u32, u64> = BTreeMap::new();
        for pg in self.cluster.pgs.values() {
            for member in &pg.members {
                *used.entry(member.disk).or_default() += self.piece(pg.id);
            }
        }
        for disk in self.cluster.disks.values_mut() {
            disk.used = used.get(&disk.id).copied().unwrap_or(0);
            disk.free = disk.capacity.saturating_sub(disk.used);
        }
    }

    fn full(&self) -> Spread {
        let stays = self.cluster.disks.values().filter(|disk| disk.standing == Standing::In);
        Spread::of(stays.map(|disk| disk.used as f64 / disk.capacity.max(1) as f64))
    }

    /// How groups lie now.
    pub fn layout(&self) -> Layout {
        let mut sets = BTreeSet::new();
        let mut partners: BTreeMap<u32, BTreeSet<u32>> = BTreeMap::new();
        let mut crowded = 0;
        for pg in self.cluster.pgs.values() {
            let mut disks: Vec<u32> = pg.members.iter().map(|m| m.disk).collect();
            crowded += usize::from(conflicts(&self.cluster, self.described.domain, &disks) > 0);
            disks.sort_unstable();
            for disk in &disks {
                partners.entry(*disk).or_default().extend(disks.iter().filter(|other| *other != disk));
            }
            sets.insert(disks);
        }
        let disks = || self.cluster.disks.values().filter(|disk| disk.standing == Standing::In);
        Layout {
            groups: self.cluster.pgs.len(),
            sets: sets.len(),
            per_disk: Spread::of(disks().map(|disk| self.cluster.count_groups_of(disk.id) as f64)),
            full: self.full(),
            partners: Spread::of(disks().map(|d| partners.get(&d.id).map_or(0.0, |p| p.len() as f64))),
            crowded,
        }
    }

    /// Adds empty hosts and evens disks out.
    pub fn grow(&mut self, hosts: u32, rates: &Rates) -> Growth {
        let mut map = MapReply { epoch: self.cluster.epoch + 1, ..MapReply::default() };
        let (have, disks) = (self.cluster.nodes.len() as u32, self.cluster.disks.len() as u32);
        for index in 0..hosts {
            add_host(&mut map, &self.described, have + index, disks + index * self.described.disks);
        }
        self.cluster.absorb(&map);
        self.wake();
        let before = self.full();
        let limits = Limits { tolerance: 20, most: usize::MAX };
        let plan = balance::plan(&self.cluster, &self.sizes, limits, |_| true, |_, _| false);
        let mut traffic = Traffic::default();
        for m in &plan.moves {
            traffic.count(&self.cluster, m.from.disk, m.bytes as f64);
            traffic.count(&self.cluster, m.to.disk, m.bytes as f64);
            if let Some(mut pg) = self.cluster.pgs.get(&m.pg).cloned() {
                for member in pg.members.iter_mut().filter(|member| member.disk == m.from.disk) {
                    (member.disk, member.incarnation) = (m.to.disk, m.to.incarnation);
                }
                self.cluster.set_pg(pg);
            }
        }
        self.settle();
        let over = |level: &&balance::Level| level.peak > level.cap && level.after > level.before;
        Growth {
            moves: plan.moves.len(),
            bytes: plan.bytes(),
            least: plan.least,
            before,
            after: self.full(),
            seconds: traffic.seconds(rates),
            over_cap: plan.levels.iter().filter(over).count(),
        }
    }

    /// Loses whole hosts and single disks of others, and repairs what is left.
    pub fn lose(&mut self, hosts: u32, disks: u32, rates: &Rates) -> Damage {
        let gone = self.pick_victims(hosts, disks);
        for disk in &gone {
            if let Some(facts) = self.cluster.disks.get_mut(disk) {
                (facts.standing, facts.liveness, facts.silent_ms) =
                    (Standing::Out, Liveness::Down, 3_600_000);
            }
        }
        let hurt: BTreeSet<u32> = gone.iter().flat_map(|disk| self.cluster.groups_of(*disk)).collect();
        let mut damage = Damage { disks: gone.len(), hurt: hurt.len(), ..Damage::default() };
        let mut traffic = Traffic::default();
        for pg in hurt {
            self.repair(pg, &gone, &mut damage, &mut traffic);
        }
        self.settle();
        damage.givers = traffic.givers.len();
        damage.takers = traffic.takers.len();
        damage.seconds = rates.notice_s + traffic.seconds(rates);
        damage.after = self.full();
        damage
    }

    fn pick_victims(&self, hosts: u32, disks: u32) -> BTreeSet<u32> {
        let nodes: Vec<u64> = self.cluster.nodes.keys().copied().collect();
        let lost: BTreeSet<u64> = nodes.iter().copied().take(hosts as usize).collect();
        let of_hosts = self.cluster.disks.values().filter(|d| lost.contains(&d.node)).map(|d| d.id);
        // Single disks are taken from as many hosts as there are.
        let mut others: Vec<_> = self.cluster.disks.values().filter(|d| !lost.contains(&d.node)).collect();
        others.sort_by_key(|d| ((d.id - 1) % self.described.disks.max(1), d.id));
        of_hosts.chain(others.into_iter().take(disks as usize).map(|d| d.id)).collect()
    }

    /// Takes the steps that the repair planner names, until there is none.
    fn repair(&mut self, id: u32, gone: &BTreeSet<u32>, damage: &mut Damage, traffic: &mut Traffic) {
        let Some(pg) = self.cluster.pgs.get(&id).cloned() else { return };
        let sources: Vec<u32> = pg.members.iter().map(|m| m.disk).filter(|d| !gone.contains(d)).collect();
        let needed = self.described.redundancy.min_readable() as usize;
        if sources.len() < needed {
            damage.lost += 1;
            return;
        }
        damage.bare += usize::from(sources.len() == needed);
        let piece = self.piece(id);
        let rules = Rules { temporary_after_ms: 30_000, bytes: piece, moves_rest: false };
        let mut done = false;
        for _ in 0..MOST_STEPS {
            let Some(pg) = self.cluster.pgs.get(&id).cloned() else { return };
            let Some(found) = assess(&self.cluster, &pg, rules, |_| false, |_| false) else { return };
            let Some(step) = found.step else {
                done = !found.no_room;
                break;
            };
            if let Some(disk) = leave::joining(&pg, step) {
                damage.bytes += piece;
                traffic.rebuild(&self.cluster, &sources, needed, disk, piece as f64);
                if let Some(facts) = self.cluster.disks.get_mut(&disk) {
                    facts.used += piece;
                    facts.free = facts.free.saturating_sub(piece);
                }
            }
            self.cluster.set_pg(leave::after(pg, step));
        }
        damage.short += usize::from(!done);
    }

    /// How likely it is to lose something within a year.
    pub fn odds(&self, rates: &Rates, rebuild_s: u64) -> f64 {
        let redundancy = self.described.redundancy;
        let (n, needed) = (redundancy.members(), redundancy.min_readable());
        loss_per_year(
            n,
            n.saturating_sub(needed),
            self.layout().sets as f64,
            (rates.disk_failures + rates.host_failures) / YEAR_HOURS,
            rebuild_s as f64 / 3600.0,
        )
    }
}

/// Probability of at least one loss within a year: see the head of this file. `rate` per member and hour, `hours` of
/// rebuild.
pub fn loss_per_year(members: u32, tolerated: u32, sets: f64, rate: f64, hours: f64) -> f64 {
    let (n, m) = (f64::from(members), f64::from(tolerated));
    let mut ways = 1.0;
    for lost in 0..=tolerated {
        ways *= n - f64::from(lost);
    }
    let mut orders = 1.0;
    for repaired in 1..=tolerated {
        orders *= f64::from(repaired);
    }
    let per_hour = ways / orders * rate.powf(m + 1.0) * hours.powf(m);
    -(-sets * per_hour * YEAR_HOURS).exp_m1()
}

fn add_host(map: &mut MapReply, described: &Described, index: u32, disks_before: u32) {
    let zones = described.zones.max(1);
    let racks = described.racks.max(1);
    let node = u64::from(index) + 1;
    map.nodes.push(Node {
        id: node,
        epoch: map.epoch,
        zone: format!("z{}", index % zones),
        rack: format!("r{}", index / zones % racks),
        ..Node::default()
    });
    for disk in 0..described.disks {
        map.disks.push(Disk {
            id: disks_before + disk + 1,
            incarnation: 1,
            node,
            capacity: described.disk_bytes,
            weight: 1000,
            ..Disk::default()
        });
    }
}

/// Bytes read and written, by disk and by host.
#[derive(Default)]
struct Traffic {
    disks: BTreeMap<u32, f64>,
    hosts: BTreeMap<u64, f64>,
    givers: BTreeSet<u32>,
    takers: BTreeSet<u32>,
}

impl Traffic {
    fn count(&mut self, cluster: &Cluster, disk: u32, bytes: f64) {
        *self.disks.entry(disk).or_default() += bytes;
        if let Some(facts) = cluster.disks.get(&disk) {
            *self.hosts.entry(facts.node).or_default() += bytes;
        }
    }

    /// A piece is made anew on `to` from `needed` of the sources, which share the work.
    fn rebuild(&mut self, cluster: &Cluster, sources: &[u32], needed: usize, to: u32, piece: f64) {
        let each = piece * needed as f64 / sources.len().max(1) as f64;
        for source in sources {
            self.count(cluster, *source, each);
            self.givers.insert(*source);
        }
        self.count(cluster, to, piece);
        self.takers.insert(to);
    }

    /// As long as the busiest disk or host takes.
    fn seconds(&self, rates: &Rates) -> u64 {
        let longest = |bytes: Option<f64>, rate: u64| bytes.unwrap_or(0.0) / rate.max(1) as f64;
        let disks = longest(self.disks.values().copied().reduce(f64::max), rates.disk);
        let hosts = longest(self.hosts.values().copied().reduce(f64::max), rates.host);
        disks.max(hosts).ceil() as u64
    }
}

#[cfg(test)]
mod tests {
    use holdfast_proto::map::{Erasure, redundancy::Kind};

    use super::*;

    const RATES: Rates =
        Rates { disk: 100 << 20, host: 1 << 30, notice_s: 310, disk_failures: 0.015, host_failures: 0.005 };

    fn described(hosts: u32, disks: u32, redundancy: Redundancy) -> Described {
        Described {
            zones: 1,
            racks: 1,
            hosts,
            disks,
            disk_bytes: 8 << 40,
            fill: 0.6,
            redundancy,
            domain: FailureDomain::Host,
            groups_per_disk: 32,
        }
    }

    fn coded(data: u32, parity: u32) -> Redundancy {
        Redundancy { kind: Some(Kind::Erasure(Erasure { data, parity, cell_bytes: 262_144 })) }
    }

    #[test]
    fn the_formula_is_the_known_one() {
        // Two copies: n(n-1) l^2 t; three: n(n-1)(n-2)/2 l^3 t^2; one: n l.
        let close = |a: f64, b: f64| (a / b - 1.0).abs() < 1e-6;
        assert!(close(loss_per_year(2, 1, 1.0, 1e-6, 2.0), 2.0 * 1e-12 * 2.0 * YEAR_HOURS));
        assert!(close(loss_per_year(3, 2, 5.0, 1e-6, 3.0), 5.0 * 3.0 * 1e-18 * 9.0 * YEAR_HOURS));
        assert!(close(loss_per_year(1, 0, 1.0, 1e-12, 7.0), 1e-12 * YEAR_HOURS));
    }

    #[test]
    fn a_cluster_is_laid_out_grown_and_damaged() {
        for redundancy in [Redundancy::replicated(3, 2), coded(4, 2)] {
            let mut now = Simulation::new(described(12, 4, redundancy));
            let layout = now.layout();
            assert_eq!(layout.crowded, 0);
            assert!(layout.per_disk.most - layout.per_disk.least <= 4.0, "{layout:?}");
            assert!((layout.full.mean - 0.6).abs() < 0.01 && layout.full.most < 0.64, "{layout:?}");
            let growth = now.grow(2, &RATES);
            assert!(growth.bytes as f64 <= growth.least as f64 * 1.1 && growth.over_cap == 0, "{growth:?}");
            assert!(growth.after.most - growth.after.least < 0.03, "{growth:?}");
            let damage = now.lose(1, 1, &RATES);
            assert_eq!((damage.disks, damage.lost, damage.short), (5, 0, 0));
            assert!(damage.givers > 40 && damage.takers > 40, "{damage:?}");
            assert_eq!(now.layout().crowded, 0);
            assert!(now.odds(&RATES, damage.seconds) < 0.01);
        }
    }

    #[test]
    fn too_many_losses_at_once_are_told() {
        let mut now = Simulation::new(described(6, 2, coded(4, 2)));
        let damage = now.lose(3, 0, &RATES);
        assert_eq!(damage.lost, damage.hurt);
        let mut few = Simulation::new(described(3, 1, Redundancy::replicated(3, 2)));
        let damage = few.lose(1, 0, &RATES);
        assert_eq!((damage.lost, damage.short), (0, damage.hurt), "there is no third host");
    }
}
