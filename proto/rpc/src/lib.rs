//! Calls between processes: a small framed protocol over TCP, and the only crate that knows sockets.
//!
//! - [`Net`] makes calls: one pool of connections per peer and traffic class, hello, failure detection, and a
//!   shortcut for roles that share the process.
//! - [`Router`] names the handlers of a process; [`Server`] listens and runs them.
//! - [`MetaCaller`] follows the leader of the metadata group.
//! - [`fake`] is a faulty network in memory, so that callers are tested without sockets.
//!
//! What always holds: every call has a deadline and ends by it; every queue is bounded and answers `Busy` beyond
//! its bound; payload bytes are never copied into a message; bytes from outside never cause a panic, at worst
//! the end of their connection.

pub mod config;
mod conn;
mod connect;
pub mod detector;
mod drive;
pub mod fake;
pub mod frame;
mod handshake;
mod leader;
mod link;
mod metrics;
mod net;
mod peer;
mod reader;
mod router;
mod serve;
mod server;
mod transport;

pub use config::{Endpoint, NetConfig, ServerConfig};
pub use detector::{FailureDetector, Health, Outcome};
pub use leader::MetaCaller;
pub use net::Net;
pub use router::{Context, Router};
pub use server::Server;
