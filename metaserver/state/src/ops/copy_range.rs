//! Copy a range by reference, as far as one command may go; the reply's `progress` says how far, in bytes.

use holdfast_proto::inode::{Extent, Inode};
use holdfast_proto::op::{CopyRange, Reply};
use holdfast_proto::status::Code;

use crate::change::{Change, Outcome, Stop, require};
use crate::content::{self, File, MAX_FILE_BYTES};
use crate::fragmented;
use crate::keys;
use crate::ops::write;

/// Most extents copied by one command: each may touch two extents, two chunks and split one more.
const MAX_COPIED: usize = 500;

pub(crate) fn apply(cx: &mut Change<'_>, op: &CopyRange) -> Outcome {
    let source = write::open(cx, op.source, 0)?;
    let target = if op.target == op.source { source.clone() } else { write::open(cx, op.target, 0)? };
    let length = op.length.min(source.size.saturating_sub(op.source_offset));
    if length == 0 {
        return Ok(cx.reply_inode(target));
    }
    require(
        op.target_offset.checked_add(length).is_some_and(|end| end <= MAX_FILE_BYTES),
        Code::TooLarge,
        "the file would be longer than 2^62 bytes",
    )?;
    let apart = op.target_offset.abs_diff(op.source_offset) >= length;
    require(op.source != op.target || apart, Code::InvalidArgument, "the ranges overlap within one file")?;
    let before = target.version;
    let length = within_reach(cx, &target, op.target_offset, length)?;
    let (extents, length) = pick(cx, &source, op.source_offset, length)?;
    let mut file = File::open(target);
    file.spread_inline(cx)?;
    let end = op.target_offset + length;
    file.cut(cx, op.target_offset, end)?;
    for extent in extents {
        let offset = extent.offset - op.source_offset + op.target_offset;
        file.insert(cx, Extent { offset, ..extent })?;
    }
    file.inode.size = file.inode.size.max(end);
    let mut inode = file.finish(cx)?;
    fragmented::note(cx, &mut inode)?;
    inode.version = cx.at;
    inode.mtime_ns = cx.now;
    inode.ctime_ns = cx.now;
    cx.store_inode(&inode);
    Ok(Reply { progress: length, replaced_version: before, ..cx.reply_inode(inode) })
}

/// How much of a range of the target one command may replace.
fn within_reach(cx: &Change<'_>, target: &Inode, from: u64, length: u64) -> Result<u64, Stop> {
    let covered = content::overlapping(cx.view(), target, from, from + length, MAX_COPIED + 1)?;
    Ok(covered.get(MAX_COPIED).map_or(length, |first_beyond| first_beyond.offset - from))
}

/// The extents of a range, cut to it, and how many bytes of the range they settle.
fn pick(cx: &Change<'_>, source: &Inode, from: u64, length: u64) -> Result<(Vec<Extent>, u64), Stop> {
    let to = from + length;
    if source.inline {
        let bytes = cx.view().get(&keys::inline(source.ino))?.unwrap_or_default();
        let part = bytes.slice((from as usize).min(bytes.len())..(to as usize).min(bytes.len()));
        let extents = content::inline_extents(&part).map(|(e, _)| Extent { offset: e.offset + from, ..e });
        return Ok((extents.collect(), length));
    }
    let mut extents = content::overlapping(cx.view(), source, from, to, MAX_COPIED + 1)?;
    let mut end = to;
    if extents.len() > MAX_COPIED {
        extents.truncate(MAX_COPIED);
        end = extents.last().map_or(to, |last| last.end().min(to));
    }
    let cut = |e: Extent| content::slice(&e, e.offset.max(from), e.end().min(end));
    Ok((extents.into_iter().map(cut).collect(), end - from))
}
