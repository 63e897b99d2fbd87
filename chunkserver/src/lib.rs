//! The chunk role: keeps replicas and shards on the node's disks, serves them, and follows the leader's orders.
//!
//! - [`format`] says what the bytes on a disk mean; [`disk`] is the little that is asked of a disk.
//! - [`store`] is the log of one disk with its index, recovery, compaction and scrub.
//! - [`service`] brings disks into service and answers clients, other members and the leader.
//!
//! What always holds: what was acknowledged is durable; nothing is deleted but on the leader's order; a disk whose
//! write or sync failed is out of service while the others carry on.

pub mod config;
pub mod disk;
pub mod error;
pub mod format;
pub mod metrics;
pub mod service;
pub mod store;

pub use config::{ChunkConfig, DiskConfig, StoreConfig};
pub use service::Chunkserver;
