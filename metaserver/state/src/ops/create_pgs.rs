//! Create placement groups. Their members are clean: there is nothing to hold yet.

use holdfast_proto::map::{Disk, Member, Pg, PgState, Standing, StorageClass, redundancy::Kind};
use holdfast_proto::op::{CreatePgs, DiskRef, NewPg, Reply};
use holdfast_proto::status::Code;

use crate::change::{Change, Outcome, Stop, refuse, require};
use crate::keys;
use crate::map_view;
use crate::members;

/// Most groups made by one command: with their members' keys they stay below the limit.
pub const MAX_PGS: usize = 128;

pub(crate) fn apply(cx: &mut Change<'_>, op: &CreatePgs) -> Outcome {
    require(!op.pgs.is_empty(), Code::InvalidArgument, "no groups to make")?;
    require(op.pgs.len() <= MAX_PGS, Code::TooLarge, "a command makes at most 128 groups")?;
    let first = cx.state.next_pg;
    for new in &op.pgs {
        make(cx, new)?;
    }
    Ok(Reply { id: first.into(), ..cx.reply() })
}

fn make(cx: &mut Change<'_>, new: &NewPg) -> Result<(), Stop> {
    let class: Option<StorageClass> = cx.load(&keys::class(new.class))?;
    let Some(redundancy) = class.and_then(|class| class.redundancy) else {
        return Err(refuse(Code::NotFound, format!("storage class {} does not exist", new.class)));
    };
    let fits = match redundancy.kind {
        Some(Kind::Erasure(_)) => new.disks.len() as u32 == redundancy.members(),
        _ => (1..=redundancy.members()).contains(&(new.disks.len() as u32)),
    };
    require(fits, Code::InvalidArgument, "the number of disks does not fit the class")?;
    let id = cx.state.next_pg;
    cx.state.next_pg += 1;
    let joined = cx.bump_epoch();
    let mut pg = Pg { id, class: new.class, state: PgState::Writable as i32, ..Pg::default() };
    for (position, disk) in (0..).zip(&new.disks) {
        usable(cx, disk)?;
        require(
            pg.members.iter().all(|member| member.disk != disk.disk),
            Code::InvalidArgument,
            "a disk is named twice in one group",
        )?;
        let member = Member {
            disk: disk.disk,
            incarnation: disk.incarnation,
            joined,
            clean: true,
            temporary: false,
            joined_index: cx.at,
            shard: if redundancy.is_erasure() { position } else { 0 },
            takes: 0,
        };
        members::enter(cx, id, &member);
        pg.members.push(member);
    }
    map_view::put_pg(cx, pg);
    Ok(())
}

/// Refuses a disk that cannot take new data in this life.
pub(crate) fn usable(cx: &Change<'_>, wanted: &DiskRef) -> Result<Disk, Stop> {
    let disk: Option<Disk> = cx.load(&keys::disk(wanted.disk))?;
    let disk = disk.ok_or_else(|| refuse(Code::NotFound, format!("disk {} does not exist", wanted.disk)))?;
    require(disk.incarnation == wanted.incarnation, Code::WrongDisk, "the disk lives another life by now")?;
    require(
        disk.standing == Standing::In as i32,
        Code::PreconditionFailed,
        "the disk is being emptied, out, removed or in maintenance",
    )?;
    Ok(disk)
}
