//! One step of freeing the parts of an ended upload; with the last one the upload itself is forgotten.

use holdfast_proto::op::{FreeUploadStep, Reply};

use crate::change::{Change, Outcome};
use crate::keys;
use crate::ops::free_step::MAX_FREED;
use crate::records::{self, Index, Part};
use crate::uploads;

/// Parts looked at per step; with few extents each, the parts themselves are the cost.
const MAX_PARTS: usize = 250;

pub(crate) fn apply(cx: &mut Change<'_>, op: &FreeUploadStep) -> Outcome {
    let spent = keys::spent(op.upload);
    if cx.load::<Index>(&spent)?.is_none() {
        return Ok(cx.reply());
    }
    let most = (op.most as usize).clamp(1, MAX_FREED);
    let prefix = keys::parts(op.upload);
    let parts = records::load_range::<Part>(cx.view(), &prefix, &keys::after_prefix(&prefix), MAX_PARTS)?;
    let mut freed = 0;
    for (key, mut part) in parts {
        let rest = part.extents.split_off(part.extents.len().min(most - freed));
        // A part without extents counts as one, so that progress is 0 only at the end.
        freed += part.extents.len().max(1);
        if !rest.is_empty() {
            uploads::release_extents(cx, &part.extents)?;
            cx.store(key, &Part { extents: rest, ..part });
            break;
        }
        uploads::release(cx, &part)?;
        cx.remove(key);
        if freed >= most {
            break;
        }
    }
    if !cx.any(&prefix)? {
        cx.remove(spent);
        cx.remove(keys::upload(op.upload));
        return Ok(cx.reply());
    }
    Ok(Reply { progress: freed as u64, ..cx.reply() })
}
