//! A disk that failed: the process lets go of it, the leader hears of it, and its directory is looked at until somebody
//! has put it right.
//!
//! What always holds:
//! - Nothing of it stays open, so it can be unmounted and pulled, and another one mounted there, while the node runs.
//! - It is not trusted again by itself. That takes a person: who removes the note on it, or brings another disk.
//! - A directory is not formatted for what should be mounted there and is not. One that never had a file system of its own
//!   is taken for a new disk only when somebody said that the old one is lost. Both are looked at before every attempt.
//! - Until one is in service there the leader hears that it failed: what lay on it is rebuilt without waiting for it.
//! - A dead disk may hang whoever looks at it; one look at a time.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};
use std::time::Duration;

use holdfast_proto::cluster::{DiskCondition, DiskReport};
use holdfast_proto::op::DiskRef;
use holdfast_proto::status::{Code, Status};

use super::served::ServedDisk;
use super::{Inner, admit, home};
use crate::config::DiskConfig;
use crate::error::OpenError;
use crate::format::superblock::Superblock;
use crate::metrics::Metrics;
use crate::store::Usage;

/// How often its directory is looked at.
const LOOK: Duration = Duration::from_secs(3);
/// What is noted on a disk that could not even take the note when it failed.
const UNNOTED: &str = "it took no note of why, then";

/// See the module's first lines.
pub(super) struct Retired {
    superblock: Superblock,
    pub(super) path: PathBuf,
    why: String,
}

impl Retired {
    pub(super) fn new(superblock: &Superblock, path: &Path, why: String) -> Self {
        let metrics = Metrics::global().disk(&path.display().to_string());
        metrics.usage(&Usage::default(), true);
        metrics.condition(DiskCondition::Failed);
        Self { superblock: *superblock, path: path.to_owned(), why }
    }

    pub(super) fn reference(&self) -> DiskRef {
        DiskRef { disk: self.superblock.disk.0, incarnation: self.superblock.incarnation.0 }
    }

    /// What who asks for it hears.
    pub(super) fn refusal(&self) -> Status {
        Status::new(Code::DiskFailed, format!("{} has failed: {}", self.superblock.disk, self.why))
    }

    /// What the leader hears.
    pub(super) fn report(&self) -> DiskReport {
        DiskReport {
            disk: Some(self.reference()),
            condition: DiskCondition::Failed as i32,
            reason: self.why.clone(),
            ..DiskReport::default()
        }
    }
}

/// Waits until a disk fails, and lets go of it: tells the leader at once, leaves a note on it, so that a restart does not
/// believe it again, and closes it. Ends when the disk is closed for another reason.
pub(super) async fn watch(inner: Arc<Inner>, config: DiskConfig, disk: Weak<ServedDisk>) {
    let Some(mut failed) = disk.upgrade().map(|disk| disk.store.failed()) else { return };
    tokio::select! {
        _ = failed.wait_for(|failed| *failed) => {}
        () = inner.stopped() => return,
    }
    let Some(disk) = disk.upgrade() else { return };
    let (superblock, root) = (disk.superblock, disk.root.clone());
    let why = disk.failure().unwrap_or_default();
    let upkeep = inner.retire(Retired::new(&superblock, &config.path, why.clone()));
    let (path, at) = (config.path.clone(), root.clone());
    let closed = tokio::task::spawn_blocking(move || {
        let noted = note(&path, &at, &superblock, &why);
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
    look_after(inner, config, superblock, root, noted);
}

/// Whether the note lies on that very disk now.
fn note(path: &Path, root: &Path, superblock: &Superblock, why: &str) -> bool {
    let noted = home::note_failure(path, why).and_then(|()| look(path, root, superblock));
    match noted {
        Ok(found) => matches!(found, Found::Note),
        Err(error) => {
            tracing::warn!(disk = %path.display(), %error, "note on the disk that it has failed");
            false
        }
    }
}

/// What lies in the directory of a disk that failed.
enum Found {
    /// The note that it failed.
    Note,
    /// The disk, without that note.
    Same,
    /// Another disk, or an empty file system of its own, or what a person marked to be used.
    Other,
    /// Nothing, on a file system that is not the disk's alone.
    Nothing,
    /// The file system that should be there is not.
    Unmounted,
}

fn look(path: &Path, root: &Path, superblock: &Superblock) -> std::io::Result<Found> {
    let found = home::peek(path)?;
    let shared = root.parent().is_none();
    Ok(match found.superblock {
        Some(bytes) if bytes == superblock.encode() && found.noted => Found::Note,
        Some(bytes) if bytes == superblock.encode() => Found::Same,
        Some(_) => Found::Other,
        None if found.replace => Found::Other,
        None if found.root != root => Found::Unmounted,
        None if shared => Found::Nothing,
        None => Found::Other,
    })
}

/// Brings into service whatever a person puts in the place of a disk that failed, be it the same disk. `root`: of the file
/// system that it was on. `noted`: the note is on it.
pub(super) fn look_after(
    inner: Arc<Inner>,
    config: DiskConfig,
    superblock: Superblock,
    root: PathBuf,
    noted: bool,
) {
    tokio::spawn(wait_for_another(inner, config, superblock, root, noted));
}

async fn wait_for_another(
    inner: Arc<Inner>,
    config: DiskConfig,
    superblock: Superblock,
    root: PathBuf,
    mut noted: bool,
) {
    let lost = || {
        let disks = inner.map.disks_of(inner.node.0);
        disks.iter().any(|disk| disk.id == superblock.disk.0 && disk.lost)
    };
    let mut said = String::new();
    loop {
        tokio::select! {
            () = tokio::time::sleep(LOOK) => {}
            () = inner.stopped() => return,
        }
        let (path, at) = (config.path.clone(), root.clone());
        let found = tokio::task::spawn_blocking(move || match look(&path, &at, &superblock)? {
            // It never took the note, and without one nobody can have removed it: perhaps it takes it by now.
            Found::Same if !noted => home::note_failure(&path, UNNOTED).map(|()| Found::Note),
            found => Ok(found),
        });
        let trouble = match found.await {
            Ok(Ok(Found::Note)) => {
                noted = true;
                None
            }
            Ok(Ok(Found::Unmounted)) => {
                let what =
                    "nothing is mounted there: the disk that was there failed; mount it or another one";
                Some(OpenError::Refused(format!("{}: {what}", root.display())))
            }
            Ok(Ok(Found::Nothing)) if !lost() => Some(OpenError::Refused(format!(
                "{} is empty since {} failed; if that is lost for good, say so with `holdfast admin disks replace {}`",
                config.path.display(),
                superblock.disk,
                superblock.disk.0
            ))),
            Ok(Ok(Found::Same | Found::Other | Found::Nothing)) => {
                match admit::admit(&inner, &config).await {
                    Ok(()) => {
                        inner.set_pending(&config.path, None);
                        return;
                    }
                    Err(error) => Some(error),
                }
            }
            // Dead, or being replaced just now.
            Ok(Err(_)) | Err(_) => None,
        };
        let trouble = trouble.map(|error| error.to_string());
        if let Some(error) = trouble.as_ref().filter(|error| **error != said) {
            tracing::warn!(disk = %config.path.display(), error, "no disk is in service in place of one that failed");
            said.clone_from(error);
        }
        inner.set_pending(&config.path, trouble);
    }
}
