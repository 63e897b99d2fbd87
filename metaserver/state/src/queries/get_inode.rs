//! An inode by number; also one without a name, while somebody holds it open.

use holdfast_proto::inode::Inode;
use holdfast_proto::query::GetInode;
use holdfast_proto::status::Code;

use crate::change::{Stop, refuse};
use crate::keys;
use crate::nameless;
use crate::queries::{Answer, reply_inode};
use crate::records;
use crate::table::View;

pub(crate) fn answer(view: &dyn View, ask: &GetInode) -> Answer {
    reply_inode(view, load(view, ask.ino)?, ask.content)
}

/// As [`load`], but one that is kept in the trash is there, too.
pub(crate) fn load_kept(view: &dyn View, ino: u64) -> Result<Inode, Stop> {
    let found: Option<Inode> = records::load(view, &keys::inode(ino))?;
    match found {
        Some(inode) if inode.trashed_until != 0 => Ok(inode),
        _ => load(view, ino),
    }
}

/// The inode, or `StaleInode`.
pub(crate) fn load(view: &dyn View, ino: u64) -> Result<Inode, Stop> {
    let found: Option<Inode> = records::load(view, &keys::inode(ino))?;
    let stale = || refuse(Code::StaleInode, format!("inode {ino} does not exist any more"));
    let inode = found.ok_or_else(stale)?;
    if inode.nlink == 0 && !nameless::is_open(view, ino)? {
        return Err(stale());
    }
    Ok(inode)
}
