//! `KeepSession`: a session's sign of life, and what it still relies on.

use holdfast_proto::session::{SessionHeartbeat, SessionHeartbeatReply};
use holdfast_proto::status::{Code, Status};
use holdfast_rpc::Context;
use holdfast_state::work;
use tokio::time::Instant;

use super::Services;

pub(super) async fn answer(
    services: &Services,
    _context: Context,
    beat: SessionHeartbeat,
) -> Result<SessionHeartbeatReply, Status> {
    let leader = services.leader()?;
    let view = services.group.local_view();
    let session =
        work::session(&view, beat.session).map_err(|broken| Status::internal(broken.to_string()))?;
    if session.as_ref().is_some_and(|session| !session.is_open()) {
        return Err(Status::new(Code::SessionExpired, format!("session {} has ended", beat.session)));
    }
    leader.sessions.lock().beat(Instant::now(), beat.session, beat.oldest_index);
    if let Some(io) = &beat.io {
        leader.traffic.lock().client(Instant::now(), beat.session, io);
    }
    let holds_files = session.is_some_and(|session| session.holds_files);
    if holds_files && !leader.opens.knows(beat.session) {
        leader.opens.found(beat.session);
    }
    let assert_opens = holds_files && leader.opens.wants(beat.session);
    let map_epoch = leader.cluster.lock().epoch;
    Ok(SessionHeartbeatReply { map_epoch, term: leader.term, index: view.index().0, assert_opens })
}
