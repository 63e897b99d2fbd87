//! The loop that counts for how long the cluster was up, and ends what lay untouched for too much of that time:
//! multipart uploads whose client never came back.
//!
//! What always holds: no clock that can be set takes part. Time counts by a leader's monotonic clock while it leads,
//! and only what a command brought into the log; so uploads live rather too long than too short.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use holdfast_proto::map::Node;
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
/// The same while maintenance is under way, which ends by this clock.
const ROUND_IN_MAINTENANCE: Duration = Duration::from_secs(10);
/// How often it is looked whether a round is over.
const LOOK: Duration = Duration::from_secs(5);
/// Uploads per page.
const PAGE: usize = 1000;

/// Time for which the cluster was up and that is not in the log yet.
#[derive(Debug)]
pub struct Counting {
    since: Instant,
    /// For which this process stood still.
    lost: Duration,
}

impl Counting {
    /// Counts from `now` on.
    pub fn new(now: Instant) -> Self {
        Self { since: now, lost: Duration::ZERO }
    }

    /// How long it was, as of `now`.
    pub fn up(&self, now: Instant) -> Duration {
        now.duration_since(self.since).saturating_sub(self.lost)
    }

    /// Takes the whole seconds; what is below one stays.
    fn take(&mut self, now: Instant) -> u64 {
        let up = self.up(now);
        let rest = up.checked_sub(Duration::from_secs(up.as_secs())).unwrap_or_default();
        *self = Self { since: now.checked_sub(rest).unwrap_or(now), lost: Duration::ZERO };
        up.as_secs()
    }
}

impl<M, C> Leader<M, C> {
    /// Uptime of the cluster in seconds, what is not in the log yet included.
    pub fn uptime_now(&self) -> u64 {
        let counted = self.uptime_s.load(Ordering::Acquire);
        counted.saturating_add(self.uptime.lock().up(Instant::now()).as_secs())
    }
}

/// Runs until leadership ends.
pub(crate) async fn run<M: Metadata, C: Chunkservers>(leader: Arc<Leader<M, C>>) {
    // Time for which this process stood still is not time for which the cluster was up.
    let mut stall = StallWatch::new(2 * LOOK);
    *leader.uptime.lock() = Counting::new(Instant::now());
    while leader.pause(LOOK).await {
        if let Some(lost) = stall.stalled() {
            leader.uptime.lock().lost += lost;
        }
        let ends = |node: &Node| node.procedure.is_some_and(|procedure| procedure.until_s != 0);
        let maintenance = leader.cluster.lock().nodes.values().any(ends);
        let round_time = if maintenance { ROUND_IN_MAINTENANCE } else { ROUND };
        if leader.uptime.lock().up(Instant::now()) < round_time {
            continue;
        }
        let seconds = leader.uptime.lock().take(Instant::now());
        match round(&leader, Duration::from_secs(seconds)).await {
            Ok(ended) => leader.board.set(NAME, Doing::Idle, format!("{ended} forgotten uploads ended")),
            Err(status) => leader.board.set(NAME, Doing::Waiting, status.to_string()),
        }
    }
}

/// Brings what was counted so far into the log: what begins now and ends by uptime begins with the true count.
pub(crate) async fn count<M: Metadata, C: Chunkservers>(leader: &Leader<M, C>) -> Result<(), Status> {
    let seconds = leader.uptime.lock().take(Instant::now());
    bring_in(leader, seconds).await
}

async fn bring_in<M: Metadata, C: Chunkservers>(leader: &Leader<M, C>, seconds: u64) -> Result<(), Status> {
    if seconds > 0 {
        let seconds = u32::try_from(seconds).unwrap_or(u32::MAX);
        leader.propose(Op::CountUptime(CountUptime { seconds })).await?;
    }
    Ok(())
}

/// Counts the time and ends what is due; how many uploads.
pub(crate) async fn round<M: Metadata, C: Chunkservers>(
    leader: &Leader<M, C>,
    up: Duration,
) -> Result<u64, Status> {
    bring_in(leader, up.as_secs()).await?;
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
