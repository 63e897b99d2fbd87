//! Receiving a snapshot, piece by piece, into `incoming/`.
//!
//! What always holds:
//! - A snapshot counts only when every file has the length and BLAKE3 of the manifest, is synced, and the directory
//!   was renamed among the complete ones. Until then a crash or a new transfer just ignores or continues it.
//! - One snapshot at a time: pieces of another one start over and remove what was half there.
//! - Nothing here runs on the Raft runtime; disk work goes to blocking threads.

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use holdfast_proto::cluster::SnapshotPiece;
use holdfast_proto::status::{Code, Status};
use holdfast_support::crc::crc32c;
use tokio::sync::Mutex;

use super::error::MetaError;
use super::manifest::{self, MANIFEST, Manifest};
use super::snapshot::{self, SnapshotRef};
use super::start::Places;
use crate::store::dirs;

/// The transfer under way, if any.
pub(crate) struct Receiver {
    places: Arc<Places>,
    state: Mutex<Option<Arc<Transfer>>>,
}

#[derive(Debug)]
struct Transfer {
    name: String,
    dir: PathBuf,
    manifest: Manifest,
}

fn invalid(message: impl Into<String>) -> Status {
    Status::new(Code::InvalidArgument, message)
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, MetaError> + Send + 'static,
) -> Result<T, Status> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result.map_err(Status::from),
        Err(error) => Err(Status::internal(error.to_string())),
    }
}

impl Receiver {
    pub(crate) fn new(places: Arc<Places>) -> Self {
        Self { places, state: Mutex::new(None) }
    }

    /// Takes one piece; returns the next offset wanted of its file.
    pub(crate) async fn piece(&self, piece: &SnapshotPiece, payload: Bytes) -> Result<u64, Status> {
        if crc32c(&payload) != piece.crc {
            return Err(Status::new(Code::Corrupt, "a piece of a snapshot arrived damaged"));
        }
        let mut state = self.state.lock().await;
        if piece.file == MANIFEST {
            let (incoming, name) = (self.places.incoming.clone(), piece.snapshot.clone());
            let length = payload.len() as u64;
            *state = Some(Arc::new(blocking(move || Transfer::begin(&incoming, name, &payload)).await?));
            return Ok(length);
        }
        let transfer = current(&state, &piece.snapshot)?;
        let (file, offset) = (piece.file.clone(), piece.offset);
        blocking(move || transfer.write(&file, offset, &payload)).await
    }

    /// All pieces are said to be there: verifies them and makes the snapshot a complete one.
    pub(crate) async fn finish(&self, name: &str) -> Result<SnapshotRef, Status> {
        let mut state = self.state.lock().await;
        let transfer = current(&state, name)?;
        let places = self.places.clone();
        let finished = blocking(move || {
            transfer.verify()?;
            places.snapshots.adopt(&transfer.dir)
        })
        .await?;
        *state = None;
        Ok(finished)
    }
}

fn current(state: &Option<Arc<Transfer>>, name: &str) -> Result<Arc<Transfer>, Status> {
    match state {
        Some(transfer) if transfer.name == name => Ok(transfer.clone()),
        _ => Err(Status::new(
            Code::Unavailable,
            format!("no transfer of snapshot {name} is under way; begin again"),
        )),
    }
}

impl Transfer {
    /// Prepares a place for the snapshot, keeping what an earlier attempt at the very same one left.
    fn begin(incoming: &Path, name: String, text: &[u8]) -> Result<Self, MetaError> {
        let manifest = Manifest::from_file(text, Path::new(MANIFEST))?;
        if manifest::name_of(&manifest.marker(Path::new(MANIFEST))?) != name {
            return Err(MetaError::damaged(name, "the snapshot's name does not fit its manifest"));
        }
        let dir = incoming.join(&name);
        let entries =
            fs::read_dir(incoming).map_err(|e| MetaError::io(format!("read {}", incoming.display()), e))?;
        for other in entries.flatten().map(|e| e.path()).filter(|path| *path != dir) {
            dirs::remove_dir(&other)?;
        }
        // Two members may hold different files for the same index: only the very same manifest is continued.
        let same = fs::read(dir.join(MANIFEST)).is_ok_and(|there| there == text);
        if !same {
            dirs::remove_dir(&dir)?;
            dirs::create_dir(&dir.join("table"))?;
            dirs::replace_file(&dir.join(MANIFEST), text)?;
        }
        Ok(Self { name, dir, manifest })
    }

    fn entry(&self, name: &str) -> Result<&manifest::File, MetaError> {
        let found = self.manifest.files.iter().find(|f| f.name == name);
        found.ok_or_else(|| MetaError::Refused(format!("the snapshot has no file {name:?}")))
    }

    fn write(&self, name: &str, offset: u64, payload: &[u8]) -> Result<u64, MetaError> {
        let bytes = self.entry(name)?.bytes;
        let path = self.dir.join("table").join(name);
        let failed = |e| MetaError::io(format!("write {}", path.display()), e);
        let file = OpenOptions::new().create(true).truncate(false).write(true).open(&path).map_err(failed)?;
        let there = file.metadata().map_err(failed)?.len();
        if there > bytes {
            file.set_len(0).map_err(failed)?;
            return Ok(0);
        }
        // A piece that is not the next one is not an error: the answer says where to go on.
        if payload.is_empty() || offset != there || offset + payload.len() as u64 > bytes {
            return Ok(there);
        }
        file.write_all_at(payload, offset).map_err(failed)?;
        Ok(offset + payload.len() as u64)
    }

    /// Checks and syncs every file. One that is wrong is removed, so that the next attempt brings it anew.
    fn verify(&self) -> Result<(), MetaError> {
        for entry in &self.manifest.files {
            let path = self.dir.join("table").join(&entry.name);
            let failed = |e| MetaError::io(format!("verify {}", path.display()), e);
            let file = File::open(&path).map_err(failed)?;
            if snapshot::hash_file(&file).map_err(failed)? != entry.blake3 {
                fs::remove_file(&path).map_err(failed)?;
                return Err(MetaError::damaged(path.display().to_string(), "it does not match the manifest"));
            }
            file.sync_all().map_err(failed)?;
        }
        dirs::sync_dir(&self.dir.join("table"))?;
        dirs::sync_dir(&self.dir)
    }
}

/// Refuses what is not meant for this node.
pub(crate) fn check_target(me: u64, to: u64) -> Result<(), Status> {
    if me == to {
        return Ok(());
    }
    Err(Status::new(Code::WrongNode, format!("this is node n{me}, the message is for n{to}")))
}

/// Refuses an encoding of another version.
pub(crate) fn check_version(version: u32) -> Result<(), Status> {
    if version == super::codec::VERSION {
        return Ok(());
    }
    Err(Status::new(Code::WrongVersion, format!("Raft encoding {version} is not known to this build")))
}

/// A malformed body.
pub(crate) fn malformed(error: super::codec::Malformed) -> Status {
    invalid(error.to_string())
}
