//! The replicated state machine of the metadata: a pure function from (state, command) to (state, reply).
//!
//! What always holds:
//! - No clock, no randomness, no I/O, no threads: this crate depends on neither tokio, RocksDB nor openraft, and
//!   a test looks at its dependency tree to keep it so.
//! - The state is an ordered key-value table ([`table`]). Keys are made in [`keys`], records in [`records`].
//! - One file per operation ([`apply()`] dispatches) and one per question ([`query`] dispatches).
//!
//! - [`check()`] walks the whole state and names every invariant it finds broken.
//!
//! Who calls what: the metaserver applies committed commands and answers questions; its leader's loops read
//! [`map_view`] and [`work`] and hand what they find to the planners in [`plan`].

mod access;
mod access_control;
mod acl;
mod apply;
mod audit;
mod change;

pub mod check;
mod chunks;
pub mod conditions;
mod content;
mod converting;
mod digest;
mod dirs;
mod drafts;
mod fragmented;
pub mod keys;
pub mod limits;
mod locks;
mod losing;
pub mod map_view;
mod members;
mod nameless;
pub mod names;
mod ops;
pub mod plan;
mod procedures;
mod queries;
mod quotas;
pub mod records;
mod session;
pub mod settings;
pub mod table;
mod touched;
mod trash;
mod uploads;
pub mod work;

pub use apply::apply;
pub use audit::path_of;
pub use audit::verify as verify_audit;

pub use check::{Report, check};
pub use digest::digest;
pub use losing::losing;
pub use queries::query;
pub use table::{Broken, MemTable, Overlay, Tx, View};
pub use touched::{Touched, touched};
