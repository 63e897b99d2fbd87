//! Swap ranges of a file's content. Content and length change together.
//!
//! What always holds:
//! - Where an append lands is decided here, so appends of several writers never overlap.
//! - A file with inline content stays inline while all new bytes come inline too and the result is small enough;
//!   otherwise its old bytes become extents first, and whatever the pieces do not cover survives.

use bytes::Bytes;
use holdfast_proto::inode::{FileKind, Inode};
use holdfast_proto::map::StorageClass;
use holdfast_proto::op::{Piece, Reply, Write};
use holdfast_proto::status::Code;

use crate::change::{Change, Outcome, Stop, require};
use crate::chunks;
use crate::content::{self, File, MAX_EXTENTS_PER_COMMAND, MAX_FILE_BYTES, MAX_INLINE};
use crate::drafts;
use crate::fragmented;
use crate::ops::set_attr::clear_set_ids;
use crate::queries;

pub(crate) fn apply(cx: &mut Change<'_>, op: &Write) -> Outcome {
    let inode = open(cx, op.ino, op.if_version)?;
    let base = if op.append { inode.size } else { 0 };
    let before = inode.version;
    require(
        op.draft == 0 || !op.append,
        Code::InvalidArgument,
        "an append covers nothing that was there, so it takes no draft",
    )?;
    let inode = match op.draft {
        0 => inode,
        draft => {
            let rest = drafts::around(&inode, &op.pieces);
            drafts::swap(cx, inode, draft, &rest)?
        }
    };
    chunks::commit(cx, &op.chunks)?;
    let mut file = File::open(inode);
    match &op.replace_inline {
        Some(bytes) => replace_inline(cx, &mut file, op, bytes)?,
        None => match patched_inline(cx, &file.inode, op, base)? {
            Some(bytes) => {
                file.clear(cx)?;
                file.inode.size = bytes.len() as u64;
                file.put_inline(cx, bytes);
            }
            None => {
                file.spread_inline(cx)?;
                put_pieces(cx, &mut file, &op.pieces, base, op.keep_size)?;
            }
        },
    }
    let mut inode = file.finish(cx)?;
    fragmented::note(cx, &mut inode)?;
    inode.version = cx.at;
    inode.mtime_ns = op.mtime_ns.map_or(cx.now, |written| written.min(cx.now));
    inode.ctime_ns = cx.now;
    if op.clear_suid {
        clear_set_ids(&mut inode.mode);
    }
    cx.store_inode(&inode);
    Ok(Reply { offset: base, replaced_version: before, ..cx.reply_inode(inode) })
}

/// The file to write to.
pub(crate) fn open(cx: &Change<'_>, ino: u64, if_version: u64) -> Result<Inode, Stop> {
    check(cx.inode(ino)?, if_version)
}

/// The same, also when it is in the trash.
pub(crate) fn open_kept(cx: &Change<'_>, ino: u64, if_version: u64) -> Result<Inode, Stop> {
    check(cx.inode_or_kept(ino)?, if_version)
}

fn check(inode: Inode, if_version: u64) -> Result<Inode, Stop> {
    require(
        inode.kind != FileKind::Directory as i32,
        Code::IsADirectory,
        "a directory cannot be written to",
    )?;
    require(inode.kind == FileKind::File as i32, Code::InvalidArgument, "only a file has content")?;
    require(
        if_version == 0 || if_version == inode.version,
        Code::PreconditionFailed,
        "the file was changed meanwhile",
    )?;
    Ok(inode)
}

fn replace_inline(cx: &mut Change<'_>, file: &mut File, op: &Write, bytes: &Bytes) -> Result<(), Stop> {
    require(
        op.pieces.is_empty() && op.chunks.is_empty(),
        Code::InvalidArgument,
        "new inline content comes alone",
    )?;
    require(
        file.inode.inline || file.inode.extent_count == 0,
        Code::PreconditionFailed,
        "the file's content does not lie inline any more",
    )?;
    require(bytes.len() <= MAX_INLINE, Code::TooLarge, "inline content is limited to 64 KiB; write a chunk")?;
    file.take_inline(cx)?;
    file.inode.size = bytes.len() as u64;
    file.put_inline(cx, bytes.clone());
    Ok(())
}

/// The whole new content of a file that is inline (or empty) and stays so, or `None` when it does not.
fn patched_inline(cx: &Change<'_>, inode: &Inode, op: &Write, base: u64) -> Result<Option<Bytes>, Stop> {
    let small = inode.inline || inode.size == 0;
    let bytes_only = |piece: &Piece| piece.source.as_ref().is_none_or(|source| source.inline.is_some());
    if !small || op.pieces.is_empty() || !op.pieces.iter().all(bytes_only) {
        return Ok(None);
    }
    let class: Option<StorageClass> = queries::class_of(cx.view(), inode)?;
    let limit = class.map_or(0, |class| class.inline_limit).min(MAX_INLINE as u64);
    let mut size = inode.size;
    for piece in &op.pieces {
        require(piece.length > 0, Code::InvalidArgument, "a piece is empty")?;
        let end = base.saturating_add(piece.offset).saturating_add(piece.length);
        if piece.source.is_some() || !op.keep_size {
            size = size.max(end);
        }
    }
    if size > limit {
        return Ok(None);
    }
    let old = match inode.inline {
        true => cx.view().get(&crate::keys::inline(inode.ino))?.unwrap_or_default(),
        false => Bytes::new(),
    };
    let mut bytes = old.to_vec();
    bytes.resize(size as usize, 0);
    for piece in &op.pieces {
        let from = base.saturating_add(piece.offset).min(size);
        let to = from.saturating_add(piece.length).min(size) as usize;
        let from = from as usize;
        match piece.source.as_ref().and_then(|source| source.inline.as_ref()) {
            Some(new) => {
                require(new.len() == to - from, Code::InvalidArgument, "a piece has the wrong length")?;
                bytes[from..to].copy_from_slice(new);
            }
            None => bytes[from..to].fill(0),
        }
    }
    Ok(Some(bytes.into()))
}

/// Puts pieces into a file whose content lies in extents.
pub(crate) fn put_pieces(
    cx: &mut Change<'_>,
    file: &mut File,
    pieces: &[Piece],
    base: u64,
    keep_size: bool,
) -> Result<(), Stop> {
    require(
        pieces.len() <= MAX_EXTENTS_PER_COMMAND,
        Code::TooLarge,
        "a command changes at most 1000 pieces",
    )?;
    for piece in pieces {
        let offset = base.checked_add(piece.offset);
        let end = offset.and_then(|offset| offset.checked_add(piece.length));
        let (Some(offset), Some(end)) = (offset, end.filter(|end| *end <= MAX_FILE_BYTES)) else {
            return Err(crate::change::refuse(Code::TooLarge, "the file would be longer than 2^62 bytes"));
        };
        require(piece.length > 0, Code::InvalidArgument, "a piece is empty")?;
        let extent = match &piece.source {
            Some(source) => Some(content::checked_source(cx, source, offset, piece.length)?),
            None => None,
        };
        file.cut(cx, offset, end)?;
        if extent.is_some() || !keep_size {
            file.inode.size = file.inode.size.max(end);
        }
        if let Some(extent) = extent {
            file.insert(cx, extent)?;
        }
    }
    Ok(())
}
