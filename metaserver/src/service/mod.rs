//! What the metaserver answers over RPC: one file per family of methods.
//!
//! What always holds:
//! - Only a node that leads, and has confirmed it by reading, answers questions and takes commands; all others say
//!   `NotLeader` with a hint. `Condition`, `Check` and `Ping` are answered by any node, labelled as such.
//! - Work is admitted against bounds (requests and bytes in flight); beyond them the answer is `Busy`.
//! - A deadline that comes with a request bounds everything done for it.

mod admission;
mod admit_disk;
mod ask;
mod balancing;
mod beat;
mod check;
mod claims;
mod condition;
mod crosscheck;
pub(crate) mod figures;
mod get_map;
mod health;
mod join;
mod kinds;
mod membership;
mod mutate;
mod opens;
mod prepare;
mod procedures;
mod recent;
mod report;
mod scrubs;
mod session;
mod trouble;
mod verify_audit;
mod watch;

use std::sync::Arc;

use bytes::Bytes;
use holdfast_proto::cluster::Empty;
use holdfast_proto::method::{
    AdmitDisk, Ask, Balancing, Beat, Check, Condition, CrossCheck, GetMap, Health, Join, KeepOpens,
    KeepSession, Membership, Mutate, Ping, Procedures, Recent, Report, Scrubs, VerifyAudit, Watch,
};
use holdfast_proto::status::Status;
use holdfast_rpc::{Net, Router};

pub use admission::Admission;

use crate::leader::{Current, Leader};
use crate::raft::Group;
use crate::room::Room;

/// The services of one node.
pub struct Services {
    /// The metadata group.
    pub group: Group,
    /// The term this node leads, if it does.
    pub current: Arc<Current<Group, Net>>,
    /// Bounds.
    pub admission: Admission,
    /// Room for metadata on this node.
    pub room: Arc<Room>,
}

impl Services {
    /// The current term, or a hint to whoever leads.
    fn leader(&self) -> Result<Arc<Leader<Group, Net>>, Status> {
        self.current.load_full().filter(|leader| !leader.stop.is_cancelled()).ok_or_else(|| {
            let channel = self.group.leadership();
            let now = channel.borrow();
            // While this node is still getting ready to lead, it is the one to ask again.
            Status::not_leader(now.leader, now.address.clone())
        })
    }

    /// All handlers.
    pub fn router(self: &Arc<Self>) -> Router {
        macro_rules! on {
            ($router:expr, $method:ty, $module:ident) => {{
                let services = self.clone();
                $router.on::<$method, _, _>(move |context, request, _| {
                    let services = services.clone();
                    async move { Ok(($module::answer(&services, context, request).await?, Bytes::new())) }
                })
            }};
        }
        let router = on!(Router::new(), Mutate, mutate);
        let router = on!(router, Ask, ask);
        let router = on!(router, KeepSession, session);
        let router = on!(router, KeepOpens, opens);
        let router = on!(router, Watch, watch);
        let router = on!(router, GetMap, get_map);
        let router = on!(router, Join, join);
        let router = on!(router, Beat, beat);
        let router = on!(router, Report, report);
        let router = on!(router, AdmitDisk, admit_disk);
        let router = on!(router, Condition, condition);
        let router = on!(router, Balancing, balancing);
        let router = on!(router, Scrubs, scrubs);
        let router = on!(router, Health, health);
        let router = on!(router, Procedures, procedures);
        let router = on!(router, CrossCheck, crosscheck);
        let router = on!(router, Recent, recent);
        let router = on!(router, VerifyAudit, verify_audit);
        let router = on!(router, Membership, membership);
        let router = on!(router, Check, check);
        router.on::<Ping, _, _>(|_, _, _| async { Ok((Empty {}, Bytes::new())) })
    }
}
