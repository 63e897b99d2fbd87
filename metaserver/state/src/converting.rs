//! The list of files whose content is to go into chunks of their class: because the class was changed, or because a chunk
//! went to the class's companion when no group of its own took it.
//!
//! What always holds: a file is on the list exactly if its inode says so ([`Inode::converting`]). Changes of class and
//! commits put it there; the worker, when everything lies where it should, and the end of the file take it off.
//! Meanwhile old chunks stay as safe as they were: they are only let go by the command that brings their successors.

use holdfast_proto::inode::{FileKind, Inode};
use holdfast_proto::map::{StorageClass, redundancy::Kind};

use crate::change::Change;
use crate::keys;
use crate::queries;
use crate::records::Mark;
use crate::table::Broken;

/// Puts a file with content in chunks on the list. The caller stores the inode.
pub(crate) fn note(cx: &mut Change<'_>, inode: &mut Inode) {
    let has_chunks = inode.kind == FileKind::File as i32 && inode.extent_count > 0;
    if has_chunks && !std::mem::replace(&mut inode.converting, true) {
        cx.store(keys::converting(inode.ino), &Mark {});
        cx.state.converting += 1;
    }
}

/// After chunks came in: puts the file on the list if one of them lies in the companion and could lie in the class.
pub(crate) fn note_companion(cx: &mut Change<'_>, inode: &mut Inode) -> Result<(), Broken> {
    let own = inode.class.max(1);
    if inode.converting || cx.ledger.brought_classes().all(|(class, _)| class == own) {
        return Ok(());
    }
    let Some(class) = queries::class_of(cx.view(), inode)? else { return Ok(()) };
    let misplaced = cx.ledger.brought_classes().any(|(of, longest)| !stays(&class, of, longest));
    if misplaced {
        note(cx, inode);
    }
    Ok(())
}

/// After parts were joined that came in by other commands: whether one of them went to the companion is for the worker to
/// see.
pub(crate) fn note_joined(cx: &mut Change<'_>, inode: &mut Inode) -> Result<(), Broken> {
    let class = queries::class_of(cx.view(), inode)?;
    if class.and_then(|class| class.redundancy).is_some_and(|redundancy| redundancy.is_erasure()) {
        note(cx, inode);
    }
    Ok(())
}

/// Whether a chunk of `bytes` in a group of class `of` is where a file of `class` wants it: in that class, or in its
/// companion if it is too short for shards.
fn stays(class: &StorageClass, of: u32, bytes: u64) -> bool {
    let shape = match class.redundancy.and_then(|redundancy| redundancy.kind) {
        Some(Kind::Erasure(shape)) => shape,
        Some(Kind::Replicated(_)) | None => return of == class.id,
    };
    of == class.id || (of == class.companion && bytes <= u64::from(shape.data.max(1) - 1) * shape.cell_bytes)
}

/// Takes it off. The caller stores the inode, or removes it.
pub(crate) fn forget(cx: &mut Change<'_>, inode: &mut Inode) {
    if std::mem::take(&mut inode.converting) {
        cx.remove(keys::converting(inode.ino));
        cx.state.converting = cx.state.converting.saturating_sub(1);
    }
}
