//! The roles of a node, each started and stopped behind the same few calls.

mod chunk;
mod client;
mod door;
mod jobs;
mod meta;

pub(crate) use chunk::Chunk;
pub(crate) use door::Door;
pub(crate) use jobs::Jobs;
pub(crate) use meta::Meta;
