//! The loop that counts what lies in a directory when a quota is set on it, and forgets what a removed quota left.
//!
//! What always holds: each step is bounded and counts what it finds exactly once, so that a leader who goes on where
//! another one stopped ends with the same sum. Foreground work gets its turn between two steps.

use std::sync::Arc;
use std::time::Duration;

use holdfast_proto::op::{Op, QuotaStep};
use holdfast_proto::status::Status;
use holdfast_state::limits::MAX_WALKED;
use holdfast_state::work;

use super::board::Doing;
use super::context::Leader;
use super::ports::{Chunkservers, Metadata};

const NAME: &str = "quotas";
const ROUND: Duration = Duration::from_secs(1);
/// Rest between two steps of one walk.
const REST: Duration = Duration::from_millis(20);
/// Quotas counted in one round, one after the other.
const AT_ONCE: usize = 64;

/// Runs until leadership ends.
pub(crate) async fn run<M: Metadata, C: Chunkservers>(leader: Arc<Leader<M, C>>) {
    while leader.pause(ROUND).await {
        match round(&leader, REST).await {
            Ok(0) => leader.board.set(NAME, Doing::Idle, "every quota is counted"),
            Ok(counted) => leader.board.set(NAME, Doing::Busy, format!("{counted} steps of counting")),
            Err(status) => leader.board.set(NAME, Doing::Waiting, status.to_string()),
        }
    }
}

/// Counts what is to be counted; how many steps that took.
pub(crate) async fn round<M: Metadata, C: Chunkservers>(
    leader: &Leader<M, C>,
    rest: Duration,
) -> Result<u64, Status> {
    let mut steps = 0;
    for quota in leader.look(|_, view| work::quotas_under_way(view, AT_ONCE)).await? {
        loop {
            let step = QuotaStep { quota, most: MAX_WALKED as u32 };
            let reply = leader.propose(Op::QuotaStep(step)).await?;
            steps += 1;
            if reply.progress == 0 {
                break;
            }
            leader.board.set(
                NAME,
                Doing::Busy,
                format!("quota {quota}: {} inodes in this step", reply.progress),
            );
            if !leader.pause(rest).await {
                return Ok(steps);
            }
        }
    }
    Ok(steps)
}
