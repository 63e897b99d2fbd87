//! Delete an account, with its logins and tokens.

use holdfast_proto::op::DeleteAccount;

use crate::access_control;
use crate::change::{Change, Outcome};
use crate::keys;

pub(crate) fn apply(cx: &mut Change<'_>, op: &DeleteAccount) -> Outcome {
    access_control::account(cx, &op.name)?;
    cx.remove(keys::account(&op.name));
    access_control::keep_an_admin(cx)?;
    access_control::end_credentials(cx, &op.name, &[], true)?;
    Ok(cx.reply())
}
