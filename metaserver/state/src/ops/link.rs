//! One more name for a file.

use holdfast_proto::op::Link;
use holdfast_proto::status::Code;

use crate::change::{Change, Outcome, require};
use crate::dirs;
use crate::quotas;

/// Most names of one inode.
const MAX_LINKS: u32 = 1_000_000;

pub(crate) fn apply(cx: &mut Change<'_>, op: &Link) -> Outcome {
    let mut dir = dirs::directory(cx, op.parent)?;
    dirs::check_new_name(&op.name)?;
    let mut inode = cx.inode(op.ino)?;
    require(!dirs::is_dir(&inode), Code::IsADirectory, "a directory cannot have a second name")?;
    require(inode.nlink > 0, Code::NotFound, "the file has no name any more")?;
    require(inode.nlink < MAX_LINKS, Code::TooManyLinks, "the file has as many names as it may have")?;
    let taken = dirs::find_shown(cx.view(), dir.ino, &op.name)?.is_some();
    require(!taken, Code::Exists, "the name is taken")?;
    inode.nlink += 1;
    quotas::linked(cx, &mut inode, &dir)?;
    inode.ctime_ns = cx.now;
    dirs::add_entry(cx, &mut dir, &dirs::stored_name(&op.name, false), &mut inode);
    dir.implicit = false;
    cx.store_inode(&dir);
    cx.store_inode(&inode);
    Ok(cx.reply_inode(inode))
}
