//! The runtime that Raft has for itself.
//!
//! A heartbeat that waits behind somebody's hashing is an election. So Raft's core and its connections run on
//! threads on which nothing else runs, at a better priority when the system allows it.

use std::sync::Arc;

use tokio::runtime::{Handle, Runtime};

use super::error::MetaError;

/// See the module's head. Clones share it; it ends, without waiting for its tasks, with the last one.
#[derive(Clone, Debug)]
pub struct RaftRuntime {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner(Option<Runtime>, Handle);

impl Drop for Inner {
    fn drop(&mut self) {
        // A runtime must not be dropped in the ordinary way where blocking is forbidden: callers are mostly async.
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

impl RaftRuntime {
    /// Starts `threads` threads.
    pub fn new(threads: usize) -> Result<Self, MetaError> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(threads.max(1))
            .max_blocking_threads(8)
            .thread_name("meta-raft")
            .enable_all()
            .on_thread_start(prefer)
            .build()
            .map_err(|e| MetaError::io("start the Raft runtime", e))?;
        let handle = runtime.handle().clone();
        Ok(Self { inner: Arc::new(Inner(Some(runtime), handle)) })
    }

    /// For `NetConfig::raft_runtime`.
    pub fn handle(&self) -> &Handle {
        &self.inner.1
    }
}

/// Gives the calling thread a better priority; the runtime's few blocking threads, which read old log entries for
/// replication, get it too.
fn prefer() {
    // On Linux this concerns the calling thread only. Without the right to do it, everything stays as it was.
    let _ = rustix::process::setpriority_process(None, -10);
}
