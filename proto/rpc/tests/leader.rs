//! Following the leader, over a network in memory.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use holdfast_proto::cluster::Peer;
use holdfast_proto::ids::NodeId;
use holdfast_proto::map::MapRequest;
use holdfast_proto::method::GetMap;
use holdfast_proto::status::{Code, Status};
use holdfast_rpc::fake::{FakeNetwork, Faults};
use holdfast_rpc::{Endpoint, MetaCaller, Net, NetConfig, Router};
use tokio::time::Instant;

/// Three metaservers that agree by magic on who leads.
struct Group {
    network: FakeNetwork,
    leader: Arc<AtomicU64>,
    asked: Arc<AtomicUsize>,
    nets: Vec<Net>,
}

impl Group {
    fn new(seed: u64, hints: bool) -> Self {
        let network = FakeNetwork::new(seed);
        let leader = Arc::new(AtomicU64::new(1));
        let asked = Arc::new(AtomicUsize::new(0));
        let nets = (1..=3u64)
            .map(|node| {
                let net = Net::new(NetConfig {
                    node: NodeId(node),
                    fake: Some(network.clone()),
                    ..NetConfig::default()
                });
                network.serve(format!("meta{node}"), &net, member(node, &leader, &asked, hints));
                net
            })
            .collect();
        Self { network, leader, asked, nets }
    }

    fn caller(&self) -> MetaCaller {
        let net = Net::new(NetConfig { fake: Some(self.network.clone()), ..NetConfig::default() });
        MetaCaller::new(net, (1..=3).map(|node| format!("meta{node}")).collect())
    }
}

fn member(node: u64, leader: &Arc<AtomicU64>, asked: &Arc<AtomicUsize>, hints: bool) -> Router {
    let (leader, asked) = (leader.clone(), asked.clone());
    Router::new().on::<GetMap, _, _>(move |_, request: MapRequest, _| {
        asked.fetch_add(1, Ordering::SeqCst);
        let leads = leader.load(Ordering::SeqCst);
        async move {
            if leads != node {
                let hint = (hints && leads != 0).then_some(NodeId(leads));
                return Err(Status::not_leader(
                    hint,
                    hint.map(|hint| format!("meta{}", hint.0)).unwrap_or_default(),
                ));
            }
            match request.have {
                99 => Err(Status::new(Code::PermissionDenied, "not you")),
                _ => Ok((Default::default(), Bytes::new())),
            }
        }
    })
}

fn within(millis: u64) -> Instant {
    Instant::now() + Duration::from_millis(millis)
}

async fn call(caller: &MetaCaller, deadline: Instant) -> Result<(), Status> {
    caller.call::<GetMap>(&MapRequest::default(), deadline).await.map(drop)
}

#[tokio::test]
async fn hints_lead_to_the_leader_and_are_remembered() {
    let group = Group::new(1, true);
    let caller = group.caller();
    for leader in [3, 1, 2] {
        group.leader.store(leader, Ordering::SeqCst);
        call(&caller, within(10_000)).await.unwrap();
        assert_eq!(caller.leader().unwrap().address, format!("meta{leader}"));
        let before = group.asked.load(Ordering::SeqCst);
        call(&caller, within(10_000)).await.unwrap();
        assert_eq!(group.asked.load(Ordering::SeqCst), before + 1, "straight to the leader");
    }
}

#[tokio::test]
async fn without_hints_everybody_is_asked() {
    let group = Group::new(2, false);
    let caller = group.caller();
    for leader in [2, 3, 1] {
        group.leader.store(leader, Ordering::SeqCst);
        call(&caller, within(10_000)).await.unwrap();
        assert_eq!(caller.leader().unwrap().address, format!("meta{leader}"));
    }
}

#[tokio::test]
async fn an_election_is_waited_for_until_the_deadline() {
    let group = Group::new(3, true);
    let caller = group.caller();
    group.leader.store(0, Ordering::SeqCst);
    let error = call(&caller, within(150)).await.unwrap_err();
    assert_eq!(error.kind(), Code::Timeout, "{error}");
    // Usually what the members said; the last question may have been cut short by the deadline.
    let said = ["NotLeader", "did not answer by the deadline"].iter().any(|why| error.message.contains(why));
    assert!(said, "says what stood in the way: {error}");
    let waiting = tokio::spawn({
        let caller = caller.clone();
        async move { call(&caller, within(10_000)).await }
    });
    tokio::time::sleep(Duration::from_millis(50)).await;
    group.leader.store(2, Ordering::SeqCst);
    waiting.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_leader_that_is_cut_off_is_left_for_the_next() {
    let group = Group::new(4, true);
    let caller = group.caller();
    call(&caller, within(10_000)).await.unwrap();
    group.network.set_faults(Faults { silence: Duration::from_millis(100), ..Faults::default() });
    group.network.cut(NodeId(0), NodeId(1));
    group.leader.store(3, Ordering::SeqCst);
    call(&caller, within(10_000)).await.unwrap();
    assert_eq!(caller.leader().unwrap().address, "meta3");
}

#[tokio::test]
async fn a_refusal_by_the_leader_is_final() {
    let group = Group::new(5, true);
    let caller = group.caller();
    call(&caller, within(10_000)).await.unwrap();
    let before = group.asked.load(Ordering::SeqCst);
    let request = MapRequest { have: 99, ..MapRequest::default() };
    let error = caller.call::<GetMap>(&request, within(10_000)).await.unwrap_err();
    assert_eq!(error.kind(), Code::PermissionDenied);
    assert_eq!(group.asked.load(Ordering::SeqCst), before + 1);
}

#[tokio::test]
async fn new_members_are_learnt() {
    let group = Group::new(6, true);
    let net = group.caller().net().clone();
    let caller = MetaCaller::new(net, vec!["nobody-here".into()]);
    let error = call(&caller, within(50)).await.unwrap_err();
    assert!(error.message.contains("refused"), "{error}");
    let peers: Vec<_> = (1..=3).map(|node| Peer { node, address: format!("meta{node}") }).collect();
    caller.learn(&peers);
    caller.learn(&[]);
    assert_eq!(caller.metaservers().len(), 3);
    call(&caller, within(10_000)).await.unwrap();
    assert_eq!(caller.leader(), Some(Endpoint::new(NodeId(1), "meta1")));
    caller.learn(&peers[1..]);
    assert_eq!(caller.leader(), None, "it is no longer a member");
}

#[tokio::test]
async fn a_bad_network_is_hidden_by_retries() {
    for seed in 0..5 {
        let group = Group::new(seed, true);
        let caller = group.caller();
        group.network.set_faults(Faults {
            drop: 0.2,
            duplicate: 0.2,
            delay: (Duration::ZERO, Duration::from_millis(3)),
            silence: Duration::from_millis(10),
        });
        for round in 0..20 {
            group.leader.store(round % 3 + 1, Ordering::SeqCst);
            call(&caller, within(10_000)).await.unwrap_or_else(|error| panic!("seed {seed}: {error}"));
        }
        assert!(group.asked.load(Ordering::SeqCst) > 20, "nothing was lost or doubled with seed {seed}");
        assert_eq!(group.nets.len(), 3);
    }
}

#[tokio::test(start_paused = true)]
async fn a_node_that_is_no_metaserver_is_passed_over() {
    let group = Group::new(7, true);
    let net = |node| {
        let fake = Some(group.network.clone());
        Net::new(NetConfig { node: NodeId(node), fake, ..NetConfig::default() })
    };
    let (other, client) = (net(9), net(0));
    group.network.serve("other".to_owned(), &other, Router::new());
    for _ in 0..20 {
        let caller = MetaCaller::new(client.clone(), vec!["other".to_owned(), "meta1".to_owned()]);
        call(&caller, within(1_000)).await.unwrap();
    }
    let nobody = MetaCaller::new(client, vec!["other".to_owned()]);
    let begun = Instant::now();
    let error = call(&nobody, within(10_000)).await.unwrap_err();
    assert_eq!(error.kind(), Code::Unsupported);
    assert!(begun.elapsed() < Duration::from_secs(1), "nobody else is to be asked");
}
