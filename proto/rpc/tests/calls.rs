//! Calls between a client and a server over real sockets.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use common::{SERVER, client, config, echo, ping, serve, serve_with, soon, until};
use holdfast_proto::chunk::ReadChunk;
use holdfast_proto::cluster::Empty;
use holdfast_proto::ids::{ClusterId, NodeId};
use holdfast_proto::method::{GetMap, Ping, RaftVote, Read};
use holdfast_proto::status::{Code, Status};
use holdfast_rpc::{Endpoint, Health, Net, NetConfig, Router, ServerConfig};
use holdfast_support::budget::ByteBudget;
use tokio::sync::{Notify, Semaphore};
use tokio::time::Instant;

fn pattern(bytes: usize, seed: u8) -> Bytes {
    (0..bytes).map(|i| (i as u8).wrapping_mul(31).wrapping_add(i.div_euclid(251) as u8) ^ seed).collect()
}

async fn read(net: &Net, to: &Endpoint, offset: u64, payload: Bytes) -> Result<Bytes, Status> {
    let request = ReadChunk { offset, ..ReadChunk::default() };
    let (reply, back) = net.call::<Read>(to, &request, payload, soon()).await?;
    assert_eq!((reply.offset, reply.record_bytes), (offset, back.len() as u64));
    Ok(back)
}

#[tokio::test]
async fn messages_and_payloads_come_back() {
    let (_server, to) = serve(echo()).await;
    let net = client();
    ping(&net, &to).await.unwrap();
    assert_eq!(net.health().state(SERVER), Health::Reachable);
    for bytes in [0, 1, 40, 4095, 4096, 16 << 10, 100_000, 8 << 20, 64 << 20] {
        let sent = pattern(bytes, 3);
        assert!(read(&net, &to, 9, sent.clone()).await.unwrap() == sent, "{bytes} bytes");
    }
    let error = read(&net, &to, 9, pattern((64 << 20) + 1, 0)).await.unwrap_err();
    assert_eq!(error.kind(), Code::TooLarge, "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_calls_at_once_are_not_mixed_up() {
    let (_server, to) = serve(echo()).await;
    let net = client();
    let calls = (0..600u64).map(|n| {
        let (net, to) = (net.clone(), to.clone());
        tokio::spawn(async move {
            let sent = pattern((n as usize * 997) % 60_000, n as u8);
            assert!(read(&net, &to, n, sent.clone()).await.unwrap() == sent, "call {n}");
            ping(&net, &to).await.unwrap();
        })
    });
    for call in calls.collect::<Vec<_>>() {
        call.await.unwrap();
    }
}

#[tokio::test]
async fn a_slow_call_does_not_hold_up_others() {
    let gate = Arc::new(Notify::new());
    let router = echo().on::<GetMap, _, _>({
        let gate = gate.clone();
        move |_, _, _| {
            let gate = gate.clone();
            async move {
                gate.notified().await;
                Ok(Default::default())
            }
        }
    });
    let (_server, to) = serve(router).await;
    let net = client();
    let slow = tokio::spawn({
        let (net, to) = (net.clone(), to.clone());
        async move { net.call::<GetMap>(&to, &Default::default(), Bytes::new(), soon()).await.map(drop) }
    });
    // The gate opens after a later call on the same connection was answered: replies come out of order.
    ping(&net, &to).await.unwrap();
    assert!(!slow.is_finished());
    gate.notify_one();
    slow.await.unwrap().unwrap();
}

/// A handler that never ends, and tells when it began and when it was dropped.
fn endless(began: Arc<AtomicUsize>, dropped: Arc<AtomicUsize>) -> Router {
    struct Tell(Arc<AtomicUsize>);
    impl Drop for Tell {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }
    echo().on::<GetMap, _, _>(move |_, _, _| {
        let tell = Tell(dropped.clone());
        began.fetch_add(1, Ordering::SeqCst);
        async move {
            let _tell = tell;
            std::future::pending().await
        }
    })
}

#[tokio::test]
async fn a_dropped_call_is_cancelled_at_the_server() {
    let (began, dropped) = (Arc::default(), Arc::default());
    let (server, to) = serve(endless(Arc::clone(&began), Arc::clone(&dropped))).await;
    let net = client();
    let call = tokio::spawn({
        let (net, to) = (net.clone(), to.clone());
        async move { net.call::<GetMap>(&to, &Default::default(), Bytes::new(), soon()).await.map(drop) }
    });
    until("the handler began", || began.load(Ordering::SeqCst) == 1).await;
    call.abort();
    until("the handler was dropped", || dropped.load(Ordering::SeqCst) == 1).await;
    until("nothing is in flight", || server.in_flight() == 0).await;
    ping(&net, &to).await.unwrap();
}

#[tokio::test]
async fn a_deadline_ends_the_call_on_both_sides() {
    let (began, dropped) = (Arc::default(), Arc::default());
    let (_server, to) = serve(endless(began, Arc::clone(&dropped))).await;
    let net = client();
    let deadline = Instant::now() + Duration::from_millis(100);
    let error = net.call::<GetMap>(&to, &Default::default(), Bytes::new(), deadline).await.unwrap_err();
    assert_eq!(error.kind(), Code::Timeout);
    assert!(error.outcome_unknown());
    until("the handler was dropped", || dropped.load(Ordering::SeqCst) == 1).await;
    let late = Instant::now() - Duration::from_millis(1);
    let error = net.call::<Ping>(&to, &Empty {}, Bytes::new(), late).await.unwrap_err();
    assert_eq!(error.kind(), Code::Timeout);
}

#[tokio::test]
async fn a_panicking_handler_is_an_internal_error_and_nothing_more() {
    let router = echo().on::<GetMap, _, _>(|_, request, _| async move {
        assert_eq!(request.have, 1, "a handler that breaks");
        Ok(Default::default())
    });
    let (server, to) = serve(router).await;
    let net = client();
    let error = net.call::<GetMap>(&to, &Default::default(), Bytes::new(), soon()).await.unwrap_err();
    assert_eq!(error.kind(), Code::Internal);
    ping(&net, &to).await.unwrap();
    until("nothing is in flight", || server.in_flight() == 0).await;
}

#[tokio::test]
async fn refusals_come_back_as_they_were_said() {
    let router = Router::new()
        .on::<GetMap, _, _>(|_, _, _| async move { Err(Status::not_leader(Some(NodeId(3)), "there:1")) });
    let (_server, to) = serve(router).await;
    let net = client();
    let error = net.call::<GetMap>(&to, &Default::default(), Bytes::new(), soon()).await.unwrap_err();
    assert_eq!(error, Status::not_leader(Some(NodeId(3)), "there:1"));
    let error = ping(&net, &to).await.unwrap_err();
    assert_eq!(error.kind(), Code::Unsupported, "{error}");
}

#[tokio::test]
async fn roles_of_one_process_skip_the_network() {
    let local = Arc::new(AtomicBool::new(false));
    let router = echo().on::<Ping, _, _>({
        let local = local.clone();
        move |context, request, _| {
            local.store(context.local, Ordering::SeqCst);
            async move { Ok((request, Bytes::new())) }
        }
    });
    let net = Net::new(config(SERVER.0));
    net.serve_locally(SERVER, router);
    // Nobody listens there.
    let to = Endpoint::new(SERVER, "127.0.0.1:1");
    ping(&net, &to).await.unwrap();
    assert!(local.load(Ordering::SeqCst) && net.is_local(SERVER));
    let payload = pattern(1000, 1);
    let back = read(&net, &to, 1, payload.clone()).await.unwrap();
    assert_eq!(back.as_ptr(), payload.as_ptr(), "the very same bytes");
    let error = net.call::<GetMap>(&to, &Default::default(), Bytes::new(), soon()).await.unwrap_err();
    assert_eq!(error.kind(), Code::Unsupported);
}

/// A handler that waits for a permit before it answers.
fn gated(gate: &Arc<Semaphore>) -> Router {
    let gate = gate.clone();
    echo().on::<Read, _, _>(move |_, _, payload| {
        let gate = gate.clone();
        async move {
            gate.acquire().await.unwrap().forget();
            drop(payload);
            Ok(Default::default())
        }
    })
}

async fn overload(limits: ServerConfig, net: NetConfig, fits: usize, payload: Bytes) {
    let gate = Arc::new(Semaphore::new(0));
    let (server, to) = serve_with(gated(&gate), limits).await;
    let net = Net::new(net);
    let call = |net: Net, to: Endpoint| {
        let payload = payload.clone();
        async move { net.call::<Read>(&to, &ReadChunk::default(), payload, soon()).await.map(drop) }
    };
    let running: Vec<_> = (0..fits).map(|_| tokio::spawn(call(net.clone(), to.clone()))).collect();
    until("all that fit are running", || server.in_flight() == fits).await;
    let error = call(net.clone(), to.clone()).await.unwrap_err();
    assert_eq!(error.kind(), Code::Busy, "{error}");
    assert!(error.after_ms > 0, "a hint when to come back");
    gate.add_permits(fits);
    for call in running {
        call.await.unwrap().unwrap();
    }
    gate.add_permits(1);
    call(net, to).await.unwrap();
}

#[tokio::test]
async fn too_many_requests_on_one_connection_are_told_busy() {
    let net = NetConfig { data_connections: 1, ..config(0) };
    overload(ServerConfig { max_in_flight: 3, ..Default::default() }, net.clone(), 3, Bytes::new()).await;
    // The caller's own limit is the lower one.
    overload(ServerConfig::default(), NetConfig { max_in_flight: 2, ..net }, 2, Bytes::new()).await;
}

#[tokio::test]
async fn too_many_requests_of_a_class_are_told_busy() {
    let limits = ServerConfig { max_concurrent: [9, 9, 9, 3], ..Default::default() };
    overload(limits, config(0), 3, Bytes::new()).await;
}

#[tokio::test]
async fn too_much_payload_is_told_busy_and_the_connection_stays_usable() {
    let budget = ByteBudget::new(250_000);
    let limits = ServerConfig { data_budget: budget.clone(), ..Default::default() };
    let net = NetConfig { data_connections: 1, ..config(0) };
    overload(limits, net, 2, pattern(100_000, 5)).await;
    until("the budget is whole again", || budget.in_use() == 0).await;
}

#[tokio::test]
async fn strangers_are_told_what_is_wrong() {
    let (_server, to) = serve(echo()).await;
    let foreign = Net::new(NetConfig { cluster: Some(ClusterId([8; 16])), ..config(0) });
    let error = ping(&foreign, &to).await.unwrap_err();
    assert_eq!(error.kind(), Code::WrongCluster, "{error}");
    assert!(error.message.contains(&"07".repeat(16)) && error.message.contains(&"08".repeat(16)), "{error}");

    let net = client();
    let error = ping(&net, &Endpoint::new(NodeId(6), to.address.clone())).await.unwrap_err();
    assert_eq!(error.kind(), Code::WrongNode, "{error}");

    let future = Net::new(NetConfig { versions: (2, 3), ..config(0) });
    let error = ping(&future, &to).await.unwrap_err();
    assert_eq!(error.kind(), Code::WrongVersion, "{error}");
    assert!(error.message.contains("1 to 1") && error.message.contains("2 to 3"), "{error}");
    ping(&net, &to).await.unwrap();
}

#[tokio::test]
async fn a_client_learns_its_cluster_and_sticks_to_it() {
    let (_server, to) = serve(echo()).await;
    let net = Net::new(NetConfig::default());
    ping(&net, &Endpoint::new(NodeId(0), to.address.clone())).await.unwrap();
    assert_eq!(net.cluster(), Some(common::CLUSTER));
    let other = Net::new(NetConfig { cluster: Some(ClusterId([9; 16])), ..config(1) });
    let server =
        holdfast_rpc::Server::bind("127.0.0.1:0", other, echo(), ServerConfig::default()).await.unwrap();
    let error = ping(&net, &Endpoint::new(NodeId(0), server.local_addr().to_string())).await.unwrap_err();
    assert_eq!(error.kind(), Code::WrongCluster, "{error}");
}

#[tokio::test]
async fn a_node_without_a_cluster_turns_members_away_until_it_has_joined() {
    let young = Net::new(NetConfig::default());
    let server = holdfast_rpc::Server::bind("127.0.0.1:0", young.clone(), echo(), ServerConfig::default())
        .await
        .unwrap();
    let to = Endpoint::new(SERVER, server.local_addr().to_string());
    let net = client();
    let error = ping(&net, &to).await.unwrap_err();
    assert_eq!(error.kind(), Code::Unavailable, "{error}");
    young.set_identity(common::CLUSTER, SERVER);
    let deadline = soon();
    while let Err(error) = ping(&net, &to).await {
        assert!(Instant::now() < deadline, "{error}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn an_orderly_shutdown_lets_requests_end_and_refuses_new_ones() {
    let gate = Arc::new(Semaphore::new(0));
    let (server, to) = serve(gated(&gate)).await;
    let net = client();
    let call = {
        let (net, to) = (net.clone(), to.clone());
        async move { net.call::<Read>(&to, &ReadChunk::default(), Bytes::new(), soon()).await.map(drop) }
    };
    let running = tokio::spawn(call);
    until("the request is running", || server.in_flight() == 1).await;
    let down = tokio::spawn(server.shutdown(Duration::from_secs(10)));
    let deadline = soon();
    loop {
        // First `ShuttingDown` or, once the goodbye was read, a refused connection.
        match ping(&net, &to).await {
            Err(error) if matches!(error.kind(), Code::ShuttingDown | Code::Unavailable) => break,
            Err(error) => panic!("{error}"),
            Ok(()) => assert!(Instant::now() < deadline),
        }
        tokio::task::yield_now().await;
    }
    assert!(!down.is_finished());
    gate.add_permits(1);
    running.await.unwrap().unwrap();
    down.await.unwrap();
}

#[test]
fn raft_has_a_runtime_of_its_own_and_callers_may_be_anywhere() {
    let build = |name: &str| {
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        builder.worker_threads(1).enable_all().thread_name(name).build().unwrap()
    };
    let (main, raft) = (build("main"), build("raft"));
    let on_raft = Arc::new(AtomicUsize::new(0));
    let seen = on_raft.clone();
    let router = echo().on::<RaftVote, _, _>(move |_, request, _| {
        if std::thread::current().name() == Some("raft") {
            seen.fetch_add(1, Ordering::SeqCst);
        }
        async move { Ok((request, Bytes::new())) }
    });
    let config = NetConfig { raft_runtime: Some(raft.handle().clone()), ..config(SERVER.0) };
    let (server, net) = main.block_on(async {
        let net = Net::new(config);
        let server = holdfast_rpc::Server::bind("127.0.0.1:0", net.clone(), router, ServerConfig::default())
            .await
            .unwrap();
        (server, net)
    });
    let to = Endpoint::new(SERVER, server.local_addr().to_string());
    for runtime in [&raft, &main, &raft] {
        runtime.block_on(async {
            net.call::<RaftVote>(&to, &Default::default(), Bytes::new(), soon()).await.unwrap();
            read(&net, &to, 4, pattern(10_000, 2)).await.unwrap();
        });
    }
    assert_eq!(on_raft.load(Ordering::SeqCst), 3, "votes are handled in Raft's runtime");
}

#[tokio::test]
async fn a_replaced_connection_is_closed_when_its_calls_have_ended() {
    let gate = Arc::new(Semaphore::new(0));
    let limits = ServerConfig { max_connections: 2, ..Default::default() };
    let (server, to) = serve_with(gated(&gate), limits).await;
    let net = Net::new(NetConfig { data_connections: 1, ..config(0) });
    let call = |net: Net, to: Endpoint| async move {
        net.call::<Read>(&to, &ReadChunk::default(), Bytes::new(), soon()).await.map(drop)
    };
    let running = tokio::spawn(call(net.clone(), to.clone()));
    until("the call is running", || server.in_flight() == 1).await;
    net.set_identity(common::CLUSTER, NodeId(9));
    let second = tokio::spawn(call(net.clone(), to.clone()));
    until("the second call is running beside it", || server.in_flight() == 2).await;
    gate.add_permits(2);
    running.await.unwrap().unwrap();
    second.await.unwrap().unwrap();
    // The old connection makes room for a third one.
    let deadline = soon();
    while let Err(error) = ping(&net, &to).await {
        assert_eq!(error.kind(), Code::Busy, "{error}");
        assert!(Instant::now() < deadline, "the old connection was never closed");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn a_node_that_joined_says_who_it_is_from_then_on() {
    let router = Router::new().on::<GetMap, _, _>(|context, _, _| async move {
        // The peer's id comes back as the length of the payload.
        Ok((Default::default(), Bytes::from(vec![0; context.peer.0 as usize])))
    });
    let (_server, to) = serve(router).await;
    let net = client();
    let seen = || async {
        let reply = net.call::<GetMap>(&to, &Default::default(), Bytes::new(), soon()).await;
        reply.unwrap().1.len()
    };
    assert_eq!(seen().await, 0);
    net.set_identity(common::CLUSTER, NodeId(9));
    assert_eq!(seen().await, 9);
}
