//! Lock or unlock a range of a file.

use holdfast_proto::op::{FileLock, Reply, SetLock};

use crate::change::{Change, Outcome};
use crate::locks;
use crate::queries;
use crate::session;

pub(crate) fn apply(cx: &mut Change<'_>, op: &SetLock) -> Outcome {
    session::own(cx)?;
    let inode = cx.inode(op.ino)?;
    let wanted = FileLock {
        session: cx.session,
        owner: op.owner,
        start: op.start,
        end: op.end,
        kind: op.kind,
        pid: op.pid,
        flock: op.flock,
    };
    locks::check(&inode, &wanted)?;
    locks::set(cx, op.ino, wanted)?;
    // Whoever holds a lock must not read what it cached before: the version says whether it may.
    Ok(Reply { inode: Some(queries::listed(inode)), ..cx.reply() })
}
