//! The cluster map as this client knows it.
//!
//! What always holds: a snapshot ([`ClusterMap`]) never changes; readers keep the one they started with. Merging a
//! delta yields a new snapshot whose epoch is not lower. Groups that take no new chunks are fetched on demand, so a
//! cached one may be stale: whoever is refused by its members fetches it again.
//!
//! Who calls it: [`crate::cache`] merges, placement and the read path look things up.

use std::collections::HashMap;
use std::sync::Arc;

use holdfast_proto::ids::{ChunkId, ClassId, DiskId, Epoch, NodeId, PgId};
use holdfast_proto::map::{
    Disk, DiskLoad, Liveness, MapReply, Node, NodeLiveness, Pg, PgState, Standing, StorageClass,
};
use holdfast_rpc::Endpoint;
use rand::RngExt as _;

/// The class with this id is the default of the cluster.
pub const DEFAULT_CLASS: ClassId = ClassId(1);

/// One snapshot of the cluster map, with the leader's soft view of who is alive and how full.
#[derive(Clone, Debug, Default)]
pub struct ClusterMap {
    epoch: u64,
    cluster: bytes::Bytes,
    meta_incarnation: u64,
    nodes: HashMap<u64, Arc<Node>>,
    disks: HashMap<u32, Arc<Disk>>,
    classes: HashMap<u32, Arc<StorageClass>>,
    pgs: HashMap<u32, Arc<Pg>>,
    loads: HashMap<u32, DiskLoad>,
    silent: HashMap<u64, NodeLiveness>,
    /// Groups that take new chunks, by class.
    writable: HashMap<u32, Targets>,
}

/// Groups of one class that take new chunks, in order of id so that a seed decides alike everywhere. Groups with
/// fewer members than others weigh nothing: they await repair, or are left from when the cluster was smaller.
#[derive(Clone, Debug, Default)]
struct Targets {
    pgs: Vec<Arc<Pg>>,
    /// Sum of the weights of the groups up to and including each.
    up_to: Vec<u128>,
}

impl ClusterMap {
    /// Its epoch.
    pub fn epoch(&self) -> Epoch {
        Epoch(self.epoch)
    }

    /// The cluster's id, as bytes.
    pub fn cluster(&self) -> &bytes::Bytes {
        &self.cluster
    }

    /// Which life of the metadata it describes.
    pub fn meta_incarnation(&self) -> u64 {
        self.meta_incarnation
    }

    /// A node.
    pub fn node(&self, id: NodeId) -> Option<&Arc<Node>> {
        self.nodes.get(&id.0)
    }

    /// All nodes, in no order.
    pub fn nodes(&self) -> impl Iterator<Item = &Arc<Node>> {
        self.nodes.values()
    }

    /// A disk.
    pub fn disk(&self, id: DiskId) -> Option<&Arc<Disk>> {
        self.disks.get(&id.0)
    }

    /// All disks, in no order.
    pub fn disks(&self) -> impl Iterator<Item = &Arc<Disk>> {
        self.disks.values()
    }

    /// A storage class.
    pub fn class(&self, id: ClassId) -> Option<&Arc<StorageClass>> {
        self.classes.get(&id.0)
    }

    /// All classes, in no order.
    pub fn classes(&self) -> impl Iterator<Item = &Arc<StorageClass>> {
        self.classes.values()
    }

    /// A class by its name.
    pub fn class_named(&self, name: &str) -> Option<&Arc<StorageClass>> {
        self.classes.values().find(|class| class.name == name)
    }

    /// A placement group, if this client has it.
    pub fn pg(&self, id: PgId) -> Option<&Arc<Pg>> {
        self.pgs.get(&id.0)
    }

    /// The placement groups this client has, in no order.
    pub fn pgs(&self) -> impl Iterator<Item = &Arc<Pg>> {
        self.pgs.values()
    }

    /// Groups of a class that take new chunks.
    pub(crate) fn writable(&self, class: ClassId) -> impl Iterator<Item = &Arc<Pg>> {
        self.writable.get(&class.0).into_iter().flat_map(|targets| &targets.pgs)
    }

    /// Draws a group of a class that takes new chunks, by weight. The scarcest member decides a group's weight.
    pub(crate) fn draw(&self, class: ClassId, rng: &mut impl rand::Rng) -> Option<&Arc<Pg>> {
        let targets = self.writable.get(&class.0)?;
        let total = targets.up_to.last().copied().filter(|total| *total > 0)?;
        let at = rng.random_range(0..total);
        targets.pgs.get(targets.up_to.partition_point(|up_to| *up_to <= at))
    }

    /// The group that keeps a chunk, if this client has it.
    pub(crate) fn pg_of(&self, chunk: ChunkId) -> Option<&Arc<Pg>> {
        self.pg(chunk.pg)
    }

    /// The last known fill of a disk.
    pub fn load(&self, disk: DiskId) -> Option<&DiskLoad> {
        self.loads.get(&disk.0)
    }

    /// Where the node of a disk listens.
    pub(crate) fn endpoint(&self, disk: DiskId) -> Option<Endpoint> {
        let node = self.node(NodeId(self.disk(disk)?.node))?;
        Some(Endpoint { node: NodeId(node.id), address: node.address.clone() })
    }

    /// How the leader sees a disk: the worse of the disk's and its node's state.
    pub fn liveness(&self, disk: DiskId) -> Liveness {
        let of_disk = self.loads.get(&disk.0).map_or(Liveness::Alive, DiskLoad::liveness);
        let node = self.disks.get(&disk.0).and_then(|disk| self.silent.get(&disk.node));
        match node.map(NodeLiveness::liveness) {
            Some(Liveness::Down) => Liveness::Down,
            Some(Liveness::Suspect) if of_disk == Liveness::Alive => Liveness::Suspect,
            _ => of_disk,
        }
    }

    /// Bytes a disk is worth as a target of new chunks: its free bytes times its weight; 0: not a target.
    pub(crate) fn worth(&self, disk: DiskId) -> u64 {
        let Some(known) = self.disk(disk) else { return 0 };
        if known.standing() != Standing::In {
            return 0;
        }
        let free = self.load(disk).map_or(known.capacity, |load| load.free);
        // Divided first, so that no product overflows; a disk is never worth less than 1 for being small.
        (free / 1000).max(1) * u64::from(known.weight)
    }

    /// Merges what the metaserver sent. An answer older than this snapshot changes nothing.
    pub(crate) fn merged(&self, reply: MapReply) -> Self {
        let another_life = reply.meta_incarnation != self.meta_incarnation && reply.full;
        if reply.epoch < self.epoch && !another_life {
            return self.clone();
        }
        let mut map = if reply.full { Self::default() } else { self.clone() };
        map.epoch = reply.epoch;
        map.meta_incarnation = reply.meta_incarnation;
        if !reply.cluster.is_empty() {
            map.cluster = reply.cluster;
        }
        map.nodes.extend(reply.nodes.into_iter().map(|node| (node.id, Arc::new(node))));
        map.disks.extend(reply.disks.into_iter().map(|disk| (disk.id, Arc::new(disk))));
        map.classes.extend(reply.classes.into_iter().map(|class| (class.id, Arc::new(class))));
        for pg in reply.pgs {
            let newer = map.pgs.get(&pg.id).is_none_or(|old| old.epoch <= pg.epoch);
            if newer {
                map.pgs.insert(pg.id, Arc::new(pg));
            }
        }
        map.pgs.retain(|_, pg| pg.state() != PgState::Retired);
        map.loads = reply.loads.into_iter().map(|load| (load.disk, load)).collect();
        map.silent = reply.silent.into_iter().map(|silent| (silent.node, silent)).collect();
        map.index_writable();
        map
    }

    fn index_writable(&mut self) {
        self.writable.clear();
        for pg in self.pgs.values().filter(|pg| pg.state() == PgState::Writable && !pg.members.is_empty()) {
            self.writable.entry(pg.class).or_default().pgs.push(pg.clone());
        }
        let mut writable = std::mem::take(&mut self.writable);
        for targets in writable.values_mut() {
            targets.pgs.sort_unstable_by_key(|pg| pg.id);
            let largest = targets.pgs.iter().map(|pg| regular_members(pg)).max().unwrap_or(0);
            let mut sum = 0;
            targets.up_to.reserve(targets.pgs.len());
            for pg in &targets.pgs {
                let weight = pg.members.iter().map(|member| self.worth(DiskId(member.disk))).min();
                let counts = regular_members(pg) == largest;
                sum += u128::from(weight.filter(|_| counts).unwrap_or(0));
                targets.up_to.push(sum);
            }
        }
        self.writable = writable;
    }
}

/// Members of a group without those that only stand in for a silent one.
pub(crate) fn regular_members(pg: &Pg) -> usize {
    pg.members.iter().filter(|member| !member.temporary).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pg(id: u32, epoch: u64, state: PgState) -> Pg {
        let members = vec![holdfast_proto::map::Member::default()];
        Pg { id, epoch, class: 1, state: state as i32, members, ..Pg::default() }
    }

    #[test]
    fn deltas_add_up_and_never_go_back() {
        let first = MapReply {
            epoch: 5,
            full: true,
            meta_incarnation: 1,
            pgs: vec![pg(1, 4, PgState::Writable), pg(2, 5, PgState::Writable)],
            ..MapReply::default()
        };
        let map = ClusterMap::default().merged(first);
        let ids = |map: &ClusterMap| map.writable(ClassId(1)).map(|pg| pg.id).collect::<Vec<_>>();
        assert_eq!(ids(&map), [1, 2]);

        let delta = MapReply {
            epoch: 7,
            meta_incarnation: 1,
            pgs: vec![pg(1, 7, PgState::Sealed), pg(3, 6, PgState::Writable)],
            ..MapReply::default()
        };
        let map = map.merged(delta);
        assert_eq!(ids(&map), [2, 3]);
        assert_eq!(map.pg(PgId(1)).unwrap().state(), PgState::Sealed);

        let late = MapReply { epoch: 6, meta_incarnation: 1, ..MapReply::default() };
        assert_eq!(map.merged(late).epoch(), Epoch(7));
        let restored = MapReply { epoch: 2, meta_incarnation: 2, full: true, ..MapReply::default() };
        assert_eq!(map.merged(restored).epoch(), Epoch(2));
    }

    #[test]
    fn a_silent_node_takes_its_disks_along() {
        let reply = MapReply {
            epoch: 1,
            full: true,
            disks: vec![Disk { id: 4, node: 2, capacity: 1_000_000, weight: 1000, ..Disk::default() }],
            silent: vec![NodeLiveness { node: 2, liveness: Liveness::Suspect as i32, silent_ms: 4000 }],
            ..MapReply::default()
        };
        let map = ClusterMap::default().merged(reply);
        assert_eq!(map.liveness(DiskId(4)), Liveness::Suspect);
        assert_eq!(map.worth(DiskId(4)), 1_000_000);
        assert_eq!(map.worth(DiskId(5)), 0);
    }
}
