//! The read path: from an open file to verified bytes.
//!
//! [`file`] is what a caller opens, [`layout`] knows where its bytes lie, [`fetch`] gets a range of one chunk from
//! the best member, [`shards`] one of an erasure-coded chunk from several, [`hedge`] limits second tries, [`stream`] fetches ahead and delivers in order.

pub(crate) mod extents;
pub(crate) mod fetch;
pub(crate) mod file;
pub(crate) mod hedge;
pub(crate) mod layout;
pub(crate) mod members;
pub(crate) mod shards;
pub(crate) mod stream;
