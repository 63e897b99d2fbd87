//! Every bound of the state machine in one place, for those who must stay below it.

pub use crate::change::{MAX_BYTES, MAX_KEYS};
pub use crate::chunks::{MAX_CHUNK_BYTES, MAX_CHUNKS};
pub use crate::content::{
    MAX_EXTENTS_PER_COMMAND, MAX_FILE_BYTES, MAX_INLINE, MAX_INLINE_EXTENT, MAX_INLINE_EXTENTS,
};
pub use crate::dirs::MAX_KEY;
pub use crate::drafts::{EXTENTS_PER_STEP, MAX_DRAFTS};
pub use crate::locks::MAX_LOCKS;
pub use crate::nameless::FREED_AT_ONCE;
pub use crate::names::MAX_NAME;
pub use crate::ops::advance_gc::MAX_CURSORS;
pub use crate::ops::assemble_upload::MIN_PART_BYTES;
pub use crate::ops::clear_missing::MAX_NUMBERS;
pub use crate::ops::create_pgs::MAX_PGS;
pub use crate::ops::delete_objects::MAX_OBJECTS;
pub use crate::ops::empty_trash::MAX_EMPTIED;
pub use crate::ops::free_nameless::MAX_NAMELESS;
pub use crate::ops::free_step::MAX_FREED;
pub use crate::ops::genesis::STATE_VERSION;
pub use crate::ops::put_part::MAX_PART;
pub use crate::ops::quota_step::MAX_WALKED;
pub use crate::ops::set_access_times::MAX_TIMES;
pub use crate::ops::set_xattr::{MAX_VALUE, MAX_XATTRS};
pub use crate::quotas::MAX_QUOTAS;
pub use crate::session::{MAX_GRANTS, REMEMBERED_ENTRIES, REMEMBERED_MOST, REMEMBERED_NS, WINDOW};
pub use crate::uploads::FINISHED_KEPT_NS;
