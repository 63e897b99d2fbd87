//! A disk that failed: the process lets go of it, the leader hears of it, and its directory is looked at until somebody
//! has put it right.
//!
//! What always holds:
//! - Nothing of it stays open, so it can be unmounted and pulled, and another one mounted there, while the node runs.
//! - It is not trusted again by itself. That takes a person: who removes the note on it, or brings another disk.
//! - An empty directory that nothing is mounted on is taken for a disk only when somebody said that the old one is lost.
//! - Until one is in service there the leader hears that it failed: what lay on it is rebuilt without waiting for it.
//! - A dead disk may hang whoever looks at it; one look at a time.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use holdfast_proto::cluster::{DiskCondition, DiskReport};
use holdfast_proto::op::DiskRef;
use holdfast_proto::status::{Code, Status};

use super::home::{self, DiskHome};
use super::served::ServedDisk;
use super::{Inner, admit};
use crate::config::DiskConfig;
use crate::format::superblock::Superblock;
use crate::metrics::Metrics;
use crate::store::Usage;

/// What is noted on a disk that could not even take the note when it failed.
const UNNOTED: &str = "it took no note of why, then";
/// How often its directory is looked at.
const LOOK: Duration = Duration::from_secs(3);

/// See the module's first lines.
pub(super) struct Retired {
    reference: DiskRef,
    pub(super) path: PathBuf,
    why: String,
}

impl Retired {
    pub(super) fn new(superblock: &Superblock, path: &Path, why: String) -> Self {
        let reference = DiskRef { disk: superblock.disk.0, incarnation: superblock.incarnation.0 };
        Metrics::global().disk(&path.display().to_string()).usage(&Usage::default(), true);
        Self { reference, path: path.to_owned(), why }
    }

    pub(super) fn id(&self) -> u32 {
        self.reference.disk
    }

    /// What who asks for it hears.
    pub(super) fn refusal(&self) -> Status {
        Status::new(Code::DiskFailed, format!("disk d{} has failed: {}", self.reference.disk, self.why))
    }

    /// What the leader hears.
    pub(super) fn report(&self) -> DiskReport {
        DiskReport {
            disk: Some(self.reference),
            condition: DiskCondition::Failed as i32,
            reason: self.why.clone(),
            ..DiskReport::default()
        }
    }
}

/// Waits until a disk fails, and lets go of it: tells the leader at once, leaves a note on it, so that a restart does not
/// believe it again, and closes it.
pub(super) async fn watch(inner: Arc<Inner>, config: DiskConfig, disk: Arc<ServedDisk>) {
    let mut failed = disk.store.failed();
    tokio::select! {
        _ = failed.wait_for(|failed| *failed) => {}
        () = inner.stopped() => return,
    }
    let why = disk.failure().unwrap_or_default();
    let (superblock, home) = (disk.superblock, disk.home.clone());
    inner.retire(Retired::new(&superblock, &config.path, why.clone()));
    let upkeep = inner.upkeep.lock().remove(&superblock.disk.0);
    let closed = tokio::task::spawn_blocking(move || {
        let noted = note(&home, &why);
        if let Some(mut upkeep) = upkeep {
            upkeep.stop();
        }
        disk.store.close();
        noted
    });
    let noted = closed.await.unwrap_or_else(|error| {
        tracing::error!(%error, "close a disk that failed");
        false
    });
    look_after(inner, config, superblock, noted);
}

fn note(home: &DiskHome, why: &str) -> bool {
    home.note_failure(why)
        .inspect_err(|error| {
            tracing::warn!(disk = %home.path().display(), %error, "note on the disk that it has failed");
        })
        .is_ok()
}

/// What lies in the directory of a disk that failed.
enum Found {
    /// The note that it failed.
    Note,
    /// The disk, without that note.
    Same,
    /// Another disk, formatted or not.
    Other,
    /// A directory with nothing in it: most likely the failed disk is not mounted there any more, and nothing is yet.
    Nothing,
}

fn look(path: &Path, superblock: &Superblock) -> std::io::Result<Found> {
    let found = home::peek(path)?;
    Ok(match found.superblock {
        Some(bytes) if bytes == superblock.encode() && found.noted => Found::Note,
        Some(bytes) if bytes == superblock.encode() => Found::Same,
        Some(_) => Found::Other,
        None if found.mounted || found.replace => Found::Other,
        None => Found::Nothing,
    })
}

/// Brings into service whatever a person puts in the place of a disk that failed, be it the same disk. `noted`: the note
/// was seen on it.
pub(super) fn look_after(inner: Arc<Inner>, config: DiskConfig, superblock: Superblock, noted: bool) {
    tokio::spawn(wait_for_another(inner, config, superblock, noted));
}

async fn wait_for_another(inner: Arc<Inner>, config: DiskConfig, superblock: Superblock, mut noted: bool) {
    // An empty directory is not formatted behind anybody's back, unless somebody told the cluster that the disk is lost.
    let lost = || {
        let disks = inner.map.disks_of(inner.node.0);
        disks.iter().any(|disk| disk.id == superblock.disk.0 && disk.lost)
    };
    loop {
        tokio::select! {
            () = tokio::time::sleep(LOOK) => {}
            () = inner.stopped() => return,
        }
        let path = config.path.clone();
        let found = tokio::task::spawn_blocking(move || match look(&path, &superblock)? {
            // It never took the note, and without one nobody can have removed it: perhaps it takes it by now.
            Found::Same if !noted => home::note_failure(&path, UNNOTED).map(|()| Found::Note),
            found => Ok(found),
        });
        match found.await {
            Ok(Ok(Found::Note)) => noted = true,
            Ok(Ok(Found::Nothing)) if !lost() => {}
            Ok(Ok(Found::Same | Found::Other | Found::Nothing)) => break,
            // Dead, or being replaced just now.
            Ok(Err(_)) | Err(_) => {}
        }
    }
    tracing::info!(disk = %superblock.disk, path = %config.path.display(), "the directory of a disk that failed is tried again");
    admit::bring_into_service(inner, config).await;
}
