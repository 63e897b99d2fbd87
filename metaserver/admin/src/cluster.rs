//! The connection to the cluster behind everything here: questions and orders to the leader or to one node, questions
//! and changes of the metadata, files.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use holdfast_client::{Client, ClientConfig};
use holdfast_proto::admin::{ClusterStatus, StatusRequest};
use holdfast_proto::audit::Actor;
use holdfast_proto::ids::NodeId;
use holdfast_proto::map::{MapReply, MapRequest};
use holdfast_proto::method::{Condition, GetMap, Method};
use holdfast_proto::op::{Op, Reply};
use holdfast_proto::query::{Query, QueryReply};
use holdfast_rpc::{Endpoint, MetaCaller, Net};
use tokio::sync::OnceCell;
use tokio::time::Instant;

use crate::error::Problem;
use crate::history::Memory;

/// How long one question or order may take, with all its retries.
const LIMIT: Duration = Duration::from_secs(20);

/// See the module's first lines. Cheap to clone.
#[derive(Clone)]
pub struct Cluster {
    inner: Arc<Inner>,
    actor: Option<Actor>,
    limit: Duration,
}

struct Inner {
    net: Net,
    caller: MetaCaller,
    /// Connected by the first who needs it: a node whose API nobody uses has no session for it.
    client: OnceCell<Client>,
    memory: Memory,
}

impl Cluster {
    /// Over a node's own connections.
    pub fn of_node(net: Net, caller: MetaCaller) -> Self {
        let inner = Inner { net, caller, client: OnceCell::new(), memory: Memory::default() };
        Self { inner: Arc::new(inner), actor: None, limit: LIMIT }
    }

    /// Over a client that is there, for `actor`.
    pub fn of_client(
        net: Net,
        metaservers: Vec<String>,
        client: Client,
        actor: Actor,
        limit: Duration,
    ) -> Self {
        let caller = MetaCaller::new(net.clone(), metaservers);
        let inner =
            Inner { net, caller, client: OnceCell::new_with(Some(client)), memory: Memory::default() };
        Self { inner: Arc::new(inner), actor: Some(actor), limit }
    }

    /// The same for somebody else.
    pub fn acting_for(&self, actor: Actor) -> Self {
        Self { actor: Some(actor), ..self.clone() }
    }

    /// The same with another limit per question.
    pub fn within(&self, limit: Duration) -> Self {
        Self { limit, ..self.clone() }
    }

    /// For whom it acts.
    pub(crate) fn actor(&self) -> Option<Actor> {
        self.actor.clone()
    }

    /// What was reckoned a short while ago.
    pub(crate) fn memory(&self) -> &Memory {
        &self.inner.memory
    }

    pub(crate) fn deadline(&self) -> Instant {
        Instant::now() + self.limit
    }

    /// A client for files and metadata, acting for the same.
    pub(crate) async fn client(&self) -> Result<Client, Problem> {
        let connect = || async {
            let metaservers = self.inner.caller.metaservers().into_iter().map(|peer| peer.address).collect();
            let config = ClientConfig {
                metaservers,
                net: Some(self.inner.net.clone()),
                description: "admin API".to_owned(),
                byte_budget: 64 << 20,
                read_budget: 32 << 20,
                default_deadline: self.limit,
                ..ClientConfig::default()
            };
            Client::connect(config).await
        };
        let client = self.inner.client.get_or_try_init(connect).await?;
        let client = client.within(self.limit);
        Ok(match &self.actor {
            Some(actor) => client.acting_for(actor.clone()),
            None => client,
        })
    }

    /// Asks or orders the metadata leader.
    pub(crate) async fn leader<M: Method>(&self, request: &M::Request) -> Result<M::Reply, Problem> {
        Ok(self.inner.caller.call::<M>(request, self.deadline()).await?)
    }

    /// Asks one node.
    pub(crate) async fn node<M: Method>(
        &self,
        node: u64,
        address: &str,
        request: &M::Request,
    ) -> Result<M::Reply, Problem> {
        let to = Endpoint::new(NodeId(node), address);
        let (reply, _) = self.inner.net.call::<M>(&to, request, Bytes::new(), self.deadline()).await?;
        Ok(reply)
    }

    /// Asks the metadata.
    pub(crate) async fn ask(&self, query: Query) -> Result<QueryReply, Problem> {
        let client = self.client().await?;
        Ok(Box::pin(client.ask(query)).await?.reply)
    }

    /// Changes the metadata.
    pub(crate) async fn change(&self, op: Op) -> Result<Reply, Problem> {
        let client = self.client().await?;
        Ok(Box::pin(client.mutate(op)).await?)
    }

    /// The whole map as the leader has it.
    pub(crate) async fn map(&self) -> Result<MapReply, Problem> {
        self.leader::<GetMap>(&MapRequest { have: 0, pgs: Vec::new(), all_pgs: true }).await
    }

    /// The map without groups.
    pub(crate) async fn small_map(&self) -> Result<MapReply, Problem> {
        let mut map = self.leader::<GetMap>(&MapRequest { have: 0, pgs: Vec::new(), all_pgs: false }).await?;
        map.pgs = Vec::new();
        Ok(map)
    }

    /// The cluster's condition as its leader sees it; without one, what some metaserver knows: partial, but an answer.
    pub(crate) async fn condition(&self) -> Result<ClusterStatus, Problem> {
        let first = self.leader::<Condition>(&StatusRequest {}).await?;
        let meta = first.meta.clone().unwrap_or_default();
        match meta.voters.iter().find(|peer| peer.node == meta.leader) {
            Some(peer) if !first.leader_view => {
                let told = self.node::<Condition>(peer.node, &peer.address, &StatusRequest {}).await;
                Ok(told.unwrap_or(first))
            }
            _ => Ok(first),
        }
    }
}
