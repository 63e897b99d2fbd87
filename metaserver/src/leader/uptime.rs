//! The loop that counts for how long the cluster was up, and ends what lay untouched for too much of that time:
//! multipart uploads whose client never came back.
//!
//! What always holds: no clock that can be set takes part. Time counts by a leader's monotonic clock while it leads,
//! and only what a command brought into the log; so uploads live rather too long than too short. Commands of clients carry
//! what is not there yet ([`Uptime`]), so that what is kept from now on is not kept too short either.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use holdfast_proto::map::Node;
use holdfast_proto::op::{AbortUpload, CountUptime, Op};
use holdfast_proto::status::{Code, Status};
use holdfast_support::clock::StallWatch;
use parking_lot::Mutex;
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

/// The time for which this leader has led and that is not in the log yet.
#[derive(Debug)]
pub struct Uptime(Mutex<Since>);

#[derive(Debug)]
struct Since {
    at: Instant,
    /// For so long of it the process stood still.
    lost: Duration,
}

impl Uptime {
    /// Counts from now on.
    pub(super) fn new(now: Instant) -> Self {
        Self(Mutex::new(Since { at: now, lost: Duration::ZERO }))
    }

    /// Whole seconds.
    pub fn uncounted_s(&self) -> u32 {
        let since = self.0.lock();
        u32::try_from(since.at.elapsed().saturating_sub(since.lost).as_secs()).unwrap_or(u32::MAX)
    }

    /// Time for which this process stood still is not time for which the cluster was up.
    fn stood_still(&self, time: Duration) {
        self.0.lock().lost += time;
    }

    /// Takes the whole seconds out. Whoever does, brings them into the log; what is lost on the way makes delays longer.
    fn take(&self) -> Duration {
        let mut since = self.0.lock();
        let up = Duration::from_secs(since.at.elapsed().saturating_sub(since.lost).as_secs());
        let lost = std::mem::take(&mut since.lost);
        since.at += up + lost;
        up
    }
}

/// Brings the time into the log that is not there yet.
pub(crate) async fn count<M: Metadata, C: Chunkservers>(leader: &Leader<M, C>) -> Result<(), Status> {
    bring(leader, leader.uptime.take()).await
}

async fn bring<M: Metadata, C: Chunkservers>(leader: &Leader<M, C>, up: Duration) -> Result<(), Status> {
    let seconds = u32::try_from(up.as_secs()).unwrap_or(u32::MAX);
    if seconds > 0 {
        leader.propose(Op::CountUptime(CountUptime { seconds })).await?;
    }
    Ok(())
}

impl<M, C> Leader<M, C> {
    /// Uptime of the cluster in seconds, what is not in the log yet included.
    pub fn uptime_now(&self) -> u64 {
        self.uptime_s.load(Ordering::Acquire).saturating_add(u64::from(self.uptime.uncounted_s()))
    }
}

/// Runs until leadership ends.
pub(crate) async fn run<M: Metadata, C: Chunkservers>(leader: Arc<Leader<M, C>>) {
    let mut stall = StallWatch::new(2 * LOOK);
    let mut looked: Option<Instant> = None;
    while leader.pause(LOOK).await {
        leader.uptime.stood_still(stall.stalled().unwrap_or_default());
        let ends = |node: &Node| node.procedure.is_some_and(|procedure| procedure.until_s != 0);
        let maintenance = leader.cluster.lock().nodes.values().any(ends);
        let round_time = if maintenance { ROUND_IN_MAINTENANCE } else { ROUND };
        if u64::from(leader.uptime.uncounted_s()) < round_time.as_secs() {
            continue;
        }
        // All uploads are looked at for that, which nothing needs every few seconds.
        let looks = looked.is_none_or(|at| at.elapsed() >= ROUND);
        let outcome = match looks {
            true => round(&leader, leader.uptime.take()).await,
            false => count(&leader).await.map(|()| 0),
        };
        if looks && outcome.is_ok() {
            looked = Some(Instant::now());
        }
        match outcome {
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
    bring(leader, up).await?;
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
