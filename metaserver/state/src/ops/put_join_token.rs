//! Create or delete the token with which nodes join. Only its digest is kept.

use holdfast_proto::op::PutJoinToken;
use holdfast_proto::status::Code;

use crate::change::{Change, Outcome, require};
use crate::keys;
use crate::records::Token;

pub(crate) fn apply(cx: &mut Change<'_>, op: &PutJoinToken) -> Outcome {
    if op.digest.is_empty() {
        cx.remove(keys::token());
        return Ok(cx.reply());
    }
    require(op.digest.len() == 32, Code::InvalidArgument, "the digest of a token has 32 bytes")?;
    cx.store(keys::token(), &Token { digest: op.digest.clone() });
    Ok(cx.reply())
}
