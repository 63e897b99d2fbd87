//! Every order of things between a chunk's acknowledgement and its commit, while disks leave, join, come back and are
//! filled (DESIGN §3, commit validation): whatever the order, once the chunk is committed each clean member has it or
//! is known to lack it, and somebody has it.
//!
//! The search is exhaustive up to a depth; states that were met before are not entered again.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use bytes::Bytes;
use holdfast_proto::inode::{ChunkAck, ChunkCommit, Content};
use holdfast_proto::op::*;
use holdfast_state::work;

use crate::common::{World, put_object, whole};

/// Steps from the start.
const DEPTH: usize = 8;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// The member's place is taken by another disk.
    Replace(u32, u32),
    /// A member leaves without a successor.
    Leave(u32),
    /// A disk joins.
    Join(u32),
    /// A disk stands in.
    StandIn(u32),
    /// The new member is brought what metadata lists now.
    Walk(u32),
    /// What is known to be missing on it is copied.
    Pull(u32),
    /// The leader says that the walked member is clean.
    Clean(u32),
    /// The disk drops what it held of the group it left.
    Drop(u32),
    /// The client's bytes become durable on a member, which answers with the epoch it knows.
    Write(u32),
    /// As `Write`, by a member that has not heard of anything since the start.
    WriteByOldMap(u32),
    /// The client commits with all answers it has.
    Commit,
}

const STEPS: &[Step] = &[
    Step::Replace(3, 4),
    Step::Replace(4, 3),
    Step::Leave(3),
    Step::Leave(4),
    Step::Join(3),
    Step::Join(4),
    Step::StandIn(4),
    Step::Walk(3),
    Step::Walk(4),
    Step::Pull(3),
    Step::Pull(4),
    Step::Clean(3),
    Step::Clean(4),
    Step::Drop(3),
    Step::Drop(4),
    Step::Write(2),
    Step::Write(3),
    Step::Write(4),
    Step::WriteByOldMap(3),
    Step::Commit,
];

#[derive(Clone)]
struct Scene {
    world: World,
    chunk: ChunkCommit,
    committed: bool,
    /// Epoch of the group at the start.
    first_epoch: u64,
    /// Epochs of the records that each disk keeps of the chunk.
    records: BTreeMap<u32, BTreeSet<u64>>,
    /// A dropped group's tombstone kills records of its epoch and older, now and later.
    tombs: BTreeMap<u32, u64>,
    /// Index as of which a member was walked.
    walked: BTreeMap<u32, u64>,
    path: Vec<Step>,
}

impl Scene {
    fn new() -> Self {
        let mut world = World::new();
        world.add_disk(4);
        world.checked = false;
        let chunk = world.chunk_on(b"x", &[]);
        let first_epoch = world.pg().epoch;
        Self {
            world,
            chunk,
            committed: false,
            first_epoch,
            records: BTreeMap::new(),
            tombs: BTreeMap::new(),
            walked: BTreeMap::new(),
            path: Vec::new(),
        }
    }

    fn is_member(&self, disk: u32) -> bool {
        self.world.pg().members.iter().any(|member| member.disk == disk)
    }

    fn has(&self, disk: u32) -> bool {
        let tomb = self.tombs.get(&disk).copied().unwrap_or(0);
        self.records.get(&disk).is_some_and(|epochs| epochs.iter().any(|epoch| *epoch > tomb))
    }

    fn keep(&mut self, disk: u32, epoch: u64) {
        self.records.entry(disk).or_default().insert(epoch);
    }

    /// Somebody can give the chunk to a new holder.
    fn somebody_has_it(&self) -> bool {
        (1..=4).any(|disk| self.has(disk))
    }

    fn change(&mut self, remove: Option<u32>, add: Option<u32>, temporary: bool) -> bool {
        let pg = self.world.pg();
        if remove.is_some_and(|disk| !self.is_member(disk)) {
            return false;
        }
        let remove = remove.map(|disk| self.world.disk_ref(disk));
        let add = add.map(|disk| self.world.disk_ref(disk));
        let op = ChangePg { pg: pg.id, if_epoch: pg.epoch, remove, add, temporary, shard: 0, takes: 0 };
        self.world.try_lead(Op::ChangePg(op)).is_ok()
    }

    /// Does a step; `false` when it is impossible or changes nothing.
    fn step(&mut self, step: Step) -> bool {
        let pg = self.world.pg();
        match step {
            Step::Replace(old, new) => self.change(Some(old), Some(new), false),
            Step::Leave(disk) => self.change(Some(disk), None, false),
            Step::Join(disk) => self.change(None, Some(disk), false),
            Step::StandIn(disk) => self.change(None, Some(disk), true),
            Step::Walk(disk) => {
                let Some(member) = pg.members.iter().find(|m| m.disk == disk && !m.clean) else {
                    return false;
                };
                if self.walked.get(&disk).is_some_and(|index| *index >= member.joined_index) {
                    return false;
                }
                if self.committed && !self.has(disk) {
                    assert!(self.somebody_has_it(), "lost: {:?}", self.path);
                    self.keep(disk, pg.epoch);
                }
                self.walked.insert(disk, self.world.index);
                true
            }
            Step::Pull(disk) => {
                let missing = self.world.missing(disk);
                if missing.is_empty() || !self.is_member(disk) {
                    return false;
                }
                assert!(self.somebody_has_it(), "lost: {:?}", self.path);
                self.keep(disk, pg.epoch);
                let member = Some(self.world.disk_ref(disk));
                self.world.lead(Op::ClearMissing(ClearMissing { pg: pg.id, member, numbers: missing }));
                true
            }
            Step::Clean(disk) => {
                let Some(member) = pg.members.iter().find(|m| m.disk == disk && !m.clean) else {
                    return false;
                };
                let Some(walked_index) = self.walked.get(&disk).copied() else { return false };
                let op = MemberClean {
                    pg: pg.id,
                    member: Some(DiskRef { disk, incarnation: member.incarnation }),
                    joined: member.joined,
                    walked_index,
                };
                self.world.try_lead(Op::MemberClean(op)).is_ok()
            }
            Step::Drop(disk) => {
                let all = work::leaving(&self.world.table, (0, 0), 9).unwrap();
                let Some(left) = all.iter().find(|left| left.disk.disk == disk) else { return false };
                self.tombs.insert(disk, pg.epoch.max(left.epoch));
                self.world.lead(Op::ClearLeave(ClearLeave {
                    pg: pg.id,
                    disk: Some(left.disk),
                    holds: false,
                }));
                true
            }
            Step::Write(disk) => self.is_member(disk) && self.write(disk, pg.epoch),
            Step::WriteByOldMap(disk) => self.write(disk, self.first_epoch),
            Step::Commit => self.commit(),
        }
    }

    fn write(&mut self, disk: u32, epoch: u64) -> bool {
        // A disk that obeyed an order of a newer epoch has heard of that epoch.
        let heard = self.tombs.get(&disk).copied().unwrap_or(0);
        if self.committed || epoch <= heard || self.chunk.acks.iter().any(|ack| ack.disk == disk) {
            return false;
        }
        self.keep(disk, epoch);
        let incarnation = self.world.disk_ref(disk).incarnation;
        self.chunk.acks.push(ChunkAck { disk, incarnation, epoch });
        true
    }

    fn commit(&mut self) -> bool {
        if self.committed {
            return false;
        }
        let content = Content {
            size: 1,
            extents: vec![whole(&self.chunk, 0)],
            chunks: vec![self.chunk.clone()],
            ..Content::default()
        };
        self.committed = self.world.run(put_object("k", content)).is_ok();
        self.committed
    }

    fn check(&self) {
        if !self.committed {
            return;
        }
        let mut holders = 0;
        for member in self.world.pg().members {
            let missing = self.world.missing(member.disk).contains(&self.chunk.number);
            let has = self.has(member.disk);
            assert!(
                has || missing || !member.clean,
                "clean disk {} does not have the chunk and nobody knows: {:?}",
                member.disk,
                self.path
            );
            holders += usize::from(has);
        }
        assert!(holders > 0, "no member has the chunk any more: {:?}", self.path);
        let report = holdfast_state::check(&self.world.table).unwrap();
        assert!(report.is_clean(), "after {:?}: {:#?}", self.path, report.problems);
    }

    /// What makes a difference for what may follow.
    fn essence(&self) -> Bytes {
        let missing: Vec<_> = (1..=4).map(|disk| self.world.missing(disk)).collect();
        let leaving = work::leaving(&self.world.table, (0, 0), 9).unwrap();
        let leaving: Vec<_> = leaving.iter().map(|left| (left.disk.disk, left.epoch)).collect();
        let text = format!(
            "{:?}|{missing:?}|{leaving:?}|{:?}|{:?}|{:?}|{:?}|{}",
            self.world.pg(),
            self.records,
            self.tombs,
            self.walked,
            self.chunk.acks,
            self.committed
        );
        Bytes::copy_from_slice(blake3::hash(text.as_bytes()).as_bytes())
    }
}

#[test]
fn no_order_of_joining_leaving_and_committing_loses_a_chunk() {
    let mut todo = VecDeque::from([Scene::new()]);
    let mut met = BTreeSet::new();
    let (mut commits, mut rejected) = (0, 0);
    while let Some(scene) = todo.pop_front() {
        for step in STEPS {
            let mut next = scene.clone();
            next.path.push(*step);
            if !next.step(*step) {
                rejected += u64::from(*step == Step::Commit && !scene.committed);
                continue;
            }
            if !met.insert(next.essence()) {
                continue;
            }
            next.check();
            commits += u64::from(*step == Step::Commit);
            next.world.log.clear();
            if next.path.len() < DEPTH {
                todo.push_back(next);
            }
        }
    }
    println!("{} states, {commits} commits, {rejected} commits refused", met.len());
    assert!(commits > 1000 && rejected > 1000, "the search reaches what it is for");
}
