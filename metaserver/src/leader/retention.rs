//! The loop that lets go of what has had its time: old entries of the audit log, logins and tokens that ended, links that
//! ended.
//!
//! What always holds: how long the audit log is kept counts uptime of the cluster, so that no clock that jumps takes
//! anything away. Logins and links end by the wall clock wherever they are used; here they are only cleared away.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use holdfast_proto::op::{DeleteCredential, DeleteShare, Op, TrimAudit};
use holdfast_proto::query::{ListCredentials, ListShares, Query, QueryRequest};
use holdfast_proto::status::{Code, Status};
use holdfast_state::settings;

use super::board::Doing;
use super::context::Leader;
use super::ports::{Chunkservers, Metadata};

const NAME: &str = "retention";
const ROUND: Duration = Duration::from_secs(600);
/// The audit log is looked through once in so many rounds.
const TRIM_EVERY: u64 = 36;
const DAY_S: u64 = 86_400;
/// A link that ended is shown as such for a while.
const SHOWN_NS: i64 = 30 * 86_400 * 1_000_000_000;
const PAGE: u32 = 1000;

/// Runs until leadership ends.
pub(crate) async fn run<M: Metadata, C: Chunkservers>(leader: Arc<Leader<M, C>>) {
    let mut rounds = 0u64;
    while leader.pause(ROUND).await {
        let outcome = round(&leader, rounds.is_multiple_of(TRIM_EVERY)).await;
        rounds += 1;
        match outcome {
            Ok(gone) => leader.board.set(NAME, Doing::Idle, format!("{gone} records had their time")),
            Err(status) => leader.board.set(NAME, Doing::Waiting, status.to_string()),
        }
    }
}

/// Lets go of what is due; how many records.
pub(crate) async fn round<M: Metadata, C: Chunkservers>(
    leader: &Leader<M, C>,
    trim: bool,
) -> Result<u64, Status> {
    let now = leader.meta.now_ns();
    let mut gone = credentials(leader, now).await? + shares(leader, now - SHOWN_NS).await?;
    if trim {
        gone += audit(leader).await?;
    }
    Ok(gone)
}

async fn audit<M: Metadata, C: Chunkservers>(leader: &Leader<M, C>) -> Result<u64, Status> {
    let days = leader.look(|_, view| settings::integer(view, settings::AUDIT_DAYS)).await?;
    let before_s = leader.uptime_now().saturating_sub(days.saturating_mul(DAY_S));
    if before_s == 0 {
        return Ok(0);
    }
    let mut gone = 0;
    loop {
        let reply = leader.propose(Op::TrimAudit(TrimAudit { before_s })).await?;
        gone += reply.progress;
        if reply.progress == 0 {
            return Ok(gone);
        }
    }
}

async fn ask<M: Metadata, C: Chunkservers>(
    leader: &Leader<M, C>,
    query: Query,
) -> Result<holdfast_proto::query::QueryReply, Status> {
    let ask = QueryRequest { query: Some(query), ..QueryRequest::default() };
    leader.look(move |index, view| holdfast_state::query(view, index, &ask)).await
}

async fn credentials<M: Metadata, C: Chunkservers>(leader: &Leader<M, C>, now: i64) -> Result<u64, Status> {
    let (mut after, mut gone) = (Bytes::new(), 0);
    loop {
        let page = ListCredentials { after, most: PAGE, ..ListCredentials::default() };
        let page = ask(leader, Query::ListCredentials(page)).await?;
        let over = page.credentials.into_iter().filter(|c| c.expires_ns != 0 && c.expires_ns <= now);
        for credential in over {
            let (account, digest) = (credential.account, credential.digest);
            let op = Op::DeleteCredential(DeleteCredential { account, digest, expired: true });
            gone += went(leader.propose(op).await)?;
        }
        if !page.more {
            return Ok(gone);
        }
        after = page.next;
    }
}

async fn shares<M: Metadata, C: Chunkservers>(leader: &Leader<M, C>, before: i64) -> Result<u64, Status> {
    let (mut after, mut gone) = (Bytes::new(), 0);
    loop {
        let page = ListShares { after, most: PAGE, ..ListShares::default() };
        let page = ask(leader, Query::ListShares(page)).await?;
        for share in page.shares.into_iter().filter(|share| share.expires_ns <= before) {
            let op = Op::DeleteShare(DeleteShare { digest: share.digest, expired: true });
            gone += went(leader.propose(op).await)?;
        }
        if !page.more {
            return Ok(gone);
        }
        after = page.next;
    }
}

/// Somebody else may have been faster.
fn went(outcome: Result<holdfast_proto::op::Reply, Status>) -> Result<u64, Status> {
    match outcome {
        Ok(_) => Ok(1),
        Err(status) if status.kind() == Code::NotFound => Ok(0),
        Err(status) => Err(status),
    }
}
