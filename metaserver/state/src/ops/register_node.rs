//! A node makes itself known, or tells its new addresses.

use holdfast_proto::map::{Node, Standing};
use holdfast_proto::op::{RegisterNode, Reply};
use holdfast_proto::status::Code;

use crate::change::{Change, Outcome, Stop, refuse, require};
use crate::keys;
use crate::map_view;
use crate::records::Id;

pub(crate) fn apply(cx: &mut Change<'_>, op: &RegisterNode) -> Outcome {
    check(op)?;
    let known: Option<Id> = cx.load(&keys::nonce(&op.nonce))?;
    let id = match known {
        Some(known) if op.id == 0 || op.id == known.id => known.id,
        Some(_) => return Err(refuse(Code::WrongNode, "this identity belongs to another node id")),
        None if op.id == 0 => {
            let id = fresh_id(cx);
            return add(cx, op, id);
        }
        None => {
            return Err(refuse(
                Code::Unauthenticated,
                format!("node {} is not known with this identity", op.id),
            ));
        }
    };
    let old: Option<Node> = cx.load(&keys::node(id))?;
    let old = old.ok_or_else(|| refuse(Code::NotFound, format!("node {id} does not exist")))?;
    require(
        old.standing != Standing::Removed as i32,
        Code::WrongNode,
        "this node was removed; start it with an empty data directory to join anew",
    )?;
    let new = described(op, &old);
    if new != old {
        map_view::put_node(cx, new);
    }
    Ok(Reply { id, ..cx.reply() })
}

/// An id that no node ever had. Administrators say it often, so it is a small number; a state from before there was a
/// counter had log indexes for ids, and goes on with them.
fn fresh_id(cx: &mut Change<'_>) -> u64 {
    let id = match cx.state.next_node {
        0 => cx.at,
        next => next,
    };
    cx.state.next_node = id + 1;
    id
}

/// Adds a node under a new id.
pub(crate) fn add(cx: &mut Change<'_>, op: &RegisterNode, id: u64) -> Outcome {
    check(op)?;
    cx.store(keys::nonce(&op.nonce), &Id { id });
    let node = described(op, &Node { id, standing: Standing::In as i32, ..Node::default() });
    map_view::put_node(cx, node);
    Ok(Reply { id, ..cx.reply() })
}

fn check(op: &RegisterNode) -> Result<(), Stop> {
    require(
        (8..=64).contains(&op.nonce.len()),
        Code::InvalidArgument,
        "a node's identity is a nonce of 8 to 64 bytes",
    )?;
    require(!op.address.is_empty(), Code::InvalidArgument, "a node needs an RPC address")
}

fn described(op: &RegisterNode, old: &Node) -> Node {
    Node {
        address: op.address.clone(),
        roles: op.roles,
        zone: op.zone.clone(),
        rack: op.rack.clone(),
        host: op.host.clone(),
        s3_address: op.s3_address.clone(),
        admin_address: op.admin_address.clone(),
        ..old.clone()
    }
}
