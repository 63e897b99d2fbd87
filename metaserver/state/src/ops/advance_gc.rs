//! Members made deletes durable. Batches that every member of a group has passed are dropped.

use std::collections::BTreeSet;

use holdfast_proto::op::{AdvanceGc, GcCursor, Reply};
use holdfast_proto::status::Code;

use crate::change::{Change, Outcome, Stop, require};
use crate::keys;
use crate::members;
use crate::records::{self, GcBatch, Index};
use crate::table::Broken;

/// Most cursors of one command.
pub const MAX_CURSORS: usize = 1000;
/// Most batches dropped by one command.
const MAX_BATCHES: usize = 1000;

pub(crate) fn apply(cx: &mut Change<'_>, op: &AdvanceGc) -> Outcome {
    require(op.cursors.len() <= MAX_CURSORS, Code::TooLarge, "a command names at most 1000 cursors")?;
    let mut groups = BTreeSet::new();
    for cursor in &op.cursors {
        if advance(cx, cursor)? {
            groups.insert(cursor.pg);
        }
    }
    let mut left = MAX_BATCHES;
    for pg in groups {
        left -= drop_batches(cx, pg, left)?;
    }
    Ok(Reply { progress: (MAX_BATCHES - left) as u64, ..cx.reply() })
}

/// Moves one cursor forward; `false` when the disk is not a member any more.
fn advance(cx: &mut Change<'_>, cursor: &GcCursor) -> Result<bool, Stop> {
    let Some(member) = &cursor.member else { return Ok(false) };
    let key = keys::gc_cursor(cursor.pg, member.disk, member.incarnation);
    let Some(at) = cx.load::<Index>(&key)? else { return Ok(false) };
    let index = cursor.index.min(cx.at);
    if index > at.index {
        cx.store(key, &Index { index });
    }
    Ok(true)
}

fn drop_batches(cx: &mut Change<'_>, pg: u32, most: usize) -> Result<usize, Stop> {
    let pg = members::group(cx, pg)?;
    let mut passed = u64::MAX;
    for member in &pg.members {
        let key = keys::gc_cursor(pg.id, member.disk, member.incarnation);
        let cursor: Option<Index> = cx.load(&key)?;
        let lost = || Broken::Inconsistent(format!("a member of group {} has no cursor", pg.id));
        passed = passed.min(cursor.ok_or_else(lost)?.index);
    }
    if pg.members.is_empty() {
        return Ok(0);
    }
    let end = keys::gc(pg.id, passed.saturating_add(1));
    let batches = records::load_range::<GcBatch>(cx.view(), &keys::gc_of(pg.id), &end, most)?;
    for (key, batch) in &batches {
        cx.state.garbage = cx.state.garbage.saturating_sub(batch.numbers.len() as u64);
        cx.remove(key.clone());
    }
    Ok(batches.len())
}
