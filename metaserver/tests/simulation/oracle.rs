//! What must hold: after every command, while a reader reads, and when everything has come to rest.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use holdfast_proto::ids::{ChunkId, ChunkNumber, LogIndex, PgId};
use holdfast_proto::inode::Extent;
use holdfast_proto::map::{Disk, Member, Pg, PgState, ProcedureKind, Redundancy, Standing, StorageClass};
use holdfast_proto::op::{Command, DiskRef, Op};
use holdfast_proto::query::{GetExtents, GetObject, ListTrash, Query, QueryRequest, TrashItem};
use holdfast_state::table::MemTable;
use holdfast_state::{check, map_view, query, work};

use crate::world::State;

/// The bucket that clients use.
pub(crate) const BUCKET: &str = "bucket";

/// Everything about groups that the checks need.
pub(crate) struct Groups {
    pub(crate) pgs: BTreeMap<u32, Pg>,
    pub(crate) classes: BTreeMap<u32, StorageClass>,
}

impl Groups {
    pub(crate) fn load(table: &MemTable) -> Self {
        let pgs = map_view::pgs(table).unwrap().into_iter().map(|pg| (pg.id, pg)).collect();
        let classes = map_view::classes(table).unwrap().into_iter().map(|class| (class.id, class)).collect();
        Self { pgs, classes }
    }

    pub(crate) fn redundancy(&self, pg: &Pg) -> Redundancy {
        self.classes.get(&pg.class).and_then(|class| class.redundancy).unwrap_or_default()
    }
}

/// Good replicas or different good shards of a chunk that are anywhere, but for those on `without`.
pub(crate) fn pieces(
    state: &State,
    pg: u32,
    number: u64,
    without: &BTreeSet<DiskRef>,
) -> BTreeSet<(u32, u32)> {
    let mut found = BTreeSet::new();
    for (disk, there) in &state.disks {
        if there.destroyed || without.contains(disk) {
            continue;
        }
        if let Some(record) = there.records.get(&(pg, number)).filter(|record| record.good) {
            found.insert((record.shard, disk.disk));
        }
    }
    found
}

/// Whether bytes can be had from these pieces.
pub(crate) fn enough(redundancy: &Redundancy, pieces: &BTreeSet<(u32, u32)>) -> bool {
    let different: BTreeSet<u32> = pieces.iter().map(|(shard, _)| *shard).collect();
    different.len() as u32 >= redundancy.min_readable()
}

/// Every chunk that metadata knows.
pub(crate) fn chunks(state: &State, groups: &Groups) -> Vec<(u32, u64)> {
    // Chunk numbers are found by what any disk has or ever had of a group; what no disk has is found by `lost`.
    let mut all = BTreeSet::new();
    for disk in state.disks.values() {
        all.extend(disk.records.keys().copied());
    }
    all.extend(state.writing.iter().copied());
    all.retain(|(pg, number)| groups.pgs.contains_key(pg) && is_known(&state.table, *pg, *number));
    all.into_iter().collect()
}

fn is_known(table: &MemTable, pg: u32, number: u64) -> bool {
    work::chunk(table, ChunkId { pg: PgId(pg), number: ChunkNumber(number) }).unwrap().is_some()
}

/// After every command.
pub(crate) fn after(state: &mut State, command: &Command) {
    if state.violation.is_some() {
        return;
    }
    let report = check(&*state.table).unwrap();
    if !report.is_clean() {
        state.violate(format!("after {command:?}: {:?}", report.problems));
        return;
    }
    let groups = Groups::load(&state.table);
    let known = chunks(state, &groups);
    let counted = work::state(&*state.table).unwrap().chunks;
    if known.len() as u64 != counted {
        let what = format!("{counted} chunks are known, {} are on some disk, after {command:?}", known.len());
        state.violate(what);
        return;
    }
    if let Some(what) = needless(state, &groups, command) {
        state.violate(format!("after {command:?}: {what}"));
        return;
    }
    for (pg, number) in known {
        if let Some(what) = chunk_problem(state, &groups, pg, number) {
            state.violate(format!("after {command:?}: {what}"));
            return;
        }
    }
}

/// Up for this long, a node is heard by whoever leads.
const STEADY: Duration = Duration::from_secs(15);

/// What the leader does although nothing asks for it: giving up a disk whose node is expected to be away, and rebuilding
/// what a silent disk holds before it is given up, unless no redundancy is left.
fn needless(state: &State, groups: &Groups, command: &Command) -> Option<String> {
    if state.torn {
        return None;
    }
    let table = &*state.table;
    let nodes = map_view::nodes(table).unwrap();
    let disks = map_view::disks(table).unwrap();
    let away = |disk: &Disk| {
        let node = nodes.iter().find(|node| node.id == disk.node)?;
        (node.standing() == Standing::Maintenance).then(|| node.procedure.unwrap_or_default())
    };
    let destroyed = |disk: &Disk| {
        let life = DiskRef { disk: disk.id, incarnation: disk.incarnation };
        state.disks.get(&life).is_none_or(|there| there.destroyed)
    };
    match command.op.as_ref()? {
        Op::SetDisk(op) if op.standing == Some(Standing::Out as i32) => {
            let disk = disks.iter().find(|disk| disk.id == op.id)?;
            let window = away(disk).filter(|_| !destroyed(disk))?;
            // Decided a moment before the window began.
            let began = state.now_ns() - window.began_ns > 5_000_000_000;
            began.then(|| format!("{disk:?} is given up during maintenance"))
        }
        Op::ChangePg(op)
            if op.takes == 0 && op.remove.is_none() && state.stirred.elapsed() > Duration::from_secs(3) =>
        {
            let (added, group) = (op.add?, groups.pgs.get(&op.pg)?);
            let others: Vec<&Member> = group.members.iter().filter(|m| m.disk != added.disk).collect();
            let redundancy = groups.redundancy(group);
            let regular = others.iter().filter(|m| !m.temporary).count() as u32;
            let of = |m: &Member| disks.iter().find(|d| (d.id, d.incarnation) == (m.disk, m.incarnation));
            let hosts: BTreeSet<u64> = others.iter().filter_map(|m| of(m)).map(|disk| disk.node).collect();
            let leaves = |m: &&&Member| {
                let Some(disk) = of(m) else { return true };
                let node = nodes.iter().find(|node| node.id == disk.node);
                let stays = |standing| matches!(standing, Standing::In | Standing::Maintenance);
                destroyed(disk) || !stays(disk.standing()) || node.is_none_or(|node| !stays(node.standing()))
            };
            if regular < redundancy.members()
                || hosts.len() < others.len()
                || others.iter().any(|m| leaves(&m))
            {
                return None;
            }
            let steady = |m: &&&Member| {
                let up = of(m).and_then(|disk| state.nodes.get(&disk.node)?.up_since);
                let lacks = work::missing_in(table, m.disk, group.id, 0, 1).unwrap();
                m.clean && lacks.is_empty() && up.is_some_and(|since| since.elapsed() > STEADY)
            };
            let whole: BTreeSet<(u32, u32)> = others
                .iter()
                .filter(steady)
                .map(|m| (m.shard, if redundancy.is_erasure() { 0 } else { m.disk }))
                .collect();
            (whole.len() as u32 > redundancy.min_readable())
                .then(|| format!("{added:?} joins group {group:?}, of which nothing was lost"))
        }
        _ => None,
    }
}

fn chunk_problem(state: &State, groups: &Groups, pg: u32, number: u64) -> Option<String> {
    let group = &groups.pgs[&pg];
    let there = pieces(state, pg, number, &BTreeSet::new());
    if !enough(&groups.redundancy(group), &there) {
        return Some(format!("chunk {pg}/{number} is lost: only {there:?} is left; group {group:?}"));
    }
    for member in group.members.iter().filter(|member| member.clean) {
        let disk = DiskRef { disk: member.disk, incarnation: member.incarnation };
        let Some(there) = state.disks.get(&disk).filter(|there| !there.destroyed) else { continue };
        let holds = there.records.get(&(pg, number));
        let right = holds.is_some_and(|record| record.good && record.shard == member.shard);
        if right || state.hurt.contains(&(disk, pg, number)) {
            continue;
        }
        let missing = work::missing_in(&*state.table, member.disk, pg, number - 1, 1).unwrap();
        if missing.first() != Some(&number) {
            let what =
                format!("clean {member:?} of group {pg} has {holds:?} of chunk {number}, and nobody knows");
            return Some(what);
        }
    }
    None
}

/// The extents of an object, if it is there.
pub(crate) fn extents(table: &MemTable, index: u64, key: &str) -> Option<(u64, Vec<Extent>)> {
    let ask = |query: Query| QueryRequest { session: 0, lease: false, query: Some(query) };
    let get = GetObject { bucket: BUCKET.into(), key: key.to_owned().into(), ..GetObject::default() };
    let inode = query(table, LogIndex(index), &ask(Query::GetObject(get))).unwrap().inode?;
    Some((inode.ino, extents_of(table, index, inode.ino)))
}

/// The extents of an inode, with a name or in the trash.
pub(crate) fn extents_of(table: &MemTable, index: u64, ino: u64) -> Vec<Extent> {
    let get = Query::GetExtents(GetExtents { ino, ..GetExtents::default() });
    let asked = QueryRequest { session: 0, lease: false, query: Some(get) };
    let reply = query(table, LogIndex(index), &asked).unwrap();
    assert!(!reply.more, "objects of the simulation are short");
    reply.extents
}

/// What was deleted under a key and is kept, the last first.
pub(crate) fn trash(table: &MemTable, index: u64, key: &str) -> Vec<TrashItem> {
    let path = format!("/{BUCKET}/{key}").into();
    let list = Query::ListTrash(ListTrash { path, most: 100, exact: true, ..ListTrash::default() });
    let asked = QueryRequest { session: 0, lease: false, query: Some(list) };
    query(table, LogIndex(index), &asked).unwrap().trash
}

/// What is not at rest yet, if anything: after the faults are over, nothing may be left to do.
pub(crate) fn unrest(state: &State) -> Option<String> {
    let table = &*state.table;
    let now = work::state(table).unwrap();
    if now.trashed > 0 {
        return Some(format!("{} deleted files are still kept, at uptime {}", now.trashed, now.uptime_s));
    }
    if now.missing + now.garbage > 0 {
        let pairs = work::pairs_with_missing(table, (0, 0), 10).unwrap();
        let groups = Groups::load(table);
        let of: Vec<_> = pairs.iter().map(|(_, pg)| groups.pgs.get(pg)).collect();
        let garbage = work::groups_with_garbage(table, 0, 10).unwrap();
        let cursors: Vec<_> = garbage
            .iter()
            .map(|pg| {
                (
                    pg,
                    work::gc_cursors(table, *pg).unwrap(),
                    work::garbage(table, *pg, LogIndex(0), 9).unwrap(),
                )
            })
            .collect();
        let sessions = work::open_sessions(table, 0, 10).unwrap();
        return Some(format!(
            "{} replicas missing ({pairs:?}), {} chunks of garbage {cursors:?}; {of:?}; {sessions:?}",
            now.missing, now.garbage
        ));
    }
    let noted = holdfast_state::work::ailing(table, 10).unwrap();
    if !noted.is_empty() {
        return Some(format!("groups are still noted as ailing: {noted:?}"));
    }
    for node in map_view::nodes(table).unwrap() {
        if node.procedure.is_some() {
            return Some(format!("{node:?} has something under way"));
        }
    }
    for disk in map_view::disks(table).unwrap() {
        let replaced = disk.procedure.is_some_and(|p| p.kind() == ProcedureKind::Replacement);
        // One that nobody brings a new disk for waits.
        if replaced && !disk.lost {
            return Some(format!("{disk:?} is still being replaced"));
        }
    }
    // A disk that is lost cannot say that it let go; that ends with its removal or replacement.
    let lost = |disk: &DiskRef| state.disks.get(disk).is_none_or(|disk| disk.destroyed);
    let mut leaving = work::leaving(table, (0, 0), 1000).unwrap();
    leaving.retain(|left| !lost(&left.disk));
    if !leaving.is_empty() {
        return Some(format!("disks still hold groups that they left: {leaving:?}"));
    }
    let groups = Groups::load(table);
    let disks = map_view::disks(table).unwrap();
    for pg in groups.pgs.values().filter(|pg| pg.state() != PgState::Retired) {
        let full = groups.redundancy(pg).members() as usize;
        let at_home = |disk: u32| disks.iter().any(|d| d.id == disk && d.standing() == Standing::In);
        let well = pg.members.iter().all(|m| m.clean && !m.temporary && at_home(m.disk));
        if pg.members.len() != full || !well {
            return Some(format!("group {} is not whole: {:?}", pg.id, pg.members));
        }
        let hosts: BTreeSet<u64> =
            pg.members.iter().filter_map(|m| disks.iter().find(|d| d.id == m.disk)).map(|d| d.node).collect();
        if hosts.len() < full {
            return Some(format!("group {} has two members on one node: {:?}", pg.id, pg.members));
        }
    }
    for (disk, there) in state.disks.iter().filter(|(_, there)| !there.destroyed) {
        for ((pg, number), record) in &there.records {
            let member =
                groups.pgs.get(pg).is_some_and(|group| group.members.iter().any(|m| m.disk == disk.disk));
            if !member || !is_known(table, *pg, *number) {
                return Some(format!("{disk:?} has {record:?} of {pg}/{number}, which nobody needs"));
            }
            if !record.good {
                return Some(format!("{disk:?} has a damaged record of {pg}/{number}"));
            }
        }
    }
    for (pg, number) in chunks(state, &groups) {
        let there = pieces(state, pg, number, &BTreeSet::new());
        let full = groups.redundancy(&groups.pgs[&pg]).members() as usize;
        if there.len() != full {
            return Some(format!("chunk {pg}/{number} is on {there:?} only"));
        }
    }
    None
}
