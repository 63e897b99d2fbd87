//! Sending a snapshot: the manifest, then every file from where the receiver says it is, then the vote.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use holdfast_proto::cluster::{SnapshotPiece, SnapshotPieceReply};
use holdfast_proto::ids::NodeId;
use holdfast_proto::status::{Code, Status};
use holdfast_rpc::Endpoint;
use holdfast_support::crc::crc32c;

use super::codec;
use super::manifest::{self, MANIFEST};
use super::snapshot::SnapshotRef;
use super::types::Vote;
use super::wire::Wire;
use crate::metrics;

/// Bytes of one piece.
const PIECE_BYTES: u64 = 1 << 20;
/// Longest wait for the answer to a piece.
const PIECE_TIMEOUT: Duration = Duration::from_secs(10);
/// Longest wait for the last answer: the receiver verifies every byte and installs.
const INSTALL_TIMEOUT: Duration = Duration::from_secs(600);

/// Sends `snapshot` to `to` and returns the vote the receiver holds. Pieces that arrived earlier are not sent again.
pub(crate) async fn send(
    wire: &dyn Wire,
    me: NodeId,
    to: &Endpoint,
    vote: Vote,
    snapshot: &SnapshotRef,
) -> Result<Vote, Status> {
    let outcome = send_all(wire, me, to, vote, snapshot).await;
    metrics::raft::snapshot_sent(outcome.is_ok());
    outcome
}

async fn send_all(
    wire: &dyn Wire,
    me: NodeId,
    to: &Endpoint,
    vote: Vote,
    snapshot: &SnapshotRef,
) -> Result<Vote, Status> {
    let sender = Sender { wire, me, to, name: manifest::name_of(&snapshot.marker) };
    tracing::info!(to = %to.node, snapshot = sender.name, "sending a snapshot");
    let text = Bytes::from(snapshot.manifest.to_file());
    sender.piece(MANIFEST, 0, text, Bytes::new(), false, PIECE_TIMEOUT).await?;
    for entry in &snapshot.manifest.files {
        sender.file(snapshot.table().join(&entry.name), &entry.name, entry.bytes).await?;
    }
    let last = codec::encode_one_vote(&vote);
    let reply = sender.piece("", 0, Bytes::new(), last, true, INSTALL_TIMEOUT).await?;
    codec::decode_one_vote(reply.body).map_err(|e| Status::new(Code::Internal, e.to_string()))
}

struct Sender<'a> {
    wire: &'a dyn Wire,
    me: NodeId,
    to: &'a Endpoint,
    name: String,
}

impl Sender<'_> {
    async fn piece(
        &self,
        file: &str,
        offset: u64,
        payload: Bytes,
        body: Bytes,
        last: bool,
        within: Duration,
    ) -> Result<SnapshotPieceReply, Status> {
        let piece = SnapshotPiece {
            from: self.me.0,
            snapshot: self.name.clone(),
            file: file.to_owned(),
            offset,
            crc: crc32c(&payload),
            last,
            body,
            to: self.to.node.0,
        };
        let reply = self.wire.send_piece(self.to, piece, payload, within).await?;
        match reply.status {
            Some(status) if !status.is_ok() => Err(status),
            _ => Ok(reply),
        }
    }

    async fn file(&self, path: PathBuf, name: &str, bytes: u64) -> Result<(), Status> {
        let failed = |e: std::io::Error| Status::internal(format!("read {}: {e}", path.display()));
        let opened = path.clone();
        let file = blocking(move || File::open(opened)).await.map_err(failed)?;
        let file = Arc::new(file);
        // An empty piece asks how much is there already.
        let mut next = self.piece(name, 0, Bytes::new(), Bytes::new(), false, PIECE_TIMEOUT).await?.next;
        while next < bytes {
            let length = PIECE_BYTES.min(bytes - next) as usize;
            let (source, at) = (file.clone(), next);
            let payload = blocking(move || {
                let mut buffer = vec![0; length];
                source.read_exact_at(&mut buffer, at).map(|()| Bytes::from(buffer))
            })
            .await
            .map_err(failed)?;
            let reply = self.piece(name, next, payload, Bytes::new(), false, PIECE_TIMEOUT).await?;
            if reply.next <= next {
                return Err(Status::new(
                    Code::Unavailable,
                    format!("the receiver of {name} does not advance"),
                ));
            }
            next = reply.next;
        }
        Ok(())
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> std::io::Result<T> + Send + 'static,
) -> std::io::Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(std::io::Error::other)?
}
