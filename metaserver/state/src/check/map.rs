//! The cluster map, members, missing chunks and garbage.

use std::collections::{BTreeMap, BTreeSet};

use holdfast_proto::ids::ChunkId;
use holdfast_proto::map::{Disk, Node, Pg, PgState, ProcedureKind, Standing, StorageClass};
use holdfast_proto::op::Ailment;

use super::{Report, each};
use crate::keys::{self, MapKind};
use crate::procedures;
use crate::records::{Ailing, Chunk, GcBatch, Index, Leave, Mark, State};
use crate::table::{Broken, View};

/// What the map says, gathered once.
#[derive(Default)]
struct Map {
    disks: BTreeMap<u32, Disk>,
    classes: BTreeMap<u32, StorageClass>,
    pgs: BTreeMap<u32, Pg>,
    /// (epoch, kind, id) of every object.
    marks: BTreeSet<(u64, u8, u64)>,
}

/// Checks the map; gives the numbers of `missing/` records and of chunks in `gc/`.
pub(super) fn check(
    view: &dyn View,
    report: &mut Report,
    state: &State,
    chunks: &BTreeMap<ChunkId, Chunk>,
) -> Result<(u64, u64), Broken> {
    let map = gather(view, report)?;
    check_marks(view, report, state, &map)?;
    for pg in map.pgs.values() {
        check_group(report, &map, pg);
    }
    for id in chunks.keys() {
        let there = map.pgs.get(&id.pg.0).is_some_and(|pg| pg.state != PgState::Retired as i32);
        report.expect(there, "members_distinct", || format!("chunk {id} lies in no group"));
    }
    check_ailing(view, report, state, &map)?;
    let leaving = check_members(view, report, &map)?;
    let missing = check_missing(view, report, &map, chunks, &leaving)?;
    let garbage = check_garbage(view, report, &map, chunks)?;
    Ok((missing, garbage))
}

fn gather(view: &dyn View, report: &mut Report) -> Result<Map, Broken> {
    let mut map = Map::default();
    let mut nodes = BTreeSet::new();
    each::<Node>(view, keys::NODE, report, |report, _, node| {
        map.marks.insert((node.epoch, MapKind::Node as u8, node.id));
        let kind = node.procedure.map(|procedure| procedure.kind());
        let ends = node.procedure.is_some_and(|procedure| procedure.until_s != 0);
        let fits = kind == procedures::kind_of(node.standing())
            && (!ends || kind == Some(ProcedureKind::Maintenance));
        report.expect(fits, "procedures_fit", || format!("node {} has {:?}", node.id, node.procedure));
        nodes.insert(node.id);
        Ok(())
    })?;
    each::<Disk>(view, keys::DISK, report, |report, _, disk| {
        map.marks.insert((disk.epoch, MapKind::Disk as u8, disk.id.into()));
        let kind = disk.procedure.map(|procedure| procedure.kind());
        let fits = match (procedures::kind_of(disk.standing()), kind) {
            (None, Some(ProcedureKind::Replacement)) => disk.standing() != Standing::Removed,
            (None, None) => true,
            (wanted, kind) => wanted == kind,
        };
        let lost =
            !disk.lost || (disk.standing() == Standing::Out && kind == Some(ProcedureKind::Replacement));
        report.expect(fits && lost, "procedures_fit", || {
            format!("disk {}, {:?}, lost: {}, has {:?}", disk.id, disk.standing(), disk.lost, disk.procedure)
        });
        report.expect(nodes.contains(&disk.node), "members_distinct", || {
            format!("disk {} has no node", disk.id)
        });
        map.disks.insert(disk.id, disk);
        Ok(())
    })?;
    each::<StorageClass>(view, keys::CLASS, report, |_, _, class| {
        map.marks.insert((class.epoch, MapKind::Class as u8, class.id.into()));
        map.classes.insert(class.id, class);
        Ok(())
    })?;
    each::<Pg>(view, keys::PG, report, |_, _, pg| {
        map.marks.insert((pg.epoch, MapKind::Pg as u8, pg.id.into()));
        map.pgs.insert(pg.id, pg);
        Ok(())
    })?;
    Ok(map)
}

fn check_ailing(view: &dyn View, report: &mut Report, state: &State, map: &Map) -> Result<(), Broken> {
    each::<Ailing>(view, keys::AILING, report, |report, key, ailing| {
        let pg = keys::u32_at(key, 1);
        let there = map.pgs.get(&pg).is_some_and(|pg| pg.state != PgState::Retired as i32);
        let fits = there
            && ailing.ailment() != Ailment::Whole
            && ailing.since_ns <= ailing.level_since_ns
            && ailing.level_since_ns <= state.time_ns;
        report.expect(fits, "ailing_fits", || format!("group {pg} is noted as {ailing:?}"));
        Ok(())
    })
}

fn check_marks(view: &dyn View, report: &mut Report, state: &State, map: &Map) -> Result<(), Broken> {
    let mut found = BTreeSet::new();
    each::<Mark>(view, keys::MAP_CHANGE, report, |_, key, _| {
        found.insert((keys::u64_at(key, 1), key[9], keys::u64_at(key, 10)));
        Ok(())
    })?;
    report.expect(found == map.marks, "map_epochs", || "mapchange/ does not fit the map".into());
    let future = map.marks.iter().any(|(epoch, _, _)| *epoch > state.epoch);
    report.expect(!future, "map_epochs", || "an object has an epoch above the map's".into());
    Ok(())
}

fn check_group(report: &mut Report, map: &Map, pg: &Pg) {
    let retired = pg.state == PgState::Retired as i32;
    let disks: BTreeSet<u32> = pg.members.iter().map(|member| member.disk).collect();
    let regular = pg.members.iter().filter(|member| !member.temporary).count();
    let in_order = pg.members.iter().skip(regular).all(|member| member.temporary);
    let class = map.classes.get(&pg.class).and_then(|class| class.redundancy);
    let erasure = class.is_some_and(|redundancy| redundancy.is_erasure());
    let shards = if erasure { regular as u32 } else { 1 };
    let in_place = (0..).zip(&pg.members).all(|(position, member)| {
        member.shard < shards && (!erasure || member.temporary || member.shard == position)
    });
    let whole = !erasure || retired || class.is_some_and(|class| class.members() as usize == regular);
    let fits = disks.len() == pg.members.len()
        && disks.iter().all(|disk| map.disks.contains_key(disk))
        && retired == pg.members.is_empty()
        && map.classes.contains_key(&pg.class)
        && in_order
        && (in_place || retired)
        && whole
        && pg.members.iter().all(|member| member.joined <= pg.epoch);
    report.expect(fits, "members_distinct", || format!("group {} has members {:?}", pg.id, pg.members));
}

/// Checks what stands beside members; gives (disk, group) of those that are leaving.
fn check_members(view: &dyn View, report: &mut Report, map: &Map) -> Result<BTreeSet<(u32, u32)>, Broken> {
    let mut members = BTreeSet::new();
    let mut cursors = BTreeSet::new();
    for pg in map.pgs.values() {
        for member in &pg.members {
            members.insert((member.disk, pg.id));
            cursors.insert((pg.id, member.disk, member.incarnation));
        }
    }
    let mut found = BTreeSet::new();
    each::<Mark>(view, keys::MEMBER, report, |_, key, _| {
        found.insert((keys::u32_at(key, 1), keys::u32_at(key, 5)));
        Ok(())
    })?;
    report.expect(found == members, "member_records", || "member/ does not fit the groups".into());
    let mut found = BTreeSet::new();
    each::<Index>(view, keys::GC_CURSOR, report, |_, key, _| {
        found.insert((keys::u32_at(key, 1), keys::u32_at(key, 5), keys::u64_at(key, 9)));
        Ok(())
    })?;
    report.expect(found == cursors, "member_records", || "gccursor/ does not fit the groups".into());
    let mut leaving = BTreeSet::new();
    each::<Leave>(view, keys::LEAVE, report, |report, key, _| {
        let pair = (keys::u32_at(key, 1), keys::u32_at(key, 5));
        report.expect(!members.contains(&pair), "member_records", || {
            format!("{pair:?} leaves and is a member")
        });
        leaving.insert(pair);
        Ok(())
    })?;
    Ok(leaving)
}

fn check_missing(
    view: &dyn View,
    report: &mut Report,
    map: &Map,
    chunks: &BTreeMap<ChunkId, Chunk>,
    leaving: &BTreeSet<(u32, u32)>,
) -> Result<u64, Broken> {
    let mut count = 0;
    each::<Mark>(view, keys::MISSING, report, |report, key, _| {
        count += 1;
        let (disk, pg) = (keys::u32_at(key, 1), keys::u32_at(key, 5));
        let id = ChunkId::new(pg, keys::u64_at(key, 9));
        let member = map.pgs.get(&pg).is_some_and(|pg| pg.members.iter().any(|m| m.disk == disk));
        let known = chunks.get(&id).is_some_and(|chunk| chunk.was_missing);
        let fits = leaving.contains(&(disk, pg)) || (member && known);
        report.expect(fits, "missing_refers_to_member", || format!("disk {disk} lacks {id}"));
        Ok(())
    })?;
    Ok(count)
}

fn check_garbage(
    view: &dyn View,
    report: &mut Report,
    map: &Map,
    chunks: &BTreeMap<ChunkId, Chunk>,
) -> Result<u64, Broken> {
    let mut dead = BTreeSet::new();
    each::<GcBatch>(view, keys::GC, report, |report, key, batch| {
        let pg = keys::u32_at(key, 1);
        for number in batch.numbers {
            let id = ChunkId::new(pg, number);
            let fits = map.pgs.contains_key(&pg) && !chunks.contains_key(&id) && dead.insert(id);
            report.expect(fits, "gc_is_dead", || format!("{id} is garbage and alive, or twice garbage"));
        }
        Ok(())
    })?;
    Ok(dead.len() as u64)
}
