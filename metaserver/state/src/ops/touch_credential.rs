//! A login or token was used: note when, and let a login last on.

use holdfast_proto::access::Credential;
use holdfast_proto::op::TouchCredential;
use holdfast_proto::status::Code;

use crate::access_control;
use crate::change::{Change, Outcome, refuse};
use crate::keys;

pub(crate) fn apply(cx: &mut Change<'_>, op: &TouchCredential) -> Outcome {
    let key = keys::credential(&op.account, &op.digest);
    let old: Option<Credential> = cx.load(&key)?;
    let Some(old) = old else {
        return Err(refuse(Code::NotFound, "there is no such login or token"));
    };
    let ends = access_control::ends(cx, op.lasts_s);
    let expires_ns = if old.expires_ns == 0 { 0 } else { old.expires_ns.max(ends) };
    cx.store(key, &Credential { used_ns: cx.now, expires_ns, ..old });
    Ok(cx.reply())
}
