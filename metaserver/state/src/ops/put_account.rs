//! Make or change an account.

use holdfast_proto::access::Account;
use holdfast_proto::op::PutAccount;
use holdfast_proto::status::Code;

use crate::access_control::{self, MOST_ACCOUNTS};
use crate::change::{Change, Outcome, Stop, refuse, require};
use crate::keys;

/// Longest hash taken; argon2's are about 100 characters.
const MOST_HASH: usize = 512;

pub(crate) fn apply(cx: &mut Change<'_>, op: &PutAccount) -> Outcome {
    access_control::check_name(&op.name)?;
    op.role.map_or(Ok(()), access_control::check_role)?;
    let hash = op.password.as_deref();
    require(
        hash.is_none_or(|hash| hash.starts_with("$argon2") && hash.len() <= MOST_HASH),
        Code::InvalidArgument,
        "a password comes as an argon2 hash",
    )?;
    let old: Option<Account> = cx.load(&keys::account(&op.name))?;
    let new = match (old, op.create) {
        (None, true) => fresh(cx, op)?,
        (Some(old), false) => changed(old, op),
        (Some(_), true) => {
            return Err(refuse(Code::Exists, format!("there is an account {:?} already", op.name)));
        }
        (None, false) => return Err(refuse(Code::NotFound, format!("there is no account {:?}", op.name))),
    };
    cx.store(keys::account(&new.name), &new);
    access_control::keep_an_admin(cx)?;
    // Whoever is in with what was true before has to prove it again.
    if !op.create && (op.password.is_some() || op.role.is_some() || op.disabled.is_some()) {
        access_control::end_credentials(cx, &op.name, &op.keep, false)?;
    }
    Ok(cx.reply())
}

fn fresh(cx: &Change<'_>, op: &PutAccount) -> Result<Account, Stop> {
    let (Some(role), Some(password)) = (op.role, op.password.clone()) else {
        return Err(refuse(Code::InvalidArgument, "a new account needs a role and a password"));
    };
    let count = access_control::accounts(cx.view())?.len();
    require(count < MOST_ACCOUNTS, Code::TooLarge, "there are as many accounts as there can be")?;
    Ok(Account {
        name: op.name.clone(),
        role,
        password,
        disabled: op.disabled.unwrap_or(false),
        must_change: op.must_change.unwrap_or(false),
        created_ns: cx.now,
        login_ns: 0,
    })
}

fn changed(old: Account, op: &PutAccount) -> Account {
    Account {
        role: op.role.unwrap_or(old.role),
        password: op.password.clone().unwrap_or(old.password),
        disabled: op.disabled.unwrap_or(old.disabled),
        must_change: op.must_change.unwrap_or(old.must_change),
        ..old
    }
}
