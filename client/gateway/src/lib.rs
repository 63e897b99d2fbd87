//! The S3 door: buckets, objects and multipart uploads over HTTP, on top of the client library.
//!
//! A request passes `http` (limits, request id, log line), `auth` (who signed it), `body` (what arrives, checked),
//! and lands in `s3`, one file per family of operations. The `s3s` crate in between knows the S3 protocol: it
//! routes, reads inputs and writes outputs; it sees only requests whose signature was checked here.
//!
//! What always holds:
//! - No request without a valid signature reaches an operation, and none acts on a bucket without a rule of its key.
//! - An object becomes visible in one commit, after every checksum and signature over its bytes was checked.
//! - Bodies stream; memory per request is bounded in both directions.
//!
//! Who calls it: `holdfast server` starts a [`Gateway`] beside the other roles of a node.

mod auth;
mod body;
mod config;
#[cfg(test)]
mod e2e;
mod error;
mod gateway;
mod http;
pub mod metrics;
mod s3;
mod store;

pub use config::GatewayConfig;
pub use gateway::{Gateway, StartError};
