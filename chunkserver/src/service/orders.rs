//! Whether an order of the leader counts.
//!
//! What always holds: an order of a lower (metadata incarnation, term) than the highest seen is refused, and so is one
//! whose group epoch is lower than the group's in the map. A new authority is durable on every disk before the first
//! order under it is obeyed. Nothing is obeyed before the map was fetched once since the start.

use std::sync::Arc;

use holdfast_proto::chunk::Order;
use holdfast_proto::ids::Epoch;
use holdfast_proto::status::{Code, Status};
use parking_lot::Mutex;
use tokio::time::Instant;

use super::map::MapFollower;
use super::served::ServedDisk;

/// Who may give orders: the leader of this term in this life of the metadata.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Authority {
    pub(crate) meta_incarnation: u64,
    pub(crate) term: u64,
}

/// The highest authority seen by this process.
#[derive(Debug, Default)]
pub(crate) struct Orders {
    seen: Mutex<Authority>,
}

impl Orders {
    /// What a heartbeat's answer or a disk's sidecar says.
    pub(crate) fn learn(&self, authority: Authority) {
        let mut seen = self.seen.lock();
        *seen = (*seen).max(authority);
    }

    pub(crate) fn seen(&self) -> Authority {
        *self.seen.lock()
    }

    /// Checks an order about a group on a disk; what it allows may be done at once.
    pub(crate) async fn check(
        &self,
        order: Option<Order>,
        pg: u32,
        disk: &Arc<ServedDisk>,
        map: &MapFollower,
        deadline: Instant,
    ) -> Result<Order, Status> {
        let order =
            order.ok_or_else(|| Status::new(Code::InvalidArgument, "an order without its authority"))?;
        let given = Authority { meta_incarnation: order.meta_incarnation, term: order.term };
        self.refuse_older(given)?;
        // The map must be at least as new as what the order was decided on.
        map.at_least(Epoch(order.pg_epoch.max(1)), deadline).await?;
        let known = map.incarnation();
        if known != 0 && order.meta_incarnation < known {
            return Err(stale(format!(
                "metadata life {} is over, {known} is current",
                order.meta_incarnation
            )));
        }
        if let Some(group) = map.pg(pg)
            && order.pg_epoch < group.epoch
        {
            return Err(stale(format!(
                "pg{pg} is at epoch {}, the order is of {}",
                group.epoch, order.pg_epoch
            )));
        }
        disk.obey(given).await?;
        // Another order may have raised it while this one waited.
        self.refuse_older(given)?;
        self.learn(given);
        Ok(order)
    }

    fn refuse_older(&self, given: Authority) -> Result<(), Status> {
        let seen = self.seen();
        if given < seen {
            return Err(stale(format!(
                "order of term {} (metadata life {}), term {} (life {}) has been seen",
                given.term, given.meta_incarnation, seen.term, seen.meta_incarnation
            )));
        }
        Ok(())
    }
}

fn stale(message: String) -> Status {
    super::metrics().stale_orders.inc();
    Status::new(Code::StaleOrder, message)
}
