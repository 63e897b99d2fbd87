//! The trash: files that lost their last name and are kept for a while, so that they can be given one again.
//!
//! What always holds:
//! - A kept file has no name, is in `trash/` by the uptime at which it is due and in `trashpath/` by where it was, and its
//!   inode says until when ([`Inode::trashed_until`]).
//! - It is the same inode as before, with its chunks, attributes and what S3 keeps with it. Who had it open goes on using
//!   it: it is in `nameless/` as well then, and who lets go last, they or the trash, frees it.
//! - It counts against no quota, because it has no name, and in [`records::State::trashed_bytes`] with what it refers to:
//!   [`settle`] compares what a command changed with what it was, so no operation counts by itself.
//! - Nothing here goes by a clock that can be set: the time for which a file is kept is uptime of the cluster.
//!
//! Used by [`crate::nameless`] for every way in which a file loses its last name, by the operations on the trash, and by
//! [`crate::apply()`].

use bytes::Bytes;
use holdfast_proto::ids::ROOT_INO;
use holdfast_proto::inode::{FileKind, Inode};
use holdfast_proto::op::{TrashRef, TrashWay};

use crate::change::{Change, Stop};
use crate::dirs::MAX_KEY;
use crate::keys;
use crate::nameless;
use crate::records::{self, Mark, Trashed};
use crate::settings;
use crate::table::{Broken, View};

/// A name that a file loses.
pub(crate) struct Lost<'a> {
    /// The directory it was in.
    pub(crate) dir: u64,
    /// The stored name.
    pub(crate) stored: &'a [u8],
    /// By which way.
    pub(crate) way: TrashWay,
}

/// Where a name was, and what the directories above it say of the trash.
struct Place {
    path: Bytes,
    seconds: Option<u64>,
}

/// Keeps an inode that has just lost its last name, if that is wanted. The caller stores it.
pub(crate) fn keep(cx: &mut Change<'_>, inode: &mut Inode, lost: &Lost<'_>) -> Result<(), Stop> {
    if inode.kind != FileKind::File as i32 || inode.size == 0 {
        return Ok(());
    }
    let usual = settings::integer(cx.view(), settings::TRASH_SECONDS)?;
    if (usual == 0 && cx.state.trash_times == 0) || is_short_lived(cx, inode)? {
        return Ok(());
    }
    let Some(place) = place(cx, lost)? else { return Ok(()) };
    let seconds = place.seconds.unwrap_or(usual);
    if seconds == 0 {
        return Ok(());
    }
    inode.trashed_until = cx.uptime_s().saturating_add(seconds);
    let (at, path) = (cx.at, place.path);
    cx.store(keys::trash_path(&path, at, inode.ino), &Mark {});
    let kept = Trashed { path, index: at, deleted_ns: cx.now, way: lost.way as i32 };
    cx.store(keys::trash(inode.trashed_until, inode.ino), &kept);
    Ok(())
}

/// Whether a file existed for so short a time that it was meant to be temporary. While a clock that had jumped ahead holds
/// state time where it is, everything looks as if it had been made now: then it is kept.
fn is_short_lived(cx: &Change<'_>, inode: &Inode) -> Result<bool, Broken> {
    let least = settings::integer(cx.view(), settings::TRASH_MIN_AGE_SECONDS)?;
    let age = cx.now.saturating_sub(inode.btime_ns);
    Ok(age > 0 && (age as u64) < least.saturating_mul(1_000_000_000))
}

/// The path of a name, put together from the inside out; `None` when it is longer than any command could name.
fn place(cx: &Change<'_>, lost: &Lost<'_>) -> Result<Option<Place>, Stop> {
    let mut names = vec![lost.stored.to_vec()];
    let (mut at, mut seconds, mut length) = (lost.dir, None, lost.stored.len());
    while at != ROOT_INO.0 {
        let dir = cx.inode_there(at)?;
        seconds = seconds.or(dir.trash_seconds);
        length += dir.name.len();
        if length > MAX_KEY || dir.name.is_empty() {
            return Ok(None);
        }
        names.push(dir.name);
        at = dir.parent;
    }
    let mut path = Vec::with_capacity(1 + length);
    path.push(b'/');
    names.iter().rev().for_each(|name| path.extend_from_slice(name));
    Ok(Some(Place { path: path.into(), seconds }))
}

/// A kept file, if it is still the one that is meant.
pub(crate) fn find(view: &dyn View, item: TrashRef) -> Result<Option<(Inode, Trashed)>, Broken> {
    let inode: Option<Inode> = records::load(view, &keys::inode(item.ino))?;
    let Some(inode) = inode.filter(|inode| inode.trashed_until != 0) else { return Ok(None) };
    let kept: Option<Trashed> = records::load(view, &keys::trash(inode.trashed_until, inode.ino))?;
    let kept =
        kept.ok_or_else(|| Broken::Inconsistent(format!("inode {} is not in the trash", inode.ino)))?;
    let meant = item.index == 0 || item.index == kept.index;
    Ok(meant.then_some((inode, kept)))
}

/// Takes a file out of the trash. The caller stores the inode with a name, leaves it to those who have it open, or frees
/// it.
pub(crate) fn take(cx: &mut Change<'_>, inode: &mut Inode, kept: &Trashed) {
    cx.remove(keys::trash(inode.trashed_until, inode.ino));
    cx.remove(keys::trash_path(&kept.path, kept.index, inode.ino));
    cx.in_trash.insert(inode.ino);
    inode.trashed_until = 0;
}

/// Lets go of a kept file.
pub(crate) fn drop_kept(cx: &mut Change<'_>, mut inode: Inode, kept: &Trashed) -> Result<(), Stop> {
    take(cx, &mut inode, kept);
    if nameless::is_open(cx.view(), inode.ino)? {
        cx.store_inode(&inode);
        return Ok(());
    }
    nameless::free(cx, inode)
}

/// Brings the counters to what the command made of the trash.
pub(crate) fn settle(cx: &mut Change<'_>) -> Result<(), Stop> {
    for ino in std::mem::take(&mut cx.in_trash) {
        let key = keys::inode(ino);
        let kept = |found: Option<Inode>| found.filter(|inode| inode.trashed_until != 0);
        if let Some(before) = kept(records::load(cx.base(), &key)?) {
            cx.state.trashed = cx.state.trashed.saturating_sub(1);
            cx.state.trashed_bytes = cx.state.trashed_bytes.saturating_sub(before.allocated);
        }
        if let Some(now) = kept(cx.load(&key)?) {
            cx.state.trashed += 1;
            cx.state.trashed_bytes += now.allocated;
        }
    }
    Ok(())
}
