//! The cluster as planners see it: the map joined with liveness and fill, indexed both ways.
//!
//! What always holds: `groups_of` is exactly the inverse of the members in `pgs`. A disk's standing is the worse
//! of its own and its node's. The leader's loops keep one of these up to date from map deltas.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use holdfast_proto::map::{
    Disk, FailureDomain, Liveness, MapReply, Member, Node, Pg, PgState, Standing, StorageClass,
};
use holdfast_proto::op::DiskRef;

/// Labels of a disk, from wide to narrow. A node without a host label stands for its own host.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// Zone label, empty when unlabelled.
    pub zone: Arc<str>,
    /// Rack label, empty when unlabelled.
    pub rack: Arc<str>,
    /// Host label, or `node:<id>`.
    pub host: Arc<str>,
}

impl Place {
    fn of(node: &Node) -> Self {
        let host =
            if node.host.is_empty() { format!("node:{}", node.id) } else { format!("host:{}", node.host) };
        Self { zone: node.zone.as_str().into(), rack: node.rack.as_str().into(), host: host.into() }
    }
}

/// One disk with everything a planner wants to know of it.
#[derive(Clone, Debug)]
pub struct DiskFacts {
    /// Its id.
    pub id: u32,
    /// Which life of it.
    pub incarnation: u64,
    /// Its node.
    pub node: u64,
    /// Where it stands.
    pub place: Place,
    /// Bytes it can keep, as registered.
    pub capacity: u64,
    /// Its weight in thousandths.
    pub weight: u32,
    /// The worse of the disk's own standing and its node's.
    pub standing: Standing,
    /// How the leader sees it.
    pub liveness: Liveness,
    /// Milliseconds of silence; 0 while alive.
    pub silent_ms: u64,
    /// Bytes it keeps.
    pub used: u64,
    /// Bytes it can still take.
    pub free: u64,
}

impl DiskFacts {
    /// The disk in its present life.
    pub fn identity(&self) -> DiskRef {
        DiskRef { disk: self.id, incarnation: self.incarnation }
    }

    /// Its share of new data relative to others.
    pub fn share(&self) -> u64 {
        (u128::from(self.capacity) * u128::from(self.weight) / 1000).min(u128::from(u64::MAX)) as u64
    }

    /// Data on it counts on: neither being emptied nor given up nor broken.
    pub fn stays(&self) -> bool {
        matches!(self.standing, Standing::In | Standing::Maintenance) && self.liveness != Liveness::Failed
    }

    /// Answers requests, as far as the leader knows.
    pub fn answers(&self) -> bool {
        matches!(self.liveness, Liveness::Alive | Liveness::Full | Liveness::Suspect)
    }

    /// May get new groups now.
    pub fn takes_new(&self) -> bool {
        self.standing == Standing::In && self.liveness == Liveness::Alive && self.share() > 0
    }

    /// Whether `other` lies in the same domain at `level`.
    pub fn shares(&self, level: FailureDomain, other: &Self) -> bool {
        match level {
            FailureDomain::Disk => self.id == other.id,
            FailureDomain::Host => self.place.host == other.place.host,
            FailureDomain::Rack => self.place.zone == other.place.zone && self.place.rack == other.place.rack,
            FailureDomain::Zone => self.place.zone == other.place.zone,
        }
    }

    /// A key that is equal exactly when [`Self::shares`] holds at `level`.
    pub fn domain(&self, level: FailureDomain) -> (Arc<str>, Arc<str>, u32) {
        let none: Arc<str> = Arc::from("");
        match level {
            FailureDomain::Disk => (none.clone(), none, self.id),
            FailureDomain::Host => (self.place.host.clone(), none, 0),
            FailureDomain::Rack => (self.place.zone.clone(), self.place.rack.clone(), 0),
            FailureDomain::Zone => (self.place.zone.clone(), none, 0),
        }
    }
}

/// What a map delta touched.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Touched {
    /// Groups to look at again.
    pub pgs: BTreeSet<u32>,
    /// Disks came, went, or changed standing, weight or labels.
    pub disks: bool,
    /// Classes changed.
    pub classes: bool,
}

/// Everything planners look at.
#[derive(Clone, Debug, Default)]
pub struct Cluster {
    /// Epoch of the map it was built from.
    pub epoch: u64,
    /// Nodes by id.
    pub nodes: BTreeMap<u64, Node>,
    /// Disks by id.
    pub disks: BTreeMap<u32, DiskFacts>,
    /// Classes by id.
    pub classes: BTreeMap<u32, StorageClass>,
    /// Groups by id, retired ones left out.
    pub pgs: BTreeMap<u32, Pg>,
    groups_of: BTreeMap<u32, BTreeSet<u32>>,
    records: BTreeMap<u32, Disk>,
}

/// The worse of two standings, as far as data is concerned.
pub fn worse(a: Standing, b: Standing) -> Standing {
    let rank = |standing| match standing {
        Standing::In => 0,
        Standing::Maintenance => 1,
        Standing::Draining => 2,
        Standing::Out => 3,
        Standing::Removed => 4,
    };
    if rank(a) >= rank(b) { a } else { b }
}

impl Cluster {
    /// Takes a map delta (or a whole map) in and says what it touched. Liveness and fill of known disks stay.
    pub fn absorb(&mut self, delta: &MapReply) -> Touched {
        let mut touched = Touched::default();
        if delta.full {
            touched.pgs.extend(self.pgs.keys());
            let old = std::mem::take(self);
            self.disks = old.disks;
        }
        self.epoch = delta.epoch;
        for node in &delta.nodes {
            self.nodes.insert(node.id, node.clone());
        }
        for disk in &delta.disks {
            self.records.insert(disk.id, disk.clone());
        }
        for class in &delta.classes {
            touched.classes = true;
            self.classes.insert(class.id, class.clone());
        }
        if delta.full {
            let records = &self.records;
            self.disks.retain(|id, _| records.contains_key(id));
        }
        if !delta.nodes.is_empty() || !delta.disks.is_empty() || delta.full {
            touched.disks = true;
            self.join_disks(&mut touched);
        }
        for pg in &delta.pgs {
            touched.pgs.insert(pg.id);
            self.set_pg(pg.clone());
        }
        if touched.classes {
            touched.pgs.extend(self.pgs.keys());
        }
        touched
    }

    /// Rebuilds the facts of every disk from its record and its node's. Disks are hundreds, changes rare.
    fn join_disks(&mut self, touched: &mut Touched) {
        for (id, record) in &self.records {
            let Some(node) = self.nodes.get(&record.node) else { continue };
            let standing = worse(record.standing(), node.standing());
            let old = self.disks.get(id);
            let same_life = old.is_some_and(|old| old.incarnation == record.incarnation);
            let facts = DiskFacts {
                id: *id,
                incarnation: record.incarnation,
                node: record.node,
                place: Place::of(node),
                capacity: record.capacity,
                weight: record.weight,
                standing,
                liveness: old.filter(|_| same_life).map_or(Liveness::Suspect, |old| old.liveness),
                silent_ms: old.filter(|_| same_life).map_or(0, |old| old.silent_ms),
                used: old.filter(|_| same_life).map_or(0, |old| old.used),
                free: old.filter(|_| same_life).map_or(0, |old| old.free),
            };
            let moved = old.is_none_or(|old| {
                old.standing != facts.standing
                    || old.place != facts.place
                    || old.incarnation != facts.incarnation
                    || old.weight != facts.weight
            });
            if moved {
                touched.pgs.extend(self.groups_of.get(id).into_iter().flatten());
            }
            self.disks.insert(*id, facts);
        }
    }

    /// Replaces one group. A retired one is forgotten.
    pub fn set_pg(&mut self, pg: Pg) {
        if let Some(old) = self.pgs.remove(&pg.id) {
            for member in &old.members {
                if let Some(groups) = self.groups_of.get_mut(&member.disk) {
                    groups.remove(&pg.id);
                }
            }
        }
        if pg.state() == PgState::Retired {
            return;
        }
        for member in &pg.members {
            self.groups_of.entry(member.disk).or_default().insert(pg.id);
        }
        self.pgs.insert(pg.id, pg);
    }

    /// The records of all disks, in order of id.
    pub fn records(&self) -> impl Iterator<Item = &Disk> + '_ {
        self.records.values()
    }

    /// Groups that have this disk as a member, in one of its lives.
    pub fn groups_of(&self, disk: u32) -> impl Iterator<Item = u32> + '_ {
        self.groups_of.get(&disk).into_iter().flatten().copied()
    }

    /// How many these are.
    pub fn count_groups_of(&self, disk: u32) -> usize {
        self.groups_of.get(&disk).map_or(0, BTreeSet::len)
    }

    /// The facts of a member's disk, if the disk still is in that life.
    pub fn member_disk(&self, member: &Member) -> Option<&DiskFacts> {
        self.disks.get(&member.disk).filter(|disk| disk.incarnation == member.incarnation)
    }

    /// Different domains at `level` among the disks that `keep` says yes to.
    pub fn domains(&self, level: FailureDomain, keep: impl Fn(&DiskFacts) -> bool) -> usize {
        let keys: BTreeSet<_> =
            self.disks.values().filter(|disk| keep(disk)).map(|disk| disk.domain(level)).collect();
        keys.len()
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use holdfast_proto::map::Redundancy;

    use super::*;

    pub(crate) const TIB: u64 = 1 << 40;

    /// A cluster of alive disks with one class: `layout[i]` disks on node `i + 1`.
    pub(crate) fn cluster(layout: &[u32], redundancy: Redundancy, domain: FailureDomain) -> Cluster {
        let mut map = MapReply { epoch: 1, full: true, ..MapReply::default() };
        let mut next = 1;
        for (index, disks) in layout.iter().enumerate() {
            let node = index as u64 + 1;
            map.nodes.push(Node { id: node, epoch: 1, ..Node::default() });
            for _ in 0..*disks {
                map.disks.push(Disk {
                    id: next,
                    incarnation: 7,
                    node,
                    capacity: TIB,
                    weight: 1000,
                    ..Disk::default()
                });
                next += 1;
            }
        }
        map.classes.push(StorageClass {
            id: 1,
            redundancy: Some(redundancy),
            domain: domain as i32,
            ..StorageClass::default()
        });
        let mut cluster = Cluster::default();
        cluster.absorb(&map);
        for disk in cluster.disks.values_mut() {
            disk.liveness = Liveness::Alive;
            disk.free = disk.capacity;
        }
        cluster
    }

    /// A group of these disks, every member clean.
    pub(crate) fn group(cluster: &Cluster, id: u32, disks: &[u32]) -> Pg {
        let erasure = cluster.classes[&1].redundancy.unwrap().is_erasure();
        let members = (0..)
            .zip(disks)
            .map(|(position, disk)| Member {
                disk: *disk,
                incarnation: cluster.disks[disk].incarnation,
                joined: 1,
                clean: true,
                temporary: false,
                joined_index: 1,
                shard: if erasure { position } else { 0 },
                takes: 0,
            })
            .collect();
        Pg { id, epoch: 1, class: 1, members, state: PgState::Writable as i32, meta_group: 0 }
    }

    #[test]
    fn the_index_follows_the_members() {
        let mut c = cluster(&[1, 1, 1], Redundancy::replicated(2, 1), FailureDomain::Host);
        let pg = group(&c, 5, &[1, 2]);
        c.set_pg(pg.clone());
        assert_eq!(c.groups_of(1).collect::<Vec<_>>(), [5]);
        let moved = group(&c, 5, &[2, 3]);
        c.set_pg(moved);
        assert_eq!(c.groups_of(1).count(), 0);
        assert_eq!(c.groups_of(3).collect::<Vec<_>>(), [5]);
        c.set_pg(Pg { state: PgState::Retired as i32, ..pg });
        assert!(c.pgs.is_empty());
        assert_eq!(c.groups_of(2).count(), 0);
    }

    #[test]
    fn a_node_going_out_touches_its_disks_groups_only() {
        let mut c = cluster(&[1, 1, 1], Redundancy::replicated(1, 1), FailureDomain::Host);
        for disk in 1..=3 {
            let pg = group(&c, disk + 10, &[disk]);
            c.set_pg(pg);
        }
        let node = Node { standing: Standing::Out as i32, ..c.nodes[&2].clone() };
        let touched = c.absorb(&MapReply { epoch: 2, nodes: vec![node], ..MapReply::default() });
        assert_eq!(touched.pgs.into_iter().collect::<Vec<_>>(), [12]);
        assert_eq!(c.disks[&2].standing, Standing::Out);
        assert_eq!(c.disks[&1].liveness, Liveness::Alive, "soft state must survive a delta");
    }
}
