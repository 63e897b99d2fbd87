//! Create a directory and its parents by path, or exactly one directory.

use bytes::Bytes;
use holdfast_proto::ids::ROOT_INO;
use holdfast_proto::inode::{FileKind, Inode};
use holdfast_proto::op::{MakeDirs, Reply};
use holdfast_proto::status::Code;

use crate::access::Mode;
use crate::change::{Change, Outcome, Stop, refuse, require};
use crate::dirs::{self, MAX_KEY, Owner};

pub(crate) fn apply(cx: &mut Change<'_>, op: &MakeDirs) -> Outcome {
    require(op.path.starts_with(b"/"), Code::InvalidArgument, "a path begins with `/`")?;
    require(op.path.len() <= MAX_KEY, Code::NameTooLong, "a path is limited to 4096 bytes")?;
    let names: Vec<&[u8]> =
        op.path.split(|byte| *byte == b'/').filter(|name| !name.is_empty() && *name != b".").collect();
    let mut at = cx.inode_there(ROOT_INO.0)?;
    let mut made = false;
    for (depth, name) in names.iter().enumerate() {
        let last = depth + 1 == names.len();
        (at, made) = match enter(cx, &at, name)? {
            Some(dir) => (dir, false),
            None if op.exclusive && !last => {
                return Err(refuse(Code::NotFound, "a parent directory does not exist"));
            }
            None => (make(cx, at, name, op)?, true),
        };
    }
    require(made || !op.exclusive, Code::Exists, "the directory exists")?;
    if at.implicit {
        at.implicit = false;
        cx.store_inode(&at);
    }
    Ok(Reply { existed: !made, ..cx.reply_inode(at) })
}

/// The child directory of that name, if there is one; anything else there is in the way.
fn enter(cx: &Change<'_>, dir: &Inode, name: &[u8]) -> Result<Option<Inode>, Stop> {
    require(name != b"..", Code::InvalidArgument, "`..` is not resolved when directories are made")?;
    let Some((_, found)) = dirs::find_shown(cx.view(), dir.ino, name)? else { return Ok(None) };
    let inode = dirs::inode_of(cx.view(), &found)?;
    require(dirs::is_dir(&inode), Code::Exists, "a file of that name is in the way")?;
    Ok(Some(inode))
}

fn make(cx: &mut Change<'_>, mut dir: Inode, name: &[u8], op: &MakeDirs) -> Result<Inode, Stop> {
    dirs::check_new_name(name)?;
    let owner = Owner { uid: op.uid, gid: op.gid };
    let mut child = dirs::new_inode(cx, &dir, FileKind::Directory, Mode::exactly(op.mode), owner)?;
    let stored: Bytes = dirs::stored_name(name, true);
    dirs::add_entry(cx, &mut dir, &stored, &mut child);
    dir.implicit = false;
    cx.store_inode(&dir);
    cx.store_inode(&child);
    Ok(child)
}
