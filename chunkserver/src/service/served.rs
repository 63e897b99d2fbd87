//! A disk that this node serves: its directory, its identity, its store.

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
    /// `None`: it failed in an earlier life of the process and waits to be re-admitted.
    pub(crate) store: Option<Store>,
    /// Where its upkeep hears about scrub and tells how it is.
    pub(crate) scrub: Arc<ScrubDesk>,
    failure: Option<String>,
    /// Highest authority durable on this disk.
    obeyed: Mutex<Authority>,
}

impl ServedDisk {
    pub(crate) fn new(
        home: Arc<DiskHome>,
        superblock: Superblock,
        store: Store,
        scrub: Arc<ScrubDesk>,
    ) -> Self {
        let obeyed = Mutex::new(home.authority());
        Self { home, superblock, store: Some(store), scrub, failure: None, obeyed }
    }

    /// A disk that is known, but out of service.
    pub(crate) fn out_of_service(home: Arc<DiskHome>, superblock: Superblock, why: String) -> Self {
        let obeyed = Mutex::new(home.authority());
        Self { home, superblock, store: None, scrub: Arc::default(), failure: Some(why), obeyed }
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

    /// The store, unless the disk is out of service.
    pub(crate) fn store(&self) -> Result<&Store, Status> {
        let store = self.store.as_ref().ok_or_else(|| self.failed(self.failure.as_deref()))?;
        match store.failure() {
            Some(why) => Err(self.failed(Some(&why))),
            None => Ok(store),
        }
    }

    fn failed(&self, why: Option<&str>) -> Status {
        let why = why.unwrap_or("out of service");
        Status::new(Code::DiskFailed, format!("{} has failed: {why}", self.id()))
    }

    /// Why it is out of service, if it is.
    pub(crate) fn failure(&self) -> Option<String> {
        self.failure.clone().or_else(|| self.store.as_ref().and_then(Store::failure))
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
                if let Some(store) = &self.store {
                    store.fail(&format!("note the leader's term: {error}"));
                }
                Err(self.failed(self.failure().as_deref()))
            }
            Err(error) => Err(Status::internal(format!("note the leader's term: {error}"))),
        }
    }

    pub(crate) fn condition(&self) -> DiskCondition {
        match &self.store {
            _ if self.failure().is_some() => DiskCondition::Failed,
            Some(store) if store.is_full() => DiskCondition::Full,
            _ => DiskCondition::Good,
        }
    }

    /// What the leader hears about it.
    pub(crate) fn report(&self) -> DiskReport {
        let condition = self.condition();
        let mut report = DiskReport {
            disk: Some(self.reference()),
            condition: condition as i32,
            reason: self.failure().unwrap_or_default(),
            ..DiskReport::default()
        };
        if let Some(store) = self.store.as_ref().filter(|_| condition != DiskCondition::Failed) {
            let usage = store.usage();
            store.metrics().usage(&usage, false);
            report.capacity = usage.capacity;
            report.used = usage.used;
            report.free = usage.free;
            report.records = usage.records;
            report.garbage = usage.garbage;
            report.commit_us = store.metrics().commit_us();
            report.waiting_us = store.metrics().waiting_us();
            report.scrub = self.scrub.report();
        } else if let Some(store) = &self.store {
            store.metrics().usage(&crate::store::Usage::default(), true);
        }
        report
    }
}
