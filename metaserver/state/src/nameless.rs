//! Inodes that lose their names: kept while sessions hold them open, freed at once when small, in steps when
//! large.
//!
//! What always holds: an inode without a name is in exactly one of `nameless/` (held open, or a draft), `gcino/`
//! (being freed), an upload (being joined) or a part of one; otherwise it is gone.
//!
//! Used by every operation that drops a name, by releases, and by the end of a session.

use holdfast_proto::inode::Inode;

use crate::change::{Change, Stop};
use crate::content::File;
use crate::keys;
use crate::records::{self, Index, Mark, Nameless, Session};
use crate::table::{Broken, View};

/// Inodes with at most this many extents are freed by the command that drops the last name.
pub const FREED_AT_ONCE: u64 = 64;

/// A command that has touched this many keys frees nothing more itself: the rest goes to `gcino/`.
const FREEING_ENDS_AT: usize = 3000;

/// Takes one name away from an inode that is not a directory. `holders` have it open.
pub(crate) fn drop_link(cx: &mut Change<'_>, mut inode: Inode, holders: &[u64]) -> Result<(), Stop> {
    inode.nlink = inode.nlink.saturating_sub(1);
    inode.ctime_ns = cx.now;
    if inode.nlink > 0 {
        cx.store_inode(&inode);
        return Ok(());
    }
    let holders = open_sessions(cx, holders)?;
    if holders.is_empty() {
        return free(cx, inode);
    }
    for session in &holders {
        cx.store(keys::holding(*session, inode.ino), &Mark {});
    }
    cx.store(keys::nameless(inode.ino), &Nameless { holders, draft: None });
    cx.store_inode(&inode);
    Ok(())
}

/// Whether an inode without a name is one that somebody has open, and so is still what it was.
pub(crate) fn is_open(view: &dyn View, ino: u64) -> Result<bool, Broken> {
    let found: Option<Nameless> = records::load(view, &keys::nameless(ino))?;
    Ok(found.is_some_and(|nameless| nameless.draft.is_none()))
}

fn open_sessions(cx: &Change<'_>, holders: &[u64]) -> Result<Vec<u64>, Stop> {
    let mut open = Vec::new();
    for id in holders {
        if cx.load::<Session>(&keys::session(*id))?.is_some_and(|session| session.is_open()) {
            open.push(*id);
        }
    }
    open.sort_unstable();
    open.dedup();
    Ok(open)
}

/// Removes an inode that nobody refers to: now if it is small, otherwise in steps.
pub(crate) fn free(cx: &mut Change<'_>, mut inode: Inode) -> Result<(), Stop> {
    let cost = 3 * inode.extent_count as usize + inode.xattr_count as usize + 2;
    if inode.extent_count <= FREED_AT_ONCE && cx.keys_touched() + cost <= FREEING_ENDS_AT {
        return erase(cx, inode);
    }
    inode.nlink = 0;
    cx.store_inode(&inode);
    let since = Index { index: cx.at };
    cx.store(keys::gc_ino(inode.ino), &since);
    Ok(())
}

/// Removes an inode with everything that hangs on it.
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

/// A session lets go of a nameless inode; the last one to do so frees it. Nothing happens if it held none.
pub(crate) fn release(cx: &mut Change<'_>, session: u64, ino: u64) -> Result<(), Stop> {
    let holding = keys::holding(session, ino);
    if cx.load::<Mark>(&holding)?.is_none() {
        return Ok(());
    }
    cx.remove(holding);
    let key = keys::nameless(ino);
    let Some(mut nameless) = cx.load::<Nameless>(&key)? else { return Ok(()) };
    nameless.holders.retain(|holder| *holder != session);
    if !nameless.holders.is_empty() {
        cx.store(key, &nameless);
        return Ok(());
    }
    cx.remove(key);
    let inode = cx.inode_there(ino)?;
    free(cx, inode)
}
