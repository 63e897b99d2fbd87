//! [`MetaCaller`]: finds and follows the leader of the metadata group.
//!
//! What always holds: one deadline covers all hops. Only what is safe is tried again: "not me", "not now",
//! connections that never came to be, and outcomes that are unknown. The last is safe because every request to
//! the metadata group either only reads or names its session and sequence number and is executed once.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use holdfast_proto::cluster::Peer;
use holdfast_proto::ids::NodeId;
use holdfast_proto::method::Method;
use holdfast_proto::status::{Code, Status};
use parking_lot::RwLock;
use tokio::time::Instant;

use crate::config::Endpoint;
use crate::net::Net;

/// How long one node may take before others are asked too; doubles with every such round.
const FIRST_PATIENCE: Duration = Duration::from_millis(2000);

/// First wait after a round in which nobody helped; doubles, with jitter.
const FIRST_WAIT: Duration = Duration::from_millis(10);

/// Longest wait between rounds.
const LONGEST_WAIT: Duration = Duration::from_millis(100);

/// Follows the metadata leader. Cheap to clone; clones share what they learn.
#[derive(Clone, Debug)]
pub struct MetaCaller {
    net: Net,
    known: Arc<RwLock<Known>>,
}

#[derive(Debug, Default)]
struct Known {
    metaservers: Vec<Endpoint>,
    leader: Option<Endpoint>,
}

impl MetaCaller {
    /// A caller that begins with these addresses.
    pub fn new(net: Net, metaservers: Vec<String>) -> Self {
        let metaservers = metaservers.into_iter().map(|address| Endpoint::new(NodeId(0), address)).collect();
        Self { net, known: Arc::new(RwLock::new(Known { metaservers, leader: None })) }
    }

    /// The network it calls through.
    pub fn net(&self) -> &Net {
        &self.net
    }

    /// Takes over the current members of the metadata group. An empty list is ignored.
    pub fn learn(&self, peers: &[Peer]) {
        if peers.is_empty() {
            return;
        }
        let mut known = self.known.write();
        let same = known.metaservers.len() == peers.len()
            && known.metaservers.iter().zip(peers).all(|(k, p)| k.node.0 == p.node && k.address == p.address);
        if same {
            return;
        }
        known.metaservers =
            peers.iter().map(|peer| Endpoint::new(NodeId(peer.node), peer.address.as_str())).collect();
        if known.leader.as_ref().is_some_and(|leader| !known.metaservers.contains(leader)) {
            known.leader = None;
        }
    }

    /// The members known now.
    pub fn metaservers(&self) -> Vec<Endpoint> {
        self.known.read().metaservers.clone()
    }

    /// The leader, as far as known.
    pub fn leader(&self) -> Option<Endpoint> {
        self.known.read().leader.clone()
    }

    /// Calls a method of the leader.
    pub async fn call<M: Method>(&self, request: &M::Request, deadline: Instant) -> Result<M::Reply, Status> {
        self.call_with_payload::<M>(request, Bytes::new(), deadline).await.map(|(reply, _)| reply)
    }

    /// As [`Self::call`], with payload both ways.
    pub async fn call_with_payload<M: Method>(
        &self,
        request: &M::Request,
        payload: Bytes,
        deadline: Instant,
    ) -> Result<(M::Reply, Bytes), Status> {
        let mut search = Search::new(self.leader());
        loop {
            let Some(target) = search.next(&self.known.read()) else {
                if self.known.read().metaservers.is_empty() {
                    return Err(Status::new(Code::Unavailable, "no metaserver is known"));
                }
                if let Some(refusal) = search.nobody_serves_it() {
                    return Err(refusal);
                }
                search.pause(deadline).await?;
                continue;
            };
            let patience = deadline.min(Instant::now() + search.patience);
            let refusal = match self.net.call::<M>(&target, request, payload.clone(), patience).await {
                Ok(answer) => {
                    self.found(target);
                    return Ok(answer);
                }
                Err(refusal) => refusal,
            };
            match refusal.kind() {
                Code::NotLeader => self.redirected(&target, &refusal, &mut search),
                Code::Busy => {
                    let wait = Duration::from_millis(refusal.after_ms.clamp(1, 1000));
                    search.refused(refusal);
                    search.first = Some(target);
                    search.pause_for(wait, deadline).await?;
                }
                Code::Timeout | Code::Unavailable | Code::ShuttingDown | Code::WrongNode => {
                    self.gone(&target);
                    if refusal.kind() == Code::Timeout {
                        search.patience *= 2;
                    }
                    search.refused(refusal);
                }
                // No metaserver, or an older one: another may serve it.
                Code::Unsupported => {
                    self.gone(&target);
                    search.unsupported += 1;
                    search.refused(refusal);
                }
                // An answer of the leader, if a sad one.
                _ => {
                    self.found(target);
                    return Err(refusal);
                }
            }
            if Instant::now() >= deadline {
                return Err(search.give_up());
            }
        }
    }

    fn found(&self, target: Endpoint) {
        if self.known.read().leader.as_ref() != Some(&target) {
            self.known.write().leader = Some(target);
        }
    }

    fn gone(&self, target: &Endpoint) {
        let mut known = self.known.write();
        if known.leader.as_ref() == Some(target) {
            known.leader = None;
        }
    }

    /// A member says that it does not lead, perhaps who does.
    fn redirected(&self, target: &Endpoint, refusal: &Status, search: &mut Search) {
        self.gone(target);
        if refusal.leader != 0 {
            let known = self.known.read();
            let address = match refusal.leader_address.as_str() {
                "" => {
                    known.metaservers.iter().find(|m| m.node.0 == refusal.leader).map(|m| m.address.clone())
                }
                address => Some(address.to_owned()),
            };
            search.hinted(address.map(|address| Endpoint::new(NodeId(refusal.leader), address)));
        }
        search.refused(refusal.clone());
    }
}

/// The search for a leader during one call.
struct Search {
    /// Whom to ask first: the known leader, or a hint.
    first: Option<Endpoint>,
    /// Asked in this round.
    asked: Vec<Endpoint>,
    wait: Duration,
    patience: Duration,
    last: Option<Status>,
    /// How many of those asked in this round do not serve the method.
    unsupported: usize,
}

impl Search {
    fn new(first: Option<Endpoint>) -> Self {
        Self {
            first,
            asked: Vec::new(),
            wait: FIRST_WAIT,
            patience: FIRST_PATIENCE,
            last: None,
            unsupported: 0,
        }
    }

    /// Whom to ask now; `None` when all were asked in this round.
    fn next(&mut self, known: &Known) -> Option<Endpoint> {
        let next = self.first.take().or_else(|| {
            let left: Vec<_> = known.metaservers.iter().filter(|m| !self.asked(m)).collect();
            // Clients start at different members, so that a restart is not met by all at one place.
            (!left.is_empty()).then(|| left[rand::random_range(0..left.len())].clone())
        })?;
        self.asked.push(next.clone());
        Some(next)
    }

    fn asked(&self, endpoint: &Endpoint) -> bool {
        self.asked.iter().any(|asked| asked.address == endpoint.address)
    }

    /// Follows a hint unless that node was asked in this round already.
    fn hinted(&mut self, leader: Option<Endpoint>) {
        if let Some(leader) = leader.filter(|leader| !self.asked(leader)) {
            self.first = Some(leader);
        }
    }

    /// The refusal, if every node asked in this round says that it does not serve the method.
    fn nobody_serves_it(&mut self) -> Option<Status> {
        if self.unsupported > 0 && self.unsupported == self.asked.len() { self.last.take() } else { None }
    }

    fn refused(&mut self, refusal: Status) {
        self.last = Some(refusal);
    }

    async fn pause(&mut self, deadline: Instant) -> Result<(), Status> {
        let wait = self.wait.mul_f64(rand::random_range(0.5..1.0));
        self.wait = (self.wait * 2).min(LONGEST_WAIT);
        self.pause_for(wait, deadline).await
    }

    /// Waits, then begins a new round.
    async fn pause_for(&mut self, wait: Duration, deadline: Instant) -> Result<(), Status> {
        let until = Instant::now() + wait;
        if until >= deadline {
            return Err(self.give_up());
        }
        tokio::time::sleep_until(until).await;
        self.asked.clear();
        self.unsupported = 0;
        Ok(())
    }

    /// The deadline has come: say so, and what stood in the way.
    fn give_up(&mut self) -> Status {
        let last =
            self.last.take().map_or_else(|| "nobody was asked".to_owned(), |status| status.to_string());
        Status::new(Code::Timeout, format!("no answer of a metadata leader by the deadline; last: {last}"))
    }
}
