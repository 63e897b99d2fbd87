//! More extents of a file.

use holdfast_proto::query::{GetExtents, QueryReply};
use holdfast_proto::status::Code;

use crate::change::require;
use crate::content;
use crate::queries::Answer;
use crate::table::View;

/// Most extents of a page.
const PAGE: usize = 1000;

pub(crate) fn answer(view: &dyn View, ask: &GetExtents) -> Answer {
    // What is in the trash is read by workers, and by those who began before it went there.
    let inode = super::get_inode::load_kept(view, ask.ino)?;
    require(
        ask.if_version == 0 || ask.if_version == inode.version,
        Code::PreconditionFailed,
        "the file has another version by now",
    )?;
    let end = if ask.end == 0 { u64::MAX } else { ask.end };
    let mut extents = content::overlapping(view, &inode, ask.offset, end, PAGE + 1)?;
    let more = extents.len() > PAGE;
    extents.truncate(PAGE);
    let next = extents.last().map(|last| last.end().to_string().into()).unwrap_or_default();
    Ok(QueryReply { inode: Some(super::listed(inode)), extents, more, next, ..QueryReply::default() })
}
