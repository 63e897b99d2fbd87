//! Starts real clusters on this machine, breaks them in every way we know, and checks that nothing acknowledged is
//! lost. The tests in `tests/` and the demo use the same code.
//!
//! What always holds:
//! - Real processes, real files, real sockets: nothing of the store is linked in here.
//! - No test depends on timing: it waits for a condition, with a deadline ([`wait`]).
//! - What the tests know to be acknowledged is kept outside the cluster ([`oracle`]).
//! - A test that needs root or a tool that is missing says so loudly and passes ([`skip`]).
//! - Processes, mounts and namespaces go when their owners are dropped, after a panic too.
//!
//! Where to begin: [`cluster::Builder`].

pub mod addresses;
pub mod admin;
pub mod binary;
pub mod campaign;
pub mod cluster;
pub mod damage;
pub mod demo;
pub mod exclusive;
pub mod files;
pub mod load;
pub mod logs;
pub mod mount;
pub mod netns;
pub mod node;
pub mod oracle;
pub mod outcome;
pub mod process;
pub mod raw;
pub mod rpc;
pub mod s3;
pub mod skip;
pub mod source;
pub mod suite;
pub mod tool;
pub mod tree;
pub mod volume;
pub mod wait;
