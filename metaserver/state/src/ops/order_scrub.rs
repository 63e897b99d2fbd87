//! Order a round of scrub on disks: the order's log index goes into their records, and from there, with the map, to
//! their nodes.

use holdfast_proto::map::{Disk, Standing};
use holdfast_proto::op::{OrderScrub, Reply};
use holdfast_proto::status::Code;

use crate::change::{Change, Outcome, refuse, require};
use crate::keys;
use crate::map_view;

/// Disks in one order, so that it stays far from what a command may touch.
const MOST_DISKS: usize = 1000;

pub(crate) fn apply(cx: &mut Change<'_>, op: &OrderScrub) -> Outcome {
    require(!op.disks.is_empty(), Code::InvalidArgument, "the order names no disk")?;
    require(op.disks.len() <= MOST_DISKS, Code::TooLarge, "an order names at most 1000 disks")?;
    for wanted in &op.disks {
        let disk: Option<Disk> = cx.load(&keys::disk(wanted.disk))?;
        let disk =
            disk.ok_or_else(|| refuse(Code::NotFound, format!("there is no disk d{}", wanted.disk)))?;
        require(
            wanted.incarnation == 0 || wanted.incarnation == disk.incarnation,
            Code::StaleOrder,
            &format!("disk d{} lives another life by now", disk.id),
        )?;
        let standing = disk.standing();
        require(
            !matches!(standing, Standing::Removed | Standing::Out),
            Code::PreconditionFailed,
            &format!("disk d{} was removed or given up: there is nothing to scrub", disk.id),
        )?;
        // Named twice, it is ordered once.
        if disk.scrub_ordered != cx.at {
            map_view::put_disk(cx, Disk { scrub_ordered: cx.at, ..disk });
        }
    }
    Ok(Reply { id: cx.at, ..cx.reply() })
}
