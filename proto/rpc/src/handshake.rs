//! The hello exchange: what each side says first, and the checks it makes.
//!
//! What always holds: a connection carries nothing else before both agreed; a refusal names what differs, in
//! words for the person who set the machines up.

use std::future::poll_fn;
use std::io::{self, ErrorKind, IoSlice};

use bytes::Bytes;
use holdfast_proto::hello::{Hello, HelloReply};
use holdfast_proto::ids::{ClusterId, NodeId};
use holdfast_proto::status::{Code, Status};
use prost::Message;

use crate::connect::lost;
use crate::frame::{self, Header, Kind};
use crate::reader::{Frame, Reader};
use crate::transport::Stream;

/// Optional abilities of this build, one bit each. None yet.
pub(crate) const FEATURES: u64 = 0;

/// Who this side is.
#[derive(Clone, Debug, Default)]
pub(crate) struct Identity {
    pub(crate) cluster: Option<ClusterId>,
    pub(crate) node: NodeId,
    pub(crate) meta_incarnation: u64,
    pub(crate) versions: (u32, u32),
}

/// What a server thinks of a hello: the version to speak, or why not.
pub(crate) fn judge(us: &Identity, hello: &Hello) -> Result<u32, Status> {
    let (low, high) = us.versions;
    let version = high.min(hello.highest_version);
    if version < low.max(hello.lowest_version) {
        return Err(Status::new(
            Code::WrongVersion,
            format!(
                "this node speaks protocol versions {low} to {high}, the caller {} to {}",
                hello.lowest_version, hello.highest_version
            ),
        ));
    }
    if !hello.cluster.is_empty() {
        let theirs = ClusterId::from_slice(&hello.cluster)
            .ok_or_else(|| Status::new(Code::InvalidArgument, "a cluster id has 16 bytes"))?;
        match us.cluster {
            Some(ours) if ours == theirs => {}
            Some(ours) => return Err(wrong_cluster(ours, theirs)),
            None => return Err(Status::new(Code::Unavailable, "this node has not joined a cluster yet")),
        }
    }
    if hello.expected_node != 0 && hello.expected_node != us.node.0 {
        let message = format!("this is node {}, not {}", us.node, NodeId(hello.expected_node));
        return Err(Status::new(Code::WrongNode, message));
    }
    Ok(version)
}

/// What a caller thinks of the answer.
pub(crate) fn judge_reply(us: &Identity, expected: NodeId, reply: &HelloReply) -> Result<(), Status> {
    if let Some(refusal) = &reply.status {
        return Err(refusal.clone());
    }
    if let (Some(ours), Some(theirs)) = (us.cluster, ClusterId::from_slice(&reply.cluster))
        && ours != theirs
    {
        return Err(wrong_cluster(theirs, ours));
    }
    if expected.0 != 0 && reply.node != expected.0 {
        let message = format!("{} answers where {expected} was expected", NodeId(reply.node));
        return Err(Status::new(Code::WrongNode, message));
    }
    let (low, high) = us.versions;
    if !(low..=high).contains(&reply.version) {
        let message =
            format!("the server chose protocol version {}, offered were {low} to {high}", reply.version);
        return Err(Status::new(Code::WrongVersion, message));
    }
    Ok(())
}

fn wrong_cluster(server: ClusterId, caller: ClusterId) -> Status {
    Status::new(Code::WrongCluster, format!("this node belongs to cluster {server}, the caller to {caller}"))
}

/// Writes a frame that is only a message, waiting as long as it takes (callers have a deadline).
pub(crate) async fn write_message(stream: &Stream, kind: Kind, message: &impl Message) -> io::Result<()> {
    let head = frame::encode_head(Header::bare(kind, 0), message, 0)
        .ok_or_else(|| io::Error::new(ErrorKind::InvalidInput, "hello too long"))?;
    let mut rest: &[u8] = &head;
    while !rest.is_empty() {
        poll_fn(|cx| stream.poll_writable(cx)).await?;
        match stream.try_write(&[IoSlice::new(rest)]) {
            Ok(count) => rest = rest.get(count..).unwrap_or_default(),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Reads the one frame expected, waiting as long as it takes (callers have a deadline).
pub(crate) async fn read_message<M: Message + Default>(
    stream: &Stream,
    reader: &mut Reader,
    kind: Kind,
) -> Result<M, Status> {
    let frame = read_frame(stream, reader).await?;
    if frame.header.kind != kind {
        return Err(lost(&format!("malformed hello: unexpected {:?} frame", frame.header.kind)));
    }
    decode(frame.message)
}

fn decode<M: Message + Default>(message: Bytes) -> Result<M, Status> {
    M::decode(message).map_err(|error| lost(&format!("malformed hello: {error}")))
}

async fn read_frame(stream: &Stream, reader: &mut Reader) -> Result<Frame, Status> {
    loop {
        match reader.next() {
            Ok(Some(frame)) => return Ok(frame),
            Ok(None) => {}
            Err(error) => return Err(lost(&format!("malformed hello: {error}"))),
        }
        poll_fn(|cx| stream.poll_readable(cx)).await.map_err(|error| lost(&format!("hello: {error}")))?;
        match reader.read(stream) {
            Ok(0) => return Err(lost("closed by the peer during hello")),
            Ok(_) => {}
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
            Err(error) => return Err(lost(&format!("hello: {error}"))),
        }
    }
}
