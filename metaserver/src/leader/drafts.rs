//! The loop that gives up drafts nobody goes on with: their client gave up, or lost the answer, in a session that
//! lives on. (Drafts of sessions that end go with them.)
//!
//! What always holds: a draft is dropped only if it did not grow for [`PATIENCE`] by this leader's clock, and the
//! command that drops it says how far it had come: one that was gone on with meanwhile stays.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use holdfast_proto::op::{DropDraft, Op};
use holdfast_proto::status::Status;
use tokio::time::Instant;

use super::board::Doing;
use super::context::Leader;
use super::facts;
use super::ports::{Chunkservers, Metadata};

const NAME: &str = "drafts";
const ROUND: Duration = Duration::from_secs(60);
/// Far longer than any step takes that is still wanted.
const PATIENCE: Duration = Duration::from_secs(600);
/// Drafts per page.
const PAGE: usize = 1000;

/// How far each draft had come when it was first seen there, and when that was.
pub(crate) type Seen = BTreeMap<u64, (u64, Instant)>;

/// Runs until leadership ends.
pub(crate) async fn run<M: Metadata, C: Chunkservers>(leader: Arc<Leader<M, C>>) {
    let mut seen = Seen::new();
    while leader.pause(ROUND).await {
        match round(&leader, &mut seen, PATIENCE).await {
            Ok(dropped) => {
                let doing = if dropped > 0 { Doing::Busy } else { Doing::Idle };
                leader.board.set(NAME, doing, format!("{} under way, {dropped} given up", seen.len()));
            }
            Err(status) => leader.board.set(NAME, Doing::Waiting, status.to_string()),
        }
    }
}

/// One round: how many drafts were given up.
pub(crate) async fn round<M: Metadata, C: Chunkservers>(
    leader: &Leader<M, C>,
    seen: &mut Seen,
    patience: Duration,
) -> Result<u64, Status> {
    let now = Instant::now();
    let mut here = Seen::new();
    let mut after = None;
    let mut dropped = 0;
    loop {
        let (page, next) = leader.look(move |_, view| facts::drafts(view, after, PAGE)).await?;
        for (draft, at) in page {
            let since = seen.get(&draft).filter(|known| known.0 == at).map_or(now, |known| known.1);
            if now.duration_since(since) < patience {
                here.insert(draft, (at, since));
                continue;
            }
            leader.propose(Op::DropDraft(DropDraft { draft, at })).await?;
            dropped += 1;
        }
        after = next;
        if after.is_none() {
            break;
        }
    }
    *seen = here;
    Ok(dropped)
}
