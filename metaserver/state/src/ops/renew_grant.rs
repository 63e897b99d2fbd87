//! A session gets a new grant and closes those whose chunks are all committed or abandoned.

use holdfast_proto::op::{RenewGrant, Reply};
use holdfast_proto::status::Code;

use crate::change::{Change, Outcome, require};
use crate::keys;
use crate::session::{self, MAX_GRANTS};

pub(crate) fn apply(cx: &mut Change<'_>, op: &RenewGrant) -> Outcome {
    let mut own = session::own(cx)?;
    for grant in &op.close {
        // A grant that is closed already, or is another's, is none of ours to close.
        if let Some(at) = own.grants.iter().position(|open| open == grant) {
            own.grants.remove(at);
            cx.remove(keys::grant(*grant));
        }
    }
    let mut grant = 0;
    if op.open {
        require(
            own.grants.len() < MAX_GRANTS,
            Code::TooLarge,
            "the session has as many grants open as it may have; close some first",
        )?;
        require(
            cx.state.next_grant <= holdfast_proto::ids::MAX_GRANT,
            Code::NoSpace,
            "all grant numbers have been used",
        )?;
        grant = session::open_grant(cx, cx.session, &mut own);
    }
    cx.store(keys::session(cx.session), &own);
    Ok(Reply { grant, ..cx.reply() })
}
