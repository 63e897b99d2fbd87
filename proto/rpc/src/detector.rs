//! What this process knows about the reachability of other nodes, shared by everybody in it.
//!
//! A host that lost power sends no reset, so silence is evidence: connections with open requests are pinged, and
//! a peer that says nothing for the configured time is suspect. Higher layers add what they see (a member that
//! exceeded its latency by far). Any sign of life clears a suspicion; a `Slow` verdict holds for a while.
//!
//! What always holds: a suspicion is an opinion of this process. It steers where to ask next; it never decides
//! what happens to data.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use holdfast_proto::ids::NodeId;
use parking_lot::RwLock;
use tokio::sync::watch;

/// How long a [`Outcome::Slow`] verdict holds.
const SLOW_HOLDS: Duration = Duration::from_secs(2);

/// What somebody experienced with a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It answered, after this long if known.
    Answered(Option<Duration>),
    /// It could not be reached or fell silent.
    Unreachable,
    /// It answers, but far slower than usual: avoid it for a while.
    Slow,
}

/// What is known about a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Health {
    /// Nothing yet.
    Unknown,
    /// It answers.
    Reachable,
    /// It does not answer, or not in time.
    Suspect {
        /// Since when.
        since: Instant,
    },
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    silent_since: Option<Instant>,
    slow_until: Option<(Instant, Instant)>,
    rtt: Option<Duration>,
}

/// Reachability of nodes as seen from this process.
#[derive(Debug)]
pub struct FailureDetector {
    nodes: RwLock<HashMap<NodeId, Entry>>,
    changes: watch::Sender<u64>,
}

impl Default for FailureDetector {
    fn default() -> Self {
        Self { nodes: RwLock::default(), changes: watch::channel(0).0 }
    }
}

impl FailureDetector {
    /// Takes note of an experience with a node. Node 0 is nobody.
    pub fn report(&self, node: NodeId, outcome: Outcome) {
        if node.0 == 0 {
            return;
        }
        let now = Instant::now();
        let mut nodes = self.nodes.write();
        let entry = nodes.entry(node).or_insert(Entry { silent_since: None, slow_until: None, rtt: None });
        let was = entry.silent_since.is_some();
        match outcome {
            Outcome::Answered(rtt) => {
                entry.silent_since = None;
                if let Some(rtt) = rtt {
                    entry.rtt = Some(entry.rtt.map_or(rtt, |old| (old * 7 + rtt) / 8));
                }
            }
            Outcome::Unreachable => {
                entry.silent_since.get_or_insert(now);
            }
            Outcome::Slow => {
                let since =
                    entry.slow_until.filter(|(_, until)| *until > now).map_or(now, |(since, _)| since);
                entry.slow_until = Some((since, now + SLOW_HOLDS));
            }
        }
        let is = entry.silent_since.is_some();
        drop(nodes);
        if was != is {
            if is {
                tracing::warn!(%node, "node does not answer");
            } else {
                tracing::info!(%node, "node answers again");
            }
            self.changes.send_modify(|count| *count += 1);
        } else if outcome == Outcome::Slow {
            self.changes.send_modify(|count| *count += 1);
        }
    }

    /// Bytes came from a node: clears a suspicion, costs little when there is none.
    pub(crate) fn heard_from(&self, node: NodeId) {
        let silent = self.nodes.read().get(&node).is_none_or(|entry| entry.silent_since.is_some());
        if silent {
            self.report(node, Outcome::Answered(None));
        }
    }

    /// What is known about a node.
    pub fn state(&self, node: NodeId) -> Health {
        let Some(entry) = self.nodes.read().get(&node).copied() else { return Health::Unknown };
        let slow = entry.slow_until.filter(|(_, until)| *until > Instant::now()).map(|(since, _)| since);
        match entry.silent_since.or(slow) {
            Some(since) => Health::Suspect { since },
            None => Health::Reachable,
        }
    }

    /// Whether to avoid a node when there is a choice.
    pub fn is_suspect(&self, node: NodeId) -> bool {
        matches!(self.state(node), Health::Suspect { .. })
    }

    /// Smoothed round trip time, if measured.
    pub fn rtt(&self, node: NodeId) -> Option<Duration> {
        self.nodes.read().get(&node)?.rtt
    }

    /// Nodes that do not answer (slow ones are not among them), in order.
    pub fn unreachable(&self) -> Vec<NodeId> {
        let nodes = self.nodes.read();
        let mut silent: Vec<_> =
            nodes.iter().filter(|(_, entry)| entry.silent_since.is_some()).map(|(node, _)| *node).collect();
        silent.sort_unstable();
        silent
    }

    /// Forgets a node (it left the cluster).
    pub fn forget(&self, node: NodeId) {
        self.nodes.write().remove(&node);
    }

    /// Changes whenever a node becomes suspect or reachable again.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_makes_suspect_and_any_answer_clears() {
        let detector = FailureDetector::default();
        let (a, b) = (NodeId(1), NodeId(2));
        assert_eq!(detector.state(a), Health::Unknown);
        detector.report(a, Outcome::Unreachable);
        detector.report(b, Outcome::Answered(Some(Duration::from_millis(8))));
        assert!(detector.is_suspect(a) && !detector.is_suspect(b));
        assert_eq!(detector.unreachable(), [a]);
        detector.report(a, Outcome::Answered(None));
        assert_eq!(detector.state(a), Health::Reachable);
        assert_eq!(detector.rtt(b), Some(Duration::from_millis(8)));
    }

    #[test]
    fn a_slow_verdict_outlives_an_answer() {
        let detector = FailureDetector::default();
        let node = NodeId(1);
        let changes = detector.changes();
        detector.report(node, Outcome::Slow);
        detector.report(node, Outcome::Answered(None));
        assert!(detector.is_suspect(node));
        assert!(detector.unreachable().is_empty(), "slow is not silent");
        assert!(changes.has_changed().unwrap());
        detector.report(NodeId(0), Outcome::Unreachable);
        assert!(detector.unreachable().is_empty(), "node 0 is nobody");
    }
}
