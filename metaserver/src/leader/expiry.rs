//! The loop that ends silent sessions, and the index below which no live session relies on anything.

use std::sync::Arc;
use std::time::Duration;

use holdfast_proto::op::{ExpireSession, Op};
use holdfast_proto::status::Status;
use holdfast_state::work;
use tokio::time::Instant;

use super::board::Doing;
use super::context::Leader;
use super::facts;
use super::ports::{Chunkservers, Metadata};

const NAME: &str = "sessions";
const ROUND: Duration = Duration::from_secs(2);

/// Sessions read at a time.
const PAGE: usize = 1000;

/// Sessions are forgotten in memory after this much silence; ended long before that in the state.
const FORGET: Duration = Duration::from_secs(3600);

/// Runs until leadership ends.
pub(crate) async fn run<M: Metadata, C: Chunkservers>(leader: Arc<Leader<M, C>>) {
    while leader.pause(ROUND).await {
        match round(&leader).await {
            Ok((open, 0)) => leader.board.set(NAME, Doing::Idle, format!("{open} open")),
            Ok((open, ended)) => leader.board.set(NAME, Doing::Busy, format!("{open} open, {ended} ended")),
            Err(status) => leader.board.set(NAME, Doing::Waiting, status.to_string()),
        }
        leader.sessions.lock().prune(Instant::now(), FORGET);
    }
}

/// Ends what is silent; how many are open and how many were ended.
pub(crate) async fn round<M: Metadata, C: Chunkservers>(
    leader: &Leader<M, C>,
) -> Result<(usize, usize), Status> {
    let (mut after, mut open, mut ended) = (None, 0, 0);
    loop {
        let page = leader.look(move |_, view| facts::sessions(view, after, PAGE)).await?;
        let Some((last, _)) = page.last() else { break };
        after = Some(*last);
        for (id, session) in &page {
            if !session.is_open() {
                continue;
            }
            open += 1;
            let ttl = leader.knobs.load().session_ttl(session.ttl_ms);
            if !leader.sessions.lock().is_silent(Instant::now(), *id, ttl) {
                continue;
            }
            match leader.propose(Op::ExpireSession(ExpireSession { session: *id })).await {
                Ok(_) => {
                    tracing::info!(session = id, about = session.description, "ended a silent session");
                    leader.opens.ended(*id);
                    ended += 1;
                }
                Err(status) => tracing::warn!(session = id, %status, "cannot end a silent session"),
            }
        }
        if page.len() < PAGE {
            break;
        }
    }
    // An ended session that held many nameless inodes lets go of them in several commands.
    for session in leader.look(|_, view| work::ending_sessions(view, PAGE)).await? {
        leader.propose(Op::ExpireSession(ExpireSession { session })).await?;
        ended += 1;
    }
    Ok((open, ended))
}

/// Chunks that died at or before this index are relied on by nobody.
pub(crate) async fn barrier<M: Metadata, C: Chunkservers>(leader: &Leader<M, C>) -> Result<u64, Status> {
    let (mut after, mut lowest) = (None, None);
    loop {
        let (index, page) =
            leader.look(move |index, view| Ok((index.0, facts::sessions(view, after, PAGE)?))).await?;
        let lowest = lowest.get_or_insert(index);
        after = page.last().map(|(id, _)| *id);
        let table = leader.sessions.lock();
        for (id, session) in page.iter().filter(|(_, session)| session.is_open()) {
            *lowest = (*lowest).min(table.relies_from(*id, session));
        }
        if page.len() < PAGE {
            return Ok(*lowest);
        }
    }
}
