//! End a login, or take a token back.

use holdfast_proto::op::DeleteCredential;
use holdfast_proto::status::Code;

use crate::change::{Change, Outcome, require};
use crate::keys;

pub(crate) fn apply(cx: &mut Change<'_>, op: &DeleteCredential) -> Outcome {
    let key = keys::credential(&op.account, &op.digest);
    let known = cx.view().get(&key)?.is_some();
    require(known, Code::NotFound, "there is no such login or token")?;
    cx.remove(key);
    Ok(cx.reply())
}
