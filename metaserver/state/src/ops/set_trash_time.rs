//! Say for how long files are kept that are deleted anywhere below a directory, or leave it to what is above. What is in
//! the trash already stays for as long as was said when it went there.

use holdfast_proto::ids::ROOT_INO;
use holdfast_proto::op::SetTrashTime;
use holdfast_proto::status::Code;

use crate::change::{Change, Outcome, require};
use crate::dirs;
use crate::settings::{self, TRASH_SECONDS};

/// Most directories that say so: far more than anybody wants, so that one cannot be set on every directory.
const MOST: u64 = 100_000;

pub(crate) fn apply(cx: &mut Change<'_>, op: &SetTrashTime) -> Outcome {
    let mut dir = dirs::directory(cx, op.ino)?;
    require(
        dir.ino != ROOT_INO.0,
        Code::InvalidArgument,
        "for everything, the cluster setting trash_seconds says it",
    )?;
    if let (Some(seconds), Some(about)) = (op.seconds, settings::about(TRASH_SECONDS)) {
        about.check(&seconds.to_string()).map_err(|why| crate::change::refuse(Code::InvalidArgument, why))?;
    }
    match (dir.trash_seconds.is_some(), op.seconds.is_some()) {
        (false, true) => {
            require(cx.state.trash_times < MOST, Code::TooLarge, "as many directories say it as may")?;
            cx.state.trash_times += 1;
        }
        (true, false) => cx.state.trash_times = cx.state.trash_times.saturating_sub(1),
        _ => {}
    }
    dir.trash_seconds = op.seconds;
    dir.ctime_ns = cx.now;
    // Who says what becomes of a directory's files wants it to stay.
    dir.implicit = false;
    cx.store_inode(&dir);
    Ok(cx.reply_inode(dir))
}
