//! Data jobs that nobody waits for: files that became many small extents (a recorder's appends, a database's pages) get
//! few large ones again, and files whose class was changed go into chunks of their new one.
//!
//! What always holds:
//! - A job changes how bytes are stored, never what they are: its last command is refused if the extents that it read
//!   are not all there any more.
//! - Work is shared by rule, not by order: each worker takes the files whose number falls to it. Two that do the same
//!   work at once lose nothing: one of them is refused.
//! - It reads and writes no faster than it was told to.
//!
//! `holdfast server` runs one in each process with the worker role, over a client of its own.

mod convert;
mod defragment;
mod files;
pub mod metrics;
mod pace;
mod plan;
mod share;

use std::time::Duration;

use holdfast_client::Client;
use holdfast_proto::ids::NodeId;
use tokio::task::JoinHandle;

use crate::pace::Pace;

/// Settings of a worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WorkerConfig {
    /// The node it runs on.
    pub node: NodeId,
    /// Bytes per second that it reads and writes again at most.
    pub bytes_per_second: u64,
    /// Time between two looks for work.
    pub period: Duration,
}

/// A running worker.
#[derive(Debug)]
pub struct Worker {
    task: JoinHandle<()>,
}

impl Worker {
    /// Starts it on the current runtime.
    pub fn start(client: Client, config: WorkerConfig) -> Self {
        Self { task: tokio::spawn(run(client, config)) }
    }

    /// Ends it. What it has under way is given up: nothing of it is visible, and its chunks are collected.
    pub fn stop(self) {
        self.task.abort();
    }
}

async fn run(client: Client, config: WorkerConfig) {
    let files = |job| files::Files::new(job, client.clone(), config.node, Pace::new(config.bytes_per_second));
    let mut lists = [files(files::Job::Defragment), files(files::Job::Convert)];
    let mut look = tokio::time::interval(config.period);
    look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        look.tick().await;
        for list in &mut lists {
            if let Err(error) = list.round().await {
                // The metadata group has other worries, or is away: the next look is soon.
                tracing::debug!(%error, "looking for files to work at");
            }
        }
    }
}
