//! The loop that counts for how long the cluster was up, and ends what lay untouched for too much of that time:
//! multipart uploads whose client never came back.
//!
//! What always holds: no clock that can be set takes part. Time counts by a leader's monotonic clock while it leads,
//! and only what a command brought into the log; so uploads live rather too long than too short.

use std::sync::Arc;
use std::time::Duration;

use holdfast_proto::op::{AbortUpload, CountUptime, Op};
use holdfast_proto::status::{Code, Status};
use holdfast_support::clock::StallWatch;
use tokio::time::Instant;

use super::board::Doing;
use super::context::Leader;
use super::facts;
use super::ports::{Chunkservers, Metadata};

const NAME: &str = "uptime";
/// Time that a leader which dies takes with it uncounted.
const ROUND: Duration = Duration::from_secs(600);
/// How often it is looked whether a round is over.
const LOOK: Duration = Duration::from_secs(5);
/// Uploads per page.
const PAGE: usize = 1000;

/// Runs until leadership ends.
pub(crate) async fn run<M: Metadata, C: Chunkservers>(leader: Arc<Leader<M, C>>) {
    // Time for which this process stood still is not time for which the cluster was up.
    let mut stall = StallWatch::new(2 * LOOK);
    let (mut since, mut lost) = (Instant::now(), Duration::ZERO);
    while leader.pause(LOOK).await {
        lost += stall.stalled().unwrap_or_default();
        let up = since.elapsed().saturating_sub(lost);
        if up < ROUND {
            continue;
        }
        (since, lost) = (Instant::now(), Duration::ZERO);
        match round(&leader, up).await {
            Ok(ended) => leader.board.set(NAME, Doing::Idle, format!("{ended} forgotten uploads ended")),
            Err(status) => leader.board.set(NAME, Doing::Waiting, status.to_string()),
        }
    }
}

/// Counts the time and ends what is due; how many uploads.
pub(crate) async fn round<M: Metadata, C: Chunkservers>(
    leader: &Leader<M, C>,
    up: Duration,
) -> Result<u64, Status> {
    let seconds = u32::try_from(up.as_secs()).unwrap_or(u32::MAX);
    leader.propose(Op::CountUptime(CountUptime { seconds })).await?;
    let expiry = leader.knobs.load().upload_expiry.as_secs();
    if expiry == 0 {
        return Ok(0);
    }
    let now = leader.look(|_, view| Ok(facts::state(view)?.uptime_s)).await?;
    let Some(before) = now.checked_sub(expiry) else { return Ok(0) };
    let (mut after, mut ended) = (None, 0);
    loop {
        let (stale, next) =
            leader.look(move |_, view| facts::stale_uploads(view, after, before, PAGE)).await?;
        for upload in stale {
            match leader
                .propose(Op::AbortUpload(AbortUpload { upload, untouched_since_s: Some(before) }))
                .await
            {
                Ok(_) => ended += 1,
                Err(status) if status.kind() == Code::NoSuchUpload => {}
                Err(status) => return Err(status),
            }
            tracing::info!(upload, "ended a multipart upload that nobody went on with");
        }
        after = next;
        if after.is_none() {
            return Ok(ended);
        }
    }
}
