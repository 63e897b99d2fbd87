//! openraft's network interface: one client per target, on top of a [`Wire`].

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::Stream;
use holdfast_proto::cluster::RaftEnvelope;
use holdfast_proto::ids::NodeId;
use holdfast_proto::status::{Code, Status};
use holdfast_rpc::Endpoint;
use openraft::RPCTypes;
use openraft::errors::{NetworkError, RPCError, ReplicationClosed, StreamingError, Timeout, Unreachable};
use openraft::impls::BasicNode;
use openraft::network::{Backoff, RPCOption, RaftNetworkFactory, RaftNetworkV2};
use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, SnapshotResponse, TransferLeaderRequest,
    TransferLeaderResponse, VoteRequest, VoteResponse,
};

use super::codec::{self, Malformed};
use super::snapshot::SnapshotRef;
use super::stream;
use super::types::{Snapshot, TypeConfig, Vote};
use super::wire::{Kind, Wire};

/// Longest wait for the answer to entries. The failure detector of the connection usually speaks earlier.
const APPEND_TIMEOUT: Duration = Duration::from_secs(1);

/// Makes clients.
pub(crate) struct Network {
    pub(crate) wire: Arc<dyn Wire>,
    pub(crate) me: NodeId,
}

/// Talks to one member.
pub(crate) struct Client {
    wire: Arc<dyn Wire>,
    me: NodeId,
    to: Endpoint,
    heartbeats: bool,
}

impl RaftNetworkFactory<TypeConfig> for Network {
    type Network = Client;

    async fn new_client(&mut self, target: u64, node: &BasicNode) -> Client {
        let to = Endpoint { node: NodeId(target), address: node.addr.clone() };
        Client { wire: self.wire.clone(), me: self.me, to, heartbeats: false }
    }

    async fn new_heartbeat_client(&mut self, target: u64, node: &BasicNode) -> Client {
        Client { heartbeats: true, ..self.new_client(target, node).await }
    }
}

fn unreachable(reason: impl ToString) -> RPCError<TypeConfig> {
    // Everything but a timeout backs off: an immediate retry against a member that refuses would spin.
    RPCError::Unreachable(Unreachable::from_string(reason))
}

impl Client {
    async fn exchange<T>(
        &self,
        kind: Kind,
        action: RPCTypes,
        body: Bytes,
        within: Duration,
        decode: impl FnOnce(Bytes) -> Result<T, Malformed>,
    ) -> Result<T, RPCError<TypeConfig>> {
        let envelope = RaftEnvelope { from: self.me.0, to: self.to.node.0, version: codec::VERSION, body };
        let reply = self.wire.send(kind, &self.to, envelope, within).await.map_err(|status| match status
            .kind()
        {
            Code::Timeout => {
                RPCError::Timeout(Timeout { action, id: self.me.0, target: self.to.node.0, timeout: within })
            }
            _ => unreachable(status),
        })?;
        if reply.version != codec::VERSION || reply.from != self.to.node.0 {
            return Err(unreachable("the answer is of another version or another node"));
        }
        decode(reply.body).map_err(unreachable)
    }
}

impl RaftNetworkV2<TypeConfig> for Client {
    type SnapshotData = SnapshotRef;

    fn stream_append<'s, S>(&'s mut self, messages: S, option: RPCOption) -> stream::Opening<'s>
    where
        S: Stream<Item = stream::Message> + Send + Unpin + 'static,
    {
        stream::open(self, messages, option)
    }

    async fn append_entries(
        &mut self,
        request: AppendEntriesRequest<TypeConfig>,
        option: RPCOption,
    ) -> Result<AppendEntriesResponse<TypeConfig>, RPCError<TypeConfig>> {
        let (kind, within) = if self.heartbeats {
            (Kind::Heartbeat, option.hard_ttl())
        } else {
            (Kind::Append, APPEND_TIMEOUT)
        };
        let body = codec::encode_append(&request);
        self.exchange(kind, RPCTypes::AppendEntries, body, within, codec::decode_append_reply).await
    }

    async fn vote(
        &mut self,
        request: VoteRequest<TypeConfig>,
        option: RPCOption,
    ) -> Result<VoteResponse<TypeConfig>, RPCError<TypeConfig>> {
        let body = codec::encode_vote(&request, false);
        self.exchange(Kind::Vote, RPCTypes::Vote, body, option.hard_ttl(), codec::decode_vote_reply).await
    }

    async fn pre_vote(
        &mut self,
        request: VoteRequest<TypeConfig>,
        option: RPCOption,
    ) -> Result<VoteResponse<TypeConfig>, RPCError<TypeConfig>> {
        let body = codec::encode_vote(&request, true);
        self.exchange(Kind::Vote, RPCTypes::Vote, body, option.hard_ttl(), codec::decode_vote_reply).await
    }

    async fn full_snapshot(
        &mut self,
        vote: Vote,
        snapshot: Snapshot,
        cancel: impl Future<Output = ReplicationClosed> + Send + 'static,
        _option: RPCOption,
    ) -> Result<SnapshotResponse<TypeConfig>, StreamingError<TypeConfig>> {
        let sending = super::send::send(self.wire.as_ref(), self.me, &self.to, vote, &snapshot.snapshot);
        tokio::select! {
            closed = cancel => Err(StreamingError::Closed(closed)),
            sent = sending => sent.map(SnapshotResponse::new).map_err(|status: Status| {
                StreamingError::Network(NetworkError::from_string(status))
            }),
        }
    }

    async fn transfer_leader(
        &mut self,
        request: TransferLeaderRequest<TypeConfig>,
        option: RPCOption,
    ) -> Result<TransferLeaderResponse<TypeConfig>, RPCError<TypeConfig>> {
        let body = codec::encode_transfer(&request);
        let within = option.hard_ttl().max(Duration::from_millis(100));
        self.exchange(Kind::Transfer, RPCTypes::TransferLeader, body, within, codec::decode_transfer_reply)
            .await
    }

    fn backoff(&self) -> Option<Backoff> {
        let steps = [10u64, 20, 40, 80, 160].into_iter().chain(std::iter::repeat(250));
        Some(Backoff::new(steps.map(Duration::from_millis)))
    }
}
