//! Chunks that a member should hold were found missing or damaged on it.

use holdfast_proto::ids::ChunkId;
use holdfast_proto::op::{AddMissing, Reply};
use holdfast_proto::status::Code;

use crate::change::{Change, Outcome, require};
use crate::keys;
use crate::members;
use crate::ops::clear_missing::MAX_NUMBERS;
use crate::records::{Chunk, Mark};

pub(crate) fn apply(cx: &mut Change<'_>, op: &AddMissing) -> Outcome {
    require(op.numbers.len() <= MAX_NUMBERS, Code::TooLarge, "a command names at most 1000 chunks")?;
    let pg = members::group(cx, op.pg)?;
    let at = members::current(&pg, op.member.as_ref())?;
    let disk = pg.members[at].disk;
    let mut progress = 0;
    for number in &op.numbers {
        let chunk_key = keys::chunk(ChunkId::new(pg.id, *number));
        let Some(mut chunk) = cx.load::<Chunk>(&chunk_key)? else { continue };
        let key = keys::missing(disk, pg.id, *number);
        if cx.load::<Mark>(&key)?.is_some() {
            continue;
        }
        cx.store(key, &Mark {});
        cx.state.missing += 1;
        progress += 1;
        if !chunk.was_missing {
            chunk.was_missing = true;
            cx.store(chunk_key, &chunk);
        }
    }
    Ok(Reply { progress, ..cx.reply() })
}
