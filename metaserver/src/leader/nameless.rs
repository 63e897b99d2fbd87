//! The loop that frees inodes without names once no session holds them open. (Drafts have no names either; `drafts`
//! looks after them.)
//!
//! What always holds:
//! - Nothing is freed before every session that may hold files has said, to this leader, what it holds, or has ended.
//! - What is freed is claimed meanwhile, and the command frees only what still has no name: whoever opens the inode by
//!   number either comes first or learns that it is gone.
//! - While there is neither an inode without a name nor a session that may hold one, a round reads nothing.

use std::sync::Arc;
use std::time::Duration;

use holdfast_proto::op::{FreeNameless, Op, Reply, Unheld};
use holdfast_proto::status::{Code, Status};
use holdfast_state::limits::MAX_NAMELESS;
use holdfast_state::work;
use tokio::time::Instant;

use super::board::Doing;
use super::context::Leader;
use super::facts;
use super::opens::OpenTable;
use super::ports::{Chunkservers, Metadata};

const NAME: &str = "nameless";
const ROUND: Duration = Duration::from_secs(1);
/// Wait after news, so that more of them come together.
const GATHER: Duration = Duration::from_millis(50);
/// Wait before a command whose outcome is not known is sent again.
const AGAIN: Duration = Duration::from_millis(200);

/// Sessions read at a time.
const PAGE: usize = 10_000;
/// Inodes looked at per round.
const PER_ROUND: usize = 16 * MAX_NAMELESS;

/// What a round did and left.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Freed {
    /// Inodes freed.
    pub(crate) freed: u64,
    /// Inodes without names that stay for now.
    pub(crate) kept: u64,
}

/// Runs until leadership ends.
pub(crate) async fn run<M: Metadata, C: Chunkservers>(leader: Arc<Leader<M, C>>) {
    while let Err(status) = announce(&leader).await {
        leader.board.set(NAME, Doing::Waiting, status.to_string());
        if !leader.pause(AGAIN).await {
            return;
        }
    }
    let mut after = None;
    loop {
        match leader.opens.is_idle() {
            true => leader.board.set(NAME, Doing::Idle, "no file can be open"),
            false => match round(&leader, &mut after).await {
                Ok(Freed { freed: 0, kept: 0 }) => {
                    leader.board.set(NAME, Doing::Idle, "every file has a name")
                }
                Ok(Freed { freed, kept }) => {
                    let doing = if freed > 0 { Doing::Busy } else { Doing::Waiting };
                    leader.board.set(NAME, doing, format!("{freed} freed, {kept} may be open"));
                }
                Err(status) => leader.board.set(NAME, Doing::Waiting, status.to_string()),
            },
        }
        tokio::select! {
            biased;
            () = leader.stop.cancelled() => return,
            () = tokio::time::sleep(ROUND) => {}
            () = leader.opens.stir.notified() => if !leader.pause(GATHER).await { return },
        }
    }
}

/// Has the log say that this leader counts opens now: what an earlier one knew, and may still have on its way, frees
/// nothing behind this. No open is answered before.
pub(crate) async fn announce<M: Metadata, C: Chunkservers>(leader: &Leader<M, C>) -> Result<(), Status> {
    if leader.look(|_, view| work::cluster(view)).await?.is_none() {
        return Err(Status::new(
            Code::Unavailable,
            "there is no cluster yet; nothing may come before its genesis",
        ));
    }
    let unheld = Unheld { term: leader.term, ..Unheld::default() };
    leader.propose(Op::FreeNameless(FreeNameless { unheld: Some(unheld) })).await?;
    leader.opens.announced();
    Ok(())
}

/// One round.
pub(crate) async fn round<M: Metadata, C: Chunkservers>(
    leader: &Leader<M, C>,
    after: &mut Option<u64>,
) -> Result<Freed, Status> {
    if !leader.opens.with(|table| table.is_known()) {
        find_sessions(leader).await?;
    }
    forget_ended(leader).await?;
    let from = *after;
    let (index, page) =
        leader.look(move |index, view| Ok((index.0, facts::nameless(view, from, PER_ROUND)?))).await?;
    let (inos, next) = page;
    *after = next;
    let mut done = Freed { freed: 0, kept: inos.len() as u64 };
    for some in inos.chunks(MAX_NAMELESS) {
        let Some((claim, unheld)) = leader.opens.claim(some, index) else { continue };
        let reply = free(leader, unheld).await?;
        drop(claim);
        done.freed += reply.progress;
        done.kept = done.kept.saturating_sub(reply.progress);
    }
    Ok(done)
}

/// Frees what is claimed. Sent until its outcome is known: that must not be left open when the claim ends.
async fn free<M: Metadata, C: Chunkservers>(leader: &Leader<M, C>, unheld: Unheld) -> Result<Reply, Status> {
    loop {
        match leader.propose(Op::FreeNameless(FreeNameless { unheld: Some(unheld.clone()) })).await {
            Err(status) if status.outcome_unknown() => {
                tracing::debug!(%status, "it is not known whether inodes without names were freed");
                if !leader.pause(AGAIN).await {
                    return Err(status);
                }
            }
            outcome => return outcome,
        }
    }
}

/// Finds the sessions that were open when the term began.
async fn find_sessions<M: Metadata, C: Chunkservers>(leader: &Leader<M, C>) -> Result<(), Status> {
    let mut after = None;
    // Later ones are opened through this leader.
    while leader.look(|_, view| work::state(view)).await?.mounts > 0 {
        let page = leader.look(move |_, view| facts::sessions(view, after, PAGE)).await?;
        for (id, session) in &page {
            if session.is_open() && session.holds_files {
                leader.opens.found(*id);
            }
        }
        after = page.last().map(|(id, _)| *id);
        if page.len() < PAGE {
            break;
        }
    }
    leader.opens.with(OpenTable::all_known);
    Ok(())
}

/// Forgets sessions that ended.
async fn forget_ended<M: Metadata, C: Chunkservers>(leader: &Leader<M, C>) -> Result<(), Status> {
    let sessions = leader.opens.with(|table| table.sessions());
    if sessions.is_empty() {
        return Ok(());
    }
    let now = Instant::now();
    let ended = leader
        .look(move |_, view| {
            let mut ended = Vec::new();
            for (id, since) in sessions {
                match work::session(view, id)? {
                    Some(session) if session.is_open() => {}
                    // Its opening may still be on its way.
                    None if !OpenTable::never_opened(now, since) => {}
                    _ => ended.push(id),
                }
            }
            Ok(ended)
        })
        .await?;
    for session in ended {
        leader.opens.ended(session);
    }
    Ok(())
}

#[cfg(test)]
#[path = "nameless_tests.rs"]
mod tests;
