//! Choose first, then log: what the leader adds to a client's command, and what it refuses to log at all.

use holdfast_proto::op::{Command, Op};
use holdfast_proto::status::{Code, Status};
use prost::Message;

use crate::leader::context::now_ns;

/// Largest encoded command.
pub(super) const MOST_BYTES: usize = 1 << 20;

/// Makes a client's command ready for the log, or refuses it. Nothing was executed when this fails.
pub(super) fn prepare(mut command: Command) -> Result<Command, Status> {
    if command.session == 0 || command.seq == 0 {
        return Err(Status::new(
            Code::InvalidArgument,
            "a command names its session and its number, both above 0",
        ));
    }
    let Some(op) = &mut command.op else {
        return Err(Status::new(Code::InvalidArgument, "the command has no operation this build knows"));
    };
    if !may_be_sent(op) {
        return Err(Status::new(Code::PermissionDenied, "this command is the leader's own"));
    }
    set_holders(op);
    command.now_ns = now_ns();
    let bytes = command.encoded_len();
    if bytes > MOST_BYTES {
        let what = format!("the command has {bytes} bytes; at most {MOST_BYTES} are taken");
        return Err(Status::new(Code::TooLarge, what));
    }
    Ok(command)
}

/// Whether clients and administrators may send it. No catch-all: a new operation asks for a decision.
fn may_be_sent(op: &Op) -> bool {
    match op {
        Op::Noop(_)
        | Op::CloseSession(_)
        | Op::RenewGrant(_)
        | Op::ReleaseInode(_)
        | Op::Create(_)
        | Op::Link(_)
        | Op::Unlink(_)
        | Op::RemoveDir(_)
        | Op::Rename(_)
        | Op::SetAttr(_)
        | Op::SetXattr(_)
        | Op::RemoveXattr(_)
        | Op::Write(_)
        | Op::CopyRange(_)
        | Op::Compact(_)
        | Op::BeginDraft(_)
        | Op::FillDraft(_)
        | Op::PutObject(_)
        | Op::DeleteObjects(_)
        | Op::CopyObject(_)
        | Op::MakeDirs(_)
        | Op::CreateBucket(_)
        | Op::DeleteBucket(_)
        | Op::SetObjectMeta(_)
        | Op::CreateUpload(_)
        | Op::PutPart(_)
        | Op::CopyPart(_)
        | Op::AssembleUpload(_)
        | Op::FinishUpload(_)
        | Op::AbortUpload(_)
        | Op::SetNode(_)
        | Op::SetDisk(_)
        | Op::PutClass(_)
        | Op::PutKey(_)
        | Op::DeleteKey(_)
        | Op::PutSetting(_)
        | Op::PutJoinToken(_) => true,
        Op::ExpireSession(_)
        | Op::RegisterNode(_)
        | Op::RegisterDisk(_)
        | Op::CreatePgs(_)
        | Op::ChangePg(_)
        | Op::SetPgState(_)
        | Op::MemberClean(_)
        | Op::ClearMissing(_)
        | Op::AddMissing(_)
        | Op::AdvanceGc(_)
        | Op::ClearLeave(_)
        | Op::DropDraft(_)
        | Op::CountUptime(_)
        | Op::FreeStep(_)
        | Op::FreeUploadStep(_)
        | Op::Genesis(_) => false,
    }
}

/// Who holds what open is the leader's to say. There is no mount yet that could hold anything, so nobody does;
/// what a client wrote there is not believed.
fn set_holders(op: &mut Op) {
    match op {
        Op::Unlink(op) => op.holders.clear(),
        Op::Rename(op) => op.holders.clear(),
        Op::PutObject(op) => op.holders.clear(),
        Op::CopyObject(op) => op.holders.clear(),
        Op::DeleteObjects(op) => op.holders.clear(),
        Op::FinishUpload(op) => op.holders.clear(),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use holdfast_proto::op::{ExpireSession, Noop, PutObject, Unlink};

    use super::*;

    fn command(op: Op) -> Command {
        Command { session: 5, seq: 1, op: Some(op), ..Command::default() }
    }

    #[test]
    fn a_command_gets_the_leaders_time_and_holders() {
        let unlink = Unlink { parent: 1, holders: vec![9], ..Unlink::default() };
        let ready = prepare(Command { now_ns: 1, ..command(Op::Unlink(unlink)) }).unwrap();
        assert!(ready.now_ns > 1_000_000_000_000_000_000);
        let Some(Op::Unlink(unlink)) = ready.op else { panic!() };
        assert!(unlink.holders.is_empty());
    }

    #[test]
    fn what_is_the_leaders_own_is_refused() {
        let refused = |command| prepare(command).unwrap_err().kind();
        assert_eq!(refused(command(Op::ExpireSession(ExpireSession { session: 7 }))), Code::PermissionDenied);
        assert_eq!(refused(Command { session: 0, ..command(Op::Noop(Noop {})) }), Code::InvalidArgument);
        assert_eq!(refused(Command { op: None, ..command(Op::Noop(Noop {})) }), Code::InvalidArgument);
        let huge = PutObject { key: vec![b'k'; MOST_BYTES].into(), ..PutObject::default() };
        assert_eq!(refused(command(Op::PutObject(huge))), Code::TooLarge);
    }
}
