//! Change weight, capacity or standing of a disk.

use holdfast_proto::map::{Disk, Standing};
use holdfast_proto::op::{Reply, SetDisk};
use holdfast_proto::status::Code;

use crate::change::{Change, Outcome, refuse, require};
use crate::keys;
use crate::map_view;

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
        new.standing = standing;
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
