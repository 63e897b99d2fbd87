//! Seal, reopen or retire a group. A retired group has no members; its id is never used again.

use holdfast_proto::map::PgState;
use holdfast_proto::op::{Reply, SetPgState};
use holdfast_proto::status::Code;

use crate::change::{Change, Outcome, refuse, require};
use crate::keys;
use crate::map_view;
use crate::members;

pub(crate) fn apply(cx: &mut Change<'_>, op: &SetPgState) -> Outcome {
    let mut pg = members::group(cx, op.pg)?;
    require(pg.epoch == op.if_epoch, Code::StaleOrder, "the group was changed meanwhile")?;
    require(pg.state != PgState::Retired as i32, Code::StaleOrder, "the group is retired")?;
    let state = PgState::try_from(op.state)
        .map_err(|_| refuse(Code::InvalidArgument, "this state of a group is not known"))?;
    if state as i32 == pg.state {
        return Ok(Reply { id: pg.id.into(), ..cx.reply() });
    }
    if state == PgState::Retired {
        let used = cx.any(&keys::chunks(pg.id))? || cx.any(&keys::gc_of(pg.id))?;
        require(!used, Code::NotEmpty, "the group still has chunks or garbage")?;
        let epoch = cx.bump_epoch();
        // Members may hold records that no metadata knows: they are told to drop the whole group.
        for member in std::mem::take(&mut pg.members) {
            members::leave(cx, pg.id, &member, epoch);
        }
    }
    pg.state = state as i32;
    let pg = map_view::put_pg(cx, pg);
    Ok(Reply { id: pg.id.into(), ..cx.reply() })
}
