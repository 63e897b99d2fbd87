//! POSIX access lists, as the kernel writes them into extended attributes.
//!
//! What always holds:
//! - An [`Acl`] is whole: an entry for owner, group and others each, a mask if anybody is named, nobody twice, in the
//!   kernel's order.
//! - The rules are those of Linux (`fs/posix_acl.c`), so a mount and this state never disagree about a mode.
//!
//! Pure; [`crate::access`] keeps lists beside inodes.

use bytes::{BufMut, Bytes, BytesMut};

const VERSION: u32 = 2;
const HEADER: usize = 4;
const ENTRY: usize = 8;

const OWNER: u16 = 0x01;
const USER: u16 = 0x02;
const GROUP_OBJ: u16 = 0x04;
const GROUP: u16 = 0x08;
const MASK: u16 = 0x10;
const OTHER: u16 = 0x20;
/// What stands as id where nobody is named.
const NOBODY: u32 = u32::MAX;

/// Bits of a mode that a list decides.
const BITS: u32 = 0o777;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Entry {
    tag: u16,
    perm: u16,
    id: u32,
}

/// An access list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Acl {
    entries: Vec<Entry>,
}

impl Acl {
    /// Reads the value of an attribute. `None`: a list without entries, which stands for none at all.
    pub(crate) fn parse(value: &[u8]) -> Result<Option<Self>, &'static str> {
        if value.is_empty() {
            return Ok(None);
        }
        let Some((version, rest)) = value.split_first_chunk::<HEADER>() else {
            return Err("an access list is shorter than its header");
        };
        if u32::from_le_bytes(*version) != VERSION {
            return Err("an access list has another version than 2");
        }
        let (chunks, tail) = rest.as_chunks::<ENTRY>();
        if !tail.is_empty() {
            return Err("an access list ends within an entry");
        }
        if chunks.is_empty() {
            return Ok(None);
        }
        let entries: Vec<Entry> = chunks.iter().map(Entry::read).collect();
        check(&entries)?;
        Ok(Some(Self { entries }))
    }

    /// Its value as an attribute.
    pub(crate) fn encode(&self) -> Bytes {
        let mut value = BytesMut::with_capacity(HEADER + ENTRY * self.entries.len());
        value.put_u32_le(VERSION);
        for entry in &self.entries {
            value.put_u16_le(entry.tag);
            value.put_u16_le(entry.perm);
            value.put_u32_le(entry.id);
        }
        value.freeze()
    }

    /// Whether it says no more than a mode does.
    pub(crate) fn is_minimal(&self) -> bool {
        self.entries.iter().all(|entry| matches!(entry.tag, OWNER | GROUP_OBJ | OTHER))
    }

    /// The permission bits that go with it.
    pub(crate) fn mode(&self) -> u32 {
        self.perm(OWNER) << 6 | self.perm(self.group_class()) << 3 | self.perm(OTHER)
    }

    /// Takes over the bits of a new mode, as chmod(2) does.
    pub(crate) fn set_mode(&mut self, mode: u32) {
        let group = self.group_class();
        self.set(OWNER, mode >> 6);
        self.set(group, mode >> 3);
        self.set(OTHER, mode);
    }

    /// Allows no more than the mode with which a file is created.
    pub(crate) fn restrict(&mut self, mode: u32) {
        self.set_mode(mode & self.mode());
    }

    /// The entry that a mode's group bits stand for.
    fn group_class(&self) -> u16 {
        if self.entries.iter().any(|entry| entry.tag == MASK) { MASK } else { GROUP_OBJ }
    }

    fn perm(&self, tag: u16) -> u32 {
        self.entries.iter().find(|entry| entry.tag == tag).map_or(0, |entry| entry.perm.into())
    }

    fn set(&mut self, tag: u16, bits: u32) {
        for entry in self.entries.iter_mut().filter(|entry| entry.tag == tag) {
            entry.perm = (bits & 7) as u16;
        }
    }
}

impl Entry {
    fn read(bytes: &[u8; ENTRY]) -> Self {
        let [a, b, c, d, id @ ..] = *bytes;
        let (tag, perm) = (u16::from_le_bytes([a, b]), u16::from_le_bytes([c, d]));
        let named = matches!(tag, USER | GROUP);
        Self { tag, perm, id: if named { u32::from_le_bytes(id) } else { NOBODY } }
    }
}

/// Refuses a list that is not whole.
fn check(entries: &[Entry]) -> Result<(), &'static str> {
    let count = |tag: u16| entries.iter().filter(|entry| entry.tag == tag).count();
    if entries.iter().any(|entry| !matches!(entry.tag, OWNER | USER | GROUP_OBJ | GROUP | MASK | OTHER)) {
        return Err("an access list has an entry of an unknown kind");
    }
    if entries.iter().any(|entry| entry.perm > 7) {
        return Err("an access list has an entry with unknown permissions");
    }
    // The numbers of the kinds are in the order in which they have to come.
    if !entries.is_sorted_by_key(|entry| entry.tag) {
        return Err("an access list is out of order");
    }
    if [OWNER, GROUP_OBJ, OTHER].into_iter().any(|tag| count(tag) != 1) || count(MASK) > 1 {
        return Err(
            "an access list has one entry for the owner, one for the group, one for others, and one mask",
        );
    }
    if count(MASK) == 0 && count(USER) + count(GROUP) > 0 {
        return Err("an access list that names somebody needs a mask");
    }
    let mut named: Vec<(u16, u32)> = entries.iter().map(|entry| (entry.tag, entry.id)).collect();
    named.sort_unstable();
    if named.windows(2).any(|pair| pair.first() == pair.last()) {
        return Err("an access list names somebody twice");
    }
    if entries.iter().any(|entry| matches!(entry.tag, USER | GROUP) && entry.id == NOBODY) {
        return Err("an access list names nobody");
    }
    Ok(())
}

/// Puts the bits that a list decides into a mode.
pub(crate) fn with_bits(mode: u32, bits: u32) -> u32 {
    (mode & !BITS) | (bits & BITS)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn value(entries: &[(u16, u16, u32)]) -> Bytes {
        let mut value = BytesMut::new();
        value.put_u32_le(2);
        for (tag, perm, id) in entries {
            value.put_u16_le(*tag);
            value.put_u16_le(*perm);
            value.put_u32_le(*id);
        }
        value.freeze()
    }

    fn acl(entries: &[(u16, u16, u32)]) -> Acl {
        Acl::parse(&value(entries)).unwrap().unwrap()
    }

    const NAMED: [(u16, u16, u32); 6] =
        [(1, 7, NOBODY), (2, 6, 1000), (4, 5, NOBODY), (8, 7, 50), (0x10, 7, NOBODY), (0x20, 5, NOBODY)];

    #[test]
    fn what_the_kernel_writes_is_read_and_written() {
        let bytes = value(&NAMED);
        // As `getfattr -e hex` shows it.
        assert_eq!(bytes[..12], [2, 0, 0, 0, 1, 0, 7, 0, 0xff, 0xff, 0xff, 0xff]);
        assert_eq!(acl(&NAMED).encode(), bytes);
        assert_eq!(Acl::parse(b""), Ok(None));
        assert_eq!(Acl::parse(&value(&[])), Ok(None));
    }

    #[test]
    fn what_is_not_whole_is_refused() {
        let without = |at: usize| -> Vec<(u16, u16, u32)> {
            NAMED.iter().enumerate().filter(|(n, _)| *n != at).map(|(_, entry)| *entry).collect()
        };
        for required in [0, 2, 4, 5] {
            assert!(Acl::parse(&value(&without(required))).is_err(), "{required}");
        }
        for optional in [1, 3] {
            assert!(Acl::parse(&value(&without(optional))).is_ok(), "{optional}");
        }
        let mut twice = NAMED.to_vec();
        twice.insert(2, NAMED[1]);
        assert!(Acl::parse(&value(&twice)).is_err());
        twice[2].2 += 1;
        assert!(Acl::parse(&value(&twice)).is_ok());
        for (at, bad) in [(1, (3, 6, 1)), (1, (2, 8, 1)), (1, (2, 6, NOBODY)), (0, NAMED[5]), (5, NAMED[0])] {
            let mut entries = NAMED;
            entries[at] = bad;
            assert!(Acl::parse(&value(&entries)).is_err(), "{entries:?}");
        }
        let mut mixed = NAMED;
        mixed.swap(1, 2);
        assert!(Acl::parse(&value(&mixed)).is_err());
        assert!(Acl::parse(&[&value(&NAMED)[..], &[0]].concat()).is_err());
        assert!(Acl::parse(&[2, 0, 0]).is_err());
        assert!(Acl::parse(&[1, 0, 0, 0]).is_err());
        assert!(Acl::parse(&value(&NAMED)[..50]).is_err());
    }

    #[test]
    fn the_mode_shows_the_mask_where_there_is_one() {
        assert_eq!(acl(&NAMED).mode(), 0o775);
        assert!(!acl(&NAMED).is_minimal());
        let minimal = acl(&[(1, 6, 0), (4, 4, 0), (0x20, 0, 0)]);
        assert_eq!(minimal.mode(), 0o640);
        assert!(minimal.is_minimal());
    }

    #[test]
    fn chmod_changes_owner_mask_and_others() {
        let mut list = acl(&NAMED);
        list.set_mode(0o640);
        let mut expected = NAMED;
        (expected[0].1, expected[4].1, expected[5].1) = (6, 4, 0);
        assert_eq!(list, acl(&expected));
    }

    #[test]
    fn creating_restricts_to_both() {
        let mut list = acl(&NAMED);
        list.restrict(0o6666);
        let mut expected = NAMED;
        (expected[0].1, expected[4].1, expected[5].1) = (6, 6, 4);
        assert_eq!(list, acl(&expected));
        assert_eq!(list.mode(), 0o664);
    }

    proptest! {
        #[test]
        fn any_bytes_are_refused_or_come_back(tags in proptest::collection::vec(
            (0usize..8, 0u16..9, 0u32..3), 0..8), cut in 0usize..9) {
            let tag = |at: usize| [1, 2, 4, 8, 0x10, 0x20, 3, 0x20][at];
            let entries: Vec<_> = tags.iter().map(|(at, perm, id)| (tag(*at), *perm, *id)).collect();
            let bytes = value(&entries);
            let bytes = &bytes[..bytes.len() - cut.min(bytes.len())];
            if let Ok(Some(list)) = Acl::parse(bytes) {
                prop_assert_eq!(Acl::parse(&list.encode()), Ok(Some(list.clone())));
                let mut changed = list.clone();
                changed.set_mode(list.mode());
                prop_assert_eq!(changed, list);
            }
        }
    }
}
