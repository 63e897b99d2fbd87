//! Quotas: how much a directory may hold, with everything below it.
//!
//! What always holds:
//! - An inode counts against the quota whose number it carries (`quota_root`), with one inode and the bytes it refers
//!   to (`allocated`: holes are free, copies by reference are not), while it has a name. A quota's usage is exactly
//!   the sum over these: [`settle`] compares every inode a command changed with what it was, so no operation counts
//!   by itself and none can forget to.
//! - A quota has a number of its own, never given twice. Inodes may go on carrying the number of a quota that was
//!   removed; it then means nothing, so removing a quota touches no tree.
//! - What is made inherits the number of its directory. A tree that was there before is walked in steps, and inodes
//!   get the number, and are counted, one by one; meanwhile nothing is refused. A directory that has the number is
//!   listed in `quotawalk/` until all its entries have it or another.
//! - Trees with a quota do not lie in one another.
//!
//! Used by [`crate::apply()`] after each operation, and by those that move inodes or are about quotas.

use std::collections::{BTreeMap, BTreeSet};

use holdfast_proto::ids::ROOT_INO;
use holdfast_proto::inode::Inode;
use holdfast_proto::status::Code;

use crate::change::{Change, Stop, refuse, require};
use crate::dirs;
use crate::keys;
use crate::records::{self, Quota, State, WalkAt};
use crate::table::{Broken, View};

/// Most quotas: all of them are looked at when one is set.
pub const MAX_QUOTAS: u64 = 4096;

/// How far up the ancestors of a directory are looked at.
const MAX_DEPTH: usize = 4096;

/// What a command does to a quota's usage.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
struct Delta {
    bytes: i64,
    files: i64,
}

/// The quota of this number, if it is still there.
pub(crate) fn live(view: &dyn View, state: &State, number: u64) -> Result<Option<Quota>, Broken> {
    if number == 0 || state.quotas == 0 {
        return Ok(None);
    }
    records::load(view, &keys::quota(number))
}

/// The same for an operation.
pub(crate) fn of(cx: &Change<'_>, number: u64) -> Result<Option<Quota>, Broken> {
    live(cx.view(), &cx.state, number)
}

/// The number if its quota is still there, else 0.
fn valid(cx: &Change<'_>, number: u64) -> Result<u64, Broken> {
    Ok(if of(cx, number)?.is_some() { number } else { 0 })
}

/// Brings the usage of every quota to what the inodes are now. Refuses when one grew beyond its limits.
pub(crate) fn settle(cx: &mut Change<'_>) -> Result<(), Stop> {
    if cx.state.quotas == 0 {
        return Ok(());
    }
    let mut deltas: BTreeMap<u64, Delta> = BTreeMap::new();
    for (old, new) in cx.changed_inodes()? {
        for (inode, sign) in [(old, -1), (new, 1)] {
            if let Some(inode) = inode.filter(|inode| inode.quota_root != 0 && inode.nlink > 0) {
                let delta = deltas.entry(inode.quota_root).or_default();
                delta.bytes += sign * inode.allocated as i64;
                delta.files += sign;
            }
        }
    }
    for (number, delta) in deltas.into_iter().filter(|(_, delta)| *delta != Delta::default()) {
        let Some(mut quota) = of(cx, number)? else { continue };
        quota.used_bytes = quota.used_bytes.saturating_add_signed(delta.bytes);
        quota.used_files = quota.used_files.saturating_add_signed(delta.files);
        // What is still being counted, or was when this command came, limits nothing.
        let before: Option<Quota> = records::load(cx.base(), &keys::quota(number))?;
        if before.is_some_and(|before| !before.counting) {
            check(&quota, delta)?;
        }
        cx.store(keys::quota(number), &quota);
    }
    Ok(())
}

fn check(quota: &Quota, delta: Delta) -> Result<(), Stop> {
    let Quota { root, bytes, files, used_bytes, used_files, .. } = *quota;
    if delta.bytes > 0 && bytes != 0 && used_bytes > bytes {
        let what = format!("directory {root} would hold {used_bytes} bytes; its quota is {bytes}");
        return Err(refuse(Code::QuotaExceeded, what));
    }
    if delta.files > 0 && files != 0 && used_files > files {
        let what =
            format!("directory {root} would hold {used_files} files and directories; its quota is {files}");
        return Err(refuse(Code::QuotaExceeded, what));
    }
    Ok(())
}

/// Gives a directory its first limits. What lies in it is counted in steps.
pub(crate) fn begin(cx: &mut Change<'_>, dir: &mut Inode, bytes: u64, files: u64) -> Result<u64, Stop> {
    require(cx.state.quotas < MAX_QUOTAS, Code::TooLarge, "there are as many quotas as there may be")?;
    check_alone(cx, dir.ino)?;
    let number = cx.new_ino();
    cx.state.quotas += 1;
    dir.quota_root = number;
    // Who limits a directory wants it to stay, and the limit with it.
    dir.implicit = false;
    cx.store_inode(dir);
    cx.store(keys::quota(number), &Quota { root: dir.ino, bytes, files, ..Quota::default() });
    if dir.children > 0 {
        walk_later(cx, number, dir.ino)?;
    }
    Ok(number)
}

/// Refuses a directory inside a tree with a quota, or above one.
fn check_alone(cx: &Change<'_>, dir: u64) -> Result<(), Stop> {
    if let Some((_, quota)) = of_place(cx.view(), &cx.state, dir)? {
        let what = format!("the directory lies within directory {}, which has a quota", quota.root);
        return Err(refuse(Code::PreconditionFailed, what));
    }
    let all = keys::all(keys::QUOTA);
    let quotas =
        records::load_range::<Quota>(cx.view(), &all, &keys::after_prefix(&all), cx.state.quotas as usize)?;
    // Their ways up soon meet; none is gone twice.
    let mut seen = BTreeSet::from([ROOT_INO.0]);
    for (_, quota) in quotas {
        let mut at = quota.root;
        while at != dir && seen.insert(at) {
            at = cx.inode_there(at)?.parent;
        }
        if at == dir {
            let what = format!("directory {} below it has a quota; remove that first", quota.root);
            return Err(refuse(Code::PreconditionFailed, what));
        }
    }
    Ok(())
}

/// The quota of the tree that a directory lies in, with its number. Not all of the tree need carry it yet.
pub(crate) fn of_place(view: &dyn View, state: &State, dir: u64) -> Result<Option<(u64, Quota)>, Stop> {
    let mut at = dir;
    for _ in 0..MAX_DEPTH {
        let inode: Option<Inode> = records::load(view, &keys::inode(at))?;
        let Some(inode) = inode.filter(|_| state.quotas > 0) else { return Ok(None) };
        if let Some(quota) = live(view, state, inode.quota_root)? {
            return Ok(Some((inode.quota_root, quota)));
        }
        if at == ROOT_INO.0 || !dirs::is_dir(&inode) {
            return Ok(None);
        }
        at = inode.parent;
    }
    Err(refuse(Code::TooLarge, "the directory tree is too deep to look for a quota"))
}

/// Removes a quota. Whatever carries its number counts nowhere from now on.
pub(crate) fn remove(cx: &mut Change<'_>, number: u64) {
    cx.remove(keys::quota(number));
    cx.state.quotas = cx.state.quotas.saturating_sub(1);
}

/// A directory goes, and its quota with it.
pub(crate) fn forget_root(cx: &mut Change<'_>, dir: &Inode) -> Result<(), Stop> {
    if dirs::is_dir(dir) && of(cx, dir.quota_root)?.is_some_and(|quota| quota.root == dir.ino) {
        remove(cx, dir.quota_root);
    }
    Ok(())
}

/// Has the entries of a directory counted that carries the number already.
pub(crate) fn walk_later(cx: &mut Change<'_>, number: u64, dir: u64) -> Result<(), Stop> {
    cx.store(keys::quota_walk(number, dir), &WalkAt::default());
    if let Some(quota) = of(cx, number)?.filter(|quota| !quota.counting) {
        cx.store(keys::quota(number), &Quota { counting: true, ..quota });
    }
    Ok(())
}

/// A name moves from one directory to another, maybe the same: what it names counts there. The caller stores it.
pub(crate) fn moved(cx: &mut Change<'_>, inode: &mut Inode, from: u64, to: u64) -> Result<(), Stop> {
    if cx.state.quotas == 0 {
        return Ok(());
    }
    let new = valid(cx, cx.inode_there(to)?.quota_root)?;
    if !dirs::is_dir(inode) {
        inode.quota_root = new;
        return Ok(());
    }
    let number = |found: Option<(u64, Quota)>| found.map_or(0, |(number, _)| number);
    let before = number(of_place(cx.view(), &cx.state, from)?);
    let after = number(of_place(cx.view(), &cx.state, to)?);
    if of(cx, inode.quota_root)?.is_some_and(|quota| quota.root == inode.ino) {
        let what = "a directory with a quota cannot be moved into a directory with another";
        return require(after == 0, Code::CrossDevice, what);
    }
    if before != after {
        let what = "a directory with content cannot be moved into or out of a directory with a quota";
        require(inode.children == 0, Code::CrossDevice, what)?;
        inode.quota_root = new;
    } else if new != 0 && inode.quota_root != new {
        // The walk has not come to where it was, and may have passed where it is now.
        inode.quota_root = new;
        if inode.children > 0 {
            walk_later(cx, new, inode.ino)?;
        }
    }
    Ok(())
}

/// A file gets one more name: one that counted nowhere counts where that is. The caller stores it.
pub(crate) fn linked(cx: &Change<'_>, inode: &mut Inode, dir: &Inode) -> Result<(), Stop> {
    if valid(cx, inode.quota_root)? == 0 {
        inode.quota_root = valid(cx, dir.quota_root)?;
    }
    Ok(())
}
