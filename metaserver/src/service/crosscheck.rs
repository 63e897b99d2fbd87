//! `CrossCheck`: what fsck found on a disk, judged and, if that was asked for, put right.

use holdfast_proto::crosscheck::{CopyVerdict, CrossCheck, CrossCheckReply, RecordVerdict};
use holdfast_proto::status::Status;
use holdfast_rpc::Context;
use holdfast_support::clock::wall_ms;

use super::Services;
use crate::leader::crosscheck;
use crate::metrics;

pub(super) async fn answer(
    services: &Services,
    context: Context,
    request: CrossCheck,
) -> Result<CrossCheckReply, Status> {
    let leader = services.leader()?;
    let reply = crosscheck::answer(&leader, &request, context.deadline).await?;
    let bad = |verdict: &CopyVerdict| {
        matches!(verdict, CopyVerdict::Absent | CopyVerdict::Damaged | CopyVerdict::Wrong)
    };
    let orphan = |verdict: &RecordVerdict| matches!(verdict, RecordVerdict::Orphan | RecordVerdict::Deleted);
    let (copies, records) = (reply.copies().filter(bad).count(), reply.records().filter(orphan).count());
    metrics::doing::crosschecked(copies as u64, records as u64, wall_ms() / 1000);
    Ok(reply)
}
