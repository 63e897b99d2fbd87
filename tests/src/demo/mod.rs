//! The demo: a cluster of three real nodes that stays up under a supervisor, and a real tree of files loaded into
//! it and compared byte for byte. `make demo` and `make demo-stop` use it through the `demo` program.
//!
//! - [`layout`]: what lies where below `.demo/`, and which ports the nodes have.
//! - [`supervise`]: keeps the nodes running; writes `demo.json`.
//! - [`fill`]: loads the tree and compares it.
//! - [`mounting`]: shows it as a file system, where this machine can.
//! - [`control`]: starts, stops and asks the supervisor.

pub mod control;
pub mod fill;
pub mod layout;
pub mod mounting;
pub mod supervise;
