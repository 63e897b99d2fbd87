//! `AdmitDisk`: a chunkserver registers a disk when it starts.

use holdfast_proto::op::{Command, Op, RegisterDisk, Reply};
use holdfast_proto::status::{Code, Status};
use holdfast_rpc::Context;

use super::Services;
use crate::leader::ports::now_ns;

/// Bytes of a fingerprint at least, so that two disks never share one.
const FINGERPRINT_BYTES: usize = 16;

pub(super) async fn answer(
    services: &Services,
    context: Context,
    disk: RegisterDisk,
) -> Result<Reply, Status> {
    let leader = services.leader()?;
    if !context.local && context.peer.0 != disk.node {
        return Err(Status::new(
            Code::WrongNode,
            format!("node {} registers a disk of {}", context.peer, disk.node),
        ));
    }
    if disk.fingerprint.len() < FINGERPRINT_BYTES {
        return Err(Status::new(Code::InvalidArgument, "the disk's fingerprint is too short"));
    }
    let command = Command { now_ns: now_ns(), op: Some(Op::RegisterDisk(disk)), ..Command::default() };
    let reply = services.group.propose_by(command, context.deadline).await?.into_result()?;
    // Its heartbeat comes next and should find the disk known.
    crate::leader::refresh(&leader).await?;
    Ok(reply)
}
