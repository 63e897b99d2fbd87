//! The runtime that Raft has for itself.
//!
//! A heartbeat that waits behind somebody's hashing is an election. So Raft's core and its connections run on a
//! thread on which nothing else runs, at a better priority when the system allows it.

use std::sync::{Arc, mpsc};

use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;

use super::error::MetaError;

/// See the module's head. Clones share it; it ends, without waiting for its tasks, with the last one.
#[derive(Clone, Debug)]
pub struct RaftRuntime {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    handle: Handle,
    /// The thread ends when this goes.
    _alive: oneshot::Sender<()>,
}

impl RaftRuntime {
    /// Starts its thread. One is enough, and cheaper than a pool of one: a task that wakes another on the same
    /// thread makes no system call, and a member that idles has a hundred timers a second.
    pub fn new() -> Result<Self, MetaError> {
        let (built, wait) = mpsc::sync_channel(1);
        let (alive, gone) = oneshot::channel::<()>();
        let run = move || {
            prefer();
            let runtime = Builder::new_current_thread()
                .max_blocking_threads(8)
                .thread_name("meta-raft-io")
                .enable_all()
                .on_thread_start(prefer)
                .build();
            let runtime = match runtime {
                Ok(runtime) => runtime,
                // Whoever waits is told; there is nothing else to do when nobody does.
                Err(error) => return drop(built.send(Err(error))),
            };
            if built.send(Ok(runtime.handle().clone())).is_ok() {
                // An error is how it learns that the last clone is gone.
                let _ = runtime.block_on(gone);
            }
            runtime.shutdown_background();
        };
        let failed = |e| MetaError::io("start the Raft runtime", e);
        std::thread::Builder::new().name("meta-raft".into()).spawn(run).map_err(failed)?;
        let handle = wait.recv().map_err(|e| failed(std::io::Error::other(e)))?.map_err(failed)?;
        Ok(Self { inner: Arc::new(Inner { handle, _alive: alive }) })
    }

    /// For `NetConfig::raft_runtime`.
    pub fn handle(&self) -> &Handle {
        &self.inner.handle
    }
}

/// Gives the calling thread a better priority; the runtime's few blocking threads, which read old log entries for
/// replication, get it too.
fn prefer() {
    // On Linux this concerns the calling thread only. Without the right to do it, everything stays as it was.
    let _ = rustix::process::setpriority_process(None, -10);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn it_is_one_named_thread_and_ends_with_the_last_clone() {
        let runtime = RaftRuntime::new().unwrap();
        let name = runtime.handle().spawn(async { std::thread::current().name().map(str::to_owned) });
        assert_eq!(name.await.unwrap().as_deref(), Some("meta-raft"));
        let (_held, end) = {
            let (held, end) = oneshot::channel::<()>();
            let endless = async move {
                let _dropped_with_the_runtime = held;
                std::future::pending::<()>().await;
            };
            (runtime.handle().spawn(endless), end)
        };
        let second = runtime.clone();
        drop(runtime);
        let answers = second.handle().spawn(async { 1 });
        assert_eq!(answers.await.unwrap(), 1, "a clone keeps it");
        drop(second);
        let ended = tokio::time::timeout(std::time::Duration::from_secs(10), end).await;
        assert!(ended.expect("the thread ends").is_err(), "its tasks are dropped");
    }
}
