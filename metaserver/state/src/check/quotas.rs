//! Quotas.

use std::collections::{BTreeMap, BTreeSet};

use holdfast_proto::inode::{FileKind, Inode};

use super::{Report, each};
use crate::keys;
use crate::records::{Quota, WalkAt};
use crate::table::{Broken, View};

/// Checks quotas; how many there are.
pub(super) fn check(
    view: &dyn View,
    report: &mut Report,
    inodes: &BTreeMap<u64, Inode>,
) -> Result<u64, Broken> {
    let mut used: BTreeMap<u64, (u64, u64)> = BTreeMap::new();
    for inode in inodes.values().filter(|inode| inode.nlink > 0) {
        let sum = used.entry(inode.quota_root).or_default();
        *sum = (sum.0 + inode.allocated, sum.1 + 1);
    }
    let mut walked = BTreeSet::new();
    each::<WalkAt>(view, keys::QUOTA_WALK, report, |_, key, _| {
        walked.insert(keys::u64_at(key, 1));
        Ok(())
    })?;
    let mut quotas = BTreeMap::new();
    each::<Quota>(view, keys::QUOTA, report, |report, key, quota| {
        let number = keys::u64_at(key, 1);
        let root = inodes.get(&quota.root);
        let fits = root.is_some_and(|root| is_dir(root) && root.quota_root == number)
            && quota.counting == walked.contains(&number)
            && (quota.bytes, quota.files) != (0, 0);
        report.expect(fits, "quotas_fit", || format!("quota {number} is {quota:?}"));
        let found = used.get(&number).copied().unwrap_or_default();
        report.expect(found == (quota.used_bytes, quota.used_files), "quotas_fit", || {
            format!("quota {number} is {quota:?}, inodes come to {found:?}")
        });
        quotas.insert(number, quota);
        Ok(())
    })?;
    for inode in inodes.values().filter(|inode| is_dir(inode) && inode.nlink > 0) {
        let above = inodes.get(&inode.parent).map_or(0, |parent| parent.quota_root);
        let counted = quotas.get(&above).is_some_and(|quota| !quota.counting);
        report.expect(!counted || inode.quota_root == above, "quotas_fit", || {
            format!("directory {} carries {}, and the one above {above}", inode.ino, inode.quota_root)
        });
    }
    Ok(quotas.len() as u64)
}

fn is_dir(inode: &Inode) -> bool {
    inode.kind == FileKind::Directory as i32
}
