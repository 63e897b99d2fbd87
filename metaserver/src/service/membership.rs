//! `Membership`: change the metadata group, or hand leadership over.

use holdfast_proto::admin::{ChangeMembership, MembershipChange, MetaStatus};
use holdfast_proto::audit::{AuditKind, AuditNote};
use holdfast_proto::ids::NodeId;
use holdfast_proto::inode::KeyValue;
use holdfast_proto::map::roles;
use holdfast_proto::op::{NoteAudit, Op};
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
    let made = tokio::time::timeout_at(context.deadline, making).await;
    // The group changes by entries of its own: who wanted it is noted beside them, by whoever leads now.
    let refusal = match &made {
        Ok(Ok(Ok(()))) | Err(_) => None,
        Ok(Ok(Err(error))) => Some(error.to_string()),
        Ok(Err(_)) => Some("it did not finish".to_owned()),
    };
    note(services, &request, change, refusal).await;
    match made {
        Ok(Ok(done)) => done?,
        Ok(Err(_)) => return Err(Status::internal("the change of the metadata group did not finish")),
        Err(_) => return Err(Status::new(Code::Timeout, "the change of the metadata group goes on")),
    }
    Ok(services.group.status())
}

async fn note(
    services: &Services,
    request: &ChangeMembership,
    change: MembershipChange,
    refusal: Option<String>,
) {
    let action = match change {
        MembershipChange::Add => "meta.add",
        MembershipChange::Remove => "meta.remove",
        MembershipChange::Replace => "meta.replace",
        MembershipChange::Transfer => "meta.transfer",
    };
    let replaced = (request.replaces != 0)
        .then(|| KeyValue { key: "replaces".into(), value: format!("n{}", request.replaces) });
    let note = AuditNote {
        kind: AuditKind::Change as i32,
        actor: request.actor.clone(),
        action: action.into(),
        target: if request.node == 0 { String::new() } else { format!("n{}", request.node) },
        details: replaced.into_iter().collect(),
        refused: refusal.is_some(),
        message: refusal.unwrap_or_default(),
    };
    // After a transfer another node leads: it cannot be noted from here, and the new leader notes that it leads.
    let Ok(leader) = services.leader() else { return };
    if let Err(status) = leader.propose(Op::NoteAudit(NoteAudit { notes: vec![note] })).await {
        tracing::warn!(%status, action, "note a change of the metadata group in the audit log");
    }
}
