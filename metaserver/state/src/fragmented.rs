//! The list of files that a worker should look at, because their content lies in very many small extents.
//!
//! What always holds: a file is on the list exactly if its inode says so ([`Inode::fragmented`]), so nothing has to be
//! looked up for the many that are not. Writes put it there ([`note`]); the worker and the end of the file take it off
//! ([`forget`]).

use holdfast_proto::inode::Inode;

use crate::change::Change;
use crate::keys;
use crate::queries;
use crate::records::Mark;
use crate::table::Broken;

/// Extents that any file may have.
const FEW: u64 = 64;
/// More that it may have for each chunk that its bytes would fill.
const PER_CHUNK: u64 = 4;

/// After a change of content: puts the file on the list if it belongs there. The caller stores the inode.
pub(crate) fn note(cx: &mut Change<'_>, inode: &mut Inode) -> Result<(), Broken> {
    if inode.fragmented || inode.extent_count <= FEW {
        return Ok(());
    }
    let chunk_bytes = queries::class_of(cx.view(), inode)?.map_or(0, |class| class.chunk_bytes).max(1);
    if inode.extent_count > FEW + PER_CHUNK * (inode.allocated / chunk_bytes) {
        cx.store(keys::fragmented(inode.ino), &Mark {});
        inode.fragmented = true;
    }
    Ok(())
}

/// Takes it off. The caller stores the inode, or removes it.
pub(crate) fn forget(cx: &mut Change<'_>, inode: &mut Inode) {
    if std::mem::take(&mut inode.fragmented) {
        cx.remove(keys::fragmented(inode.ino));
    }
}
