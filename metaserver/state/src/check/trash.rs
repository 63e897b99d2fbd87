//! Files that are kept in the trash.

use std::collections::{BTreeMap, BTreeSet};

use holdfast_proto::inode::{FileKind, Inode};

use super::{Report, each};
use crate::keys;
use crate::records::{Mark, Trashed};
use crate::table::{Broken, View};

/// Checks the trash; how many files are in it, and how many bytes they refer to.
pub(super) fn check(
    view: &dyn View,
    report: &mut Report,
    inodes: &BTreeMap<u64, Inode>,
) -> Result<(u64, u64), Broken> {
    let (mut listed, mut places) = (BTreeSet::new(), BTreeSet::new());
    each::<Trashed>(view, keys::TRASH, report, |report, key, kept| {
        let (due, ino) = (keys::u64_at(key, 1), keys::u64_at(key, 9));
        let fits = inodes.get(&ino).is_some_and(|inode| {
            inode.trashed_until == due && inode.nlink == 0 && inode.kind == FileKind::File as i32
        });
        report.expect(fits && due > 0 && kept.path.starts_with(b"/"), "trash_fits", || {
            format!("{} is {kept:?}, of {:?}", keys::describe(key), inodes.get(&ino))
        });
        listed.insert(ino);
        places.insert(keys::trash_path(&kept.path, kept.index, ino));
        Ok(())
    })?;
    let mut found = BTreeSet::new();
    each::<Mark>(view, keys::TRASH_PATH, report, |_, key, _| {
        found.insert(key.clone());
        Ok(())
    })?;
    report.expect(found == places, "trash_fits", || {
        let differ: Vec<String> =
            found.symmetric_difference(&places).map(|key| keys::describe(key)).take(10).collect();
        format!("trash/ and trashpath/ differ in {differ:?}")
    });
    let kept = inodes.values().filter(|inode| inode.trashed_until != 0);
    let say: BTreeSet<u64> = kept.clone().map(|inode| inode.ino).collect();
    report.expect(say == listed, "trash_fits", || {
        format!("listed and not said, or said and not listed: {:?}", listed.symmetric_difference(&say))
    });
    Ok((say.len() as u64, kept.map(|inode| inode.allocated).sum()))
}
