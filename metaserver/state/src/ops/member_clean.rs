//! A member holds every chunk of its group.

use holdfast_proto::op::{MemberClean, Reply};
use holdfast_proto::status::Code;

use crate::change::{Change, Outcome, require};
use crate::keys;
use crate::map_view;
use crate::members;

pub(crate) fn apply(cx: &mut Change<'_>, op: &MemberClean) -> Outcome {
    let mut pg = members::group(cx, op.pg)?;
    let at = members::current(&pg, op.member.as_ref())?;
    let member = pg.members[at];
    require(member.joined == op.joined, Code::StaleOrder, "the member joined anew meanwhile")?;
    if member.clean {
        return Ok(Reply { id: pg.id.into(), ..cx.reply() });
    }
    require(op.walked_index <= cx.at, Code::InvalidArgument, "the walk claims an index that is yet to come")?;
    require(
        op.walked_index >= member.joined_index,
        Code::PreconditionFailed,
        "the chunks were walked as of an index before the member joined",
    )?;
    let lacks = cx.any(&keys::missing_in(member.disk, pg.id))?;
    require(!lacks, Code::PreconditionFailed, "the member still lacks chunks")?;
    pg.members[at].clean = true;
    let pg = map_view::put_pg(cx, pg);
    Ok(Reply { id: pg.id.into(), ..cx.reply() })
}
