//! The cluster map as it is read: whole, or what changed since an epoch.
//!
//! What always holds: every object of the map has exactly one `mapchange/<epoch><kind><id>` key, for its newest
//! epoch, so a delta costs what changed. Objects never leave the map; what is gone stays as a tombstone.
//!
//! [`load_map`] is called by the metaserver for `GetMap` (which adds loads and liveness) and by planners; the
//! `put_*` functions by the operations that change membership.

use holdfast_proto::map::{Disk, MapReply, Node, Pg, PgState, StorageClass};

use crate::change::Change;
use crate::keys::{self, MapKind};
use crate::records::{self, Cluster, State};
use crate::table::{Broken, View};

const PAGE: usize = 1000;

/// The epoch of the map.
pub fn current_epoch(view: &dyn View) -> Result<u64, Broken> {
    Ok(records::load::<State>(view, &[keys::STATE])?.unwrap_or_default().epoch)
}

/// The map for someone who has epoch `have` (0: none): changes since, plus the wanted groups in any case.
///
/// A whole map brings writable groups only, unless `all_pgs`. A delta brings every changed group, because the
/// asker may have fetched it before.
pub fn load_map(view: &dyn View, have: u64, pgs: &[u32], all_pgs: bool) -> Result<MapReply, Broken> {
    let state: State = records::load(view, &[keys::STATE])?.unwrap_or_default();
    let cluster: Cluster = records::load(view, &[keys::CLUSTER])?.unwrap_or_default();
    let full = have == 0 || have > state.epoch;
    let mut map = MapReply {
        epoch: state.epoch,
        cluster: cluster.id,
        meta_incarnation: cluster.meta_incarnation,
        full,
        ..MapReply::default()
    };
    if full {
        map.nodes = nodes(view)?;
        map.disks = disks(view)?;
        map.classes = classes(view)?;
        map.pgs = all(view, keys::PG)?;
        map.pgs.retain(|pg: &Pg| all_pgs || pg.state == PgState::Writable as i32);
    } else {
        load_changes(view, have, &mut map)?;
    }
    for id in pgs {
        if map.pgs.iter().all(|pg| pg.id != *id)
            && let Some(pg) = records::load(view, &keys::pg(*id))?
        {
            map.pgs.push(pg);
        }
    }
    Ok(map)
}

fn load_changes(view: &dyn View, have: u64, map: &mut MapReply) -> Result<(), Broken> {
    let mut from = keys::map_changes_from(have + 1);
    let to = keys::after_prefix(&[keys::MAP_CHANGE]);
    loop {
        let page = view.scan(&from, &to, PAGE)?;
        for (key, _) in &page {
            load_change(view, key, map)?;
        }
        match page.last() {
            Some((last, _)) if page.len() == PAGE => from = keys::next(last),
            _ => return Ok(()),
        }
    }
}

fn load_change(view: &dyn View, key: &[u8], map: &mut MapReply) -> Result<(), Broken> {
    let id = keys::u64_at(key, 10);
    match key.get(9) {
        Some(kind) if *kind == MapKind::Node as u8 => map.nodes.extend(records::load(view, &keys::node(id))?),
        Some(kind) if *kind == MapKind::Disk as u8 => {
            map.disks.extend(records::load(view, &keys::disk(id as u32))?);
        }
        Some(kind) if *kind == MapKind::Class as u8 => {
            map.classes.extend(records::load(view, &keys::class(id as u32))?);
        }
        Some(kind) if *kind == MapKind::Pg as u8 => {
            map.pgs.extend(records::load(view, &keys::pg(id as u32))?)
        }
        _ => return Err(Broken::record(key, "unknown kind of object")),
    }
    Ok(())
}

/// All nodes, in order of id.
pub fn nodes(view: &dyn View) -> Result<Vec<Node>, Broken> {
    all(view, keys::NODE)
}

/// All disks, in order of id.
pub fn disks(view: &dyn View) -> Result<Vec<Disk>, Broken> {
    all(view, keys::DISK)
}

/// All classes, in order of id.
pub fn classes(view: &dyn View) -> Result<Vec<StorageClass>, Broken> {
    all(view, keys::CLASS)
}

/// All groups, in order of id.
pub fn pgs(view: &dyn View) -> Result<Vec<Pg>, Broken> {
    all(view, keys::PG)
}

fn all<T: prost::Message + Default>(view: &dyn View, tag: u8) -> Result<Vec<T>, Broken> {
    let (mut from, to) = (keys::all(tag), keys::after_prefix(&[tag]));
    let mut found = Vec::new();
    loop {
        let page = records::load_range::<T>(view, &from, &to, PAGE)?;
        let whole = page.len() < PAGE;
        if let Some((last, _)) = page.last() {
            from = keys::next(last);
        }
        found.extend(page.into_iter().map(|(_, record)| record));
        if whole {
            return Ok(found);
        }
    }
}

/// Writes a node under a new epoch.
pub(crate) fn put_node(cx: &mut Change<'_>, mut node: Node) -> Node {
    node.epoch = move_mark(cx, MapKind::Node, node.id, node.epoch);
    cx.store(keys::node(node.id), &node);
    node
}

/// Writes a disk under a new epoch.
pub(crate) fn put_disk(cx: &mut Change<'_>, mut disk: Disk) -> Disk {
    disk.epoch = move_mark(cx, MapKind::Disk, disk.id.into(), disk.epoch);
    cx.store(keys::disk(disk.id), &disk);
    disk
}

/// Writes a class under a new epoch.
pub(crate) fn put_class(cx: &mut Change<'_>, mut class: StorageClass) -> StorageClass {
    class.epoch = move_mark(cx, MapKind::Class, class.id.into(), class.epoch);
    cx.store(keys::class(class.id), &class);
    class
}

/// Writes a group under a new epoch.
pub(crate) fn put_pg(cx: &mut Change<'_>, mut pg: Pg) -> Pg {
    pg.epoch = move_mark(cx, MapKind::Pg, pg.id.into(), pg.epoch);
    cx.store(keys::pg(pg.id), &pg);
    pg
}

fn move_mark(cx: &mut Change<'_>, kind: MapKind, id: u64, old: u64) -> u64 {
    let epoch = cx.bump_epoch();
    if old != 0 {
        cx.remove(keys::map_change(old, kind, id));
    }
    cx.store(keys::map_change(epoch, kind, id), &records::Mark {});
    epoch
}
