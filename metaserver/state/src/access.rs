//! Access lists of inodes: what a new inode inherits, and how mode and list stay one.
//!
//! What always holds:
//! - `acl` and `default_acl` of an inode say whether its attribute is there, so that nothing else need be read.
//! - A list that says no more than the mode is not kept; one that is kept shows the same bits as the mode.
//! - Only directories have a default list, and symbolic links have none of either.
//!
//! Used by whatever makes an inode, by chmod, and by the operations on extended attributes.

use bytes::Bytes;
use holdfast_proto::inode::{FileKind, Inode};
use holdfast_proto::status::Code;

use crate::acl::{Acl, with_bits};
use crate::change::{Change, Stop, refuse, require};
use crate::dirs;
use crate::keys;
use crate::ops::set_xattr::MAX_XATTRS;
use crate::table::Broken;

/// Which of the two lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum List {
    /// The one that decides about access.
    Access,
    /// A directory's: what is made in it inherits it.
    Default,
}

impl List {
    /// The list that an attribute of this name is.
    pub(crate) fn of(name: &[u8]) -> Option<Self> {
        [Self::Access, Self::Default].into_iter().find(|list| list.name() == name)
    }

    /// The name of its attribute.
    pub(crate) fn name(self) -> &'static [u8] {
        match self {
            Self::Access => b"system.posix_acl_access",
            Self::Default => b"system.posix_acl_default",
        }
    }

    /// Whether an inode has it.
    pub(crate) fn is_there(self, inode: &Inode) -> bool {
        match self {
            Self::Access => inode.acl,
            Self::Default => inode.default_acl,
        }
    }

    fn note(self, inode: &mut Inode, there: bool) {
        match self {
            Self::Access => inode.acl = there,
            Self::Default => inode.default_acl = there,
        }
    }
}

/// The mode with which something is made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mode {
    /// What is asked for.
    pub(crate) bits: u32,
    /// What the maker takes from it, unless the directory has a default list.
    pub(crate) umask: u32,
}

impl Mode {
    /// A file about which nobody said anything.
    pub(crate) const FILE: Self = Self { bits: 0o666, umask: 0o022 };
    /// A directory about which nobody said anything.
    pub(crate) const DIRECTORY: Self = Self { bits: 0o777, umask: 0o022 };

    /// Just this mode.
    pub(crate) fn exactly(bits: u32) -> Self {
        Self { bits, umask: 0 }
    }
}

/// Gives a new inode its mode and the lists it inherits, as `posix_acl_create` of Linux does. The caller stores it.
pub(crate) fn inherit(cx: &mut Change<'_>, dir: &Inode, inode: &mut Inode, mode: Mode) -> Result<(), Stop> {
    let bits = mode.bits & 0o7777;
    if inode.kind == FileKind::Symlink as i32 {
        inode.mode = bits;
        return Ok(());
    }
    if !dir.default_acl {
        inode.mode = bits & !mode.umask;
        return Ok(());
    }
    let default = load(cx, dir, List::Default)?;
    let mut own = default.clone();
    own.restrict(bits);
    inode.mode = with_bits(bits, own.mode());
    if dirs::is_dir(inode) {
        store(cx, inode, List::Default, &default);
    }
    if !own.is_minimal() {
        store(cx, inode, List::Access, &own);
    }
    Ok(())
}

/// Hands the access list of a replaced file down to the one in its place, which has its mode. The caller stores it.
pub(crate) fn hand_down(cx: &mut Change<'_>, old: &Inode, new: &mut Inode) -> Result<(), Stop> {
    if old.acl {
        let list = load(cx, old, List::Access)?;
        store(cx, new, List::Access, &list);
    }
    Ok(())
}

/// Changes the mode, and the access list with it. The caller stores the inode.
pub(crate) fn chmod(cx: &mut Change<'_>, inode: &mut Inode, mode: u32) -> Result<(), Stop> {
    inode.mode = mode & 0o7777;
    if inode.acl {
        let mut list = load(cx, inode, List::Access)?;
        list.set_mode(mode);
        store(cx, inode, List::Access, &list);
    }
    Ok(())
}

/// Sets a list from an attribute's value; one without entries removes it. The caller stores the inode.
pub(crate) fn set(cx: &mut Change<'_>, inode: &mut Inode, list: List, value: &Bytes) -> Result<(), Stop> {
    let link = inode.kind == FileKind::Symlink as i32;
    require(!link, Code::Unsupported, "a symbolic link has no access list")?;
    let acl = Acl::parse(value).map_err(|why| refuse(Code::InvalidArgument, why))?;
    let Some(acl) = acl else {
        remove(cx, inode, list);
        return Ok(());
    };
    if list == List::Access {
        inode.mode = with_bits(inode.mode, acl.mode());
        if acl.is_minimal() {
            remove(cx, inode, list);
            return Ok(());
        }
    } else {
        require(dirs::is_dir(inode), Code::PermissionDenied, "only a directory has a default access list")?;
    }
    let fits = list.is_there(inode) || inode.xattr_count < MAX_XATTRS;
    require(fits, Code::NoSpace, "an inode has at most 128 attributes")?;
    store(cx, inode, list, &acl);
    Ok(())
}

/// Removes a list if it is there; the mode stays. The caller stores the inode.
pub(crate) fn remove(cx: &mut Change<'_>, inode: &mut Inode, list: List) {
    if list.is_there(inode) {
        cx.remove(keys::xattr(inode.ino, list.name()));
        inode.xattr_count = inode.xattr_count.saturating_sub(1);
        list.note(inode, false);
    }
}

fn store(cx: &mut Change<'_>, inode: &mut Inode, list: List, acl: &Acl) {
    cx.store_raw(keys::xattr(inode.ino, list.name()), acl.encode());
    inode.xattr_count += u32::from(!list.is_there(inode));
    list.note(inode, true);
}

fn load(cx: &Change<'_>, inode: &Inode, list: List) -> Result<Acl, Broken> {
    let value = cx.view().get(&keys::xattr(inode.ino, list.name()))?;
    let acl = value.and_then(|value| Acl::parse(&value).ok().flatten());
    acl.ok_or_else(|| Broken::Inconsistent(format!("inode {} has lost its access list", inode.ino)))
}
