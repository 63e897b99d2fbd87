//! Put one part of an upload by reference to an object.

use holdfast_proto::inode::{Extent, Inode};
use holdfast_proto::op::CopyPart;
use holdfast_proto::query;
use holdfast_proto::status::Code;

use crate::change::{Change, Outcome, Stop, require};
use crate::content::{self, MAX_EXTENTS_PER_COMMAND};
use crate::converting;
use crate::drafts;
use crate::keys;
use crate::ops::{put_part, write};
use crate::records::Part;
use crate::uploads;

pub(crate) fn apply(cx: &mut Change<'_>, op: &CopyPart) -> Outcome {
    put_part::check_number(op.part)?;
    let (extents, ino, lies) = match op.draft {
        0 => {
            let source = write::open(cx, op.source, op.source_version)?;
            (of_source(cx, &source, op)?, 0, converting::where_all_of(&source))
        }
        draft => {
            let plan = drafts::part_of(op.source, op.source_version, op.offset, op.length);
            (Vec::new(), drafts::take(cx, draft, Some(&plan))?.ino, None)
        }
    };
    let about = query::Part {
        part: op.part,
        size: op.length,
        etag: op.etag.clone(),
        mtime_ns: cx.now,
        checksums: op.checksums.clone(),
    };
    uploads::put_part(cx, op.upload, op.part, &Part { about: Some(about), extents, ino, lies })?;
    Ok(cx.reply())
}

fn of_source(cx: &Change<'_>, source: &Inode, op: &CopyPart) -> Result<Vec<Extent>, Stop> {
    let end = op.offset.checked_add(op.length);
    require(
        end.is_some_and(|end| end <= source.size),
        Code::InvalidArgument,
        "the range reaches beyond the object",
    )?;
    range(cx, source, op.offset, op.length)
}

/// The extents of a range, with offsets from its start.
fn range(cx: &Change<'_>, source: &Inode, from: u64, length: u64) -> Result<Vec<Extent>, Stop> {
    let to = from + length;
    if source.inline {
        let bytes = cx.view().get(&keys::inline(source.ino))?.unwrap_or_default();
        let part = bytes.slice((from as usize).min(bytes.len())..(to as usize).min(bytes.len()));
        return Ok(content::inline_extents(&part).map(|(extent, _)| extent).collect());
    }
    let found = content::overlapping(cx.view(), source, from, to, MAX_EXTENTS_PER_COMMAND + 1)?;
    require(
        found.len() <= MAX_EXTENTS_PER_COMMAND,
        Code::NeedsSteps,
        "the range has more extents than one command may copy",
    )?;
    let cut = |extent: Extent| {
        let piece = content::slice(&extent, extent.offset.max(from), extent.end().min(to));
        Extent { offset: piece.offset - from, ..piece }
    };
    Ok(found.into_iter().map(cut).collect())
}
