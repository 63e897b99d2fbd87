//! The write path: a stream becomes chunks, each chunk becomes durable on the members of a group, one command
//! makes them visible.
//!
//! [`writer`] cuts the stream, [`buffer`] assembles and checksums a chunk, [`parts`] says what of it goes to which member,
//! [`place`] makes one chunk durable, [`chunk`] is one of them without a stream, [`content`] is what results,
//! [`commit`] makes it visible and writes anew what was not counted, [`replace`] puts it in the place of what is safe already.

pub(crate) mod buffer;
pub(crate) mod chunk;
pub(crate) mod commit;
pub(crate) mod content;
pub(crate) mod member;
pub(crate) mod parts;
pub(crate) mod place;
pub(crate) mod replace;
pub(crate) mod writer;
