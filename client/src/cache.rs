//! Keeps the cluster map fresh: deltas when its epoch moved, groups on demand, fill and liveness every few seconds.
//!
//! What always holds: one fetch is under way at a time and everybody who waits for it shares its result; a caller
//! never waits longer than its deadline and then goes on with the map it has.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use holdfast_proto::cluster::Peer;
use holdfast_proto::ids::{Epoch, PgId};
use holdfast_proto::map::{MapRequest, Pg, Standing, roles};
use holdfast_proto::method::GetMap;
use holdfast_proto::status::Status;
use tokio::time::Instant;

use crate::inner::Inner;
use crate::map::ClusterMap;
use crate::metrics::METRICS;

/// Age at which fill and liveness are fetched again while chunks are being moved.
const LOADS_AGE: Duration = Duration::from_secs(3);

/// The map in use.
pub(crate) struct MapCache {
    current: ArcSwap<ClusterMap>,
    /// When the last fetch was sent; held while one is under way.
    fetching: tokio::sync::Mutex<Option<Instant>>,
    /// Highest epoch that anybody mentioned.
    rumoured: AtomicU64,
    /// Chunks were placed or read since the last fetch.
    used: AtomicBool,
}

impl MapCache {
    pub(crate) fn new() -> Self {
        Self {
            current: ArcSwap::from_pointee(ClusterMap::default()),
            fetching: tokio::sync::Mutex::new(None),
            rumoured: AtomicU64::new(0),
            used: AtomicBool::new(false),
        }
    }
}

impl Inner {
    /// The map as it is known now.
    pub(crate) fn map(&self) -> Arc<ClusterMap> {
        self.cache.current.load_full()
    }

    /// As [`Inner::map`], for moving chunks: keeps fill and liveness fresh.
    pub(crate) fn map_in_use(&self) -> Arc<ClusterMap> {
        self.cache.used.store(true, Ordering::Relaxed);
        self.map()
    }

    /// Somebody mentioned an epoch; the next round of upkeep fetches it if it is news.
    pub(crate) fn map_news(&self, epoch: u64) {
        self.cache.rumoured.fetch_max(epoch, Ordering::Relaxed);
    }

    /// Upkeep: fetches what is news, or old and in use.
    pub(crate) async fn freshen_map(&self, deadline: Instant) {
        let news = self.cache.rumoured.load(Ordering::Relaxed) > self.map().epoch().0;
        // Held: a fetch is under way already.
        let Ok(last) = self.cache.fetching.try_lock().map(|last| *last) else { return };
        let old = last.is_none_or(|last| last.elapsed() >= LOADS_AGE);
        if news || (old && self.cache.used.load(Ordering::Relaxed)) {
            let _ = self.refresh_map(deadline).await;
        }
    }

    /// Fetches the map, or shares a fetch that began after this call did.
    pub(crate) async fn refresh_map(&self, deadline: Instant) -> Result<Arc<ClusterMap>, Status> {
        self.fetch_map(&[], deadline).await
    }

    /// A map of at least this epoch, as far as the deadline allows.
    pub(crate) async fn map_at_least(&self, epoch: Epoch, deadline: Instant) -> Arc<ClusterMap> {
        self.map_news(epoch.0);
        if self.map().epoch() < epoch
            && let Err(status) = self.refresh_map(deadline).await
        {
            tracing::debug!(%status, %epoch, "the cluster map could not be fetched");
        }
        self.map()
    }

    /// A group, fetched if this client does not have it.
    pub(crate) async fn group(&self, id: PgId, deadline: Instant) -> Result<Option<Arc<Pg>>, Status> {
        if let Some(pg) = self.map_in_use().pg(id) {
            METRICS.cache_hits.with_label_values(&["map"]).inc();
            return Ok(Some(pg.clone()));
        }
        METRICS.cache_misses.with_label_values(&["map"]).inc();
        self.fetch_group(id, deadline).await
    }

    /// A group as it is now.
    pub(crate) async fn fetch_group(&self, id: PgId, deadline: Instant) -> Result<Option<Arc<Pg>>, Status> {
        Ok(self.fetch_map(&[id.0], deadline).await?.pg(id).cloned())
    }

    async fn fetch_map(&self, pgs: &[u32], deadline: Instant) -> Result<Arc<ClusterMap>, Status> {
        let called = Instant::now();
        let lock = tokio::time::timeout_at(deadline, self.cache.fetching.lock()).await;
        let mut last = lock.map_err(|_| timed_out())?;
        let shared = last.is_some_and(|last| last > called);
        let map = self.map();
        if shared && pgs.iter().all(|pg| map.pg(PgId(*pg)).is_some()) {
            return Ok(map);
        }
        let started = Instant::now();
        self.cache.used.store(false, Ordering::Relaxed);
        METRICS.meta_calls.with_label_values(&["map"]).inc();
        let request = MapRequest { have: map.epoch().0, pgs: pgs.to_vec(), all_pgs: false };
        let reply = self.meta.call::<GetMap>(&request, deadline).await?;
        let map = Arc::new(map.merged(reply));
        self.cache.current.store(map.clone());
        *last = Some(started);
        self.learn_metaservers(&map);
        Ok(map)
    }

    /// Metaservers may come and go; those configured stay known, in case the others cannot be reached from here.
    fn learn_metaservers(&self, map: &ClusterMap) {
        let nodes =
            map.nodes().filter(|node| node.roles & roles::META != 0 && node.standing() != Standing::Removed);
        let mut peers: Vec<Peer> =
            nodes.map(|node| Peer { node: node.id, address: node.address.clone() }).collect();
        peers.sort_unstable_by_key(|peer| peer.node);
        for address in &self.config.metaservers {
            if !peers.iter().any(|peer| peer.address == *address) {
                peers.push(Peer { node: 0, address: address.clone() });
            }
        }
        self.meta.learn(&peers);
    }

    /// The whole map with every group, for administrators; the cache is left alone.
    pub(crate) async fn whole_map(&self, deadline: Instant) -> Result<ClusterMap, Status> {
        let request = MapRequest { have: 0, pgs: Vec::new(), all_pgs: true };
        let reply = self.meta.call::<GetMap>(&request, deadline).await?;
        Ok(ClusterMap::default().merged(reply))
    }
}

fn timed_out() -> Status {
    Status::new(holdfast_proto::status::Code::Timeout, "fetch the cluster map")
}
