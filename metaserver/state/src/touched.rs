//! Which files and names a change of the table is about, for those who were told of them.

use bytes::Bytes;

use crate::keys;

/// An inode whose record changed, or a directory and the name in it that did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Touched {
    /// The inode.
    pub ino: u64,
    /// The stored name without a directory's slash; absent: the inode's own record.
    pub name: Option<Bytes>,
}

/// What a change of `key` touches; `None` for records that no file's attributes or names depend on. Content and
/// extents change only together with their inode's record.
pub fn touched(key: &Bytes) -> Option<Touched> {
    let tag = *key.first()?;
    if tag != keys::INODE && tag != keys::DENTRY {
        return None;
    }
    let ino = u64::from_be_bytes(key.get(1..9)?.try_into().ok()?);
    let name = (tag == keys::DENTRY).then(|| {
        let end = key.len() - usize::from(key.len() > 9 && key.ends_with(b"/"));
        key.slice(9..end)
    });
    Some(Touched { ino, name })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inodes_and_names_are_told_apart() {
        assert_eq!(touched(&keys::inode(7)), Some(Touched { ino: 7, name: None }));
        let name = |stored: &[u8]| touched(&keys::dentry(7, stored)).and_then(|touched| touched.name);
        assert_eq!(name(b"a/"), Some(Bytes::from_static(b"a")));
        assert_eq!(name(b"a"), Some(Bytes::from_static(b"a")));
        assert_eq!(name(b""), Some(Bytes::new()));
        assert_eq!(touched(&keys::inline(7)), None);
    }
}
