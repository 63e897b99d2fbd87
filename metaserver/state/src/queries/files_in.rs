//! Which of some files have content in a group. Chunks do not know their files, so whoever wants all of them walks the
//! names and asks about each page.

use bytes::Bytes;
use holdfast_proto::inode::Inode;
use holdfast_proto::query::{FilesIn, QueryReply};
use holdfast_proto::status::Code;

use crate::change::require;
use crate::content;
use crate::keys;
use crate::queries::Answer;
use crate::records;
use crate::table::View;

/// Files asked about at once.
const MOST: usize = 1000;
/// Extents looked at for one answer.
const BUDGET: usize = 50_000;
const PAGE: usize = 1000;

pub(crate) fn answer(view: &dyn View, ask: &FilesIn) -> Answer {
    require(ask.inos.len() <= MOST, Code::TooLarge, "at most 1000 files are asked about at once")?;
    let mut reply = QueryReply::default();
    let mut budget = BUDGET;
    for (position, ino) in ask.inos.iter().enumerate() {
        let Some(inode) = records::load::<Inode>(view, &keys::inode(*ino))? else { continue };
        let mut from = if position == 0 { ask.offset } else { 0 };
        loop {
            let page = content::overlapping(view, &inode, from, u64::MAX, PAGE)?;
            if page.iter().any(|extent| extent.inline.is_none() && extent.pg == ask.pg) {
                reply.inos.push(*ino);
                break;
            }
            budget = budget.saturating_sub(page.len().max(1));
            let Some(last) = page.last().filter(|_| page.len() == PAGE) else { break };
            from = last.end();
            if budget == 0 {
                return Ok(cut(reply, position, from));
            }
        }
        if budget == 0 && position + 1 < ask.inos.len() {
            return Ok(cut(reply, position + 1, 0));
        }
    }
    Ok(reply)
}

/// Enough for one answer: the next one goes on with the file at `position`, from `offset`.
fn cut(reply: QueryReply, position: usize, offset: u64) -> QueryReply {
    QueryReply { more: true, next: Bytes::from(format!("{position}/{offset}")), ..reply }
}
