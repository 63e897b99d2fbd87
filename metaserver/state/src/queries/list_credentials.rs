//! Logins and tokens.

use holdfast_proto::access::{Account, Credential};
use holdfast_proto::query::{ListCredentials, QueryReply};

use crate::keys;
use crate::queries::{Answer, page};
use crate::records;
use crate::table::View;

const MOST: usize = 1000;

pub(crate) fn answer(view: &dyn View, ask: &ListCredentials) -> Answer {
    if !ask.digest.is_empty() {
        let credential = records::load(view, &keys::credential(&ask.account, &ask.digest))?;
        let account: Option<Account> = records::load(view, &keys::account(&ask.account))?;
        let accounts = account.into_iter().map(|a| Account { password: String::new(), ..a }).collect();
        let credentials = credential.into_iter().collect();
        return Ok(QueryReply { credentials, accounts, ..QueryReply::default() });
    }
    let all = match ask.account.as_str() {
        "" => keys::all(keys::CREDENTIAL),
        account => keys::credential(account, &[]),
    };
    let from = if ask.after.is_empty() { all.clone() } else { keys::next(&ask.after) };
    let most = page(ask.most, MOST);
    let mut found = records::load_range::<Credential>(
        view,
        from.as_ref().max(&all),
        &keys::after_prefix(&all),
        most + 1,
    )?;
    let more = found.len() > most;
    found.truncate(most);
    let next = found.last().filter(|_| more).map(|(key, _)| key.clone()).unwrap_or_default();
    let credentials = found.into_iter().map(|(_, credential)| credential).collect();
    Ok(QueryReply { credentials, more, next, ..QueryReply::default() })
}
