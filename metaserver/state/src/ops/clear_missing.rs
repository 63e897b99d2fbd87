//! Chunks that a member lacked are durable there now.

use holdfast_proto::ids::ChunkId;
use holdfast_proto::op::{ClearMissing, Reply};
use holdfast_proto::status::Code;

use crate::change::{Change, Outcome, require};
use crate::chunks;
use crate::members;

/// Most chunk numbers of one command.
pub const MAX_NUMBERS: usize = 1000;

pub(crate) fn apply(cx: &mut Change<'_>, op: &ClearMissing) -> Outcome {
    require(op.numbers.len() <= MAX_NUMBERS, Code::TooLarge, "a command names at most 1000 chunks")?;
    let pg = members::group(cx, op.pg)?;
    let at = members::current(&pg, op.member.as_ref())?;
    let disk = pg.members[at].disk;
    let mut progress = 0;
    for number in &op.numbers {
        progress += u64::from(chunks::forget_missing(cx, disk, ChunkId::new(pg.id, *number))?);
    }
    Ok(Reply { progress, ..cx.reply() })
}
