//! `Report`: a bad replica or an unreachable node, seen by a client or a chunkserver.

use holdfast_proto::cluster::{Empty, Finding, ReportProblem};
use holdfast_proto::status::Status;
use holdfast_rpc::Context;
use tokio::time::Instant;

use super::Services;

pub(super) async fn answer(
    services: &Services,
    context: Context,
    problem: ReportProblem,
) -> Result<Empty, Status> {
    let leader = services.leader()?;
    match problem.finding() {
        Finding::Unreachable => {
            let by = if context.peer.0 != 0 { context.peer.0 } else { problem.session };
            leader.hearing.lock().complain(Instant::now(), by, problem.node);
        }
        Finding::Damaged | Finding::Absent => leader.find(problem),
    }
    Ok(Empty {})
}
