//! What the tests of this crate share: nodes, echo handlers, a peer spoken to byte by byte.
#![allow(dead_code, unreachable_pub, reason = "each test binary uses its part")]

use std::time::Duration;

use bytes::Bytes;
use holdfast_proto::chunk::{ReadChunk, ReadReply};
use holdfast_proto::cluster::Empty;
use holdfast_proto::hello::{Hello, HelloReply};
use holdfast_proto::ids::{ClusterId, NodeId};
use holdfast_proto::method::{Ping, Read};
use holdfast_proto::status::Status;
use holdfast_rpc::frame::{HEADER_BYTES, Header, Kind, encode_head};
use holdfast_rpc::{Context, Endpoint, Net, NetConfig, Router, Server, ServerConfig};
use prost::Message;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::Instant;

pub const CLUSTER: ClusterId = ClusterId([7; 16]);
pub const SERVER: NodeId = NodeId(5);

pub fn soon() -> Instant {
    Instant::now() + Duration::from_secs(20)
}

pub fn config(node: u64) -> NetConfig {
    NetConfig { cluster: Some(CLUSTER), node: NodeId(node), ..NetConfig::default() }
}

pub fn client() -> Net {
    Net::new(config(0))
}

/// Answers `Ping`, and `Read` with the payload it got and its own view of the request.
pub fn echo() -> Router {
    Router::new()
        .on::<Ping, _, _>(|_, request, _| async move { Ok((request, Bytes::new())) })
        .on::<Read, _, _>(read_back)
}

async fn read_back(_: Context, request: ReadChunk, payload: Bytes) -> Result<(ReadReply, Bytes), Status> {
    let reply =
        ReadReply { offset: request.offset, record_bytes: payload.len() as u64, ..ReadReply::default() };
    Ok((reply, payload))
}

pub async fn serve(router: Router) -> (Server, Endpoint) {
    serve_with(router, ServerConfig::default()).await
}

pub async fn serve_with(router: Router, limits: ServerConfig) -> (Server, Endpoint) {
    let server = Server::bind("127.0.0.1:0", Net::new(config(SERVER.0)), router, limits).await.unwrap();
    let endpoint = Endpoint::new(SERVER, server.local_addr().to_string());
    (server, endpoint)
}

pub async fn ping(net: &Net, to: &Endpoint) -> Result<(), Status> {
    net.call::<Ping>(to, &Empty {}, Bytes::new(), soon()).await.map(drop)
}

/// Waits until `done` holds, for at most ten seconds.
pub async fn until(what: &str, mut done: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !done() {
        assert!(Instant::now() < deadline, "not in time: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

pub fn hello() -> Hello {
    Hello {
        cluster: Bytes::copy_from_slice(&CLUSTER.0),
        lowest_version: 1,
        highest_version: 1,
        class: 3,
        ..Hello::default()
    }
}

/// Reads one frame: header and message (frames with payload are not expected).
pub async fn read_frame(tcp: &mut TcpStream) -> std::io::Result<(Header, Bytes)> {
    let mut bytes = [0; HEADER_BYTES];
    tcp.read_exact(&mut bytes).await?;
    let header = Header::decode(&bytes).unwrap();
    let mut message = vec![0; header.message_bytes as usize];
    tcp.read_exact(&mut message).await?;
    Ok((header, message.into()))
}

pub async fn send(tcp: &mut TcpStream, header: Header, message: &impl Message) {
    tcp.write_all(&encode_head(header, message, 0).unwrap()).await.unwrap();
}

/// Plays a server's part in the hello exchange.
pub async fn welcome(tcp: &mut TcpStream) {
    let (header, _) = read_frame(tcp).await.unwrap();
    assert_eq!(header.kind, Kind::Hello);
    let reply = HelloReply {
        cluster: Bytes::copy_from_slice(&CLUSTER.0),
        node: SERVER.0,
        version: 1,
        max_in_flight: 100,
        ..HelloReply::default()
    };
    send(tcp, Header::bare(Kind::HelloReply, 0), &reply).await;
}

/// A client that said hello and may now misbehave.
pub async fn stranger(to: &Endpoint, hello: &Hello) -> (TcpStream, HelloReply) {
    let mut tcp = TcpStream::connect(&to.address).await.unwrap();
    send(&mut tcp, Header::bare(Kind::Hello, 0), hello).await;
    let (header, message) = read_frame(&mut tcp).await.unwrap();
    assert_eq!(header.kind, Kind::HelloReply);
    (tcp, HelloReply::decode(message).unwrap())
}
