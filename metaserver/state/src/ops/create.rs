//! Create a file, directory, symbolic link or special file, as a mount does. One that is opened with the same
//! command remembers when: the leader learns of that open only with the reply.

use holdfast_proto::inode::{FileKind, Inode};
use holdfast_proto::op::{Create, Reply};
use holdfast_proto::status::Code;

use crate::access::Mode;
use crate::change::{Change, Outcome, Stop, refuse, require};
use crate::dirs::{self, Owner};

const SET_GROUP_ID: u32 = 0o2000;
/// Longest target of a symbolic link, in bytes.
const MAX_TARGET: usize = 4095;

pub(crate) fn apply(cx: &mut Change<'_>, op: &Create) -> Outcome {
    let kind = FileKind::try_from(op.kind)
        .map_err(|_| refuse(Code::InvalidArgument, "this kind of file is not known"))?;
    let mut dir = dirs::directory(cx, op.parent)?;
    dirs::check_new_name(&op.name)?;
    if let Some((_, found)) = dirs::find_shown(cx.view(), dir.ino, &op.name)? {
        let inode = dirs::inode_of(cx.view(), &found)?;
        return existing(cx, op, inode);
    }
    super::check_class(cx, op.class)?;
    let mut inode = make(cx, op, &dir, kind)?;
    if op.open != 0 {
        inode.opened = cx.at;
    }
    let stored = dirs::stored_name(&op.name, kind == FileKind::Directory);
    dirs::add_entry(cx, &mut dir, &stored, &mut inode);
    dir.implicit = false;
    cx.store_inode(&dir);
    cx.store_inode(&inode);
    Ok(cx.reply_inode(inode))
}

fn existing(cx: &mut Change<'_>, op: &Create, mut inode: Inode) -> Outcome {
    require(op.or_open, Code::Exists, "the name is taken")?;
    require(!dirs::is_dir(&inode), Code::IsADirectory, "the name is taken by a directory")?;
    if op.open != 0 {
        inode.opened = cx.at;
        cx.store_inode(&inode);
    }
    Ok(Reply { existed: true, ..cx.reply_inode(inode) })
}

fn make(cx: &mut Change<'_>, op: &Create, dir: &Inode, kind: FileKind) -> Result<Inode, Stop> {
    let is_link = kind == FileKind::Symlink;
    require(
        is_link != op.target.is_empty() && op.target.len() <= MAX_TARGET,
        Code::InvalidArgument,
        "a symbolic link, and nothing else, has a target of 1 to 4095 bytes",
    )?;
    let mut owner = Owner { uid: op.uid, gid: op.gid };
    let mut mode = Mode { bits: op.mode, umask: op.umask };
    if dir.mode & SET_GROUP_ID != 0 {
        owner.gid = dir.gid;
        if kind == FileKind::Directory {
            mode.bits |= SET_GROUP_ID;
        }
    }
    let mut inode = dirs::new_inode(cx, dir, kind, mode, owner)?;
    if op.class != 0 {
        inode.class = op.class;
    }
    inode.rdev = op.rdev;
    inode.size = op.target.len() as u64;
    inode.target = op.target.clone();
    Ok(inode)
}
