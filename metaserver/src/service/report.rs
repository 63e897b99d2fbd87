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
        // Only who is a member itself is believed, and about itself.
        Finding::NoRoom if context.peer.0 != 0 => {
            leader.hearing.lock().no_room(Instant::now(), context.peer.0);
        }
        Finding::NoRoom => {}
        Finding::Damaged | Finding::Absent => leader.find(problem),
    }
    Ok(Empty {})
}
