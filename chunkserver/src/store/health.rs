//! Whether a disk can be believed. After a failed write or sync it cannot: it is marked failed for good.
//!
//! What always holds: the first reason stays; nothing clears it but opening the disk anew.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use parking_lot::Mutex;
use tokio::sync::watch;

use crate::error::StoreError;

/// See the module's text.
pub(super) struct Health {
    failed: AtomicBool,
    reason: Mutex<String>,
    changed: watch::Sender<bool>,
    read_errors: AtomicU64,
}

impl Default for Health {
    fn default() -> Self {
        Self {
            failed: AtomicBool::new(false),
            reason: Mutex::default(),
            changed: watch::Sender::new(false),
            read_errors: AtomicU64::new(0),
        }
    }
}

impl Health {
    /// Marks the disk failed; returns the error for whoever noticed.
    pub(super) fn fail(&self, why: &str) -> StoreError {
        let mut reason = self.reason.lock();
        if !self.failed.swap(true, Ordering::SeqCst) {
            why.clone_into(&mut reason);
            tracing::error!(why, "the disk has failed and is out of service");
            self.changed.send_replace(true);
        }
        StoreError::Failed(reason.clone())
    }

    pub(super) fn failed(&self) -> bool {
        self.failed.load(Ordering::SeqCst)
    }

    pub(super) fn check(&self) -> Result<(), StoreError> {
        if self.failed() { Err(StoreError::Failed(self.reason.lock().clone())) } else { Ok(()) }
    }

    pub(super) fn reason(&self) -> Option<String> {
        self.failed().then(|| self.reason.lock().clone())
    }

    /// Turns true when the disk fails.
    pub(super) fn watch(&self) -> watch::Receiver<bool> {
        self.changed.subscribe()
    }

    pub(super) fn read_error(&self) {
        self.read_errors.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn read_errors(&self) -> u64 {
        self.read_errors.load(Ordering::Relaxed)
    }
}
