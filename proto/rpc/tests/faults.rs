//! Peers that die, fall silent, come back, or send rubbish.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod common;

use std::time::Duration;

use bytes::Bytes;
use common::{
    SERVER, client, config, echo, hello, ping, read_frame, send, serve, serve_with, soon, stranger, until,
    welcome,
};
use holdfast_proto::chunk::ReadChunk;
use holdfast_proto::cluster::Empty;
use holdfast_proto::hello::Hello;
use holdfast_proto::ids::NodeId;
use holdfast_proto::method::{Ping, Read};
use holdfast_proto::status::Code;
use holdfast_rpc::frame::{HEADER_BYTES, Header, Kind};
use holdfast_rpc::{Endpoint, Health, Net, NetConfig, Server, ServerConfig};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Instant;

async fn listen() -> (TcpListener, Endpoint) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let to = Endpoint::new(SERVER, listener.local_addr().unwrap().to_string());
    (listener, to)
}

/// Limits far below those of the test itself, far above a scheduling hiccup.
fn impatient() -> NetConfig {
    NetConfig {
        connect_timeout: Duration::from_millis(400),
        ping_after: Duration::from_millis(100),
        dead_after: Duration::from_millis(500),
        ..config(0)
    }
}

#[tokio::test]
async fn a_peer_that_dies_in_the_middle_of_a_call_is_noticed_at_once() {
    let (listener, to) = listen().await;
    let killer = tokio::spawn(async move {
        let (mut tcp, _) = listener.accept().await.unwrap();
        welcome(&mut tcp).await;
        let (header, _) = read_frame(&mut tcp).await.unwrap();
        assert_eq!((header.kind, header.method), (Kind::Request, 60));
        assert!(header.left_ms > 10_000, "the deadline travels along");
    });
    // With these limits only the end of the connection can end the call before the test's own limit.
    let patient = NetConfig { dead_after: Duration::from_secs(600), ..config(0) };
    let deadline = Instant::now() + Duration::from_secs(600);
    let net = Net::new(patient);
    let call = net.call::<Ping>(&to, &Empty {}, Bytes::new(), deadline);
    let error = tokio::time::timeout(Duration::from_secs(10), call).await.unwrap().unwrap_err();
    assert_eq!(error.kind(), Code::Unavailable, "{error}");
    killer.await.unwrap();
    // The listener is gone too: calls are refused, the node is suspect.
    ping(&net, &to).await.unwrap_err();
    until("the node is suspect", || net.health().unreachable() == [SERVER]).await;
}

#[tokio::test]
async fn a_peer_that_accepts_and_never_answers_is_given_up() {
    let (_listener, to) = listen().await;
    let net = Net::new(impatient());
    let error = ping(&net, &to).await.unwrap_err();
    assert_eq!(error.kind(), Code::Unavailable, "{error}");
    assert!(matches!(net.health().state(SERVER), Health::Suspect { .. }));
    // From now on calls fail at once, without waiting for a connection.
    let start = Instant::now();
    for _ in 0..100 {
        ping(&net, &to).await.unwrap_err();
    }
    assert!(start.elapsed() < Duration::from_millis(300), "{:?}", start.elapsed());
}

#[tokio::test]
async fn a_black_hole_after_hello_ends_all_calls_within_the_silence_limit() {
    let (listener, to) = listen().await;
    let hole = tokio::spawn(async move {
        let (mut tcp, _) = listener.accept().await.unwrap();
        welcome(&mut tcp).await;
        // Reads everything, answers nothing. Counts the pings.
        let mut pings = 0;
        while let Ok((header, _)) = read_frame(&mut tcp).await {
            pings += usize::from(header.kind == Kind::Ping);
        }
        pings
    });
    let net = Net::new(impatient());
    let start = Instant::now();
    let calls: Vec<_> = (0..10)
        .map(|_| {
            let (net, to) = (net.clone(), to.clone());
            tokio::spawn(async move { ping(&net, &to).await })
        })
        .collect();
    for call in calls {
        let error = call.await.unwrap().unwrap_err();
        assert_eq!(error.kind(), Code::Unavailable, "{error}");
    }
    assert!(start.elapsed() >= Duration::from_millis(400), "not before the limit: {:?}", start.elapsed());
    assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
    assert_eq!(net.health().unreachable(), [SERVER]);
    assert!(hole.await.unwrap() >= 1, "it was pinged before it was given up");
}

#[tokio::test]
async fn an_idle_connection_to_a_dead_host_is_noticed_too() {
    let (listener, to) = listen().await;
    let hole = tokio::spawn(async move {
        let (mut tcp, _) = listener.accept().await.unwrap();
        welcome(&mut tcp).await;
        let (header, _) = read_frame(&mut tcp).await.unwrap();
        send(&mut tcp, Header::bare(Kind::Reply, header.id), &Empty {}).await;
        // Alive for one call, then silent.
        while read_frame(&mut tcp).await.is_ok() {}
    });
    let net = Net::new(NetConfig { idle_ping: Duration::from_millis(100), ..impatient() });
    ping(&net, &to).await.unwrap();
    until("nobody called, yet the node is suspect", || net.health().is_suspect(SERVER)).await;
    hole.await.unwrap();
}

#[tokio::test]
async fn a_slow_link_is_not_a_dead_peer() {
    let (_server, to) = serve(echo()).await;
    let (listener, proxy) = listen().await;
    tokio::spawn(async move {
        let (down, _) = listener.accept().await.unwrap();
        let up = TcpStream::connect(&to.address).await.unwrap();
        let ((mut down_read, mut down_write), (mut up_read, mut up_write)) =
            (down.into_split(), up.into_split());
        tokio::spawn(async move { tokio::io::copy(&mut up_read, &mut down_write).await });
        let mut buffer = vec![0; 32 << 10];
        loop {
            let count = down_read.read(&mut buffer).await.unwrap();
            if count == 0 {
                return;
            }
            up_write.write_all(&buffer[..count]).await.unwrap();
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    });
    // 12 MiB in pieces of 32 KiB every 10 ms: well over the silence limit.
    let net = Net::new(NetConfig { dead_after: Duration::from_millis(1500), ..impatient() });
    let payload = Bytes::from(vec![9; 12 << 20]);
    let start = Instant::now();
    let (_, back) = net.call::<Read>(&proxy, &ReadChunk::default(), payload.clone(), soon()).await.unwrap();
    assert!(back == payload);
    assert!(start.elapsed() > Duration::from_millis(1500), "the link was not slow: {:?}", start.elapsed());
}

#[tokio::test]
async fn a_peer_that_comes_back_is_found_again() {
    let (server, to) = serve(echo()).await;
    let net = client();
    ping(&net, &to).await.unwrap();
    drop(server);
    let deadline = soon();
    while ping(&net, &to).await.is_ok() {
        assert!(Instant::now() < deadline);
    }
    let again =
        Server::bind(&to.address, Net::new(config(SERVER.0)), echo(), ServerConfig::default()).await.unwrap();
    while let Err(error) = ping(&net, &to).await {
        assert_eq!(error.kind(), Code::Unavailable, "{error}");
        assert!(Instant::now() < deadline, "{error}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(net.health().state(SERVER), Health::Reachable);
    assert_eq!(net.health().unreachable(), []);
    drop(again);
}

/// Reads until the server closes; returns how many bytes came.
async fn closed(tcp: &mut TcpStream) -> usize {
    let mut rest = Vec::new();
    // A reset counts as closed.
    drop(
        tokio::time::timeout(Duration::from_secs(10), tcp.read_to_end(&mut rest)).await.expect("not closed"),
    );
    rest.len()
}

#[tokio::test]
async fn rubbish_ends_its_connection_and_nothing_else() {
    let (_server, to) = serve(echo()).await;
    let net = client();
    ping(&net, &to).await.unwrap();

    let mut tcp = TcpStream::connect(&to.address).await.unwrap();
    tcp.write_all(b"GET / HTTP/1.1\r\nHost: somewhere\r\nAccept: everything\r\n\r\n").await.unwrap();
    assert_eq!(closed(&mut tcp).await, 0);

    // A request before hello.
    let mut tcp = TcpStream::connect(&to.address).await.unwrap();
    send(&mut tcp, Header { method: 60, ..Header::bare(Kind::Request, 1) }, &Empty {}).await;
    closed(&mut tcp).await;

    let cases: [(&str, Header); 4] = [
        ("a message that is too long", Header { message_bytes: u32::MAX, ..Header::bare(Kind::Request, 1) }),
        ("a payload that is too long", Header { payload_bytes: u32::MAX, ..Header::bare(Kind::Request, 1) }),
        ("a checksum that is wrong", Header { message_crc: 1, ..Header::bare(Kind::Request, 1) }),
        ("a reply to nothing", Header::bare(Kind::Reply, 1)),
    ];
    for (what, header) in cases {
        let (mut tcp, _) = stranger(&to, &hello()).await;
        tcp.write_all(&header.encode()).await.unwrap();
        assert_eq!(closed(&mut tcp).await, 0, "{what}");
    }
    let (mut tcp, _) = stranger(&to, &hello()).await;
    tcp.write_all(&[0xff; 4 * HEADER_BYTES]).await.unwrap();
    closed(&mut tcp).await;
    ping(&net, &to).await.unwrap();
}

#[tokio::test]
async fn a_message_that_does_not_decode_is_refused_politely() {
    let (_server, to) = serve(echo()).await;
    let (mut tcp, _) = stranger(&to, &hello()).await;
    let header = Header { method: 31, left_ms: 1000, ..Header::bare(Kind::Request, 77) };
    // Field 2 of `Hello` is a number; here it is text.
    let wrong = holdfast_proto::cluster::Peer { node: 1, address: "text".into() };
    send(&mut tcp, header, &wrong).await;
    let (header, message) = read_frame(&mut tcp).await.unwrap();
    assert_eq!((header.kind, header.id, header.flags), (Kind::Reply, 77, 1));
    let status: holdfast_proto::status::Status = prost::Message::decode(message).unwrap();
    assert_eq!(status.kind(), Code::InvalidArgument, "{status}");
}

#[tokio::test]
async fn a_stranger_who_says_nothing_is_shown_the_door() {
    let limits = ServerConfig { hello_timeout: Duration::from_millis(100), ..Default::default() };
    let (_server, to) = serve_with(echo(), limits).await;
    let mut tcp = TcpStream::connect(&to.address).await.unwrap();
    assert_eq!(closed(&mut tcp).await, 0);
}

#[tokio::test]
async fn the_number_of_connections_is_bounded() {
    let limits = ServerConfig { max_connections: 2, ..Default::default() };
    let (_server, to) = serve_with(echo(), limits).await;
    let (first, _) = stranger(&to, &hello()).await;
    let (_second, _) = stranger(&to, &hello()).await;
    let (mut third, reply) = stranger(&to, &hello()).await;
    assert_eq!(reply.status.unwrap().kind(), Code::Busy);
    closed(&mut third).await;
    drop(first);
    let deadline = soon();
    while stranger(&to, &hello()).await.1.status.is_some() {
        assert!(Instant::now() < deadline);
    }
}

#[tokio::test]
async fn a_hello_can_be_refused_by_the_owner() {
    let admit = |hello: &Hello| match &hello.credential[..] {
        b"good" => Ok(()),
        _ => Err(holdfast_proto::status::Status::new(Code::Unauthenticated, "no valid credential")),
    };
    let limits = ServerConfig { admit: Some(std::sync::Arc::new(admit)), ..Default::default() };
    let (_server, to) = serve_with(echo(), limits).await;
    assert_eq!(ping(&client(), &to).await.unwrap_err().kind(), Code::Unauthenticated);
    let known = Net::new(NetConfig { credential: Bytes::from_static(b"good"), ..config(0) });
    ping(&known, &to).await.unwrap();
}

#[tokio::test]
async fn connections_nobody_uses_are_closed_and_made_again() {
    let (_server, to) = serve(echo()).await;
    let net = Net::new(NetConfig { idle_close: Duration::from_millis(150), ..impatient() });
    let anyone = Endpoint::new(NodeId(0), to.address.clone());
    for _ in 0..3 {
        ping(&net, &anyone).await.unwrap();
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    assert_eq!(net.health().unreachable(), [], "an idle connection's end is no failure");
}
