//! Locks on ranges of files, of all sessions, as flock(2) and fcntl(2) have them.
//!
//! What always holds:
//! - The locks of one file lie in `lock/<ino>`, ordered by their first byte; a file without locks has no record.
//! - `locking/<session><ino>` is there exactly while the session has a lock on the file.
//! - Locks of one owner do not overlap, and neighbours of one kind are one lock.
//! - Locks of two owners overlap only if both are shared. flock(2) and fcntl(2) are two worlds, as on Linux.
//! - Nobody waits here. Who must wait asks again: a queue in the state would outlive those who stand in it.
//!
//! Used by the operation and the question about locks, by the end of a session, and by whatever frees an inode.

use holdfast_proto::inode::{FileKind, Inode};
use holdfast_proto::op::{FileLock, LockKind, Reply};
use holdfast_proto::status::{Code, Status};

use crate::change::{Change, Stop, refuse, require};
use crate::keys;
use crate::records::{self, Locks, Mark};
use crate::table::{Broken, View};

/// Most locked ranges of one file: with the index of every session in it they can be dropped by one command.
pub const MAX_LOCKS: usize = 4000;

/// Files on which an ending session's locks are dropped by one command.
const RELEASED_AT_ONCE: usize = 256;
/// A command that wrote this much releases no more: the lists of locks it leaves to others may be long.
const RELEASING_ENDS_AT: usize = 256 << 10;

/// The locks on a file.
pub(crate) fn held(view: &dyn View, ino: u64) -> Result<Vec<FileLock>, Broken> {
    Ok(records::load::<Locks>(view, &keys::lock(ino))?.unwrap_or_default().held)
}

/// Refuses a range or kind that makes no sense, and everything that is not a file.
pub(crate) fn check(inode: &Inode, wanted: &FileLock) -> Result<(), Stop> {
    require(
        LockKind::try_from(wanted.kind).is_ok(),
        Code::InvalidArgument,
        "this kind of lock is not known",
    )?;
    require(wanted.start <= wanted.end, Code::InvalidArgument, "the range ends before it begins")?;
    require(inode.kind == FileKind::File as i32, Code::InvalidArgument, "only a file can be locked")
}

/// The first lock that does not allow the wanted one.
pub(crate) fn in_the_way(held: &[FileLock], wanted: &FileLock) -> Option<FileLock> {
    held.iter().find(|lock| !same_owner(lock, wanted) && conflict(lock, wanted)).copied()
}

fn same_owner(one: &FileLock, other: &FileLock) -> bool {
    (one.session, one.owner, one.flock) == (other.session, other.owner, other.flock)
}

/// Whether two locks of different owners cannot both be.
pub(crate) fn conflict(one: &FileLock, other: &FileLock) -> bool {
    let touch = one.start <= other.end && other.start <= one.end;
    let locks = |lock: &FileLock| lock.kind != LockKind::Unlock as i32;
    let exclusive = |lock: &FileLock| lock.kind == LockKind::Exclusive as i32;
    let clash = locks(one) && locks(other) && (exclusive(one) || exclusive(other));
    one.flock == other.flock && touch && clash
}

/// Gives a range the wanted kind, or refuses with the lock that is in the way.
pub(crate) fn set(cx: &mut Change<'_>, ino: u64, wanted: FileLock) -> Result<(), Stop> {
    let old = held(cx.view(), ino)?;
    if let Some(lock) = in_the_way(&old, &wanted) {
        let status = Status::new(Code::Locked, "another process holds a lock that does not allow this one");
        return Err(Stop::Refused(Box::new(Reply { lock: Some(lock), ..Reply::refused(status) })));
    }
    let new = with(&old, wanted);
    if new.len() > MAX_LOCKS {
        return Err(refuse(Code::TooLarge, format!("a file has at most {MAX_LOCKS} locked ranges")));
    }
    if new == old {
        return Ok(());
    }
    let has = |locks: &[FileLock]| locks.iter().any(|lock| lock.session == wanted.session);
    match (has(&old), has(&new)) {
        (false, true) => cx.store(keys::locking(wanted.session, ino), &Mark {}),
        (true, false) => cx.remove(keys::locking(wanted.session, ino)),
        _ => {}
    }
    store(cx, ino, new);
    Ok(())
}

/// The list after an owner's range got the wanted kind.
fn with(old: &[FileLock], mut wanted: FileLock) -> Vec<FileLock> {
    let mut new = Vec::with_capacity(old.len() + 2);
    for lock in old {
        if !same_owner(lock, &wanted) {
            new.push(*lock);
            continue;
        }
        // Neighbours count: what only touches the wanted range becomes one with it.
        let touches =
            lock.start <= wanted.end.saturating_add(1) && wanted.start <= lock.end.saturating_add(1);
        if touches && lock.kind == wanted.kind {
            wanted.start = wanted.start.min(lock.start);
            wanted.end = wanted.end.max(lock.end);
            continue;
        }
        if lock.end < wanted.start || lock.start > wanted.end {
            new.push(*lock);
            continue;
        }
        if lock.start < wanted.start {
            new.push(FileLock { end: wanted.start - 1, ..*lock });
        }
        if lock.end > wanted.end {
            new.push(FileLock { start: wanted.end + 1, ..*lock });
        }
    }
    if wanted.kind != LockKind::Unlock as i32 {
        new.push(wanted);
    }
    new.sort_unstable_by_key(order);
    new
}

/// The order in which a file's locks are kept.
pub(crate) fn order(lock: &FileLock) -> (u64, u64, u64, u64, bool) {
    (lock.start, lock.end, lock.session, lock.owner, lock.flock)
}

fn store(cx: &mut Change<'_>, ino: u64, held: Vec<FileLock>) {
    if held.is_empty() {
        cx.remove(keys::lock(ino));
    } else {
        cx.store(keys::lock(ino), &Locks { held });
    }
}

/// Drops every lock of an ending session, as far as one command may go; how many files are known to be left.
pub(crate) fn release_all(cx: &mut Change<'_>, session: u64) -> Result<u64, Stop> {
    let prefix = keys::lockings(session);
    let found = cx.view().scan(&prefix, &keys::after_prefix(&prefix), RELEASED_AT_ONCE + 1)?;
    let mut released = 0;
    for (key, _) in found.iter().take(RELEASED_AT_ONCE) {
        if cx.bytes_written() > RELEASING_ENDS_AT {
            break;
        }
        let ino = keys::u64_at(key, 9);
        let mut left = held(cx.view(), ino)?;
        left.retain(|lock| lock.session != session);
        store(cx, ino, left);
        cx.remove(key.clone());
        released += 1;
    }
    Ok((found.len() - released) as u64)
}

/// Whether somebody has a lock on an inode that is being freed.
pub(crate) fn any(view: &dyn View, inode: &Inode) -> Result<bool, Broken> {
    Ok(inode.kind == FileKind::File as i32 && view.get(&keys::lock(inode.ino))?.is_some())
}

/// Drops the locks of an inode that is being freed; `true` if there were any.
pub(crate) fn forget(cx: &mut Change<'_>, ino: u64) -> Result<bool, Stop> {
    let held = held(cx.view(), ino)?;
    for lock in &held {
        cx.remove(keys::locking(lock.session, ino));
    }
    store(cx, ino, Vec::new());
    Ok(!held.is_empty())
}
