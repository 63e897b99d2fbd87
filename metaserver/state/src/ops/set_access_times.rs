//! Files were read: their access times move, and nothing else of them.

use holdfast_proto::inode::Inode;
use holdfast_proto::op::SetAccessTimes;
use holdfast_proto::status::Code;

use crate::change::{Change, Outcome, require};
use crate::keys;

/// Most inodes of one command.
pub const MAX_TIMES: usize = 1000;

pub(crate) fn apply(cx: &mut Change<'_>, op: &SetAccessTimes) -> Outcome {
    require(op.times.len() <= MAX_TIMES, Code::TooLarge, "a command names at most 1000 access times")?;
    for time in &op.times {
        let Some(mut inode) = cx.load::<Inode>(&keys::inode(time.ino))? else { continue };
        let read = time.atime_ns.min(cx.now);
        if read > inode.atime_ns {
            inode.atime_ns = read;
            cx.store_inode(&inode);
        }
    }
    Ok(cx.reply())
}
