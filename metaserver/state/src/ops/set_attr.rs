//! Change attributes of an inode, its length included.

use holdfast_proto::inode::FileKind;
use holdfast_proto::op::{Reply, SetAttr};
use holdfast_proto::status::Code;

use crate::access;
use crate::change::{Change, Outcome, Stop, require};
use crate::content::{self, File, MAX_FILE_BYTES};
use crate::converting;
use crate::dirs;
use crate::drafts;

const SET_IDS: u32 = 0o6000;
const EXECUTE_BY_GROUP: u32 = 0o010;
const SET_GROUP_ID: u32 = 0o2000;

pub(crate) fn apply(cx: &mut Change<'_>, op: &SetAttr) -> Outcome {
    let mut inode = cx.inode(op.ino)?;
    let before = inode.version;
    if let Some(size) = op.size {
        let size = if op.at_least { size.max(inode.size) } else { size };
        require(!dirs::is_dir(&inode), Code::IsADirectory, "a directory has no length to set")?;
        require(
            inode.kind == FileKind::File as i32,
            Code::InvalidArgument,
            "only a file has a length to set",
        )?;
        if op.draft != 0 {
            let rest = drafts::rest_of(&inode, size);
            inode = drafts::swap(cx, inode, op.draft, &rest)?;
        }
        let mut file = File::open(inode);
        resize(cx, &mut file, size)?;
        inode = file.finish(cx)?;
        if !op.at_least {
            // As truncate(2) does, also when the length stays.
            inode.mtime_ns = cx.now;
        }
    }
    if let Some(class) = op.class {
        super::check_class(cx, class)?;
        inode.class = class;
        converting::note(cx, &mut inode);
    }
    if let Some(mode) = op.mode {
        access::chmod(cx, &mut inode, mode)?;
    }
    inode.uid = op.uid.unwrap_or(inode.uid);
    inode.gid = op.gid.unwrap_or(inode.gid);
    inode.atime_ns = op.atime_ns.unwrap_or(inode.atime_ns);
    inode.mtime_ns = op.mtime_ns.unwrap_or(inode.mtime_ns);
    if op.clear_suid && !dirs::is_dir(&inode) {
        clear_set_ids(&mut inode.mode);
    }
    inode.ctime_ns = cx.now;
    inode.implicit = false;
    cx.store_inode(&inode);
    Ok(Reply { replaced_version: before, ..cx.reply_inode(inode) })
}

/// Drops set-user-id, and set-group-id where it means a program and not mandatory locking.
pub(crate) fn clear_set_ids(mode: &mut u32) {
    let keep = if *mode & EXECUTE_BY_GROUP == 0 { *mode & SET_GROUP_ID } else { 0 };
    *mode = (*mode & !SET_IDS) | keep;
}

/// Cuts a file, or lets it grow with a hole. Content and length change together.
fn resize(cx: &mut Change<'_>, file: &mut File, size: u64) -> Result<(), Stop> {
    require(size <= MAX_FILE_BYTES, Code::TooLarge, "the file would be longer than 2^62 bytes")?;
    let old = file.inode.size;
    if size == old {
        return Ok(());
    }
    if file.inode.inline {
        resize_inline(cx, file, size)?;
    } else if size < old {
        file.cut(cx, size, u64::MAX)?;
    }
    file.inode.size = size;
    file.inode.version = cx.at;
    file.inode.mtime_ns = cx.now;
    Ok(())
}

/// Inline content is the whole content: it is cut, padded with zeros while it stays small, or spread into extents
/// in front of the hole.
fn resize_inline(cx: &mut Change<'_>, file: &mut File, size: u64) -> Result<(), Stop> {
    if size > content::MAX_INLINE_EXTENT as u64 && size > file.inode.size {
        return file.spread_inline(cx);
    }
    let mut bytes = file.take_inline(cx)?.to_vec();
    bytes.resize(size as usize, 0);
    file.put_inline(cx, bytes.into());
    Ok(())
}
