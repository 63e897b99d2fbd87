//! `Membership`: change the metadata group, or hand leadership over.

use holdfast_proto::admin::{ChangeMembership, MembershipChange, MetaStatus};
use holdfast_proto::ids::NodeId;
use holdfast_proto::map::roles;
use holdfast_proto::status::{Code, Status};
use holdfast_rpc::Context;

use super::Services;

pub(super) async fn answer(
    services: &Services,
    context: Context,
    request: ChangeMembership,
) -> Result<MetaStatus, Status> {
    let leader = services.leader()?;
    let change = MembershipChange::try_from(request.change)
        .map_err(|_| Status::new(Code::InvalidArgument, "this change of the metadata group is not known"))?;
    let node = NodeId(request.node);
    let address = || {
        let cluster = leader.cluster.lock();
        let record = cluster
            .nodes
            .get(&node.0)
            .ok_or_else(|| Status::new(Code::NotFound, format!("there is no node {node}")))?;
        if record.roles & (roles::META | roles::WITNESS) == 0 {
            return Err(Status::new(Code::PreconditionFailed, format!("{node} does not have the meta role")));
        }
        Ok(record.address.clone())
    };
    let group = services.group.clone();
    let replaces = NodeId(request.replaces);
    // The change goes on when the asker's deadline passes: stopping half-way would help nobody.
    let making = match change {
        MembershipChange::Add => {
            let address = address()?;
            tokio::spawn(async move { group.add(node, &address).await })
        }
        MembershipChange::Remove => tokio::spawn(async move { group.remove(node).await }),
        MembershipChange::Replace => {
            let address = address()?;
            tokio::spawn(async move { group.replace(node, &address, replaces).await })
        }
        MembershipChange::Transfer => {
            let to = (node.0 != 0).then_some(node);
            tokio::spawn(async move { group.transfer(to).await })
        }
    };
    match tokio::time::timeout_at(context.deadline, making).await {
        Ok(Ok(done)) => done?,
        Ok(Err(_)) => return Err(Status::internal("the change of the metadata group did not finish")),
        Err(_) => return Err(Status::new(Code::Timeout, "the change of the metadata group goes on")),
    }
    Ok(services.group.status())
}
