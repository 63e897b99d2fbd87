//! Accounts.

use holdfast_proto::access::Account;
use holdfast_proto::query::{ListAccounts, QueryReply};

use crate::access_control;
use crate::keys;
use crate::queries::Answer;
use crate::records;
use crate::table::View;

pub(crate) fn answer(view: &dyn View, ask: &ListAccounts) -> Answer {
    let accounts = match ask.name.as_str() {
        "" => {
            let all = access_control::accounts(view)?;
            all.into_iter().map(|account| Account { password: String::new(), ..account }).collect()
        }
        name => records::load(view, &keys::account(name))?.into_iter().collect(),
    };
    Ok(QueryReply { accounts, ..QueryReply::default() })
}
