//! What is written down of procedures with disks and nodes (drain, maintenance, replacement), in their own records.
//!
//! What always holds:
//! - A node or disk has a procedure of its kind exactly while it is draining or in maintenance; of a disk, a replacement
//!   is under way while it is lost ([`holdfast_proto::map::Disk::lost`]) or while groups count on its earlier life.
//! - Only a node's maintenance ends at a time, which is one of the cluster's uptime: no clock that jumps ends it.
//!
//! Used by the operations on disks and nodes; the checker knows the same rules.

use holdfast_proto::map::{Disk, Node, Procedure, ProcedureKind, Standing};

use crate::change::{Change, Stop};
use crate::keys;
use crate::map_view;
use crate::table::Broken;

/// Groups of a disk counted at most: the figure is for people.
const MOST_GROUPS: usize = 1 << 20;
const PAGE: usize = 10_000;

/// The kind of procedure that a standing stands for.
pub(crate) fn kind_of(standing: Standing) -> Option<ProcedureKind> {
    match standing {
        Standing::Draining => Some(ProcedureKind::Drain),
        Standing::Maintenance => Some(ProcedureKind::Maintenance),
        Standing::In | Standing::Out | Standing::Removed => None,
    }
}

/// How many groups count on a disk.
pub(crate) fn groups_of(cx: &Change<'_>, disk: u32) -> Result<u64, Broken> {
    let prefix = keys::members_of(disk);
    let (mut from, to) = (prefix.clone(), keys::after_prefix(&prefix));
    let mut count = 0;
    while count < MOST_GROUPS {
        let page = cx.view().scan(&from, &to, PAGE)?;
        count += page.len();
        match page.last() {
            Some((last, _)) if page.len() == PAGE => from = keys::next(last),
            _ => break,
        }
    }
    Ok(count as u64)
}

/// How many count on the disks of a node.
fn groups_of_node(cx: &Change<'_>, node: u64) -> Result<u64, Broken> {
    let mut count = 0;
    for disk in map_view::disks(cx.view())? {
        if disk.node == node && disk.standing() != Standing::Removed {
            count += groups_of(cx, disk.id)?;
        }
    }
    Ok(count)
}

/// The procedure of a disk that gets a standing; the one under way stays if it is of that kind.
pub(crate) fn of_disk(
    cx: &Change<'_>,
    old: &Disk,
    standing: Standing,
    bytes: u64,
) -> Result<Option<Procedure>, Stop> {
    let Some(kind) = kind_of(standing) else { return Ok(None) };
    if let Some(same) = old.procedure.filter(|procedure| procedure.kind() == kind) {
        return Ok(Some(same));
    }
    let groups = groups_of(cx, old.id)?;
    Ok(Some(Procedure { kind: kind as i32, began_ns: cx.now, groups, bytes, until_s: 0 }))
}

/// The replacement of a disk, as it begins.
pub(crate) fn replacement(cx: &Change<'_>, disk: u32, bytes: u64) -> Result<Procedure, Stop> {
    let groups = groups_of(cx, disk)?;
    Ok(Procedure { kind: ProcedureKind::Replacement as i32, began_ns: cx.now, groups, bytes, until_s: 0 })
}

/// The procedure of a node that gets a standing; maintenance that is told a window anew ends anew.
pub(crate) fn of_node(
    cx: &Change<'_>,
    old: &Node,
    standing: Standing,
    bytes: u64,
    window_s: u64,
) -> Result<Option<Procedure>, Stop> {
    let Some(kind) = kind_of(standing) else { return Ok(None) };
    let until_s = match (kind, window_s) {
        (ProcedureKind::Maintenance, 1..) => cx.state.uptime_s.saturating_add(window_s),
        _ => 0,
    };
    if let Some(same) = old.procedure.filter(|procedure| procedure.kind() == kind) {
        let until_s = if window_s == 0 { same.until_s } else { until_s };
        return Ok(Some(Procedure { until_s, ..same }));
    }
    let groups = groups_of_node(cx, old.id)?;
    Ok(Some(Procedure { kind: kind as i32, began_ns: cx.now, groups, bytes, until_s }))
}
