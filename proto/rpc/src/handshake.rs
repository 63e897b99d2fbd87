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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn us() -> Identity {
        Identity { cluster: Some(ClusterId([7; 16])), node: NodeId(5), meta_incarnation: 1, versions: (3, 6) }
    }

    fn hello(versions: (u32, u32)) -> Hello {
        Hello { lowest_version: versions.0, highest_version: versions.1, ..Hello::default() }
    }

    #[test]
    fn both_speak_the_highest_common_version() {
        let version = |low, high| judge(&us(), &hello((low, high))).map_err(|status| status.kind());
        assert_eq!(version(1, 3), Ok(3));
        assert_eq!(version(4, 5), Ok(5));
        assert_eq!(version(1, 99), Ok(6));
        assert_eq!(version(1, 2), Err(Code::WrongVersion));
        assert_eq!(version(7, 9), Err(Code::WrongVersion));
        assert_eq!(version(5, 4), Err(Code::WrongVersion), "an empty range");
    }

    #[test]
    fn a_reply_is_checked_as_well() {
        let reply = |cluster: u8, node, version| HelloReply {
            cluster: Bytes::copy_from_slice(&[cluster; 16]),
            node,
            version,
            ..HelloReply::default()
        };
        let check = |expected, reply: HelloReply| {
            judge_reply(&us(), NodeId(expected), &reply).map_err(|status| status.kind())
        };
        assert_eq!(check(0, reply(7, 1, 3)), Ok(()));
        assert_eq!(check(2, reply(7, 1, 3)), Err(Code::WrongNode));
        assert_eq!(check(1, reply(8, 1, 3)), Err(Code::WrongCluster));
        assert_eq!(check(1, reply(7, 1, 7)), Err(Code::WrongVersion));
    }

    proptest! {
        #[test]
        fn any_hello_is_judged_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            if let Ok(hello) = Hello::decode(&bytes[..]) {
                drop(judge(&us(), &hello));
            }
            if let Ok(reply) = HelloReply::decode(&bytes[..]) {
                drop(judge_reply(&us(), NodeId(1), &reply));
            }
        }

        #[test]
        fn a_mutated_hello_is_judged_without_a_panic(at in any::<proptest::sample::Index>(), to: u8) {
            let mut bytes = Hello { cluster: Bytes::from_static(&[7; 16]), node: 3, ..hello((1, 4)) }.encode_to_vec();
            let at = at.index(bytes.len());
            bytes[at] = to;
            if let Ok(hello) = Hello::decode(&bytes[..])
                && let Ok(version) = judge(&us(), &hello)
            {
                prop_assert!((3..=6).contains(&version));
            }
        }
    }
}
