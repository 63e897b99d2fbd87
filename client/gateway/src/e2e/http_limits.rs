//! What a connection may do to the door: little.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::World;
use super::client::exchange;

/// Everything the door sends until it closes the connection; it must do so in time.
async fn read_to_close(socket: &mut TcpStream) -> String {
    let mut all = Vec::new();
    let closed = tokio::time::timeout(Duration::from_secs(20), socket.read_to_end(&mut all)).await;
    assert!(closed.is_ok(), "the connection stays open");
    String::from_utf8_lossy(&all).into_owned()
}

#[tokio::test]
async fn a_truncated_upload_leaves_nothing() {
    let world = World::start().await;
    let client = world.client();
    for size in [5_000usize, 3_000_000] {
        let wire = client.put("/bucket/k", &vec![7; size]).signed().wire();
        let mut socket = TcpStream::connect(client.address).await.unwrap();
        socket.write_all(&wire[..wire.len() - 100]).await.unwrap();
        socket.shutdown().await.unwrap();
        read_to_close(&mut socket).await;
    }
    client.get("/bucket/k").send().await.refused(404, "NoSuchKey");
    world.stop().await;
}

#[tokio::test]
async fn a_slow_sender_is_cut() {
    let world = World::start_with(|c| {
        c.idle_timeout_ms = 200;
        c.header_timeout_ms = 200;
    })
    .await;
    let client = world.client();
    let wire = client.put("/bucket/k", &[7; 5000]).signed().wire();
    let mut body_stalls = TcpStream::connect(client.address).await.unwrap();
    body_stalls.write_all(&wire[..wire.len() - 100]).await.unwrap();
    let answer = read_to_close(&mut body_stalls).await;
    assert!(answer.contains("RequestTimeout"), "{answer}");
    let mut headers_stall = TcpStream::connect(client.address).await.unwrap();
    headers_stall.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n").await.unwrap();
    read_to_close(&mut headers_stall).await;
    let mut idle = TcpStream::connect(client.address).await.unwrap();
    read_to_close(&mut idle).await;
    client.get("/bucket/k").send().await.refused(404, "NoSuchKey");
    world.stop().await;
}

#[tokio::test]
async fn oversized_and_malformed_requests_are_refused() {
    let world = World::start_with(|c| c.max_xml_bytes = 10_000).await;
    let client = world.client();
    let huge = format!("GET / HTTP/1.1\r\nhost: x\r\nx-big: {}\r\n\r\n", "a".repeat(40_000));
    assert_eq!(exchange(client.address, huge.as_bytes(), false).await.status, 431);
    let garbage = exchange(client.address, b"\x16\x03\x01 nonsense\r\n\r\n", false).await;
    assert_eq!(garbage.status, 400);
    client.post("/bucket?delete", &"x".repeat(10_001)).send().await.refused(400, "MaxMessageLengthExceeded");
    let no_length = client
        .put("/bucket/k", b"")
        .header("transfer-encoding", "chunked")
        .payload("UNSIGNED-PAYLOAD")
        .signed();
    let mut wire = String::from_utf8(no_length.wire()).unwrap();
    wire = wire.replace("content-length: 0\r\n", "");
    wire.push_str("1\r\nx\r\n0\r\n\r\n");
    exchange(client.address, wire.as_bytes(), false).await.refused(411, "MissingContentLength");
    let big = client
        .put("/bucket/k", b"")
        .header("content-length", "6000000000")
        .payload("UNSIGNED-PAYLOAD")
        .signed();
    let answer = exchange(client.address, &big.wire(), false).await;
    answer.refused(400, "EntityTooLarge");
    world.stop().await;
}

#[tokio::test]
async fn connections_beyond_the_limit_are_turned_away() {
    let world = World::start_with(|c| c.max_connections = 2).await;
    let client = world.client();
    let first = TcpStream::connect(client.address).await.unwrap();
    let second = TcpStream::connect(client.address).await.unwrap();
    // The third is answered without being asked; the first two may not have been accepted before it.
    let mut third = TcpStream::connect(client.address).await.unwrap();
    assert!(read_to_close(&mut third).await.starts_with("HTTP/1.1 503"));
    drop((first, second));
    let deadline = tokio::time::Instant::now() + Duration::from_secs(10);
    loop {
        let mut socket = TcpStream::connect(client.address).await.unwrap();
        let wire = client.get("/").signed().wire();
        let _ = socket.write_all(&wire).await;
        if read_to_close(&mut socket).await.starts_with("HTTP/1.1 200") {
            break;
        }
        assert!(tokio::time::Instant::now() < deadline, "the places were not given back");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    world.stop().await;
}

#[tokio::test]
async fn a_connection_serves_many_requests_and_ends_with_the_door() {
    let world = World::start().await;
    let client = world.client();
    let mut socket = TcpStream::connect(client.address).await.unwrap();
    for i in 0..3 {
        let wire = client.put(&format!("/bucket/k{i}"), b"x").signed().wire();
        let wire = String::from_utf8(wire).unwrap().replace("connection: close\r\n", "");
        socket.write_all(wire.as_bytes()).await.unwrap();
        let mut answer = [0; 12];
        socket.read_exact(&mut answer).await.unwrap();
        assert_eq!(&answer, b"HTTP/1.1 200");
        let mut rest = Vec::new();
        while !rest.ends_with(b"\r\n\r\n") {
            rest.push(socket.read_u8().await.unwrap());
        }
    }
    // An idle connection does not hold the door open.
    let stopped = tokio::time::timeout(Duration::from_secs(4), world.stop()).await;
    assert!(stopped.is_ok());
    read_to_close(&mut socket).await;
}

#[tokio::test]
async fn buckets_can_be_host_names() {
    let world = World::start_with(|c| c.domains = vec!["s3.test".into()]).await;
    let client = world.client();
    client.put("/a/b%20c?x=1", b"hosted").header("host", "bucket.s3.test:9000").send().await.expect(200);
    assert_eq!(client.get("/bucket/a/b%20c").send().await.expect(200).body, b"hosted");
    let listed =
        client.get("/?list-type=2&prefix=a/").header("host", "bucket.s3.test").send().await.expect(200);
    assert_eq!(listed.elements("Key"), ["a/b c"]);
    client.get("/").header("host", "absent.s3.test").send().await.refused(404, "NoSuchBucket");
    world.stop().await;
}

#[tokio::test]
async fn an_answer_instead_of_100_continue_closes_the_connection() {
    let world = World::start().await;
    let client = world.client();
    // Each of them would leave a client that keeps the connection in doubt where the next answer begins.
    for (call, status) in [
        (client.put("/bucket/empty", b""), 200),
        (client.put("/absent/k", b""), 404),
        (world.client_of("ROOT", "wrong").put("/bucket/k", b"x"), 403),
    ] {
        let wire = call.header("expect", "100-continue").signed().wire();
        let wire = String::from_utf8(wire).unwrap().replace("connection: close\r\n", "");
        let mut socket = TcpStream::connect(client.address).await.unwrap();
        let head = &wire[..wire.find("\r\n\r\n").unwrap() + 4];
        socket.write_all(head.as_bytes()).await.unwrap();
        let answer = read_to_close(&mut socket).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{answer}");
        assert!(answer.to_ascii_lowercase().contains("connection: close"), "{answer}");
    }
    let mut socket = TcpStream::connect(client.address).await.unwrap();
    let wire = client.put("/bucket/k", b"waited").header("expect", "100-continue").signed().wire();
    socket.write_all(&wire[..wire.len() - 6]).await.unwrap();
    let mut go_on = [0; 25];
    socket.read_exact(&mut go_on).await.unwrap();
    assert_eq!(&go_on, b"HTTP/1.1 100 Continue\r\n\r\n");
    socket.write_all(b"waited").await.unwrap();
    assert!(read_to_close(&mut socket).await.starts_with("HTTP/1.1 200"));
    assert_eq!(client.get("/bucket/k").send().await.expect(200).body, b"waited");
    world.stop().await;
}
