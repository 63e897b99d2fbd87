//! Locks on files.

use std::collections::{BTreeMap, BTreeSet};

use holdfast_proto::inode::{FileKind, Inode};
use holdfast_proto::op::{FileLock, LockKind};

use super::sessions::Sessions;
use super::{Report, each};
use crate::keys;
use crate::locks::{MAX_LOCKS, conflict, order};
use crate::records::{Locks, Mark};
use crate::table::{Broken, View};

pub(super) fn check(
    view: &dyn View,
    report: &mut Report,
    sessions: &Sessions,
    inodes: &BTreeMap<u64, Inode>,
) -> Result<(), Broken> {
    let mut holders = BTreeSet::new();
    each::<Locks>(view, keys::LOCK, report, |report, key, Locks { held }| {
        let ino = keys::u64_at(key, 1);
        let file = inodes.get(&ino).is_some_and(|inode| inode.kind == FileKind::File as i32);
        let bounded = !held.is_empty() && held.len() <= MAX_LOCKS;
        report.expect(file && bounded && held.is_sorted_by_key(order), "locks_fit", || {
            format!("inode {ino} has {} locks", held.len())
        });
        for (at, lock) in held.iter().enumerate() {
            check_lock(report, ino, lock, held.get(at + 1..).unwrap_or_default());
        }
        holders.extend(held.iter().map(|lock| (lock.session, ino)));
        Ok(())
    })?;
    let mut listed = BTreeSet::new();
    each::<Mark>(view, keys::LOCKING, report, |_, key, _| {
        listed.insert((keys::u64_at(key, 1), keys::u64_at(key, 9)));
        Ok(())
    })?;
    report.expect(holders == listed, "locks_fit", || format!("{holders:?} lock, {listed:?} are listed"));
    // A session that ended may let go in several commands; then it is at least remembered.
    for session in holders.iter().map(|(session, _)| *session).collect::<BTreeSet<u64>>() {
        let known = sessions.open.contains_key(&session) || view.get(&keys::session(session))?.is_some();
        report.expect(known, "locks_fit", || format!("session {session} is gone but holds locks"));
    }
    Ok(())
}

/// Checks one lock against those behind it.
fn check_lock(report: &mut Report, ino: u64, lock: &FileLock, later: &[FileLock]) {
    let whole =
        lock.start <= lock.end && [LockKind::Shared as i32, LockKind::Exclusive as i32].contains(&lock.kind);
    report.expect(whole, "locks_fit", || format!("inode {ino} has {lock:?}"));
    for other in later.iter().take_while(|other| other.start <= lock.end.saturating_add(1)) {
        let own = (lock.session, lock.owner, lock.flock) == (other.session, other.owner, other.flock);
        let clash = match own {
            true => other.start <= lock.end || other.kind == lock.kind,
            false => conflict(lock, other),
        };
        report.expect(!clash, "locks_fit", || format!("inode {ino}: {lock:?} and {other:?}"));
    }
}
