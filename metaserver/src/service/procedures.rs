//! `Procedures`: begin or end the drain, maintenance, replacement or removal of a disk or node.

use holdfast_proto::admin::{ProcedureReply, ProcedureRequest};
use holdfast_proto::status::Status;
use holdfast_rpc::Context;

use super::Services;
use crate::leader::procedures;

pub(super) async fn answer(
    services: &Services,
    context: Context,
    request: ProcedureRequest,
) -> Result<ProcedureReply, Status> {
    let leader = services.leader()?;
    procedures::act(&leader, &request, context.deadline).await
}
