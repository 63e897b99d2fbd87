//! Share a file by a link.

use holdfast_proto::access::Share;
use holdfast_proto::op::PutShare;
use holdfast_proto::status::Code;

use crate::access_control;
use crate::change::{Change, Outcome, refuse, require};
use crate::keys;

/// Longest life of a link, in seconds: ten years.
const MOST_SECONDS: u64 = 315_360_000;
/// Links at a time.
const MOST: usize = 100_000;
/// Longest key.
const MOST_KEY: usize = 4096;

pub(crate) fn apply(cx: &mut Change<'_>, op: &PutShare) -> Outcome {
    let Some(share) = &op.share else {
        return Err(refuse(Code::InvalidArgument, "there is no share in the command"));
    };
    access_control::check_digest(&share.digest)?;
    access_control::check_name(&share.account)?;
    require(
        (1..=MOST_SECONDS).contains(&op.lasts_s),
        Code::InvalidArgument,
        "a link lasts from one second to ten years",
    )?;
    require(
        !share.bucket.is_empty() && !share.key.is_empty() && share.key.len() <= MOST_KEY,
        Code::InvalidArgument,
        "a link is to a file in a bucket",
    )?;
    require(cx.state.shares < MOST as u64, Code::TooLarge, "there are too many links: take some back first")?;
    let key = keys::share(&share.digest);
    require(cx.view().get(&key)?.is_none(), Code::Exists, "there is such a link already")?;
    let made =
        Share { created_ns: cx.now, expires_ns: access_control::ends(cx, op.lasts_s), ..share.clone() };
    cx.store(key, &made);
    cx.state.shares += 1;
    Ok(cx.reply())
}
