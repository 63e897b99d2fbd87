//! Change weight, capacity or standing of a disk; say that it is lost, or that its replacement is through.

use holdfast_proto::map::{Disk, ProcedureKind, Standing};
use holdfast_proto::op::{Reply, SetDisk};
use holdfast_proto::status::Code;

use crate::change::{Change, Outcome, Stop, refuse, require};
use crate::keys;
use crate::map_view;
use crate::procedures;

/// Largest weight, in thousandths.
const MAX_WEIGHT: u32 = 100_000;

pub(crate) fn apply(cx: &mut Change<'_>, op: &SetDisk) -> Outcome {
    let old: Option<Disk> = cx.load(&keys::disk(op.id))?;
    let old = old.ok_or_else(|| refuse(Code::NotFound, format!("disk {} does not exist", op.id)))?;
    require(
        op.incarnation == 0 || op.incarnation == old.incarnation,
        Code::StaleOrder,
        "the disk lives another life by now",
    )?;
    let mut new = old.clone();
    if let Some(standing) = op.standing {
        super::check_standing(standing, old.standing)?;
        if standing == Standing::Removed as i32 {
            let member = cx.any(&keys::members_of(op.id))?;
            require(!member, Code::NotEmpty, "the disk is still a member of groups; drain it first")?;
        }
        if standing != old.standing {
            new.standing = standing;
            // Back in, or gone for good: whatever was under way is over.
            new.procedure = procedures::of_disk(cx, &old, new.standing(), op.bytes)?;
            new.lost = false;
        }
    }
    if let Some(lost) = op.lost {
        set_lost(cx, &mut new, lost, op.bytes)?;
    }
    if op.replaced && !new.lost && is_replaced(&new) {
        new.procedure = None;
    }
    if let Some(weight) = op.weight {
        require(weight <= MAX_WEIGHT, Code::InvalidArgument, "a weight is at most 100000 thousandths")?;
        new.weight = weight;
    }
    new.capacity = op.capacity.unwrap_or(new.capacity);
    if new != old {
        map_view::put_disk(cx, new);
    }
    Ok(Reply { id: op.id.into(), incarnation: old.incarnation, ..cx.reply() })
}

fn is_replaced(disk: &Disk) -> bool {
    disk.procedure.is_some_and(|procedure| procedure.kind() == ProcedureKind::Replacement)
}

/// What is lost is given up, and an empty disk may take its place.
fn set_lost(cx: &Change<'_>, disk: &mut Disk, lost: bool, bytes: u64) -> Result<(), Stop> {
    let standing = disk.standing();
    require(
        standing != Standing::Removed,
        Code::PreconditionFailed,
        "the disk was removed: an empty directory in its place is a new disk",
    )?;
    match (lost, disk.lost) {
        (true, false) => {
            disk.procedure = Some(procedures::replacement(cx, disk.id, bytes)?);
            disk.standing = Standing::Out as i32;
        }
        // It stays given up until it is seen to be back.
        (false, true) => disk.procedure = None,
        (true, true) | (false, false) => {}
    }
    disk.lost = lost;
    Ok(())
}
