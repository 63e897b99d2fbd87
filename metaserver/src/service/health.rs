//! `Health`: how safe data is, group by group, and how far procedures are.

use holdfast_proto::admin::{HealthReply, HealthRequest};
use holdfast_proto::status::Status;
use holdfast_rpc::Context;

use super::Services;
use crate::leader::health;

pub(super) async fn answer(
    services: &Services,
    _context: Context,
    request: HealthRequest,
) -> Result<HealthReply, Status> {
    let leader = services.leader()?;
    health::report(&leader, &request).await
}
