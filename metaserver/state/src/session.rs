//! Sessions: the exactly-once window, and what ends with a session.
//!
//! What always holds:
//! - A command `(session, seq)` is carried out at most once. Its reply, a refusal too, is kept until the client
//!   says (`lowest_unanswered`) that it no longer waits for it.
//! - At most [`WINDOW`] replies are kept per session, in a ring of that many slots: `seq` modulo the window. A
//!   sequence number below the floor is `OutOfWindow`; one that would need a slot still in use is `Busy`.
//! - A session that ended is remembered, so that a late retry of its first command cannot open it again: for at
//!   least [`REMEMBERED_NS`] of state time and [`REMEMBERED_ENTRIES`] log entries, but never more than
//!   [`REMEMBERED_MOST`] of them. A retry would have to travel for longer than that to be executed twice.
//!
//! Used by [`crate::apply()`] before and after each operation, and by the session operations.

use holdfast_proto::op::{Command, Reply};
use holdfast_proto::session::OpenSession;
use holdfast_proto::status::{Code, Status};

use crate::change::{Change, Stop, refuse};
use crate::keys;
use crate::locks;
use crate::nameless;
use crate::records::{Id, KeptReply, Mark, Session};
use crate::settings;
use crate::table::Broken;

/// Most commands of one session that may be unanswered, and replies that are kept.
pub const WINDOW: u64 = 1024;
/// Most grants a session may have open.
pub const MAX_GRANTS: usize = 64;
/// State time for which ended sessions are remembered at least, in nanoseconds.
pub const REMEMBERED_NS: i64 = 3_600_000_000_000;
/// Log entries for which ended sessions are remembered at least.
pub const REMEMBERED_ENTRIES: u64 = 10_000;
/// Most ended sessions that are remembered.
pub const REMEMBERED_MOST: u64 = 1 << 20;

/// Nameless inodes let go of per command that ends a session: with replies and grants this stays below the
/// limit of keys.
const RELEASED_AT_ONCE: usize = 256;
/// Ended sessions forgotten per command that ends one: more than one, so that the list shrinks.
const FORGOTTEN_AT_ONCE: usize = 4;

/// What the window says about a command.
pub(crate) enum Admission {
    /// New: carry it out.
    Go(Session),
    /// Answered already, or refused without being executed. Nothing changes.
    Answered(Box<Reply>),
}

/// Looks a command up in its session's window, opening the session first if it asks for that.
pub(crate) fn admit(cx: &mut Change<'_>, command: &Command) -> Result<Admission, Broken> {
    let known: Option<Session> = cx.load(&keys::session(command.session))?;
    let mut session = match (known, &command.open) {
        (Some(session), _) if session.is_open() => session,
        (None, Some(open)) => opened(cx, open),
        _ => return Ok(not_executed(Code::SessionExpired, "the session is not known or has ended")),
    };
    if command.seq == 0 {
        return Ok(not_executed(Code::InvalidArgument, "sequence numbers start at 1"));
    }
    if command.seq < session.floor {
        return Ok(not_executed(Code::OutOfWindow, "the reply to this command is no longer kept"));
    }
    let kept: Option<KeptReply> = cx.load(&keys::reply(command.session, slot(command.seq)))?;
    if let Some(kept) = kept.filter(|kept| kept.seq == command.seq) {
        return Ok(Admission::Answered(Box::new(kept.reply.unwrap_or_default())));
    }
    session.floor = session.floor.max(command.lowest_unanswered.min(command.seq));
    if command.seq - session.floor >= WINDOW {
        return Ok(not_executed(Code::Busy, "too many commands of this session are unanswered"));
    }
    Ok(Admission::Go(session))
}

fn slot(seq: u64) -> u16 {
    (seq % WINDOW) as u16
}

fn not_executed(code: Code, message: &str) -> Admission {
    let mut status = Status::new(code, message);
    if code == Code::Busy {
        status.after_ms = 20;
    }
    Admission::Answered(Box::new(Reply::refused(status)))
}

fn opened(cx: &mut Change<'_>, open: &OpenSession) -> Session {
    let description: String = open.description.chars().take(200).collect();
    Session {
        opened: cx.at,
        floor: 1,
        ttl_ms: settings::clamp_ttl_ms(open.ttl_ms),
        description,
        since_ns: cx.now,
        holds_files: open.holds_files,
        ..Session::default()
    }
}

/// Makes a session that this command opens known to the state, so that the operation already finds it. The grant
/// it asked for, or 0.
pub(crate) fn enter(cx: &mut Change<'_>, command: &Command, session: &Session) -> u64 {
    if session.opened != cx.at {
        return 0;
    }
    let mut session = session.clone();
    cx.state.sessions += 1;
    cx.state.mounts += u64::from(session.holds_files);
    let wants_grant = command.open.as_ref().is_some_and(|open| open.grant);
    let grant = if wants_grant { open_grant(cx, command.session, &mut session) } else { 0 };
    cx.store(keys::session(command.session), &session);
    grant
}

/// Opens a grant; the caller stores the session.
pub(crate) fn open_grant(cx: &mut Change<'_>, id: u64, session: &mut Session) -> u64 {
    let grant = cx.state.next_grant;
    cx.state.next_grant += 1;
    session.grants.push(grant);
    cx.store(keys::grant(grant), &Id { id });
    grant
}

/// Keeps a command's reply in the window and writes the session back.
pub(crate) fn keep(cx: &mut Change<'_>, command: &Command, session: &Session, reply: &Reply) {
    let kept = KeptReply { seq: command.seq, reply: Some(reply.clone()) };
    cx.store(keys::reply(command.session, slot(command.seq)), &kept);
    cx.store(keys::session(command.session), session);
}

/// Ends a session: grants close, replies go, then its locks are dropped and at last its drafts are let go of. Answers
/// how many of those are known to be left; while it is not 0 the leader asks again.
pub(crate) fn end(cx: &mut Change<'_>, id: u64, mut session: Session) -> Result<u64, Stop> {
    if session.is_open() {
        for grant in std::mem::take(&mut session.grants) {
            cx.remove(keys::grant(grant));
        }
        let replies = keys::replies(id);
        let kept = cx.view().scan(&replies, &keys::after_prefix(&replies), WINDOW as usize)?;
        for (key, _) in kept {
            cx.remove(key);
        }
        let ended = Session { opened: session.opened, ended: cx.at, since_ns: cx.now, ..Session::default() };
        cx.store(keys::session(id), &ended);
        cx.store(keys::ended(cx.at, id), &Mark {});
        cx.state.sessions = cx.state.sessions.saturating_sub(1);
        cx.state.mounts = cx.state.mounts.saturating_sub(u64::from(session.holds_files));
        cx.state.ended += 1;
        forget_old(cx)?;
    }
    // Locks first, and alone while they are many: others wait for them.
    let locked = locks::release_all(cx, id)?;
    if locked > 0 {
        return Ok(locked);
    }
    let holdings = keys::holdings(id);
    let held = cx.view().scan(&holdings, &keys::after_prefix(&holdings), RELEASED_AT_ONCE + 1)?;
    for (key, _) in held.iter().take(RELEASED_AT_ONCE) {
        nameless::release(cx, id, keys::u64_at(key, 9))?;
    }
    Ok(held.len().saturating_sub(RELEASED_AT_ONCE) as u64)
}

/// Forgets sessions that ended long ago.
fn forget_old(cx: &mut Change<'_>) -> Result<(), Stop> {
    let prefix = keys::all(keys::ENDED);
    let oldest = cx.view().scan(&prefix, &keys::after_prefix(&prefix), FORGOTTEN_AT_ONCE)?;
    for (key, _) in oldest {
        let (index, id) = (keys::u64_at(&key, 1), keys::u64_at(&key, 9));
        let Some(session) = cx.load::<Session>(&keys::session(id))? else {
            return Err(Broken::Inconsistent(format!("ended session {id} has no record")).into());
        };
        let old = cx.now.saturating_sub(session.since_ns) > REMEMBERED_NS
            && cx.at.saturating_sub(index) > REMEMBERED_ENTRIES;
        if !old && cx.state.ended <= REMEMBERED_MOST {
            break;
        }
        // Still lets go of locks or nameless inodes: its turn comes later.
        if cx.any(&keys::holdings(id))? || cx.any(&keys::lockings(id))? {
            break;
        }
        cx.remove(key);
        cx.remove(keys::session(id));
        cx.state.ended = cx.state.ended.saturating_sub(1);
    }
    Ok(())
}

/// The session an operation is about, open.
pub(crate) fn own(cx: &Change<'_>) -> Result<Session, Stop> {
    if cx.session == 0 {
        return Err(refuse(Code::InvalidArgument, "only a client's session can do this"));
    }
    cx.load(&keys::session(cx.session))?
        .ok_or_else(|| refuse(Code::SessionExpired, "the session is not known or has ended"))
}
