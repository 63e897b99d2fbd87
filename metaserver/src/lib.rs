//! The metaserver: keeps the file system's metadata on a group of nodes by Raft, and leads repair, collection and
//! placement.
//!
//! - [`raft`]: the group. Commands go in, consistent views of the state come out.
//! - [`store`]: the table on disk under it.

pub mod raft;
pub mod store;
