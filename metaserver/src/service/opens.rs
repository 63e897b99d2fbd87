//! What sessions hold open: `KeepOpens`, and questions that open an inode.
//!
//! What always holds: an open is counted before the state is read for it, and nothing that relied on the inode being
//! unheld is on its way when it is. So whoever is shown an inode by an open keeps it until it is closed.

use holdfast_proto::query::{Query, QueryRequest};
use holdfast_proto::session::{KeepOpens, KeepOpensReply, MAX_OPENS};
use holdfast_proto::status::{Code, Status};
use holdfast_rpc::{Context, Net};
use holdfast_state::table::View;
use holdfast_state::work;
use tokio::time::Instant;

use super::Services;
use crate::leader::Leader;
use crate::raft::Group;

pub(super) async fn answer(
    services: &Services,
    _context: Context,
    said: KeepOpens,
) -> Result<KeepOpensReply, Status> {
    let leader = services.leader()?;
    if said.opens.len() > MAX_OPENS || said.closes.len() > MAX_OPENS {
        return Err(Status::new(Code::TooLarge, "a page names at most 10000 opens and 10000 closes"));
    }
    check_session(services, &leader, said.session)?;
    leader.sessions.lock().touch(Instant::now(), said.session);
    leader.opens.keep(&said);
    Ok(KeepOpensReply { term: leader.term })
}

/// Refuses a session that has ended or holds no files; otherwise the leader's table has it.
pub(super) fn check_session(
    services: &Services,
    leader: &Leader<Group, Net>,
    session: u64,
) -> Result<(), Status> {
    if leader.opens.knows(session) {
        return Ok(());
    }
    let found = work::session(&services.group.local_view(), session);
    match found.map_err(|broken| Status::internal(broken.to_string()))? {
        Some(found) if !found.is_open() => {
            Err(Status::new(Code::SessionExpired, format!("session {session} has ended")))
        }
        Some(found) if found.holds_files => {
            leader.opens.found(session);
            Ok(())
        }
        Some(_) => Err(Status::new(Code::InvalidArgument, "the session did not say that it holds files")),
        None => Err(Status::new(Code::SessionExpired, format!("session {session} is not known"))),
    }
}

/// A question that opens an inode.
#[derive(Clone, Copy, Debug)]
pub(super) struct Opening {
    session: u64,
    ino: u64,
    number: u64,
}

impl Opening {
    /// Whether the question is one.
    pub(super) fn of(request: &QueryRequest) -> Option<Self> {
        match &request.query {
            Some(Query::GetInode(ask)) if ask.open != 0 => {
                Some(Self { session: request.session, ino: ask.ino, number: ask.open })
            }
            _ => None,
        }
    }

    /// Counts the open and waits until the inode may be read.
    pub(super) async fn begin(
        &self,
        services: &Services,
        leader: &Leader<Group, Net>,
        deadline: Instant,
    ) -> Result<(), Status> {
        check_session(services, leader, self.session)?;
        leader.opens.open(self.session, self.ino, self.number);
        if !leader.opens.readable(self.ino, deadline).await {
            // Still counted: the client closes what it did not get.
            return Err(Status::new(
                Code::Timeout,
                "a command that may free the inode is on its way, and its outcome is not known yet",
            ));
        }
        Ok(())
    }

    /// Refuses a session that ended before the open was counted.
    pub(super) fn confirm(&self, view: &impl View) -> Result<(), Status> {
        let session = work::session(view, self.session);
        match session.map_err(|broken| Status::internal(broken.to_string()))? {
            Some(session) if session.is_open() => Ok(()),
            _ => Err(Status::new(Code::SessionExpired, format!("session {} has ended", self.session))),
        }
    }

    /// It is not there.
    pub(super) fn undo(&self, leader: &Leader<Group, Net>) {
        leader.opens.close(self.session, self.ino, self.number);
    }
}
