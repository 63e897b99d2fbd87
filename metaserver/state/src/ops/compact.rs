//! A worker replaces neighbouring extents by a fresh chunk with the same bytes, if they are still those that it read.
//! The version stays: what the file contains is the same. It may be in the trash. Writes to other parts of the file do not get in its way.

use holdfast_proto::inode::{Extent, Inode};
use holdfast_proto::op::{Compact, Piece};
use holdfast_proto::status::Code;

use crate::change::{Change, Outcome, Stop, require};
use crate::chunks;
use crate::content::{self, File};
use crate::converting;
use crate::fragmented;
use crate::ops::write;

/// Most extents of one command.
const MOST: usize = 500;

pub(crate) fn apply(cx: &mut Change<'_>, op: &Compact) -> Outcome {
    let mut inode = write::open_kept(cx, op.ino, op.if_version)?;
    if op.settled {
        require(
            alone(op) && op.converted == 0,
            Code::InvalidArgument,
            "a file is either settled or compacted, not both at once",
        )?;
        fragmented::forget(cx, &mut inode);
        cx.store_inode(&inode);
        return Ok(cx.reply_inode(inode));
    }
    if op.converted != 0 {
        require(
            alone(op),
            Code::InvalidArgument,
            "a file is either converted or compacted, not both at once",
        )?;
        require(
            inode.class.max(1) == op.converted,
            Code::PreconditionFailed,
            "the file's class is another one by now",
        )?;
        converting::forget(cx, &mut inode);
        cx.store_inode(&inode);
        return Ok(cx.reply_inode(inode));
    }
    check_window(op)?;
    check_unchanged(cx, &inode, op)?;
    chunks::commit(cx, &op.chunks)?;
    let mut file = File::open(inode);
    write::put_pieces(cx, &mut file, &op.pieces, 0, true)?;
    let inode = file.finish(cx)?;
    cx.store_inode(&inode);
    Ok(cx.reply_inode(inode))
}

fn alone(op: &Compact) -> bool {
    op.chunks.is_empty() && op.pieces.is_empty() && op.expected.is_empty()
}

/// The pieces bring bytes for exactly the range that the extents cover.
fn check_window(op: &Compact) -> Result<(), Stop> {
    require(
        (1..=MOST).contains(&op.expected.len()),
        Code::InvalidArgument,
        "compaction replaces 1 to 500 extents",
    )?;
    let whole = op.expected.windows(2).all(|two| matches!(two, [one, next] if one.end() == next.offset));
    require(whole, Code::InvalidArgument, "compaction replaces neighbours")?;
    let (from, to) = window(op);
    let mut at = from;
    for Piece { offset, length, source } in &op.pieces {
        require(
            *offset == at && source.is_some(),
            Code::InvalidArgument,
            "compaction brings bytes for the whole range, and for nothing else",
        )?;
        at = at.saturating_add(*length);
    }
    require(
        at == to,
        Code::InvalidArgument,
        "compaction brings bytes for the whole range, and for nothing else",
    )
}

fn window(op: &Compact) -> (u64, u64) {
    (op.expected.first().map_or(0, |first| first.offset), op.expected.last().map_or(0, Extent::end))
}

fn check_unchanged(cx: &Change<'_>, inode: &Inode, op: &Compact) -> Result<(), Stop> {
    let (from, to) = window(op);
    let there = match inode.inline {
        true => Vec::new(),
        false => content::overlapping(cx.view(), inode, from, to, op.expected.len() + 1)?,
    };
    require(there == op.expected, Code::PreconditionFailed, "the extents were changed meanwhile")
}
