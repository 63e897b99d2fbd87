//! Change labels or standing of a node.

use holdfast_proto::map::{Disk, Node, Standing};
use holdfast_proto::op::{Reply, SetNode};
use holdfast_proto::status::Code;

use crate::change::{Change, Outcome, Stop, refuse, require};
use crate::keys;
use crate::map_view;
use crate::procedures;

/// Longest maintenance, in seconds of uptime.
const MOST_WINDOW_S: u64 = 30 * 86_400;

pub(crate) fn apply(cx: &mut Change<'_>, op: &SetNode) -> Outcome {
    let old: Option<Node> = cx.load(&keys::node(op.id))?;
    let old = old.ok_or_else(|| refuse(Code::NotFound, format!("node {} does not exist", op.id)))?;
    let mut new = old.clone();
    if let Some(standing) = op.standing {
        super::check_standing(standing, old.standing)?;
        if standing == Standing::Removed as i32 {
            check_has_no_disks(cx, op.id)?;
        }
        if standing == Standing::In as i32 {
            let until = old.procedure.map_or(0, |procedure| procedure.until_s);
            require(
                op.if_until_s == 0 || op.if_until_s == until,
                Code::StaleOrder,
                "the maintenance that was meant is over, or ends at another time by now",
            )?;
        }
        require(op.window_s <= MOST_WINDOW_S, Code::InvalidArgument, "maintenance lasts at most 30 days")?;
        new.standing = standing;
        new.procedure = procedures::of_node(cx, &old, new.standing(), op.bytes, op.window_s)?;
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
