//! A disk that left a group holds nothing of it any more. What is still recorded as missing on it goes too, and may go
//! before: a disk that is lost cannot say that it let go, and what it lacks is not to be counted until it is replaced.

use holdfast_proto::op::{ClearLeave, Reply};
use holdfast_proto::status::Code;

use crate::change::{Change, Outcome, refuse};
use crate::keys;
use crate::records::Leave;

/// Most `missing/` records removed by one command.
const AT_ONCE: usize = 2000;

pub(crate) fn apply(cx: &mut Change<'_>, op: &ClearLeave) -> Outcome {
    let Some(disk) = &op.disk else { return Err(refuse(Code::InvalidArgument, "no disk is named")) };
    let key = keys::leave(disk.disk, op.pg);
    let leave: Option<Leave> = cx.load(&key)?;
    if leave.is_none_or(|leave| leave.incarnation != disk.incarnation) {
        // Cleared before; a later leave is not this one.
        return Ok(cx.reply());
    }
    let prefix = keys::missing_in(disk.disk, op.pg);
    let mut missing = cx.view().scan(&prefix, &keys::after_prefix(&prefix), AT_ONCE + 1)?;
    let left = missing.len().saturating_sub(AT_ONCE);
    missing.truncate(AT_ONCE);
    cx.state.missing = cx.state.missing.saturating_sub(missing.len() as u64);
    for (key, _) in missing {
        cx.remove(key);
    }
    if left == 0 && !op.holds {
        cx.remove(key);
    }
    Ok(Reply { progress: left as u64, ..cx.reply() })
}
