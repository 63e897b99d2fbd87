//! The first command of a cluster: identity, root directory, first node, default class.

use holdfast_proto::ids::ROOT_INO;
use holdfast_proto::inode::{FileKind, Inode};
use holdfast_proto::op::Genesis;
use holdfast_proto::status::Code;

use crate::change::{Change, Outcome, refuse, require};
use crate::keys;
use crate::ops;
use crate::records::{Cluster, State};

/// State format this build makes and reads.
pub const STATE_VERSION: u32 = 1;

pub(crate) fn apply(cx: &mut Change<'_>, op: &Genesis) -> Outcome {
    require(!cx.any(&[keys::CLUSTER])?, Code::Exists, "the state already belongs to a cluster")?;
    require(op.cluster.len() == 16, Code::InvalidArgument, "a cluster id has 16 bytes")?;
    require(
        op.state_version == STATE_VERSION,
        Code::WrongVersion,
        "this build does not know the state version asked for",
    )?;
    let (Some(node), Some(class)) = (&op.node, &op.class) else {
        return Err(refuse(Code::InvalidArgument, "a cluster begins with a node and a class"));
    };
    cx.state = State {
        time_ns: cx.now,
        next_ino: ROOT_INO.0 + 1,
        next_grant: 1,
        next_disk: 1,
        next_node: 2,
        next_class: 1,
        next_pg: 1,
        ..cx.state
    };
    let cluster = Cluster {
        id: op.cluster.clone(),
        meta_incarnation: 1,
        state_version: op.state_version,
        created_ns: cx.now,
    };
    cx.store(keys::cluster(), &cluster);
    make_root(cx);
    ops::register_node::add(cx, node, 1)?;
    ops::put_class::apply(cx, class)?;
    if let Some(key) = &op.key {
        ops::put_key::apply(cx, key)?;
    }
    if let Some(account) = &op.account {
        ops::put_account::apply(cx, account)?;
    }
    if let Some(token) = &op.token {
        ops::put_join_token::apply(cx, token)?;
    }
    Ok(holdfast_proto::op::Reply { id: 1, ..cx.reply() })
}

fn make_root(cx: &mut Change<'_>) {
    let root = Inode {
        ino: ROOT_INO.0,
        kind: FileKind::Directory as i32,
        mode: 0o755,
        nlink: 2,
        version: cx.at,
        atime_ns: cx.now,
        mtime_ns: cx.now,
        ctime_ns: cx.now,
        btime_ns: cx.now,
        parent: ROOT_INO.0,
        ..Inode::default()
    };
    cx.state.inodes += 1;
    cx.store_inode(&root);
}
