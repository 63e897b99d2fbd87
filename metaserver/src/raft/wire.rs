//! How Raft's messages reach other members: a small interface, so that tests can cut, delay and count them, and its
//! one real implementation over `holdfast-rpc`.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;
use holdfast_proto::cluster::{RaftEnvelope, SnapshotPiece, SnapshotPieceReply};
use holdfast_proto::method::{RaftAppend, RaftConfirm, RaftHeartbeat, RaftSnapshot, RaftTransfer, RaftVote};
use holdfast_proto::status::Status;
use holdfast_rpc::{Endpoint, Net};
use tokio::time::Instant;

/// Kinds of message; each goes over the connection class its method names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Vote or pre-vote.
    Vote,
    /// Entries.
    Append,
    /// An append without entries.
    Heartbeat,
    /// Leadership hand-over.
    Transfer,
    /// Which vote the other stands by.
    Confirm,
}

/// A future with a forgotten type.
pub type Pending<'a, T> = Pin<Box<dyn Future<Output = Result<T, Status>> + Send + 'a>>;

/// Carries Raft's messages.
pub trait Wire: Send + Sync + 'static {
    /// One message and its answer.
    fn send<'a>(
        &'a self,
        kind: Kind,
        to: &'a Endpoint,
        message: RaftEnvelope,
        within: Duration,
    ) -> Pending<'a, RaftEnvelope>;

    /// One piece of a snapshot and how far the receiver is.
    fn send_piece<'a>(
        &'a self,
        to: &'a Endpoint,
        piece: SnapshotPiece,
        payload: Bytes,
        within: Duration,
    ) -> Pending<'a, SnapshotPieceReply>;
}

impl Wire for Net {
    fn send<'a>(
        &'a self,
        kind: Kind,
        to: &'a Endpoint,
        message: RaftEnvelope,
        within: Duration,
    ) -> Pending<'a, RaftEnvelope> {
        Box::pin(async move {
            let deadline = Instant::now() + within;
            let none = Bytes::new();
            let (reply, _) = match kind {
                Kind::Vote => self.call::<RaftVote>(to, &message, none, deadline).await,
                Kind::Append => self.call::<RaftAppend>(to, &message, none, deadline).await,
                Kind::Heartbeat => self.call::<RaftHeartbeat>(to, &message, none, deadline).await,
                Kind::Transfer => self.call::<RaftTransfer>(to, &message, none, deadline).await,
                Kind::Confirm => self.call::<RaftConfirm>(to, &message, none, deadline).await,
            }?;
            Ok(reply)
        })
    }

    fn send_piece<'a>(
        &'a self,
        to: &'a Endpoint,
        piece: SnapshotPiece,
        payload: Bytes,
        within: Duration,
    ) -> Pending<'a, SnapshotPieceReply> {
        Box::pin(async move {
            let deadline = Instant::now() + within;
            let (reply, _) = self.call::<RaftSnapshot>(to, &piece, payload, deadline).await?;
            Ok(reply)
        })
    }
}
