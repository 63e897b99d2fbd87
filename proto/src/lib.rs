//! The vocabulary of Holdfast: ids, the cluster map, shard geometry, and every message that crosses a
//! process boundary or is kept in the replicated log.
//!
//! What always holds:
//! - This crate runs nothing: no sockets, no clocks, no files. Everybody may depend on it; it depends on nobody.
//! - Messages are prost structs written by hand, so no `protoc` is needed. A tag is never reused and a field
//!   never changes its type; `tests/golden.rs` pins the bytes.
//! - Numbers inside messages are plain integers; code uses the newtypes of [`ids`].

pub mod access;
pub mod admin;
pub mod audit;
pub mod chunk;
pub mod cluster;
pub mod crosscheck;
pub mod geometry;
pub mod hello;
pub mod ids;
pub mod inode;
pub mod map;
pub mod method;
pub mod op;
pub mod query;
pub mod reason;
pub mod session;
pub mod status;

/// Protocol versions this build speaks, lowest and highest. Two sides use the highest both know.
pub const PROTOCOL_VERSIONS: std::ops::RangeInclusive<u32> = 1..=1;

/// Length of one checksummed block of a chunk, in bytes. Every block carries a CRC32C.
pub const BLOCK_BYTES: u64 = 4096;
