//! Answers Raft's messages from other members.
//!
//! A member that has just restarted may have forgotten a promise to a leader it acknowledged a moment ago, so it
//! answers no vote for one election timeout. All else goes straight to openraft, except the question which vote this
//! member stands by, which its log answers.

use std::sync::Arc;

use bytes::Bytes;
use holdfast_proto::cluster::{RaftEnvelope, SnapshotPiece, SnapshotPieceReply};
use holdfast_proto::method::{RaftAppend, RaftConfirm, RaftHeartbeat, RaftSnapshot, RaftTransfer, RaftVote};
use holdfast_proto::status::{Code, Status};
use holdfast_rpc::Router;
use tokio::time::Instant;

use super::codec;
use super::log::LogStore;
use super::receive::{Receiver, check_target, check_version, malformed};
use super::types::{Raft, Snapshot};
use super::wire::Kind;

/// One member's answering side.
pub struct Inbox {
    pub(crate) me: u64,
    pub(crate) raft: Raft,
    pub(crate) log: LogStore,
    pub(crate) receiver: Receiver,
    /// No votes are answered before this.
    pub(crate) quiet_until: Instant,
}

fn stopped(error: impl std::fmt::Display) -> Status {
    Status::new(Code::ShuttingDown, format!("the metadata group does not run: {error}"))
}

impl Inbox {
    /// Answers one message.
    pub async fn message(&self, kind: Kind, envelope: RaftEnvelope) -> Result<RaftEnvelope, Status> {
        check_target(self.me, envelope.to)?;
        check_version(envelope.version)?;
        let body = match kind {
            Kind::Vote => self.vote(envelope.body).await?,
            Kind::Append | Kind::Heartbeat => self.append(envelope.body).await?,
            Kind::Transfer => self.transfer(envelope.body).await?,
            Kind::Confirm => self.confirm()?,
        };
        Ok(RaftEnvelope { from: self.me, to: envelope.from, version: codec::VERSION, body })
    }

    async fn vote(&self, body: Bytes) -> Result<Bytes, Status> {
        let (request, pre) = codec::decode_vote(body).map_err(malformed)?;
        if Instant::now() < self.quiet_until {
            let after = self.quiet_until - Instant::now();
            return Err(Status::busy(after, "this member has just restarted and does not vote yet"));
        }
        let reply = if pre { self.raft.pre_vote(request).await } else { self.raft.vote(request).await };
        Ok(codec::encode_vote_reply(&reply.map_err(stopped)?))
    }

    async fn append(&self, body: Bytes) -> Result<Bytes, Status> {
        let request = codec::decode_append(body).map_err(malformed)?;
        let reply = self.raft.append_entries(request).await.map_err(stopped)?;
        Ok(codec::encode_append_reply(&reply))
    }

    /// Its durable promise, whoever asks.
    fn confirm(&self) -> Result<Bytes, Status> {
        let vote =
            self.log.vote().ok_or_else(|| Status::new(Code::Unavailable, "this member has not voted yet"))?;
        Ok(codec::encode_one_vote(&vote))
    }

    async fn transfer(&self, body: Bytes) -> Result<Bytes, Status> {
        let request = codec::decode_transfer(body).map_err(malformed)?;
        let reply = self.raft.handle_transfer_leader(request).await.map_err(stopped)?;
        Ok(codec::encode_transfer_reply(&reply))
    }

    /// Takes a piece of a snapshot; with the last one, installs it.
    pub async fn piece(&self, piece: SnapshotPiece, payload: Bytes) -> Result<SnapshotPieceReply, Status> {
        check_target(self.me, piece.to)?;
        if !piece.last {
            let next = self.receiver.piece(&piece, payload).await?;
            return Ok(SnapshotPieceReply { next, ..Default::default() });
        }
        let vote = codec::decode_one_vote(piece.body).map_err(malformed)?;
        let snapshot = self.receiver.finish(&piece.snapshot).await?;
        let meta = snapshot.marker.meta();
        let reply =
            self.raft.install_full_snapshot(vote, Snapshot { meta, snapshot }).await.map_err(stopped)?;
        Ok(SnapshotPieceReply { body: codec::encode_one_vote(&reply.vote), ..Default::default() })
    }
}

/// The handlers for a member's router.
pub(crate) fn router(inbox: Arc<Inbox>) -> Router {
    macro_rules! on {
        ($router:expr, $method:ty, $kind:expr) => {{
            let inbox = inbox.clone();
            $router.on::<$method, _, _>(move |_, envelope, _| {
                let inbox = inbox.clone();
                async move { Ok((inbox.message($kind, envelope).await?, Bytes::new())) }
            })
        }};
    }
    let router = on!(Router::new(), RaftVote, Kind::Vote);
    let router = on!(router, RaftAppend, Kind::Append);
    let router = on!(router, RaftHeartbeat, Kind::Heartbeat);
    let router = on!(router, RaftTransfer, Kind::Transfer);
    let router = on!(router, RaftConfirm, Kind::Confirm);
    router.on::<RaftSnapshot, _, _>(move |_, piece, payload| {
        let inbox = inbox.clone();
        async move { Ok((inbox.piece(piece, payload).await?, Bytes::new())) }
    })
}
