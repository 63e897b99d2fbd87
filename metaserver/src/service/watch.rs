//! `Watch`: a session waits for changes of what it was told.

use std::time::Duration;

use holdfast_proto::session::{Changes, MAX_OPENS, WATCH_MS, Watch};
use holdfast_proto::status::{Code, Status};
use holdfast_rpc::Context;
use holdfast_state::work;
use tokio::time::Instant;

use super::Services;

/// Changes that come soon after the first go with it, so that a stream of them costs few answers.
const GATHER: Duration = Duration::from_millis(5);

pub(super) async fn answer(services: &Services, context: Context, watch: Watch) -> Result<Changes, Status> {
    let leader = services.leader()?;
    if watch.forget.len() > MAX_OPENS {
        return Err(Status::new(Code::TooLarge, "a watch forgets at most 10000 inodes"));
    }
    let session = work::session(&services.group.local_view(), watch.session);
    match session.map_err(|broken| Status::internal(broken.to_string()))? {
        Some(session) if session.is_open() => {}
        _ => {
            let why = format!("session {} is not open", watch.session);
            return Err(Status::new(Code::SessionExpired, why));
        }
    }
    let end = context.deadline.min(Instant::now() + Duration::from_millis(WATCH_MS));
    let Some(news) = leader.leases.poll(Instant::now(), &watch) else {
        return Ok(leader.leases.take(watch.session));
    };
    tokio::select! {
        () = leader.stop.cancelled() => return Err(Status::not_leader(None, "")),
        () = news.notified() => tokio::time::sleep(GATHER).await,
        () = tokio::time::sleep_until(end) => {}
    }
    Ok(leader.leases.take(watch.session))
}
