//! A disk that this node serves: its directory, its identity, its store.

use std::path::PathBuf;
use std::sync::Arc;

use holdfast_proto::cluster::{DiskCondition, DiskReport};
use holdfast_proto::ids::{DiskId, Incarnation};
use holdfast_proto::op::DiskRef;
use holdfast_proto::status::{Code, Status};
use tokio::sync::Mutex;

use super::home::DiskHome;
use super::orders::Authority;
use super::scrubbing::ScrubDesk;
use crate::format::superblock::Superblock;
use crate::store::Store;

/// See the module's text.
pub(crate) struct ServedDisk {
    pub(crate) home: Arc<DiskHome>,
    pub(crate) superblock: Superblock,
    /// The root of the file system that it is on.
    pub(crate) root: PathBuf,
    pub(crate) store: Store,
    /// Where its upkeep hears about scrub and tells how it is.
    pub(crate) scrub: Arc<ScrubDesk>,
    /// Highest authority durable on this disk.
    obeyed: Mutex<Authority>,
}

impl ServedDisk {
    pub(crate) fn new(
        home: Arc<DiskHome>,
        superblock: Superblock,
        root: PathBuf,
        store: Store,
        scrub: Arc<ScrubDesk>,
    ) -> Self {
        let obeyed = Mutex::new(home.authority());
        Self { home, superblock, root, store, scrub, obeyed }
    }

    pub(crate) fn id(&self) -> DiskId {
        self.superblock.disk
    }

    pub(crate) fn incarnation(&self) -> Incarnation {
        self.superblock.incarnation
    }

    pub(crate) fn reference(&self) -> DiskRef {
        DiskRef { disk: self.id().0, incarnation: self.incarnation().0 }
    }

    /// The store, unless the disk has failed.
    pub(crate) fn store(&self) -> Result<&Store, Status> {
        match self.store.failure() {
            Some(why) => Err(self.failed(&why)),
            None => Ok(&self.store),
        }
    }

    fn failed(&self, why: &str) -> Status {
        Status::new(Code::DiskFailed, format!("{} has failed: {why}", self.id()))
    }

    /// Why it has failed, if it has: it will be let go of.
    pub(crate) fn failure(&self) -> Option<String> {
        self.store.failure()
    }

    /// Makes a new authority durable on this disk before anything is done in its name.
    pub(crate) async fn obey(&self, authority: Authority) -> Result<(), Status> {
        let mut obeyed = self.obeyed.lock().await;
        if authority <= *obeyed {
            return Ok(());
        }
        let home = self.home.clone();
        let written = tokio::task::spawn_blocking(move || home.write_authority(authority)).await;
        match written {
            Ok(Ok(())) => {
                *obeyed = authority;
                Ok(())
            }
            // Full is no failure: the order waits until compaction has made room.
            Ok(Err(error)) if crate::store::full::no_room(&error) => {
                let what = format!("{} has no room to note the leader's term", self.id());
                Err(Status::busy(std::time::Duration::from_secs(1), what))
            }
            Ok(Err(error)) => {
                let why = format!("note the leader's term: {error}");
                self.store.fail(&why);
                Err(self.failed(&why))
            }
            Err(error) => Err(Status::internal(format!("note the leader's term: {error}"))),
        }
    }

    pub(crate) fn condition(&self) -> DiskCondition {
        match &self.store {
            store if store.failure().is_some() => DiskCondition::Failed,
            store if store.is_full() => DiskCondition::Full,
            _ => DiskCondition::Good,
        }
    }

    /// What the leader hears about it.
    pub(crate) fn report(&self) -> DiskReport {
        let condition = self.condition();
        self.store.metrics().condition(condition);
        let report = DiskReport {
            disk: Some(self.reference()),
            condition: condition as i32,
            reason: self.failure().unwrap_or_default(),
            ..DiskReport::default()
        };
        if condition == DiskCondition::Failed {
            return report;
        }
        let (usage, metrics) = (self.store.usage(), self.store.metrics());
        metrics.usage(&usage, false);
        DiskReport {
            capacity: usage.capacity,
            used: usage.used,
            free: usage.free,
            records: usage.records,
            garbage: usage.garbage,
            commit_us: metrics.commit_us(),
            waiting_us: metrics.waiting_us(),
            scrub: self.scrub.report(),
            io: Some(metrics.io()),
            ..report
        }
    }
}
