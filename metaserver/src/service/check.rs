//! `Check`: the whole-state checker, on this node's own copy of the metadata.

use holdfast_proto::admin::{CheckReply, CheckRequest};
use holdfast_proto::status::Status;
use holdfast_rpc::Context;

use super::Services;

/// Problems told at most.
const MOST_PROBLEMS: usize = 1000;

pub(super) async fn answer(
    services: &Services,
    _context: Context,
    _: CheckRequest,
) -> Result<CheckReply, Status> {
    let view = services.group.local_view();
    let check = move || {
        let report = holdfast_state::check(&view)?;
        let (digest, _) = holdfast_state::digest(&view)?;
        Ok::<_, holdfast_state::Broken>((view.index(), report, digest))
    };
    let (index, report, digest) = tokio::task::spawn_blocking(check)
        .await
        .map_err(|_| Status::internal("the check did not finish"))?
        .map_err(|broken| Status::internal(broken.to_string()))?;
    let mut problems = report.problems;
    problems.truncate(MOST_PROBLEMS);
    Ok(CheckReply { problems, index: index.0, records: report.records, digest: digest.to_vec().into() })
}
