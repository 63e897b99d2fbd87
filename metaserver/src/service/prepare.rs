//! Choose first, then log: what the leader adds to a client's command, and what it refuses to log at all.

use std::time::Duration;

use holdfast_proto::op::{BalanceAction, Command, Op};
use holdfast_proto::status::{Code, Status};
use prost::Message;

use crate::leader::ports::now_ns;

/// Largest encoded command.
pub(super) const MOST_BYTES: usize = 1 << 20;

/// Room for more metadata.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Room {
    Enough,
    /// Not here; another metaserver may lead in a moment.
    Elsewhere,
    None,
}

/// When to ask again where another metaserver is about to lead.
const MOMENT: Duration = Duration::from_millis(200);

/// Makes a client's command ready for the log, or refuses it. Nothing was executed when this fails. `up_s`: seconds of
/// uptime that the log does not know yet.
pub(super) fn prepare(mut command: Command, room: Room, up_s: u32) -> Result<Command, Status> {
    if command.session == 0 || command.seq == 0 {
        return Err(Status::new(
            Code::InvalidArgument,
            "a command names its session and its number, both above 0",
        ));
    }
    let Some(op) = &mut command.op else {
        return Err(Status::new(Code::InvalidArgument, "the command has no operation this build knows"));
    };
    match sort(op) {
        Sort::Leaders => {
            return Err(Status::new(Code::PermissionDenied, "this command is the leader's own"));
        }
        Sort::Adds if room == Room::Elsewhere => {
            return Err(Status::busy(
                MOMENT,
                "there is no room for metadata here; another metaserver is to lead",
            ));
        }
        Sort::Adds if room == Room::None => {
            let why = "the metadata's file system is full: delete something, or give it room";
            return Err(Status::new(Code::NoSpace, why));
        }
        Sort::Adds | Sort::Taken => {}
    }
    if let Some(unheld) = op.unheld_mut() {
        // Who has what open is the leader's to say (`claims`); what a client wrote there is not believed.
        *unheld = None;
    }
    (command.now_ns, command.up_s) = (now_ns(), up_s);
    let bytes = command.encoded_len();
    if bytes > MOST_BYTES {
        let what = format!("the command has {bytes} bytes; at most {MOST_BYTES} are taken");
        return Err(Status::new(Code::TooLarge, what));
    }
    Ok(command)
}

/// What the leader makes of an operation before it is logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sort {
    /// Clients may send it; it makes the metadata larger for good.
    Adds,
    /// Clients and administrators may send it, also when there is no room: it frees some, or takes next to none.
    Taken,
    /// The leader's own.
    Leaders,
}

/// No catch-all: a new operation asks for a decision.
fn sort(op: &Op) -> Sort {
    match op {
        Op::Create(_)
        | Op::Link(_)
        | Op::SetXattr(_)
        | Op::Write(_)
        | Op::CopyRange(_)
        | Op::BeginDraft(_)
        | Op::FillDraft(_)
        | Op::PutObject(_)
        | Op::CopyObject(_)
        | Op::MakeDirs(_)
        | Op::CreateBucket(_)
        | Op::CreateUpload(_)
        | Op::PutPart(_)
        | Op::CopyPart(_)
        | Op::RestoreFile(_) => Sort::Adds,
        // What ends something that was begun among them.
        Op::Noop(_)
        | Op::CloseSession(_)
        | Op::RenewGrant(_)
        | Op::ReleaseInode(_)
        | Op::Unlink(_)
        | Op::RemoveDir(_)
        | Op::Rename(_)
        | Op::SetAttr(_)
        | Op::SetAccessTimes(_)
        | Op::RemoveXattr(_)
        | Op::SetLock(_)
        | Op::SetQuota(_)
        | Op::Compact(_)
        | Op::DeleteObjects(_)
        | Op::DeleteBucket(_)
        | Op::SetObjectMeta(_)
        | Op::AssembleUpload(_)
        | Op::FinishUpload(_)
        | Op::AbortUpload(_)
        | Op::SetNode(_)
        | Op::SetDisk(_)
        | Op::PutClass(_)
        | Op::PutKey(_)
        | Op::DeleteKey(_)
        | Op::PutSetting(_)
        | Op::OrderScrub(_)
        | Op::EmptyTrash(_)
        | Op::SetTrashTime(_)
        | Op::PutJoinToken(_)
        | Op::PutAccount(_)
        | Op::DeleteAccount(_)
        | Op::PutCredential(_)
        | Op::TouchCredential(_)
        | Op::DeleteCredential(_)
        | Op::PutShare(_)
        | Op::DeleteShare(_)
        | Op::NoteAudit(_) => Sort::Taken,
        Op::SteerBalance(op) => match op.action() {
            BalanceAction::Finish | BalanceAction::Count => Sort::Leaders,
            BalanceAction::Start | BalanceAction::Pause | BalanceAction::Resume | BalanceAction::Cancel => {
                Sort::Taken
            }
        },
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
        | Op::NoteGroups(_)
        | Op::QuotaStep(_)
        | Op::FreeNameless(_)
        | Op::FreeStep(_)
        | Op::FreeUploadStep(_)
        | Op::TrimAudit(_)
        | Op::NoteUsage(_)
        | Op::Genesis(_) => Sort::Leaders,
    }
}

#[cfg(test)]
mod tests {
    use holdfast_proto::op::{ExpireSession, Noop, PutObject, Unheld, Unlink};

    use super::*;

    fn command(op: Op) -> Command {
        Command { session: 5, seq: 1, op: Some(op), ..Command::default() }
    }

    #[test]
    fn a_command_gets_the_leaders_time_and_no_clients_word_on_what_is_open() {
        let unheld = Some(Unheld { inos: vec![9], as_of: 9, term: 9 });
        let unlink = Unlink { parent: 1, unheld, ..Unlink::default() };
        let ready =
            prepare(Command { now_ns: 1, up_s: 9, ..command(Op::Unlink(unlink)) }, Room::None, 3).unwrap();
        assert!(ready.now_ns > 1_000_000_000_000_000_000 && ready.up_s == 3);
        let Some(Op::Unlink(unlink)) = ready.op else { panic!() };
        assert!(unlink.unheld.is_none());
    }

    #[test]
    fn what_is_the_leaders_own_is_refused() {
        let refused = |command| prepare(command, Room::Enough, 0).unwrap_err().kind();
        assert_eq!(refused(command(Op::ExpireSession(ExpireSession { session: 7 }))), Code::PermissionDenied);
        assert_eq!(refused(Command { session: 0, ..command(Op::Noop(Noop {})) }), Code::InvalidArgument);
        assert_eq!(refused(Command { op: None, ..command(Op::Noop(Noop {})) }), Code::InvalidArgument);
        let huge = PutObject { key: vec![b'k'; MOST_BYTES].into(), ..PutObject::default() };
        assert_eq!(refused(command(Op::PutObject(huge))), Code::TooLarge);
        let short = prepare(command(Op::PutObject(PutObject::default())), Room::None, 0);
        assert_eq!(short.unwrap_err().kind(), Code::NoSpace);
        let elsewhere = prepare(command(Op::PutObject(PutObject::default())), Room::Elsewhere, 0);
        assert_eq!(elsewhere.unwrap_err().kind(), Code::Busy, "worth waiting for");
    }
}
