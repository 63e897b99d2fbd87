//! Accounts, and what proves that somebody is one of them: the rules that several operations share.
//!
//! What always holds: an account has at most [`MOST_LOGINS`] logins and [`MOST_TOKENS`] tokens, all of which go with it;
//! no command leaves the cluster without an enabled account with the role admin, once there was one.

use bytes::Bytes;
use holdfast_proto::access::{Account, Credential, CredentialKind, Role};
use holdfast_proto::status::Code;

use crate::change::{Change, Stop, refuse, require};
use crate::keys;
use crate::records;
use crate::table::{Broken, View};

/// Accounts of a cluster.
pub(crate) const MOST_ACCOUNTS: usize = 1_000;
/// Logins of an account: the one that was used longest ago makes way.
pub(crate) const MOST_LOGINS: usize = 64;
/// Tokens of an account.
pub(crate) const MOST_TOKENS: usize = 64;
/// Length of a digest of a secret.
pub(crate) const DIGEST_BYTES: usize = 32;
/// Longest text that people may give to something.
pub(crate) const MOST_TEXT: usize = 500;

const NANOS: i64 = 1_000_000_000;

/// Refuses what cannot be an account's name.
pub(crate) fn check_name(name: &str) -> Result<(), Stop> {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let fine = (1..=64).contains(&name.len())
        && name.starts_with(plain)
        && name.chars().all(|c| plain(c) || matches!(c, '-' | '_' | '.' | '@'));
    require(
        fine,
        Code::InvalidArgument,
        "an account's name has 1 to 64 lower-case letters, digits or -_.@ and begins with a letter or digit",
    )
}

/// Refuses what is no role that somebody can have.
pub(crate) fn check_role(role: i32) -> Result<(), Stop> {
    let known = Role::try_from(role).is_ok_and(|role| role != Role::None);
    require(known, Code::InvalidArgument, "the role is none this build knows")
}

/// Refuses what is no digest.
pub(crate) fn check_digest(digest: &[u8]) -> Result<(), Stop> {
    require(digest.len() == DIGEST_BYTES, Code::InvalidArgument, "a digest has 32 bytes")
}

/// The account, or `NotFound`.
pub(crate) fn account(cx: &Change<'_>, name: &str) -> Result<Account, Stop> {
    cx.load(&keys::account(name))?
        .ok_or_else(|| refuse(Code::NotFound, format!("there is no account {name:?}")))
}

/// Every account.
pub(crate) fn accounts(view: &dyn View) -> Result<Vec<Account>, Broken> {
    let all = [keys::ACCOUNT];
    let found = records::load_range::<Account>(view, &all, &keys::after_prefix(&all), MOST_ACCOUNTS)?;
    Ok(found.into_iter().map(|(_, account)| account).collect())
}

/// Every login and token of an account with its key.
pub(crate) fn credentials(view: &dyn View, account: &str) -> Result<Vec<(Bytes, Credential)>, Broken> {
    let from = keys::credential(account, &[]);
    records::load_range(view, &from, &keys::after_prefix(&from), MOST_LOGINS + MOST_TOKENS)
}

/// Refuses to go on when nobody would be left who may do everything.
pub(crate) fn keep_an_admin(cx: &Change<'_>) -> Result<(), Stop> {
    let admin = |account: &Account| account.role() == Role::Admin && !account.disabled;
    let were = accounts(cx.base())?.iter().any(admin);
    let are = accounts(cx.view())?.iter().any(admin);
    require(
        are || !were,
        Code::PreconditionFailed,
        "this is the last enabled account with the role admin: make another one first",
    )
}

/// Ends the logins of an account, but for the one with this digest; its tokens as well if `tokens`.
pub(crate) fn end_credentials(
    cx: &mut Change<'_>,
    account: &str,
    keep: &[u8],
    tokens: bool,
) -> Result<(), Stop> {
    for (key, credential) in credentials(cx.view(), account)? {
        let goes = tokens || credential.kind() == CredentialKind::Login;
        if goes && credential.digest != keep {
            cx.remove(key);
        }
    }
    Ok(())
}

/// State time this many seconds from now; 0 seconds: never, which is 0 too.
pub(crate) fn ends(cx: &Change<'_>, lasts_s: u64) -> i64 {
    match i64::try_from(lasts_s) {
        Ok(0) => 0,
        Ok(seconds) => cx.now.saturating_add(seconds.saturating_mul(NANOS)),
        Err(_) => i64::MAX,
    }
}
