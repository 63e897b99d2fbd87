//! The chunk role's RPC service: disks in service, the map they follow, and the handlers.
//!
//! What always holds:
//! - Payload is admitted against one byte budget per process; beyond it the answer is `Busy`.
//! - A request names disk and incarnation; another one is refused with `WrongDisk`.
//! - Writes need membership under the current map, orders the highest term and a group epoch that is not older.

mod admit;
mod delete;
mod foreground;
mod heartbeat;
mod home;
mod maintain;
mod map;
mod orders;
mod pull;
mod read;
mod retired;
mod scrubbing;
mod served;
mod sources;
mod write;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use holdfast_proto::cluster::DiskReport;
use holdfast_proto::ids::{ClusterId, NodeId};
use holdfast_proto::method::{Delete, Pull, Read, Records, Verify, Write};
use holdfast_proto::op::DiskRef;
use holdfast_proto::status::{Code, Status};
use holdfast_rpc::{MetaCaller, Net, Router};
use holdfast_support::budget::{ByteBudget, BytePermit};
use parking_lot::{Mutex, RwLock};
use tokio::sync::{Notify, Semaphore, watch};

use crate::config::{ChunkConfig, DiskConfig};
use crate::metrics::Metrics;
use crate::store::IndexMemory;
use foreground::Foreground;
use maintain::Maintenance;
use map::MapFollower;
use orders::Orders;
use retired::Retired;
use served::ServedDisk;

fn metrics() -> &'static Metrics {
    Metrics::global()
}

/// What the handlers share.
struct Inner {
    config: ChunkConfig,
    node: NodeId,
    net: Net,
    meta: MetaCaller,
    map: MapFollower,
    orders: Orders,
    memory: IndexMemory,
    budget: ByteBudget,
    pulls: Semaphore,
    foreground: Foreground,
    disks: RwLock<BTreeMap<u32, Arc<ServedDisk>>>,
    /// Disks that failed, until another one is in service in their place.
    retired: Mutex<BTreeMap<DiskRef, Retired>>,
    /// Directories that are not in service yet, with the reason.
    pending: Mutex<BTreeMap<PathBuf, String>>,
    /// Of each disk in service.
    upkeep: Mutex<BTreeMap<DiskRef, Maintenance>>,
    changed: Notify,
    stop: watch::Sender<bool>,
    started: Instant,
}

impl Inner {
    fn stopping(&self) -> bool {
        *self.stop.borrow()
    }

    async fn stopped(&self) {
        // The sender lives in this very struct, so this ends only with `true`.
        let _ = self.stop.subscribe().wait_for(|stop| *stop).await;
    }

    async fn condition_changed(&self) {
        self.changed.notified().await;
    }

    fn cluster(&self) -> Option<ClusterId> {
        self.map.cluster().or_else(|| self.net.cluster())
    }

    fn disks(&self) -> Vec<Arc<ServedDisk>> {
        self.disks.read().values().cloned().collect()
    }

    fn reports(&self) -> Vec<DiskReport> {
        let in_use = i64::try_from(self.budget.in_use()).unwrap_or(i64::MAX);
        metrics().in_flight.set(in_use);
        let disks = self.disks();
        metrics().in_service(disks.iter().map(|disk| {
            let here = disk.reference();
            (disk.home.path().display().to_string(), here.disk, here.incarnation)
        }));
        let mut reports: Vec<DiskReport> = disks.iter().map(|disk| disk.report()).collect();
        reports.extend(self.retired.lock().values().map(Retired::report));
        reports
    }

    /// Puts a disk into service. None of its number is in service.
    fn serve(self: &Arc<Self>, config: &DiskConfig, disk: ServedDisk, upkeep: Maintenance) {
        let disk = Arc::new(disk);
        let watch = retired::watch(self.clone(), config.clone(), Arc::downgrade(&disk));
        self.upkeep.lock().insert(disk.reference(), upkeep);
        self.retired.lock().retain(|retired, _| retired.disk != disk.id().0);
        self.disks.write().insert(disk.id().0, disk);
        self.changed.notify_one();
        tokio::spawn(watch);
    }

    /// Takes a disk that failed out of service; what is left to be stopped.
    fn retire(&self, disk: Retired) -> Option<Maintenance> {
        let reference = disk.reference();
        self.retired.lock().insert(reference, disk);
        self.take_out(reference)
    }

    /// Takes a disk out of service without calling it failed, and closes it.
    fn withdraw(&self, disk: &Arc<ServedDisk>) {
        let (disk, upkeep) = (disk.clone(), self.take_out(disk.reference()));
        tokio::task::spawn_blocking(move || {
            if let Some(mut upkeep) = upkeep {
                upkeep.stop();
            }
            disk.store.close();
        });
    }

    fn take_out(&self, reference: DiskRef) -> Option<Maintenance> {
        {
            let mut disks = self.disks.write();
            if disks.get(&reference.disk).is_some_and(|disk| disk.reference() == reference) {
                disks.remove(&reference.disk);
            }
        }
        self.changed.notify_one();
        self.upkeep.lock().remove(&reference)
    }

    fn set_pending(&self, path: &Path, why: Option<String>) {
        let mut pending = self.pending.lock();
        match why {
            Some(why) => pending.insert(path.to_owned(), why),
            None => pending.remove(path),
        };
    }

    /// The disk a request means; `any_life` lets incarnation 0 stand for whichever is here.
    fn disk(&self, wanted: Option<DiskRef>, any_life: bool) -> Result<Arc<ServedDisk>, Status> {
        if self.stopping() {
            return Err(Status::new(Code::ShuttingDown, "this node is shutting down"));
        }
        let wanted = wanted.ok_or_else(|| Status::new(Code::InvalidArgument, "the request names no disk"))?;
        let disk = self.disks.read().get(&wanted.disk).cloned();
        let wrong = |why: String| Status { epoch: self.map.epoch(), ..Status::new(Code::WrongDisk, why) };
        let disk = disk.ok_or_else(|| match self.retired.lock().get(&wanted) {
            Some(retired) => retired.refusal(),
            None => wrong(format!("disk d{} is not in service on {}", wanted.disk, self.node)),
        })?;
        if wanted.incarnation != disk.incarnation().0 && !(any_life && wanted.incarnation == 0) {
            let here = disk.incarnation();
            return Err(wrong(format!(
                "disk d{} is here as {here}, not i{}",
                wanted.disk, wanted.incarnation
            )));
        }
        Ok(disk)
    }

    /// Room for so many payload bytes.
    fn admit(&self, bytes: u64) -> Result<BytePermit, Status> {
        self.budget.try_take(bytes).map_err(|_| {
            metrics().refused_busy.inc();
            Status::busy(Duration::from_millis(20), "this node handles as many bytes as it may")
        })
    }

    /// Whether the inventory may be believed: map and term are known.
    fn reconciled(&self) -> Result<(), Status> {
        if self.map.epoch() > 0 && self.orders.seen().term > 0 {
            return Ok(());
        }
        Err(Status::busy(Duration::from_millis(500), "this node has not reconciled with the metadata yet"))
    }
}

/// The running chunk role of a node.
pub struct Chunkserver {
    inner: Arc<Inner>,
}

impl Chunkserver {
    /// Starts the role: returns at once with the handlers, and brings the disks into service in the background, each
    /// as soon as it can be (a known disk needs nobody, a new one needs the leader). Needs a tokio runtime.
    pub fn start(config: ChunkConfig, net: Net, meta: MetaCaller, node: NodeId) -> (Self, Router) {
        let inner = Arc::new(Inner {
            memory: IndexMemory::new(config.index_cache_bytes, config.index_buffer_bytes),
            budget: ByteBudget::new(config.byte_budget),
            pulls: Semaphore::new(config.pulls.max(1)),
            map: MapFollower::new(meta.clone()),
            orders: Orders::default(),
            foreground: Foreground::default(),
            disks: RwLock::default(),
            retired: Mutex::default(),
            pending: Mutex::default(),
            upkeep: Mutex::default(),
            changed: Notify::new(),
            stop: watch::Sender::new(false),
            started: Instant::now(),
            node,
            net,
            meta,
            config,
        });
        for disk in inner.config.disks.clone() {
            tokio::spawn(admit::bring_into_service(inner.clone(), disk));
        }
        tokio::spawn(heartbeat::run(inner.clone()));
        let router = router(&inner);
        (Self { inner }, router)
    }

    /// Every disk in service, as the leader hears of it. Blocks shortly.
    pub fn reports(&self) -> Vec<DiskReport> {
        self.inner.reports()
    }

    /// Directories that are not in service, with the reason.
    pub fn pending(&self) -> BTreeMap<PathBuf, String> {
        self.inner.pending.lock().clone()
    }

    /// Whether every directory is in service or known to have failed.
    pub fn ready(&self) -> bool {
        let known: BTreeSet<PathBuf> = {
            let (disks, retired) = (self.inner.disks.read(), self.inner.retired.lock());
            let served = disks.values().map(|disk| disk.home.path().to_owned());
            served.chain(retired.values().map(|disk| disk.path.clone())).collect()
        };
        self.inner.config.disks.iter().all(|disk| known.contains(&disk.path))
    }

    /// Takes no more requests, finishes what is queued, makes the indexes durable and frees the directories.
    pub async fn shutdown(self) {
        self.inner.stop.send_replace(true);
        let disks = std::mem::take(&mut *self.inner.disks.write());
        let upkeep = std::mem::take(&mut *self.inner.upkeep.lock());
        let closed = tokio::task::spawn_blocking(move || {
            for mut thread in upkeep.into_values() {
                thread.stop();
            }
            for disk in disks.into_values() {
                disk.store.close();
            }
        });
        if let Err(error) = closed.await {
            tracing::error!(%error, "close the disks");
        }
    }
}

fn router(inner: &Arc<Inner>) -> Router {
    let shared = || inner.clone();
    let (writes, reads, deletes, pulls, records, verifies) =
        (shared(), shared(), shared(), shared(), shared(), shared());
    Router::new()
        .on::<Write, _, _>(move |context, request, payload| {
            write::write(writes.clone(), context, request, payload)
        })
        .on::<Read, _, _>(move |context, request, _| read::read(reads.clone(), context, request))
        .on::<Delete, _, _>(move |context, request, _| delete::delete(deletes.clone(), context, request))
        .on::<Pull, _, _>(move |context, request, _| pull::pull(pulls.clone(), context, request))
        .on::<Records, _, _>(move |_, request, _| read::records(records.clone(), request))
        .on::<Verify, _, _>(move |_, request, _| read::verify(verifies.clone(), request))
}
