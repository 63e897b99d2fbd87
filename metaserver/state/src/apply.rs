//! The entry point: one command in, one reply out, all its changes in the transaction.
//!
//! What always holds:
//! - Deterministic: nothing but the state, the command and its log index decides.
//! - A refused operation changes nothing but its session's window.
//! - A command whose `(session, seq)` was carried out before returns the reply it had then.
//!
//! Called by the metaserver's state machine for every committed entry, in order, and by tests.

use holdfast_proto::ids::LogIndex;
use holdfast_proto::op::{Command, Op, Reply};
use holdfast_proto::status::{Code, Status};

use crate::audit;
use crate::change::{Change, Outcome, Stop, refuse};
use crate::chunks;
use crate::drafts;
use crate::keys;
use crate::ops;
use crate::quotas;
use crate::records::Session;
use crate::session::{self, Admission};
use crate::table::{Broken, Tx, View};
use crate::trash;

/// Carries out one command. A refusal is a reply; an error means that the store is broken and the node must stop.
pub fn apply(tx: &mut impl Tx, at: LogIndex, command: &Command) -> Result<Reply, Broken> {
    let (reply, changes) = {
        let base: &dyn View = tx;
        let mut cx = Change::new(base, at, command.now_ns, command.session)?;
        cx.up_s = command.up_s.min(ops::count_uptime::MOST_SECONDS);
        let (reply, cx) = if command.session == 0 {
            execute(base, cx, command, None)?
        } else {
            run_in_session(base, cx, command)?
        };
        (reply, cx.map(|cx| cx.finish().collect::<Vec<_>>()).unwrap_or_default())
    };
    for (key, value) in changes {
        match value {
            Some(value) => tx.put(key, value),
            None => tx.delete(key),
        }
    }
    Ok(reply)
}

fn run_in_session<'v>(
    base: &'v (dyn View + 'v),
    mut cx: Change<'v>,
    command: &Command,
) -> Result<(Reply, Option<Change<'v>>), Broken> {
    match session::admit(&mut cx, command)? {
        Admission::Answered(reply) => Ok((*reply, None)),
        Admission::Go(session) => execute(base, cx, command, Some(session)),
    }
}

/// Runs the operation; on a refusal its changes are dropped. Either way the reply enters the session's window,
/// unless the operation ended that session.
fn execute<'v>(
    base: &'v (dyn View + 'v),
    mut cx: Change<'v>,
    command: &Command,
    session: Option<Session>,
) -> Result<(Reply, Option<Change<'v>>), Broken> {
    let mut grant = enter(&mut cx, command, session.as_ref());
    let mut reply = match attempt(&mut cx, command) {
        Ok(reply) => reply,
        Err(Stop::Broken(broken)) => return Err(broken),
        Err(Stop::Refused(reply)) => {
            cx = cx.rewind(base);
            grant = enter(&mut cx, command, session.as_ref());
            *in_steps(&cx, command.op.as_ref(), reply)?
        }
    };
    reply.index = cx.at;
    match audit::note(&mut cx, command, session.as_ref(), &reply) {
        Ok(()) => {}
        Err(Stop::Broken(broken)) => return Err(broken),
        // Noting refuses nothing: what it writes is bounded.
        Err(Stop::Refused(refusal)) => reply = *refusal,
    }
    if let Some(session) = session {
        if reply.grant == 0 {
            reply.grant = grant;
        }
        keep_in_window(&mut cx, command, session, &reply)?;
    }
    Ok((reply, Some(cx)))
}

fn enter(cx: &mut Change<'_>, command: &Command, session: Option<&Session>) -> u64 {
    session.map_or(0, |session| session::enter(cx, command, session))
}

fn attempt(cx: &mut Change<'_>, command: &Command) -> Outcome {
    let Some(op) = &command.op else {
        return Err(refuse(Code::InvalidArgument, "the command has no operation this build knows"));
    };
    let reply = dispatch(cx, op)?;
    chunks::settle(cx)?;
    quotas::settle(cx)?;
    trash::settle(cx)?;
    cx.check_bounds()?;
    Ok(reply)
}

/// What was too much for one command is refused with the draft that makes it small, if there is one. `cx` is as it
/// was before the operation.
fn in_steps(cx: &Change<'_>, op: Option<&Op>, refusal: Box<Reply>) -> Result<Box<Reply>, Broken> {
    let Some(status) = refusal.status.as_ref().filter(|status| status.kind() == Code::NeedsSteps) else {
        return Ok(refusal);
    };
    match op.map(|op| drafts::wanted(cx, op)) {
        Some(Ok(Some(steps))) => Ok(Box::new(Reply { steps: Some(steps), ..*refusal })),
        Some(Err(Stop::Broken(broken))) => Err(broken),
        _ => Ok(Box::new(Reply::refused(Status::new(Code::TooLarge, status.message.clone())))),
    }
}

/// Writes session and reply. The operation may itself have changed the session (grants) or ended it.
fn keep_in_window(
    cx: &mut Change<'_>,
    command: &Command,
    before: Session,
    reply: &Reply,
) -> Result<(), Broken> {
    let floor = before.floor;
    let now = cx.load::<Session>(&keys::session(command.session))?.unwrap_or(before);
    if now.is_open() {
        session::keep(cx, command, &Session { floor, ..now }, reply);
    }
    Ok(())
}

fn dispatch(cx: &mut Change<'_>, op: &Op) -> Outcome {
    match op {
        Op::Noop(_) => Ok(cx.reply()),
        Op::CloseSession(_) => ops::close_session::apply(cx),
        Op::ExpireSession(op) => ops::expire_session::apply(cx, op),
        Op::RenewGrant(op) => ops::renew_grant::apply(cx, op),
        Op::ReleaseInode(op) => ops::release_inode::apply(cx, op),
        Op::Create(op) => ops::create::apply(cx, op),
        Op::Link(op) => ops::link::apply(cx, op),
        Op::Unlink(op) => ops::unlink::apply(cx, op),
        Op::RemoveDir(op) => ops::remove_dir::apply(cx, op),
        Op::Rename(op) => ops::rename::apply(cx, op),
        Op::SetAttr(op) => ops::set_attr::apply(cx, op),
        Op::SetAccessTimes(op) => ops::set_access_times::apply(cx, op),
        Op::SetXattr(op) => ops::set_xattr::apply(cx, op),
        Op::RemoveXattr(op) => ops::remove_xattr::apply(cx, op),
        Op::Write(op) => ops::write::apply(cx, op),
        Op::CopyRange(op) => ops::copy_range::apply(cx, op),
        Op::Compact(op) => ops::compact::apply(cx, op),
        Op::BeginDraft(op) => ops::begin_draft::apply(cx, op),
        Op::FillDraft(op) => ops::fill_draft::apply(cx, op),
        Op::SetLock(op) => ops::set_lock::apply(cx, op),
        Op::SetQuota(op) => ops::set_quota::apply(cx, op),
        Op::QuotaStep(op) => ops::quota_step::apply(cx, op),
        Op::PutObject(op) => ops::put_object::apply(cx, op),
        Op::DeleteObjects(op) => ops::delete_objects::apply(cx, op),
        Op::CopyObject(op) => ops::copy_object::apply(cx, op),
        Op::MakeDirs(op) => ops::make_dirs::apply(cx, op),
        Op::CreateBucket(op) => ops::create_bucket::apply(cx, op),
        Op::DeleteBucket(op) => ops::delete_bucket::apply(cx, op),
        Op::SetObjectMeta(op) => ops::set_object_meta::apply(cx, op),
        Op::CreateUpload(op) => ops::create_upload::apply(cx, op),
        Op::PutPart(op) => ops::put_part::apply(cx, op),
        Op::CopyPart(op) => ops::copy_part::apply(cx, op),
        Op::AssembleUpload(op) => ops::assemble_upload::apply(cx, op),
        Op::FinishUpload(op) => ops::finish_upload::apply(cx, op),
        Op::AbortUpload(op) => ops::abort_upload::apply(cx, op),
        Op::RegisterNode(op) => ops::register_node::apply(cx, op),
        Op::RegisterDisk(op) => ops::register_disk::apply(cx, op),
        Op::SetNode(op) => ops::set_node::apply(cx, op),
        Op::SetDisk(op) => ops::set_disk::apply(cx, op),
        Op::PutClass(op) => ops::put_class::apply(cx, op),
        Op::CreatePgs(op) => ops::create_pgs::apply(cx, op),
        Op::ChangePg(op) => ops::change_pg::apply(cx, op),
        Op::SetPgState(op) => ops::set_pg_state::apply(cx, op),
        Op::MemberClean(op) => ops::member_clean::apply(cx, op),
        Op::ClearMissing(op) => ops::clear_missing::apply(cx, op),
        Op::AddMissing(op) => ops::add_missing::apply(cx, op),
        Op::AdvanceGc(op) => ops::advance_gc::apply(cx, op),
        Op::ClearLeave(op) => ops::clear_leave::apply(cx, op),
        Op::DropDraft(op) => ops::drop_draft::apply(cx, op),
        Op::CountUptime(op) => ops::count_uptime::apply(cx, op),
        Op::FreeNameless(op) => ops::free_nameless::apply(cx, op),
        Op::FreeStep(op) => ops::free_step::apply(cx, op),
        Op::FreeUploadStep(op) => ops::free_upload_step::apply(cx, op),
        Op::Genesis(op) => ops::genesis::apply(cx, op),
        Op::PutKey(op) => ops::put_key::apply(cx, op),
        Op::DeleteKey(op) => ops::delete_key::apply(cx, op),
        Op::PutSetting(op) => ops::put_setting::apply(cx, op),
        Op::PutJoinToken(op) => ops::put_join_token::apply(cx, op),
        Op::SteerBalance(op) => ops::steer_balance::apply(cx, op),
        Op::OrderScrub(op) => ops::order_scrub::apply(cx, op),
        Op::RestoreFile(op) => ops::restore_file::apply(cx, op),
        Op::EmptyTrash(op) => ops::empty_trash::apply(cx, op),
        Op::SetTrashTime(op) => ops::set_trash_time::apply(cx, op),
        Op::NoteGroups(op) => ops::note_groups::apply(cx, op),
        Op::PutAccount(op) => ops::put_account::apply(cx, op),
        Op::DeleteAccount(op) => ops::delete_account::apply(cx, op),
        Op::PutCredential(op) => ops::put_credential::apply(cx, op),
        Op::TouchCredential(op) => ops::touch_credential::apply(cx, op),
        Op::DeleteCredential(op) => ops::delete_credential::apply(cx, op),
        Op::PutShare(op) => ops::put_share::apply(cx, op),
        Op::DeleteShare(op) => ops::delete_share::apply(cx, op),
        Op::NoteAudit(op) => ops::note_audit::apply(cx, op),
        Op::TrimAudit(op) => ops::trim_audit::apply(cx, op),
        Op::NoteUsage(op) => ops::note_usage::apply(cx, op),
    }
}
