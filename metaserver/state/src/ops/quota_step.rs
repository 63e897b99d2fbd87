//! One step of counting a tree that got a quota: entries of directories that carry its number get it, too. Of a quota
//! that was removed meanwhile, what the walk left is cleared away.

use holdfast_proto::op::{QuotaStep, Reply};

use crate::change::{Change, Outcome, Stop};
use crate::dirs;
use crate::keys;
use crate::quotas;
use crate::records::{self, Dentry, Quota, WalkAt};

/// Most entries looked at by one step.
pub const MAX_WALKED: usize = 500;
/// A step that wrote this much looks at no more: inodes may be large.
const WALKING_ENDS_AT: usize = 256 << 10;

pub(crate) fn apply(cx: &mut Change<'_>, op: &QuotaStep) -> Outcome {
    let most = (op.most as usize).clamp(1, MAX_WALKED);
    let quota = quotas::of(cx, op.quota)?;
    if quota.is_none() {
        return clear(cx, op.quota, most);
    }
    let (prefix, mut left) = (keys::quota_walks(op.quota), most);
    while left > 0 && cx.bytes_written() < WALKING_ENDS_AT {
        let first = records::load_range::<WalkAt>(cx.view(), &prefix, &keys::after_prefix(&prefix), 1)?;
        let Some((key, at)) = first.into_iter().next() else { break };
        left = left.saturating_sub(walk(cx, op.quota, keys::u64_at(&key, 9), at, left)?);
    }
    if cx.any(&prefix)? {
        return Ok(Reply { progress: (most - left).max(1) as u64, ..cx.reply() });
    }
    // The command that leaves nothing to walk says so: no later one would come.
    if let Some(quota) = quotas::of(cx, op.quota)?.filter(|quota| quota.counting) {
        cx.store(keys::quota(op.quota), &Quota { counting: false, ..quota });
    }
    Ok(cx.reply())
}

/// Looks at the next entries of one directory; how many, and at least one.
fn walk(cx: &mut Change<'_>, number: u64, dir: u64, at: WalkAt, most: usize) -> Result<usize, Stop> {
    let key = keys::quota_walk(number, dir);
    let inode: Option<holdfast_proto::inode::Inode> = cx.load(&keys::inode(dir))?;
    if !inode.is_some_and(|inode| inode.quota_root == number && inode.nlink > 0) {
        // Removed, or moved out while it was empty.
        cx.remove(key);
        return Ok(1);
    }
    let from = match &at.after {
        Some(name) => keys::next(&keys::dentry(dir, name)),
        None => keys::dentries(dir),
    };
    let end = keys::after_prefix(&keys::dentries(dir));
    let found = records::load_range::<Dentry>(cx.view(), &from, &end, most)?;
    let (all, mut looked, mut after) = (found.len(), 0, at.after);
    for (entry, dentry) in found {
        if cx.bytes_written() >= WALKING_ENDS_AT {
            break;
        }
        enter(cx, number, &dentry)?;
        after = Some(keys::name_of(&entry));
        looked += 1;
    }
    if looked == all && all < most {
        cx.remove(key);
    } else {
        cx.store(key, &WalkAt { after });
    }
    Ok(looked.max(1))
}

/// Gives an inode the number, unless it counts somewhere.
fn enter(cx: &mut Change<'_>, number: u64, dentry: &Dentry) -> Result<(), Stop> {
    let mut inode = dirs::inode_of(cx.view(), dentry)?;
    if inode.quota_root == number || quotas::of(cx, inode.quota_root)?.is_some() {
        return Ok(());
    }
    inode.quota_root = number;
    cx.store_inode(&inode);
    if inode.children > 0 {
        quotas::walk_later(cx, number, inode.ino)?;
    }
    Ok(())
}

fn clear(cx: &mut Change<'_>, number: u64, most: usize) -> Outcome {
    let prefix = keys::quota_walks(number);
    let left = cx.view().scan(&prefix, &keys::after_prefix(&prefix), most)?;
    let progress = left.len() as u64;
    for (key, _) in left {
        cx.remove(key);
    }
    Ok(Reply { progress, ..cx.reply() })
}
