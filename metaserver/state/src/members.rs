//! Members of placement groups: the records beside the group that come and go with a member.
//!
//! What always holds:
//! - Every member of a group that is not retired has `member/<disk><pg>` and `gccursor/<pg><disk><incarnation>`.
//! - A disk that left has `leave/<disk><pg>` until it is known to hold nothing of the group; meanwhile it cannot
//!   join again, because a late order to drop the whole group would hit what it got after rejoining.
//! - `missing/<disk><pg>…` exists only for members and for disks that are leaving.

use std::collections::BTreeSet;

use holdfast_proto::map::{Member, Pg, Redundancy};
use holdfast_proto::op::DiskRef;
use holdfast_proto::status::Code;

use crate::change::{Change, Stop, refuse};
use crate::keys;
use crate::records::{Index, Leave, Mark};

/// Writes what stands beside a new member. Garbage from before it joined is none of its business.
pub(crate) fn enter(cx: &mut Change<'_>, pg: u32, member: &Member) {
    cx.store(keys::member(member.disk, pg), &Mark {});
    let start = Index { index: cx.at };
    cx.store(keys::gc_cursor(pg, member.disk, member.incarnation), &start);
}

/// Removes what stands beside a member and remembers that its disk may still hold chunks of the group. `epoch` is
/// the group's epoch once it is gone.
pub(crate) fn leave(cx: &mut Change<'_>, pg: u32, member: &Member, epoch: u64) {
    cx.remove(keys::member(member.disk, pg));
    cx.remove(keys::gc_cursor(pg, member.disk, member.incarnation));
    let leave = Leave { incarnation: member.incarnation, index: cx.at, epoch };
    cx.store(keys::leave(member.disk, pg), &leave);
}

/// How many of these members count towards what a class needs: in an erasure group, two that hold the same shard count
/// once.
pub(crate) fn holders<'m>(redundancy: &Redundancy, members: impl Iterator<Item = &'m Member>) -> usize {
    if redundancy.is_erasure() {
        return members.map(|member| member.shard).collect::<BTreeSet<_>>().len();
    }
    members.count()
}

/// The group, or `NotFound`.
pub(crate) fn group(cx: &Change<'_>, pg: u32) -> Result<Pg, Stop> {
    cx.load(&keys::pg(pg))?.ok_or_else(|| refuse(Code::NotFound, format!("group {pg} does not exist")))
}

/// The position of a member in its group.
pub(crate) fn position(pg: &Pg, member: &DiskRef) -> Option<usize> {
    pg.members.iter().position(|m| m.disk == member.disk && m.incarnation == member.incarnation)
}

/// The current member that a command means, or a refusal.
pub(crate) fn current(pg: &Pg, member: Option<&DiskRef>) -> Result<usize, Stop> {
    member.and_then(|member| position(pg, member)).ok_or_else(|| {
        refuse(Code::StaleOrder, format!("the disk is not a member of group {} any more", pg.id))
    })
}
