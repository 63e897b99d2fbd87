//! `Mutate`: change the metadata.

use std::sync::atomic::Ordering;

use holdfast_proto::op::{Command, Op, Reply};
use holdfast_proto::status::Status;
use holdfast_rpc::Context;
use holdfast_state::work;
use prost::Message;
use tokio::time::Instant;

use super::prepare::Room;
use super::{Services, claims, kinds, prepare};
use crate::metrics;

pub(super) async fn answer(services: &Services, context: Context, command: Command) -> Result<Reply, Status> {
    let leader = services.leader()?;
    let _place = services.admission.enter(command.encoded_len())?;
    let room = match services.room.is_short() {
        false => Room::Enough,
        true if leader.alone.load(Ordering::Relaxed) => Room::None,
        true => Room::Elsewhere,
    };
    let mut command = prepare::prepare(command, room, leader.uptime.uncounted_s())?;
    leader.sessions.lock().touch(Instant::now(), command.session);
    if command.open.as_ref().is_some_and(|open| open.holds_files) {
        leader.opens.expect(command.session);
    }
    let session = command.session;
    let (kind, began) = (kinds::of(command.op.as_ref()), Instant::now());
    let watched = leader.leases.watches(session).then(|| parents(command.op.as_ref()));
    let mut reply = match claims::begin(services, &leader, &mut command).await? {
        None => services.group.propose_by(command, context.deadline).await?,
        Some(ticket) => claims::propose(services, &leader, command, ticket, context.deadline).await?,
    };
    metrics::raft::answered(kind, began.elapsed());
    if let Some(parents) = watched.filter(|_| reply.is_ok() && leader.leases.watches(session)) {
        tell_parents(services, &mut reply, parents)?;
        let leases = &leader.leases;
        let itself = reply.inode.iter().map(|inode| inode.ino);
        let above = reply.parents.iter().map(|inode| inode.ino);
        if leases.grant(session, reply.index, itself) && leases.grant(session, reply.parents_index, above) {
            reply.lease_term = leases.term();
        }
    }
    Ok(reply)
}

/// The directories whose own records a command changes beside what it answers with.
fn parents(op: Option<&Op>) -> [u64; 2] {
    match op {
        Some(Op::Create(op)) => [op.parent, 0],
        Some(Op::Link(op)) => [op.parent, 0],
        Some(Op::Unlink(op)) => [op.parent, 0],
        Some(Op::RemoveDir(op)) => [op.parent, 0],
        Some(Op::Rename(op)) if op.parent == op.new_parent => [op.parent, 0],
        Some(Op::Rename(op)) => [op.parent, op.new_parent],
        _ => [0, 0],
    }
}

/// Who watches gets the directories as they are now: it would ask for them next.
fn tell_parents(services: &Services, reply: &mut Reply, parents: [u64; 2]) -> Result<(), Status> {
    if parents == [0, 0] {
        return Ok(());
    }
    let view = services.group.local_view();
    for ino in parents.into_iter().filter(|ino| *ino != 0) {
        let inode = work::inode(&view, ino).map_err(|broken| Status::internal(broken.to_string()))?;
        reply.parents.extend(inode);
    }
    reply.parents_index = view.index().0;
    Ok(())
}
