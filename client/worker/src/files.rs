//! The list of fragmented files, gone through again and again.

use std::num::NonZeroUsize;
use std::time::Duration;

use holdfast_client::{Client, ClientError};
use holdfast_proto::ids::NodeId;
use holdfast_proto::query::{ListFragmented, Query};
use holdfast_proto::status::Code;
use lru::LruCache;
use tokio::time::Instant;

use crate::metrics::METRICS;
use crate::pace::Pace;
use crate::{defragment, share};

/// Files of one page.
const PAGE: u32 = 100;
/// A file is not looked at again for so long, whatever is written to it.
const REST: Duration = Duration::from_secs(5);
/// The same if somebody was in the way, or a member away.
const RETRY: Duration = Duration::from_secs(15);
/// The same if nothing could be gained.
const LONG_REST: Duration = Duration::from_secs(60);
/// Files that are remembered for that.
const REMEMBERED: NonZeroUsize = NonZeroUsize::new(10_000).unwrap();

pub(crate) struct Files {
    client: Client,
    node: NodeId,
    pace: Pace,
    resting: LruCache<u64, Instant>,
    rounds: u64,
}

impl Files {
    pub(crate) fn new(client: Client, node: NodeId, pace: Pace) -> Self {
        Self { client, node, pace, resting: LruCache::new(REMEMBERED), rounds: 0 }
    }

    /// Goes through this worker's part of the list once.
    pub(crate) async fn round(&mut self) -> Result<(), ClientError> {
        self.rounds += 1;
        let Some((share, shares)) = share::of(&self.client.map(), self.node, self.rounds) else {
            // A node that just joined, or changed its roles.
            self.client.refresh_map().await?;
            return Ok(());
        };
        let mut after = 0;
        loop {
            let ask = ListFragmented { after, most: PAGE, share, shares };
            let page = self.client.ask(Query::ListFragmented(ask)).await?.reply;
            for ino in &page.inos {
                self.look_at(*ino).await;
            }
            let next = std::str::from_utf8(&page.next).ok().and_then(|next| next.parse().ok());
            match next.filter(|next| page.more && *next > after) {
                Some(next) => after = next,
                None => return Ok(()),
            }
        }
    }

    async fn look_at(&mut self, ino: u64) {
        if self.resting.get(&ino).is_some_and(|until| Instant::now() < *until) {
            return;
        }
        let mut rest = LONG_REST;
        let outcome = match defragment::file(&self.client, ino, &mut self.pace).await {
            Ok(done) if done.fewer > 0 => {
                tracing::debug!(ino, fewer = done.fewer, left = done.left, "joined small extents");
                rest = REST;
                Ok(())
            }
            Ok(done) if done.left > 0 => {
                tracing::debug!(ino, left = done.left, "small extents could not be joined yet");
                rest = RETRY;
                Ok(())
            }
            Ok(done) => defragment::settle(&self.client, ino, done.version).await,
            Err(error) => Err(error),
        };
        self.resting.put(ino, Instant::now() + rest);
        if let Err(error) = outcome {
            // It may be gone by now.
            if !matches!(error.code(), Code::NotFound | Code::StaleInode) {
                METRICS.failures.inc();
                tracing::info!(ino, %error, "small extents of a file could not be joined");
            }
        }
    }
}
