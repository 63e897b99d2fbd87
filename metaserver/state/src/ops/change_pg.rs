//! Replace, add or drop members of a group.
//!
//! What always holds:
//! - Conditional on the group's epoch: a planner that saw something else is refused.
//! - No member leaves while a chunk would then have fewer holders than a read needs. A holder counts only if it is
//!   clean and the chunk is not in its `missing/`. A leaving member counts as holding whatever it is not known to
//!   miss, clean or not: it may have the only acknowledged copy.
//! - A position in an erasure group is a shard index: it is taken over by a member that holds that shard, never shifted.
//!   Holders are counted by different shards there.

use std::collections::{BTreeMap, BTreeSet};

use holdfast_proto::ids::ChunkId;
use holdfast_proto::map::{Disk, Member, Pg, PgState, Redundancy, Standing, StorageClass};
use holdfast_proto::op::{ChangePg, DiskRef, Reply};
use holdfast_proto::status::Code;

use crate::change::{Change, Outcome, Stop, refuse, require};
use crate::chunks;
use crate::keys;
use crate::map_view;
use crate::members;
use crate::ops::create_pgs::usable;
use crate::records::{Chunk, Mark};
use crate::table::Broken;

/// `missing/` records of the members that stay, looked through to prove that nothing is lost. With more of them,
/// repair has to go first.
const MOST_MISSING: usize = 4096;
/// Members that stand in at most, at one time.
const MOST_TEMPORARY: usize = 4;

pub(crate) fn apply(cx: &mut Change<'_>, op: &ChangePg) -> Outcome {
    let mut pg = members::group(cx, op.pg)?;
    require(pg.epoch == op.if_epoch, Code::StaleOrder, "the group was changed meanwhile")?;
    require(pg.state != PgState::Retired as i32, Code::StaleOrder, "the group is retired")?;
    let class: Option<StorageClass> = cx.load(&keys::class(pg.class))?;
    let Some(redundancy) = class.and_then(|class| class.redundancy) else {
        return Err(Broken::Inconsistent(format!("group {} has no class", pg.id)).into());
    };
    let leaving = match &op.remove {
        Some(member) => Some(members::current(&pg, Some(member))?),
        None => None,
    };
    if let Some(at) = leaving {
        check_can_leave(cx, &pg, at, &redundancy)?;
    }
    match (leaving, &op.add) {
        (Some(at), Some(add)) => replace(cx, &mut pg, at, add, op.temporary)?,
        (Some(at), None) => drop_member(cx, &mut pg, at, &redundancy)?,
        (None, Some(add)) => join(cx, &mut pg, op, add, &redundancy)?,
        (None, None) => return Err(refuse(Code::InvalidArgument, "nothing to change")),
    }
    let pg = map_view::put_pg(cx, pg);
    Ok(Reply { id: pg.id.into(), ..cx.reply() })
}

fn replace(cx: &mut Change<'_>, pg: &mut Pg, at: usize, add: &DiskRef, temporary: bool) -> Result<(), Stop> {
    let epoch = cx.bump_epoch();
    let old = pg.members[at];
    if let Some(stand_in) = members::position(pg, add) {
        let mut new = pg.members[stand_in];
        require(
            new.temporary && !old.temporary && !temporary,
            Code::Exists,
            "the disk is a member of the group already",
        )?;
        require(
            new.shard == old.shard,
            Code::InvalidArgument,
            "a temporary member takes the place of a member that holds the same shard",
        )?;
        new.temporary = false;
        new.takes = 0;
        pg.members[at] = new;
        pg.members.remove(stand_in);
        members::leave(cx, pg.id, &old, epoch);
        return Ok(());
    }
    require(
        temporary == old.temporary,
        Code::InvalidArgument,
        "a temporary member takes a temporary member's place, a regular one a regular one's",
    )?;
    usable(cx, add)?;
    let same_disk = old.disk == add.disk;
    if !same_disk {
        check_can_join(cx, pg, add)?;
    }
    let new = new_member(cx, add, epoch, temporary, old.shard, old.takes);
    if same_disk {
        // The disk was wiped and registered anew: what it lacked it still lacks, and it holds nothing to drop.
        cx.remove(keys::gc_cursor(pg.id, old.disk, old.incarnation));
    } else {
        members::leave(cx, pg.id, &old, epoch);
    }
    members::enter(cx, pg.id, &new);
    pg.members[at] = new;
    Ok(())
}

fn drop_member(cx: &mut Change<'_>, pg: &mut Pg, at: usize, redundancy: &Redundancy) -> Result<(), Stop> {
    let old = pg.members[at];
    let shifts = redundancy.is_erasure() && !old.temporary;
    require(!shifts, Code::InvalidArgument, "a member of an erasure group can only be replaced")?;
    let epoch = cx.bump_epoch();
    pg.members.remove(at);
    require(
        pg.members.iter().any(|member| !member.temporary),
        Code::PreconditionFailed,
        "the last regular member cannot leave; replace it",
    )?;
    members::leave(cx, pg.id, &old, epoch);
    Ok(())
}

fn join(
    cx: &mut Change<'_>,
    pg: &mut Pg,
    op: &ChangePg,
    add: &DiskRef,
    redundancy: &Redundancy,
) -> Result<(), Stop> {
    let temporary = op.temporary;
    usable(cx, add)?;
    check_can_join(cx, pg, add)?;
    let regular = pg.members.iter().filter(|member| !member.temporary).count();
    if temporary {
        let shards = if redundancy.is_erasure() { regular as u32 } else { 1 };
        require(op.shard < shards, Code::InvalidArgument, "the group has no such shard")?;
        require(
            pg.members.len() - regular < MOST_TEMPORARY,
            Code::TooLarge,
            "the group has as many temporary members as it may have",
        )?;
        let place =
            |member: &Member| !member.temporary && member.disk == op.takes && member.shard == op.shard;
        require(
            op.takes == 0 || pg.members.iter().any(place),
            Code::StaleOrder,
            "the member whose place is to be taken is not there",
        )?;
    } else {
        require(
            op.takes == 0,
            Code::InvalidArgument,
            "only a temporary member can take another one's place",
        )?;
        require(
            regular < redundancy.members() as usize,
            Code::TooLarge,
            "the group has as many members as its class wants",
        )?;
    }
    let epoch = cx.bump_epoch();
    let new = new_member(cx, add, epoch, temporary, op.shard, op.takes);
    members::enter(cx, pg.id, &new);
    let at = if temporary { pg.members.len() } else { regular };
    pg.members.insert(at, new);
    Ok(())
}

fn new_member(
    cx: &Change<'_>,
    add: &DiskRef,
    joined: u64,
    temporary: bool,
    shard: u32,
    takes: u32,
) -> Member {
    Member {
        disk: add.disk,
        incarnation: add.incarnation,
        joined,
        clean: false,
        temporary,
        joined_index: cx.at,
        shard,
        takes,
    }
}

fn check_can_join(cx: &Change<'_>, pg: &Pg, add: &DiskRef) -> Result<(), Stop> {
    require(
        pg.members.iter().all(|member| member.disk != add.disk),
        Code::Exists,
        "the disk is a member of the group already",
    )?;
    let leaving = cx.view().get(&keys::leave(add.disk, pg.id))?.is_some();
    require(
        !leaving,
        Code::PreconditionFailed,
        "the disk left this group and has not yet dropped what it held of it",
    )
}

/// Proves that every chunk stays readable without the member at `at`.
fn check_can_leave(cx: &Change<'_>, pg: &Pg, at: usize, redundancy: &Redundancy) -> Result<(), Stop> {
    if !cx.any(&keys::chunks(pg.id))? {
        return Ok(());
    }
    let leaving = pg.members[at];
    if !chunks::is_present(cx, &leaving)? {
        // The disk was replaced: what it held as this member is gone, whatever is decided here.
        return Ok(());
    }
    let mut staying: Vec<&Member> = Vec::new();
    for (position, member) in pg.members.iter().enumerate() {
        if position != at && member.clean && can_be_read(cx, member)? {
            staying.push(member);
        }
    }
    let needed = redundancy.min_readable() as usize;
    let holders = |lacking: &BTreeSet<u32>| {
        members::holders(redundancy, staying.iter().copied().filter(|m| !lacking.contains(&m.disk)))
    };
    require(
        holders(&BTreeSet::new()) >= needed,
        Code::PreconditionFailed,
        "too few clean members would remain",
    )?;
    // Chunk number to the disks of those that stay and lack it.
    let mut lacking: BTreeMap<u64, BTreeSet<u32>> = BTreeMap::new();
    for member in &staying {
        let prefix = keys::missing_in(member.disk, pg.id);
        for (key, _) in cx.view().scan(&prefix, &keys::after_prefix(&prefix), MOST_MISSING + 1)? {
            lacking.entry(keys::u64_at(&key, 9)).or_default().insert(member.disk);
        }
        require(
            lacking.len() <= MOST_MISSING,
            Code::PreconditionFailed,
            "the members that would remain lack too much; repair them first",
        )?;
    }
    for (number, disks) in lacking {
        let lost_here = cx.load::<Mark>(&keys::missing(leaving.disk, pg.id, number))?.is_some();
        let known = cx.load::<Chunk>(&keys::chunk(ChunkId::new(pg.id, number)))?.is_some();
        require(
            holders(&disks) >= needed || lost_here || !known,
            Code::PreconditionFailed,
            "a chunk that the remaining members lack may only be on this one",
        )?;
    }
    Ok(())
}

fn can_be_read(cx: &Change<'_>, member: &Member) -> Result<bool, Stop> {
    let disk: Option<Disk> = cx.load(&keys::disk(member.disk))?;
    let out = disk.is_none_or(|disk| disk.standing == Standing::Out as i32);
    Ok(!out && chunks::is_present(cx, member)?)
}
