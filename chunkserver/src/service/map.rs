//! The cluster map as this node follows it.
//!
//! What always holds: the epoch held never goes back within one life of the metadata; groups are complete (deltas are
//! asked for with all groups), so a group that is not here does not exist at this epoch. One fetch runs at a time;
//! whoever needs a newer map waits for it, no longer than its deadline.

use std::collections::HashMap;
use std::time::Duration;

use holdfast_proto::ids::{ClusterId, DiskId, Epoch, Incarnation};
use holdfast_proto::map::{Disk, MapReply, MapRequest, Member, Node, Pg, StorageClass};
use holdfast_proto::method::GetMap;
use holdfast_proto::status::{Code, Status};
use holdfast_rpc::MetaCaller;
use parking_lot::RwLock;
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::orders::Authority;

#[derive(Default)]
struct State {
    epoch: u64,
    incarnation: u64,
    cluster: Option<ClusterId>,
    nodes: HashMap<u64, Node>,
    disks: HashMap<u32, Disk>,
    classes: HashMap<u32, StorageClass>,
    pgs: HashMap<u32, Pg>,
}

/// See the module's text.
pub(crate) struct MapFollower {
    meta: MetaCaller,
    state: RwLock<State>,
    fetching: Mutex<()>,
}

/// A disk's place in a group as of one map.
#[derive(Clone, Debug)]
pub(crate) struct Membership {
    pub(crate) member: Member,
    pub(crate) pg_epoch: u64,
    /// Of the whole map.
    pub(crate) map_epoch: u64,
    pub(crate) class: Option<StorageClass>,
}

impl MapFollower {
    pub(crate) fn new(meta: MetaCaller) -> Self {
        Self { meta, state: RwLock::default(), fetching: Mutex::default() }
    }

    pub(crate) fn epoch(&self) -> u64 {
        self.state.read().epoch
    }

    pub(crate) fn incarnation(&self) -> u64 {
        self.state.read().incarnation
    }

    pub(crate) fn cluster(&self) -> Option<ClusterId> {
        self.state.read().cluster
    }

    pub(crate) fn pg(&self, pg: u32) -> Option<Pg> {
        self.state.read().pgs.get(&pg).cloned()
    }

    pub(crate) fn disks_of(&self, node: u64) -> Vec<Disk> {
        self.state.read().disks.values().filter(|disk| disk.node == node).cloned().collect()
    }

    /// The disk's place in a group; `Err`: it is no member at this epoch.
    pub(crate) fn membership(&self, pg: u32, disk: DiskId, life: Incarnation) -> Result<Membership, Status> {
        let state = self.state.read();
        let stale = |why: String| Status::stale_map(Epoch(state.epoch), why);
        let group = state.pgs.get(&pg).ok_or_else(|| stale(format!("there is no pg{pg}")))?;
        let found = group.members.iter().find(|member| member.identity() == (disk, life));
        let member = found.ok_or_else(|| stale(format!("{disk} is not a member of pg{pg}")))?;
        Ok(Membership {
            member: *member,
            pg_epoch: group.epoch,
            map_epoch: state.epoch,
            class: state.classes.get(&group.class).cloned(),
        })
    }

    /// Makes sure the map is at least of this epoch.
    pub(crate) async fn at_least(&self, epoch: Epoch, deadline: Instant) -> Result<(), Status> {
        if self.epoch() >= epoch.0 {
            return Ok(());
        }
        let late = || Status::new(Code::Unavailable, "the cluster map could not be fetched in time");
        let _one = tokio::time::timeout_at(deadline, self.fetching.lock()).await.map_err(|_| late())?;
        // Whoever fetched before may have brought it.
        if self.epoch() >= epoch.0 {
            return Ok(());
        }
        self.fetch(deadline).await?;
        if self.epoch() >= epoch.0 { Ok(()) } else { Err(late()) }
    }

    /// Fetches what changed.
    pub(crate) async fn refresh(&self, deadline: Instant) -> Result<Authority, Status> {
        let late = |_| Status::new(Code::Timeout, "another fetch of the cluster map takes too long");
        let _one = tokio::time::timeout_at(deadline, self.fetching.lock()).await.map_err(late)?;
        self.fetch(deadline).await
    }

    async fn fetch(&self, deadline: Instant) -> Result<Authority, Status> {
        let request = MapRequest { have: self.epoch(), pgs: Vec::new(), all_pgs: true };
        // A fetch must not hold everybody up for as long as the most patient caller would wait.
        let deadline = deadline.min(Instant::now() + Duration::from_secs(5));
        let reply = self.meta.call::<GetMap>(&request, deadline).await?;
        let authority = Authority { meta_incarnation: reply.meta_incarnation, term: reply.term };
        self.merge(reply);
        Ok(authority)
    }

    fn merge(&self, reply: MapReply) {
        let mut state = self.state.write();
        if reply.meta_incarnation < state.incarnation {
            return;
        }
        if reply.full || reply.meta_incarnation > state.incarnation {
            // Only a full map may bring the epoch down, and only in a new life of the metadata.
            if reply.full || state.epoch > reply.epoch {
                *state = State { cluster: state.cluster, ..State::default() };
            }
            state.incarnation = reply.meta_incarnation;
        } else if reply.epoch < state.epoch {
            return;
        }
        state.epoch = reply.epoch;
        state.cluster = ClusterId::from_slice(&reply.cluster).or(state.cluster);
        state.nodes.extend(reply.nodes.into_iter().map(|node| (node.id, node)));
        state.disks.extend(reply.disks.into_iter().map(|disk| (disk.id, disk)));
        state.classes.extend(reply.classes.into_iter().map(|class| (class.id, class)));
        state.pgs.extend(reply.pgs.into_iter().map(|pg| (pg.id, pg)));
    }
}

#[cfg(test)]
mod tests {
    use holdfast_rpc::{Net, NetConfig};

    use super::*;

    fn reply(epoch: u64, incarnation: u64, full: bool, members: &[u32]) -> MapReply {
        let member = |disk: &u32| Member { disk: *disk, incarnation: 1, joined: epoch, ..Member::default() };
        let pg =
            Pg { id: 5, epoch, class: 1, members: members.iter().map(member).collect(), ..Pg::default() };
        MapReply { epoch, meta_incarnation: incarnation, full, pgs: vec![pg], ..MapReply::default() }
    }

    #[tokio::test]
    async fn never_goes_back_within_a_life() {
        let map = MapFollower::new(MetaCaller::new(Net::new(NetConfig::default()), Vec::new()));
        map.merge(reply(10, 1, true, &[1, 2]));
        assert_eq!(map.membership(5, DiskId(2), Incarnation(1)).unwrap().member.disk, 2);
        assert_eq!(map.membership(5, DiskId(2), Incarnation(9)).unwrap_err().kind(), Code::StaleMap);
        map.merge(reply(9, 1, false, &[3]));
        assert_eq!(map.epoch(), 10);
        map.merge(reply(11, 1, false, &[2, 3]));
        assert!(map.membership(5, DiskId(1), Incarnation(1)).is_err());
        map.merge(reply(4, 2, true, &[1]));
        assert_eq!((map.epoch(), map.incarnation()), (4, 2));
        map.merge(reply(12, 1, true, &[3]));
        assert_eq!((map.epoch(), map.incarnation()), (4, 2));
    }
}
