//! Somebody logged in, or got a token.

use holdfast_proto::access::{Credential, CredentialKind};
use holdfast_proto::op::PutCredential;
use holdfast_proto::status::Code;

use crate::access_control::{self, MOST_LOGINS, MOST_TEXT, MOST_TOKENS};
use crate::change::{Change, Outcome, refuse, require};
use crate::keys;

pub(crate) fn apply(cx: &mut Change<'_>, op: &PutCredential) -> Outcome {
    let Some(credential) = &op.credential else {
        return Err(refuse(Code::InvalidArgument, "there is no credential in the command"));
    };
    access_control::check_digest(&credential.digest)?;
    access_control::check_role(credential.role)?;
    let kind = CredentialKind::try_from(credential.kind)
        .map_err(|_| refuse(Code::InvalidArgument, "the kind of credential is none this build knows"))?;
    require(
        credential.description.len() <= MOST_TEXT && credential.from.len() <= MOST_TEXT,
        Code::TooLarge,
        "descriptions have at most 500 bytes",
    )?;
    let mut account = access_control::account(cx, &credential.account)?;
    require(!account.disabled, Code::PermissionDenied, "the account is disabled")?;
    let mut others = access_control::credentials(cx.view(), &account.name)?;
    others.retain(|(_, other)| other.kind() == kind);
    match kind {
        CredentialKind::Login => {
            others.sort_by_key(|(_, other)| other.used_ns);
            let too_many = (others.len() + 1).saturating_sub(MOST_LOGINS);
            others.drain(..too_many).for_each(|(key, _)| cx.remove(key));
            account.login_ns = cx.now;
            cx.store(keys::account(&account.name), &account);
        }
        CredentialKind::Token => require(
            others.len() < MOST_TOKENS,
            Code::TooLarge,
            "the account has as many tokens as it can have: take one back first",
        )?,
    }
    let made = Credential {
        created_ns: cx.now,
        used_ns: if kind == CredentialKind::Login { cx.now } else { 0 },
        expires_ns: access_control::ends(cx, op.lasts_s),
        ..credential.clone()
    };
    cx.store(keys::credential(&account.name, &made.digest), &made);
    Ok(cx.reply())
}
