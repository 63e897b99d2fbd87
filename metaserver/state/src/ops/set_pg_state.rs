//! Seal, reopen or retire a group. A retired group has no members; its id is never used again.

use holdfast_proto::map::PgState;
use holdfast_proto::op::{Reply, SetPgState};
use holdfast_proto::status::Code;

use crate::change::{Change, Outcome, Stop, refuse, require};
use crate::keys;
use crate::map_view;
use crate::members;
use crate::records::{self, GcBatch};

/// Batches of garbage that go with a group; with more of them, collection goes first.
const MOST_BATCHES: usize = 1000;

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
        require(!cx.any(&keys::chunks(pg.id))?, Code::NotEmpty, "the group still has chunks")?;
        drop_garbage(cx, pg.id)?;
        let epoch = cx.bump_epoch();
        // Members may hold records that no metadata knows: they are told to drop the whole group.
        for member in std::mem::take(&mut pg.members) {
            members::leave(cx, pg.id, &member, epoch);
        }
        if cx.view().get(&keys::ailing(pg.id))?.is_some() {
            cx.remove(keys::ailing(pg.id));
        }
    }
    pg.state = state as i32;
    let pg = map_view::put_pg(cx, pg);
    Ok(Reply { id: pg.id.into(), ..cx.reply() })
}

/// What its members were still to delete goes with the group: they are told to drop all of it, and no sooner than any
/// one of these chunks. Without that, a member that will never answer again would keep an empty group for ever.
fn drop_garbage(cx: &mut Change<'_>, pg: u32) -> Result<(), Stop> {
    let prefix = keys::gc_of(pg);
    let to = keys::after_prefix(&prefix);
    let batches = records::load_range::<GcBatch>(cx.view(), &prefix, &to, MOST_BATCHES + 1)?;
    require(batches.len() <= MOST_BATCHES, Code::NotEmpty, "the group still has much garbage")?;
    for (key, batch) in batches {
        cx.state.garbage = cx.state.garbage.saturating_sub(batch.numbers.len() as u64);
        cx.remove(key);
    }
    Ok(())
}
