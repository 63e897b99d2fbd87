//! Access lists.

use std::collections::{BTreeMap, BTreeSet};

use holdfast_proto::inode::{FileKind, Inode};

use super::{Report, each_raw};
use crate::access::List;
use crate::acl::Acl;
use crate::keys;
use crate::table::{Broken, View};

pub(super) fn check(
    view: &dyn View,
    report: &mut Report,
    inodes: &BTreeMap<u64, Inode>,
) -> Result<(), Broken> {
    let mut found = BTreeSet::new();
    each_raw(view, &[keys::XATTR], &keys::after_prefix(&[keys::XATTR]), |key, value| {
        let Some(list) = List::of(&keys::name_of(key)) else { return Ok(()) };
        let ino = keys::u64_at(key, 1);
        found.insert((ino, list));
        let Some(inode) = inodes.get(&ino) else { return Ok(()) };
        let fits = match (Acl::parse(&value), list) {
            (Ok(Some(acl)), List::Access) => !acl.is_minimal() && acl.mode() == inode.mode & 0o777,
            (Ok(Some(_)), List::Default) => inode.kind == FileKind::Directory as i32,
            _ => false,
        };
        report.expect(fits && inode.kind != FileKind::Symlink as i32, "acls_fit", || {
            format!("inode {ino} with mode {:o} has the {list:?} list {value:?}", inode.mode)
        });
        Ok(())
    })?;
    let said: BTreeSet<(u64, List)> = (inodes.values())
        .flat_map(|inode| [(inode, List::Access), (inode, List::Default)])
        .filter(|(inode, list)| list.is_there(inode))
        .map(|(inode, list)| (inode.ino, list))
        .collect();
    report.expect(said == found, "acls_fit", || format!("inodes say {said:?}, there are {found:?}"));
    Ok(())
}
