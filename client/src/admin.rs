//! Questions and orders about the cluster itself, for the command line and the dashboard.

use bytes::Bytes;
use holdfast_proto::admin::{
    ChangeMembership, CheckReply, CheckRequest, ClusterStatus, MembershipChange, MetaStatus, StatusRequest,
};
use holdfast_proto::ids::NodeId;
use holdfast_proto::method::{Check, Condition, Membership, Method};
use holdfast_proto::status::{Code, Status};
use holdfast_rpc::Endpoint;

use crate::client::Client;
use crate::error::ClientError;
use crate::map::ClusterMap;

impl Client {
    /// The cluster's condition as its leader sees it.
    pub async fn condition(&self) -> Result<ClusterStatus, ClientError> {
        let reply = self.inner().meta.call::<Condition>(&StatusRequest {}, self.deadline()).await;
        reply.map_err(|status| ClientError::of_question(status, "ask for the cluster's condition"))
    }

    /// The cluster's condition as one metaserver sees it: works without a leader.
    pub async fn condition_at(&self, address: &str) -> Result<ClusterStatus, ClientError> {
        let to = Endpoint { node: NodeId(0), address: address.to_owned() };
        self.call_at::<Condition>(&to, &StatusRequest {}, "ask a metaserver for the cluster's condition")
            .await
    }

    /// Changes the metadata group. A change whose outcome is unknown can be asked for again.
    pub async fn change_membership(
        &self,
        change: MembershipChange,
        node: NodeId,
        replaces: NodeId,
    ) -> Result<MetaStatus, ClientError> {
        let request = ChangeMembership {
            change: change as i32,
            node: node.0,
            replaces: replaces.0,
            actor: self.actor(),
        };
        let reply = self.inner().meta.call::<Membership>(&request, self.deadline()).await;
        reply.map_err(ClientError::of_command)
    }

    /// Runs the whole-state checker on one metaserver's copy of the metadata.
    pub async fn check_metadata(&self, node: NodeId) -> Result<CheckReply, ClientError> {
        let map = self.map();
        let Some(known) = map.node(node) else {
            return Err(ClientError::Refused(Status::new(
                Code::NotFound,
                format!("no node {node} in the map"),
            )));
        };
        let to = Endpoint { node, address: known.address.clone() };
        self.call_at::<Check>(&to, &CheckRequest {}, "check the metadata").await
    }

    /// The whole map, with every group.
    pub async fn whole_map(&self) -> Result<ClusterMap, ClientError> {
        let map = self.inner().whole_map(self.deadline()).await;
        map.map_err(|status| ClientError::of_question(status, "fetch the cluster map"))
    }

    async fn call_at<M: Method>(
        &self,
        to: &Endpoint,
        request: &M::Request,
        doing: &'static str,
    ) -> Result<M::Reply, ClientError> {
        let reply = self.inner().net.call::<M>(to, request, Bytes::new(), self.deadline()).await;
        reply.map(|(reply, _)| reply).map_err(|status| ClientError::of_question(status, doing))
    }
}
