//! Create or replace an S3 access key; without a secret, one that is there keeps its own.

use holdfast_proto::op::PutKey;
use holdfast_proto::status::Code;

use crate::change::{Change, Outcome, refuse, require};
use crate::keys;

pub(crate) fn apply(cx: &mut Change<'_>, op: &PutKey) -> Outcome {
    let fine = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '+' | '=');
    require(
        (3..=128).contains(&op.access_key.len()) && op.access_key.chars().all(fine),
        Code::InvalidArgument,
        "an access key id has 3 to 128 letters, digits or `-_.+=`",
    )?;
    let mut new = op.clone();
    if new.secret_key.is_empty() {
        let old: Option<PutKey> = cx.load(&keys::access_key(&op.access_key))?;
        let old = old.ok_or_else(|| refuse(Code::NoSuchKey, "there is no such access key"))?;
        new.secret_key = old.secret_key;
    }
    require(
        (8..=128).contains(&new.secret_key.len()),
        Code::InvalidArgument,
        "a secret key has 8 to 128 characters",
    )?;
    require(op.rules.len() <= 1000, Code::TooLarge, "an access key has at most 1000 rules")?;
    cx.store(keys::access_key(&op.access_key), &new);
    Ok(cx.reply())
}
