//! The leader frees inodes without names that nobody holds open any more. Those that are gone, are drafts, or may be
//! held after all stay as they are.
//!
//! The command also says which term's leader counts opens now: statements of earlier ones no longer free anything.

use holdfast_proto::op::{FreeNameless, Reply};
use holdfast_proto::status::Code;

use crate::change::{Change, Outcome, require};
use crate::nameless;

/// Most inodes of one command.
pub const MAX_NAMELESS: usize = 256;

pub(crate) fn apply(cx: &mut Change<'_>, op: &FreeNameless) -> Outcome {
    let Some(unheld) = &op.unheld else { return Ok(cx.reply()) };
    require(unheld.inos.len() <= MAX_NAMELESS, Code::TooLarge, "a command frees at most 256 inodes")?;
    cx.state.opens_term = cx.state.opens_term.max(unheld.term);
    let mut progress = 0;
    for ino in &unheld.inos {
        progress += u64::from(nameless::free_unheld(cx, *ino, unheld)?);
    }
    Ok(Reply { progress, ..cx.reply() })
}
