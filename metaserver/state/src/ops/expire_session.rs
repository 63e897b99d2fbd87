//! The leader ends a silent session. A session that is gone already is fine; one that still lets go of locks or
//! nameless inodes goes on with that, and the reply's `progress` says how many are known to be left.

use holdfast_proto::op::{ExpireSession, Reply};

use crate::change::{Change, Outcome};
use crate::keys;
use crate::records::Session;
use crate::session;

pub(crate) fn apply(cx: &mut Change<'_>, op: &ExpireSession) -> Outcome {
    let known: Option<Session> = cx.load(&keys::session(op.session))?;
    let progress = match known {
        Some(known) => session::end(cx, op.session, known)?,
        None => 0,
    };
    Ok(Reply { progress, ..cx.reply() })
}
