//! One step of preparing a draft: the next extents of its source, by reference.

use holdfast_proto::op::{FillDraft, Reply};

use crate::change::{Change, Outcome};
use crate::content::File;
use crate::drafts;
use crate::keys;
use crate::records::{Draft, Nameless};

pub(crate) fn apply(cx: &mut Change<'_>, op: &FillDraft) -> Outcome {
    let (nameless, draft, plan) = drafts::own(cx, op.draft)?;
    let source = drafts::source(cx, &plan)?;
    if draft.whole {
        return Ok(cx.reply());
    }
    let mut file = File::open(cx.inode_there(op.draft)?);
    let (taken, at) = drafts::fill(cx, &source, &mut file, &plan, draft.at)?;
    let inode = file.finish(cx)?;
    cx.store_inode(&inode);
    let whole = at >= plan.to;
    let draft = Draft { at, whole, plan: Some(plan) };
    cx.store(keys::nameless(op.draft), &Nameless { draft: Some(draft), ..nameless });
    // A step over nothing but holes took no extent, yet is not the end.
    let progress = if whole { 0 } else { (taken as u64).max(1) };
    Ok(Reply { progress, ..cx.reply() })
}
