//! `VerifyAudit`: follow the chain of the audit log in this node's own copy of the metadata.

use holdfast_proto::audit::{VerifyAudit, VerifyAuditReply};
use holdfast_proto::status::Status;
use holdfast_rpc::Context;

use super::Services;
use crate::metrics;

pub(super) async fn answer(
    services: &Services,
    _context: Context,
    request: VerifyAudit,
) -> Result<VerifyAuditReply, Status> {
    let view = services.group.local_view();
    let follow = move || {
        let found = holdfast_state::verify_audit(&view, request.upto)?;
        Ok::<_, holdfast_state::Broken>(VerifyAuditReply { index: view.index().0, ..found })
    };
    let found = tokio::task::spawn_blocking(follow)
        .await
        .map_err(|_| Status::internal("following the audit log did not finish"))?
        .map_err(|broken| Status::internal(broken.to_string()))?;
    metrics::data::audit_verified(&found);
    Ok(found)
}
