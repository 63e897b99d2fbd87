//! The chunk role: the node's disks.
//!
//! A disk that cannot be used keeps none of the others from serving; the node is ready when every disk is in service
//! or known to have failed, and not ready while none is left.

use std::sync::Arc;
use std::time::Duration;

use holdfast_chunkserver::{ChunkConfig, Chunkserver, DiskConfig};
use holdfast_proto::cluster::DiskCondition;
use holdfast_rpc::Router;
use parking_lot::RwLock;

use crate::server::config::{Config, Role};
use crate::server::identity::Identity;
use crate::server::node::Common;

/// The node's disks in service.
pub(crate) struct Chunk {
    /// Taken out when the role ends; the readiness check looks in from outside.
    running: Arc<RwLock<Option<Chunkserver>>>,
    router: Router,
}

impl Chunk {
    /// Begins to bring the disks into service.
    pub(crate) fn start(common: &Common, identity: &Identity) -> Self {
        let config = chunk_config(&common.config);
        let (server, router) =
            Chunkserver::start(config, common.net.clone(), common.caller.clone(), identity.node_id());
        let running = Arc::new(RwLock::new(Some(server)));
        let looked_at = Arc::clone(&running);
        common.readiness.require("chunk", move || match &*looked_at.read() {
            Some(server) => state(server),
            None => Err("shutting down".to_owned()),
        });
        Self { running, router }
    }

    /// All handlers.
    pub(crate) fn router(&self) -> Router {
        self.router.clone()
    }

    /// Finishes what is under way and makes the disks quick to open again.
    pub(crate) async fn stop(self, most: Duration) {
        let server = self.running.write().take();
        if let Some(server) = server
            && tokio::time::timeout(most, server.shutdown()).await.is_err()
        {
            tracing::warn!("the disks did not close in time; the next start replays more of their logs");
        }
    }
}

fn state(server: &Chunkserver) -> Result<(), String> {
    if !server.ready() {
        let waiting = server.pending().into_iter().map(|(path, why)| format!("{}: {why}", path.display()));
        let waiting: Vec<_> = waiting.collect();
        return Err(match waiting.is_empty() {
            true => "disks are being opened".to_owned(),
            false => waiting.join("; "),
        });
    }
    let reports = server.reports();
    match reports.iter().all(|report| report.condition == DiskCondition::Failed as i32) {
        true => Err("every disk has failed".to_owned()),
        false => Ok(()),
    }
}

/// Bytes of a disk's file system that the node's metadata needs, if it lies there, too: what makes it refuse to grow,
/// twice, so that chunks fill a file system before metadata does.
fn left_to_metadata(config: &Config, disk: &std::path::Path) -> u64 {
    use std::os::unix::fs::MetadataExt as _;
    // The directories may have to be made yet: what they will lie on counts.
    let there = |path: &std::path::Path| path.ancestors().find_map(|path| std::fs::metadata(path).ok());
    let (Some(data), Some(disk_at)) = (there(&config.data), there(disk)) else { return 0 };
    if !config.plays(Role::Meta) || data.dev() != disk_at.dev() {
        return 0;
    }
    let total =
        rustix::fs::statvfs(&config.data).map_or(0, |stat| stat.f_blocks.saturating_mul(stat.f_frsize));
    2 * holdfast_metaserver::room::mark(total)
}

fn chunk_config(config: &Config) -> ChunkConfig {
    let bytes = |size: holdfast_support::config::Size| usize::try_from(size.0).unwrap_or(usize::MAX);
    let mut chunk = ChunkConfig {
        disks: config
            .disk_paths()
            .into_iter()
            .map(|path| DiskConfig {
                capacity: config.chunk.capacity.0,
                leave: left_to_metadata(config, &path),
                ..DiskConfig::new(path)
            })
            .collect(),
        byte_budget: config.payload_memory.0,
        index_cache_bytes: bytes(config.chunk.index_cache),
        ..ChunkConfig::default()
    };
    chunk.store.scrub_rate = config.chunk.scrub_rate.0;
    chunk.store.scrub_period = config.chunk.scrub_period.0;
    chunk.store.compact_rate = config.chunk.compact_rate.0.max(1);
    chunk
}
