//! A worker replaces a window of extents by fresh chunks with the same bytes, if nothing changed. The version stays:
//! what the file contains is the same.

use holdfast_proto::op::Compact;
use holdfast_proto::status::Code;

use crate::change::{Change, Outcome, require};
use crate::chunks;
use crate::content::File;
use crate::drafts;
use crate::ops::write;

pub(crate) fn apply(cx: &mut Change<'_>, op: &Compact) -> Outcome {
    require(op.if_version != 0, Code::InvalidArgument, "compaction names the version it read")?;
    let inode = write::open(cx, op.ino, op.if_version)?;
    require(!inode.inline, Code::PreconditionFailed, "inline content is not compacted")?;
    let size = inode.size;
    let within = |piece: &holdfast_proto::op::Piece| {
        piece.source.is_some() && piece.offset.checked_add(piece.length).is_some_and(|end| end <= size)
    };
    require(
        op.pieces.iter().all(within),
        Code::InvalidArgument,
        "compaction brings bytes for ranges within the file",
    )?;
    chunks::commit(cx, &op.chunks)?;
    let inode = match op.draft {
        0 => inode,
        draft => {
            let rest = drafts::around(&inode, &op.pieces);
            drafts::swap(cx, inode, draft, &rest)?
        }
    };
    let mut file = File::open(inode);
    write::put_pieces(cx, &mut file, &op.pieces, 0, true)?;
    let inode = file.finish(cx)?;
    cx.store_inode(&inode);
    Ok(cx.reply_inode(inode))
}
