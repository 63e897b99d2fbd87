//! A chunkserver makes a disk known: the same fingerprint gets the same id and incarnation again. A new one takes the
//! place of an old one only when no group counts on the old one any more, or an administrator said that it is lost.

use holdfast_proto::map::{Disk, Node, ProcedureKind, Standing};
use holdfast_proto::op::{RegisterDisk, Reply};
use holdfast_proto::status::Code;

use crate::change::{Change, Outcome, refuse, require};
use crate::keys;
use crate::map_view;
use crate::procedures;
use crate::records::DiskLife;

/// Weight of a disk unless told otherwise, in thousandths.
const NORMAL_WEIGHT: u32 = 1000;

pub(crate) fn apply(cx: &mut Change<'_>, op: &RegisterDisk) -> Outcome {
    let node: Option<Node> = cx.load(&keys::node(op.node))?;
    require(
        node.is_some_and(|node| node.standing != Standing::Removed as i32),
        Code::NotFound,
        "the disk's node is not known",
    )?;
    require(
        (8..=64).contains(&op.fingerprint.len()),
        Code::InvalidArgument,
        "a disk's fingerprint has 8 to 64 bytes",
    )?;
    let known: Option<DiskLife> = cx.load(&keys::fingerprint(&op.fingerprint))?;
    let disk = match known {
        Some(life) => update(cx, op, life)?,
        None if op.replaces != 0 => replace(cx, op)?,
        None => add(cx, op),
    };
    Ok(Reply { id: disk.id.into(), incarnation: disk.incarnation, ..cx.reply() })
}

fn update(cx: &mut Change<'_>, op: &RegisterDisk, life: DiskLife) -> Result<Disk, crate::change::Stop> {
    let old: Option<Disk> = cx.load(&keys::disk(life.disk))?;
    let old = old.ok_or_else(|| refuse(Code::NotFound, format!("disk {} does not exist", life.disk)))?;
    require(
        old.incarnation == life.incarnation && old.standing != Standing::Removed as i32,
        Code::WrongDisk,
        "this disk was replaced or removed; wipe its directory to use it as a new one",
    )?;
    let new = Disk { node: op.node, capacity: op.capacity, path: op.path.clone(), ..old.clone() };
    Ok(if new == old { old } else { map_view::put_disk(cx, new) })
}

fn replace(cx: &mut Change<'_>, op: &RegisterDisk) -> Result<Disk, crate::change::Stop> {
    let old: Option<Disk> = cx.load(&keys::disk(op.replaces))?;
    let old = old.ok_or_else(|| refuse(Code::NotFound, format!("disk {} does not exist", op.replaces)))?;
    require(
        old.node == op.node,
        Code::WrongNode,
        &format!("disk {} belongs to node {}, not to {}", old.id, old.node, op.node),
    )?;
    require(
        op.lost || old.lost || !cx.any(&keys::members_of(old.id))?,
        Code::PreconditionFailed,
        &format!("placement groups still count on disk {}, which may come back with what it holds", old.id),
    )?;
    let weight = if op.weight == 0 { old.weight } else { op.weight };
    // Under way until no group counts on the life before: so anybody can see how far it is.
    let begun = old.procedure.filter(|procedure| procedure.kind() == ProcedureKind::Replacement);
    let procedure = match cx.any(&keys::members_of(old.id))? {
        true => Some(begun.map_or_else(|| procedures::replacement(cx, old.id, 0), Ok)?),
        false => None,
    };
    let new = Disk { id: old.id, epoch: old.epoch, weight, procedure, ..fresh(cx, op) };
    Ok(enter(cx, new))
}

fn add(cx: &mut Change<'_>, op: &RegisterDisk) -> Disk {
    let id = cx.state.next_disk;
    cx.state.next_disk += 1;
    let disk = Disk { id, ..fresh(cx, op) };
    enter(cx, disk)
}

fn fresh(cx: &Change<'_>, op: &RegisterDisk) -> Disk {
    Disk {
        incarnation: cx.at,
        node: op.node,
        capacity: op.capacity,
        weight: if op.weight == 0 { NORMAL_WEIGHT } else { op.weight },
        standing: Standing::In as i32,
        fingerprint: op.fingerprint.clone(),
        path: op.path.clone(),
        ..Disk::default()
    }
}

fn enter(cx: &mut Change<'_>, disk: Disk) -> Disk {
    let life = DiskLife { disk: disk.id, incarnation: disk.incarnation };
    cx.store(keys::fingerprint(&disk.fingerprint), &life);
    map_view::put_disk(cx, disk)
}
