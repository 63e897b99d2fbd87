//! Commands on files: one file per verb, the copying engine in `copy` with its walkers and workers.

pub(crate) mod cat;
pub(crate) mod class;
pub(crate) mod copy;
pub(crate) mod df;
pub(crate) mod du;
pub(crate) mod ls;
pub(crate) mod mkdir;
pub(crate) mod mv;
pub(crate) mod rm;
pub(crate) mod stat;
pub(crate) mod tree;

mod download;
mod many;
mod server_copy;
mod upload;
mod view;

use std::ffi::OsString;

use crate::failure::Outcome;
use crate::place::RemotePath;

/// Reads paths that can only mean the cluster.
fn remote_paths(texts: &[OsString]) -> Outcome<Vec<RemotePath>> {
    texts.iter().map(|text| RemotePath::parse(text)).collect()
}

/// As above; the root when none is named.
fn remote_paths_or_root(texts: &[OsString]) -> Outcome<Vec<RemotePath>> {
    let paths = remote_paths(texts)?;
    Ok(if paths.is_empty() { vec![RemotePath::root()] } else { paths })
}
