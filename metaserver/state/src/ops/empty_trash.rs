//! Let go of kept files: because they are due, because room is needed, or because somebody says so. Files that somebody
//! still has open stay until he closes them.

use holdfast_proto::op::{EmptyTrash, Reply};
use holdfast_proto::status::Code;

use crate::change::{Change, MAX_BYTES, MAX_KEYS, Outcome, require};
use crate::trash;

/// Most items of one command.
pub const MAX_EMPTIED: usize = 128;

pub(crate) fn apply(cx: &mut Change<'_>, op: &EmptyTrash) -> Outcome {
    require(op.items.len() <= MAX_EMPTIED, Code::TooLarge, "a command lets go of at most 128 files")?;
    let mut progress = 0;
    for item in &op.items {
        // Far from what a command may change: an inode may be large, and one takes a part of its chunks along.
        if cx.keys_touched() > MAX_KEYS * 3 / 4 || cx.bytes_written() > MAX_BYTES / 2 {
            break;
        }
        progress += 1;
        let Some((inode, kept)) = trash::find(cx.view(), *item)? else { continue };
        if !op.due || inode.trashed_until <= cx.uptime_s() {
            trash::drop_kept(cx, inode, &kept)?;
        }
    }
    Ok(Reply { progress, ..cx.reply() })
}
