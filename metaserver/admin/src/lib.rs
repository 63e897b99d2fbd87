//! The admin API: everything that administrators do, as typed functions over a connection to the cluster ([`Cluster`]) and
//! as JSON over HTTP, with accounts, roles and the dashboard.
//!
//! What always holds:
//! - Whatever the command line's `admin` does is a function here, and so is what the API does: one implementation, two
//!   doors. One file per noun, with its views, its functions and its routes.
//! - Nothing is kept here that matters: accounts, credentials and the audit log are in the replicated state. Any metaserver
//!   serves the API; what only the leader knows is asked there.
//! - Every change through HTTP names who wanted it, and so lands in the audit log with them.
//! - Secrets appear in one answer only, the one that makes them, and never in logs or addresses.
//!
//! Called by `holdfast server` ([`router`]) and by `holdfast admin`.

pub mod accounts;
pub mod audit;
pub mod balance;
pub mod classes;
mod cluster;
mod error;
pub mod files;
pub mod group_files;
pub mod groups;
pub mod history;
mod http;
pub mod keys;
mod live;
pub mod map;
pub mod meta;
mod metrics;
mod moment;
pub mod names;
pub mod overview;
mod page;
pub mod password;
pub mod procedures;
mod reason;
pub mod repair;
pub mod scrub;
pub mod settings;
mod throttle;
pub mod tokens;
pub mod topology;
mod who;

pub use cluster::Cluster;
pub use error::Problem;
pub use http::{Config, Limits, openapi, router, serve};
pub use page::Page;
pub use reason::Reason;
