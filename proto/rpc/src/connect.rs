//! Making one connection: connect, hello, start its task.
//!
//! What always holds: it takes no longer than the connect timeout; a failure says what failed and where.

use std::sync::Arc;

use holdfast_proto::hello::{Hello, HelloReply};
use holdfast_proto::method::Class;
use holdfast_proto::status::{Code, Status};

use crate::config::{self, Endpoint};
use crate::conn::Conn;
use crate::frame::Kind;
use crate::handshake::{self, FEATURES};
use crate::link::Link;
use crate::net::Shared;
use crate::reader::Reader;
use crate::transport::Stream;

/// A connection was lost, or never came to be.
pub(crate) fn lost(why: &str) -> Status {
    Status::new(Code::Unavailable, why)
}

/// Connects to an endpoint for a class of traffic. Runs in the runtime that shall run the connection.
pub(crate) async fn connect(shared: &Arc<Shared>, to: &Endpoint, class: Class) -> Result<Arc<Conn>, Status> {
    let limit = shared.config.connect_timeout;
    match tokio::time::timeout(limit, attempt(shared, to, class)).await {
        Ok(Ok(conn)) => Ok(conn),
        Ok(Err(status)) => Err(Status { message: format!("{to}: {}", status.message), ..status }),
        Err(_) => Err(lost(&format!("{to}: no connection within {} ms", limit.as_millis()))),
    }
}

async fn attempt(shared: &Arc<Shared>, to: &Endpoint, class: Class) -> Result<Arc<Conn>, Status> {
    let stream = Stream::connect(&to.address).await.map_err(|error| lost(&format!("connect: {error}")))?;
    let identity = shared.identity();
    let hello = Hello {
        cluster: identity.cluster.map(|id| bytes::Bytes::copy_from_slice(&id.0)).unwrap_or_default(),
        meta_incarnation: identity.meta_incarnation,
        node: identity.node.0,
        expected_node: to.node.0,
        lowest_version: identity.versions.0,
        highest_version: identity.versions.1,
        features: FEATURES,
        session: shared.config.session.0,
        credential: shared.config.credential.clone(),
        class: config::class_to_wire(class),
    };
    handshake::write_message(&stream, Kind::Hello, &hello)
        .await
        .map_err(|error| lost(&format!("hello: {error}")))?;
    let mut reader = Reader::new();
    let reply: HelloReply = handshake::read_message(&stream, &mut reader, Kind::HelloReply).await?;
    handshake::judge_reply(&identity, to.node, &reply)?;
    shared.learn(&reply);
    reader.welcome(class, None);
    let most = reply.max_in_flight.max(1) as usize;
    let node = holdfast_proto::ids::NodeId(reply.node);
    let conn = Arc::new(Conn::new(Link::new(stream), node, shared.detector.clone(), &shared.config, most));
    tokio::spawn(conn.clone().run(reader));
    Ok(conn)
}
