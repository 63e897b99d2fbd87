//! Commands that have to do with what is open: those that may take a file's last name, for which the leader looks up
//! who has it open; and a `Create` that opens its file.
//!
//! What always holds: what such a command relies on, or announces, stays in the leader's table until it is certain
//! what became of the command, also when its caller gave up waiting. Nothing is looked up while no session that holds
//! files is open.

use std::sync::Arc;
use std::time::Duration;

use holdfast_proto::op::{Command, Op, Reply};
use holdfast_proto::status::Status;
use holdfast_rpc::Net;
use prost::Message;
use tokio::time::Instant;

use super::{Services, opens, prepare};
use crate::leader::Leader;
use crate::leader::claims::{Claim, Creating};
use crate::raft::{Group, MetaError};

/// How long the outcome of a command is waited for when its caller has given up: longer than a quorum should ever be
/// away. After that, until the term ends.
const OUTCOME: Duration = Duration::from_secs(3600);

/// Keys looked up on the threads that everybody's requests run on.
const FEW: usize = 16;

/// What lasts as long as a command is on its way.
#[derive(Debug)]
pub(super) enum Ticket {
    /// Nobody opens what it may free.
    Unheld(#[expect(dead_code, reason = "it is dropped in time")] Claim),
    /// The file it answers with is open.
    Opens { session: u64, number: u64, _creating: Creating },
}

/// Looks a command over before it is logged, and tells it what nobody holds open.
pub(super) async fn begin(
    services: &Services,
    leader: &Arc<Leader<Group, Net>>,
    command: &mut Command,
) -> Result<Option<Ticket>, Status> {
    let session = command.session;
    match &mut command.op {
        Some(Op::Create(create)) if create.open != 0 => {
            opens::check_session(services, leader, session)?;
            let creating = leader.opens.begin_create(services.group.local_view().index().0);
            Ok(Some(Ticket::Opens { session, number: create.open, _creating: creating }))
        }
        Some(op) if leader.opens.is_worth_claiming() => {
            if op.unheld_mut().is_none() {
                return Ok(None);
            }
            let (applied, inos) = look_up(services, op).await?;
            let Some((claim, unheld)) = leader.opens.claim(&inos, applied) else { return Ok(None) };
            if let Some(place) = op.unheld_mut() {
                *place = Some(unheld);
            }
            if command.encoded_len() > prepare::MOST_BYTES {
                // It goes without: what it leaves without a name is freed a little later.
                if let Some(place) = command.op.as_mut().and_then(Op::unheld_mut) {
                    *place = None;
                }
                return Ok(None);
            }
            Ok(Some(Ticket::Unheld(claim)))
        }
        _ => Ok(None),
    }
}

/// The inodes that may lose their last name, and the index as of which they were looked up.
async fn look_up(services: &Services, op: &Op) -> Result<(u64, Vec<u64>), Status> {
    let view = services.group.local_view();
    let applied = view.index().0;
    let found = match op {
        Op::DeleteObjects(delete) if delete.keys.len() > FEW => {
            let op = op.clone();
            tokio::task::spawn_blocking(move || holdfast_state::losing(&view, &op))
                .await
                .map_err(|_| Status::internal("names were not looked up"))?
        }
        op => holdfast_state::losing(&view, op),
    };
    Ok((applied, found.map_err(|broken| Status::internal(broken.to_string()))?))
}

/// Brings the command into the log. Its ticket ends when its outcome is known, or with the term.
pub(super) async fn propose(
    services: &Services,
    leader: &Arc<Leader<Group, Net>>,
    command: Command,
    ticket: Ticket,
    deadline: Instant,
) -> Result<Reply, Status> {
    let began = Instant::now();
    let (group, leader) = (services.group.clone(), leader.clone());
    // On its own: who waits for it may go away.
    let outcome = tokio::spawn(async move {
        let outcome = group.propose_by(command, deadline.max(began + OUTCOME)).await;
        match (&outcome, &ticket) {
            (Ok(reply), Ticket::Opens { session, number, .. }) if reply.is_ok() => {
                if let Some(inode) = &reply.inode {
                    leader.opens.open(*session, inode.ino, *number);
                }
            }
            (Err(MetaError::Unknown | MetaError::NoQuorum { .. }), _) => leader.stop.cancelled().await,
            _ => {}
        }
        drop(ticket);
        outcome
    });
    match tokio::time::timeout_at(deadline, outcome).await {
        Ok(Ok(outcome)) => Ok(outcome?),
        Ok(Err(_)) => Err(MetaError::Unknown.into()),
        Err(_) => Err(MetaError::NoQuorum { waited: began.elapsed() }.into()),
    }
}
