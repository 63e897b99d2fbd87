//! What keeps a session from locking a range, for F_GETLK.

use holdfast_proto::op::{FileLock, LockKind};
use holdfast_proto::query::{GetLock, QueryReply};
use holdfast_proto::status::Code;

use crate::change::require;
use crate::locks;
use crate::queries::Answer;
use crate::table::View;

pub(crate) fn answer(view: &dyn View, session: u64, ask: &GetLock) -> Answer {
    let inode = super::get_inode::load(view, ask.ino)?;
    let wanted = FileLock {
        session,
        owner: ask.owner,
        start: ask.start,
        end: ask.end,
        kind: ask.kind,
        pid: 0,
        flock: ask.flock,
    };
    locks::check(&inode, &wanted)?;
    require(
        ask.kind != LockKind::Unlock as i32,
        Code::InvalidArgument,
        "nothing is in the way of unlocking",
    )?;
    let lock = locks::in_the_way(&locks::held(view, ask.ino)?, &wanted);
    Ok(QueryReply { lock, ..QueryReply::default() })
}
