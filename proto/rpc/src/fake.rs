//! A faulty network in memory, by seed: messages are dropped, delayed, doubled, and nodes cut off from each other.
//! A [`Net`](crate::Net) is built on it with `NetConfig { fake: Some(network), .. }`; servers register themselves
//! or are registered with [`FakeNetwork::serve`].
//!
//! What always holds: the same checks of hello as on the wire; messages are encoded and decoded; a lost request or
//! reply looks like a silent peer (`Unavailable` after the silence limit, or `Timeout`), a refused connection like
//! a dead process.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use holdfast_proto::hello::Hello;
use holdfast_proto::ids::{NodeId, SessionId};
use holdfast_proto::status::{Code, Status};
use parking_lot::Mutex;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tokio::time::Instant;

use crate::config::Endpoint;
use crate::conn::Answer;
use crate::connect::lost;
use crate::frame::HEADER_BYTES;
use crate::handshake::{self, Identity};
use crate::net::{Net, Shared};
use crate::router::{Context, Router, WireReply, encode_refusal};

/// What goes wrong, and how often.
#[derive(Clone, Copy, Debug)]
pub struct Faults {
    /// Probability that a message (request or reply) is lost.
    pub drop: f64,
    /// Probability that a request is delivered twice.
    pub duplicate: f64,
    /// Messages take between these two times, evenly spread.
    pub delay: (Duration, Duration),
    /// A caller whose message is lost learns it after this long.
    pub silence: Duration,
}

impl Default for Faults {
    fn default() -> Self {
        Self {
            drop: 0.0,
            duplicate: 0.0,
            delay: (Duration::ZERO, Duration::ZERO),
            silence: Duration::from_secs(1),
        }
    }
}

/// A network in memory. Cheap to clone.
#[derive(Clone, Debug)]
pub struct FakeNetwork {
    state: Arc<Mutex<State>>,
}

struct State {
    dice: StdRng,
    faults: Faults,
    served: HashMap<String, Served>,
    /// Messages from the first to the second are lost.
    cut: HashSet<(NodeId, NodeId)>,
}

#[derive(Clone)]
struct Served {
    shared: std::sync::Weak<Shared>,
    router: Router,
}

/// What happens to one call.
struct Fate {
    request_lost: bool,
    reply_lost: bool,
    twice: bool,
    there: Duration,
    back: Duration,
    silence: Duration,
}

impl FakeNetwork {
    /// A network without faults; the dice are thrown from `seed`.
    pub fn new(seed: u64) -> Self {
        let state = State {
            dice: StdRng::seed_from_u64(seed),
            faults: Faults::default(),
            served: HashMap::new(),
            cut: HashSet::new(),
        };
        Self { state: Arc::new(Mutex::new(state)) }
    }

    /// Sets what goes wrong from now on.
    pub fn set_faults(&self, faults: Faults) {
        self.state.lock().faults = faults;
    }

    /// Loses all messages from one node to another. Node 0 stands for all clients.
    pub fn cut_one_way(&self, from: NodeId, to: NodeId) {
        self.state.lock().cut.insert((from, to));
    }

    /// Cuts two nodes off from each other.
    pub fn cut(&self, a: NodeId, b: NodeId) {
        let mut state = self.state.lock();
        state.cut.insert((a, b));
        state.cut.insert((b, a));
    }

    /// Mends all cuts and ends all faults.
    pub fn heal(&self) {
        let mut state = self.state.lock();
        state.cut.clear();
        state.faults = Faults::default();
    }

    /// Serves a router at an address, as the node that `net` is. A running server there is replaced.
    pub fn serve(&self, address: impl Into<String>, net: &Net, router: Router) {
        let served = Served { shared: Arc::downgrade(&net.shared), router };
        self.state.lock().served.insert(address.into(), served);
    }

    /// Stops serving an address: connections are refused from now on.
    pub fn stop(&self, address: &str) {
        self.state.lock().served.remove(address);
    }

    #[allow(clippy::too_many_arguments, reason = "one call of one method, seen from the caller's side")]
    pub(crate) async fn call(
        &self,
        us: &Identity,
        session: SessionId,
        to: &Endpoint,
        method: u16,
        message: Bytes,
        payload: Bytes,
        deadline: Instant,
    ) -> Result<Answer, Status> {
        let served = self.state.lock().served.get(&to.address).cloned();
        let target = served.and_then(|served| Some((served.shared.upgrade()?, served.router)));
        let Some((shared, router)) = target else {
            return Err(lost(&format!("{to}: connect: refused")));
        };
        let them = shared.identity();
        let hello = Hello {
            cluster: us.cluster.map(|id| Bytes::copy_from_slice(&id.0)).unwrap_or_default(),
            node: us.node.0,
            expected_node: to.node.0,
            lowest_version: us.versions.0,
            highest_version: us.versions.1,
            ..Hello::default()
        };
        let fate = self.fate(us.node, them.node);
        let work = async {
            handshake::judge(&them, &hello)?;
            let context = Context { deadline, peer: us.node, session, local: false, request_id: 0 };
            self.deliver(fate, &router, context, method, message, payload).await
        };
        match tokio::time::timeout_at(deadline, work).await {
            Ok(answer) => answer,
            Err(_) => Err(Status::new(Code::Timeout, format!("{to} did not answer by the deadline"))),
        }
    }

    fn fate(&self, from: NodeId, to: NodeId) -> Fate {
        let mut state = self.state.lock();
        let faults = state.faults;
        let (least, most) = (faults.delay.0, faults.delay.1.max(faults.delay.0));
        let mut time = || if least == most { least } else { state.dice.random_range(least..most) };
        let (there, back) = (time(), time());
        Fate {
            request_lost: state.cut.contains(&(from, to)) || state.dice.random_bool(faults.drop),
            reply_lost: state.cut.contains(&(to, from)) || state.dice.random_bool(faults.drop),
            twice: state.dice.random_bool(faults.duplicate),
            there,
            back,
            silence: faults.silence,
        }
    }

    async fn deliver(
        &self,
        fate: Fate,
        router: &Router,
        context: Context,
        method: u16,
        message: Bytes,
        payload: Bytes,
    ) -> Result<Answer, Status> {
        tokio::time::sleep(fate.there).await;
        let silent = || lost(&format!("silent for {} ms", fate.silence.as_millis()));
        if fate.request_lost {
            tokio::time::sleep(fate.silence).await;
            return Err(silent());
        }
        let Some(entry) = router.get(method).cloned() else {
            let status = Status::new(Code::Unsupported, format!("this node does not serve method {method}"));
            return open(encode_refusal(0, &status));
        };
        let first = entry.wire(context, message.clone(), payload.clone());
        // A handler runs on even when its reply is lost, as it would in another process.
        let running = tokio::spawn(tokio::time::timeout_at(context.deadline, first));
        if fate.twice {
            tokio::spawn(tokio::time::timeout_at(context.deadline, entry.wire(context, message, payload)));
        }
        if fate.reply_lost {
            tokio::time::sleep(fate.silence).await;
            return Err(silent());
        }
        let reply = match running.await {
            Ok(Ok(reply)) => reply,
            Ok(Err(_)) => encode_refusal(0, &Status::new(Code::Timeout, "did not end by the deadline")),
            Err(_) => encode_refusal(0, &Status::internal("handler panicked")),
        };
        tokio::time::sleep(fate.back).await;
        open(reply)
    }
}

/// Takes a reply frame apart again.
fn open(reply: WireReply) -> Result<Answer, Status> {
    let message = reply.head.slice(HEADER_BYTES.min(reply.head.len())..);
    Ok(Answer { refused: reply.refused.is_some(), message, payload: reply.payload })
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("State").field("faults", &self.faults).field("cut", &self.cut).finish_non_exhaustive()
    }
}
