//! Inodes that lose their names: kept while a session may hold them open, freed at once when small, in steps when
//! large or locked.
//!
//! What always holds:
//! - An inode without a name is in exactly one of `nameless/` (perhaps held open, or a draft), `gcino/` (being freed),
//!   an upload (being joined) or a part of one, or it is in the trash, and perhaps in `nameless/` as well; otherwise it
//!   is gone.
//! - It is freed only if no session that holds files is open, or if the leader says that nobody holds it and that
//!   statement still counts ([`nobody_holds`]). In doubt it is kept: the leader frees it later.
//!
//! Used by every operation that drops a name, by the leader's [`crate::ops::free_nameless`], and by whatever ends
//! drafts.

use holdfast_proto::inode::Inode;
use holdfast_proto::op::Unheld;

use crate::change::{Change, Stop};
use crate::content::File;
use crate::converting;
use crate::fragmented;
use crate::keys;
use crate::locks;
use crate::quotas;
use crate::records::{self, Index, Mark, Nameless};
use crate::table::{Broken, View};
use crate::trash::{self, Lost};

/// Inodes with at most this many extents are freed by the command that drops the last name.
pub const FREED_AT_ONCE: u64 = 64;

/// A command that has touched this many keys frees nothing more itself: the rest goes to `gcino/`.
const FREEING_ENDS_AT: usize = 3000;

/// Takes one name away from an inode that is not a directory. With its last one it goes to the trash, is left to those
/// who have it open, both, or is freed. Until when it is kept in the trash; 0: it is not.
pub(crate) fn drop_link(
    cx: &mut Change<'_>,
    mut inode: Inode,
    lost: &Lost<'_>,
    unheld: Option<&Unheld>,
) -> Result<u64, Stop> {
    inode.nlink = inode.nlink.saturating_sub(1);
    inode.ctime_ns = cx.now;
    if inode.nlink > 0 {
        cx.store_inode(&inode);
        return Ok(0);
    }
    trash::keep(cx, &mut inode, lost)?;
    let kept_until = inode.trashed_until;
    let held = !nobody_holds(cx, &inode, unheld);
    if !held && kept_until == 0 {
        free(cx, inode)?;
        return Ok(0);
    }
    if held {
        cx.state.nameless += 1;
        cx.store(keys::nameless(inode.ino), &Nameless::default());
    }
    cx.store_inode(&inode);
    Ok(kept_until)
}

/// Whether it is certain that no session has this inode open. Order in the log decides about all that is logged:
/// sessions that open or end, and files opened by the command that made or found them. The leader answers for opens
/// that are not logged, as long as no leader after it counts any.
fn nobody_holds(cx: &Change<'_>, inode: &Inode, unheld: Option<&Unheld>) -> bool {
    cx.state.mounts == 0
        || unheld.is_some_and(|unheld| {
            unheld.term >= cx.state.opens_term
                && inode.opened <= unheld.as_of
                && unheld.inos.contains(&inode.ino)
        })
}

/// Frees a nameless inode if it is there, is no draft, and nobody holds it; whether it did. One that is in the trash stays
/// there.
pub(crate) fn free_unheld(cx: &mut Change<'_>, ino: u64, unheld: &Unheld) -> Result<bool, Stop> {
    let key = keys::nameless(ino);
    let found: Option<Nameless> = cx.load(&key)?;
    if found.is_none_or(|nameless| nameless.draft.is_some()) {
        return Ok(false);
    }
    let inode = cx.inode_there(ino)?;
    if !nobody_holds(cx, &inode, Some(unheld)) {
        return Ok(false);
    }
    let_go(cx, ino);
    if inode.trashed_until == 0 {
        free(cx, inode)?;
    }
    Ok(true)
}

/// Nobody is waited for any more before a nameless inode is freed: it has a name again, or nobody holds it.
pub(crate) fn let_go(cx: &mut Change<'_>, ino: u64) {
    cx.remove(keys::nameless(ino));
    cx.state.nameless = cx.state.nameless.saturating_sub(1);
}

/// Whether an inode without a name is one that somebody may have open, and so is still what it was.
pub(crate) fn is_open(view: &dyn View, ino: u64) -> Result<bool, Broken> {
    let found: Option<Nameless> = records::load(view, &keys::nameless(ino))?;
    Ok(found.is_some_and(|nameless| nameless.draft.is_none()))
}

/// Removes an inode that nobody refers to: now if it is small and not locked, otherwise in steps.
pub(crate) fn free(cx: &mut Change<'_>, mut inode: Inode) -> Result<(), Stop> {
    quotas::forget_root(cx, &inode)?;
    cx.state.trash_times = cx.state.trash_times.saturating_sub(u64::from(inode.trash_seconds.is_some()));
    fragmented::forget(cx, &mut inode);
    converting::forget(cx, &mut inode);
    let cost = 3 * inode.extent_count as usize + inode.xattr_count as usize + 2;
    let small = inode.extent_count <= FREED_AT_ONCE && cx.keys_touched() + cost <= FREEING_ENDS_AT;
    // Locks may be many, and only a program that lost its mount leaves any on what it deletes.
    if small && !locks::any(cx.view(), &inode)? {
        return erase(cx, inode);
    }
    inode.nlink = 0;
    cx.store_inode(&inode);
    let since = Index { index: cx.at };
    cx.store(keys::gc_ino(inode.ino), &since);
    Ok(())
}

/// Removes an inode with everything that hangs on it; its locks are gone already.
pub(crate) fn erase(cx: &mut Change<'_>, inode: Inode) -> Result<(), Stop> {
    let (ino, xattrs) = (inode.ino, inode.xattr_count);
    let mut file = File::open(inode);
    file.clear(cx)?;
    file.finish(cx)?;
    if xattrs > 0 {
        let prefix = keys::xattrs(ino);
        for (key, _) in cx.view().scan(&prefix, &keys::after_prefix(&prefix), xattrs as usize)? {
            cx.remove(key);
        }
    }
    cx.remove(keys::inode(ino));
    cx.state.inodes = cx.state.inodes.saturating_sub(1);
    Ok(())
}

/// A session gives up a draft. Nothing happens if it has none of this number.
pub(crate) fn release(cx: &mut Change<'_>, session: u64, ino: u64) -> Result<(), Stop> {
    let holding = keys::holding(session, ino);
    if cx.load::<Mark>(&holding)?.is_none() {
        return Ok(());
    }
    cx.remove(holding);
    let key = keys::nameless(ino);
    if cx.load::<Nameless>(&key)?.is_none() {
        return Ok(());
    }
    cx.remove(key);
    let inode = cx.inode_there(ino)?;
    free(cx, inode)
}
