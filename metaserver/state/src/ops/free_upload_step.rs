//! One step of freeing the parts of an ended upload; with the last one the upload itself is forgotten.

use holdfast_proto::op::{FreeUploadStep, Reply};

use crate::change::{Change, Outcome};
use crate::content::MAX_EXTENTS_PER_COMMAND;
use crate::keys;
use crate::records::{self, Index, Part};
use crate::uploads;

/// Parts looked at per step; with few extents each, the parts themselves are the cost.
const MAX_PARTS: usize = 250;

pub(crate) fn apply(cx: &mut Change<'_>, op: &FreeUploadStep) -> Outcome {
    let spent = keys::spent(op.upload);
    if cx.load::<Index>(&spent)?.is_none() {
        return Ok(cx.reply());
    }
    let most = (op.most as usize).clamp(1, MAX_EXTENTS_PER_COMMAND) as u64;
    let prefix = keys::parts(op.upload);
    let parts = records::load_range::<Part>(cx.view(), &prefix, &keys::after_prefix(&prefix), MAX_PARTS)?;
    let mut progress = 0;
    for (key, part) in parts {
        // A part without extents counts as one, so that progress is 0 only at the end.
        let cost = (part.extents.len() as u64).max(1);
        if progress > 0 && progress + cost > most {
            return Ok(Reply { progress, ..cx.reply() });
        }
        uploads::release(cx, &part.extents)?;
        cx.remove(key);
        progress += cost;
    }
    if !cx.any(&prefix)? {
        cx.remove(spent);
        cx.remove(keys::upload(op.upload));
        return Ok(cx.reply());
    }
    Ok(Reply { progress, ..cx.reply() })
}
