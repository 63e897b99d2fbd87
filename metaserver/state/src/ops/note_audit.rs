//! Note in the audit log what is no command of its own. The notes themselves are appended by `audit`, like those of any
//! other command, so here they are only looked at.

use holdfast_proto::op::NoteAudit;
use holdfast_proto::status::Code;

use crate::audit;
use crate::change::{Change, Outcome, require};

/// Notes of one command.
const MOST: usize = 100;

pub(crate) fn apply(cx: &mut Change<'_>, op: &NoteAudit) -> Outcome {
    require(op.notes.len() <= MOST, Code::TooLarge, "at most 100 notes come with one command")?;
    for note in &op.notes {
        audit::append(cx, audit::bounded(note.clone()))?;
    }
    Ok(cx.reply())
}
