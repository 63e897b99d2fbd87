//! `Recent`: what clients did lately, as this leader remembers it.

use holdfast_proto::admin::{RecentReply, RecentRequest};
use holdfast_proto::status::Status;
use holdfast_rpc::Context;

use super::Services;

pub(super) async fn answer(
    services: &Services,
    _context: Context,
    request: RecentRequest,
) -> Result<RecentReply, Status> {
    Ok(services.leader()?.traffic.lock().recent(request.fine))
}
