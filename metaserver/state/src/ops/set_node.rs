//! Change labels or standing of a node.

use holdfast_proto::map::{Disk, Node, Standing};
use holdfast_proto::op::{Reply, SetNode};
use holdfast_proto::status::Code;

use crate::change::{Change, Outcome, Stop, refuse, require};
use crate::keys;
use crate::map_view;

pub(crate) fn apply(cx: &mut Change<'_>, op: &SetNode) -> Outcome {
    let old: Option<Node> = cx.load(&keys::node(op.id))?;
    let old = old.ok_or_else(|| refuse(Code::NotFound, format!("node {} does not exist", op.id)))?;
    let mut new = old.clone();
    if let Some(standing) = op.standing {
        super::check_standing(standing, old.standing)?;
        if standing == Standing::Removed as i32 {
            check_has_no_disks(cx, op.id)?;
        }
        new.standing = standing;
    }
    new.zone = op.zone.clone().unwrap_or(new.zone);
    new.rack = op.rack.clone().unwrap_or(new.rack);
    new.host = op.host.clone().unwrap_or(new.host);
    if new != old {
        map_view::put_node(cx, new);
    }
    Ok(Reply { id: op.id, ..cx.reply() })
}

fn check_has_no_disks(cx: &Change<'_>, node: u64) -> Result<(), Stop> {
    let stays = |disk: &Disk| disk.node == node && disk.standing != Standing::Removed as i32;
    let any = map_view::disks(cx.view())?.iter().any(stays);
    require(!any, Code::NotEmpty, "the node still has disks; drain and remove them first")
}
