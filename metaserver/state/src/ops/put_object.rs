//! Create or replace a file by path, with its parents, in one command.
//!
//! A replaced object keeps its inode for other links and open files; the new one inherits owner, mode and ACL.

use holdfast_proto::inode::{FileKind, Inode, ObjectMeta};
use holdfast_proto::op::{Conditions, PutObject, Reply};
use holdfast_proto::status::Code;

use crate::change::{Change, Outcome, Stop, refuse};
use crate::conditions;
use crate::content::File;
use crate::dirs::{self, Owner};
use crate::keys;
use crate::nameless;

/// Mode of a new file that nothing else decides.
const FILE_MODE: u32 = 0o644;
/// The access list that a replaced file hands down.
const ACL: &[u8] = b"system.posix_acl_access";

pub(crate) fn apply(cx: &mut Change<'_>, op: &PutObject) -> Outcome {
    let Some(content) = &op.content else {
        return Err(refuse(Code::InvalidArgument, "an object needs content, if only an empty one"));
    };
    let bucket = dirs::bucket(cx.view(), &op.bucket)?;
    let place = Place {
        bucket,
        key: &op.key,
        conditions: op.conditions.as_ref(),
        owner: Owner { uid: op.uid, gid: op.gid },
        mode: op.mode,
        holders: &op.holders,
    };
    let mut slot = place.open(cx)?;
    let inode = slot.new_inode(cx, &place);
    let mut file = File::open(inode);
    file.fill(cx, content)?;
    let mut inode = file.finish(cx)?;
    if op.class != 0 {
        super::check_class(cx, op.class)?;
        inode.class = op.class;
    }
    if let Some(mtime) = op.mtime_ns {
        inode.mtime_ns = mtime;
    }
    inode.object = op.object.clone().map(|object| ObjectMeta { version: cx.at, ..object });
    slot.put(cx, &place, inode)
}

/// Where an object goes, and what may be there.
pub(crate) struct Place<'a> {
    /// The bucket's directory.
    pub(crate) bucket: u64,
    pub(crate) key: &'a [u8],
    pub(crate) conditions: Option<&'a Conditions>,
    /// Of what is new.
    pub(crate) owner: Owner,
    pub(crate) mode: Option<u32>,
    /// Sessions that have a replaced file open.
    pub(crate) holders: &'a [u64],
}

/// The opened place: parents made, conditions held.
pub(crate) struct Slot {
    dir: Inode,
    old: Option<Inode>,
}

impl Place<'_> {
    pub(crate) fn open(&self, cx: &mut Change<'_>) -> Result<Slot, Stop> {
        dirs::check_key(self.key)?;
        let (parents, name) = dirs::split_key(self.key);
        let dir = dirs::make_parents(cx, self.bucket, &parents, self.owner)?;
        let old = match dirs::entry(cx.view(), dir.ino, name)? {
            Some(entry) => Some(dirs::inode_of(cx.view(), &entry)?),
            None => None,
        };
        conditions::check(self.conditions, old.as_ref())?;
        Ok(Slot { dir, old })
    }
}

impl Slot {
    /// The new file, not stored yet. It inherits from what it replaces, else from its directory.
    pub(crate) fn new_inode(&self, cx: &mut Change<'_>, place: &Place<'_>) -> Inode {
        let mode = place.mode.unwrap_or(FILE_MODE);
        let mut inode = dirs::new_inode(cx, &self.dir, FileKind::File, mode, place.owner);
        self.inherit(&mut inode);
        inode
    }

    /// Owner and mode of what is replaced.
    fn inherit(&self, inode: &mut Inode) {
        if let Some(old) = &self.old {
            (inode.uid, inode.gid, inode.mode) = (old.uid, old.gid, old.mode);
        }
    }

    /// Lets an inode made elsewhere (a joined upload) inherit what a new one would have.
    pub(crate) fn adopt(&self, inode: &mut Inode, place: &Place<'_>) {
        inode.uid = place.owner.uid;
        inode.gid = place.owner.gid;
        inode.quota_root = self.dir.quota_root;
        self.inherit(inode);
    }

    /// Makes the inode visible under its name.
    pub(crate) fn put(&mut self, cx: &mut Change<'_>, place: &Place<'_>, mut inode: Inode) -> Outcome {
        let (_, name) = dirs::split_key(place.key);
        let mut replaced_version = 0;
        match self.old.take() {
            Some(old) => {
                replaced_version = old.version;
                inherit_acl(cx, &old, &mut inode)?;
                dirs::swap_entry(cx, &mut self.dir, name, &inode);
                nameless::drop_link(cx, old, place.holders)?;
            }
            None => dirs::add_entry(cx, &mut self.dir, name, &inode),
        }
        cx.store_inode(&self.dir);
        cx.store_inode(&inode);
        Ok(Reply { replaced_version, ..cx.reply_inode(inode) })
    }
}

fn inherit_acl(cx: &mut Change<'_>, old: &Inode, new: &mut Inode) -> Result<(), Stop> {
    if old.xattr_count == 0 {
        return Ok(());
    }
    if let Some(acl) = cx.view().get(&keys::xattr(old.ino, ACL))? {
        cx.store_raw(keys::xattr(new.ino, ACL), acl);
        new.xattr_count += 1;
    }
    Ok(())
}
