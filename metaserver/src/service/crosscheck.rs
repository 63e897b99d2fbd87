//! `CrossCheck`: what fsck found on a disk, judged and, if that was asked for, put right.

use holdfast_proto::crosscheck::{CrossCheck, CrossCheckReply};
use holdfast_proto::status::Status;
use holdfast_rpc::Context;

use super::Services;
use crate::leader::crosscheck;

pub(super) async fn answer(
    services: &Services,
    context: Context,
    request: CrossCheck,
) -> Result<CrossCheckReply, Status> {
    let leader = services.leader()?;
    crosscheck::answer(&leader, &request, context.deadline).await
}
