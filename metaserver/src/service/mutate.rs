//! `Mutate`: change the metadata.

use holdfast_proto::op::{Command, Reply};
use holdfast_proto::status::Status;
use holdfast_rpc::Context;
use prost::Message;
use tokio::time::Instant;

use super::{Services, prepare};

pub(super) async fn answer(services: &Services, context: Context, command: Command) -> Result<Reply, Status> {
    let leader = services.leader()?;
    let _place = services.admission.enter(command.encoded_len())?;
    let command = prepare::prepare(command)?;
    leader.sessions.lock().touch(Instant::now(), command.session);
    Ok(services.group.propose_by(command, context.deadline).await?)
}
