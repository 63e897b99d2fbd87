//! Limit what a directory may hold, change its limits, or remove them.

use holdfast_proto::op::{Reply, SetQuota};

use crate::change::{Change, Outcome};
use crate::dirs;
use crate::keys;
use crate::quotas;
use crate::records::Quota;

pub(crate) fn apply(cx: &mut Change<'_>, op: &SetQuota) -> Outcome {
    let mut dir = dirs::directory(cx, op.ino)?;
    let own = quotas::of(cx, dir.quota_root)?.filter(|quota| quota.root == dir.ino);
    let none = op.bytes == 0 && op.files == 0;
    match own {
        Some(_) if none => quotas::remove(cx, dir.quota_root),
        // Less than what is there is fine: it only cannot grow.
        Some(quota) => {
            cx.store(keys::quota(dir.quota_root), &Quota { bytes: op.bytes, files: op.files, ..quota });
        }
        None if none => {}
        None => drop(quotas::begin(cx, &mut dir, op.bytes, op.files)?),
    }
    let id = if none { 0 } else { dir.quota_root };
    Ok(Reply { id, ..cx.reply_inode(dir) })
}
