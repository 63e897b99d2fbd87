//! The metadata group: Raft, its log, its state machine's table, and [`Group`], through which everything else of
//! the metaserver uses them.
//!
//! What always holds:
//! - openraft's types stay in this module. [`Group`] speaks commands, views and plain numbers.
//! - Raft and its messages run on a runtime of their own, on which nothing blocks, hashes or touches the table.
//! - A reply means: on the disks of a quorum, and applied here.
//! - When the core fails, the process ends and leaves recovery to its supervisor.
//!
//! Where to begin reading: `group.rs` (what callers see), `launch.rs` (what runs), `start.rs` (recovery), `apply.rs`
//! (how commands reach the table), `log.rs`, `snapshot.rs`.

mod apply;
mod codec;
mod config;
mod confirm;
mod error;
mod group;
mod launch;
mod log;
mod machine;
mod manifest;
mod marker;
mod member;
mod membership;
mod network;
mod policy;
mod propose;
mod read;
mod receive;
mod runtime;
mod send;
mod serve;
mod snapshot;
mod start;
mod state;
mod stream;
mod torn;
mod types;
mod wire;

#[cfg(test)]
mod tests;

pub use apply::{Effects, Observer, StateMachine, Touch};
pub use config::{AbortHook, BatchLimits, GroupConfig, ReadPolicy, SnapshotPolicy, StoreLimits, Timers};
pub use error::MetaError;
pub use group::{Group, Leadership};
pub use runtime::RaftRuntime;
pub use serve::Inbox;
pub use wire::{Kind, Pending, Wire};
