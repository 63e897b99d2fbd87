//! Put one part of an upload. A part put again replaces the earlier one.

use holdfast_proto::inode::{Content, Extent};
use holdfast_proto::op::PutPart;
use holdfast_proto::query;
use holdfast_proto::status::Code;

use crate::change::{Change, Outcome, Stop, refuse, require};
use crate::chunks;
use crate::content::{self, MAX_INLINE};
use crate::converting;
use crate::records::Part;
use crate::uploads;

/// Highest part number.
pub const MAX_PART: u32 = 10_000;

pub(crate) fn apply(cx: &mut Change<'_>, op: &PutPart) -> Outcome {
    check_number(op.part)?;
    let Some(content) = &op.content else {
        return Err(refuse(Code::InvalidArgument, "a part needs content, if only an empty one"));
    };
    let extents = extents_of(cx, content)?;
    let lies = Some(converting::where_brought(cx));
    let about = query::Part {
        part: op.part,
        size: content.size,
        etag: op.etag.clone(),
        mtime_ns: cx.now,
        checksums: op.checksums.clone(),
    };
    uploads::put_part(cx, op.upload, op.part, &Part { about: Some(about), extents, ino: 0, lies })?;
    Ok(cx.reply())
}

pub(crate) fn check_number(part: u32) -> Result<(), Stop> {
    require((1..=MAX_PART).contains(&part), Code::InvalidArgument, "part numbers go from 1 to 10000")
}

/// Where the content lies. Small content becomes extents that carry their bytes, so that joining needs no copy.
fn extents_of(cx: &mut Change<'_>, content: &Content) -> Result<Vec<Extent>, Stop> {
    let Some(bytes) = &content.inline else {
        chunks::commit(cx, &content.chunks)?;
        return content::checked_extents(cx, content);
    };
    let alone = content.chunks.is_empty() && content.extents.is_empty();
    require(
        alone && bytes.len() as u64 == content.size && bytes.len() <= MAX_INLINE,
        Code::InvalidArgument,
        "inline content comes alone, has the stated size and at most 64 KiB",
    )?;
    Ok(content::inline_extents(bytes).map(|(extent, _)| extent).collect())
}
