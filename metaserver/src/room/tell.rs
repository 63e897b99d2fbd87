//! Tells the leader that this node's metadata has no room, for as long as that is so: a member that does not lead refuses
//! nothing itself, and whoever looks at the cluster has to hear of it.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use holdfast_proto::cluster::{Finding, ReportProblem};
use holdfast_proto::method::Report;
use holdfast_rpc::{Endpoint, Net};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::Room;
use crate::raft::Group;

/// How often it is said. The leader forgets it after some of these.
const AGAIN: Duration = Duration::from_secs(2);

/// Runs until told to stop. The leader knows of its own room by itself.
pub(crate) async fn run(room: Arc<Room>, group: Group, net: Net, stop: CancellationToken) {
    let leadership = group.leadership();
    while tokio::time::timeout(AGAIN, stop.cancelled()).await.is_err() {
        if !room.is_short() {
            continue;
        }
        let now = leadership.borrow().clone();
        let Some(leader) = now.leader.filter(|_| !now.is_leader && !now.address.is_empty()) else { continue };
        let report = ReportProblem {
            finding: Finding::NoRoom as i32,
            node: u64::from(group.node()),
            ..ReportProblem::default()
        };
        let to = Endpoint::new(leader, now.address);
        if let Err(status) = net.call::<Report>(&to, &report, Bytes::new(), Instant::now() + AGAIN).await {
            tracing::debug!(%status, "the leader was not told that there is no room");
        }
    }
}
