//! Every metaserver's check of its own copy, and the copies against each other.
//!
//! What always holds: a copy is called damaged only when it contradicts itself, or when most of those seen at the same
//! log index say otherwise. While the leader's own copy is in doubt, nothing is repaired by its word.

use std::collections::BTreeMap;

use futures::future::join_all;
use holdfast_proto::admin::{CheckReply, CheckRequest};
use holdfast_proto::cluster::Peer;
use holdfast_proto::ids::NodeId;
use holdfast_proto::method::Check;
use holdfast_rpc::Endpoint;

use super::report::{MetaReport, Tally};
use crate::admin::condition;
use crate::failure::Outcome;
use crate::remote::Remote;

/// Rounds until all copies are seen at one index: they move on while they are checked.
const ROUNDS: usize = 3;
/// Copies with more records are checked once: that takes long enough.
const QUICK: u64 = 200_000;

/// What the metaservers said.
pub(super) struct Metadata {
    pub(super) servers: Vec<MetaReport>,
    /// All that answered were seen at one index.
    pub(super) compared: bool,
    /// Why nothing should be changed by the leader's word.
    pub(super) in_doubt: Option<String>,
}

/// What copies at one log index come to.
#[derive(Debug, PartialEq, Eq)]
enum Agreement {
    All,
    /// Most agree, these do not.
    Odd(Vec<u64>),
    /// They differ, and no side is larger than half.
    Unclear(Vec<u64>),
}

/// Has every metaserver check itself, and compares them.
pub(super) async fn check(remote: &Remote, tally: &mut Tally) -> Outcome<Metadata> {
    let group = condition(remote).await?.meta.unwrap_or_default();
    let peers: Vec<Peer> = group.voters.iter().chain(&group.learners).cloned().collect();
    let mut at: BTreeMap<u64, BTreeMap<u64, Vec<u8>>> = BTreeMap::new();
    let mut last = Vec::new();
    let mut compared = false;
    for _ in 0..ROUNDS {
        last = join_all(peers.iter().map(|peer| ask(remote, peer))).await;
        let replies = || last.iter().filter_map(|(node, reply)| Some((*node, reply.as_ref().ok()?)));
        for (node, reply) in replies() {
            at.entry(reply.index).or_default().insert(node, reply.digest.to_vec());
        }
        let answered = replies().count();
        compared = at.values().any(|copies| copies.len() >= answered);
        if compared || replies().any(|(_, reply)| reply.records > QUICK) {
            break;
        }
    }
    let mut damaged: BTreeMap<u64, String> = BTreeMap::new();
    let mut servers = Vec::new();
    for (node, reply) in last {
        match reply {
            Ok(reply) => {
                if let Some(first) = reply.problems.first() {
                    damaged.insert(node, format!("it contradicts itself: {first}"));
                }
                reply.problems.iter().for_each(|text| tally.problem(format!("metaserver n{node}: {text}")));
                servers.push(report(node, group.leader, reply));
            }
            Err(failure) => tally.problem(format!("metaserver n{node} could not be checked: {failure}")),
        }
    }
    let mut in_doubt = None;
    for (index, copies) in &at {
        match agreement(copies) {
            Agreement::All => {}
            Agreement::Odd(nodes) => {
                for node in nodes {
                    damaged
                        .entry(node)
                        .or_insert(format!("it differs from most others at log index {index}"));
                }
            }
            Agreement::Unclear(nodes) => {
                let names: Vec<String> = nodes.iter().map(|node| format!("n{node}")).collect();
                let what = format!(
                    "metaservers {} differ at log index {index}, and it cannot be told which of them is right",
                    names.join(", ")
                );
                tally.problem(format!(
                    "{what}: add a metaserver, or look for disk errors in their logs, and run fsck again"
                ));
                in_doubt = Some(what);
            }
        }
    }
    let all = !servers.is_empty() && damaged.len() == servers.len();
    for (node, why) in &damaged {
        tally.problem(advice(*node, why, *node == group.leader, all));
    }
    if damaged.contains_key(&group.leader) {
        in_doubt = Some(format!("the metadata of the leader, n{}, is in doubt", group.leader));
    }
    Ok(Metadata { servers, compared, in_doubt })
}

async fn ask(remote: &Remote, peer: &Peer) -> (u64, Outcome<CheckReply>) {
    let endpoint = Endpoint { node: NodeId(peer.node), address: peer.address.clone() };
    (peer.node, remote.ask_node::<Check>(&endpoint, &CheckRequest {}).await)
}

fn report(node: u64, leader: u64, reply: CheckReply) -> MetaReport {
    MetaReport {
        node,
        leader: node == leader,
        index: reply.index,
        records: reply.records,
        digest: reply.digest.iter().map(|b| format!("{b:02x}")).collect(),
        problems: reply.problems,
    }
}

/// Compares copies seen at one index.
fn agreement(copies: &BTreeMap<u64, Vec<u8>>) -> Agreement {
    let mut sides: BTreeMap<&[u8], Vec<u64>> = BTreeMap::new();
    for (node, digest) in copies {
        sides.entry(digest).or_default().push(*node);
    }
    if sides.len() <= 1 {
        return Agreement::All;
    }
    let most = sides.values().find(|nodes| nodes.len() * 2 > copies.len());
    match most {
        Some(most) => Agreement::Odd(copies.keys().copied().filter(|node| !most.contains(node)).collect()),
        None => Agreement::Unclear(copies.keys().copied().collect()),
    }
}

/// What to do about a damaged copy. An emptied voter must not vote as if it remembered: it leaves the group first.
fn advice(node: u64, why: &str, leads: bool, all: bool) -> String {
    if all {
        return format!(
            "the metadata of n{node} is wrong: {why}. All metaservers say so, so no copy of it is right: do not delete \
             anything, and report this"
        );
    }
    let first = match leads {
        true => "hand leadership over with `holdfast admin meta transfer`, then stop the node",
        false => "stop the node",
    };
    format!(
        "the metadata of n{node} is damaged: {why}. To replace it: {first}, take it out with `holdfast admin meta remove \
         {node}`, empty the directory `meta` in its data directory, and start it: it joins again and gets a snapshot"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn copies(all: &[(u64, u8)]) -> BTreeMap<u64, Vec<u8>> {
        all.iter().map(|(node, digest)| (*node, vec![*digest; 32])).collect()
    }

    #[test]
    fn most_copies_are_right_and_half_of_them_are_not_most() {
        assert_eq!(agreement(&copies(&[(1, 7), (2, 7), (3, 7)])), Agreement::All);
        assert_eq!(agreement(&copies(&[(4, 7)])), Agreement::All);
        assert_eq!(agreement(&copies(&[(1, 7), (2, 8), (3, 7)])), Agreement::Odd(vec![2]));
        assert_eq!(agreement(&copies(&[(1, 7), (2, 8)])), Agreement::Unclear(vec![1, 2]));
        assert_eq!(agreement(&copies(&[(1, 7), (2, 8), (3, 9)])), Agreement::Unclear(vec![1, 2, 3]));
        let five = copies(&[(1, 7), (2, 8), (3, 7), (4, 9), (5, 7)]);
        assert_eq!(agreement(&five), Agreement::Odd(vec![2, 4]));
    }

    #[test]
    fn the_advice_never_empties_a_voter_that_would_still_vote() {
        let text = advice(3, "x", false, false);
        let at = |part: &str| text.find(part).unwrap();
        assert!(at("stop the node") < at("meta remove 3") && at("meta remove 3") < at("empty the directory"));
        assert!(advice(3, "x", true, false).contains("meta transfer"));
        assert!(advice(3, "x", false, true).contains("do not delete"));
    }
}
