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
use crate::records::{Lies, LiesIn, Mark};
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

/// After parts were joined that came in by other commands. Of what is not known, the worker sees where it lies.
pub(crate) fn note_joined(cx: &mut Change<'_>, inode: &mut Inode, lies: Option<&Lies>) -> Result<(), Broken> {
    let Some(class) = queries::class_of(cx.view(), inode)? else { return Ok(()) };
    let misplaced = match lies {
        Some(lies) => lies.classes.iter().any(|of| !stays(&class, of.class, of.longest)),
        None => class.redundancy.is_some_and(|redundancy| redundancy.is_erasure()),
    };
    if misplaced {
        note(cx, inode);
    }
    Ok(())
}

/// Where the chunks lie that this command brought.
pub(crate) fn where_brought(cx: &Change<'_>) -> Lies {
    let classes = cx.ledger.brought_classes().map(|(class, longest)| LiesIn { class, longest });
    Lies { classes: classes.collect() }
}

/// Where all chunks of a file lie, if that is known: in its class, or wherever its class lets short ones be.
pub(crate) fn where_all_of(inode: &Inode) -> Option<Lies> {
    let class = inode.class.max(queries::DEFAULT_CLASS);
    (!inode.converting).then(|| Lies { classes: vec![LiesIn { class, longest: u64::MAX }] })
}

/// Where the chunks of both lie.
pub(crate) fn both(one: Option<Lies>, other: Option<&Lies>) -> Option<Lies> {
    let mut all = one?;
    for more in &other?.classes {
        match all.classes.iter_mut().find(|of| of.class == more.class) {
            Some(of) => of.longest = of.longest.max(more.longest),
            None => all.classes.push(*more),
        }
    }
    Some(all)
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
