//! `Procedures`: begin or end the drain, maintenance, replacement or removal of a disk or node.

use holdfast_proto::admin::{ProcedureAction, ProcedureReply, ProcedureRequest};
use holdfast_proto::audit::{AuditKind, AuditNote};
use holdfast_proto::op::{NoteAudit, Op};
use holdfast_proto::status::{Code, Status};
use holdfast_rpc::Context;

use super::Services;
use crate::leader::procedures;

pub(super) async fn answer(
    services: &Services,
    context: Context,
    request: ProcedureRequest,
) -> Result<ProcedureReply, Status> {
    let leader = services.leader()?;
    let acted = procedures::act(&leader, &request, context.deadline).await;
    if let Err(refusal) = &acted
        && !request.only_judge
        && is_verdict(refusal.kind())
    {
        let noted = leader.propose(Op::NoteAudit(NoteAudit { notes: vec![note(&request, refusal)] })).await;
        if let Err(status) = noted {
            tracing::warn!(%status, "note a refused procedure in the audit log");
        }
    }
    acted
}

/// Whether somebody decided against it; otherwise it may be tried again.
fn is_verdict(code: Code) -> bool {
    matches!(code, Code::PreconditionFailed | Code::InvalidArgument | Code::NotFound | Code::PermissionDenied)
}

/// What was refused before it became a command.
fn note(request: &ProcedureRequest, refusal: &Status) -> AuditNote {
    let what = match request.action() {
        ProcedureAction::Drain => "drain",
        ProcedureAction::Resume => "resume",
        ProcedureAction::Maintain => "maintenance",
        ProcedureAction::Replace => "replace",
        ProcedureAction::Remove => "remove",
    };
    let (kind, target) = match request.disk {
        0 => ("node", format!("n{}", request.node)),
        disk => ("disk", format!("d{disk}")),
    };
    AuditNote {
        kind: AuditKind::Change as i32,
        actor: request.actor.clone(),
        action: format!("{kind}.{what}"),
        target,
        refused: true,
        message: refusal.message.clone(),
        ..AuditNote::default()
    }
}
