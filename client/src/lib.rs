//! The Holdfast client library: files and objects of a cluster, with failover, re-placement, hedging and
//! verification hidden behind plain calls.
//!
//! Begin with [`Client::connect`]. Content is written with [`Client::put`] (a file by bucket and key) or, step by
//! step, with [`Client::writer`] and [`Client::commit`]; read with [`Client::open_object`] or
//! [`Client::open_path`] and [`OpenFile::read`]; everything else is a command ([`Client::mutate`]) or a question
//! ([`Client::ask`]).
//!
//! What always holds:
//! - Every operation ends by its deadline ([`Client::within`]), across all retries and members.
//! - A command is carried out at most once. Where nobody can know whether it was, the error says so.
//! - Every byte given out was checked against its checksum; bytes of different versions of a file never mix.
//! - Payload in flight is bounded by one byte budget per client, whatever the number of callers.
//!
//! Where to begin reading: [`client`](client.rs) is the surface, `session` the identity at the metaserver,
//! `write` and `read` the two data paths, `placement` and `health` the choice of disks.

mod admin;
mod cache;
mod classes;
mod client;
mod codecs;
mod config;
mod error;
mod health;
mod held;
mod inner;
mod io;
mod locality;
mod map;
pub mod metrics;
mod multipart;
mod paths;
mod placement;
mod put;
mod read;
mod report;
mod sender;
mod session;
mod steps;
mod write;

pub use client::Client;
pub use config::ClientConfig;
pub use error::ClientError;
pub use map::{ClusterMap, DEFAULT_CLASS};
pub use multipart::{Completion, PartInfo, list_digest};
pub use paths::{DirPage, Found, split};
pub use put::{FileWriter, PutOptions};
pub use read::extents::ExtentPage;
pub use read::file::OpenFile;
pub use session::Answer;
pub use session::opens::Hold;
pub use session::pins::Pin;
pub use session::watch::Keeper;
pub use write::chunk::StoredChunk;
pub use write::content::{Content, MAX_CHUNKS};
pub use write::writer::{ContentWriter, WriteOptions};
