//! `Join`: become a node, or tell a new address.
//!
//! What always holds: a newcomer shows the join token; a node that is known already shows the nonce it was registered
//! with. A node of another cluster is refused, whatever it shows.

use holdfast_proto::cluster::{JoinReply, JoinRequest};
use holdfast_proto::op::{Command, Op};
use holdfast_proto::status::{Code, Status};
use holdfast_rpc::Context;
use holdfast_state::records::Id;
use holdfast_state::table::View;
use holdfast_state::{keys, records, work};

use super::Services;
use crate::leader::ports::now_ns;

/// Bytes of a nonce at least, so that it cannot be guessed.
const NONCE_BYTES: usize = 16;

pub(super) async fn answer(
    services: &Services,
    context: Context,
    request: JoinRequest,
) -> Result<JoinReply, Status> {
    services.leader()?;
    let node = request
        .node
        .ok_or_else(|| Status::new(Code::InvalidArgument, "the joining node is not described"))?;
    if node.address.is_empty() || node.nonce.len() < NONCE_BYTES {
        return Err(Status::new(Code::InvalidArgument, "a joining node names its address and a nonce"));
    }
    let view = services.group.read_index_by(context.deadline).await?;
    let broken = |broken: holdfast_state::Broken| Status::internal(broken.to_string());
    let cluster = work::cluster(&view)
        .map_err(broken)?
        .ok_or_else(|| Status::new(Code::PreconditionFailed, "this cluster has not been made yet"))?;
    if !request.cluster.is_empty() && request.cluster != cluster.id {
        return Err(Status::new(Code::WrongCluster, "the node belongs to another cluster"));
    }
    if !is_known(&view, &node.nonce, node.id).map_err(broken)? {
        let digest = work::join_token(&view).map_err(broken)?;
        check_token(digest.as_deref(), &request.token)?;
    }
    let command = Command { now_ns: now_ns(), op: Some(Op::RegisterNode(node)), ..Command::default() };
    let reply = services.group.propose_by(command, context.deadline).await?.into_result()?;
    Ok(JoinReply {
        node: reply.id,
        cluster: cluster.id,
        metaservers: services.group.members(),
        meta_incarnation: cluster.meta_incarnation,
    })
}

/// Whether this nonce was registered before, for the id that the node says it has.
fn is_known(view: &dyn View, nonce: &[u8], id: u64) -> Result<bool, holdfast_state::Broken> {
    let known: Option<Id> = records::load(view, &keys::nonce(nonce))?;
    Ok(known.is_some_and(|known| id == 0 || known.id == id))
}

fn check_token(digest: Option<&[u8]>, token: &str) -> Result<(), Status> {
    let refused = || Status::new(Code::Unauthenticated, "the join token is wrong, or nodes may not join");
    let digest: [u8; 32] = digest.and_then(|d| d.try_into().ok()).ok_or_else(refused)?;
    // Comparing BLAKE3 hashes takes the same time wherever they differ.
    if blake3::hash(token.as_bytes()) == blake3::Hash::from_bytes(digest) { Ok(()) } else { Err(refused()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_right_token_opens() {
        let digest = blake3::hash(b"secret");
        assert!(check_token(Some(digest.as_bytes()), "secret").is_ok());
        assert_eq!(check_token(Some(digest.as_bytes()), "Secret").unwrap_err().kind(), Code::Unauthenticated);
        assert!(check_token(None, "").is_err(), "without a token nobody joins");
        assert!(check_token(Some(b""), "").is_err());
    }
}
