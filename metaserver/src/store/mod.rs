//! The table that holds the replicated state on disk, behind one wrapper around RocksDB.
//!
//! What always holds:
//! - There is no write-ahead log: the Raft log is one. A batch of changes and the marker of how far it reaches go
//!   in one atomic write, and flushes take all column families together, so that after any crash the table is a
//!   state that existed, marked with the right index.
//! - Reads come from a [`StateView`]: a consistent snapshot with the index it shows.
//! - A directory becomes the current table only by a durable rename of the pointer; see [`dirs`].
//!
//! Called by `raft/` (writes, snapshots) and, for reading, by the services through [`StateView`]. Nothing outside
//! this module names RocksDB.

pub(crate) mod dirs;
mod options;
mod table;
mod view;

pub use options::Resources;
pub(crate) use table::Table;
pub use view::StateView;
