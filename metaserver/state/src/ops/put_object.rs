//! Create or replace a file by path, with its parents, in one command.
//!
//! A replaced object keeps its inode for other links and open files; the new one inherits owner, mode and ACL.

use holdfast_proto::inode::{FileKind, Inode, ObjectMeta};
use holdfast_proto::op::{Conditions, PutObject, Reply, TrashWay, Unheld};
use holdfast_proto::status::Code;

use crate::access::{self, Mode};
use crate::change::{Change, Outcome, Stop, refuse};
use crate::conditions;
use crate::content::File;
use crate::dirs::{self, Owner};
use crate::nameless;
use crate::ops::set_attr::clear_set_ids;
use crate::trash::Lost;

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
        unheld: op.unheld.as_ref(),
    };
    let mut slot = place.open(cx)?;
    let inode = slot.new_inode(cx, &place)?;
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
    /// Files that nobody has open.
    pub(crate) unheld: Option<&'a Unheld>,
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
    /// The new file, not stored yet.
    pub(crate) fn new_inode(&self, cx: &mut Change<'_>, place: &Place<'_>) -> Result<Inode, Stop> {
        let mut inode = dirs::bare_inode(cx, &self.dir, FileKind::File, place.owner);
        self.inherit(cx, &mut inode, place)?;
        Ok(inode)
    }

    /// Owner, mode and access list: of what is replaced, else what is asked for and what the directory hands down.
    fn inherit(&self, cx: &mut Change<'_>, inode: &mut Inode, place: &Place<'_>) -> Result<(), Stop> {
        // Of a link or a device only the name goes on. Whoever may replace a program's bytes must not be given its owner's
        // rights with it.
        match self.old.as_ref().filter(|old| old.kind == FileKind::File as i32) {
            Some(old) => {
                (inode.uid, inode.gid, inode.mode) = (old.uid, old.gid, old.mode);
                clear_set_ids(&mut inode.mode);
                access::hand_down(cx, old, inode)
            }
            None => {
                let mode = place.mode.map_or(Mode::FILE, Mode::exactly);
                access::inherit(cx, &self.dir, inode, mode)
            }
        }
    }

    /// Lets an inode made elsewhere (a joined upload) inherit what a new one would have.
    pub(crate) fn adopt(
        &self,
        cx: &mut Change<'_>,
        inode: &mut Inode,
        place: &Place<'_>,
    ) -> Result<(), Stop> {
        inode.uid = place.owner.uid;
        inode.gid = place.owner.gid;
        inode.quota_root = self.dir.quota_root;
        self.inherit(cx, inode, place)
    }

    /// Makes the inode visible under its name.
    pub(crate) fn put(&mut self, cx: &mut Change<'_>, place: &Place<'_>, mut inode: Inode) -> Outcome {
        let (_, name) = dirs::split_key(place.key);
        let mut replaced_version = 0;
        match self.old.take() {
            Some(old) => {
                replaced_version = old.version;
                dirs::swap_entry(cx, &mut self.dir, name, &inode);
                let lost = Lost { dir: self.dir.ino, stored: name, way: TrashWay::Overwritten };
                nameless::drop_link(cx, old, &lost, place.unheld)?;
            }
            None => dirs::add_entry(cx, &mut self.dir, name, &mut inode),
        }
        cx.store_inode(&self.dir);
        cx.store_inode(&inode);
        Ok(Reply { replaced_version, ..cx.reply_inode(inode) })
    }
}
