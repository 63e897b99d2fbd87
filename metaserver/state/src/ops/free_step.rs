//! One step of freeing an inode without names: its locks, then extents from the front, at the end the inode itself.

use holdfast_proto::op::{FreeStep, Reply};

use crate::change::{Change, Outcome};
use crate::content::{self, File};
use crate::keys;
use crate::locks;
use crate::nameless;
use crate::records::Index;

/// Most extents freed by one step: each may take its chunk's record along, and one of missing it per member.
pub const MAX_FREED: usize = 500;

pub(crate) fn apply(cx: &mut Change<'_>, op: &FreeStep) -> Outcome {
    let key = keys::gc_ino(op.ino);
    if cx.load::<Index>(&key)?.is_none() {
        return Ok(cx.reply());
    }
    let inode = cx.inode_there(op.ino)?;
    if locks::forget(cx, op.ino)? {
        return Ok(Reply { progress: 1, ..cx.reply() });
    }
    let most = (op.most as usize).clamp(1, MAX_FREED);
    let before = inode.extent_count;
    if before as usize <= most {
        // The step that leaves nothing says 0, so that the loop need not ask once more.
        nameless::erase(cx, inode)?;
        cx.remove(key);
        return Ok(cx.reply());
    }
    let first = content::overlapping(cx.view(), &inode, 0, u64::MAX, most)?;
    let end = first.last().map_or(0, |extent| extent.end());
    let mut file = File::open(inode);
    file.cut(cx, 0, end)?;
    let inode = file.finish(cx)?;
    let progress = before - inode.extent_count;
    cx.store_inode(&inode);
    Ok(Reply { progress, ..cx.reply() })
}
